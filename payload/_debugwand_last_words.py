"""Owns what a process says of the exception that ends it: its last line goes to the agent. Nothing is put in the app's way:
the interpreter itself remembers an exception that nobody caught in `sys.last_exc`, and is asked for it at the exit; only
multiprocessing, which catches everything in its children, is listened to at the function that it prints tracebacks by.
Must not know sockets. Runs inside the worker."""

import atexit
import functools
import sys
import traceback

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Optional

_MOST_CHARACTERS = 400
# Where children end: the function, and the modules that have one of that kind (celery's billiard is a fork of it).
_BOOTSTRAP = "_bootstrap"
_CHILDREN = ("multiprocessing.process", "billiard.process")


class LastWords:
    """tell: takes the line, once. From `listen` to `forget`, one after the other."""

    def __init__(self, tell: "Callable[[str], None]") -> None:
        self._tell = tell
        self._before: Any = None
        self._print: Any = None
        self._listens = False

    def listen(self) -> None:
        if self._listens:
            return
        self._listens = True
        self._before = _last()
        atexit.register(self._at_exit)
        original = traceback.print_exc

        @functools.wraps(original)
        def print_exc(*args: "Any", **kwargs: "Any") -> None:
            caller = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]
            if caller.f_code.co_name == _BOOTSTRAP and caller.f_globals.get("__name__") in _CHILDREN:
                self._say(sys.exc_info()[1])
            original(*args, **kwargs)

        self._print = print_exc
        traceback.print_exc = print_exc

    def forget(self) -> None:
        """Also in a forked child, which is another process with another end."""
        if not self._listens:
            return
        self._listens = False
        self._before = None
        atexit.unregister(self._at_exit)
        # Only if nobody took it over since: then ours stays in between, and is silent.
        if traceback.print_exc is self._print:
            traceback.print_exc = self._print.__wrapped__
        self._print = None

    def _at_exit(self) -> None:
        error = _last()
        # One that left the outermost frame of the main thread; consoles and test runners set the variable, too.
        if error is not None and error is not self._before and _is_outermost(error):
            self._say(error)

    def _say(self, error: "Optional[BaseException]") -> None:
        if self._listens and error is not None and not isinstance(error, (KeyboardInterrupt, SystemExit)):
            self._listens = False
            try:
                self._tell(line_of(error))
            except BaseException:
                pass  # its words are of no use to anybody then


def _last() -> "Optional[BaseException]":
    error: Any = getattr(sys, "last_exc", None) or getattr(sys, "last_value", None)
    return error if isinstance(error, BaseException) else None


def _is_outermost(error: BaseException) -> bool:
    frame: Any = getattr(error.__traceback__, "tb_frame", None)
    return frame is None or frame.f_back is None


def _inside(group: "Any") -> "Optional[BaseException]":
    """The only one of a group."""
    try:
        (one,) = group.exceptions
    except (AttributeError, TypeError, ValueError):
        return None
    return one if isinstance(one, BaseException) else None


def line_of(error: BaseException) -> str:
    """ "ValueError: no such user"; of a group of one: that one. Several lines become one."""
    inner: Any = _inside(error)
    while inner is not None:
        error, inner = inner, _inside(inner)
    kind = type(error)
    name = (
        kind.__qualname__ if kind.__module__ in ("builtins", "__main__") else kind.__module__ + "." + kind.__qualname__
    )
    try:
        words = " ".join(str(error).split())
    except BaseException:
        words = "<its text cannot be made>"
    line = "%s: %s" % (name, words) if words else name
    return line if len(line) <= _MOST_CHARACTERS else line[:_MOST_CHARACTERS] + "…"
