// Owns the plots over time of a target: what it did, each re-attach at its time, stops and what they may last, and the
// worker's CPU and memory.
import { axis, bars, Chart, color, timeAxis } from './charts.js';
import { element, show } from './elements.js';
import { inWords, phaseData, phaseLegend, phaseSeries } from './phases.js';
import { clock, duration, megabytes, milliseconds, percent } from './words.js';

/** @typedef {import('../history.ts').TargetHistory} TargetHistory */
/** @typedef {import('../history.ts').Sample} Sample */
/** @typedef {import('./charts.js').Plot} Plot */
/** @typedef {{ readonly now: number, readonly ms: number }} Range */

const LANE = 10;
const MB = 1_048_576;
/** Steps of an axis. */
const WHOLE = [1, 2, 5, 10, 20, 25, 50, 100, 200, 250, 500, 1_000, 2_000, 5_000, 10_000];

/** @type {TargetHistory} */
const NOTHING = { since: 0, spans: [], stops: [], reattaches: [], samples: [] };

export class Timeline {
  #history = NOTHING;
  #isEmpty = true;
  #legend = phaseLegend();
  /** @type {Range} */
  #range = { now: 0, ms: 1 };
  #attaches;
  #cpu;
  #memory;

  /** @param {string} name */
  constructor(name) {
    const sync = { key: name, setSeries: false, scales: /** @type {[string, null]} */ (['x', null]) };
    const cursor = { sync, drag: { x: false, y: false }, y: false };
    this.#attaches = new Chart(
      'Timeline',
      (width) => this.#attachOptions(width, cursor),
      (i) => {
        const one = this.#history.reattaches[i];
        return one === undefined ? '' : inWords(one);
      },
      [this.#legend, stateLegend()],
    );
    this.#cpu = this.#line('CPU of the worker', 'cpu', cursor, '%', 10, ({ cpuPercent }) => percent(cpuPercent));
    this.#memory = this.#line('Memory of the worker', 'memory', cursor, 'MB', 16, ({ rssBytes }) =>
      megabytes(rssBytes),
    );
    this.attaches = this.#attaches.element;
    this.figures = element('div', { class: 'worker' }, [this.#cpu.element, this.#memory.element]);
  }

  /** @param {TargetHistory} history @param {Range} range */
  update(history, range) {
    this.#history = history;
    this.#range = range;
    const { reattaches, samples, stops } = history;
    const oldest = range.now - range.ms;
    const count = reattaches.filter(({ at }) => at >= oldest).length;
    const stopped = stops.filter(({ to }) => to === null || to >= oldest).length;
    const isEmpty = reattaches.length === 0;
    const isOther = isEmpty !== this.#isEmpty;
    this.#isEmpty = isEmpty;
    show(this.#legend, !isEmpty);
    show(this.figures, samples.length > 0);
    this.#attaches.update(
      [reattaches.map(({ at }) => at / 1000), ...phaseData(reattaches)],
      `${counted(count, 're-attach', 're-attaches')}, ${counted(stopped, 'stop', 'stops')} in ${duration(range.ms)}`,
    );
    if (isOther) this.#attaches.remake();
    const times = samples.map(({ at }) => at / 1000);
    const last = samples.at(-1);
    this.#cpu.update([times, samples.map(({ cpuPercent }) => cpuPercent)], percent(last?.cpuPercent ?? null));
    this.#memory.update(
      [times, samples.map(({ rssBytes }) => (rssBytes === null ? null : rssBytes / MB))],
      megabytes(last?.rssBytes ?? null),
    );
  }

