// The inspector's page in a real browser, about a service in another process.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Page } from 'playwright-core';
import { serveInspector } from '../../../lib/operate/inspector/server.js';
import type { Child } from '../../helpers/child.js';
import { startChild } from '../../helpers/child.js';
import { withFolder } from '../../helpers/folder.js';
import { skipIf } from '../../helpers/skip.js';
import type { Visit } from './browser.js';
import { withPage, withoutChromium } from './browser.js';

const it = suite('operate/inspector/page');
const claim = skipIf(it, withoutChromium);
const SERVICE = new URL('service-process.ts', import.meta.url);
const HOSTILE = '<img src=x onerror="globalThis.hacked=1"><script>globalThis.hacked=2</script>';

interface Service {
  /** Tells it something, and waits until that is done. */
  tell(message: unknown): Promise<void>;
  kill(): Promise<void>;
  start(): Promise<void>;
}

async function withService(
  allowActions: boolean,
  use: (visit: Visit, service: Service, url: string) => Promise<void>,
): Promise<void> {
  await withFolder(async (varDir) => {
    let child: Child = startChild(SERVICE, [varDir]);
    try {
      const dir = (await child.next()) as string;
      const service: Service = {
        async tell(message) {
          child.send(message);
          assert.is(await child.next(), 'done');
        },
        kill: () => child.kill(),
        async start() {
          child = startChild(SERVICE, [varDir]);
          await child.next();
        },
      };
      await using inspector = await serveInspector({ dir, allowActions });
      await withPage(inspector.url, (visit) => use(visit, service, inspector.url));
    } finally {
      await child.kill();
    }
  });
}

/** The card of the stream `log`. */
const card = (page: Page) => page.getByRole('article', { name: 'log, shipper default' });

/** As when somebody comes back to the page: it asks at once, and need not be waited for. */
const lookAgain = (page: Page) => page.evaluate("document.dispatchEvent(new Event('visibilitychange'))");

/** Waits until a figure of it says so. */
async function figure(page: Page, name: string, value: string): Promise<void> {
  await lookAgain(page);
  const term = card(page)
    .locator('.figures > div')
    .filter({ has: page.locator('dt', { hasText: name }) });
  await term.locator('dd', { hasText: new RegExp(`^${value}$`) }).waitFor();
}

claim(
  'the backlog grows while the sink is down and drains after; a service that goes is missed until it is back',
  async () => {
    await withService(false, async ({ page, asked, complaints, shoot }, service, url) => {
      await page.getByText('Live: a process holds the log').waitFor();
      // What was told of is gone from here, so nothing is said of what receivers miss.
      await page.getByText('No notice waits to be delivered').waitFor();
      await service.tell('down');
      await service.tell(500);
      await figure(page, 'Backlog', '500');
      await service.tell(700);
      await service.tell('open');
      await figure(page, 'Backlog', '1,200');
      await figure(page, 'Breaker', 'open');
      await card(page).getByText('destination down').waitFor();
      await card(page).getByText('ECONNREFUSED').waitFor();
      await shoot('down-light');

      await service.tell({ msg: 'charge', amount: 700, refuse: true });
      await service.tell({ msg: HOSTILE });
      await service.tell('up');
      await figure(page, 'Backlog', '0');
      const ledger = card(page).getByLabel('Ledger');
      assert.match(
        (await ledger.innerText()).replaceAll(/\s+/g, ' '),
        '1,202 appended = 1,201 delivered + 0 backlog',
      );
      assert.match(await ledger.innerText(), 'adds up');

      const refused = page.locator('#quarantine details');
      await refused.getByText('amount must be <= 100').waitFor();
      await refused.locator('summary').press('Enter');
      assert.match(await refused.locator('pre').first().innerText(), '"amount": 700');

      await page.getByLabel('Text').fill('ONERROR');
      await page.getByText('1 found among the newest 2,000 of each stream').waitFor();
      const hostile = page.locator('#records details');
      await hostile.locator('summary').press('Enter');
      assert.equal(JSON.parse(await hostile.locator('pre').innerText()), { msg: HOSTILE });
      assert.is(await page.locator('img').count(), 0);
      assert.type(await page.evaluate('globalThis.hacked'), 'undefined');

      await service.tell(3);
      await figure(page, 'Cursor', '1,205');
      await page.getByText('Held while a record is open').waitFor();
      assert.is(await hostile.count(), 1);
      await page.emulateMedia({ colorScheme: 'dark' });
      await shoot('drained-dark');
      await page.setViewportSize({ width: 390, height: 844 });
      await shoot('narrow-dark');

      await service.kill();
      await lookAgain(page);
      await page.getByText('Gone: trying to reach it again').waitFor();
      await page.getByRole('alert').getByText('no process holds the log').waitFor();
      await page.setViewportSize({ width: 1280, height: 900 });
      await page.emulateMedia({ colorScheme: 'light' });
      await shoot('gone-light');
      await service.start();
      await lookAgain(page);
      await page.getByText('Live: a process holds the log').waitFor();
      assert.ok(await page.getByRole('alert').isHidden());
      const elsewhere = asked.filter((address) => !address.startsWith(url));
      assert.equal([elsewhere, complaints], [[], []]);
    });
  },
);

