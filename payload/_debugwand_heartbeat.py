"""Owns gunicorn's heartbeat while the worker is paused: gunicorn kills a worker whose unlinked file `wgunicorn-…` has an
old time. Runs inside the worker. Standard library only."""

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List

SECONDS = 0.5

# No machine is up for so long: a time below it is of the monotonic clock, which gunicorn uses since version 21.
_MONOTONIC_BELOW = 1e9


def heartbeat_files() -> "List[int]":
    """Descriptors of this process."""
    found: List[int] = []
    try:
        names = os.listdir("/proc/self/fd")
    except OSError:
        return found
    for name in names:
        try:
            if os.path.basename(os.readlink("/proc/self/fd/" + name)).startswith("wgunicorn-"):
                found.append(int(name))
        except (OSError, ValueError):
            continue
    return found


def beat(files: "List[int]") -> None:
    for descriptor in files:
        try:
            now = time.monotonic() if os.fstat(descriptor).st_mtime < _MONOTONIC_BELOW else time.time()
            os.utime(descriptor, (now, now))
        except OSError:
            continue
