#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Both views of an assignment, over the real sockets: where the switch has it, and what its host
says of it. And adapters that die under their host."""

import unittest
import uuid

from fabric import CONFIG, Case, Follower

CONFIG = CONFIG + """\
[host-view]
patience = 300ms
"""


class HostView(Case):
    generate = (4, 1, 2, 4)
    config = CONFIG
    COLD = ("bay1",)  # nobody but this test speaks for it

    def setUp(self):
        super().setUp()
        self.function = self.fabric.free_functions("nic-")[0]
        self.fabric.assign(self.function, "bay1")
        self.mac = self.fabric.acknowledged[self.function]["mac"]
        self.boot = str(uuid.uuid4())

    def tell(self, *functions, boot=None):
        status, _, document = self.fabric.request("PUT", "/v1/hosts/bay1/seen", {
            "type": "seen", "host": "bay1", "boot_id": boot or self.boot, "functions": list(functions)})
        self.assertEqual(status, 204, document)

    def card(self, **more):
        shown = self.fabric.get("/v1/functions/" + self.function)
        return {"address": "0000:05:00.0", "class": "0200", "vendor": shown["vendor"],
                "device": shown["device"], "driver": "fabvf", "mac": self.mac, "link": "up", **more}

    def condition(self):
        return self.fabric.get("/v1/assignments/" + self.function)["condition"]

    def test_an_assignment_shows_both_views(self):
        self.assertEqual(self.condition(), "unreported")

        self.tell(self.card())

        assignment = self.fabric.get("/v1/assignments/" + self.function)
        said = f"seen by bay1 as 0000:05:00.0, driver fabvf, MAC {self.mac}, link up"
        self.assertEqual(assignment["bound"]["host"], "bay1")
        self.assertEqual(assignment["condition"], "seen")
        self.assertEqual(assignment["seen"]["detail"], said)
        self.assertEqual(self.fabric.list("assignments", condition="seen")[0]["id"], self.function)
        self.assertIn(said, self.fabric.ctl("assignment", "list"))
        self.assertRegex(self.fabric.ctl("host", "show", "bay1"),
                         f"0000:05:00.0 .*{self.mac}.*{self.function}")

    def test_what_is_bound_and_not_seen_is_told_and_then_that_it_is(self):
        follower = Follower(self.fabric)

        self.tell()

        self.fabric.wait("it is told", lambda: "function.not-seen" in follower.types())
        self.assertEqual(self.condition(), "not-seen")
        self.assertIn("bound but not seen after 300 ms", self.fabric.ctl("assignment", "list"))
        self.tell(self.card())
        self.fabric.wait("it is seen", lambda: "function.seen" in follower.types())

    def test_another_mac_is_named(self):
        self.tell(self.card())
        follower = Follower(self.fabric)

        # found by the only evidence that is left: it sits in no slot that the switch told of
        self.tell(self.card(mac="02:00:00:00:00:99"))

        self.fabric.wait("the difference is told", lambda: "function.not-seen" in follower.types()
                         or "function.difference" in follower.types())
        self.assertIn(self.condition(), ("not-seen", "other-mac"))

    def test_a_restarted_manager_knows_no_view_before_it_is_told_again(self):
        self.tell(self.card())
        self.fabric.kill("fabricd")

        self.fabric.start_manager()

        self.assertEqual(self.condition(), "unreported")
        self.tell(self.card())
        self.assertEqual(self.condition(), "seen")

    def test_a_dead_card_is_bad_is_released_and_mends(self):
        follower = Follower(self.fabric)
        adapter = self.function.split("/")[0]

        self.pull(adapter, "pull")

        self.fabric.wait("it is told", lambda: "function.bad" in follower.types())
        self.assertEqual(self.fabric.get("/v1/functions/" + self.function)["state"], "bad")
        health = self.fabric.get("/v1/health")
        self.assertEqual((health["status"], health["ready"]), ("degraded", True))
        self.assertIn(self.function, health["detail"])
        done = self.fabric.change({"op": "release", "function": self.function})
        self.assertEqual(done["state"], "done")
        self.fabric.check()
        # stored: another life of the manager knows it too
        self.fabric.kill("fabricd")
        self.fabric.start_manager()
        self.assertEqual(self.fabric.get("/v1/functions/" + self.function)["state"], "bad")
        self.pull(adapter, "plug")
        self.fabric.wait("it is mended, and the identity that it died with is cleared", self.is_clean)
        self.fabric.assign(self.function, "bay2")
        self.fabric.check()

    def is_clean(self):
        shown = self.fabric.get("/v1/functions/" + self.function)
        return shown["state"] == "free" and not shown["change"] and not self.fabric.list(
            "changes", state="running") and not self.fabric.get("/v1/health")["differences"]

    def pull(self, adapter, how):
        self.fabric.run("fabricsim", "adapter", "--socket", self.fabric.sim_socket, adapter, how)


if __name__ == "__main__":
    unittest.main()
