// Owns what is sent to start an agent: its command line and the payload's sources. Must not start anything.
import { readFileSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Beside src/ in a checkout and beside dist/ in the package. */
const PAYLOAD = fileURLToPath(new URL('../../payload/', import.meta.url));

/**
 * Takes the sources from standard input (length, JSON) and imports a program out of them: nothing is written anywhere.
 * The first line is how an agent knows its like in a list of processes. The first byte it writes says that it runs, which
 * Kubernetes does not tell.
 */
const bootstrap = (program: string): string => `# debugwand agent
import sys, os
if sys.version_info < (3, 8): sys.exit("debugwand needs Python 3.8 or later, this is " + sys.version.split()[0])
os.write(1, b"\\n")
import json
from importlib.machinery import ModuleSpec
def take(size):
    data = b""
    while len(data) < size:
        part = os.read(0, size - len(data))
        if not part: os._exit(0)
        data += part
    return data
sources = json.loads(take(int.from_bytes(take(4), "big")))
class Payload:
    def find_spec(self, name, path=None, target=None):
        return ModuleSpec(name, self) if name in sources else None
    def create_module(self, spec):
        return None
    def exec_module(self, module):
        name = module.__name__
        exec(compile(sources[name], "<" + name + ">", "exec", dont_inherit=True), module.__dict__)
sys.meta_path.insert(0, Payload())
import ${program}
${program}.main(sources)
`;

export interface AgentCommand {
  readonly argv: readonly string[];
  /** Goes to the agent's standard input before the first frame. */
  readonly bytes: Buffer;
}

let cached: Buffer | null = null;

/**
 * The command that runs the agent on that interpreter, isolated from the app's environment (-I, -S) and leaving no byte
 * code beside the library (-B).
 * @throws Error when the package lacks its payload.
 */
export function agentCommand(interpreter: string): AgentCommand {
  cached ??= readPayload(PAYLOAD);
  return { argv: argvFor(interpreter, '_debugwand_agent'), bytes: cached };
}

/** The same for the relay of forwarded ports, which is one module. `token`: it waits for a connection that says so. */
export function relayCommand(interpreter: string, token: string | null): AgentCommand {
  const sources = { ...modules(PAYLOAD, /^_debugwand_forward\.py$/), ...(token === null ? {} : { token }) };
  return { argv: argvFor(interpreter, '_debugwand_forward'), bytes: packed(sources) };
}

function argvFor(interpreter: string, program: string): string[] {
  return [interpreter, '-I', '-S', '-B', '-u', '-c', bootstrap(program)];
}

/** What an agent is sent of a folder's Python files. */
export function readPayload(folder: string): Buffer {
  return packed(modules(folder, /^_debugwand_(?!forward\.).*\.py$/));
}

function modules(folder: string, wanted: RegExp): Record<string, string> {
  const sources: Record<string, string> = {};
  for (const file of readdirSync(folder).toSorted()) {
    if (wanted.test(file)) sources[file.slice(0, -3)] = readFileSync(`${folder}/${file}`, 'utf8');
  }
  return sources;
}

/** Length (4 bytes big-endian) and JSON `{module: source}`. */
function packed(sources: Readonly<Record<string, string>>): Buffer {
  const body = Buffer.from(JSON.stringify(sources), 'utf8');
  const head = Buffer.alloc(4);
  head.writeUInt32BE(body.length);
  return Buffer.concat([head, body]);
}
