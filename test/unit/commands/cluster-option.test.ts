import { describe, expect, it, test } from 'vitest';
import type { Asker } from '../../../src/commands/ask.ts';
import { completed, wantedOf } from '../../../src/commands/cluster-option.ts';
import type { UnnamedSource } from '../../../src/targets/kubernetes-survey.ts';
import { DebugwandError } from '../../../src/lib/errors.ts';
import type { Survey } from '../../../src/targets/kubernetes-survey.ts';

const never = new AbortController().signal;

describe('what flags ask for', () => {
  const rows = [
    [{ service: 'web', namespace: 'shop' }, undefined, { kind: 'service', name: 'web' }],
    [{ service: 'ksvc/web' }, undefined, { kind: 'knative', name: 'web' }],
    [{ selector: 'app=web' }, undefined, { kind: 'selector', name: 'app=web' }],
    [{}, 'deploy/web', { kind: 'deployment', name: 'web' }],
    [{ namespace: 'shop' }, undefined, null],
    [{ context: 'kind-dev' }, undefined, null],
  ] as const;
  test.each(rows)('%j %s', (flags, positional, workload) => {
    expect(wantedOf(flags, positional, '/p')).toMatchObject({ kind: 'kubernetes', workload });
  });

  test.each([
    [{}, undefined],
    [{ container: 'api' }, undefined],
    [{}, 'api'],
    [{ replica: 'x' }, undefined],
  ] as const)('%j %s: nothing of Kubernetes', (flags, positional) => {
    expect(wantedOf(flags, positional, '/p')).toBeNull();
  });

  it('everything that may be said', () => {
    const flags = {
      service: 'web',
      namespace: 'shop',
      context: 'dev',
      kubeconfig: 'kc',
      container: 'app',
      replica: 'web-0',
      ephemeralContainers: 'allow',
      allowContext: ['dev'],
    } as const;
    expect(wantedOf(flags, undefined, '/p')).toEqual({
      kind: 'kubernetes',
      workload: { kind: 'service', name: 'web' },
      namespace: 'shop',
      context: 'dev',
      kubeconfig: '/p/kc',
      container: 'app',
      replica: { pod: 'web-0' },
      ephemeralContainers: 'allow',
      allowContexts: ['dev'],
    });
  });

  test.each([
    [{}, 'deplo/web', 'did you mean deploy/…?'],
    [{}, 'zzzzzz/web', 'It is KIND/NAME'],
    [{ service: 'a' }, 'deploy/web', 'name one'],
    [{ service: 'a', selector: 'b=c' }, undefined, 'name one'],
    [{ namespace: 'shop' }, 'web', 'svc/web'],
    [{ service: 'a' }, 'web', 'without those options'],
  ] as const)('%j %s is refused: %s', (flags, positional, fix) => {
    try {
      wantedOf(flags, positional, '/p');
    } catch (error) {
      expect(error).toMatchObject({ code: 'usage' });
      expect((error as DebugwandError).fix).toContain(fix);
      return;
    }
    throw new Error('it was accepted');
  });
});

