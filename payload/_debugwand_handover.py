"""Owns giving a held client to the app once it runs: a connection of ours to the same port, and the bytes both ways until
the end. Not one byte of the client is read before the app has accepted: so it can be taken back when the app is stopped
again. Runs inside the worker. Standard library only."""

import errno
import select
import socket
import struct
import time

from _debugwand_poller import Poller, hang_up

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, List, Optional

    Address = Any

# Connections of ours that the app has not accepted yet.
_MOST_WAITING = 8
_MOST_BUFFER = 1 << 16
_FIRST_LOOK, _LAST_LOOK = 0.001, 0.05
# After so long without being accepted the bytes go anyway: an app may want to see some first (TCP_DEFER_ACCEPT).
_PATIENCE = 5.0
_NETLINK_SOCK_DIAG, _SOCK_DIAG_BY_FAMILY = 4, 20
_LISTEN, _NEW_SYN_RECV, _SYN_RECV = 10, 12, 3


class _Side:
    """One end: what is to be written there, and what is over."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.waiting = bytearray()
        self.ended = False  # nothing more comes from there
        self.shut = False  # nothing more goes there


class Relay:
    def __init__(self, poller: Poller, client: socket.socket) -> None:
        self._poller = poller
        self._client = _Side(client)
        self._app = _Side(socket.socket(client.family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC))
        self._app.sock.setblocking(False)
        self.accepted = False
        self.over = False
        self.address: Address = None
        self.again = 0.0
        self._pause = _FIRST_LOOK
        self._since = time.monotonic()

    def connect(self) -> None:
        """To where the client had connected to."""
        client, app = self._client.sock, self._app.sock
        for sock in (client, app):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        code = app.connect_ex(client.getsockname())
        if code not in (0, errno.EINPROGRESS):
            self.end()
            return
        self.address = app.getsockname()
        self.again = self._since

    def look(self, now: float) -> None:
        """Whether the app has it."""
        error = self._app.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            self.end()
        elif now - self._since > _PATIENCE or _is_accepted(self._client.sock.getsockname(), self.address):
            self.accepted = True
            self._go_on()
        else:
            self.again = now + self._pause
            self._pause = min(self._pause * 1.5, _LAST_LOOK)

    def withdraw(self) -> socket.socket:
        """The client, untouched."""
        self.over = True
        self._app.sock.close()
        return self._client.sock

    def end(self) -> None:
        self.over = True
        for side in (self._client, self._app):
            self._poller.forget(side.sock.fileno())
            hang_up(side.sock)

    def forget(self) -> None:
        self._client.sock.close()
        self._app.sock.close()

    def _go_on(self) -> None:
        for side, other in ((self._client, self._app), (self._app, self._client)):
            if other.ended and not side.waiting and not side.shut:
                side.shut = True
                try:
                    side.sock.shutdown(socket.SHUT_WR)
                except OSError:
                    self.end()
                    return
        if all(side.shut for side in (self._client, self._app)):
            self.end()
            return
        for side, other in ((self._client, self._app), (self._app, self._client)):
            reads = not side.ended and not other.shut and len(other.waiting) < _MOST_BUFFER
            events = (select.POLLIN if reads else 0) | (select.POLLOUT if side.waiting else 0)
            if side.ended and side.shut:
                self._poller.forget(side.sock.fileno())  # its end would be told for ever
            else:
                self._poller.want(side.sock.fileno(), events, self._serves(side, other))

    def _serves(self, side: _Side, other: _Side) -> "Any":
        def serve(mask: int) -> None:
            gone = mask & (select.POLLHUP | select.POLLERR)
            if not side.ended and (mask & select.POLLIN or gone):
                _read(side, other)
            elif gone:
                _lost(side)
            _write(side)
            _write(other)
            self._go_on()

        return serve


def _read(side: _Side, other: _Side) -> None:
    try:
        data = side.sock.recv(_MOST_BUFFER)
    except BlockingIOError:
        return
    except OSError:
        _lost(side)
        return
    side.ended = not data
    if not other.shut:
        other.waiting += data


def _write(side: _Side) -> None:
    try:
        if side.waiting:
            del side.waiting[: side.sock.send(side.waiting)]
    except BlockingIOError:
        pass
    except OSError:
        _lost(side)


def _lost(side: _Side) -> None:
    """Reset: what is on its way to the other end still gets there."""
    side.ended = side.shut = True
    side.waiting.clear()


class Handover:
    def __init__(self, poller: Poller) -> None:
        self._poller = poller
        self._relays: List[Relay] = []

    @property
    def busy(self) -> bool:
        return any(not relay.over for relay in self._relays)

    @property
    def room(self) -> bool:
        return len(self._waiting()) < _MOST_WAITING

    def begin(self, client: socket.socket) -> None:
        relay = Relay(self._poller, client)
        self._relays.append(relay)
        relay.connect()

    def look(self, now: float) -> None:
        for relay in self._waiting():
            if now >= relay.again:
                relay.look(now)
        self._relays = [relay for relay in self._relays if not relay.over]

    def due(self) -> "List[float]":
        return [relay.again for relay in self._waiting()]

    def of_address(self, address: "Address") -> "Optional[Relay]":
        """The one that we connected from that address, and that the app has not accepted."""
        return next((relay for relay in self._waiting() if relay.address == address), None)

    def close(self) -> None:
        for relay in self._relays:
            relay.end()
        self._relays = []

    def forget(self) -> None:
        for relay in self._relays:
            relay.forget()

    def _waiting(self) -> "List[Relay]":
        return [relay for relay in self._relays if not relay.accepted and not relay.over]


def _is_accepted(local: "Address", remote: "Address") -> bool:
    """Whether the connection from `remote` has left the queue of the listening socket: only then it has an inode. True
    also where the kernel cannot be asked, and when it is gone already."""
    family = socket.AF_INET6 if len(local) == 4 else socket.AF_INET
    ends = struct.pack(">HH", local[1], remote[1])
    for host in (local[0], remote[0]):
        ends += socket.inet_pton(family, host.partition("%")[0]).ljust(16, b"\0")
    # Of any interface, of any cookie.
    body = (
        struct.pack("=BBBxI", family, socket.IPPROTO_TCP, 0, 0xFFFFFFFF)
        + ends
        + struct.pack("=III", 0, ~0 & 0xFFFFFFFF, ~0 & 0xFFFFFFFF)
    )
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_SOCK_DIAG) as sock:
            sock.settimeout(0.1)
            sock.sendto(struct.pack("=IHHII", 16 + len(body), _SOCK_DIAG_BY_FAMILY, 1, 1, 0) + body, (0, 0))
            data = sock.recv(4096)
    except (OSError, AttributeError):
        return True
    if len(data) < 16 + 72 or struct.unpack_from("=H", data, 4)[0] != _SOCK_DIAG_BY_FAMILY:
        return True
    state = data[17]
    return state not in (_LISTEN, _SYN_RECV, _NEW_SYN_RECV) and struct.unpack_from("=I", data, 16 + 68)[0] != 0
