// Where results go: a folder with everything as JSON, the tables, and the charts; and back from there.

import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { chartsOf } from './charts.js';
import type { Report } from './report.js';
import { markdownOf } from './report.js';

export const RESULTS = 'results.json';

/** Writes all of it; resolves with the names of the files. */
export async function writeReport(folder: string, report: Report): Promise<string[]> {
  await mkdir(folder, { recursive: true });
  const files = new Map([
    [RESULTS, `${JSON.stringify(report, undefined, 2)}\n`],
    ['results.md', markdownOf(report)],
    ...(await chartsOf(report)),
  ]);
  for (const [name, text] of files) await writeFile(join(folder, name), text);
  return [...files.keys()];
}

/** @throws {Error} where the file is not a benchmark's. */
export async function readReport(file: string): Promise<Report> {
  const text = await readFile(file, 'utf8');
  let report: Partial<Report> | null;
  try {
    report = JSON.parse(text) as Partial<Report> | null;
  } catch (cause) {
    throw new Error(`${file} holds no JSON`, { cause });
  }
  if (!report?.machine || !Array.isArray(report.results)) throw new Error(`${file} is no ${RESULTS}`);
  return report as Report;
}
