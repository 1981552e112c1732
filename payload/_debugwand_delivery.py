"""Owns the way of the doorbell's source to the worker: a path that the worker's own user can open, in the worker's own
view of the file system, and nothing left of it afterwards. Must not touch the worker's memory.
Standard library only, Python 3.8 or later.

An anonymous file (memfd) needs no writable directory: /proc/<agent>/fd/N. The kernel lets the worker follow that link
only if it could also trace whoever holds it (proc(5): PTRACE_MODE_READ_FSCREDS). So where the agent has other ids or
more capabilities than the worker, a child with the worker's own rights holds the file; else a file that is unlinked."""

import os
import struct
from typing import Callable, ClassVar, Iterator, List, Optional, Set

from _debugwand_memory import Credentials, credentials

_PR_SET_DUMPABLE = 4
_PR_SET_NO_NEW_PRIVS = 38
_CAPABILITY_VERSION_3 = 0x20080522


class Delivery:
    """`path` opens the source for the worker until `close`, which may be called twice and from any thread."""

    _open: ClassVar["Set[Delivery]"] = set()

    def __init__(self, path: str, take_back: Callable[[], None]) -> None:
        self.path = path
        self._take_back = take_back
        self._open.add(self)

    def close(self) -> None:
        try:
            self._open.remove(self)
        except KeyError:
            return
        self._take_back()

    @classmethod
    def close_all(cls) -> None:
        """Before the agent leaves: those that linger for a thread that may still look for them, too."""
        for delivery in list(cls._open):
            delivery.close()


def ways(pid: int, source: bytes) -> Iterator[Delivery]:
    """Ways to hand the source to the process, best first, made when they are asked for. The caller closes them."""
    theirs = credentials(pid)
    mine = credentials("self")
    if theirs is not None and mine is not None:
        if _may_follow(theirs, mine):
            descriptor = anonymous_file("debugwand-doorbell", source)
            if descriptor is not None:
                path = "/proc/%d/fd/%d" % (mine.pids[-1], descriptor)
                if _same_file(pid, path, descriptor):
                    yield Delivery(path, lambda: os.close(descriptor))
                else:
                    os.close(descriptor)
        else:
            shelf = _shelf(pid, theirs, source)
            if shelf is not None:
                yield shelf
    for directory in ("/dev/shm", "/tmp", "/var/tmp", "/run"):
        plain = _plain_file(pid, directory, source)
        if plain is not None:
            yield plain


def anonymous_file(name: str, content: bytes) -> Optional[int]:
    """Descriptor of a memfd with that content, None where the system has none."""
    for flags in (0x1 | 0x8, 0x1):  # MFD_CLOEXEC, MFD_NOEXEC_SEAL (a kernel may insist on it; an old one has it not)
        try:
            descriptor = os.memfd_create(name, flags)
        except (OSError, AttributeError):
            continue
        view = memoryview(content)
        while view:
            view = view[os.write(descriptor, view) :]
        return descriptor
    return None


def _may_follow(theirs: Credentials, mine: Credentials) -> bool:
    """ptrace(2), access mode checking: all ids equal, and no capability here that is not in force there."""
    same = set(mine.uids) == {theirs.uid} and set(mine.gids) == {theirs.gid}
    return same and mine.permitted & ~theirs.effective == 0


def _same_file(pid: int, path: str, descriptor: int) -> bool:
    """Whether the path means that file in the process's view: its root may lack /proc, its PID namespace may differ."""
    try:
        seen, ours = os.stat("/proc/%d/root%s" % (pid, path)), os.fstat(descriptor)
    except OSError:
        return False
    return (seen.st_dev, seen.st_ino) == (ours.st_dev, ours.st_ino)


def _plain_file(pid: int, directory: str, source: bytes) -> Optional[Delivery]:
    name = ".debugwand-%s" % os.urandom(8).hex()
    try:
        # Held: the way through the process's root is gone when the process is, and the file must go all the same.
        folder = os.open("/proc/%d/root%s" % (pid, directory), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None

    def take_back() -> None:
        try:
            os.unlink(name, dir_fd=folder)
        except OSError:
            pass
        os.close(folder)

    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(name, flags, 0o644, dir_fd=folder)
        try:
            os.write(descriptor, source)
            os.fchmod(descriptor, 0o644)  # whatever the umask
        finally:
            os.close(descriptor)
    except OSError:
        take_back()
        return None
    return Delivery("%s/%s" % (directory, name), take_back)


def _shelf(pid: int, theirs: Credentials, source: bytes) -> Optional[Delivery]:
    """A child that takes the process's ids and capabilities and holds the file until our end of a pipe closes, which
    also happens when the agent is killed. None where there is no ctypes, or no right to become that user."""
    try:
        import ctypes

        prctl = ctypes.CDLL(None, use_errno=True).prctl
        capset = ctypes.CDLL(None, use_errno=True).capset
    except (ImportError, OSError, AttributeError):
        return None
    descriptor = anonymous_file("debugwand-doorbell", source)
    if descriptor is None:
        return None
    ready_read, ready_write = os.pipe()
    alive_read, alive_write = os.pipe()
    wanted = theirs.effective
    child = os.fork()
    if child == 0:
        try:
            keep: List[int] = sorted((descriptor, ready_write, alive_read))
            low = 0
            for number in keep:  # above all our standard input: the daemon waits for its end
                os.closerange(low, number)
                low = number + 1
            os.closerange(low, 65536)
            if os.geteuid() == 0:
                os.setgroups(theirs.groups)
            os.setresgid(theirs.gid, theirs.gid, theirs.gid)
            os.setresuid(theirs.uid, theirs.uid, theirs.uid)
            status = credentials("self")
            caps = status.permitted & wanted if status is not None else 0
            low_half, high_half = caps & 0xFFFFFFFF, caps >> 32
            head = ctypes.create_string_buffer(struct.pack("=Ii", _CAPABILITY_VERSION_3, 0), 8)
            body = struct.pack("=6I", low_half, low_half, 0, high_half, high_half, 0)
            capset(head, ctypes.create_string_buffer(body, 24))
            prctl(_PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0))
            # A change of ids makes a process undumpable, and what is undumpable cannot be looked at by its own user.
            prctl(_PR_SET_DUMPABLE, ctypes.c_ulong(1), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0))
            status = credentials("self")
            number = status.pids[-1] if status is not None and _may_follow(theirs, status) else 0
            os.write(ready_write, struct.pack("=i", number))
            os.read(alive_read, 1)
        finally:
            os._exit(0)
    os.close(ready_write)
    os.close(alive_read)
    answer = os.read(ready_read, 4)
    os.close(ready_read)

    def close() -> None:
        os.close(alive_write)
        os.waitpid(child, 0)

    number = struct.unpack("=i", answer)[0] if len(answer) == 4 else 0
    path = "/proc/%d/fd/%d" % (number, descriptor)
    usable = number != 0 and _same_file(pid, path, descriptor)
    os.close(descriptor)
    if usable:
        return Delivery(path, close)
    close()
    return None
