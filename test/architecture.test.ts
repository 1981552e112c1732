/**
 * The rules of the house that no compiler knows: which way dependencies point, what stays pure, and who imports what from
 * outside. Each rule names the folders it speaks of by pattern, so that a new file is under it from the first day.
 */
import { readFileSync, globSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, test } from 'vitest';

const src = join(import.meta.dirname, '../src');

/** From the top down; a file imports from its own layer or from a lower one, unless a rule below says less. */
const LAYERS: readonly (readonly [string, RegExp])[] = [
  ['cli', /^(bin|cli)\.ts$/],
  ['commands', /^commands\//],
  ['daemon', /^daemon\//],
  ['workers', /^(targets|agent|dap|forward|hints|ui|page|config)\//],
  ['public', /^index\.ts$/],
  ['core', /^core\//],
  ['lib', /^lib\//],
];

/** Decides from values alone: no files, sockets, processes or clocks, and no package that has them. */
const PURE = [
  /^core\//,
  // All of DAP but where its sockets are.
  /^dap\/(?!editor-|keeper|port-owner|proxy|upstream)/,
  /^agent\/(protocol|framing|guards|link|bridge)\.ts$/,
  /^config\/(forward|schema|shape|problems|input)\.ts$/,
  /^forward\/(http|patience|remote-port|wire)\.ts$/,
  /^targets\/(python-names|docker-(endpoint|errors|interpreters|select|wire))\.ts$/,
  /^targets\/kubernetes-(container|pod|revision|select|wire|words)\.ts$/,
  /^targets\/kubernetes-(api|errors|guard|lines|rules)\.ts$/,
  /^targets\/kubernetes-(channels|helper-facts|interpreters|port-errors|spdy)\.ts$/,
  /^lib\/(ago|errors|fields|json-lines|nearest)\.ts$/,
  /^hints\/(endpoint|news|skaffold-events|tilt-(config|events))\.ts$/,
  /^page\/history\.ts$/,
  /^index\.ts$/,
];

/** What a pure file may import from outside: code without any input or output. */
const PURE_PACKAGES = ['node:buffer', 'node:path', 'node:util', 'zod'];

interface SourceFile {
  path: string;
  /** The code, without comments that fill their lines. */
  text: string;
  /** Files of src it imports, as paths under src. Types count: who knows a shape depends on it. */
  internal: string[];
  /** Packages and node: modules that it loads at run time. */
  external: string[];
}

const files = globSync('**/*.ts', { cwd: src })
  .map(parse)
  .toSorted((a, b) => a.path.localeCompare(b.path));

function parse(path: string): SourceFile {
  const text = readFileSync(join(src, path), 'utf8').replace(/^\s*(\/\/|\*|\/\*).*$/gm, '');
  const imports = [
    ...text.matchAll(/^(?:import|export)\s+(type\s)?[^'";]*?\s*from\s*'([^']+)'/gm),
    ...text.matchAll(/^import\s+()'([^']+)'/gm),
    ...text.matchAll(/\bimport\(\s*()'([^']+)'/g),
  ].map((match) => ({ typeOnly: match[1] !== undefined && match[1] !== '', from: match[2] ?? '' }));
  const relative = imports.filter(({ from }) => from.startsWith('.'));
  const packages = imports.filter(({ from, typeOnly }) => !from.startsWith('.') && !typeOnly);
  return {
    path,
    text,
    internal: relative.map(({ from }) => normalize(join(dirname(path), from))),
    external: [...new Set(packages.map(({ from }) => packageOf(from)))],
  };
}

function packageOf(specifier: string): string {
  if (specifier.startsWith('node:')) return specifier;
  if (builtinModules.includes(specifier)) return `node:${specifier}`;
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

function layerOf(path: string): number {
  return LAYERS.findIndex(([, pattern]) => pattern.test(path));
}

function isPure(path: string): boolean {
  return PURE.some((pattern) => pattern.test(path));
}

/** Every import of `path` that `allowed` refuses, as lines that say who imports what. */
function violations(allowed: (from: SourceFile, to: string) => boolean): string[] {
  return files.flatMap((file) =>
    file.internal.filter((to) => !allowed(file, to)).map((to) => `${file.path} imports ${to}`),
  );
}

describe('architecture', () => {
  test('every file of src belongs to a layer', () => {
    expect(files.length).toBeGreaterThan(0);
    expect(files.filter(({ path }) => layerOf(path) < 0).map(({ path }) => path)).toEqual([]);
  });

  test('dependencies point downwards', () => {
    const upward = violations(({ path }, to) => {
      // What is pure is at the bottom, wherever it lies.
      if (isPure(to)) return true;
      return !isPure(path) && layerOf(path) <= layerOf(to);
    });
    expect(upward).toEqual([]);
  });

  test('the kinds of target do not know each other', () => {
    const kindOf = (path: string): string | undefined => /^targets\/(local|docker|kubernetes)/.exec(path)?.[1];
    const crossing = violations(({ path }, to) => {
      const [from, other] = [kindOf(path), kindOf(to)];
      return from === undefined || other === undefined || from === other;
    });
    expect(crossing).toEqual([]);
  });

  test('the UI and the status page know the status report and lib, and nothing of how it came about', () => {
    const known = violations(
      ({ path }, to) =>
        !/^(ui|page)\//.test(path) ||
        to.split('/')[0] === path.split('/')[0] ||
        to.startsWith('lib/') ||
        /^core\/(status|types)\.ts$/.test(to),
    );
    expect(known).toEqual([]);
  });

  test('what is pure does no input or output', () => {
    const impure = files
      .filter(({ path }) => isPure(path))
      .flatMap(({ path, external }) =>
        external.filter((name) => !PURE_PACKAGES.includes(name)).map((name) => `${path} imports ${name}`),
      );
    expect(impure).toEqual([]);
  });

  test('what is pure imports only what is pure', () => {
    const impure = violations(({ path }, to) => !isPure(path) || isPure(to));
    expect(impure).toEqual([]);
  });

  test('what is pure asks no clock and no chance', () => {
    const asks = /\b(Date\.now|Math\.random|setTimeout|setInterval|setImmediate|performance\.now)\b/;
    const asking = files.filter(({ path, text }) => isPure(path) && asks.test(text)).map(({ path }) => path);
    expect(asking).toEqual([]);
  });

  test('only commands that run a daemon reach past its control socket', () => {
    const runsDaemon =
      /^commands\/(watch|debug|doctor(-\w+)?|detach|daemon-session|command-child|ps|inject|init-io|cluster-option|allowed-contexts)\.ts$/;
    const reaching = violations(
      ({ path }, to) =>
        !path.startsWith('commands/') || runsDaemon.test(path) || !/^(targets|agent|dap)\//.test(to) || isPure(to),
    );
    expect(reaching).toEqual([]);
  });

  test('each third-party package has one importer', () => {
    const importers = new Map<string, string[]>();
    for (const { path, external } of files) {
      for (const name of external.filter((specifier) => !specifier.startsWith('node:'))) {
        importers.set(name, [...(importers.get(name) ?? []), path]);
      }
    }
    const shared = [...importers]
      .filter(([, paths]) => paths.length > 1)
      .map(([name, paths]) => `${name}: ${paths.join(', ')}`);
    expect(shared).toEqual([]);
  });

  test('the process ends in one place', () => {
    const ending = files.filter(({ path }) => path !== 'cli.ts' && path !== 'bin.ts');
    const exits = ending.filter(({ text }) => /\bprocess\.exit\(/.test(text));
    expect(exits.map(({ path }) => path)).toEqual([]);
  });
});
