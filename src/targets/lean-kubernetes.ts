// Owns keeping out of the daemon what the Kubernetes client loads and debugwand never uses: its generated API classes and
// undici, 56 MB of memory and 300 ms at start. What is left is the kubeconfig and its ways to log in. Import this before
// the client, which must be imported dynamically: static imports are loaded before any module runs.
import { registerHooks } from 'node:module';

/** By file: the names that the rest of the client imports from it. */
const UNUSED: readonly (readonly [RegExp, readonly string[]])[] = [
  [/\/@kubernetes\/client-node\/dist\/gen\/index\.js$/, ['createConfiguration', 'ServerConfiguration']],
  [/\/node_modules\/undici\/index\.js$/, ['Agent', 'ProxyAgent']],
];

registerHooks({
  load(url, context, nextLoad) {
    const names = UNUSED.find(([file]) => file.test(url))?.[1];
    if (names === undefined) return nextLoad(url, context);
    const source = names.map((name) => `export const ${name} = undefined;`).join('\n');
    return { format: 'module', source, shortCircuit: true };
  },
});
