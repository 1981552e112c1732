"""Owns where debugpy's files are for a worker: in the agent's own file system, and once more in the worker's where that is
another one (an agent in a helper container, a worker in a chroot). Must not know what the files are: _debugwand_bundle.py
unpacks and removes them. Standard library only, Python 3.8 or later."""

import os
from threading import Lock
from typing import Dict, NamedTuple, Optional, Tuple

import _debugwand_procfs as procfs
from _debugwand_memory import EntryError


class _View(NamedTuple):
    """A file system as a process sees it: its mount namespace, and its root therein."""

    namespace: str
    device: int
    inode: int


class Files:
    """Thread-safe. What it unpacked is removed by the bundle's `cleanup`."""

    def __init__(self) -> None:
        self._lock = Lock()
        # By the path that the daemon was told: the zip file (kept for other file systems) and its key.
        self._zips: Dict[str, Tuple[int, str]] = {}
        self._roots: Dict[_View, int] = {}

    def add(self, zip_file: int, key: str) -> str:
        """Unpacks for the agent's own file system. Takes the descriptor over. Raises EntryError."""
        try:
            path = _unpack(zip_file, key, "")
        except BaseException:
            os.close(zip_file)
            raise
        with self._lock:
            known = self._zips.get(path)
            self._zips[path] = (zip_file, key)
        if known is not None:
            os.close(known[0])
        return path

    def path_for(self, pid: int, path: str) -> str:
        """The folder that `add` returned, or its like in the process's file system. Raises EntryError."""
        with self._lock:
            zipped = self._zips.get(path)
            root = self._root_of(pid) if zipped is not None else None
        if zipped is None or root is None:
            return path
        return _unpack(zipped[0], zipped[1], root)

    def _root_of(self, pid: int) -> Optional[str]:
        """A name for the process's root that outlives the process; None when it is ours (or not for us to see)."""
        view = _view_of(str(pid))
        if view is None or view == _view_of("self"):
            return None
        if view not in self._roots:
            try:
                self._roots[view] = os.open("/proc/%d/root" % pid, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            except OSError:
                return None
        return "/proc/self/fd/%d" % self._roots[view]


def _view_of(pid: str) -> Optional[_View]:
    namespace = procfs.read_link("/proc/%s/ns/mnt" % pid)
    try:
        root = os.stat("/proc/%s/root" % pid)
    except OSError:
        return None
    return _View(namespace, root.st_dev, root.st_ino) if namespace is not None else None


def _unpack(zip_file: int, key: str, root: str) -> str:
    from _debugwand_bundle import unpack

    try:
        return unpack("/proc/self/fd/%d" % zip_file, key, root)
    except Exception as error:
        code = "no-space" if getattr(error, "code", None) == "no-space" else "failed"
        raise EntryError(code, "%s: %s" % (type(error).__name__, error)) from error
