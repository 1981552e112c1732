"""Owns what pydevd changes in the interpreter's own modules, and putting it back. Must not know debugpy's life cycle.
Runs inside the worker."""

import _thread
import sys
import threading
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List

_MISSING = object()
# Names that pydevd replaces, or leaves behind as new ones (`undo_patch_thread_modules` does both).
_THREAD_NAMES = (
    "_start_new_thread",
    "start_new_thread",
    "start_new",
    "_start_joinable_thread",
    "start_joinable_thread",
    "_original_start_new_thread",
    "_original_start_joinable_thread",
)
# Functions whose code object pydevd exchanges to hide its threads.
_HIDING = ("enumerate", "active_count", "_pickSomeNonDaemonThread")


class Footprints:
    """Taken before debugpy is imported."""

    def __init__(self) -> None:
        self._values = [
            (module, name, getattr(module, name, _MISSING)) for module in (_thread, threading) for name in _THREAD_NAMES
        ]
        self._codes: Dict[str, Any] = {
            name: getattr(threading, name).__code__
            for name in _HIDING
            if hasattr(getattr(threading, name, None), "__code__")
        }
        self.breakpointhook = sys.breakpointhook

    def restore(self) -> None:
        """To be called when none of pydevd's threads is left that must stay hidden."""
        for module, name, value in self._values:
            if value is not _MISSING:
                setattr(module, name, value)
            elif hasattr(module, name):
                delattr(module, name)
        for name, code in self._codes.items():
            getattr(threading, name).__code__ = code
        daemon: Any = sys.modules.get("_pydevd_bundle.pydevd_daemon_thread")
        if hasattr(daemon, "_patched_threading_to_hide_pydevd_threads"):
            daemon._patched_threading_to_hide_pydevd_threads = False
        # Only if nobody took it over since.
        if str(getattr(sys.breakpointhook, "__module__", "")).startswith(("pydevd", "debugpy")):
            sys.breakpointhook = self.breakpointhook


def unwrap_streams() -> None:
    """sys.stdout and sys.stderr as they were before an editor asked for redirected output."""
    io: Any = sys.modules.get("_pydevd_bundle.pydevd_io")
    holder = getattr(io, "_RedirectionsHolder", None)
    if io is None or holder is None:
        return
    for name in ("stdout", "stderr"):
        stack: List[Any] = getattr(holder, "_stack_" + name, [])
        while stack:
            # Another wrapper on top of pydevd's stays; pydevd's own is silent then.
            if getattr(sys, name) is getattr(stack[-1], "new_redirect", None) or _wraps(getattr(sys, name)):
                io.end_redirect(name)
            else:
                stack.pop()
        setattr(holder, "_pydevd_%s_redirect_" % name, None)


def _wraps(stream: object) -> bool:
    return type(stream).__module__.startswith("_pydevd_bundle")


def stop_monitoring(seconds: float = 0.05) -> None:
    """Every event of pydevd's off, its tool id free for others. A callback that is under way when its tool id goes away
    raises into the app's code: so events go first, the id after what runs had so long to end."""
    monitoring: Any = getattr(sys, "monitoring", None)
    if monitoring is None or monitoring.get_tool(monitoring.DEBUGGER_ID) != "pydevd":
        return
    tool = monitoring.DEBUGGER_ID
    monitoring.set_events(tool, 0)
    events = monitoring.events
    for name in dir(events):
        event = getattr(events, name)
        if isinstance(event, int) and bin(event).count("1") == 1:
            try:
                monitoring.register_callback(tool, event, None)
            except ValueError:
                continue  # an event that tools may not have a callback for
    time.sleep(seconds)
    if monitoring.get_tool(tool) == "pydevd":
        monitoring.free_tool_id(tool)
