#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Two blades by themselves, without any manager: what all other tests with guests stand on."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

import blades
from blades import PATIENCE_S, Blade, GuestError, Lines, QmpError, refuse_or_skip, start_all

DISK_MIB = 16


class Boot(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="blades-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.pair = [Blade(name, cls.folder, programs=blades.programs_of_blades())
                    for name in ("bay1", "bay2")]
        for blade in cls.pair:
            cls.addClassCleanup(blade.end)
        start_all(cls.pair)
        print("booted in", *(f"{blade.boot_s:.1f} s" for blade in cls.pair), flush=True)
        for serial in ("LAB0001", "LAB0002"):
            with open(os.path.join(cls.folder, serial), "wb") as file:
                file.truncate(DISK_MIB << 20)

    def tearDown(self):
        if not self._outcome.success:
            print("".join(blade.said() for blade in self.pair))

    def add(self, blade, name, serial="LAB0001"):
        blade.qmp().command("blockdev-add", driver="raw", node_name="n-" + name,
                            file={"driver": "file", "filename": os.path.join(self.folder, serial)})
        blade.qmp().command("device_add", driver="nvme", id=name, bus="dn1", serial=serial,
                            drive="n-" + name)

    def test_each_blade_has_its_name_its_slots_and_the_agent(self):
        for blade in self.pair:
            self.assertEqual(blade.sh("hostname"), blade.name)
            slots = {str(blade.slot(vport)) for vport in (1, 2, 3, 4)}
            self.assertLessEqual(slots, set(blade.sh("ls /sys/bus/pci/slots").split()))
            self.assertIn("fabric-agent", blade.sh("fabric-agent --version"))

    def test_a_hot_added_disk_keeps_its_data_on_the_way_to_the_other_blade(self):
        one, other = self.pair
        self.add(one, "first")
        disk = one.wait_disk("LAB0001")
        one.sh(f"mke2fs -F {disk} >/dev/null && mount {disk} /mnt && echo written > /mnt/file && "
               "umount /mnt")
        with self.assertRaisesRegex(QmpError, "lock"):
            self.add(other, "too-early")  # the image is in use: QEMU's own net

        one.slot_off(1)
        one.qmp().wait_event("DEVICE_DELETED", device="first")
        one.qmp().command("blockdev-del", node_name="n-first")
        self.assertFalse(one.has_disk("LAB0001"))

        self.add(other, "second")
        disk = other.wait_disk("LAB0001")
        self.assertEqual(other.sh(f"mount {disk} /mnt && cat /mnt/file && umount /mnt"), "written")

    def heard(self, line, kind, condition):
        """The first line of @kind from an agent that fulfils @condition."""
        end = time.monotonic() + PATIENCE_S
        while True:
            text = line.receive(end)
            self.assertIsNotNone(text, f"no {kind} was heard")
            message = json.loads(text) if text else {}
            if message.get("type") == kind and condition(message):
                return message

    def test_the_agent_tells_of_a_disk_that_comes_and_lets_it_go_when_asked(self):
        one = self.pair[0]
        one.sh("fabric-agent --host bay1 --serial fabric >/run/agent.log 2>&1 &")
        self.addCleanup(one.sh, "killall fabric-agent; cat /run/agent.log")
        port = Lines(one.at("fabric"))
        self.addCleanup(port.close)
        self.heard(port, "beat", lambda message: message["host"] == "bay1")

        self.add(one, "third", "LAB0002")
        seen = self.heard(port, "seen", lambda message: "LAB0002" in str(message))
        row = next(row for row in seen["functions"] if row.get("serial") == "LAB0002")
        self.assertEqual((row["slot"], row["driver"]), (one.slot(1), "nvme"))

        port.send(json.dumps({"type": "leave", "id": 7, "address": row["address"],
                              "slot": row["slot"], "function": "nvme-0002/f0",
                              "deadline_ms": 60000}))
        left = self.heard(port, "left", lambda message: message["id"] == 7)
        self.assertEqual(left["outcome"], "done", left)
        one.qmp().wait_event("DEVICE_DELETED", device="third")
        self.heard(port, "seen", lambda message: "LAB0002" not in str(message))

    def test_a_script_that_fails_says_so(self):
        with self.assertRaisesRegex(GuestError, "exit code 3"):
            self.pair[0].sh("exit 3")

    def test_another_process_reaches_the_shell_of_a_blade_that_is_run_by_hand(self):
        folder = os.path.join(self.folder, "shell")
        words = [sys.executable, "-B", blades.__file__]
        starter = subprocess.Popen([*words, "run", folder, "bay8"], stdout=subprocess.PIPE, text=True)
        self.addCleanup(starter.stdout.close)
        self.addCleanup(starter.wait)
        self.addCleanup(starter.kill)
        starter.stdout.readline()  # started
        self.assertIn("ready_s", json.loads(starter.stdout.readline()))

        done = subprocess.run([*words, "sh", folder, "bay8", "hostname"], stdout=subprocess.PIPE,
                              text=True, check=True, timeout=PATIENCE_S)

        self.assertEqual(done.stdout.strip(), "bay8")

    def test_a_blade_dies_with_who_started_it(self):
        folder = os.path.join(self.folder, "by-hand")
        starter = subprocess.Popen([sys.executable, "-B", blades.__file__, "run", folder, "bay9"],
                                   stdout=subprocess.PIPE, text=True)
        self.addCleanup(starter.stdout.close)
        pid = json.loads(starter.stdout.readline())["pid"]

        starter.kill()
        starter.wait()

        blades.wait("its blade is gone", lambda: not os.path.exists(f"/proc/{pid}"))


if __name__ == "__main__":
    refuse_or_skip()
    unittest.main(verbosity=2)
