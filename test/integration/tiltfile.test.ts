/** The Tiltfile of the package, executed by Starlark's own interpreter: what it asks Tilt for. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fields } from '../../src/lib/fields.ts';
import { folder } from '../support/folder.ts';
import { getOrSkip } from '../support/machine.ts';
import { run } from '../support/run.ts';
import { starlarkProgram } from '../support/starlark-program.ts';
import { root } from '../support/step.ts';

const program = await getOrSkip(starlarkProgram);
const EXTENSION = join(root, 'src/integrations/tilt/Tiltfile');
const WAND = ['node', join(root, 'dist/bin.js')];

/** What Kubernetes, and Tilt, allow. */
const OBJECT_NAME = /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/;

/** What a Tiltfile with that line asks for, and where it lies. */
async function asked(line: string): Promise<{ calls: readonly Readonly<Record<string, unknown>>[]; dir: string }> {
  await using project = await folder({ Tiltfile: `load('${EXTENSION}', 'debugwand')\n${line}\n` });
  const output = await run(program ?? '', [project.at('Tiltfile')]);
  const calls = output
    .trim()
    .split('\n')
    .map((json) => fields(JSON.parse(json)));
  return { calls, dir: project.path };
}

describe.skipIf(program === undefined)('the Tiltfile', () => {
  it('makes a resource that serves, is probed, and has buttons', async () => {
    const { calls, dir } = await asked("debugwand('api', labels=['debug'], resource_deps=['web'])");
    const [resource, ...buttons] = calls;
    expect(resource).toMatchObject({
      call: 'local_resource',
      args: ['debugwand'],
      serve_cmd: [...WAND, 'watch', '--plain', '--target', 'api'],
      serve_dir: dir,
      readiness_probe: { exec: { args: [[...WAND, 'status', '--ready', 'api']] } },
      labels: ['debug'],
      resource_deps: ['web'],
    });
    const commands = buttons.filter(({ call }) => call === 'cmd');
    expect(commands.map(({ args }) => args)).toEqual([
      [...WAND, 'status', 'api'],
      [...WAND, 'restart', 'api'],
      [...WAND, 'switch', 'api'],
    ]);
    for (const command of commands) {
      const button = buttons.find(({ call, name }) => call === 'ui_button' && name === command['name']);
      expect(button).toMatchObject({ location: { component_id: 'debugwand', component_type: 'Resource' } });
      expect(command).toMatchObject({ dir, start_on: { ui_buttons: [command['name']] } });
      expect(command['name']).toMatch(OBJECT_NAME);
    }
  });

  it('takes several targets, a config, another program, an environment, and no buttons', async () => {
    const { calls } = await asked(
      "debugwand(['api', 'web'], name='dbg', config_file='x.yaml', wand='wand', dir='/p', env={'A': 'b'}, buttons=False)",
    );
    expect(calls).toEqual([
      {
        call: 'local_resource',
        args: ['dbg'],
        serve_cmd: ['wand', 'watch', '--plain', '--target', 'api', '--target', 'web', '--config', 'x.yaml'],
        serve_dir: '/p',
        serve_env: { A: 'b' },
        readiness_probe: expect.objectContaining({
          exec: { call: 'exec_action', args: [['wand', 'status', '--ready', 'api', 'web', '--config', 'x.yaml']] },
        }) as unknown,
        allow_parallel: true,
      },
    ]);
  });

  it('without a target means all; several targets have buttons of their own', async () => {
    const all = (await asked('debugwand()')).calls;
    expect(all[0]).toMatchObject({ serve_cmd: [...WAND, 'watch', '--plain'] });
    expect(all.filter(({ call }) => call === 'cmd').map(({ args }) => args)).toEqual([
      [...WAND, 'status'],
      [...WAND, 'restart'],
      [...WAND, 'switch'],
    ]);
    const two = (await asked("debugwand(['a', 'B_c'], name='My dbg')")).calls.filter(
      ({ call }) => call === 'ui_button',
    );
    expect(new Set(two.map(({ name }) => name)).size).toBe(5);
    for (const { name } of two) expect(name).toMatch(OBJECT_NAME);
    expect(two.map(({ text }) => text)).toEqual([
      'Status',
      'Restart of a',
      'Next worker of a',
      'Restart of B_c',
      'Next worker of B_c',
    ]);
  });
});
