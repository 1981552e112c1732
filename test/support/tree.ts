/** Watches a real process tree with the payload's own watcher, and classifies it as the daemon does. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { classify } from '../../src/core/classify.ts';
import type { Classification, ProcessChoice, ProcessInfo, Scope } from '../../src/core/types.ts';
import { until } from './until.ts';

const PAYLOAD = join(import.meta.dirname, '../../payload');

/** A line of watch_tree.py. `at`: ms since the epoch when it was told. */
export type TreeEvent =
  | { event: 'processes'; changed: boolean; processes: ProcessInfo[]; at: number }
  | { event: 'exited'; pid: number; startTime: number; signal: number | null; at: number };

/** What watching cost: share of a core, steps a second, CPU seconds of the first look, open descriptors at the end. */
export interface Cost {
  share: number;
  steps: number;
  first: number;
  descriptors: number;
}

/** A watcher that runs in a Python of its own. Close it. */
export class Tree {
  readonly events: TreeEvent[] = [];
  processes: ProcessInfo[] = [];
  /** The last that was chosen: what the daemon would pass as the previous worker. */
  followed: ProcessInfo | null = null;
  /** Each worker that was ever chosen, in order. */
  readonly chosen: ProcessInfo[] = [];
  /** Every role that a pid was ever given, with its reason. */
  readonly #choice: ProcessChoice;
  readonly #child;
  readonly #ended: Promise<Cost>;

  constructor(python: string, scope: Scope, choice: ProcessChoice = 'auto', without: readonly string[] = []) {
    this.#choice = choice;
    const args = [
      '-I',
      '-S',
      '-B',
      join(import.meta.dirname, 'watch_tree.py'),
      PAYLOAD,
      JSON.stringify(scope),
      '1',
      without.join(','),
    ];
    this.#child = spawn(python, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#ended = new Promise((resolve, reject) => {
      let cost: Cost | null = null;
      createInterface(this.#child.stdout).on('line', (line) => {
        const message: unknown = JSON.parse(line);
        const kind = (message as { event: string }).event;
        if (kind === 'cost') cost = message as Cost;
        else this.#take(message as TreeEvent);
      });
      this.#child.once('close', (code) => {
        if (cost === null) reject(new Error(`watch_tree.py ended with ${String(code)}`));
        else resolve(cost);
      });
    });
    this.#ended.catch(() => undefined);
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  #take(event: TreeEvent): void {
    this.events.push(event);
    if (event.event === 'exited') return;
    this.processes = event.processes;
    const { chosen } = this.classification();
    if (chosen === null) return;
    const before = this.followed;
    if (before?.pid !== chosen.pid || before.startTime !== chosen.startTime) this.chosen.push(chosen);
    this.followed = chosen;
  }

  classification(): Classification {
    return classify(this.processes, this.#choice, this.followed);
  }

  /** Waits for a classification that satisfies; shows the tree when it does not come. */
  async until(wanted: (now: Classification) => boolean, what: string, timeoutMs = 20_000): Promise<Classification> {
    try {
      return await until(
        () => {
          const now = this.classification();
          return wanted(now) ? now : null;
        },
        what,
        timeoutMs,
      );
    } catch (error) {
      throw new Error(`${what}: it did not come to that; the tree is\n${this.describe()}`, { cause: error });
    }
  }

  describe(): string {
    const { processes, why } = this.classification();
    const lines = processes.map(
      (p) =>
        `${String(p.pid)} ← ${String(p.ppid)} ${p.role}${p.chosen ? ' (chosen)' : ''}: ${p.reason} | ${p.cmdline.join(' ')}`,
    );
    return [...lines, why].join('\n');
  }

  async close(): Promise<Cost> {
    this.#child.stdin.end();
    return this.#ended;
  }
}
