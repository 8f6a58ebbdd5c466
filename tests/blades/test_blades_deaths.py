#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Blades that die, hang, or are cut off, each in its own way; and what must not happen meanwhile.
bay1 may be powered off by the provider, bay2 may not.

Environment: FABRIC_SANITIZE, if set: the shorter half."""

import os
import threading
import unittest

from pool import BEAT_MS, SANITIZED, Case, refuse_or_skip

FENCE_DUMMY = "/usr/sbin/fence_dummy"
LIAR = """\
#!/bin/sh
# Says that the host is off, whatever it is asked for.
grep -q '^action=status' && exit 2
exit 0
"""


def full_run_only(test):
    return unittest.skipIf(SANITIZED, "tested without sanitizers only: takes long")(test)


class Deaths(Case):
    def test_after_kill_9_of_a_blade_the_other_has_what_it_had_written(self):
        self.lay_out("bay1")
        self.step("laid out")

        self.blades["bay1"].kill9()

        self.check_failover("bay2", self.blades["bay1"])

    @full_run_only
    def test_a_guest_that_panics_is_failed_over(self):
        self.lay_out("bay2")

        self.blades["bay2"].panic()

        self.check_failover("bay1", self.blades["bay2"])

    def test_a_stopped_blade_is_powered_off_before_anything_of_it_moves(self):
        self.lay_out("bay1")

        self.blades["bay1"].stop()
        self.step("stopped")
        self.check_failover("bay2", self.blades["bay1"])

        self.assertFalse(self.blades["bay1"].lives())
        self.assertEqual(self.fabric.host_state("bay1"), "fenced")

    @full_run_only
    def test_a_stopped_blade_that_may_not_be_powered_off_is_blocked_and_made_whole_again(self):
        last = self.lay_out("bay2")

        self.blades["bay2"].stop()
        incident = self.wait_incident("bay2", "blocked", last)
        self.step("blocked")
        self.assertEqual(self.fabric.placed(), {}, "something was bound to the other blade")
        self.assertIn("power", self.story(incident))

        self.blades["bay2"].cont()
        self.fabric.wait("bay2 is readmitted", self.fabric.admit_all)
        self.step("readmitted")
        self.fabric.wait_settled()
        self.assertEqual(self.blades["bay2"].sh("cat /mnt/words && umount /mnt"), "before")

    def test_an_agent_that_stops_costs_its_host_the_adapters_and_not_its_power(self):
        self.lay_out("bay2")

        self.blades["bay2"].sh("kill $(cat /run/agent.pid)")

        # It may not be powered off, and it answers: it is asked to let go, and does.
        self.check_failover("bay1")
        self.assertTrue(self.blades["bay2"].lives())
        self.assertEqual(self.fabric.host_state("bay2"), "fenced")
        self.blades["bay2"].sh("umount -l /mnt")

    @full_run_only
    def test_a_dead_blade_is_failed_over_although_somebody_beats_for_it(self):
        self.lay_out("bay1")
        self.blades["bay1"].sh("kill $(cat /run/agent.pid)")
        self.fabric.start("impostor", "fabric-agent", "--host", "bay1", "--socket",
                          self.fabric.socket, "--interval-ms", str(BEAT_MS), "--boot-id",
                          self.blades["bay1"].sh("cat /proc/sys/kernel/random/boot_id"))
        self.addCleanup(self.fabric.kill, "impostor")

        self.blades["bay1"].kill9()

        self.check_failover("bay2", self.blades["bay1"])
        self.assertEqual(self.fabric.host_state("bay1"), "fenced")

    # ---- programs that power a host off ----

    def with_program(self, program, parameters=""):
        """bay2, which the provider may not power off, gets a program that can."""
        with open(self.fabric.at("parameters"), "w", encoding="ascii") as file:
            file.write(parameters)
        os.chmod(self.fabric.at("parameters"), 0o600)  # refused when everybody may read it
        self.addCleanup(self.fabric.restart_manager)
        self.fabric.restart_manager(f"[fence bay2]\nprogram = {program}\n"
                                    f"parameters = {self.fabric.at('parameters')}\n")
        self.fabric.wait_alive("bay1", "bay2")

    def outlet(self, status_file, blade):
        """What a real outlet does: takes the blade's power once the file says off."""
        stop = threading.Event()

        def watch():
            while not stop.wait(0.02):
                with open(status_file, encoding="ascii") as file:
                    if file.read() == "off":
                        blade.process.kill()
                        return

        thread = threading.Thread(target=watch)
        self.addCleanup(thread.join)
        self.addCleanup(stop.set)
        thread.start()

    @full_run_only
    def test_a_fence_agents_program_powers_off_what_the_provider_may_not(self):
        status = self.fabric.at("outlet")
        with open(status, "w", encoding="ascii") as file:
            file.write("on")
        self.with_program(FENCE_DUMMY, f"type=file\nstatus_file={status}\n")
        self.outlet(status, self.blades["bay2"])
        last = self.lay_out("bay2")

        self.blades["bay2"].stop()
        self.check_failover("bay1", self.blades["bay2"])

        self.assertIn("fence_dummy", self.story(self.wait_incident("bay2", "done", last)))

    @full_run_only
    def test_a_program_that_lies_is_found_out_and_nothing_moves(self):
        liar = self.fabric.at("fence_liar")
        with open(liar, "w", encoding="ascii") as file:
            file.write(LIAR)
        os.chmod(liar, 0o755)
        self.with_program(liar)
        last = self.lay_out("bay2")

        self.blades["bay2"].stop()
        incident = self.wait_incident("bay2", "blocked", last)

        self.assertIn("lied", self.story(incident))
        self.assertEqual(self.fabric.placed(), {}, "something was bound to the other blade")
        self.blades["bay2"].cont()
        self.fabric.wait("bay2 is readmitted", self.fabric.admit_all)
        self.fabric.wait_settled()
        self.blades["bay2"].sh("umount /mnt")


if __name__ == "__main__":
    refuse_or_skip()
    unittest.main(verbosity=2)
