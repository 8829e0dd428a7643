// The options that commands share, and how their values are read: strictly, a typing error must not become a
// number. Opens nothing.

import { join, resolve } from 'node:path';
import bytes from 'bytes';
import type { Command } from 'commander';
import { InvalidArgumentError, Option } from 'commander';
import ms from 'ms';
import type { StringValue } from 'ms';
import { UsageError } from './errors.js';

/** Where a log is: by service below a VAR_DIR, or by its folder. */
export interface LogAddress {
  service?: string;
  varDir?: string;
  instance?: string;
  dir?: string;
}

export interface JsonOption {
  json?: boolean;
}

/** A log's folder and, where it was addressed so, the service and VAR_DIR that lead to it. */
export interface LogPlace {
  dir: string;
  under?: { service: string; instance: string; varDir: string };
}

/** As the library has them. Here a name becomes a path before the library sees it. */
const NAME_PATTERN = /^[a-z0-9][a-z0-9._-]{0,63}$/;
const KIND_PATTERN = /^[a-z][a-z0-9_-]{0,31}$/;
const SIZE_PATTERN = /^\d+$|^\d+(\.\d+)?(kb|mb|gb|tb)$/i;
const DURATION_PATTERN = /^\d+$|^\d+(\.\d+)?(ms|s|m|h|d)$/i;

/** A command with `--json` and an example in its help. */
export function addCommand(program: Command, name: string, summary: string, help: string): Command {
  return program
    .command(name)
    .description(summary)
    .option('--json', 'print JSON, for programs')
    .addHelpText('after', `\n${help}`);
}

export function addLogOptions(command: Command): Command {
  const options = [
    new Option('--service <service>', 'the service whose log it is').argParser(parseName),
    new Option('--var-dir <dir>', 'where services keep their logs').env('VAR_DIR'),
    new Option('--instance <instance>', "which of the service's logs (default: main)").argParser(parseName),
    new Option('--dir <dir>', "the log's own folder, instead of all these"),
  ];
  for (const option of options) command.addOption(option.helpGroup('Which log:'));
  return command;
}

export function kindOption(description: string): Option {
  return new Option('--kind <kind>', description).argParser(parseKind);
}

/** @throws {UsageError} */
export function placeOf({ service, varDir, instance, dir }: LogAddress): LogPlace {
  if (dir !== undefined) {
    const stray = service === undefined ? (instance === undefined ? undefined : 'instance') : 'service';
    if (stray) throw new UsageError(`--dir names a log's folder by itself: it goes without --${stray}`);
    return { dir: resolve(dir) };
  }
  if (service === undefined) throw new UsageError('which log? name it by --service, or by --dir');
  const under = { service, instance: instance ?? 'main', varDir: requiredVarDir(varDir) };
  return { dir: join(under.varDir, 'nv-wal', service, under.instance), under };
}

/** @throws {UsageError} */
export function requiredVarDir(varDir: string | undefined): string {
  if (varDir === undefined || varDir === '') {
    throw new UsageError('where are the logs kept? say it by --var-dir or VAR_DIR');
  }
  return resolve(varDir);
}

export function parseName(text: string): string {
  if (NAME_PATTERN.test(text)) return text;
  throw new InvalidArgumentError('Expected a name: small letters, digits, and . _ - inside.');
}

export function parseKind(text: string): string {
  if (KIND_PATTERN.test(text)) return text;
  throw new InvalidArgumentError('Expected a kind: small letters, digits, _ and -.');
}

/** An integer from `min` on. */
export function parseInteger(min: number, max = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : NaN;
    if (value >= min && value <= max) return value;
    const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`;
    throw new InvalidArgumentError(`Expected an integer ${range}.`);
  };
}

/** Bytes: `1048576`, `64MB`. A KB has 1,024 of them. */
export function parseSize(text: string): number {
  const value = SIZE_PATTERN.test(text) ? bytes.parse(text) : null;
  if (value !== null && Number.isSafeInteger(value)) return value;
  throw new InvalidArgumentError('Expected bytes as 1048576, 512KB, 64MB or 1.5GB.');
}

/** Milliseconds: `1500`, `1500ms`, `60s`, `12h`. */
export function parseDuration(text: string): number {
  const value = DURATION_PATTERN.test(text) ? Math.round(ms(text as StringValue)) : NaN;
  if (Number.isSafeInteger(value)) return value;
  throw new InvalidArgumentError('Expected a time as 500ms, 60s, 5m, 12h or 7d; a plain number is in ms.');
}
