"""Owns the workers that this agent entered, and those it is entering: `enter`, `run`, `unhold`, `release`, and the news
that one is lost. Standard library only, Python 3.8 or later."""

import threading
import time
from typing import Callable, Dict, List, Mapping, Optional, Set, Tuple, cast

from _debugwand_files import Files
from _debugwand_loop import READ, BadRequestError, Json, Loop, Wanted, error_of, number, text
from _debugwand_memory import EntryError
from _debugwand_procfs import TICKS_PER_SECOND, boot_seconds, read_stat
from _debugwand_session import Session, enter, run
from _debugwand_visit import Request

Key = Tuple[int, int]

_YOUNG_SECONDS = 1.5
_HOLD_SECONDS = 1.0
_HOLD_AT_START_SECONDS = 3.0
_RELEASE_SECONDS = 3.0
_UNSENT_BYTES = 1 << 22
_MOST_WORDS = 500
_PF_EXITING = 4  # include/linux/sched.h


class Attempt(threading.Event):
    """One `enter` under way. Set when it is not wanted any more, and seen as set when the agent leaves."""

    def __init__(self, stopping: threading.Event) -> None:
        super().__init__()
        self._stopping = stopping

    @property
    def unwanted(self) -> bool:
        return super().is_set()

    def is_set(self) -> bool:
        return super().is_set() or self._stopping.is_set()


