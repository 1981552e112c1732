"""Owns the relay of forwarded ports: many TCP connections to the target's loopback over one wire, each with its own credit
both ways (src/forward/wire.ts), so that one slow reader holds up nobody else. It is a program of its own, beside the agent:
a big download does not slow the debugger. Its wire is its standard streams, or one connection that it waits for on the
loopback: Kubernetes carries that at twice the speed. Must not import other modules of the payload.
Standard library only, Python 3.8 or later."""

import errno
import os
import selectors
import signal
import socket
import struct
import time
from typing import Dict, Mapping, Optional, Tuple

MAGIC = b"DEBUGWAND-RELAY/1\n"
OPEN, OPENED, REFUSED, DATA, END, RESET, ROOM, PING, LISTENING = range(9)

# Bytes that the daemon may send on a stream before the app has taken them: at first, and once the app has kept up.
WINDOW_IN = 1 << 18
_WIDEST_IN = 1 << 21
# Bytes that may be sent on a stream to the daemon before it asks for more; the daemon grants what its reader took.
WINDOW_OUT = 1 << 20
_GRANT = 1 << 16
_READ = 1 << 18
_PIPE = 1 << 18
_HEAD = struct.Struct(">IBI")
_CONNECT_SECONDS = 5.0
# So long it waits for its wire.
_ACCEPT_SECONDS = 20.0
_TOKEN_SECONDS = 5.0
# The daemon pings; one that is gone without a word (a node that lost its network) is not waited for.
_SILENCE_SECONDS = 90
_F_SETPIPE_SZ = 1031
_HOSTS = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))


class Stream:
    __slots__ = (
        "connecting",
        "deadline",
        "ended",
        "ends",
        "number",
        "over",
        "port",
        "room",
        "sock",
        "taken",
        "tried",
        "waiting",
        "why",
        "window",
    )

    def __init__(self, number: int, port: int) -> None:
        self.number = number
        self.port = port
        self.sock: Optional[socket.socket] = None
        self.connecting = True
        self.deadline = time.monotonic() + _CONNECT_SECONDS
        self.tried = 0
        self.why = "no address of the loopback"
        self.waiting = bytearray()  # towards the app
        self.room = WINDOW_OUT
        self.window = WINDOW_IN
        self.taken = 0  # what the app took and the daemon was not told of
        self.ends = False  # the daemon will send no more
        self.ended = False  # and the app knows
        self.over = False  # the app will send no more

    def mask(self) -> int:
        if self.connecting:
            return selectors.EVENT_WRITE
        reads = selectors.EVENT_READ if not self.over and self.room > 0 else 0
        return reads | (selectors.EVENT_WRITE if self.waiting else 0)


