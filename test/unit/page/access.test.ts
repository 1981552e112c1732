import { describe, expect, it } from 'vitest';
import { type Asked, cookieValue, foreign, isToken } from '../../../src/page/access.ts';

const GOOD: Asked = { method: 'GET', host: '127.0.0.1:4711', origin: undefined, fetchSite: undefined };
const OWN = 'http://127.0.0.1:4711';

describe('who may ask', () => {
  it.each<[what: string, asked: Partial<Asked>]>([
    ['a browser that goes there', {}],
    ['a look at the headers', { method: 'HEAD' }],
    ['by another name of this machine', { host: 'localhost:4711' }],
    ['through a tunnel, by another port', { host: 'localhost:9000', origin: 'http://localhost:9000' }],
    ['by IPv6', { host: '[::1]:4711' }],
    ['the page itself', { origin: OWN, fetchSite: 'same-origin' }],
    ['the page itself, for an action', { method: 'POST', origin: OWN, fetchSite: 'same-origin' }],
    ['a browser that is sent by a link', { fetchSite: 'cross-site' }],
  ])('%s', (_what, asked) => {
    expect(foreign({ ...GOOD, ...asked })).toBeNull();
  });
});

describe('who may not', () => {
  it.each<[what: string, asked: Partial<Asked>, status: number]>([
    ['by no name', { host: undefined }, 403],
    ['by a name that leads here', { host: 'evil.example:4711' }, 403],
    ['by a name that begins like ours', { host: '127.0.0.1.evil.example' }, 403],
    ['by a name that ends like ours', { host: 'evil.localhost' }, 403],
    ['by a name with more in it', { host: 'localhost:1@evil.example' }, 403],
    ['another page', { origin: 'http://evil.example' }, 403],
    ['a page of another port', { origin: 'http://127.0.0.1:8000' }, 403],
    ['a page without an origin', { origin: 'null' }, 403],
    ['the same by https', { origin: 'https://127.0.0.1:4711' }, 403],
    ['an action of nobody', { method: 'POST' }, 403],
    ['an action of another page', { method: 'POST', origin: OWN, fetchSite: 'same-site' }, 403],
    ['what we do not know', { method: 'PUT' }, 405],
    ['a question before', { method: 'OPTIONS', origin: 'http://evil.example' }, 405],
  ])('%s', (_what, asked, status) => {
    expect(foreign({ ...GOOD, ...asked })?.status).toBe(status);
  });
});

it.each([
  ['the same', 'abc', true],
  ['another', 'abd', false],
  ['a longer one', 'abcd', false],
  ['a shorter one', 'ab', false],
  ['an empty one', '', false],
  ['none', undefined, false],
])('a token: %s', (_what, given, right) => {
  expect(isToken(given, 'abc')).toBe(right);
});

it.each([
  [undefined, undefined],
  ['', undefined],
  ['wand-1=abc', 'abc'],
  ['other=1; wand-1=a=b; wand-12=c', 'a=b'],
  ['xwand-1=abc', undefined],
])('the cookie in %s', (header, value) => {
  expect(cookieValue(header, 'wand-1')).toBe(value);
});
