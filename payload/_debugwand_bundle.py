"""Owns the files of debugpy on the target: a private folder that the worker can read, and its end. Runs in the agent.
Standard library only, Python 3.8 or later. Needs no writable root file system and no particular user."""

import errno
import fcntl
import importlib.util
import marshal
import os
import re
import shutil
import stat
import sys
import tempfile
import threading
import time
import zipfile
from typing import Dict, List

_PLACES = ("/tmp", "/var/tmp", "/dev/shm", "/run", "/run/lock", "/mnt", ".")
_OURS = re.compile(r"debugwand-[0-9a-z_]{8}\Z")
# Held locked while its agent lives. A pid would not do: a folder may be seen from several PID namespaces.
_LOCK = "in-use"
_YOUNG_SECONDS = 60.0
_COMPILED = (".so", ".pyd", ".dll", ".dylib")
_ST_NOEXEC = 8

_unpacked: Dict[str, str] = {}
_made: Dict[str, int] = {}
_lock = threading.Lock()


class NoSpaceError(OSError):
    """No folder of the target can take the files. `code` is the agent's word for it."""

    code = "no-space"


def unpack(zip_path: str, key: str, root: str = "") -> str:
    """Unpacks a zip file once per key. root: prefix of the worker's file system as the agent sees it, like
    "/proc/42/root", where the two differ. Returns the folder as the worker sees it. Raises NoSpaceError, BadZipFile."""
    with _lock:
        known = _unpacked.get(root + "\0" + key)
        if known is not None and os.path.isdir(root + known):
            return known
        _remove_stale(root)
        with zipfile.ZipFile(zip_path) as archive:
            problems: List[str] = []
            for place in _places(root):
                try:
                    made = _make(root + place)
                except OSError as error:
                    problems.append("%s: %s" % (place, error.strerror or error))
                    continue
                try:
                    _extract(archive, made, not _noexec(root + place))
                except OSError as error:
                    problems.append("%s: %s" % (place, error.strerror or error))
                    _remove(made)
                    continue
                except BaseException:
                    _remove(made)
                    raise
                folder = made[len(root) :]
                _unpacked[root + "\0" + key] = folder
                return folder
    raise NoSpaceError(errno.ENOSPC, "no writable folder in the target (%s)" % "; ".join(problems))


def cleanup() -> None:
    """Removes what this agent unpacked. Never raises."""
    with _lock:
        for folder in list(_made):
            _remove(folder)
        _unpacked.clear()


def _make(place: str) -> str:
    folder = tempfile.mkdtemp(prefix="debugwand-", dir=place)
    os.chmod(folder, 0o755)
    _made[folder] = descriptor = os.open(os.path.join(folder, _LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return folder


def _remove(folder: str) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    descriptor = _made.pop(folder, None)
    if descriptor is not None:
        os.close(descriptor)


def _remove_stale(root: str) -> None:
    """Removes folders of agents that were killed before they could."""
    for place in _places(root, usable=False):
        try:
            names = [name for name in os.listdir(root + place) if _OURS.match(name)]
        except OSError:
            continue
        for name in names:
            path = os.path.join(root + place, name)
            try:
                facts = os.lstat(path)
                if (
                    not stat.S_ISDIR(facts.st_mode)
                    or facts.st_uid != os.geteuid()
                    or not _abandoned(path, facts.st_mtime)
                ):
                    continue
            except OSError:
                continue
            shutil.rmtree(path, ignore_errors=True)


def _abandoned(folder: str, changed: float) -> bool:
    try:
        descriptor = os.open(os.path.join(folder, _LOCK), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return time.time() - changed > _YOUNG_SECONDS
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)


def _places(root: str, usable: bool = True) -> List[str]:
    """Writable folders in order of preference: those whose files may be mapped as code first."""
    found: List[str] = []
    own = os.environ.get("TMPDIR", "") if not root else ""
    for named in (own, *_PLACES):
        place = os.path.abspath(named) if named and not root else named
        if place.startswith("/") and place not in found and os.path.isdir(root + place):
            found.append(place)
    if not usable:
        return found
    writable = [place for place in found if os.access(root + place, os.W_OK | os.X_OK)]
    return sorted(writable, key=lambda place: _noexec(root + place))


def _noexec(place: str) -> bool:
    try:
        return bool(os.statvfs(place).f_flag & _ST_NOEXEC)
    except OSError:
        return False


def _extract(archive: zipfile.ZipFile, folder: str, compiled: bool) -> None:
    """Folders 0755 and files 0644 whatever the umask is: the worker may have another uid. Compiled modules are left out
    where they could not be loaded; debugpy then uses its plain ones."""
    sources: List[str] = []
    for entry in archive.infolist():
        parts = entry.filename.split("/")
        if entry.is_dir() or entry.filename.startswith("/") or ".." in parts:
            continue
        if not compiled and entry.filename.endswith(_COMPILED):
            continue
        path = os.path.join(folder, *parts)
        _folders(folder, parts[:-1])
        with open(path, "wb") as file:
            file.write(archive.read(entry))
        os.chmod(path, 0o644)
        if path.endswith(".py"):
            sources.append(path)
    wanted = archive.comment.decode("ascii", "replace")
    if wanted == sys.implementation.cache_tag:
        for path in sources:
            _compile(path)


def _folders(folder: str, parts: List[str]) -> None:
    for part in parts:
        folder = os.path.join(folder, part)
        if not os.path.isdir(folder):
            os.mkdir(folder, 0o755)
            os.chmod(folder, 0o755)


def _compile(path: str) -> None:
    """What the worker's loader reads (see _debugwand_load), made here so that the app does not wait for a compiler."""
    folder, name = os.path.split(path)
    cached = os.path.join(folder, "__pycache__", "%s.%s.pyc" % (name[:-3], sys.implementation.cache_tag))
    if os.path.exists(cached):
        return
    try:
        with open(path, "rb") as file:
            code = compile(file.read(), path, "exec", dont_inherit=True, optimize=0)
        data = importlib.util.MAGIC_NUMBER + b"\1" + bytes(11) + marshal.dumps(code)
        _folders(folder, ["__pycache__"])
        with open(cached, "wb") as file:
            file.write(data)
        os.chmod(cached, 0o644)
    except (SyntaxError, ValueError, OSError):
        pass
