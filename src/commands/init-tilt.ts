// Owns what `wand init` says to a project of Tilt: the lines for its Tiltfile, which is not ours to write. Pure.

/** Lines; none where there is no Tiltfile. `top`: names of files in the project's folder. */
export function tiltAdvice(top: ReadonlySet<string>, targets: readonly string[]): readonly string[] {
  if (!top.has('Tiltfile')) return [];
  return [
    'Tiltfile: wand is a resource of Tilt, with its readiness and buttons, if you add (`npm install -D debugwand` first):',
    "    load('./node_modules/debugwand/src/integrations/tilt/Tiltfile', 'debugwand')",
    `    debugwand(${targets.length === 1 ? `'${targets[0] ?? ''}'` : ''})`,
  ];
}
