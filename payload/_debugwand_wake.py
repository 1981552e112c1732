"""Owns waking a process that waits: connects to a socket on which the app itself listens, and hangs up at once.
Never to a debugger's port: a new connection there steals the session. Standard library only, Python 3.8 or later."""

import socket
from typing import List, NamedTuple, Set

import _debugwand_procfs as procfs
from _debugwand_listeners import ephemeral_ports, listeners, socket_inodes

FLAG = b"@debugwand-inside-"
_DEBUGPY_PORT = 5678
_MOST_DOORS = 8


class Door(NamedTuple):
    """family, address for connect."""

    family: int
    address: object


def doors(pid: int, avoid: Set[int]) -> List[Door]:
    """Sockets on which the process listens: TCP, then Unix ones. `avoid`: ports of debuggers that we know."""
    if procfs.read_link("/proc/%d/ns/net" % pid) != procfs.read_link("/proc/self/ns/net"):
        return []
    inodes = socket_inodes(pid)
    if not inodes:
        return []
    unix = procfs.read_bytes("/proc/%d/net/unix" % pid, 8 << 20) or b""
    listening = [one for one in listeners() if one.inode in inodes]
    # Another agent's debugger is in there and we do not know its port: it is one that the system chose.
    unknown = _entered(pid, unix) and not any(one.port in avoid for one in listening)
    chosen = ephemeral_ports()
    found: List[Door] = []
    for one in listening:
        suspicious = unknown and one.host in ("127.0.0.1", "::1") and one.port in chosen
        if one.port not in avoid and one.port != _DEBUGPY_PORT and not suspicious:
            found.append(Door(one.family, ({"0.0.0.0": "127.0.0.1", "::": "::1"}.get(one.host, one.host), one.port)))
    for line in unix.splitlines()[1:]:
        fields = line.split(None, 7)
        if len(fields) == 8 and int(fields[3], 16) & 0x10000 and int(fields[6]) in inodes:
            path = fields[7]
            address = b"\0" + path[1:] if path.startswith(b"@") else b"/proc/%d/root" % pid + path
            if len(address) < 108:
                found.append(Door(socket.AF_UNIX, address))
    return found[:_MOST_DOORS]


def knock(door: Door) -> None:
    """Connects and hangs up, without waiting for anything."""
    try:
        with socket.socket(door.family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as sock:
            sock.connect(door.address)  # type: ignore[arg-type]
    except OSError:
        pass  # EINPROGRESS too: the app will see a connection that ended


def _entered(pid: int, unix: bytes) -> bool:
    """Whether debugwand's flag hangs out of the process. It names the innermost of the process's pids."""
    if FLAG not in unix:
        return False
    status = procfs.read_bytes("/proc/%d/status" % pid, 65536) or b""
    for line in status.splitlines():
        if line.startswith(b"NSpid:"):
            return FLAG + b"%s-" % line.split()[-1] in unix
    return FLAG + b"%d-" % pid in unix
