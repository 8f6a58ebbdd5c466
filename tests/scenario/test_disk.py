#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A disk that fails under a real fabricd: strace lets the Nth write or sync of each of its threads
fail, or kills it there. Whatever it was, what was acknowledged is kept, the manager goes on by
itself or starts again, and its database is sound.

Environment: FABRIC_SEED, FABRIC_DISK_S (seconds, 25; each case that is begun is ended)."""

import http.client
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
import unittest

from fabric import BIN, PATIENCE_S, Fabric, Refused, mac_of

GONE = (OSError, http.client.HTTPException)
SECONDS = float(os.environ.get("FABRIC_DISK_S", "25"))
SEED = int(os.environ.get("FABRIC_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 31)
# A write of 0 bytes is what a write that was cut short ends as, once SQLite has tried the rest.
FAULTS = (("pwrite64", "error=EIO"), ("pwrite64", "error=ENOSPC"), ("pwrite64", "retval=0"),
          ("pwrite64", "signal=SIGKILL"), ("fdatasync", "error=EIO"),
          ("fdatasync", "error=ENOSPC"), ("fdatasync", "signal=SIGKILL"),
          ("fsync", "error=EIO"), ("fsync", "signal=SIGKILL"))
FIRST = 100
CONFIG = "[switch]\ncommand-timeout = 500ms\n[fabric]\nrepair-retry = 100ms\n"


def can_trace():
    if os.environ.get("FABRIC_SANITIZE") or not shutil.which("strace"):
        return False
    done = subprocess.run(["strace", "-f", "-o", "/dev/null", "-e", "inject=fsync:error=EIO", "true"],
                          capture_output=True, check=False)
    return done.returncode == 0


class Disk(unittest.TestCase):
    def setUp(self):
        self.fabric = Fabric(self, generate=(3, 1, 2, 4), config=CONFIG)
        self.fabric.start_switch()
        self.unknown = set()  # functions whose last change was not answered with "done"
        self.macs = 0
        self.from_here = 0  # in fabricd's log

    def start_traced(self, call, fault, n):
        """fabricd itself is the process: -D detaches the tracer."""
        words = ["strace", "-D", "-I2", "-f", "-qq", "-o", "/dev/null", "-e", "trace=" + call, "-e",
                 f"inject={call}:{fault}:when={n}", os.path.join(BIN, "fabricd")]
        with open(self.fabric.at("fabricd.log"), "ab") as log:
            self.fabric.processes["fabricd"] = subprocess.Popen(
                [*words, "--config", self.fabric.at("fabricd.conf"), "--db",
                 self.fabric.at("fabricd.db"), "--socket", self.fabric.socket, "--provider",
                 "sim=" + self.fabric.sim_socket], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=self.fabric.environment())

    def detach(self):
        """One fault is enough: strace counts for each thread, and after a thaw the writer is a new
        one. Asked to end, it lets go of what it traces."""
        try:
            with open(f"/proc/{self.fabric.processes['fabricd'].pid}/status",
                      encoding="ascii") as file:
                tracer = int(re.search(r"TracerPid:\s*(\d+)", file.read())[1])
            if tracer:
                os.kill(tracer, signal.SIGTERM)
        except (FileNotFoundError, ProcessLookupError):
            pass  # it has ended

    def is_at_rest(self):
        """Dead, or ready."""
        if "fabric: frozen" in self.fabric.log("fabricd")[self.from_here:]:
            self.detach()
        try:
            return self.fabric.manager_has_died() or (
                self.fabric.get("/v1/health", raw=True)[1]["status"] == "ok")
        except GONE:
            return False

    def ask(self, function):
        bound = self.fabric.acknowledged.get(function)
        if function in self.unknown:
            return
        if bound:
            op = {"op": "release", "function": function}
        else:
            self.macs += 1
            op = {"op": "assign", "function": function, "host": random.choice(self.hosts),
                  "identity": {"mac": mac_of(self.macs)}}
        self.unknown.add(function)
        document = self.fabric.change(op)
        if document["state"] == "done":
            self.unknown.discard(function)

    def use(self):
        """Until something goes wrong, or enough has been written."""
        try:
            for _ in range(6):
                for function in self.functions:
                    self.ask(function)
        except (Refused, *GONE):
            pass

    def take_up(self):
        """What was not answered may be either way; from here on it is as the switch has it."""
        self.fabric.wait("no change runs", lambda: not self.fabric.list("changes", state="running"))
        bound = self.fabric.bindings()
        wrong = [text for text in self.fabric.differences()
                 if text.split(":")[0] not in self.unknown]
        self.assertEqual(wrong, [])
        for function in self.unknown:
            row = bound.get(function)
            self.assertEqual(row and row["host"],
                             self.fabric.get("/v1/functions/" + function)["host"])
            self.fabric.acknowledged[function] = row and {"host": row["host"],
                                                          "mac": row["identity"].get("mac")}
        self.unknown.clear()

    def one(self, call, fault, n):
        self.from_here = len(self.fabric.log("fabricd"))
        self.start_traced(call, fault, n)
        self.fabric.wait("it is ready, or dead", self.is_at_rest)
        if not self.fabric.manager_has_died():
            self.use()
            self.fabric.wait("it is ready again, or dead", self.is_at_rest)
        died = self.fabric.manager_has_died()
        if died:
            code = self.fabric.processes.pop("fabricd").wait()
            if "SIGKILL" not in fault:
                self.assertIn(code, (1, 4), "an error is no reason to fall over")
            self.fabric.start_manager()
        self.fabric.wait("it is well", self.is_at_rest)
        self.take_up()
        self.fabric.check()
        self.fabric.kill("fabricd")
        self.fabric.run("fabric-db", "check", self.fabric.at("fabricd.db"))
        return died

    @unittest.skipUnless(can_trace(), "takes strace, and no sanitizer")
    def test_each_of_the_first_writes_and_syncs_may_fail(self):
        random.seed(SEED)
        self.fabric.start_manager()
        self.hosts = [row["id"] for row in self.fabric.list("hosts")]
        self.functions = self.fabric.free_functions("nic-")[:4]
        self.fabric.kill("fabricd")
        cases = [(call, fault, n) for call, fault in FAULTS for n in range(1, FIRST + 1)]
        random.shuffle(cases)
        # The first of each first: there opening, recovery and the first commit are.
        cases.sort(key=lambda case: case[2] > 3)
        end = time.monotonic() + SECONDS
        done = died = 0
        for case in cases:
            if time.monotonic() > end:
                break
            with self.subTest(case=case, seed=SEED):
                try:
                    died += self.one(*case)
                except AssertionError:
                    print(self.fabric.log("fabricd")[self.from_here:][-6000:])
                    self.fabric.kill("fabricd")
                    raise
            done += 1
        thawed = self.fabric.log("fabricd").count("all begins again from it")
        print(f"disk: {done} faults, seed {SEED}: {died} ends, {thawed} thaws", file=sys.stderr)
        self.assertGreater(done, 5)
        self.assertGreater(thawed, 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
