"""Owns what a worker says to the agent: JSON lines over the socket. Runs inside the worker. Standard library only."""

import json
import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Words:
    """Silent once the agent is gone."""

    def __init__(self, sock: "Any") -> None:
        self._sock = sock
        self._lock = threading.Lock()

    def send(self, **line: object) -> None:
        raw = json.dumps(line).encode("utf-8", "replace") + b"\n"
        with self._lock:
            try:
                self._sock.sendall(raw)
            except OSError:
                pass
