// What may be done to the log, where the inspector was started with --allow-actions: each after a confirmation that
// says what it does.

import { byId, element, setText } from './dom.js';
import { count, counted, size } from './format.js';
import { act, mayAct, troubleOf } from './server.js';

/** @typedef {import('../../../reports.js').EvictReport} EvictReport */
/** @typedef {import('../../../reports.js').CompactReport} CompactReport */
/** @typedef {import('../../../log/verify.js').VerifyReport} VerifyReport */

const MIB = 1_048_576;
const HOUR_MS = 3_600_000;

const dialog = byId('confirm', HTMLDialogElement);
const acted = byId('acted');

const ACTIONS = {
  evict: {
    yes: 'Evict',
    title: 'Evict the oldest records?',
    text:
      'What is delivered goes first. Undelivered records of streams that may drop follow: the ledger counts them, and ' +
      'receivers are told. This can’t be undone.',
    run: async () => {
      const { evicted, dropped, freedBytes } = /** @type {EvictReport} */ (await act('evict', bounds()));
      return `Evicted ${counted(evicted, 'record')} (${size(freedBytes)}), ${count(dropped)} of them undelivered`;
    },
  },
  compact: {
    yes: 'Compact',
    title: 'Compact the log?',
    text: 'Gives deleted space back to the file system. Appends go on; the disk has work meanwhile.',
    run: async () => {
      const { bytesBefore, bytesAfter } = /** @type {CompactReport} */ (await act('compact', {}));
      return `Compacted: ${size(bytesBefore)} before, ${size(bytesAfter)} after`;
    },
  },
  verify: {
    yes: 'Verify',
    title: 'Verify the log?',
    text: 'Reads everything that is stored and checks that the ledger adds up. Takes seconds for a large log; changes nothing.',
    run: async () => {
      const { ok, records, problems } = /** @type {VerifyReport} */ (await act('verify', {}));
      const first = problems[0] ? `: ${problems[0].kind}: ${problems[0].what}` : '';
      return ok
        ? `Verified ${counted(records, 'record')}: all is well`
        : `${counted(problems.length, 'problem')}${first}`;
    },
  },
  resend: {
    yes: 'Send again',
    title: 'Send refused records again?',
    text: 'Appends them as new records at the end of their stream and takes them out of the quarantine.',
    run: async () => {
      const { records } = /** @type {{ records: number }} */ (await act('resend', cursorOf()));
      return `${counted(records, 'record')} will be sent again`;
    },
  },
  replay: {
    yes: 'Replay',
    title: 'Deliver again from a seq on?',
    text: 'Moves the cursor back over what is still stored: the destination gets those records again, under the same ids.',
    run: async () => {
      const from = Number(byId('replay-from', HTMLInputElement).value);
      const { records } = /** @type {{ records: number }} */ (await act('replay', { ...cursorOf(), from }));
      return `${counted(records, 'record')} will be delivered again`;
    },
  },
};

/** @typedef {import('../../look.js').WalLook} WalLook */

/** Calls back when something was done. */
export function offerActions(/** @type {() => void} */ onActed) {
  byId('actions').hidden = !mayAct;
  if (!mayAct) return;
  byId('confirm-no').addEventListener('click', () => dialog.close());
  for (const button of byId('actions').querySelectorAll('button')) {
    const name = /** @type {keyof typeof ACTIONS} */ (button.dataset['action']);
    button.addEventListener('click', () => void confirmed(name).then(() => onActed()));
  }
}

let openings = 0;

/** @param {keyof typeof ACTIONS} name */
async function confirmed(name) {
  const { title, text, yes, run } = ACTIONS[name];
  setText(byId('confirm-title'), title);
  setText(byId('confirm-text'), text);
  setText(byId('confirm-yes'), yes);
  for (const field of byId('fields').querySelectorAll('label')) {
    field.hidden = !(field.dataset['for'] ?? '').split(' ').includes(name);
  }
  dialog.returnValue = '';
  dialog.showModal();
  const mine = ++openings;
  await new Promise((resolve) => {
    const onClose = () => {
      // It comes a moment after the closing, which may have been that of the opening before.
      if (mine === openings && dialog.open) return;
      dialog.removeEventListener('close', onClose);
      resolve(undefined);
    };
    dialog.addEventListener('close', onClose);
  });
  if (mine !== openings || dialog.returnValue !== 'yes') return;
  setText(acted, 'Working…');
  try {
    setText(acted, await run());
  } catch (error) {
    setText(acted, troubleOf(error));
  }
}

/** What was left empty is no bound. */
function bounds() {
  const kind = byId('evict-kind', HTMLSelectElement).value;
  const mib = byId('evict-mib', HTMLInputElement).value;
  const hours = byId('evict-hours', HTMLInputElement).value;
  return {
    ...(kind !== '' && { kind }),
    ...(mib !== '' && { maxBytes: Math.round(Number(mib) * MIB) }),
    ...(hours !== '' && { maxAgeMs: Math.round(Number(hours) * HOUR_MS) }),
  };
}

/** Which cursor was chosen. */
function cursorOf() {
  const [kind = '', shipper = ''] = byId('cursor', HTMLSelectElement).value.split('/');
  return { kind, shipper };
}

/**
 * What can be chosen.
 *
 * @param {WalLook} look
 */
export function showChoices({ cursors }) {
  const select = byId('cursor');
  if (select.childElementCount === cursors.length) return;
  const names = cursors.map(({ kind, shipper }) => `${kind}/${shipper}`);
  select.replaceChildren(...names.map((name) => element('option', { value: name }, name)));
}
