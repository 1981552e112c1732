// Owns reading Tilt's own file of credentials (a kubeconfig that `tilt up` writes): which server, whose authority, which
// token. Pure.
import { fields, list, text } from '../lib/fields.ts';
import type { Endpoint } from './endpoint.ts';

/** Changes of all resources, from now on and as they are. */
const WATCH = '/apis/tilt.dev/v1alpha1/uiresources?watch=true';
/** Tilt's name for the one that has the port it takes by default. */
const DEFAULT_PORT = '10350';

/** @param config the file's contents
 * @param port what Tilt tells its children in TILT_PORT. @returns null when that Tilt is not in the file */
export function tiltEndpoint(config: unknown, port: string): Endpoint | null {
  const file = fields(config);
  const context = port === DEFAULT_PORT ? 'tilt-default' : `tilt-${port}`;
  const named = fields(entryOf(file['contexts'], context)['context']);
  const cluster = fields(entryOf(file['clusters'], text(named['cluster']))['cluster']);
  const user = fields(entryOf(file['users'], text(named['user']))['user']);
  const [server, token, ca] = [cluster['server'], user['token'], cluster['certificate-authority-data']].map(text);
  if (server === undefined || !URL.canParse(server) || token === undefined || token === '') return null;
  return {
    url: new URL(WATCH, server).href,
    headers: { authorization: `Bearer ${token}` },
    ...(ca === undefined || ca === '' ? {} : { ca: Buffer.from(ca, 'base64').toString('utf8') }),
  };
}

function entryOf(entries: unknown, name: string): Readonly<Record<string, unknown>> {
  return fields(list(entries).find((entry) => fields(entry)['name'] === name));
}
