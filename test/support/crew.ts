/** An app with several workers, each with a debug session of its own: who has which, and a stop in each. */
import type { TargetReport } from '../../src/core/status.ts';
import type { DapClient } from './dap-client.ts';
import type { EditorTree } from './editor-tree.ts';
import { lookAt } from './rig.ts';
import type { WandDaemon } from './wand.ts';

interface Held {
  readonly slot: number;
  readonly pid: number;
  readonly generation: number;
}

/** Sessions that an editor has and that have a worker. */
export function sessionsOf({ workers }: TargetReport): Held[] {
  return workers.flatMap(({ slot, pid, generation, session, phase }): Held[] =>
    slot !== null && pid !== null && generation !== null && session && (phase === 'attached' || phase === 'stopped')
      ? [{ slot, pid, generation }]
      : [],
  );
}

export abstract class Crew {
  /** Of the app's code, as the editor knows it. */
  abstract readonly file: string;
  abstract readonly daemon: WandDaemon;
  /** Requests wait for their answer, so that they are sent one after the other. */
  protected readonly oneByOne: boolean = false;
  /** Up to where stops were looked at. */
  readonly #done = new Map<DapClient, number>();

  /** Has somebody serve: resolves when it is done, or after a while. */
  abstract ask(): Promise<unknown>;

  /** Workers that have an open session, as `wand status` tells it: pids (as the target has them) by slot. */
  async slots(count: number): Promise<Map<number, number>> {
    const isThere = (target: TargetReport): boolean => sessionsOf(target).length === count;
    return pids(await this.daemon.target(`${String(count)} sessions`, isThere, { timeoutMs: 60_000 }));
  }

  /** Does what gives these slots (default: all that have a session) other workers, and waits until they have them. */
  async anew(cause: () => unknown, slots: readonly number[] = []): Promise<Map<number, number>> {
    const before = sessionsOf(await this.daemon.target('its sessions', (now) => sessionsOf(now).length > 0));
    const wanted = before.filter(({ slot }) => slots.length === 0 || slots.includes(slot));
    await cause();
    const isAnother = (now: TargetReport): boolean =>
      wanted.every(({ slot, generation }) =>
        sessionsOf(now).some((one) => one.slot === slot && one.generation > generation),
      );
    return pids(await this.daemon.target('other workers', isAnother, { timeoutMs: 90_000 }));
  }

  /** One breakpoint in each session (default: of the editor); null: none. */
  async breakAt(editor: EditorTree, line: number | null, sessions: readonly DapClient[] = editor.open): Promise<void> {
    const breakpoints = line === null ? [] : [{ line }];
    for (const session of sessions) {
      await session.request('setBreakpoints', { source: { path: this.file }, breakpoints });
    }
  }

  /** Asks until that session stops. Gives the thread, and what `expression` says there. */
  async stopIn(session: DapClient, expression: string): Promise<{ threadId: number; value: string }> {
    const asking = this.asking();
    try {
      return await this.#stop(session, expression);
    } finally {
      asking.end();
    }
  }

  /**
   * Has a stop in each session at the same time, takes the breakpoints away, and lets them go on. Gives the pids by session.
   */
  async stopInEach(editor: EditorTree, expression: string): Promise<Map<DapClient, number>> {
    const asking = this.asking();
    try {
      // Whoever is stopped takes nothing: so each gets its turn.
      const stops = await Promise.all(
        editor.open.map(async (session) => ({ session, ...(await this.#stop(session, expression)) })),
      );
      await this.breakAt(editor, null);
      for (const { session, threadId } of stops) await this.goOn(session, threadId);
      return new Map(stops.map(({ session, value }) => [session, Number(value.replaceAll("'", ''))]));
    } finally {
      asking.end();
    }
  }

  async goOn(session: DapClient, threadId: number): Promise<void> {
    await session.request('continue', { threadId });
    this.#done.set(session, session.mark());
  }

  /** Asks again and again. */
  asking(): { end: () => void } {
    let goesOn = true;
    const tasks = async (): Promise<void> => {
      while (goesOn) await this.ask();
    };
    const timer = this.oneByOne ? null : setInterval(() => void this.ask(), 50);
    if (timer === null) void tasks();
    return {
      end: () => {
        goesOn = false;
        if (timer !== null) clearInterval(timer);
      },
    };
  }

  async #stop(session: DapClient, expression: string): Promise<{ threadId: number; value: string }> {
    // Those of a loop may have stopped by now.
    const after = this.#done.get(session) ?? 0;
    const stopped = await session.waitFor('stopped', undefined, { after, timeoutMs: 60_000 });
    const { frameId, threadId } = await lookAt(session, stopped);
    const { result } = await session.request<{ result: string }>('evaluate', { expression, frameId });
    return { threadId, value: result };
  }
}

function pids(target: TargetReport): Map<number, number> {
  return new Map(sessionsOf(target).map(({ slot, pid }) => [slot, pid]));
}
