"""Owns standing in for an app that is stopped as a whole: the kubelet's HTTP probes get their answer, every other client
is held, its bytes unread, until the app runs again and takes it (`_debugwand_handover`). Only at the ports that are
probed: elsewhere the kernel's own queue holds the clients. Runs inside the worker. Standard library only."""

import os
import select
import socket
import time

from _debugwand_doors import Doors
from _debugwand_handover import Handover, Relay
from _debugwand_head import MOST_HEAD, answer, is_http, probe_of
from _debugwand_heartbeat import SECONDS, beat, heartbeat_files
from _debugwand_poller import HUNG_UP, Poller, hang_up
from _debugwand_siblings import say_stopped

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional, Tuple

MOST_HELD = 128
_HEAD_SECONDS = 1.0
_PEEK_AGAIN = 0.05
# Siblings come and go while we wait.
_LOOK_SECONDS = 1.0
# A step lets the app run for a moment: not worth a hand-over.
_SETTLE_SECONDS = 0.03
_AT_ONCE = 64


class Held:
    """A client that the app has not seen."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.port = int(sock.getsockname()[1])
        # Not known yet: None.
        self.http: Optional[bool] = None
        self.hung_up = False
        # When the rest of the head is looked for, and until when.
        self.again = 0.0
        self.deadline = 0.0


class StandIn:
    """wake: descriptor that is readable when something changed; lock: see `Pauses`; stopped: whether the app is; avoid:
    the debugger's own port."""

    def __init__(self, wake: int, lock: "Any", stopped: "Callable[[], bool]", avoid: int) -> None:
        self._avoid = avoid
        self._wake = wake
        self._lock = lock
        self._stopped = stopped
        self._poller = Poller()
        self._poller.want(wake, select.POLLIN, lambda _mask: self._awake())
        self._answers: Dict[Tuple[int, str], int] = {}
        self._ports: List[int] = []
        self._paused = False
        # A sibling runs again: what we took while it did not is its.
        self._others_accept = False
        self._doors = Doors(lock, stopped)
        self._held: List[Held] = []
        self._handover = Handover(self._poller)
        self._hearts: List[int] = []
        self._beat_at = self._look_at = self._settled_at = 0.0
        self.answered = 0

    @property
    def busy(self) -> bool:
        """Clients are in our hands."""
        return bool(self._held) or self._handover.busy

    def turn(self, settings: "Dict[str, Any]") -> None:
        """Waits for what is due next, and does it."""
        now = time.monotonic()
        paused = self._stopped()
        if self._leave_doors():
            self._look_at = now
        if paused and not self._paused:
            self._begin(settings, now)
        elif self._paused and not paused:
            self._end(now)
        if self._paused:
            self._while_paused(now)
        if self._held and (self._others_accept if self._paused else now >= self._settled_at):
            self._hand_over()
        self._handover.look(now)
        due = self._due()
        self._poller.turn(None if due is None else max(0.0, due - time.monotonic()))

    def let_go(self) -> None:
        """Under the lock, by a thread of the app that runs on: from here on nothing is taken."""
        self._doors.let_go()

    def close(self) -> None:
        say_stopped(False)
        self._leave_doors()
        for held in self._held:
            self._poller.forget(held.sock.fileno())
            hang_up(held.sock)
        self._held = []
        self._handover.close()

    def forget(self) -> None:
        """In a forked child: only its descriptors go."""
        self._doors.forget()
        for held in self._held:
            held.sock.close()
        self._handover.forget()

    def _awake(self) -> None:
        os.read(self._wake, 4096)

    def _begin(self, settings: "Dict[str, Any]", now: float) -> None:
        self._paused = True
        say_stopped(True)
        self._answers = {}
        for probe in settings.get("probes", []):
            path = str(probe["path"])
            self._answers[int(probe["port"]), path] = int(probe["status"])
        self._ports = [port for port, _ in self._answers] + [int(port) for port in settings.get("ports", [])]
        self._hearts = heartbeat_files()
        self._beat_at = self._look_at = now

    def _end(self, now: float) -> None:
        self._paused = self._others_accept = False
        say_stopped(False)
        with self._lock:
            self._doors.let_go()
        self._leave_doors()
        self._settled_at = now + _SETTLE_SECONDS

    def _while_paused(self, now: float) -> None:
        if self._hearts and now >= self._beat_at:
            beat(self._hearts)
            self._beat_at = now + SECONDS
        if self._ports and now >= self._look_at:
            self._look_at = now + _LOOK_SECONDS
            self._others_accept = self._doors.open(self._ports, self._avoid)
            self._leave_doors()
        for held in [one for one in self._held if one.again and now >= one.again]:
            self._peek(held)
        room = len(self._held) < MOST_HELD
        for door in self._doors.all():
            self._poller.want(door.fileno(), select.POLLIN if room else 0, self._opener(door))

    def _due(self) -> "Optional[float]":
        due = [held.again for held in self._held if held.again] if self._paused else []
        if self._paused and self._hearts:
            due.append(self._beat_at)
        if self._paused and self._ports:
            due.append(self._look_at)
        if self._held and self._handover.room:
            due += [0.0] if self._others_accept else [] if self._paused else [self._settled_at]
        due += self._handover.due()
        return min(due) if due else None

    def _leave_doors(self) -> bool:
        left = self._doors.left()
        for door in left:
            self._poller.forget(door.fileno())
            door.close()
        return bool(left)

    def _opener(self, door: socket.socket) -> "Callable[[int], None]":
        return lambda _mask: self._accept(door)

    def _accept(self, door: socket.socket) -> None:
        for _ in range(_AT_ONCE):
            if len(self._held) >= MOST_HELD and not self._make_room():
                return
            taken = self._doors.accept(door)
            if taken is None:
                return
            sock, peer = taken
            relay = self._handover.of_address(peer)
            if relay is not None:
                # Ours: the app was stopped again before it took it.
                sock.close()
                self._take_back(relay)
            else:
                held = Held(sock)
                self._held.append(held)
                self._peek(held)

    def _take_back(self, relay: Relay) -> None:
        held = Held(relay.withdraw())
        self._held.insert(0, held)
        self._peek(held)

    def _peek(self, held: Held) -> None:
        now = time.monotonic()
        held.again = 0.0
        try:
            head = held.sock.recv(MOST_HEAD, socket.MSG_PEEK)
        except BlockingIOError:
            self._watch(held, select.POLLIN)
            return
        except OSError:
            self._drop(held)
            return
        if not head:
            self._drop(held)  # nothing was asked
            return
        probe = probe_of(head)
        if probe == ("", ""):
            held.deadline = held.deadline or now + _HEAD_SECONDS
            if now < held.deadline:
                held.again = now + _PEEK_AGAIN
                self._watch(held, 0)
                return
            probe = None
        status = self._status(held.port, probe[1]) if probe is not None else None
        if probe is not None and status is not None:
            self._answer(held, len(head), answer(probe[0], status))
            return
        held.http = is_http(head)
        self._watch(held, 0)

    def _status(self, port: int, path: str) -> "Optional[int]":
        """By the path alone where somebody in front of the app was asked."""
        if port in self._ports:
            return self._answers.get((port, path))
        return next((status for (_, asked), status in self._answers.items() if asked == path), None)

    def _watch(self, held: Held, events: int) -> None:
        def ready(mask: int) -> None:
            if mask & select.POLLIN:
                self._peek(held)
            elif mask & HUNG_UP:
                self._hung_up(held, mask)

        self._poller.want(held.sock.fileno(), events | select.POLLRDHUP, ready)

    def _hung_up(self, held: Held, mask: int) -> None:
        """Half closed is what HTTP clients look like that gave up. Of others it may be the way to say all they have."""
        if held.http is False and not mask & (select.POLLHUP | select.POLLERR):
            held.hung_up = True
            self._poller.want(held.sock.fileno(), 0, lambda _mask: self._drop(held))
        else:
            self._drop(held)

    def _answer(self, held: Held, size: int, reply: bytes) -> None:
        try:
            held.sock.recv(size)  # an unread byte would make a reset of the end
            held.sock.send(reply)
            self.answered += 1
        except OSError:
            pass
        self._drop(held)

    def _drop(self, held: Held) -> None:
        if held in self._held:
            self._held.remove(held)
        self._poller.forget(held.sock.fileno())
        hang_up(held.sock)

    def _make_room(self) -> bool:
        gone = next((held for held in self._held if held.hung_up), None)
        if gone is not None:
            self._drop(gone)
        return gone is not None

    def _hand_over(self) -> None:
        while self._held and self._handover.room:
            held = self._held.pop(0)
            self._poller.forget(held.sock.fileno())
            self._handover.begin(held.sock)
