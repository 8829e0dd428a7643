// Redaction: what must not reach the disk is taken out of a record's JSON. Not out of the record itself: a getter,
// a `toJSON` or a proxy may say something else when it is asked again; JSON is what would be stored. Pure.

import { createHmac, createSecretKey } from 'node:crypto';
import redactObject from '@pinojs/redact';
import { WalError, messageOf } from './errors.js';

/** Paths that are censored, or rules, or both; rules are applied in their order. */
export type Redaction = readonly (string | RedactionRule)[] | RedactionRule;

/** What becomes of the values at `paths`: a censor in their place (the default), nothing, or their keyed hash. */
export type RedactionRule = {
  /** From the record's top, as in pino: `user.email`, `items[*].card`, `headers["set-cookie"]`; `*` is one level. */
  readonly paths: readonly string[];
} & (
  | {
      /** What stands in the value's place. @default '[REDACTED]' */
      readonly censor?: string;
      readonly remove?: never;
      readonly hash?: never;
    }
  | {
      /** The member goes, name and value; an array's element becomes null. */
      readonly remove: true;
      readonly censor?: never;
      readonly hash?: never;
    }
  | {
      /**
       * `hmac-sha256:<hex>` in its place, so that equal values can be told to be equal: of a string as it is, of
       * anything else as JSON. The key is a secret of at least 32 bytes; whoever has it can try values out.
       */
      readonly hash: { readonly key: string };
      readonly censor?: never;
      readonly remove?: never;
    }
);

/** The JSON of a record without what is not to be stored; throws rather than leave it in. */
export type Redact = (json: string) => string;

const RULE_NAMES: ReadonlySet<string> = new Set(['paths', 'censor', 'remove', 'hash']);

const KEY_BYTES_MIN = 32;

// The library takes more than it understands: `pass*` or `a.**.b` would be a key of that name, and find nothing.
const NAME = String.raw`(?:\*|[^.*[\]"'\s,]+)`;
const BRACKETS = String.raw`\[(?:\*|\d+|"[^"*\\[\]]+"|'[^'*\\[\]]+')\]`;
const PATH = new RegExp(`^(?:${NAME}|${BRACKETS})(?:\\.${NAME}|${BRACKETS})*$`);

/** The library clones by assignment, and such a member would become the clone's prototype: gone, and not searched. */
const UNSAFE_MEMBER = '__proto__';

/** @throws {WalError} `WAL_CONFIG` naming the path or the member; never a key. */
export function redactor(option: string, redaction: Redaction): Redact {
  const given = rulesOf(option, redaction);
  const rules = given.map(([at, rule]) => compile(at, rule));
  const wanted = given.flatMap(([, { paths }]) => paths.map(membersOf));
  return (json) => {
    if (json.includes(`"${UNSAFE_MEMBER}":`)) {
      throw new WalError(
        'WAL_RECORD_INVALID',
        `a record with a member '${UNSAFE_MEMBER}' can't be redacted (${option})`,
      );
    }
    // Most records hold nothing of what is looked for, and need not be parsed to know it.
    if (!wanted.some((members) => members.every((member) => json.includes(member)))) return json;
    try {
      let value: unknown = JSON.parse(json);
      for (const rule of rules) value = rule(value);
      return JSON.stringify(value);
    } catch {
      // Without what was thrown: it may quote the record, and whoever logs an error logs its causes.
      throw new WalError('WAL_RECORD_INVALID', `a record can't be redacted (${option})`);
    }
  };
}

/** Each rule and how to name it. Plain paths are one rule, and the first. */
function rulesOf(option: string, redaction: Redaction): [at: string, rule: RedactionRule][] {
  if (!Array.isArray(redaction)) return [[option, redaction as RedactionRule]];
  const list = redaction as readonly (string | RedactionRule)[];
  if (list.length === 0) throw unfit(option, 'an array with a path in it');
  const paths = list.filter((item) => typeof item === 'string');
  const rules: [string, RedactionRule][] = paths.length > 0 ? [[option, { paths }]] : [];
  for (const [n, item] of list.entries()) if (typeof item !== 'string') rules.push([`${option}[${n}]`, item]);
  return rules;
}

