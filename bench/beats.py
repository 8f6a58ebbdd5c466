#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""256 hosts beating at 1 Hz over the control socket, 16,384 functions: fabricd's processor time and
memory. Each host has 64 of the functions.

usage: beats.py [RUNS [SECONDS]]"""
import os
import subprocess
import sys
import time

from rig import Rig, judge, machine, program

HOSTS, SWITCHES, ADAPTERS, VFS = 256, 4, 256, 64
FIRST_S = 5  # until all have beaten and are stored


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mib(pid, name):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return int(next(line for line in file if line.startswith(name)).split()[1]) / 1024


def main():
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    seconds = int(sys.argv[2]) if len(sys.argv) > 2 else 30
    shares, now, peak = [], [], []
    with Rig(HOSTS, SWITCHES, ADAPTERS, VFS) as rig:
        functions = [row["id"] for row in rig.list("functions") if row["kind"] == "vf"]
        for first in range(0, len(functions), 4096):
            rig.change([{"op": "assign", "function": name, "host": f"bay{n % HOSTS + 1}"}
                        for n, name in enumerate(functions[first:first + 4096])])
        pid = rig.processes["fabricd"].pid
        load = subprocess.Popen([program("beats_load"), "--socket", rig.socket, "--hosts",
                                 str(HOSTS), "--seconds", str(FIRST_S + runs * seconds + 2)],
                                stdout=subprocess.PIPE, text=True)
        time.sleep(FIRST_S)
        alive = sum(row["state"] == "alive" for row in rig.list("hosts"))
        for _ in range(runs):
            start, spent = time.monotonic(), cpu_seconds(pid)
            time.sleep(seconds)
            shares.append(100 * (cpu_seconds(pid) - spent) / (time.monotonic() - start))
            now.append(memory_mib(pid, "VmRSS:"))
        answered = load.communicate()[0].strip()
        still = sum(row["state"] == "alive" for row in rig.list("hosts"))
        peak.append(memory_mib(pid, "VmHWM:"))
    if load.returncode or alive != HOSTS or still != HOSTS:
        sys.exit(f"{answered}; alive: {alive}, then {still} of {HOSTS}")
    print(f"{machine()}; {len(functions)} functions assigned, {HOSTS} hosts, {seconds} s a run; "
          f"{answered}")
    missed = judge("fabricd under beats, of a core", shares, most=2, unit=" %")
    missed |= judge("fabricd's memory under beats", now, most=64, unit=" MiB")
    return missed | judge("its highest", peak, most=64, unit=" MiB")


if __name__ == "__main__":
    sys.exit(main())
