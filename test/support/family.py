"""A program whose children come and go as it is told on stdin, one command a line; it answers with a pid each."""

import os
import subprocess
import sys
import threading
import time

NAP = "import time; time.sleep(1000)"
started = []


def fork():
    pid = os.fork()
    if pid == 0:
        os.close(0)
        time.sleep(1000)
    return pid


def fork_in_thread():
    pids = []
    thread = threading.Thread(target=lambda: pids.append(fork()))
    thread.start()
    thread.join()
    return pids[0]


def spawn(*args):
    process = subprocess.Popen(args, stdin=subprocess.DEVNULL)
    started.append(process)
    return process.pid


def change(pid_of_nobody=0):
    """A child that becomes another program of the same interpreter after a while."""
    code = "import os, sys, time; time.sleep(0.7); os.execv(sys.executable, [sys.executable, '-c', %r, 'changed'])" % NAP
    return spawn(sys.executable, "-c", code)


def chain():
    """A child with a child; the first is killed by the test."""
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', %r, 'grandchild'])" % NAP
    return spawn(sys.executable, "-c", code)


def agent():
    code = "import subprocess, sys; 'debugwand'; subprocess.run([sys.executable, '-c', %r, 'of the agent'])" % NAP
    return spawn(sys.executable, "-I", "-S", "-u", "-c", code)


def shell():
    """A shell that becomes a Python only later."""
    return spawn("sh", "-c", 'sleep 0.7; exec "$0" -c "$1" late', sys.executable, NAP)


def many():
    for _ in range(100):
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)
    return 0


COMMANDS = {
    "fork": fork,
    "fork in a thread": fork_in_thread,
    "spawn": lambda: spawn(sys.executable, "-c", NAP),
    "sleep": lambda: spawn("sleep", "1000"),
    "change": change,
    "chain": chain,
    "agent": agent,
    "shell": shell,
    "many": many,
}

for line in sys.stdin:
    print(COMMANDS[line.strip()](), flush=True)
