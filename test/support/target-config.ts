/** A target's config for tests that only care for its source. */
import { TARGET_DEFAULTS } from '../../src/core/target-defaults.ts';
import type { TargetConfig, TargetSource } from '../../src/core/types.ts';

export function targetConfig(source: TargetSource, name = 'target'): TargetConfig {
  return {
    name,
    port: 5679,
    source,
    ...TARGET_DEFAULTS,
    notify: { reattached: false, crashed: false, blocked: false, paused: false },
  };
}
