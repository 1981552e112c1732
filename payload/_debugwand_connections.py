"""Owns what happens to the app when an editor connects, disconnects or is cut off: traced while one is there, at full
speed while none is, and never left stopped. Must not know how debugpy came here. Runs inside the worker.

Facts about pydevd come from its source (debugpy 1.8.22): `ReaderThread`, `PyDB.on_initialize`, `request_disconnect`."""

import importlib
import os
import sys
import threading
import time

from _debugwand_breakpoint import BreakpointHook
from _debugwand_footprints import stop_monitoring
from _debugwand_tracing import USES_TRACING, trace_all, untrace_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, List


def invisible(thread: "Any") -> None:
    """Neither traced nor suspended nor shown by pydevd."""
    thread.pydev_do_not_trace = True
    thread.is_pydev_daemon_thread = True


def go_dark() -> None:
    """Makes the calling thread invisible. pydevd may have taken it for another thread already: of one that ended and had
    the same identifier, of which it left a dummy behind."""
    invisible(threading.current_thread())
    monitoring: Any = sys.modules.get("_pydevd_sys_monitoring.pydevd_sys_monitoring")
    if monitoring is not None and not USES_TRACING:
        monitoring.stop_monitoring(all_threads=False)


def pydevd_module(name: str) -> "Any":
    """One that was imported with debugpy."""
    return importlib.import_module(name)


def global_py_db() -> "Any":
    """pydevd's one debugger of this process, or None."""
    constants: Any = sys.modules.get("_pydevd_bundle.pydevd_constants")
    return constants.get_global_debugger() if constants is not None else None


class Connections:
    """Watches the connections of one PyDB until `end`."""

    def __init__(self, py_db: "Any", hook: "BreakpointHook") -> None:
        self._py_db = py_db
        self._hook = hook
        # Guards the switch between traced (an editor is there) and untraced.
        self._switch = threading.RLock()
        self._wanted = False
        self._hidden: List[Any] = []
        for thread in threading.enumerate():
            self._hide_heartbeat(thread)
        self.put_back = self._watch()

    def end(self) -> None:
        """No editor from here on, the app runs; pydevd's classes are as they were."""
        with self._switch:
            self._wanted = False
        let_run(self._py_db)
        until(lambda: not suspended(), 2.0)
        self.put_back()

    def show_heartbeats(self) -> None:
        for thread in self._hidden:
            thread.__dict__.pop("pydev_do_not_trace", None)
            thread.__dict__.pop("is_pydev_daemon_thread", None)
        self._hidden = []

    def _hide_heartbeat(self, thread: "Any") -> None:
        """uvicorn's supervisor kills a worker whose thread `always_pong` does not answer for five seconds."""
        target = getattr(thread, "_target", None)
        if getattr(target, "__name__", "") != "always_pong" or getattr(thread, "is_pydev_daemon_thread", False):
            return
        if str(getattr(target, "__module__", "")).startswith("uvicorn."):
            invisible(thread)
            self._hidden.append(thread)

    def _watch(self) -> "Callable[[], None]":
        py_db = self._py_db
        reader_class: Any = pydevd_module("_pydevd_bundle.pydevd_comm").ReaderThread
        api_class: Any = pydevd_module("_pydevd_bundle.pydevd_api").PyDevdAPI
        at_end = reader_class._terminate_on_socket_close
        request_disconnect = api_class.request_disconnect

        def ended(reader: "Any") -> None:
            at_end(reader)
            self._cut(reader)

        def disconnect(api: "Any", its_py_db: "Any", resume_threads: bool = True) -> None:  # noqa: ARG001
            # pydevd leaves the app stopped when a new connection takes over from one that was cut, and tells the new
            # one nothing about it. So every session begins with an app that runs.
            request_disconnect(api, its_py_db, resume_threads=True)

        reader_class._terminate_on_socket_close = ended
        api_class.request_disconnect = disconnect

        on_initialize, on_disconnect, notify = py_db.on_initialize, py_db.on_disconnect, py_db.notify_thread_created

        def initialize() -> None:
            on_initialize()
            self._trace()

        def disconnected() -> None:
            on_disconnect()
            self._untrace_soon()

        def created(thread_id: str, thread: "Any", *args: "Any", **kwargs: "Any") -> None:
            self._hide_heartbeat(thread)
            if not _lay_ghost(thread) and not getattr(thread, "is_pydev_daemon_thread", False):
                notify(thread_id, thread, *args, **kwargs)

        py_db.on_initialize = initialize
        py_db.on_disconnect = disconnected
        py_db.notify_thread_created = created

        def put_back() -> None:
            reader_class._terminate_on_socket_close = at_end
            api_class.request_disconnect = request_disconnect

        return put_back

    def _cut(self, reader: "Any") -> None:
        """The editor's connection ended without a `disconnect`: the app runs on."""
        py_db = reader.py_db
        if py_db is None or py_db.pydb_disposed:
            return
        with py_db._main_lock:
            if py_db.reader is reader:
                let_run(py_db)

    def _trace(self) -> None:
        with self._switch:
            self._wanted = True
            self._hook.take()
            if USES_TRACING:
                trace_all(self._py_db)
                return
            monitoring: Any = sys.modules.get("_pydevd_sys_monitoring.pydevd_sys_monitoring")
            if monitoring is not None:
                monitoring.start_monitoring(all_threads=True)

    def _untrace_soon(self) -> None:
        with self._switch:
            self._wanted = False
            self._hook.give_back()

        def run() -> None:
            go_dark()
            # A thread that is still on its way out of a breakpoint needs the tool id.
            until(lambda: not suspended(), 5.0)
            with self._switch:
                if not self._wanted:
                    stop_monitoring()
                    if USES_TRACING:
                        untrace_all()

        thread = threading.Thread(target=run, name="debugwand untrace", daemon=True)
        invisible(thread)
        thread.start()


def lay_ghosts() -> None:
    """pydevd's callbacks run in threads that are ending, and make dummies of them that stay in `threading` for ever."""
    for thread in threads():
        _lay_ghost(thread)


def _lay_ghost(thread: "Any") -> bool:
    native = getattr(thread, "native_id", None)
    if (
        not isinstance(thread, threading._DummyThread)
        or native is None
        or os.path.exists("/proc/self/task/%d" % native)
    ):
        return False
    active: Any = getattr(threading, "_active")  # noqa: B009 - typeshed does not know it
    if active.get(thread.ident) is thread:
        active.pop(thread.ident, None)
    return True


def let_run(py_db: "Any") -> None:
    """As if the editor had said `disconnect`."""
    py_db.enable_output_redirection(False, False)
    pydevd_module("_pydevd_bundle.pydevd_api").PyDevdAPI().request_disconnect(py_db, resume_threads=True)


def threads() -> "List[Any]":
    """All of them: `threading.enumerate` hides pydevd's."""
    return list(getattr(threading, "_active").values())  # noqa: B009 - typeshed does not know it


def suspended() -> bool:
    """Whether a thread is stopped at a breakpoint, or on its way out of it."""
    for frame in sys._current_frames().values():
        above: Any = frame
        while above is not None:
            if above.f_code.co_name == "do_wait_suspend":
                return True
            above = above.f_back
    return False


def until(true: "Callable[[], bool]", seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True
