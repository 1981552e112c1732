// Owns where the Python of a container may lie: facts of the container in, paths in order out. Pure.
import type { ContainerDetails } from './docker-wire.ts';
import { isPythonName, USUAL_INTERPRETERS } from './python-names.ts';

/**
 * Executables worth trying, best first: what runs already, then names that the runtime finds in the container's PATH,
 * then usual places, and last whatever process 1 is (that works where there is no PATH worth its name).
 * @param commandLines of the container's processes, as `docker top` shows them
 */
export function interpreterCandidates(
  details: Pick<ContainerDetails, 'env' | 'path' | 'workingDir'>,
  commandLines: readonly string[],
): readonly string[] {
  const running = commandLines.flatMap((line) => words(line).slice(0, 2)).filter(isPythonPath);
  const path = details.env.find((variable) => variable.startsWith('PATH='))?.slice('PATH='.length) ?? '';
  const virtualEnv = details.env.find((variable) => variable.startsWith('VIRTUAL_ENV='))?.slice('VIRTUAL_ENV='.length);
  // Without PATH the runtime looks in its own default, which bare names use too.
  const bare = path === '' || path.split(':').some((folder) => folder.startsWith('/')) ? ['python3', 'python'] : [];
  const venvs = [
    ...(virtualEnv === undefined || virtualEnv === '' ? [] : [`${virtualEnv}/bin/python`]),
    ...(details.workingDir === '' || details.workingDir === '/' ? [] : [`${details.workingDir}/.venv/bin/python`]),
  ];
  // Bare versions: Debian's `python3.14` brings no `python3` when it is not the default one.
  const versions = ['python3.15', 'python3.14'];
  const configured = isPythonPath(details.path) ? [details.path] : [];
  return [
    ...new Set([...configured, ...running, ...bare, ...venvs, ...versions, ...USUAL_INTERPRETERS, '/proc/1/exe']),
  ];
}

function words(line: string): readonly string[] {
  return line.trim().split(/\s+/);
}

/** Absolute, and a Python by its name: `/usr/local/bin/python3.14`. */
function isPythonPath(path: string): boolean {
  return path.startsWith('/') && isPythonName(path);
}
