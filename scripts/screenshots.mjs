// npm run screenshots: the README's pictures of the page, into docs/images. Without an address it builds and starts
// mumu in a data folder of its own; what is seen is what the pack really answers.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from './lib/setup.mjs';
import { main, ROOT, SetupError, step } from './lib/steps.mjs';

const IMAGES = join(ROOT, 'docs/images');
const BROWSERS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const FLAGS = [
  '--headless=new',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
/** A small pack on a busy machine takes its time, milliseconds. */
const PATIENCE = 300_000;

/** Starts mumu; returns its address and how to end it. */
async function startMumu() {
  await step('build', build);
  const data = mkdtempSync(join(tmpdir(), 'mumu-screenshots-'));
  const app = spawn(process.execPath, [join(ROOT, 'dist/src/cli/main.js'), 'chat'], {
    env: { ...process.env, MUMU_DATA: data, MUMU_PORT: '0', MUMU_LOG: 'warn' },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const ended = new Promise((resolve) => app.once('exit', resolve));
  const stop = async () => {
    app.kill('SIGTERM');
    await ended;
    rmSync(data, { recursive: true, force: true });
  };
  let said = '';
  const address = await new Promise((resolve) => {
    app.stderr.setEncoding('utf8').on('data', (text) => {
      said += text;
      const found = /chat at (http:\/\/[\d.]+:\d+)/.exec(said);
      if (found) resolve(found[1]);
    });
    ended.then(() => resolve(undefined));
  });
  if (address !== undefined) return { address, stop };
  await stop();
  throw new SetupError(`mumu did not start: ${said.trim()}`);
}

async function startBrowser() {
  const executablePath = BROWSERS.find((place) => existsSync(place));
  if (!executablePath) throw new SetupError('The pictures need Chromium: apt-get install chromium');
  const { chromium } = await import('playwright-core');
  return chromium.launch({ executablePath, args: FLAGS });
}

const field = (page) => page.getByRole('textbox', { name: 'Message' });
const finished = (page) => page.locator('article').last().locator('.footer').waitFor();

async function tryExample(page, title) {
  await page.getByRole('button', { name: title }).click();
  await page.getByRole('list', { name: 'Attached files' }).getByRole('listitem').waitFor();
  await page.keyboard.press('Enter');
}

async function send(page, line, ...files) {
  await page.locator('input[type=file]').setInputFiles(files.map((file) => join(ROOT, 'examples', file)));
  await field(page).fill(line);
  await page.keyboard.press('Escape');
  await page.keyboard.press('Enter');
}

/** Plays the last track for a little, so that it is seen where it stands. */
async function playALittle(page) {
  const track = page.locator('.track').last();
  await track.getByRole('button', { name: /^Play/ }).click();
  await page.waitForTimeout(3500);
  await track.getByRole('button', { name: /^Pause/ }).click();
  await field(page).focus();
}

async function takePictures(page, address) {
  const save = (name) => page.screenshot({ path: join(IMAGES, `${name}.png`) });
  await page.goto(address);
  await tryExample(page, 'What is playing?');
  await finished(page);
  await send(page, '/generate music for this picture --seconds 10', 'beach-sunset.webp');
  await finished(page);
  await playALittle(page);
  await save('light');

  await page.setViewportSize({ width: 390, height: 844 });
  await page.waitForTimeout(500);
  await save('narrow');

  await page.setViewportSize({ width: 1200, height: 860 });
  await page.emulateMedia({ colorScheme: 'dark' });
  await page.getByRole('button', { name: 'New conversation' }).click();
  await tryExample(page, 'Slower, lower, wider');
  await finished(page);
  await playALittle(page);
  await send(page, '/generate a slow happy waltz in C major with accordion at 76 bpm --seconds 40');
  await page.getByText('Composing', { exact: true }).first().waitFor();
  await page.getByText(/^[1-9]\d %$/).waitFor();
  await save('dark');
  await page.getByRole('button', { name: /^Cancel/ }).click();
  await page.getByText('The job was cancelled.').first().waitFor();
}

await main(async () => {
  mkdirSync(IMAGES, { recursive: true });
  const given = process.argv[2];
  const mumu = given === undefined ? await startMumu() : { address: given, stop: async () => {} };
  try {
    const browser = await startBrowser();
    try {
      const page = await browser.newPage({
        viewport: { width: 1200, height: 860 },
        deviceScaleFactor: 2,
        colorScheme: 'light',
      });
      page.setDefaultTimeout(PATIENCE);
      await step('pictures', () => takePictures(page, mumu.address));
    } finally {
      await browser.close();
    }
  } finally {
    await mumu.stop();
  }
});
