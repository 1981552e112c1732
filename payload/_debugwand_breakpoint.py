"""Owns whose `breakpoint()` is: the editor's while one is there, else the app's, which asks on the terminal or does what it
was told to. debugpy takes it at its import, for good. Runs inside the worker."""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class BreakpointHook:
    def __init__(self, of_app: "Any") -> None:
        """of_app: `sys.breakpointhook` before debugpy came."""
        module: Any = sys.modules.get("debugpy._vendored.force_pydevd")
        self._of_debugger: Any = getattr(module, "debugpy_breakpointhook", None)
        self._of_app = of_app
        self.give_back()

    def take(self) -> None:
        """An editor is there. A hook that the app has set since stays."""
        if self._of_debugger is not None and sys.breakpointhook is self._of_app:
            sys.breakpointhook = self._of_debugger

    def give_back(self) -> None:
        if sys.breakpointhook is self._of_debugger:
            sys.breakpointhook = self._of_app
