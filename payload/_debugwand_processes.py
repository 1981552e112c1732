"""Owns the picture of one process as the daemon gets it: ProcessInfo of src/core/types.ts, key for key.
Reads /proc (by _debugwand_procfs), decides nothing about roles. Standard library only, Python 3.8 or later."""

import os
import re
from typing import Dict, List, Optional

import _debugwand_interpreter as interpreter
import _debugwand_procfs as procfs

Json = Dict[str, object]

# What classification reads of an environment: nothing else of it leaves the process.
ENVIRON = frozenset(
    (
        "CELERY_WORKER_POOL",
        "FLASK_DEBUG",
        "FORKED_BY_MULTIPROCESSING",
        "GUNICORN_CMD_ARGS",
        "GUNICORN_PID",
        "PYTEST_XDIST_WORKER",
        "PYTHON_DISABLE_REMOTE_DEBUG",
        "RUN_MAIN",
        "SUPERVISOR_PROCESS_NAME",
        "UVICORN_RELOAD",
        "UVICORN_WORKERS",
        "WATCHFILES_CHANGES",
        "WEB_CONCURRENCY",
        "WERKZEUG_RUN_MAIN",
    )
)

_AGENT_CODE = re.compile(r"debugwand", re.IGNORECASE)


class Proc:
    """One process, from its first sight to its end. `refresh` renews what may change."""

    __slots__ = ("cmdline", "cwd", "environ", "exe", "exec_id", "pid", "pidfd", "python", "stat", "told", "uid")

    def __init__(self, stat: procfs.Stat) -> None:
        self.pid = stat.pid
        self.stat = stat
        self.cmdline: List[str] = []
        self.exe: Optional[str] = None
        self.cwd: Optional[str] = None
        self.uid = -1
        self.environ: Optional[Dict[str, str]] = None
        self.python: Optional[Json] = None
        self.exec_id = stat.startstack
        self.pidfd = -1
        self.told = False  # part of the last report
        self.describe()

    def describe(self) -> None:
        """Everything but the figures of stat: about 0.2 ms for a Python, 0.1 ms for the rest."""
        root = "/proc/%d/" % self.pid
        self.cmdline = procfs.read_cmdline(self.pid)
        self.exe = procfs.read_link(root + "exe")
        self.cwd = procfs.read_link(root + "cwd")
        ids = procfs.read_uid_and_tgid(self.pid)
        self.uid = ids[0] if ids else -1
        self.environ = procfs.read_environ(self.pid, ENVIRON)
        self.python = interpreter.python_info(self.pid, self.exe, self.cmdline, self.environ)

    @property
    def half_born(self) -> bool:
        """In the middle of an exec: its new memory has no stack or no arguments yet. (Without the right to see it the
        start of the stack is 0 for ever, but then the program cannot be seen either.)"""
        return not self.cmdline or (self.stat.startstack == 0 and self.exe is not None)

    def exe_is_visible(self) -> bool:
        """Whether we (still) have the right to look into it."""
        return procfs.read_link("/proc/%d/exe" % self.pid) is not None

    def refresh(self, stat: procfs.Stat, words: bool = False, anew: bool = False) -> bool:
        """Takes in new figures of the same process; true when something that classification looks at changed. `words`:
        reads what changes without an exec, too (setproctitle, setuid). `anew`: looks for a Python that was not there
        yet: the loader maps libpython a moment after the exec."""
        before = self.stat
        self.stat = stat
        moved = stat.ppid != before.ppid
        if before.startstack and not stat.startstack and stat.forked == before.forked:
            # It gave up its uid and can be seen no more; it still is the program that it was.
            ids = procfs.read_uid_and_tgid(self.pid)
            self.uid = ids[0] if ids else self.uid
            self.cmdline = procfs.read_cmdline(self.pid) or self.cmdline
            return True
        self.exec_id = stat.startstack or self.exec_id
        if stat.startstack != before.startstack or stat.forked != before.forked:
            self.describe()
            return True
        if words or anew:
            old = (self.cmdline, self.uid, self.exe, self.python)
            ids = procfs.read_uid_and_tgid(self.pid)
            uid = ids[0] if ids else self.uid
            exe = procfs.read_link("/proc/%d/exe" % self.pid)
            vague = anew and (self.python is None or self.python["version"] == "3")
            if exe is None and self.exe is not None:
                self.uid = uid
                self.cmdline = procfs.read_cmdline(self.pid) or self.cmdline
            elif exe != self.exe or uid != self.uid or vague:
                self.describe()
            else:
                self.cmdline = procfs.read_cmdline(self.pid) or self.cmdline
            return moved or (self.cmdline, self.uid, self.exe, self.python) != old
        return moved

    def is_agent(self) -> bool:
        """An agent (or a helper that keeps a helper container alive): `python -I … -c <source that says debugwand>`."""
        words = self.cmdline
        if not words or not interpreter.name_says_python(os.path.basename(words[0])):
            return False
        for index, word in enumerate(words[1:7], 1):
            if word == "-c":
                return "-I" in words[1:index] and index + 1 < len(words) and bool(_AGENT_CODE.search(words[index + 1]))
        return False

    def to_json(self, boot: float) -> Json:
        """ProcessInfo. `boot`: procfs.boot_seconds() of the snapshot."""
        stat = self.stat
        return {
            "pid": self.pid,
            "ppid": stat.ppid,
            "startTime": stat.start,
            "execId": str(self.exec_id),
            "forked": stat.forked,
            "ageMs": max(0, round((boot - stat.start / procfs.TICKS_PER_SECOND) * 1000)),
            "cmdline": self.cmdline,
            "exe": self.exe,
            "cwd": self.cwd,
            "uid": self.uid,
            "state": stat.state,
            "threads": stat.threads,
            "cpuSeconds": stat.cpu,
            "rssBytes": stat.rss,
            "environ": self.environ,
            "python": self.python,
        }
