/**
 * The official JSON schema of the Debug Adapter Protocol, as debugpy's wheel brings it (MIT), and a check of messages
 * against it. Only what that schema uses of JSON Schema is known here: allOf, $ref, type, properties, required, enum, items.
 */
import { readFile } from 'node:fs/promises';
import { glob } from 'node:fs/promises';
import { join } from 'node:path';

interface Schema {
  readonly $ref?: string;
  readonly allOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly additionalProperties?: Schema | boolean;
}

export class DapSchema {
  readonly #definitions: Readonly<Record<string, Schema>>;

  constructor(text: string) {
    this.#definitions = (JSON.parse(text) as { definitions: Record<string, Schema> }).definitions;
  }

  /** The schema in a virtual environment that has debugpy. */
  static async load(venv: string): Promise<DapSchema> {
    const path = 'lib/python*/site-packages/debugpy/_vendored/pydevd/_pydevd_bundle/_debug_adapter/debugProtocol.json';
    for await (const file of glob(path, { cwd: venv })) return new DapSchema(await readFile(join(venv, file), 'utf8'));
    throw new Error(`no debugProtocol.json in ${venv}`);
  }

  /** Commands of all requests that the protocol knows. */
  get requests(): string[] {
    return Object.entries(this.#definitions).flatMap(([name, { allOf }]) => {
      const command = name.endsWith('Request') ? allOf?.at(-1)?.properties?.['command']?.enum?.[0] : undefined;
      return typeof command === 'string' ? [command] : [];
    });
  }

  /** What is wrong with a message from debugger to editor; empty when nothing is. */
  check(message: object): string[] {
    const of = message as { type?: unknown; command?: unknown; event?: unknown; success?: unknown };
    const name = String(of.type === 'event' ? of.event : of.command);
    const title = name.charAt(0).toUpperCase() + name.slice(1);
    const kind = of.type === 'event' ? 'Event' : of.type === 'response' ? 'Response' : 'Request';
    const wanted = kind === 'Response' && of.success === false ? 'ErrorResponse' : `${title}${kind}`;
    const definition = this.#definitions[wanted] ?? this.#definitions[kind];
    if (definition === undefined) return [`${wanted}: no such message`];
    const whole = wanted === 'ErrorResponse' && !('body' in message) ? { ...message, body: {} } : message;
    return this.#faults(definition, whole, name);
  }

  #faults(schema: Schema, value: unknown, at: string): string[] {
    const faults: string[] = [];
    if (schema.$ref !== undefined) {
      const target = this.#definitions[schema.$ref.replace('#/definitions/', '')];
      if (target === undefined) throw new Error(`no ${schema.$ref}`);
      faults.push(...this.#faults(target, value, at));
    }
    for (const part of schema.allOf ?? []) faults.push(...this.#faults(part, value, at));
    if (schema.oneOf !== undefined && !schema.oneOf.some((one) => this.#faults(one, value, at).length === 0)) {
      faults.push(`${at}: none of the possible shapes`);
    }
    if (schema.type !== undefined && ![schema.type].flat().some((type) => isType(type, value))) {
      faults.push(`${at}: ${JSON.stringify(value).slice(0, 80)} is not ${String(schema.type)}`);
    }
    if (schema.enum !== undefined && !schema.enum.includes(value))
      faults.push(`${at}: ${JSON.stringify(value)} is not allowed`);
    if (Array.isArray(value)) {
      if (schema.items !== undefined) {
        const { items } = schema;
        value.forEach((item: unknown, i) => faults.push(...this.#faults(items, item, `${at}[${String(i)}]`)));
      }
      return faults;
    }
    if (typeof value !== 'object' || value === null) return faults;
    const fields = value as Readonly<Record<string, unknown>>;
    for (const name of schema.required ?? []) if (fields[name] === undefined) faults.push(`${at}: no ${name}`);
    for (const [name, part] of Object.entries(schema.properties ?? {})) {
      if (fields[name] !== undefined) faults.push(...this.#faults(part, fields[name], `${at}.${name}`));
    }
    return faults;
  }
}

function isType(type: string, value: unknown): boolean {
  switch (type) {
    case 'integer':
      return Number.isInteger(value);
    case 'array':
      return Array.isArray(value);
    case 'null':
      return value === null;
    case 'object':
      return typeof value === 'object' && value !== null && !Array.isArray(value);
    default:
      return typeof value === type;
  }
}
