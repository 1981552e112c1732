"""Owns one question: at which of our listening sockets does a living sibling accept, too? Workers of one supervisor share
them. The supervisor holds them as well, and never accepts. Runs inside the worker. Standard library only."""

import os

from _debugwand_listeners import socket_inodes
from _debugwand_procfs import read_bytes, read_stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import FrozenSet, List, Set


def inodes_of_siblings() -> "FrozenSet[int]":
    """Of all sockets of the other children of our parent that run: neither stopped nor at their end."""
    found: Set[int] = set()
    for pid in _siblings():
        stat = read_stat(pid)
        if stat is None or stat.gone or stat.state in "Tt":
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
