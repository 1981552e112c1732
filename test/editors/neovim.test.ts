/**
 * Neovim takes what `wand init --editor nvim` prints. Its plugin nvim-dap is in no registry: the story with it is told by
 * `node test/support/editors/record.ts nvim-dap FOLDER VERSION`, and what it said then is said again in replay.test.ts.
 */
import { rm, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { editorSetup } from '../../src/commands/init-editors.ts';
import { editorTree, startInTree } from '../support/editors/tree.ts';
import { getOrSkip } from '../support/machine.ts';

const tree = await getOrSkip(editorTree);

/** Stands for the plugin: the two tables that a configuration fills. */
const CHECK = `
package.loaded.dap = { adapters = {}, configurations = { python = { { name = 'mine' } } } }
dofile('init.lua')
local dap, seen = require('dap'), {}
for _, config in ipairs(dap.configurations.python) do
  if config.type == 'wand' then dap.adapters.wand(function(adapter) table.insert(seen, { config = config, adapter = adapter }) end, config)
  else table.insert(seen, config) end
end
print(vim.json.encode(seen))
`;

describe.skipIf(tree === undefined)('Neovim', () => {
  it('takes the snippet, which adds to what is there', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'wand-nvim-'));
    try {
      const targets = [
        { name: 'api', port: 5679 },
        { name: 'web.2', port: 5680 },
      ];
      await writeFile(join(folder, 'init.lua'), editorSetup('nvim', targets).snippet.text);
      await writeFile(join(folder, 'check.lua'), CHECK);
      const child = await startInTree(['nvim', '--clean', '-l', 'check.lua'], { cwd: folder, env: { HOME: folder } });
      let said = '';
      for (const stream of [child.stdout, child.stderr])
        stream.on('data', (chunk: Buffer) => (said += chunk.toString()));
      await new Promise((resolve) => child.once('close', resolve));
      const entry = (name: string, port: number): object => ({
        config: { name, type: 'wand', request: 'attach', connect: { host: '127.0.0.1', port } },
        adapter: { type: 'server', host: '127.0.0.1', port },
      });
      expect(JSON.parse(said)).toEqual([{ name: 'mine' }, entry('wand: api', 5679), entry('wand: web.2', 5680)]);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
