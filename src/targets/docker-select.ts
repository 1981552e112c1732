// Owns the choice: which containers a selector means, in order of preference, and the words for waiting. Pure.
import { nearest } from '../lib/nearest.ts';
import { agoText } from '../lib/ago.ts';
import type { Replica, Scope } from '../core/types.ts';
import type { ContainerDetails, ContainerSummary, EngineEvent } from './docker-wire.ts';

export const HELPER_LABEL = 'debugwand.helper';
export const PROJECT_LABEL = 'com.docker.compose.project';
export const SERVICE_LABEL = 'com.docker.compose.service';
const ONE_OFF_LABEL = 'com.docker.compose.oneoff';

export type DockerSelector =
  | { readonly container: string }
  | {
      readonly compose: { readonly project: string; readonly service: string };
      /** Every container of the service is meant. */
      readonly all?: boolean;
    };

/** What people type for an id: 4 to 64 hexadecimal digits. */
const ID_PREFIX = /^[0-9a-f]{4,64}$/;

/**
 * The containers that the selector means, best first: running before paused before the rest, newest first, one-off
 * containers of Compose (`docker compose run`) last. A name counts before an id that begins with the same letters.
 */
export function select(containers: readonly ContainerSummary[], selector: DockerSelector): readonly ContainerSummary[] {
  const found = matching(
    containers.filter((c) => !isHelper(c.labels)),
    selector,
  );
  const own = found.filter(({ labels }) => !isOneOff(labels));
  // One of all they are not: what is run once beside the service is somebody's command.
  const meant = 'all' in selector && selector.all && own.length > 0 ? own : found;
  return meant.toSorted(
    (a, b) =>
      Number(isOneOff(a.labels)) - Number(isOneOff(b.labels)) ||
      stateRank(a.state) - stateRank(b.state) ||
      b.created - a.created ||
      compareNames(a, b),
  );
}

