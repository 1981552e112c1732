/** A pod that is paused by the debugger while its kubelet probes it, on a real cluster: it lives, and nobody is lost. */
import { describe, expect, it } from 'vitest';
import { ensureKubernetes } from '../support/kubernetes.ts';
import { getOrSkip } from '../support/machine.ts';
import { isReady, startPodApp, type PodApp } from '../support/pod-app.ts';
import { ATTACHED, Rig } from '../support/rig.ts';
import { BREAKPOINT_LINE } from '../support/sample-app.ts';
import { suiteDeveloper } from '../support/suite-namespace.ts';
import { until } from '../support/until.ts';

const cluster = await getOrSkip(() => ensureKubernetes(['python314']));

/** Apps that start fast; the price is known in line 11, as in the sample app. */
const ASGI = `import json


async def app(scope, receive, send):
    if scope["type"] != "http":
        raise NotImplementedError
    body = b"well"
    path = scope["path"]
    if path.startswith("/price/"):
        amount = int(path[7:])
        total = amount * 3
        body = json.dumps({"total": total}).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})
`;
const WSGI = `import json


def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    path = environ["PATH_INFO"]
    if not path.startswith("/price/"):
        return [b"well"]
    amount = int(path[7:])

    total = amount * 3
    return [json.dumps({"total": total}).encode()]
`;
const FLASK = `from flask import Flask

app = Flask(__name__)
app.add_url_rule("/well", "well", lambda: "well")


@app.route("/price/<int:amount>")
def price(amount: int) -> dict[str, int]:

    total = amount * 3
    return {"total": total}
`;

const UVICORN = 'uvicorn app:app --host 0.0.0.0 --port 8000';
const SERVERS = [
  ['uvicorn', UVICORN, ASGI],
  ['uvicorn --workers 2', `${UVICORN} --workers 2`, ASGI],
  ['gunicorn', 'gunicorn -w 1 --timeout 3 -b 0.0.0.0:8000 app:app', WSGI],
  [
    'gunicorn with a uvicorn worker',
    'gunicorn -w 1 --timeout 3 -k uvicorn_worker.UvicornWorker -b 0.0.0.0:8000 app:app',
    ASGI,
  ],
  ['flask', 'flask run --host 0.0.0.0 --port 8000', FLASK],
] as const;

const ASKED = {
  httpGet: { path: '/well', port: 8000 },
  periodSeconds: 1,
  timeoutSeconds: 2,
  failureThreshold: 2,
};

