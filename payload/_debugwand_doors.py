"""Owns the app's listening sockets while somebody stands in for it: duplicated, and given back before any of its threads
runs on. Runs inside the worker. Standard library only."""

import fcntl
import os
import socket

from _debugwand_listeners import listeners
from _debugwand_siblings import inodes_of_siblings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Collection, Dict, List, Optional, Tuple


class Doors:
    """lock: see `Pauses`; stopped: whether the app is."""

    def __init__(self, lock: "Any", stopped: "Callable[[], bool]") -> None:
        self._lock = lock
        self._stopped = stopped
        # Each with whether the app's own way is to wait in `accept`. Both lists are guarded by the lock.
        self._open: List[Tuple[socket.socket, bool]] = []
        self._left: List[Tuple[socket.socket, bool]] = []

    def all(self) -> "List[socket.socket]":
        return [door for door, _ in self._open]

    def open(self, ports: "Collection[int]", avoid: int) -> bool:
        """Those at the ports; where the app listens at none of them, somebody in front of it does: then all but `avoid`.
        Not where a living sibling accepts: it answers by itself. True: at all of them one does."""
        own = _own_sockets()
        theirs = inodes_of_siblings()
        found = [one for one in listeners() if one.inode in own and one.port != avoid]
        asked = [one for one in found if one.port in ports] or found
        wanted = {one.inode: own[one.inode] for one in asked if one.inode not in theirs}
        with self._lock:
            known = {os.fstat(door.fileno()).st_ino for door, _ in self._open}
            if not self._stopped():
                return False
            if known == wanted.keys():
                return not wanted and bool(asked)
            self.let_go()
            for descriptor in wanted.values():
                waits = os.get_blocking(descriptor)
                door = socket.socket(fileno=fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 0))
                # The app's own descriptor shares it.
                door.setblocking(False)
                self._open.append((door, waits))
        return not wanted and bool(asked)

    def let_go(self) -> None:
        """Under the lock, also by a thread of the app that runs on: from here on nothing is taken."""
        for door, waits in self._open:
            if waits:
                try:
                    os.set_blocking(door.fileno(), True)
                except OSError:
                    pass
        self._left += self._open
        self._open = []

    def left(self) -> "List[socket.socket]":
        """Those that were let go: to be closed."""
        with self._lock:
            left, self._left = self._left, []
        return [door for door, _ in left]

    def accept(self, door: socket.socket) -> "Optional[Tuple[socket.socket, Any]]":
        """None: there is nobody, or the app runs again."""
        with self._lock:
            if not self._stopped() or all(door is not one for one, _ in self._open):
                return None
            try:
                sock, peer = door.accept()
            except OSError:
                return None
        sock.setblocking(False)
        return sock, peer

    def forget(self) -> None:
        """In a forked child: only its descriptors go."""
        for door, _ in self._open + self._left:
            door.close()


def _own_sockets() -> "Dict[int, int]":
    """Inode → descriptor."""
    found: Dict[int, int] = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            link = os.readlink("/proc/self/fd/" + name)
        except OSError:
            continue
        if link.startswith("socket:["):
            found[int(link[8:-1])] = int(name)
    return found
