// Owns the set of targets of one daemon: starts, updates and ends runners when the config changes, and answers for all
// of them. Must not know how a target works.
import { asDebugwandError, DebugwandError, messageOf } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { diffConfigs } from '../core/config-diff.ts';
import { noSuchTarget } from '../core/no-such-target.ts';
import { errorReport } from '../core/report.ts';
import type { ErrorReport, StatusReport } from '../core/status.ts';
import type { WantedWorker } from '../core/switch.ts';
import type { ProjectConfig, TargetConfig } from '../core/types.ts';
import { createTarget } from '../targets/index.ts';
import type { CommandChild, Confirm } from '../targets/target.ts';
import { Hints } from './hints.ts';
import { TargetRunner } from './target-runner.ts';
import { Unstarted } from './unstarted.ts';

export interface SupervisorOptions {
  readonly log: Log;
  /** Called after every change; coalesced to one call per turn of the event loop. */
  readonly onChange: () => void;
  /** Only for `wand watch -- COMMAND`: the child gets our own stdin, stdout and stderr. */
  readonly inheritStdio: boolean;
  /** Address of the status page; null while there is none. */
  readonly page: () => string | null;
  /** Asks the user for what the config wants to be asked about; null: nobody can be asked. */
  readonly confirm: Confirm | null;
}

