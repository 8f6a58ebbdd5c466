#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""1000 hosts beating at 10 Hz as authenticated datagrams, each with a key of its own and each beat
answered: fabricd's processor time, against crypto_auth and crypto_auth_verify alone in the same run.

usage: datagrams.py [RUNS [SECONDS]]"""
import json
import socket
import subprocess
import sys
import time

from rig import Rig, judge, machine, program, spread

HOSTS, SWITCHES, RATE = 1000, 16, 10
FIRST_S = 5  # until all have proved their boots and are stored


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def cpu_seconds(pid):
    """To the nanosecond, of all its threads."""
    done = subprocess.run(["sh", "-c", f"cat /proc/{pid}/task/*/schedstat"], capture_output=True,
                          text=True, check=True)
    return sum(int(line.split()[0]) for line in done.stdout.splitlines()) / 1e9


def beats_of(rig, name):
    return rig.get("/v1/hosts/" + name)["beats"]


def main():
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    seconds = int(sys.argv[2]) if len(sys.argv) > 2 else 10
    port = free_port()
    shares, alone, ratio = [], [], []
    config = f"[heartbeat]\ninterval = 100ms\nmissed = 30\nudp = 127.0.0.1:{port}\n"
    with Rig(HOSTS, SWITCHES, 2, 8, config) as rig:
        with open(rig.at("keys.txt"), "w", encoding="ascii") as file:
            for n in range(1, HOSTS + 1):
                status, text = rig.request("POST", f"/v1/hosts/bay{n}/enroll", "{}")
                if status != 200:
                    sys.exit(f"enroll bay{n}: {status} {text}")
                file.write(f"bay{n} {json.loads(text)['key']}\n")
        pid = rig.processes["fabricd"].pid
        load = subprocess.Popen([program("datagrams_load"), "--to", f"127.0.0.1:{port}", "--keys",
                                 rig.at("keys.txt"), "--rate", str(RATE), "--seconds",
                                 "3600"],
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        time.sleep(FIRST_S)
        alive = sum(row["state"] == "alive" for row in rig.list("hosts"))
        for _ in range(runs):
            one = float(subprocess.run([program("datagrams_load"), "--reference"], check=True,
                                       capture_output=True, text=True).stdout)
            alone.append(100 * HOSTS * RATE * one / 1e6)
            start, spent = time.monotonic(), cpu_seconds(pid)
            time.sleep(seconds)
            shares.append(100 * (cpu_seconds(pid) - spent) / (time.monotonic() - start))
            ratio.append(shares[-1] / alone[-1])
        still = sum(row["state"] == "alive" for row in rig.list("hosts"))
        counts = [beats_of(rig, f"bay{n}") for n in (1, HOSTS // 2, HOSTS)]
        answered = load.communicate()[0].strip()
    if load.returncode or alive != HOSTS or still != HOSTS:
        sys.exit(f"{answered}; alive: {alive}, then {still} of {HOSTS}; {counts}")
    print(f"{machine()}; {HOSTS} hosts at {RATE} Hz, {seconds} s a run; {answered}; of bay1: "
          f"{counts[0]}")
    missed = judge("fabricd under authenticated beats, of a core", shares, most=10, unit=" %")
    print(f"         crypto_auth and crypto_auth_verify alone, of a core: {spread(alone, unit=' %')}; "
          f"fabricd is {spread(ratio, digits=2)} times that")
    return missed


sys.exit(main())
