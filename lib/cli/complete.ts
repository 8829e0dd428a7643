// What may stand at the end of a command line that is being typed, by the program's own structure: there is no second
// list of commands and options. A shell asks it with every Tab: it never fails, and writes nothing.

import type { Argument, Command, Option } from 'commander';
import { valuesFor } from './complete-values.js';

export interface Candidate {
  readonly value: string;
  readonly description?: string;
}

export type Completions =
  | { is: 'values'; values: readonly Candidate[] }
  /** Paths are the shell's to complete. */
  | { is: 'files' }
  | { is: 'folders' };

const NOTHING: Completions = { is: 'values', values: [] };

/** @param words Behind the program's name, up to the one that is being typed, which may be empty. */
export async function complete(program: Command, words: readonly string[]): Promise<Completions> {
  // Bash takes `--kind=log` apart, and hands the `=` over as a word.
  const typed = words.filter((word, index) => word !== '=' || index === words.length - 1);
  const current = typed.at(-1) === '=' ? '' : (typed.at(-1) ?? '');
  const commands = visibleCommands(program);
  const before = typed.slice(0, -1);
  const name = before.findIndex((word) => !word.startsWith('-'));
  const command = name === -1 ? undefined : commands.find((other) => other.name() === before[name]);
  if (name === -1) {
    return current.startsWith('-')
      ? options(program, [], current)
      : beginning(current, commands.map(candidate));
  }
  if (!command) return NOTHING;
  return await completeCommand(program, command, before.slice(name + 1), current);
}

async function completeCommand(
  program: Command,
  command: Command,
  words: readonly string[],
  current: string,
): Promise<Completions> {
  const given = parse(command, words);
  const values = async (slot: string, choices: readonly string[] | undefined, typed: string, before = '') => {
    if (slot === 'command') return beginning(typed, visibleCommands(program).map(candidate));
    const found = choices ?? (await valuesFor(slot, given.values));
    if (found === 'files' || found === 'folders') return { is: found } as const;
    return beginning(
      before + typed,
      found.map((value) => ({ value: before + value })),
    );
  };
  if (given.pending) return await values(slotOf(given.pending), given.pending.argChoices, current);
  const [, long, typed] = /^(--[^=]+)=(.*)$/s.exec(current) ?? [];
  if (long !== undefined && typed !== undefined && !given.isOver) {
    const option = optionOf(command, long);
    return option ? await values(slotOf(option), option.argChoices, typed, `${long}=`) : NOTHING;
  }
  if (current.startsWith('-') && !given.isOver) return options(command, given.options, current);
  const argument = argumentAt(command, given.operands);
  if (argument) return await values(argument.name(), argument.argChoices, current);
  return current === '' ? options(command, given.options, '') : NOTHING;
}

interface Given {
  readonly options: Option[];
  /** By the option's long name, without its dashes. */
  readonly values: Map<string, string>;
  operands: number;
  /** The option whose value comes next. */
  pending: Option | undefined;
  /** Behind a `--`: what follows is no option. */
  isOver: boolean;
}

function parse(command: Command, words: readonly string[]): Given {
  const given: Given = { options: [], values: new Map(), operands: 0, pending: undefined, isOver: false };
  for (const word of words) {
    if (given.pending) {
      given.values.set(given.pending.name(), word);
      given.pending = undefined;
    } else if (given.isOver || !word.startsWith('-')) {
      given.operands++;
    } else if (word === '--') {
      given.isOver = true;
    } else {
      const [flag = '', ...value] = word.split('=');
      const option = optionOf(command, flag);
      if (!option) continue;
      given.options.push(option);
      if (value.length > 0) given.values.set(option.name(), value.join('='));
      else if (option.required) given.pending = option;
    }
  }
  return given;
}

function options(command: Command, given: readonly Option[], current: string): Completions {
  const left = command
    .createHelp()
    .visibleOptions(command)
    .filter((option) => !given.some((other) => other.long === option.long));
  return beginning(
    current,
    left.map((option) => ({ value: option.long ?? option.short ?? '', description: option.description })),
  );
}

function beginning(typed: string, candidates: readonly Candidate[]): Completions {
  return { is: 'values', values: candidates.filter(({ value }) => value.startsWith(typed)) };
}

function candidate(command: Command): Candidate {
  return { value: command.name(), description: command.description() };
}

function visibleCommands(program: Command): Command[] {
  return program.createHelp().visibleCommands(program);
}

function optionOf(command: Command, flag: string): Option | undefined {
  return command.options.find(({ short, long }) => flag === long || flag === short);
}

/** What an option's value is called, as in `--kind <kind>`. */
function slotOf(option: Option): string {
  return /[<[]([^>\].]+)/.exec(option.flags)?.[1] ?? '';
}

function argumentAt({ registeredArguments }: Command, index: number): Argument | undefined {
  const last = registeredArguments.at(-1);
  return registeredArguments[index] ?? (last?.variadic ? last : undefined);
}
