// What must hold whatever happens to replicas, workers, editor and config, in whatever order.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { replicaKey } from '../../../src/core/identity.ts';
import type { TargetState } from '../../../src/core/state.ts';
import type { ProcessInfo, Replica, TargetConfig } from '../../../src/core/types.ts';
import { DebugwandError } from '../../../src/lib/errors.ts';
import { ARBITER, worker, World } from './world.ts';

const PODS: readonly Replica[] = ['a', 'b', 'c'].map((id, rank) => ({
  id,
  name: `${id}/app`,
  state: 'running',
  startedAt: 't1',
  scope: { kind: 'namespace' },
  rank,
}));
const LOST = new DebugwandError({ code: 'agent-lost', message: 'cut', fix: 'none' });

const pick = fc.nat(9);
const step = fc.oneof(
  fc.record({ do: fc.constantFrom('start', 'start', 'end', 'lose'), pod: fc.nat(2), pick }),
  fc.record({ do: fc.constantFrom('start', 'toggle', 'leaving'), pod: fc.nat(2), pick }),
  fc.record({ do: fc.constantFrom('open', 'open', 'leave', 'stop', 'run', 'refuse', 'reenter', 'switch'), pick }),
  fc.record({ do: fc.constantFrom('editor', 'editor', 'editor', 'gone') }),
  fc.record({ do: fc.constant('pass'), ms: fc.constantFrom(10, 300, 2_000, 6_000, 20_000) }),
  fc.record({
    do: fc.constant('config'),
    maxWorkers: fc.integer({ min: 1, max: 5 }),
    workers: fc.constantFrom('all', 'one'),
  }),
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** What the platform has, and the target that sees it. */
class Play {
  readonly world: World;
  readonly #there = new Set<Replica>();
  readonly #leaving = new Set<Replica>();
  readonly #workers = new Map<Replica, readonly { readonly process: ProcessInfo; readonly at: number }[]>();
  #pid = 10;

  constructor(replica: 'all' | undefined) {
    const workload = { kind: 'deployment', name: 'web' } as const;
    const source: TargetConfig['source'] = {
      kind: 'kubernetes',
      workload,
      ephemeralContainers: 'never',
      allowContexts: [],
      ...(replica === undefined ? {} : { replica }),
    };
    this.world = new World({ source }, []);
    this.#toggle(PODS[0]);
    for (let times = 0; times < 3; times += 1) this.do({ do: 'start', pod: 0, pick: 0 });
    this.world.editor().pass(3_000);
  }

  do(step: Step): void {
    const { world } = this;
    const pod = 'pod' in step ? PODS[step.pod] : undefined;
    const at = 'pick' in step ? step.pick : 0;
    const slots = world.state.slots.filter(({ over }) => !over);
    const of = <T>(list: readonly T[]): T | undefined => list[at % Math.max(1, list.length)];
    const open = slots.filter(({ session }) => session.state === 'open');
    const asked = slots.find(({ session }) => session.state === 'asked');
    switch (step.do) {
      case 'start':
        if (pod === undefined || !this.#there.has(pod)) return;
        this.#pid += 1;
        this.#workers.set(pod, [...this.#of(pod), { process: worker(this.#pid), at: world.now }]);
        return this.#tell(pod);
      case 'end': {
        const ended = of(pod === undefined ? [] : this.#of(pod));
        if (pod === undefined || ended === undefined) return;
        this.#workers.set(
          pod,
          this.#of(pod).filter((one) => one !== ended),
        );
        const { pid, startTime } = ended.process;
        if (at > 4) world.see({ type: 'exited', exit: { pid, startTime }, replica: replicaKey(pod) });
        return this.#tell(pod);
      }
      case 'lose':
        if (pod === undefined) return;
        world.see({ type: 'agent-lost', error: LOST, replica: replicaKey(pod) }).pass(50);
        return this.#tell(pod);
      case 'toggle':
        return this.#toggle(pod);
      case 'leaving':
        if (pod === undefined || !this.#there.has(pod)) return;
        this.#leaving.add(pod);
        return this.#toggle(undefined);
      case 'open':
        return void (asked === undefined ? world : world.opens(asked.id));
      case 'refuse':
        return void (asked === undefined ? world : world.see({ type: 'child-refused', slot: asked.id, why: 'no' }));
      case 'leave': {
        const left = of(open);
        if (left !== undefined) world.see({ type: 'editor', connected: false, client: null, slot: left.id });
        return;
      }
      case 'stop':
      case 'run': {
        const root = world.state.editor.connected && world.state.sessionGeneration !== null ? [0] : [];
        const slot = of([...root, ...open.filter((one) => one.sessionGeneration !== null).map(({ id }) => id)]);
        if (slot !== undefined) world.see({ type: 'stopped', where: step.do === 'stop' ? 'app.py:1' : null, slot });
        return;
      }
      case 'reenter':
        return void world.see({ type: 'reenter', slot: of([0, ...slots.map(({ id }) => id)]) ?? 0 });
      case 'switch': {
        const all = world.state.followed.flatMap(({ classification }) => classification?.processes ?? []);
        const taken = slots.map((slot) => slot.worker?.process.pid);
        const to = of(all.filter(({ role, pid }) => role === 'worker' && !taken.includes(pid)));
        if (to !== undefined) world.see({ type: 'switch', worker: to });
        return;
      }
      case 'editor':
        return void world.editor();
      case 'gone':
        return void world.see({ type: 'editor', connected: false, client: null });
      case 'pass':
        return void world.pass(step.ms);
      case 'config':
        return void world.changes({ maxWorkers: step.maxWorkers, workers: step.workers });
      default:
        step satisfies never;
    }
  }

  #of(pod: Replica) {
    return this.#workers.get(pod) ?? [];
  }

  #toggle(pod: Replica | undefined): void {
    if (pod !== undefined && this.#there.delete(pod)) {
      this.#workers.delete(pod);
      this.#leaving.delete(pod);
    } else if (pod !== undefined) {
      this.#there.add(pod);
    }
    const replicas = PODS.filter((one) => this.#there.has(one));
    this.world.replicas(...replicas.map((one) => (this.#leaving.has(one) ? { ...one, ending: true as const } : one)));
    if (pod !== undefined) this.#tell(pod);
  }

  /** The agent says what runs there. */
  #tell(pod: Replica): void {
    if (!this.#there.has(pod)) return;
    const there = this.#of(pod).map(({ process, at }) => ({ ...process, ageMs: this.world.now - at }));
    this.world.in(pod, ARBITER, ...there);
  }
}

/** In words; empty: all is well. */
function faultsOf(state: TargetState, { maxWorkers }: TargetConfig): readonly string[] {
  const { editor, followed, notices, sessionGeneration, slots } = state;
  const workers = [state.worker, ...slots.map((slot) => slot.worker)].filter((one) => one !== null);
  const keys = workers.map(({ process }) => `${String(process.replica)} ${String(process.pid)}`);
  const isSeen = followed.some(({ classification }) => classification !== null);
  const lives = ({ process }: (typeof workers)[number]): boolean =>
    followed.some(({ key, processes }) => key === process.replica && processes.some(({ pid }) => pid === process.pid));
  const up = [{ worker: state.worker, sessionGeneration, stoppedAt: editor.stoppedAt, wanted: true }].concat(
    slots.map((slot) => ({ ...slot, wanted: slot.session.state !== 'left' })),
  );
  return [
    ...(new Set(keys).size < keys.length ? ['two sessions have one worker'] : []),
    ...(workers.every(lives) ? [] : ['a worker that is gone has a session']),
    ...(slots.some(({ over }) => over) ? ['a slot that is over stays'] : []),
    ...(!editor.connected && slots.length > 0 ? ['further sessions without an editor'] : []),
    ...(isSeen && slots.length >= maxWorkers ? ['more sessions than allowed'] : []),
    ...(!editor.connected && state.leftOut > 0 ? ['somebody is left out by no editor'] : []),
    ...(notices.length > 0 ? ['a notice is not told'] : []),
    ...up.flatMap(({ worker: one, sessionGeneration: told, stoppedAt, wanted }) => [
      ...(told !== null && told !== one?.generation ? ['the keeper has another worker'] : []),
      ...(wanted && one?.entry.state === 'entered' && told === null ? ['the keeper was not told'] : []),
      ...(stoppedAt !== null && one === null ? ['nobody is stopped'] : []),
    ]),
  ];
}

it.each([['of one replica', undefined] as const, ['of all', 'all'] as const])(
  'sessions %s are sound',
  (_name, kind) => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 20, maxLength: 80 }), (steps) => {
        const play = new Play(kind);
        for (const one of steps) {
          play.do(one);
          expect(faultsOf(play.world.state, play.world.config)).toEqual([]);
        }
      }),
      { seed: 1, numRuns: 400 },
    );
  },
);
