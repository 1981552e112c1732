// Owns the kubernetes target: puts watch, exec, helper and interpreters together. The parts are kubernetes-*.ts.
import type { KubernetesSource, Replica, Snapshot } from '../core/types.ts';
import { asDebugwandError, type DebugwandError } from '../lib/errors.ts';
import type { ExecOptions, ExecStream, Target } from './target.ts';

export class KubernetesTarget implements Target {
  readonly kind = 'kubernetes';
  readonly execHelper = null;
  readonly source: KubernetesSource;

  constructor(source: KubernetesSource) {
    this.source = source;
  }

  // eslint-disable-next-line require-yield
  async *watch(_signal: AbortSignal): AsyncGenerator<Snapshot, void, void> {
    throw await Promise.resolve(asDebugwandError('not built yet'));
  }

  exec(_replica: Replica, _argv: readonly string[], _options: ExecOptions, _signal: AbortSignal): Promise<ExecStream> {
    return Promise.reject(asDebugwandError('not built yet'));
  }

  interpreters(_replica: Replica, _signal: AbortSignal): Promise<readonly string[]> {
    return Promise.resolve(['/proc/1/exe']);
  }

  explain(error: unknown): DebugwandError {
    return asDebugwandError(error);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
