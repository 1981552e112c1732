"""Owns the ends that a debugged process comes to by itself: an exit that is not slowed down, and a forked child that has
pydevd's breakpoints but none of its threads. Runs inside the worker."""

import atexit
import socket
import sys
import threading

from _debugwand_connections import global_py_db, pydevd_module
from _debugwand_footprints import stop_monitoring

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def leave_fast(py_db: "Any") -> None:
    """At an exit of the app pydevd would wait 100 to 700 ms: for its threads, and for an editor that hangs up."""
    pydevd = pydevd_module("pydevd")
    dispose = py_db.dispose_and_kill_all_pydevd_threads

    def at_once(wait: bool = True, timeout: float = 0.5) -> None:  # noqa: ARG001
        dispose(wait=False, timeout=timeout)

    def end_beat() -> None:
        # The one thread of pydevd that is no daemon.
        beat = getattr(py_db, "check_alive_thread", None)
        if beat is not None:
            beat.do_kill_pydev_thread()

    py_db.dispose_and_kill_all_pydevd_threads = at_once
    try:
        getattr(threading, "_register_atexit")(end_beat)  # noqa: B009 - typeshed does not know it
    except (AttributeError, RuntimeError):
        pass  # not there, or the app is ending right now
    atexit.unregister(pydevd.stoptrace)
    atexit.register(_at_exit)


def leave_as_usual() -> None:
    """Undoes `leave_fast`."""
    atexit.unregister(_at_exit)


def _at_exit() -> None:
    stop_monitoring(0.0)
    shut(global_py_db(), socket.SHUT_RDWR)


def shut(py_db: "Any", how: int) -> None:
    """The editor's connection, if there is one."""
    try:
        py_db.reader.sock.shutdown(how)
    except (AttributeError, OSError):
        pass


def forget_in_child() -> None:
    """To be called in a forked child: it would stop at a breakpoint for ever, and hold the parent's port."""
    py_db = global_py_db()
    if py_db is None:
        return
    monitoring: Any = getattr(sys, "monitoring", None)
    if monitoring is not None and monitoring.get_tool(monitoring.DEBUGGER_ID) == "pydevd":
        monitoring.free_tool_id(monitoring.DEBUGGER_ID)
    for owner in (getattr(py_db, "_waiting_for_connection_thread", None), getattr(py_db, "reader", None)):
        for name in ("_server_socket", "sock"):
            held = getattr(owner, name, None)
            if held is not None:
                held.close()
    constants: Any = sys.modules["_pydevd_bundle.pydevd_constants"]
    constants.set_global_debugger(None)
