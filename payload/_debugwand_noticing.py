"""Owns the ways in which the kernel tells that a process began, ended or started another program: pidfd, inotify, the
last pid given out, cached `children` files. Each may be missing (old kernel, seccomp, no ctypes): then it says so and
the watcher does without. Decides nothing. Standard library only, Python 3.8 or later."""

import errno
import os
import struct
import threading
from typing import Any, Dict, List, Optional, Tuple

import _debugwand_procfs as procfs

IN_OPEN = 0x20
IN_IGNORED = 0x8000
_INOTIFY_FLAGS = os.O_NONBLOCK | os.O_CLOEXEC
_PIDFD_OPEN = 434  # the same number on every architecture but alpha
_PIDFD_GET_INFO = 0xC040FF0B  # _IOWR(0xFF, 11, struct pidfd_info of 64 bytes), Linux 6.13
_PIDFD_INFO_EXIT = 1 << 3  # Linux 6.15: the wait status, once the process was reaped


def _load_libc() -> Optional[Any]:
    """Python 3.8 has no pidfd_open, and no Python has inotify; ctypes may lack its library (libffi)."""
    try:
        import ctypes

        return ctypes.CDLL(None, use_errno=True)
    except Exception:
        return None


class Libc:
    """Loaded on first use: importing ctypes costs 10 ms."""

    _libc: Optional[Any] = None
    _tried = False

    @classmethod
    def get(cls) -> Optional[Any]:
        if not cls._tried:
            cls._tried = True
            cls._libc = _load_libc()
        return cls._libc


def pidfd_open(pid: int) -> int:
    """A descriptor that turns readable when the process has ended; -1 where there is no such thing. Raises
    ProcessLookupError when it is gone already."""
    if hasattr(os, "pidfd_open"):
        try:
            return os.pidfd_open(pid, 0)
        except ProcessLookupError:
            raise
        except OSError:
            return -1
    libc = Libc.get()
    if libc is None:
        return -1
    import ctypes

    descriptor = int(libc.syscall(_PIDFD_OPEN, pid, 0))
    if descriptor < 0 and ctypes.get_errno() == errno.ESRCH:
        raise ProcessLookupError(pid)
    if descriptor >= 0:
        os.set_inheritable(descriptor, False)
    return descriptor


def wait_status(pid: int, pidfd: int) -> Optional[int]:
    """Wait status of an ended process that is not our child: from the zombie's stat, or from the pidfd once its parent
    has reaped it. None: not to be known here."""
    stat = procfs.read_stat(pid)
    if stat is not None and stat.gone:
        # Without the right to look the kernel shows 0, which then means nothing.
        return stat.exit_code if stat.startstack or stat.exit_code else None
    if pidfd < 0:
        return None
    try:
        import fcntl

        buffer = bytearray(struct.pack("=Q", _PIDFD_INFO_EXIT) + bytes(56))
        fcntl.ioctl(pidfd, _PIDFD_GET_INFO, buffer)
        if struct.unpack_from("=Q", buffer)[0] & _PIDFD_INFO_EXIT:
            return int(struct.unpack_from("=i", buffer, 60)[0])
    except (ImportError, OSError):
        pass
    return None


class Inotify:
    """Tells that somebody opened one of the interpreters' binaries: an exec of it looks like that."""

    def __init__(self) -> None:
        self.fd = -1
        self._watched: Dict[Tuple[int, int], int] = {}
        libc = Libc.get()
        if libc is not None:
            try:
                self.fd = int(libc.inotify_init1(_INOTIFY_FLAGS))
            except AttributeError:
                pass

    def watch(self, path: str) -> bool:
        """Watches the file behind a path such as /proc/P/exe; once for each inode. False: cannot."""
        libc = Libc.get()
        if self.fd < 0 or libc is None or len(self._watched) >= 64:
            return False
        try:
            status = os.stat(path)
        except OSError:
            return False
        key = (status.st_dev, status.st_ino)
        if key not in self._watched:
            descriptor = int(libc.inotify_add_watch(self.fd, os.fsencode(path), IN_OPEN))
            if descriptor < 0:
                return False
            self._watched[key] = descriptor
        return True

    def drain(self) -> bool:
        """Reads what is there; true if a binary was opened."""
        opened = False
        while True:
            try:
                raw = os.read(self.fd, 65536)
            except OSError:
                return opened
            if not raw:
                return opened
            offset = 0
            while offset + 16 <= len(raw):
                descriptor, mask, _cookie, length = struct.unpack_from("iIII", raw, offset)
                offset += 16 + length
                if mask & IN_IGNORED:
                    self._watched = {key: wd for key, wd in self._watched.items() if wd != descriptor}
                else:
                    opened = True

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


