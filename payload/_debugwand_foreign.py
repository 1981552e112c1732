"""Owns keeping packages out of the app that it did not import itself: to show its first variable pydevd imports parts of
Django wherever that is installed, which takes a second in the paused thread and stays. Runs inside the worker."""

import builtins
import importlib
import sys
from types import FunctionType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Optional

_FOREIGN = ("django",)


def keep_out() -> "Optional[Callable[[], None]]":
    """Returns what undoes it; None where pydevd is not as we know it."""
    module: Any = importlib.import_module("_pydevd_bundle.pydevd_xml")
    original: Any = getattr(module, "_create_default_type_map", None)
    if not isinstance(original, FunctionType) or original.__closure__:
        return None

    def guarded(name: str, *args: "Any", **kwargs: "Any") -> "Any":
        if name.partition(".")[0] in _FOREIGN and name not in sys.modules:
            raise ImportError("the app has not imported %s" % name)
        return builtins.__import__(name, *args, **kwargs)

    # Only this function imports that way: its globals are a copy with a built-in of their own.
    space = dict(original.__globals__)
    space["__builtins__"] = dict(vars(builtins), __import__=guarded)
    module._create_default_type_map = FunctionType(original.__code__, space, original.__name__)

    def put_back() -> None:
        module._create_default_type_map = original

    return put_back
