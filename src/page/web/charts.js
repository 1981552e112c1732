// Owns what all plots share: colours out of the style sheet, size, the shared line under the pointer, and the keys that move
// it. The only importer of uPlot.
import uPlot from './uPlot.js';
import { element, setText } from './elements.js';

/** @typedef {uPlot} Plot */
/** @typedef {uPlot.Options} PlotOptions */
/** @typedef {uPlot.AlignedData} PlotData */

export const bars = /** @type {uPlot.Series.BarsPathBuilderFactory} */ (uPlot.paths.bars);

/** @type {CSSStyleDeclaration | null} */
let styles = null;

/** A custom property of the style sheet, as it is in the present colour scheme. @param {string} name */
export function color(name) {
  styles ??= getComputedStyle(document.documentElement);
  return styles.getPropertyValue(`--${name}`).trim();
}

const font = () => `11px ${color('sans')}`;

/** @param {Partial<uPlot.Axis>} rest @returns {uPlot.Axis} */
export function axis(rest) {
  return {
    stroke: () => color('quiet'),
    font: font(),
    gap: 3,
    grid: { stroke: () => color('grid'), width: 1 },
    ticks: { show: false },
    ...rest,
  };
}

/** The time below a plot; 24 hours, no dates: it is a matter of hours. @returns {uPlot.Axis} */
export function timeAxis() {
  return axis({
    size: 22,
    space: 56,
    values: (_, splits, _i, _space, step) =>
      splits.map((at) => {
        const parts = new Date(at * 1000).toTimeString();
        return step < 60 ? parts.slice(0, 8) : parts.slice(0, 5);
      }),
  });
}

/** @type {Readonly<Record<'below' | 'left', uPlot.Axis.Side>>} */
// oxlint-disable-next-line typescript/no-unsafe-enum-assignment -- the values of uPlot's enum are known to TypeScript alone
export const SIDES = { below: 2, left: 3 };

/** What the line under the pointer is at; null: nobody points. @param {Plot} plot */
function pointed({ cursor, data }) {
  const { idx, left = -1 } = cursor;
  if (idx === undefined || idx === null || left < 0) return null;
  return idx < data[0].length ? idx : null;
}

/** All plots, for what concerns each of them. @type {Set<Chart>} */
const all = new Set();

/** A plot in a figure, as wide as the page lets it be. Its readout says in words what the line under the pointer is at. */
export class Chart {
  /** @type {Plot | null} */
  plot = null;
  #readout = element('output', { class: 'readout', 'aria-live': 'polite' });
  #area;
  #options;
  #read;
  /** @type {PlotData} */
  #data = [[]];
  #idle = '';

  /**
   * @param {string} title
   * @param {(width: number) => PlotOptions} options
   * @param {(index: number) => string} read what the readout says there
   * @param {readonly Node[]} [extra] below the title
   */
  constructor(title, options, read, extra = []) {
    this.#options = options;
    this.#read = read;
    this.#area = element('div', {
      class: 'plot',
      tabindex: '0',
      role: 'group',
      'aria-roledescription': 'plot',
      'aria-label': `${title}; arrow keys read it`,
    });
    const head = element('figcaption', {}, [element('span', { class: 'title' }, [title]), this.#readout]);
    this.element = element('figure', {}, [head, ...extra, this.#area]);
    this.#area.addEventListener('keydown', (event) => {
      if (this.#key(event.key)) event.preventDefault();
    });
    this.#area.addEventListener('blur', () => this.#move(null));
    new ResizeObserver(() => this.#resize()).observe(this.#area);
    all.add(this);
  }

  /** `idle`: what the readout says while nothing is pointed at. @param {PlotData} data @param {string} idle */
  update(data, idle) {
    this.#data = data;
    this.#idle = idle;
    if (this.plot === null) this.#resize();
    else this.plot.setData(data);
    if (this.plot === null || pointed(this.plot) === null) setText(this.#readout, idle);
  }

  /** Other options, or another colour scheme: made anew. */
  remake() {
    this.plot?.destroy();
    this.plot = null;
    this.#resize();
  }

  destroy() {
    all.delete(this);
    this.plot?.destroy();
  }

  #resize() {
    const width = this.#area.clientWidth;
    if (width === 0) return;
    const options = this.#options(width);
    if (this.plot !== null) {
      if (this.plot.width !== width || this.plot.height !== options.height) {
        this.plot.setSize({ width, height: options.height });
      }
      return;
    }
    const hooks = { ...options.hooks, setCursor: [(/** @type {Plot} */ plot) => this.#say(plot)] };
    this.plot = new uPlot({ ...options, legend: { show: false }, hooks }, this.#data, this.#area);
    setText(this.#readout, this.#idle);
  }

  /** @param {Plot} plot */
  #say(plot) {
    const index = pointed(plot);
    setText(this.#readout, index === null ? this.#idle : this.#read(index));
  }

  /** @param {string} key */
  #key(key) {
    const plot = this.plot;
    const xs = plot?.data[0] ?? [];
    if (plot === null || xs.length === 0) return false;
    const { min = -Infinity, max = Infinity } = plot.scales['x'] ?? {};
    const shown = [...xs.keys()].filter((i) => (xs[i] ?? 0) >= min && (xs[i] ?? 0) <= max);
    const index = pointed(plot);
    const at = index === null ? -1 : shown.indexOf(index);
    const last = shown.length - 1;
    const forth = key === 'ArrowRight' || key === 'ArrowDown';
    if (forth || key === 'ArrowLeft' || key === 'ArrowUp') {
      const next = at < 0 ? (forth ? 0 : last) : Math.min(last, Math.max(0, at + (forth ? 1 : -1)));
      this.#move(shown[next] ?? null);
    } else if (key === 'Home') this.#move(shown[0] ?? null);
    else if (key === 'End') this.#move(shown[last] ?? null);
    else if (key === 'Escape') this.#move(null);
    else return false;
    return true;
  }

  /** @param {number | null} index */
  #move(index) {
    const plot = this.plot;
    if (plot === null) return;
    if (index === null) {
      plot.setCursor({ left: -10, top: -10 });
      return;
    }
    const isUpright = plot.scales['x']?.ori === 1;
    const place = plot.valToPos(Number(plot.data[0]?.[index]), 'x');
    plot.setCursor(isUpright ? { left: 1, top: place } : { left: place, top: 1 });
  }
}

function recolor() {
  styles = null;
  for (const chart of all) chart.remake();
}

matchMedia('(prefers-color-scheme: dark)').addEventListener('change', recolor);