class Workers:
    """`sources`: the modules of the payload by name, for those that go on into workers."""

    def __init__(self, loop: Loop, sources: Mapping[str, str], files: Files, stopping: threading.Event) -> None:
        self._loop = loop
        self._sources = sources
        self._files = files
        self._stopping = stopping
        self._sessions: Dict[Key, Session] = {}
        self._entering: Dict[Key, Attempt] = {}
        # `enter` requests for a worker whose former attempt, or release, has not ended yet: the latest of each.
        self._next: Dict[Key, Tuple[object, Json]] = {}
        # One was lost although it lives: the newest agent is the only one.
        self.taken_over = False

    def __len__(self) -> int:
        return len(self._sessions) + len(self._entering)

    def debug_ports(self) -> Set[int]:
        return {session.port for session in self._sessions.values()}

    def want(self, wanted: Wanted) -> None:
        """Adds what to poll for."""
        for session in self._sessions.values():
            wanted[session.lines.sock.fileno()] = (READ, session)

    def due(self) -> List[float]:
        """When `deadlines` wants to be called, monotonic seconds."""
        return [session.deadline for session in self._sessions.values() if session.released is not None]

    def deadlines(self, now: float) -> None:
        for session in list(self._sessions.values()):
            if session.released is not None and now >= session.deadline:
                # Frozen, or a thread holds the GIL: our end of the socket closes, and it lets go when it can.
                released, session.released = session.released, ignore
                self._drop(session, "it did not answer")
                released("process %d did not answer within %d s" % (session.pid, _RELEASE_SECONDS))

    def enter(self, ident: object, params: Json) -> None:
        at_start = params.get("holdAtStart") is True
        request = _request(params, _HOLD_AT_START_SECONDS if at_start else _HOLD_SECONDS, at_start)
        debugpy = text(params, "debugpy")
        key = (request.pid, request.start_time)
        known = self._sessions.get(key)
        if known is not None and known.released is None:
            self._loop.reply(ident, known.result)
            return
        attempt = self._entering.get(key)
        if attempt is not None or known is not None:
            if attempt is not None:
                attempt.set()  # the latest request counts: this one may be meant for another wait, or to hold
            self._forgo(key)
            self._next[key] = (ident, params)
            return
        self._enter(ident, request, debugpy, at_start, params.get("whilePaused"))

    def _enter(self, ident: object, request: Request, debugpy: str, at_start: bool, while_paused: object) -> None:
        key = (request.pid, request.start_time)
        avoid = self.debug_ports()
        attempt = self._entering[key] = Attempt(self._stopping)

        def failed() -> None:
            del self._entering[key]
            self._go_on(key)

        def work() -> Callable[[], None]:
            try:
                path = self._files.path_for(request.pid, debugpy)
                options: Json = {"debugpy": path, "holdAtStart": at_start, "holdMs": int(request.hold * 1000)}
                options["whilePaused"] = while_paused
                session = enter(request, options, self._sources, avoid, attempt)
            except BaseException:
                self._loop.post(failed)
                raise

            def done() -> None:
                del self._entering[key]
                self._sessions[key] = session
                if not attempt.unwanted:
                    self._loop.reply(ident, session.result)
                else:
                    self._loop.fail(ident, _UNWANTED)
                    if key not in self._next:
                        self._ask_release(session, ignore)
                self._go_on(key)

            return done

        self._loop.thread(ident, work)

    def _go_on(self, key: Key) -> None:
        """The way to a worker is free: for whoever waits for it."""
        if key not in self._next:
            return
        ident, params = self._next.pop(key)
        try:
            self.enter(ident, params)
        except Exception as error:
            self._loop.fail(ident, error_of(error))

    def _forgo(self, key: Key) -> None:
        waiting = self._next.pop(key, None)
        if waiting is not None:
            self._loop.fail(waiting[0], _UNWANTED)

    def run(self, ident: object, params: Json) -> None:
        request = _request(params, 0.0, False)
        args = params.get("args")
        if not isinstance(args, list):
            raise BadRequestError("run wants args")
        options: Json = {
            "source": text(params, "source"),
            "filename": text(params, "filename"),
            "args": [str(arg) for arg in cast(List[object], args)],
        }
        label, avoid = number(params, "run"), self.debug_ports()

        def on_output(stream: str, said: str) -> None:
            event = {"event": "output", "run": label, "stream": stream, "text": said}
            self._loop.post(lambda: self._loop.send(event))
            while self._loop.out.size > _UNSENT_BYTES and not self._stopping.is_set():
                time.sleep(0.01)  # a script that prints faster than the daemon reads: let its socket fill

        def work() -> Callable[[], None]:
            result = run(request, options, self._sources, avoid, self._stopping, on_output)
            return lambda: self._loop.reply(ident, result)

        self._loop.thread(ident, work)

    def unhold(self, ident: object, params: Json) -> None:
        try:
            self._session(params).command("unhold")
        except OSError as error:
            raise EntryError("gone", "the worker hung up: %s" % error) from None
        self._loop.reply(ident, {})

    def release(self, ident: object, params: Json) -> None:
        def released(why: Optional[str]) -> None:
            if why is None:
                self._loop.reply(ident, {})
            else:
                self._loop.fail(ident, {"code": "failed", "message": why})

        key = (number(params, "pid"), number(params, "startTime"))
        self._forgo(key)
        attempt = self._entering.get(key)
        if attempt is not None:
            attempt.set()
            self._loop.reply(ident, {})
            return
        self._ask_release(self._session(params), released)

    def release_all(self) -> None:
        for session in list(self._sessions.values()):
            if session.released is None:
                self._ask_release(session, ignore)

    def serve(self, session: Session) -> None:
        if self._sessions.get((session.pid, session.start_time)) is not session:
            return
        lines = session.lines.read()
        for line in lines:
            if line.get("event") == "raised":
                said = {"event": "raised", "pid": session.pid, "startTime": session.start_time}
                self._loop.send({**said, "text": str(line.get("text"))[:_MOST_WORDS]})
        if any(line.get("event") == "released" for line in lines):
            self._drop(session, "it was released from inside")
        elif session.lines.ended:
            ended = not _alive(session)
            if not ended and session.released is None:
                self.taken_over = True
            self._drop(session, "the worker ended" if ended else "debugwand's part in the worker ended", ended)

    def _session(self, params: Json) -> Session:
        session = self._sessions.get((number(params, "pid"), number(params, "startTime")))
        if session is None:
            raise EntryError("gone", "process %d is not entered" % number(params, "pid"))
        return session

    def _ask_release(self, session: Session, released: Callable[[Optional[str]], None]) -> None:
        """`released` is called once, with None or with why not."""
        before = session.released
        if before is not None:

            def both(why: Optional[str]) -> None:
                before(why)
                released(why)

            session.released = both
            return
        session.released = released
        session.deadline = time.monotonic() + _RELEASE_SECONDS
        try:
            session.command("release")
        except OSError:
            self._drop(session, "the worker is gone")

    def _drop(self, session: Session, why: str, ended: bool = False) -> None:
        """Released or gone: either way the worker is free."""
        if self._sessions.pop((session.pid, session.start_time), None) is None:
            return
        self._loop.forget(session.lines.sock.fileno())
        session.lines.sock.close()
        if session.released is not None:
            session.released(None)
        else:
            event = {"event": "left", "pid": session.pid, "startTime": session.start_time, "why": why}
            self._loop.send({**event, "ended": True} if ended else event)
        self._go_on((session.pid, session.start_time))


_UNWANTED: Json = {"code": "gone", "message": "it is not wanted any more"}


def ignore(_why: Optional[str]) -> None:
    """Nobody waits for this release."""


def _request(params: Json, hold: float, at_start: bool) -> Request:
    pid, start = number(params, "pid"), number(params, "startTime")
    young = boot_seconds() - start / TICKS_PER_SECOND < _YOUNG_SECONDS
    return Request(
        pid=pid,
        start_time=start,
        exec_id=text(params, "execId"),
        timeout=number(params, "timeoutMs") / 1000,
        hold=hold,
        young=young,
        main_only=at_start and young,
        ring=text(params, "ring") if "ring" in params else None,
    )


def _alive(session: Session) -> bool:
    stat = read_stat(session.pid)
    # A process closes its sockets a moment before it is a zombie.
    return stat is not None and not stat.gone and not stat.flags & _PF_EXITING and stat.start == session.start_time
