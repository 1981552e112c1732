// Owns what the page knows: the last report, the history, and whether anybody still tells it. It is told by a stream; news
// are merged into the history as src/page/history.ts sends them.

/** @typedef {import('../../core/status.ts').StatusReport} StatusReport */
/** @typedef {import('../../core/status.ts').TargetReport} TargetReport */
/** @typedef {import('../history.ts').History} History */
/** @typedef {import('../history.ts').TargetHistory} TargetHistory */
/** @typedef {'opening' | 'live' | 'lost' | 'refused'} Connection */

/**
 * @typedef {object} Told
 * @property {number} now of the daemon, ms since the epoch
 * @property {StatusReport} report
 * @property {History} [history] all of it, for a page that was just opened
 * @property {number} [historyMs]
 * @property {History} [news]
 */

/** @type {Omit<TargetHistory, 'since'>} */
const NOTHING = { spans: [], stops: [], reattaches: [], samples: [] };

/**
 * @template {{ readonly at: number }} T
 * @param {readonly T[]} known
 * @param {readonly T[]} added
 * @param {number} oldest
 * @returns {readonly T[]}
 */
function mergeList(known, added, oldest) {
  const first = added[0];
  const kept = first === undefined ? known : known.filter(({ at }) => at < first.at);
  const all = first === undefined ? kept : [...kept, ...added];
  // The oldest reaches to the next one: it counts while that is young enough.
  const from = all.findIndex((_, i) => (all[i + 1]?.at ?? Infinity) > oldest);
  return from <= 0 ? all : all.slice(from);
}

/**
 * Targets that have no report are forgotten.
 * @param {History} known
 * @param {History} news
 * @param {readonly string[]} names
 * @param {number} oldest
 * @returns {History}
 */
export function merge(known, news, names, oldest) {
  return Object.fromEntries(
    names.flatMap((name) => {
      const before = known[name];
      const is = news[name] ?? before;
      if (is === undefined) return [];
      const was = before?.since === is.since ? before : { ...NOTHING, since: is.since };
      const added = news[name] ?? NOTHING;
      return [
        [
          name,
          {
            since: is.since,
            spans: mergeList(was.spans, added.spans, oldest),
            stops: mergeList(was.stops, added.stops, oldest),
            reattaches: mergeList(was.reattaches, added.reattaches, oldest),
            samples: mergeList(was.samples, added.samples, oldest),
          },
        ],
      ];
    }),
  );
}

/** What the daemon of this very page says needs no check. @param {MessageEvent<unknown>} event @returns {Told} */
function toldBy({ data }) {
  return /** @type {Told} */ (JSON.parse(String(data)));
}

/** Listens to the daemon for as long as the page is open, and calls back after each change. */
export class Store {
  /** @type {Connection} */
  connection = 'opening';
  /** Since when it is so, ms since the epoch. */
  since = Date.now();
  /** The daemon was lost before and is back. */
  isBack = false;
  /** @type {StatusReport | null} */
  report = null;
  /** @type {History} */
  history = {};
  #historyMs = Infinity;
  #offset = 0;
  #onChange;

  /** @param {() => void} onChange */
  constructor(onChange) {
    this.#onChange = onChange;
    this.#listen();
  }

  /** The daemon's clock. */
  get now() {
    return Date.now() + this.#offset;
  }

  #listen() {
    const source = new EventSource('events');
    source.addEventListener('open', () => {
      this.isBack = this.connection === 'lost';
      this.#is('live');
    });
    source.addEventListener('error', () => {
      // A browser tries again what was cut, not what was refused.
      this.#is(source.readyState === EventSource.CLOSED ? 'refused' : 'lost');
    });
    source.addEventListener('all', (event) => {
      this.history = {};
      this.#told(toldBy(event));
    });
    source.addEventListener('news', (event) => {
      this.#told(toldBy(event));
    });
  }

  /** @param {Told} told */
  #told({ now, report, history, historyMs, news }) {
    this.#offset = now - Date.now();
    this.#historyMs = historyMs ?? this.#historyMs;
    this.report = report;
    const names = report.targets.map(({ name }) => name);
    this.history = merge(this.history, history ?? news ?? {}, names, now - this.#historyMs);
    this.#onChange();
  }

  /** @param {Connection} connection */
  #is(connection) {
    if (connection === this.connection) return;
    this.connection = connection;
    this.since = Date.now();
    this.#onChange();
  }
}