class Relay:
    """`source`, `sink`: descriptors of the wire. Writing blocks: the daemon always reads, whatever its own readers do.
    The relay ends with its wire, and with its standard input."""

    def __init__(self, stdin: int, source: int, sink: int) -> None:
        self._stdin = stdin
        self._source = source
        self._sink = sink
        self._streams: Dict[int, Stream] = {}
        # poll, not epoll: standard input may be anything.
        self._selector = selectors.PollSelector()
        for descriptor in {stdin, source}:
            self._selector.register(descriptor, selectors.EVENT_READ, None)
        self._masks: Dict[int, Tuple[int, int]] = {}
        self._out = bytearray(_HEAD.size + _READ)
        self._in = bytearray(_READ)
        self._head = b""
        self._frame: Optional[Tuple[int, int]] = None
        self._left = 0
        self._body = bytearray()

    def serve(self) -> None:
        """Returns when the daemon is gone. Raises BrokenPipeError, too."""
        self._write(MAGIC)
        while True:
            for key, mask in self._selector.select(self._timeout()):
                stream: Optional[Stream] = key.data
                if stream is None:
                    if not (self._read_daemon() if key.fd == self._source else os.read(self._stdin, 64)):
                        return
                elif self._streams.get(stream.number) is stream:
                    self._serve(stream, mask)
            self._deadlines()

    def leave(self) -> None:
        """What was cut short must not look like a proper end to the app."""
        for stream in list(self._streams.values()):
            self._close(stream, reset=not stream.ended)

    def _timeout(self) -> Optional[float]:
        due = [stream.deadline for stream in self._streams.values() if stream.connecting]
        return max(0.0, min(due) - time.monotonic()) if due else None

    def _deadlines(self) -> None:
        now = time.monotonic()
        for stream in [s for s in self._streams.values() if s.connecting and now >= s.deadline]:
            self._refuse(stream, "it does not accept connections")

    # From the daemon.

    def _read_daemon(self) -> bool:
        try:
            size = os.readv(self._source, [self._in])
        except OSError:
            return False
        if size == 0:
            return False
        signal.alarm(_SILENCE_SECONDS)
        view = memoryview(self._in)[:size]
        while view:
            view = self._take(view)
        return True

    def _take(self, view: memoryview) -> memoryview:
        """The next piece of a frame; the rest."""
        if self._frame is None:
            need = _HEAD.size - len(self._head)
            self._head += bytes(view[:need])
            view = view[need:]
            if len(self._head) < _HEAD.size:
                return view
            number, kind, self._left = _HEAD.unpack(self._head)
            self._frame, self._head = (number, kind), b""
        number, kind = self._frame
        part = view[: self._left]
        self._left -= len(part)
        if kind == DATA:
            stream = self._streams.get(number)
            if stream is not None and part:
                self._send(stream, part)
        else:
            self._body += part
            if len(self._body) > 64:
                raise ValueError("a frame that is too long")
        if self._left == 0:
            self._frame = None
            if kind != DATA:
                body, self._body = bytes(self._body), bytearray()
                self._control(number, kind, body)
        return view[len(part) :]

    def _control(self, number: int, kind: int, body: bytes) -> None:
        if kind == PING:
            self._tell(number, PING)
            return
        if kind == OPEN:
            stream = Stream(number, struct.unpack(">H", body)[0])
            self._streams[number] = stream
            self._connect(stream)
            return
        known = self._streams.get(number)
        if known is None:
            return  # closed meanwhile: the daemon has been told
        if kind == END:
            known.ends = True
            self._finish(known)
        elif kind == RESET:
            self._close(known, reset=True)
        elif kind == ROOM:
            known.room += struct.unpack(">I", body)[0]
            self._watch(known)

    def _send(self, stream: Stream, part: memoryview) -> None:
        sent = 0
        if stream.sock is not None and not stream.waiting:
            try:
                sent = stream.sock.send(part)
            except BlockingIOError:
                pass
            except OSError:
                self._broken(stream)
                return
        if sent < len(part):
            if len(stream.waiting) + len(part) > stream.window + _READ:
                raise ValueError("more than the stream's credit")
            stream.waiting += part[sent:]
            self._watch(stream)
        self._took(stream, sent)

    def _took(self, stream: Stream, sent: int) -> None:
        stream.taken += sent
        if stream.taken < _GRANT or stream.ends:
            return
        more = 0 if stream.waiting else min(stream.taken, _WIDEST_IN - stream.window)
        stream.window += more
        self._tell(stream.number, ROOM, struct.pack(">I", stream.taken + more))
        stream.taken = 0

    # From the app.

    def _connect(self, stream: Stream) -> None:
        """Tries the next address of the loopback."""
        while stream.tried < len(_HOSTS):
            family, host = _HOSTS[stream.tried]
            stream.tried += 1
            try:
                sock = socket.socket(family, socket.SOCK_STREAM)
            except OSError as error:
                stream.why = error.strerror or str(error)
                continue
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            code = sock.connect_ex((host, stream.port))
            if code in {0, errno.EINPROGRESS}:
                stream.sock = sock
                if code == 0:
                    self._opened(stream)
                self._watch(stream)
                return
            sock.close()
            if stream.tried == 1:
                stream.why = os.strerror(code)
        self._refuse(stream, stream.why)

    def _opened(self, stream: Stream) -> None:
        stream.connecting = False
        self._tell(stream.number, OPENED)

    def _serve(self, stream: Stream, mask: int) -> None:
        sock = stream.sock
        if sock is None:
            return
        if stream.connecting:
            code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code == 0:
                self._opened(stream)
                self._watch(stream)
                return
            self._drop(stream)
            if stream.tried == 1:
                stream.why = os.strerror(code)
            self._connect(stream)
            return
        if mask & selectors.EVENT_WRITE:
            try:
                sent = sock.send(stream.waiting)
            except BlockingIOError:
                sent = 0
            except OSError:
                self._broken(stream)
                return
            del stream.waiting[:sent]
            self._took(stream, sent)
            self._finish(stream)
        if mask & selectors.EVENT_READ and self._streams.get(stream.number) is stream:
            self._read_app(stream, sock)

    def _read_app(self, stream: Stream, sock: socket.socket) -> None:
        head = _HEAD.size
        view = memoryview(self._out)
        try:
            size = sock.recv_into(view[head : head + min(_READ, stream.room)])
        except BlockingIOError:
            return
        except OSError:
            self._broken(stream)
            return
        if size == 0:
            stream.over = True
            self._tell(stream.number, END)
            self._finish(stream)
            return
        _HEAD.pack_into(self._out, 0, stream.number, DATA, size)
        stream.room -= size
        self._write(view[: head + size])
        if stream.room <= 0:
            self._watch(stream)

    # Ends.

    def _finish(self, stream: Stream) -> None:
        """Passes the daemon's end on once all before it is written; closes what has ended both ways."""
        if (
            stream.ends
            and not stream.ended
            and not stream.waiting
            and not stream.connecting
            and stream.sock is not None
        ):
            stream.ended = True
            try:
                stream.sock.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # it is gone: reading says so
        if stream.ended and stream.over:
            self._close(stream)
        else:
            self._watch(stream)

    def _refuse(self, stream: Stream, why: str) -> None:
        self._tell(stream.number, REFUSED, why.encode("utf-8", "replace")[:200])
        self._close(stream)

    def _broken(self, stream: Stream) -> None:
        self._tell(stream.number, RESET)
        self._close(stream)

    def _close(self, stream: Stream, reset: bool = False) -> None:
        self._streams.pop(stream.number, None)
        if reset and stream.sock is not None:
            stream.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._drop(stream)

    def _drop(self, stream: Stream) -> None:
        sock, stream.sock = stream.sock, None
        if sock is None:
            return
        if self._masks.pop(sock.fileno(), None) is not None:
            self._selector.unregister(sock)
        sock.close()

    def _watch(self, stream: Stream) -> None:
        sock = stream.sock
        if sock is None:
            return
        descriptor, mask = sock.fileno(), stream.mask()
        known, number = self._masks.get(descriptor, (0, 0))
        if known == mask and number == stream.number:
            return
        if descriptor in self._masks:
            del self._masks[descriptor]
            self._selector.unregister(sock)
        if mask:
            self._selector.register(sock, mask, stream)
            self._masks[descriptor] = (mask, stream.number)

    def _tell(self, number: int, kind: int, body: bytes = b"") -> None:
        self._write(_HEAD.pack(number, kind, len(body)) + body)

    def _write(self, data: "bytes | memoryview") -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._sink, view) :]


