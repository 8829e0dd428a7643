// What a schema does not declare: which fields its output no longer has, counted by name, and whether it would let
// them through. Pure but for the counting.

import type { StandardJSONSchemaV1 } from '@standard-schema/spec';
import { isPlainObject } from './records.js';
import { propsOf } from './schema.js';

/** Levels of a record that are compared. What is deeper is dropped by the schema all the same, and not counted. */
const LEVELS_MAX = 32;
/** Names that are kept apart, and UTF-16 units of one: names come from outside, too. */
const NAMES_MAX = 100;
const NAME_LENGTH_MAX = 100;

export interface FieldsDropped {
  /** Fields that were dropped since open. */
  total: number;
  /** The first 100 of them by name: `user.phone`, `items[].note`. */
  names: Record<string, number>;
}

/** How many fields a stream dropped, and which. */
export class DropCount {
  readonly #names = new Map<string, number>();
  #total = 0;

  add(name: string): void {
    this.#total++;
    const clipped = name.slice(0, NAME_LENGTH_MAX);
    const count = this.#names.get(clipped);
    if (count !== undefined || this.#names.size < NAMES_MAX) this.#names.set(clipped, (count ?? 0) + 1);
  }

  snapshot(): FieldsDropped {
    return { total: this.#total, names: Object.fromEntries(this.#names) };
  }
}

/** Calls `drop` with the name of each field that `before` has and `after`, which a schema made of it, has not. */
export function compare(
  before: unknown,
  after: unknown,
  drop: (name: string) => void,
  at = '',
  levels = LEVELS_MAX,
): void {
  if (before === after || levels === 0) return;
  if (Array.isArray(before) && Array.isArray(after)) {
    const both = Math.min(before.length, after.length);
    for (let n = 0; n < both; n++) compare(before[n], after[n], drop, `${at}[]`, levels - 1);
  } else if (isPlainObject(before) && isPlainObject(after)) {
    for (const name of Object.keys(before)) {
      const value = before[name];
      const path = at === '' ? name : `${at}.${name}`;
      if (Object.hasOwn(after, name)) compare(value, after[name], drop, path, levels - 1);
      else if (value !== undefined) drop(path);
    }
  }
}

/**
 * Where a schema lets fields through that it does not declare, as its own JSON Schema says (Standard JSON Schema,
 * which not every library has): the path of the first such object. Undefined where there is none, or where the
 * library can't say.
 */
export function openAt(schema: unknown): string | undefined {
  const props: Partial<StandardJSONSchemaV1.Props> | undefined = propsOf(schema);
  // Its converter, a package of its own, leaves the same out for an object and for a loose one.
  if (props?.vendor === 'valibot') return undefined;
  let json: unknown;
  try {
    // What has no JSON Schema (a date, a transform) is no reason to know nothing of the rest: zod's option for that.
    const libraryOptions = { unrepresentable: 'any' };
    json = props?.jsonSchema?.output({ target: 'draft-2020-12', libraryOptions });
  } catch {
    return undefined;
  }
  return openBelow(json, '');
}

/** Keywords that hold one schema or a list of them, and what that adds to the path. */
const NESTED = {
  items: '[]',
  prefixItems: '[]',
  anyOf: '',
  oneOf: '',
  allOf: '',
  additionalProperties: '.*',
};
/** Keywords that hold schemas by name. A `$ref` leads to one of them. */
const NAMED = ['properties', 'patternProperties', '$defs', 'definitions'];

function openBelow(schema: unknown, at: string): string | undefined {
  if (Array.isArray(schema)) {
    for (const member of schema) {
      const found = openBelow(member, at);
      if (found !== undefined) return found;
    }
    return undefined;
  }
  if (!isPlainObject(schema)) return undefined;
  if (schema['properties'] !== undefined && isAnything(schema['additionalProperties'])) {
    return at || 'its top';
  }
  for (const [keyword, suffix] of Object.entries(NESTED)) {
    const found = openBelow(schema[keyword], `${at}${suffix}`);
    if (found !== undefined) return found;
  }
  for (const keyword of NAMED) {
    for (const [name, member] of Object.entries(schema[keyword] ?? {})) {
      const found = openBelow(member, at === '' ? name : `${at}.${name}`);
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

/** Left out, it means the same. */
function isAnything(schema: unknown): boolean {
  if (schema === undefined || schema === true) return true;
  return isPlainObject(schema) && Object.keys(schema).length === 0;
}
