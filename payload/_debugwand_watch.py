"""Owns the watch over the target's processes: when to look where, and what to tell: the events `processes` and `exited` of
src/agent/protocol.ts. Roles are not its matter. Driven by the agent's loop: poll `fds()`, wait at most `timeout()`, call
`step()`. It costs little when nothing happens: pidfds and inotify wake it, one read of 1 µs every 50 ms tells that no
process was started, and dearer looks stretch their interval by what they cost.
Standard library only, Python 3.8 or later."""

import resource
import select
import time
from typing import Any, Dict, Iterable, List, Optional, Set

import _debugwand_procfs as procfs
from _debugwand_census import Census
from _debugwand_interpreter import find_program
from _debugwand_noticing import Children, Inotify, LastPid, pidfd_open, wait_status
from _debugwand_oom import OomKills
from _debugwand_processes import Json, Proc

_SIGKILL = 9
_TICK = 0.05
_YOUNG_TICK = 0.01  # a program that has just begun is likely to start its workers
_HOT_SECONDS = 2.0
_HOT_SHARE = 0.1  # of the life of what ended, at least a tenth of a second: health checks come and go
_HOT_TICKS = ((0.1, 0.001), (2.0, 0.002))  # until so long after an end: this often
_SOME_SECONDS = 0.2
# Shares of a core that looks may cost, each.
_TICK_SHARE = 0.0015
_LIST_SHARE = 0.0008
_STATS_SHARE = 0.0012
_BURST = 64  # more processes than that started since the last tick: look at the children of ours instead
_TOLD_AT_MOST = 1000
_TOLD_WITHOUT_PYTHON = 50


