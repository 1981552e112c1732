"""Owns CPython's remote debugging protocol (its how-to "Remote debugging attachment protocol"; PEP 768), spoken through
another process's memory: find the runtime, read its table of offsets, arm thread states, read them back, disarm.
Must not wait, retry or judge the process: _debugwand_enter.py does. Standard library only, Python 3.8 or later."""

import os
import re
import struct
from typing import BinaryIO, Dict, List, NamedTuple, Optional, Tuple

import _debugwand_procfs as procfs
from _debugwand_memory import EntryError, Memory, denied
from _debugwand_stack import Stack

COOKIE = b"xdebugpy"
# _PY_EVAL_PLEASE_STOP_BIT of pycore_ceval.h: the loop stops at its next check and looks at the debugger's request.
PLEASE_STOP = 0x20

# Byte offsets in struct _Py_DebugOffsets that 3.14 and 3.15 share.
_INTERPRETERS_HEAD = 40
_INTERPRETER_SIZE, _INTERPRETER_ID, _INTERPRETER_NEXT = 48, 56, 64
_THREADS_HEAD, _THREADS_MAIN = 72, 80
_THREAD_SIZE, _THREAD_PREVIOUS, _THREAD_NEXT = 176, 184, 192
# Where `debugger_support` (six u64) lies; checked against what it must look like, and searched for in other versions.
_SUPPORT = {(3, 14): 712, (3, 15): 840}
_TABLE_BYTES = 2048
_MOST_THREADS = 4096
_FINALIZING = 32


class Support(NamedTuple):
    """struct _debugger_support: offsets in the thread state, but `enabled`: in the interpreter state."""

    eval_breaker: int
    support: int
    enabled: int
    pending: int
    path: int
    path_size: int


class Mapping(NamedTuple):
    start: int
    end: int
    writable: bool
    offset: int
    path: str


def read_mappings(pid: int) -> List[Mapping]:
    """Mappings of files, in order of address. Raises EntryError `denied` or `gone`."""
    try:
        with open("/proc/%d/maps" % pid, "rb") as file:
            raw = file.read()
    except PermissionError:
        raise denied(pid, "its memory map is not for us") from None
    except OSError:
        raise EntryError("gone", "process %d ended" % pid) from None
    found: List[Mapping] = []
    for line in raw.split(b"\n"):
        fields = line.split(None, 5)
        if len(fields) == 6 and fields[5].startswith(b"/"):
            start, _, end = fields[0].partition(b"-")
            path = fields[5].decode("utf-8", "surrogateescape")
            found.append(Mapping(int(start, 16), int(end, 16), b"w" in fields[1], int(fields[2], 16), path))
    return found


class Section(NamedTuple):
    """Where `.PyRuntime` is in an ELF file, and the loadable segments (offset, address) to place it in memory."""

    address: int
    segments: Tuple[Tuple[int, int], ...]


_sections: Dict[Tuple[int, int, int, int], Optional[Section]] = {}


def _section_of(path: str) -> Optional[Section]:
    """Cached by device, inode, size and time of change. None: no ELF file of this machine, or no such section."""
    try:
        with open(path, "rb") as file:
            status = os.fstat(file.fileno())
            key = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
            if key not in _sections:
                if len(_sections) > 64:
                    _sections.clear()
                _sections[key] = _read_section(file)
            return _sections[key]
    except (OSError, ValueError, struct.error):
        return None


def _read_section(file: BinaryIO) -> Optional[Section]:
    header = file.read(64)
    if header[:4] != b"\x7fELF" or header[4] != 2:  # 64 bit: CPython's protocol is the same on 32, nobody uses it
        return None
    fields = struct.unpack("=16xHHIQQQIHHHHHH", header)
    program_offset, section_offset = fields[4], fields[5]
    program_size, program_count, section_size, section_count, names_index = fields[8:13]
    if section_offset == 0 or names_index >= section_count or program_size < 56 or section_size < 64:
        return None
    file.seek(program_offset)
    programs = file.read(program_size * program_count)
    segments: List[Tuple[int, int]] = []
    for index in range(program_count):
        kind, _, offset, address = struct.unpack_from("=IIQQ", programs, index * program_size)
        if kind == 1:  # PT_LOAD
            segments.append((offset, address))
    file.seek(section_offset)
    table = file.read(section_size * section_count)
    rows = [struct.unpack_from("=IIQQQQ", table, index * section_size) for index in range(section_count)]
    file.seek(rows[names_index][4])
    names = file.read(min(rows[names_index][5], 1 << 20))
    for name, _kind, _flags, address, _offset, _size in rows:
        if names[name : name + 11] == b".PyRuntime\0":
            return Section(address, tuple(segments))
    return None


