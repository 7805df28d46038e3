import { existsSync } from 'node:fs';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
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

/** The system's own Chromium, with flags for one test file. @throws Error naming the package if there is none. */
export function startBrowser(...flags: string[]): Promise<Browser> {
  const executablePath = PLACES.find((place) => existsSync(place));
  if (executablePath === undefined) throw new Error('These tests need Chromium: apt-get install chromium');
  return chromium.launch({ executablePath, args: [...FLAGS, ...flags] });
}

/** A fresh browser profile on the page, and whatever it complains about or asks of other hosts. */
export async function openPage(
  browser: Browser,
  base: string,
  given: { width?: number; height?: number; colorScheme?: 'light' | 'dark' } = {},
): Promise<{ context: BrowserContext; page: Page; complaints: string[] }> {
  const { width = 1200, height = 800, colorScheme = 'light' } = given;
  const context = await browser.newContext({ viewport: { width, height }, colorScheme });
  context.setDefaultTimeout(120_000);
  const complaints: string[] = [];
  context.on('request', (request) => {
    const url = request.url();
    if (!url.startsWith(base) && !/^(?:blob|data):/.test(url)) complaints.push(`asked for ${url}`);
  });
  context.on('weberror', (error) => complaints.push(error.error().message));
  context.on('console', (message) => {
    if (/content security policy/i.test(message.text())) complaints.push(message.text());
  });
  const page = await context.newPage();
  await page.goto(base);
  await message(page).waitFor();
  return { context, page, complaints };
}

export function message(page: Page) {
  return page.getByRole('textbox', { name: 'Message' });
}

/** Types a line over what is there, and sends it. */
export async function send(page: Page, line: string): Promise<void> {
  await message(page).fill(line);
  // A completion that is still offered would take the Enter.
  await page.keyboard.press('Escape');
  await page.keyboard.press('Enter');
}

/** Attaches files through the picker. */
export async function attach(page: Page, ...paths: string[]): Promise<void> {
  await page.locator('input[type=file]').setInputFiles(paths);
}

/** The last exchange of the channel. */
export function lastExchange(page: Page) {
  return page.locator('article').last();
}
