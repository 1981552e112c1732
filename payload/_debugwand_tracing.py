"""Owns pydevd's tracing where there is no `sys.monitoring`, that is before Python 3.12: on in every thread while an editor is
there, off in every thread while none is. Must not know connections. Runs inside the worker.

Facts about pydevd come from its source (debugpy 1.8.22): `PyDB.enable_tracing`, `pydevd_tracing.set_trace_to_threads`."""

import importlib
import sys
import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# pydevd asks for nothing but the version.
USES_TRACING = not hasattr(sys, "monitoring")


def trace_all(py_db: "Any") -> None:
    py_db.patch_threads()
    py_db.enable_tracing(py_db.trace_dispatch, apply_to_all_threads=True)
    py_db.set_tracing_for_untraced_contexts()


def untrace_all() -> None:
    """Each thread takes it off itself, with the next function that it calls: nobody else can."""
    tracing: Any = importlib.import_module("pydevd_tracing")
    set_trace = getattr(tracing.TracingFunctionHolder, "_original_tracing", None) or sys.settrace

    def off(_frame: "Any", _event: str, _argument: object) -> None:
        set_trace(None)

    undo: Any = importlib.import_module("_pydev_bundle.pydev_monkey")
    undo.undo_patch_thread_modules()
    threading.settrace(None)  # type: ignore[arg-type]
    tracing.set_trace_to_threads(off, create_dummy_thread=False)
    set_trace(None)
