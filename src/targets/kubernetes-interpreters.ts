// Owns where the Python of a pod's container may lie: facts of its manifest in, paths in order out. Pure.
// What the image says of itself (its entrypoint, its PATH) no API tells; a try that fails costs 100 to 200 ms.
import { isPythonName, USUAL_INTERPRETERS } from './python-names.ts';

export interface ContainerFacts {
  /** Of the manifest; empty where the image's own is used. */
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly workingDir: string;
  /** shareProcessNamespace or hostPID: process 1 is no process of the container. */
  readonly sharesProcesses: boolean;
}

/**
 * Executables worth trying, best first: what ran before, what the manifest runs, names that the runtime finds in the
 * container's PATH, usual places, and last whatever process 1 is: that may be any program, which must not be run twice.
 * @param proven one that ran in a container of this image before
 */
export function kubernetesInterpreters(
  { command, env, workingDir, sharesProcesses }: ContainerFacts,
  proven: string | null,
): readonly string[] {
  const program = command[0] ?? '';
  const virtualEnv = env['VIRTUAL_ENV'] ?? '';
  const path = env['PATH'];
  const bare = path === undefined || path.split(':').some((folder) => folder.startsWith('/'));
  return [
    ...new Set([
      ...(proven === null ? [] : [proven]),
      ...(isPythonName(program) ? [program] : []),
      // `/opt/venv/bin/uvicorn`: its Python lies beside it.
      ...(/\/bin\/[^/]+$/.test(program) && !/^\/(usr\/)?bin\//.test(program) && !isPythonName(program)
        ? [`${program.slice(0, program.lastIndexOf('/'))}/python`]
        : []),
      ...(bare ? ['python3', 'python'] : []),
      ...(virtualEnv === '' ? [] : [`${virtualEnv}/bin/python`]),
      ...(workingDir === '' || workingDir === '/' ? [] : [`${workingDir}/.venv/bin/python`]),
      // Debian's `python3.14` brings no `python3` when it is not the default one.
      'python3.14',
      'python3.15',
      ...USUAL_INTERPRETERS,
      ...(sharesProcesses ? [] : ['/proc/1/exe']),
    ]),
  ];
}
