"""Owns the agent's one loop: frames from and to the daemon, channels, watched processes, entered workers. What takes
time (entering, running, unpacking, connecting) runs in threads that post their outcome back. When the daemon goes,
however it goes, the agent releases every worker, closes every channel and leaves within 5 s, with nothing left behind.
Standard library only, Python 3.8 or later."""

import os
import queue
import select
import selectors
import signal
import sys
import threading
import time
import traceback
from typing import Any, Callable, Dict, List, Mapping, Optional, Set, Tuple, cast

import _debugwand_wire as wire
from _debugwand_delivery import Delivery, anonymous_file
from _debugwand_enter import Request
from _debugwand_files import Files
from _debugwand_memory import EntryError, credentials
from _debugwand_relay import Channel, connect
from _debugwand_session import Lines, Session, enter, run

Json = Dict[str, Any]
Key = Tuple[int, int]

_YOUNG_SECONDS = 1.5
_HOLD_SECONDS = 1.0
_HOLD_AT_START_MS = 3000
_CONNECT_SECONDS = 5.0
_RELEASE_SECONDS = 3.0
_LEAVE_SECONDS = 4.5  # then it leaves anyway
_UPLOAD_BYTES = 256 << 20
_PF_EXITING = 4  # include/linux/sched.h
_STALL_SECONDS = 3.0  # so long may a reader on the target make all others wait


class BadRequestError(Exception):
    pass


class Upload:
    """A file that arrives on a channel."""

    def __init__(self, request: object, key: str, size: int, descriptor: int) -> None:
        self.request = request
        self.key = key
        self.left = size
        self.descriptor = descriptor


