#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The fence's ladder up to a program of the fence-agents package: Debian's fence_dummy, one that
really takes a modelled blade's power, and some that lie or break. The switch here can neither
isolate nor take a function from a running blade, so nothing but loss of power helps."""

import json
import os
import shutil
import tempfile
import unittest

from fabric import BIN, CONFIG, Fabric

FENCE_DUMMY = "/usr/sbin/fence_dummy"
FENCE_CONFIG = CONFIG.replace("fence-retry = 1s", "fence-retry = 1s\nfence-attempts = 3")


class FenceAgents(unittest.TestCase):
    def begin(self, program, parameters="", can=None, config=FENCE_CONFIG):
        """A fabric whose first host has @program; @can: of the chassis."""
        self.fabric = Fabric(self)
        with open(self.fabric.chassis, encoding="utf-8") as file:
            chassis = json.load(file)
        chassis["can"] = {"isolate": False, "surprise": False, "power": False, **(can or {})}
        with open(self.fabric.chassis, "w", encoding="utf-8") as file:
            json.dump(chassis, file)
        self.victim, self.spare = [host["bay"] for host in chassis["hosts"]][:2]
        self.write("parameters", parameters, 0o600)
        with open(self.fabric.at("fabricd.conf"), "w", encoding="ascii") as file:
            file.write(config + f"[fence {self.victim}]\nprogram = {program}\n"
                       f"parameters = {self.fabric.at('parameters')}\n")
        self.fabric.start_switch()
        self.fabric.start_manager()
        self.fabric.start_agents([self.victim, self.spare])
        self.fabric.ctl("host", "set", self.spare, "--spare", "on")
        self.functions = self.fabric.free_functions("nic-")[:2]
        for function in self.functions:
            self.fabric.assign(function, self.victim)
        self.fabric.wait("the spare is steady", lambda: self.fabric.request(
            "POST", f"/v1/hosts/{self.victim}/failover", {"dry_run": True})[0] == 200)

    def write(self, name, text, mode):
        path = self.fabric.at(name)
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        os.chmod(path, mode)
        return path

    def script(self, body):
        """A fence agent: @body is given the action in $action, and the folder as its home."""
        folder = self.folder_of_script()
        path = os.path.join(folder, "fence_test")
        with open(path, "w", encoding="ascii") as file:
            file.write("#!/bin/sh\nwhile read -r line; do case $line in action=*) "
                       f"action=${{line#action=}};; esac; done\n{body}\n")
        os.chmod(path, 0o700)
        return path

    def folder_of_script(self):
        folder = tempfile.mkdtemp(prefix="fabric-fence-")
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        return folder

    def steps(self):
        incident = self.fabric.incident_of(self.victim)
        timeline = self.fabric.get(f"/v1/incidents/{incident['id']}")["timeline"] if incident else []
        return [f"{step['what']}: {step['detail']}" for step in timeline]

    def wait_step(self, text):
        self.fabric.wait(f"the time line says: {text}",
                         lambda: any(text in step for step in self.steps()))

    def wait_moved(self):
        self.fabric.wait("the incident is done",
                         lambda: (self.fabric.incident_of(self.victim) or {}).get("state") == "done")
        for want in self.fabric.acknowledged.values():
            if want and want["host"] == self.victim:
                want["host"] = self.spare
        self.fabric.wait_settled()

    def assert_nothing_moved(self):
        bound = self.fabric.bindings()
        for function in self.functions:
            self.assertEqual(bound[function]["host"], self.victim)

    def test_a_program_that_takes_the_power_lets_the_functions_move(self):
        # The script needs the switch's socket, which has its name from the fabric: by parameters.
        path = self.script(
            f'. "${{0%/*}}/where"\n'
            f'case $action in\n'
            f'off) {BIN}/fabricsim host --socket "$SIM" "$HOST" power off && echo off > "$STATE";;\n'
            f'status) [ "$(cat "$STATE" 2>&-)" = off ] && exit 2; exit 0;;\nesac')
        self.begin(path, "plug=1\npassword=secret\n")
        with open(os.path.join(os.path.dirname(path), "where"), "w", encoding="ascii") as file:
            file.write(f"SIM={self.fabric.sim_socket}\nHOST={self.victim}\n"
                       f"STATE={self.fabric.at('state')}\n")
        plan = self.fabric.ctl("host", "failover", self.victim, "--dry-run")
        self.assertIn("unbind, fence_test, a person", plan)

        self.fabric.ctl("host", "failover", self.victim)

        self.wait_moved()
        steps = "\n".join(self.steps())
        self.assertIn("next: fence_test, for it cannot be taken from host 1 by surprise", steps)
        self.assertIn("program: fence_test says off", steps)
        self.assertIn("empty: its virtual switch read back empty", steps)
        self.assertEqual(self.fabric.host_state(self.victim), "fenced")
        self.assertNotIn("secret", self.fabric.log("fabricd"))

    @unittest.skipUnless(os.access(FENCE_DUMMY, os.X_OK), "needs Debian's fence-agents")
    def test_fence_dummy_only_says_that_it_is_off_and_is_found_out(self):
        folder = self.folder_of_script()
        with open(os.path.join(folder, "state"), "w", encoding="ascii") as file:
            file.write("on")
        self.begin(FENCE_DUMMY, f"type=file\nstatus_file={folder}/state\n")
        self.fabric.kill("agent-" + self.victim)

        self.wait_step("fence_dummy says off, but the switch sees it powered")
        self.fabric.wait("the host is blocked",
                         lambda: self.fabric.host_state(self.victim) == "blocked")
        self.assert_nothing_moved()
        with open(os.path.join(folder, "state"), encoding="ascii") as file:
            self.assertEqual(file.read(), "off")  # it was asked

        # A person pulls the plug; the next try proves it.
        self.fabric.power(self.victim, "off")
        self.wait_moved()

    @unittest.skipUnless(os.access(FENCE_DUMMY, os.X_OK), "needs Debian's fence-agents")
    def test_where_the_switch_cannot_tell_the_power_its_word_replaces_a_persons(self):
        folder = self.folder_of_script()
        with open(os.path.join(folder, "state"), "w", encoding="ascii") as file:
            file.write("on")
        self.begin(FENCE_DUMMY, f"type=file\nstatus_file={folder}/state\n",
                   can={"tell_power": False})
        self.fabric.kill("agent-" + self.victim)

        self.fabric.wait("the host counts as fenced",
                         lambda: self.fabric.host_state(self.victim) == "fenced")
        self.assertIn("fenced: off, says fence_dummy, and nothing says otherwise",
                      "\n".join(self.steps()))
        self.assert_nothing_moved()  # the switch shows them there still (S1)

        # It lied: the host beats. It is fenced anew, and now everybody knows.
        self.fabric.start_agent(self.victim)
        self.wait_step("fence again: it was said to be off, and beats")
        self.fabric.wait("the host is blocked",
                         lambda: self.fabric.host_state(self.victim) == "blocked")
        self.assertIn("lied: fence_dummy says off, but it beats", "\n".join(self.steps()))
        self.assert_nothing_moved()

    def test_what_is_broken_or_hangs_or_is_open_to_all_leads_to_a_person(self):
        path = self.script("[ $action = off ] && exec sleep 1000; echo no route >&2; exit 1")
        self.begin(path, config=FENCE_CONFIG)
        with open(self.fabric.at("fabricd.conf"), "a", encoding="ascii") as file:
            file.write("timeout = 300ms\n")
        self.fabric.processes["fabricd"].send_signal(1)
        self.fabric.wait("the configuration is read again",
                         lambda: "read again" in self.fabric.log("fabricd"))
        self.fabric.kill("agent-" + self.victim)

        self.wait_step("program failed: fence_test, off: killed, no end after 300 ms")
        self.wait_step("program failed: fence_test, status: exit status 1: no route")
        self.fabric.wait("the host is blocked",
                         lambda: self.fabric.host_state(self.victim) == "blocked")
        self.assert_nothing_moved()

        os.chmod(self.fabric.at("parameters"), 0o644)
        self.wait_step("may hold passwords, and everybody may read it")
        self.assert_nothing_moved()

    def test_a_switch_that_can_takes_the_power_itself_and_no_program_runs(self):
        path = self.script('touch "${0%/*}/ran"')
        self.begin(path, can={"power": True})
        self.fabric.kill("agent-" + self.victim)

        self.wait_moved()

        self.assertIn("power: off, by the switch", self.steps())
        self.assertFalse(os.path.exists(os.path.join(os.path.dirname(path), "ran")))

    def test_a_switch_that_refuses_to_take_the_power_leads_to_the_program(self):
        path = self.script("exit 1")
        self.begin(path, can={"power": True})
        self.fabric.fault("host-power:refused")
        self.fabric.kill("agent-" + self.victim)

        self.wait_step("power refused: told to refuse")
        self.wait_step("program: fence_test: off")
        self.fabric.wait("the host is blocked",
                         lambda: self.fabric.host_state(self.victim) == "blocked")
        self.fabric.fault("clear")  # the whole ladder is tried again
        self.wait_moved()


if __name__ == "__main__":
    unittest.main(verbosity=2)
