#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""fabricd is stopped dead again and again while several clients ask for changes and read who has what,
with sixteen agents (100 ms x 3 beats), a switch that errs, blades that die, are silent or are failed over by
hand, and now and then the switch's own program killed too.

After every death what was acknowledged is looked for on the disk, and all that the switch has carried out
is gone through. Every few deaths, when nothing is left to do: switch and journal agree, the audit has one
row for each move and verifies, the database is sound, and what the clients were told is linearizable
(linear.py).

Environment: FABRIC_SEED, FABRIC_KILLS (200), FABRIC_LANES (fabrics side by side, 2), FABRIC_SANITIZE (if
set, a fifth of the deaths)."""

import os
import random
import re
import threading
import time
import traceback
import unittest
import uuid
from concurrent.futures import ThreadPoolExecutor

from fabric import PATIENCE_S, Refused, mac_of
from lane import FAULTS, GONE, POINTS, SANITIZED, Lane
from linear import NEVER, History, Op

KILLS = int(os.environ.get("FABRIC_KILLS", "40" if SANITIZED else "200"))
LANES = int(os.environ.get("FABRIC_LANES", "2"))
WATCH = 5  # deaths between two looks at everything
SPARES = 4
HOSTS = 16
FUNCTIONS = 11
PROFILES = {"mail": 2, "store": 3}  # name -> how many functions more
SWITCH_SAYS_BOUND = "5"  # PROVIDER_WHY_BOUND
# Wall time is that of the journal, and has milliseconds.
CLOCK_SLACK_S = 0.005
EFFECT = re.compile(r" fabricsim: effect (.*)$")


class Switch:
    """All that fabricsim has carried out, from its log, in order."""

    def __init__(self, lane):
        self.lane, self.at = lane, 0
        self.highest = {}  # function -> generation of the last bind
        self.binds = self.effects = 0

    def check(self):
        """What came since the last look. No function was given, or was tried to be given, to a second host
        (invariant 1), and nothing of an older owner came after something of a newer one (invariant 2)."""
        with open(self.lane.fabric.at("fabricsim.log"), encoding="utf-8", errors="replace") as file:
            file.seek(self.at)
            text = file.read()
        whole = text.rfind("\n") + 1
        self.at += len(text[:whole].encode())
        for line in text[:whole].splitlines():
            found = EFFECT.search(line)
            if found:
                self.effects += 1
                self.look(dict(word.split("=", 1) for word in found.group(1).split()), line)

    def look(self, effect, line):
        if effect["verb"] == "bind":
            self.lane.case.assertNotEqual(effect["why"], SWITCH_SAYS_BOUND, line)
            if effect["outcome"] != "done":
                return
            self.binds += 1
            self.lane.case.assertEqual(effect["before"], "-", line)
            generation = int(effect["generation"])
            self.lane.case.assertGreaterEqual(
                generation, self.highest.get(effect["function"], 0), line)
            self.highest[effect["function"]] = generation
        if effect["verb"] == "reset" and effect["outcome"] == "done":
            self.lane.case.assertEqual(effect["before"], "-", line)


class Client(threading.Thread):
    """Asks and reads until it is told to stop; everything it is told goes into the history."""

    def __init__(self, lane, number, seed, stop):
        super().__init__(daemon=True)
        self.lane, self.dice, self.stop = lane, random.Random(seed), stop
        self.who = f"client {number}"
        self.writes = 0.6 if number % 2 else 0.15
        self.failure = None
        self.generations = {}  # function -> the highest that was read
        self.owners = {}  # function -> host, as it was read last: what is worth asking

    def run(self):
        try:
            while not self.stop.is_set():
                if self.dice.random() < self.writes:
                    self.change()
                elif self.dice.random() < 0.7:
                    self.read_one()
                else:
                    self.read_all()
                time.sleep(self.dice.uniform(0, 0.01))
        except BaseException:  # told by the lane
            self.failure = traceback.format_exc()

    # ---- reading ----

    def get(self, target):
        """None when there is no answer."""
        try:
            status, _, document = self.lane.fabric.request("GET", target)
        except GONE:
            time.sleep(0.01)
            return None
        if status == 503:
            return None
        self.lane.case.assertEqual(status, 200, document)
        return document

    def saw(self, function, host, generation, asked):
        self.owners[function] = host
        self.lane.history.read(self.who, function, host, asked)
        # Of an owner that was followed by another: it does not come back.
        self.lane.case.assertGreaterEqual(generation, self.generations.get(function, 0),
                                          f"{function}: its generation went back")
        self.generations[function] = generation

    def read_one(self):
        function, asked = self.dice.choice(self.lane.watched), time.monotonic()
        document = self.get("/v1/functions/" + function)
        if document:
            self.saw(function, document["host"], document["generation"], asked)

    def read_all(self):
        asked = time.monotonic()
        document = self.get("/v1/assignments?limit=1000")
        if not document:
            return
        rows = {row["function"]: row for row in document["items"]}
        for function in self.lane.watched:
            row = rows.get(function) or {"host": None,
                                         "generation": self.generations.get(function, 0)}
            self.saw(function, row["host"], row["generation"], asked)

    # ---- changing ----

    def profile_request(self):
        """Of a whole profile: all of it goes to one host, or to none."""
        name = self.dice.choice(sorted(PROFILES))
        members = self.lane.profiles[name]
        at = {self.owners.get(function) for function in members}
        verb = "assign" if at == {None} else self.dice.choice(("move", "move", "release"))
        body = {} if verb == "release" else {"host": self.dice.choice(self.lane.hosts)}
        # What the manager makes of it depends on where each is then: its answer tells.
        operations = [{"op": "put", "function": function, **body} for function in members]
        return f"/v1/profiles/{name}/{verb}", body, operations

    def request(self):
        """What to ask for: target, body, and what it means for each function."""
        if self.dice.random() < 0.2:
            return self.profile_request()
        names = self.dice.sample(self.lane.functions, self.dice.choice((1, 1, 1, 2, 3)))
        operations = [self.operation(name) for name in names]
        return "/v1/changes", {"operations": operations}, operations

    def operation(self, function):
        host = self.dice.choice(self.lane.hosts)
        if not self.owners.get(function):
            return {"op": "assign", "function": function, "host": host,
                    "identity": {"mac": self.lane.mac()}}
        if self.dice.random() < 0.25:
            return {"op": "release", "function": function}
        return {"op": "move", "function": function, "host": host}

    def change(self):
        target, body, operations = self.request()
        asked = time.monotonic()
        document = self.follow(target, body, operations, str(uuid.uuid4()))
        told = time.monotonic()
        if document == "refused":
            return
        if document is None:
            for op in operations:
                self.note(op, asked, NEVER, False)
            return
        for op in document["operations"]:
            if op["state"] == "done" or (op["state"] == "parked" and op["op"] != "release"):
                self.note(op, asked, told, True, f"change {document['id']}")

    def note(self, op, asked, told, is_sure, note=""):
        self.lane.history.add(op["function"], Op(self.who, op["op"], op.get("host"), asked, told,
                                                 is_sure, note))

    def follow(self, target, body, operations, key):
        """Asks until there is an answer, or it has had enough. Return: the change, when it was told to have
        ended; "refused"; None: not known."""
        has_key = target == "/v1/changes"  # others would be done twice
        patience = self.dice.choice((1, 3, 1000)) if has_key else 1
        wait = self.dice.choice((0, 1, 5))
        for _ in range(patience):
            try:
                document = self.lane.ask_once(target, body, key, wait)
                if has_key:
                    self.lane.case.assertEqual(
                        [(op["op"], op["function"], op.get("host")) for op in operations],
                        [(row["op"], row["function"], row["host"]) for row in
                         document["operations"]])
                if document["state"] == "running" and self.dice.random() < 0.05:
                    self.lane.fabric.request("DELETE", f"/v1/changes/{document['id']}")
                if document["state"] == "running":
                    document = self.lane.await_end(document["id"])
                if has_key and self.dice.random() < 0.1:
                    again = self.lane.ask_once(target, body, key, 0)
                    self.lane.case.assertEqual(again["id"], document["id"], "done twice")
                return document
            except Refused as refused:
                # Of a host that is being fenced or a function that is in use; 503: not ready.
                self.lane.case.assertIn(refused.status, (404, 409, 503), refused)
                if refused.status != 503:
                    return "refused"
            except GONE:
                pass
            time.sleep(self.dice.uniform(0.005, 0.03))
        return None


class Night(Lane):
    generate = (HOSTS, 2, 4, 8)
    agents = tuple(f"bay{n + 1}" for n in range(HOSTS))
    beat_ms = 250 if SANITIZED else 100
    missed = 5 if SANITIZED else 3

    def __init__(self, case, name, seed, kills):
        self.dice, self.kills = random.Random(seed), kills
        self.history, self.lock = History(), threading.Lock()
        self.lost = {}  # host -> how
        self.again = self.checked = self.incidents = self.surprises = self.reboots = self.splits = 0
        super().__init__(case, name)
        self.switch = Switch(self)
        self.fabric.switch_log = "debug"
        self.wall_s = time.time() - time.monotonic()

    def mac(self):
        with self.lock:
            self.macs += 1
            return mac_of(self.macs)

    def setup(self):
        self.watched = self.fabric.free_functions("nic-")[:FUNCTIONS + sum(PROFILES.values())]
        self.functions, rest = self.watched[:FUNCTIONS], self.watched[FUNCTIONS:]
        self.profiles = {}
        for name, count in PROFILES.items():
            self.profiles[name], rest = rest[:count], rest[count:]
            body = {"functions": [{"function": function, "identity": {"mac": self.mac()}}
                                  for function in self.profiles[name]]}
            status, _, answer = self.fabric.request("PUT", f"/v1/profiles/{name}", body)
            self.case.assertEqual((status, len(self.profiles[name])), (201, count), answer)
        self.spares_make()
        self.begin({})

    def begin(self, owners):
        self.history.begin(owners)
        self.began = time.monotonic()
        self.waited = {host: self.waited_s(host) for host in self.agents}
        self.changes_before = len(self.promises)

    # ---- what clients do ----

    def ask_once(self, target, body, key, wait):
        status, _, document = self.fabric.request(
            "POST", target + (f"?wait={wait}" if wait else ""), body, {"Idempotency-Key": key})
        if status not in (200, 202):
            raise Refused(status, document)
        self.promise(document)
        return document

    def promise(self, document):
        operations = [{key: row[key] for key in ("op", "function", "host", "identity")
                       if row["op"] != "release" or key in ("op", "function")}
                      for row in document["operations"]]
        self.promises[document["id"]] = (operations, document["state"])

    def await_end(self, number):
        """Of a change that was acknowledged. Raises one of GONE when the manager dies meanwhile."""
        end = time.monotonic() + PATIENCE_S
        while True:
            status, _, document = self.fabric.request("GET", f"/v1/changes/{number}?wait=2")
            self.case.assertIn(status, (200, 503), f"change {number} was acknowledged: {document}")
            if status == 200:
                self.promise(document)
                if document["state"] != "running":
                    return document
            self.case.assertLess(time.monotonic(), end, f"a change never ends: {document}")

    # ---- hosts ----

    def lose_a_host(self):
        """A blade dies, is silent, or is taken out by hand."""
        victim = self.dice.choice([host for host in self.agents if host not in self.lost])
        how = self.dice.choice(("power", "silence", "hand"))
        if how == "hand":
            try:
                status, _, answer = self.fabric.request("POST", f"/v1/hosts/{victim}/failover", {})
            except GONE:
                status, answer = 202, None  # it may have begun
            self.case.assertIn(status, (200, 202, 409, 503), answer)
            if status in (200, 202) and answer:
                self.incidents_promised = max(self.incidents_promised, answer["id"])
        else:
            self.fabric.kill("agent-" + victim)
        if how == "power":
            self.fabric.power(victim, "off")
        self.lost[victim] = how
        self.seen += f", {victim} is lost by {how}"

    def bring_back(self):
        """All that was lost; until sixteen hosts are alive."""
        for host in self.agents:
            if "agent-" + host not in self.fabric.processes:
                self.fabric.power(host, "on")
                self.start_agent(host)
        self.fabric.wait("all hosts are alive", self.readmit_all)
        self.spares_make()

    def readmit_all(self):
        rows = self.fabric.list("hosts")
        for row in rows:
            if row["state"] == "fenced":
                self.fabric.request("POST", f"/v1/hosts/{row['id']}/readmit", {})
        return all(row["state"] == "alive" for row in rows)

    def spares_make(self):
        rows = self.fabric.list("hosts")
        spares = [row["id"] for row in rows if row["spare"]]
        rows.sort(key=lambda row: (row["functions"], self.dice.random()))
        for row in rows:
            if len(spares) < SPARES and not row["spare"]:
                self.fabric.ctl("host", "set", row["id"], "--spare", "on")
                spares.append(row["id"])
        self.hosts = [host for host in self.agents if host not in spares]

    # ---- comparing ----

    def taken(self, journal):
        """What the manager moved by itself since the watch began."""
        for number, change in journal.changes.items():
            asked = change["started_wall_ms"] / 1000 - self.wall_s - CLOCK_SLACK_S
            if change["kind"] != "failover" or asked < self.began:
                continue
            for item in journal.items[number]:
                if item["state"] in ("done", "parked"):
                    self.history.add(item["function"], Op("manager", "take", item["host"], asked,
                                                          NEVER, True, f"change {number}"))

    def waited_s(self, host):
        """How long the agent of @host has waited for a processor in all its life."""
        try:
            with open(f"/proc/{self.fabric.processes['agent-' + host].pid}/schedstat",
                      encoding="ascii") as file:
                return int(file.read().split()[1]) / 1e9
        except (OSError, KeyError):
            return 0

    def check_incidents(self, journal):
        """Nobody was fenced but those that were lost (invariant 6), and those whose agent was kept
        from running so long that it may have been silent for a window."""
        rows = [row for row in journal.tables["incident"] if row["id"] > self.incidents]
        self.incidents += len(rows)
        for row in rows:
            if row["host"] in self.lost:
                continue
            waited_s = self.waited_s(row["host"]) - self.waited.get(row["host"], 0)
            steps = [step for step in journal.tables["step"] if step["incident"] == row["id"]]
            self.case.assertGreater(waited_s, self.beat_ms * (self.missed - 1) / 1000,
                                    f"{row['host']} was alive, and is fenced: {row} {steps}")
            self.surprises += 1
            self.say(f"{row['host']} got no processor for {waited_s:.1f} s, and was fenced")

    def check_profiles(self):
        """Each is whole, unless a part of it could not be moved, and that was told."""
        for name, members in self.profiles.items():
            row = self.fabric.get("/v1/profiles/" + name)
            hosts = {self.fabric.get("/v1/functions/" + function)["host"] for function in members}
            if row["state"] == "split":
                self.splits += 1
            else:
                self.case.assertEqual(hosts, {row["host"]}, row)

    def look_at_all(self):
        """Nothing is under way any more."""
        self.fabric.fault("clear")
        self.bring_back()
        journal = self.wait_quiet()
        self.switch.check()
        self.check_profiles()
        self.check_incidents(journal)
        self.lost = {}
        self.taken(journal)
        self.checked += self.history.size()
        wrong = self.history.check()
        if wrong:
            self.case.fail(wrong)
        self.fabric.run("fabric-db", "check", self.fabric.at("copy.db"))
        self.fabric.ctl("audit", "verify", "--db", self.fabric.at("fabricd.db"))
        self.begin({row["function"]: row["host"] for row in journal.tables["assignment"]})

    # ---- deaths ----

    def kill_after(self, delay_s):
        """-9, unless it dies at a point of its own before."""
        threading.Event().wait(delay_s)
        self.fabric.kill("fabricd")
        self.deaths += 1

    def start_again(self):
        """Sometimes it is stopped dead again on its way up."""
        while self.dice.random() < 0.2:
            if self.dice.random() < 0.5:
                self.arm(self.dice.choice(POINTS), self.dice.randint(1, 6))
            self.fabric.start_manager(env={"FABRIC_ABORT_FILE": self.fabric.at("abort")},
                                      ready=False)
            self.kill_after(self.dice.uniform(0.0, 0.2))
            self.again += 1
            self.autopsy()
        self.disarm()
        self.start_manager()

    def episode(self, number):
        self.seen = f"kill {number}"
        self.fabric.fault("clear")
        faults = self.dice.sample(FAULTS, self.dice.choice((0, 1, 1, 2)))
        if faults:
            self.fabric.fault(*faults)
        if self.dice.random() < 0.25 and len(self.lost) < SPARES - 1:
            self.lose_a_host()
        if self.dice.random() < 0.1:
            self.fabric.kill("fabricsim")
            self.fabric.start_switch()
            self.reboots += 1
            self.seen += ", the switch's program was killed"
        if self.dice.random() < 0.5:
            # Most often while something is on its way to the disk, which others may not see yet.
            self.arm(self.dice.choice(POINTS + ("journal-during",) * 3), self.dice.randint(1, 20))
        self.kill_after(self.dice.uniform(0.0, 0.4))
        self.autopsy()
        self.switch.check()
        self.start_again()

    def watch(self, first, count):
        stop = threading.Event()
        clients = [Client(self, n, f"{self.dice.random()}", stop) for n in range(5)]
        for client in clients:
            client.start()
        try:
            for number in range(first, first + count):
                self.episode(number)
        finally:
            stop.set()
            for client in clients:
                client.join(PATIENCE_S)
        for client in clients:
            self.case.assertIsNone(client.failure, client.failure)
        self.look_at_all()

    def work(self, stop):
        number = 0
        while number < self.kills and not stop.is_set():
            count = min(WATCH, self.kills - number)
            self.watch(number, count)
            number += count
            self.say(f"{number} of {self.kills}: {len(self.promises)} changes, "
                     f"{self.incidents} failovers, {self.checked} operations in order")
        # Deaths with nothing under way would prove little. How many end depends on the machine.
        self.case.assertGreater(len(self.promises), self.kills // 2)
        self.case.assertGreater(self.switch.binds, self.kills // 4)
        self.say(f"{self.deaths} deaths ({self.again} on the way up), {self.reboots} of the switch's "
                 f"program; {len(self.promises)} changes acknowledged, {self.switch.binds} binds, "
                 f"{self.incidents} failovers; 0 double owners, 0 lost acknowledgements; "
                 f"{self.checked} answers linearizable; {self.splits} times a profile was split")


class Kills(unittest.TestCase):
    def test_s1_s8_under_load_it_may_die_at_any_moment(self):
        seed = int(os.environ.get("FABRIC_SEED", "1"))
        print(f"FABRIC_SEED={seed} FABRIC_KILLS={KILLS} FABRIC_LANES={LANES}", flush=True)
        kills = [len(range(n, KILLS, LANES)) for n in range(LANES)]
        stop = threading.Event()

        with ThreadPoolExecutor(LANES) as pool:
            stories = list(pool.map(
                lambda n: Night(self, f"night {n}", f"{seed}.{n}", kills[n]).run(stop), range(LANES)))

        for story in stories:
            if story:
                print(story, flush=True)
        self.assertEqual([story.splitlines()[0] for story in stories if story], [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
