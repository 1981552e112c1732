// Owns what the parts of the kubernetes target ask of the connection. Types only.
import type { Agent } from 'node:http';
import type { Readable } from 'node:stream';
import type { ClusterPlace } from '../core/types.ts';

export interface RequestOptions {
  readonly query?: Readonly<Record<string, string | number | boolean>>;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Default: application/json; patches name their own. */
  readonly contentType?: string;
}

/** What a WebSocket to the API server needs; credentials are fresh each time it is asked for. */
export interface SocketOptions {
  /** "wss://127.0.0.1:6443", with the server's base path, without a slash at the end. */
  readonly baseUrl: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly ca?: string | Buffer;
  readonly cert?: string | Buffer;
  readonly key?: string | Buffer;
  readonly servername?: string;
  readonly rejectUnauthorized: boolean;
  /** Set when the cluster is behind a proxy (`proxy-url`, HTTPS_PROXY): goes to the WebSocket as it is. */
  readonly agent?: Agent;
}

/** An API server that answers. Every path begins with /api or /apis. */
export interface ClusterApi {
  readonly place: ClusterPlace;
  /** @throws KubernetesFailure with the server's status and reason, or the error of the wire */
  request(
    method: 'GET' | 'POST' | 'PATCH',
    path: string,
    options: RequestOptions,
    signal: AbortSignal,
  ): Promise<unknown>;
  /** The body of a GET as it comes: watches. `signal` ends it at any time. */
  stream(path: string, options: RequestOptions, signal: AbortSignal): Promise<Readable>;
  /** @throws DebugwandError `context-not-allowed` while the guard refuses: all WebSockets enter a pod */
  socketOptions(signal: AbortSignal): Promise<SocketOptions>;
  /** A WebSocket's handshake was answered 401: the next `socketOptions` has credentials that were asked for anew. */
  renew?(signal: AbortSignal): Promise<void>;
}

/** The server said no: a Status object (API conventions, "Response Status Kind"). */
export class KubernetesFailure extends Error {
  override readonly name = 'KubernetesFailure';
  readonly status: number;
  /** "Forbidden", "NotFound", "Gone", "Expired", …; empty when the server gave none. */
  readonly reason: string;

  constructor(status: number, reason: string, message: string) {
    super(message);
    this.status = status;
    this.reason = reason;
  }
}
