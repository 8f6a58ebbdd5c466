# SPDX-License-Identifier: GPL-2.0-or-later
"""Scenarios for test_blades_fabric.py: moves, what the guests show of them, and managers and providers
that die in the middle of one."""

import json
import os
import random
import signal
import subprocess

import lspci
from pool import SANITIZED, full_run_only

ROUNDS = 2 if SANITIZED else 7  # of three adapters at once


class Moves:
    """Beside pool.Case."""

    def test_a_planned_move_there_and_back_keeps_data_and_mac(self):
        device, _ = self.fabric.give("bay1", self.disk, self.card)
        self.write("bay1", device, "there")
        self.umount("bay1")
        self.step("assigned, written")

        device, _ = self.fabric.move("bay2", self.disk, self.card)
        self.step("moved")
        self.assertEqual(self.read("bay2", device), "there")
        self.assertFalse(self.fabric.seen_in_guest(self.card, "bay1"))
        self.write("bay2", device, "back")
        self.umount("bay2")

        device, _ = self.fabric.move("bay1", self.disk, self.card)
        self.step("moved back")
        self.assertEqual(self.read("bay1", device), "back")
        self.fabric.check()

    def operation(self, adapter, before, after):
        name = adapter.function
        if after is None:
            return {"op": "release", "function": name}
        if before:
            return {"op": "move", "function": name, "host": after}
        identity = {"identity": {"mac": adapter.mac}} if adapter.mac else {}
        return {"op": "assign", "function": name, "host": after, **identity}

    def test_twenty_changes_in_random_order_lose_nothing(self):
        seed = int(os.environ.get("FABRIC_SEED", random.randrange(1 << 32)))
        print(f"FABRIC_SEED={seed}", flush=True)
        chance = random.Random(seed)
        at = dict.fromkeys(self.adapters)
        for _ in range(ROUNDS):
            before = dict(at)
            for adapter in chance.sample(self.adapters, 3):
                at[adapter] = chance.choice([bay for bay in (*self.bays, None)
                                             if bay != before[adapter]])
            document = self.fabric.change(*(self.operation(adapter, before[adapter], at[adapter])
                                            for adapter in self.adapters))
            self.assertEqual(document["state"], "done", document)
            self.fabric.check()
            for adapter, bay in at.items():
                for each in self.bays:
                    if each == bay:
                        self.fabric.wait_seen(adapter, bay)
                    else:
                        self.assertFalse(self.fabric.seen_in_guest(adapter, each))
            self.step(", ".join(f"{adapter.function} at {bay}" for adapter, bay in at.items()))

    # ---- what the guests show ----

    @full_run_only
    def test_what_the_switch_and_the_guest_say_is_joined(self):
        self.fabric.give("bay1", self.disk, self.card)

        row = self.fabric.wait_condition(self.disk, "seen")
        self.assertEqual((row["driver"], row["serial"]), ("nvme", self.disk.serial))
        address = self.blades["bay1"].sh(f"cat /sys/bus/pci/slots/{row['slot']}/address")
        self.assertEqual(row["address"], address + ".0")
        row = self.fabric.wait_condition(self.card, "seen")
        self.assertEqual(row["mac"], self.fabric.mac_of(self.card))
        shown = self.fabric.ctl("assignment", "show", self.disk.function)
        self.assertIn(address + ".0", shown)
        self.assertIn(self.disk.serial, shown)

    @full_run_only
    def test_topology_inside_a_guest_is_what_lspci_shows_there_and_what_the_manager_foretold(self):
        self.fabric.give("bay1", self.disk, self.card)
        blade = self.blades["bay1"]
        document = json.loads(blade.sh("fabricctl topology --from pci -o json"))
        inside = lspci.rows_of_lspci(*(blade.sh(command) for command in lspci.COMMANDS))
        self.assertEqual(lspci.differences(document, inside), [])

        foretold = self.fabric.at("foretold.lspci")
        with open(foretold, "w", encoding="ascii") as file:
            file.write(self.fabric.ctl("host", "view", "bay1", "-o", "lspci"))
        outside = lspci.rows_of_lspci(*(subprocess.run(
            command.replace("lspci", f"lspci -F {foretold}"), shell=True, check=True, text=True,
            capture_output=True).stdout for command in lspci.COMMANDS))

        self.assertIn("0108", [row["class"] for row in outside.values()])
        self.assertIn("0200", [row["class"] for row in outside.values()])
        self.maxDiff = None
        self.assertEqual(outside, inside)

    @full_run_only
    def test_a_hot_add_that_the_guest_never_reports_is_named(self):
        blade, drivers = self.blades["bay2"], "/sys/bus/pci_express/drivers/pciehp"
        services = blade.sh(f"cd {drivers}; ls -d *:pcie*").split()
        blade.sh(f"cd {drivers}; for s in {' '.join(services)}; do echo $s > unbind; done")
        bind = f"cd {drivers}; for s in {' '.join(services)}; do echo $s > bind; done"
        self.addCleanup(blade.sh, bind, check=False)

        self.fabric.assign(self.disk.function, "bay2")

        self.assertEqual(self.fabric.placed()[self.disk.function][0], "bay2")
        row = self.fabric.wait_condition(self.disk, "not-seen")
        self.step(row["detail"])
        self.assertRegex(self.fabric.ctl("assignment", "show", self.disk.function), "not.seen")
        self.assertFalse(self.fabric.seen_in_guest(self.disk, "bay2"))

        blade.sh(bind)
        self.fabric.wait_condition(self.disk, "seen")

    # ---- the manager and the provider die ----

    def between(self, process):
        """Kills @process -9 after an unbind and before the bind that follows; the change, and where
        the disk is to be then."""
        source, target = "bay1", "bay2"
        device, = self.fabric.give(source, self.disk)
        self.write(source, device, "kept")
        self.umount(source)
        while True:
            qmp = self.blades[source].qmp()
            gone = self.path_of(self.disk, source)
            change = self.begin({"op": "move", "function": self.disk.function, "host": target})
            qmp.wait_event("DEVICE_DELETED", path=gone)
            self.fabric.processes[process].send_signal(signal.SIGSTOP)
            if self.disk.function not in self.fabric.placed():
                break
            # Too late by a hair: it is bound already. Once more, the other way.
            self.fabric.processes[process].send_signal(signal.SIGCONT)
            self.ended(change)
            self.fabric.wait_seen(self.disk, target)
            source, target = target, source
        self.fabric.kill(process)
        self.step(f"{process} is dead, the disk is nowhere")
        self.assertEqual(self.fabric.placed(), {})
        return change, target

    def check_completed(self, change, target):
        self.ended(change)
        self.step("the change is done")
        device = self.fabric.wait_seen(self.disk, target)
        self.assertEqual(self.read(target, device), "kept")
        self.fabric.wait_settled()

    def test_fabricd_killed_between_unbind_and_bind_completes_when_it_is_back(self):
        change, target = self.between("fabricd")
        self.fabric.start_manager()
        self.check_completed(change, target)

    def test_the_provider_killed_between_unbind_and_bind_costs_nothing(self):
        change, target = self.between("provider")
        self.fabric.start_provider()
        self.check_completed(change, target)
