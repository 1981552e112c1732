"""Owns one question: did the kernel kill something here for want of memory just now? The memory cgroup that we are in counts
that, with all below it. Standard library only, Python 3.8 or later."""

import re
import time
from typing import List, Optional

import _debugwand_procfs as procfs

_RECENT = 3.0  # seconds: from the kill to the end that is seen
_COUNT = re.compile(rb"^oom_kill (\d+)$", re.MULTILINE)


class OomKills:
    def __init__(self) -> None:
        self._path = next((path for path in _candidates() if _read(path) is not None), None)
        self._count = self._now()
        self._changed = 0.0

    def look(self) -> None:
        """To be called now and then: what was counted long ago is not recent."""
        count = self._now()
        if count != self._count:
            self._count = count
            self._changed = time.monotonic()

    def recent(self) -> bool:
        self.look()
        return self._changed > 0 and time.monotonic() - self._changed < _RECENT

    def _now(self) -> Optional[int]:
        return _read(self._path) if self._path is not None else None


def _candidates() -> List[str]:
    """Of both versions of cgroups. A container sees its own at the top, whatever its name is outside."""
    found: List[str] = []
    for line in (procfs.read_bytes("/proc/self/cgroup", 65536) or b"").decode("utf-8", "replace").splitlines():
        number, controllers, path = [*line.split(":", 2), "", ""][:3]
        if number == "0":
            found += ["/sys/fs/cgroup%s/memory.events" % path.rstrip("/"), "/sys/fs/cgroup/memory.events"]
        elif "memory" in controllers.split(","):
            top = "/sys/fs/cgroup/memory"
            found += ["%s%s/memory.oom_control" % (top, path.rstrip("/")), top + "/memory.oom_control"]
    return found


def _read(path: str) -> Optional[int]:
    """None: there is no such count."""
    found = _COUNT.search(procfs.read_bytes(path, 4096) or b"")
    return int(found.group(1)) if found is not None else None
