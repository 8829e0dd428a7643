// `nv-wal demo`, which is `npm start`: a record's whole way, through an outage and a crash, on real input. Here
// are its options and what it prints; demo/ is how it goes.

import type { Command } from 'commander';
import { Option } from 'commander';
import { Failure, UsageError } from './errors.js';
import { interruptible } from './interrupt.js';
import type { JsonOption } from './options.js';
import { addCommand, kindOption, parseInteger } from './options.js';
import { note, printResult } from './output.js';

interface DemoCommandOptions extends JsonOption {
  records?: number;
  kind: string;
  varDir?: string;
}

const HELP = `Starts the receiver on a free loopback port, with tokens checked, and a process that appends records and ships
them, gzipped. While that runs, it stops the receiver for two seconds and kills the producing process once.
Then it compares what was acknowledged with what the receiver has. Exits with 0 where every acknowledged record
is there exactly once; with 1 otherwise, and says what is missing. A line that can't be read is named, and is a
failure, too; the others must arrive.

Takes NDJSON files and folders, - for stdin, what a pipe or file on stdin delivers, or else makes records up.
Lines are as for 'import'. The log is in a temporary folder unless --var-dir says where; it stays there then.

Example:
  nv-wal demo /var/log/old-wal`;

const RECORDS = 20_000;

export function addDemo(program: Command): void {
  addCommand(program, 'demo', "show a record's whole way, through an outage and a crash", HELP)
    .argument('[files...]', 'NDJSON files and folders, or - for stdin')
    .option('--records <n>', `how many to make up (default: ${RECORDS})`, parseInteger(1, 1_000_000))
    .addOption(kindOption('the kind of lines that do not say theirs').default('audit'))
    .addOption(new Option('--var-dir <dir>', 'where to keep the log').env('VAR_DIR'))
    .action(async (paths: string[], options: DemoCommandOptions) => {
      const { records, kind, varDir, json } = options;
      if (paths.length > 0 && records !== undefined) {
        throw new UsageError('--records makes records up: it goes without files');
      }
      // Loaded here, as this command alone needs it: the others start the sooner.
      const { runDemo } = await import('./demo/run.js');
      const { describeReport, failureOf, notesOf } = await import('./demo/report.js');
      const report = await interruptible((signal) =>
        runDemo(
          { paths, records, recordsOtherwise: RECORDS, kind, varDir: varDir === '' ? undefined : varDir },
          signal,
        ),
      );
      await printResult(json, report, describeReport(report));
      for (const line of notesOf(report)) note(line);
      if (!report.ok) throw new Failure(failureOf(report));
    });
  // What the demo starts beside the receiver.
  program.command('demo-producer', { hidden: true }).action(async () => {
    const { runProducer } = await import('./demo/producer.js');
    await runProducer();
  });
}
