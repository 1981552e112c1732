// Owns what the Docker API's answers look like to us: guards that turn `unknown` into the few fields that we use, for
// Docker and for Podman's compatible API. Pure; must not import I/O.

/** One row of `GET /containers/json?all=1`. */
export interface ContainerSummary {
  readonly id: string;
  /** Without the leading slash; the first one is the container's own. */
  readonly names: readonly string[];
  readonly image: string;
  /** As the engine says it: created, running, paused, restarting, removing, exited, dead (Podman: also stopped, configured). */
  readonly state: string;
  /** For people: "Up 3 minutes". */
  readonly status: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Seconds since the Unix epoch. */
  readonly created: number;
}

export interface Mount {
  readonly type: string;
  readonly source: string;
  readonly destination: string;
}

/** The part of `GET /containers/ID/json` that we use. */
export interface ContainerDetails {
  readonly id: string;
  readonly name: string;
  readonly state: string;
  /** The host's PID of the container's first process; 0 when it does not run. */
  readonly pid: number;
  readonly exitCode: number;
  readonly outOfMemory: boolean;
  /** ISO 8601. */
  readonly startedAt: string;
  readonly finishedAt: string;
  /** The engine's own words for why it did not start. */
  readonly error: string;
  /** Content id of the image ("sha256:…"): stays right when the tag is moved by a rebuild. */
  readonly imageId: string;
  readonly imageName: string;
  readonly workingDir: string;
  readonly env: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly mounts: readonly Mount[];
  /** "", "private", "host", "container:<id>". */
  readonly pidMode: string;
  readonly userNamespaceMode: string;
  /** The program of the first process as configured. */
  readonly path: string;
  /** Its arguments. */
  readonly args: readonly string[];
  readonly healthCheck: boolean;
}

/** One line of `GET /events`. */
export interface EngineEvent {
  readonly type: string;
  /** start, die (old Podman: died), rename, exec_create: …, … */
  readonly action: string;
  readonly id: string;
  /** Name, image and labels of the container; `oldName` in a rename. */
  readonly attributes: Readonly<Record<string, string>>;
}

export interface ExecState {
  readonly running: boolean;
  readonly exitCode: number | null;
  readonly pid: number;
}

type Fields = Readonly<Record<string, unknown>>;

function fields(value: unknown): Fields {
  return isFields(value) ? value : {};
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function number(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : 0;
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function texts(value: unknown): readonly string[] {
  return list(value).filter((item) => typeof item === 'string');
}

function dictionary(value: unknown): Readonly<Record<string, string>> {
  const result: Record<string, string> = {};
  for (const [key, item] of Object.entries(fields(value))) if (typeof item === 'string') result[key] = item;
  return result;
}

function plainName(name: string): string {
  return name.startsWith('/') ? name.slice(1) : name;
}

/** Rows without an id are dropped: nothing can be done with them. */
export function parseContainers(value: unknown): readonly ContainerSummary[] {
  return list(value).flatMap((row) => {
    const f = fields(row);
    const id = text(f['Id']);
    if (id === '') return [];
    const names = texts(f['Names']).map(plainName);
    return [
      {
        id,
        // A link's alias reads "/other/alias": the container's own name has no slash in it.
        names: [...names.filter((n) => !n.includes('/')), ...names.filter((n) => n.includes('/'))],
        image: text(f['Image']),
        state: text(f['State']).toLowerCase(),
        status: text(f['Status']),
        labels: dictionary(f['Labels']),
        created: number(f['Created']),
      },
    ];
  });
}

/** Null when the answer is none that we know. */
export function parseDetails(value: unknown): ContainerDetails | null {
  const f = fields(value);
  const state = fields(f['State']);
  const config = fields(f['Config']);
  const hostConfig = fields(f['HostConfig']);
  const id = text(f['Id']);
  if (id === '' || text(state['Status']) === '') return null;
  return {
    id,
    name: plainName(text(f['Name'])),
    state: text(state['Status']).toLowerCase(),
    pid: number(state['Pid']),
    exitCode: number(state['ExitCode']),
    outOfMemory: state['OOMKilled'] === true,
    startedAt: text(state['StartedAt']),
    finishedAt: text(state['FinishedAt']),
    error: text(state['Error']),
    imageId: text(f['Image']),
    imageName: text(config['Image']),
    workingDir: text(config['WorkingDir']),
    env: texts(config['Env']),
    labels: dictionary(config['Labels']),
    mounts: list(f['Mounts']).map((mount) => {
      const m = fields(mount);
      return { type: text(m['Type']), source: text(m['Source']), destination: text(m['Destination']) };
    }),
    pidMode: text(hostConfig['PidMode']),
    userNamespaceMode: text(hostConfig['UsernsMode']),
    path: text(f['Path']),
    args: texts(f['Args']),
    healthCheck: texts(fields(config['Healthcheck'])['Test']).some((word) => word !== 'NONE'),
  };
}

/** Null for a line that is no event. Old engines send `status` and `id` at the top, new ones `Action` and `Actor`. */
export function parseEvent(line: string): EngineEvent | null {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return null;
  }
  if (!isFields(value)) return null;
  const actor = fields(value['Actor']);
  const action = text(value['Action']) || text(value['status']);
  if (action === '') return null;
  return {
    type: text(value['Type']) || 'container',
    action,
    id: text(actor['ID']) || text(value['id']),
    attributes: dictionary(actor['Attributes']),
  };
}

export function parseExecState(value: unknown): ExecState {
  const f = fields(value);
  const code = f['ExitCode'];
  return { running: f['Running'] === true, exitCode: typeof code === 'number' ? code : null, pid: number(f['Pid']) };
}

/** The command lines that `docker top` shows; empty when it shows none. */
export function parseTop(value: unknown): readonly string[] {
  const f = fields(value);
  const titles = texts(f['Titles']).map((title) => title.toUpperCase());
  const column = titles.findIndex((title) => title === 'CMD' || title === 'COMMAND' || title === 'ARGS');
  if (column < 0) return [];
  return list(f['Processes']).flatMap((row) => {
    const cell = list(row)[column];
    return typeof cell === 'string' ? [cell] : [];
  });
}

/** Whether `GET /version` speaks of Podman. */
export function isPodmanVersion(value: unknown): boolean {
  return list(fields(value)['Components']).some((part) => /podman/i.test(text(fields(part)['Name'])));
}

/** HTTP status and the engine's own words of an error that the wrapped client threw. */
export function parseFailure(error: unknown): {
  readonly status: number | null;
  readonly code: string;
  readonly text: string;
} {
  const f = fields(error);
  const json = fields(f['json']);
  const status = f['statusCode'];
  const said = text(json['message']) || text(json['cause']) || (error instanceof Error ? error.message : String(error));
  return { status: typeof status === 'number' ? status : null, code: text(f['code']), text: said.trim() };
}
