// A card for each stream and each of its shippers: what waits, how fast, what keeps it, and the ledger.

import { Chart } from './chart.js';
import { byId, element, keyed, setAttribute, setText } from './dom.js';
import { count, duration, rate, short, size } from './format.js';
import { History } from './history.js';

/** @typedef {import('../../look.js').WalLook} WalLook */
/** @typedef {import('../../../stats.js').StreamStats} StreamStats */
/** @typedef {import('../../../stats.js').ShipperStats} ShipperStats */

/**
 * @typedef {object} Cursor
 * @property {string} kind
 * @property {string} name
 * @property {StreamStats} stream
 * @property {ShipperStats} shipper
 * @property {WalLook['cursors'][number] | undefined} seen
 */

const STATES = {
  none: 'no shipper',
  idle: 'idle',
  shipping: 'shipping',
  waiting: 'last try failed',
  open: 'destination down',
  stopped: 'stopped',
};
const FIGURES = /** @type {const} */ ([
  'Backlog',
  'Bytes',
  'Oldest',
  'Appended',
  'Shipped',
  'Breaker',
  'Cursor',
  'Last shipped',
]);
const LEDGER = /** @type {const} */ (['delivered', 'backlog', 'dropped', 'quarantined', 'lost']);

/** @type {Map<string, Card>} */
const cards = new Map();

/** @param {WalLook} look */
export function showStreams(look) {
  const cursors = cursorsOf(look);
  keyed(byId('streams'), cursors, keyOf, (cursor) => {
    const card = new Card(cursor);
    cards.set(keyOf(cursor), card);
    return card.root;
  });
  const keys = new Set(cursors.map(keyOf));
  for (const key of cards.keys()) if (!keys.has(key)) cards.delete(key);
  for (const cursor of cursors) cards.get(keyOf(cursor))?.show(look.at, cursor);
}

/** In other colours. */
export function redrawCharts() {
  for (const card of cards.values()) card.redraw();
}

/**
 * @param {WalLook} look
 * @returns {Cursor[]}
 */
function cursorsOf({ stats, cursors }) {
  return Object.entries(stats.streams)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([kind, stream]) =>
      Object.entries(stream.shippers).map(([name, shipper]) => {
        const seen = cursors.find((cursor) => cursor.kind === kind && cursor.shipper === name);
        return { kind, name, stream, shipper, seen };
      }),
    );
}

/** @param {Cursor} cursor */
function keyOf({ kind, name }) {
  return `${kind}/${name}`;
}

class Card {
  #history = new History();
  #state = element('p', { class: 'state' });
  #trouble = element('p', { class: 'trouble' });
  #figures = figures(FIGURES);
  #appended = element('b');
  #terms = new Map(LEDGER.map((name) => [name, element('b')]));
  #sum = element('span', { class: 'sum' });
  #backlog;
  #rates;

  /** @param {Cursor} cursor */
  constructor(cursor) {
    const { kind, name } = cursor;
    const backlog = element('div', { class: 'plot', 'aria-hidden': 'true' });
    const rates = element('div', { class: 'plot', 'aria-hidden': 'true' });
    this.root = element(
      'article',
      { class: 'card', 'aria-label': `${kind}, shipper ${name}` },
      element(
        'div',
        { class: 'title' },
        element('h2', {}, kind, ...(name === 'default' ? [] : [element('small', {}, ` / ${name}`)])),
        this.#state,
      ),
      this.#trouble,
      this.#figures.list,
      element(
        'div',
        { class: 'plots' },
        element('figure', {}, element('figcaption', {}, 'Backlog, records'), backlog),
        element(
          'figure',
          {},
          element(
            'figcaption',
            {},
            'Records a second: ',
            element('span', { class: 'key appended' }, 'appended'),
            ' ',
            element('span', { class: 'key shipped' }, 'shipped'),
          ),
          rates,
        ),
      ),
      this.#ledger(),
    );
    this.#backlog = new Chart(backlog, [{ label: 'backlog', color: '--backlog', isFilled: true }], short);
    this.#rates = new Chart(
      rates,
      [
        { label: 'appended', color: '--appended' },
        { label: 'shipped', color: '--shipped' },
      ],
      short,
    );
  }

  /**
   * @param {number} at epoch ms
   * @param {Cursor} cursor
   */
  show(at, { stream, shipper, seen }) {
    const history = this.#history;
    history.add(at, stream, shipper);
    const next =
      shipper.nextAttemptAt === undefined ? '' : `, next try in ${duration(shipper.nextAttemptAt - at)}`;
    setText(this.#state, `${STATES[shipper.state]}${next}`);
    setAttribute(this.#state, 'data-state', shipper.state);
    const trouble = seen?.failing ?? shipper.lastError ?? '';
    setText(this.#trouble, trouble);
    this.#trouble.hidden = trouble === '';
    const rates = history.rates();
    this.#figures.set({
      Backlog: count(shipper.backlogRecords),
      Bytes: size(shipper.backlogBytes),
      Oldest:
        shipper.backlogRecords === 0 || seen?.oldestAgeMs === undefined ? '–' : duration(seen.oldestAgeMs),
      Appended: rates ? rate(rates.appended) : '–',
      Shipped: rates ? rate(rates.shipped) : '–',
      Breaker: seen?.breaker ?? '–',
      Cursor: count(shipper.seq),
      'Last shipped': shipper.lastShipAt === undefined ? '–' : `${duration(at - shipper.lastShipAt)} ago`,
    });
    this.#showLedger(stream, shipper);
    this.#backlog.show([history.times, history.backlog]);
    this.#rates.show([history.times, history.appended, history.shipped]);
  }

  redraw() {
    this.#backlog.redraw();
    this.#rates.redraw();
  }

  #ledger() {
    const line = element('p', { class: 'ledger' });
    line.append(element('span', { class: 'term' }, this.#appended, ' appended'));
    for (const [name, value] of this.#terms) {
      const sign = element('i', {}, name === LEDGER[0] ? '=' : '+');
      line.append(element('span', { class: 'term', 'data-term': name }, sign, ' ', value, ` ${name}`));
    }
    const title = element('h3', {}, 'Ledger ', this.#sum);
    return element('div', { class: 'account', role: 'group', 'aria-label': 'Ledger' }, title, line);
  }

  /**
   * @param {StreamStats} stream
   * @param {ShipperStats} shipper
   */
  #showLedger({ lastSeq }, shipper) {
    const { startSeq, delivered, backlogRecords: backlog, dropped, quarantined, lost } = shipper;
    const terms = { delivered, backlog, dropped, quarantined, lost };
    const sum = Object.values(terms).reduce((total, value) => total + value, 0);
    const appended = lastSeq - startSeq;
    setText(this.#appended, count(appended));
    for (const [name, at] of this.#terms) {
      setText(at, count(terms[name]));
      setAttribute(/** @type {Element} */ (at.parentElement), 'data-zero', String(terms[name] === 0));
    }
    setText(this.#sum, sum === appended ? '✓ adds up' : `✗ is ${count(sum)}: run nv-wal verify`);
    setAttribute(this.#sum, 'data-ok', String(sum === appended));
  }
}

/**
 * @template {string} Name
 * @param {readonly Name[]} names
 */
function figures(names) {
  const list = element('dl', { class: 'figures' });
  const values = new Map(names.map((name) => [name, element('dd')]));
  for (const [name, value] of values) list.append(element('div', {}, element('dt', {}, name), value));
  return {
    list,
    /** @param {Record<Name, string>} texts */
    set(texts) {
      for (const [name, value] of values) setText(value, texts[name]);
    },
  };
}
