"""Owns one question: which TCP sockets of our network namespace listen? By sock_diag(7) where the kernel has it: it looks
at listening sockets only, while /proc/net/tcp walks a table sized for the machine's memory (1 ms each time).
Standard library only, Python 3.8 or later."""

import os
import socket
import struct
from typing import List, NamedTuple, Optional

import _debugwand_procfs as procfs

_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_REQUEST_DUMP = 0x301  # NLM_F_REQUEST | NLM_F_DUMP
_DONE, _ERROR = 3, 2
_LISTEN = 10
_MOST_BYTES = 1 << 22


class Listener(NamedTuple):
    family: int
    host: str
    port: int
    inode: int


def listeners() -> List[Listener]:
    found: List[Listener] = []
    for family in (socket.AF_INET, socket.AF_INET6):
        some = _by_netlink(family)
        found += some if some is not None else _by_proc(family)
    return found


def _by_netlink(family: int) -> Optional[List[Listener]]:
    """None where it cannot be asked."""
    request = struct.pack("=BBBxI48x", family, socket.IPPROTO_TCP, 0, 1 << _LISTEN)
    found: List[Listener] = []
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as sock:
            sock.settimeout(0.2)
            head = struct.pack("=IHHII", 16 + len(request), _SOCK_DIAG_BY_FAMILY, _REQUEST_DUMP, 1, 0)
            sock.sendto(head + request, (0, 0))
            for _ in range(_MOST_BYTES >> 16):
                data = sock.recv(1 << 16)
                at = 0
                while at + 16 <= len(data):
                    size, kind = struct.unpack_from("=IH", data, at)
                    if kind == _DONE:
                        return found
                    if kind == _ERROR or size < 16 + 72:
                        return None
                    found.append(_of_message(data[at + 16 : at + size]))
                    at += (size + 3) & ~3
    except (OSError, AttributeError, ValueError, struct.error):
        pass
    return None


def _of_message(body: bytes) -> Listener:
    """struct inet_diag_msg."""
    family = body[0]
    port = int(struct.unpack_from(">H", body, 4)[0])
    packed = body[8 : 8 + (4 if family == socket.AF_INET else 16)]
    inode = int(struct.unpack_from("=I", body, 68)[0])
    return Listener(family, socket.inet_ntop(family, packed), port, inode)


def _by_proc(family: int) -> List[Listener]:
    table = procfs.read_bytes("/proc/self/net/%s" % ("tcp" if family == socket.AF_INET else "tcp6"), _MOST_BYTES) or b""
    found: List[Listener] = []
    for line in table.splitlines()[1:]:
        fields = line.split()
        if len(fields) > 9 and fields[3] == b"0A":
            host, _, port = fields[1].partition(b":")
            # Words of 32 bits as the machine reads them; in memory they are in network order.
            packed = b"".join(struct.pack("=I", int(host[at : at + 8], 16)) for at in range(0, len(host), 8))
            found.append(Listener(family, socket.inet_ntop(family, packed), int(port, 16), int(fields[9])))
    return found


def ephemeral_ports() -> range:
    """Those that the system gives out by itself."""
    raw = procfs.read_bytes("/proc/sys/net/ipv4/ip_local_port_range", 64)
    words = raw.split() if raw else []
    return range(int(words[0]), int(words[1]) + 1) if len(words) == 2 else range(32768, 61000)


def socket_inodes(pid: int) -> "frozenset[int]":
    """Of the sockets that a process has open; empty when we may not know."""
    found: List[int] = []
    try:
        names = os.listdir("/proc/%d/fd" % pid)
    except OSError:
        return frozenset()
    for name in names:
        link = procfs.read_link("/proc/%d/fd/%s" % (pid, name))
        if link is not None and link.startswith("socket:["):
            found.append(int(link[8:-1]))
    return frozenset(found)
