"""Owns a look at a thread's stack from outside: whether it is inside an import, and of what. A hint for when to arm, no
more: the thread runs on meanwhile, and the doorbell looks again from inside. It saves the app a hundred interruptions
while it starts, some of which would hit a frame without built-ins and make CPython complain on the app's stderr.
Standard library only, Python 3.8 or later."""

import os
import struct
import sys
from typing import Dict, FrozenSet, NamedTuple, Optional, Tuple

from _debugwand_memory import EntryError, Memory

# Where struct _Py_DebugOffsets keeps `interpreter_frame`, `code_object` and `unicode_object`. Other versions: no look.
_PLACES: Dict[Tuple[int, int], Tuple[int, int, int]] = {(3, 14): (248, 312, 616), (3, 15): (312, 376, 712)}
_CURRENT_FRAME = 208
_DEEPEST = 400
_TRIES = 20
_FIND_AND_LOAD = b"_find_and_load"
_TAGS = 3  # low bits of a reference that the interpreter keeps on its stack


class _Offsets(NamedTuple):
    frame_size: int
    previous: int
    executable: int
    localsplus: int
    code_name: int
    text_length: int
    text_start: int


class Stack:
    """Looks at the stacks of one process."""

    def __init__(self, memory: Memory, table: bytes, version: Tuple[int, int]) -> None:
        self._memory = memory
        self._current_frame = _u64(table, _CURRENT_FRAME)
        self._offsets = _read_offsets(table, version)
        self._imports: Dict[int, bool] = {}  # code object → it is importlib's _find_and_load, which stays where it is

    def imports(self, thread: int) -> str:
        """ "stdlib" or "other" while the thread imports something, "" when not, or when that cannot be told here.
        About 10 µs."""
        offsets = self._offsets
        if offsets is None or thread == 0:
            return ""
        for _ in range(_TRIES):
            try:
                found = self._walk(thread, offsets)
            except (EntryError, struct.error):
                found = None  # it ran on under our eyes
            if found is not None:
                return found
        return ""

    def _walk(self, thread: int, offsets: _Offsets) -> Optional[str]:
        found = ""
        frame = self._memory.u64(thread + self._current_frame)
        for _ in range(_DEEPEST):
            if frame == 0:
                return found
            raw = self._memory.read(frame, offsets.localsplus + 8)
            code = _u64(raw, offsets.executable) & ~_TAGS
            if code != 0 and self._is_import(code, offsets):
                name = self._text(_u64(raw, offsets.localsplus) & ~_TAGS, 200, offsets)
                if name.partition(b".")[0].decode("utf-8", "replace") in _LIBRARY:
                    return "stdlib"
                found = "other"
            frame = _u64(raw, offsets.previous)
        return None

    def _is_import(self, code: int, offsets: _Offsets) -> bool:
        known = self._imports.get(code)
        if known is None:
            name = self._memory.u64(code + offsets.code_name)
            known = name != 0 and self._text(name, len(_FIND_AND_LOAD), offsets) == _FIND_AND_LOAD
            if len(self._imports) > 10000:
                self._imports.clear()
            self._imports[code] = known
        return known

    def _text(self, address: int, most: int, offsets: _Offsets) -> bytes:
        """The characters of a compact ASCII string, "" for one that is longer than `most`."""
        head = self._memory.read(address, offsets.text_start)
        length = _u64(head, offsets.text_length)
        return self._memory.read(address + offsets.text_start, length) if length <= most else b""


def _read_offsets(table: bytes, version: Tuple[int, int]) -> Optional[_Offsets]:
    places = _PLACES.get(version)
    if places is None:
        return None
    frame, code, text = places
    found = _Offsets(
        frame_size=_u64(table, frame),
        previous=_u64(table, frame + 8),
        executable=_u64(table, frame + 16),
        localsplus=_u64(table, frame + 32),
        code_name=_u64(table, code + 16),
        text_length=_u64(table, text + 16),
        text_start=_u64(table, text + 24),
    )
    sound = max(found.previous, found.executable, found.localsplus) < found.frame_size <= 256
    return found if sound and found.code_name < 1024 and found.text_length < found.text_start <= 128 else None


def _u64(data: bytes, at: int) -> int:
    return int(struct.unpack_from("=Q", data, at)[0])


def _library() -> FrozenSet[str]:
    """Top-level names of the standard library: of the agent's own Python, which is near enough for a hint."""
    names = getattr(sys, "stdlib_module_names", None)  # 3.10 and later
    if names is not None:
        return frozenset(names)
    found = set(sys.builtin_module_names)
    folder = os.path.dirname(os.__file__)
    for place in (folder, os.path.join(folder, "lib-dynload")):
        try:
            found.update(entry.partition(".")[0] for entry in os.listdir(place))
        except OSError:
            pass
    return frozenset(found)


_LIBRARY = _library()
