"""Owns which processes belong to the target: the scopes of src/core/types.ts, less ourselves, other agents of debugwand
and whatever those started. Standard library only, Python 3.8 or later."""

import os
import re
from typing import Any, Callable, Dict, Optional, Pattern, Set

import _debugwand_procfs as procfs
from _debugwand_processes import Proc

_PF_KTHREAD = 0x00200000  # include/linux/sched.h


class Scope:
    """Decides once for each process. Who is in stays in, whoever adopts it later (an orphan's parent is another)."""

    def __init__(self, scope: Dict[str, Any], is_member: Callable[[int], bool]) -> None:
        kind = scope.get("kind")
        if kind not in ("namespace", "descendants", "match"):
            raise ValueError("unknown scope %r" % (kind,))
        self.kind: str = kind
        self._roots: Set[int] = set(scope.get("roots", ())) if kind == "descendants" else set()
        self._pattern: Optional[Pattern[str]] = re.compile(scope["pattern"]) if kind == "match" else None
        self._is_member = is_member
        self._ours: Dict[int, int] = {os.getpid(): -1}  # pid → start time: agents and what they started

    def may_admit(self, stat: procfs.Stat) -> bool:
        """False if it certainly is a stranger: cheap, for machines where others start processes all the time."""
        return self.kind != "descendants" or stat.pid in self._roots or self._is_member(stat.ppid)

    def admit(self, stat: procfs.Stat) -> Optional[Proc]:
        """The process, described, if it belongs to the target. A stranger under `match` may belong after its exec."""
        ours = self._ours.get(stat.pid)
        if ours in (-1, stat.start) or stat.flags & _PF_KTHREAD:
            return None
        if stat.ppid in self._ours:
            self._ours[stat.pid] = stat.start
            return None
        if not self.may_admit(stat):
            return None
        if self.kind == "match" and not self._is_member(stat.ppid) and not self._matches(stat.pid):
            return None
        self._roots.discard(stat.pid)  # a later process with this pid is no root
        proc = Proc(stat)
        if not self.keeps(proc):
            return None
        if self.kind == "match" and not self._is_member(stat.ppid) and proc.python is None:
            return None  # an editor, a grep, a wand that names the pattern
        return proc

    def keeps(self, proc: Proc) -> bool:
        """False once it turned out (by an exec) to be an agent: it and its children are none of the target."""
        if not proc.is_agent():
            return True
        self._ours[proc.pid] = proc.stat.start
        return False

    def forget(self, pid: int) -> None:
        """That process is gone."""
        if self._ours.get(pid, -1) != -1:
            del self._ours[pid]

    def is_ours(self, pid: int) -> bool:
        return pid in self._ours

    def _matches(self, pid: int) -> bool:
        return self._pattern is not None and bool(self._pattern.search(" ".join(procfs.read_cmdline(pid))))
