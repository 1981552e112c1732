"""Owns waiting for many sockets at once in the worker, and hanging up. Must not know what they are for."""

import select
import socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Optional, Tuple

HUNG_UP = select.POLLHUP | select.POLLERR | select.POLLRDHUP


class Poller:
    """Descriptor → what to call with the events. One thread's."""

    def __init__(self) -> None:
        self._poll: Any = select.poll()
        self._wanted: Dict[int, Tuple[int, Callable[[int], None]]] = {}

    def want(self, descriptor: int, events: int, call: "Callable[[int], None]") -> None:
        known = self._wanted.get(descriptor)
        self._wanted[descriptor] = (events, call)
        if known is None or known[0] != events:
            self._poll.register(descriptor, events)

    def forget(self, descriptor: int) -> None:
        """Before it is closed."""
        if self._wanted.pop(descriptor, None) is not None:
            self._poll.unregister(descriptor)

    def turn(self, seconds: "Optional[float]") -> None:
        for descriptor, events in self._poll.poll(None if seconds is None else int(seconds * 1000) + 1):
            known = self._wanted.get(descriptor)
            if known is not None:
                known[1](events)


def hang_up(sock: socket.socket) -> None:
    """Whoever else has the descriptor (a child of the app), the connection ends."""
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    sock.close()
