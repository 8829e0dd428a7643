// `nv-wal verify`: whether a log is what it promises to be.

import type { Command } from 'commander';
import { WalError } from '../index.js';
import type { VerifyReport } from '../index.js';
import { Failure } from './errors.js';
import { interruptible } from './interrupt.js';
import { reachLog } from './reach.js';
import type { JsonOption, LogAddress } from './options.js';
import { addCommand, addLogOptions } from './options.js';
import { counted, printResult, progress } from './output.js';

const HELP = `Reads every byte: seals, lines, ids, seqs without holes, offsets, and the ledger's equation. Changes nothing.
Exits with 1 where anything deviates, and says what.

Example:
  nv-wal verify --service gateway`;

export function addVerify(program: Command): void {
  const command = addCommand(program, 'verify', 'check everything; exit 1 on any deviation', HELP);
  addLogOptions(command).action(async (options: LogAddress & JsonOption) => {
    const report = await interruptible((signal) => verify(options, signal));
    await printResult(options.json, report, describe(report));
    if (!report.ok) throw new Failure(`the log deviates: ${counted(report.problems.length, 'problem')}`);
  });
}

async function verify(address: LogAddress, signal: AbortSignal): Promise<VerifyReport> {
  try {
    await using wal = await reachLog(address, signal);
    using shown = progress('verifying');
    return await wal.verify(signal, (records) => shown.say(`verifying: ${counted(records, 'record')}`));
  } catch (error) {
    // Too damaged to be opened is a deviation, too, and the one that most needs reporting.
    if (!(error instanceof WalError) || error.code !== 'WAL_CORRUPT') throw error;
    return { ok: false, records: 0, problems: [{ kind: '', what: error.message }] };
  }
}

function describe({ ok, records, problems }: VerifyReport): string {
  if (ok) return `ok: ${counted(records, 'record')}`;
  return problems
    .map(({ kind, seq, what }) => `${[kind, seq].filter(Boolean).join(' ')}: ${what}`.replace(/^: /, ''))
    .join('\n');
}
