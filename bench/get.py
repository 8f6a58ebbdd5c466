#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""GET /v1/functions/ID over keep-alive connections against a bare evhttp handler that answers the
same bytes, in turn.

usage: get.py [RUNS]"""
import os
import subprocess
import sys

from rig import Rig, judge, machine, mac_of, program, spread

CONNECTIONS, SECONDS = 16, 2


def load(socket, target, *more):
    """Requests per second."""
    words = [program("http_load"), "--socket", socket, "--target", target, "--connections",
             str(CONNECTIONS), "--seconds", str(SECONDS), *more]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    return float(done.stdout.split()[0])


def main():
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    with Rig(16, 2, 64, 64) as rig:
        name = [row["id"] for row in rig.list("functions") if row["id"].startswith("nic-")][40]
        rig.change([{"op": "assign", "function": name, "host": "bay1",
                     "identity": {"mac": mac_of(1)}}])
        target = "/v1/functions/" + name
        body, socket = rig.at("body"), rig.at("reference.sock")
        load(rig.socket, target, "--save", body)
        rig.start("http_reference", "--socket", socket, "--body", body)
        rig.wait("the reference listens", lambda: os.path.exists(socket))
        rates = [(load(socket, target), load(rig.socket, target)) for _ in range(runs)]
        print(f"{machine()}; {CONNECTIONS} connections, {os.path.getsize(body)} bytes a body, "
              f"4160 functions")
    print("ours      " + spread([ours for _, ours in rates], 0, "/s"))
    print("reference " + spread([bare for bare, _ in rates], 0, "/s"))
    return judge("GET /v1/functions/ID, of the bare handler's rate",
                 [ours / bare for bare, ours in rates], least=0.5)


sys.exit(main())
