// The connections of an HTTP sink, watched for one thing: a request may be answered before all of its body has gone out,
// and until then, that memory is not to be written to.

import type { Socket } from 'node:net';
import { buildConnector } from 'undici';

export class Connections {
  readonly #open = new Set<Socket>();
  /** For undici: makes one. */
  readonly connect: buildConnector.connector;

  constructor(timeoutMs: number) {
    const connect = buildConnector({ timeout: timeoutMs });
    this.connect = (options, callback) => {
      connect(options, (...connected) => {
        if (connected[1]) this.#watch(connected[1]);
        callback(...connected);
      });
    };
  }

  /** Whether everything that was sent, by whomever, is with the system: nothing reads its memory any more. */
  get haveTakenAll(): boolean {
    return [...this.#open].every(({ writableLength }) => writableLength === 0);
  }

  #watch(socket: Socket): void {
    this.#open.add(socket);
    socket.once('close', () => this.#open.delete(socket));
  }
}
