// Owns what is known of HTTP here: whether a client's first bytes are a request, and the answer where no app is. Pure.

export type Speech = 'http' | 'other' | 'undecided';

/** Methods of RFC 9110 and PATCH; longer ones of WebDAV are requests too. */
const TOKEN = /^[A-Z][A-Z-]{0,19}$/;
const VERSION = / HTTP\/1\.[01]\r?$/;
/** A request line may be as long as servers take it. */
const MAX_LINE_BYTES = 16 * 1024;

/** `undecided`: no whole first line yet. */
export function speechOf(bytes: Uint8Array): Speech {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, MAX_LINE_BYTES)).toString('latin1');
  const space = text.indexOf(' ');
  if (!TOKEN.test(space < 0 ? text : text.slice(0, space))) return text === '' ? 'undecided' : 'other';
  const end = text.indexOf('\n');
  if (end < 0) return bytes.length < MAX_LINE_BYTES ? 'undecided' : 'other';
  return VERSION.test(text.slice(0, end)) ? 'http' : 'other';
}

/** A whole answer to what began with `request`. `why`: one sentence, for people. */
export function unavailable(why: string, retrySeconds: number, request: Uint8Array): Buffer {
  const isHead = Buffer.from(request.subarray(0, 5)).toString('latin1') === 'HEAD ';
  const body = `debugwand: ${why}\n`;
  const head = [
    'HTTP/1.1 503 Service Unavailable',
    'Content-Type: text/plain; charset=utf-8',
    `Content-Length: ${String(Buffer.byteLength(body))}`,
    `Retry-After: ${String(retrySeconds)}`,
    'Cache-Control: no-store',
    'Connection: close',
  ];
  return Buffer.from(`${head.join('\r\n')}\r\n\r\n${isHead ? '' : body}`, 'utf8');
}
