// Every setting of debugwand, with its default and why one would change it. Copy what you need into
// `debugwand.config.ts`, or let `wand init` write one. The same works as debugwand.config.{mts,js,mjs,cjs,json,yaml,yml},
// .debugwandrc, "debugwand" in package.json, and [tool.debugwand] in pyproject.toml. Changes apply while wand runs.
import type { Config } from 'debugwand';

export default {
  targets: {
    // A container by its name or id. One of the same name that is made anew is the same target.
    api: {
      docker: {
        container: 'api',
        // Which Docker or Podman. Default: DOCKER_HOST, then the docker context, then the known sockets.
        host: 'unix:///var/run/docker.sock',
      },
      // The editor attaches to this port of 127.0.0.1, once. Default: 5679, and the next free numbers for further targets.
      port: 5679,
      // Which folder here is which one there. Default: inferred from the working directory and bind mounts.
      pathMappings: [{ local: '.', remote: '/app' }],
      // For this target only, where it should differ from the setting at the bottom:
      holdAtStart: false,
      terminateOnDisconnect: false,
      notify: { reattached: true, crashed: true, blocked: true, paused: true },
      lease: 60,
      whilePaused: { probes: 'answer', readiness: 'answer' },
      workers: 'all',
      maxWorkers: 8,
      stopAll: false,
    },

    // A Compose service, through whatever container it has at the time.
    web: {
      docker: {
        compose: { project: 'shop', service: 'web' },
        // Which container of the service: the newest one, or 'all' (--scale): the workers of each get debug sessions.
        replica: 'newest',
      },
      port: 5680,
      // The process to debug, if the choice is wrong: a regular expression against its command line …
      process: { match: 'gunicorn: worker' },
    },

    // Pods of Kubernetes, through rollouts, restarts and scalings: by a `service`, or by one of `deployment`, `statefulset`,
    // `daemonset`, `job`, `cronJob`, `pod`, `selector` (labels: 'app=web,tier!=cache') and `knative` instead.
    shop: {
      kubernetes: {
        service: 'web',
        // Default: the context's, else `default`.
        namespace: 'shop',
        // Default: the current one when wand starts; later changes of the kubeconfig's choice are not followed.
        context: 'kind-dev',
        // Default: KUBECONFIG, then ~/.kube/config.
        kubeconfig: './kubeconfig',
        // Default: the pod's default container, else the first that is no sidecar.
        container: 'app',
        // Which pod: the newest ready one of the current revision; the one of this name; or 'all': the workers of every pod get
        // debug sessions, up to maxWorkers, which go on in the next pods when these are replaced.
        replica: 'newest',
        // Where the container's own rights do not let the debugger in, an ephemeral container with SYS_PTRACE does; it stays
        // in the pod until that goes. 'ask': you are told first. 'allow': it is made when needed. 'never'.
        ephemeralContainers: 'ask',
      },
      port: 5683,
      // Ports of the app to keep reachable on 127.0.0.1 through every rollout: LOCAL:REMOTE by number or name, or one for
      // both. For containers of Docker, too.
      forward: ['8000:http', '9000'],
    },

    // A command that wand starts and stops; no shell, so pipes and && are not for here.
    local: {
      command: ['uvicorn', 'app:app', '--reload'],
      // Where it runs. Default: the folder of this file.
      cwd: '.',
      port: 5681,
    },

    // A process of this machine that something else started: by its command line, or { pid: 4242 }.
    other: {
      process: { pid: 4242 },
      port: 5682,
    },
  },

  // Which process of a target is debugged: 'auto' takes the one that runs the app's code, { match } or { pid } override it.
  process: 'auto',

  // Hold each new worker until its breakpoints are set (3 s at most). Costs about 0.2 s a reload, and hits breakpoints in
  // module-level code, which otherwise has run by then.
  holdAtStart: false,

  // Let the editor's stop button end the app. Off: leaving the debugger never ends the app.
  terminateOnDisconnect: false,

  // Desktop notifications, by kind: debugger back (with the time it took), worker crashed (with its exception), target blocked
  // (with the fix), paused and about to be ended. Or true, or false, for all. A target's own setting comes first.
  notify: { reattached: true, crashed: true, blocked: true, paused: true },

  // Seconds that breakpoints and a stop are kept while the connection into the target is cut; then the app runs on. 0: off.
  lease: 60,

  // While all threads are stopped by the debugger: 'answer' HTTP probes in the app's place, or only 'warn' of the time left;
  // and whether the pod stays ready ('answer') or gets no more requests until it runs on ('fail').
  whilePaused: { probes: 'answer', readiness: 'answer' },

  // Every worker of a server (gunicorn -w, uvicorn --workers, celery) gets a debug session of its own, where the editor can
  // have several; 'one': one worker at a time, `wand switch` moves to another.
  workers: 'all',

  // Debug sessions that a target has at most. Workers beyond it run without the debugger, and you are told.
  maxWorkers: 8,

  // Let a stop in one worker stop the others, too.
  stopAll: false,

  // A status page on a free port of 127.0.0.1, for who has the token in its address: `wand status` shows it, key `o` opens it.
  page: true,

  // Contexts of the kubeconfig that may be debugged although they do not look local (`*` stands for anything).
  allowContexts: ['team-dev', 'staging-*'],

  // Skaffold's events say when to look: files synced, a deployment made. 'auto': those of the Skaffold that runs in the
  // project with --rpc-http-port. Or an address, e.g. 'http://localhost:50052', or 'off'.
  skaffold: { events: 'auto' },
} satisfies Config;
