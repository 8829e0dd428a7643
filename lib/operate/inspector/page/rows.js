// Lists of records and gaps. A record opens to its whole content; whatever it holds is shown as text.

import { element, keyed } from './dom.js';
import { counted, moment } from './format.js';

/** @typedef {import('../records.js').Row} Row */
/** @typedef {import('../records.js').QuarantinedRow} QuarantinedRow */
/** @typedef {{ kind: string } & import('../../../records.js').Gap} KindGap */

const REASONS = {
  size: 'dropped: the log was full',
  age: 'dropped: too old',
  'disk-full': 'dropped: the disk was full',
  corrupt: 'lost to damage',
  quarantined: 'refused by the destination',
};

/**
 * @param {Element} parent
 * @param {readonly Row[]} rows
 */
export function showRecords(parent, rows) {
  keyed(
    parent,
    rows,
    ({ id }) => id,
    (row) => opening(row, [element('span', { class: 'json' }, row.json.slice(0, 500))]),
  );
}

/**
 * @param {Element} parent
 * @param {readonly QuarantinedRow[]} rows
 */
export function showQuarantine(parent, rows) {
  keyed(
    parent,
    rows,
    ({ id, shipper }) => `${shipper}:${id}`,
    (row) => {
      const status = row.status === undefined ? '' : `${row.status} `;
      const made = opening(row, [element('span', { class: 'reason' }, `${status}${row.reason}`)]);
      if (row.response !== undefined) {
        made.append(
          element('p', { class: 'note' }, 'The destination’s answer'),
          element('pre', {}, row.response),
        );
      }
      return made;
    },
  );
}

/**
 * @param {Element} parent
 * @param {readonly KindGap[]} gaps
 */
export function showGaps(parent, gaps) {
  keyed(
    parent,
    gaps,
    ({ kind, from, to, reason }) => `${kind}:${from}-${to}:${reason}`,
    ({ kind, from, to, reason, at }) =>
      element(
        'div',
        { class: 'row' },
        element('span', { class: 'kind', title: kind }, kind),
        element('span', { class: 'seq' }, from === to ? String(from) : `${from}–${to}`),
        element('time', {}, moment(at)),
        element('span', { class: 'reason' }, `${counted(to - from + 1, 'record')} ${REASONS[reason]}`),
      ),
  );
}

/**
 * @param {Row} row
 * @param {Node[]} told
 */
function opening(row, told) {
  const { id, seq, kind, at, json, isCut } = row;
  const made = element(
    'details',
    {},
    element(
      'summary',
      { class: 'row' },
      element('span', { class: 'kind', title: kind }, kind),
      element('span', { class: 'seq' }, String(seq)),
      element('time', {}, moment(at)),
      ...told,
    ),
    element('p', { class: 'note' }, id),
  );
  made.addEventListener(
    'toggle',
    () => {
      const cut = isCut ? '\n… the rest is nv-wal dump’s to show' : '';
      made.querySelector('.note')?.after(element('pre', {}, `${isCut ? json : pretty(json)}${cut}`));
    },
    { once: true },
  );
  return made;
}

/** @param {string} json */
function pretty(json) {
  return JSON.stringify(JSON.parse(json), undefined, 2);
}
