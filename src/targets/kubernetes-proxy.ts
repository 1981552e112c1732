// Owns whether a proxy of the environment (HTTPS_PROXY, NO_PROXY) stands between us and an API server: as kubectl decides.
// Must not open connections.
import { BlockList, isIP } from 'node:net';

type Environment = Readonly<Record<string, string | undefined>>;

/** The proxy's URL, or null: none is to be used. `proxy-url` of the kubeconfig comes first. */
export function environmentProxy(env: Environment, server: string): string | null {
  if (!URL.canParse(server)) return null;
  const url = new URL(server);
  const name = url.protocol === 'http:' ? 'HTTP_PROXY' : 'HTTPS_PROXY';
  const proxy = said(env, name);
  if (proxy === '') return null;
  const host = url.hostname.replace(/^\[|\]$/g, '').toLowerCase();
  // What is on this machine is never behind a proxy.
  if (host === 'localhost' || covers('127.0.0.0/8', host) || host === '::1') return null;
  const port = url.port || (url.protocol === 'http:' ? '80' : '443');
  const excepted = said(env, 'NO_PROXY')
    .split(',')
    .some((entry) => excepts(entry.trim().toLowerCase(), host, port));
  if (excepted) return null;
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(proxy) ? proxy : `http://${proxy}`;
}

function said(env: Environment, name: string): string {
  return (env[name] ?? env[name.toLowerCase()] ?? '').trim();
}

/** One entry of NO_PROXY: a domain with all below it, ".domain" for only those below, an address, a network; a port may follow. */
function excepts(entry: string, host: string, port: string): boolean {
  if (entry === '') return false;
  if (entry === '*') return true;
  if (entry.includes('/')) return covers(entry, host);
  const [, bracketed, plain = '', only] = /^(?:\[([^\]]*)\]|([^:]*|.*::?.*[^\]]))(?::(\d+))?$/.exec(entry) ?? [];
  const name = isIP(entry) === 0 ? (bracketed ?? plain) : entry;
  if (isIP(entry) === 0 && only !== undefined && only !== port) return false;
  const domain = name.replace(/^\*(?=\.)/, '');
  if (domain.startsWith('.')) return host.endsWith(domain);
  return host === domain || (isIP(host) === 0 && domain !== '' && host.endsWith(`.${domain}`));
}

function covers(network: string, host: string): boolean {
  const [address = '', bits = ''] = network.split('/');
  const family = isIP(address);
  const length = Number(bits);
  if (family === 0 || isIP(host) !== family || bits === '' || !(length >= 0 && length <= (family === 4 ? 32 : 128))) {
    return false;
  }
  const type = family === 4 ? 'ipv4' : 'ipv6';
  const list = new BlockList();
  list.addSubnet(address, length, type);
  return list.check(host, type);
}
