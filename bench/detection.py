#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""How long a host's silence lasts before it is judged dead, and whether anybody is judged wrongly.

usage: detection.py fast [RUNS]      200 ms x 5: agents killed at random moments, death to verdict
       detection.py busy [MINUTES]   the same beats, all 16 hosts well, every processor kept busy by
                                     others: verdicts, and hosts suspected

The last beat lies up to one interval before the death, so silence of five beats is seen 0.8 to 1.0 s
after it, and the verdict comes with the next look of the manager."""
import os
import random
import subprocess
import sys
import time

from rig import Rig, judge, machine, spread, wall_ms

HOSTS, INTERVAL_MS, MISSED = 16, 200, 5
TICK_MS = 50  # beats and deadlines are looked at by timers; each may be so late on a quiet machine
CONFIG = f"""\
[heartbeat]
interval = {INTERVAL_MS}ms
missed = {MISSED}
[failover]
spare-windows = 1
rate-count = 64
"""


def beating(rig):
    """Every host's agent, all alive, and the first window over: from here on they are judged."""
    hosts = [row["id"] for row in rig.list("hosts")]
    for host in hosts:
        rig.agent(host, INTERVAL_MS)
    rig.wait("all hosts beat", lambda: all(row["state"] == "alive" for row in rig.list("hosts")))
    time.sleep(2 * INTERVAL_MS * MISSED / 1000)
    return hosts


def verdict_ms(rig, host):
    """Wall time of the verdict on @host, once its incident has ended."""
    steps = rig.incident_done(host)["timeline"]
    return wall_ms(next(step for step in steps if step["what"] == "verdict")["time"])


def fast(runs):
    delays = []
    with Rig(HOSTS, 1, 2, 16, CONFIG) as rig:
        hosts = beating(rig)
        for host in hosts[:runs]:
            time.sleep(random.random() * INTERVAL_MS / 1000)
            process = rig.processes.pop("agent-" + host)
            process.kill()
            died_ms = time.time() * 1000
            process.wait()
            delays.append(verdict_ms(rig, host) - died_ms)
    least, most = INTERVAL_MS * (MISSED - 1), INTERVAL_MS * MISSED + TICK_MS
    print(f"death to verdict: {spread(delays, 0, ' ms')}; theory: {least} to {most - TICK_MS} ms and "
          f"a tick of {TICK_MS} ms")
    outside = sum(not least - 1 <= delay <= most for delay in delays)
    return judge(f"deaths seen outside of {least} .. {most} ms", [outside], most=0)


def busy(minutes):
    loads = [subprocess.Popen([sys.executable, "-c", "while True: pass"])
             for _ in range(os.cpu_count() or 1)]
    try:
        with Rig(HOSTS, 1, 2, 16, CONFIG) as rig:
            beating(rig)
            rig.connection = None  # one that idles so long is closed
            time.sleep(minutes * 60)
            wrong = len(rig.list("incidents"))
            suspected = rig.log("fabricd").count(": suspect, ")
            rows = rig.list("hosts")
    finally:
        for load in loads:
            load.kill()
            load.wait()
    print(f"{minutes} minutes, {HOSTS} hosts, {len(loads)} busy loops beside them, load "
          f"{os.getloadavg()[0]:.1f}; suspected and heard again: {suspected}; alive at the end: "
          f"{sum(row['state'] == 'alive' for row in rows)}")
    return judge("hosts judged dead that were well", [wrong], most=0)


def main():
    what, *numbers = sys.argv[1:] or ["fast"]
    print(machine())
    if what == "fast":
        return fast(int(numbers[0]) if numbers else 12)
    return busy(float(numbers[0]) if numbers else 2)


sys.exit(main())
