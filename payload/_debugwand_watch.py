"""Owns the watch over the target's processes: which there are, which began, ended or started another program; it tells
by the events `processes` and `exited` of src/agent/protocol.ts. Roles are not its matter. Driven by the agent's loop:
poll `fds()`, wait at most `timeout()`, call `step()`. It costs little when nothing happens: pidfds and inotify wake it,
one 1 µs read every 50 ms tells that no process was started, and dearer looks stretch their interval by what they cost.
Standard library only, Python 3.8 or later."""

import resource
import select
import time
from typing import Any, Dict, Iterable, List, Optional, Set, Tuple

import _debugwand_procfs as procfs
from _debugwand_noticing import Children, Inotify, LastPid, pidfd_open, wait_status
from _debugwand_processes import Json, Proc
from _debugwand_scope import Scope

_TICK = 0.05
_HOT_SECONDS = 2.0
_HOT_TICKS = ((0.1, 0.001), (2.0, 0.002))  # until so long after the event: this often
_LIST_SHARE = 0.0008  # of a core, at most
_STATS_SHARE = 0.0012
_TICK_SHARE = 0.0015
_STRANGERS_SECONDS = 10.0
# Second looks at a young process, seconds after the first: it may exec, map libpython, set its title, drop its uid.
_LOOKS = (0.001, 0.002, 0.004, 0.008, 0.016, 0.03, 0.06, 0.11, 0.25, 0.5, 1.0, 2.0)
_SETTLED = 0.11  # classification trusts a forked child of an unknown program from 100 ms on
_ANEW = (0.004, 0.016, 0.06, 0.25, 1.0)
_STRANGER_LOOKS = (0.003, 0.02, 0.1, 0.5)
_BURST = 64
_TRIES = 20  # milliseconds that a vfork or an exec may take before it is told as it is
_TOLD_AT_MOST = 1000


