#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""`fabricctl incident replay`: what led to an incident runs again as it was on the real programs,
and with other settings it says what would have happened."""

import json
import signal
import unittest
import uuid

from fabric import Case, Follower, Refused


class Replay(Case):
    def setUp(self):
        super().setUp()
        self.victim, self.spare = self.hosts[0], self.hosts[-1]
        self.fabric.ctl("host", "set", self.spare, "--spare", "on")
        self.fabric.assign(self.fabric.free_functions("nic-")[0], self.victim)

    def died(self, kill):
        kill(self.victim)
        self.fabric.wait(f"the incident of {self.victim} is done",
                         lambda: (self.fabric.incident_of(self.victim) or {}).get("state") == "done")
        for want in self.fabric.acknowledged.values():
            if want and want["host"] == self.victim:
                want["host"] = self.spare
        return self.fabric.incident_of(self.victim)["id"]

    def silent(self):
        return self.died(lambda host: self.fabric.kill("agent-" + host))

    def replay(self, incident, **body):
        status, _, document = self.fabric.request("POST", f"/v1/incidents/{incident}/replay", body)
        if status != 200:
            raise Refused(status, document)
        return document

    def end(self, document, run):
        host, = [one for one in document["hosts"] if one["host"] == self.victim]
        return host[run]["end"]

    def test_a_silent_blade_s_incident_runs_again_as_it_was(self):
        incident = self.silent()
        seen = self.replay(incident)

        self.assertTrue(seen["same"], seen["difference"])
        self.assertGreater(seen["beats"], 0)
        self.assertEqual(seen["host"], self.victim)
        self.assertEqual(self.end(seen, "night")["what"], "judged-dead")
        verdict, = [step for step in self.fabric.get(f"/v1/incidents/{incident}")["timeline"]
                    if step["what"] == "verdict"]
        self.assertEqual(self.end(seen, "night")["offset_ms"], verdict["offset_ms"])

    def test_what_came_after_the_verdict_is_kept_too(self):
        incident = self.silent()
        self.fabric.wait("the record tells three windows more", lambda: self.replay(incident)["end_ms"]
                         > self.end(self.replay(incident), "night")["offset_ms"] + 1000)
        self.assertTrue(self.replay(incident)["same"])

    def test_other_settings_say_what_would_have_happened(self):
        incident = self.silent()
        seen = self.replay(incident, set={"heartbeat.missed": "100"})

        night, otherwise = self.end(seen, "night"), self.end(seen, "otherwise")
        self.assertEqual(otherwise["what"], "judged-dead")
        self.assertGreater(otherwise["offset_ms"], night["offset_ms"])
        self.assertTrue(otherwise["assumed"])
        self.assertFalse(night["assumed"])

    def test_a_blade_without_power_is_proved_dead_again(self):
        incident = self.died(self.fabric.kill_blade)
        seen = self.replay(incident, set={"failover.witness": "none"})

        self.assertTrue(seen["same"], seen["difference"])
        self.assertEqual(self.end(seen, "night")["what"], "proved-dead")
        self.assertEqual(self.end(seen, "otherwise")["what"], "judged-dead")

    def test_a_failover_by_hand_and_a_restart_in_between(self):
        self.fabric.wait("the spare is fit", lambda: self.fabric.request(
            "POST", f"/v1/hosts/{self.victim}/failover", {"dry_run": True})[0] == 200)
        self.fabric.ctl("host", "failover", self.victim)
        incident = self.died(lambda host: None)
        before = self.replay(incident)
        self.fabric.kill("fabricd")
        self.fabric.start_manager()
        after = self.replay(incident)

        self.assertTrue(before["same"], before["difference"])
        self.assertEqual(self.end(before, "night")["what"], "fenced-by-hand")
        self.assertTrue(after["same"], after["difference"])
        self.assertEqual(self.end(after, "night"), self.end(before, "night"))

    def test_a_blade_that_leaves_on_purpose(self):
        self.follower = Follower(self.fabric)
        self.fabric.wait("judging has begun, and the spare is fit", lambda: self.fabric.request(
            "POST", f"/v1/hosts/{self.victim}/failover", {"dry_run": True})[0] == 200)
        self.fabric.kill("agent-" + self.victim)
        self.fabric.start("leaver", "fabric-agent", "--host", self.victim, "--socket", self.fabric.socket,
                          "--interval-ms", "200", "--boot-id", str(uuid.uuid4()), "--leave")
        self.fabric.wait("it is heard", lambda: "host.booted" in self.follower.types())
        incident = self.died(lambda host: self.fabric.kill("leaver", signal.SIGTERM))
        seen = self.replay(incident)

        self.assertTrue(seen["same"], seen["difference"])
        self.assertEqual(self.end(seen, "night")["what"], "left")

    def test_what_cannot_be_asked_is_refused_with_the_reason(self):
        incident = self.silent()
        for key, value, words in (("heartbeat.interval", "2s", "beats that were not sent"),
                                  ("failover.reserve", "1", "does not enter a verdict"),
                                  ("heartbeat.missed", "2", "3")):
            with self.assertRaises(Refused) as refused:
                self.replay(incident, set={key: value})
            self.assertEqual(refused.exception.status, 400)
            self.assertIn(words, json.dumps(refused.exception.problem))
        with self.assertRaises(Refused) as refused:
            self.replay(999)
        self.assertEqual(refused.exception.status, 404)

    def test_fabricctl_tells_it_to_people(self):
        incident = self.silent()
        text = self.fabric.ctl("incident", "replay", str(incident), "--set", "heartbeat.missed=100",
                               "--set", "failover.storm-min=3")

        self.assertIn("the same as that night", text)
        self.assertIn(f"{self.victim}: judged dead at +", text)
        self.assertIn("otherwise judged dead at +", text)
        self.assertIn("if it stayed silent", text)
        seen = json.loads(self.fabric.ctl("incident", "replay", str(incident), "-o", "json"))
        self.assertNotIn("otherwise", seen)
        self.fabric.ctl("incident", "replay", str(incident), "--set", "missed", expect=2)
        self.fabric.ctl("incident", "replay", str(incident), "--set", "heartbeat.interval=2s", expect=1)


if __name__ == "__main__":
    unittest.main()
