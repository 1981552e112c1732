// Owns what a Python is called and where it usually lies in a container. Pure.

/** Tried when nothing better is known: official images, virtual environments as people call them, distributions. */
export const USUAL_INTERPRETERS = [
  '/usr/local/bin/python3',
  '/usr/bin/python3',
  '/opt/venv/bin/python',
  '/venv/bin/python',
  '/app/.venv/bin/python',
  '/opt/bitnami/python/bin/python3',
  '/opt/conda/bin/python',
  '/usr/local/bin/python',
  '/usr/bin/python',
] as const;

const PYTHON = /^python(\d+(\.\d+)?t?)?$/;

/** A Python by its name, wherever it is: `python3`, `/venv/bin/python`. */
export function isPythonName(program: string): boolean {
  return PYTHON.test(program.slice(program.lastIndexOf('/') + 1));
}
