# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests that kill fabricd share: the journal as it lies on the disk, and a lane: one fabric,
what it was told, what it has acknowledged, and how the three are compared.

Environment: FABRIC_SANITIZE, if set, means that everything is slower."""

import http.client
import os
import shutil
import sqlite3
import subprocess
import time
import traceback
import uuid

from fabric import PATIENCE_S, Fabric, Refused, mac_of

POINTS = ("journal-before", "journal-during", "journal-after", "op-before", "op-after")
SANITIZED = bool(os.environ.get("FABRIC_SANITIZE"))
GONE = (OSError, http.client.HTTPException)
ENDED = ("done", "parked", "failed", "cancelled")

CONFIG = """\
[heartbeat]
interval = {beat_ms}ms
missed = {missed}
[failover]
spare-windows = 1
fence-retry = 300ms
rate-count = 64
rate-window = 1s
flap-count = 0
[switch]
command-timeout = 300ms
[fabric]
repair-retry = 100ms
"""

# What may go wrong at the switch while fabricd is killed at random.
FAULTS = ("bind:late=200:1", "bind:late=50:2", "unbind:late=200:1", "identity:late=100:1",
          "reset:late=100:1", "bind:lost:2", "unbind:lost:2", "identity:lost:1", "read:lost:1",
          "isolate:lost:1", "isolate:late=100:1", "bind:done-but-failed:2",
          "unbind:done-but-failed:1", "identity:done-but-failed:2", "isolate:done-but-failed:1",
          "reset:refused:1", "bind:refused:2", "all:delay=8:40")


def mac_text(number):
    return None if number is None else ":".join(f"{number:012x}"[i:i + 2] for i in range(0, 12, 2))


class Journal:
    """The database as it lies on the disk, read from a copy: fabricd must find it as it left it."""

    def __init__(self, fabric):
        copy = fabric.at("copy.db")
        for suffix in ("", "-wal"):
            if os.path.exists(fabric.at("fabricd.db" + suffix)):
                shutil.copyfile(fabric.at("fabricd.db" + suffix), copy + suffix)
            elif os.path.exists(copy + suffix):
                os.unlink(copy + suffix)
        if os.path.exists(copy + "-shm"):
            os.unlink(copy + "-shm")
        db = sqlite3.connect(copy)
        db.row_factory = sqlite3.Row
        self.tables = {name: [dict(row) for row in db.execute(f"SELECT * FROM {name}")]
                       for name in ("change", "item", "assignment", "host", "incident", "step",
                                    "event", "audit", "idempotency")}
        db.close()
        self.changes = {row["id"]: row for row in self.tables["change"]}
        self.items = {}
        for row in sorted(self.tables["item"], key=lambda row: (row["change"], row["n"])):
            self.items.setdefault(row["change"], []).append(row)

    def of_key(self, key):
        """The change that was asked for with an Idempotency-Key; None."""
        return next((row["change"] for row in self.tables["idempotency"] if row["key"] == key),
                    None)

    def text(self):
        """For people: all that is short, and the end of what is long."""
        lines = []
        for name, rows in self.tables.items():
            lines.append(f"-- {name}: {len(rows)} rows")
            if name != "idempotency":
                lines += [" ".join(f"{key}={value}" for key, value in row.items() if value != "")
                          for row in rows[-16:]]
        return "\n".join(lines)


class Lane:
    """One fabric, what it was told, and what it has acknowledged."""

    generate = (3, 1, 2, 4)
    agents = ()
    beat_ms = 250 if SANITIZED else 150
    missed = 5

    def __init__(self, case, name):
        self.case, self.name = case, name
        self.promises = {}  # id of a change -> (operations, state): 202 is "running"
        self.incidents_promised = 0
        self.deaths = 0
        self.macs = 0
        self.seen = ""  # what is being done, for people
        self.fabric = Fabric(case, generate=self.generate, config=CONFIG.format(
            beat_ms=self.beat_ms, missed=self.missed))

    def start(self):
        self.fabric.start_switch()
        self.start_manager()
        self.hosts = [row["id"] for row in self.fabric.list("hosts")]
        for host in self.agents:
            self.start_agent(host)
        self.fabric.wait("the agents are heard", lambda: all(
            self.fabric.host_state(host) == "alive" for host in self.agents))
        self.setup()

    def setup(self):
        """What is there before the first death."""

    # ---- processes ----

    def start_agent(self, host):
        self.fabric.start("agent-" + host, "fabric-agent", "--host", host, "--socket",
                          self.fabric.socket, "--interval-ms", str(self.beat_ms), "--boot-id",
                          str(uuid.uuid4()))

    def start_manager(self):
        self.fabric.start_manager(env={"FABRIC_ABORT_FILE": self.fabric.at("abort")}, ready=False)
        self.fabric.wait("fabricd is ready", self.fabric.is_ready)

    def arm(self, point, number):
        """fabricd dies at the @number-th passage of @point from now on."""
        with open(self.fabric.at("abort.new"), "w", encoding="ascii") as file:
            file.write(f"{point}:{number}")
        os.rename(self.fabric.at("abort.new"), self.fabric.at("abort"))

    def disarm(self):
        self.arm("none", 1)

    def bury(self, *expected):
        """Waits for a death that is near, and sees that it is the one that was meant."""
        self.fabric.wait("fabricd is dead", self.fabric.manager_has_died)
        code = self.fabric.kill("fabricd")
        self.case.assertIn(code, [-number for number in expected], "fabricd died of itself")
        self.deaths += 1

    # ---- asking ----

    def mac(self):
        self.macs += 1
        return mac_of(self.macs)

    def ask(self, operations, key, way=0):
        """A change, followed to its end; its document. @way: 0 looks at it again and again, 1 waits
        by the same request, 2 by a second one. What the daemon has said of it stands in promises,
        whatever happens next."""
        wait = f"?wait={int(PATIENCE_S)}"
        status, headers, document = self.fabric.request(
            "POST", "/v1/changes" + (wait if way == 1 else ""), {"operations": operations},
            {"Idempotency-Key": key})
        if status not in (200, 202):
            raise Refused(status, document)
        end = time.monotonic() + PATIENCE_S
        while True:
            self.promises[document["id"]] = (operations, document["state"])
            if document["state"] != "running":
                return document
            self.case.assertLess(time.monotonic(), end, f"a change never ends: {document}")
            document = self.fabric.get(headers["Location"] + (wait if way == 2 else ""))

    # ---- comparing ----

    def check_promises(self, journal):
        """Nothing that was acknowledged is missing from the disk (invariant 5)."""
        for number, (operations, state) in list(self.promises.items()):  # clients add to it meanwhile
            row = journal.changes.get(number)
            self.case.assertIsNotNone(row, f"change {number} was accepted, and is lost")
            if state != "running":
                self.case.assertEqual(row["state"], state, f"change {number} was told to be {state}")
            for op, item in zip(operations, journal.items[number], strict=True):
                told = (op["op"], op["function"], op.get("host"))
                self.case.assertEqual((item["op"], item["function"], item["host"]), told)
                if op.get("identity"):
                    self.case.assertEqual(mac_text(item["mac"]), op["identity"]["mac"])
        self.case.assertGreaterEqual(len(journal.tables["incident"]), self.incidents_promised)

    def check_fences(self, journal, bound):
        """A host that the journal calls fenced has an empty virtual switch (invariant 2)."""
        fenced = {row["name"] for row in journal.tables["host"] if row["state"] == "fenced"}
        self.case.assertEqual([row for row in bound.values() if row["host"] in fenced], [])

    def desired(self, journal):
        """function -> (host, vport, MAC, generation), as the ended changes lead to it."""
        owners = {}
        for number, change in sorted(journal.changes.items()):
            for item in journal.items[number]:
                self.case.assertIn(item["state"], ENDED, f"change {number} has not ended")
                before = owners.get(item["function"])
                if change["kind"] != "asked" and item["host"]:
                    # Invariant 4: an identity travels with its profile.
                    self.case.assertEqual(mac_text(item["mac"]), before and before[2], item)
                if item["state"] not in ("done", "parked"):
                    continue
                if item["host"]:
                    owners[item["function"]] = (item["host"], item["vport"], mac_text(item["mac"]),
                                                item["generation"])
                elif item["state"] == "done":
                    owners.pop(item["function"], None)
        return owners

    def check_audit(self, journal):
        """One row for each item that has ended, no more and no less; events without a gap."""
        ended = sorted((number, item["op"], item["function"], item["generation"])
                       for number, items in journal.items.items() for item in items)
        audit = sorted((row["change"], row["action"], row["subject"],
                        int(row["detail"].split("generation ")[1].split(":")[0]))
                       for row in journal.tables["audit"]
                       if row["action"] in ("assign", "move", "release"))
        self.case.assertEqual(audit, ended)
        fences = [row for row in journal.tables["audit"] if row["action"] == "host.fence"]
        self.case.assertEqual(len(fences), len(journal.tables["incident"]))
        numbers = sorted(row["n"] for row in journal.tables["event"])
        self.case.assertEqual(numbers, list(range(numbers[0], numbers[0] + len(numbers))))

    def shown(self):
        """function -> (host, vport, MAC, generation), as the switch has it."""
        return {name: (row["host"], row["vport"], (row["identity"] or {}).get("mac"),
                       row["generation"]) for name, row in self.fabric.bindings().items()}

    def assigned(self, journal):
        return {row["function"]: (row["host"], row["vport"], mac_text(row["mac"]),
                                  row["generation"]) for row in journal.tables["assignment"]}

    def autopsy(self):
        """Of a daemon that has just died. Return: its journal."""
        journal = Journal(self.fabric)
        self.check_promises(journal)
        self.check_fences(journal, self.fabric.bindings())
        return journal

    def is_quiet(self):
        """Nothing is under way, or about to be."""
        status, health = self.fabric.get("/v1/health", raw=True)
        self.case.assertNotIn(health["status"], ("frozen", "adopt"), health)
        if status != 200 or self.fabric.list("changes", state="running"):
            return False
        if any(row["state"] != "done" for row in self.fabric.list("incidents")):
            return False
        functions = self.fabric.list("functions")
        return all(row["state"] in ("free", "bound") for row in functions)

    def agreement(self):
        """The journal, if it has nothing open and the switch is as it says; else None."""
        journal = Journal(self.fabric)
        is_open = any(row["state"] == "running" for row in journal.changes.values())
        return journal if not is_open and self.shown() == self.assigned(journal) else None

    def wait_quiet(self):
        """Until all has come to its end; then the whole is compared. Return: the journal."""
        self.fabric.wait("nothing is left to be done", self.is_quiet)
        try:
            journal = self.fabric.wait("the switch is as the journal has it", self.agreement, 10)
        except AssertionError:
            journal = Journal(self.fabric)
            self.case.assertEqual(self.shown(), self.assigned(journal))
        self.check_promises(journal)
        self.check_fences(journal, self.fabric.bindings())
        self.case.assertEqual(self.shown(), self.desired(journal))
        self.check_audit(journal)
        return journal

    # ---- the lane's life ----

    def say(self, text):
        print(f"{time.monotonic() - STARTED:6.1f} s  {self.name}: {text}", flush=True)

    def work(self, stop):
        raise NotImplementedError

    def run(self, stop):
        """Return: what went wrong, for people; None."""
        try:
            self.start()
            self.work(stop)
            self.say(f"{self.deaths} deaths survived")
            return None
        except BaseException:  # whatever it was, the other lanes stop and it is told
            stop.set()
            return self.story(traceback.format_exc())

    def story(self, why):
        parts = [f"==== {self.name}: {self.seen}", why]
        try:
            parts += [Journal(self.fabric).text()]
            parts += ["-- bindings"] + [str(row) for row in self.fabric.bindings().values()]
        except (AssertionError, OSError, sqlite3.Error, subprocess.SubprocessError) as error:
            parts.append(str(error))
        parts += ["-- fabricd.log"] + self.fabric.log("fabricd").splitlines()[-80:]
        return "\n".join(parts)


STARTED = time.monotonic()
