"""Owns getting the doorbell to ring: arm, wait, wake, look, arm again, until the worker answers or the time is over.
Runs in a thread of the agent. Must not know what happens in the worker afterwards.
Standard library only, Python 3.8 or later."""

import os
import threading
import time
from typing import Iterator, List, Optional, Set

import _debugwand_procfs as procfs
from _debugwand_bell import Bell
from _debugwand_delivery import Delivery, ways
from _debugwand_memory import EntryError
from _debugwand_remote_exec import Runtime
from _debugwand_visit import PATIENCE_OTHER, PATIENCE_STDLIB, Request, Visit, program_state, script, where
from _debugwand_wake import doors, knock

# Seconds.
_RETRY = 0.001  # after "importing", or a script that was swallowed
_KNOCKS = (0.002, 0.01, 0.03, 0.1, 0.3, 1.0)  # after arming; then every second
_FROZEN_FOR = 1.0
_EMBEDDED_AFTER = 2.0  # programs that embed Python never say that their main thread runs `__main__`
_NEW_PROGRAM = 1.0  # so long after an exec the loader may not have mapped libpython yet
_LINGER = 0.3
_MAIN_ONLY = 1.0


class Visitor:
    """One attempt to enter one process."""

    def __init__(self, request: Request, source: str, avoid_ports: Set[int], stopping: threading.Event) -> None:
        self._request = request
        self._source = source
        self._avoid = avoid_ports
        self._stopping = stopping
        self._started = time.monotonic()
        self._armed_after = 0.0
        self._bell = Bell(request.pid)
        self._runtime: Optional[Runtime] = None
        self._ways: Iterator[Delivery] = iter(())
        self._delivery: Optional[Delivery] = None
        self._not_main = False  # somebody else took it while the main thread imports

    def run(self) -> Visit:
        """Raises EntryError."""
        visit: Optional[Visit] = None
        try:
            self._bell.hang()
            self._ways = ways(self._request.pid, script(self._source, self._request, self._bell))
            visit = self._knock()
            return visit
        finally:
            self._bell.close()
            self._disarm()
            if self._delivery is not None:
                # A thread may have taken the request and not opened the file yet.
                timer = threading.Timer(_LINGER if visit is not None else 0.05, self._delivery.close)
                timer.daemon = True
                timer.start()

    def _knock(self) -> Visit:
        request = self._request
        deadline = self._started + request.timeout
        swallowed = 0
        frozen_since = 0.0
        while True:
            program_state(request, deadline, self._stopping)
            threads = self._arm(deadline)
            armed_at = time.monotonic()
            knocks = 0
            # Asleep as a whole: nothing but a knock will do. Else give it the time of a GIL switch.
            if self._asleep():
                self._wake()
            pause = 0.001
            while True:
                visit = self._answer(pause)
                if visit is not None:
                    if visit.line.get("status") == "here":
                        return visit
                    visit.sock.close()
                    self._not_main = visit.line.get("main") is False
                    time.sleep(_RETRY)
                    break
                now = time.monotonic()
                state = program_state(request, deadline, self._stopping)
                if state == "frozen":
                    frozen_since = frozen_since or now
                    if now - frozen_since > _FROZEN_FOR:
                        raise EntryError("frozen", "process %d is stopped or frozen" % request.pid, where(request.pid))
                else:
                    frozen_since = 0.0
                if not self._still_armed(threads):
                    # Taken, and no answer within a moment: it could not run there. Elsewhere it may.
                    visit = self._answer(0.02)
                    if visit is not None and visit.line.get("status") == "here":
                        return visit
                    swallowed += 1
                    if visit is not None:
                        visit.sock.close()
                        self._not_main = visit.line.get("main") is False
                    elif swallowed % 5 == 0:
                        self._next_way()
                    time.sleep(min(_RETRY * swallowed, 0.05))
                    break
                elapsed = now - armed_at
                if elapsed > (_KNOCKS[knocks] if knocks < len(_KNOCKS) else knocks - len(_KNOCKS) + 2):
                    knocks += 1
                    self._wake()
                pause = min(pause * 2, 0.05)

    def _arm(self, deadline: float) -> List[int]:
        """Waits until there is something to arm, and arms it."""
        while True:
            try:
                if self._runtime is None:
                    self._runtime = Runtime(self._request.pid)
                threads = self._arm_once(self._runtime)
                if threads:
                    self._armed_after = self._armed_after or time.monotonic() - self._started
                    return threads
            except EntryError as error:
                # An exec, or the loader is still at work: look again, but not at another program.
                if error.code == "not-python" and time.monotonic() - self._started < _NEW_PROGRAM:
                    pass
                elif error.code not in ("changed", "failed"):
                    raise
                self._forget()
            program_state(self._request, deadline, self._stopping)
            time.sleep(_RETRY / 2)

    def _arm_once(self, runtime: Runtime) -> List[int]:
        """Thread states that were armed; empty: too early."""
        interpreter = runtime.main_interpreter()
        main = runtime.main_thread(interpreter) if interpreter != 0 else 0
        if main == 0 and (interpreter == 0 or time.monotonic() - self._started < _EMBEDDED_AFTER):
            return []
        if not runtime.enabled(interpreter):
            raise EntryError("disabled", "process %d runs with remote debugging switched off" % self._request.pid)
        if self._would_refuse(runtime.stack.imports(main)):
            return []
        if self._delivery is None:
            self._next_way()
        assert self._delivery is not None
        path = self._delivery.path
        threads = [t for t in self._wanted(runtime, interpreter) if runtime.load(interpreter, t, path)]
        # Once more, right before it counts: microseconds matter while a process starts.
        if self._would_refuse(runtime.stack.imports(main)):
            for thread in threads:
                runtime.disarm(thread, path)
            return []
        for thread in threads:
            runtime.stop(interpreter, thread)
        return threads

    def _wanted(self, runtime: Runtime, interpreter: int) -> List[int]:
        """All threads; for a hold only the main one, while there is hope that it runs."""
        main = runtime.main_thread(interpreter)
        patient = time.monotonic() - self._started < _MAIN_ONLY
        if main != 0 and patient and (self._request.main_only or self._not_main):
            return [main]
        return runtime.threads(interpreter)

    def _would_refuse(self, imports: str) -> bool:
        """The doorbell's own judgement (see there), ahead of time: better not to interrupt at all."""
        waited = time.monotonic() - self._started
        if imports == "stdlib":
            return waited < PATIENCE_STDLIB
        return imports == "other" and self._request.hold == 0 and waited < PATIENCE_OTHER

    def _still_armed(self, threads: List[int]) -> bool:
        """False once no thread has the request any more. New threads get it too."""
        runtime, delivery = self._runtime, self._delivery
        if runtime is None or delivery is None:
            return False
        try:
            interpreter = runtime.main_interpreter()
            if not any(runtime.pending(thread, delivery.path) for thread in runtime.threads(interpreter)):
                return False
            for thread in self._wanted(runtime, interpreter):
                if thread not in threads and runtime.load(interpreter, thread, delivery.path):
                    runtime.stop(interpreter, thread)
                    threads.append(thread)
            return True
        except EntryError:
            self._forget()
            return False

    def _disarm(self) -> None:
        runtime, delivery = self._runtime, self._delivery
        if runtime is not None and delivery is not None:
            try:
                for thread in runtime.threads(runtime.main_interpreter()):
                    runtime.disarm(thread, delivery.path)
            except EntryError:
                pass  # it is gone, or another program: nothing is armed there
        self._forget()

    def _forget(self) -> None:
        if self._runtime is not None:
            self._runtime.close()
            self._runtime = None

    def _next_way(self) -> None:
        """The next way to hand over the script; when there is none left, the last one stays."""
        following = next(self._ways, None)
        if following is None:
            if self._delivery is None:
                raise EntryError("denied", "no file that process %d could read" % self._request.pid, {"needs": "uid"})
            return
        if self._delivery is not None:
            self._delivery.close()
        self._delivery = following

    def _answer(self, seconds: float) -> Optional[Visit]:
        """None when nobody rang."""
        rung = self._bell.answer(seconds)
        if rung is None:
            return None
        return Visit(rung[0], rung[1], self._armed_after, time.monotonic() - self._started)

    def _asleep(self) -> bool:
        """Whether no thread of the process runs or is about to."""
        try:
            for name in os.listdir("/proc/%d/task" % self._request.pid):
                stat = procfs.read_bytes("/proc/%d/task/%s/stat" % (self._request.pid, name), 4096)
                if stat is not None and stat[stat.rfind(b")") :][2:3] == b"R":
                    return False
        except OSError:
            return False
        return True

    def _wake(self) -> None:
        for door in doors(self._request.pid, self._avoid):
            knock(door)
