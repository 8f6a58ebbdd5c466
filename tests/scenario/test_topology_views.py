#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The tree and the JSON of our captures are the ones kept beside them; Graphviz draws the dot.

usage: test_topology_views.py FABRICCTL FOLDER [FOLDER...]
NAME.lspci stands beside NAME.tree and perhaps NAME.json. To renew them after a change that is meant:
cd FOLDER && fabricctl topology --from dump:NAME.lspci > NAME.tree
"""
import collections
import glob
import json
import os
import shutil
import subprocess
import sys


def run(program, folder, name, output):
    done = subprocess.run([program, "topology", "--from", f"dump:{name}.lspci", "-o", output],
                          cwd=folder, capture_output=True, timeout=60)
    if done.returncode:
        raise SystemExit(f"{name}: {output}: exit {done.returncode}: {done.stderr.decode()}")
    return done.stdout.decode()


def check_kept(program, folder, name, kind):
    with open(os.path.join(folder, f"{name}.{kind}"), encoding="utf-8") as kept:
        wanted = kept.read()
    found = run(program, folder, name, kind)
    if found == wanted:
        return []
    for number, (mine, kept) in enumerate(zip(found.splitlines() + [""],
                                              wanted.splitlines() + [""]), 1):
        if mine != kept:
            return [f"{name}.{kind}:{number}: {kept!r}, found {mine!r}"]
    return [f"{name}.{kind}: of another length"]


def check_vfs(program, folder, name):
    """Each PF has as many VFs as it enables, numbered from 1 without a gap."""
    functions = json.loads(run(program, folder, name, "json"))["functions"]
    seen = collections.defaultdict(list)
    for function in functions:
        if "physfn" in function:
            seen[function["physfn"]].append(function["vf_index"])
    wanted = {f["address"]: list(range(1, f["sriov"]["num_vfs"] + 1)) for f in functions
              if f["sriov"] and f["sriov"]["enabled"]}
    found = {pf: sorted(indices) for pf, indices in seen.items()}
    return [] if found == wanted else [f"{name}: VFs {found}, wanted {wanted}"]


def check_dot(program, folder, name):
    drawn = subprocess.run(["dot", "-Tsvg"], input=run(program, folder, name, "dot").encode(),
                           capture_output=True, timeout=60)
    if drawn.returncode or drawn.stderr or b"</svg>" not in drawn.stdout:
        return [f"{name}: dot: exit {drawn.returncode}: {drawn.stderr.decode()}"]
    return []


def main():
    program, faults, files = sys.argv[1], [], 0
    has_dot = shutil.which("dot")
    if not has_dot:
        print("SKIPPED: no Graphviz here to draw with")
    for folder in sys.argv[2:]:
        for path in sorted(glob.glob(os.path.join(folder, "*.tree"))):
            name = os.path.basename(path)[:-len(".tree")]
            faults += check_kept(program, folder, name, "tree")
            if os.path.exists(os.path.join(folder, name + ".json")):
                faults += check_kept(program, folder, name, "json")
            else:
                faults += check_vfs(program, folder, name)
            faults += check_dot(program, folder, name) if has_dot else []
            files += 1
    print(f"{files} captures")
    print("\n".join(faults))
    return 1 if faults or not files else 0


sys.exit(main())