export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #startedAt = Date.now();
  readonly #runners = new Map<string, TargetRunner>();
  readonly #hints: Hints;
  /** Of the config's targets: those without a runner. */
  readonly #unstarted = new Unstarted(() => void this.#queue(() => this.#startMissing()));
  #config: ProjectConfig;
  #configError: ErrorReport | null = null;
  #applying: Promise<void> = Promise.resolve();
  #scheduled = false;
  #closed = false;

  constructor(config: ProjectConfig, options: SupervisorOptions) {
    this.#config = { ...config, targets: [] };
    this.#options = options;
    this.#hints = new Hints({
      look: (anew) => {
        for (const runner of this.#runners.values()) {
          if (anew) runner.refresh();
          else runner.look();
        }
      },
      changed: () => {
        this.#changed();
      },
      portsTaken: () => {
        const blocked = [...this.#runners.values()].filter(({ portTaken }) => portTaken);
        return new Set(blocked.map(({ config: { port } }) => port));
      },
      log: options.log,
    });
  }

  /**
   * Makes the running targets those of `config`; leaves alone what did not change. Calls are queued. A target that cannot be
   * started says so in its report, and is tried again.
   */
  apply(config: ProjectConfig): Promise<void> {
    return this.#queue(() => this.#apply(config));
  }

  /** A config that could not be used: the last good one stays, and everybody is told. */
  configFailed(error: unknown): void {
    this.#configError = errorReport(asDebugwandError(error));
    this.#changed();
  }

  report(): StatusReport {
    return {
      version: 1,
      daemon: {
        pid: process.pid,
        startedAt: this.#startedAt,
        config: this.#config.file,
        configError: this.#configError,
        page: this.#options.page(),
      },
      targets: this.#config.targets.flatMap(
        ({ name }) => this.#runners.get(name)?.report() ?? this.#unstarted.report(name) ?? [],
      ),
      hints: this.#hints.reports(),
    };
  }

  /**
   * For a target with a command: starts the command anew; else takes the debugger out and in again. `target`: may be left
   * out where there is one. One that could not be started is tried again, and fails with what is wrong with it.
   * @throws DebugwandError `target-ambiguous`, `no-such-target`
   */
  async restart(target: string | null): Promise<string> {
    const name = target ?? this.#onlyTarget();
    if (this.#unstarted.error(name) !== null) {
      await this.#queue(() => this.#startMissing());
      this.#runner(name);
      return `started ${name}`;
    }
    const runner = this.#runner(name);
    const child = runner.target.child;
    if (child !== undefined) {
      await child.restart();
      return `restarted the command of ${name}`;
    }
    runner.reenter();
    return `entering the worker of ${name} again`;
  }

  /**
   * Moves the debug session of a target to another worker. `name`: may be left out where there is one target; `wanted`:
   * null for the next worker. @throws DebugwandError `no-such-worker`, `worker-has-session`, `worker-ambiguous`,
   * `target-ambiguous`, `no-such-target`
   */
  switchWorker(name: string | null, wanted: WantedWorker | null): string {
    const target = name ?? this.#onlyTarget();
    return `the debug session of ${target} moves to ${this.#runner(target).switchTo(wanted)}`;
  }

  /** Looks again, now: containers, processes, and whatever waits for its next try. */
  refresh(): void {
    void this.#queue(() => this.#startMissing());
    for (const runner of this.#runners.values()) runner.refresh();
  }

  /** `wand notify EVENT`: somebody knows that now is the time to look. */
  hint(event: string): string {
    this.#hints.notify(event);
    return 'looking';
  }

  /** The child of the first target that has a command; null without one. */
  child(): CommandChild | null {
    for (const runner of this.#runners.values()) if (runner.target.child !== undefined) return runner.target.child;
    return null;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#unstarted.close();
    await this.#applying;
    await this.#hints.close();
    await Promise.all([...this.#runners.values()].map((runner) => runner.close()));
    this.#runners.clear();
  }

  #onlyTarget(): string {
    const names = this.#names();
    if (names.length === 1 && names[0] !== undefined) return names[0];
    throw new DebugwandError({
      code: 'target-ambiguous',
      message: 'there is more than one target',
      fix: `say which one: ${names.join(', ')}`,
    });
  }

  #runner(name: string): TargetRunner {
    const runner = this.#runners.get(name);
    if (runner !== undefined) return runner;
    throw this.#unstarted.error(name) ?? noSuchTarget(name, this.#names());
  }

  #names(): readonly string[] {
    return this.#config.targets.map(({ name }) => name);
  }

  #queue(run: () => Promise<void>): Promise<void> {
    const done = this.#applying.then(run);
    // What failed is the caller's to tell; it must not stop the next one.
    this.#applying = done.catch(() => undefined);
    return done;
  }

  async #apply(config: ProjectConfig): Promise<void> {
    if (this.#closed) return;
    const { removed, replaced, updated } = diffConfigs(this.#config, config);
    this.#config = config;
    this.#configError = null;
    await Promise.all([...removed, ...replaced].map(({ name }) => this.#end(name)));
    for (const target of updated) this.#runners.get(target.name)?.update(target);
    await this.#startMissing();
    await this.#hints.configure(config);
    this.#changed();
  }

  async #end(name: string): Promise<void> {
    const runner = this.#runners.get(name);
    this.#runners.delete(name);
    this.#unstarted.delete(name);
    try {
      await runner?.close();
    } catch (error) {
      this.#options.log.error(`${name}: could not be ended: ${messageOf(error)}`);
    }
  }

  /** Each by itself: what is wrong with one is no reason to lose another. */
  async #startMissing(): Promise<void> {
    for (const target of this.#config.targets) {
      if (this.#closed) return;
      if (this.#runners.has(target.name)) continue;
      try {
        this.#runners.set(target.name, await this.#start(target));
        this.#unstarted.delete(target.name);
      } catch (error) {
        const fault = asDebugwandError(error);
        const isNews = this.#unstarted.add(target, fault);
        if (isNews) this.#options.log.error(`${target.name}: ${fault.message}\nfix: ${fault.fix}`);
      }
      this.#changed();
    }
    this.#unstarted.schedule();
  }

  async #start(config: TargetConfig): Promise<TargetRunner> {
    const { log, inheritStdio, confirm } = this.#options;
    const target = await createTarget(config, { log, projectRoot: this.#config.root, inheritStdio, confirm });
    let close = (): Promise<void> => target.close();
    try {
      const runner = new TargetRunner(config, target, {
        log,
        projectRoot: this.#config.root,
        onChange: () => {
          this.#changed();
        },
      });
      close = () => runner.close();
      runner.start();
      return runner;
    } catch (error) {
      // Its command, if it has one, runs.
      await close();
      throw error;
    }
  }

  #changed(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#options.onChange();
    });
  }
}
