"""Owns the conversation with the agent once the doorbell has rung: debugpy is made to listen, a newer agent's socket is
adopted, and an agent that is gone for more than three seconds means that everybody leaves. Must not know pydevd: see
`_debugwand_debugger`. Runs inside the worker, in a thread that pydevd does not trace. Standard library only."""

import json
import os
import threading
import time
import traceback

from _debugwand_connections import go_dark
from _debugwand_debugger import Debugger
from _debugwand_last_words import LastWords
from _debugwand_load import RefusedError
from _debugwand_words import Words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Iterator, Optional

# How long a worker without an agent stays enterable (by another agent) before it lets itself go.
GRACE_SECONDS = 3.0


class _Wire(Words):
    """Both ways."""

    def commands(self) -> "Iterator[object]":
        """The word of each line, until the agent hangs up. Bounded: a line has 64 KiB at most."""
        buffer = b""
        while len(buffer) < 65536:
            try:
                chunk = self._sock.recv(4096)
            except OSError:
                return
            if not chunk:
                return
            *whole, buffer = (buffer + chunk).split(b"\n")
            for raw in whole:
                try:
                    yield json.loads(raw).get("command")
                except (ValueError, AttributeError):
                    continue

    def hang_up(self) -> None:
        """Wakes the thread that reads; its descriptor is closed by whoever opened it."""
        try:
            self._sock.shutdown(2)
        except OSError:
            pass

    def forget(self) -> None:
        """In a forked child: the connection is the parent's, only the child's descriptor of it goes."""
        self._sock.close()


class _Inside:
    """What this process remembers between agents."""

    def __init__(self) -> None:
        self._change = threading.Condition()
        self._working = threading.Lock()
        self._turn = 0
        self._wire: Optional[_Wire] = None
        self._debugger: Optional[Debugger] = None
        self._words = LastWords(self._raised)

    def in_child(self) -> None:
        """A forked child is a process of its own; what other threads held at the fork is held for ever."""
        self._change = threading.Condition()
        self._working = threading.Lock()
        self._turn += 1
        self._words.forget()
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.forget()

    def adopt(self, wire: _Wire) -> int:
        """The newest agent is the only one."""
        with self._change:
            former, self._wire = self._wire, wire
            self._turn += 1
            self._change.notify_all()
            turn = self._turn
        if former is not None:
            former.hang_up()
        return turn

    def listen(self, options: "Dict[str, Any]") -> "Dict[str, object]":
        with self._working:
            if self._debugger is None:
                self._debugger = Debugger()
            self._words.listen()
            return self._debugger.listen(str(options["debugpy"]), options.get("whilePaused") or {})

    def leave(self, turn: int) -> None:
        """Takes the debugger out, unless another agent came meanwhile."""
        with self._working:
            with self._change:
                if turn != self._turn:
                    return
                self._wire = None
            self._words.forget()
            if self._debugger is not None:
                self._debugger.release()

    def _raised(self, line: str) -> None:
        wire = self._wire
        if wire is not None:
            wire.send(event="raised", text=line)

    def succeeded(self, turn: int, seconds: float) -> bool:
        """True when another agent rings within that time."""
        with self._change:
            return self._change.wait_for(lambda: self._turn != turn, seconds)


_inside = _Inside()
os.register_at_fork(after_in_child=_inside.in_child)


def main(sock: "Any", op: str, options: "Dict[str, Any]") -> None:
    """Returns when the agent released the worker, was replaced by a newer one, or has been gone for too long.

    options: debugpy (directory that holds the package), holdAtStart, whilePaused (see `_debugwand_paused`), and from the
    doorbell letGo (lets the main thread go on; harmless when it is not held)."""
    go_dark()
    let_go: Callable[[], None] = options.get("letGo") or (lambda: None)
    wire = _Wire(sock)
    if op != "debug":
        wire.send(event="failed", code="failed", message="unknown order %r" % (op,), traceback="")
        return
    turn = _inside.adopt(wire)
    started = time.monotonic()
    try:
        found = _inside.listen(options)
    except BaseException as error:
        let_go()
        said = "%s" % error if isinstance(error, RefusedError) else "%s: %s" % (type(error).__name__, error)
        code = "no-space" if isinstance(error, OSError) and error.errno in (28, 30) else "failed"
        wire.send(event="failed", code=code, message=said, traceback=traceback.format_exc())
        _inside.leave(turn)
        return
    wire.send(event="listening", importMs=round((time.monotonic() - started) * 1000, 1), **found)
    if not options.get("holdAtStart"):
        let_go()
    for command in wire.commands():
        if command == "unhold":
            let_go()
        elif command == "release":
            let_go()
            _inside.leave(turn)
            wire.send(event="released")
            return
    let_go()
    if not _inside.succeeded(turn, GRACE_SECONDS):
        _inside.leave(turn)
