#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""4096 functions assigned in one change, read back and durable, against a bare C program that writes
the same rows in the same number of FULL transactions, on the same file system.

usage: change.py [RUNS]

The transactions are counted in the daemon's log, the rows in its tables: what the change added, and
an intent and an end for each of its items."""
import json
import subprocess
import sys

from rig import Rig, judge, mac_of, machine, program, spread

HOSTS, SWITCHES, ADAPTERS, VFS = 20, 2, 64, 64
FUNCTIONS = 4096
TABLES = ("function", "item", "assignment", "audit", "event")


def operations(rig):
    hosts = [row["id"] for row in rig.list("hosts")]
    functions = [row for row in rig.list("functions") if row["kind"] == "vf"][:FUNCTIONS]
    assert len(functions) == FUNCTIONS
    ops = []
    for n, row in enumerate(functions):
        op = {"op": "assign", "function": row["id"], "host": hosts[n % len(hosts)]}
        if row["id"].startswith("nic-"):
            op["identity"] = {"mac": mac_of(n + 1)}
        ops.append(op)
    return ops


def check(rig, ops):
    """The switch's own truth, not the daemon's."""
    bound = {row["function"]: row for row in json.loads(rig.sim("bindings", "-o", "json"))}
    for op in ops:
        row = bound[op["function"]]
        mac = op.get("identity", {}).get("mac")
        if row["host"] != op["host"] or (mac and row["identity"]["mac"] != mac):
            sys.exit(f"{op}: the switch shows {row}")


def ours():
    with Rig(HOSTS, SWITCHES, ADAPTERS, VFS, log="debug") as rig:
        ops = operations(rig)
        before = {table: rig.rows(table) for table in TABLES}
        transactions = len(rig.transactions())
        seconds, _ = rig.change(ops)
        transactions = len(rig.transactions()) - transactions
        added = {table: rig.rows(table) - before[table] for table in TABLES}
        check(rig, ops)
        if added["assignment"] != FUNCTIONS or added["item"] != FUNCTIONS:
            sys.exit(f"the tables have {added}")
        return seconds * 1000, transactions, added, reference(rig, transactions, added)


def reference(rig, transactions, added):
    """Milliseconds, in the folder that the daemon's database stands in."""
    words = [program("db_reference"), "--db", rig.at("reference.db"), "--transactions",
             str(transactions), "--functions", str(FUNCTIONS), "--items", f"{FUNCTIONS}x2",
             "--assignments", str(FUNCTIONS), "--audit", str(added["audit"]), "--events",
             str(added["event"])]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    return float(done.stdout)


def main():
    runs = [ours() for _ in range(int(sys.argv[1]) if len(sys.argv) > 1 else 5)]
    print(f"{machine()}; fabricsim generate --hosts {HOSTS} --switches {SWITCHES} "
          f"--adapters {ADAPTERS} --vfs {VFS}")
    print(f"transactions {sorted(run[1] for run in runs)}; rows {runs[-1][2]}")
    print("ours      " + spread([run[0] for run in runs], 0, " ms"))
    print("reference " + spread([run[3] for run in runs], 0, " ms"))
    return judge(f"{FUNCTIONS} functions in one change, of the reference's time",
                 [run[0] / run[3] for run in runs], most=3)


sys.exit(main())
