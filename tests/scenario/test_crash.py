#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""fabricd is stopped dead before, during and after every step of its journal and before and after
every operation of an assign, a move and a failover; and at random under load, with a switch that
errs. Each time what was acknowledged is compared with the journal as it lies on the disk, and, once
the daemon is back and has nothing left to do, with `fabricsim bindings`.

Several fabrics at once, each in a lane of its own: most of the time goes by in waiting for
heartbeat windows. Environment: FABRIC_SEED, FABRIC_KILLS (at random, 50), FABRIC_SANITIZE (if set,
a third of the work)."""

import os
import random
import signal
import threading
import traceback
import unittest
import uuid
from concurrent.futures import ThreadPoolExecutor

from fabric import PATIENCE_S, Refused
from lane import FAULTS, GONE, POINTS, SANITIZED, Lane

STRIDE = 3 if SANITIZED else 1
KILLS = int(os.environ.get("FABRIC_KILLS", "17" if SANITIZED else "50"))
RANDOM_LANES = 2
PASSAGES_MAX = 200  # of one point in one operation; more would mean that it never ends

# ---- every point of one operation ----


class Sweep(Lane):
    """One operation again and again; each time death comes at the next passage."""

    points = POINTS
    stride = STRIDE

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
            for number in range(1 + at % self.stride, PASSAGES_MAX, self.stride):
                if stop.is_set() or not self.once(point, number):
                    break
                deaths += 1
            else:
                self.case.fail(f"{point}: it is passed again and again")
            found[point] = deaths
            self.say(f"{point}: {deaths} deaths")
        if not stop.is_set():
            # Fewer would mean that the sweep has passed the operation by.
            self.case.assertGreaterEqual(min(found.values()) * self.stride, 3, found)


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


class FailoverCold(Failover):
    """The spare is off: it is bound, powered on, and its first beat is waited for (S11)."""

    stride = 2 * STRIDE

    def begin(self):
        self.has_agent = False
        self.fabric.kill_blade(self.spare)
        self.fabric.wait("the spare is a cold one", lambda: self.fabric.get(
            "/v1/hosts/" + self.spare)["spare_kind"] == "cold")

    def is_over(self):
        if not self.has_agent and self.fabric.get("/v1/hosts/" + self.spare)["power"] == "on":
            # What is powered on is bound already.
            self.case.assertEqual({self.shown()[name][0] for name in self.moved}, {self.spare})
            self.has_agent = True
            self.start_agent(self.spare)
        return super().is_over()


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


class Crash(unittest.TestCase):
    def test_stopped_dead_anywhere_it_keeps_what_it_acknowledged(self):
        seed = int(os.environ.get("FABRIC_SEED", "1"))
        print(f"FABRIC_SEED={seed} FABRIC_KILLS={KILLS}, every {STRIDE}. passage", flush=True)
        kills = [len(range(n, KILLS, RANDOM_LANES)) for n in range(RANDOM_LANES)]
        makers = [lambda: Assign(self, "assign"), lambda: Move(self, "move"),
                  lambda: FailoverJournal(self, "failover, journal"),
                  lambda: FailoverOperations(self, "failover, operations"),
                  lambda: FailoverCold(self, "failover to a cold spare")]
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
