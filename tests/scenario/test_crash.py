#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""fabricd is stopped dead before, during and after every step of its journal and before and after
every operation of an assign, a move and a failover; and at random under load, with a switch that
errs. Each time what was acknowledged is compared with the journal as it lies on the disk, and, once
the daemon is back and has nothing left to do, with `fabricsim bindings`.

Several fabrics at once, each in a lane of its own: most of the time goes by in waiting for
heartbeat windows. Environment: FABRIC_SEED, FABRIC_KILLS (at random, 50), FABRIC_SANITIZE (if set,
a third of the work)."""

import http.client
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import threading
import time
import traceback
import unittest
import uuid
from concurrent.futures import ThreadPoolExecutor

from fabric import PATIENCE_S, Fabric, Refused, mac_of

POINTS = ("journal-before", "journal-during", "journal-after", "op-before", "op-after")
SANITIZED = bool(os.environ.get("FABRIC_SANITIZE"))
STRIDE = 3 if SANITIZED else 1
KILLS = int(os.environ.get("FABRIC_KILLS", "17" if SANITIZED else "50"))
RANDOM_LANES = 2
PASSAGES_MAX = 200  # of one point in one operation; more would mean that it never ends
GONE = (OSError, http.client.HTTPException)
ENDED = ("done", "parked", "failed", "cancelled")
BEAT_MS = 250 if SANITIZED else 150

CONFIG = f"""\
[heartbeat]
interval = {BEAT_MS}ms
missed = 5
[failover]
spare-windows = 1
fence-retry = 300ms
rate-count = 64
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

    def __init__(self, case, name):
        self.case, self.name = case, name
        self.promises = {}  # id of a change -> (operations, state): 202 is "running"
        self.incidents_promised = 0
        self.deaths = 0
        self.macs = 0
        self.seen = ""  # what is being done, for people
        self.fabric = Fabric(case, generate=self.generate, config=CONFIG)

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
                          self.fabric.socket, "--interval-ms", str(BEAT_MS), "--boot-id",
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
        for number, (operations, state) in self.promises.items():
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

    def wait_quiet(self):
        """Until all has come to its end; then the whole is compared. Return: the journal."""
        self.fabric.wait("nothing is left to be done", self.is_quiet)
        try:
            self.fabric.wait("the switch is as the journal has it",
                             lambda: self.shown() == self.assigned(Journal(self.fabric)), 10)
        except AssertionError:
            self.case.assertEqual(self.shown(), self.assigned(Journal(self.fabric)))
        journal = Journal(self.fabric)
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


# ---- every point of one operation ----


class Sweep(Lane):
    """One operation again and again; each time death comes at the next passage."""

    points = POINTS

    def begin(self):
        """Makes what the operation starts from."""

    def act(self, number):
        """The operation, to its end. May end in one of GONE."""
        raise NotImplementedError

    def judge(self, journal):
        """After death and restart; @journal is that of the dead."""
        raise NotImplementedError

    def wait_quiet(self):
        journal = super().wait_quiet()
        # The switch does not err here: what was told as done has never to be mended.
        self.case.assertNotIn("repair", {row["kind"] for row in journal.changes.values()})
        return journal

    def once(self, point, number):
        """Return: whether fabricd died."""
        self.seen = f"{point}:{number}"
        self.begin()
        self.arm(point, number)
        try:
            self.act(number)
            self.disarm()
            died = self.fabric.manager_has_died()
        except GONE:
            died = True
        journal = None
        if died:
            self.bury(signal.SIGKILL, signal.SIGALRM)
            journal = self.autopsy()
            self.start_manager()
        self.judge(journal)
        return died

    def work(self, stop):
        found = {}
        for at, point in enumerate(self.points):
            deaths = 0
            for number in range(1 + at % STRIDE, PASSAGES_MAX, STRIDE):
                if stop.is_set() or not self.once(point, number):
                    break
                deaths += 1
            else:
                self.case.fail(f"{point}: it is passed again and again")
            found[point] = deaths
            self.say(f"{point}: {deaths} deaths")
        if not stop.is_set():
            # Fewer would mean that the sweep has passed the operation by.
            self.case.assertGreaterEqual(min(found.values()) * STRIDE, 3, found)


