#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Real blades: Linux guests, their disk moved by fabricd. See tests/blades/.

usage: blades.py failover proof|silence [RUNS]   kill -9 of a blade to its disk on the other one; with
                                                 proof of death, or beats alone (200 ms x 5)
       blades.py move [RUNS]                     a planned move, the blade's agent taking part
       blades.py own [RUNS]                      the manager's own time in a move: a switch without
                                                 latency, so that nobody else is waited for

A failover is told in three parts, which are not ours alone: detection (to the verdict), what manager
and provider did (to the bind that is read back), and what the guest's kernel did with the card
(about 1.1 s of it is pciehp's own delay). The second must be at most 0.1 s, the first at most 0.1 s
with proof, and 1.3 s (six beats and a look) without."""

import os
import sys
import time
import types
import unittest

from rig import Rig, judge, mac_of, machine, spread, wall_ms

os.environ["FABRIC_BIN"] = os.environ.get("FABRIC_BENCH_BIN", os.environ.get("FABRIC_BIN", ""))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tests/blades"))

BEAT_MS, MISSED = 200, 5
OURS_S, PROVED_S, SILENT_S = 0.1, 0.1, BEAT_MS * (MISSED + 1) / 1000 + 0.1
MOVE_S, OWN_S = 2.7, 0.010
# With proof, the beats are the usual ones: 1 s, so that silence is not what is measured.
# The spare is fit after two windows: by then the one that S6 asks for after the start is over.
CONFIG = """\
[heartbeat]
interval = {beat_ms}ms
missed = 5
[failover]
witness = {witness}
spare-windows = 2
rate-count = 64
flap-count = 0
"""


class Once(unittest.TestCase):
    """Stands for a test where a fabric of blades wants one."""

    def __init__(self):
        super().__init__("runTest")
        self._outcome = types.SimpleNamespace(
            result=types.SimpleNamespace(failures=[], errors=[]))
        self.cleanups = []

    def addCleanup(self, function, /, *words, **more):
        self.cleanups.append((function, words, more))

    def close(self):
        while self.cleanups:
            function, words, more = self.cleanups.pop()
            function(*words, **more)

    def runTest(self):
        pass


def fabric_of_blades(case, witness="any"):
    import pool  # only here: `own` needs no guest
    pool.BEAT_MS = BEAT_MS if witness == "none" else 1000
    fabric = pool.Blades(case, {"bay1": "kill", "bay2": "kill"}, [pool.disk(1)],
                         config=CONFIG.format(witness=witness, beat_ms=pool.BEAT_MS))
    fabric.start_all()
    return fabric


def at_of(step):
    """Seconds, as time.time()."""
    return wall_ms(step["time"]) / 1000


def fail_once(fabric, source, target):
    """Seconds: detection, ours, the kernel's."""
    disk = fabric.adapters[0]
    fabric.make_whole()
    fabric.spare(target, True)
    fabric.give(source, disk)
    fabric.wait("the spare is fit", lambda: fabric.request(
        "POST", f"/v1/hosts/{source}/failover", {"dry_run": True})[0] == 200)
    killed = time.time()
    fabric.blades[source].kill9()
    fabric.wait_seen(disk, target)
    seen = time.time()
    fabric.wait("the incident is done",
                lambda: (fabric.incident_of(source) or {}).get("state") == "done")
    steps = fabric.get(f"/v1/incidents/{fabric.incident_of(source)['id']}")["timeline"]
    verdict = at_of(next(step for step in steps if step["what"] == "verdict"))
    done = at_of(next(step for step in steps if step["what"] == "done"))
    return verdict - killed, done - verdict, seen - done


def failover(kind, runs):
    case = Once()
    try:
        fabric = fabric_of_blades(case, "none" if kind == "silence" else "any")
        bays = ["bay1", "bay2"]
        parts = list(zip(*(fail_once(fabric, *(bays if n % 2 else bays[::-1]))
                           for n in range(runs))))
    finally:
        case.close()
    detection, ours, kernel = parts
    total = [sum(row) for row in zip(*parts)]
    print(f"   {machine()}; {runs} runs, {kind}; median (least .. most)")
    print(f"   the guest's kernel: {spread(kernel, unit=' s')}")
    print(f"   in all: {spread(total, unit=' s')}")
    limit = PROVED_S if kind == "proof" else SILENT_S
    return (judge("detection", detection, most=limit, unit=" s") |
            judge("manager and provider", ours, most=OURS_S, unit=" s"))


def move_once(fabric, source, target):
    disk = fabric.adapters[0]
    began = time.monotonic()
    fabric.move(target, disk)
    return time.monotonic() - began


def move(runs):
    case = Once()
    try:
        fabric = fabric_of_blades(case)
        fabric.make_whole()
        fabric.give("bay1", fabric.adapters[0])
        fabric.wait("the agent has told of it",
                    lambda: fabric.get("/v1/hosts/bay1")["seen"])
        bays = ["bay1", "bay2"]
        took = [move_once(fabric, *(bays if n % 2 == 0 else bays[::-1])) for n in range(runs)]
    finally:
        case.close()
    print(f"   {machine()}; from the request to the disk in the other guest")
    return judge("planned move", took, most=MOVE_S, unit=" s")


def own(runs):
    took = []
    with Rig(2, 1, 2, 4) as rig:
        hosts = [row["id"] for row in rig.list("hosts")]
        name = next(row["id"] for row in rig.list("functions")
                    if row["kind"] == "vf" and row["id"].startswith("nic-"))
        rig.change([{"op": "assign", "function": name, "host": hosts[0],
                     "identity": {"mac": mac_of(1)}}])
        for n in range(runs):
            took.append(rig.change([{"op": "move", "function": name,
                                     "host": hosts[1 - n % 2]}])[0])
    print(f"   {machine()}; moves of a function on a switch without latency, commits included")
    return judge("the manager's own time in a move", took, most=OWN_S, unit=" s")


def main(words):
    runs = int(words[-1]) if words[-1].isdigit() else 5
    if words[0] == "failover":
        return failover(words[1], runs)
    return move(runs) if words[0] == "move" else own(runs if words[-1].isdigit() else 50)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
