# SPDX-License-Identifier: GPL-2.0-or-later
"""Scenarios for test_blades_fabric.py: blades that die, hang, or are cut off, each in its own way; and
what must not happen meanwhile."""

import os
import threading

from blades import UPLINK
from pool import BEAT_MS, Follower, full_run_only

FENCE_DUMMY = "/usr/sbin/fence_dummy"
LIAR = """\
#!/bin/sh
# Says that the host is off, whatever it is asked for.
grep -q '^action=status' && exit 2
exit 0
"""


class Deaths:
    """Beside pool.Case."""

    def beats_with(self, bay, **ways):
        """The agent begins anew, with the ways to fabricd that are told."""
        self.blades[bay].sh("kill $(cat /run/agent.pid)\n" +
                            self.fabric.agent_script(bay, **ways))

    @full_run_only
    def test_datagrams_alone_keep_a_host_alive_and_a_cut_network_does_no_harm_beside_the_port(self):
        blade = self.blades["bay2"]
        self.fabric.give("bay2", self.disk)
        last = self.last_incident()
        self.addCleanup(self.beats_with, "bay2")

        self.beats_with("bay2", port=False)
        self.stays_alive("bay2")
        self.step("datagrams alone")

        self.beats_with("bay2")
        blade.qmp().command("set_link", name=UPLINK, up=False)
        self.addCleanup(lambda: blade.qmp().command("set_link", name=UPLINK, up=True))
        self.stays_alive("bay2")
        self.step("the port alone")
        self.assertEqual(self.last_incident(), last)
        self.fabric.check()

    def test_after_kill_9_of_a_blade_the_other_has_what_it_had_written(self):
        self.lay_out("bay1")
        self.step("laid out")

        self.blades["bay1"].kill9()

        self.check_failover("bay2", self.blades["bay1"])

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

    @full_run_only
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

    @full_run_only
    def test_an_adapter_that_dies_silently_is_bad_until_a_panic_of_its_guest_frees_it(self):
        self.lay_out("bay2")
        told = Follower(self.fabric)

        self.blades["bay2"].qmp().command("qom-set", path=self.path_of(self.card, "bay2"),
                                          property="realized", value=False)

        name = self.card.function
        self.fabric.wait("it is bad", lambda: self.fabric.get("/v1/functions/" + name)["state"] ==
                         "bad")
        self.fabric.wait("it is told", lambda: "function.bad" in told.types())
        self.step("bad")
        self.assertEqual(self.fabric.get("/v1/health")["status"], "degraded")
        self.assertEqual(self.fabric.get("/v1/functions/" + self.disk.function)["state"], "bound")

        # QEMU keeps what has died until it ends itself.
        self.blades["bay2"].panic()
        self.check_failover("bay1", self.blades["bay2"])

    # ---- programs that power a host off ----

    def with_program(self, program, parameters=""):
        """bay2, which the provider may not power off, gets a program that can."""
        # They may hold passwords: the daemon wants them out of the sight of others.
        path = self.fabric.at("parameters")
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w",
                  encoding="ascii") as file:
            file.write(parameters)
        self.addCleanup(self.fabric.restart_manager)
        self.fabric.restart_manager(f"[fence bay2]\nprogram = {program}\n"
                                    f"parameters = {path}\n")
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
