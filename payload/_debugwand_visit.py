"""Owns what all ways to have the doorbell rung share: what is asked for, what comes of it, the text that rings, and whether
the process is still the one that is meant. Runs in the agent. Standard library only, Python 3.8 or later."""

import socket
import threading
import time
from typing import Dict, NamedTuple, Optional

import _debugwand_procfs as procfs
from _debugwand_bell import Bell
from _debugwand_memory import EntryError, Fact, changed, credentials, gone

# Seconds.
PATIENCE_OTHER, PATIENCE_STDLIB = 2.0, 4.0  # a whole app may run inside an import statement, for ever


class Request(NamedTuple):
    pid: int
    start_time: int
    exec_id: str
    timeout: float
    # Seconds for which the doorbell may hold the main thread; 0: never (then it waits for the end of all imports).
    hold: float
    young: bool
    # The main thread only: a hold at the start is of no use in another one.
    main_only: bool
    # What a Python before 3.14 that wand started was told in its environment; None: by CPython's own protocol.
    ring: Optional[str] = None


class Visit(NamedTuple):
    """The worker answered: its socket, the line it sent, seconds from the request to armed and to inside."""

    sock: socket.socket
    line: Dict[str, object]
    armed: float
    inside: float


def script(doorbell: str, request: Request, bell: Bell) -> bytes:
    """What a worker is to run."""
    now = time.monotonic()
    status = credentials(request.pid)
    settings = {
        "pid": status.pids[-1] if status is not None else request.pid,
        "address": bell.address,
        "token": bell.token,
        "hold": request.hold,
        "young": request.young,
        "otherAt": now + PATIENCE_OTHER,
        "stdlibAt": now + PATIENCE_STDLIB,
    }
    # A bare except: the interrupted frame's built-ins may lack even BaseException.
    return ("%s\ntry:\n    ring(%r)\nexcept:\n    pass\n" % (doorbell, settings)).encode()


def program_state(request: Request, deadline: float, stopping: threading.Event) -> str:
    """ "frozen" or "runs". Raises EntryError once there is no use in going on."""
    if stopping.is_set():
        raise EntryError("gone", "the agent leaves")
    stat = procfs.read_stat(request.pid)
    if stat is None or stat.gone:
        raise gone(request.pid)
    # "0": whoever looked had no right to see it.
    program = str(stat.startstack)
    if stat.start != request.start_time or (program != request.exec_id and "0" not in (program, request.exec_id)):
        raise changed(request.pid)
    frozen = stat.state in "Tt" or (stat.state in "DS" and _frozen(request.pid))
    if time.monotonic() > deadline:
        if frozen:
            raise EntryError("frozen", "process %d is stopped or frozen" % request.pid, where(request.pid))
        raise EntryError("asleep", "no thread of process %d ran Python in time" % request.pid, where(request.pid))
    return "frozen" if frozen else "runs"


def where(pid: int) -> Dict[str, Fact]:
    """What the process waits in."""
    stat = procfs.read_stat(pid)
    return {"wchan": wait_channel(pid), "state": stat.state if stat is not None else None}


def wait_channel(pid: int) -> str:
    """The kernel's function that the main thread waits in; "" when it waits in none or we may not know."""
    text = (procfs.read_bytes("/proc/%d/wchan" % pid, 256) or b"").decode("ascii", "replace").strip()
    return "" if text == "0" else text


def _frozen(pid: int) -> bool:
    """A frozen cgroup: state D in the refrigerator (v1), S in a trap (v2)."""
    return wait_channel(pid) in ("__refrigerator", "do_freezer_trap", "do_jobctl_trap")
