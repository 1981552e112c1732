/**
 * What `npm pack` and `npm publish` need first: dist/, and the pinned debugpy wheels in vendor/, so that an installed
 * `wand` needs no network.
 */
import { build } from './build.ts';
import { report } from './step.ts';

/** Builds and vendors; the exit status. */
export async function prepack(): Promise<number> {
  const built = await build();
  if (built !== 0) return built;
  const started = performance.now();
  try {
    const vendor: { vendorAll?: () => Promise<unknown> } = await import('../../src/agent/vendor.ts');
    if (vendor.vendorAll === undefined) throw new Error('src/agent/vendor.ts exports no vendorAll()');
    await vendor.vendorAll();
    report('vendor debugpy', true, started, '');
    return 0;
  } catch (error) {
    report('vendor debugpy', false, started, String(error));
    return 1;
  }
}
