// Owns what an ephemeral container is made of, how its state reads, and the words for what refuses it. Pure.
import { DebugwandError } from '../lib/errors.ts';
import { KubernetesFailure } from './kubernetes-api.ts';
import { fields, list, number, text } from '../lib/fields.ts';

export const HELPER_PREFIX = 'debugwand-';

export interface HelperPlace {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
}

export type HelperState =
  | { readonly is: 'running' }
  /** `reason`: of the waiting state. */
  | { readonly is: 'starting'; readonly reason: string; readonly message: string }
  /** It will not start: the kubelet says why. */
  | { readonly is: 'refused'; readonly reason: string; readonly message: string }
  | { readonly is: 'ended'; readonly reason: string; readonly message: string; readonly exitCode: number };

/**
 * Sleeps for ever, at no cost. The word debugwand tells the payload that it is ours. As process 1 (where a runtime shares
 * no PID namespace) it would ignore SIGTERM and hold up the end of its pod.
 */
const SLEEPER = `# debugwand sleeper
import os, signal
for number in (signal.SIGTERM, signal.SIGINT): signal.signal(number, lambda *_: os._exit(0))
while True: signal.pause()
`;

/** Waiting reasons that no patience cures. */
const REFUSED =
  /^(ErrImage\w*|ImagePullBackOff|InvalidImageName|ImageInspectError|CreateContainer\w*Error|RunContainerError|StartError|CrashLoopBackOff)$/;

/** Our ephemeral containers for a container, newest first. */
export function helpersOf(pod: unknown, container: string): readonly { name: string; state: HelperState }[] {
  const statuses = list(fields(fields(pod)['status'])['ephemeralContainerStatuses']).map(fields);
  return list(fields(fields(pod)['spec'])['ephemeralContainers'])
    .map(fields)
    .filter((one) => text(one['name']).startsWith(HELPER_PREFIX) && one['targetContainerName'] === container)
    .map((one) => {
      const name = text(one['name']);
      return { name, state: stateOf(statuses.find((status) => status['name'] === name)?.['state']) };
    })
    .toReversed();
}

function stateOf(value: unknown): HelperState {
  const state = fields(value);
  if (state['running'] !== undefined) return { is: 'running' };
  if (state['terminated'] !== undefined) {
    const end = fields(state['terminated']);
    return {
      is: 'ended',
      reason: text(end['reason']),
      message: text(end['message']),
      exitCode: number(end['exitCode'], -1),
    };
  }
  const waiting = fields(state['waiting']);
  const facts = { reason: text(waiting['reason']), message: text(waiting['message']) };
  return REFUSED.test(facts.reason) ? { is: 'refused', ...facts } : { is: 'starting', ...facts };
}

export interface HelperTarget {
  readonly container: string;
  readonly image: string;
  readonly imagePullPolicy: string;
}

/** The container that is entered, as its pod's manifest has it. */
export function targetOf(pod: unknown, { pod: name, container }: HelperPlace): HelperTarget {
  const spec = fields(fields(pod)['spec']);
  const all = [...list(spec['containers']), ...list(spec['initContainers'])].map(fields);
  const found = all.find((one) => one['name'] === container);
  if (found === undefined) {
    throw new DebugwandError({
      code: 'replica-gone',
      message: `pod \`${name}\` has no container \`${container}\` any more`,
      fix: 'nothing to do: it is entered again as soon as it runs',
    });
  }
  return { container, image: text(found['image']), imagePullPolicy: text(found['imagePullPolicy']) };
}

/** A strategic merge patch of the pod's ephemeralcontainers. */
export function helperPatch(
  { container, image, imagePullPolicy }: HelperTarget,
  name: string,
  interpreter: string,
): object {
  return {
    spec: {
      ephemeralContainers: [
        {
          name,
          image,
          // It runs already, so the node has it: no registry is needed.
          imagePullPolicy: imagePullPolicy === 'Never' ? 'Never' : 'IfNotPresent',
          targetContainerName: container,
          command: [interpreter, '-I', '-S', '-c', SLEEPER],
          stdin: false,
          tty: false,
          securityContext: {
            runAsUser: 0,
            runAsGroup: 0,
            runAsNonRoot: false,
            capabilities: { add: ['SYS_PTRACE'] },
          },
        },
      ],
    },
  };
}

