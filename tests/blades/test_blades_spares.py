#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Three blades under fabricd, and who takes over: a cold spare that the manager turns on, the next
one when a spare dies while it takes over, one of two when there is one spare, and nobody that flaps.
The tests run in the order of their names; each blade that died is booted once more where it is needed.

Environment: FABRIC_SANITIZE, if set: the cold spare alone."""

import unittest

from pool import CONFIG as USUAL
from pool import MISSED, Case, full_run_only, refuse_or_skip

# Who dies here loses its process, which is seen at once: a long window costs nothing, and three
# guests on a busy machine may be slow to beat.
CONFIG = USUAL.replace(f"missed = {MISSED}", f"missed = {2 * MISSED}")


class Spares(Case):
    bays = {"bay1": "kill", "bay2": "kill", "bay3": "kill"}
    cold = ("bay3",)
    config = CONFIG

    def lay_out_with(self, bay, *spares):
        """Disk and card on @bay, with something written."""
        for spare in spares:
            self.fabric.spare(spare, True)
        device, _ = self.fabric.give(bay, self.disk, self.card)
        self.write(bay, device, "before")
        return self.last_incident()

    def kind(self, bay):
        return self.fabric.get("/v1/hosts/" + bay)["spare_kind"]

    def wait_fit(self, bay):
        """Until it is the one that would take over from bay1: it has beaten for long enough."""
        def is_target():
            status, _, plan = self.fabric.request("POST", "/v1/hosts/bay1/failover",
                                                  {"dry_run": True})
            return status == 200 and plan["target"] == bay
        self.fabric.wait(f"{bay} is fit to take over", is_target)

    def test_a_cold_spare_is_bound_and_then_started_by_the_manager(self):
        last = self.lay_out_with("bay1", "bay3")
        self.assertEqual(self.kind("bay3"), "cold")
        self.assertIn("powers on bay3", self.fabric.ctl("host", "failover", "bay1", "--dry-run"))
        self.step("laid out")

        self.blades["bay1"].kill9()
        self.fabric.wait("bay3 is being started", lambda: self.kind("bay3") == "starting")
        self.fabric.press("bay3")
        self.step("bay3 has booted")

        self.check_failover("bay3", self.blades["bay1"])
        story = self.story(self.wait_incident("bay1", "done", last))
        order = [story.index(word) for word in ("fenced:", "moved:", "power on:", "started:")]
        self.assertEqual(order, sorted(order), story)

    @full_run_only
    def test_a_flapping_blade_is_quarantined_and_keeps_what_it_has(self):
        self.fabric.config = CONFIG.replace("flap-count = 0", "flap-count = 3")
        self.fabric.restart_manager()
        self.addCleanup(self.fabric.restart_manager)
        self.addCleanup(setattr, self.fabric, "config", CONFIG)
        self.fabric.wait_alive(*self.blades)
        self.fabric.give("bay2", self.other)
        last = self.last_incident()

        for _ in range(3):
            self.blades["bay2"].stop()
            self.wait_host("bay2", "suspect")
            self.blades["bay2"].cont()
            self.fabric.wait("it beats again",
                             lambda: self.fabric.host_state("bay2") in ("alive", "quarantined"))

        self.wait_host("bay2", "quarantined")
        self.assertEqual(self.last_incident(), last)
        self.assertEqual(self.fabric.placed()[self.other.function][0], "bay2")
        self.fabric.spare("bay2", True)
        self.assertIsNone(self.kind("bay2"))
        self.fabric.ctl("host", "readmit", "bay2")
        self.wait_host("bay2", "alive")

    @full_run_only
    def test_a_spare_that_dies_while_it_takes_over_is_followed_by_the_next(self):
        last = self.lay_out_with("bay1", "bay2", "bay3")
        self.wait_fit("bay2")
        self.step("laid out")

        self.blades["bay1"].kill9()
        self.fabric.wait("bay2 takes over", lambda: any(
            row["target"] == "bay2" for row in self.fabric.list("incidents")
            if row["id"] > last))
        self.blades["bay2"].kill9()
        self.step("bay2 is dead too")

        self.check_failover("bay3", self.blades["bay2"])
        self.wait_incident("bay1", "done", last)
        self.wait_incident("bay2", "done", last)

    @full_run_only
    def test_two_blades_that_die_within_a_beat_do_not_share_one_spare(self):
        last = self.lay_out_with("bay1", "bay3")
        self.fabric.give("bay2", self.other)
        self.wait_fit("bay3")
        had = {"bay1": {self.disk.function, self.card.function}, "bay2": {self.other.function}}
        self.step("laid out")

        for bay in had:
            self.blades[bay].process.kill()
        for bay in had:
            self.blades[bay].wait_dead()

        def outcome():
            rows = {row["state"]: row for row in self.fabric.list("incidents") if row["id"] > last}
            return rows if set(rows) == {"done", "waiting"} else None
        rows = self.fabric.wait("one has moved, and one waits", outcome)
        first, second = rows["done"]["host"], rows["waiting"]["host"]
        self.step(f"{first} has moved, {second} waits")
        self.assertEqual({first, second}, set(had))
        placed = self.fabric.placed()
        self.assertEqual({function: place[0] for function, place in placed.items()},
                         dict.fromkeys(had[first], "bay3"))
        self.assertIn("no spare is fit", self.story(rows["waiting"]))

        # The one that has lost all becomes the spare for the other.
        self.blades[first].start().wait_ready()
        self.fabric.wait(f"{first} is let in", lambda: self.readmitted(first))
        self.fabric.spare(first, True)
        self.wait_incident(second, "done", last)
        self.assertEqual({function: place[0] for function, place in self.fabric.placed().items()},
                         dict.fromkeys(had[first], "bay3") | dict.fromkeys(had[second], first))

    def readmitted(self, bay):
        self.fabric.request("POST", f"/v1/hosts/{bay}/readmit")
        return self.fabric.host_state(bay) == "alive"


if __name__ == "__main__":
    refuse_or_skip()
    unittest.main(verbosity=2)
