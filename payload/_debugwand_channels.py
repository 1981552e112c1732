"""Owns what flows on numbered channels between daemon and target: connections to its loopback, and files that arrive.
Standard library only, Python 3.8 or later."""

import os
import time
from typing import Callable, Dict, Optional, Set

import _debugwand_wire as wire
from _debugwand_delivery import anonymous_file
from _debugwand_files import Files
from _debugwand_loop import READ, WRITE, BadRequestError, Json, Loop, Wanted, number, text
from _debugwand_memory import EntryError
from _debugwand_relay import Channel, connect

_CONNECT_SECONDS = 5.0
_UPLOAD_BYTES = 256 << 20
_STALL_SECONDS = 3.0  # so long may a reader on the target make all others wait


class _Upload:
    def __init__(self, request: object, key: str, size: int, descriptor: int) -> None:
        self.request = request
        self.key = key
        self.left = size
        self.descriptor = descriptor


class Channels:
    """`debug_ports`: a connection to one of them is never merely cut."""

    def __init__(self, loop: Loop, files: Files, debug_ports: Callable[[], Set[int]]) -> None:
        self._loop = loop
        self._files = files
        self._debug_ports = debug_ports
        self._open: Dict[int, Channel] = {}
        self._uploads: Dict[int, _Upload] = {}
        self._stalled_since = 0.0

    def __len__(self) -> int:
        return len(self._open)

    def want(self, wanted: Wanted) -> bool:
        """Adds what to poll for. True: a buffer towards the target is full, so nothing is to be read from the daemon."""
        for channel in self._open.values():
            # A full buffer towards the daemon holds up those who fill it.
            mask = (0 if self._loop.out.full else READ) | (WRITE if channel.wants_write else 0)
            if mask:
                wanted[channel.sock.fileno()] = (mask, channel)
        stalled = any(channel.full for channel in self._open.values())
        if not stalled:
            self._stalled_since = 0.0
        elif not self._stalled_since:
            self._stalled_since = time.monotonic()
        return stalled

    def due(self) -> "list[float]":
        """When `deadlines` wants to be called, monotonic seconds."""
        found = [channel.closing_at for channel in self._open.values() if channel.closing_at]
        return [*found, self._stalled_since + _STALL_SECONDS] if self._stalled_since else found

    def deadlines(self, now: float) -> None:
        for channel in list(self._open.values()):
            if channel.closing_at and now >= channel.closing_at:
                self._close(channel, None)
            elif channel.full and self._stalled_since and now - self._stalled_since >= _STALL_SECONDS:
                self._close(channel, "the other end does not read")

    def dial(self, ident: object, params: Json) -> None:
        channel, port = self._free(params), number(params, "port")
        debugger = port in self._debug_ports()

        def work() -> Callable[[], None]:
            try:
                sock = connect(port, _CONNECT_SECONDS)
            except OSError as error:
                raise EntryError("gone", "nothing answers on port %d: %s" % (port, error), {"port": port}) from None

            def done() -> None:
                self._open[channel] = Channel(channel, sock, debugger)
                self._loop.reply(ident, {})

            return done

        self._loop.thread(ident, work)

    def hangup(self, ident: object, params: Json) -> None:
        channel = self._open.get(number(params, "channel"))
        if channel is not None and not channel.farewell(time.monotonic()):
            self._close(channel, None)
        self._loop.reply(ident, {})

    def hangup_all(self) -> None:
        for channel in list(self._open.values()):
            if not channel.closing_at and not channel.farewell(time.monotonic()):
                self._close(channel, None)

    def serve(self, channel: Channel, mask: int) -> None:
        if self._open.get(channel.number) is not channel:
            return
        try:
            if mask & WRITE:
                channel.flush()
            if mask & READ:
                data = channel.receive()
                if data:
                    if not channel.closing_at:
                        self._loop.out.put(wire.encode_data(channel.number, data))
                elif data is not None:
                    self._close(channel, "the other end closed it")
        except OSError as error:
            self._close(channel, str(error))

    def upload(self, ident: object, params: Json) -> None:
        channel, key, size = self._free(params), text(params, "key"), number(params, "size")
        if not 0 < size <= _UPLOAD_BYTES:
            raise BadRequestError("a file of %d bytes is not taken" % size)
        descriptor = anonymous_file("debugwand-upload", b"")
        if descriptor is None:
            import tempfile

            with tempfile.TemporaryFile() as file:
                descriptor = os.dup(file.fileno())
        self._uploads[channel] = _Upload(ident, key, size, descriptor)

    def data(self, number_: int, data: bytes) -> None:
        """From the daemon."""
        upload = self._uploads.get(number_)
        channel = self._open.get(number_)
        if upload is not None:
            self._receive(number_, upload, data)
        elif channel is not None:  # else closed meanwhile: the daemon has been told
            try:
                channel.send(data)
            except OSError as error:
                self._close(channel, str(error))

    def _free(self, params: Json) -> int:
        channel = number(params, "channel")
        if channel in self._open or channel in self._uploads:
            raise BadRequestError("channel %d is taken" % channel)
        return channel

    def _receive(self, channel: int, upload: _Upload, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(upload.descriptor, view) :]
        upload.left -= len(data)
        if upload.left > 0:
            return
        del self._uploads[channel]

        def work() -> Callable[[], None]:
            if upload.left < 0:
                os.close(upload.descriptor)
                raise BadRequestError("more bytes than the upload was to have")
            path = self._files.add(upload.descriptor, upload.key)
            return lambda: self._loop.reply(upload.request, {"path": path})

        self._loop.thread(upload.request, work)

    def _close(self, channel: Channel, why: Optional[str]) -> None:
        """`why` None: the daemon asked for it."""
        if self._open.pop(channel.number, None) is None:
            return
        self._loop.forget(channel.sock.fileno())
        channel.close()
        if why is not None and not channel.closing_at:
            self._loop.send({"event": "channel-closed", "channel": channel.number, "why": why})
