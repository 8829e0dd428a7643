// A page in Debian's Chromium, and what it asked for and complained of meanwhile.

import { accessSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { chromium } from 'playwright-core';
import type { Page } from 'playwright-core';

const PATHS = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/bin'];
const found = PATHS.map((folder) => join(folder, 'chromium')).find(isThere);

export const withoutChromium = found === undefined && 'needs chromium (Debian: chromium)';

/** Where screenshots go: test output, for people to look at. */
const SHOTS = process.env['WAL_SCREENSHOTS'] ?? join(tmpdir(), 'nv-wal-screenshots');

const FLAGS =
  '--disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync';
const WITHIN_MS = 15_000;

export interface Visit {
  page: Page;
  /** Every address that the page has asked for. */
  asked: string[];
  /** Errors and warnings on the console, refusals by its content security policy included. */
  complaints: string[];
  /** Takes a picture of the whole page. */
  shoot(name: string): Promise<void>;
}

export async function withPage(url: string, use: (visit: Visit) => Promise<void>): Promise<void> {
  const sandbox = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  const browser = await chromium.launch({
    ...(found !== undefined && { executablePath: found }),
    args: [...FLAGS.split(' '), ...sandbox],
  });
  try {
    const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
    page.setDefaultTimeout(WITHIN_MS);
    const asked: string[] = [];
    const complaints: string[] = [];
    page.on('request', (request) => asked.push(request.url()));
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
    });
    await page.goto(url);
    const shoot = async (name: string) => {
      await mkdir(SHOTS, { recursive: true });
      await page.evaluate('scrollTo(0, 0)');
      await page.screenshot({ path: join(SHOTS, `${name}.png`), fullPage: true });
    };
    await use({ page, asked, complaints, shoot });
  } finally {
    await browser.close();
  }
}

function isThere(path: string): boolean {
  try {
    accessSync(path);
    return true;
  } catch {
    return false;
  }
}
