#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""For the person on duty, on the real programs: drills of spares, what is to be typed next, and
fence-confirm against what the witnesses have seen."""

import json
import os
import shlex
import subprocess
import threading
import unittest

from fabric import BIN, CONFIG, Case, Follower


class Duty(Case):
    config = CONFIG.replace("fence-retry = 1s", "fence-retry = 3s\nfence-attempts = 3")

    def setUp(self):
        super().setUp()
        self.victim, self.spare, self.other = self.hosts[:3]
        self.fabric.ctl("host", "set", self.spare, "--spare", "on")
        self.function = self.fabric.free_functions("nic-")[0]
        self.fabric.assign(self.function, self.victim)
        self.fabric.wait("the spare is steady", lambda: self.fabric.request(
            "POST", f"/v1/hosts/{self.victim}/failover", {"dry_run": True})[0] == 200)

    def host(self, name):
        return self.fabric.get("/v1/hosts/" + name)

    def incident(self, host):
        return self.fabric.get(f"/v1/incidents/{self.fabric.incident_of(host)['id']}")

    def steps(self, host):
        return [f"{step['what']}: {step['detail']}" for step in self.incident(host)["timeline"]]

    def wait_state(self, host, state):
        self.fabric.wait(f"{host} is {state}", lambda: self.fabric.host_state(host) == state)

    def refused(self, *words):
        """What fabricctl says when it is refused."""
        done = subprocess.run([os.path.join(BIN, "fabricctl"), "--socket", self.fabric.socket, *words],
                              capture_output=True, text=True, check=False,
                              env=self.fabric.environment())
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        return done.stderr

    def type(self, command):
        """Types a command line as it stands in "next"."""
        words = shlex.split(command)
        self.assertEqual(words[0], "fabricctl")
        return self.fabric.ctl(*words[1:])

    def is_isolated(self, host):
        return self.host(host)["isolated"]

    # ---- drills ----

    def test_a_drill_proves_a_spares_fence_and_lets_it_in_again(self):
        self.assertIsNone(self.host(self.spare)["fence_proved"])
        epoch = self.host(self.spare)["epoch"]
        follower = Follower(self.fabric)

        said = self.fabric.ctl("drill", self.spare)

        self.assertIn("its fence was proved (isolate), and it is let in", said)
        host = self.host(self.spare)
        self.assertEqual((host["state"], host["spare"], host["epoch"]), ("alive", True, epoch + 2))
        self.assertFalse(host["isolated"])
        proved = host["fence_proved"]
        self.assertEqual((proved["by"], proved["rungs"]), ("drill", "isolate"))
        self.assertIn(proved["detail"], self.fabric.ctl("host", "show", self.spare))
        incident = self.incident(self.spare)
        self.assertTrue(incident["drill"])
        self.assertEqual((incident["state"], incident["id"]), ("done", proved["incident"]))
        self.fabric.wait("its agent beats under the new epoch",
                         lambda: self.host(self.spare)["last_beat_ms_ago"] is not None
                         and self.fabric.host_state(self.spare) == "alive")
        self.fabric.wait("it was told", lambda: "host.drilled" in follower.types())
        self.assertIn("host.drill", follower.types())
        self.fabric.check()

        # It takes over as before.
        self.fabric.kill_blade(self.victim)
        self.fabric.acknowledged[self.function]["host"] = self.spare
        self.fabric.wait_settled()
        self.fabric.wait("its incident is done", lambda: self.fabric.incident_of(self.victim)["state"]
                         == "done")
        self.assertEqual(self.host(self.victim)["fence_proved"]["by"], "fence")
        self.assertIn(f"{self.spare} has functions", self.refused("drill", self.spare))

    def test_all_spares_one_after_the_other_and_who_asked_is_audited(self):
        self.fabric.ctl("host", "set", self.other, "--spare", "on")

        said = self.fabric.ctl("drill", "--spares")

        self.assertEqual(said.splitlines(), [f"{self.spare}: its fence was proved",
                                             f"{self.other}: its fence was proved"])
        said = self.fabric.ctl("drill", "--spares", "-o", "json")
        self.assertEqual([json.loads(line)["host"] for line in said.splitlines()],
                         [self.spare, self.other])
        self.assertIn(f"{self.victim} has functions", self.refused("drill", self.victim))
        self.fabric.ctl("host", "set", self.other, "--spare", "off")
        self.assertIn("is no spare", self.refused("drill", self.other))
        self.fabric.ctl("drill", self.other, "--force")
        self.fabric.ctl("drill", expect=2)
        self.fabric.check()

    def test_a_manager_that_dies_in_a_drill_leaves_the_spare_fenced_and_says_what_to_type(self):
        self.fabric.fault("isolate:delay=5000:1")
        asked = threading.Thread(target=lambda: subprocess.run(
            [os.path.join(BIN, "fabricctl"), "--socket", self.fabric.socket, "drill", self.spare],
            capture_output=True, check=False, env=self.fabric.environment()))
        asked.start()
        self.wait_state(self.spare, "fencing")
        self.fabric.wait("that is durable", lambda: self.fabric.incident_of(self.spare))
        self.fabric.kill("fabricd")
        asked.join()
        self.fabric.fault("clear")
        self.fabric.start_manager()

        self.fabric.wait("the drill has ended",
                         lambda: self.fabric.incident_of(self.spare)["state"] == "done")
        self.wait_state(self.spare, "fenced")
        self.assertTrue(self.is_isolated(self.spare))
        self.assertIn("the manager was restarted", "\n".join(self.steps(self.spare)))
        following = self.host(self.spare)["next"]
        self.assertEqual(following[0]["command"], f"fabricctl host readmit {self.spare}")
        self.type(following[0]["command"])
        self.wait_state(self.spare, "alive")
        self.assertTrue(self.host(self.spare)["spare"])
        self.fabric.check()

    def test_a_death_in_a_drill_is_handled_at_once_with_another_spare(self):
        self.fabric.ctl("host", "set", self.other, "--spare", "on")
        self.fabric.fault("isolate:delay=3000:1")
        asked = threading.Thread(target=lambda: self.fabric.ctl("drill", self.spare))
        asked.start()
        self.wait_state(self.spare, "fencing")

        self.fabric.kill_blade(self.victim)
        self.fabric.acknowledged[self.function]["host"] = self.other
        self.fabric.wait_settled()
        asked.join()

        self.assertEqual(self.fabric.host_state(self.spare), "alive")

    # ---- fence-confirm ----

    def block(self):
        self.fabric.fault("isolate:refused", "unbind:refused", "host-power:refused")
        self.fabric.kill("agent-" + self.victim)
        self.wait_state(self.victim, "blocked")

    def test_a_person_is_not_heard_against_a_witness_and_only_once(self):
        self.block()
        incident = self.fabric.incident_of(self.victim)["id"]
        command = f"fabricctl host fence-confirm {self.victim} --incident {incident}"
        words = shlex.split(command)[1:]
        for document in (self.incident(self.victim), self.host(self.victim),
                         self.fabric.get("/v1/health")):
            self.assertIn(command, [row["command"] for row in document["next"]])
        self.assertIn(command, self.fabric.ctl("health"))
        self.assertIn(command, self.fabric.ctl("incident", "show", str(incident)))

        # It beats once more, and says so.
        self.fabric.start_agent(self.victim)
        self.fabric.wait("it is heard", lambda: self.host(self.victim)["last_beat_ms_ago"] < 1000)
        self.fabric.kill("agent-" + self.victim)
        said = self.refused(*words)
        self.assertRegex(said, rf"{self.victim} is not off: (it beat by socket|its agent told its "
                         r"view) \d+\.\d+ s ago")

        # It stays silent, through a whole fence that proves nothing either.
        self.fabric.wait("a person is heard", lambda: self.fabric.request(
            "POST", f"/v1/hosts/{self.victim}/fence-confirm", {"incident": incident})[0] != 409)
        self.assertIn("already", self.refused(*words))
        self.wait_state(self.victim, "fenced")
        self.fabric.check()  # S1: it is where it was

        # It was wrong: it lives. It is fenced anew, and the word does not count again.
        self.fabric.start_agent(self.victim)
        self.fabric.wait("another incident", lambda: self.fabric.incident_of(self.victim)["id"]
                         != incident)
        self.wait_state(self.victim, "blocked")
        self.refused(*words)
        self.fabric.fault("clear")
        self.fabric.acknowledged[self.function]["host"] = self.spare
        self.fabric.wait_settled()

    def test_what_is_to_be_typed_when_no_spare_is_left_helps(self):
        self.fabric.ctl("host", "maintenance", self.spare, "on")
        self.fabric.kill_blade(self.victim)
        self.fabric.wait("it waits", lambda: (self.fabric.incident_of(self.victim) or {}).get(
            "state") == "waiting")

        commands = [row["command"] for row in self.incident(self.victim)["next"]]
        self.assertIn(f"fabricctl host set {self.other} --spare on", commands)
        self.assertIn(f"fabricctl host maintenance {self.spare} off", commands)
        self.type(f"fabricctl host set {self.other} --spare on")
        self.fabric.acknowledged[self.function]["host"] = self.other
        self.fabric.wait_settled()
        self.fabric.wait("its incident is done", lambda: self.fabric.incident_of(self.victim)["state"]
                         == "done")
        following = self.incident(self.victim)["next"]
        self.assertEqual([row["command"] for row in following],
                         [f"fabricctl host readmit {self.victim}"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
