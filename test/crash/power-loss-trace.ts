// From what strace wrote to the steps that a disk takes: what was written, named, removed and synced, in order,
// and what the service said between them. Knows no file system; that is power-loss-disk.ts.

import { relative } from 'node:path';

/** Paths are relative to the folder that is traced; '' is the folder itself. */
export type Step =
  | { is: 'write'; path: string; at: number | 'end'; bytes: Buffer }
  /** A file is opened to be written from its beginning, or made. */
  | { is: 'create'; path: string; truncates: boolean }
  | { is: 'folder'; path: string }
  | { is: 'remove'; path: string }
  | { is: 'rename'; from: string; to: string }
  | { is: 'link'; from: string; to: string }
  /** A sync covers what was written before it began, and only once it has ended. */
  | { is: 'syncing'; call: number; path: string }
  | { is: 'synced'; call: number }
  /** On standard output. */
  | { is: 'said'; text: string };

/** What strace needs to be told for `stepsOf`. */
export function traceOptions(file: string): string[] {
  const calls = [
    'write,writev,pwrite64,pwritev,ftruncate,fdatasync,fsync',
    'open,openat,mkdir,mkdirat,rename,renameat,renameat2,link,linkat,unlink,unlinkat,rmdir',
  ];
  // All strings whole and in hex, and each descriptor with its path.
  return [
    '-f',
    '--seccomp-bpf',
    '-qq',
    '-y',
    '-xx',
    '-s',
    '16777216',
    '-o',
    file,
    '-e',
    `trace=${calls.join()}`,
  ];
}

interface Call {
  readonly name: string;
  /** What stands in quotes. */
  readonly strings: Buffer[];
  /** The first argument, where it is a descriptor. */
  readonly descriptor: { readonly number: number; readonly path: string } | undefined;
  /** The rest, without what is in quotes. */
  readonly rest: string;
  readonly result: number;
}

/** The steps below a folder. */
export function stepsOf(trace: string, folder: string): Step[] {
  const steps: Step[] = [];
  const started = new Map<string, { text: string; sync: number | undefined }>();
  let syncs = 0;
  const begin = (text: string): number | undefined => {
    const path = /^f(?:data)?sync\(\d+<([^>]*)>/.exec(text)?.[1];
    const inside = path === undefined ? undefined : within(folder, String(unhex(path)));
    if (inside === undefined) return undefined;
    steps.push({ is: 'syncing', call: ++syncs, path: inside });
    return syncs;
  };
  for (const line of trace.split('\n')) {
    const [, thread, text] = /^(\d+) +(.*)$/.exec(line) ?? [];
    if (thread === undefined || text === undefined) continue;
    const unfinished = text.indexOf(' <unfinished ...>');
    if (unfinished !== -1) {
      const begun = text.slice(0, unfinished);
      started.set(thread, { text: begun, sync: begin(begun) });
      continue;
    }
    const resumed = /^<\.\.\. \w+ resumed>/.exec(text);
    const before = resumed ? started.get(thread) : { text: '', sync: begin(text) };
    const call = before && parseCall(before.text + text.slice(resumed?.[0].length ?? 0));
    if (!call || call.result < 0) continue;
    if (before.sync !== undefined) steps.push({ is: 'synced', call: before.sync });
    else steps.push(...stepsOfCall(call, folder));
  }
  return steps;
}

function parseCall(text: string): Call | undefined {
  const [, name, args, result] = /^(\w+)\((.*)\) += (-?\d+)/.exec(text) ?? [];
  if (name === undefined || args === undefined) return undefined;
  const [, number, path] = /^(\d+)<([^>]*)>/.exec(args) ?? [];
  return {
    name,
    strings: [...args.matchAll(/"([^"]*)"/g)].map(([, string]) => unhex(string!)),
    descriptor: number === undefined ? undefined : { number: Number(number), path: String(unhex(path!)) },
    rest: args.replaceAll(/"[^"]*"/g, ''),
    result: Number(result),
  };
}

function stepsOfCall(call: Call, folder: string): Step[] {
  const { name, strings, descriptor, rest, result } = call;
  if (descriptor?.number === 1 && /^writev?$/.test(name)) {
    return [{ is: 'said', text: String(Buffer.concat(strings).subarray(0, result)) }];
  }
  const paths = (descriptor ? [descriptor.path] : strings.map(String)).map((path) => within(folder, path));
  const [path, other] = paths;
  if (path === undefined) return [];
  switch (name.replace(/(at2?|64)$/, '')) {
    case 'write':
    case 'writev':
      return [{ is: 'write', path, at: 'end', bytes: Buffer.concat(strings).subarray(0, result) }];
    case 'pwrite':
    case 'pwritev': {
      const at = Number(/(\d+)$/.exec(rest)?.[1]);
      return [{ is: 'write', path, at, bytes: Buffer.concat(strings).subarray(0, result) }];
    }
    case 'open':
      if (!/O_CREAT|O_TRUNC/.test(rest)) return [];
      return [{ is: 'create', path, truncates: rest.includes('O_TRUNC') }];
    case 'mkdir':
      return [{ is: 'folder', path }];
    case 'unlink':
    case 'rmdir':
      return [{ is: 'remove', path }];
    case 'rename':
      return other === undefined ? [{ is: 'remove', path }] : [{ is: 'rename', from: path, to: other }];
    case 'link':
      return other === undefined ? [] : [{ is: 'link', from: path, to: other }];
    default:
      throw new Error(`the disk of the crash lab does not know ${name}(${rest})`);
  }
}

function within(folder: string, path: string): string | undefined {
  const inside = relative(folder, path);
  return inside.startsWith('..') || inside.endsWith(' (deleted)') ? undefined : inside;
}

function unhex(text: string): Buffer {
  return Buffer.from(text.replaceAll(String.raw`\x`, ''), 'hex');
}
