// Module hooks: the project's TypeScript is what compile.ts has made of it beforehand. Files keep their names and places, so that what is beside them is found.

import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { LoadHook, ResolveHook } from 'node:module';

/** The folder with what was compiled: below node_modules/.cache of the project. */
const COMPILED = new URL('../../', import.meta.url);
const PROJECT = new URL('../../../', COMPILED).href;

/** What was compiled of a file; `undefined` for what is not the project's own. */
function compiledOf(url: string): URL | undefined {
  if (!url.startsWith(PROJECT) || !url.endsWith('.ts')) return undefined;
  const compiled = new URL(url.slice(PROJECT.length).replace(/\.ts$/, '.js'), COMPILED);
  return existsSync(compiled) ? compiled : undefined;
}

/** As TypeScript has it, `./x.js` is the file `./x.ts`. */
export const resolve: ResolveHook = (specifier, context, next) => {
  if (context.parentURL !== undefined && /^\.{1,2}\/.*\.js$/.test(specifier)) {
    const url = new URL(specifier.replace(/\.js$/, '.ts'), context.parentURL).href;
    if (compiledOf(url)) return { url, format: 'module', shortCircuit: true };
  }
  return next(specifier, context);
};

export const load: LoadHook = async (url, context, next) => {
  const compiled = compiledOf(url);
  if (!compiled) return await next(url, context);
  return { format: 'module', source: await readFile(compiled), shortCircuit: true };
};
