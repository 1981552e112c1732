// Owns opening an address with whatever program this machine opens addresses with. Never fatal.
import { spawn } from 'node:child_process';
import { type Env, programPath } from './notify-send.ts';

/** Null: nothing here opens addresses. No shell sees the address. */
function openerOf(env: Env): readonly [string, ...string[]] | null {
  switch (process.platform) {
    case 'darwin':
      return ['/usr/bin/open'];
    case 'win32':
      return ['rundll32.exe', 'url.dll,FileProtocolHandler'];
    default: {
      const program = programPath('xdg-open', env);
      return program === null ? null : [program];
    }
  }
}

export function canOpen(env: Env): boolean {
  return openerOf(env) !== null;
}

/** False: nothing here opens addresses. What it starts is the user's: it stays when we go. */
export function openLink(url: string, env: Env): boolean {
  const opener = openerOf(env);
  if (opener === null) return false;
  const [program, ...args] = opener;
  const child = spawn(program, [...args, url], { env: { ...env }, detached: true, stdio: 'ignore' });
  child.on('error', () => undefined).unref();
  return true;
}
