import { describe, expect, test } from 'vitest';
import { isPythonWorkload, readManifests } from '../../../src/commands/init-manifests.ts';

const DEPLOYMENT = `apiVersion: apps/v1
kind: Deployment
metadata: { name: web, namespace: shop }
spec:
  template:
    spec:
      containers:
        - { name: app, image: shop/web, workingDir: /srv, command: [uvicorn, 'app:app', --reload] }
        - { name: proxy, image: envoy }
`;
const manifest = (kind: string, apiVersion: string, container: object, name = 'web'): string =>
  JSON.stringify({ apiVersion, kind, metadata: { name }, spec: { template: { spec: { containers: [container] } } } });

describe('readManifests', () => {
  test('workloads of all documents, each once', () => {
    const text = `${DEPLOYMENT}---\n# nothing\n--- \n${manifest('StatefulSet', 'apps/v1', { image: 'postgres:17' }, 'db')}\n`;
    const again = `${manifest('Service', 'v1', {})}\n---\n${DEPLOYMENT}`;
    expect(
      readManifests([
        { path: 'k8s/a.yaml', text },
        { path: 'k8s/b.yaml', text: again },
      ]),
    ).toEqual([
      {
        kind: 'deployment',
        name: 'web',
        namespace: 'shop',
        file: 'k8s/a.yaml',
        workingDir: '/srv',
        python: true,
        image: 'shop/web',
      },
      {
        kind: 'statefulset',
        name: 'db',
        namespace: null,
        file: 'k8s/a.yaml',
        workingDir: null,
        python: null,
        image: 'postgres:17',
      },
    ]);
  });

  test.each([
    ['a Service of Knative', manifest('Service', 'serving.knative.dev/v1', { image: 'a' }), ['knative']],
    ['a DaemonSet', manifest('DaemonSet', 'apps/v1', { image: 'a' }), ['daemonset']],
    ['a Service of the core', manifest('Service', 'v1', { image: 'a' }), []],
    ['a kind of somebody else', manifest('Deployment', 'example.com/v1', { image: 'a' }), []],
    ['an overlay', manifest('Deployment', 'apps/v1', { name: 'app' }), []],
    ['a template of Helm', `kind: Deployment\nmetadata: { name: {{ .Release.Name }} }\n`, []],
    ['no YAML', 'a: [', []],
    ['another shape', '[1, 2]\n---\nnull\n---\nkind: {}', []],
  ])('%s', (_what, text, kinds) => {
    expect(readManifests([{ path: 'x.yaml', text }]).map(({ kind }) => kind)).toEqual(kinds);
  });
});

test.each([
  [{ command: ['uvicorn', 'app:app'], image: 'x' }, false, true],
  [{ args: ['python', 'main.py'], image: 'x' }, false, true],
  [{ command: ['/bin/server'], image: 'shop/web' }, true, false],
  [{ image: 'python:3.14-slim' }, false, true],
  [{ image: 'shop/web' }, false, false],
  [{ image: 'shop/web' }, true, true],
  [{ image: 'docker.io/library/postgres:17' }, true, false],
])('%j, an image of Python is built here: %s → %s', (container, builds, is) => {
  const [workload] = readManifests([{ path: 'x.yaml', text: manifest('Deployment', 'apps/v1', container) }]);
  expect(workload === undefined ? null : isPythonWorkload(workload, builds)).toBe(is);
});
