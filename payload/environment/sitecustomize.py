"""Owns how a Python from 3.10 (the oldest that debugpy is for) to 3.13 that wand started is rung: by SIGURG, which it
otherwise ignores. The handler fetches the doorbell from the agent that sent the signal and runs it, as CPython 3.14 does
by itself. Until then nothing is started: no thread, no socket, no import. Python imports this as `sitecustomize`, wand
having put its folder into PYTHONPATH; the app's own sitecustomize comes right after it. Imported by any Python, so it must
be read by all of them."""

# Any Python must be able to read it, so types stand in comments; and typeshed has no _signal.
# pyright: reportTypeCommentUsage=false, reportUnknownMemberType=false
import sys

_HERE = __file__.replace("\\", "/").rpartition("/")[0]


def _listen(word):
    # type: (str) -> None
    """word: the secret part of the agent's address."""
    import _signal

    def answer(_number, _frame):
        # type: (int, object) -> None
        # In the main thread, between two byte codes of the app: only built-in modules, and no exception leaves.
        try:
            import _socket
            import posix

            sock = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
            try:
                sock.settimeout(1.0)
                sock.connect("\0debugwand-ring-%s-%d" % (word, posix.getpid()))
                # SO_PEERCRED: pid, uid, gid. Nobody else tells us what to run.
                uid = int.from_bytes(sock.getsockopt(_socket.SOL_SOCKET, 17, 12)[4:8], sys.byteorder)
                source = b""
                while uid in (0, posix.geteuid()) and len(source) < 1 << 20:
                    chunk = sock.recv(65536)
                    if not chunk:
                        break
                    source += chunk
            finally:
                sock.close()
            exec(compile(source, "<debugwand>", "exec"), {})
        except Exception:
            pass

    if _signal.getsignal(_signal.SIGURG) == _signal.SIG_DFL:
        _signal.signal(_signal.SIGURG, answer)


def _step_aside():
    # type: () -> None
    """As if this module had never been in the way. Raises what the app's own one raises."""
    sys.path[:] = [entry for entry in sys.path if entry.rstrip("/") != _HERE]
    ours = sys.modules.pop("sitecustomize")
    try:
        import sitecustomize  # noqa: F401  # pyright: ignore[reportUnusedImport]
    except ImportError:
        error = sys.exc_info()[1]
        if getattr(error, "name", None) != "sitecustomize":
            raise
        sys.modules["sitecustomize"] = ours


try:
    if (3, 10) <= sys.version_info[:2] < (3, 14):
        import posix as _posix

        _listen(_posix.environ[b"DEBUGWAND_RING"].decode("ascii"))
except Exception:
    pass  # not by wand, or not in the main thread: then it is not debugged
_step_aside()
