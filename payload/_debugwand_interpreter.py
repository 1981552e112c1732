"""Owns one question: is this process a Python, and which? Reads the ELF file of its interpreter, never its memory.
CPython 3.13 and later start `_PyRuntime` with a table of debug offsets that is already filled in the file: cookie
`xdebugpy`, version, free-threaded flag (Include/internal/pycore_debug_offsets.h). Older ones go by file names.
Standard library only, Python 3.8 or later. Never raises for a process that vanished or may not be read."""

import os
import re
import struct
from typing import BinaryIO, Dict, List, NamedTuple, Optional, Tuple

import _debugwand_procfs as procfs

Json = Dict[str, object]

_PYTHON_NAME = re.compile(r"^(?:[\w.-]*-)?(python|pypy)(\d+(?:\.\d+)?)?(t)?(d)?(?:-.*|\.exe)?$", re.IGNORECASE)
_LIBPYTHON = re.compile(r"^lib(?:python|pypy)(\d+)?(?:\.(\d+))?(t)?(d)?[\w.-]*\.so")
_VERSION_DIRECTORY = re.compile(r"/(?:lib|lib64)/(?:python|pypy)(\d+\.\d+)(t)?(?:/|$)")
_TITLES = re.compile(r"^(gunicorn: |\[?celeryd?: )")
_MACHINES = {3: "i686", 21: "ppc64le", 22: "s390x", 40: "armv7l", 62: "x86_64", 183: "aarch64", 243: "riscv64"}
_COOKIE = b"xdebugpy"


class ElfFacts(NamedTuple):
    """What the file of an executable or a libpython says about itself."""

    arch: str
    interpreter: str  # of PT_INTERP: names the libc; "" in a library or a static program
    version: str  # "3.14.8", "" when there is no table of debug offsets
    free_threaded: bool


class _ElfCache:
    """Facts by (device, inode, size, mtime). Bounded: a rebuilt image brings new inodes for ever."""

    def __init__(self) -> None:
        self._facts: Dict[Tuple[int, int, int, int], Optional[ElfFacts]] = {}

    def get(self, path: str) -> Optional[ElfFacts]:
        """Facts of the file; None when it is no ELF file or cannot be read."""
        try:
            with open(path, "rb") as file:
                status = os.fstat(file.fileno())
                key = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
                if key not in self._facts:
                    if len(self._facts) > 256:
                        self._facts.clear()
                    self._facts[key] = read_elf(file)
                return self._facts[key]
        except (OSError, ValueError, struct.error):
            return None


_cache = _ElfCache()


def read_elf(file: BinaryIO) -> Optional[ElfFacts]:
    """Reads headers, PT_INTERP and the head of `.PyRuntime`. Raises struct.error or OSError on a damaged file."""
    ident = file.read(20)
    if len(ident) < 20 or ident[:4] != b"\x7fELF":
        return None
    wide = ident[4] == 2
    order = ">" if ident[5] == 2 else "<"
    machine = int(struct.unpack_from(order + "H", ident, 18)[0])
    file.seek(0)
    if wide:
        header = struct.unpack(order + "16xHHIQQQIHHHHHH", file.read(64))
    else:
        header = struct.unpack(order + "16xHHIIIIIHHHHHH", file.read(52))
    program_offset, section_offset = header[4], header[5]
    program_size, program_count, section_size, section_count, names_index = header[8:13]
    interpreter = ""
    for index in range(min(program_count, 64)):
        file.seek(program_offset + index * program_size)
        if wide:
            kind, _flags, offset, _address, _physical, size = struct.unpack(order + "IIQQQQ", file.read(40))
        else:
            kind, offset, _address, _physical, size = struct.unpack(order + "IIIII", file.read(20))
        if kind == 3:  # PT_INTERP
            file.seek(offset)
            interpreter = file.read(min(size, 256)).split(b"\0")[0].decode("utf-8", "replace")
            break
    version, free_threaded = _runtime(file, wide, order, section_offset, section_size, section_count, names_index)
    return ElfFacts(_MACHINES.get(machine, "machine-%d" % machine), interpreter, version, free_threaded)


def _runtime(
    file: BinaryIO, wide: bool, order: str, offset: int, size: int, count: int, names_index: int
) -> Tuple[str, bool]:
    """Version and free-threaded flag of `.PyRuntime`, ("", False) when it is not there."""
    if offset == 0 or not 0 < count < 4096 or names_index >= count:
        return ("", False)
    layout = order + ("IIQQQQ" if wide else "IIIIII")
    file.seek(offset)
    table = file.read(size * count)
    sections: List[Tuple[int, int, int]] = []
    for index in range(count):
        name, _kind, _flags, _address, start, length = struct.unpack_from(layout, table, index * size)
        sections.append((name, start, length))
    file.seek(sections[names_index][1])
    names = file.read(min(sections[names_index][2], 1 << 20))
    for name, start, length in sections:
        if names[name : name + 11] == b".PyRuntime\0" and length >= 24:
            file.seek(start)
            head = file.read(24)
            if head[:8] != _COOKIE:
                return ("", False)
            number, free_threaded = struct.unpack(order + "QQ", head[8:])
            return (_version_of_hex(number), bool(free_threaded))
    return ("", False)


