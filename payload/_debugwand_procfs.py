"""Owns the raw reads of /proc: one process at a time, no cache, no judgement. Never raises for a process that
vanished or may not be read: such a read answers None (or an empty value, where a docstring says so).
Standard library only, Python 3.8 or later. Field numbers are those of proc(5)."""

import os
import time
from typing import Dict, List, NamedTuple, Optional, Tuple

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")

PF_FORKNOEXEC = 0x40  # include/linux/sched.h: forked, has not exec'ed yet

_MAX_FILE = 1 << 20


class Stat(NamedTuple):
    """The fields of /proc/P/stat that matter here."""

    pid: int
    ppid: int
    state: str
    flags: int
    threads: int
    start: int  # clock ticks after boot
    cpu: float  # seconds, user and system
    rss: int  # bytes
    startstack: int  # 0: no right to see it
    exit_code: int  # wait status, once it is a zombie and we may see it

    @property
    def gone(self) -> bool:
        """A zombie has ended: only its parent has not looked yet."""
        return self.state in "ZXx"

    @property
    def forked(self) -> bool:
        """Runs the program (and, after vfork, in the very memory) of its parent."""
        return bool(self.flags & PF_FORKNOEXEC)


def read_bytes(path: str, limit: int = _MAX_FILE) -> Optional[bytes]:
    """At most `limit` bytes of a file of /proc; None when it is gone or may not be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        chunks: List[bytes] = []
        left = limit
        while left > 0:
            chunk = os.read(descriptor, min(left, 65536))
            if not chunk:
                break
            chunks.append(chunk)
            left -= len(chunk)
        return b"".join(chunks)
    except OSError:
        return None
    finally:
        os.close(descriptor)


def close(descriptor: int) -> None:
    """Closes, whatever the state of the descriptor."""
    try:
        os.close(descriptor)
    except OSError:
        pass


def parse_stat(raw: bytes) -> Optional[Stat]:
    """The command name (field 2) may hold spaces and parentheses: count from the last `)`."""
    end = raw.rfind(b")")
    if end < 0:
        return None
    rest = raw[end + 1 :].split()
    try:
        return Stat(
            pid=int(raw[: raw.index(b" ")]),
            state=rest[0].decode("ascii", "replace"),
            ppid=int(rest[1]),
            flags=int(rest[6]),
            cpu=(int(rest[11]) + int(rest[12])) / TICKS_PER_SECOND,
            threads=int(rest[17]),
            start=int(rest[19]),
            rss=int(rest[21]) * PAGE_BYTES,
            startstack=int(rest[25]),
            exit_code=int(rest[49]) if len(rest) > 49 else 0,
        )
    except (ValueError, IndexError):
        return None


def read_stat(pid: int) -> Optional[Stat]:
    raw = read_bytes("/proc/%d/stat" % pid, 4096)
    return parse_stat(raw) if raw else None


def read_uid_and_tgid(pid: int) -> Optional[Tuple[int, int]]:
    """Effective uid (what access checks use) and thread group; the owner of /proc/P is root for undumpable ones."""
    raw = read_bytes("/proc/%d/status" % pid, 16384)
    if raw is None:
        return None
    uid = tgid = -1
    for line in raw.split(b"\n"):
        if line.startswith(b"Tgid:"):
            tgid = int(line.split()[1])
        elif line.startswith(b"Uid:"):
            uid = int(line.split()[2])
            break
    return (uid, tgid)


def read_cmdline(pid: int) -> List[str]:
    """Arguments; empty for kernel threads, zombies and the unreadable. A title written by setproctitle stays one
    argument: its padding of NULs is dropped."""
    raw = read_bytes("/proc/%d/cmdline" % pid, 131072)
    if not raw:
        return []
    text = raw.rstrip(b"\0").decode("utf-8", "replace")
    return text.split("\0") if text else []


def read_link(path: str) -> Optional[str]:
    """Target of a link of /proc; the mark of a deleted file is taken off."""
    try:
        target = os.readlink(path)
    except OSError:
        return None
    return target[: -len(" (deleted)")] if target.endswith(" (deleted)") else target


def read_environ(pid: int, wanted: "frozenset[str]") -> Optional[Dict[str, str]]:
    """The wanted variables as they were at the last exec; None when unreadable."""
    raw = read_bytes("/proc/%d/environ" % pid)
    if raw is None:
        return None
    found: Dict[str, str] = {}
    for entry in raw.split(b"\0"):
        name, sign, value = entry.partition(b"=")
        key = name.decode("utf-8", "replace")
        if sign and key in wanted:
            found[key] = value[:200].decode("utf-8", "replace")
    return found


def read_maps_paths(pid: int) -> Optional[List[str]]:
    """Distinct paths of the mapped files, in order; None when unreadable (no right: another uid, undumpable)."""
    raw = read_bytes("/proc/%d/maps" % pid, 8 << 20)
    if raw is None:
        return None
    paths: Dict[str, None] = {}
    for line in raw.split(b"\n"):
        fields = line.split(None, 5)
        if len(fields) == 6 and fields[5].startswith(b"/"):
            path = fields[5].decode("utf-8", "surrogateescape")
            paths[path[: -len(" (deleted)")] if path.endswith(" (deleted)") else path] = None
    return list(paths)


def read_children(pid: int) -> List[int]:
    """Children of all threads; empty also where the kernel has no such file (CONFIG_PROC_CHILDREN)."""
    found: List[int] = []
    try:
        threads = os.listdir("/proc/%d/task" % pid)
    except OSError:
        return found
    for thread in threads:
        raw = read_bytes("/proc/%d/task/%s/children" % (pid, thread))
        if raw is None:
            break
        found.extend(int(word) for word in raw.split())
    return found


def list_pids() -> List[int]:
    """All processes that this mount of /proc shows (hidepid may hide some)."""
    try:
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return []


def boot_seconds() -> float:
    """Seconds on the clock that field 22 of stat counts in. /proc/uptime may be faked in a container (lxcfs)."""
    try:
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    except (OSError, AttributeError):
        raw = read_bytes("/proc/uptime", 64)
        return float(raw.split()[0]) if raw else time.monotonic()
