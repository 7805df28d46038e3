import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { OPEN_POLICY } from '#src/policy/policy';
import { buildPage } from '#test/page/support/app';
import { attach, lastExchange, message, openPage, send, startBrowser } from '#test/page/support/browser';
import { LocalServer } from '#test/src/chat/local/support';
import { fixtureFolder, tone } from '#test/support/media-fixtures';
import { makeResult } from '#test/support/requests';

const fixtures = fixtureFolder();
const song = fixtures.path('song.wav');
/** The server's own, which leads to loopback without being called so: to a browser it is like any other name. */
const NAME = 'music.test';
let local: LocalServer;
let browser: Browser;
let context: BrowserContext;
let page: Page;
let complaints: string[];

vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

beforeAll(async () => {
  tone(song, { seconds: 1 });
  const folder = fixtures.path('page');
  await buildPage(folder);
  [local, browser] = await Promise.all([
    LocalServer.start(folder),
    startBrowser(`--host-resolver-rules=MAP ${NAME} 127.0.0.1`),
  ]);
});
afterAll(async () => {
  await browser?.close();
  await local?.close();
  fixtures.remove();
});
beforeEach(() => {
  local.rules = OPEN_POLICY;
  local.handle = async (request) => makeResult(request, { text: `An answer to: ${request.text}` });
});
afterEach(async () => {
  await context?.close();
  expect(complaints).toEqual([]);
});

async function open(base = local.base): Promise<void> {
  ({ context, page, complaints } = await openPage(browser, base));
}

const addressed = () => new URL(page.url()).hash.slice(1);
const answered = (text: string) => lastExchange(page).getByText(`An answer to: ${text}`).waitFor();

/** The server gets the next request; its answer never comes back. */
async function loseAnswer(): Promise<void> {
  await page.route(
    '**/api/requests',
    async (route) => {
      await route.fetch();
      await route.abort('connectionreset');
    },
    { times: 1 },
  );
}

it('works over plain http on another machine, where browsers keep parts of themselves back', async () => {
  await open(`http://${NAME}:${new URL(local.base).port}`);
  expect(await page.evaluate<boolean>('isSecureContext')).toBe(false);
  await attach(page, song);
  await send(page, 'What is this?');
  await answered('What is this?');
  await lastExchange(page).getByText('song.wav').waitFor();
  await page.reload();
  await answered('What is this?');
});

it('keeps what was written where the page itself fails to send it', async () => {
  await open();
  await attach(page, song);
  await page.evaluate('crypto.getRandomValues = () => { throw new Error("no dice") }');
  await send(page, 'What is this?');
  await page.getByRole('alert').getByText('no dice').waitFor();
  expect(await message(page).inputValue()).toBe('What is this?');
  await page.getByRole('list', { name: 'Attached files' }).getByText('song.wav').waitFor();
  expect(await page.locator('article').count()).toBe(0);
});

it('does once what is sent again after its answer got lost', async () => {
  await open();
  await loseAnswer();
  await send(page, 'What is a waltz?');
  await lastExchange(page).getByRole('button', { name: 'Try again' }).click();
  await answered('What is a waltz?');
  // Given back to the composer and sent as it was, it is the same one too.
  await loseAnswer();
  await send(page, 'What is a polka?');
  await lastExchange(page).getByRole('button', { name: 'Edit' }).click();
  expect(await message(page).inputValue()).toBe('What is a polka?');
  await message(page).press('Enter');
  await answered('What is a polka?');
  expect(await local.exchanges(addressed())).toMatchObject([
    { text: 'What is a waltz?' },
    { text: 'What is a polka?' },
  ]);
  // In other words it is another one.
  await loseAnswer();
  await send(page, 'What is a march?');
  await lastExchange(page).getByRole('button', { name: 'Edit' }).click();
  await send(page, 'What is a slow march?');
  await answered('What is a slow march?');
  const texts = (await local.exchanges(addressed())).slice(2);
  expect(texts).toMatchObject([{ text: 'What is a march?' }, { text: 'What is a slow march?' }]);
  expect(await page.locator('article').count()).toBe(3);
});

it('queues nothing of what is cancelled while it is looked at', async () => {
  let judge = () => {};
  const judged = new Promise<void>((resolve) => {
    judge = resolve;
  });
  const asked = new Promise<void>((resolve) => {
    const checkPrompt = async (text: string) => {
      if (text !== 'What is a waltz?') return;
      resolve();
      await judged;
    };
    local.rules = { ...OPEN_POLICY, checkPrompt };
  });
  await open();
  await attach(page, song);
  const hungUp = local.hungUp();
  await send(page, 'What is a waltz?');
  await asked;
  const stopped = page.waitForResponse((response) => response.request().method() === 'DELETE');
  await page.getByRole('button', { name: /^Cancel/ }).click();
  await lastExchange(page).getByText('The upload was cancelled.').waitFor();
  expect((await stopped).status()).toBe(404);
  // The two went over lines of their own.
  await hungUp;
  judge();
  await send(page, 'What is a polka?');
  await answered('What is a polka?');
  expect(await local.exchanges(addressed())).toMatchObject([{ text: 'What is a polka?' }]);
});

it('keeps on its list what could not be forgotten, and says so', async () => {
  await open();
  await send(page, 'What is a waltz?');
  await answered('What is a waltz?');
  const first = addressed();
  await page.getByRole('button', { name: 'New conversation' }).click();
  await page.getByRole('heading', { level: 1 }).waitFor();
  await send(page, 'What is a polka?');
  await answered('What is a polka?');
  const second = addressed();
  await page.route('**/api/requests', async (route) => {
    if (!route.request().postData()?.includes(first)) return route.continue();
    const error = { code: 'unavailable', message: 'One of your jobs is still stopping.' };
    await route.fulfill({ status: 503, json: { error } });
  });
  await send(page, '/settings forget me');
  await page.getByText('One conversation of the list is still there').waitFor();
  const list = page.getByRole('navigation', { name: 'Conversations' }).getByRole('link');
  expect(await list.allTextContents()).toEqual([expect.stringContaining('What is a waltz?')]);
  expect(await local.exchanges(first)).toHaveLength(1);
  expect(await local.exchanges(second)).toEqual([]);
  await page.unroute('**/api/requests');
  await send(page, '/settings forget me');
  await expect.poll(() => list.count()).toBe(0);
  expect(await local.exchanges(first)).toEqual([]);
});
