"""Owns debugpy's life inside this process: it listens, is found again, and goes without a trace. Must not know agents.
Runs inside the worker. Standard library only.

Facts about pydevd come from its source (debugpy 1.8.22): `PyDB`, `WaitForConnectionThread`, `settrace`, `stoptrace`."""

import atexit
import os
import socket
import sys

from _debugwand_adapter import endpoint_of_adapter
from _debugwand_breakpoint import BreakpointHook
from _debugwand_connections import Connections, global_py_db, lay_ghosts, pydevd_module, threads, until
from _debugwand_exits import forget_in_child, leave_as_usual, leave_fast, shut
from _debugwand_footprints import Footprints, stop_monitoring, unwrap_streams
from _debugwand_foreign import keep_out
from _debugwand_load import RefusedError, forget_finders, load
from _debugwand_paused import Pauses
from _debugwand_stepping import mend as mend_steps
from _debugwand_stops import mend as mend_stops
from _debugwand_tracing import USES_TRACING, untrace_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional

    Endpoint = Dict[str, object]


class Debugger:
    """One per process and for its life; `listen` and `release` may alternate, one call at a time."""

    def __init__(self) -> None:
        self._footprints: Any = None
        self._loaded: Any = None
        self._connections: Any = None
        self._endpoint: Optional[Endpoint] = None
        self._undo: List[Callable[[], object]] = []
        self._pauses = Pauses()
        os.register_at_fork(after_in_child=self._in_child)

    def listen(self, directory: str, while_paused: "Dict[str, Any]") -> "Endpoint":
        """{"port", "debugpy", "origin"} of the endpoint, which is a new one after each `release`. while_paused: see
        `Pauses`."""
        if self._endpoint is not None:
            self._loaded.ready(directory)
            self._pauses.change(while_paused)
            return dict(self._endpoint, origin="ours-before")
        before = self._loaded is not None
        theirs = _endpoint_of_app()
        if theirs is not None:
            return theirs
        if before:
            self._loaded.ready(directory)
        else:
            self._footprints = Footprints()
            self._loaded = load(directory)
        self._endpoint = {"port": self._start(while_paused), "debugpy": self._loaded.version}
        return dict(self._endpoint, origin="ours-before" if before else self._loaded.origin)

    def release(self) -> None:
        """The app runs at full speed as if nobody had been there; debugpy's modules stay in memory."""
        if self._endpoint is None:
            return
        pydevd = pydevd_module("pydevd")
        py_db = global_py_db()
        self._endpoint = None
        self._connections.end()
        self._pauses.end()
        _close_door(py_db)
        atexit.unregister(pydevd.stoptrace)
        leave_as_usual()
        stop_monitoring()
        if USES_TRACING:
            untrace_all()
        pydevd.stoptrace()
        # After its last words, `terminated`, pydevd leaves the connection to whoever collects garbage.
        shut(py_db, socket.SHUT_RDWR)
        unwrap_streams()
        until(lambda: not any(type(thread).__module__.startswith(("pydevd", "_pydevd")) for thread in threads()), 1.0)
        self._forget()

    def _forget(self) -> None:
        """What pydevd noted at the app's threads stays there: its own memory per thread refers to it."""
        modules: Any = sys.modules
        modules["pydevd"].SetupHolder.setup = None
        for undo in reversed(self._undo):
            undo()
        self._undo = []
        modules["debugpy.server.api"].listen.called = False
        self._connections.show_heartbeats()
        self._connections = None
        lay_ghosts()
        self._footprints.restore()
        if self._loaded.directory is not None:
            forget_finders(self._loaded.directory)

    def _start(self, while_paused: "Dict[str, Any]") -> int:
        debugpy = pydevd_module("debugpy")
        debugpy.configure(subProcess=False)
        try:
            debugpy.listen(("127.0.0.1", 0), in_process_debug_adapter=True)
        except TypeError:
            raise RefusedError("the app's own debugpy %s is too old for this" % self._loaded.version) from None
        py_db = global_py_db()
        py_db.wait_for_server_socket_ready()
        # Accepted connections inherit it; without it each pair of messages waits 40 ms.
        py_db._waiting_for_connection_thread._server_socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        mended = mend_steps()
        if mended is not None:
            self._undo.append(mended)
        self._undo.append(mend_stops(py_db))
        kept_out = keep_out()
        if kept_out is not None:
            self._undo.append(kept_out)
        self._connections = Connections(py_db, BreakpointHook(self._footprints.breakpointhook))
        # Nobody is there yet: a debugger of the app's own, say pdb, may have the tool id.
        stop_monitoring(0.0)
        self._undo.append(self._pauses.begin(py_db, while_paused))
        leave_fast(py_db)
        self._undo.append(_answer_for_listen(py_db._server_socket_name))
        return int(py_db._server_socket_name[1])

    def _in_child(self) -> None:
        if self._endpoint is None:
            return
        self._endpoint = None
        self._pauses.in_child()
        forget_in_child()
        leave_as_usual()
        self._connections.put_back()
        self._forget()


def _endpoint_of_app() -> "Optional[Endpoint]":
    """Of a debugpy that the app itself started, or None. Raises RefusedError when nobody can attach to it."""
    py_db = global_py_db()
    if py_db is None:
        return None
    version = str(getattr(sys.modules.get("debugpy"), "__version__", "unknown"))
    if getattr(py_db, "_waiting_for_connection_thread", None) is not None:
        py_db.wait_for_server_socket_ready()
        return {"port": py_db._server_socket_name[1], "debugpy": version, "origin": "app-listening"}
    peer: Any = None
    try:
        peer = py_db.writer.sock.getpeername()
    except (AttributeError, OSError):
        pass
    found = endpoint_of_adapter(peer[1]) if peer else None
    if found is None:
        raise RefusedError("this process is being debugged already, by a debugger that nobody can attach to")
    if not found[1]:
        raise RefusedError("the app's own debugpy (adapter %d) has an editor already" % found[0])
    return {"port": found[1][0], "debugpy": version, "origin": "app-listening"}


def _answer_for_listen(endpoint: "Any") -> "Callable[[], None]":
    """The app may call `debugpy.listen` of its own later, even without a debugpy of its own. A second call raises in
    debugpy, and that would be our fault: it gets the endpoint that is there. Returns what undoes it."""
    api: Any = sys.modules["debugpy.server.api"]
    listen = api.listen

    def answer(*_args: "Any", **_kwargs: "Any") -> "Any":
        return endpoint

    answer.called = True  # type: ignore[attr-defined]
    api.listen = answer

    def put_back() -> None:
        api.listen = listen

    return put_back


def _close_door(py_db: "Any") -> None:
    """Ends the thread that accepts; closing a socket does not wake who waits on it, shutting it down does."""
    door = getattr(py_db, "_waiting_for_connection_thread", None)
    listening = getattr(door, "_server_socket", None)
    if door is None or listening is None:
        return
    door._kill_received = True
    door._server_socket = None
    try:
        listening.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    door.join(1.0)
    listening.close()
    # pydevd waits for the editor to hang up; an editor that is gone, or slow, never does.
    shut(py_db, socket.SHUT_RD)
