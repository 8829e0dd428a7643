// How long each sibling's log has been left alone, by this process's own clock: the times in the files are of
// other clocks. Pure.

export class Watch {
  readonly #seen = new Map<string, { sign: string; since: number }>();

  /** For how long, in ms, a log has shown the same sign of life; 0 at first. */
  aloneMs(instance: string, sign: string, now: number): number {
    const seen = this.#seen.get(instance);
    if (seen?.sign === sign) return now - seen.since;
    this.#seen.set(instance, { sign, since: now });
    return 0;
  }

  /** It is not alone now: its time begins anew. */
  reset(instance: string): void {
    this.#seen.delete(instance);
  }

  /** Forgets all others. */
  keepOnly(instances: ReadonlySet<string>): void {
    for (const instance of this.#seen.keys()) if (!instances.has(instance)) this.#seen.delete(instance);
  }
}
