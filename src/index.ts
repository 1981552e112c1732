// Owns the public API: the types of a config, and defineConfig. Must not import anything that runs: config files load this.
import type { Config } from './config/input.ts';

export type {
  CommandTargetInput,
  CommonInput,
  Config,
  DockerInput,
  DockerTargetInput,
  NotifyConfig,
  PathMappingInput,
  ProcessInput,
  ProcessTargetInput,
  TargetInput,
} from './config/input.ts';

/** Returns the config as it is; there for completion and type errors in the editor. */
export function defineConfig(config: Config): Config {
  return config;
}
