import { spawn } from 'node:child_process';

const LONGEST_ANSWER = 256 * 1024;
/** Programs at once: each is a process of its own. */
const AT_ONCE = 8;
/** What a program is given of our environment; never a token. */
const PASSED_ON = ['PATH', 'HOME', 'LANG', 'LC_ALL', 'TZ', 'TMPDIR', 'SystemRoot'];

let running = 0;
const waiting: Array<() => void> = [];

/**
 * Starts a program without a shell, gives it `input` on standard input, and reads its standard output.
 * @param signal ends the wait for a place and the program with all that it started
 * @throws Error if it cannot be started, fails, says too much, or the signal fires
 */
export async function askProgram(
  [program = '', ...parameters]: readonly string[],
  input: string,
  folder: string,
  signal: AbortSignal,
): Promise<string> {
  await place(signal);
  try {
    return await run(program, parameters, input, folder, signal);
  } finally {
    leave();
  }
}

/** Waits until one of the places is free, and takes it: first come, first served. */
async function place(signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  if (running < AT_ONCE) {
    running += 1;
    return;
  }
  await new Promise<void>((resolve, reject) => {
    const enter = () => {
      signal.removeEventListener('abort', giveUp);
      resolve();
    };
    const giveUp = () => {
      const at = waiting.indexOf(enter);
      if (at >= 0) waiting.splice(at, 1);
      reject(signal.reason);
    };
    signal.addEventListener('abort', giveUp, { once: true });
    waiting.push(enter);
  });
}

/** Hands a place to whoever waits longest; nobody who comes just now gets in between. */
function leave(): void {
  const next = waiting.shift();
  if (next === undefined) running -= 1;
  else next();
}

function run(
  program: string,
  parameters: readonly string[],
  input: string,
  folder: string,
  signal: AbortSignal,
): Promise<string> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const child = spawn(program, parameters, {
      cwd: folder,
      env: Object.fromEntries(PASSED_ON.map((name) => [name, process.env[name]])),
      stdio: ['pipe', 'pipe', 'ignore'],
      // A group of its own, so that what it started ends with it.
      detached: process.platform !== 'win32',
    });
    const kill = () => {
      if (child.pid === undefined) return;
      try {
        process.kill(process.platform === 'win32' ? child.pid : -child.pid, 'SIGKILL');
      } catch {
        // It has ended by itself.
      }
    };
    const fail = (error: unknown) => {
      signal.removeEventListener('abort', onAbort);
      kill();
      reject(error);
    };
    const onAbort = () => fail(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    const chunks: Buffer[] = [];
    let bytes = 0;
    child.stdout.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > LONGEST_ANSWER) fail(new Error('the moderation program said too much'));
      else chunks.push(chunk);
    });
    child.on('error', fail);
    child.on('close', (code) => {
      signal.removeEventListener('abort', onAbort);
      if (code === 0) resolve(Buffer.concat(chunks).toString('utf8'));
      else reject(new Error(`the moderation program ended with ${code ?? 'a signal'}`));
    });
    // It may answer without reading everything.
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
  });
}
