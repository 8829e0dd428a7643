// Numbers, sizes and times as people read them. Pure.

const COUNT = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });
const SIZES = ['B', 'KB', 'MB', 'GB', 'TB'];

/** @param {number} value */
export function count(value) {
  return COUNT.format(value);
}

/**
 * @param {number} value
 * @param {string} noun
 */
export function counted(value, noun) {
  return `${count(value)} ${noun}${value === 1 ? '' : 's'}`;
}

/**
 * A KB has 1,024 bytes, as on the command line.
 *
 * @param {number} bytes
 */
export function size(bytes) {
  const power = bytes < 1024 ? 0 : Math.min(SIZES.length - 1, Math.floor(Math.log2(bytes) / 10));
  const value = bytes / 1024 ** power;
  return `${power === 0 || value >= 100 ? COUNT.format(value) : value.toFixed(1)} ${SIZES[power]}`;
}

/** @param {number} ms */
export function duration(ms) {
  const seconds = Math.max(0, ms) / 1000;
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.floor(seconds % 60)} s`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** @param {number} perSecond */
export function rate(perSecond) {
  return `${perSecond > 0 && perSecond < 10 ? perSecond.toFixed(1) : count(perSecond)}/s`;
}

/** @param {number} value */
export function short(value) {
  if (value < 1000) return String(Math.round(value * 10) / 10);
  return value < 1e6 ? `${Math.round(value / 100) / 10} k` : `${Math.round(value / 1e5) / 10} M`;
}

/**
 * By the clock of whoever looks.
 *
 * @param {number} at epoch ms
 */
export function timeOfDay(at) {
  const date = new Date(at);
  return [date.getHours(), date.getMinutes(), date.getSeconds()].map(twoDigits).join(':');
}

/** @param {number} at epoch ms */
export function moment(at) {
  const date = new Date(at);
  const day = [date.getFullYear(), twoDigits(date.getMonth() + 1), twoDigits(date.getDate())].join('-');
  return `${day} ${timeOfDay(at)}`;
}

/** @param {number} value */
function twoDigits(value) {
  return String(value).padStart(2, '0');
}
