// Owns the schema of a config: the only importer of zod. Pure: no I/O. What follows from a valid config (defaults,
// absolute paths, ports) is schema.ts, words for problems are problems.ts.
import { z } from 'zod';
import type { Config } from './input.ts';
import type { Problem } from './problems.ts';
import { FORWARD_RULE, parseForward } from './forward.ts';
import { describeFound, pathText } from './problems.ts';

const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/;
const DNS_LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const ABSOLUTE = /^(\/|[A-Za-z]:[\\/])/;

const text = z.string().min(1, 'must not be empty').describe('a string');
const flag = z.boolean().describe('true or false');
const regularExpression = text.refine(isRegularExpression, 'is not a valid regular expression');
const wholeNumber = z.int().min(1).describe('a process id: a whole number from 1');
const port = z.int().min(1).max(65535).describe('a port: a whole number from 1 to 65535');

const chosenProcess = z
  .strictObject({ match: regularExpression.optional(), pid: wholeNumber.optional() })
  .refine((value) => (value.match === undefined) !== (value.pid === undefined), 'must have one of `match` and `pid`');
const processChoice = z
  .union([z.literal('auto'), chosenProcess])
  .describe("'auto', { match: 'regular expression' } or { pid: number }");

const pathMapping = z
  .strictObject({
    local: text.describe('a folder on this machine'),
    remote: z.string().regex(ABSOLUTE, 'must be an absolute path inside the target').describe('a path like /app'),
  })
  .describe("{ local: '.', remote: '/app' }");

const compose = z.strictObject({ project: text, service: text }).describe("{ project: 'shop', service: 'web' }");
const docker = z
  .strictObject({
    container: text.optional(),
    compose: compose.optional(),
    replica: z.enum(['newest', 'all']).describe("'newest' or 'all'").optional(),
    host: text.optional(),
  })
  .refine(
    (value) => (value.container === undefined) !== (value.compose === undefined),
    'must have one of `container` and `compose`',
  )
  .describe("{ container: 'name' } or { compose: { project: 'shop', service: 'web' } }");

/** Names of workloads in the config; exactly one is given. */
export const WORKLOAD_KEYS = [
  'service',
  'deployment',
  'statefulset',
  'daemonset',
  'job',
  'cronJob',
  'pod',
  'selector',
  'knative',
] as const;

const workloads = Object.fromEntries(WORKLOAD_KEYS.map((key) => [key, text.optional()])) as Readonly<
  Record<(typeof WORKLOAD_KEYS)[number], z.ZodOptional<typeof text>>
