#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Is what a daemon did a run of the model?

usage: accept.py --function NAME --hosts A,B,SPARE [--isolates 0|1] [--explain] LOG

Reads the log of a fabricd (--log-level debug) with one function that is given to hosts, which begins
when that function is bound to host A, and asks spin whether failover.pml can send these commands, be
told these answers and judge these hosts, in this order. Each start of fabricd in the log is a
crash before it. What the log does not tell (when rows reach the disk, what the switch does late) is left
to spin to find. --explain prints the steps.

Exit codes: 0 it is one, 1 it is not (the first step that no run of the model can take is named),
2 usage, 77 spin or gcc is missing.
"""
import argparse
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
MODEL = os.path.join(HERE, "failover.pml")
MEGABYTES = 1024
SECONDS = 120
STEPS = 250  # of one log, at most: pos is a byte

# As in failover.pml.
VERBS = {("unbind", "0"): "UNBIND", ("reset", "0"): "RESET", ("bind", "0"): "BIND",
         ("isolate", "1"): "ISOLATE", ("isolate", "0"): "OPEN_PORT", ("host-power", "0"): "POWER_OFF"}
EVENTS = {"host.fencing": "IS_FENCING", "host.fencing-again": "IS_FENCING",
          "host.fenced": "IS_FENCED", "host.fenced-again": "IS_FENCED",
          "host.blocked": "IS_BLOCKED", "host.readmitted": "IS_OPEN"}
ATTEMPT = re.compile(r" attempt \d+: (\S+) (\S+) (\S+) (\d+): (.*)$")
EVENT = re.compile(r" event \d+: (\S+) (\S+): ")
START = re.compile(r" daemon: \S+ serves ")


class Unknown(Exception):
    """The log has something that the model knows nothing of."""


def step_of_attempt(match, function, hosts):
    verb, name, host, value, how = match.groups()
    kind = {"leaves": "SENT", "done": "TOLD"}.get(how)
    if kind is None or (name != "-" and name != function):
        return None
    if verb in ("isolate", "host-power"):
        what = VERBS.get((verb, value))
    else:
        what = VERBS.get((verb, "0"))
    if what is None:
        return None
    if what == "RESET":
        return f"{kind}({what}, 0)"
    if host not in hosts:
        raise Unknown(f"{what} names {host}, which is none of {', '.join(hosts)}")
    return f"{kind}({what}, {hosts.index(host) + 1})"


def steps_of(text, function, hosts):
    """The log as steps of the model; lines that it does not see are left out."""
    steps = []
    for line in text.splitlines():
        match = ATTEMPT.search(line)
        if match:
            step = step_of_attempt(match, function, hosts)
        elif START.search(line):
            step = "CRASHED"
        else:
            match = EVENT.search(line)
            step = None
            if match and match.group(1) in EVENTS and match.group(2) in hosts:
                step = f"{EVENTS[match.group(1)]}({hosts.index(match.group(2)) + 1})"
        if step:
            steps.append(step)
    return steps


def accepted(steps, isolates=1):
    """(True, 0), or (False, the step that no run can take, from 0 on)."""
    if not steps:
        raise Unknown("the log has no step of the model")
    if len(steps) > STEPS:
        raise Unknown(f"the log has {len(steps)} steps; at most {STEPS} can be looked at")
    with tempfile.TemporaryDirectory(prefix="fabric-accept-") as folder:
        with open(os.path.join(folder, "trace.h"), "w", encoding="ascii") as out:
            out.write(f"#define LEN {len(steps)}\n#define TRACE_FILL "
                      + "; ".join(f"log[{i}] = {step}" for i, step in enumerate(steps)) + "\n")
        with open(MODEL, encoding="ascii") as model, \
             open(os.path.join(folder, "failover.pml"), "w", encoding="ascii") as copy:
            copy.write(model.read())
        subprocess.run(["spin", "-DTRACE", "-DSLOTS=3", "-DCLOSED=3", f"-DISOLATES={isolates}", "-a",
                        "failover.pml"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        subprocess.run(["gcc", "-O1", "-w", "-DNOREDUCE", f"-DMEMLIM={MEGABYTES}", "-DSAFETY",
                        "-o", "pan", "pan.c"], cwd=folder, check=True)
        done = subprocess.run(["./pan", "-E", "-m1000000", "-w20"], cwd=folder, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=SECONDS)
    out = done.stdout.decode()
    if re.search(r"^pan:1: end state in claim reached", out, re.M):
        return True, 0
    if "errors: 0" not in out or "Search not completed" in out or "depth too small" in out:
        raise Unknown("spin has not searched it whole:\n" + out[-2000:])
    reached = [int(n) for n in re.findall(r"^reached (\d+)", out, re.M)]
    return False, max(reached, default=0)


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--function", required=True)
    parser.add_argument("--hosts", required=True, type=lambda text: text.split(","))
    parser.add_argument("--isolates", type=int, choices=(0, 1), default=1)
    parser.add_argument("--explain", action="store_true")
    parser.add_argument("log")
    args = parser.parse_args()
    try:
        with open(args.log, encoding="utf-8", errors="replace") as file:
            steps = steps_of(file.read(), args.function, args.hosts)
        ok, at = accepted(steps, args.isolates)
    except FileNotFoundError as lost:
        if lost.filename == args.log:
            print(f"{args.log}: {lost.strerror}", file=sys.stderr)
            return 2
        print("skipped: spin or gcc is missing (cmake/deps.sh check)")
        return 77
    except Unknown as unknown:
        print(unknown)
        return 1
    if args.explain or not ok:
        for i, step in enumerate(steps):
            print(f"{'-->' if not ok and i == at else '   '} {i + 1} {step}")
    print(f"{len(steps)} steps: " + ("a run of the model" if ok else
                                     f"no run of the model can take step {at + 1}, {steps[at]}"))
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
