// Owns what `wand init` tells the user beside its proposal: what was found and not taken, and what will be in the way. Pure.
import type { ComposeService } from './init-compose.ts';
import { dockerfileOf, type Findings, type RunningContainer } from './init-look.ts';
import type { ManifestWorkload } from './init-manifests.ts';

/** CPython's remote debugging protocol starts there. */
const FIRST_MINOR = 14;

export function workloadNote({ kind, name, namespace, file }: ManifestWorkload): string {
  const place = namespace === null ? '' : `-n ${namespace} `;
  const short = kind === 'knative' ? 'ksvc' : kind;
  return `${file} has ${kind} ${name}: \`wand debug ${place}${short}/${name}\`, or \`kubernetes: { ${kind}: '${name}' }\``;
}

export function serviceNotes(service: ComposeService, findings: Findings): string[] {
  const image = dockerfileOf(service, findings);
  const version = image?.python ?? /(?:^|\/)python:(\d+\.\d+)/.exec(service.image ?? '')?.[1];
  const minor = version === undefined ? null : Number(/^3\.(\d+)$/.exec(version)?.[1] ?? Number.NaN);
  const notes: string[] = [];
  if (minor !== null && minor < FIRST_MINOR) {
    notes.push(`${service.name} runs Python ${version ?? ''}: wand can enter 3.14 and later, so change its base image`);
  }
  if ([...service.command, ...(image?.command ?? [])].some((word) => word === 'debugpy')) {
    notes.push(`${service.name} starts debugpy itself: wand does without it, and without its published port`);
  }
  return notes;
}

/** A name that Docker made up is another one after the next `docker run`. */
export function containerNotes({ compose, name }: RunningContainer): string[] {
  if (compose !== null || !/^[a-z]+_[a-z]+\d?$/.test(name)) return [];
  return [`${name} is a name that Docker made up: start it with \`docker run --name …\`, or the next one is not found`];
}

/** The app is started here, though it may be used to a container. */
export function dockerfileNotes({ dockerfiles }: Findings): string[] {
  const [file] = dockerfiles.keys();
  if (file === undefined) return [];
  return [`a container of ${file} is found while it runs: start it, and then \`wand init\`, if you work in there`];
}
