"""Owns one question: are all threads of the app stopped by the debugger? While they are, somebody stands in for the app
(`_debugwand_standin`), in a thread of its own that sleeps while the app runs. Must not know sockets.
Runs inside the worker.

Facts about pydevd come from its source (debugpy 1.8.22): `PyDB.do_wait_suspend`, `ThreadsSuspendedSingleNotification`,
`suspend_all_threads`: threads are marked first, and each waits as soon as it runs Python again; one that is blocked in a
system call would stop right after it."""

import contextlib
import os
import sys
import threading

from _debugwand_connections import go_dark, invisible, pydevd_module, threads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Generator, List, Optional

_MOST_FAILURES = 3


class Pauses:
    """From `begin` to `end`, one after the other."""

    def __init__(self) -> None:
        # Held by the stand-in while it takes from the app what a running app would take, for moments only: once a thread
        # that ran on had it, nothing is taken any more.
        self._lock = threading.Lock()
        self._waiting = 0
        # Each `begin` counts anew: a thread that was stopped for the former debugger may be late to go on.
        self._round = 0
        self._settings: Dict[str, Any] = {}
        self._port = 0
        self._wake: Optional[List[int]] = None
        self._standin: Any = None
        self._ending = False
        self._thread: Any = None
        # Faults of ours: the app's standard error is not the place for them.
        self.failures: List[str] = []

    def begin(self, py_db: "Any", settings: "Dict[str, Any]") -> "Callable[[], None]":
        """Watches a PyDB. settings: sources (of the stand-in's modules, made when the app is paused first), and what
        the stand-in wants. Returns what puts pydevd's class back."""
        with self._lock:
            self._settings = settings
            self._port = int(py_db._server_socket_name[1])
            self._ending = False
            self._round += 1
            self._waiting = 0
            wake = self._wake
            if wake is None:
                wake = self._wake = list(os.pipe2(os.O_CLOEXEC))
                os.set_blocking(wake[1], False)
                self._thread = threading.Thread(target=self._run, args=(wake,), name="debugwand paused", daemon=True)
                invisible(self._thread)
                self._thread.start()
        return self._watch(py_db)

    def change(self, settings: "Dict[str, Any]") -> None:
        """Another agent's settings: they count from the next pause on."""
        self._settings = settings

    def end(self) -> None:
        """No more pauses. The thread stays for as long as it carries bytes between clients and the app."""
        self._ending = True
        self._nudge()
        if self._thread is not None:
            self._thread.join(0.3)

    def in_child(self) -> None:
        """In a forked child: the thread is gone, and what it held is the parent's."""
        self._lock = threading.Lock()
        self._round += 1
        self._waiting = 0
        wake, self._wake, self._thread = self._wake, None, None
        for descriptor in wake or ():
            os.close(descriptor)
        standin, self._standin = self._standin, None
        if standin is not None:
            standin.forget()

    def stopped(self) -> bool:
        """Whether all of the app is stopped at this moment. Threads that pydevd does not know run on: then it is not."""
        if self._waiting == 0 or self._ending:
            return False
        suspend: int = pydevd_module("_pydevd_bundle.pydevd_constants").STATE_SUSPEND
        known = {thread.ident: thread for thread in threads()}
        for ident in sys._current_frames():
            thread = known.get(ident)
            if getattr(thread, "is_pydev_daemon_thread", False) or getattr(thread, "pydev_do_not_trace", False):
                continue
            if getattr(getattr(thread, "additional_info", None), "pydev_state", None) != suspend:
                return False
        return True

    def _watch(self, py_db: "Any") -> "Callable[[], None]":
        notifier = py_db._threads_suspended_single_notification
        usual: Any = notifier.__class__
        pauses = self

        class Watched(usual):
            __slots__ = ()

            def on_thread_suspend(self, *args: "Any", **kwargs: "Any") -> None:
                usual.on_thread_suspend(self, *args, **kwargs)
                pauses._nudge()

            def on_thread_resume(self, *args: "Any", **kwargs: "Any") -> None:
                # Also when pydevd lets the others run because an evaluation takes long.
                pauses._runs(None)
                usual.on_thread_resume(self, *args, **kwargs)

            @contextlib.contextmanager
            def notify_thread_suspended(self, *args: "Any", **kwargs: "Any") -> "Generator[None]":
                stopped_in = pauses._waits()
                try:
                    with usual.notify_thread_suspended(self, *args, **kwargs):
                        yield
                finally:
                    pauses._runs(stopped_in)

        notifier.__class__ = Watched

        def put_back() -> None:
            notifier.__class__ = usual

        return put_back

    def _waits(self) -> int:
        """Returns the round, for `_runs`."""
        with self._lock:
            self._waiting += 1
            self._ring()
            return self._round

    def _runs(self, stopped_in: "Optional[int]") -> None:
        """stopped_in: the round in which the thread that goes on was stopped; None: no thread does for good."""
        with self._lock:
            if stopped_in == self._round:
                self._waiting -= 1
            if self._standin is not None:
                self._standin.let_go()
            self._ring()

    def _nudge(self) -> None:
        with self._lock:
            self._ring()

    def _ring(self) -> None:
        """Under the lock, so that the descriptor is still ours."""
        if self._wake is not None:
            try:
                os.write(self._wake[1], b"!")
            except OSError:
                pass  # full: it wakes anyway

    def _run(self, wake: "List[int]") -> None:
        go_dark()
        while not self._done(wake):
            try:
                self._turn(wake[0])
            except Exception as error:
                self.failures.append("%s: %s" % (type(error).__name__, error))
                self._dismiss()
        self._dismiss()
        for descriptor in wake:
            os.close(descriptor)

    def _done(self, wake: "List[int]") -> bool:
        """Once it has said so, the next `begin` makes another thread."""
        with self._lock:
            idle = self._standin is None or not self._standin.busy
            if len(self.failures) < _MOST_FAILURES and not (self._ending and idle):
                return False
            if self._wake is wake:
                self._wake = None
            return True

    def _turn(self, wake: int) -> None:
        if self._standin is None:
            os.read(wake, 4096)
            if not self.stopped():
                return
            self._standin = self._make_standin(wake)
        if self._standin is not None:
            self._standin.turn(self._settings)

    def _dismiss(self) -> None:
        with self._lock:
            standin, self._standin = self._standin, None
            if standin is not None:
                standin.let_go()
        if standin is not None:
            standin.close()

    def _make_standin(self, wake: int) -> "Any":
        """Made now: what it costs to make modules the app does not notice while it is stopped."""
        modules: Any = sys.modules
        for name, source in self._settings.get("sources", {}).items():
            if name not in modules:
                module = type(sys)(name)
                module.__file__ = "<%s>" % name
                modules[name] = module
                try:
                    exec(compile(source, "<%s>" % name, "exec"), module.__dict__)
                except BaseException:
                    del modules[name]
                    raise
        made = modules.get("_debugwand_standin")
        return made.StandIn(wake, self._lock, self.stopped, self._port) if made is not None else None
