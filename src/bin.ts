#!/usr/bin/env node
// Owns the check of Node's version, before anything is loaded that an older Node could not parse.
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 22 || (major === 22 && minor < 22)) {
  process.stderr.write(`wand needs Node.js 22.22 or later, this is ${process.versions.node}: install a newer one\n`);
  process.exitCode = 2;
} else {
  const { main } = await import('./cli.ts');
  await main(process.argv.slice(2));
}

export {};
