#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A host that falls silent: its 8 functions on the spare, beside keepalived's address on the backup.

usage: keepalived.py [RUNS]

keepalived: its defaults (an advertisement each second), two network namespaces joined by a pair of
virtual interfaces; kill -9 of all its processes on the master, until the address stands on the
backup's interface. It fences nothing: the old master keeps the address too. fabricd: beats of 1 s, 3
missed, kill -9 of the agent while the blade lives on, a switch without latency; until all functions
are fenced, moved and read back. In turns, in one run.

Needs root and Debian's packages keepalived and iproute2; exit 77 where they are missing."""
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time

from failover import check, prepare
from rig import Rig, judge, machine, spread

NAMES = (f"fabric-a-{os.getpid()}", f"fabric-b-{os.getpid()}")
ADDRESS = "10.99.99.9"
CONFIG = """\
[heartbeat]
interval = 1s
missed = 3
[failover]
spare-windows = 1
"""
ROUTER = """\
vrrp_instance fabric {
    state BACKUP
    interface pair%d
    virtual_router_id 51
    priority %d
    virtual_ipaddress {
        %s/24
    }
}
"""


def ip(*words):
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True).stdout


class Pair:
    """Two namespaces with a keepalived each; the first is the master."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="fabric-bench-")
        self.routers = []

    def __enter__(self):
        for name in NAMES:
            ip("netns", "add", name)
        ip("link", "add", "pair0", "netns", NAMES[0], "type", "veth", "peer", "name", "pair1",
           "netns", NAMES[1])
        for n, name in enumerate(NAMES):
            ip("-n", name, "address", "add", f"10.99.99.{n + 1}/24", "dev", f"pair{n}")
            ip("-n", name, "link", "set", "lo", "up")
            ip("-n", name, "link", "set", f"pair{n}", "up")
        for n, name in enumerate(NAMES):
            path = os.path.join(self.folder, f"{n}.conf")
            with open(path, "w", encoding="ascii") as file:
                file.write(ROUTER % (n, 101 - n, ADDRESS))
            os.chmod(path, 0o600)
            self.routers.append(subprocess.Popen(
                ["ip", "netns", "exec", name, "keepalived", "--dont-fork", "--log-console",
                 "--vrrp", "--use-file", path, "--pid", path + ".pid", "--vrrp_pid", path + ".vrrp"],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True))
        return self

    def __exit__(self, *_):
        for n in range(len(self.routers)):
            self.kill(n)
        for name in NAMES:
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def kill(self, n):
        """-9, all its processes, at once."""
        pids = ip("netns", "pids", NAMES[n]).split()
        if pids:
            subprocess.run(["kill", "-9", *pids], check=False, capture_output=True)
        self.routers[n].wait()

    @staticmethod
    def has_address(n):
        return ADDRESS in ip("-n", NAMES[n], "-o", "address", "show")

    def wait_for_address(self, n):
        end = time.monotonic() + 60
        while not self.has_address(n):
            if time.monotonic() > end:
                sys.exit("keepalived: the address does not come")
            time.sleep(0.005)


def keepalived():
    """Seconds from the master's death to the address at the backup."""
    with Pair() as pair:
        pair.wait_for_address(0)
        time.sleep(3 + random.random())  # at any moment between two advertisements
        pair.kill(0)
        begin = time.monotonic()
        pair.wait_for_address(1)
        seconds = time.monotonic() - begin
        if not pair.has_address(0):
            sys.exit("keepalived: the old master has lost the address; this is not what is compared")
    return seconds


def fabricd():
    """Seconds from the agent's death to the last of 8 functions read back on the spare."""
    with Rig(4, 1, 2, 16, CONFIG) as rig:
        victim, target, functions = prepare(rig, 8, interval_ms=1000)
        time.sleep(3 + random.random())  # S6: one whole window; at any moment between two beats
        rig.processes.pop("agent-" + victim).kill()
        begin = time.monotonic()
        rig.incident_done(victim)
        seconds = time.monotonic() - begin
        check(rig, target, functions)
        state = rig.get(f"/v1/hosts/{victim}")["state"]
        if state != "fenced":
            sys.exit(f"{victim} is {state}, not fenced")
    return seconds


def main():
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    if os.getuid() or not shutil.which("keepalived") or not shutil.which("ip"):
        print("skipped: needs root, keepalived and ip (apt-get install keepalived iproute2)")
        return 77
    print(machine())
    ours, theirs = [], []
    for _ in range(runs):
        theirs.append(keepalived())
        ours.append(fabricd())
    print(f"keepalived, nothing fenced: {spread(theirs, 2, ' s')}; fabricd, fenced, 8 functions bound "
          f"and read back: {spread(ours, 2, ' s')}")
    middle = sorted(theirs)[len(theirs) // 2]
    return judge("of keepalived's median", [seconds / middle for seconds in ours], most=1)


sys.exit(main())
