// What is in the log: quarantine, gaps and the newest records. Asked again when the log has changed, or the filter.

import { byId, element, setText } from './dom.js';
import { count, counted } from './format.js';
import { showGaps, showQuarantine, showRecords } from './rows.js';
import { ask, troubleOf } from './server.js';

/** @typedef {import('../../look.js').WalLook} WalLook */
/** @typedef {import('../records.js').RecordsAnswer} RecordsAnswer */
/** @typedef {import('../records.js').QuarantineAnswer} QuarantineAnswer */

const GAPS_MAX = 100;
/** How long after a key the filter is applied. */
const TYPING_MS = 200;

const kind = byId('kind', HTMLSelectElement);
const text = byId('text', HTMLInputElement);

/** What the lists were made of: equal, and they need not be asked again. */
let shownRecords = '';
let shownFilter = '';
let shownQuarantine = '';
let asking = 0;

/** @param {WalLook} look */
export async function explore(look) {
  const kinds = Object.keys(look.stats.streams).toSorted();
  for (const select of [kind, byId('evict-kind')]) showKinds(select, kinds);
  exploreGaps(look);
  await Promise.all([exploreQuarantine(look), exploreRecords(look)]);
}

/** Calls back when the filter has changed. */
export function onFilter(/** @type {() => void} */ changed) {
  let timer = 0;
  kind.addEventListener('change', changed);
  text.addEventListener('input', () => {
    clearTimeout(timer);
    timer = window.setTimeout(changed, TYPING_MS);
  });
}

/** @param {WalLook} look */
export async function exploreRecords({ stats }) {
  const wanted = { kind: kind.value, text: text.value };
  const filter = JSON.stringify(wanted);
  const ends = Object.values(stats.streams).map(({ firstSeq, lastSeq }) => [firstSeq, lastSeq]);
  const state = JSON.stringify([stats.logId, ends, filter]);
  if (state === shownRecords) return;
  const told = byId('records-count');
  // What somebody reads, or stands on, must not slip away under new records.
  if (filter === shownFilter && isInUse(byId('records'))) {
    return setText(told, 'Held while a record is open or chosen; newer ones are there');
  }
  const turn = ++asking;
  try {
    const { rows, searched } = /** @type {RecordsAnswer} */ (await ask('records', wanted));
    // A later question has been asked meanwhile.
    if (turn !== asking) return;
    [shownRecords, shownFilter] = [state, filter];
    showRecords(byId('records'), rows);
    setText(told, toldOf(rows.length, searched, wanted.text));
  } catch (error) {
    setText(told, troubleOf(error));
  }
}

/** @param {Element} list */
function isInUse(list) {
  return list.querySelector('details[open]') !== null || list.contains(document.activeElement);
}

/**
 * @param {number} shown
 * @param {number} searched
 * @param {string} wanted
 */
function toldOf(shown, searched, wanted) {
  if (wanted === '') return shown === 0 ? 'None is stored' : `${count(shown)} shown`;
  return `${count(shown)} found among the newest ${count(searched)} of each stream`;
}

/** @param {WalLook} look */
async function exploreQuarantine({ stats, quarantineBytes }) {
  const counts = Object.values(stats.streams).flatMap(({ shippers }) =>
    Object.values(shippers).map(({ quarantined }) => quarantined),
  );
  const state = JSON.stringify([stats.logId, counts, quarantineBytes]);
  if (state === shownQuarantine) return;
  const told = byId('quarantine-count');
  try {
    const { rows, isMore } = /** @type {QuarantineAnswer} */ (await ask('quarantine'));
    shownQuarantine = state;
    showQuarantine(byId('quarantine'), rows);
    const none = 'No record was refused by a destination';
    setText(
      told,
      rows.length === 0 ? none : `${counted(rows.length, 'record')}${isMore ? ', and more' : ''}`,
    );
  } catch (error) {
    setText(told, troubleOf(error));
  }
}

/** @param {WalLook} look */
function exploreGaps({ gaps }) {
  const all = gaps.flatMap(({ kind: of, newest }) => newest.map((gap) => ({ kind: of, ...gap })));
  const total = gaps.reduce((sum, { count: of }) => sum + of, 0);
  const shown = all.toSorted((a, b) => b.at - a.at).slice(0, GAPS_MAX);
  showGaps(byId('gaps'), shown);
  const more = total > shown.length ? `, the newest ${count(shown.length)} shown` : '';
  // A notice goes once every shipper has told it: none here does not say that nothing was dropped.
  const none = 'No notice waits to be delivered';
  setText(byId('gaps-count'), total === 0 ? none : `${counted(total, 'range')}${more}`);
}

/**
 * @param {Element} select
 * @param {readonly string[]} kinds
 */
function showKinds(select, kinds) {
  if (select.childElementCount === kinds.length + 1) return;
  const [all] = select.children;
  select.replaceChildren(
    ...(all ? [all] : []),
    ...kinds.map((name) => element('option', { value: name }, name)),
  );
}
