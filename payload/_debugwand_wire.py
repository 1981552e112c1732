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
MESSAGE, DATA = 0, 1


class BadFrame:
    """Junk where a frame should be: skipped, and told to the daemon."""

    def __init__(self, why: str) -> None:
        self.why = why


Frame = Union[BadFrame, Json, Tuple[int, bytes]]


class Decoder:
    """Bytes in, frames out, whatever the splits. Keeps at most one frame; skips one that is too long, in pieces."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._skip = 0

    def feed(self, data: bytes) -> Iterator[Frame]:
        """A message (dict), channel data (channel, bytes), or BadFrame."""
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
        if kind != MESSAGE:
            return BadFrame("a frame of kind %d" % kind)
        try:
            message: object = json.loads(body)
        except (ValueError, RecursionError):
            return BadFrame("a message that is no JSON")
        return cast(Json, message) if isinstance(message, dict) else BadFrame("a message that is no object")


def encode_message(message: Json) -> bytes:
    body = json.dumps(message, separators=(",", ":")).encode("ascii", "replace")
    return struct.pack(">IB", len(body) + 1, MESSAGE) + body


def encode_data(channel: int, data: bytes) -> bytes:
    return struct.pack(">IBI", len(data) + 5, DATA, channel) + data


class Outlet:
    """What waits to be written to the daemon. `full` tells the producers to pause."""

    def __init__(self, descriptor: int, high_water: int = 1 << 18) -> None:
        self.descriptor = descriptor
        self._queue: Deque[memoryview] = deque()
        self._bytes = 0
        self._high_water = high_water

    @property
    def waiting(self) -> bool:
        return bool(self._queue)

    @property
    def size(self) -> int:
        return self._bytes

    @property
    def full(self) -> bool:
        return self._bytes > self._high_water

    def put(self, data: bytes) -> None:
        self._queue.append(memoryview(data))
        self._bytes += len(data)

    def flush(self) -> None:
        """Writes what can be written without waiting. Raises OSError when the daemon is gone."""
        while self._queue:
            try:
                written = os.write(self.descriptor, self._queue[0][:65536])
            except BlockingIOError:
                return
            self._bytes -= written
            if written == len(self._queue[0]):
                self._queue.popleft()
            else:
                self._queue[0] = self._queue[0][written:]
