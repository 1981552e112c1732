import { describe, expect, it } from 'vitest';
import type { FailedRung } from '../../../src/core/entry-state.ts';
import { explainEntry, rungAfter, startFailure } from '../../../src/core/ladder.ts';
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
