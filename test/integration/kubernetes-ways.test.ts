/** Pods that make it hard: rights, users, file systems, images, namespaces. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Rung } from '../../src/core/types.ts';
import { folder, type Folder } from '../support/folder.ts';
import { IMAGES } from '../support/images.ts';
import { kubeconfigFor } from '../support/kubernetes-access.ts';
import type { Cluster, Namespace } from '../support/kubernetes-cluster.ts';
import { CHANGE_USER, startPod, type HardPod } from '../support/kubernetes-hard-pods.ts';
import { ensureKubernetes } from '../support/kubernetes.ts';
import { getOrSkip } from '../support/machine.ts';
import { startPodApp, type PodOptions } from '../support/pod-app.ts';
import { ATTACHED, Rig, writeConfig } from '../support/rig.ts';
import { WandDaemon } from '../support/wand.ts';

const there = await getOrSkip(() =>
  ensureKubernetes(['python314', 'python315', 'distroless', 'twoPythons', 'python311', 'noPython']),
);

const SERVE = ['app:app', '--host', '0.0.0.0', '--port', '8000'];
const UNICORN = ['gunicorn', '-b', '0.0.0.0:8000', '-k', 'uvicorn_worker.UvicornWorker', 'app:app'];
const AS_ANOTHER = ['setpriv', '--reuid=1000', '--regid=1000', '--clear-groups'];
const RESTRICTED = {
  runAsNonRoot: true,
  runAsUser: 1000,
  allowPrivilegeEscalation: false,
  capabilities: { drop: ['ALL'] },
  seccompProfile: { type: 'RuntimeDefault' },
};

/** PodSecurity's level of the namespace; hostPath, which brings the project into the pod, needs `privileged`. */
type Level = 'privileged' | 'baseline' | 'restricted';

interface Case extends Partial<PodOptions> {
  readonly what: string;
  readonly rung: Rung;
  readonly python?: string;
  /** Rungs that must have been refused before. */
  readonly skipped?: readonly Rung[];
}

const CASES: readonly Case[] = [
  { what: 'nothing special', rung: 'exec' },
  { what: 'readOnlyRootFilesystem', rung: 'exec', securityContext: { readOnlyRootFilesystem: true } },
  { what: 'runAsNonRoot', rung: 'exec', podSpec: { securityContext: { runAsNonRoot: true, runAsUser: 1000 } } },
  { what: 'all that PodSecurity restricted asks for', rung: 'exec', securityContext: RESTRICTED },
  {
    what: 'the same and a read-only file system',
    rung: 'exec',
    securityContext: { ...RESTRICTED, readOnlyRootFilesystem: true },
  },
  { what: 'no capabilities', rung: 'exec', securityContext: { capabilities: { drop: ['ALL'] } } },
  {
    what: 'seccompProfile RuntimeDefault',
    rung: 'exec',
    podSpec: { securityContext: { seccompProfile: { type: 'RuntimeDefault' } } },
  },
  {
    what: 'a worker started as another user',
    rung: 'helper-container',
    skipped: ['exec'],
    command: [...AS_ANOTHER, 'uvicorn', ...SERVE],
  },
  {
    what: 'a worker that changed its user after the start',
    rung: 'helper-container',
    skipped: ['exec'],
    command: [...UNICORN, '--user', '1000', '--group', '1000'],
  },
  {
    what: 'the same, read-only and with seccompProfile RuntimeDefault',
    rung: 'helper-container',
    skipped: ['exec'],
    securityContext: { readOnlyRootFilesystem: true, seccompProfile: { type: 'RuntimeDefault' } },
    command: [...UNICORN, '--user', '1000', '--group', '1000', '--worker-tmp-dir', '/dev/shm', '--no-control-socket'],
  },
  {
    what: 'SYS_PTRACE',
    rung: 'exec',
    securityContext: { capabilities: { add: ['SYS_PTRACE'] } },
    command: [...AS_ANOTHER, 'uvicorn', ...SERVE],
  },
  {
    what: 'shareProcessNamespace and Python beside it',
    rung: 'exec',
    podSpec: { shareProcessNamespace: true },
    sidecars: [
      {
        name: 'beside',
        image: IMAGES.python314,
        imagePullPolicy: 'Never',
        command: ['python3.14', '-m', 'http.server', '8001'],
      },
    ],
  },
  {
    what: 'shareProcessNamespace and another user',
    rung: 'helper-container',
    skipped: ['exec'],
    podSpec: { shareProcessNamespace: true },
    command: [...UNICORN, '--user', '1000', '--group', '1000'],
  },
  { what: 'hostPID', rung: 'exec', podSpec: { hostPID: true } },
  {
    what: 'an init process and a shell before it',
    rung: 'exec',
    command: ['tini', '--', 'sh', '-c', `uvicorn ${SERVE.join(' ')}; true`],
  },
  {
    what: 'no shell in the image',
    rung: 'exec',
    image: IMAGES.distroless,
    command: ['/usr/bin/python3.14', '-m', 'uvicorn', ...SERVE],
  },
  {
    what: 'two Pythons, the newer runs',
    rung: 'exec',
    image: IMAGES.twoPythons,
    python: '3.15',
    command: ['python3.15', '-m', 'uvicorn', ...SERVE],
  },
  { what: 'Python 3.15', rung: 'exec', image: IMAGES.python315, python: '3.15' },
];

