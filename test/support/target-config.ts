/** A target's config for tests that only care for its source. */
import type { TargetConfig, TargetSource } from '../../src/core/types.ts';

export function targetConfig(source: TargetSource, name = 'target'): TargetConfig {
  return {
    name,
    port: 5679,
    source,
    pathMappings: [],
    process: 'auto',
    holdAtStart: false,
    terminateOnDisconnect: false,
    notify: false,
  };
}
