#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""16 chassis, each a fabricsim of its own, 1,024 hosts that beat at 1 Hz, 65,536 functions assigned.

usage: big.py [SECONDS]

fabricd's memory and processor time under the beats; kill -9 to "ready" (health 200: every chassis
scanned and reconciled); and what a switch that has stopped (SIGSTOP) costs the others: the time of
a failover in another chassis, with all well and beside the dead one."""
import json
import os
import signal
import subprocess
import sys
import time

from beats import cpu_seconds, memory_mib
from rig import Rig, judge, machine, program

CHASSIS, HOSTS, ADAPTERS, VFS = 16, 64, 32, 128
CONFIG = """\
[failover]
spare-windows = 1
rate-count = 64
"""
DELAY_MS = 100  # what one chassis may cost another, in a failover that is measured in milliseconds


class Many(Rig):
    """A rig with one switch provider for each chassis."""

    def __init__(self):
        super().__init__(HOSTS, 1, ADAPTERS, VFS, CONFIG)
        with open(self.at("chassis.json"), encoding="utf-8") as file:
            document = json.load(file)
        for n in range(1, CHASSIS + 1):
            document["number"] = n
            document["chassis"] = f"chassis {n}"
            for m, adapter in enumerate(document["adapters"]):
                adapter["serial"] = f"C{n:02d}A{m:04d}"
            with open(self.at(f"chassis{n}.json"), "w", encoding="utf-8") as file:
                json.dump(document, file)

    def __enter__(self):
        try:
            for n in range(1, CHASSIS + 1):
                self.start_switch(n)
            self.start_manager()
            self.wait("fabricd is ready", self.is_ready)
        except BaseException:
            self.__exit__()
            raise
        return self

    def switch_socket(self, n):
        return self.at(f"sim{n}.sock")

    def start_switch(self, n):
        with open(self.at(f"fabricsim{n}.log"), "ab") as log:
            self.processes[f"fabricsim{n}"] = subprocess.Popen(
                [program("fabricsim"), "run", "--chassis", self.at(f"chassis{n}.json"), "--state",
                 self.at(f"switch{n}.state"), "--socket", self.switch_socket(n)],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        self.wait("fabricsim listens", lambda: os.path.exists(self.switch_socket(n)))

    def start_manager(self):
        providers = [word for n in range(1, CHASSIS + 1)
                     for word in ("--provider", f"sim{n}={self.switch_socket(n)}")]
        return self.start("fabricd", "--config", self.at("fabricd.conf"), "--db",
                          self.at("fabricd.db"), "--socket", self.socket, "--log-level",
                          self.log_level, *providers)

    def fail_over(self, n, host):
        """Takes @host's power, in chassis @n. Return: milliseconds from verdict to done."""
        subprocess.run([program("fabricsim"), "host", "--socket", self.switch_socket(n),
                        host, "power", "off"], check=True, capture_output=True)
        steps = self.incident_done(host)["timeline"]
        at = {step["what"]: step["offset_ms"] for step in steps}
        return at["done"] - at["verdict"]


def host_of(chassis, bay):
    return f"bay{bay}" if chassis == 1 else f"ch{chassis}/bay{bay}"


def assign_all(rig):
    """Every function to a host of its chassis; bay64 of each has none, and is a spare."""
    chassis_of = {}
    for row in rig.list("adapters"):
        chassis_of[row["id"]] = int(row["serial"][1:3])
    by_chassis = {}
    for row in rig.list("functions"):
        if row["kind"] == "vf":
            by_chassis.setdefault(chassis_of[row["adapter"]], []).append(row["id"])
    count = 0
    for n, names in sorted(by_chassis.items()):
        rig.change([{"op": "assign", "function": name, "host": host_of(n, i % (HOSTS - 1) + 1)}
                    for i, name in enumerate(names)])
        rig.ctl("host", "set", host_of(n, HOSTS), "--spare", "on")
        count += len(names)
    return count


def main():
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    with Many() as rig:
        begin = time.monotonic()
        count = assign_all(rig)
        assigned_s = time.monotonic() - begin
        names = [row["id"] for row in rig.list("hosts")]
        with open(rig.at("hosts"), "w", encoding="ascii") as file:
            file.write("".join(name + "\n" for name in names))
        print(f"{machine()}; {count} functions assigned in {assigned_s:.1f} s, {len(names)} hosts, "
              f"{CHASSIS} chassis")
        load = subprocess.Popen([program("beats_load"), "--socket", rig.socket, "--names",
                                 rig.at("hosts"), "--seconds", str(seconds + 60)],
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        rig.wait("all hosts beat", lambda: all(row["state"] == "alive" for row in rig.list("hosts")))
        pid = rig.processes["fabricd"].pid
        start, spent = time.monotonic(), cpu_seconds(pid)
        time.sleep(seconds)
        share = 100 * (cpu_seconds(pid) - spent) / (time.monotonic() - start)
        memory = memory_mib(pid, "VmHWM:")
        well = [rig.fail_over(2, host_of(2, 1))]
        rig.processes["fabricsim3"].send_signal(signal.SIGSTOP)
        beside = [rig.fail_over(4, host_of(4, 1)), rig.fail_over(1, host_of(1, 2))]
        rig.processes["fabricsim3"].send_signal(signal.SIGCONT)
        load.kill()
        load.wait()
        manager = rig.processes.pop("fabricd")
        manager.kill()
        manager.wait()
        rig.connection = None
        begin = time.monotonic()
        rig.start_manager()
        rig.wait("fabricd is ready again", rig.is_ready)
        ready_s = time.monotonic() - begin
    missed = judge("fabricd's memory at its highest", [memory], most=256, unit=" MiB")
    missed |= judge("fabricd under beats, of a core", [share], most=5, unit=" %")
    missed |= judge("kill -9 to ready", [ready_s], most=10, unit=" s")
    print(f"failover of a host with 66 functions: {well[0]} ms, beside a dead switch {beside} ms")
    return missed | judge("what a dead switch costs another chassis",
                          [max(beside) - well[0]], most=DELAY_MS, unit=" ms")


sys.exit(main())
