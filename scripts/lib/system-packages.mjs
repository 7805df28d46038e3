// Programs that come from the system's own package manager: ffmpeg and redis-server for everyone (the
// distribution patches them; a bot that decodes strangers' uploads needs that), a browser and a synthesizer
// for the tests.
import { existsSync } from 'node:fs';
import { has, run, SetupError } from './steps.mjs';

const SOUNDFONTS = ['/usr/share/sounds/sf2/FluidR3_GM.sf2', '/usr/share/sounds/sf2/TimGM6mb.sf2'];

/** What a program or file is called in each package manager. */
const PACKAGES = {
  ffmpeg: { present: () => has('ffmpeg') && has('ffprobe'), apt: ['ffmpeg'], brew: ['ffmpeg'] },
  'redis-server': { present: () => has('redis-server'), apt: ['redis-server'], brew: ['redis'] },
  chromium: {
    present: () => has('chromium') || has('chromium-browser') || has('google-chrome'),
    apt: ['chromium', 'fonts-noto-color-emoji'],
    brew: ['--cask', 'chromium'],
  },
  fluidsynth: { present: () => has('fluidsynth'), apt: ['fluidsynth'], brew: ['fluid-synth'] },
  soundfonts: {
    present: () => SOUNDFONTS.every((path) => existsSync(path)),
    apt: ['fluid-soundfont-gm', 'timgm6mb-soundfont'],
    brew: [],
  },
};

/** What everyone needs to run mumu. */
export const RUNTIME = ['ffmpeg', 'redis-server'];
/** What the tests need besides. */
export const TESTING = [...RUNTIME, 'chromium', 'fluidsynth', 'soundfonts'];

/**
 * Installs what is missing. Asks apt (as root, or through sudo without a password) or brew; where neither can
 * be asked it says in one sentence what to install.
 * @returns {Promise<'kept'|'installed'>}
 * @throws {SetupError} naming the programs and the command that gets them
 */
export async function ensurePrograms(names) {
  const missing = names.filter((name) => !PACKAGES[name].present());
  if (missing.length === 0) return 'kept';
  if (has('apt-get')) await installWithApt(missing);
  else if (has('brew')) await installWithBrew(missing);
  const still = missing.filter((name) => !PACKAGES[name].present());
  if (still.length > 0) throw new SetupError(howToGet(still));
  return 'installed';
}

async function installWithApt(missing) {
  const packages = missing.flatMap((name) => PACKAGES[name].apt);
  const asRoot = process.getuid?.() === 0;
  if (!asRoot && (!has('sudo') || (await run('sudo', ['-n', 'true'], { check: false })).code !== 0)) {
    throw new SetupError(howToGet(missing));
  }
  const apt = (args) =>
    asRoot
      ? run('apt-get', args, { env: { DEBIAN_FRONTEND: 'noninteractive' } })
      : run('sudo', ['-n', 'env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get', ...args]);
  await apt(['update', '-qq']);
  await apt(['install', '-y', '-qq', '--no-install-recommends', ...packages]);
}

async function installWithBrew(missing) {
  for (const name of missing) {
    if (PACKAGES[name].brew.length > 0) await run('brew', ['install', ...PACKAGES[name].brew]);
  }
}

function howToGet(names) {
  const apt = names.flatMap((name) => PACKAGES[name].apt).join(' ');
  const brew = names.flatMap((name) => PACKAGES[name].brew).join(' ');
  return (
    `${names.join(' and ')} ${names.length > 1 ? 'are' : 'is'} missing on this machine. ` +
    `On Debian or Ubuntu: sudo apt-get install ${apt}. On macOS: brew install ${brew}. Then run this again.`
  );
}
