"""Owns the talk with a worker that was entered: the lines of the in-worker protocol, from the order to `release`.
Standard library only, Python 3.8 or later."""

import json
import re
import select
import socket
import threading
import time
from typing import Callable, Dict, List, Mapping, Optional, Set, Union, cast

from _debugwand_enter import Visitor
from _debugwand_memory import EntryError
from _debugwand_signal import Signaller
from _debugwand_visit import Request, Visit

Json = Dict[str, object]

_IMPORT = re.compile(r"^(?:import|from) (_debugwand_\w+)", re.MULTILINE)
_MOST_LINE = 1 << 22
_LISTEN_SECONDS = 20.0


def closure(name: str, sources: Mapping[str, str]) -> Dict[str, str]:
    """The module and those that it imports, dependencies first."""
    found: Dict[str, str] = {}

    def add(one: str, above: List[str]) -> None:
        if one in found or one in above or one not in sources:
            return
        for other in _IMPORT.findall(sources[one]):
            add(other, [*above, one])
        found[one] = sources[one]

    add(name, [])
    return found


class Lines:
    """JSON lines from a worker. Bounded: a worker is not trusted to end its lines."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._buffer = b""
        self.ended = False

    def read(self) -> List[Json]:
        """What can be had without waiting; sets `ended`."""
        try:
            data = self.sock.recv(1 << 16, socket.MSG_DONTWAIT)
            self.ended = not data
            self._buffer += data
        except BlockingIOError:
            pass
        except OSError:
            self.ended = True
        *whole, self._buffer = self._buffer.split(b"\n")
        if len(self._buffer) > _MOST_LINE:
            self.ended = True
            self._buffer = b""
        found: List[Json] = []
        for raw in whole:
            try:
                line: object = json.loads(raw)
            except ValueError:
                continue
            if isinstance(line, dict):
                found.append(cast(Json, line))
        return found

    def wait(self, seconds: float) -> List[Json]:
        poller = select.poll()
        poller.register(self.sock, select.POLLIN)
        return self.read() if poller.poll(max(0, int(seconds * 1000))) else []


class Session:
    """A worker with debugpy in it."""

    def __init__(self, pid: int, start_time: int, lines: Lines, result: Json) -> None:
        self.pid = pid
        self.start_time = start_time
        self.lines = lines
        self.result = result
        # Set once its release was asked for: who waits for it.
        self.released: Optional[Callable[[Optional[str]], None]] = None
        self.deadline = 0.0

    @property
    def port(self) -> int:
        port = self.result.get("port")
        return port if isinstance(port, int) else 0

    def command(self, name: str) -> None:
        """Raises OSError when the worker is gone."""
        self.lines.sock.sendall(json.dumps({"command": name}).encode() + b"\n")


def order(sock: socket.socket, op: str, sources: Mapping[str, str], options: Json) -> None:
    """The one line that says what to become. Not ASCII only: the doorbell reads it as Python, where a pair of
    surrogates stays a pair. Raises EntryError."""
    name = "_debugwand_run" if op == "run" else "_debugwand_worker"
    first = closure(name, sources)
    if op == "debug":
        # Made only once the app is paused, when nobody waits for it.
        later = {one: text for one, text in closure("_debugwand_standin", sources).items() if one not in first}
        options = {**options, "whilePaused": {**_object(options.get("whilePaused")), "sources": later}}
    message = {"op": op, "sources": first, "options": options}
    try:
        sock.settimeout(5.0)
        sock.sendall(json.dumps(message, ensure_ascii=False).encode("utf-8", "replace") + b"\n")
        sock.settimeout(None)
    except OSError as error:
        raise EntryError("failed", "the worker hung up: %s" % error) from None


def _object(value: object) -> Json:
    return cast(Json, value) if isinstance(value, dict) else {}


def enter(
    request: Request, options: Json, sources: Mapping[str, str], avoid: Set[int], stopping: threading.Event
) -> Session:
    """Gets in and waits until debugpy listens. Raises EntryError."""
    started = time.monotonic()
    visit = _visitor(request, sources["_debugwand_doorbell"], avoid, stopping).run()
    try:
        order(visit.sock, "debug", sources, options)
        result = _until_listening(visit, request.pid, started, stopping)
    except BaseException:
        visit.sock.close()
        raise
    lines = result.pop("lines")
    assert isinstance(lines, Lines)
    return Session(request.pid, request.start_time, lines, result)


def _visitor(request: Request, doorbell: str, avoid: Set[int], stopping: threading.Event) -> Union[Visitor, Signaller]:
    if request.ring is not None:
        return Signaller(request, doorbell, request.ring, stopping)
    return Visitor(request, doorbell, avoid, stopping)


def _until_listening(visit: Visit, pid: int, started: float, stopping: threading.Event) -> Json:
    lines = Lines(visit.sock)
    held = False
    deadline = time.monotonic() + _LISTEN_SECONDS
    while time.monotonic() < deadline and not stopping.is_set():
        for line in lines.wait(0.1):
            event = line.get("event")
            if event == "holding":
                held = True
            elif event == "failed":
                raise failure(line)
            elif event == "listening":
                timings = {"armed": visit.armed, "inside": visit.inside, "listening": time.monotonic() - started}
                return {
                    "lines": lines,
                    "port": line.get("port"),
                    "python": visit.line.get("python"),
                    "debugpy": line.get("debugpy"),
                    "origin": line.get("origin"),
                    "held": held,
                    "timings": {name: round(seconds * 1000, 2) for name, seconds in timings.items()},
                }
        if lines.ended:
            raise EntryError("gone", "process %d ended, or hung up, before debugpy listened" % pid)
    raise EntryError("failed", "debugpy did not listen within %d s in process %d" % (_LISTEN_SECONDS, pid))


def failure(line: Json) -> EntryError:
    code = line.get("code")
    return EntryError(
        "no-space" if code == "no-space" else "failed",
        str(line.get("message")),
        {"traceback": str(line.get("traceback") or "")},
    )


def run(
    request: Request,
    options: Json,
    sources: Mapping[str, str],
    avoid: Set[int],
    stopping: threading.Event,
    on_output: Callable[[str, str], None],
) -> Json:
    """Runs a script inside to its end: RunResult of src/agent/protocol.ts. Raises EntryError."""
    visit = Visitor(request, sources["_debugwand_doorbell"], avoid, stopping).run()
    with visit.sock:
        order(visit.sock, "run", sources, options)
        lines = Lines(visit.sock)
        while not stopping.is_set():
            for line in lines.wait(0.1):
                event = line.get("event")
                if event == "output":
                    on_output(str(line.get("stream")), str(line.get("text")))
                elif event == "failed":
                    raise failure(line)
                elif event == "done":
                    return {"exit": line.get("exit"), "exception": line.get("exception")}
            if lines.ended:
                raise EntryError("gone", "process %d ended while the script ran" % request.pid)
    raise EntryError("gone", "the agent leaves")
