#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Profiles over the real sockets: functions that are given, moved and failed over as a whole."""

import json
import unittest

from fabric import Case, mac_of


class Profiles(Case):
    def setUp(self):
        super().setUp()
        self.victim, self.other, self.spare = self.hosts[0], self.hosts[1], self.hosts[-1]
        free = self.fabric.free_functions("nic-")
        self.parts = {"web": free[:2], "db": free[2:4]}

    def macs(self, name):
        first = 1 + 16 * sorted(self.parts).index(name)
        return [mac_of(first + i) for i in range(len(self.parts[name]))]

    def define(self, name, priority):
        listed = ",".join(f"{function}={mac}"
                          for function, mac in zip(self.parts[name], self.macs(name)))
        return self.fabric.ctl("profile", "set", name, "--priority", str(priority),
                               "--functions", listed)

    def are_at(self, name, host):
        """What the switch is to have from here on."""
        for function, mac in zip(self.parts[name], self.macs(name)):
            self.fabric.acknowledged[function] = {"host": host, "mac": mac} if host else None

    def profile(self, name):
        return self.fabric.get("/v1/profiles/" + name)

    def test_a_profile_is_given_moved_and_taken_back_whole(self):
        self.define("web", 500)
        function = self.parts["web"][0]
        refused = self.fabric.run("fabricctl", "--socket", self.fabric.socket, "function", "assign",
                                  function, self.victim, "-o", "json", expect=1)
        self.assertIn(f"{function} is in profile web, and goes with it: "
                      "fabricctl profile assign web HOST", json.loads(refused)["detail"])
        self.assertIn("bind", self.fabric.ctl("profile", "assign", "web", self.victim, "--dry-run"))
        self.fabric.check()

        self.fabric.ctl("profile", "assign", "web", self.victim, "--wait", "60")
        self.are_at("web", self.victim)
        self.fabric.check()
        self.assertEqual(self.profile("web")["host"], self.victim)
        self.assertEqual(self.fabric.get("/v1/functions/" + function)["profile"], "web")
        self.assertEqual(self.fabric.ctl("profile", "list", "--host", self.victim, "-o", "ids"), "web\n")

        self.fabric.ctl("profile", "move", "web", self.other, "--wait", "60")
        self.are_at("web", self.other)
        self.fabric.check()

        self.fabric.kill("fabricd")
        self.fabric.start_manager()
        self.fabric.ctl("profile", "set", "web", "--priority", "7")
        shown = self.profile("web")
        self.assertEqual((shown["priority"], shown["state"], shown["host"]), (7, "bound", self.other))
        self.assertEqual([row["identity"]["mac"] for row in shown["functions"]], self.macs("web"))

        self.fabric.ctl("profile", "release", "web", "--wait", "60")
        self.are_at("web", None)
        self.fabric.check()
        self.fabric.ctl("profile", "delete", "web")
        self.fabric.ctl("profile", "show", "web", expect=1)
        self.fabric.assign(function, self.victim)
        self.fabric.check()

    def test_a_blade_that_dies_leaves_its_profiles_whole_the_highest_priority_first(self):
        for name, priority in (("web", 200), ("db", 900)):
            self.define(name, priority)
            self.fabric.ctl("profile", "assign", name, self.victim, "--wait", "60")
            self.are_at(name, self.victim)
        self.fabric.check()
        self.fabric.kill_blade(self.victim)
        self.fabric.wait("it is fenced, and waits",
                         lambda: (self.fabric.incident_of(self.victim) or {}).get("state")
                         == "waiting")
        waiting = [step["detail"] for step in self.fabric.incident_of(self.victim)["timeline"]
                   if step["what"] == "waiting"]
        self.assertEqual([detail.split(" (")[0] for detail in waiting],
                         ["profile db", "profile web"])

        self.fabric.ctl("host", "set", self.spare, "--spare", "on")
        self.fabric.wait("all has moved", lambda: self.fabric.incident_of(self.victim)["state"]
                         == "done")
        for name in self.parts:
            self.are_at(name, self.spare)
            self.assertEqual(self.profile(name)["host"], self.spare)
        self.fabric.wait_settled()
        moves = [step["detail"] for step in self.fabric.incident_of(self.victim)["timeline"]
                 if step["what"] == "move"]
        self.assertTrue(moves[0].startswith(
            f"profile db (priority 900, 2 functions) to {self.spare}"), moves)

    def test_what_is_no_profile_is_refused_with_its_place(self):
        function = self.parts["web"][0]
        status, _, said = self.fabric.request("PUT", "/v1/profiles/web", {
            "functions": [{"function": function}, {"function": "nothing"}]})
        self.assertEqual((status, said["code"], said["errors"][0]["path"]),
                         (404, "no-function", "/functions/1/function"))
        status, headers, _ = self.fabric.request("PUT", "/v1/profiles/web",
                                                 {"functions": [{"function": function}]})
        self.assertEqual((status, headers["Location"]), (201, "/v1/profiles/web"))
        _, headers, _ = self.fabric.request("GET", "/v1/profiles/web")
        status, _, _ = self.fabric.request(
            "PUT", "/v1/profiles/web", {"priority": 7, "functions": [{"function": function}]},
            {"If-Match": headers["ETag"]})
        self.assertEqual(status, 200)
        status, _, said = self.fabric.request("DELETE", "/v1/profiles/web", None,
                                              {"If-Match": headers["ETag"]})
        self.assertEqual((status, said["code"]), (412, "precondition"))


if __name__ == "__main__":
    unittest.main()
