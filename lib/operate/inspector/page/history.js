// What a cursor did while the page was open: so many samples, the oldest go. Pure.

/** @typedef {import('../../../stats.js').StreamStats} StreamStats */
/** @typedef {import('../../../stats.js').ShipperStats} ShipperStats */

/** A quarter of an hour at one a second. */
const SAMPLES_MAX = 900;
/** Longer without a sample, and what was between is not known. */
const HOLE_MS = 10_000;

export class History {
  /** Epoch seconds, and one list of values a series: what uPlot takes. `null`: not known. */
  times = /** @type {number[]} */ ([]);
  backlog = /** @type {(number | null)[]} */ ([]);
  appended = /** @type {(number | null)[]} */ ([]);
  shipped = /** @type {(number | null)[]} */ ([]);
  /** @type {{ at: number, lastSeq: number, delivered: number } | undefined} */
  #last;

  /**
   * @param {number} at epoch ms
   * @param {StreamStats} stream
   * @param {ShipperStats} shipper
   */
  add(at, { lastSeq }, { delivered, backlogRecords }) {
    const last = this.#last;
    const ms = last ? at - last.at : 0;
    // Asked again before anything could change, or a clock that was put right a little.
    if (last && ms <= 0 && ms > -HOLE_MS) return;
    this.#last = { at, lastSeq, delivered };
    // A clock that went back for good: a line that runs backwards can't be drawn.
    if (ms < 0) this.#clear();
    if (ms > HOLE_MS) this.#push((at - 1) / 1000, null, null, null);
    const isKnown = ms > 0 && ms <= HOLE_MS;
    const rateOf = (/** @type {number} */ grown) => (isKnown ? Math.max(0, (grown * 1000) / ms) : null);
    this.#push(
      at / 1000,
      backlogRecords,
      rateOf(lastSeq - (last?.lastSeq ?? 0)),
      rateOf(delivered - (last?.delivered ?? 0)),
    );
  }

  /**
   * Rates a second over the last samples: one alone jumps.
   *
   * @returns {{ appended: number, shipped: number } | undefined}
   */
  rates() {
    const [appended, shipped] = [meanOf(this.appended), meanOf(this.shipped)];
    return appended === undefined || shipped === undefined ? undefined : { appended, shipped };
  }

  /**
   * @param {number} time
   * @param {number | null} backlog
   * @param {number | null} appended
   * @param {number | null} shipped
   */
  #push(time, backlog, appended, shipped) {
    this.times.push(time);
    this.backlog.push(backlog);
    this.appended.push(appended);
    this.shipped.push(shipped);
    if (this.times.length <= SAMPLES_MAX) return;
    for (const list of this.#lists()) list.shift();
  }

  #clear() {
    for (const list of this.#lists()) list.length = 0;
  }

  #lists() {
    return [this.times, this.backlog, this.appended, this.shipped];
  }
}

/** @param {readonly (number | null)[]} series */
function meanOf(series) {
  const known = series.slice(-5).filter((value) => value !== null);
  return known.length === 0 ? undefined : known.reduce((sum, value) => sum + value, 0) / known.length;
}
