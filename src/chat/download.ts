import { Readable, Transform } from 'node:stream';
import { MumuError } from '#contracts/errors';

/** The platform has this long to begin its answer, milliseconds. */
const ANSWER = 20_000;
/** Longest pause in the middle of a file, milliseconds. */
const PAUSE = 30_000;
/** A file that is only moved inside the platform's hosts is followed this often. */
const MOST_REDIRECTS = 3;

export interface RemoteOptions {
  /** Hosts that may be asked: each as it is, and everything below it. */
  hosts: readonly string[];
  /** Most bytes taken in. */
  maxBytes: number;
  /** Sent to the first host only, never along a redirect to another one. */
  headers?: Readonly<Record<string, string>>;
  /** Address of a stand-in for the platform (a setting of the operator), which may speak http on its own host. */
  standIn?: string | undefined;
  signal?: AbortSignal;
}

/**
 * Opens a file on a platform's own hosts for reading: https only, no redirect to anywhere else, no web page instead
 * of a file, no more bytes than allowed (as announced, and as they come).
 * @throws MumuError not_found, too_large, unsupported_media, unavailable, cancelled; what goes wrong while reading
 *   comes as the same from the stream.
 */
export async function openRemote(address: string, options: RemoteOptions): Promise<Readable> {
  let url = allowed(address, options);
  const first = url.origin;
  // Closed when the answer is late, when bytes stop coming, or by the caller.
  const ended = new AbortController();
  const signal =
    options.signal === undefined ? ended.signal : AbortSignal.any([ended.signal, options.signal]);
  const late = setTimeout(() => ended.abort(), ANSWER);
  try {
    for (let redirects = 0; ; redirects += 1) {
      const response = await fetch(url, {
        redirect: 'manual',
        signal,
        headers: {
          // The announced size is the one that counts: no compression on the way.
          'accept-encoding': 'identity',
          ...(url.origin === first ? options.headers : {}),
        },
      });
      const target = response.headers.get('location');
      if (response.status >= 300 && response.status < 400 && target !== null) {
        await response.body?.cancel();
        if (redirects === MOST_REDIRECTS) throw away();
        url = allowed(new URL(target, url).href, options);
        continue;
      }
      return await bodyOf(response, ended, options.maxBytes);
    }
  } catch (error) {
    throw failure(error, options.signal);
  } finally {
    clearTimeout(late);
  }

  async function bodyOf(response: Response, pause: AbortController, maxBytes: number): Promise<Readable> {
    const refusal = refusalOf(response, maxBytes);
    if (refusal !== undefined || response.body === null) {
      await response.body?.cancel();
      throw refusal ?? new MumuError('invalid_input', 'The file is empty.');
    }
    return guarded(Readable.fromWeb(response.body), pause, maxBytes, options.signal);
  }
}

/** @throws MumuError unsupported_media for an address outside the platform's hosts */
function allowed(address: string, options: RemoteOptions): URL {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url !== undefined && url.username === '' && url.password === '') {
    const host = url.hostname.toLowerCase();
    const known = options.hosts.some((name) => host === name || host.endsWith(`.${name}`));
    if (known && url.protocol === 'https:' && url.port === '') return url;
    if (options.standIn !== undefined && url.origin === new URL(options.standIn).origin) return url;
  }
  throw new MumuError('unsupported_media', 'The file does not lie with the platform itself: upload it here.');
}

function refusalOf(response: Response, maxBytes: number): MumuError | undefined {
  const { status } = response;
  if (status === 429 || status >= 500) return away();
  if (!response.ok) {
    return new MumuError('not_found', 'The file can no longer be fetched from the platform: send it again.');
  }
  if (/^\s*(?:text\/html|application\/xhtml)/i.test(response.headers.get('content-type') ?? '')) {
    return new MumuError(
      'unsupported_media',
      'Instead of the file a web page came: either it is one, or the bot lacks the right to read files here.',
    );
  }
  if (Number(response.headers.get('content-length') ?? 0) > maxBytes) return tooLarge(maxBytes);
  return undefined;
}

/** The bytes as they come, counted; a pause that is too long, or one byte too many, ends it. */
function guarded(
  source: Readable,
  pause: AbortController,
  maxBytes: number,
  signal: AbortSignal | undefined,
): Readable {
  let bytes = 0;
  let idle = setTimeout(() => pause.abort(), PAUSE);
  const meter = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      clearTimeout(idle);
      bytes += chunk.length;
      if (bytes > maxBytes) {
        done(tooLarge(maxBytes));
        return;
      }
      idle = setTimeout(() => pause.abort(), PAUSE);
      done(null, chunk);
    },
    flush(done) {
      clearTimeout(idle);
      done();
    },
    destroy(error, done) {
      clearTimeout(idle);
      // Also ends the connection where the reader has had enough.
      source.destroy();
      done(error);
    },
  });
  source.once('error', (error) => meter.destroy(failure(error, signal)));
  return source.pipe(meter);
}

function failure(error: unknown, signal: AbortSignal | undefined): MumuError {
  if (error instanceof MumuError) return error;
  if (signal?.aborted) return new MumuError('cancelled', 'The job was cancelled.', { cause: error });
  return away(error);
}

function away(cause?: unknown): MumuError {
  return new MumuError('unavailable', 'The platform does not hand the file out at the moment: try again.', {
    cause,
  });
}

function tooLarge(maxBytes: number): MumuError {
  return new MumuError('too_large', `The file is larger than ${Math.round(maxBytes / 1024 / 1024)} MB.`);
}
