// The id under which a request is found again, in this service's events and in others'.

import { randomUUID } from 'node:crypto';

export const REQUEST_ID_HEADER = 'x-request-id';

/** What a caller may choose: enough for UUIDs, ULIDs, trace ids and base64; nothing that a log line could be forged with. */
const PATTERN = /^[\w.:=+/@-]{1,128}$/;

/** The caller's, where it is one, else a new one. */
export function requestIdOf(header: string | string[] | undefined): string {
  return typeof header === 'string' && PATTERN.test(header) ? header : randomUUID();
}