def _version_of_hex(number: int) -> str:
    """PY_VERSION_HEX, 0x030E08F0 → "3.14.8"; pre-releases as Python prints them: 0x030F00A3 → "3.15.0a3"."""
    text = "%d.%d.%d" % (number >> 24 & 0xFF, number >> 16 & 0xFF, number >> 8 & 0xFF)
    suffix = {0xA: "a", 0xB: "b", 0xC: "rc"}.get(number >> 4 & 0xF)
    return text if suffix is None else text + suffix + str(number & 0xF)


def name_says_python(name: str) -> bool:
    """Whether the base name of an executable is that of a Python: python3.14, python3-intel64, pypy3, …"""
    return _PYTHON_NAME.match(name) is not None


def python_info(pid: int, exe: Optional[str], cmdline: List[str], environ: Optional[Dict[str, str]]) -> Optional[Json]:
    """PythonInfo of src/core/types.ts, None for what is no Python. Looks at libpython first: programs that embed
    Python (uwsgi) have no telling name, and a shared build keeps `_PyRuntime` there."""
    if exe is None:
        return _info_by_words(cmdline, environ)
    by_name = name_says_python(os.path.basename(exe))
    paths = procfs.read_maps_paths(pid) or []
    library = next((path for path in paths if _LIBPYTHON.match(os.path.basename(path))), None)
    if not by_name and library is None:
        return None
    program = _cache.get("/proc/%d/exe" % pid)
    runtime = program
    if library is not None:
        runtime = _cache.get("/proc/%d/root%s" % (pid, library)) or _cache.get(library) or program
    names = ([library] if library else []) + [exe] + [path for path in paths if "/python3" in path][:4]
    return _info(program, runtime, names, [program.interpreter if program else "", *paths], cmdline, environ)


def find_program(word: str) -> str:
    """Path of a command's first word in our own mount namespace, "" when it is not there."""
    if os.path.isabs(word):
        return word
    places = os.environ.get("PATH", "/usr/local/bin:/usr/bin:/bin").split(":")
    return next((path for path in (os.path.join(place, word) for place in places) if os.path.exists(path)), "")


def _info_by_words(cmdline: List[str], environ: Optional[Dict[str, str]]) -> Optional[Json]:
    """No right to see /proc/P/exe: the command line is for everyone. Its program is looked up in our own mount
    namespace, which in an agent exec'ed into the container is the same."""
    word = cmdline[0] if cmdline else ""
    if not name_says_python(os.path.basename(word)):
        return _info(None, None, [], [], cmdline, environ) if _TITLES.match(word) else None
    path = find_program(word)
    real = os.path.realpath(path) if path else word
    program = _cache.get(real) if path else None
    return _info(program, program, [real, word], [program.interpreter if program else ""], cmdline, environ)


def _info(
    program: Optional[ElfFacts],
    runtime: Optional[ElfFacts],
    names: List[str],
    libc_hints: List[str],
    cmdline: List[str],
    environ: Optional[Dict[str, str]],
) -> Json:
    version = runtime.version if runtime else ""
    free_threaded = runtime.free_threaded if runtime and runtime.version else False
    pypy = any("pypy" in os.path.basename(name) for name in names)
    if not version:
        version, free_threaded = _version_of_names(names)
    parts = version.split(".")
    minor = int(parts[1]) if len(parts) > 1 else -1
    musl = any("musl" in os.path.basename(hint) for hint in libc_hints)
    return {
        "version": version,
        "remoteDebug": "unsupported" if pypy else _remote_debug(minor, cmdline, environ),
        "freeThreaded": free_threaded,
        "abi": ""
        if minor < 0
        else "%s%s%d%s" % ("pp" if pypy else "cp", parts[0], minor, "t" if free_threaded else ""),
        "libc": "musl" if musl else "glibc",
        "arch": program.arch if program else os.uname().machine,
    }


def _version_of_names(names: List[str]) -> Tuple[str, bool]:
    """("3.11", False) of libpython3.11.so.1.0, python3.11 or …/lib/python3.11/…; ("3", False) when nothing tells."""
    for name in names:
        base = os.path.basename(name)
        library = _LIBPYTHON.match(base)
        if library and library.group(2):
            return ("%s.%s" % (library.group(1), library.group(2)), bool(library.group(3)))
        program = _PYTHON_NAME.match(base)
        if program and program.group(2) and "." in program.group(2):
            return (program.group(2), bool(program.group(3)))
        directory = _VERSION_DIRECTORY.search(name)
        if directory:
            return (directory.group(1), bool(directory.group(2)))
    return ("3", False)


def _remote_debug(minor: int, cmdline: List[str], environ: Optional[Dict[str, str]]) -> Optional[str]:
    """CPython's own switches: -X disable-remote-debug and PYTHON_DISABLE_REMOTE_DEBUG (set and not empty)."""
    if 0 <= minor < 14:
        return "unsupported"
    if remote_debug_switched_off(cmdline) or (environ or {}).get("PYTHON_DISABLE_REMOTE_DEBUG"):
        return "off"
    return None if environ is None or minor < 0 else "on"


def remote_debug_switched_off(cmdline: List[str]) -> bool:
    """Whether the interpreter's own options (those before -c, -m or the script) hold -X disable-remote-debug."""
    words = iter(cmdline[1:])
    for word in words:
        if word == "-X":
            if next(words, "").split("=")[0] == "disable-remote-debug":
                return True
        elif word.startswith("-X"):
            if word[2:].split("=")[0] == "disable-remote-debug":
                return True
        elif word in ("-W", "--check-hash-based-pycs"):
            next(words, "")
        elif not word.startswith("-") or word[:2] in ("-c", "-m") or word in ("-", "--"):
            return False
    return False