function matching(containers: readonly ContainerSummary[], selector: DockerSelector): readonly ContainerSummary[] {
  if ('compose' in selector) {
    const { project, service } = selector.compose;
    return containers.filter((c) => c.labels[PROJECT_LABEL] === project && c.labels[SERVICE_LABEL] === service);
  }
  const wanted = selector.container.replace(/^\//, '');
  const named = containers.filter((c) => c.names.includes(wanted));
  if (named.length > 0) return named;
  const id = wanted.toLowerCase();
  if (!ID_PREFIX.test(id)) return [];
  const prefixed = containers.filter((c) => c.id.startsWith(id));
  // As Docker does: an ambiguous prefix means nobody.
  return prefixed.length === 1 ? prefixed : [];
}

export function isHelper(labels: Readonly<Record<string, string>>): boolean {
  return labels[HELPER_LABEL] !== undefined;
}

function isOneOff(labels: Readonly<Record<string, string>>): boolean {
  return labels[ONE_OFF_LABEL]?.toLowerCase() === 'true';
}

/** It is there, and may run (again). */
function isComing({ state, labels }: ContainerDetails): boolean {
  return /^(created|restarting|exited|stopped|configured|initialized)$/.test(state) && !isOneOff(labels);
}

function stateRank(state: string): number {
  const rank = ['running', 'paused', 'restarting', 'created'].indexOf(state);
  return rank < 0 ? 4 : rank;
}

function compareNames(a: ContainerSummary, b: ContainerSummary): number {
  return (a.names[0] ?? '').localeCompare(b.names[0] ?? '', 'en', { numeric: true });
}

/** In words, as `wand` shows it: "container `api`", "service `web` of Compose project `shop`". */
export function describeSelector(selector: DockerSelector): string {
  return 'compose' in selector
    ? `service \`${selector.compose.service}\` of Compose project \`${selector.compose.project}\``
    : `container \`${selector.container}\``;
}

/** The engine's word for a state in ours. */
export function replicaState(state: string): Replica['state'] {
  if (state === 'running' || state === 'paused' || state === 'restarting') return state;
  return 'stopped';
}

/** Scope of a container with a PID namespace of its own, or shared with the host's; see docker-scope.ts for others. */
export function scopeOf(details: ContainerDetails): Scope {
  if (details.pidMode === 'host' && details.pid > 0) return { kind: 'descendants', roots: [details.pid] };
  return { kind: 'namespace' };
}

export function toReplica(details: ContainerDetails, scope: Scope): Replica {
  const binds = details.mounts
    .filter((mount) => mount.type === 'bind')
    .map(({ source, destination }) => ({ source, destination }));
  return {
    id: details.id,
    name: details.name,
    state: replicaState(details.state),
    startedAt: details.startedAt,
    ...(details.workingDir === '' ? {} : { workingDir: details.workingDir }),
    mounts: binds,
    image: details.imageName,
    scope,
    ...(isComing(details) ? { coming: true } : {}),
  };
}

/** Why nothing runs. `best` is the first of the selected containers, if there is any. */
export function waitingText(
  selector: DockerSelector,
  best: ContainerDetails | null,
  all: readonly ContainerSummary[],
  now: number,
): string {
  if (best === null) return missingText(selector, all);
  const what = `container \`${best.name}\``;
  switch (best.state) {
    case 'paused':
      return `${what} is paused`;
    case 'restarting':
      return `${what} is restarting: it ${endedText(best, now)}`;
    case 'created':
    case 'configured':
    case 'initialized':
      return best.error === '' ? `${what} was created, but not started` : `${what} could not start: ${best.error}`;
    case 'removing':
      return `${what} is being removed`;
    case 'dead':
      return `${what} is dead: the engine could not remove it`;
    case 'exited':
    case 'stopped':
    case 'stopping':
      return `${what} ${endedText(best, now)}`;
    default:
      return `${what} is ${best.state}`;
  }
}

function endedText(details: ContainerDetails, now: number): string {
  const why = details.outOfMemory ? ' (out of memory)' : details.exitCode === 137 ? ' (killed)' : '';
  const at = Date.parse(details.finishedAt);
  // The year 1 is Go's word for never.
  const ago = Number.isNaN(at) || at <= 0 ? '' : `, ${agoText(now - at)}`;
  return `exited with ${String(details.exitCode)}${why}${ago}`;
}

/** Words for a selector that means nothing, with the nearest thing that is there. */
export function missingText(selector: DockerSelector, all: readonly ContainerSummary[]): string {
  const meant = nearestTo(selector, all);
  const didYouMean = meant === null ? '' : `; did you mean ${meant}?`;
  return 'compose' in selector
    ? `no container of ${describeSelector(selector)} exists${didYouMean}`
    : `${describeSelector(selector)} does not exist${didYouMean}`;
}

function nearestTo(selector: DockerSelector, all: readonly ContainerSummary[]): string | null {
  const there = all.filter((c) => !isHelper(c.labels));
  if (!('compose' in selector)) {
    // In a Compose project `api` is called `shop-api-1`.
    const byService = there.find((c) => c.labels[SERVICE_LABEL] === selector.container)?.names[0];
    const name =
      byService ??
      nearest(
        selector.container,
        there.flatMap((c) => c.names.filter((n) => !n.includes('/'))),
      );
    return name === null ? null : `\`${name}\``;
  }
  const { project, service } = selector.compose;
  const services = there.filter((c) => c.labels[PROJECT_LABEL] === project).map((c) => c.labels[SERVICE_LABEL] ?? '');
  if (services.length > 0) {
    const meant = nearest(service, services);
    return meant === null ? null : `service \`${meant}\``;
  }
  const meant = nearest(
    project,
    there.flatMap((c) => c.labels[PROJECT_LABEL] ?? []),
  );
  return meant === null ? null : `project \`${meant}\``;
}

/** Nothing about the container's life: noise of its inner workings. */
const NOISE =
  /^(exec_|health_status|top$|attach$|detach$|resize$|copy$|export$|archive-path$|extract-to-dir$|exec$|cleanup$|sync$|mount$|unmount$)/;

/** Whether an event can change what the selector means, or the state of what it means. */
export function concerns(event: EngineEvent, selector: DockerSelector, known: ReadonlySet<string>): boolean {
  if (event.type !== 'container' || NOISE.test(event.action)) return false;
  if (known.has(event.id) || event.action === 'rename') return true;
  const attributes = event.attributes;
  if ('compose' in selector) {
    const { project, service } = selector.compose;
    return attributes[PROJECT_LABEL] === project && attributes[SERVICE_LABEL] === service;
  }
  const wanted = selector.container.replace(/^\//, '');
  return attributes['name'] === wanted || (event.id !== '' && event.id.startsWith(wanted.toLowerCase()));
}
