// Owns who may ask the status page for something: only a browser of this machine that was given the address with the token,
// and only pages of our own. Everything else is refused before anything is looked at.
import { createHash, timingSafeEqual } from 'node:crypto';

export interface Asked {
  readonly method: string;
  readonly host: string | undefined;
  readonly origin: string | undefined;
  /** `Sec-Fetch-Site`: what the browser knows of who asks. */
  readonly fetchSite: string | undefined;
}

export interface Refusal {
  readonly status: 403 | 405;
  /** For people: what to do about it. */
  readonly text: string;
}

/** Another name that leads here is somebody's DNS rebinding. The port may be another one: of a tunnel. */
const OURS = /^(127\.0\.0\.1|localhost|\[::1\])(:\d{1,5})?$/;

/** Null: neither the name nor the page that it comes from is foreign. Says nothing about the token. */
export function foreign({ method, host, origin, fetchSite }: Asked): Refusal | null {
  if (host === undefined || !OURS.test(host)) {
    return { status: 403, text: 'this page answers to 127.0.0.1 and localhost only' };
  }
  if (method !== 'GET' && method !== 'HEAD' && method !== 'POST') {
    return { status: 405, text: `${method} is nothing that this page knows` };
  }
  const isOwn = origin === `http://${host}`;
  if (origin !== undefined && !isOwn) return { status: 403, text: 'the request comes from another page' };
  if (method === 'POST' && (!isOwn || (fetchSite !== undefined && fetchSite !== 'same-origin'))) {
    return { status: 403, text: 'only the status page itself may ask for that' };
  }
  return null;
}

/** Takes the same time whatever is wrong with it, its length included. */
export function isToken(given: string | undefined, token: string): boolean {
  if (given === undefined) return false;
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(token));
}

/** The value of the cookie of that name; undefined without one. */
export function cookieValue(header: string | undefined, name: string): string | undefined {
  const pairs = (header ?? '').split(';').map((pair) => pair.trim());
  return pairs.find((pair) => pair.startsWith(`${name}=`))?.slice(name.length + 1);
}
