"""Owns finding where an app's own `debugpy.listen()` answers editors: its adapter is a process of its own that the app
talks to over the loopback. Reads /proc only, never connects: debugpy serves one editor, a probe would be it. Runs inside
the worker."""

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, Iterator, List, Optional, Set, Tuple


def endpoint_of_adapter(peer_port: int) -> "Optional[Tuple[int, List[int]]]":
    """peer_port: the port of the adapter that pydevd is connected to. Returns (pid, ports, where the one is first that the
    adapter was told to listen on), or None when there is no such process, or it may not be looked at."""
    listening = _listening()
    owners = {inode for inode, port in listening.items() if port == peer_port} | _established(peer_port)
    if not owners:
        return None
    for pid in sorted((int(name) for name in os.listdir("/proc") if name.isdigit()), reverse=True):
        try:
            with open("/proc/%d/cmdline" % pid, "rb") as file:
                words = file.read().decode("utf-8", "replace").split("\0")
            if not any(word.rstrip("/").endswith("debugpy/adapter") for word in words):
                continue
            inodes = _sockets(pid)
        except OSError:
            continue
        if not owners & inodes:
            continue
        told = _argument(words, "--port")
        ports = [port for inode, port in listening.items() if inode in inodes and port != peer_port]
        return pid, sorted(ports, key=lambda port: (port != told, port))
    return None


def _argument(words: "List[str]", name: str) -> int:
    for word, value in zip(words, words[1:]):
        if word == name and value.isdigit():
            return int(value)
    return 0


def _rows() -> "Iterator[List[str]]":
    for name in ("/proc/self/net/tcp", "/proc/self/net/tcp6"):
        try:
            with open(name, encoding="ascii") as file:
                for line in file.read().splitlines()[1:]:
                    yield line.split()
        except OSError:
            continue


def _listening() -> "Dict[str, int]":
    """Inode → port, of the sockets in state LISTEN (0A)."""
    return {row[9]: int(row[1].rpartition(":")[2], 16) for row in _rows() if row[3] == "0A"}


def _established(port: int) -> "Set[str]":
    """Inodes of the connections whose near end is that port."""
    return {row[9] for row in _rows() if row[3] == "01" and int(row[1].rpartition(":")[2], 16) == port}


def _sockets(pid: int) -> "Set[str]":
    found: Set[str] = set()
    folder = "/proc/%d/fd" % pid
    for name in os.listdir(folder):
        try:
            target = os.readlink("%s/%s" % (folder, name))
        except OSError:
            continue
        if target.startswith("socket:["):
            found.add(target[8:-1])
    return found
