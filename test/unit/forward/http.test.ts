import { describe, expect, it } from 'vitest';
import { speechOf, unavailable, type Speech } from '../../../src/forward/http.ts';

describe('what a client speaks', () => {
  it.each<[string, Speech]>([
    ['', 'undecided'],
    ['G', 'undecided'],
    ['GET /a HTTP/1.1\r', 'undecided'],
    ['GET /a HTTP/1.1\r\n', 'http'],
    ['GET /a HTTP/1.0\n', 'http'],
    ['POST /a?b=c%20d HTTP/1.1\r\nHost: x\r\n\r\nbody', 'http'],
    ['PROPFIND / HTTP/1.1\r\n', 'http'],
    ['M-SEARCH * HTTP/1.1\r\n', 'http'],
    ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'other'],
    ['GET /a\r\n', 'other'],
    ['GET /a FTP/1.1\r\n', 'other'],
    ['get / HTTP/1.1\r\n', 'other'],
    ['HELO mail\r\n', 'other'],
    ['\u0016\u0003\u0001\u0002', 'other'],
    ['*1\r\n$4\r\nPING\r\n', 'other'],
  ])('%j is %s', (said, speech) => {
    expect(speechOf(Buffer.from(said, 'latin1'))).toBe(speech);
  });

  it('is nothing of ours when its first line does not end', () => {
    expect(speechOf(Buffer.from(`GET /${'a'.repeat(17_000)}`))).toBe('other');
  });

  it('is the same for each way to cut it', () => {
    const whole = Buffer.from('DELETE /price HTTP/1.1\r\n');
    for (let end = 0; end < whole.length; end += 1) expect(speechOf(whole.subarray(0, end))).toBe('undecided');
    expect(speechOf(whole)).toBe('http');
  });
});

describe('the answer where no app is', () => {
  const parts = (answer: Buffer): readonly [head: string, body: string] => {
    const text = answer.toString('utf8');
    const end = text.indexOf('\r\n\r\n');
    return [text.slice(0, end), text.slice(end + 4)];
  };

  it('is a 503 that says why and ends the connection', () => {
    const [head, body] = parts(unavailable('pod `web-1` is being created', 2, Buffer.from('GET / HTTP/1.1\r\n')));
    expect(head.split('\r\n')).toEqual([
      'HTTP/1.1 503 Service Unavailable',
      'Content-Type: text/plain; charset=utf-8',
      `Content-Length: ${String(Buffer.byteLength(body))}`,
      'Retry-After: 2',
      'Cache-Control: no-store',
      'Connection: close',
    ]);
    expect(body).toBe('debugwand: pod `web-1` is being created\n');
  });

  it('counts bytes, not letters', () => {
    const [head, body] = parts(unavailable('„web“ fehlt', 2, Buffer.from('GET / HTTP/1.1\r\n')));
    expect(head).toContain(`Content-Length: ${String(Buffer.byteLength(body))}\r\n`);
    expect(Buffer.byteLength(body)).toBeGreaterThan(body.length);
  });

  it('has no body for HEAD', () => {
    const [head, body] = parts(unavailable('why', 2, Buffer.from('HEAD / HTTP/1.1\r\n')));
    expect(head).toContain('Content-Length: 15');
    expect(body).toBe('');
  });
});
