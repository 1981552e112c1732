import { describe, expect, it } from 'vitest';
import { environmentProxy } from '../../../src/targets/kubernetes-proxy.ts';

const PROXY = 'http://proxy:3128';

describe('the proxy of the environment', () => {
  it.each([
    [{}, 'https://api.example.com', null],
    [{ HTTPS_PROXY: PROXY }, 'https://api.example.com:6443', PROXY],
    [{ https_proxy: PROXY }, 'https://api.example.com', PROXY],
    [{ HTTPS_PROXY: 'proxy:3128' }, 'https://api.example.com', PROXY],
    [{ HTTPS_PROXY: 'socks5://proxy:1080' }, 'https://api.example.com', 'socks5://proxy:1080'],
    [{ HTTP_PROXY: PROXY }, 'https://api.example.com', null],
    [{ HTTP_PROXY: PROXY }, 'http://api.example.com', PROXY],
    [{ HTTPS_PROXY: '' }, 'https://api.example.com', null],
    [{ HTTPS_PROXY: PROXY }, 'https://127.0.0.1:6443', null],
    [{ HTTPS_PROXY: PROXY }, 'https://127.3.2.1:6443', null],
    [{ HTTPS_PROXY: PROXY }, 'https://localhost:6443', null],
    [{ HTTPS_PROXY: PROXY }, 'https://[::1]:6443', null],
    [{ HTTPS_PROXY: PROXY }, 'nonsense', null],
  ])('%j to %s: %s', (env, server, proxy) => {
    expect(environmentProxy(env, server)).toBe(proxy);
  });

  it.each([
    ['*', 'https://api.example.com', false],
    ['example.com', 'https://api.example.com', false],
    ['example.com', 'https://example.com', false],
    ['example.com', 'https://badexample.com', true],
    ['.example.com', 'https://api.example.com', false],
    ['*.example.com', 'https://api.example.com', false],
    ['.example.com', 'https://example.com', true],
    ['other.com, EXAMPLE.com ,', 'https://api.example.com', false],
    ['example.com:443', 'https://api.example.com', false],
    ['example.com:6443', 'https://api.example.com:6443', false],
    ['example.com:6443', 'https://api.example.com', true],
    ['10.1.2.3', 'https://10.1.2.3:6443', false],
    ['10.1.2.3:6443', 'https://10.1.2.3:6443', false],
    ['10.1.2.3:6444', 'https://10.1.2.3:6443', true],
    ['10.0.0.0/8', 'https://10.1.2.3', false],
    ['10.0.0.0/8', 'https://11.1.2.3', true],
    ['10.0.0.0/99', 'https://10.1.2.3', true],
    ['1.2.3', 'https://10.1.2.3', true],
    ['fd00::/8', 'https://[fd00::5]:6443', false],
    ['fd00::5', 'https://[fd00::5]:6443', false],
    ['[fd00::5]:6443', 'https://[fd00::5]:6443', false],
    ['[fd00::5]:1', 'https://[fd00::5]:6443', true],
    ['', 'https://api.example.com', true],
    [',', 'https://api.example.com', true],
  ])('NO_PROXY=%s for %s: used %s', (NO_PROXY, server, used) => {
    expect(environmentProxy({ HTTPS_PROXY: PROXY, NO_PROXY }, server) !== null).toBe(used);
  });
});
