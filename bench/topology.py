#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Our reading of a large capture against lspci's: ratio, spread, memory.

usage: topology.py FABRICCTL CAPTURE [RUNS]
CAPTURE is repeated over 200 domains: with the one that topology.sh gives, 10,400 functions, 129 MB.
"""
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time

DOMAINS = 200


def generate(source, path):
    with open(source, "rb") as capture:
        devices = capture.read().split(b"\n0000:")
    with open(path, "wb") as out:
        for domain in range(DOMAINS):
            mark = b"%04x:" % domain
            out.write(mark + devices[0][len(b"0000:"):])
            out.writelines(b"\n" + mark + device for device in devices[1:])


def measure(command):
    """Seconds of the wall clock, peak resident KiB."""
    with open(os.devnull, "wb") as nowhere:
        start = time.monotonic()
        process = subprocess.Popen(command, stdout=nowhere, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)}: exit {process.returncode}")
    return seconds, usage.ru_maxrss


def machine():
    with open("/proc/cpuinfo") as info:
        model = next((line.split(":")[1].strip() for line in info if "model name" in line), "?")
    return f"{model}, {os.cpu_count()} processors, {platform.system()} {platform.release()}"


def show(name, runs):
    seconds = sorted(run[0] for run in runs)
    print(f"{name:8} {statistics.median(seconds):6.3f} s median "
          f"({seconds[0]:.3f} .. {seconds[-1]:.3f}, {len(runs)} runs), "
          f"{max(run[1] for run in runs) / 1024:.1f} MiB")
    return statistics.median(seconds)


def main():
    program, source = sys.argv[1:3]
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 5
    with tempfile.TemporaryDirectory() as place:
        path = os.path.join(place, "fabric.lspci")
        generate(source, path)
        ours = [program, "topology", "--from", "dump:" + path, "-o", "json"]
        theirs = ["lspci", "-F", path, "-vvv"]
        print(f"capture: {os.path.getsize(path) / 1e6:.0f} MB; {machine()}")
        print("ours:   ", " ".join(ours), ">/dev/null")
        print("lspci:  ", " ".join(theirs), ">/dev/null")
        # In turn, so that what else the machine does falls on both.
        runs = [(measure(theirs), measure(ours)) for _ in range(count)]
    slow = show("lspci", [run[0] for run in runs])
    fast = show("ours", [run[1] for run in runs])
    memory = max(run[1][1] for run in runs) / 1024
    ratios = sorted(run[1][0] / run[0][0] for run in runs)
    print(f"ratio    {fast / slow:.3f} ({ratios[0]:.3f} .. {ratios[-1]:.3f}), to reach: 0.2; "
          f"memory {memory:.1f} MiB, to reach: 64 MiB")
    return 0 if fast / slow <= 0.2 and memory <= 64 else 1


sys.exit(main())