claim('it is used by keyboard alone; light and dark follow the system until somebody chooses', async () => {
  await withService(true, async ({ page, complaints, shoot }, service) => {
    await service.tell('down');
    await service.tell({ span: 'GET /orders', ms: 12 });
    await service.tell(120);
    await figure(page, 'Backlog', '120');
    const focused = () =>
      page.evaluate<string>('document.activeElement.id || document.activeElement.textContent.trim()');
    const order: string[] = [];
    for (let n = 0; n < 10; n++) {
      await page.keyboard.press('Tab');
      order.push(await focused());
      const outline = await page.evaluate('getComputedStyle(document.activeElement).outlineStyle');
      assert.is(outline, 'solid', order.at(-1));
    }
    const expected =
      'Skip to the streams|pause|theme|Evict…|Compact…|Verify…|Send refused again…|Replay…|kind|text'.split(
        '|',
      );
    assert.equal(order, expected);

    await page.getByRole('button', { name: 'Pause' }).press('Space');
    assert.is(await page.locator('#link').innerText(), 'Paused');
    await service.tell(5);
    await page.getByRole('button', { name: 'Resume' }).press('Enter');
    await figure(page, 'Backlog', '125');

    const ground = () => page.evaluate<string>('getComputedStyle(document.body).backgroundColor');
    const light = await ground();
    await page.emulateMedia({ colorScheme: 'dark' });
    const dark = await ground();
    assert.is.not(dark, light);
    await page.getByLabel('Theme').press('l');
    assert.is(await ground(), light);
    await page.getByLabel('Theme').press('ArrowDown');
    assert.is(await ground(), dark);

    await page.getByRole('button', { name: 'Evict…' }).press('Enter');
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Evict…' }).press('Enter');
    await page.getByRole('dialog').getByLabel('Stream').selectOption('trace');
    await page.getByLabel('Keep at most (MiB)').fill('0');
    await shoot('evict-dark');
    await page.getByLabel('Keep at most (MiB)').press('Enter');
    await page.getByText('Evicted 1 record ').waitFor();
    await page.locator('#gaps').getByText('1 record dropped: the log was full').waitFor();

    await service.tell({ refuse: true });
    await service.tell('up');
    await page.locator('#quarantine').getByText('amount must be <= 100').waitFor();
    await page.getByRole('button', { name: 'Send refused again…' }).press('Enter');
    await page.getByRole('dialog').getByLabel('Shipper').selectOption('log/default');
    await page.getByRole('button', { name: 'Send again' }).press('Enter');
    await page.getByText('1 record will be sent again').waitFor();
    await page.getByRole('button', { name: 'Replay…' }).press('Enter');
    await page.getByRole('dialog').getByLabel('From seq').fill('100');
    await page.keyboard.press('Enter');
    await page.getByText(/^2\d records will be delivered again$/).waitFor();
    assert.equal(complaints, []);
  });
});

it.run();
