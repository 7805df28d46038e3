// A bot in a process of its own, to be killed: `bot-process.ts ENVIRONMENT`, which is JSON.
import { Running } from '#src/app/running';
import { startSlack } from '#src/chat/slack/start';
import { createLogger } from '#src/log';
import { openMortalServices } from '#test/src/chat/slack/support/bot';

const log = createLogger('silent');
const environment = JSON.parse(process.argv[2] ?? '{}') as Record<string, string>;
const opened = await openMortalServices(environment, new Running(log), log);
await startSlack(opened.services);