describe.skipIf(cluster === undefined)('a paused pod with a liveness probe', { timeout: 240_000 }, () => {
  const space = suiteDeveloper(cluster);

  /** An app of that name, debugged. */
  async function stage(
    name: string,
    probes: object,
    settings: object,
    command = UVICORN,
    text: string = ASGI,
  ): Promise<[PodApp, Rig]> {
    if (cluster === undefined) throw new Error('no cluster');
    // Nobody asks how it is before it can know: this machine may be slow.
    const startupProbe = { tcpSocket: { port: 8000 }, periodSeconds: 1, failureThreshold: 60 };
    const container = { command: command.split(' '), startupProbe, ...probes };
    const app = await startPodApp(cluster, { namespace: space.name, name, container, edit: () => text });
    const rig = await Rig.start(app, {
      kubernetes: { deployment: name, namespace: space.name, kubeconfig: space.kubeconfig },
      ...settings,
    });
    try {
      await rig.attached();
      await rig.attach();
    } catch (error) {
      const said = [await app.kubectl('get', 'pods,events'), (await rig.daemon.run('logs')).stdout].join('\n');
      await rig.stop();
      throw new Error(`${String(error)}\n${said}`, { cause: error });
    }
    return [app, rig];
  }

  /** Asks until a worker stops; gives the thread, and the answers that wait. Of several workers one is followed. */
  async function stop(rig: Rig): Promise<{ threadId: number; answers: Promise<unknown>[] }> {
    const after = rig.editor.mark();
    const answers: Promise<unknown>[] = [];
    const ask = (): void => {
      // A connection that is kept would always reach the same worker.
      const answer = fetch(`${rig.app.url}/price/14`, { headers: { Connection: 'close' } });
      answers.push(answer.then((got) => got.json()).catch(String));
    };
    ask();
    const asking = setInterval(ask, 500);
    try {
      const { body } = await rig.editor.waitFor('stopped', undefined, { after, timeoutMs: 30_000 });
      return { threadId: (body as { threadId: number }).threadId, answers };
    } finally {
      clearInterval(asking);
    }
  }

  it.each(SERVERS)('%s: answers the kubelet for longer than it would wait', async (server, command, source) => {
    const name = server.replace(/\W+/g, '-').slice(0, 20);
    const [app, rig] = await stage(name, { livenessProbe: ASKED, readinessProbe: ASKED }, {}, command, source);
    try {
      const before = await rig.worker();
      const { threadId, answers } = await stop(rig);
      const { pause, pauseBudget } = await rig.status('stopped', ({ phase }) => phase === 'stopped');
      expect(pause).toMatchObject({ until: null, limits: [] });
      expect(pauseBudget?.answered).toEqual(['liveness probe GET :8000/well', 'readiness probe GET :8000/well']);
      const held = fetch(`${app.url}/well`).then(({ status }) => status);
      const start = await app.probed();
      await until(async () => (await app.probed()) >= start + 8, 'the kubelet was answered eight times', 60_000);
      expect(await app.restarts()).toBe(0);
      expect((await app.pods()).every(isReady)).toBe(true);
      await rig.editor.request('setBreakpoints', { source: { path: rig.file }, breakpoints: [] });
      await rig.editor.request('continue', { threadId });
      expect(await Promise.all(answers)).toEqual(answers.map(() => ({ total: 42 })));
      expect(await held).toBe(200);
      expect(await rig.worker()).toBe(before);
      expect(await app.restarts()).toBe(0);
    } catch (error) {
      throw new Error(
        `${String(error)}\n${await app.kubectl('get', 'pods,events').catch(String)}\n${rig.daemon.output}`,
        {
          cause: error,
        },
      );
    } finally {
      await rig.stop();
    }
  });

  it('is restarted when it is only warned of, and the session comes back', async () => {
    const [app, rig] = await stage('warned', { livenessProbe: ASKED }, { whilePaused: { probes: 'warn' } });
    try {
      const { answers } = await stop(rig);
      const { pause, stoppedAt } = await rig.status('stopped', ({ phase }) => phase === 'stopped');
      expect(stoppedAt).toContain(`app.py:${String(BREAKPOINT_LINE)}`);
      expect(pause).toEqual({
        since: expect.any(Number) as number,
        until: (pause?.since ?? 0) + 3_000,
        limits: ['liveness probe GET :8000/well fails: the container is restarted after 3 s'],
      });
      await until(async () => (await app.restarts()) === 1, 'the kubelet restarts it', 60_000);
      await Promise.all(answers);
      await rig.status('the session is back', (target) => ATTACHED(target) && target.stoppedAt === null, 60_000);
      expect(rig.daemon.output).toMatch(/warn {2}app: while paused: liveness probe GET/);
    } finally {
      await rig.stop();
    }
  });

  it('is told 503 where it shall leave its service while it is paused', async () => {
    const readinessProbe = { ...ASKED, httpGet: { path: '/ready', port: 8000 } };
    const settings = { whilePaused: { readiness: 'fail' } };
    const [app, rig] = await stage('unready', { livenessProbe: ASKED, readinessProbe }, settings);
    try {
      const { threadId, answers } = await stop(rig);
      await until(async () => !(await app.pods()).some(isReady), 'the pod is not ready', 30_000);
      await rig.editor.request('setBreakpoints', { source: { path: rig.file }, breakpoints: [] });
      await rig.editor.request('continue', { threadId });
      expect(await Promise.all(answers)).toEqual(answers.map(() => ({ total: 42 })));
      await until(async () => (await app.pods()).every(isReady), 'the pod is ready again', 30_000);
      expect(await app.restarts()).toBe(0);
    } finally {
      await rig.stop();
    }
  });
});