_PAGE = os.sysconf("SC_PAGE_SIZE")


def _place(section: Section, mappings: List[Mapping]) -> Optional[int]:
    """The section's address in memory: file pages at a known offset tell how far the file was moved (0 without PIE)."""
    for mapping in mappings:
        for offset, address in section.segments:
            if offset - offset % _PAGE == mapping.offset:
                return section.address + mapping.start - (address - address % _PAGE)
    return None


class Runtime:
    """The `_PyRuntime` of one process, its table of offsets read and checked."""

    def __init__(self, pid: int) -> None:
        """Raises EntryError: gone, changed, denied, too-old (facts version), not-python."""
        self.pid = pid
        self.memory = Memory(pid)
        try:
            self.address = self._find(read_mappings(pid))
            self._table = self.memory.read(self.address, _TABLE_BYTES)
            number = self._offset(8)
            self.version = (number >> 24 & 0xFF, number >> 16 & 0xFF, number >> 8 & 0xFF)
            self.free_threaded = bool(self._offset(16))
            if self.version < (3, 14):
                raise _too_old(pid, "%d.%d.%d" % self.version)
            self._support = self._find_support()
            self.stack = Stack(self.memory, self._table, self.version[:2])
        except BaseException:
            self.memory.close()
            raise

    def close(self) -> None:
        self.memory.close()

    def _offset(self, index: int) -> int:
        return int(struct.unpack_from("=Q", self._table, index)[0])

    def _find(self, mappings: List[Mapping]) -> int:
        files: Dict[str, List[Mapping]] = {}
        for mapping in mappings:
            files.setdefault(mapping.path, []).append(mapping)
        program = procfs.read_link("/proc/%d/exe" % self.pid) or ""
        paths = [p for p in files if _bare(p) == program or "python" in os.path.basename(p)]
        for path in paths:
            address = self._in_file(path, files[path], _bare(path) == program)
            if address is not None and self.memory.read(address, 8) == COOKIE:
                return address
        # No file to read (deleted, replaced, stripped of its section table): look for the cookie itself.
        for path in paths:
            for mapping in files[path]:
                address = self._scan(mapping) if mapping.writable else None
                if address is not None:
                    return address
        version = next((m.group(1) for m in (re.search(r"python(3\.\d+)", path) for path in files) if m), None)
        if version is not None and int(version[2:]) < 14:
            raise _too_old(self.pid, version)
        raise EntryError("not-python", "process %d has no CPython runtime that can be found" % self.pid)

    def _in_file(self, path: str, mappings: List[Mapping], program: bool) -> Optional[int]:
        """The link of the kernel first: it holds through other mount namespaces and deleted files."""
        first = mappings[0]
        ways = ["/proc/%d/exe" % self.pid] if program else []
        ways.append("/proc/%d/map_files/%x-%x" % (self.pid, first.start, first.end))
        if path == _bare(path):
            ways.append("/proc/%d/root%s" % (self.pid, path))
        for way in ways:
            section = _section_of(way)
            if section is not None:
                return _place(section, mappings)
        return None

    def _scan(self, mapping: Mapping) -> Optional[int]:
        data = self.memory.read(mapping.start, min(mapping.end - mapping.start, 8 << 20))
        at = data.find(COOKIE)
        while at >= 0:
            number = int(struct.unpack_from("=Q", data, at + 8)[0]) if at + 24 <= len(data) else 0
            if at % 8 == 0 and number >> 24 == 3:
                return mapping.start + at
            at = data.find(COOKIE, at + 8)
        return None

    def _find_support(self) -> Support:
        known = _SUPPORT.get(self.version[:2])
        places = ([known] if known is not None else []) + list(range(256, _TABLE_BYTES - 48, 8))
        for place in places:
            found = Support(*struct.unpack_from("=6Q", self._table, place))
            if self._plausible(found):
                return found
        raise EntryError("not-python", "Python %d.%d.%d has a debug table that is not known" % self.version)

    def _plausible(self, found: Support) -> bool:
        """A flag of four bytes and the path right behind it, inside a thread state."""
        thread, interpreter = self._offset(_THREAD_SIZE), self._offset(_INTERPRETER_SIZE)
        return (
            (found.pending, found.path) == (0, 4)
            and 64 <= found.path_size <= 4096
            and 0 < found.eval_breaker < thread < 1 << 20
            and 0 < found.support <= thread - found.path_size
            and 0 < found.enabled < interpreter < 1 << 26
        )

    def main_interpreter(self) -> int:
        """Address of the interpreter with id 0; 0 before there is one. New ones go to the head of the list."""
        interpreter = self.memory.u64(self.address + self._offset(_INTERPRETERS_HEAD))
        for _ in range(1000):
            if interpreter == 0 or self.memory.u64(interpreter + self._offset(_INTERPRETER_ID)) == 0:
                return interpreter
            interpreter = self.memory.u64(interpreter + self._offset(_INTERPRETER_NEXT))
        return 0

    def main_thread(self, interpreter: int) -> int:
        """Thread state that runs `__main__`, 0 before and after (and in programs that embed Python)."""
        return self.memory.u64(interpreter + self._offset(_THREADS_MAIN))

    def enabled(self, interpreter: int) -> bool:
        """The interpreter's own switch. Only true to the configuration once the main thread runs `__main__`."""
        return self.memory.i32(interpreter + self._support.enabled) == 1

    def finalizing(self) -> bool:
        return self.memory.u64(self.address + self._offset(_FINALIZING)) != 0

    def threads(self, interpreter: int) -> List[int]:
        found: List[int] = []
        thread = self.memory.u64(interpreter + self._offset(_THREADS_HEAD))
        while thread != 0 and thread not in found and len(found) < _MOST_THREADS:
            found.append(thread)
            thread = self.memory.u64(thread + self._offset(_THREAD_NEXT))
        return found

    def _linked(self, interpreter: int, thread: int) -> bool:
        """Whether the thread state is still in the list: one that ended is freed, and its memory is somebody else's."""
        before = self.memory.u64(thread + self._offset(_THREAD_PREVIOUS))
        link = before + self._offset(_THREAD_NEXT) if before != 0 else interpreter + self._offset(_THREADS_HEAD)
        try:
            return self.memory.u64(link) == thread
        except EntryError:
            return False

    def load(self, interpreter: int, thread: int, path: str) -> bool:
        """Writes the request into the thread state: path first, flag next, so that a thread that looks in between sees
        nothing or everything. It will look once `stop` told it to. False: the thread ended meanwhile."""
        raw = os.fsencode(path) + b"\0"
        if len(raw) > self._support.path_size:
            raise EntryError("failed", "the path of the script is too long: %s" % path)
        if not self._linked(interpreter, thread):
            return False
        support = thread + self._support.support
        self.memory.write(support + self._support.path, raw)
        self.memory.write(support + self._support.pending, struct.pack("=i", 1))
        return True

    def stop(self, interpreter: int, thread: int) -> None:
        """Has the thread look at its next check. One byte of eval_breaker: the upper ones hold the version of its
        instrumentation."""
        if not self._linked(interpreter, thread):
            return
        # Little-endian or not: the low byte of a machine word.
        breaker = thread + self._support.eval_breaker + (7 if struct.pack("=H", 1) == b"\0\1" else 0)
        self.memory.write(breaker, bytes([self.memory.read(breaker, 1)[0] | PLEASE_STOP]))

    def pending(self, thread: int, path: str) -> bool:
        """Whether the thread has still to run this file."""
        raw = os.fsencode(path) + b"\0"
        support = thread + self._support.support
        data = self.memory.read(support, self._support.path + len(raw))
        return int(struct.unpack_from("=i", data)[0]) == 1 and data[self._support.path :] == raw

    def disarm(self, thread: int, path: str) -> None:
        """Takes the request back, if it is still ours. The stop bit stays: the thread clears it at its next check."""
        if self.pending(thread, path):
            self.memory.write(thread + self._support.support + self._support.pending, struct.pack("=i", 0))


def _bare(path: str) -> str:
    return path[: -len(" (deleted)")] if path.endswith(" (deleted)") else path


def _too_old(pid: int, version: str) -> EntryError:
    return EntryError("too-old", "process %d runs Python %s" % (pid, version), {"version": version})
