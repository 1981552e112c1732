"""Owns channels: one TCP connection to the target's loopback each, with bounded buffers both ways.
Must not know frames; the agent moves bytes between `Channel` and the daemon.
Standard library only, Python 3.8 or later."""

import socket
from typing import Optional

# Bytes that wait for a slow reader on the target before the agent stops reading from the daemon.
HIGH_WATER = 1 << 20
READ_BYTES = 65536

_DISCONNECT = (
    b'{"seq":1000000000,"type":"request","command":"disconnect",'
    b'"arguments":{"restart":false,"terminateDebuggee":false}}'
)
# Seconds that debugpy gets to take a `disconnect`.
FAREWELL = 1.0


class DapCursor:
    """Where in a stream of DAP messages we are: a message of our own fits only between two of theirs."""

    def __init__(self) -> None:
        self._header = b""
        self.body_left = 0

    def feed(self, data: bytes) -> None:
        while data:
            if self.body_left > 0:
                taken = min(self.body_left, len(data))
                self.body_left -= taken
                data = data[taken:]
                continue
            self._header += data
            end = self._header.find(b"\r\n\r\n")
            if end < 0:
                self._header = self._header[-4096:]
                return
            header, data, self._header = self._header[:end], self._header[end + 4 :], b""
            for line in header.split(b"\r\n"):
                name, _, value = line.partition(b":")
                if name.strip().lower() == b"content-length" and value.strip().isdigit():
                    self.body_left = int(value)


def connect(port: int, seconds: float) -> socket.socket:
    """A connection to the loopback, IPv4 first, without Nagle's wait. Raises OSError."""
    failure: Optional[OSError] = None
    for host in ("127.0.0.1", "::1"):
        try:
            sock = socket.create_connection((host, port), seconds)
        except OSError as error:
            failure = failure or error
            continue
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setblocking(False)
        return sock
    raise failure or OSError("no address of the loopback")


class Channel:
    """One connection. `closing_at` is set once it only waits for debugpy's end (its deadline, monotonic seconds)."""

    def __init__(self, number: int, sock: socket.socket, debugger: bool) -> None:
        self.number = number
        self.sock = sock
        self._cursor: Optional[DapCursor] = DapCursor() if debugger else None
        self._waiting = bytearray()
        self.closing_at = 0.0
        self._ends = False

    @property
    def full(self) -> bool:
        return len(self._waiting) > HIGH_WATER

    @property
    def wants_write(self) -> bool:
        return bool(self._waiting)

    def send(self, data: bytes) -> None:
        """Raises OSError when the connection is broken."""
        if self.closing_at:
            return
        if self._cursor is not None:
            self._cursor.feed(data)
        self._waiting += data
        self.flush()

    def flush(self) -> None:
        while self._waiting:
            try:
                sent = self.sock.send(self._waiting)
            except BlockingIOError:
                return
            del self._waiting[:sent]
        if self._ends:
            self._ends = False
            self.sock.shutdown(socket.SHUT_WR)

    def receive(self) -> Optional[bytes]:
        """None: nothing now. Empty: the end. Raises OSError."""
        try:
            return self.sock.recv(READ_BYTES)
        except BlockingIOError:
            return None

    def farewell(self, now: float) -> bool:
        """Says goodbye. True: keep reading (and dropping) until the end or `closing_at`; a debugger that is merely cut
        off leaves a stopped app stopped. False: it can be closed at once."""
        if self._cursor is None or self.closing_at:
            return False
        body = b" " * self._cursor.body_left  # finishes half a message: broken JSON, and then one that counts
        self._waiting += body + b"Content-Length: %d\r\n\r\n" % len(_DISCONNECT) + _DISCONNECT
        self.closing_at = now + FAREWELL
        self._ends = True
        try:
            self.flush()
        except OSError:
            return False
        return True

    def close(self) -> None:
        self.sock.close()
