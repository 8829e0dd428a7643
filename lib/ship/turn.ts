// Turns of the event loop: what of this side's work may wait for what the destination waits for.

/**
 * Resolves behind what was begun before: a request is made in this turn and written in the next one, and what is done
 * first keeps the destination waiting.
 */
export function behindRequests(): Promise<void> {
  return new Promise((resolve) => process.nextTick(() => setImmediate(resolve)));
}
