// What an open log does beside its work: it answers on its control socket, and looks after the logs of dead
// siblings. Neither is worth failing for.

import type { WalConfig } from '../config.js';
import { WalError, messageOf } from '../errors.js';
import type { WalEvent } from '../events.js';
import type { Log } from '../log/log.js';
import { walkLog } from '../log/verify.js';
import type { Routes } from '../operate/control.js';
import { Control } from '../operate/control.js';
import type { RoutedWal, StoredLog } from '../operate/routes.js';
import { walRoutes } from '../operate/routes.js';
import { readPassages } from '../reading.js';
import type { Shippers } from '../ship/shippers.js';
import { Adopter } from './adopter.js';

export interface PresenceContext {
  readonly log: Log;
  readonly shippers: Shippers;
  readonly policy: Pick<WalConfig, 'streams' | 'maxBytes' | 'clock' | 'adopt'>;
  readonly wal: RoutedWal;
  /** What else can be asked. */
  readonly routes: Routes;
  readonly onEvent: (event: WalEvent) => void;
}

export class Presence {
  readonly #control: Control | undefined;
  readonly #adopter: Adopter | undefined;

  private constructor(control: Control | undefined, adopter: Adopter | undefined) {
    this.#control = control;
    this.#adopter = adopter;
  }

  static async begin(context: PresenceContext): Promise<Presence> {
    const { policy, onEvent } = context;
    let control: Control | undefined;
    try {
      control = await listen(context);
    } catch (error) {
      onEvent({ type: 'control-failed', message: `no control socket: ${messageOf(error)}` });
    }
    return new Presence(control, policy.adopt ? new Adopter(context) : undefined);
  }

  /** Gives adopted logs back and takes the socket away. To be called while the log's lock is held. */
  async close(): Promise<void> {
    await this.#adopter?.close();
    await this.#control?.close();
  }
}

async function listen({ log, shippers, wal, routes }: PresenceContext): Promise<Control> {
  const stored: StoredLog = {
    onCommit: (listener) => log.onCommit(listener),
    read: (kind, options) => readPassages(log, kind, options),
    async walk() {
      await log.flush();
      return walkLog(log.store);
    },
  };
  const control = await Control.listen({
    dir: log.dir,
    routes: {
      ...walRoutes(wal, stored, shippers),
      ...routes,
      'POST /v1/release': () => {
        const { service, instance } = log.identity;
        throw new WalError(
          'WAL_LOCKED',
          `process ${process.pid} works with the log of ${service}/${instance}`,
        );
      },
    },
  });
  if (control.elsewhere !== undefined) await log.announceSocket(control.elsewhere);
  return control;
}