class ChangeSweep(Sweep):
    """A change that is asked for: known to the journal it is carried out, else it never was. Then
    it is asked for again under the same key, as a client does that has had no answer."""

    def act(self, number):
        self.key = str(uuid.uuid4())
        self.before = self.homes()
        self.ask(self.operations, self.key, (0 if number % 2 else number // 2 % 2 + 1))

    def homes(self):
        return {name: (row[0], row[2]) for name, row in self.shown().items()}

    def judge(self, journal):
        after = {op["function"]: (op["host"], self.macs_of[op["function"]])
                 for op in self.operations}
        self.wait_quiet()
        if journal:
            known = journal.of_key(self.key)
            self.case.assertEqual(self.homes(), after if known else self.before)
            if known:
                self.case.assertEqual(
                    self.fabric.get(f"/v1/changes/{known}")["state"], "done")
            again = self.ask(self.operations, self.key)
            self.case.assertEqual(known or again["id"], again["id"])
            self.wait_quiet()
        self.case.assertEqual(self.homes(), after)
        self.case.assertEqual(set(self.promises), {row["id"] for row in self.fabric.list("changes")
                                                   if row["kind"] == "asked"})


class Assign(ChangeSweep):
    def setup(self):
        self.functions = self.fabric.free_functions("nic-")[:3]

    def begin(self):
        if self.homes():
            self.ask([{"op": "release", "function": name} for name in self.functions],
                     str(uuid.uuid4()))
        self.macs_of = {name: self.mac() for name in self.functions}
        self.operations = [{"op": "assign", "function": name, "host": self.hosts[0],
                            "identity": {"mac": mac}} for name, mac in self.macs_of.items()]


class Move(ChangeSweep):
    def setup(self):
        self.macs_of = {name: self.mac() for name in self.fabric.free_functions("nic-")[:3]}
        self.ask([{"op": "assign", "function": name, "host": self.hosts[0],
                   "identity": {"mac": mac}} for name, mac in self.macs_of.items()], "first")

    def begin(self):
        here = {host for host, _ in self.homes().values()}
        target = next(host for host in self.hosts if host not in here)
        self.operations = [{"op": "move", "function": name, "host": target}
                           for name in self.macs_of]


class Failover(Sweep):
    """A blade loses its agent and its power; its functions are to arrive at the spare. The roles
    go round: the blade that was lost comes back, and is the next spare but one."""

    generate = (4, 1, 2, 4)
    agents = ("bay1", "bay2", "bay3", "bay4")

    def setup(self):
        names = self.fabric.free_functions("nic-")[:3]
        self.macs_of = {name: self.mac() for name in names}
        self.victim, self.spare, self.next, self.other = self.agents
        self.incidents = 0
        for host, moved in ((self.victim, names[:2]), (self.other, names[2:])):
            self.ask([{"op": "assign", "function": name, "host": host,
                       "identity": {"mac": self.macs_of[name]}} for name in moved], host)
        self.fabric.ctl("host", "set", self.spare, "--spare", "on")
        self.moved = names[:2]

    def is_ready_to_fail_over(self):
        return self.fabric.request("POST", f"/v1/hosts/{self.victim}/failover",
                                   {"dry_run": True})[0] == 200

    def begin(self):
        self.fabric.wait("the spare is steady", self.is_ready_to_fail_over)
        self.before = self.shown()

    def act(self, number):
        self.fabric.kill_blade(self.victim)
        self.fabric.wait("the incident is done", self.is_over)

    def is_over(self):
        incident = self.fabric.incident_of(self.victim)
        return incident and incident["id"] > self.incidents and incident["state"] == "done"

    def judge(self, journal):
        self.fabric.wait("the incident is done", self.is_over)
        self.wait_quiet()
        rows = self.fabric.list("incidents")
        self.incidents += 1  # no host but the one that died was fenced, and that one once
        self.case.assertEqual([row["id"] for row in rows], list(range(1, self.incidents + 1)))
        self.case.assertEqual((rows[-1]["host"], rows[-1]["target"]), (self.victim, self.spare))
        after = {name: (row[0], row[2]) for name, row in self.shown().items()}
        should = {name: (self.spare if name in self.moved else self.other, mac)
                  for name, mac in self.macs_of.items()}
        self.case.assertEqual(after, should)
        self.case.assertEqual(self.fabric.host_state(self.victim), "fenced")
        self.come_back()

    def come_back(self):
        self.fabric.power(self.victim, "on")
        self.start_agent(self.victim)
        self.fabric.wait("it may be readmitted", lambda: self.fabric.request(
            "POST", f"/v1/hosts/{self.victim}/readmit", {})[0] in (200, 202))
        self.fabric.wait("it is alive again",
                         lambda: self.fabric.host_state(self.victim) == "alive")
        self.fabric.ctl("host", "set", self.next, "--spare", "on")
        self.victim, self.spare, self.next = self.spare, self.next, self.victim


class FailoverJournal(Failover):
    points = POINTS[:3]


class FailoverOperations(Failover):
    points = POINTS[3:]


# ---- at random ----


class Operator(threading.Thread):
    """Asks for one change after the other, until the daemon dies."""

    def __init__(self, lane, seed):
        super().__init__(daemon=True)
        self.lane, self.dice = lane, random.Random(seed)
        self.asked, self.failure = 0, None
        self.owners = {name: row[0] for name, row in lane.shown().items()}

    def operation(self, name):
        host = self.dice.choice(self.lane.hosts)
        if name not in self.owners:
            return {"op": "assign", "function": name, "host": host,
                    "identity": {"mac": self.lane.mac()}}
        if self.dice.random() < 0.2 or self.owners[name] == host:
            return {"op": "release", "function": name}
        return {"op": "move", "function": name, "host": host}

    def ask(self):
        names = self.dice.sample(self.lane.functions, self.dice.choice((1, 1, 2, 3)))
        operations = [self.operation(name) for name in names]
        try:
            document = self.lane.ask(operations, str(uuid.uuid4()), self.dice.randrange(3))
        except Refused as refused:
            # Of a host that is being fenced, or a function that is being moved from it.
            self.lane.case.assertIn(refused.status, (404, 409, 503), refused)
            self.owners = {row["function"]: row["host"]
                           for row in self.lane.fabric.list("assignments")}
            return
        self.asked += 1
        for row in document["operations"]:
            if row["state"] == "done" and row["host"]:
                self.owners[row["function"]] = row["host"]
            elif row["state"] == "done":
                self.owners.pop(row["function"], None)

    def run(self):
        try:
            while True:
                self.ask()
        except GONE:
            pass
        except BaseException:  # told by the lane
            self.failure = traceback.format_exc()


class AtRandom(Lane):
    generate = (5, 1, 2, 6)
    agents = ("bay1", "bay2", "bay3", "bay4", "bay5")

    def __init__(self, case, name, seed, kills):
        self.dice, self.kills = random.Random(seed), kills
        self.incidents = self.asked = self.faults = self.again = 0
        self.is_rebooted = False
        super().__init__(case, name)

    def setup(self):
        self.functions = self.fabric.free_functions("nic-")[:8]
        self.hosts = list(self.agents[:3])
        for host in self.agents[3:]:
            self.fabric.ctl("host", "set", host, "--spare", "on")

    def lose_a_host(self):
        """A blade dies, or is taken out by hand. Return: which."""
        victim = self.dice.choice(self.hosts)
        if self.dice.random() < 0.7:
            self.fabric.kill_blade(victim)
            return victim
        status, _, answer = self.fabric.request("POST", f"/v1/hosts/{victim}/failover", {})
        if status in (200, 202):
            self.incidents_promised = self.incidents + 1
            return victim
        self.case.assertEqual(status, 409, answer)  # no spare is steady yet
        return None

    def check_fences(self, journal, bound):
        # A switch that has rebooted into an older map shows what it likes until it is fenced again.
        if not self.is_rebooted:
            super().check_fences(journal, bound)

    def kill_after(self, delay_s):
        timer = threading.Event()
        timer.wait(delay_s)
        self.fabric.kill("fabricd")
        self.deaths += 1

    def start_again(self):
        """Sometimes it is stopped dead again on its way up."""
        while self.dice.random() < 0.3:
            if self.dice.random() < 0.5:
                self.arm(self.dice.choice(POINTS), self.dice.randint(1, 6))
            delay_s = self.dice.uniform(0.0, 0.3)
            self.fabric.start_manager(env={"FABRIC_ABORT_FILE": self.fabric.at("abort")},
                                      ready=False)
            self.again += 1
            self.kill_after(delay_s)
            self.autopsy()
        self.disarm()
        self.start_manager()

    def bring_back(self, victim):
        """Where it was, the spare that took its place stands now; it is the next spare."""
        rows = self.fabric.list("incidents")
        lost = [row for row in rows if row["id"] > self.incidents]
        # Invariant 6: nobody is fenced but the one that was lost.
        self.case.assertEqual([row["host"] for row in lost], [victim] if victim else [])
        self.incidents = len(rows)
        if not victim:
            return
        self.case.assertEqual(self.fabric.host_state(victim), "fenced")
        self.hosts.remove(victim)
        if lost[-1]["target"]:
            self.hosts.append(lost[-1]["target"])
        else:
            self.hosts.append(next(host for host in self.agents
                                   if host != victim and host not in self.hosts))
            self.fabric.ctl("host", "set", self.hosts[-1], "--spare", "off")
        if "agent-" + victim not in self.fabric.processes:
            self.fabric.power(victim, "on")
            self.start_agent(victim)
        self.fabric.wait("it may be readmitted", lambda: self.fabric.request(
            "POST", f"/v1/hosts/{victim}/readmit", {})[0] in (200, 202))
        self.fabric.wait("it is alive again", lambda: self.fabric.host_state(victim) == "alive")
        self.fabric.ctl("host", "set", victim, "--spare", "on")

    def episode(self, number):
        self.seen = f"kill {number}"
        victim = None
        longest_s = 0.12
        faults = self.dice.sample(FAULTS, self.dice.choice((0, 1, 1, 2)))
        self.fabric.fault("clear")
        if faults:
            self.fabric.fault(*faults)
            self.faults += len(faults)
        operator = Operator(self, self.dice.random())
        operator.start()
        if self.dice.random() < 0.2:
            victim = self.lose_a_host()
            self.seen += f", {victim} is lost"
            longest_s = 0.03  # a failover takes no longer
        self.is_rebooted = self.dice.random() < 0.1
        if self.is_rebooted:
            self.fabric.fault("reboot-old")
            self.seen += ", the switch has rebooted"
            self.faults += 1
        self.kill_after(self.dice.uniform(0.0, longest_s))
        operator.join(PATIENCE_S)
        self.case.assertIsNone(operator.failure, operator.failure)
        self.asked += operator.asked
        self.autopsy()
        self.start_again()
        if victim:
            self.fabric.wait("the incident is done", lambda: any(
                row["id"] > self.incidents and row["state"] == "done"
                for row in self.fabric.list("incidents")))
        self.wait_quiet()
        self.bring_back(victim)

    def work(self, stop):
        for number in range(self.kills):
            if stop.is_set():
                return
            self.episode(number)
            if number % 5 == 4:
                self.say(f"{number + 1} of {self.kills}: {self.asked} changes ended, "
                         f"{self.faults} faults, {self.incidents} failovers")
        self.say(f"{self.kills} kills under load, {self.again} on the way up; "
                 f"{self.asked} changes ended, {len(self.promises) - self.asked} cut short, "
                 f"{self.faults} faults, {self.incidents} failovers")
        # A kill with nothing under way would prove little. How many end depends on the machine.
        self.case.assertGreater(len(self.promises), self.kills // 4)


STARTED = time.monotonic()


class Crash(unittest.TestCase):
    def test_stopped_dead_anywhere_it_keeps_what_it_acknowledged(self):
        seed = int(os.environ.get("FABRIC_SEED", "1"))
        print(f"FABRIC_SEED={seed} FABRIC_KILLS={KILLS}, every {STRIDE}. passage", flush=True)
        kills = [len(range(n, KILLS, RANDOM_LANES)) for n in range(RANDOM_LANES)]
        makers = [lambda: Assign(self, "assign"), lambda: Move(self, "move"),
                  lambda: FailoverJournal(self, "failover, journal"),
                  lambda: FailoverOperations(self, "failover, operations")]
        makers += [lambda n=n: AtRandom(self, f"random {n}", f"{seed}.{n}", kills[n])
                   for n in range(RANDOM_LANES)]
        stop = threading.Event()

        with ThreadPoolExecutor(len(makers)) as pool:
            stories = list(pool.map(lambda make: make().run(stop), makers))

        for story in stories:
            if story:
                print(story, flush=True)
        self.assertEqual([story.splitlines()[0] for story in stories if story], [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
