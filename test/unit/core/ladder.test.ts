import { describe, expect, it } from 'vitest';
import type { EntryState, FailedRung, WorkerState } from '../../../src/core/entry-state.ts';
import { explainEntry, nextStep, rungAfter, startFailure } from '../../../src/core/ladder.ts';
import type { Rung, TargetSource } from '../../../src/core/types.ts';
import { DebugwandError } from '../../../src/lib/errors.ts';
import { agentError, pythonProcess } from './facts.ts';

const DOCKER: TargetSource = { kind: 'docker', container: 'api' };
const LOCAL: TargetSource = { kind: 'local', pid: 7 };
const KUBERNETES: TargetSource = {
  kind: 'kubernetes',
  workload: { kind: 'service', name: 'web' },
  replica: 'newest',
  ephemeralContainers: 'ask',
  allowContexts: [],
};

const denied = (rung: Rung): FailedRung => ({ rung, why: 'no right', error: agentError('denied') });

describe('the next rung', () => {
  it.each<[string, TargetSource, number, boolean, readonly Rung[], Rung | null]>([
    ['the own user first', DOCKER, 0, true, [], 'exec'],
    ['then the worker’s user', DOCKER, 1000, true, ['exec'], 'exec-as-worker'],
    ['unless it is the own one', DOCKER, 0, true, ['exec'], 'helper-container'],
    ['then the helper', DOCKER, 1000, true, ['exec', 'exec-as-worker'], 'helper-container'],
    ['then nothing', DOCKER, 1000, true, ['exec', 'exec-as-worker', 'helper-container'], null],
    ['no helper on this machine', LOCAL, 0, false, ['exec'], null],
    ['another user on this machine', LOCAL, 1000, false, ['exec'], 'exec-as-worker'],
    ['in a pod: the own user first', KUBERNETES, 1000, true, [], 'exec'],
    ['in a pod: never as another user', KUBERNETES, 1000, true, ['exec'], 'helper-container'],
    ['in a pod: then nothing', KUBERNETES, 1000, true, ['exec', 'helper-container'], null],
  ])('%s', (_name, source, uid, helperAvailable, failed, expected) => {
    const facts = { process: pythonProcess(7, { uid }), agentUid: 0, helperAvailable, source };
    expect(rungAfter(facts, failed.map(denied))).toBe(expected);
  });
});

const OURS: TargetSource = { kind: 'local', command: ['uvicorn'], cwd: '/app' };

describe('where to begin', () => {
  const workerOf = (version: string, entry: EntryState): WorkerState => {
    const { python, ...process } = pythonProcess(7);
    return {
      process: { ...process, python: python === null ? null : { ...python, version } },
      generation: 1,
      cause: null,
      startedAt: 0,
      seenAt: 0,
      entry,
      failedRungs: [],
      up: false,
      holding: false,
      lost: 0,
    };
  };

  it.each<[string, TargetSource, string, Rung | null, Rung]>([
    ['3.14 by its own protocol', OURS, '3.14.8', null, 'exec'],
    ['3.13 that we started by its environment', OURS, '3.13.0', null, 'environment'],
    ['3.10, too', OURS, '3.10', null, 'environment'],
    ['3.9 has no debugpy', OURS, '3.9.18', null, 'exec'],
    ['3.13 that somebody else started', LOCAL, '3.13.0', null, 'exec'],
    ['an old one after a new one', OURS, '3.11.7', 'exec', 'environment'],
    ['a new one after an old one', OURS, '3.14.0', 'environment', 'exec'],
    ['what worked before', DOCKER, '3.14.0', 'helper-container', 'helper-container'],
  ])('%s', (_name, source, version, provenRung, rung) => {
    const worker = workerOf(version, { state: 'new' });
    expect(nextStep({ worker, agentUid: 0, helperAvailable: true, provenRung, source }, 0)).toEqual({
      type: 'enter',
      rung,
    });
  });

  it.each<[string, string, TargetSource, 'enter' | 'blocked']>([
    ['a version that nobody could tell: by its environment', '', OURS, 'enter'],
    ['not if somebody else started it', '', LOCAL, 'blocked'],
    ['not if it is known to be too old', '3.9.18', OURS, 'blocked'],
  ])('too old, %s', (_name, version, source, type) => {
    const failed: EntryState = {
      state: 'failed',
      rung: 'exec',
      error: agentError('too-old'),
      attempts: 1,
      retryAt: null,
    };
    const worker = workerOf(version, failed);
    const step = nextStep({ worker, agentUid: 0, helperAvailable: false, provenRung: null, source }, 0);
    expect(step.type).toBe(type);
  });

  it('a hook that is not there is named, with what keeps it out', () => {
    const error = { ...agentError('too-old'), facts: { hook: false } };
    const shown = explainEntry(error, pythonProcess(7), { source: OURS, helperAvailable: false });
    expect(shown).toMatchObject({ code: 'hook-missing', permanent: true });
    expect(shown.fix).toMatch(/-I, -E and -S/);
  });
});

describe('what cannot be entered', () => {
  it.each([
    ['too-old', 'python-too-old', 'FROM python:3.14'],
    ['denied', 'entry-denied', 'securityContext.runAsUser: 1000'],
    ['denied', 'entry-denied', 'securityContext.capabilities.add: [SYS_PTRACE]'],
    ['denied', 'entry-denied', "ephemeralContainers: 'allow'"],
    ['no-space', 'no-writable-directory', 'emptyDir'],
    ['disabled', 'remote-debug-disabled', 'without that variable'],
  ] as const)('%s in a pod: %s, and the fix names `%s`', (code, named, fix) => {
    const process = pythonProcess(7, { uid: 1000 });
    const error = explainEntry(agentError(code), process, { source: KUBERNETES, helperAvailable: true });
    expect(error).toMatchObject({ code: named, permanent: true });
    expect(error.fix).toContain(fix);
    expect(error.fix).not.toMatch(/docker|compose/i);
  });

  it('a helper that was refused keeps its own words, for good', () => {
    const refused = new DebugwandError({ code: 'helper-denied', message: 'PodSecurity', fix: 'change the manifest' });
    const error = startFailure('helper-container', refused);
    expect(error.code).toBe('denied');
    const shown = explainEntry(error, pythonProcess(7), { source: KUBERNETES, helperAvailable: true });
    expect(shown).toMatchObject({ code: 'helper-denied', fix: 'change the manifest', permanent: true });
  });

  it.each(['kubernetes-unreachable', 'replica-gone', 'exec-failed'])('%s says nothing about the rung', (code) => {
    const passing = new DebugwandError({ code, message: 'm', fix: 'f' });
    expect(startFailure('helper-container', passing).code).toBe('internal');
  });
});
