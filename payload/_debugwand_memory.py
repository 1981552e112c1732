"""Owns the bytes of another process: /proc/P/mem, and process_vm_readv/writev where /proc is mounted read-only.
Must not know what is in them. Standard library only, Python 3.8 or later."""

import errno
import os
import struct
from typing import Dict, Optional, Union

import _debugwand_procfs as procfs

Fact = Union[str, int, bool, None]


class EntryError(Exception):
    """Why a worker cannot be entered: a code of AGENT_ERROR_CODES (src/agent/protocol.ts), a sentence, facts."""

    def __init__(self, code: str, message: str, facts: Optional[Dict[str, Fact]] = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.facts: Dict[str, Fact] = facts or {}


def gone(pid: int) -> EntryError:
    return EntryError("gone", "process %d ended" % pid)


def changed(pid: int) -> EntryError:
    return EntryError("changed", "process %d runs another program now" % pid)


def denied(pid: int, what: str) -> EntryError:
    """Says whose rights would do: `needs` is "uid" when the agent runs as another user, else "ptrace"."""
    status = credentials(pid)
    uid = status.uid if status is not None else -1
    gid = status.gid if status is not None else -1
    mine = os.geteuid()
    facts: Dict[str, Fact] = {"uid": uid, "gid": gid, "agentUid": mine, "needs": "uid" if uid != mine else "ptrace"}
    yama = procfs.read_bytes("/proc/sys/kernel/yama/ptrace_scope", 16)
    if yama is not None and yama.strip().isdigit():
        facts["yama"] = int(yama)
    return EntryError("denied", "no right to the memory of process %d (%s)" % (pid, what), facts)


class Credentials:
    """What /proc/P/status says that access checks look at."""

    def __init__(self, text: str) -> None:
        fields = dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)
        uids = [int(word) for word in fields.get("Uid", "-1 -1 -1 -1").split()]
        gids = [int(word) for word in fields.get("Gid", "-1 -1 -1 -1").split()]
        self.uids = tuple(uids[:3])
        self.gids = tuple(gids[:3])
        self.uid = uids[1]
        self.gid = gids[1]
        self.groups = [int(word) for word in fields.get("Groups", "").split()]
        self.permitted = int(fields.get("CapPrm", "0"), 16)
        self.effective = int(fields.get("CapEff", "0"), 16)
        # Innermost last; kernels without PID namespaces have no such line.
        self.pids = [int(word) for word in fields.get("NSpid", fields.get("Pid", "0")).split()]


def credentials(pid: Union[int, str]) -> Optional[Credentials]:
    raw = procfs.read_bytes("/proc/%s/status" % pid, 65536)
    return Credentials(raw.decode("utf-8", "replace")) if raw else None


class Memory:
    """Reads and writes one process's memory. A process that execs makes an open one useless: EntryError `changed`."""

    def __init__(self, pid: int) -> None:
        """Raises EntryError `gone` or `denied`."""
        self.pid = pid
        self._descriptor = -1
        self._vectored = False
        try:
            self._descriptor = os.open("/proc/%d/mem" % pid, os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ESRCH):
                raise gone(pid) from None
            if error.errno != errno.EROFS:
                raise denied(pid, os.strerror(error.errno or 0)) from None
            self._vectored = True  # a read-only mount of /proc: the system calls do not pass through it

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def read(self, address: int, size: int) -> bytes:
        """Exactly `size` bytes. Raises EntryError `changed`/`gone` when they are not there."""
        try:
            data = _vector(self.pid, address, bytes(size), False) if self._vectored else self._pread(address, size)
        except OverflowError:
            raise EntryError("failed", "a pointer in process %d leads nowhere" % self.pid) from None
        except OSError as error:
            raise self._lost(error) from None
        if len(data) != size:
            raise self._lost(None)
        return data

    def write(self, address: int, data: bytes) -> None:
        try:
            done = len(_vector(self.pid, address, data, True)) if self._vectored else self._pwrite(address, data)
        except OSError as error:
            raise self._lost(error) from None
        if done != len(data):
            raise self._lost(None)

    def u64(self, address: int) -> int:
        return int(struct.unpack("=Q", self.read(address, 8))[0])

    def i32(self, address: int) -> int:
        return int(struct.unpack("=i", self.read(address, 4))[0])

    def _pread(self, address: int, size: int) -> bytes:
        return os.pread(self._descriptor, size, address)

    def _pwrite(self, address: int, data: bytes) -> int:
        return os.pwrite(self._descriptor, data, address)

    def _lost(self, error: Optional[OSError]) -> EntryError:
        stat = procfs.read_stat(self.pid)
        if stat is None or stat.gone or (error is not None and error.errno == errno.ESRCH):
            return gone(self.pid)
        if error is not None and error.errno in (errno.EPERM, errno.EACCES):
            return denied(self.pid, os.strerror(error.errno))
        # 0 bytes: the memory that was opened went with an exec. EIO: the address is not mapped (any more).
        return changed(self.pid)


def _vector(pid: int, address: int, data: bytes, write: bool) -> bytes:
    """process_vm_writev(2) or process_vm_readv(2), by ctypes. Raises OSError; EROFS where there is no ctypes."""
    try:
        import ctypes
    except ImportError:
        raise OSError(errno.EPERM, "/proc is read-only and there is no ctypes") from None

    class Iovec(ctypes.Structure):
        _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]

    libc = ctypes.CDLL(None, use_errno=True)
    call = libc.process_vm_writev if write else libc.process_vm_readv
    call.restype = ctypes.c_ssize_t
    buffer = ctypes.create_string_buffer(data, len(data))
    here = Iovec(ctypes.cast(buffer, ctypes.c_void_p), len(data))
    there = Iovec(address, len(data))
    done = int(call(ctypes.c_int(pid), ctypes.byref(here), 1, ctypes.byref(there), 1, ctypes.c_ulong(0)))
    if done < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return buffer.raw[:done]
