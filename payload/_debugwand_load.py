"""Owns how debugpy gets into the process: the app's own copy where it has a usable one, else ours from a directory that
never appears on sys.path. The environment and the import system are left as they were. Runs inside the worker."""

import importlib
import importlib.machinery
import importlib.util
import marshal
import os
import re
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, List, Optional

# The first release whose in-process server tells the port that the system chose, and that knows CPython 3.14.
_OLDEST = (1, 8, 16)
# Read once by pydevd while it is imported. Without the first one pydevd warns about frozen modules on the app's stderr;
# debugpy sets the second one itself and would leave it to the app's child processes.
_ENVIRONMENT = {"PYDEVD_DISABLE_FILE_VALIDATION": "1", "PYDEVD_USE_FRAME_EVAL": "NO"}

_SWITCH_SECONDS = 0.0005


class RefusedError(Exception):
    """Why debugpy cannot be used here, in words for the user."""


class Loaded:
    """version: of the debugpy in use; origin: "ours" or "app"; directory: ours only, where its files are."""

    def __init__(self, version: str, origin: str, directory: "Optional[str]") -> None:
        self.version = version
        self.origin = origin
        self.directory = directory

    def ready(self, directory: str) -> None:
        """To be called before each stay: pydevd imports some modules on demand. directory: where the present agent has
        unpacked debugpy; the files of an earlier agent went with it."""
        former = self.directory
        if former is None:
            return
        if not os.path.isdir(os.path.join(former, "debugpy")):
            if _version_in(os.path.join(directory, "debugpy")) != self.version:
                return
            for module in list(sys.modules.values()):
                path: Any = getattr(module, "__path__", None)
                if type(path) is list:
                    parts: List[str] = [str(part) for part in path]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
                    path[:] = [directory + part[len(former) :] if part.startswith(former) else part for part in parts]
            forget_finders(former)
            self.directory = former = directory
        _use_finders(former)


class _Loader(importlib.machinery.SourceFileLoader):
    """Reads and writes compiled code next to the source whatever the app's settings about byte code are: compiling holds
    the interpreter's lock for tens of milliseconds at a time, and the directory is ours alone."""

    def get_code(self, fullname: str) -> "Any":
        path = self.get_filename(fullname)
        folder, name = os.path.split(path)
        cached = os.path.join(folder, "__pycache__", "%s.%s.pyc" % (name[:-3], sys.implementation.cache_tag))
        try:
            data = self.get_data(cached)
            if data[:4] == importlib.util.MAGIC_NUMBER:
                return marshal.loads(memoryview(data)[16:])
        except (OSError, ValueError, EOFError, TypeError):
            pass
        code = self.source_to_code(self.get_data(path), path)
        try:
            os.makedirs(os.path.dirname(cached), exist_ok=True)
            partial = "%s.%d" % (cached, os.getpid())
            with open(partial, "wb") as file:
                file.write(importlib.util.MAGIC_NUMBER + b"\1" + bytes(11) + marshal.dumps(code))
            os.replace(partial, cached)
        except OSError:
            pass
        return code


def _use_finders(directory: str) -> None:
    details: Any = (
        (importlib.machinery.ExtensionFileLoader, importlib.machinery.EXTENSION_SUFFIXES),
        (_Loader, importlib.machinery.SOURCE_SUFFIXES),
    )
    for folder, _folders, _files in os.walk(directory):
        if not folder.endswith("__pycache__"):
            sys.path_importer_cache[folder] = importlib.machinery.FileFinder(folder, *details)


def forget_finders(directory: str) -> None:
    for folder in list(sys.path_importer_cache):
        if folder == directory or folder.startswith(directory + "/"):
            sys.path_importer_cache.pop(folder, None)


def load(directory: str) -> Loaded:
    """Imports debugpy's server side. Raises RefusedError, or whatever an import raises."""
    # An import is all computation: whoever else wants to run would wait for the interpreter's lock 5 ms each time.
    usual = sys.getswitchinterval()
    shorter = min(usual, _SWITCH_SECONDS)
    sys.setswitchinterval(shorter)
    try:
        return _load(directory)
    finally:
        if abs(sys.getswitchinterval() - shorter) < 1e-6:
            sys.setswitchinterval(usual)


def _load(directory: str) -> Loaded:
    if "debugpy" in sys.modules:
        _import("debugpy")
        return Loaded(str(getattr(sys.modules["debugpy"], "__version__", "unknown")), "app", None)
    if "pydevd" in sys.modules:
        raise RefusedError("another debugger (pydevd without debugpy, as PyCharm uses it) is in this process already")
    if _usable_in_app():
        _import("debugpy")
        return Loaded(str(getattr(sys.modules["debugpy"], "__version__", "unknown")), "app", None)
    package = os.path.join(directory, "debugpy")
    _use_finders(directory)
    path = os.path.join(package, "__init__.py")
    loader = _Loader("debugpy", path)
    spec = importlib.util.spec_from_file_location("debugpy", path, loader=loader, submodule_search_locations=[package])
    if spec is None:
        raise RefusedError("no debugpy in %s" % directory)
    module: Any = importlib.util.module_from_spec(spec)
    sys.modules["debugpy"] = module
    try:
        loader.exec_module(module)
        _import("debugpy")
    except BaseException:
        # All that came with it, so that the next try begins anew.
        for name, one in list(sys.modules.items()):
            if name.partition(".")[0] == "debugpy" or str(getattr(one, "__file__", "")).startswith(directory + "/"):
                del sys.modules[name]
        raise
    return Loaded(str(module.__version__), "ours", directory)


def _import(name: str) -> None:
    """Imports the server with pydevd's environment, and takes the environment back."""
    before = {key: os.environ.get(key) for key in _ENVIRONMENT}
    for key, value in _ENVIRONMENT.items():
        os.environ.setdefault(key, value)
    try:
        _import_steadily(name)
        _import_steadily(name + ".server.api")
    finally:
        for key, value in before.items():
            if value is None:
                os.environ.pop(key, None)
    # debugpy would describe the environment to its log: it reads the metadata of every installed package, log or not.
    api: Any = sys.modules[name + ".server.api"]
    if "DEBUGPY_LOG_DIR" not in os.environ and hasattr(getattr(api, "ensure_logging", None), "ensured"):
        api.ensure_logging.ensured = True


def _import_steadily(name: str) -> None:
    """A child of multiprocessing gets another sys.path while it starts. debugpy is on it for moments while it imports its
    parts, and fails when it is another one then: the next time it will do, with what was imported so far."""
    for last in (False, False, True):
        path = sys.path
        try:
            importlib.import_module(name)
            return
        except (ImportError, ValueError):
            if last or sys.path is path:
                raise


def _usable_in_app() -> bool:
    """Whether the app's packages have a debugpy that works here. Looks, imports nothing of it."""
    try:
        spec = importlib.util.find_spec("debugpy")
    except (ImportError, ValueError):
        return False
    if spec is None or not spec.origin or not spec.origin.endswith("__init__.py"):
        return False
    version = _version_in(os.path.dirname(spec.origin))
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:3])
    return numbers >= _OLDEST


def _version_in(package: str) -> str:
    """ "1.8.22", or "" when it cannot be told."""
    try:
        with open(os.path.join(package, "_version.py"), encoding="utf-8") as file:
            found = re.search(r'"?version"?\s*[:=]\s*["\']([0-9][^"\']*)["\']', file.read(65536))
    except (OSError, UnicodeDecodeError):
        return ""
    return found.group(1) if found else ""
