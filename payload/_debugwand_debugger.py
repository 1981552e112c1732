"""Owns debugpy's life inside this process: it listens, forgets the app whenever no editor is connected, lets the app run
when a connection is cut, and goes without a trace. Must not know agents. Runs inside the worker. Standard library only.

Facts about pydevd come from its source (debugpy 1.8.22): `PyDB`, `WaitForConnectionThread`, `request_disconnect`."""

import atexit
import os
import socket
import sys
import threading
import time

from _debugwand_adapter import endpoint_of_adapter
from _debugwand_footprints import Footprints, stop_monitoring, unwrap_streams
from _debugwand_load import Refused, forget_finders, load
from _debugwand_stepping import mend


def invisible(thread):  # type: ignore[no-untyped-def]
    """Neither traced nor suspended nor shown by pydevd."""
    thread.pydev_do_not_trace = True
    thread.is_pydev_daemon_thread = True


class Debugger:
    """One per process and for its life; `listen` and `release` may alternate, one call at a time."""

    def __init__(self):  # type: ignore[no-untyped-def]
        self._footprints = None  # type: ignore[var-annotated]
        self._loaded = None  # type: ignore[var-annotated]
        self._endpoint = None  # type: ignore[var-annotated]
        self._undo = []  # type: ignore[var-annotated]
        self._hidden = []  # type: ignore[var-annotated]
        # Guards the switch between traced (an editor is there) and untraced.
        self._switch = threading.RLock()
        self._wanted = False
        os.register_at_fork(after_in_child=self._in_child)

    def listen(self, directory):  # type: ignore[no-untyped-def]
        """{"port", "debugpy", "origin"} of the endpoint, which is a new one after each `release`."""
        if self._endpoint is not None:
            self._loaded.ready(directory)
            return dict(self._endpoint, origin="ours-before")
        before = self._loaded is not None
        if not before:
            theirs = self._theirs()
            if theirs is not None:
                return theirs
            self._footprints = Footprints()
            self._loaded = load(directory)
        else:
            self._loaded.ready(directory)
        self._hide_heartbeats()
        port = self._start()
        self._endpoint = {"port": port, "debugpy": self._loaded.version}
        return dict(self._endpoint, origin="ours-before" if before else self._loaded.origin)

    def release(self):  # type: ignore[no-untyped-def]
        """The app runs at full speed as if nobody had been there; debugpy's modules stay in memory."""
        if self._endpoint is None:
            return
        import pydevd  # type: ignore[import-not-found]

        py_db = self._py_db()
        self._endpoint = None
        with self._switch:
            self._wanted = False
        if py_db is not None:
            self._let_run(py_db)
            self._close_door(py_db)
        atexit.unregister(pydevd.stoptrace)
        stop_monitoring()
        pydevd.stoptrace()
        self._hang_up(py_db)
        pydevd.SetupHolder.setup = None
        sys.modules["debugpy.server.api"].listen.called = False  # type: ignore[attr-defined]
        for undo in reversed(self._undo):
            undo()
        self._undo = []
        unwrap_streams()
        _until(lambda: not any(type(thread).__module__.startswith(("pydevd", "_pydevd")) for thread in _threads()), 1.0)
        # What pydevd noted at the app's threads stays there: its own memory per thread refers to it.
        self._footprints.restore()
        for thread in self._hidden:
            thread.__dict__.pop("pydev_do_not_trace", None)
            thread.__dict__.pop("is_pydev_daemon_thread", None)
        self._hidden = []
        if self._loaded.directory is not None:
            forget_finders(self._loaded.directory)

    # --- start

    def _theirs(self):  # type: ignore[no-untyped-def]
        """The endpoint of a debugpy that the app itself started, or None."""
        constants = sys.modules.get("_pydevd_bundle.pydevd_constants")
        py_db = constants.get_global_debugger() if constants is not None else None
        if py_db is None:
            return None
        version = str(getattr(sys.modules.get("debugpy"), "__version__", "unknown"))
        if getattr(py_db, "_waiting_for_connection_thread", None) is not None:
            py_db.wait_for_server_socket_ready()
            return {"port": py_db._server_socket_name[1], "debugpy": version, "origin": "app-listening"}
        peer = None
        try:
            peer = py_db.writer.sock.getpeername()
        except (AttributeError, OSError):
            pass
        found = endpoint_of_adapter(peer[1]) if peer else None
        if found is None:
            raise Refused("this process is being debugged already, by a debugger that nobody can attach to")
        if not found[1]:
            raise Refused("the app's own debugpy (adapter %d) has an editor already" % found[0])
        return {"port": found[1][0], "debugpy": version, "origin": "app-listening"}

    def _start(self):  # type: ignore[no-untyped-def]
        import debugpy  # type: ignore[import-not-found]

        debugpy.configure(subProcess=False)
        try:
            debugpy.listen(("127.0.0.1", 0), in_process_debug_adapter=True)
        except TypeError:
            raise Refused("the app's own debugpy %s is too old for this" % self._loaded.version) from None
        py_db = self._py_db()
        py_db.wait_for_server_socket_ready()
        # Accepted connections inherit it; without it each pair of messages waits 40 ms.
        py_db._waiting_for_connection_thread._server_socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        mended = mend()
        if mended is not None:
            self._undo.append(mended)
        self._watch_connections(py_db)
        # An exit of the app must not wait for the 200 ms beat of pydevd's only thread that is not a daemon.
        at_exit = getattr(threading, "_register_atexit", None)
        if at_exit is not None:
            try:
                at_exit(self._hurry, py_db)
            except RuntimeError:
                pass  # the app is ending right now
        return int(py_db._server_socket_name[1])

    def _hide_heartbeats(self):  # type: ignore[no-untyped-def]
        for thread in threading.enumerate():
            self._hide_heartbeat(thread)

    def _hide_heartbeat(self, thread):  # type: ignore[no-untyped-def]
        """uvicorn's supervisor kills a worker whose thread `always_pong` does not answer for five seconds."""
        target = getattr(thread, "_target", None)
        if getattr(target, "__name__", "") != "always_pong" or getattr(thread, "is_pydev_daemon_thread", False):
            return
        if str(getattr(target, "__module__", "")).startswith("uvicorn."):
            invisible(thread)
            self._hidden.append(thread)

    # --- connections

    def _watch_connections(self, py_db):  # type: ignore[no-untyped-def]
        from _pydevd_bundle import pydevd_api, pydevd_comm  # type: ignore[import-not-found]

        reader_class, api_class = pydevd_comm.ReaderThread, pydevd_api.PyDevdAPI
        at_end = reader_class._terminate_on_socket_close
        request_disconnect = api_class.request_disconnect

        def ended(reader):  # type: ignore[no-untyped-def]
            at_end(reader)
            self._cut(reader)

        def disconnect(api, its_py_db, resume_threads=True):  # type: ignore[no-untyped-def]
            # pydevd leaves the app stopped when a new connection takes over from one that was cut, and tells the new
            # one nothing about it. So every session begins with an app that runs.
            request_disconnect(api, its_py_db, resume_threads=True)

        reader_class._terminate_on_socket_close = ended
        api_class.request_disconnect = disconnect

        def put_back():  # type: ignore[no-untyped-def]
            reader_class._terminate_on_socket_close = at_end
            api_class.request_disconnect = request_disconnect

        self._undo.append(put_back)
        on_initialize, on_disconnect, notify = py_db.on_initialize, py_db.on_disconnect, py_db.notify_thread_created

        def initialize():  # type: ignore[no-untyped-def]
            on_initialize()
            self._trace()

        def disconnected():  # type: ignore[no-untyped-def]
            on_disconnect()
            self._untrace_soon(py_db)

        def created(thread_id, thread, *args, **kwargs):  # type: ignore[no-untyped-def]
            self._hide_heartbeat(thread)
            if not getattr(thread, "is_pydev_daemon_thread", False):
                notify(thread_id, thread, *args, **kwargs)

        py_db.on_initialize = initialize
        py_db.on_disconnect = disconnected
        py_db.notify_thread_created = created

    def _cut(self, reader):  # type: ignore[no-untyped-def]
        """The editor's connection ended without a `disconnect`: the app runs on."""
        py_db = reader.py_db
        if py_db is None or py_db.pydb_disposed:
            return
        with py_db._main_lock:
            if py_db.reader is reader:
                self._let_run(py_db)

    def _let_run(self, py_db):  # type: ignore[no-untyped-def]
        from _pydevd_bundle.pydevd_api import PyDevdAPI  # type: ignore[import-not-found]

        py_db.enable_output_redirection(False, False)
        PyDevdAPI().request_disconnect(py_db, resume_threads=True)

    def _trace(self):  # type: ignore[no-untyped-def]
        with self._switch:
            self._wanted = True
            monitoring = sys.modules.get("_pydevd_sys_monitoring.pydevd_sys_monitoring")
            if monitoring is not None:
                monitoring.start_monitoring(all_threads=True)

    def _untrace_soon(self, py_db):  # type: ignore[no-untyped-def]
        with self._switch:
            self._wanted = False

        def run():  # type: ignore[no-untyped-def]
            # A thread that is still on its way out of a breakpoint needs the tool id.
            _until(lambda: not _suspended(), 5.0)
            with self._switch:
                if not self._wanted:
                    stop_monitoring()

        thread = threading.Thread(target=run, name="debugwand untrace", daemon=True)
        invisible(thread)
        thread.start()

    # --- end

    def _close_door(self, py_db):  # type: ignore[no-untyped-def]
        """Ends the thread that accepts; closing a socket does not wake who waits on it, shutting it down does."""
        _until(lambda: not _suspended(), 2.0)
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
        self._shut(py_db, socket.SHUT_RD)

    def _hang_up(self, py_db):  # type: ignore[no-untyped-def]
        """After its last words, which are `terminated`, pydevd leaves the connection to whoever collects garbage."""
        self._shut(py_db, socket.SHUT_RDWR)

    def _shut(self, py_db, how):  # type: ignore[no-untyped-def]
        try:
            py_db.reader.sock.shutdown(how)
        except (AttributeError, OSError):
            pass

    def _hurry(self, py_db):  # type: ignore[no-untyped-def]
        beat = getattr(py_db, "check_alive_thread", None)
        if beat is not None and hasattr(beat, "do_kill_pydev_thread"):
            beat.do_kill_pydev_thread()

    def _in_child(self):  # type: ignore[no-untyped-def]
        """A forked child has pydevd's breakpoints but none of its threads: it would stop at one for ever."""
        py_db = self._py_db()
        self._endpoint = None
        self._undo = []
        if py_db is None:
            return
        monitoring = getattr(sys, "monitoring", None)
        if monitoring is not None and monitoring.get_tool(monitoring.DEBUGGER_ID) == "pydevd":
            monitoring.free_tool_id(monitoring.DEBUGGER_ID)
        for owner in (getattr(py_db, "_waiting_for_connection_thread", None), getattr(py_db, "reader", None)):
            for name in ("_server_socket", "sock"):
                held = getattr(owner, name, None)
                if held is not None:
                    held.close()
        sys.modules["_pydevd_bundle.pydevd_constants"].set_global_debugger(None)  # type: ignore[attr-defined]

    def _py_db(self):  # type: ignore[no-untyped-def]
        constants = sys.modules.get("_pydevd_bundle.pydevd_constants")
        return constants.get_global_debugger() if constants is not None else None


def _threads():  # type: ignore[no-untyped-def]
    """All of them: `threading.enumerate` hides pydevd's."""
    return list(threading._active.values())  # type: ignore[attr-defined]


def _suspended():  # type: ignore[no-untyped-def]
    """Threads that are stopped at a breakpoint, or on their way out of it."""
    return [
        thread for thread in _threads() if getattr(getattr(thread, "additional_info", None), "is_in_wait_loop", False)
    ]


def _until(true, seconds):  # type: ignore[no-untyped-def]
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True