class Agent:
    """`sources`: the modules of the payload by name, for those that go on into workers."""

    def __init__(self, stdin: int, stdout: int, sources: Mapping[str, str]) -> None:
        self._stdin = stdin
        self._out = wire.Outlet(stdout)
        self._sources = sources
        self._decoder = wire.Decoder()
        # poll, not epoll: standard input may be anything.
        self._selector = selectors.PollSelector()
        self._tasks: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._wake_read, self._wake_write = os.pipe()
        self._channels: Dict[int, Channel] = {}
        self._uploads: Dict[int, Upload] = {}
        self._files = Files()
        self._sessions: Dict[Key, Session] = {}
        self._entering: Set[Key] = set()
        self._watcher: Any = None
        self._watched: Set[int] = set()
        self._stopping = threading.Event()
        self._stalled_since = 0.0
        self._methods: Dict[str, Callable[[object, Json], None]] = {
            "watch": self._watch,
            "upload": self._upload,
            "enter": self._enter,
            "unhold": self._unhold,
            "release": self._release,
            "run": self._run,
            "dial": self._dial,
            "hangup": self._hangup,
            "ping": lambda ident, _params: self._reply(ident, {}),
        }

    # The loop.

    def serve(self) -> None:
        """Returns when the daemon is gone; `leave` is next."""
        for descriptor in (self._stdin, self._out.descriptor, self._wake_read, self._wake_write):
            os.set_blocking(descriptor, False)
        self._selector.register(self._wake_read, selectors.EVENT_READ, None)
        self._out.put(wire.MAGIC)
        self._send(hello())
        try:
            while not self._stopping.is_set():
                self._turn()
        except (BrokenPipeError, EOFError):
            pass

    def _turn(self) -> None:
        self._out.flush()
        self._interests()
        ready = self._selector.select(self._wait())
        for key, mask in ready:
            if key.fd == self._stdin:
                self._read_daemon()
            elif key.fd == self._wake_read:
                os.read(self._wake_read, 4096)
            elif isinstance(key.data, Channel):
                self._serve_channel(key.data, mask)
            elif isinstance(key.data, Session):
                self._serve_session(key.data)
        while True:
            try:
                self._tasks.get_nowait()()
            except queue.Empty:
                break
        now = time.monotonic()
        self._deadlines(now)
        if self._watcher is not None:
            fds = [key.fd for key, _ in ready if key.fd in self._watched]
            for event in self._watcher.step(fds, now):
                self._send(event)
        self._out.flush()

    def _wait(self) -> Optional[float]:
        now = time.monotonic()
        due = [channel.closing_at - now for channel in self._channels.values() if channel.closing_at]
        due += [session.deadline - now for session in self._sessions.values() if session.released is not None]
        if self._stalled_since:
            due.append(self._stalled_since + _STALL_SECONDS - now)
        if self._watcher is not None:
            timeout = self._watcher.timeout(now)
            if timeout is not None:
                due.append(timeout)
        return max(0.0, min(due)) if due else None

    def _interests(self) -> None:
        """What to poll for: pausing a reader is how a full buffer holds up who fills it."""
        wanted: Dict[int, Tuple[int, object]] = {self._wake_read: (selectors.EVENT_READ, None)}
        stalled = any(channel.full for channel in self._channels.values())
        if not stalled:
            self._stalled_since = 0.0
            wanted[self._stdin] = (selectors.EVENT_READ, None)
        elif not self._stalled_since:
            self._stalled_since = time.monotonic()
        if self._out.waiting:
            mask, _ = wanted.get(self._out.descriptor, (0, None))
            wanted[self._out.descriptor] = (mask | selectors.EVENT_WRITE, None)
        for channel in self._channels.values():
            mask = 0 if self._out.full else selectors.EVENT_READ
            mask |= selectors.EVENT_WRITE if channel.wants_write else 0
            if mask:
                wanted[channel.sock.fileno()] = (mask, channel)
        for session in self._sessions.values():
            wanted[session.lines.sock.fileno()] = (selectors.EVENT_READ, session)
        for descriptor in self._watched:
            wanted[descriptor] = (selectors.EVENT_READ, None)
        for descriptor, key in list(self._selector.get_map().items()):
            if wanted.get(key.fd) != (key.events, key.data):
                self._selector.unregister(descriptor)
        for descriptor, (mask, data) in wanted.items():
            if descriptor not in self._selector.get_map():
                self._selector.register(descriptor, mask, data)

    def post(self, task: Callable[[], None]) -> None:
        """From any thread (and from signal handlers): runs the task in the loop."""
        self._tasks.put(task)
        try:
            os.write(self._wake_write, b"!")
        except OSError:
            pass  # full: it wakes anyway

    def _thread(self, ident: object, work: Callable[[], Callable[[], None]]) -> None:
        """Runs `work` in a thread; what it returns runs in the loop; what it raises answers the request."""

        def body() -> None:
            try:
                done = work()
            except EntryError as error:
                answer = {"code": error.code, "message": error.message, "facts": error.facts}
                self.post(lambda: self._fail(ident, answer))
            except BaseException as error:
                answer = internal(error)
                self.post(lambda: self._fail(ident, answer))
            else:
                self.post(done)

        threading.Thread(target=body, daemon=True).start()

    # The daemon's side.

    def _read_daemon(self) -> None:
        try:
            data = os.read(self._stdin, 1 << 16)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            raise EOFError
        for frame in self._decoder.feed(data):
            if isinstance(frame, wire.BadFrame):
                self._fail(None, {"code": "bad-request", "message": "the daemon sent %s" % frame.why})
            elif isinstance(frame, tuple):
                self._data(frame[0], frame[1])
            else:
                self._request(frame)

    def _request(self, message: Json) -> None:
        ident: object = message.get("id")
        params: object = message.get("params")
        method = self._methods.get(str(message.get("method")))
        try:
            if method is None or not isinstance(params, dict):
                raise BadRequestError("no method %r with params" % str(message.get("method"))[:100])
            method(ident, cast(Json, params))
        except BadRequestError as error:
            self._fail(ident, {"code": "bad-request", "message": str(error)})
        except EntryError as error:
            self._fail(ident, {"code": error.code, "message": error.message, "facts": error.facts})
        except (BrokenPipeError, EOFError):
            raise
        except Exception as error:
            self._fail(ident, internal(error))

    def _send(self, message: Json) -> None:
        self._out.put(wire.encode_message(message))

    def _reply(self, ident: object, result: Json) -> None:
        self._send({"id": ident, "result": result})

    def _fail(self, ident: object, error: Json) -> None:
        self._send({"id": ident, "error": error})

    # Processes.

    def _watch(self, ident: object, params: Json) -> None:
        from _debugwand_watch import Watcher

        scope, stats_ms = params.get("scope"), number(params, "statsMs")
        if not isinstance(scope, dict):
            raise BadRequestError("watch wants a scope")
        try:
            watcher = Watcher(cast(Json, scope), stats_ms / 1000)
        except (ValueError, KeyError, TypeError) as error:
            raise BadRequestError("this scope cannot be watched: %s" % error) from None
        if self._watcher is not None:
            self._watcher.close()
        self._watcher = watcher
        self._watched = set(watcher.fds())
        self._reply(ident, {})

    # Workers.

    def _options(self, params: Json, hold: bool, hold_at_start: bool) -> Request:
        pid, start = number(params, "pid"), number(params, "startTime")
        from _debugwand_procfs import TICKS_PER_SECOND, boot_seconds

        young = boot_seconds() - start / TICKS_PER_SECOND < _YOUNG_SECONDS
        return Request(
            pid=pid,
            start_time=start,
            exec_id=text(params, "execId"),
            timeout=number(params, "timeoutMs") / 1000,
            hold=(_HOLD_AT_START_MS / 1000 if hold_at_start else _HOLD_SECONDS) if hold else 0.0,
            young=young,
            main_only=hold_at_start and young,
        )

    def _enter(self, ident: object, params: Json) -> None:
        hold = params.get("holdAtStart") is True
        request = self._options(params, True, hold)
        key = (request.pid, request.start_time)
        known = self._sessions.get(key)
        if known is not None and known.released is None:
            self._reply(ident, known.result)
            return
        if key in self._entering:
            raise BadRequestError("process %d is being entered already" % request.pid)
        options: Json = {"debugpy": text(params, "debugpy"), "holdAtStart": hold, "holdMs": _HOLD_AT_START_MS}
        avoid = self._debug_ports()
        self._entering.add(key)

        def work() -> Callable[[], None]:
            try:
                options["debugpy"] = self._files.path_for(request.pid, text(params, "debugpy"))
                session = enter(request, options, self._sources, avoid, self._stopping)
            finally:
                self.post(lambda: self._entering.discard(key))

            def done() -> None:
                self._sessions[key] = session
                self._reply(ident, session.result)

            return done

        self._thread(ident, work)

    def _run(self, ident: object, params: Json) -> None:
        request = self._options(params, False, False)
        args = params.get("args")
        if not isinstance(args, list):
            raise BadRequestError("run wants args")
        options: Json = {
            "source": text(params, "source"),
            "filename": text(params, "filename"),
            "args": [str(arg) for arg in cast(List[object], args)],
        }
        label, avoid = number(params, "run"), self._debug_ports()

        def on_output(stream: str, said: str) -> None:
            event = {"event": "output", "run": label, "stream": stream, "text": said}
            self.post(lambda: self._send(event))
            while self._out.size > 1 << 22 and not self._stopping.is_set():
                time.sleep(0.01)  # a script that prints faster than the daemon reads: let its socket fill

        def work() -> Callable[[], None]:
            result = run(request, options, self._sources, avoid, self._stopping, on_output)
            return lambda: self._reply(ident, result)

        self._thread(ident, work)

    def _debug_ports(self) -> Set[int]:
        return {session.port for session in self._sessions.values()}

    def _session(self, params: Json) -> Session:
        session = self._sessions.get((number(params, "pid"), number(params, "startTime")))
        if session is None:
            raise EntryError("gone", "process %d is not entered" % number(params, "pid"))
        return session

    def _unhold(self, ident: object, params: Json) -> None:
        try:
            self._session(params).command("unhold")
        except OSError as error:
            raise EntryError("gone", "the worker hung up: %s" % error) from None
        self._reply(ident, {})

    def _release(self, ident: object, params: Json) -> None:
        session = self._session(params)

        def released(why: Optional[str]) -> None:
            if why is None:
                self._reply(ident, {})
            else:
                self._fail(ident, {"code": "failed", "message": why})

        self._ask_release(session, released)

    def _ask_release(self, session: Session, released: Callable[[Optional[str]], None]) -> None:
        session.released = released
        session.deadline = time.monotonic() + _RELEASE_SECONDS
        try:
            session.command("release")
        except OSError:
            self._drop(session, "the worker is gone")

    def _serve_session(self, session: Session) -> None:
        lines = session.lines.read()
        if any(line.get("event") == "released" for line in lines):
            self._drop(session, "it was released from inside")
        elif session.lines.ended:
            self._drop(session, "the worker ended" if not alive(session) else "debugwand's part in the worker ended")

    def _drop(self, session: Session, why: str) -> None:
        """Released or gone: either way the worker is free."""
        if self._sessions.pop((session.pid, session.start_time), None) is None:
            return
        self._close_lines(session.lines)
        if session.released is not None:
            session.released(None)
        else:
            self._send({"event": "left", "pid": session.pid, "startTime": session.start_time, "why": why})

    def _close_lines(self, lines: Lines) -> None:
        self._forget(lines.sock.fileno())
        lines.sock.close()

    # Channels.

    def _data(self, number_: int, data: bytes) -> None:
        upload = self._uploads.get(number_)
        if upload is not None:
            self._receive(number_, upload, data)
            return
        channel = self._channels.get(number_)
        if channel is None:
            return  # closed meanwhile: the daemon has been told
        try:
            channel.send(data)
        except OSError as error:
            self._close_channel(channel, str(error))

    def _dial(self, ident: object, params: Json) -> None:
        channel, port = number(params, "channel"), number(params, "port")
        if channel in self._channels or channel in self._uploads:
            raise BadRequestError("channel %d is taken" % channel)
        debugger = port in self._debug_ports()

        def work() -> Callable[[], None]:
            try:
                sock = connect(port, _CONNECT_SECONDS)
            except OSError as error:
                raise EntryError("gone", "nothing answers on port %d: %s" % (port, error), {"port": port}) from None

            def done() -> None:
                self._channels[channel] = Channel(channel, sock, debugger)
                self._reply(ident, {})

            return done

        self._thread(ident, work)

    def _hangup(self, ident: object, params: Json) -> None:
        channel = self._channels.get(number(params, "channel"))
        if channel is not None and not channel.farewell(time.monotonic()):
            self._close_channel(channel, None)
        self._reply(ident, {})

    def _serve_channel(self, channel: Channel, mask: int) -> None:
        if self._channels.get(channel.number) is not channel:
            return
        try:
            if mask & selectors.EVENT_WRITE:
                channel.flush()
            if mask & selectors.EVENT_READ:
                data = channel.receive()
                if data:
                    if not channel.closing_at:
                        self._out.put(wire.encode_data(channel.number, data))
                elif data is not None:
                    self._close_channel(channel, "the other end closed it")
        except OSError as error:
            self._close_channel(channel, str(error))

    def _close_channel(self, channel: Channel, why: Optional[str]) -> None:
        """`why` None: the daemon asked for it."""
        if self._channels.pop(channel.number, None) is None:
            return
        self._forget(channel.sock.fileno())
        channel.close()
        if why is not None and not channel.closing_at:
            self._send({"event": "channel-closed", "channel": channel.number, "why": why})

    def _forget(self, descriptor: int) -> None:
        try:
            self._selector.unregister(descriptor)
        except (KeyError, ValueError):
            pass

    def _deadlines(self, now: float) -> None:
        for channel in list(self._channels.values()):
            if channel.closing_at and now >= channel.closing_at:
                self._close_channel(channel, None)
            elif channel.full and self._stalled_since and now - self._stalled_since >= _STALL_SECONDS:
                self._close_channel(channel, "the other end does not read")
        for session in list(self._sessions.values()):
            if session.released is not None and now >= session.deadline:
                # Frozen, or a thread holds the GIL: our end of the socket closes, and it lets go when it can.
                released, session.released = session.released, ignore
                self._drop(session, "it did not answer")
                released("process %d did not answer within %d s" % (session.pid, _RELEASE_SECONDS))

    # Files for the target.

    def _upload(self, ident: object, params: Json) -> None:
        channel, key, size = number(params, "channel"), text(params, "key"), number(params, "size")
        if channel in self._channels or channel in self._uploads or not 0 < size <= _UPLOAD_BYTES:
            raise BadRequestError("channel %d cannot take %d bytes" % (channel, size))
        descriptor = anonymous_file("debugwand-upload", b"")
        if descriptor is None:
            import tempfile

            with tempfile.TemporaryFile() as file:
                descriptor = os.dup(file.fileno())
        self._uploads[channel] = Upload(ident, key, size, descriptor)

    def _receive(self, channel: int, upload: Upload, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(upload.descriptor, view) :]
        upload.left -= len(data)
        if upload.left > 0:
            return
        del self._uploads[channel]

        def work() -> Callable[[], None]:
            if upload.left < 0:
                os.close(upload.descriptor)
                raise EntryError("bad-request", "more bytes than the upload was to have")
            path = self._files.add(upload.descriptor, upload.key)
            return lambda: self._reply(upload.request, {"path": path})

        self._thread(upload.request, work)

    # The end.

    def stop(self) -> None:
        self._stopping.set()
        self.post(lambda: None)

    def leave(self) -> None:
        """Releases the workers, hangs up the channels, removes the files. At most a few seconds."""
        deadline = time.monotonic() + _LEAVE_SECONDS
        self._stopping.set()
        for channel in list(self._channels.values()):
            if not channel.farewell(time.monotonic()):
                self._close_channel(channel, None)
        for session in list(self._sessions.values()):
            if session.released is None:
                self._ask_release(session, ignore)
        while (self._sessions or self._channels or self._entering) and time.monotonic() < deadline:
            self._last_turn(min(0.1, deadline - time.monotonic()))
        if self._watcher is not None:
            self._watcher.close()
        Delivery.close_all()
        bundle = sys.modules.get("_debugwand_bundle")
        if bundle is not None:
            bundle.cleanup()

    def _last_turn(self, timeout: float) -> None:
        """Nobody listens any more: only sockets and what threads post."""
        by_fd: Dict[int, object] = {self._wake_read: None}
        by_fd.update({channel.sock.fileno(): channel for channel in self._channels.values()})
        by_fd.update({session.lines.sock.fileno(): session for session in self._sessions.values()})
        poller = select.poll()
        for descriptor, owner in by_fd.items():
            writes = isinstance(owner, Channel) and owner.wants_write
            poller.register(descriptor, select.POLLIN | (select.POLLOUT if writes else 0))
        for descriptor, mask in poller.poll(max(1, int(timeout * 1000))):
            owner = by_fd[descriptor]
            if isinstance(owner, Channel):
                events = selectors.EVENT_WRITE if mask & select.POLLOUT else 0
                events |= selectors.EVENT_READ if mask & ~select.POLLOUT else 0
                self._serve_channel(owner, events)
            elif isinstance(owner, Session):
                self._serve_session(owner)
            else:
                os.read(self._wake_read, 4096)
        while not self._tasks.empty():
            self._tasks.get_nowait()()
        for session in list(self._sessions.values()):  # entered while we were leaving
            if session.released is None:
                self._ask_release(session, ignore)
        self._deadlines(time.monotonic())