class LastPid:
    """The last field of /proc/loadavg: the pid (of a process or thread) given out last in our PID namespace. One read of
    3 µs tells that nothing at all was started since. Trusted only if it follows a thread that we start ourselves:
    lxcfs and gVisor make their own loadavg up."""

    def __init__(self) -> None:
        self._fd = -1
        self.last = 0
        try:
            self._fd = os.open("/proc/loadavg", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return
        if not any(self._follows_us() for _ in range(3)):
            self.close()

    @property
    def trusted(self) -> bool:
        return self._fd >= 0

    def _follows_us(self) -> bool:
        """A busy machine starts others between our thread and the read."""
        ours: List[int] = []
        thread = threading.Thread(target=lambda: ours.append(threading.get_native_id()))
        before = self.read()
        thread.start()
        thread.join()
        after = self.read()
        return bool(ours) and before is not None and after is not None and before < ours[0] <= after < ours[0] + 64

    def read(self) -> Optional[int]:
        try:
            return int(os.pread(self._fd, 128, 0).rsplit(None, 1)[1])
        except (OSError, ValueError, IndexError):
            return None

    def moved(self) -> bool:
        """Whether anything was started since the last call of `started`."""
        return self.read() != self.last

    def started(self, most: int) -> Optional[List[int]]:
        """Ids given out since the last call, threads among them. None: too many, or the counter wrapped: look at all."""
        now = self.read()
        before, self.last = self.last, now or 0
        if now is None or before == 0 or now < before or now - before > most:
            return [] if now is not None and now == before else None
        return list(range(before + 1, now + 1))

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class Children:
    """`/proc/P/task/*/children` of some processes, descriptors kept open: 3 µs a read. A child belongs to the thread that
    forked it, so every thread's file is read. Absent without CONFIG_PROC_CHILDREN: then `available` is false."""

    def __init__(self, most_descriptors: int) -> None:
        self._most = most_descriptors
        self._open: Dict[int, Dict[str, int]] = {}
        self._count = 0
        me = os.getpid()
        self.available = os.path.exists("/proc/%d/task/%d/children" % (me, me))

    def read(self, pid: int, new_threads: bool) -> List[int]:
        """Children of a process as far as seen; `new_threads`: looks for threads that were started since."""
        files = self._open.get(pid)
        if files is None or new_threads:
            files = self._find(pid)
        found: List[int] = []
        for thread in list(files):
            try:
                raw = os.pread(files[thread], 65536, 0)
            except OSError:  # the thread ended
                os.close(files.pop(thread))
                self._count -= 1
                continue
            if raw:
                found.extend(int(word) for word in raw.split())
        return found

    def _find(self, pid: int) -> Dict[str, int]:
        files = self._open.setdefault(pid, {})
        try:
            threads = os.listdir("/proc/%d/task" % pid)
        except OSError:
            threads = []
        for thread in threads:
            if thread in files or self._count >= self._most:
                continue
            try:
                path = "/proc/%d/task/%s/children" % (pid, thread)
                files[thread] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                self._count += 1
            except OSError:
                pass
        return files

    def forget(self, pid: int) -> None:
        for descriptor in self._open.pop(pid, {}).values():
            os.close(descriptor)
            self._count -= 1

    def close(self) -> None:
        for pid in list(self._open):
            self.forget(pid)
