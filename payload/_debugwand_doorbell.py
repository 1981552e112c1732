"""Owns the first step inside a worker. CPython's remote debugging runs this source in *some* thread of the worker,
between two byte codes of the app, with the built-ins of the interrupted frame. So it imports nothing but built-in C
modules, takes no lock of `threading`, never raises, never waits longer than told, and may be run any number of times.
Must not know what the worker's package does. The agent appends the call of `ring`. CPython 3.14 or later; from 3.10 on
in the main thread only, by the hook of payload/environment."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict


def ring(settings: "Dict[str, Any]") -> None:
    """settings: pid (own view of the process), address (abstract socket), token, hold (seconds, 0: never),
    young (the process just started), otherAt, stdlibAt (time.monotonic() from which imports under way do not count
    any more)."""
    import posix
    import sys

    if posix.getpid() != settings["pid"]:
        return  # a child that shares memory with its parent (vfork), or a fork that took the request with it
    import _imp
    import _socket
    import _thread
    import time

    state: Any = sys.modules.setdefault("_debugwand_doorbell", type(sys)("_debugwand_doorbell"))
    # Before 3.13 nobody tells, and the main thread is the one that handles signals: this one.
    main: int = getattr(_thread, "_get_main_thread_ident", _thread.get_ident)()
    in_main = _thread.get_ident() == main
    # While the main thread imports a module of the standard library, others see it half made; while it imports anything
    # else, an import in another thread may meet it in a circle of import locks: then the main thread must be held.
    imports = ""
    standard: Any = sys.stdlib_module_names  # type: ignore[attr-defined]
    frame = sys._current_frames().get(main)
    while frame is not None:
        code = frame.f_code
        if code.co_name == "_find_and_load" and code.co_filename == "<frozen importlib._bootstrap>":
            name = frame.f_locals.get("name")
            imports = imports or "other"
            if type(name) is not str or name.partition(".")[0] in standard:
                imports = "stdlib"
                break
        frame = frame.f_back
    # The import system's own lock, held for moments: nobody else could import anything while we hold up its holder.
    if _imp.lock_held():
        imports = "stdlib"
    # A whole app may run inside an import statement, for ever: patience ends.
    now = time.monotonic()
    if imports == "stdlib":
        here: bool = now > settings["stdlibAt"]
    else:
        here = imports == "" or (in_main and settings["hold"] > 0) or now > settings["otherAt"]
    mark: str = "rung " + settings["token"]
    ticket = object()
    if here and state.__dict__.setdefault(mark, ticket) is not ticket:
        return  # another thread was faster
    if here and in_main and sys.version_info < (3, 13):
        # Before 3.13 it takes the thread that imports it first for the main one: that must not be ours.
        import threading  # noqa: F401  # pyright: ignore[reportUnusedImport]
    sock = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        sock.settimeout(2.0)
        sock.connect("\0" + settings["address"])
        line = '{"token":"%s","pid":%d,"status":"%s","python":"%d.%d.%d","present":%s,"main":%s}\n' % (
            settings["token"],
            settings["pid"],
            "here" if here else "importing",
            sys.version_info[0],
            sys.version_info[1],
            sys.version_info[2],
            "true" if "_debugwand_worker" in sys.modules else "false",
            "true" if in_main else "false",
        )
        sock.sendall(line.encode())
    except BaseException:
        sock.close()
        state.__dict__.pop(mark, None)
        return
    if not here:
        sock.close()
        return
    gate = _thread.allocate_lock()
    gate.acquire()
    held: bool = in_main and settings["hold"] > 0 and (settings["young"] or imports != "")

    def let_go() -> None:
        try:
            gate.release()
        except RuntimeError:
            pass  # was released before

    def receive() -> "Dict[str, Any]":
        """No json: nothing may be imported before the main thread is held or past its imports. The agent sends JSON
        that is Python too, but for three names."""
        received = b""
        while not received.endswith(b"\n"):
            chunk = sock.recv(1 << 20)
            if not chunk or len(received) > 1 << 24:
                raise EOFError
            received += chunk
        names: Dict[str, Any] = {"__builtins__": {}, "true": True, "false": False, "null": None}
        return eval(received.decode(), names)

    def become(message: "Dict[str, Any]") -> "Callable[[Any], None]":
        """Makes the modules that were sent and gives what to call with a socket."""
        for name, source in message["sources"].items():
            if name not in sys.modules:
                module = type(sys)(name)
                module.__file__ = "<%s>" % name
                sys.modules[name] = module
                try:
                    exec(compile(source, "<%s>" % name, "exec"), module.__dict__)
                except BaseException:
                    del sys.modules[name]
                    raise
        options = dict(message["options"], letGo=let_go, held=held)
        modules: Dict[str, Any] = sys.modules  # type: ignore[assignment]
        if message["op"] == "run":
            return lambda talking: modules["_debugwand_run"].main(talking, options)
        return lambda talking: modules["_debugwand_worker"].main(talking, message["op"], options)

    def tell(talking: "Any", error: BaseException) -> None:
        try:
            import json
            import traceback

            text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
            said = "%s: %s" % (type(error).__name__, error)
            event = {"event": "failed", "code": "failed", "message": said, "traceback": text}
            talking.sendall(json.dumps(event).encode() + b"\n")
        except BaseException:
            pass

    def talk() -> None:
        """In a thread of its own: takes the package over the socket and becomes it."""
        talking: Any = sock
        # While it is there, a debug port may listen on the loopback: agents must not knock there (_debugwand_wake.py).
        flag = _socket.socket(_socket.AF_UNIX, _socket.SOCK_DGRAM)
        try:
            sock.settimeout(10.0)
            message = receive()
            if message["op"] == "debug":
                flag.bind("\0debugwand-inside-%d-%s" % (settings["pid"], settings["token"]))
            work = become(message)
            if held:
                sock.sendall(b'{"event":"holding"}\n')
            import socket

            # The descriptor moves to the class that everybody expects.
            talking = socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM, 0, sock.detach())
            talking.settimeout(None)
            work(talking)
        except EOFError:
            pass
        except BaseException as error:
            tell(talking, error)
        finally:
            let_go()
            flag.close()
            talking.close()

    _thread.start_new_thread(talk, ())
    if held:
        try:
            gate.acquire(True, settings["hold"])
        except BaseException as error:
            # A signal's handler raised while we waited, and CPython would swallow that here: let it happen again.
            if isinstance(error, KeyboardInterrupt):
                _thread.interrupt_main()
            elif isinstance(error, SystemExit):
                _thread.interrupt_main(15)  # type: ignore[arg-type]
