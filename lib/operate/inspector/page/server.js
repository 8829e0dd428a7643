// Asks the inspector that served this page; nothing else is ever asked.

/** What it takes to wait for an answer: longer than the inspector waits for the log. */
const ANSWER_MS_MAX = 15_000;
const ACTION_MS_MAX = 600_000;

const token = document.querySelector('meta[name="nv-wal-token"]')?.getAttribute('content') ?? '';

/** Whether the inspector was started with --allow-actions. */
export const mayAct = token !== '';

/**
 * @template T
 * @param {'report' | 'records' | 'quarantine'} name
 * @param {Record<string, string>} [query]
 * @returns {Promise<T>}
 */
export async function ask(name, query = {}) {
  const search = new URLSearchParams(query).toString();
  const response = await fetch(search === '' ? name : `${name}?${search}`, {
    signal: AbortSignal.timeout(ANSWER_MS_MAX),
  });
  return await answerOf(response);
}

/**
 * @template T
 * @param {'evict' | 'compact' | 'verify' | 'resend' | 'replay'} name
 * @param {object} body
 * @returns {Promise<T>}
 */
export async function act(name, body) {
  const response = await fetch(name, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'nv-wal-token': token },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(ACTION_MS_MAX),
  });
  return await answerOf(response);
}

/**
 * @template T
 * @param {Response} response
 * @returns {Promise<T>}
 */
async function answerOf(response) {
  const body = /** @type {T & { error?: string }} */ (await response.json());
  if (!response.ok) throw new Error(body.error ?? `the inspector answers ${response.status}`);
  return body;
}

/**
 * What is wrong, where nobody answered: the inspector itself has gone.
 *
 * @param {unknown} error
 */
export function troubleOf(error) {
  if (error instanceof TypeError)
    return 'The inspector has ended. Start nv-wal inspect again, and open its address.';
  return error instanceof Error ? error.message : String(error);
}
