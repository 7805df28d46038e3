import { readFile, writeFile } from 'node:fs/promises';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { type PageApp, startPageApp } from '#test/page/support/app';
import { attach, lastExchange, message, openPage, send, startBrowser } from '#test/page/support/browser';
import { blackPng, fixtureFolder, tone } from '#test/support/media-fixtures';

const fixtures = fixtureFolder();
const song = fixtures.path('song.wav');
const picture = fixtures.path('picture.png');
let app: PageApp;
let browser: Browser;
let context: BrowserContext;
let page: Page;
let complaints: string[];

/** Long enough to be caught at work; these are cancelled, never waited for. */
const LONG = '/generate a slow sad waltz --seconds 60';

// Nothing here is about speed, and a busy machine is slow.
vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

beforeAll(async () => {
  tone(song, { seconds: 2 });
  blackPng(picture, 64, 64);
  [app, browser] = await Promise.all([startPageApp(), startBrowser()]);
});
afterAll(async () => {
  await browser?.close();
  await app?.stop();
  fixtures.remove();
});
afterEach(async () => {
  await context?.close();
  // The page asks nobody but its own server, and its policy never has to hold it back.
  expect(complaints).toEqual([]);
});

async function open(given: Parameters<typeof openPage>[2] = {}): Promise<void> {
  ({ context, page, complaints } = await openPage(browser, app.base, given));
}

const finished = (of: Page = page) => lastExchange(of).locator('.footer').waitFor();
const addressed = () => new URL(page.url()).hash.slice(1);

it('answers a question about an uploaded song, asked by keyboard alone', async () => {
  await open();
  await attach(page, song);
  await page.getByRole('list', { name: 'Attached files' }).getByText('song.wav').waitFor();
  await page.keyboard.type('/a');
  await page.getByRole('option', { name: /^\/ask/ }).waitFor();
  await page.keyboard.press('Tab');
  expect(await message(page).inputValue()).toBe('/ask ');
  await page.keyboard.type('What is <b>this</b>? --se');
  await page.getByRole('option', { name: /^--seed/ }).waitFor();
  await page.keyboard.press('Enter');
  await page.keyboard.type('7');
  await page.keyboard.press('Enter');
  await finished();
  const exchange = lastExchange(page);
  expect(await exchange.locator('.bubble').textContent()).toContain('What is <b>this</b>?');
  expect(await exchange.locator('.footer').textContent()).toMatch(new RegExp(`^seed 7${app.pack}\\d`));
  const told = await page.request.get(`${app.base}/api/conversations/${addressed()}`);
  const { text } = (await told.json()).exchanges[0].result;
  if (text !== '') expect(await exchange.locator('.answer-text').textContent()).toBe(text);
  // A follow-up without a file is about the same song.
  await send(page, '/describe');
  await finished();
  await lastExchange(page).getByText('song.wav').waitFor();
});

it('makes music for a picture: player, download, another seed', async () => {
  await open();
  await attach(page, picture);
  await send(page, '/generate music for this --seconds 2 --seed 5');
  await finished();
  const track = lastExchange(page).locator('.track');
  const position = track.getByRole('slider');
  await expect.poll(() => position.getAttribute('aria-valuemax')).toBe('2');
  await position.press('End');
  await expect.poll(() => position.getAttribute('aria-valuenow')).toBe('2');
  await position.press('Home');
  await track.getByRole('button', { name: /^Play/ }).press('Enter');
  await expect
    .poll(async () => Number(await position.getAttribute('aria-valuenow')), { timeout: 20_000 })
    .not.toBe(0);
  const saved = page.waitForEvent('download');
  await track.getByRole('link', { name: 'Download' }).click();
  const download = await saved;
  expect(download.suggestedFilename()).toMatch(/\.(?:wav|mp3|ogg|flac)$/);
  expect((await readFile(await download.path())).length).toBeGreaterThan(1000);
  await track.getByRole('button', { name: 'Vary' }).click();
  await page.locator('article').nth(1).waitFor();
  await finished();
  await lastExchange(page).getByText('generate · vary').waitFor();
  const seeds = await page.locator('.seed').allTextContents();
  expect(seeds[0]).toBe('seed 5');
  expect(seeds[1]).not.toBe('seed 5');
});

it('remixes exactly, shows the plan, and takes the result for the next remix', async () => {
  await open({ width: 360, height: 740, colorScheme: 'dark' });
  await attach(page, song);
  await send(page, '/remix 20 % slower, then reverse');
  await finished();
  const exchange = lastExchange(page);
  expect(await exchange.locator('.plan .tag').allTextContents()).toEqual(['exact', 'exact']);
  // Two seconds at 0.8 of the speed.
  await expect.poll(() => exchange.locator('.player-time').textContent()).toContain('0:02');
  const told = await page.request.get(`${app.base}/api/conversations/${addressed()}`);
  const [file] = (await told.json()).exchanges[0].result.files;
  expect(file.seconds).toBeCloseTo(2.5, 1);
  await exchange.getByRole('button', { name: 'Remix', exact: true }).click();
  expect(await message(page).inputValue()).toBe('/remix ');
  await page.getByRole('list', { name: 'Attached files' }).getByText(file.name).waitFor();
  expect(
    await page.evaluate<number>('document.documentElement.scrollWidth - innerWidth'),
  ).toBeLessThanOrEqual(0);
});

