"""Owns the agent's wire to the daemon, and the lease that makes a cut no end: the conversation goes on with whoever calls at
the agent's socket and knows the token. Must not know what the messages mean (src/agent/link.ts and wire.ts are its twins).
Standard library only, Python 3.8 or later."""

import os
import socket
import struct
import time
from typing import Dict, List, Optional

import _debugwand_wire as wire
from _debugwand_loop import READ, Json, Loop, Wanted, number, text

_READ_BYTES = 1 << 16
_ACK_FRAMES = 64
_ACK_BYTES = 1 << 18
_MOST_CALLERS = 8
_CALLER_SECONDS = 5.0
_CALLER_BYTES = 1024


class _Caller:
    """Somebody at the door who has not said the token yet."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.decoder = wire.Decoder()
        self.heard = 0
        self.deadline = time.monotonic() + _CALLER_SECONDS


class Link:
    def __init__(self, stdin: int, loop: Loop) -> None:
        os.set_blocking(stdin, False)
        self._in = stdin  # -1: no wire
        self._loop = loop
        self._out = loop.out
        self._decoder = wire.Decoder()
        self._received = 0
        self._frames = 0
        self._bytes = 0
        self._counted = False  # the daemon wants to know what arrived
        self._bye = False
        # Under a lease.
        self._lease = 0.0
        self._silence = 0.0
        self._token = ""
        self._door: Optional[socket.socket] = None
        self._callers: Dict[int, _Caller] = {}
        self._heard = time.monotonic()
        self._cut_at = 0.0  # 0: not cut

    @property
    def cut(self) -> bool:
        """Nobody seems to be there."""
        return self._cut_at > 0

    def want(self, wanted: Wanted, stalled: bool) -> None:
        """Adds what to poll for. `stalled`: nothing is to be read from the daemon now."""
        if self._in >= 0 and not stalled:
            wanted[self._in] = (READ, self)
        if self._door is not None:
            wanted[self._door.fileno()] = (READ, self)
        for descriptor, caller in self._callers.items():
            wanted[descriptor] = (READ, caller)

    def due(self) -> List[float]:
        """When `serve` wants to be called, monotonic seconds."""
        if self._bye:
            return [0.0]
        if not self._lease:
            return []
        end = self._cut_at + self._lease if self.cut else self._heard + self._silence
        return [end, *[caller.deadline for caller in self._callers.values()]]

    def serve(self, ready: "list[tuple[int, int, object]]") -> "list[wire.Frame]":
        """What the daemon sent. Raises EOFError once it is gone for good, or OSError."""
        if self._bye:  # what came before it has been done
            raise EOFError
        frames: List[wire.Frame] = []
        for descriptor, _, owner in ready:
            if isinstance(owner, _Caller):
                if self._callers.get(descriptor) is owner:
                    frames += self._hear(descriptor, owner)
            elif owner is not self:
                continue
            elif descriptor == self._in:
                frames += self._read()
            elif self._door is not None and descriptor == self._door.fileno():
                self._answer_door()
        if self._out.broken:
            self._drop()
        if self._lease:
            self._deadlines()
        return frames

    def close(self) -> None:
        """Nobody can call any more."""
        for descriptor in list(self._callers):
            self._refuse(descriptor)
        if self._door is not None:
            self._loop.forget(self._door.fileno())
            self._door.close()
            self._door = None

    def _read(self) -> "list[wire.Frame]":
        try:
            data = os.read(self._in, _READ_BYTES)
        except BlockingIOError:
            return []
        except OSError:
            data = b""
        if not data:
            if not self._lease:
                raise EOFError
            self._drop()
            return []
        self._cut_at = 0.0  # it was only silent
        return self._taken(list(self._decoder.feed(data)), len(data))

    def _taken(self, frames: "list[wire.Frame]", size: int) -> "list[wire.Frame]":
        self._heard = time.monotonic()
        self._bytes += size
        found: List[wire.Frame] = []
        for frame in frames:
            if isinstance(frame, wire.Control):
                self._control(frame.message)
                continue
            if not isinstance(frame, wire.BadFrame):
                self._received += 1
                self._frames += 1
            found.append(frame)
        if self._counted and (self._frames >= _ACK_FRAMES or (self._frames and self._bytes >= _ACK_BYTES)):
            self._acknowledge()
        return found

    def _control(self, message: Json) -> None:
        if "bye" in message:
            self._bye = True
        elif "lease" in message:
            self._begin(message)
        elif "ping" in message:
            self._out.acknowledged(number(message, "ping"))
            self._acknowledge()
        elif "ack" in message:
            self._out.acknowledged(number(message, "ack"))

    def _acknowledge(self) -> None:
        self._frames = self._bytes = 0
        self._out.control({"ack": self._received})

    def _begin(self, message: Json) -> None:
        lease, silence = message.get("lease"), message.get("silence")
        if self._counted or not isinstance(lease, (int, float)) or not isinstance(silence, (int, float)):
            return
        self._counted = True
        self._token = text(message, "token")
        try:
            door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            door.bind("\0" + text(message, "name"))
            door.listen(4)
        except OSError:
            return  # no such thing here: a cut is the end
        door.setblocking(False)
        self._door = door
        self._lease, self._silence = float(lease), float(silence)
        self._out.keep()

    def _answer_door(self) -> None:
        assert self._door is not None
        try:
            sock, _ = self._door.accept()
        except OSError:
            return
        sock.setblocking(False)
        # Any process of the network namespace sees the socket: what decides is the token.
        _, uid, _ = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        if uid not in (os.geteuid(), 0):
            sock.close()
            return
        if len(self._callers) >= _MOST_CALLERS:
            self._refuse(next(iter(self._callers)))
        self._callers[sock.fileno()] = _Caller(sock)

    def _hear(self, descriptor: int, caller: _Caller) -> "list[wire.Frame]":
        try:
            data = caller.sock.recv(_CALLER_BYTES)
        except BlockingIOError:
            return []
        except OSError:
            data = b""
        caller.heard += len(data)
        frames = list(caller.decoder.feed(data))
        if not data or (not frames and caller.heard >= _CALLER_BYTES):
            self._refuse(descriptor)
        elif frames:
            self._admit(descriptor, caller, frames[0])
            if self._in == descriptor:
                return self._taken(frames[1:], len(data))
        return []

    def _admit(self, descriptor: int, caller: _Caller, first: "wire.Frame") -> None:
        import hmac

        said = first.message if isinstance(first, wire.Control) else {}
        token, received = said.get("resume"), said.get("received")
        right = isinstance(token, str) and hmac.compare_digest(token.encode(), self._token.encode())
        if not right or not isinstance(received, int) or not self._out.acknowledged(received):
            self._refuse(descriptor)
            return
        del self._callers[descriptor]
        self._loop.forget(descriptor)
        self._drop()
        self._in = caller.sock.detach()
        self._decoder = caller.decoder
        self._out.resume(self._in, {"resumed": self._received})
        self._cut_at = 0.0

    def _refuse(self, descriptor: int) -> None:
        caller = self._callers.pop(descriptor)
        self._loop.forget(descriptor)
        caller.sock.close()

    def _drop(self) -> None:
        """The wire is of no use any more: half a frame that came on it will come again."""
        descriptors = {self._in, self._out.descriptor} - {-1}
        self._out.cut()
        self._in = -1
        self._decoder = wire.Decoder()
        if not self._cut_at:
            self._cut_at = time.monotonic()
        for descriptor in descriptors:
            self._loop.forget(descriptor)
            os.close(descriptor)
        # Standard error went the same way: what is said there must neither fail nor wait.
        null = os.open("/dev/null", os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        os.close(null)

    def _deadlines(self) -> None:
        now = time.monotonic()
        for descriptor, caller in list(self._callers.items()):
            if now >= caller.deadline:
                self._refuse(descriptor)
        if not self._cut_at and now >= self._heard + self._silence:
            self._cut_at = now  # it may speak again
        elif self._cut_at and now >= self._cut_at + self._lease:
            raise EOFError
