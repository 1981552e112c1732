import { expect, test } from 'vitest';
import { allowedContexts, allowing } from '../../../src/commands/allowed-contexts.ts';
import type { ProjectConfig } from '../../../src/core/types.ts';
import { DebugwandError } from '../../../src/lib/errors.ts';
import { targetConfig } from '../../support/target-config.ts';

const target = (name: string, context: string) =>
  targetConfig(
    {
      kind: 'kubernetes',
      workload: { kind: 'service', name },
      context,
      replica: 'newest',
      ephemeralContainers: 'ask',
      allowContexts: [],
    },
    name,
  );
const project: ProjectConfig = {
  file: '/p/debugwand.config.ts',
  page: true,
  root: '/p',
  targets: [target('a', 'kind-dev'), target('b', 'prod'), target('c', 'prod'), target('d', 'stage')],
};
const refused = new DebugwandError({ code: 'context-not-allowed', message: 'no', fix: 'allow it' });
const look = ({ context = '', allowContexts }: { context?: string; allowContexts: readonly string[] }) =>
  Promise.resolve({
    context,
    refused: context === 'kind-dev' || allowContexts.includes(context) ? null : refused,
    question: `enter ${context}?`,
  });
const signal = new AbortController().signal;

test('each context that does not look local is asked about once, and a yes holds for all of its targets', async () => {
  const questions: string[] = [];
  const asker = {
    say: () => undefined,
    ask: (question: string) => {
      questions.push(question);
      return Promise.resolve(question.includes('prod') ? 'y' : '');
    },
  };
  const allowed = await allowedContexts(project, ['flagged'], asker, signal, look);
  expect(allowed).toEqual(['flagged', 'prod']);
  expect(questions).toEqual(['enter prod? [y/N] ', 'enter stage? [y/N] ']);
  expect(allowing(project, allowed).targets.map(({ source }) => source)).toMatchObject(
    project.targets.map(() => ({ allowContexts: ['flagged', 'prod'] })),
  );
});

test('where nobody can be asked, the flags alone count', async () => {
  expect(await allowedContexts(project, ['prod'], null, signal, look)).toEqual(['prod']);
  expect(allowing(project, [])).toBe(project);
});
