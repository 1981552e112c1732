/** Questions to a test cluster's API server as its admin: cheaper than a kubectl each time, for what waits and asks again. */
import { readFile } from 'node:fs/promises';
import { Agent, request } from 'node:https';
import { join } from 'node:path';

const ANSWER_MS = 5000;

export class Rest {
  readonly #server: string;
  readonly #certificates: string;
  #agent: Agent | undefined;

  /** `certificates`: the folder with the authority and the admin's own; read at the first question. */
  constructor(server: string, certificates: string) {
    this.#server = server;
    this.#certificates = certificates;
  }

  /** What lies at that path: text. @throws Error with what the server says, or that it does not answer. */
  async get(path: string): Promise<string> {
    this.#agent ??= new Agent({ keepAlive: true, ...(await this.#credentials()) });
    const agent = this.#agent;
    return new Promise((resolve, reject) => {
      const asked = request(`${this.#server}${path}`, { agent, signal: AbortSignal.timeout(ANSWER_MS) }, (answer) => {
        const chunks: Buffer[] = [];
        answer.on('data', (chunk: Buffer) => chunks.push(chunk));
        answer.once('error', reject);
        answer.once('end', () => {
          const text = Buffer.concat(chunks).toString();
          if (answer.statusCode === 200) resolve(text);
          else reject(new Error(`GET ${path}: ${String(answer.statusCode)} ${text}`));
        });
      });
      asked.once('error', reject);
      asked.end();
    });
  }

  async #credentials(): Promise<{ ca: Buffer; cert: Buffer; key: Buffer }> {
    const read = (name: string): Promise<Buffer> => readFile(join(this.#certificates, name));
    return { ca: await read('ca.crt'), cert: await read('admin.crt'), key: await read('admin.key') };
  }
}