function build(message: string, fix: string, cause?: unknown): DebugwandError {
  return new DebugwandError({ code: 'helper-denied', message, fix, permanent: true, cause });
}

/** What to change in a manifest so that no helper is needed. */
const INSTEAD =
  'let the app run as the user that its container starts with (`securityContext.runAsUser` of the container, instead of a change of user at its start)';
const WITH_CAPABILITY = 'give the container `securityContext.capabilities.add: [SYS_PTRACE]` and `runAsUser: 0`';

/** The user does not want one, or nobody could be asked. */
export function notAllowed({ pod, container }: HelperPlace, mode: 'ask' | 'allow' | 'never'): DebugwandError {
  const place = `container \`${container}\` of pod \`${pod}\``;
  return mode === 'never'
    ? build(
        `${place} needs an ephemeral container with SYS_PTRACE, which the config rules out (\`ephemeralContainers: 'never'\`)`,
        `${INSTEAD}, or ${WITH_CAPABILITY}, or allow it: \`kubernetes: { ephemeralContainers: 'allow' }\``,
      )
    : build(
        `${place} needs an ephemeral container with SYS_PTRACE, and nobody said that it may be added`,
        `allow it: \`kubernetes: { ephemeralContainers: 'allow' }\`; or ${INSTEAD}`,
      );
}

/** The API server refused to add one. Null: for a reason that has nothing to do with it (the pod is gone, no credentials). */
export function helperDenied(
  { pod, container, namespace }: HelperPlace,
  error: KubernetesFailure,
): DebugwandError | null {
  const place = `container \`${container}\` of pod \`${pod}\``;
  const level = /violates PodSecurity "([^"]+)"/.exec(error.message)?.[1];
  if (level !== undefined) {
    return build(
      `${place} needs an ephemeral container with SYS_PTRACE, which PodSecurity \`${level}\` of the namespace \`${namespace}\` forbids`,
      `${INSTEAD}, or debug in a namespace with the label \`pod-security.kubernetes.io/enforce: privileged\``,
      error,
    );
  }
  if (error.status === 401 || error.status === 404 || error.status >= 500 || error.status === 429) return null;
  // RBAC: the missing right is named by who knows rights.
  if (/cannot patch resource/.test(error.message)) return null;
  return build(
    `no ephemeral container could be added beside ${place}: ${error.message}`,
    `ask who runs the cluster to admit ephemeral containers with SYS_PTRACE; or ${INSTEAD}`,
    error,
  );
}

/** It was added and does not run. */
export function helperFailed({ pod, container }: HelperPlace, state: HelperState): DebugwandError {
  const words = 'reason' in state ? [state.reason, state.message].filter((part) => part !== '').join(': ') : '';
  const why = words === '' ? 'the kubelet does not say why' : words;
  const message = `the ephemeral container beside \`${container}\` of pod \`${pod}\` does not run: ${why}`;
  if (/runAsNonRoot|run as root/i.test(words)) {
    return build(message, `${INSTEAD}; the pod's \`securityContext.runAsNonRoot\` forbids root`, words);
  }
  if (/^(ErrImage|ImagePull|InvalidImage|ImageInspect)/.test(words)) {
    return build(
      message,
      'see that the node can still get the image of the pod: `imagePullPolicy`, `imagePullSecrets`',
      words,
    );
  }
  return new DebugwandError({
    code: 'helper-failed',
    message,
    fix: `see \`kubectl describe pod ${pod}\`; or ${WITH_CAPABILITY}, so that none is needed`,
    cause: words,
  });
}