it('cancels a job at work', async () => {
  await open();
  await send(page, LONG);
  await page.getByRole('progressbar', { name: 'Progress' }).waitFor();
  await page.getByText('Composing', { exact: true }).first().waitFor();
  await page.getByRole('button', { name: /^Cancel/ }).click();
  await page.getByText('The job was cancelled.').first().waitFor();
  await page.getByRole('button', { name: 'Try again' }).waitFor();
  await send(page, '/queue');
  await page.getByText('Nothing of this conversation waits or runs.').waitFor();
});

it('says in the chat what is wrong with a file, and gives the message back', async () => {
  await open();
  const bad = fixtures.path('notes.mp3');
  await writeFile(bad, 'These are no notes that could be played.\n');
  await attach(page, bad);
  await send(page, '/describe');
  const words = lastExchange(page).locator('.failure-words');
  await words.waitFor();
  expect(await words.textContent()).toMatch(/^notes\.mp3: .+\.$/);
  await lastExchange(page).getByRole('button', { name: 'Edit' }).click();
  expect(await message(page).inputValue()).toBe('/describe');
  await page.getByRole('button', { name: 'Remove notes.mp3' }).click();
  const empty = fixtures.path('empty.wav');
  await writeFile(empty, '');
  await attach(page, empty);
  await page.getByRole('alert').getByText('empty.wav is empty.').waitFor();
  await send(page, '/remix dance');
  await page
    .getByText(/There is nothing to remix yet/)
    .first()
    .waitFor();
});

it('goes on after a reload in the middle of a job', async () => {
  await open();
  await send(page, LONG);
  await page.getByText('Composing', { exact: true }).first().waitFor();
  await send(page, '/generate a fast happy polka --seconds 2 --seed 11');
  await page.getByText('Waiting, next in line').first().waitFor();
  await page.reload();
  await page.getByText('Waiting, next in line').first().waitFor();
  const [working, waiting] = [page.locator('article').nth(0), page.locator('article').nth(1)];
  await working.getByText('Composing', { exact: true }).waitFor();
  await working.getByRole('button', { name: /^Cancel/ }).click();
  await working.getByText('The job was cancelled.').waitFor();
  await waiting.locator('.track').waitFor();
  expect(await waiting.locator('.footer').textContent()).toContain('seed 11');
});

it('keeps two conversations apart that go on at once', async () => {
  await open();
  const other = await context.newPage();
  await other.goto(app.base);
  await message(other).waitFor();
  await attach(page, song);
  await send(page, '/describe --seed 1');
  await send(other, '/generate a march --seconds 2 --seed 2');
  await Promise.all([finished(page), finished(other)]);
  expect(await page.locator('article').count()).toBe(1);
  expect(await page.locator('.footer').textContent()).toContain('seed 1');
  expect(await other.locator('.footer').textContent()).toContain('seed 2');
  // A third conversation has no track of the others.
  await other.getByRole('button', { name: 'New conversation' }).click();
  await other.getByRole('heading', { level: 1 }).waitFor();
  await send(other, '/describe');
  await other
    .getByText(/There is nothing to describe yet/)
    .first()
    .waitFor();
  // This browser lists them, and each opens as it was left.
  const list = other.getByRole('navigation', { name: 'Conversations' });
  await list.getByRole('link', { name: /a march/ }).click();
  await other.locator('.track').waitFor();
  expect(await other.locator('article').count()).toBe(1);
});

it('keeps settings of one’s own, and forgets every conversation this browser lists', async () => {
  await open();
  await attach(page, song);
  await send(page, '/describe --seed 1');
  await finished();
  const first = addressed();
  const list = page.getByRole('navigation', { name: 'Conversations' });
  await page.getByRole('button', { name: 'New conversation' }).click();
  await page.getByRole('heading', { level: 1 }).waitFor();
  await send(page, '/settings temperature 0.3');
  await page.getByText('temperature is set to 0.3').waitFor();
  await send(page, '/ask What is a waltz? --seed 2');
  await finished();
  const second = addressed();
  await send(page, '/settings forget me');
  await page
    .getByText(/^Deleted: 1 request/)
    .first()
    .waitFor();
  expect(await page.locator('article').count()).toBe(1);
  await expect.poll(() => list.getByRole('link').count()).toBe(0);
  for (const conversation of [first, second]) {
    const told = await page.request.get(`${app.base}/api/conversations/${conversation}`);
    expect((await told.json()).exchanges).toEqual([]);
  }
});