def _widen(*descriptors: int) -> None:
    """More room where the kernel gives it: fewer turns for a stream."""
    import fcntl

    for descriptor in descriptors:
        os.set_blocking(descriptor, True)
        try:
            fcntl.fcntl(descriptor, _F_SETPIPE_SZ, _PIPE)
        except OSError:
            pass


def _more_descriptors() -> None:
    import resource

    try:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = 4096 if hard == resource.RLIM_INFINITY else min(hard, 4096)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError):
        pass


def _wire(stdin: int, stdout: int, token: bytes) -> Optional[socket.socket]:
    """Waits for the daemon's connection, the first that begins with the token. None: nobody came."""
    import select

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        port = struct.pack(">H", listener.getsockname()[1])
        os.write(stdout, MAGIC + _HEAD.pack(0, LISTENING, len(port)) + port)
        until = time.monotonic() + _ACCEPT_SECONDS
        while True:
            left = until - time.monotonic()
            ready = select.select([listener, stdin], [], [], max(0.0, left))[0]
            if not ready or (stdin in ready and not os.read(stdin, 64)):
                return None
            if listener not in ready:
                continue
            wire = listener.accept()[0]
            wire.settimeout(_TOKEN_SECONDS)
            try:
                said = wire.recv(len(token), socket.MSG_WAITALL)
            except OSError:
                said = b""
            if said == token:
                wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return wire
            wire.close()


def main(sources: Mapping[str, str]) -> None:
    """Takes standard input and output for frames; what else is printed goes to standard error.
    `sources["token"]`: it is to listen for its wire."""
    stdin, stdout = os.dup(0), os.dup(1)
    null = os.open("/dev/null", os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(2, 1)
    os.close(null)
    signal.alarm(_SILENCE_SECONDS)
    token = sources.get("token", "").encode()
    if token:
        wire = _wire(stdin, stdout, token)
        if wire is None:
            os._exit(1)
        wire.settimeout(None)
        relay = Relay(stdin, wire.fileno(), wire.fileno())
    else:
        _widen(stdin, stdout)
        relay = Relay(stdin, stdin, stdout)
    _more_descriptors()
    try:
        relay.serve()
    except (BrokenPipeError, ConnectionResetError):
        pass
    relay.leave()
    os._exit(0)
