"""Owns the agent's life: requests of the daemon go to those who know, and when the daemon goes (or has been cut off for
as long as the lease says), every worker is released, every channel closed, and the agent leaves within 5 s with nothing left
behind. What takes time (entering, running, unpacking, connecting) runs in threads that post their outcome back to the loop.
Standard library only, Python 3.8 or later."""

import os
import signal
import sys
import threading
import time
import traceback
from typing import Any, Callable, Dict, List, Mapping, Optional, Set, cast

import _debugwand_wire as wire
from _debugwand_channels import Channels
from _debugwand_delivery import Delivery
from _debugwand_files import Files
from _debugwand_link import Link
from _debugwand_loop import READ, BadRequestError, Json, Loop, Wanted, error_of, number
from _debugwand_memory import credentials
from _debugwand_relay import Channel
from _debugwand_session import Session
from _debugwand_workers import Workers

_LEAVE_SECONDS = 4.5
_LEAVE_ANYWAY_SECONDS = 5.0


class Agent:
    """`sources`: the modules of the payload by name, for those that go on into workers."""

    def __init__(self, stdin: int, stdout: int, sources: Mapping[str, str]) -> None:
        self._stopping = threading.Event()
        self._loop = Loop(stdout)
        self._link = Link(stdin, self._loop)
        # News that waits for a daemon: the latest list of processes, and whose end it does not show.
        self._news: List[Json] = []
        files = Files()
        self._workers = Workers(self._loop, sources, files, self._stopping)
        self._channels = Channels(self._loop, files, self._workers.debug_ports)
        self._watcher: Any = None
        self._watched: Set[int] = set()
        self._methods: Dict[str, Callable[[object, Json], None]] = {
            "watch": self._watch,
            "upload": self._channels.upload,
            "enter": self._workers.enter,
            "unhold": self._workers.unhold,
            "release": self._workers.release,
            "run": self._workers.run,
            "dial": self._channels.dial,
            "hangup": self._channels.hangup,
            "ping": lambda ident, _params: self._loop.reply(ident, {}),
        }

    def serve(self) -> None:
        """Returns when the daemon is gone; `leave` is next."""
        self._loop.out.raw(wire.MAGIC)
        self._loop.send(hello())
        try:
            while not self._stopping.is_set():
                self._turn()
        except (BrokenPipeError, EOFError):
            pass

    def stop(self) -> None:
        """From a signal handler, too."""
        self._stopping.set()
        self._loop.post(lambda: None)

    def leave(self) -> None:
        """Releases the workers, hangs up the channels, removes the files. Takes a few seconds at most."""
        deadline = time.monotonic() + _LEAVE_SECONDS
        self._stopping.set()
        self._link.close()
        self._channels.hangup_all()
        while time.monotonic() < deadline:
            self._workers.release_all()  # those too that were entered while we were leaving
            if not len(self._workers) and not len(self._channels):
                break
            wanted: Wanted = {}
            self._channels.want(wanted)
            self._workers.want(wanted)
            self._serve_sockets(self._loop.poll(wanted, 0.05, writes=False))
        if self._watcher is not None:
            self._watcher.close()
        Delivery.close_all()
        bundle = sys.modules.get("_debugwand_bundle")
        if bundle is not None:
            bundle.cleanup()

    def _turn(self) -> None:
        wanted: Wanted = dict.fromkeys(self._watched, (READ, None))
        self._workers.want(wanted)
        self._link.want(wanted, self._channels.want(wanted))
        ready = self._loop.poll(wanted, self._timeout())
        for frame in self._link.serve(ready):
            self._frame(frame)
        self._serve_sockets(ready)
        if self._watcher is not None:
            fds = [descriptor for descriptor, _, _ in ready if descriptor in self._watched]
            for event in self._watcher.step(fds, time.monotonic()):
                self._tell(event)
        if self._link.cut:
            if self._workers.taken_over and not len(self._workers):
                self._stopping.set()  # whoever has them now is the daemon's agent
        else:
            for event in self._news:
                self._loop.send(event)
            self._news.clear()
        self._loop.out.flush()

    def _tell(self, event: Json) -> None:
        """At once, or when the daemon is there again: then the last list says all that those before it did."""
        if event.get("event") == "processes":
            former = [one for one in self._news if one.get("event") == "processes"]
            self._news = [one for one in self._news if one not in former]
            event = {**event, "changed": any(one.get("changed") for one in [*former, event])}
        self._news.append(event)

    def _serve_sockets(self, ready: "list[tuple[int, int, object]]") -> None:
        for _, mask, owner in ready:
            if isinstance(owner, Channel):
                self._channels.serve(owner, mask)
            elif isinstance(owner, Session):
                self._workers.serve(owner)
        self._loop.run_tasks()
        now = time.monotonic()
        self._channels.deadlines(now)
        self._workers.deadlines(now)

    def _timeout(self) -> Optional[float]:
        now = time.monotonic()
        due = [when - now for when in self._channels.due() + self._workers.due() + self._link.due()]
        timeout: Optional[float] = self._watcher.timeout(now) if self._watcher is not None else None
        if timeout is not None:
            due.append(timeout)
        return max(0.0, min(due)) if due else None

    def _frame(self, frame: wire.Frame) -> None:
        if isinstance(frame, wire.BadFrame):
            self._loop.fail(None, {"code": "bad-request", "message": "the daemon sent %s" % frame.why})
        elif isinstance(frame, tuple):
            self._channels.data(frame[0], frame[1])
        elif isinstance(frame, dict):
            self._request(frame)

    def _request(self, message: Json) -> None:
        ident: object = message.get("id")
        params: object = message.get("params")
        method = self._methods.get(str(message.get("method")))
        try:
            if method is None or not isinstance(params, dict):
                raise BadRequestError("no method %r with params" % str(message.get("method"))[:100])
            method(ident, cast(Json, params))
        except Exception as error:
            self._loop.fail(ident, error_of(error))

    def _watch(self, ident: object, params: Json) -> None:
        import re

        from _debugwand_watch import Watcher

        scope, stats_ms = params.get("scope"), number(params, "statsMs")
        if not isinstance(scope, dict):
            raise BadRequestError("watch wants a scope")
        try:
            watcher = Watcher(cast(Json, scope), stats_ms / 1000)
        except (ValueError, KeyError, TypeError, re.error) as error:
            raise BadRequestError("this scope cannot be watched: %s" % error) from None
        if self._watcher is not None:
            for descriptor in self._watched:
                self._loop.forget(descriptor)
            self._watcher.close()
        self._watcher = watcher
        self._watched = set(watcher.fds())
        self._loop.reply(ident, {})


def hello() -> Json:
    status = credentials("self")
    return {
        "event": "hello",
        "python": "%d.%d.%d" % sys.version_info[:3],
        "pid": os.getpid(),
        "uid": os.geteuid(),
        "gid": os.getegid(),
        "capabilities": "%016x" % (status.effective if status is not None else 0),
    }


def main(sources: Mapping[str, str]) -> None:
    """Takes standard input and output for frames; what else is printed goes to standard error."""
    stdin, stdout = os.dup(0), os.dup(1)
    null = os.open("/dev/null", os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(2, 1)
    os.close(null)
    agent = Agent(stdin, stdout, sources)
    for stop in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(stop, lambda _number, _frame: agent.stop())
    failed = False
    try:
        agent.serve()
    except BaseException:
        failed = True
        traceback.print_exc()
    # Whatever happens now, it ends: a thread of ours may hang in a system call for a frozen process.
    end = threading.Timer(_LEAVE_ANYWAY_SECONDS, os._exit, (1,))
    end.daemon = True
    end.start()
    try:
        agent.leave()
    except BaseException:
        failed = True
        traceback.print_exc()
    sys.stderr.flush()
    os._exit(1 if failed else 0)
