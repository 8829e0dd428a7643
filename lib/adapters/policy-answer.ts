// What a policy service answers, checked, and what follows from it for a record. Pure.

import { LOG_LEVELS } from './policy.js';
import type { LogLevel, PolicyFunction, PolicyQuestion } from './policy.js';

/**
 * `GET /api/log/v1/config?service=…`. What it does not mention goes by the default: a level that is not there, and
 * of a level with categories, a category that is not, or none.
 */
export interface PolicyAnswer {
  /** By level: whether it is persisted, or by category whether it is. Levels that no logger has are passed over. */
  persist: Record<string, boolean | Record<string, boolean>>;
  /** Exceptions for a while; the first that fits decides. At most 100. */
  overrides?: PolicyOverride[];
}

/** ADR-0017 leaves the form of an override to ADR-0016. Here it is for a level, a category, both, or everything. */
export interface PolicyOverride {
  level?: string;
  category?: string;
  persist: boolean;
  /** When it ends: epoch ms or ISO 8601. @default never */
  until?: number | string;
}

export interface PolicyRules {
  /** As it was answered, less what is passed over. */
  readonly answer: PolicyAnswer;
  readonly levels: ReadonlyMap<string, boolean | ReadonlyMap<string, boolean>>;
  readonly overrides: readonly Override[];
}

interface Override {
  readonly level: string | undefined;
  readonly category: string | undefined;
  readonly persist: boolean;
  readonly untilMs: number;
}

/** They are gone through at every log call. */
const OVERRIDES_MAX = 100;

/** @throws {TypeError} saying what does not fit, and where. */
export function readAnswer(text: string): PolicyRules {
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch {
    throw new TypeError('the answer is not JSON');
  }
  const { persist, overrides = [] } = object('the answer', answer);
  if (!isArray(overrides)) throw unfit('overrides', 'an array');
  if (overrides.length > OVERRIDES_MAX) throw unfit('overrides', `at most ${OVERRIDES_MAX}`);
  const known = Object.entries(object('persist', persist)).filter(([level]) => isLevel(level));
  const levels = new Map(known.map(([level, value]) => [level, readLevel(`persist.${level}`, value)]));
  return {
    // All of it is checked below.
    answer: { persist: Object.fromEntries(known), overrides } as PolicyAnswer,
    levels,
    overrides: overrides.map((each, n) => readOverride(`overrides[${n}]`, each)),
  };
}

/** Whether a record is persisted at this time (epoch ms). */
export function decide(
  rules: PolicyRules,
  question: PolicyQuestion,
  now: number,
  byDefault: PolicyFunction,
): boolean {
  const { level, category } = question;
  for (const override of rules.overrides) {
    const fits =
      (override.level === undefined || override.level === level) &&
      (override.category === undefined || override.category === category) &&
      now < override.untilMs;
    if (fits) return override.persist;
  }
  const rule = rules.levels.get(level);
  if (typeof rule === 'boolean') return rule;
  return (category === undefined ? undefined : rule?.get(category)) ?? byDefault(question);
}

function readLevel(where: string, value: unknown): boolean | Map<string, boolean> {
  if (typeof value === 'boolean') return value;
  const categories = Object.entries(object(where, value, 'true, false or an object of categories'));
  return new Map(categories.map(([name, persist]) => [name, boolean(`${where}.${name}`, persist)]));
}

function readOverride(where: string, value: unknown): Override {
  const { level, category, persist, until } = object(where, value);
  const untilMs = typeof until === 'string' ? Date.parse(until) : (until ?? Infinity);
  if (typeof untilMs !== 'number' || Number.isNaN(untilMs)) throw unfit(`${where}.until`, 'a time');
  return {
    level: optionalText(`${where}.level`, level),
    category: optionalText(`${where}.category`, category),
    persist: boolean(`${where}.persist`, persist),
    untilMs,
  };
}

function isLevel(level: string): level is LogLevel {
  return (LOG_LEVELS as readonly string[]).includes(level);
}

/** `Array.isArray` makes `any` of the elements. */
function isArray(value: unknown): value is unknown[] {
  return Array.isArray(value);
}

function object(where: string, value: unknown, what = 'an object'): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || isArray(value)) throw unfit(where, what);
  return value as Record<string, unknown>;
}

function boolean(where: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value;
  throw unfit(where, 'true or false');
}

function optionalText(where: string, value: unknown): string | undefined {
  if (value === undefined || typeof value === 'string') return value;
  throw unfit(where, 'a text');
}

function unfit(where: string, what: string): TypeError {
  return new TypeError(`expected ${where} to be ${what}`.slice(0, 200));
}
