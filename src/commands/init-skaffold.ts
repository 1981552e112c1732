// Owns what `wand init` says to a project of Skaffold: how its events, or its hooks, tell wand when to look. Pure.

/** A hook that never fails and never waits: Skaffold takes a hook's failure for its own. */
const HOOK = (event: string): string =>
  `{ host: { command: ['sh', '-c', 'npx --no-install wand notify ${event} || true'] } }`;

/** Lines; none where there is no skaffold.yaml. `top`: names of files in the project's folder. */
export function skaffoldAdvice(top: ReadonlySet<string>): readonly string[] {
  const file = ['skaffold.yaml', 'skaffold.yml'].find((name) => top.has(name));
  if (file === undefined) return [];
  return [
    `${file}: wand looks as soon as Skaffold has done something if you start it with its events:`,
    '    skaffold dev --rpc-http-port=50052',
    `or by hooks; into ${file} (\`helm\` in place of \`kubectl\` if that deploys):`,
    ...[
      'deploy:',
      '  kubectl:',
      '    hooks:',
      `      after: [${HOOK('deploy')}]`,
      'build:',
      '  artifacts:',
      '    - image: YOUR-IMAGE # as it is there',
      '      sync:',
      '        hooks:',
      `          after: [${HOOK('sync')}]`,
    ].map((line) => `    ${line}`),
  ];
}
