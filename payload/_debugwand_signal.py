"""Owns getting the doorbell to ring in a Python before 3.14 that wand started (payload/environment/sitecustomize.py): a
signal, and the source over a socket to whoever it was meant for. Runs in a thread of the agent. Standard library only,
Python 3.8 or later."""

import os
import select
import signal
import socket
import struct
import threading
import time
from typing import Optional

import _debugwand_procfs as procfs
from _debugwand_bell import Bell
from _debugwand_memory import EntryError, credentials, gone
from _debugwand_visit import Request, Visit, program_state, script, where

# Seconds.
_START = 3.0  # a process that started may not have come to its hook yet
_AGAIN = (0.002, 0.005, 0.01, 0.02)  # after "importing"
_UNANSWERED = 0.5
_SELDOM = 30.0  # a handler that is not ours must not be called all day; one that only waits is called by CPython later
_FROZEN_FOR = 1.0
_BIT = 1 << (signal.SIGURG - 1)


class Signaller:
    """One attempt to enter one process. `word`: what the daemon gave it in its environment."""

    def __init__(self, request: Request, source: str, word: str, stopping: threading.Event) -> None:
        self._request = request
        self._source = source
        self._stopping = stopping
        self._started = time.monotonic()
        status = credentials(request.pid)
        if status is None:
            raise gone(request.pid)
        self._address = "debugwand-ring-%s-%d" % (word, status.pids[-1])
        self._bell = Bell(request.pid)
        self._door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)

    def run(self) -> Visit:
        """Raises EntryError."""
        try:
            self._bell.hang()
            try:
                self._door.bind(b"\0" + self._address.encode())
            except OSError:
                raise EntryError("failed", "another agent rings process %d just now" % self._request.pid) from None
            self._door.listen(8)
            self._door.setblocking(False)
            return self._ring()
        finally:
            self._bell.close()
            self._door.close()

    def _ring(self) -> Visit:
        source = script(self._source, self._request, self._bell)
        deadline = self._started + self._request.timeout
        armed, tries, frozen_since = 0.0, 0, 0.0
        unanswered, due = 0, 0.0
        while True:
            state = program_state(self._request, deadline, self._stopping)
            if state == "frozen":
                frozen_since = frozen_since or time.monotonic()
                if time.monotonic() - frozen_since > _FROZEN_FOR:
                    message = "process %d is stopped or frozen" % self._request.pid
                    raise EntryError("frozen", message, where(self._request.pid))
            else:
                frozen_since = 0.0
            if not self._listens():
                time.sleep(0.001)
                continue
            if time.monotonic() >= due:
                self._signal()
                unanswered += 1
                due = time.monotonic() + min(_UNANSWERED * 2**unanswered, _SELDOM)
            armed = armed or time.monotonic() - self._started
            if self._hand_over(source):
                unanswered, due = 0, 0.0
                rung = self._bell.answer(_UNANSWERED)
                if rung is not None and rung[1].get("status") == "here":
                    return Visit(rung[0], rung[1], armed, time.monotonic() - self._started)
                if rung is not None:
                    rung[0].close()
            time.sleep(_AGAIN[min(tries, len(_AGAIN) - 1)])
            tries += 1

    def _signal(self) -> None:
        try:
            os.kill(self._request.pid, signal.SIGURG)
        except ProcessLookupError:
            raise gone(self._request.pid) from None
        except PermissionError:
            raise EntryError("denied", "no right to signal process %d" % self._request.pid) from None

    def _listens(self) -> bool:
        """Whether the hook is there. Raises EntryError when it will not come any more."""
        request = self._request
        raw = procfs.read_bytes("/proc/%d/status" % request.pid, 65536) or b""
        for line in raw.splitlines():
            if line.startswith(b"SigCgt:"):
                if int(line.split()[1], 16) & _BIT:
                    return True
                break
        else:
            raise gone(request.pid)
        age = procfs.boot_seconds() - request.start_time / procfs.TICKS_PER_SECOND
        if age > _START and time.monotonic() - self._started > 0.2:
            message = "process %d has not the hook that debugwand gave it in its environment" % request.pid
            raise EntryError("too-old", message, {"hook": False})
        return False

    def _hand_over(self, source: bytes) -> bool:
        """Gives the source to the process that was signalled, once it asks."""
        poller = select.poll()
        poller.register(self._door, select.POLLIN)
        if not poller.poll(int(_UNANSWERED * 1000)):
            return False
        try:
            sock, _ = self._door.accept()
        except OSError:
            return False
        with sock:
            sock.settimeout(1.0)
            peer: Optional[int] = None
            try:
                peer = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
                if peer in (0, self._request.pid):
                    sock.sendall(source)
                    return True
            except OSError:
                pass
        return False
