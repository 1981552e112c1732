"""Owns the frames between daemon and agent (src/agent/protocol.ts): length of the rest (4 bytes), kind, body.
Must not know what the messages mean. Standard library only, Python 3.8 or later."""

import json
import os
import struct
from collections import deque
from typing import Deque, Dict, Iterator, Tuple, Union, cast

Json = Dict[str, object]

MAGIC = b"DEBUGWAND-AGENT/1\n"
MAX_FRAME_BYTES = 1 << 24
MESSAGE, DATA, LINK = 0, 1, 2


class BadFrame:
    """Junk where a frame should be: skipped, and told to the daemon."""

    def __init__(self, why: str) -> None:
        self.why = why


class Control:
    """About the wire itself (LinkMessage), not numbered."""

    def __init__(self, message: Json) -> None:
        self.message = message


Frame = Union[BadFrame, Control, Json, Tuple[int, bytes]]


class Decoder:
    """Bytes in, frames out, whatever the splits. Keeps at most one frame; skips one that is too long, in pieces."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._skip = 0

    def feed(self, data: bytes) -> Iterator[Frame]:
        """A message (dict), channel data (channel, bytes), Control, or BadFrame."""
        if self._skip:
            taken = min(self._skip, len(data))
            self._skip -= taken
            data = data[taken:]
        self._buffer += data
        while len(self._buffer) >= 4:
            length = struct.unpack_from(">I", self._buffer)[0]
            if length > MAX_FRAME_BYTES or length == 0:
                taken = min(length, len(self._buffer) - 4)
                del self._buffer[: 4 + taken]
                self._skip = length - taken
                yield BadFrame("a frame of %d bytes" % length)
                continue
            if len(self._buffer) < 4 + length:
                return
            kind = self._buffer[4]
            body = bytes(self._buffer[5 : 4 + length])
            del self._buffer[: 4 + length]
            yield self._frame(kind, body)

    def _frame(self, kind: int, body: bytes) -> Frame:
        if kind == DATA and len(body) >= 4:
            return (struct.unpack_from(">I", body)[0], body[4:])
        if kind not in (MESSAGE, LINK):
            return BadFrame("a frame of kind %d" % kind)
        try:
            message: object = json.loads(body)
        except (ValueError, RecursionError):
            return BadFrame("a message that is no JSON")
        if not isinstance(message, dict):
            return BadFrame("a message that is no object")
        return Control(cast(Json, message)) if kind == LINK else cast(Json, message)


def encode_message(message: Json, kind: int = MESSAGE) -> bytes:
    body = json.dumps(message, separators=(",", ":")).encode("ascii", "replace")
    return struct.pack(">IB", len(body) + 1, kind) + body


def encode_data(channel: int, data: bytes) -> bytes:
    return struct.pack(">IBI", len(data) + 5, DATA, channel) + data


class Outlet:
    """What waits to be written to the daemon, and, once `keep` was called, what was written and may have to be written again.
    `full` tells the producers to pause."""

    def __init__(self, descriptor: int, high_water: int = 1 << 18, most_kept: int = 1 << 22) -> None:
        self.descriptor = descriptor  # -1: there is no wire
        self.broken = False
        self._queue: Deque[memoryview] = deque()
        self._bytes = 0
        self._high_water = high_water
        self._most_kept = most_kept
        self._sent = 0
        self._keeping = False
        self._kept: Deque[bytes] = deque()
        self._kept_bytes = 0

    @property
    def waiting(self) -> bool:
        return bool(self._queue) and not self.broken

    @property
    def size(self) -> int:
        return max(self._bytes, self._kept_bytes)

    @property
    def full(self) -> bool:
        return self._bytes > self._high_water or self._kept_bytes > self._most_kept

    def put(self, frame: bytes) -> None:
        """One of those that are numbered."""
        self._sent += 1
        if self._keeping:
            self._kept.append(frame)
            self._kept_bytes += len(frame)
        self.raw(frame)

    def control(self, message: Json) -> None:
        self.raw(encode_message(message, LINK))

    def raw(self, data: bytes) -> None:
        """Lost if there is no wire."""
        if self.descriptor >= 0:
            self._queue.append(memoryview(data))
            self._bytes += len(data)

    def keep(self) -> None:
        """From here on what is sent is kept until it is acknowledged; nothing that was sent is unknown to the daemon."""
        self._keeping = True

    def acknowledged(self, count: int) -> bool:
        """The daemon has that many. False: that cannot be."""
        first = self._sent - len(self._kept)
        if not self._keeping or not first <= count <= self._sent:
            return False
        for _ in range(count - first):
            self._kept_bytes -= len(self._kept.popleft())
        return True

    def cut(self) -> None:
        self.descriptor = -1
        self.broken = False
        self._queue.clear()
        self._bytes = 0

    def resume(self, descriptor: int, first: Json) -> None:
        """Another wire: `first`, then all that the daemon has not."""
        self.descriptor = descriptor
        self.control(first)
        for frame in self._kept:
            self.raw(frame)

    def flush(self) -> None:
        """Writes what can be written without waiting. Raises OSError when the daemon is gone, unless all is kept."""
        while self.waiting:
            try:
                written = os.write(self.descriptor, self._queue[0][:65536])
            except BlockingIOError:
                return
            except OSError:
                if not self._keeping:
                    raise
                self.broken = True
                return
            self._bytes -= written
            if written == len(self._queue[0]):
                self._queue.popleft()
            else:
                self._queue[0] = self._queue[0][written:]
