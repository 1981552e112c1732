// Owns the tables of a target: its workers, processes, stops, figures of re-attaches, replicas and forwards; those that say nothing
// are not there.
import { element, show, table } from './elements.js';
import { endsOf, PHASES, why } from './phases.js';
import { clock, duration, megabytes, milliseconds, percent } from './words.js';

/** @typedef {import('../../core/status.ts').TargetReport} TargetReport */
/** @typedef {import('../../core/status.ts').WorkerSlotReport} WorkerSlotReport */
/** @typedef {import('../history.ts').TargetHistory} TargetHistory */

const MOST_ROWS = 50;

/** @param {WorkerSlotReport} worker */
function sessionText({ slot, session }) {
  if (slot === null) return 'none';
  return session ? String(slot + 1) : `${slot + 1}, no editor`;
}

/** @param {WorkerSlotReport['reattach']} reattach */
function countText({ count, last }) {
  return last === null ? String(count) : `${count}, last ${milliseconds(last.ms)}`;
}

/** A table that can be folded away. */
class Section {
  #table;

  /** @param {string} title @param {readonly string[]} heads @param {readonly number[]} numeric @param {boolean} open */
  constructor(title, heads, numeric, open = true) {
    this.#table = table(title, heads, numeric);
    this.element = element('details', open ? { open: '' } : {}, [element('summary', {}, [title]), this.#table.element]);
  }

  /** @param {readonly (readonly string[])[]} rows @param {(row: number) => boolean} [isMarked] @param {boolean} [shown] */
  update(rows, isMarked, shown = rows.length > 0) {
    show(this.element, shown);
    this.#table.update(rows, isMarked);
  }
}

export class Tables {
  #workers = new Section(
    'Workers',
    ['PID', 'Session', 'Does', 'Why', 'CPU', 'Memory', 'Re-attaches', 'Replica'],
    [4, 5],
  );
  #processes = new Section('Processes', ['PID', 'Role', 'Why', 'CPU', 'Memory', 'Python', 'Command'], [0, 3, 4]);
  #stops = new Section('Stops', ['Since', 'Where', 'Lasted', 'Budget'], [2]);
  #reattaches = new Section('Re-attaches', ['At', 'Why', ...PHASES.map(({ name }) => name)], [2, 3, 4, 5], false);
  #replicas = new Section('Replicas', ['Replica', 'State', 'Note'], []);
  #forwards = new Section('Forwarded ports', ['Here', 'There', 'State', 'Connections'], [3]);

  /** Of what happened. */
  events = element('div', { class: 'tables' }, [this.#stops.element, this.#reattaches.element]);
  /** Of what is there. */
  things = element('div', { class: 'tables things' }, [
    this.#workers.element,
    this.#processes.element,
    this.#replicas.element,
    this.#forwards.element,
  ]);

  /** @param {TargetReport} target @param {TargetHistory} history @param {number} now */
  update({ workers, processes, replicas, forwards, cluster }, { stops, reattaches }, now) {
    this.#workers.update(
      workers.map((worker) => {
        const process = processes.find(({ pid, replica }) => pid === worker.pid && replica === worker.replica);
        return [
          worker.pid === null ? '–' : String(worker.pid),
          sessionText(worker),
          worker.stoppedAt === null ? (worker.phase ?? 'runs without the debugger') : `stopped at ${worker.stoppedAt}`,
          worker.message,
          percent(process?.cpuPercent ?? null),
          megabytes(process?.rssBytes ?? null),
          countText(worker.reattach),
          worker.replica,
        ];
      }),
      (row) => workers[row]?.stoppedAt !== null,
      workers.length > 1,
    );
    this.#processes.update(
      processes.map((p) => [
        String(p.pid),
        p.role,
        p.reason,
        percent(p.cpuPercent),
        megabytes(p.rssBytes),
        p.python ?? '',
        p.command,
      ]),
      (row) => processes[row]?.chosen === true,
    );
    this.#replicas.update(
      replicas.map(({ name, state, note }) => [name, state, note]),
      (row) => replicas[row]?.followed === true,
      replicas.length > 1 || cluster !== null,
    );
    this.#forwards.update(
      forwards.map(({ localPort, remotePort, state, message, connections }) => [
        `127.0.0.1:${localPort}`,
        String(remotePort),
        message === '' ? state : `${state}: ${message}`,
        String(connections),
      ]),
    );
    const lastStops = stops.slice(-MOST_ROWS).toReversed();
    this.#stops.update(
      lastStops.map(({ at, to, where, limit }) => [
        clock(at),
        where,
        to === null ? `${duration(now - at)} …` : duration(to - at),
        limit ?? 'none that is known',
      ]),
      (row) => lastStops[row]?.to === null,
    );
    const lastReattaches = reattaches.slice(-MOST_ROWS).toReversed();
    this.#reattaches.update(
      lastReattaches.map((one) => [
        clock(one.at),
        why(one),
        ...endsOf(one).map((end) => (end === null ? '–' : milliseconds(end))),
      ]),
    );
  }
}
