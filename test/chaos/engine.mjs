// Stands for the engine's process: speaks src/contracts/engine and answers at once, or as slowly as the request asks
// ("slow 800": 800 ms). It computes nothing, so that what is tested is everything around it.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

const running = new Map();
const pack = JSON.parse(process.argv[2] ?? '{}')
  .packFolder.split('/')
  .at(-1);

process.on('disconnect', () => process.exit(0));
process.on('SIGINT', () => {});
process.on('message', (message) => {
  if (message.type === 'stop') process.exit(0);
  if (message.type === 'cancel')
    end(message.id, { type: 'error', error: { code: 'cancelled', message: 'Cancelled.' } });
  if (message.type === 'run') run(message.job);
});
process.send({ type: 'ready', pack, device: 'cpu', why: 'it was asked for' });

function run(job) {
  const { id, text, command } = job.request;
  const milliseconds = Number(/slow (\d+)/.exec(text)?.[1] ?? 0);
  const say = (fraction) =>
    process.send({ type: 'progress', id, progress: { type: 'stage', stage: 'language', fraction } });
  say(0);
  const timer = setTimeout(() => finish(job, id, command, milliseconds), milliseconds);
  running.set(id, timer);
}

function finish(job, id, command, milliseconds) {
  const files = [];
  if (command === 'generate') {
    const path = join(job.workFolder, 'music.wav');
    writeFileSync(path, `music of ${id}`);
    files.push({ path, name: 'music.wav', mime: 'audio/wav', seconds: 1 });
  }
  const timings = { decode: 0, encode: 0, language: milliseconds, music: 0, total: milliseconds };
  end(id, {
    type: 'result',
    result: { text: `answer to ${id}`, files, pack, timings, notes: [`engine ${process.pid}`] },
  });
}

function end(id, message) {
  clearTimeout(running.get(id));
  if (running.delete(id)) process.send({ ...message, id });
}
