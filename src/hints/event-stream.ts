// Owns one connection to a stream of JSON lines over HTTP: from the request to the word why it ended. Bounded, and without
// trust: who answers there may be anybody.
import { get as getHttp, type IncomingMessage, type RequestOptions } from 'node:http';
import { get as getHttps } from 'node:https';
import { Lines } from '../lib/json-lines.ts';
import type { Endpoint } from './endpoint.ts';

/** An event is a few hundred bytes; what a log of a build may put into one is more. */
const LINE_BYTES = 1024 * 1024;
/** How long the answer may take to begin, ms. What comes after it has no end in time. */
const ANSWER_MS = 5_000;
/** Lines of one connection that may be no event, before the rest is not worth reading. */
const MOST_BAD_LINES = 20;

export interface StreamEnd {
  /** In words. */
  readonly why: string;
  /** How many events came. */
  readonly events: number;
}

/**
 * Reads until the stream ends. Never rejects.
 * @param onEvent false: that value is no event
 */
export async function readEvents(
  endpoint: Endpoint,
  onEvent: (value: unknown) => boolean,
  signal: AbortSignal,
): Promise<StreamEnd> {
  let events = 0;
  let bad = 0;
  try {
    const response = await answer(endpoint, signal);
    if (response.statusCode !== 200) {
      response.destroy();
      return { why: `it answers with HTTP status ${String(response.statusCode)}`, events };
    }
    const lines = new Lines(LINE_BYTES);
    for await (const chunk of response) {
      if (!Buffer.isBuffer(chunk)) continue;
      for (const line of lines.push(chunk)) {
        if (onEvent(parsed(line))) events += 1;
        else bad += 1;
        // A first line that is none is another program's page.
        if ((bad > 0 && events === 0) || bad > MOST_BAD_LINES) {
          return { why: 'what it sends are no events', events };
        }
      }
    }
    return { why: 'the stream ended', events };
  } catch (error) {
    return { why: words(error), events };
  }
}

function answer({ url, headers, ca }: Endpoint, signal: AbortSignal): Promise<IncomingMessage> {
  const options: RequestOptions & { ca?: string } = {
    signal,
    agent: false,
    headers: { accept: 'application/json', ...headers },
    ...(ca === undefined ? {} : { ca }),
  };
  return new Promise((resolve, reject) => {
    const request = (url.startsWith('https:') ? getHttps : getHttp)(url, options, (response) => {
      clearTimeout(timer);
      resolve(response);
    });
    const timer = setTimeout(() => {
      request.destroy(new Error(`it does not answer within ${String(ANSWER_MS / 1000)} s`));
    }, ANSWER_MS);
    request.on('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
  });
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

function words(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'ECONNREFUSED') return 'nobody listens there';
  if (code === 'ECONNRESET' || code === 'EPIPE') return 'the connection was cut';
  return error instanceof Error ? error.message : String(error);
}
