/** Images in a test cluster: made by Docker as for all tests, handed to the cluster's containerd, each version once. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ensureDocker } from './docker.ts';
import { IMAGES, type ImageName } from './images.ts';
import { PAUSE_IMAGE, pathsOf, type ClusterState } from './kubernetes-settings.ts';
import { attempt, run } from './run.ts';

/** Makes sure that the cluster has these images under the names of `IMAGES`. */
export async function ensureClusterImages(state: ClusterState, names: readonly ImageName[]): Promise<void> {
  if (names.length === 0) return;
  const engine = await ensureDocker(names);
  for (const name of names) await importImage(state, engine.command, IMAGES[name]);
}

/** The sandbox of every pod. */
export async function ensurePauseImage(state: ClusterState): Promise<void> {
  const { command } = await ensureDocker();
  await programImage(command, PAUSE_IMAGE, join(state.programs, 'pause'), '/pause');
  await importImage(state, command, PAUSE_IMAGE);
}

/** An image of Docker's that holds one static program and nothing else. It is made again only if the program changed. */
export async function programImage(
  engine: readonly [string, ...string[]],
  image: string,
  program: string,
  path: string,
  more: readonly string[] = [],
): Promise<void> {
  const [file, ...args] = engine;
  const format = '{{index .Config.Labels "debugwand.testbed"}}';
  const there = await attempt(file, [...args, 'image', 'inspect', '--format', format, image]);
  // The folder of a program is named after what it was built from.
  if (there?.trim() === program) return;
  const changes = [...more, `ENTRYPOINT ["${path}"]`, `LABEL debugwand.testbed=${program}`];
  const tar = ['tar', '--owner=0', '--group=0', `--transform=s|.*|${path.slice(1)}|`, '-chf', '-', program];
  const load = [file, ...args, 'import', ...changes.flatMap((change) => ['--change', change]), '-', image];
  await pipe(tar, load);
}

/** Hands an image of Docker's to the cluster, unless it has that very one. */
export async function importImage(
  state: ClusterState,
  engine: readonly [string, ...string[]],
  image: string,
): Promise<void> {
  const [file, ...args] = engine;
  const id = (await run(file, [...args, 'image', 'inspect', '--format', '{{.Id}}', image])).trim();
  // Beside containerd's own data: what is imported and what is noted live and die together.
  const notes = join(state.data, 'containerd', 'imported');
  const note = join(notes, encodeURIComponent(image));
  if ((await readFile(note, 'utf8').catch(() => '')) === id) return;
  await pipe([...engine, 'save', image], ['ctr', ...ctr(state), 'images', 'import', '-']);
  await mkdir(notes, { recursive: true });
  await writeFile(note, id);
}

/** The arguments with which `ctr` speaks to this cluster's containerd about pods. */
export function ctr(state: ClusterState): readonly string[] {
  return ['--address', pathsOf(state).containerdSocket, '--namespace', 'k8s.io'];
}

async function pipe(from: readonly string[], to: readonly string[]): Promise<void> {
  const quoted = (line: readonly string[]): string => line.map((word) => `'${word}'`).join(' ');
  await run('bash', ['-o', 'pipefail', '-c', `${quoted(from)} | ${quoted(to)}`]);
}
