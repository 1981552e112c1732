// Owns the settings of a target that nobody set. Pure.
import type { TargetConfig } from './types.ts';

/** The port of the first target that names none; further ones get the next numbers that nobody uses. */
export const FIRST_PORT = 5679;

export const TARGET_DEFAULTS = {
  pathMappings: [],
  process: 'auto',
  holdAtStart: false,
  terminateOnDisconnect: false,
  notify: { reattached: true, crashed: true, blocked: true, paused: true },
  leaseSeconds: 60,
  whilePaused: { probes: 'answer', readiness: 'answer' },
  workers: 'all',
  maxWorkers: 8,
  stopAll: false,
  forward: [],
} as const satisfies Partial<TargetConfig>;
