// Owns the phases of a re-attach: their names and colours, and the plot of the last ones, a bar each with its milliseconds.
import { axis, bars, Chart, color, SIDES } from './charts.js';
import { element } from './elements.js';
import { clock, milliseconds } from './words.js';

/** @typedef {import('../history.ts').SessionReattach} Reattach */
/** @typedef {import('./charts.js').Plot} Plot */

/** In their order; each bar reaches from the worker's start to there, so the later ones are drawn first. */
export const PHASES = /** @type {const} */ ([
  { key: 'seen', name: 'seen', says: 'until the worker was seen' },
  { key: 'entered', name: 'entered', says: 'until our code ran in it' },
  { key: 'debugpyUp', name: 'debugpy up', says: 'until its debugpy listened' },
  { key: 'verified', name: 'breakpoints verified', says: 'until its breakpoints were verified' },
]);

const ROW = 24;
export const MOST_ROWS = 8;

/**
 * Ends of the phases, ms from the worker's start; null: not known, or no editor was there.
 * @param {Reattach} reattach @returns {(number | null)[]}
 */
export function endsOf({ ms, phases }) {
  if (phases === undefined) return [null, null, null, ms];
  return PHASES.map(({ key }) => phases[key]);
}

/** Why, and of which session, by its number in the editor, if not of the first. @param {Reattach} reattach */
export function why({ reason, slot = 0 }) {
  return slot === 0 ? reason : `${reason}, worker ${slot + 1}`;
}

/** @param {Reattach} reattach */
export function inWords(reattach) {
  const parts = endsOf(reattach).flatMap((end, i) =>
    end === null ? [] : [`${PHASES[i]?.name ?? ''} ${milliseconds(end)}`],
  );
  return `${clock(reattach.at)} ${why(reattach)}: ${parts.join(', ')}`;
}

/** The bars of a plot, the latest phase first. */
export function phaseSeries() {
  return PHASES.map(({ key }) => ({
    fill: () => color(`phase-${key}`),
    stroke: () => color(`phase-${key}`),
    width: 0,
    points: { show: false },
  })).toReversed();
}

/** @param {readonly Reattach[]} reattaches @returns {(number | null)[][]} for `phaseSeries` */
export function phaseData(reattaches) {
  return PHASES.map((_, i) => reattaches.map((one) => endsOf(one)[i] ?? null)).toReversed();
}

export function phaseLegend() {
  return element(
    'ul',
    { class: 'legend' },
    PHASES.map(({ key, name, says }) =>
      element('li', { title: says }, [element('span', { class: `swatch phase-${key}` }), name]),
    ),
  );
}

export class PhasePlot {
  /** @type {readonly Reattach[]} */
  #shown = [];
  #chart;
  #rows = 0;

  constructor() {
    this.#chart = new Chart(
      'Last re-attaches',
      (width) => this.#options(width),
      (index) => {
        const one = this.#shown[index];
        return one === undefined ? '' : inWords(one);
      },
      [phaseLegend()],
    );
    this.element = this.#chart.element;
  }

  /** @param {readonly Reattach[]} reattaches */
  update(reattaches) {
    const rows = Math.max(1, Math.min(MOST_ROWS, reattaches.length));
    const shown = reattaches.slice(-MOST_ROWS).toReversed();
    if (shown.length === this.#shown.length && shown[0]?.at === this.#shown[0]?.at && rows === this.#rows) return;
    this.#shown = shown;
    const isOther = rows !== this.#rows;
    this.#rows = rows;
    this.#chart.update(
      [shown.map((_, i) => i), ...phaseData(shown)],
      shown.length === 0 ? 'none yet' : 'from the worker’s start',
    );
    if (isOther) this.#chart.remake();
  }

  destroy() {
    this.#chart.destroy();
  }

  /** @param {number} width @returns {import('./charts.js').PlotOptions} */
  #options(width) {
    const size = /** @type {[number, number, number]} */ ([0.62, 14, 2]);
    return {
      width,
      height: this.#rows * ROW + 26,
      padding: [2, 12, 0, 0],
      cursor: { drag: { x: false, y: false }, points: { show: false }, x: false },
      scales: {
        x: { time: false, ori: 1, dir: -1, range: [-0.5, this.#rows - 0.5] },
        ms: { ori: 0, dir: 1, range: (_, _min, max) => [0, Math.max(10, max * 1.22)] },
      },
      axes: [
        axis({
          side: SIDES.left,
          size: 118,
          grid: { show: false },
          splits: () => this.#shown.map((_, i) => i),
          values: (_, splits) => splits.map((i) => this.#label(i)),
          stroke: () => color('ink'),
        }),
        axis({
          scale: 'ms',
          side: SIDES.below,
          size: 22,
          space: 60,
          values: (_, splits) => splits.map((v) => `${v} ms`),
        }),
      ],
      series: [{}, ...phaseSeries().map((series) => ({ ...series, scale: 'ms', paths: bars({ size }) }))],
      hooks: { draw: [(plot) => this.#figures(plot)] },
    };
  }

  /** @param {number} row */
  #label(row) {
    const one = this.#shown[row];
    return one === undefined
      ? ''
      : `${clock(one.at)} ${one.reason}${one.slot === undefined ? '' : ` ·${one.slot + 1}`}`;
  }

  /** How long each phase took, where there is room for it, and all of them. @param {Plot} plot */
  #figures(plot) {
    const { ctx } = plot;
    const scale = devicePixelRatio;
    ctx.save();
    ctx.textBaseline = 'middle';
    this.#shown.forEach((one, row) => {
      const y = plot.valToPos(row, 'x', true);
      let from = 0;
      ctx.font = `${10 * scale}px ${color('sans')}`;
      ctx.textAlign = 'center';
      PHASES.forEach(({ key }, i) => {
        const end = endsOf(one)[i] ?? null;
        if (end === null) return;
        const [left, right] = [plot.valToPos(from, 'ms', true), plot.valToPos(end, 'ms', true)];
        const text = String(Math.round(end - from));
        if (right - left > ctx.measureText(text).width + 8 * scale) {
          ctx.fillStyle = color(`on-${key}`);
          ctx.fillText(text, (left + right) / 2, y);
        }
        from = end;
      });
      ctx.font = `600 ${11 * scale}px ${color('sans')}`;
      ctx.textAlign = 'left';
      ctx.fillStyle = color('ink');
      ctx.fillText(milliseconds(one.ms), plot.valToPos(from, 'ms', true) + 6 * scale, y);
    });
    ctx.restore();
  }
}
