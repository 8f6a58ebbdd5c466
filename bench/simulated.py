#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Simulated minutes per second of one core's time: 16 hosts, while faults are on (the quiet after
them goes faster, and is not counted).

usage: simulated.py [RUNS]"""
import re
import subprocess
import sys

from rig import judge, machine, program

MINUTES, SEEDS = 4, 25


def main():
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 4
    rates = []
    for run in range(runs):
        words = [program("simulation"), "--seeds", f"{run * SEEDS + 1}-{(run + 1) * SEEDS}",
                 "--minutes", str(MINUTES), "--hosts", "16"]
        done = subprocess.run(words, capture_output=True, text=True)
        print(" ".join(["simulation", *words[1:]]) + ": " + done.stdout.strip().split("\n")[0])
        if done.returncode:
            sys.exit("an invariant is broken")
        rates.append(float(re.search(r"([\d.]+) while faults are on", done.stdout)[1]))
    print(machine())
    return judge("simulated minutes per second of a core", rates, least=60)


sys.exit(main())
