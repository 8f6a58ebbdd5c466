#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What the real daemon does is a run of the model (tests/model): its own log, turned into steps, is
given to spin, which looks for a run that takes just these. And a log that breaks a rule is none."""

import os
import shutil
import sys
import unittest

from fabric import Case

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "model"))
import accept  # noqa: E402  pylint: disable=wrong-import-position

HAS_SPIN = shutil.which("spin") and shutil.which("gcc")


@unittest.skipUnless(HAS_SPIN, "spin or gcc is missing (cmake/deps.sh check)")
class Traces(Case):
    generate = (3, 1, 1, 2)  # two that work and a spare

    def setUp(self):
        super().setUp()
        self.function = self.fabric.free_functions("nic-")[0]
        self.fabric.ctl("host", "set", self.hosts[2], "--spare", "on")
        self.fabric.assign(self.function, self.hosts[0])
        self.begun = len(self.fabric.log("fabricd"))

    def move(self, to, expect="done"):
        change = self.fabric.change({"op": "move", "function": self.function,
                                     "host": self.hosts[to]})
        self.assertEqual(change["state"], expect)

    def fail_over(self, host):
        self.fabric.kill_blade(self.hosts[host])
        self.fabric.wait("its incident is done", lambda: (
            self.fabric.incident_of(self.hosts[host]) or {}).get("state") == "done")

    def readmit(self, host):
        self.fabric.power(self.hosts[host], "on")
        self.fabric.start_agent(self.hosts[host])
        self.fabric.ctl("host", "readmit", self.hosts[host])
        self.fabric.wait("it is alive", lambda: self.fabric.host_state(self.hosts[host]) == "alive")

    def restart(self):
        self.fabric.kill("fabricd")
        self.fabric.start_manager()

    def steps(self):
        return accept.steps_of(self.fabric.log("fabricd")[self.begun:], self.function, self.hosts)

    def accept(self, least):
        steps = self.steps()
        ok, at = accept.accepted(steps)
        if not ok:
            self.fail(f"no run of the model takes step {at + 1} of\n" + "\n".join(steps))
        self.assertGreaterEqual(len(steps), least, steps)

    def refuse(self, steps):
        ok, _ = accept.accepted(steps)
        self.assertFalse(ok, "a run of the model takes\n" + "\n".join(steps))

    def test_moves_and_a_failover_are_a_run_and_with_a_rule_broken_they_are_none(self):
        self.move(1)
        self.move(0)
        self.fail_over(0)
        self.readmit(0)

        self.accept(18)

        steps = self.steps()
        fenced = steps.index("IS_FENCED(1)")
        rebound = steps.index("SENT(BIND, 3)")
        # S1: bound without having been unbound
        self.refuse([s for s in steps if not s.endswith("(UNBIND, 1)")])
        # S16: bound without a reset
        self.refuse([s for s in steps if not s.endswith("(RESET, 0)")])
        # S20: the spare has it before the fence is proved
        self.refuse(steps[:fenced] + steps[rebound:rebound + 1])
        # S14: a bind to the fenced host
        self.refuse(steps[:fenced + 1] + ["SENT(BIND, 1)"])
        # S9: fenced, and let in though nobody had fenced it
        self.refuse(steps[:4] + ["IS_OPEN(1)"])

    def test_a_manager_killed_at_any_time_goes_on_with_a_run_of_the_model(self):
        self.fabric.fault("all:delay=30")
        self.fabric.request("POST", "/v1/changes", {"operations": [
            {"op": "move", "function": self.function, "host": self.hosts[1]}]})
        self.restart()
        self.fabric.wait("it has moved",
                         lambda: self.fabric.get("/v1/functions/" + self.function)["state"] == "bound")
        self.fabric.kill_blade(self.hosts[1])
        self.fabric.wait("it is being fenced",
                         lambda: self.fabric.incident_of(self.hosts[1]) is not None)
        self.restart()
        self.fabric.wait("its incident is done", lambda: (
            self.fabric.incident_of(self.hosts[1]) or {}).get("state") == "done")

        self.accept(12)

    def test_commands_that_are_lost_late_refused_or_lie_make_a_run_too(self):
        for spec in ("unbind:lost:1", "bind:done-but-failed:1", "reset:refused:1", "bind:late=300:1"):
            self.fabric.fault(spec)
            self.move(1)
            self.move(0)
        self.fabric.fault("isolate:lost:1", "unbind:refused:1")
        self.fail_over(0)

        self.accept(30)


if __name__ == "__main__":
    unittest.main()
