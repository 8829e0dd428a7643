// Clients of the payment services: many at once on connections that they keep, some of which leave before their
// answer ends. Knows who got an answer, and which.

import { Pool } from 'undici';
import { Dice } from '../crash/points-random.js';

/** What must not be in any event: it stands in the paths that are asked for. */
export const ACCOUNT = 'account-5ecre7';

const CLIENTS = 24;

export class Traffic {
  /** Requests that were sent, by their ids. */
  readonly sent = new Set<string>();
  /** Statuses of the answers that arrived whole. */
  readonly answered = new Map<string, number>();
  readonly #dice: Dice;

  constructor(seed: number) {
    this.#dice = new Dice(seed);
  }

  /** Sends requests until so many more have an answer; then does `then` while clients go on, until they are not answered. */
  async run(url: string, answers: number, then: () => Promise<unknown>): Promise<void> {
    const pool = new Pool(url, { connections: CLIENTS });
    const enough = this.answered.size + answers;
    let ending: Promise<unknown> | undefined;
    const client = async (): Promise<void> => {
      for (;;) {
        const isAnswered = await this.#request(pool).then(
          () => true,
          () => false,
        );
        if (ending && !isAnswered) return;
        if (this.answered.size >= enough) ending ??= then();
      }
    };
    await Promise.all(Array.from({ length: CLIENTS }, client));
    await ending;
    await pool.destroy();
  }

  async #request(pool: Pool): Promise<void> {
    const id = `r-${this.sent.size}`;
    this.sent.add(id);
    const headers = { 'x-request-id': id, 'content-type': 'application/json' };
    const what = this.#dice.integer(0, 9);
    const path = `/accounts/${ACCOUNT}/${what === 0 ? 'nothing' : what === 1 ? 'balance' : 'payouts'}`;
    if (what === 1) return await this.#leave(pool, path, headers);
    const body = JSON.stringify({ cents: what === 2 ? -1 : 100 });
    const answer = await pool.request({ method: 'POST', path, headers, body });
    await answer.body.text();
    this.answered.set(id, answer.statusCode);
  }

  /** Reads the first piece of an answer without end, and goes. */
  async #leave(pool: Pool, path: string, headers: Record<string, string>): Promise<void> {
    const { body } = await pool.request({ method: 'GET', path, headers });
    for await (const _ of body) break;
  }
}
