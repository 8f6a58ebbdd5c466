#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Two blades, a disk and two network adapters, under fabricd: moves, what the guests show of them,
and managers and providers that die in the middle of one.

Environment: FABRIC_SEED; FABRIC_SANITIZE, if set: fewer moves."""

import os
import random
import signal
import unittest

from pool import SANITIZED, Case, refuse_or_skip

ROUNDS = 2 if SANITIZED else 7  # of three adapters at once


class Moves(Case):
    def test_a_planned_move_there_and_back_keeps_data_and_mac(self):
        device = self.fabric.give(self.disk, "bay1")
        self.fabric.give(self.card, "bay1")
        self.write("bay1", device, "there")
        self.umount("bay1")
        self.step("assigned, written")

        device = self.fabric.move(self.disk, "bay2")
        self.fabric.move(self.card, "bay2")
        self.step("moved")
        self.assertEqual(self.read("bay2", device), "there")
        self.assertFalse(self.fabric.seen_in_guest(self.card, "bay1"))
        self.write("bay2", device, "back")
        self.umount("bay2")

        device = self.fabric.move(self.disk, "bay1")
        self.fabric.move(self.card, "bay1")
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

    # ---- the manager and the provider die ----

    def between(self, process):
        """Kills @process -9 after an unbind and before the bind that follows; the change, and where
        the disk is to be then."""
        source, target = "bay1", "bay2"
        device = self.fabric.give(self.disk, source)
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

    def path_of(self, adapter, bay):
        """In QEMU's tree of objects."""
        children = self.blades[bay].qmp().command("qom-list", path="/machine/peripheral")
        return "/machine/peripheral/" + next(child["name"] for child in children if
                                             child["name"].startswith(f"fab-{adapter.key}-"))

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


if __name__ == "__main__":
    refuse_or_skip()
    unittest.main(verbosity=2)