class Watcher:
    """`scope`: Scope of src/core/types.ts. `stats_seconds`: how often CPU and memory are told, at most."""

    def __init__(self, scope: Dict[str, Any], stats_seconds: float) -> None:
        self._procs: Dict[int, Proc] = {}
        self._scope = Scope(scope, self._procs.__contains__)
        self._stats_seconds = max(0.2, stats_seconds)
        self._epoll = select.epoll()
        self._by_pidfd: Dict[int, int] = {}
        self._last_pid = LastPid()
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self._most_pidfds = 4096 if soft < 0 else max(8, min(4096, soft // 2))
        self._children = Children(max(8, min(256, soft // 4 if soft > 0 else 256)))
        self._inotify = Inotify()
        self._inotify_works: Optional[bool] = None  # None: not tried yet
        if self._inotify.fd >= 0:
            self._epoll.register(self._inotify.fd, select.EPOLLIN)
        self._seen: Set[int] = set()
        self._zombies: Set[int] = set()
        self._strangers: Dict[int, int] = {}  # under `match`: pid → startstack when last looked at
        self._looks: List[Tuple[float, int, int, int]] = []  # due, pid, start time, index of _LOOKS
        self._pending: Dict[int, Tuple[float, int]] = {}  # pid → due, tries: not there yet, or in a vfork
        self._hot_since = self._hot_until = 0.0
        self._due_tick = self._due_list = self._due_stats = self._due_strangers = 0.0
        self._last_list = self._last_execs = 0.0
        self._turn = 0
        self._dirty = True
        self._started = False
        self._exits: List[Json] = []

    # What the agent's loop needs.

    def fds(self) -> List[int]:
        """Always the same one: an epoll descriptor, readable when one of ours is."""
        return [self._epoll.fileno()]

    def timeout(self, now: float) -> Optional[float]:
        """Seconds until `step` wants to be called even if nothing is readable. `now`: time.monotonic()."""
        due = min(self._due_tick, self._due_list, self._due_stats)
        if self._looks:
            due = min(due, self._looks[0][0])
        for when, _tries in self._pending.values():
            due = min(due, when)
        return max(0.0, due - now)

    def step(self, ready_fds: Iterable[int], now: float) -> List[Json]:
        """Does what is due; events in the order in which they are to be sent. Never raises for what /proc does."""
        if not self._started:
            self._started = True
            self._last_pid.started(0)
            self._list(now)
        if ready_fds:
            self._drain(now)
        if now >= self._due_tick:
            self._tick(now)
        self._retry(now)
        self._look_again(now)
        if now >= self._due_list:
            self._list(now)
        stats = now >= self._due_stats
        if stats:
            self._stats(now)
        return self._events(stats, now)

    def close(self) -> None:
        for proc in self._procs.values():
            self._close_pidfd(proc)
        self._procs.clear()
        self._inotify.close()
        self._children.close()
        self._last_pid.close()
        self._epoll.close()

    # Events of the kernel.

    def _drain(self, now: float) -> None:
        try:
            ready = self._epoll.poll(0)
        except OSError:
            return
        for fd, _mask in ready:
            if fd == self._inotify.fd:
                if self._inotify.drain():
                    self._heat(now, 0.2)
                    self._check_execs(now)
            else:
                proc = self._procs.get(self._by_pidfd.get(fd, -1))
                if proc is None:
                    self._epoll.unregister(fd)
                else:
                    self._ended(proc, now)

    def _heat(self, now: float, seconds: float) -> None:
        """Something is about to happen: look every millisecond or two for a while."""
        self._hot_since = now
        self._hot_until = max(self._hot_until, now + seconds)
        self._due_tick = now

    def _check_execs(self, now: float) -> None:
        """An interpreter was opened: which of ours became another program? Not more than every 20 ms."""
        if now - self._last_execs < 0.02:
            return
        self._last_execs = now
        for proc in list(self._procs.values())[:200]:
            self._refresh(proc, now)

    # Looks of our own.

    def _tick(self, now: float) -> None:
        begun = time.monotonic()
        started = self._last_pid.started(_BURST) if self._last_pid.trusted else None
        if started is not None:
            for pid in started:
                self._consider(pid, now)
        else:
            self._read_children(now)
            if now - self._last_list > 0.1:
                self._due_list = min(self._due_list, now + 0.05)
        hot = now < self._hot_until
        if not hot:
            self._check_some(now)
        cost = time.monotonic() - begun
        if hot:
            since = now - self._hot_since
            step = next((every for until, every in _HOT_TICKS if since < until), _HOT_TICKS[-1][1])
            self._due_tick = now + max(step, cost * 4)
        else:
            self._due_tick = now + min(1.0, max(_TICK, cost / _TICK_SHARE))

    def _read_children(self, now: float) -> None:
        if not self._children.available:
            return
        self._turn += 1
        for proc in list(self._procs.values()):
            if proc.told:
                threads = self._turn % 10 == 0 or now < self._hot_since + 0.05
                for pid in self._children.read(proc.pid, threads):
                    if pid not in self._procs and pid not in self._zombies and not self._scope.is_ours(pid):
                        self._consider(pid, now)

    def _check_some(self, now: float) -> None:
        """A few of the told processes in turn: an exec that inotify missed, an end where there are no pidfds."""
        told = [proc for proc in self._procs.values() if proc.told]
        if not told:
            return
        blind = told if any(proc.pidfd < 0 for proc in told) else []
        some = min(12, len(told)) if blind or not self._inotify_works else min(4, (len(told) + 9) // 10)
        for offset in range(some):
            self._refresh(told[(self._turn + offset) % len(told)], now)
        self._turn = (self._turn + some) % (1 << 30)

    def _consider(self, pid: int, now: float, tries: int = 0) -> None:
        """A pid that we do not know, or that was another process when we looked last."""
        known = self._procs.get(pid)
        stat = procfs.read_stat(pid)
        if stat is None:
            # A pid is given out some microseconds before the process can be seen.
            if tries < 3 and known is None:
                self._pending[pid] = (now + 0.0005, tries + 1)
            return
        if known is not None:
            if known.stat.start == stat.start and not stat.gone:
                return
            self._ended(known, now)
        ids = procfs.read_uid_and_tgid(pid)
        if ids is None or ids[1] != pid:
            return  # a thread
        self._seen.add(pid)
        if stat.gone:
            self._zombies.add(pid)
            return
        if tries < _TRIES and stat.forked and self._shares_memory(stat):
            self._pending[pid] = (now + 0.001, tries + 1)
            return
        if stat.ppid in self._pending and tries < _TRIES:
            self._pending[pid] = (now + 0.001, tries + 1)  # whether it belongs depends on its parent
            return
        self._admit(stat, now, tries)

    def _shares_memory(self, stat: procfs.Stat) -> bool:
        """In a vfork it runs in its parent's memory, is no process of its own yet and mostly becomes an `ls`: wait for
        its exec. Its sign is the same resident size to the page; a real fork starts without the file pages."""
        if stat.ppid not in self._procs:
            return False
        age = procfs.boot_seconds() - stat.start / procfs.TICKS_PER_SECOND
        parent = procfs.read_stat(stat.ppid) if age < 0.1 else None
        return parent is not None and parent.rss == stat.rss

    def _admit(self, stat: procfs.Stat, now: float, tries: int = 0) -> None:
        proc = self._scope.admit(stat)
        age = procfs.boot_seconds() - stat.start / procfs.TICKS_PER_SECOND
        if proc is None:
            if self._scope.kind == "match" and not self._scope.is_ours(stat.pid):
                fresh = stat.pid not in self._strangers
                self._strangers[stat.pid] = stat.startstack
                if fresh and age < _STRANGER_LOOKS[-1]:
                    self._plan_look(stat, now + _STRANGER_LOOKS[0], 0)
            return
        self._strangers.pop(stat.pid, None)
        if proc.half_born and tries < _TRIES:
            self._pending[stat.pid] = (now + 0.001, tries + 1)
            return
        self._procs[stat.pid] = proc
        if age < _LOOKS[-1]:
            self._plan_look(stat, now + _LOOKS[0], 0)
        self._dirty = True
        if self._scope.kind != "namespace" and self._children.available:
            # Children that came while we did not know yet that their parent belongs.
            for pid in self._children.read(stat.pid, True):
                if pid not in self._procs and pid not in self._pending and not self._scope.is_ours(pid):
                    self._consider(pid, now)
            self._children.forget(stat.pid)

    def _plan_look(self, stat: procfs.Stat, due: float, index: int) -> None:
        # A handful at a time: sorting is cheaper than it looks.
        self._looks.append((due, stat.pid, stat.start, index))
        self._looks.sort()

    def _retry(self, now: float) -> None:
        for pid, (due, tries) in list(self._pending.items()):
            if now >= due:
                del self._pending[pid]
                self._consider(pid, now, tries)

    def _look_again(self, now: float) -> None:
        while self._looks and self._looks[0][0] <= now:
            due, pid, start, index = self._looks.pop(0)
            proc = self._procs.get(pid)
            if proc is None:
                self._look_at_stranger(pid, start, index, now)
                continue
            if proc.stat.start != start:
                continue
            after = _LOOKS[min(index, len(_LOOKS) - 1)]
            worth = proc.told or proc.python is not None or after in _ANEW
            if worth and not self._refresh(proc, now, words=proc.told and after >= 0.03, anew=after in _ANEW):
                continue
            if after == _SETTLED and proc.stat.forked and proc.told:
                self._dirty = True
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
        if pid not in self._procs and index + 1 < len(_STRANGER_LOOKS):
            self._plan_look(stat, now + _STRANGER_LOOKS[index + 1] - _STRANGER_LOOKS[index], index + 1)

    def _refresh(self, proc: Proc, now: float, words: bool = False, anew: bool = False) -> bool:
        """Renews one process; false when it turned out to be gone or to be none of the target's."""
        stat = procfs.read_stat(proc.pid)
        if stat is None or stat.gone or stat.start != proc.stat.start:
            self._ended(proc, now)
            return False
        if stat.startstack == 0 and proc.stat.startstack != 0:
            self._plan_look(stat, now + 0.001, 0)  # in the middle of an exec
            return True
        if proc.refresh(stat, words, anew):
            if not self._scope.keeps(proc):
                self._drop(proc)
                return False
            self._dirty = True
            if proc.python is not None:
                self._watch_interpreter(proc)
        return True

    def _ended(self, proc: Proc, now: float) -> None:
        if self._procs.get(proc.pid) is not proc:
            return
        if proc.told:
            status = wait_status(proc.pid, proc.pidfd)
            signal = None if status is None else status & 0x7F
            self._exits.append({"event": "exited", "pid": proc.pid, "startTime": proc.stat.start, "signal": signal})
            self._heat(now, _HOT_SECONDS)
        self._drop(proc)
        self._zombies.add(proc.pid)
        for child in list(self._procs.values()):
            if child.stat.ppid == proc.pid:
                self._refresh(child, now)

    def _drop(self, proc: Proc) -> None:
        self._procs.pop(proc.pid, None)
        self._close_pidfd(proc)
        self._children.forget(proc.pid)
        if proc.told:
            self._dirty = True

    def _close_pidfd(self, proc: Proc) -> None:
        if proc.pidfd >= 0:
            self._by_pidfd.pop(proc.pidfd, None)
            try:
                self._epoll.unregister(proc.pidfd)
            except OSError:
                pass
            procfs.close(proc.pidfd)
            proc.pidfd = -1

    def _list(self, now: float) -> None:
        """The difference of two directory listings: what everything else missed."""
        begun = time.monotonic()
        self._last_list = now
        pids = set(procfs.list_pids())
        for pid in self._seen - pids:
            self._zombies.discard(pid)
            self._strangers.pop(pid, None)
            self._scope.forget(pid)
            proc = self._procs.get(pid)
            if proc is not None:
                self._ended(proc, now)
        unknown = (pids - self._seen) | (self._zombies & pids)
        if self._scope.kind == "match" and now >= self._due_strangers:
            self._due_strangers = now + _STRANGERS_SECONDS
            unknown |= set(self._strangers) & pids
        self._seen = pids
        stats = [stat for stat in map(procfs.read_stat, unknown) if stat is not None]
        for stat in sorted(stats, key=lambda stat: (stat.start, stat.pid)):
            self._take(stat, now)
        self._adopt(stats, now)
        cost = time.monotonic() - begun
        least = 1.0 if self._last_pid.trusted else 0.25
        self._due_list = now + min(5.0, max(least, cost / _LIST_SHARE))

    def _take(self, stat: procfs.Stat, now: float) -> None:
        if stat.gone:
            self._zombies.add(stat.pid)
            return
        self._zombies.discard(stat.pid)
        if stat.pid not in self._procs and stat.pid not in self._pending:
            self._admit(stat, now)

    def _adopt(self, stats: List[procfs.Stat], now: float) -> None:
        """A child with the start time of its parent and a lower pid (the counter wrapped) came before it."""
        more = True
        while more and self._scope.kind != "namespace":
            more = False
            for stat in stats:
                if stat.pid not in self._procs and stat.ppid in self._procs and not stat.gone:
                    self._admit(stat, now)
                    more = more or stat.pid in self._procs

    def _stats(self, now: float) -> None:
        begun = time.monotonic()
        self._turn += 1
        for index, proc in enumerate(list(self._procs.values())):
            if proc.told:
                self._refresh(proc, now, words=(index + self._turn) % 4 == 0)
            elif (index + self._turn) % 8 == 0:
                self._refresh(proc, now)  # a shell that exec'ed a Python at last
        cost = time.monotonic() - begun
        self._due_stats = now + min(15.0, max(self._stats_seconds, cost / _STATS_SHARE))

    # What is told.

    def _events(self, stats: bool, now: float) -> List[Json]:
        changed = self._dirty
        if changed:
            self._dirty = False
            self._choose(now)
        events, self._exits = self._exits, []
        if changed or stats:
            boot = procfs.boot_seconds()
            told = [proc.to_json(boot) for proc in self._procs.values() if proc.told]
            events.append({"event": "processes", "changed": changed, "processes": told})
        return events

    def _choose(self, now: float) -> None:
        """Told are the Python processes and what they descend from; everything while there is no Python."""
        told: Set[int] = set()
        for proc in self._procs.values():
            if proc.python is not None:
                pid = proc.pid
                while pid in self._procs and pid not in told:
                    told.add(pid)
                    pid = self._procs[pid].stat.ppid
        if not told:
            told = set(sorted(self._procs)[:50])
        elif len(told) > _TOLD_AT_MOST:
            told = set(sorted(told)[:_TOLD_AT_MOST])
        for proc in list(self._procs.values()):
            was, proc.told = proc.told, proc.pid in told
            if proc.told and not was:
                self._watch_end(proc, now)
            elif was and not proc.told:
                self._close_pidfd(proc)
                self._children.forget(proc.pid)

    def _watch_end(self, proc: Proc, now: float) -> None:
        if proc.python is not None:
            self._watch_interpreter(proc)
        if len(self._by_pidfd) >= self._most_pidfds:
            return
        try:
            proc.pidfd = pidfd_open(proc.pid)
        except ProcessLookupError:
            self._due_tick = now
            return
        if proc.pidfd >= 0:
            self._by_pidfd[proc.pidfd] = proc.pid
            self._epoll.register(proc.pidfd, select.EPOLLIN)

    def _watch_interpreter(self, proc: Proc) -> None:
        """Proves at the first one that events do come: some file systems have none."""
        path = "/proc/%d/exe" % proc.pid
        if self._inotify_works is False or not self._inotify.watch(path):
            return
        if self._inotify_works is None:
            self._inotify.drain()
            if procfs.read_bytes(path, 1) is not None:
                self._inotify_works = self._inotify.drain()
