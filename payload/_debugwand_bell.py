"""Owns the socket that a doorbell calls back on: abstract, of a name that nobody can guess, and only the process that it was
sent to is heard. Runs in the agent. Standard library only, Python 3.8 or later."""

import json
import os
import select
import socket
import struct
from typing import Dict, Optional, Tuple, cast

_MOST_LINE = 4096


class Bell:
    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.token = os.urandom(16).hex()
        self.address = "debugwand-%s" % os.urandom(16).hex()
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)

    def hang(self) -> None:
        """Raises OSError."""
        self._listener.bind(b"\0" + self.address.encode())
        self._listener.listen(8)
        self._listener.setblocking(False)

    def close(self) -> None:
        self._listener.close()

    def answer(self, seconds: float) -> Optional[Tuple[socket.socket, Dict[str, object]]]:
        """The doorbell's socket and line, from the process it was sent to; None when nobody rang."""
        poller = select.poll()
        poller.register(self._listener, select.POLLIN)
        if not poller.poll(max(1, int(seconds * 1000))):
            return None
        try:
            sock, _ = self._listener.accept()
        except OSError:
            return None
        sock.settimeout(1.0)
        try:
            peer = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
            raw = b""
            while not raw.endswith(b"\n") and len(raw) < _MOST_LINE:
                chunk = sock.recv(_MOST_LINE)
                if not chunk:
                    break
                raw += chunk
            line: object = json.loads(raw)
            said = cast(Dict[str, object], line) if isinstance(line, dict) else {}
            if said.get("token") == self.token and peer in (0, self._pid):
                return sock, said
        except (OSError, ValueError):
            pass
        sock.close()
        return None
