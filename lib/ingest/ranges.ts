// Ranges of seqs, and how they grow together. Pure.

/** Both ends included; `from <= to`. */
export interface SeqRange {
  from: number;
  to: number;
}

/** The same seqs in the fewest ranges: ascending, disjoint, never adjacent. */
export function coalesce(ranges: readonly SeqRange[]): SeqRange[] {
  const merged: SeqRange[] = [];
  for (const { from, to } of ranges.toSorted((a, b) => a.from - b.from)) {
    const last = merged.at(-1);
    if (last && from <= last.to + 1) last.to = Math.max(last.to, to);
    else merged.push({ from, to });
  }
  return merged;
}

/** Adds a range to a list, growing the last one where it follows on: a batch in order stays one range. */
export function appendRange(ranges: SeqRange[], from: number, to: number): void {
  const last = ranges.at(-1);
  if (last && from === last.to + 1) last.to = to;
  else ranges.push({ from, to });
}
