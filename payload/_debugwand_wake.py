"""Owns waking a process that waits: connects to a socket on which the app itself listens, and hangs up at once.
Never to a debugger's port: a new connection there steals the session. Standard library only, Python 3.8 or later."""

import os
import socket
import struct
from typing import Dict, List, NamedTuple, Optional, Set, Tuple

import _debugwand_procfs as procfs

FLAG = b"@debugwand-inside-"
_DEBUGPY_PORT = 5678
_LISTEN = b"0A"
_MOST_DOORS = 8


class Door(NamedTuple):
    """family, address for connect."""

    family: int
    address: object


def doors(pid: int, avoid: Set[int]) -> List[Door]:
    """Sockets on which the process listens: TCP, then Unix ones. `avoid`: ports of debuggers that we know."""
    if procfs.read_link("/proc/%d/ns/net" % pid) != procfs.read_link("/proc/self/ns/net"):
        return []
    inodes = _socket_inodes(pid)
    if not inodes:
        return []
    unix = procfs.read_bytes("/proc/%d/net/unix" % pid, 8 << 20) or b""
    inside = FLAG + b"%d-" % pid in unix or (FLAG in unix and _inside_of(pid, unix))
    listening: List[Tuple[int, str, int]] = []
    for name, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        table = procfs.read_bytes("/proc/%d/net/%s" % (pid, name), 8 << 20) or b""
        listening += [(family, host, port) for host, port in _listening(table, family, inodes)]
    # Another agent's debugger is in there and we do not know its port: it is one that the system chose.
    unknown = inside and not any(port in avoid for _, _, port in listening)
    low, high = _ephemeral_ports()
    found: List[Door] = []
    for family, host, port in listening:
        chosen = host in ("127.0.0.1", "::1") and low <= port <= high
        if port not in avoid and port != _DEBUGPY_PORT and not (unknown and chosen):
            found.append(Door(family, ({"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), port)))
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


def _inside_of(pid: int, unix: bytes) -> bool:
    """The flag names the process's innermost pid, which differs from ours in a PID namespace of its own."""
    status = procfs.read_bytes("/proc/%d/status" % pid, 65536) or b""
    for line in status.splitlines():
        if line.startswith(b"NSpid:"):
            return FLAG + b"%s-" % line.split()[-1] in unix
    return False


def _socket_inodes(pid: int) -> Set[int]:
    found: Set[int] = set()
    try:
        for name in os.listdir("/proc/%d/fd" % pid):
            link = procfs.read_link("/proc/%d/fd/%s" % (pid, name))
            if link is not None and link.startswith("socket:["):
                found.add(int(link[8:-1]))
    except OSError:
        pass
    return found


def _listening(table: bytes, family: int, inodes: Set[int]) -> List[Tuple[str, int]]:
    found: Dict[Tuple[str, int], None] = {}
    for line in table.splitlines()[1:]:
        fields = line.split()
        if len(fields) > 9 and fields[3] == _LISTEN and int(fields[9]) in inodes:
            host, _, port = fields[1].partition(b":")
            # Words of 32 bits as the machine reads them; in memory they are in network order.
            packed = b"".join(struct.pack("=I", int(host[at : at + 8], 16)) for at in range(0, len(host), 8))
            found[(socket.inet_ntop(family, packed), int(port, 16))] = None
    return list(found)


def _ephemeral_ports() -> Tuple[int, int]:
    raw: Optional[bytes] = procfs.read_bytes("/proc/sys/net/ipv4/ip_local_port_range", 64)
    words = raw.split() if raw else []
    return (int(words[0]), int(words[1])) if len(words) == 2 else (32768, 60999)
