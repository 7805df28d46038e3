// A bot of its own that kills itself at a given moment: `bot-process.ts URL PREFIX FOLDER MOMENT RECEIPT`.
import { Readable } from 'node:stream';
import { createLogger } from '#src/log';
import { openRedis } from '#src/redis/access';
import { Rig, TestMessenger } from '#test/src/chat/delivery/support';

const [url = '', prefix = '', folder = '', moment = '', receipt = ''] = process.argv.slice(2);

async function die(): Promise<never> {
  process.kill(process.pid, 'SIGKILL');
  return await new Promise<never>(() => undefined);
}

const redis = await openRedis(
  { redisUrl: url, redisPrefix: prefix, dataFolder: folder },
  createLogger('silent'),
);
const rig = await Rig.start(redis, folder);
const messenger = new TestMessenger();
if (moment === 'fetching') {
  messenger.openFile = async () => {
    setTimeout(() => void die(), 50);
    return new Readable({ read: () => undefined });
  };
}
if (moment === 'running') {
  messenger.onShow = async (_delivery, view) => {
    if (view.state === 'active') await die();
  };
}
if (moment === 'posted') {
  messenger.onFinish = async (_delivery, note) => {
    await note({ message: '4711' });
    await die();
  };
}
const courier = await rig.courier(messenger, { leaseMilliseconds: 800 });
const { receipt: received, secrets } = JSON.parse(receipt);
await courier.receive(received, secrets);
