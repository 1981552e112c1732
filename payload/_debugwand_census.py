"""Owns the list of the target's processes: who is admitted, looked at again, renewed, struck off. It is told where to look
(by _debugwand_watch) and keeps what it found; it waits for nothing and tells nobody.
Standard library only, Python 3.8 or later."""

from typing import Any, Dict, Iterable, List, Set, Tuple

import _debugwand_procfs as procfs
from _debugwand_processes import Proc
from _debugwand_scope import Scope

# Second looks at a young process, seconds after the first: it may exec, map libpython, set its title, drop its uid.
_LOOKS = (0.001, 0.002, 0.004, 0.008, 0.016, 0.03, 0.06, 0.11, 0.25, 0.5, 1.0, 2.0)
_WORDS_FROM = 0.03  # from this look on the command line and the uid are read again
_ANEW = (0.004, 0.016, 0.06, 0.25, 1.0)  # at these looks a Python may show that was none before
_SETTLED = 0.11  # classification trusts a forked child of an unknown program from 100 ms on
_STRANGER_LOOKS = (0.003, 0.02, 0.1, 0.5)
_STRANGERS_SECONDS = 10.0
_TRIES = 20  # milliseconds that a vfork or an exec may take before it is told as it is


class Census:
    """`dirty`: something changed that is worth telling. `left`: struck off since the last call of `take_left`, each with
    whether its process ended (if not, it turned out to be an agent of ours)."""

    def __init__(self, scope: Dict[str, Any]) -> None:
        self.procs: Dict[int, Proc] = {}
        self.dirty = True
        self._scope = Scope(scope, self.procs.__contains__)
        self._left: List[Tuple[Proc, bool]] = []
        self._seen: Set[int] = set()
        self._zombies: Set[int] = set()
        self._strangers: Dict[int, int] = {}  # under `match`: pid → startstack when last looked at
        self._due_strangers = 0.0
        self._looks: List[Tuple[float, int, int, int]] = []  # due, pid, start time, index of _LOOKS
        self._pending: Dict[int, Tuple[float, int]] = {}  # pid → due, tries: not there yet, in a vfork, in an exec

    @property
    def awaits(self) -> bool:
        """True while some process is about to become one of ours."""
        return bool(self._pending)

    @property
    def watches_young(self) -> bool:
        """True while a process began less than two seconds ago."""
        return bool(self._looks)

    def due(self) -> float:
        """When `look_again` wants to be called; infinity: not at all."""
        due = self._looks[0][0] if self._looks else float("inf")
        return min([due, *(when for when, _tries in self._pending.values())])

    def take_left(self) -> List[Tuple[Proc, bool]]:
        left, self._left = self._left, []
        return left

    def knows(self, pid: int) -> bool:
        return pid in self.procs or pid in self._zombies or pid in self._pending or self._scope.is_ours(pid)

    def consider(self, pid: int, now: float, tries: int = 0) -> None:
        """A pid that we do not know, or that was another process when we looked last."""
        known = self.procs.get(pid)
        stat = procfs.read_stat(pid)
        if stat is None:
            # A pid is given out some microseconds before the process can be seen.
            if tries < 3 and known is None:
                self._pending[pid] = (now + 0.0005, tries + 1)
            return
        if known is not None:
            if known.stat.start == stat.start and not stat.gone:
                return
            self.ended(known)
        awaited = stat.ppid in self._pending
        if not awaited and not self._scope.may_admit(stat):
            return
        ids = procfs.read_uid_and_tgid(pid)
        if ids is None or ids[1] != pid:
            return  # a thread
        self._seen.add(pid)
        if stat.gone:
            self._zombies.add(pid)
        elif tries < _TRIES and (awaited or (stat.forked and self._shares_memory(stat))):
            self._pending[pid] = (now + 0.001, tries + 1)
        else:
            self._admit(stat, now, tries)

    def _shares_memory(self, stat: procfs.Stat) -> bool:
        """In a vfork it runs in its parent's memory, is no process of its own yet and mostly becomes an `ls`: wait for
        its exec. Its sign is the same resident size to the page; a real fork starts without the file pages."""
        if stat.ppid not in self.procs:
            return False
        parent = procfs.read_stat(stat.ppid) if _age(stat) < 0.1 else None
        return parent is not None and parent.rss == stat.rss

    def _admit(self, stat: procfs.Stat, now: float, tries: int = 0) -> None:
        proc = self._scope.admit(stat)
        if proc is None:
            if self._scope.kind == "match" and not self._scope.is_ours(stat.pid):
                fresh = stat.pid not in self._strangers
                self._strangers[stat.pid] = stat.startstack
                if fresh and _age(stat) < _STRANGER_LOOKS[-1]:
                    self._plan_look(stat, now + _STRANGER_LOOKS[0], 0)
            return
        self._strangers.pop(stat.pid, None)
        if proc.half_born and tries < _TRIES:
            self._pending[stat.pid] = (now + 0.001, tries + 1)
            return
        parent = self.procs.get(stat.ppid)
        if parent is not None:
            self.refresh(parent, now)  # it may have become another program before it forked
        self.procs[stat.pid] = proc
        self.dirty = True
        if _age(stat) < _LOOKS[-1]:
            self._plan_look(stat, now + _LOOKS[0], 0)
        if self._scope.kind != "namespace":
            # Children that came while we did not know yet that their parent belongs.
            for pid in procfs.read_children(stat.pid):
                if not self.knows(pid):
                    self.consider(pid, now)

    def _plan_look(self, stat: procfs.Stat, due: float, index: int) -> None:
        # A handful at a time: sorting is cheaper than it looks.
        self._looks.append((due, stat.pid, stat.start, index))
        self._looks.sort()

    def look_again(self, now: float) -> None:
        """Does what `due` announced."""
        for pid, (when, tries) in list(self._pending.items()):
            if now >= when:
                del self._pending[pid]
                self.consider(pid, now, tries)
        while self._looks and self._looks[0][0] <= now:
            due, pid, start, index = self._looks.pop(0)
            proc = self.procs.get(pid)
            if proc is None:
                self._look_at_stranger(pid, start, index, now)
                continue
            if proc.stat.start != start:
                continue
            after = _LOOKS[min(index, len(_LOOKS) - 1)]
            worth = proc.told or proc.python is not None or after in _ANEW
            if worth and not self.refresh(proc, now, proc.told and after >= _WORDS_FROM, after in _ANEW):
                continue
            if after == _SETTLED and proc.stat.forked and proc.told:
                self.dirty = True
            if index + 1 < len(_LOOKS):
                self._plan_look(proc.stat, max(now, due + _LOOKS[index + 1] - after), index + 1)

    def _look_at_stranger(self, pid: int, start: int, index: int, now: float) -> None:
        before = self._strangers.get(pid)
        stat = procfs.read_stat(pid) if before is not None else None
        if stat is None or stat.start != start:
            self._strangers.pop(pid, None)
            return
        if stat.startstack != before or before == 0:
            self._admit(stat, now)
        if pid not in self.procs and index + 1 < len(_STRANGER_LOOKS):
            self._plan_look(stat, now + _STRANGER_LOOKS[index + 1] - _STRANGER_LOOKS[index], index + 1)

    def refresh(self, proc: Proc, now: float, words: bool = False, anew: bool = False) -> bool:
        """Renews one process (`words`, `anew`: see Proc.refresh); false when it is gone or none of the target's."""
        stat = procfs.read_stat(proc.pid)
        if stat is None or stat.gone or stat.start != proc.stat.start:
            self.ended(proc)
            return False
        if stat.startstack == 0 and proc.stat.startstack != 0 and proc.exe_is_visible():
            self._plan_look(stat, now + 0.001, 0)  # in the middle of an exec
            return True
        if proc.refresh(stat, words, anew):
            if not self._scope.keeps(proc):
                self._strike(proc, False)
                return False
            self.dirty = True
        return True

    def ended(self, proc: Proc) -> None:
        """A zombie has ended, too. Its children got another parent."""
        if self.procs.get(proc.pid) is not proc:
            return
        self._strike(proc, True)
        self._zombies.add(proc.pid)
        for child in list(self.procs.values()):
            if child.stat.ppid == proc.pid:
                stat = procfs.read_stat(child.pid)
                if stat is not None and stat.start == child.stat.start:
                    self.dirty = child.refresh(stat) or self.dirty

    def _strike(self, proc: Proc, ended: bool) -> None:
        del self.procs[proc.pid]
        self._left.append((proc, ended))
        self.dirty = self.dirty or proc.told

    def list_all(self, now: float) -> None:
        """The difference of two directory listings: what everything else missed."""
        pids = set(procfs.list_pids())
        for pid in self._seen - pids:
            self._zombies.discard(pid)
            self._strangers.pop(pid, None)
            self._scope.forget(pid)
            if pid in self.procs:
                self.ended(self.procs[pid])
        unknown = (pids - self._seen) | (self._zombies & pids)
        if self._scope.kind == "match" and now >= self._due_strangers:
            self._due_strangers = now + _STRANGERS_SECONDS
            unknown |= set(self._strangers) & pids
        self._seen = pids
        stats = [stat for stat in map(procfs.read_stat, unknown) if stat is not None]
        stats.sort(key=lambda stat: (stat.start, stat.pid))
        for stat in stats:
            self._take(stat, now)
        self._adopt([stat for stat in stats if not stat.gone], now)

    def _take(self, stat: procfs.Stat, now: float) -> None:
        if stat.gone:
            self._zombies.add(stat.pid)
            return
        self._zombies.discard(stat.pid)
        if stat.pid not in self.procs and stat.pid not in self._pending:
            self._admit(stat, now)

    def _adopt(self, stats: Iterable[procfs.Stat], now: float) -> None:
        """A child with the start time of its parent and a lower pid (the counter wrapped) was looked at before it."""
        more = self._scope.kind != "namespace"
        while more:
            more = False
            for stat in stats:
                if stat.pid not in self.procs and stat.ppid in self.procs and stat.pid not in self._pending:
                    self._admit(stat, now)
                    more = more or stat.pid in self.procs


def _age(stat: procfs.Stat) -> float:
    return procfs.boot_seconds() - stat.start / procfs.TICKS_PER_SECOND
