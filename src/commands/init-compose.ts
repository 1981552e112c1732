// Owns reading Compose files as far as `wand init` needs them. Pure: contents in, services out.
import { posix } from 'node:path';
import { commandWords, substitute } from './init-dockerfile.ts';

export interface ComposeService {
  readonly name: string;
  /** Empty: the image's own. */
  readonly command: readonly string[];
  readonly workingDir: string | null;
  readonly image: string | null;
  /** Relative to the Compose file's folder. */
  readonly build: { readonly context: string; readonly dockerfile: string; readonly target: string | null } | null;
  /** `source` relative to the Compose file's folder, or absolute. */
  readonly mounts: readonly { readonly source: string; readonly destination: string }[];
  /** Ports of this machine. */
  readonly hostPorts: readonly number[];
}

export interface ComposeProject {
  readonly name: string;
  readonly services: readonly ComposeService[];
}

/**
 * Several files are laid over each other, as `docker compose` does with compose.override.yaml.
 * `folder`: name of the folder, which names the project where nothing else does.
 */
export function readCompose(
  documents: readonly unknown[],
  folder: string,
  variables: ReadonlyMap<string, string>,
): ComposeProject {
  let name: string | null = variables.get('COMPOSE_PROJECT_NAME') ?? null;
  const services = new Map<string, Record<string, unknown>>();
  for (const document of documents) {
    const top = record(document);
    if (name === null && typeof top['name'] === 'string') name = substitute(top['name'], variables);
    for (const [key, value] of Object.entries(record(top['services']))) {
      const before = services.get(key) ?? {};
      const added = record(value);
      const lists = ['volumes', 'ports'].map(
        (list) => [list, [...array(before[list]), ...array(added[list])]] as const,
      );
      services.set(key, { ...before, ...added, ...Object.fromEntries(lists) });
    }
  }
  const plain = (text: string): string => substitute(text, variables);
  return {
    name: projectName(name ?? folder),
    services: [...services].map(([key, service]) => readService(key, service, plain)),
  };
}

function readService(name: string, service: Record<string, unknown>, plain: (text: string) => string): ComposeService {
  const words = (value: unknown): readonly string[] => {
    if (Array.isArray(value)) return value.map((word) => plain(String(word)));
    return typeof value === 'string' ? commandWords(plain(value)) : [];
  };
  const workingDir = service['working_dir'];
  const image = service['image'];
  return {
    name,
    command: [...words(service['entrypoint']), ...words(service['command'])],
    workingDir: typeof workingDir === 'string' ? plain(workingDir) : null,
    image: typeof image === 'string' ? plain(image) : null,
    build: readBuild(service['build'], plain),
    mounts: array(service['volumes']).flatMap((volume) => readMount(volume, plain)),
    hostPorts: array(service['ports']).flatMap((entry) => readPort(entry, plain)),
  };
}

function readBuild(build: unknown, plain: (text: string) => string): ComposeService['build'] {
  if (typeof build === 'string') return { context: plain(build), dockerfile: 'Dockerfile', target: null };
  if (typeof build !== 'object' || build === null) return null;
  const { context, dockerfile, target } = record(build);
  return {
    context: typeof context === 'string' ? plain(context) : '.',
    dockerfile: typeof dockerfile === 'string' ? plain(dockerfile) : 'Dockerfile',
    target: typeof target === 'string' ? plain(target) : null,
  };
}

/** Named volumes hold no source of ours. */
function readMount(volume: unknown, plain: (text: string) => string): ComposeService['mounts'] {
  if (typeof volume === 'string') {
    const [source = '', destination] = plain(volume).split(':');
    if (destination === undefined || !/^[./~]/.test(source)) return [];
    return [{ source, destination: posix.normalize(destination) }];
  }
  const { type, source, target } = record(volume);
  if (type !== 'bind' || typeof source !== 'string' || typeof target !== 'string') return [];
  return [{ source: plain(source), destination: posix.normalize(plain(target)) }];
}

/** `8000`, `8000:80`, `127.0.0.1:8000:80/tcp`, `{ published: 8000 }`; ranges are left out. */
function readPort(entry: unknown, plain: (text: string) => string): number[] {
  const long = typeof entry === 'object' && entry !== null ? record(entry)['published'] : undefined;
  const short =
    typeof entry === 'string'
      ? plain(entry)
          .replace(/\/\w+$/, '')
          .split(':')
          .slice(0, -1)
          .at(-1)
      : undefined;
  const text = typeof long === 'number' ? String(long) : typeof long === 'string' ? plain(long) : short;
  const port = Number(text);
  return text !== undefined && text !== '' && Number.isInteger(port) && port > 0 ? [port] : [];
}

/** As Compose makes it of a folder's name. */
function projectName(text: string): string {
  return text
    .toLowerCase()
    .replace(/[^a-z0-9_-]/g, '')
    .replace(/^[_-]+/, '');
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value))
    : {};
}

function array(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