describe('what the cluster adds', () => {
  const wanted: UnnamedSource = {
    kind: 'kubernetes',
    workload: { kind: 'service', name: 'web' },
    replica: 'newest',
    ephemeralContainers: 'ask',
    allowContexts: [],
  };
  const bare: UnnamedSource = { ...wanted, workload: null };
  const refused = new DebugwandError({ code: 'context-not-allowed', message: 'no', fix: 'allow it', permanent: true });
  const missing = new DebugwandError({
    code: 'workload-not-found',
    message: 'no service `wep`',
    fix: 'there are: web',
  });
  const offers: Survey['offers'] = [
    { workload: { kind: 'deployment', name: 'web' }, note: 'newest pod web-1' },
    { workload: { kind: 'service', name: 'web' }, note: '' },
  ];
  const survey = (facts: Partial<Survey> = {}): Survey => ({
    place: { context: 'dev', namespace: 'shop', server: 'https://x', guard: { allowed: true, reason: 'local' } },
    refused: null,
    question: 'Really?',
    missing: null,
    offers: [],
    ...facts,
  });

  /** Runs it with these answers; null: nobody can be asked. Gives the outcome and what was asked and said. */
  async function run(
    what: UnnamedSource,
    facts: Partial<Survey>,
    answers: readonly (string | null)[] | null,
  ): Promise<{ workload?: unknown; allowContexts?: unknown; error?: string; told: string[] }> {
    const told: string[] = [];
    const left = [...(answers ?? [])];
    const asker: Asker = {
      say: (line) => told.push(line),
      ask: (question) => {
        told.push(question);
        return Promise.resolve(left.shift() ?? null);
      },
    };
    try {
      const say = (line: string): void => void told.push(line);
      const look = (asked: Pick<UnnamedSource, 'allowContexts'>): Promise<Survey> =>
        Promise.resolve(survey(asked.allowContexts.length > 0 ? { ...facts, refused: null } : facts));
      const source = await completed(what, answers === null ? null : asker, say, never, look);
      expect(source).toMatchObject({ context: 'dev', namespace: 'shop' });
      return { workload: source.workload, allowContexts: source.allowContexts, told };
    } catch (error) {
      if (!(error instanceof DebugwandError)) throw error;
      return { error: error.code, told };
    }
  }

  const service = { kind: 'service', name: 'web' };
  const deployment = { kind: 'deployment', name: 'web' };
  const rows: readonly (readonly [
    what: string,
    wanted: UnnamedSource,
    facts: Partial<Survey>,
    answers: readonly (string | null)[] | null,
    outcome: object,
  ])[] = [
    ['all is there', wanted, {}, null, { workload: service, allowContexts: [], told: [] }],
    ['it looks remote, nobody can be asked', wanted, { refused }, null, { error: 'context-not-allowed', told: [] }],
    ['it looks remote: yes', wanted, { refused }, ['y'], { workload: service, allowContexts: ['dev'] }],
    ['it looks remote: no', wanted, { refused }, ['n'], { error: 'context-not-allowed' }],
    ['it looks remote: Enter', wanted, { refused }, [''], { error: 'context-not-allowed' }],
    ['it looks remote: Ctrl-C', wanted, { refused }, [null], { error: 'context-not-allowed' }],
    ['a wrong name, nobody can be asked', wanted, { missing, offers }, null, { error: 'workload-not-found' }],
    ['a wrong name: the second one', wanted, { missing, offers }, ['2'], { workload: service }],
    ['a wrong name: by its name', wanted, { missing, offers }, ['deployment/web'], { workload: deployment }],
    ['a wrong name: nonsense, then the first', wanted, { missing, offers }, ['9', ''], { workload: deployment }],
    ['a wrong name: Ctrl-C', wanted, { missing, offers }, [null], { error: 'workload-not-found' }],
    ['a wrong name, nothing is there', wanted, { missing }, ['1'], { error: 'workload-not-found', told: [] }],
    ['no name: a list', bare, { offers }, ['2'], { workload: service }],
    ['no name, Ctrl-C', bare, { offers }, [null], { error: 'usage' }],
    [
      'no name, nobody can be asked: of the newest pod',
      bare,
      { offers },
      null,
      { workload: deployment, told: ['no workload was named: deployment/web is taken (newest pod web-1)'] },
    ],
    ['no name, no pod', bare, { offers: offers.slice(1) }, null, { error: 'usage' }],
    ['no name, nothing there', bare, {}, null, { error: 'workload-not-found' }],
  ];
  test.each(rows)('%s', async (_what, asked, facts, answers, outcome) => {
    expect(await run(asked, facts, answers)).toMatchObject(outcome);
  });

  it('asks first whether it may, then which', async () => {
    const { told } = await run(bare, { refused, offers }, ['yes', '1']);
    expect(told).toEqual([
      'Really? [y/N] ',
      'In `shop` (context dev):',
      '   1) deployment/web  (newest pod web-1)',
      '   2) service/web',
      'Which one? [1] ',
    ]);
  });
});