function compile(at: string, rule: unknown): (value: unknown) => unknown {
  if (typeof rule !== 'object' || rule === null)
    throw unfit(at, 'paths, or { paths, censor, remove or hash }');
  for (const name of Object.keys(rule)) {
    if (!RULE_NAMES.has(name)) throw unfit(at, `{ paths } with censor, remove or hash, and no '${name}'`);
  }
  const { censor, remove, hash, ...rest } = rule as Record<string, unknown>;
  if ([censor, remove, hash].filter((way) => way !== undefined).length > 1) {
    throw unfit(at, 'one of censor, remove and hash');
  }
  // Not `serialize: false`: that puts a member `restore` into the record.
  const options = { paths: checkPaths(at, rest['paths']), serialize: (value: unknown) => value };
  if (hash !== undefined) return hashing(options, hasher(`${at}.hash`, hash));
  if (remove !== undefined) {
    if (remove === true) return redactObject({ ...options, remove });
    throw unfit(`${at}.remove`, 'true, or left out');
  }
  if (censor !== undefined && typeof censor !== 'string') throw unfit(`${at}.censor`, 'a string');
  return redactObject({ ...options, censor: censor ?? '[REDACTED]' });
}

function hashing(
  options: { paths: string[]; serialize: (value: unknown) => unknown },
  token: (text: string) => string,
): (value: unknown) => unknown {
  // Where two paths meet, the second finds the first one's token: a hash of it would be equal to nothing else.
  const tokens = new Set<unknown>();
  const redact = redactObject({
    ...options,
    censor: (value: unknown) => {
      if (tokens.has(value)) return value;
      const text = typeof value === 'string' ? value : (JSON.stringify(value) as string | undefined);
      // Not a value of the record's: absent, or inherited as `constructor` is.
      if (text === undefined) return value;
      const made = token(text);
      tokens.add(made);
      return made;
    },
  });
  return (value) => {
    tokens.clear();
    return redact(value);
  };
}

function checkPaths(at: string, paths: unknown): string[] {
  if (!Array.isArray(paths) || paths.length === 0) throw unfit(`${at}.paths`, 'at least one path');
  return paths.map((path: unknown) => {
    const why = typeof path === 'string' ? unusable(path) : 'no string';
    if (why === undefined) return path as string;
    const shown = typeof path === 'string' ? `'${path.slice(0, 100)}'` : typeof path;
    throw unfit(`${at}: ${shown}`, `a path as 'a.b', 'a[*].b' or 'a["b-c"]' (${why})`);
  });
}

/** What the JSON of every record has in it that the path leads into: its names, as members. */
function membersOf(path: string): string[] {
  const segments = path.matchAll(/\["([^"]+)"\]|\['([^']+)'\]|([^.[\]]+)/g);
  const names = Array.from(segments, ([, double, single, bare]) => double ?? single ?? bare!);
  // A number may be an index.
  return names.filter((name) => !/^(?:\*|\d+)$/.test(name)).map((name) => `${JSON.stringify(name)}:`);
}

function unusable(path: string): string | undefined {
  if (!PATH.test(path) || path.includes(UNSAFE_MEMBER)) return 'no such form';
  try {
    redactObject({ paths: [path] });
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

function hasher(option: string, hash: unknown): (text: string) => string {
  if (typeof hash !== 'object' || hash === null) throw unfit(option, '{ key }');
  const key: unknown = (hash as { key?: unknown }).key;
  const bytes = typeof key === 'string' ? Buffer.byteLength(key) : 0;
  if (bytes < KEY_BYTES_MIN) {
    throw unfit(`${option}.key`, `a secret of at least ${KEY_BYTES_MIN} bytes, got ${bytes} or no string`);
  }
  const secret = createSecretKey(Buffer.from(key as string));
  return (text) => `hmac-sha256:${createHmac('sha256', secret).update(text).digest('hex')}`;
}

/** Without the value: it may be a key. */
function unfit(option: string, what: string): WalError {
  return new WalError('WAL_CONFIG', `expected ${option} to be ${what}`);
}