class Watcher:
    """`scope`: Scope of src/core/types.ts. `stats_seconds`: how often CPU and memory are told, at most."""

    def __init__(self, scope: Dict[str, Any], stats_seconds: float) -> None:
        self._census = Census(scope)
        self._stats_seconds = max(0.2, stats_seconds)
        self._epoll = select.epoll()
        self._by_pidfd: Dict[int, Proc] = {}
        self._last_pid = LastPid()
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        most = 8192 if soft < 0 else soft
        self._most_pidfds = max(8, min(4096, most // 2))
        self._children = Children(max(8, min(256, most // 4)))
        self._inotify = Inotify()
        self._inotify_works: Optional[bool] = None  # None: not tried yet
        if self._inotify.fd >= 0:
            self._epoll.register(self._inotify.fd, select.EPOLLIN)
        self._hot_since = self._hot_until = 0.0
        self._due_tick = self._due_some = self._due_list = self._due_stats = 0.0
        self._due_execs: List[float] = []
        self._last_list = 0.0
        self._turn = 0
        self._exits: List[Json] = []
        self._oom_kills = OomKills()

    # What the agent's loop needs.

    def fds(self) -> List[int]:
        """Always the same one: an epoll descriptor, readable when one of ours is."""
        return [self._epoll.fileno()]

    def timeout(self, now: float) -> Optional[float]:
        """Seconds until `step` wants to be called even if nothing is readable. `now`: time.monotonic()."""
        due = min(self._due_tick, self._due_list, self._due_stats, self._census.due(), *self._due_execs[:1])
        return max(0.0, due - now)

    def step(self, ready_fds: Iterable[int], now: float) -> List[Json]:
        """Does what is due; events in the order in which they are to be sent. Never raises for what /proc does."""
        if ready_fds:
            self._drain(now)
        if now >= self._due_tick:
            self._tick(now)
        if self._due_execs and now >= self._due_execs[0]:
            self._check_execs(now)
        if now >= self._census.due():
            self._census.look_again(now)
        if now >= self._due_list:
            self._list(now)
        stats = now >= self._due_stats
        if stats:
            self._stats(now)
        self._settle(now)
        return self._events(stats)

    def close(self) -> None:
        for proc in self._census.procs.values():
            self._close_pidfd(proc)
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
            proc = self._by_pidfd.get(fd)
            if proc is not None:
                self._census.ended(proc)
            elif fd == self._inotify.fd and self._inotify.drain():
                self._opened(now)

    def _opened(self, now: float) -> None:
        """Somebody starts an interpreter we know. Mostly that is a process just forked, which the next tick finds, or one
        whose exec we await. If not, one of ours becomes another program: that shows a moment later."""
        if self._last_pid.trusted and self._last_pid.moved():
            self._due_tick = now
        elif not self._census.awaits:
            self._due_execs = [now + 0.001, now + 0.004, now + 0.016]

    def _check_execs(self, now: float) -> None:
        while self._due_execs and self._due_execs[0] <= now:
            self._due_execs.pop(0)
        for proc in list(self._census.procs.values())[:200]:
            self._census.refresh(proc, now)

    # Looks of our own.

    def _tick(self, now: float) -> None:
        begun = time.thread_time()
        started = self._last_pid.started(_BURST) if self._last_pid.trusted else None
        if started is not None:
            for pid in started:
                self._census.consider(pid, now)
        else:
            self._read_children(now)
            if now - self._last_list > 0.1:
                self._due_list = min(self._due_list, now + 0.05)
        hot = now < self._hot_until
        if not hot and now >= self._due_some:
            self._due_some = now + _SOME_SECONDS
            self._check_some(now)
        cost = time.thread_time() - begun
        if hot:
            since = now - self._hot_since
            step = next((every for until, every in _HOT_TICKS if since < until), _HOT_TICKS[-1][1])
            self._due_tick = now + max(step, cost * 4)
        elif self._census.watches_young:
            self._due_tick = now + _YOUNG_TICK
        else:
            self._due_tick = now + min(1.0, max(_TICK, cost / _TICK_SHARE))

    def _read_children(self, now: float) -> None:
        """Where the last pid cannot be trusted, or is of no use because too much is started."""
        if not self._children.available:
            self._due_list = min(self._due_list, max(now, self._last_list + (0.02 if now < self._hot_until else 0.2)))
            return
        self._turn += 1
        for proc in list(self._census.procs.values()):
            if proc.told:
                threads = self._turn % 10 == 0 or now < self._hot_since + 0.05
                for pid in self._children.read(proc.pid, threads):
                    if not self._census.knows(pid):
                        self._census.consider(pid, now)

    def _check_some(self, now: float) -> None:
        """A few of the told processes in turn: an exec that inotify missed, an end where there are no pidfds."""
        told = [proc for proc in self._census.procs.values() if proc.told]
        blind = not self._inotify_works or any(proc.pidfd < 0 for proc in told)
        some = min(12 if blind else 4, len(told))
        for offset in range(some):
            self._census.refresh(told[(self._turn + offset) % len(told)], now)
        self._turn = (self._turn + some) % (1 << 30)

    def _list(self, now: float) -> None:
        begun = time.thread_time()
        self._last_list = now
        self._census.list_all(now)
        cost = time.thread_time() - begun
        self._due_list = now + min(5.0, max(1.0 if self._last_pid.trusted else 0.25, cost / _LIST_SHARE))

    def _stats(self, now: float) -> None:
        begun = time.thread_time()
        self._turn += 1
        self._oom_kills.look()
        for index, proc in enumerate(list(self._census.procs.values())):
            turn = index + self._turn
            # Titles and uids change seldom. Who is not told may be a shell that exec'ed a Python at last.
            if proc.told or turn % 8 == 0:
                self._census.refresh(proc, now, words=proc.told and turn % 4 == 0)
        cost = time.thread_time() - begun
        self._due_stats = now + min(15.0, max(self._stats_seconds, cost / _STATS_SHARE))

    # What is told.

    def _settle(self, now: float) -> None:
        """After a told process ended its successor is due: look every millisecond or two for a while."""
        for proc, ended in self._census.take_left():
            if ended and proc.told:
                status = wait_status(proc.pid, proc.pidfd)
                signal = None if status is None else status & 0x7F
                exit_event: Json = {"event": "exited", "pid": proc.pid, "startTime": proc.stat.start, "signal": signal}
                if signal == _SIGKILL and self._oom_kills.recent():
                    exit_event["oom"] = True
                self._exits.append(exit_event)
                self._heat(proc, now)
            self._forget(proc)

    def _heat(self, proc: Proc, now: float) -> None:
        life = procfs.boot_seconds() - proc.stat.start / procfs.TICKS_PER_SECOND
        until = now + min(_HOT_SECONDS, max(0.1, life * _HOT_SHARE))
        self._hot_since, self._due_tick = now, now
        self._hot_until = max(self._hot_until, until)

    def _events(self, stats: bool) -> List[Json]:
        changed, self._census.dirty = self._census.dirty, False
        if changed:
            self._choose()
        events, self._exits = self._exits, []
        if changed or stats:
            boot = procfs.boot_seconds()
            told = [proc.to_json(boot) for proc in self._census.procs.values() if proc.told]
            events.append({"event": "processes", "changed": changed, "processes": told})
        return events

    def _choose(self) -> None:
        """Told are the Python processes and what they descend from; everything while there is no Python."""
        procs = self._census.procs
        told: Set[int] = set()
        for proc in procs.values():
            if proc.python is not None:
                pid = proc.pid
                while pid in procs and pid not in told:
                    told.add(pid)
                    pid = procs[pid].stat.ppid
        if not told:
            told = set(sorted(procs)[:_TOLD_WITHOUT_PYTHON])
        elif len(told) > _TOLD_AT_MOST:
            told = set(sorted(told)[:_TOLD_AT_MOST])
        for proc in procs.values():
            was, proc.told = proc.told, proc.pid in told
            if proc.told:
                if proc.python is not None:
                    self._watch_interpreter(proc)
                if not was:
                    self._watch_end(proc)
            elif was:
                self._forget(proc)

    def _watch_end(self, proc: Proc) -> None:
        if len(self._by_pidfd) >= self._most_pidfds:
            return
        try:
            proc.pidfd = pidfd_open(proc.pid)
        except ProcessLookupError:
            self._due_some = self._due_list = 0.0  # gone already: the next look strikes it off
            return
        if proc.pidfd >= 0:
            self._by_pidfd[proc.pidfd] = proc
            self._epoll.register(proc.pidfd, select.EPOLLIN)

    def _watch_interpreter(self, proc: Proc) -> None:
        """Proves at the first one that events do come: some file systems have none."""
        path = "/proc/%d/exe" % proc.pid if proc.exe is not None else find_program("".join(proc.cmdline[:1]))
        if self._inotify_works is False or not self._inotify.watch(path):
            return
        if self._inotify_works is None:
            self._inotify.drain()
            if procfs.read_bytes(path, 1) is not None:
                self._inotify_works = self._inotify.drain()

    def _forget(self, proc: Proc) -> None:
        self._children.forget(proc.pid)
        self._close_pidfd(proc)

    def _close_pidfd(self, proc: Proc) -> None:
        if proc.pidfd < 0:
            return
        self._by_pidfd.pop(proc.pidfd, None)
        try:
            self._epoll.unregister(proc.pidfd)
        except OSError:
            pass
        procfs.close(proc.pidfd)
        proc.pidfd = -1
