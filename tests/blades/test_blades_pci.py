#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""fabric-provider-pci inside a guest that owns a switch: it makes the VFs of an SR-IOV disk and
brings their controllers online, hands them to drivers, sees a card that is plugged in by the
kernel's event, powers a slot off, and keeps its hands off what the guest itself stands on.

Its manager is provider_try, which asks only when it is told to; in the last test, fabricd."""

import json
import os
import shutil
import tempfile
import time
import unittest

from blades import BIN, FIRST_SLOT, Blade, programs, refuse_or_skip
from test_blades_owner import SANITIZED, sriov_disk

PF = "0000:03:00.0"  # below the first downstream port
NVME = 0x010802
KEPT, BOUND, BLAST, NO_VF = 11, 5, 8, 4
# each controller shows a disk of its own, as kernels without multipath do
SINGLE_PATHS = """
rmmod nvme
rmmod nvme_core
insmod /modules/nvme-core.ko multipath=N admin_timeout=15
insmod /modules/nvme.ko
"""
PROGRAMS = ("fabric-provider-pci", "provider_try", "fabricd", "fabricctl", "fabric-agent")
SOCKET, PIPE, OUT, LOG = "/run/pci.sock", "/run/try.in", "/run/try.out", "/run/pci.log"


class Pci(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="blades-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        for name in ("disk", "other", "third"):
            with open(os.path.join(cls.folder, name), "wb") as file:
                file.truncate(16 << 20)
        cls.guest = Blade("owner", cls.folder, kind="switch-owner",
                          programs=programs(*[os.path.join(BIN, name) for name in PROGRAMS]),
                          more=sriov_disk(os.path.join(cls.folder, "disk"), "FABSR01", "dn1"),
                          rc=SINGLE_PATHS, append="norandmaps" if SANITIZED else "")
        cls.addClassCleanup(cls.guest.end)
        cls.guest.start().wait_ready()
        print(f"booted in {cls.guest.boot_s:.1f} s", flush=True)
        cls.tag = 0
        cls.guest.sh(f"mkdir -p /run/fabricd; mkfifo {PIPE}")
        cls.provider_start()

    @classmethod
    def provider_start(cls):
        """The disk and all that comes into the second slot are in the pool."""
        cls.guest.sh(f"fabric-provider-pci --socket {SOCKET} --adapter {PF} "
                     f"--adapter slot:{FIRST_SLOT + 1} 2>>{LOG} & echo $! > /run/pci.pid")
        cls.guest.wait_sh(f"[ -S {SOCKET} ]")
        cls.guest.sh(f"provider_try {SOCKET} {PIPE} > {OUT} 2>&1 & echo $! > /run/try.pid")
        cls.guest.wait_sh(f"grep -q '^state.*ready' {OUT}")

    @classmethod
    def provider_kill(cls):
        cls.guest.sh("kill -9 $(cat /run/pci.pid) $(cat /run/try.pid)")
        cls.guest.wait_sh("! kill -0 $(cat /run/pci.pid) 2>/dev/null && "
                          "! kill -0 $(cat /run/try.pid) 2>/dev/null")

    def tearDown(self):
        if not self._outcome.success:
            print(self.guest.sh(f"cat {LOG}; tail -n 20 {OUT}; dmesg | tail -n 20", check=False))
            print(self.guest.said())

    # ---- what the manager says ----

    def ask(self, command):
        """The answer to one command."""
        type(self).tag += 1
        tag = f"t{self.tag}"
        self.guest.sh(f"echo '{tag} {command}' > {PIPE}")
        line = self.guest.wait_sh(f"grep '^{tag} .*}}$' {OUT}")  # whole: it may be half written
        return json.loads(line.partition(" ")[2])

    def done(self, command):
        answer = self.ask(command)
        self.assertEqual(answer["outcome"], "done", f"{command}: {answer}")
        return answer

    def refused(self, command, why):
        answer = self.ask(command)
        self.assertEqual((answer["outcome"], answer["why"]), ("refused", why), answer)
        return answer["text"]

    def scan(self):
        return self.ask("scan")

    def adapter(self, port=1):
        """The disk in the switch's so-manieth downstream port, as a scan tells it; None: no such
        card."""
        scan = self.scan()
        found = [a for a in scan["adapters"] if a["switch"] == "sw0" and a["port"] == port
                 and a["class"] == NVME]
        return (found[0], scan) if found else (None, scan)

    def events(self):
        text = self.guest.sh(f"grep '^event ' {OUT}", check=False)
        return [json.loads(line.partition(" ")[2]) for line in text.splitlines()]

    def driver(self, address):
        """Of a function; empty: none."""
        return self.guest.sh(f"readlink /sys/bus/pci/devices/{address}/driver",
                             check=False).rpartition("/")[2]

    def namespace(self, address):
        """The disk that the controller at @address shows."""
        device = self.guest.wait_sh(f"ls -d /sys/bus/pci/devices/{address}/nvme/nvme*/nvme*n*")
        device = "/dev/" + device.rpartition("/")[2]
        self.guest.wait_sh(f"[ -b {device} ]")
        return device

    # ---- tests, in the order of their names ----

    def test_1_vfs_are_made_and_their_controllers_come_online(self):
        disk, scan = self.adapter()
        self.assertEqual((disk["total_vfs"], disk["num_vfs"], disk["keeper"]), (4, 0, 3))
        pf = disk["first_function"]
        functions = {f["vf"]: f for f in scan["functions"] if f["adapter"] == disk["handle"]}
        self.assertEqual(sorted(functions), [0, 1, 2, 3, 4])
        self.assertFalse(functions[1]["now"]["present"])

        self.done(f"num-vfs {pf} 4")

        self.assertEqual(self.guest.sh(f"cat /sys/bus/pci/devices/{PF}/sriov_numvfs"), "4")
        self.assertEqual(self.driver("0000:03:00.1"), "")  # nobody's
        again, scan = self.adapter()
        self.assertEqual((again["handle"], again["num_vfs"]), (disk["handle"], 4))
        for vf in range(1, 5):
            self.assertTrue(scan["functions"][functions[vf]["handle"] - 1]["now"]["present"])
        self.assertIn("5 VFs of 4", self.refused(f"num-vfs {pf} 5", NO_VF))

    def test_2_a_vf_is_handed_to_its_driver_and_works(self):
        disk, _ = self.adapter()
        vf = disk["first_function"] + 2

        self.done(f"bind {vf} 7 42")

        self.assertEqual(self.driver("0000:03:00.2"), "nvme")
        controller = "/sys/bus/pci/devices/0000:03:00.2/nvme/nvme*"
        self.assertEqual(self.guest.sh(f"cat {controller}/state"), "live")
        # through the VF to the namespace and back
        self.guest.sh("echo fabric > /run/text; dd if=/run/text bs=512 conv=sync,fsync "
                      f"of={self.namespace('0000:03:00.2')}")
        # it is one disk: what went in through the VF comes out through the PF
        self.guest.sh("echo 3 > /proc/sys/vm/drop_caches; "
                      f"head -c 6 {self.namespace(PF)} | grep -q fabric")
        binding = self.done(f"read {vf} 1")["bindings"][0]
        self.assertEqual((binding["host"], binding["vport"], binding["generation"]), (1, 7, 42))
        self.assertEqual([b["function"] for b in self.done("read-host")["bindings"]], [vf])
        # under a live owner the number stays; nothing takes its vport; no reset hits it
        pf = disk["first_function"]
        self.assertIn("has an owner", self.refused(f"num-vfs {pf} 0", BLAST))
        self.refused(f"bind {vf + 1} 7 43", 6)
        self.refused(f"bind {vf} 8 43", BOUND)
        self.assertIn("would hit 0000:03:00.2", self.refused(f"reset {pf}", BLAST))

    def test_3_a_killed_provider_knows_whose_the_binding_is(self):
        disk, _ = self.adapter()
        vf = disk["first_function"] + 2

        self.provider_kill()
        self.provider_start()

        self.done("settle")
        disk, _ = self.adapter()
        binding = self.done(f"read {disk['first_function'] + 2} 1")["bindings"][0]
        self.assertEqual((binding["host"], binding["vport"], binding["generation"]), (1, 7, 42))
        self.assertEqual(vf, disk["first_function"] + 2)

    def test_4_what_the_machine_stands_on_is_not_taken(self):
        disk, _ = self.adapter()
        vf = disk["first_function"] + 2
        device = self.namespace("0000:03:00.2")
        self.guest.sh(f"mkswap {device} && swapon {device}")

        for command in (f"unbind {vf}", f"unbind {vf} surprise", f"reset {vf}"):
            self.assertIn("there is swap on it", self.refused(command, KEPT))

        self.assertEqual(self.driver("0000:03:00.2"), "nvme")
        self.guest.sh(f"swapoff {device}")

    def test_5_a_vf_is_taken_back_reset_and_destroyed(self):
        disk, _ = self.adapter()
        pf = disk["first_function"]

        self.done(f"unbind {pf + 2}")

        self.assertEqual(self.driver("0000:03:00.2"), "")
        self.done("settle")
        self.assertEqual(self.done(f"read {pf + 2} 1")["bindings"][0]["host"], 0)
        self.done(f"reset {pf + 2}")
        self.done(f"bind {pf + 2} 9 44")  # it lives after its reset
        self.assertEqual(self.driver("0000:03:00.2"), "nvme")
        self.done(f"unbind {pf + 2}")
        self.done(f"num-vfs {pf} 2")  # through none
        self.assertEqual(self.guest.sh(f"cat /sys/bus/pci/devices/{PF}/sriov_numvfs"), "2")
        self.done(f"num-vfs {pf} 0")
        self.assertFalse(self.guest.sh("ls /sys/bus/pci/devices | grep 03:00.1", check=False))
        self.assertIn("keeps its PF", self.refused(f"unbind {pf}", KEPT))

    def test_6_a_card_that_is_plugged_in_is_seen_by_the_event(self):
        _, before = self.adapter()
        known = len(self.events())
        qmp = self.guest.qmp()
        # test_8b looks for it: the counters are read slowly
        qmp.command("human-monitor-command", command_line="pcie_aer_inject_error dn1 COMP_TIME")
        image = os.path.join(self.folder, "other")

        qmp.command("blockdev-add", driver="raw", node_name="other",
                    file={"driver": "file", "filename": image})
        qmp.command("device_add", driver="nvme", id="other", bus="dn2", serial="FABPL02",
                    drive="other")

        # nobody asks for a scan meanwhile; a slot may be seen full before its card is found
        self.guest.wait_sh("[ -e /sys/bus/pci/devices/0000:04:00.0/driver ]")
        self.guest.wait_sh(f"grep '^event ' {OUT} | tail -n +{known + 1} | grep -q slot")
        told = self.events()[known:]
        self.assertIn("changed", [e["kind"] for e in told])
        slot = [e for e in told if e["kind"] == "slot" and e["port"] == 2][-1]
        self.assertTrue(slot["presence"] and slot["power"], slot)
        disk, scan = self.adapter(slot["port"])
        self.assertEqual(disk["keeper"], 0)
        self.assertEqual(disk["first_function"], len(before["functions"]) + 1)
        old, _ = self.adapter()
        self.assertEqual(old, [a for a in before["adapters"] if a["port"] == 1 and
                               a["switch"] == "sw0"][0])
        # the kernel gave it to its driver by itself: a foreign binding, beyond the vports
        now = self.done(f"read {disk['first_function']} 1")["bindings"][0]
        self.assertEqual((now["host"], now["vport"], now["generation"]), (1, 240, 0))
        self.done(f"unbind {disk['first_function']}")
        self.done(f"bind {disk['first_function']} 1 50")
        self.assertEqual(self.driver("0000:04:00.0"), "nvme")

    def test_7_a_slot_is_powered_off_and_its_indicator_blinks(self):
        disk, scan = self.adapter(2)
        switch, port = disk["switch_handle"], disk["port"]
        function = disk["first_function"]
        known = len(self.events())

        self.done(f"slot-attention {switch} {port} 2")
        attention = self.guest.sh(f"cat /sys/bus/pci/slots/{FIRST_SLOT + 1}/attention")
        self.assertEqual(attention, "2")
        self.assertIn("is bound", self.refused(f"slot-power {switch} {port} 0", BOUND))
        self.done(f"unbind {function}")
        self.done(f"slot-power {switch} {port} 0")

        self.guest.qmp().wait_event("DEVICE_DELETED", device="other")
        self.guest.wait_sh(f"grep '^event ' {OUT} | tail -n +{known + 1} | grep function | "
                           f"grep -q '\"function\": *{function},'")
        gone = [e for e in self.events()[known:] if e["kind"] == "function"][-1]
        self.assertEqual((gone["function"], gone["present"]), (function, False))
        again = self.scan()["functions"][function - 1]
        self.assertFalse(again["now"]["present"])

    def test_8a_what_is_not_named_is_not_touched(self):
        port = [p for p in self.scan()["ports"] if p["port"] == 3 and p["role"] == 1][-1]
        self.assertFalse(port["has_slot"])

        text = self.refused(f"slot-power {port['switch_handle']} 3 0", KEPT)

        self.assertIn("no --adapter names it", text)
        self.assertEqual(self.guest.sh("cat /proc/$(cat /run/pci.pid)/status | grep CapEff"),
                         "CapEff:\t0000000000201002")

    def test_8b_errors_of_a_link_are_told_though_the_card_counts_none(self):
        self.guest.wait_sh(f"grep -q \"{PF}: 0 fatal and 1 non-fatal errors more at the port's end\" "
                           f"{LOG}")
        self.assertIn("errors at the port's end: 0 fatal, 1 non-fatal",
                      self.guest.sh(f"fabric-provider-pci ask --socket {SOCKET} show"))

    def test_9_a_manager_scrubs_a_card_that_is_plugged_in_and_gives_it_out(self):
        """fabricd itself; another card than the one before, in the same slot."""
        guest = self.guest
        guest.sh("kill $(cat /run/try.pid); mkdir -p /var/lib/fabricd; echo > /run/fabricd.conf")
        guest.sh("fabricd --config /run/fabricd.conf --db /var/lib/fabricd/db "
                 f"--provider pci={SOCKET} 2>>{LOG} &")
        guest.wait_sh("fabricctl health")
        guest.sh(f"fabric-agent --host owner --socket /run/fabricd/fabricd.sock 2>>{LOG} &")
        guest.wait_sh("fabricctl host list | grep -q '^owner *alive'")

        image = os.path.join(self.folder, "third")
        qmp = guest.qmp()
        qmp.command("blockdev-add", driver="raw", node_name="third",
                    file={"driver": "file", "filename": image})
        qmp.command("device_add", driver="nvme", id="third", bus="dn2", serial="FABPL03",
                    drive="third")

        # the kernel hands it to its driver; the manager takes it, resets it, and then it is free
        function = "nvme-sw0-p2/f0"
        guest.wait_sh("fabricctl port list | grep '^sw0/p2 ' | grep -q ready && "
                      f"fabricctl function list | grep '^{function}' | grep -q ' free '")
        self.assertEqual(self.driver("0000:04:00.0"), "")
        guest.sh(f"fabricctl function assign {function} owner --wait 120")
        self.assertEqual(self.driver("0000:04:00.0"), "nvme")
        guest.wait_disk("FABPL03")
        guest.wait_sh("fabricctl assignment list | grep -q ' seen '")
        guest.sh(f"fabricctl function release {function} --wait 120")
        self.assertEqual(self.driver("0000:04:00.0"), "")

    def test_a_command_that_hangs_in_the_kernel_holds_up_nobody_else(self):
        """The controller dies silently under an admin command: the process that gave it waits in the
        kernel, and no signal ends that."""
        guest = self.guest
        guest.sh("killall fabricd")
        guest.wait_sh("! pidof fabricd")
        guest.sh(f"provider_try {SOCKET} {PIPE} > {OUT} 2>&1 & echo $! > /run/try.pid")
        guest.wait_sh(f"grep -q '^state.*ready' {OUT}")
        disk, _ = self.adapter()
        pf = disk["first_function"]
        self.done(f"num-vfs {pf} 1")
        guest.qmp().command("qom-set", path="/machine/peripheral/disk", property="realized",
                            value=False)

        self.ask("deadline 2000")
        self.assertEqual(self.ask(f"bind {pf + 1} 5 60")["outcome"], "unknown")

        self.assertIn("D (disk sleep)", guest.sh("cat /proc/[0-9]*/status | "
                                                 "grep -A 3 '^Name:.fabric-provider'"))
        self.assertEqual(len(self.done(f"read {pf} 2")["bindings"]), 2)
        self.assertEqual(self.ask("settle")["outcome"], "unknown")
        self.assertFalse(self.adapter()[1]["functions"][pf - 1]["now"]["present"])
        # a new life of the provider waits for what the old one left behind
        self.provider_kill()
        guest.sh(f"rm {SOCKET}")
        self.provider_start()
        self.ask("deadline 500")
        self.assertEqual(self.ask("settle")["outcome"], "unknown")
        self.ask("deadline 150000")
        self.done("settle")
        self.assertIn("what an earlier life of this program began is settled",
                      guest.sh(f"cat {LOG}"))
        self.assertIsNone(self.adapter()[0])  # it reads ones: there is no card


if __name__ == "__main__":
    refuse_or_skip()
    began = time.monotonic()
    unittest.main(verbosity=2)
