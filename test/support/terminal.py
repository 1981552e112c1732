"""
A terminal for tests: a program on a pseudo terminal of its own, as leader of its session.

Orders come in as JSON, one a line: {"write": text}, {"resize": [rows, columns]}, {"modes": true}, {"hangup": true}.
News go out the same way: {"output": text}, {"modes": {...}}, {"exit": status} with 128 + n for a signal.
"""

import codecs
import fcntl
import json
import os
import pty
import select
import struct
import sys
import termios


def say(news: dict[str, object]) -> None:
    print(json.dumps(news), flush=True)


def resize(terminal: int, rows: int, columns: int) -> None:
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def modes(terminal: int) -> dict[str, object]:
    local = termios.tcgetattr(terminal)[3]
    return {
        "canonical": bool(local & termios.ICANON),
        "echo": bool(local & termios.ECHO),
        "signals": bool(local & termios.ISIG),
        "foreground": os.tcgetpgrp(terminal),
    }


def main() -> None:
    rows, columns, *command = sys.argv[1:]
    child, terminal = pty.fork()
    if child == 0:
        # The size is there before the program is.
        resize(0, int(rows), int(columns))
        os.execvp(command[0], command)
    say({"pid": child})
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    orders = b""
    open_ends = [terminal, 0]
    while open_ends:
        for end in select.select(open_ends, [], [])[0]:
            try:
                data = os.read(end, 65536)
            except OSError:
                data = b""  # the last one who had the terminal open is gone
            if not data:
                # Nobody has the terminal open any more, or nobody looks at it: its window is closed.
                open_ends = []
                break
            if end == terminal:
                say({"output": decoder.decode(data)})
                continue
            orders += data
            *lines, orders = orders.split(b"\n")
            for line in lines:
                order = json.loads(line)
                if "write" in order:
                    os.write(terminal, order["write"].encode())
                if "resize" in order:
                    resize(terminal, *order["resize"])
                if "modes" in order:
                    say({"modes": modes(terminal)})
                if "hangup" in order:
                    open_ends = []
    os.close(terminal)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    say({"exit": code if code >= 0 else 128 - code})


main()
