import { open, stat } from 'node:fs/promises';
import { fileTypeFromFile } from 'file-type';
import { MumuError } from '#contracts/errors';

/** How a file that passed the door is to be opened. */
export type Sniffed = {
  /** `timed`: ffmpeg, by the demuxer named; `picture`: sharp, or ffmpeg's picture demuxer where sharp has none. */
  how: 'timed' | 'picture';
  /** The one ffmpeg demuxer that may parse it; null for pictures that sharp reads. */
  demuxer: string | null;
  mime: string;
  bytes: number;
};

/**
 * Formats by file-type's extension -> ffmpeg demuxer. Only formats that carry their own media are here: no
 * playlists, no subtitles, no module music, nothing that can name another file.
 */
const TIMED: Readonly<Record<string, string>> = {
  mp3: 'mp3',
  mp2: 'mp3',
  mp1: 'mp3',
  flac: 'flac',
  wav: 'wav',
  ogg: 'ogg',
  oga: 'ogg',
  ogv: 'ogg',
  ogm: 'ogg',
  ogx: 'ogg',
  opus: 'ogg',
  spx: 'ogg',
  aac: 'aac',
  ac3: 'ac3',
  aif: 'aiff',
  amr: 'amr',
  ape: 'ape',
  wv: 'wv',
  dsf: 'dsf',
  voc: 'voc',
  mp4: 'mov',
  m4a: 'mov',
  m4b: 'mov',
  m4p: 'mov',
  m4v: 'mov',
  f4v: 'mov',
  f4a: 'mov',
  f4b: 'mov',
  f4p: 'mov',
  mov: 'mov',
  '3gp': 'mov',
  '3g2': 'mov',
  asf: 'asf',
  avi: 'avi',
  mkv: 'matroska',
  webm: 'matroska',
  flv: 'flv',
  mpg: 'mpeg',
  mts: 'mpegts',
  mxf: 'mxf',
};

/** Pictures sharp reads itself. */
const SHARP: ReadonlySet<string> = new Set(['jpg', 'png', 'apng', 'webp', 'gif', 'tif', 'avif']);
/** Pictures read through ffmpeg. */
const FFMPEG_PICTURES: Readonly<Record<string, string>> = {
  bmp: 'bmp_pipe',
  psd: 'psd_pipe',
  jxl: 'jpegxl_pipe',
};

/** Why a known format is turned away, where "not supported" alone would leave people wondering. */
const REFUSED: Readonly<Record<string, string>> = {
  zip: 'This is a zip archive: unpack it and send the song, picture or clip itself.',
  '7z': 'This is an archive: unpack it and send the song, picture or clip itself.',
  rar: 'This is an archive: unpack it and send the song, picture or clip itself.',
  gz: 'This is an archive: unpack it and send the song, picture or clip itself.',
  mid: 'MIDI files hold notes, not sound: render it to audio (wav or mp3) and send that.',
  pdf: 'This is a PDF: send a song, a picture or a clip.',
  heic: 'HEIC pictures cannot be read here: send it as JPEG or PNG.',
};

/**
 * Says what a file is by its first bytes, never by its name, and turns away everything that is not sound, a
 * picture or a clip.
 * @param maxBytes of a file that is about to be taken in; what was taken in before is not measured again.
 * @throws MumuError not_found, invalid_input (empty), too_large, unsupported_media
 */
export async function sniff(path: string, maxBytes = Number.POSITIVE_INFINITY): Promise<Sniffed> {
  const info = await stat(path).catch((cause: unknown) => {
    throw new MumuError('not_found', 'The file does not exist or cannot be read.', { cause });
  });
  if (!info.isFile())
    throw new MumuError('invalid_input', 'This is not a file: name a song, picture or clip.');
  const bytes = info.size;
  if (bytes === 0) throw new MumuError('invalid_input', 'The file is empty.');
  if (bytes > maxBytes) {
    const megabytes = Math.round(bytes / 1024 / 1024);
    const most = Math.round(maxBytes / 1024 / 1024);
    throw new MumuError('too_large', `The file has ${megabytes} MB; at most ${most} MB are accepted.`);
  }

  const type = await fileTypeFromFile(path).catch(() => undefined);
  if (type === undefined || type.ext === 'xml' || type.ext === 'vtt') {
    const head = await readHead(path);
    const own = ownMagic(head);
    if (own !== null) return { how: 'timed', ...own, bytes };
    throw new MumuError('unsupported_media', describeText(head));
  }
  const timed = TIMED[type.ext];
  if (timed !== undefined) return { how: 'timed', demuxer: timed, mime: plainMime(type.mime), bytes };
  if (SHARP.has(type.ext)) return { how: 'picture', demuxer: null, mime: plainMime(type.mime), bytes };
  const picture = FFMPEG_PICTURES[type.ext];
  if (picture !== undefined) return { how: 'picture', demuxer: picture, mime: plainMime(type.mime), bytes };
  throw new MumuError(
    'unsupported_media',
    REFUSED[type.ext] ?? `A ${type.ext} file is no song, picture or clip that can be read here.`,
  );
}

function plainMime(mime: string): string {
  return mime.split(';')[0] ?? mime;
}

async function readHead(path: string): Promise<Buffer> {
  const file = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(4096), 0, 4096, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

/** Formats that file-type does not know. */
function ownMagic(head: Buffer): { demuxer: string; mime: string } | null {
  const first = head.toString('latin1', 0, 4);
  if (first === 'caff') return { demuxer: 'caf', mime: 'audio/x-caf' };
  if (first === '.snd') return { demuxer: 'au', mime: 'audio/basic' };
  if (first === 'TTA1') return { demuxer: 'tta', mime: 'audio/x-tta' };
  if (first === 'riff') return { demuxer: 'w64', mime: 'audio/x-w64' };
  return null;
}

/** One sentence about a file without known magic: what it seems to be, so that people see their slip. */
function describeText(head: Buffer): string {
  const text = head.toString('utf8').replace(/^\uFEFF/, '');
  const start = text.trimStart().toLowerCase();
  if (/^(#extm3u|ffconcat|\[playlist\])/.test(start)) {
    return 'This is a playlist, not music: send the song itself.';
  }
  if (start.includes('<svg')) return 'SVG drawings cannot be read: send the picture as PNG or JPEG.';
  if (/^<(!doctype|html|\?xml|[a-z])/.test(start))
    return 'This is a web page or XML, not a song, picture or clip.';
  if (looksLikeText(head)) return 'This is a text file, not a song, picture or clip, whatever its name says.';
  return 'This is no song, picture or clip that can be recognised; the file may be damaged.';
}

function looksLikeText(head: Buffer): boolean {
  let odd = 0;
  for (const byte of head) {
    if (byte === 0) return false;
    if (byte < 9 || (byte > 13 && byte < 32)) odd += 1;
  }
  return odd / head.length < 0.02;
}
