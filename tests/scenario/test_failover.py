#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The main job over the real sockets: a blade dies, and its functions arrive on the spare with
their identities."""

import signal
import unittest
import uuid

from fabric import Case, Follower


class Failover(Case):
    def setUp(self):
        super().setUp()
        self.victim, self.other, self.spare = self.hosts[0], self.hosts[1], self.hosts[-1]
        self.fabric.ctl("host", "set", self.spare, "--spare", "on")
        for function in self.fabric.free_functions("nic-")[:3]:
            self.fabric.assign(function, self.victim)
        self.fabric.assign(self.fabric.free_functions("nic-")[0], self.other)
        self.fabric.check()

    def move_expected(self, source, target):
        for want in self.fabric.acknowledged.values():
            if want and want["host"] == source:
                want["host"] = target

    def wait_for_failover(self, host, target):
        self.fabric.wait(f"the incident of {host} is done",
                         lambda: (self.fabric.incident_of(host) or {}).get("state") == "done")
        self.move_expected(host, target)
        self.fabric.wait_settled()

    def test_a_blade_without_power_is_fenced_and_its_functions_arrive_on_the_spare(self):
        self.fabric.kill_blade(self.victim)

        self.wait_for_failover(self.victim, self.spare)

        self.assertEqual(self.fabric.host_state(self.victim), "fenced")
        self.assertEqual(self.fabric.host_state(self.other), "alive")
        self.assertEqual(self.fabric.incident_of(self.victim)["target"], self.spare)

    def test_a_silent_blade_is_suspected_then_fenced_after_its_window(self):
        follower = Follower(self.fabric)
        self.fabric.kill("agent-" + self.victim)

        self.wait_for_failover(self.victim, self.spare)

        self.fabric.wait("suspicion was told", lambda: "host.suspect" in follower.types())
        types = follower.types()
        self.assertLess(types.index("host.suspect"), types.index("host.fenced"))

    def test_s11_a_cold_spare_is_bound_powered_on_and_waited_for(self):
        self.fabric.kill_blade(self.spare)
        self.fabric.wait("it is a cold spare", lambda: self.fabric.get(
            "/v1/hosts/" + self.spare)["spare_kind"] == "cold")
        self.assertIn(f"powers on {self.spare}", self.fabric.ctl(
            "host", "failover", self.victim, "--dry-run"))
        self.fabric.kill_blade(self.victim)

        self.fabric.wait("it has power", lambda: self.fabric.get(
            "/v1/hosts/" + self.spare)["power"] == "on")
        self.move_expected(self.victim, self.spare)
        self.fabric.check()
        self.assertEqual(self.fabric.incident_of(self.victim)["state"], "moving")
        self.fabric.start_agent(self.spare)
        self.wait_for_failover(self.victim, self.spare)
        shown = self.fabric.ctl("incident", "show", str(self.fabric.incident_of(self.victim)["id"]))
        self.assertLess(shown.index("power on"), shown.index(f"{self.spare} beats"))

    def test_s7_a_blade_that_sends_and_does_not_beat_is_left_alone(self):
        follower = Follower(self.fabric)
        for host in self.hosts:
            self.fabric.traffic(host, "on")
        self.fabric.kill("agent-" + self.victim)

        self.fabric.wait("it is told", lambda: "failover.hold" in follower.types())
        detail = self.fabric.get("/v1/health")["detail"]
        self.assertIn(f"{self.victim} is silent, but traffic comes from it", detail)
        shown = self.fabric.get("/v1/hosts/" + self.victim)
        self.assertEqual((shown["witness"], shown["traffic"]), ("alive", "moves"))
        looks = []
        self.fabric.wait("two windows pass", lambda: looks.append(
            self.fabric.list("incidents")) or len(looks) > 150)
        self.assertEqual(looks[-1], [])
        self.fabric.check()

        # It dies in earnest: its counter stands, and the window begins anew.
        self.fabric.traffic(self.victim, "off")
        self.wait_for_failover(self.victim, self.spare)
        self.assertIn("traffic from it: stands", self.fabric.ctl(
            "incident", "show", str(self.fabric.incident_of(self.victim)["id"])))

    def beating(self, name, host, boot):
        self.fabric.start(name, "fabric-agent", "--host", host, "--socket", self.fabric.socket,
                          "--interval-ms", "200", "--boot-id", boot, "--sysfs", "none")

    def counted(self, host):
        return self.fabric.get("/v1/hosts/" + host)["beats"]["counted"]

    def test_an_agent_outlives_a_second_one_that_was_started_beside_it(self):
        boot = str(uuid.uuid4())
        self.fabric.kill("agent-" + self.other)
        self.beating("agent-" + self.other, self.other, boot)
        before = self.counted(self.other)
        self.fabric.wait("it beats", lambda: self.counted(self.other) > before + 2)
        self.beating("agent-second", self.other, boot)
        before = self.counted(self.other)
        self.fabric.wait("both beat", lambda: self.counted(self.other) > before + 10)

        self.fabric.kill("agent-second")

        before = self.counted(self.other)
        self.fabric.wait("the first still counts", lambda: self.counted(self.other) > before + 10)
        self.assertEqual(self.fabric.host_state(self.other), "alive")

    def test_s9_a_fenced_host_is_told_so_and_comes_back_only_when_readmitted(self):
        self.fabric.kill_blade(self.victim)
        self.wait_for_failover(self.victim, self.spare)

        self.fabric.power(self.victim, "on")
        self.fabric.start_agent(self.victim)
        self.fabric.wait("the agent is told that it is fenced",
                         lambda: "FENCED" in self.fabric.log("agent-" + self.victim))
        self.assertEqual(self.fabric.host_state(self.victim), "fenced")
        self.fabric.ctl("host", "readmit", self.victim)
        self.fabric.wait("it is alive again", lambda: self.fabric.host_state(self.victim) == "alive")

        self.fabric.check()  # no automatic fail-back

    def test_a_manager_killed_in_the_middle_finishes_what_it_began(self):
        self.fabric.fault("all:delay=150")
        self.fabric.kill_blade(self.victim)
        self.fabric.wait("the failover is under way",
                         lambda: self.fabric.incident_of(self.victim) is not None)

        self.fabric.kill("fabricd")
        self.fabric.fault("clear")
        self.fabric.start_manager()

        self.wait_for_failover(self.victim, self.spare)

    def test_s3_a_manager_that_was_stopped_fences_nobody(self):
        process = self.fabric.processes["fabricd"]
        stopped = []
        process.send_signal(signal.SIGSTOP)
        try:
            self.fabric.wait("some time passes", lambda: stopped.append(1) or len(stopped) > 300)
        finally:
            process.send_signal(signal.SIGCONT)

        alive = []
        self.fabric.wait("two windows pass", lambda: alive.append(
            {row["state"] for row in self.fabric.list("hosts")}) or len(alive) > 100)

        self.assertEqual(self.fabric.list("incidents"), [])
        self.fabric.check()

    def test_a_switch_that_is_lost_degrades_and_nobody_is_judged_until_it_is_back(self):
        self.fabric.kill("fabricsim")
        self.fabric.wait("its loss is told",
                         lambda: self.fabric.get("/v1/health")["status"] == "degraded")  # and 200
        self.fabric.kill("agent-" + self.victim)
        looks = []
        self.fabric.wait("two windows pass", lambda: looks.append(
            self.fabric.list("incidents")) or len(looks) > 150)
        self.assertEqual(looks[-1], [])

        self.fabric.start_switch()

        self.wait_for_failover(self.victim, self.spare)
        self.assertEqual(self.fabric.get("/v1/health")["status"], "ok")

    def test_by_hand_a_living_host_is_emptied(self):
        self.fabric.wait("the spare is steady", lambda: self.fabric.request(
            "POST", f"/v1/hosts/{self.victim}/failover", {"dry_run": True})[0] == 200)
        self.assertIn(self.spare, self.fabric.ctl("host", "failover", self.victim, "--dry-run"))
        self.fabric.check()

        self.fabric.ctl("host", "failover", self.victim)

        self.wait_for_failover(self.victim, self.spare)

    def test_s13_a_host_is_drained_and_worked_at_and_comes_back(self):
        follower = Follower(self.fabric)
        self.fabric.wait("the spare is steady", lambda: self.fabric.request(
            "POST", f"/v1/hosts/{self.victim}/drain", {"dry_run": True})[0] == 200)
        self.assertIn(self.spare, self.fabric.ctl("host", "drain", self.victim, "--dry-run"))
        self.fabric.ctl("host", "drain", self.victim, "--wait", "60")
        self.move_expected(self.victim, self.spare)
        self.fabric.wait_settled()
        self.assertIn("nothing to do", self.fabric.ctl("host", "drain", self.victim))
        self.assertEqual(self.fabric.host_state(self.victim), "alive")

        self.fabric.ctl("host", "maintenance", self.victim, "on")
        self.fabric.kill("agent-" + self.victim)
        self.fabric.wait("its silence is told", lambda: "host.verdict" in follower.types())
        self.assertEqual(self.fabric.host_state(self.victim), "maintenance")
        self.assertEqual(self.fabric.list("incidents"), [])

        self.fabric.ctl("host", "maintenance", self.victim, "off")
        self.fabric.wait("it is judged again",
                         lambda: self.fabric.host_state(self.victim) == "fenced")

    def test_without_a_fit_spare_it_waits_and_goes_on_when_there_is_one(self):
        self.fabric.ctl("host", "set", self.spare, "--spare", "off")
        self.fabric.kill_blade(self.victim)
        self.fabric.wait("it is fenced, and waits",
                         lambda: (self.fabric.incident_of(self.victim) or {}).get("state")
                         == "waiting")

        self.fabric.ctl("host", "set", self.spare, "--spare", "on")

        self.wait_for_failover(self.victim, self.spare)


if __name__ == "__main__":
    unittest.main(verbosity=2)
