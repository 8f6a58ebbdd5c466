#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest that owns a switch, with an SR-IOV disk in it: what our programs say inside it is what
lspci says there."""

import json
import os
import shutil
import tempfile
import unittest

import lspci
from blades import BIN, Blade, programs, refuse_or_skip

SANITIZED = bool(os.environ.get("FABRIC_SANITIZE"))
DISK = "0000:03:00.0"  # below the first downstream port


def sriov_disk(image, serial, port):
    """QEMU's words for an NVMe controller that can have four VFs."""
    return ["-device", "nvme-subsys,id=subsystem",
            "-drive", f"file={image},format=raw,if=none,id=image",
            "-device", f"nvme,id=disk,bus={port},addr=0,serial={serial},subsys=subsystem,"
            "max_ioqpairs=18,msix_qsize=18,sriov_max_vfs=4,sriov_vq_flexible=8,sriov_vi_flexible=4,"
            "sriov_max_vq_per_vf=2,sriov_max_vi_per_vf=1",
            "-device", "nvme-ns,drive=image,bus=disk,nsid=1,shared=on"]


class Owner(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="blades-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        image = os.path.join(cls.folder, "disk.raw")
        with open(image, "wb") as file:
            file.truncate(16 << 20)
        cls.guest = Blade("owner", cls.folder, kind="switch-owner",
                          programs=programs(os.path.join(BIN, "fabricctl"),
                                             shutil.which("lspci")),
                          more=sriov_disk(image, "FABSR01", "dn1"),
                          append="norandmaps" if SANITIZED else "")
        cls.addClassCleanup(cls.guest.end)
        cls.guest.start().wait_ready()
        print(f"booted in {cls.guest.boot_s:.1f} s", flush=True)

    def tearDown(self):
        if not self._outcome.success:
            print(self.guest.said())

    def assert_as_lspci(self, functions):
        document = json.loads(self.guest.sh("fabricctl topology --from pci -o json"))
        rows = lspci.rows_of_lspci(*(self.guest.sh(command) for command in lspci.COMMANDS))
        self.assertEqual(lspci.differences(document, rows), [])
        self.assertEqual(len(rows), functions)
        return rows

    def test_topology_from_pci_is_what_lspci_shows(self):
        device = f"/sys/bus/pci/devices/{DISK}"
        without = self.assert_as_lspci(functions=12)
        self.assertEqual(without[DISK]["sriov_num"], "0")

        self.guest.sh(f"echo 0 > {device}/sriov_drivers_autoprobe; echo 2 > {device}/sriov_numvfs")
        self.addCleanup(self.guest.sh, f"echo 0 > {device}/sriov_numvfs")

        self.assertEqual(self.assert_as_lspci(functions=14)[DISK]["sriov_num"], "2")


if __name__ == "__main__":
    refuse_or_skip()
    unittest.main(verbosity=2)
