#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Hot-plug over the real sockets: somebody is at a slot of the modelled switch."""

import unittest

from fabric import Case, Refused


class Slots(Case):
    def setUp(self):
        super().setUp()
        self.function = self.fabric.free_functions("nic-")[0]
        self.adapter = self.function.split("/")[0]
        self.fabric.assign(self.function, self.hosts[0])
        self.port = next(row["id"] for row in self.fabric.list("ports")
                         if row["adapter"] == self.adapter)

    def slot(self, *words):
        return self.fabric.run("fabricsim", "slot", "--socket", self.fabric.sim_socket, self.port,
                               *words)

    def state(self):
        return self.fabric.get("/v1/ports/" + self.port.replace("/", "%2F"))["slot"]

    def wait_for(self, state):
        self.fabric.wait(f"the slot is {state}", lambda: self.state() == state)

    def test_the_button_parks_the_card_and_brings_it_back_to_its_owner(self):
        self.assertEqual(self.state(), "ready")
        self.assertIn("ready", self.fabric.ctl("port", "show", self.port))

        self.slot("button")
        self.fabric.wait("the light blinks", lambda: "attention blink" in self.slot())
        self.wait_for("off")

        self.assertEqual(self.fabric.bindings(), {})
        self.assertIn("power off, attention off", self.slot())
        row = self.fabric.get("/v1/functions/" + self.function.replace("/", "%2F"))
        self.assertEqual((row["host"], row["state"]), (self.hosts[0], "parked"))

        self.slot("out")
        self.wait_for("empty")
        self.slot("in")
        self.wait_for("ready")
        self.fabric.wait_settled()  # bound again, with its MAC

    def test_another_card_in_the_slot_is_scrubbed_before_anybody_gets_it(self):
        self.fabric.fault("reset:delay=300")
        self.slot("swap", "ABC7777")
        self.wait_for("scrubbing")
        other = self.function.replace(self.adapter, "nic-7777")
        self.fabric.wait("the new card is shown", lambda: self.fabric.get(
            "/v1/functions/" + other.replace("/", "%2F"), raw=True)[0] == 200)
        with self.assertRaises(Refused) as refused:
            self.fabric.assign(other, self.hosts[1])
        self.assertEqual(refused.exception.problem["code"], "card-withheld")
        self.assertIn("its card is being scrubbed", str(refused.exception))

        self.fabric.fault("clear")
        self.wait_for("ready")
        self.fabric.wait("the scrub has let go of it",
                         lambda: not self.fabric.list("changes", state="running"))
        self.fabric.acknowledged.pop(self.function)  # its card is gone; the claim is not
        self.fabric.assign(other, self.hosts[1])
        self.fabric.check()

    def test_s17_a_manager_killed_while_a_card_comes_scrubs_it_in_its_next_life(self):
        self.slot("out")
        self.wait_for("empty")
        self.fabric.fault("reset:delay=300")
        self.slot("in")
        self.wait_for("scrubbing")

        self.fabric.kill("fabricd")
        self.fabric.start_manager()

        self.assertEqual(self.state(), "scrubbing")
        self.fabric.fault("clear")
        self.wait_for("ready")
        self.fabric.wait_settled()


if __name__ == "__main__":
    unittest.main(verbosity=2)
