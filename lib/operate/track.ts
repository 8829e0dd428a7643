// Since when something is so: what one look at a log can't tell. Pure: a track and a view make the next track.

import type { CursorView, View } from './view.js';

/** All moments are of the monotonic clock. */
export interface Track {
  /** By `<kind>/<shipper>`. */
  readonly cursors: ReadonlyMap<string, CursorTrack>;
  readonly reserveMissingSince: number | undefined;
}

export interface CursorTrack {
  readonly seq: number;
  /** When the cursor last moved, or had nothing to move for. */
  readonly movedAt: number;
  /** Since when the breaker is not closed. */
  readonly openSince: number | undefined;
  readonly dropped: Recent;
  readonly quarantined: Recent;
}

/** A count that only grows, and how much it has grown since it last was quiet. */
export interface Recent {
  readonly count: number;
  readonly grown: number;
  readonly grewAt: number;
}

/** The track after a look. `quietMs`: how long a count must not grow to be quiet. */
export function follow(track: Track | undefined, view: View, quietMs: number): Track {
  const now = view.monotonic;
  const cursors = view.cursors.map((cursor): [string, CursorTrack] => {
    const before = track?.cursors.get(cursor.name);
    const { stats, breaker } = cursor;
    // What is there at the first look is old; a cursor that comes later began with nothing.
    const began = track && { count: 0, grown: 0, grewAt: now };
    return [
      cursor.name,
      {
        seq: stats.seq,
        movedAt: before && !hasMoved(before, cursor) ? before.movedAt : now,
        openSince: breaker === 'closed' ? undefined : (before?.openSince ?? now),
        dropped: grow(before?.dropped ?? began, stats.dropped + stats.lost, now, quietMs),
        quarantined: grow(before?.quarantined ?? began, stats.quarantined, now, quietMs),
      },
    ];
  });
  const reserveMissingSince = view.reserveMissing ? (track?.reserveMissingSince ?? now) : undefined;
  return { cursors: new Map(cursors), reserveMissingSince };
}

/** How long a cursor has not moved although records wait for it, in ms. */
export function stalledMs(track: Track, cursor: CursorView, now: number): number {
  const known = track.cursors.get(cursor.name);
  return known && !hasMoved(known, cursor) ? now - known.movedAt : 0;
}

function hasMoved(before: CursorTrack, { stats }: CursorView): boolean {
  return stats.backlogRecords === 0 || stats.seq !== before.seq;
}

function grow(before: Recent | undefined, count: number, now: number, quietMs: number): Recent {
  if (!before) return { count, grown: 0, grewAt: now };
  // Less than before where a repair counted anew: that is not growth either.
  const by = Math.max(0, count - before.count);
  if (by > 0) return { count, grown: before.grown + by, grewAt: now };
  return { count, grown: now - before.grewAt >= quietMs ? 0 : before.grown, grewAt: before.grewAt };
}
