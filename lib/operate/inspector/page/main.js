// The page: asks how the log does once a second, and shows it. Knows when to stop: paused, or nobody looks.

import { offerActions, showChoices } from './actions.js';
import { byId, setText } from './dom.js';
import { explore, exploreRecords, onFilter } from './explore.js';
import { timeOfDay } from './format.js';
import { showOverview } from './overview.js';
import { ask, troubleOf } from './server.js';
import { redrawCharts, showStreams } from './streams.js';
import { followTheme } from './theme.js';

/** @typedef {import('../subject.js').Report} Report */

const EVERY_MS = 1000;
const LINKS = {
  live: 'Live: a process holds the log',
  offline: 'Offline: no process holds the log',
  gone: 'Gone: trying to reach it again',
};

/** @type {import('../../look.js').WalLook | undefined} */
let look;
let isPaused = false;
let timer = 0;
let isAsking = false;

/** Asks, shows, and comes back. */
async function turn() {
  if (isAsking) return;
  clearTimeout(timer);
  isAsking = true;
  try {
    await show(await ask('report'));
  } catch (error) {
    showLink('gone', troubleOf(error));
  }
  isAsking = false;
  if (!isPaused && document.visibilityState === 'visible')
    timer = window.setTimeout(() => void turn(), EVERY_MS);
}

/** @param {Report} report */
async function show(report) {
  if (report.is === 'gone') return showLink('gone', troubleIn(report));
  showLink(report.is, '');
  look = report.look;
  showOverview(look);
  showStreams(look);
  showChoices(look);
  setText(byId('updated'), `as of ${timeOfDay(look.at)}`);
  await explore(look);
}

/** @param {Extract<Report, { is: 'gone' }>} report */
function troubleIn({ message }) {
  const seen = look ? ` What is shown was so at ${timeOfDay(look.at)}.` : '';
  return `The log can’t be asked: ${message}.${seen}`;
}

/**
 * @param {keyof typeof LINKS} is
 * @param {string} trouble
 */
function showLink(is, trouble) {
  const link = byId('link');
  link.dataset['link'] = is;
  setText(link, isPaused && is !== 'gone' ? 'Paused' : LINKS[is]);
  document.body.dataset['link'] = is;
  setText(byId('trouble'), trouble);
  byId('trouble').hidden = trouble === '';
}

function togglePause() {
  isPaused = !isPaused;
  const button = byId('pause');
  button.setAttribute('aria-pressed', String(isPaused));
  setText(button, isPaused ? 'Resume' : 'Pause');
  if (isPaused) {
    clearTimeout(timer);
    byId('link').dataset['link'] = 'paused';
    setText(byId('link'), 'Paused');
  } else void turn();
}

byId('pause').addEventListener('click', togglePause);
document.addEventListener('visibilitychange', () => {
  if (!isPaused && document.visibilityState === 'visible') void turn();
});
onFilter(() => {
  if (look) void exploreRecords(look);
});
offerActions(() => void turn());
followTheme(redrawCharts);
void turn();