interface Refusal extends Omit<HardPod, 'name'> {
  readonly what: string;
  readonly level?: Level;
  readonly target?: object;
  readonly code: string;
  /** What to change, and where. */
  readonly fix: RegExp;
}

const REFUSED: readonly Refusal[] = [
  {
    what: 'no Python',
    image: IMAGES.noPython,
    command: ['/bin/sleep', '1000000'],
    code: 'python-not-found',
    fix: /use an image that has one, or name another container/,
  },
  {
    what: 'Python 3.11',
    image: IMAGES.python311,
    command: ['python3.11', '-c', 'import time; time.sleep(1e6)'],
    code: 'python-too-old',
    fix: /use an image with Python 3\.14 or later/,
  },
  {
    what: 'remote debugging switched off',
    command: ['env', 'PYTHON_DISABLE_REMOTE_DEBUG=1', 'python3.14', '-c', 'import time; time.sleep(1e6)'],
    code: 'remote-debug-disabled',
    fix: /start it without that variable/,
  },
  {
    what: 'another user and no helper wanted',
    command: CHANGE_USER,
    target: { ephemeralContainers: 'never' },
    code: 'helper-denied',
    fix: /securityContext\.runAsUser.*ephemeralContainers: 'allow'/,
  },
  {
    what: 'another user and nobody to ask',
    command: CHANGE_USER,
    target: { ephemeralContainers: 'ask' },
    code: 'helper-denied',
    fix: /ephemeralContainers: 'allow'.*securityContext\.runAsUser/,
  },
  {
    what: 'another user under PodSecurity baseline',
    command: CHANGE_USER,
    level: 'baseline',
    code: 'helper-denied',
    fix: /securityContext\.runAsUser.*pod-security\.kubernetes\.io\/enforce: privileged/,
  },
];

/** As a target, a Deployment and a pod may be called. */
function slug(what: string): string {
  return what.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-');
}