def ignore(_why: Optional[str]) -> None:
    """Nobody waits for this release."""


def alive(session: Session) -> bool:
    from _debugwand_procfs import read_stat

    stat = read_stat(session.pid)
    # A process closes its sockets a moment before it is a zombie.
    return stat is not None and not stat.gone and not stat.flags & _PF_EXITING and stat.start == session.start_time


def hello() -> Json:
    status = credentials("self")
    return {
        "event": "hello",
        "python": "%d.%d.%d" % sys.version_info[:3],
        "pid": os.getpid(),
        "uid": os.geteuid(),
        "gid": os.getegid(),
        "capabilities": "%016x" % (status.effective if status is not None else 0),
    }


def internal(error: BaseException) -> Json:
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


def main(sources: Mapping[str, str]) -> None:
    """Takes standard input and output for frames; what else is printed goes to standard error."""
    stdin, stdout = os.dup(0), os.dup(1)
    null = os.open("/dev/null", os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(2, 1)
    os.close(null)
    agent = Agent(stdin, stdout, sources)
    stops: List[int] = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]
    for number_ in stops:
        signal.signal(number_, lambda _number, _frame: agent.stop())
    failed = False
    try:
        agent.serve()
    except BaseException:
        failed = True
        traceback.print_exc()
    # Whatever happens now, it ends: a thread of ours may hang in a system call for a frozen process.
    end = threading.Timer(5.0, os._exit, (1,))
    end.daemon = True
    end.start()
    try:
        agent.leave()
    except BaseException:
        failed = True
        traceback.print_exc()
    sys.stderr.flush()
    os._exit(1 if failed else 0)
