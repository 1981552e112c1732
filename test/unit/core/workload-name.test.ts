import { expect, test } from 'vitest';
import { KIND_WORDS, parseWorkload } from '../../../src/core/workload-name.ts';

test.each([
  ['svc/web', 'service', 'web'],
  ['service/web', 'service', 'web'],
  ['deploy/web', 'deployment', 'web'],
  ['deployment.apps/web', 'deployment', 'web'],
  ['Deployments/web', 'deployment', 'web'],
  ['sts/db', 'statefulset', 'db'],
  ['ds/agent', 'daemonset', 'agent'],
  ['job/once', 'job', 'once'],
  ['cj/nightly', 'cronjob', 'nightly'],
  ['po/web-0', 'pod', 'web-0'],
  ['ksvc/web', 'knative', 'web'],
  ['services.serving.knative.dev/web', 'knative', 'web'],
])('%s', (text, kind, name) => {
  expect(parseWorkload(text)).toEqual({ workload: { kind, name } });
});

test('the words that are proposed are understood', () => {
  for (const word of KIND_WORDS) expect(parseWorkload(`${word}/x`)).toHaveProperty('workload');
});

test.each([
  ['web', null],
  ['', null],
  ['deplo/web', { unknownKind: 'deplo' }],
  ['svc/', { unknownKind: 'svc' }],
  ['/web', { unknownKind: '' }],
  ['constructor/web', { unknownKind: 'constructor' }],
])('%j is none', (text, expected) => {
  expect(parseWorkload(text)).toEqual(expected);
});