>;
const kubernetes = z
  .strictObject({
    ...workloads,
    namespace: text.regex(DNS_LABEL, 'is no name of a namespace').optional(),
    context: text.optional(),
    kubeconfig: text.describe('a file').optional(),
    container: text.optional(),
    replica: text.describe("'newest', 'all' or the name of a pod").optional(),
    ephemeralContainers: z.enum(['ask', 'allow', 'never']).describe("'ask', 'allow' or 'never'").optional(),
  })
  .refine(
    (value) => WORKLOAD_KEYS.filter((key) => value[key] !== undefined).length === 1,
    `must have one of ${WORKLOAD_KEYS.map((key) => `\`${key}\``).join(', ')}`,
  )
  .describe("{ service: 'web', namespace: 'shop' } or { deployment: 'web' }");

const whilePaused = z
  .strictObject({
    probes: z.enum(['answer', 'warn']).describe("'answer' or 'warn'").optional(),
    readiness: z.enum(['answer', 'fail']).describe("'answer' or 'fail'").optional(),
  })
  .describe("{ probes: 'answer' | 'warn', readiness: 'answer' | 'fail' }");

const notify = z
  .union([
    flag,
    z.strictObject({
      reattached: flag.optional(),
      crashed: flag.optional(),
      blocked: flag.optional(),
      paused: flag.optional(),
    }),
  ])
  .describe('true, false, or an object like { reattached: false }: reattached, crashed, blocked, paused');

const common = {
  holdAtStart: flag.optional(),
  terminateOnDisconnect: flag.optional(),
  notify: notify.optional(),
  lease: z.number().min(0).max(3600).describe('seconds: a number from 0 to 3600').optional(),
  whilePaused: whilePaused.optional(),
  workers: z.enum(['all', 'one']).describe("'all' or 'one'").optional(),
  maxWorkers: z.int().min(1).max(64).describe('a number of debug sessions: a whole number from 1 to 64').optional(),
  stopAll: flag.optional(),
};

const target = z
  .strictObject({
    docker: docker.optional(),
    kubernetes: kubernetes.optional(),
    command: z
      .array(z.string().describe('a string'))
      .min(1, 'must name a program')
      .describe("a list of strings: ['uvicorn', 'app:app', '--reload']")
      .optional(),
    cwd: text.describe('a folder').optional(),
    process: processChoice.optional(),
    port: port.optional(),
    pathMappings: z.array(pathMapping).describe("a list: [{ local: '.', remote: '/app' }]").optional(),
    forward: z
      .array(
        z
          .string()
          .refine((value) => parseForward(value) !== null, FORWARD_RULE)
          .describe("a string like '8000:http'"),
      )
      .describe("a list: ['8000:http', '9000']")
      .optional(),
    ...common,
  })
  .describe(
    "a target: { docker: { container: 'name' } }, { kubernetes: { service: 'web' } }, { command: ['python', 'app.py'] } or { process: { match: '…' } }",
  );

const config = z
  .strictObject({
    targets: z
      .record(z.string().regex(NAME, 'must be letters, digits, `-`, `_` and `.`'), target)
      .refine((value) => Object.keys(value).length > 0, 'must have one target at least')
      .describe("targets by name: { api: { docker: { container: 'api' } } }"),
    process: processChoice.optional(),
    skaffold: z
      .strictObject({
        events: text
          .refine(isEventsAddress, "must be 'auto', 'off' or an address like http://localhost:50052")
          .describe("'auto', 'off' or 'http://localhost:50052'")
          .optional(),
      })
      .describe("{ events: 'http://localhost:50052' }")
      .optional(),
    page: flag.optional(),
    allowContexts: z.array(text).describe("a list of contexts: ['team-dev', 'staging-*']").optional(),
    ...common,
  })
  .describe('an object with `targets`');

/**
 * A config whose shape is right; what one key says about another is not checked yet. `never`, so that nothing compiles,
 * if the hand-written type, which is what users read, allows a config that the schema does not know.
 */
export type RawConfig = Config extends z.input<typeof config> ? z.output<typeof config> : never;
export type RawTarget = RawConfig['targets'][string];
export type RawProcess = z.output<typeof processChoice>;

/** The config, or every problem of its shape. */
export function readShape(raw: unknown): { readonly config: RawConfig } | { readonly problems: readonly Problem[] } {
  const result = config.safeParse(raw);
  if (result.success) return { config: result.data };
  const problems = result.error.issues.flatMap((issue) => problemsOf(issue, raw, []));
  return { problems: problems.filter((problem) => !followsFrom(problem, problems)) };
}

/** `{ contaner: 'api' }` lacks `container` only because of the typo: the typo is what to say. */
function followsFrom(problem: Problem, all: readonly Problem[]): boolean {
  if (problem.kind !== 'rule') return false;
  const here = pathText(problem.path);
  return all.some((other) => other.kind === 'unknown' && pathText(other.path.slice(0, -1)) === here);
}

/** Paths of all settings: `targets.*.docker.container`, … for the check that the example shows each of them. */
export function settingPaths(): readonly string[] {
  const paths: string[] = [];
  const walk = (schema: unknown, path: string): void => {
    const inner = unwrap(schema);
    if (inner instanceof z.ZodUnion) for (const option of inner.options) walk(option, path);
    else if (inner instanceof z.ZodArray) walk(inner.element, `${path}.*`);
    else if (inner instanceof z.ZodRecord) walk(inner.valueType, `${path}.*`);
    else if (inner instanceof z.ZodObject) {
      for (const [key, value] of Object.entries(inner.shape)) {
        const below = path === '' ? key : `${path}.${key}`;
        paths.push(below);
        walk(value, below);
      }
    }
  };
  walk(config, '');
  return paths;
}

type Path = readonly PropertyKey[];

function problemsOf(issue: z.core.$ZodIssue, raw: unknown, above: Path): Problem[] {
  const path = [...above, ...issue.path];
  const found = valueAt(raw, path);
  const schema = schemaAt(path);
  switch (issue.code) {
    case 'unrecognized_keys': {
      const known = keysOf(schema);
      return issue.keys.map((key) => ({
        kind: 'unknown',
        path: [...path, key],
        found: describeFound(valueAt(found, [key])),
        known,
      }));
    }
    case 'invalid_union': {
      // The branch that got furthest is the one that was meant: an object with a typo is not "expected 'auto'".
      const meant = issue.errors.filter((branch) => branch.every((inner) => !isWrongKind(inner)));
      if (meant.length === 1) return (meant[0] ?? []).flatMap((inner) => problemsOf(inner, raw, path));
      return [{ kind: 'wrong', path, found: describeFound(found), allowed: describe(schema) }];
    }
    case 'invalid_key':
      return [{ kind: 'rule', path, found: null, rule: issue.issues[0]?.message ?? issue.message }];
    case 'custom':
    case 'invalid_format':
    case 'too_small':
      if (issue.code !== 'too_small' || issue.origin !== 'number') {
        const shown = typeof found === 'string' && found !== '' ? describeFound(found) : null;
        return [{ kind: 'rule', path, found: shown, rule: issue.message }];
      }
      break;
    default:
  }
  return [
    { kind: found === undefined ? 'missing' : 'wrong', path, found: describeFound(found), allowed: describe(schema) },
  ];
}

function isWrongKind(issue: z.core.$ZodIssue): boolean {
  return issue.path.length === 0 && (issue.code === 'invalid_type' || issue.code === 'invalid_value');
}

function unwrap(schema: unknown): unknown {
  return schema instanceof z.ZodOptional ? unwrap(schema.unwrap()) : schema;
}

function schemaAt(path: Path): unknown {
  let at: unknown = config;
  for (const key of path) {
    at = unwrap(at);
    // Of `process` and `notify`, the unions, the object is the branch that has something below it.
    if (at instanceof z.ZodUnion) at = at.options.find((option) => option instanceof z.ZodObject);
    if (at instanceof z.ZodObject) at = Object.entries(at.shape).find(([name]) => name === key)?.[1];
    else if (at instanceof z.ZodRecord) at = at.valueType;
    else if (at instanceof z.ZodArray) at = at.element;
    else return undefined;
  }
  return unwrap(at);
}

function keysOf(schema: unknown): readonly string[] {
  if (schema instanceof z.ZodUnion) return schema.options.flatMap(keysOf);
  return schema instanceof z.ZodObject ? Object.keys(schema.shape) : [];
}

function describe(schema: unknown): string {
  return (schema instanceof z.ZodType ? schema.description : undefined) ?? 'another value';
}

function valueAt(value: unknown, path: Path): unknown {
  let at = value;
  for (const key of path) at = typeof at === 'object' && at !== null ? Reflect.get(at, key) : undefined;
  return at;
}

function isEventsAddress(value: string): boolean {
  return value === 'auto' || value === 'off' || (/^https?:\/\//.test(value) && URL.canParse(value));
}

function isRegularExpression(source: string): boolean {
  try {
    return new RegExp(source, 'u').source !== '';
  } catch {
    return false;
  }
}
