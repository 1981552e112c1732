// Owns what a command of ours gets in its environment so that a Python before 3.14 can be entered: the folder of our hook
// in front of PYTHONPATH, and the word that only we and our child know. CPython keeps the hook's byte
// code beside it, as it does for any module.
import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';

/** Beside src/ in a checkout and beside dist/ in the package; holds a sitecustomize.py. */
const HOOK = fileURLToPath(new URL('../../payload/environment', import.meta.url));

export function ringWord(): string {
  return randomBytes(16).toString('hex');
}

/** A path with a colon cannot be in PYTHONPATH: then nothing is added, and such a Python cannot be entered. */
export function withHook(before: NodeJS.ProcessEnv, word: string, hook = HOOK): NodeJS.ProcessEnv {
  if (hook.includes(':')) return before;
  const theirs = before['PYTHONPATH'] ?? '';
  return { ...before, PYTHONPATH: theirs === '' ? hook : `${hook}:${theirs}`, DEBUGWAND_RING: word };
}
