"""Owns the agent's poll loop and its way to the daemon: what to poll for, what threads post back, frames that wait to be
written. Must not know what the messages mean. Standard library only, Python 3.8 or later."""

import os
import queue
import selectors
import threading
import traceback
from typing import Any, Callable, Dict, List, Optional, Tuple

import _debugwand_wire as wire
from _debugwand_memory import EntryError

Json = Dict[str, Any]
# Descriptor → events, and whose it is.
Wanted = Dict[int, Tuple[int, object]]
READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


class BadRequestError(Exception):
    """The daemon asked for what makes no sense."""


class Loop:
    def __init__(self, stdout: int) -> None:
        self.out = wire.Outlet(stdout)
        # poll, not epoll: standard input may be anything.
        self._selector = selectors.PollSelector()
        self._tasks: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._wake_read, self._wake_write = os.pipe()
        for descriptor in (self.out.descriptor, self._wake_read, self._wake_write):
            os.set_blocking(descriptor, False)

    def poll(self, wanted: Wanted, timeout: Optional[float], writes: bool = True) -> List[Tuple[int, int, object]]:
        """Waits for what is wanted (and, with `writes`, for room towards the daemon), then does what threads posted.
        Ready descriptors, their events, their owners. Raises BrokenPipeError once the daemon is gone."""
        if writes and self.out.descriptor >= 0:
            self.out.flush()
            if self.out.waiting:
                mask, owner = wanted.get(self.out.descriptor, (0, None))
                wanted[self.out.descriptor] = (mask | WRITE, owner)
        wanted[self._wake_read] = (READ, self)
        for key in list(self._selector.get_map().values()):
            if wanted.get(key.fd) != (key.events, key.data):
                self._selector.unregister(key.fd)
        for descriptor, (mask, owner) in wanted.items():
            if descriptor not in self._selector.get_map():
                self._selector.register(descriptor, mask, owner)
        ready = [(key.fd, mask, key.data) for key, mask in self._selector.select(timeout)]
        for descriptor, _, _ in ready:
            if descriptor == self._wake_read:
                os.read(self._wake_read, 4096)
        return ready

    def run_tasks(self) -> None:
        while True:
            try:
                task = self._tasks.get_nowait()
            except queue.Empty:
                return
            task()

    def forget(self, descriptor: int) -> None:
        """Before it is closed: its number may be another's right after."""
        try:
            self._selector.unregister(descriptor)
        except (KeyError, ValueError):
            pass

    def post(self, task: Callable[[], None]) -> None:
        """From any thread (and from signal handlers): runs the task in the loop."""
        self._tasks.put(task)
        try:
            os.write(self._wake_write, b"!")
        except OSError:
            pass  # full: it wakes anyway

    def thread(self, ident: object, work: Callable[[], Callable[[], None]]) -> None:
        """Runs `work` in a thread; what it returns runs in the loop; what it raises answers the request."""

        def body() -> None:
            try:
                done = work()
            except BaseException as error:
                answer = error_of(error)
                self.post(lambda: self.fail(ident, answer))
            else:
                self.post(done)

        threading.Thread(target=body, daemon=True).start()

    def send(self, message: Json) -> None:
        self.out.put(wire.encode_message(message))

    def reply(self, ident: object, result: Json) -> None:
        self.send({"id": ident, "result": result})

    def fail(self, ident: object, error: Json) -> None:
        """`error`: AgentError of src/agent/protocol.ts."""
        self.send({"id": ident, "error": error})


def error_of(error: BaseException) -> Json:
    """AgentError of src/agent/protocol.ts."""
    if isinstance(error, EntryError):
        return {"code": error.code, "message": error.message, "facts": error.facts}
    if isinstance(error, BadRequestError):
        return {"code": "bad-request", "message": str(error)}
    return {
        "code": "internal",
        "message": "%s: %s" % (type(error).__name__, error),
        "facts": {"traceback": "".join(traceback.format_exception(type(error), error, error.__traceback__))},
    }


def number(params: Json, name: str) -> int:
    value = params.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not -(2**53) < value < 2**53:
        raise BadRequestError("%s must be a number" % name)
    return int(value)


def text(params: Json, name: str) -> str:
    value = params.get(name)
    if not isinstance(value, str):
        raise BadRequestError("%s must be a string" % name)
    return value
