// The command line put together: a file a command, and what they throw as an exit code.

import { createRequire } from 'node:module';
import { Command } from 'commander';
import { addCompact } from './compact.js';
import { addCompletion } from './completion.js';
import { addDemo } from './demo.js';
import { addDump } from './dump.js';
import type { ExitCode } from './errors.js';
import { errorLine, exitCodeOf, oneLine } from './errors.js';
import { addEvict } from './evict.js';
import { addExport } from './export.js';
import { addForget } from './forget.js';
import { addImport } from './import.js';
import { addInspect } from './inspect.js';
import { addMigrate } from './migrate.js';
import { note } from './output.js';
import { addReplay } from './replay.js';
import { addServe } from './serve.js';
import { addShip } from './ship.js';
import { addStats } from './stats.js';
import { addTail } from './tail.js';
import { addVerify } from './verify.js';

const HELP = `
A service appends records to its log, which numbers them by stream ('kind': log, audit, …): 'seq'. A shipper delivers a
stream to a sink, a receiver, and its cursor says how far it is. Where records are gone, a notice stands for them.
To see all of it at work: nv-wal demo. More of a command, with an example: nv-wal help <command>.

A log is named by --service, below VAR_DIR (or --var-dir), or by --dir, its folder. Only the user it belongs to
may open it, root included, so run this as the user that the service runs as. A log in use is asked of the process
that holds it; migrate needs it to itself: stop the service first.

Exit codes: 0 done, 1 failed, 2 the command line or the environment does not fit.`;

const ADD = [
  heading('Look into a log:'),
  addStats,
  addDump,
  addTail,
  addInspect,
  heading('Move records:'),
  addShip,
  addImport,
  addExport,
  heading('Keep a log up:'),
  addEvict,
  addCompact,
  addVerify,
  addReplay,
  addForget,
  addMigrate,
  heading('Around it:'),
  addServe,
  addDemo,
  addCompletion,
];

export function makeProgram(): Command {
  const { version } = createRequire(import.meta.url)('@nv/wal/package.json') as { version: string };
  const program = new Command('nv-wal')
    .description('Looks into, ships and keeps up durable logs of @nv/wal.')
    .version(version)
    .exitOverride()
    .configureOutput({
      outputError: (text, write) => write(`nv-wal: ${oneLine(text).replace(/^error: /, '')}\n`),
    })
    .addHelpText('after', HELP);
  for (const add of ADD) add(program);
  // In the last group, rather than in one of its own.
  return program.helpCommand(true);
}

/** Begins a group of commands in the help. */
function heading(text: string): (program: Command) => void {
  return (program) => void program.commandsGroup(text);
}

/** Help of an unknown command would be all the help there is; without 'help', its line says that it is unknown. */
function withoutVainHelp({ commands }: Command, argv: string[]): string[] {
  const [node = '', script = '', command, name, ...rest] = argv;
  if (command !== 'help' || name === undefined || name.startsWith('-')) return argv;
  if (name === 'help') return [node, script, name];
  return commands.some((known) => known.name() === name) ? argv : [node, script, name, ...rest];
}

/** Does what a command line says; never rejects. */
export async function run(argv: string[]): Promise<ExitCode> {
  try {
    const program = makeProgram();
    await program.parseAsync(withoutVainHelp(program, argv));
    return 0;
  } catch (error) {
    const line = errorLine(error);
    if (line !== undefined) note(line);
    return exitCodeOf(error);
  }
}
