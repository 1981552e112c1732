#!/usr/bin/env node
// Owns what must happen before anything else is loaded: the check of Node's version, ahead of what an older Node could not
// parse, and V8's young generation kept small. The daemon keeps little for long; 16 MB of it would be a tenth of a
// footprint that people see in `top` all day.
import { setFlagsFromString } from 'node:v8';

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 22 || (major === 22 && minor < 22)) {
  process.stderr.write(`wand needs Node.js 22.22 or later, this is ${process.versions.node}: install a newer one\n`);
  process.exitCode = 2;
} else {
  setFlagsFromString('--max-semi-space-size=1');
  setFlagsFromString('--semi-space-growth-factor=1');
  const { main } = await import('./cli.ts');
  await main(process.argv.slice(2));
}
