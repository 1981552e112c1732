// Owns the shapes of DAP messages and the guards that turn `unknown` into them. Pure; knows no session.

export type JsonObject = Readonly<Record<string, unknown>>;

export interface DapRequest {
  readonly type: 'request';
  readonly seq: number;
  readonly command: string;
  /** Always an object here: absent arguments are read as none. */
  readonly arguments: JsonObject;
}

export interface DapResponse {
  readonly type: 'response';
  readonly request_seq: number;
  readonly command: string;
  readonly success: boolean;
  readonly message?: string;
  readonly body?: unknown;
}

export interface DapEvent {
  readonly type: 'event';
  readonly event: string;
  readonly body?: unknown;
}

/** A request of ours to the editor. */
export interface ReverseRequest {
  readonly type: 'request';
  readonly command: string;
  readonly arguments: JsonObject;
}

/** What the keeper sends; the socket adds `seq`. */
export type Outgoing = DapResponse | DapEvent | ReverseRequest;
/** What the keeper receives from debugpy. */
export type Incoming = DapResponse | DapEvent | DapRequest;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function isInteger(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value);
}

/** The objects of an array; everything else of it, and anything that is no array, is left out. */
export function objects(value: unknown): JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

export function stringOr<T>(value: unknown, otherwise: T): string | T {
  return typeof value === 'string' ? value : otherwise;
}

/** A body as an object, empty if it is none. */
export function bodyOf(value: unknown): JsonObject {
  return isObject(value) ? value : {};
}

/** The message in a frame's text, or null when it is none. */
export function parseMessage(text: string): Incoming | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (!isObject(value)) return null;
  switch (value['type']) {
    case 'request':
      return isInteger(value['seq']) && typeof value['command'] === 'string'
        ? { type: 'request', seq: value['seq'], command: value['command'], arguments: bodyOf(value['arguments']) }
        : null;
    case 'response':
      return isInteger(value['request_seq']) && typeof value['success'] === 'boolean'
        ? {
            type: 'response',
            request_seq: value['request_seq'],
            command: stringOr(value['command'], ''),
            success: value['success'],
            ...(typeof value['message'] === 'string' ? { message: value['message'] } : {}),
            ...(value['body'] === undefined ? {} : { body: value['body'] }),
          }
        : null;
    case 'event':
      return typeof value['event'] === 'string'
        ? {
            type: 'event',
            event: value['event'],
            ...(value['body'] === undefined ? {} : { body: value['body'] }),
          }
        : null;
    default:
      return null;
  }
}

export function event(name: string, body?: JsonObject): DapEvent {
  return { type: 'event', event: name, ...(body === undefined ? {} : { body }) };
}

/** The `request_seq` of a response too long to be parsed, from the ends of its text; null if it is not in sight. */
export function requestSeqOf(head: string, tail: string): number | null {
  for (const text of [head, tail]) {
    if (text === head && !/"type"\s*:\s*"response"/.test(head) && !/"request_seq"/.test(head)) continue;
    const found = /"request_seq"\s*:\s*(\d{1,15})/.exec(text);
    if (found?.[1] !== undefined) return Number(found[1]);
  }
  return null;
}
