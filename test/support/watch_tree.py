"""Runs the payload's Watcher alone, for tests: `watch_tree.py PAYLOAD SCOPE STATS_SECONDS WITHOUT`. One line of JSON for
each event, with `at` (ms since the epoch) added; ends when stdin does, with a line that says what watching cost. WITHOUT
takes away what a kernel, a container or a small Python may lack: pidfd, inotify, loadavg, children (comma between)."""

import json
import os
import select
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])

import _debugwand_noticing as noticing  # noqa: E402
import _debugwand_procfs as procfs  # noqa: E402
import _debugwand_watch as watch  # noqa: E402

without = sys.argv[4].split(",")
if "pidfd" in without:
    watch.pidfd_open = lambda pid: -1
if "inotify" in without:
    noticing.Libc.get = classmethod(lambda cls: None)
if "loadavg" in without:
    noticing.LastPid.read = lambda self: 0
if "children" in without:
    noticing.Children.available = property(lambda self: False, lambda self, value: None)
    procfs.read_children = lambda pid: []

watcher = watch.Watcher(json.loads(sys.argv[2]), float(sys.argv[3]))
begun, cpu, steps = time.monotonic(), time.process_time(), 0
events = watcher.step([], time.monotonic())
first = time.process_time() - cpu
begun, cpu = time.monotonic(), time.process_time()
poll = select.poll()
for fd in watcher.fds():
    poll.register(fd, select.POLLIN)
poll.register(0, select.POLLIN)
while True:
    for event in events:
        event["at"] = time.time() * 1000
        sys.stdout.write(json.dumps(event) + "\n")
    if events:
        sys.stdout.flush()
    wait = watcher.timeout(time.monotonic())
    ready = [fd for fd, _ in poll.poll(None if wait is None else wait * 1000)]
    if 0 in ready and not os.read(0, 4096):
        break
    steps += 1
    events = watcher.step([fd for fd in ready if fd], time.monotonic())
seconds = time.monotonic() - begun
cost = {"event": "cost", "share": (time.process_time() - cpu) / seconds, "steps": steps / seconds, "first": first}
cost["descriptors"] = len(os.listdir("/proc/self/fd"))
sys.stdout.write(json.dumps(cost) + "\n")
watcher.close()
