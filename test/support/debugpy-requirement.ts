/** The version of debugpy that is packed with debugwand, as pip names it. */
import { DEBUGPY_VERSION } from '../../src/agent/wheels.ts';

export function debugpyRequirement(): string {
  return `debugpy==${DEBUGPY_VERSION}`;
}
