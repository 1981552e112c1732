"""Owns what the first bytes of a client mean: a probe of the kubelet, HTTP, or something else; and the answer to a probe.
Pure. Runs inside the worker. Standard library only."""

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional, Tuple

MOST_HEAD = 8192

_REQUEST = re.compile(rb"(GET|HEAD) ([^ \r\n]+) HTTP/1\.[01]\r\n")
_BY_KUBELET = re.compile(rb"\r\nuser-agent:[ \t]*kube-probe/", re.I)
_HTTP = re.compile(rb"[A-Z]{2,20} ")
_REASONS = {200: "OK", 503: "Service Unavailable"}
_BODY = b"paused by the debugger\n"


def probe_of(head: bytes) -> "Optional[Tuple[str, str]]":
    """(method, path) when it is a whole request of the kubelet; ("", "") when it may become one; None: never."""
    end = head.find(b"\r\n\r\n")
    if end < 0:
        begins = any(head.startswith(word) or word.startswith(head) for word in (b"GET ", b"HEAD "))
        return ("", "") if begins and len(head) < MOST_HEAD else None
    found = _REQUEST.match(head)
    if found is None or _BY_KUBELET.search(head[:end]) is None:
        return None
    return found.group(1).decode(), found.group(2).decode("latin-1")


def is_http(head: bytes) -> bool:
    return _HTTP.match(head) is not None


def answer(method: str, status: int) -> bytes:
    head = (
        "HTTP/1.1 %d %s\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: close\r\n"
        "X-Debugwand: paused\r\n\r\n" % (status, _REASONS.get(status, "Status"), len(_BODY))
    )
    return head.encode() + (b"" if method == "HEAD" else _BODY)
