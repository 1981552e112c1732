// Owns where a stream of events is. Types only.

export interface Endpoint {
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** PEM of the authority that vouches for an https server. */
  readonly ca?: string;
}