  destroy() {
    for (const chart of [this.#attaches, this.#cpu, this.#memory]) chart.destroy();
  }

  #scale() {
    return {
      range: () =>
        /** @type {[number, number]} */ ([(this.#range.now - this.#range.ms) / 1000, this.#range.now / 1000]),
    };
  }

  /**
   * @param {number} width @param {import('uplot').Cursor} cursor
   * @returns {import('./charts.js').PlotOptions}
   */
  #attachOptions(width, cursor) {
    const size = /** @type {[number, number, number]} */ ([0.5, 9, 5]);
    return {
      width,
      height: this.#isEmpty ? 62 : 168,
      padding: [LANE + 10, 18, 0, 0],
      cursor: { ...cursor, points: { show: false } },
      scales: { x: this.#scale(), ms: { range: (_, _min, max) => [0, Math.max(100, max * 1.1)] } },
      axes: [
        timeAxis(),
        axis({
          scale: 'ms',
          size: 58,
          space: 34,
          values: (_, splits) => (this.#isEmpty ? [] : splits.map(milliseconds)),
        }),
      ],
      series: [{}, ...phaseSeries().map((series) => ({ ...series, scale: 'ms', paths: bars({ size }) }))],
      hooks: { drawAxes: [(plot) => this.#lane(plot)] },
    };
  }

  /** Above the bars: what the target did when; over a stop, how long it might have lasted. @param {Plot} plot */
  #lane(plot) {
    const { ctx, bbox } = plot;
    const scale = devicePixelRatio;
    const height = LANE * scale;
    const top = bbox.top - height - 5 * scale;
    const { now, ms } = this.#range;
    const place = (/** @type {number} */ at) =>
      Math.min(bbox.left + bbox.width, Math.max(bbox.left, plot.valToPos(at / 1000, 'x', true)));
    ctx.save();
    const { spans, stops } = this.#history;
    spans.forEach(({ at, phase }, i) => {
      const end = spans[i + 1]?.at ?? now;
      if (end < now - ms) return;
      ctx.fillStyle = color(`state-${phase}`);
      const left = place(at);
      // What lasted for a moment is seen, too.
      const least = phase === 'stopped' || phase === 'blocked' ? 3 * scale : 1;
      ctx.fillRect(left, top, Math.max(least, place(end) - left), height);
    });
    for (const { at, to, until } of stops) {
      if ((until ?? to ?? now) < now - ms) continue;
      const left = place(at);
      ctx.fillStyle = color('state-stopped');
      ctx.fillRect(left, top - 3 * scale, Math.max(3 * scale, place(to ?? now) - left), height + 6 * scale);
      if (until === null || place(until) - place(at) < 12 * scale) continue;
      // The budget: a thin line from the stop to where something would have struck.
      const right = place(until);
      ctx.fillStyle = color('state-blocked');
      ctx.fillRect(left, top - 4 * scale, Math.max(2 * scale, right - left), 2 * scale);
      ctx.fillRect(right - scale, top - 4 * scale, 2 * scale, height + 8 * scale);
    }
    ctx.restore();
  }

  /**
   * @param {string} title @param {string} tint @param {import('uplot').Cursor} cursor @param {string} unit
   * @param {number} least the highest value that the plot has room for @param {(sample: Sample) => string} words
   */
  #line(title, tint, cursor, unit, least, words) {
    const values = (/** @type {unknown} */ _, /** @type {number[]} */ splits) => splits.map((v) => `${v} ${unit}`);
    return new Chart(
      title,
      (width) => ({
        width,
        height: 108,
        padding: [6, 18, 0, 0],
        cursor,
        scales: { x: this.#scale(), y: { range: (_, _min, max) => [0, Math.max(least, (max ?? 0) * 1.15)] } },
        axes: [timeAxis(), axis({ size: 58, space: 24, incrs: WHOLE, values })],
        series: [
          {},
          { stroke: () => color(tint), fill: () => color(`${tint}-fill`), width: 1.5, points: { show: false } },
        ],
      }),
      (i) => {
        const sample = this.#history.samples[i];
        if (sample === undefined) return '';
        const what = sample.pid === null ? 'no worker' : `${words(sample)}, worker ${sample.pid}`;
        return `${clock(sample.at)} ${what}`;
      },
    );
  }
}

/** @param {number} count @param {string} one @param {string} more */
function counted(count, one, more) {
  return count === 0 ? `no ${more}` : `${count} ${count === 1 ? one : more}`;
}

/** The colours of the lane. */
function stateLegend() {
  const states = ['attached', 'entering', 'waiting', 'stopped', 'blocked'];
  return element(
    'ul',
    { class: 'legend' },
    states.map((state) => element('li', {}, [element('span', { class: `swatch state-${state}` }), state])),
  );
}
