#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Searches the model of fence, move and take-over to its end, then breaks it on purpose.

usage: check.py [--only NAME] [--keep FOLDER]

Each run below must be searched whole without an error; each defect must make spin find one.
--only does one run or defect; --keep leaves pan and its trail in FOLDER (then, there:
spin -t -p with the same -D options).

Exit codes: 0 all as it must be, 1 not, 2 usage, 77 spin or gcc is missing.
"""
import argparse
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile

MODEL = os.path.join(os.path.dirname(os.path.abspath(__file__)), "failover.pml")
MEGABYTES = 1024
SECONDS = 280  # of one run, at most

QUIET = "-DSLOTS=2 -DCLOSED=2 -DPROGRESS -DFAULTS=1 -DDEATHS=2 -DNO_READMIT"

# name: options of the model, whether cycles are searched (invariant 7: there is none)
RUNS = {
    "two-closed": ("-DSLOTS=2 -DCLOSED=2 -DISOLATES=0 -DNO_READMIT", False),
    "isolated-and-readmitted": ("-DSLOTS=2 -DCLOSED=1", False),
    "three-commands": ("-DSLOTS=3 -DCLOSED=1 -DNO_READMIT", False),
    "restored": ("-DSLOTS=2 -DCLOSED=1 -DNO_READMIT -DRESTORE", False),
    "quiet": (QUIET, True),
}
BROKEN = "-DSLOTS=2 -DCLOSED=1 -DNO_READMIT"
DEFECTS = {
    "NO_READ_BACK": BROKEN,
    "NO_SETTLE": BROKEN,
    "UNKNOWN_IS_FAILED": BROKEN,
    "NO_EPOCH": BROKEN,
    "FENCE_BELIEVES": BROKEN,
    "POWER_IS_UNBIND": BROKEN,
    "LATE_ANSWER": BROKEN,
    "REPAIR_AFTER_RESTORE": BROKEN + " -DRESTORE",
    "NO_RESUME": QUIET,
}


def search(folder, options, cycles):
    """Returns pan's output, and its CPU seconds."""
    os.makedirs(folder, exist_ok=True)
    subprocess.run(["spin", *options.split(), "-a", MODEL], cwd=folder, check=True,
                   stdout=subprocess.DEVNULL)
    subprocess.run(["gcc", "-O2", "-w", "-DNOREDUCE", "-DMEMLIM=%d" % MEGABYTES,
                    "-DNP" if cycles else "-DSAFETY", "-o", "pan", "pan.c"],
                   cwd=folder, check=True)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    # -E: that nothing can happen any more is no error by itself
    done = subprocess.run(["./pan", "-E", "-m1000000", "-w22"] + (["-l"] if cycles else []),
                          cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=SECONDS, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (done.stdout.decode(),
            after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def found(out):
    """What spin has found, or None."""
    match = re.search(r"^pan:1: (.*)$", out, re.M)
    return match.group(1)[:150] if match else None


def is_whole(out):
    """The search came to its end, with nothing cut off."""
    return ("errors: 0" in out and "Search not completed" not in out
            and "max search depth too small" not in out and "MEMLIM" not in out
            and "out of memory" not in out)


def size(out):
    """States, depth and megabytes."""
    return "%s states, depth %s, %s MB" % tuple(
        (re.search(p, out) or ["", "?"])[1]
        for p in (r"(\d+) states, stored", r"depth reached (\d+)",
                  r"([\d.]+)\s+total actual memory usage"))


def run_all(only, top):
    bad = 0
    for name, (options, cycles) in RUNS.items():
        if only and name != only:
            continue
        out, cpu = search(os.path.join(top, name), options, cycles)
        ok = is_whole(out) and not found(out)
        bad += not ok
        print("%s %s: %s, %.1f s of CPU%s" % ("ok  " if ok else "FAIL", name, size(out), cpu,
                                             "" if ok else ": " + (found(out) or "not searched whole")),
              flush=True)
        if not ok:
            print(out)
    for name, options in DEFECTS.items():
        if only and name != only:
            continue
        out, cpu = search(os.path.join(top, name), options + " -DDEFECT_" + name, False)
        what = found(out)
        ok = what is not None and "assertion violated" in what
        bad += not ok
        print("%s defect %s: %s, %.1f s of CPU" % ("ok  " if ok else "FAIL", name,
                                                  what or "NOT found", cpu), flush=True)
    return bad


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--only", choices=[*RUNS, *DEFECTS])
    parser.add_argument("--keep")
    args = parser.parse_args()
    if not shutil.which("spin") or not shutil.which("gcc"):
        print("skipped: spin or gcc is missing (cmake/deps.sh check)")
        return 77
    if args.keep:
        return 1 if run_all(args.only, args.keep) else 0
    with tempfile.TemporaryDirectory(prefix="fabric-model-") as top:
        return 1 if run_all(args.only, top) else 0


if __name__ == "__main__":
    sys.exit(main())
