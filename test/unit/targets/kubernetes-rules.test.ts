import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { WorkloadKind } from '../../../src/core/types.ts';
import { parseYaml } from '../../../src/lib/yaml.ts';
import {
  DOCUMENTED_RULES,
  gives,
  parseAccess,
  parseRules,
  parseForbidden,
  rightsFor,
  rightText,
  ruleLines,
} from '../../../src/targets/kubernetes-rules.ts';

const KINDS: readonly WorkloadKind[] = [
  'service',
  'deployment',
  'statefulset',
  'daemonset',
  'job',
  'cronjob',
  'pod',
  'selector',
  'knative',
];

describe('the rights that are needed', () => {
  it.each(KINDS)('%s: the documented Role gives them', (kind) => {
    for (const { verb, group, resource, subresource } of rightsFor(kind)) {
      const name = subresource === '' ? resource : `${resource}/${subresource}`;
      const given = DOCUMENTED_RULES.some(
        (rule) => rule.apiGroups.includes(group) && rule.resources.includes(name) && rule.verbs.includes(verb),
      );
      expect([kind, verb, group, name, given]).toEqual([kind, verb, group, name, true]);
    }
  });

  it('the documented Role gives nothing that no kind needs', () => {
    const needed = new Set(KINDS.flatMap((kind) => rightsFor(kind).map(rightText)));
    const unneeded = DOCUMENTED_RULES.flatMap(({ apiGroups: [group = ''], resources, verbs }) =>
      resources.flatMap((name) => {
        const [resource = '', subresource = ''] = name.split('/');
        return verbs.map((verb) => rightText({ verb, group, resource, subresource }));
      }),
    ).filter((right) => !needed.has(right));
    expect(unneeded).toEqual([]);
  });

  it('the Role of the README is the documented one', () => {
    const readme = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8');
    const role = /^kind: Role\n[^]*?^rules:\n((?: +- \{.*\}\n)+)/m.exec(readme)?.[1] ?? '';
    expect(parseYaml(role)).toEqual({ value: DOCUMENTED_RULES });
  });

  it('nothing is written but exec, port-forward and the ephemeral container', () => {
    const writing = DOCUMENTED_RULES.flatMap(({ resources, verbs }) =>
      resources.flatMap((resource) =>
        verbs.filter((verb) => !/^(get|list|watch)$/.test(verb)).map((verb) => `${verb} ${resource}`),
      ),
    );
    expect(writing).toEqual(['create pods/exec', 'create pods/portforward', 'patch pods/ephemeralcontainers']);
  });

  it('missing ones are put together by resource', () => {
    expect(ruleLines(rightsFor('job'))).toEqual([
      '- { apiGroups: [""], resources: ["pods"], verbs: ["get", "list", "watch"] }',
      '- { apiGroups: ["batch"], resources: ["jobs"], verbs: ["get", "list", "watch"] }',
      '- { apiGroups: [""], resources: ["pods/exec"], verbs: ["get", "create"] }',
      '- { apiGroups: [""], resources: ["pods/portforward"], verbs: ["get", "create"] }',
      '- { apiGroups: [""], resources: ["pods/ephemeralcontainers"], verbs: ["patch"] }',
    ]);
  });
});

describe('a refusal of RBAC', () => {
  it('is read', () => {
    const text =
      'pods "a" is forbidden: User "u" cannot create resource "pods/exec" in API group "" in the namespace "n"';
    expect(parseForbidden(text)).toEqual({
      user: 'u',
      verb: 'create',
      group: '',
      resource: 'pods',
      subresource: 'exec',
      namespace: 'n',
    });
    expect(
      parseForbidden(
        'User "u" cannot list resource "services" in API group "serving.knative.dev" at the cluster scope',
      ),
    ).toMatchObject({ group: 'serving.knative.dev', namespace: null });
  });

  it.each(['', 'nope', 'cannot list resource', 'violates PodSecurity "baseline"'])('%j is none', (text) => {
    expect(parseForbidden(text)).toBeNull();
  });
});

describe('the rules that one has', () => {
  const right = { verb: 'list', group: 'apps', resource: 'deployments', subresource: '' };
  const exec = { verb: 'create', group: '', resource: 'pods', subresource: 'exec' };
  const rule = (apiGroups: string[], resources: string[], verbs: string[], resourceNames: string[] = []) => ({
    apiGroups,
    resources,
    verbs,
    resourceNames,
  });

  it.each([
    [right, rule(['apps'], ['deployments'], ['get', 'list']), true],
    [right, rule(['*'], ['*'], ['*']), true],
    [right, rule(['', 'apps'], ['pods', 'deployments'], ['list']), true],
    [right, rule(['apps'], ['deployments'], ['get']), false],
    [right, rule([''], ['deployments'], ['list']), false],
    [right, rule(['apps'], ['deployments/scale'], ['list']), false],
    [right, rule(['apps'], ['deployments'], ['list'], ['web']), false],
    [exec, rule([''], ['pods/exec'], ['create']), true],
    [exec, rule([''], ['*/exec'], ['create']), true],
    [exec, rule([''], ['*'], ['create']), true],
    [exec, rule([''], ['pods'], ['create']), false],
    [exec, rule([''], ['pods/*'], ['create']), false],
  ])('%j of %j: %s', (wanted, has, given) => {
    expect(gives([has], wanted)).toBe(given);
    expect(gives([], wanted)).toBe(false);
  });

  it('are read from the review, whatever comes', () => {
    const resourceRules = [{ verbs: ['get', 7], apiGroups: [''], resources: ['pods'] }, null];
    expect(parseRules({ status: { resourceRules } })).toEqual([rule([''], ['pods'], ['get']), rule([], [], [])]);
    for (const junk of [undefined, null, 7, {}, { status: null }, { status: { resourceRules: 'x' } }]) {
      expect(parseRules(junk)).toEqual([]);
      expect(parseAccess(junk)).toBeNull();
    }
    expect(parseAccess({ status: { allowed: true } })).toBe(true);
    expect(parseAccess({ status: { allowed: false, reason: 'no' } })).toBe(false);
  });
});
