"""Owns one of the two faults of pydevd that we mend: a step or continue of the main thread takes 200 ms. `_update_stepping_info(info)`
has a loop variable that hides its parameter, so another thread's event is set and the paused one sits out a time limit.
A pydevd whose source does not show the fault is left alone. Runs inside the worker."""

import importlib
import os
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, List, Optional, Tuple

_FAULT = re.compile(
    r"^def _update_stepping_info\(info\):.*?^ +for info in _all_infos:.*?^ +\w+ = info\.weak_thread\(\)", re.M | re.S
)


def faulty() -> bool:
    """The compiled module and the plain one are made of the same text; the plain one can be read."""
    bundle = importlib.import_module("_pydevd_bundle")
    path = os.path.join(bundle.__path__[0], "pydevd_additional_thread_info_regular.py")
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read(1 << 20)
    except (OSError, UnicodeDecodeError):
        return False
    found = re.search(r"^def _update_stepping_info\(.*?(?=^def |^# IFDEF CYTHON\n# cpdef add)", text, re.M | re.S)
    return bool(found and _FAULT.search(found.group(0)))


def mend() -> "Optional[Callable[[], None]]":
    """Sets the right event after each step and continue. Returns what undoes it, or None where nothing was done."""
    if not faulty():
        return None
    api: Any = importlib.import_module("_pydevd_bundle.pydevd_api")
    lifecycle: Any = importlib.import_module("_pydevd_bundle.pydevd_thread_lifecycle")
    constants: Any = importlib.import_module("_pydevd_bundle.pydevd_constants")
    undo: List[Tuple[Any, str, Any]] = []

    def wrap(module: "Any", name: str, make: "Callable[[Any], Any]") -> None:
        original = getattr(module, name, None)
        if callable(original):
            setattr(module, name, make(original))
            undo.append((module, name, original))

    def wake(py_db: "Any", thread_id: str) -> None:
        try:
            py_db.get_internal_queue_and_event(thread_id)[1].set()
        except Exception:
            pass  # then it takes 200 ms, as without us

    def of_step(original: "Any") -> "Any":
        def step(py_db: "Any", thread_id: str, *args: "Any", **kwargs: "Any") -> None:
            original(py_db, thread_id, *args, **kwargs)
            wake(py_db, thread_id)

        return step

    def of_run(original: "Any") -> "Any":
        def run(thread: "Any", *args: "Any", **kwargs: "Any") -> None:
            original(thread, *args, **kwargs)
            py_db = constants.get_global_debugger()
            if py_db is not None:
                wake(py_db, constants.get_thread_id(thread))

        return run

    wrap(api, "internal_step_in_thread", of_step)
    wrap(api, "internal_smart_step_into", of_step)
    wrap(lifecycle, "internal_run_thread", of_run)

    def put_back() -> None:
        for module, name, original in undo:
            setattr(module, name, original)

    return put_back