describe.skipIf(there === undefined)('pods that make it hard', () => {
  const cluster = there as Cluster;
  const spaces: Namespace[] = [];
  const places = new Map<Level, { namespace: string; kubeconfig: string }>();

  beforeAll(async () => {
    for (const level of ['privileged', 'baseline', 'restricted'] as const) {
      const space = await cluster.namespace({ 'pod-security.kubernetes.io/enforce': level });
      spaces.push(space);
      const { path } = await kubeconfigFor(cluster, { namespace: space.name });
      places.set(level, { namespace: space.name, kubeconfig: path });
    }
  });
  afterAll(async () => {
    await Promise.all(spaces.map((space) => space.remove()));
  });

  const placeOf = (level: Level): { namespace: string; kubeconfig: string } => {
    const place = places.get(level);
    if (place === undefined) throw new Error(`no namespace is ${level}`);
    return place;
  };

  /** Names of the ephemeral containers in the pods of an app. */
  async function helpersIn(app: string): Promise<readonly string[]> {
    const path = `/api/v1/namespaces/${placeOf('privileged').namespace}/pods?labelSelector=app%3D${app}`;
    const { items } = await cluster.get<{ items: { spec: { ephemeralContainers?: { name: string }[] } }[] }>(path);
    return items.flatMap(({ spec }) => spec.ephemeralContainers ?? []).map(({ name }) => name);
  }

  it.each(CASES)('$what: entered by $rung', async ({ what, rung, python, skipped = [], ...pod }) => {
    const name = slug(what);
    const { namespace, kubeconfig } = placeOf('privileged');
    const app = await startPodApp(cluster, { namespace, name, command: ['uvicorn', ...SERVE], ...pod });
    try {
      const ways = { deployment: name, namespace, kubeconfig, ephemeralContainers: 'allow' };
      const rig = await Rig.start(app, { kubernetes: ways });
      try {
        const { entry, worker } = await rig.attached();
        expect(entry?.rung).toBe(rung);
        expect(entry?.skipped.map((skip) => skip.rung)).toEqual(skipped);
        expect(entry?.skipped.every(({ why }) => why !== '')).toBe(true);
        expect(worker?.python).toMatch(python ?? '3.14');
        await rig.attach();
        expect(await rig.hit(14)).toMatchObject({ total: 42 });
      } finally {
        expect(await rig.leave()).toBe(0);
      }
      expect(await app.price(1)).toEqual({ total: 3 });
      expect(await app.restarts()).toBe(0);
      expect(await helpersIn(name)).toHaveLength(rung === 'helper-container' ? 1 : 0);
    } finally {
      await app.stop();
    }
  });

  it.each([
    ['baseline', {}],
    ['restricted', { securityContext: RESTRICTED }],
  ] as const)('a namespace with PodSecurity %s: entered by exec', async (level, pod) => {
    const place = placeOf(level);
    const busy = ['python3.14', '-c', 'import time\nwhile True: time.sleep(0.05)'];
    await startPod(cluster, place.namespace, { name: 'busy', command: busy, ...pod });
    await using project = await folder();
    await writeConfig(project.path, { busy: { kubernetes: { pod: 'busy', ...place } } });
    const daemon = new WandDaemon(['watch', '--plain'], { cwd: project.path });
    try {
      const { entry } = await daemon.target('attached', ATTACHED, { name: 'busy', timeoutMs: 60_000 });
      expect(entry).toMatchObject({ rung: 'exec', skipped: [] });
    } finally {
      expect(await daemon.stop()).toBe(0);
    }
  });

  describe('that cannot be entered', () => {
    let project: Folder;
    let daemon: WandDaemon | undefined;

    beforeAll(async () => {
      project = await folder();
      await Promise.all(
        REFUSED.map(({ what, level = 'privileged', ...pod }) =>
          startPod(cluster, placeOf(level).namespace, { name: slug(what), ...pod }),
        ),
      );
      const targets = REFUSED.map(({ what, level = 'privileged', target }): [string, object] => [
        slug(what),
        { kubernetes: { pod: slug(what), ephemeralContainers: 'allow', ...placeOf(level), ...target } },
      ]);
      await writeConfig(project.path, Object.fromEntries(targets));
      daemon = new WandDaemon(['watch', '--plain'], { cwd: project.path });
    });
    afterAll(async () => {
      await daemon?.stop();
      await project[Symbol.asyncDispose]();
    });

    it.each(REFUSED)('$what: $code, and what to change', async ({ what, code, fix }) => {
      if (daemon === undefined) throw new Error('no daemon');
      const blocked = await daemon.target('blocked', ({ error }) => error?.code === code, {
        name: slug(what),
        timeoutMs: 90_000,
      });
      expect(blocked.error?.fix).toMatch(fix);
    });
  });
});
