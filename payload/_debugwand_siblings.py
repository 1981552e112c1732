"""Owns one question: at which of our listening sockets does a living sibling accept, too? Workers of one supervisor share
them: while one is stopped the others accept, and nobody needs to stand in for it. The supervisor holds them as well, and
never accepts. A sibling that the debugger has stopped as a whole looks asleep from outside: so each says so by the name of
its stand-in's thread, which anybody may read. Runs inside the worker. Standard library only."""

import os

from _debugwand_listeners import socket_inodes
from _debugwand_procfs import read_bytes, read_stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import FrozenSet, List, Set

# 15 bytes at most.
_STOPPED = b"debugwand stop"
_RUNS = b"debugwand wait"


def say_stopped(stopped: bool) -> None:
    """To the siblings, by the thread that calls."""
    try:
        with open("/proc/thread-self/comm", "wb", buffering=0) as file:
            file.write(_STOPPED if stopped else _RUNS)
    except OSError:
        pass  # they take us for one that accepts


def inodes_of_siblings() -> "FrozenSet[int]":
    """Of all sockets of the other children of our parent that run: neither stopped, by a signal or the debugger, nor at their
    end."""
    found: Set[int] = set()
    for pid in _siblings():
        stat = read_stat(pid)
        if stat is None or stat.gone or stat.state in "Tt" or _says_stopped(pid):
            continue
        try:
            os.listdir("/proc/%d/fd" % pid)
        except PermissionError:
            # It changed its user, as we did: of the same program, so it holds what we hold.
            if read_bytes("/proc/%d/cmdline" % pid) == read_bytes("/proc/self/cmdline"):
                found |= socket_inodes(os.getpid())
            continue
        except OSError:
            continue
        found |= socket_inodes(pid)
    return frozenset(found)


def _says_stopped(pid: int) -> bool:
    try:
        tasks = os.listdir("/proc/%d/task" % pid)
    except OSError:
        return False
    return any((read_bytes("/proc/%d/task/%s/comm" % (pid, task)) or b"").strip() == _STOPPED for task in tasks)


def _siblings() -> "List[int]":
    parent = os.getppid()
    found: List[int] = []
    try:
        tasks = os.listdir("/proc/%d/task" % parent) if parent else []
    except OSError:
        return found
    for task in tasks:
        raw = read_bytes("/proc/%d/task/%s/children" % (parent, task)) or b""
        found += [int(word) for word in raw.split() if int(word) != os.getpid()]
    return found
