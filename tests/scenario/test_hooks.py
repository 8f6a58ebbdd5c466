#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs of the site on the steps of an incident: some work, one hangs, one fails, one floods
its output, one may be written by everybody. None of them delays a fence or a move."""

import json
import os
import unittest

from fabric import CONFIG, Case, Follower


class Hooks(Case):
    config = CONFIG + "[incident]\nhook-deadline = 10s\n"

    def setUp(self):
        super().setUp()
        self.victim, self.spare = self.hosts[:2]
        self.fabric.ctl("host", "set", self.spare, "--spare", "on")
        self.function = self.fabric.free_functions("nic-")[0]
        self.fabric.assign(self.function, self.victim)
        self.fabric.wait("the spare is steady", lambda: self.fabric.request(
            "POST", f"/v1/hosts/{self.victim}/failover", {"dry_run": True})[0] == 200)

    def hook(self, name, body, mode=0o700):
        os.makedirs(self.fabric.at("hooks"), mode=0o700, exist_ok=True)
        path = self.fabric.at("hooks/" + name)
        with open(path, "w", encoding="ascii") as file:
            file.write("#!/bin/sh\n" + body + "\n")
        os.chmod(path, mode)

    def use(self):
        with open(self.fabric.at("fabricd.conf"), "a", encoding="ascii") as file:
            file.write(f"hooks = {self.fabric.at('hooks')}\n")
        self.fabric.processes["fabricd"].send_signal(1)
        self.fabric.wait("the configuration is read again",
                         lambda: "read again" in self.fabric.log("fabricd"))

    def timeline(self):
        incident = self.fabric.incident_of(self.victim)
        return self.fabric.get(f"/v1/incidents/{incident['id']}")["timeline"] if incident else []

    def hooks_said(self):
        return [step["detail"] for step in self.timeline() if step["what"] == "hook"]

    def wait_moved(self):
        self.fabric.wait("the incident is done", lambda: (self.fabric.incident_of(self.victim)
                                                          or {}).get("state") == "done")
        self.fabric.acknowledged[self.function]["host"] = self.spare
        self.fabric.wait_settled()

    def test_each_step_is_told_in_order_and_what_became_of_it_is_a_step(self):
        self.hook("10-record", 'cat >> "${0%/*}/../record"; '
                  'echo "$FABRIC_INCIDENT $FABRIC_HOST $FABRIC_WHAT"')
        self.use()

        self.fabric.kill_blade(self.victim)
        self.wait_moved()
        self.fabric.wait("the last step was told", lambda: any(
            text.endswith(" done") for text in self.hooks_said()))

        with open(self.fabric.at("record"), encoding="utf-8") as file:
            told = [json.loads(line) for line in file]
        steps = [step for step in self.timeline() if step["what"] != "hook"]
        self.assertEqual([(step["what"], step["detail"]) for step in told],
                         [(step["what"], step["detail"]) for step in steps])
        self.assertEqual({step["host"] for step in told}, {self.victim})
        incident = self.fabric.incident_of(self.victim)["id"]
        self.assertEqual({step["incident"] for step in told}, {incident})
        self.assertRegex("\n".join(self.hooks_said()),
                         rf"10-record on step \d+ \(verdict\): done in \d+ ms: {incident} "
                         rf"{self.victim} verdict")

    def test_what_hangs_fails_or_floods_delays_nothing_and_is_told(self):
        self.hook("10-hang", 'echo $$ > "${0%/*}/../pid"; echo begun; exec sleep 1000')
        self.hook("20-fail", "echo no route to the pager >&2; exit 7")
        self.hook("30-flood", "exec yes")
        self.hook("40-open", 'touch "${0%/*}/../ran"', mode=0o777)
        self.use()
        follower = Follower(self.fabric)

        self.fabric.kill_blade(self.victim)
        self.wait_moved()

        self.fabric.wait("each of them was told", lambda: all(
            any(word in text for text in self.hooks_said()) for word in (
                "10-hang on step 1 (last beat): killed, no end after 10000 ms: begun",
                "20-fail on step 1 (last beat): exit status 7: no route to the pager",
                "30-flood on step 1 (last beat): killed, it prints without end",
                "40-open is not run: it may be written by everybody")))
        # All had moved before the first program was killed at its deadline.
        whats = [step["what"] for step in self.timeline()]
        self.assertLess(whats.index("done"), whats.index("hook"))
        self.assertIn("40-open may be written by everybody", self.fabric.log("fabricd"))
        self.assertFalse(os.path.exists(self.fabric.at("ran")))
        self.assertIn("incident.step", follower.types())

        # The manager ends while one runs: nothing of it stays.
        self.fabric.wait("one hangs", lambda: self.runs())
        pid = self.runs()
        self.assertEqual(self.fabric.kill("fabricd", 15), 0)
        self.fabric.wait("it is gone", lambda: not os.path.exists(f"/proc/{pid}"))

    def runs(self):
        try:
            with open(self.fabric.at("pid"), encoding="ascii") as file:
                pid = int(file.read() or 0)
        except FileNotFoundError:
            return None
        return pid if pid and os.path.exists(f"/proc/{pid}") else None

    def test_a_folder_that_is_no_path_is_refused_with_its_line(self):
        with open(self.fabric.at("fabricd.conf"), "a", encoding="ascii") as file:
            file.write("hooks = ../hooks\n")
        self.fabric.processes["fabricd"].send_signal(1)
        self.fabric.wait("it is refused", lambda: "takes an absolute path or none, not ../hooks"
                         in self.fabric.log("fabricd"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
