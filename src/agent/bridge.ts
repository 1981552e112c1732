// Owns the small program that leads a second exec to an agent whose first one was cut. Must not start anything.
import { BRIDGE_GONE, BRIDGE_MAGIC } from './protocol.ts';

/** Exit status of a bridge that found no agent any more. */
export const GONE_STATUS = 3;

/**
 * Connects to the agent's abstract socket, then moves bytes both ways until either end closes. It has no say and keeps
 * nothing: what is lost in it is sent again. "debugwand" in its first line is how an agent knows its like.
 */
const BRIDGE = `# debugwand bridge
import errno, os, socket, sys, _thread
wire = socket.socket(socket.AF_UNIX)
try:
    wire.connect("\\0" + sys.argv[1])
except OSError as error:
    if error.errno != errno.ECONNREFUSED: sys.exit(str(error))
    os.write(1, b"${BRIDGE_GONE}\\n")
    os._exit(${String(GONE_STATUS)})
os.write(1, b"${BRIDGE_MAGIC.trimEnd()}\\n")
def move(source, sink):
    try:
        while True:
            data = os.read(source, 65536)
            if not data: break
            while data: data = data[os.write(sink, data):]
    except OSError: pass
    os._exit(0)
_thread.start_new_thread(move, (0, wire.fileno()))
move(wire.fileno(), 1)
`;

/** The command that leads to the agent that listens at `name`. */
export function bridgeCommand(interpreter: string, name: string): readonly string[] {
  return [interpreter, '-I', '-S', '-B', '-u', '-c', BRIDGE, name];
}
