// Lines over time, drawn by uPlot, in the page's colours. For who does not see them, the numbers beside them say the
// same.

import { timeOfDay } from './format.js';

/** @typedef {import('uplot')} Plot */

/**
 * @typedef {object} Series
 * @property {string} label
 * @property {string} color a custom property of the page's
 * @property {boolean} [isFilled]
 */

const { uPlot } = /** @type {typeof globalThis & { uPlot: typeof import('uplot') }} */ (globalThis);
const HEIGHT = 110;
/** What is shown at first, however little is known yet. */
const SPAN_S_MIN = 60;
const FONT = '11px system-ui, sans-serif';

export class Chart {
  #place;
  #series;
  #format;
  /** @type {Plot | undefined} */
  #plot;
  /** @type {import('uplot').AlignedData} */
  #data = [[]];

  /**
   * @param {HTMLElement} place
   * @param {readonly Series[]} series
   * @param {(value: number) => string} format
   */
  constructor(place, series, format) {
    this.#place = place;
    this.#series = series;
    this.#format = format;
    new ResizeObserver(() => this.#fit()).observe(place);
  }

  /** @param {import('uplot').AlignedData} data */
  show(data) {
    this.#data = data;
    this.#plot?.setData(data);
  }

  /** Its colours are fixed when it is made. */
  redraw() {
    this.#plot?.destroy();
    this.#plot = undefined;
    this.#fit();
  }

  #fit() {
    const width = this.#place.clientWidth;
    if (width === 0) return;
    if (this.#plot) this.#plot.setSize({ width, height: HEIGHT });
    else this.#plot = new uPlot(this.#options(width), this.#data, this.#place);
  }

  /**
   * Said here: of a single sample, uPlot would make a day.
   *
   * @returns {[number, number]}
   */
  #span() {
    const [times] = this.#data;
    const last = times.at(-1) ?? 0;
    return [Math.min(times[0] ?? 0, last - SPAN_S_MIN), last];
  }

  /**
   * @param {number} width
   * @returns {import('uplot').Options}
   */
  #options(width) {
    const color = (/** @type {string} */ name) => colorOf(this.#place, name);
    const axis = {
      stroke: color('--soft'),
      font: FONT,
      grid: { stroke: color('--line'), width: 1 },
      ticks: { show: false },
    };
    return {
      width,
      height: HEIGHT,
      padding: [6, 26, 0, 0],
      legend: { show: false },
      cursor: { show: false },
      scales: {
        x: { time: true, range: () => this.#span() },
        y: { range: (_, __, max) => [0, Math.max(4, (max ?? 0) * 1.1)] },
      },
      axes: [
        { ...axis, size: 22, space: 90, values: (_, times) => times.map((time) => timeOfDay(time * 1000)) },
        { ...axis, size: 48, space: 22, values: (_, values) => values.map((value) => this.#format(value)) },
      ],
      series: [
        {},
        ...this.#series.map(({ label, color: name, isFilled }) => ({
          label,
          stroke: color(name),
          width: 1.5,
          points: { show: false },
          ...(isFilled && { fill: color(`${name}-fill`) }),
        })),
      ],
    };
  }
}

/**
 * A canvas knows no custom properties, and no light-dark().
 *
 * @param {HTMLElement} place
 * @param {string} name
 */
function colorOf(place, name) {
  const probe = document.createElement('i');
  probe.style.color = `var(${name})`;
  place.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}
