"""Owns running a script of the user inside a worker (`wand inject`): in a thread of its own, so that a slow script
never holds up the app; what that thread prints goes back over the socket, what the app prints where it always went.
Runs inside the worker. Standard library only, CPython 3.14 or later.

The script sees a namespace of its own: `__name__` is "__main__", `__file__` its name, `args` its arguments (sys.argv is
the app's, shared with all its threads, and stays as it is). The app's own `__main__` is one import away."""

import builtins
import linecache
import sys
import threading
import traceback

from _debugwand_words import Words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any, Dict, Iterable, Optional, Tuple

_CHUNK = 8192


class _Split:
    """Stands in for sys.stdout or sys.stderr: what one thread writes goes to the agent, all else to the real one."""

    def __init__(self, real: "Any", name: str, wire: Words, thread: int) -> None:
        self.__dict__.update(_real=real, _name=name, _wire=wire, _thread=thread, _held="")

    def write(self, text: str) -> int:
        if threading.get_ident() != self._thread:
            return self._real.write(text)
        if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError("write() argument must be str, not %s" % type(text).__name__)
        held = self._held + text
        end = held.rfind("\n") + 1 if len(held) < _CHUNK else len(held)
        self.__dict__["_held"] = held[end:]
        if end:
            self._wire.send(event="output", stream=self._name, text=held[:end])
        return len(text)

    def writelines(self, lines: "Iterable[str]") -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        if threading.get_ident() != self._thread:
            self._real.flush()
            return
        held = self._held
        self.__dict__["_held"] = ""
        if held:
            self._wire.send(event="output", stream=self._name, text=held)

    def __getattr__(self, name: str) -> "Any":
        return getattr(self._real, name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self._real, name, value)


def main(sock: "Any", options: "Dict[str, Any]") -> None:
    """options: source, filename, args."""
    thread: Any = threading.current_thread()
    thread.name = "debugwand-inject"
    # A debugger in this process must neither stop this thread nor stop the script with all others.
    thread.pydev_do_not_trace = True
    thread.is_pydev_daemon_thread = True
    wire = Words(sock)
    ident = threading.get_ident()
    real = (sys.stdout, sys.stderr)
    split = (_Split(real[0], "stdout", wire, ident), _Split(real[1], "stderr", wire, ident))
    streams: Any = sys
    streams.stdout, streams.stderr = split
    source, filename = options["source"], options["filename"]
    done = threading.Event()
    watcher: Any = threading.Thread(
        target=_stop_when_left, args=(sock, ident, done), name="debugwand-inject-watch", daemon=True
    )
    watcher.pydev_do_not_trace = watcher.is_pydev_daemon_thread = True
    watcher.start()
    # Tracebacks show the script's lines though its file is on the developer's machine.
    linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)
    code, exception = 0, None
    try:
        space: Dict[str, object] = {
            "__name__": "__main__",
            "__file__": filename,
            "__builtins__": builtins,
            "args": list(options["args"]),
        }
        exec(compile(source, filename, "exec"), space)
    except SystemExit as leaving:
        code, message = _exit_status(leaving.code)
        if message:
            split[1].write(message + "\n")
    except BaseException as error:
        code, exception = 1, _text_of(error)
    finally:
        done.set()
        for stream in split:
            stream.flush()
            stream.__dict__["_thread"] = 0  # thread numbers are used again, and somebody may have kept the stream
        # Whoever replaced them meanwhile (a test runner, a logger) keeps what they put there.
        streams.stdout = real[0] if streams.stdout is split[0] else streams.stdout
        streams.stderr = real[1] if streams.stderr is split[1] else streams.stderr
        linecache.cache.pop(filename, None)
        wire.send(event="done", exit=code, exception=exception)


def _stop_when_left(sock: "Any", ident: int, done: threading.Event) -> None:
    """Whoever ran the script left (Ctrl-C, a timeout): it is interrupted as by Ctrl-C, not left to run for ever."""
    try:
        while sock.recv(4096):
            pass
    except OSError:
        pass
    if done.is_set():
        return
    import ctypes

    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(ident), ctypes.py_object(KeyboardInterrupt))


def _exit_status(code: object) -> "Tuple[int, str]":
    """As the interpreter does it: nothing is 0, a number itself, anything else is printed and 1."""
    if code is None:
        return 0, ""
    if isinstance(code, int):
        return code & 0xFF, ""
    return 1, str(code)


def _text_of(error: BaseException) -> str:
    """The traceback from the script's first frame on, ours left out."""
    try:
        trace: Optional[TracebackType] = error.__traceback__
        while trace is not None and trace.tb_frame.f_code is main.__code__:
            trace = trace.tb_next
        return "".join(traceback.format_exception(type(error), error, trace))
    except BaseException:
        return "%s (its traceback could not be made)" % type(error).__name__
