// Owns reading Kubernetes manifests as far as `wand init` needs them: which workloads run Python, and where. Pure.
import { fields, list, text, texts } from '../lib/fields.ts';
import { parseYaml } from '../lib/yaml.ts';
import { runsPython, type SourceText } from './init-app.ts';

export interface ManifestWorkload {
  readonly kind: 'deployment' | 'statefulset' | 'daemonset' | 'knative';
  readonly name: string;
  /** Null: where kubectl applies it. */
  readonly namespace: string | null;
  /** Path below the project. */
  readonly file: string;
  /** Of the first container; null: the image's own. */
  readonly workingDir: string | null;
  /** Whether its command says that it runs Python; null: it has none, so the image knows. */
  readonly python: boolean | null;
  /** Of the first container. */
  readonly image: string;
}

const KINDS: Readonly<Record<string, readonly [RegExp, ManifestWorkload['kind']]>> = {
  Deployment: [/^apps\//, 'deployment'],
  StatefulSet: [/^apps\//, 'statefulset'],
  DaemonSet: [/^apps\//, 'daemonset'],
  Service: [/^serving\.knative\.dev\//, 'knative'],
};
/** Images that everybody knows not to be an app in Python. */
const KNOWN = /(^|\/)(postgres|mysql|mariadb|redis|valkey|mongo|rabbitmq|kafka|nginx|traefik|envoy|memcached|minio)\b/;

/** Of all documents of the files, each workload once. Templates and what is no YAML say nothing. */
export function readManifests(files: readonly SourceText[]): readonly ManifestWorkload[] {
  const found = new Map<string, ManifestWorkload>();
  for (const file of files) {
    if (file.text.includes('{{')) continue;
    for (const document of file.text.split(/^---(?=\s|$)/m)) {
      const parsed = parseYaml(document);
      const workload = 'error' in parsed ? null : workloadOf(parsed.value, file.path);
      // An overlay that changes a part of it names no image.
      if (workload === null || workload.image === '') continue;
      const key = `${workload.kind}/${workload.namespace ?? ''}/${workload.name}`;
      if (!found.has(key)) found.set(key, workload);
    }
  }
  return [...found.values()];
}

/** Whether it is worth a target. `builds`: the project's own image runs Python. */
export function isPythonWorkload({ python, image }: ManifestWorkload, builds: boolean): boolean {
  if (python !== null) return python;
  return /(^|\/)python(:|$)/.test(image) || (builds && !KNOWN.test(image));
}

function workloadOf(value: unknown, file: string): ManifestWorkload | null {
  const { apiVersion, kind, metadata, spec } = fields(value);
  const [api, is] = KINDS[text(kind)] ?? [null, null];
  const name = text(fields(metadata)['name']);
  if (api === null || !api.test(text(apiVersion)) || name === '') return null;
  const template = fields(fields(spec)['template']);
  const [first] = list(fields(template['spec'])['containers']);
  const container = fields(first);
  const command = [...texts(container['command']), ...texts(container['args'])];
  const namespace = text(fields(metadata)['namespace']);
  const workingDir = text(container['workingDir']);
  return {
    kind: is,
    name,
    namespace: namespace === '' ? null : namespace,
    file,
    workingDir: workingDir === '' ? null : workingDir,
    python: command.length === 0 ? null : runsPython(command),
    image: text(container['image']),
  };
}
