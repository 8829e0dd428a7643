// A passage of a stream: what stands at some of its seqs, as it is stored. Whoever reads it takes it apart, be it in
// another process: the one that holds the log has better things to do.

import { gapId } from './records.js';
import type { Gap, WireLine } from './records.js';
import type { Entry } from './log/entry.js';
import { recordLines } from './log/read.js';
import type { Range } from './log/ledger.js';

/** A record, or the notice in the place of records that are gone. */
export type ReadItem<Row = Record<string, unknown>> =
  | {
      id: string;
      seq: number;
      kind: string;
      record: Row;
      /** The id of the refused record that this one was appended for. See `Wal.resend`. */
      resendOf?: string;
      appendedAt: number;
    }
  | { id: string; seq: number; kind: string; gap: Gap; appendedAt: number };

/** Records of one entry, its lines not looked at yet. */
export interface StoredPassage extends Range {
  readonly appendedAt: number;
  readonly entry: Entry;
  /** What the notice needs that stands for them where their lines turn out to be damaged. `readAt`: epoch ms. */
  readonly logId: string;
  readonly readAt: number;
}

/** The notice in the place of records that are gone. */
export type GapItem = Extract<ReadItem, { gap: Gap }>;

export type Passage = StoredPassage | GapItem;

/** The records of a passage, one by one, or its notice. */
export async function itemsOf<Row>(passage: Passage): Promise<ReadItem<Row>[]> {
  if ('gap' in passage) return [passage];
  const lines = await recordLines(passage);
  if (!Array.isArray(lines)) return [damagedItem(passage)];
  const { kind, appendedAt } = passage.entry;
  return lines.map((line) => {
    const { id, seq, record, resendOf } = JSON.parse(line) as WireLine & { record: Row; resendOf?: string };
    return { id, seq, kind, record, ...(resendOf !== undefined && { resendOf }), appendedAt };
  });
}

/**
 * What `itemsOf` gives, as NDJSON: a line has what an item has, in that order, but for when it was appended. Nothing is
 * parsed for it.
 */
export async function jsonLinesOf(passage: Passage): Promise<{ lines: string[]; isGap: boolean }> {
  const stored = 'gap' in passage ? passage : await recordLines(passage);
  if (!Array.isArray(stored)) {
    const item = 'gap' in passage ? passage : damagedItem(passage);
    return { lines: [JSON.stringify(item)], isGap: true };
  }
  const { appendedAt } = passage;
  return { lines: stored.map((line) => `${line.slice(0, -1)},"appendedAt":${appendedAt}}`), isGap: false };
}

function damagedItem({ from, to, entry, logId, readAt }: StoredPassage): GapItem {
  return gapItem(logId, entry.kind, { from, to, reason: 'corrupt', at: readAt });
}

export function gapItem(logId: string, kind: string, gap: Gap): GapItem {
  return { id: gapId(logId, kind, gap), seq: gap.to, kind, gap, appendedAt: gap.at };
}
