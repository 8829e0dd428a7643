// The log as a whole: whether it does its work, why not, and how much room it takes.

import { byId, element, keyed, setText } from './dom.js';
import { size } from './format.js';

/** @typedef {import('../../look.js').WalLook} WalLook */

const STATUS = {
  pass: 'Everything does its work',
  warn: 'It works, and somebody should look',
  fail: 'Somebody must act',
};

/** @param {WalLook} look */
export function showOverview({ stats, health, maxBytes, quarantineBytes }) {
  const { service, instance, dir, logId, writerId, diskBytes, pendingBytes } = stats;
  setText(byId('name'), `${service} / ${instance}`);
  document.title = `${health.status === 'pass' ? '' : `${health.status}: `}${service}/${instance} · nv-wal`;
  byId('health').dataset['status'] = health.status;
  setText(byId('health-status'), STATUS[health.status]);
  keyed(
    byId('health-reasons'),
    reasonsOf(health),
    ({ name, output }) => `${name} ${output}`,
    ({ status, output }) => element('li', { 'data-status': status }, output),
  );
  showFacts([
    ['On disk', `${size(diskBytes)} of ${size(maxBytes)}`],
    ['Waits for the disk', size(pendingBytes)],
    ['In quarantine', size(quarantineBytes)],
    ['Log', logId],
    ['Writer', writerId],
    ['Folder', dir],
  ]);
}

/**
 * What is not as it should be, the worst first; two checks may have the same to say.
 *
 * @param {WalLook['health']} health
 */
function reasonsOf({ checks }) {
  const reasons = Object.entries(checks).flatMap(([name, list]) =>
    list.flatMap(({ status, output }) => (output === undefined ? [] : [{ name, status, output }])),
  );
  return ['fail', 'warn', 'pass'].flatMap((status) => reasons.filter((reason) => reason.status === status));
}

/** @param {[string, string][]} facts */
function showFacts(facts) {
  keyed(
    byId('facts'),
    facts,
    ([name]) => name,
    ([name]) => element('div', {}, element('dt', {}, name), element('dd')),
    ([, value], child) => setText(/** @type {Element} */ (child.lastElementChild), value),
  );
}
