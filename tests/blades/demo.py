#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""usage: demo.py FOLDER

What ./demo.sh --blades shows: two guests, a disk and two network adapters in the pool. The disk is
moved with its data and the MAC with its card, there and back; then blade0 is killed while it writes,
and blade1 goes on with what was synced. FOLDER is for sockets, images and logs; everything that is
started dies with this program.

Environment: FABRIC_BIN, folder of the programs; FABRIC_BLADES, what setup.sh made.
Exit codes: 0 all is as it should be, 1 not, 2 usage."""

import json
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from blades import (BIN, Blade, GuestError, dying_with, programs_of_blades,  # noqa: E402
                    start_all, wait)

BOLD, DIM, RED, GREEN, PLAIN = (
    ("\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[32m", "\x1b[0m") if sys.stdout.isatty() else ("",) * 5)
SERIAL, DISK = "FAB0001", "nvme-0001/f0"
MACS = ("52:54:00:fa:b0:01", "52:54:00:fa:b0:02")
GIVEN = "02:fa:b0:00:00:01"  # the MAC that moves

CONFIG = """\
[heartbeat]
interval = 200ms
missed = 5
[failover]
spare-windows = 1
[host blade0]
serial = {folder}/blade0.fabric
[host blade1]
serial = {folder}/blade1.fabric
"""

# A site's own script: what must be done in the guest before a disk may go.
HOOK = """\
#!/bin/sh
[ "$1" = before-remove ] || exit 0
for node; do
	grep "^$node" /proc/mounts | while read -r _ folder _; do umount "$folder" || exit 1; done || exit 1
done
"""
RC = f"""\
mkdir -p /mnt /etc/hooks.d
cat >/etc/hooks.d/10-unmount <<'END'
{HOOK}END
chmod 755 /etc/hooks.d/10-unmount
fabric-agent --interval-ms 200 --hooks /etc/hooks.d >/dev/console 2>&1 &
"""
WRITER = """
i=0
while i=$((i + 1)) && echo "record $i" >>/mnt/log; do
	sync && echo "synced $i" >/dev/console
	usleep 20000
done >/dev/null 2>&1 &
"""


class Wrong(Exception):
    """Something is not as it should be."""


def say(text):
    print(f"\n{BOLD}== {text}{PLAIN}", flush=True)


def note(text):
    print("   " + text, flush=True)


class Demo:
    def __init__(self, folder):
        self.folder = folder
        self.processes = {}
        self.began = time.monotonic()
        self.rows = []
        self.blades = [Blade(name, folder, programs=programs_of_blades(), rc=RC) for name in ("blade0", "blade1")]

    def at(self, name):
        return os.path.join(self.folder, name)

    # ---- programs ----

    def start(self, program, *words):
        with open(self.at(program + ".log"), "ab") as log:
            self.processes[program] = subprocess.Popen(
                [os.path.join(BIN, program), *words], stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, preexec_fn=dying_with(os.getpid()))

    def ctl(self, *words):
        done = subprocess.run([os.path.join(BIN, "fabricctl"), "--socket", self.at("fabricd.sock"),
                               "--no-color", *words], capture_output=True, text=True, check=False)
        if done.returncode:
            raise Wrong(f"fabricctl {' '.join(words)}: {done.stdout}{done.stderr}")
        return done.stdout

    def json(self, *words):
        return json.loads(self.ctl(*words, "-o", "json"))

    def shown(self, *words):
        """A command that is worth seeing."""
        print(f"   {DIM}$ fabricctl {' '.join(words)}{PLAIN}")
        for line in self.ctl(*words).splitlines():
            note(line)

    def check_processes(self):
        for program, process in self.processes.items():
            if process.poll() is not None:
                raise Wrong(f"{program} ended with {process.returncode}")

    def listens(self):
        self.check_processes()
        return os.path.exists(self.at("qemu.sock"))

    def is_ready(self):
        self.check_processes()
        try:
            return self.ctl("health")
        except Wrong:
            return False

    def are_alive(self):
        return all(host["state"] == "alive" for host in self.json("host", "list")["items"])

    def timed(self, what, began):
        seconds = time.monotonic() - began
        self.rows.append((what, seconds))
        note(f"{GREEN}{what}: {seconds:.2f} s{PLAIN}")

    # ---- the fabric ----

    def chassis(self):
        adapters = [{"model": "nvme", "serial": SERIAL, "file": "disk.img"}]
        adapters += [{"model": "virtio-net", "mac": mac, "netdev": "user"} for mac in MACS]
        hosts = [{"bay": blade.name, "qmp": blade.at("qmp"), "vports": blade.ports(),
                  "first_slot": blade.slot(1), "power_off": "kill"} for blade in self.blades]
        with open(self.at("disk.img"), "wb") as image:
            image.truncate(64 << 20)
        with open(self.at("chassis.json"), "w", encoding="ascii") as file:
            json.dump({"provider": "qemu", "chassis": "blades", "hosts": hosts,
                       "adapters": adapters}, file, indent=1)

    def open(self):
        say("two blades: Linux guests, each with a PCIe switch of its own (no hardware help: TCG)")
        began = time.monotonic()
        start_all(self.blades)
        self.timed("both blades have booted", began)
        say("the pool of adapters, the manager, and the blades' agents over virtio-serial")
        self.chassis()
        with open(self.at("fabricd.conf"), "w", encoding="ascii") as file:
            file.write(CONFIG.format(folder=self.folder))
        self.start("fabric-provider-qemu", "--chassis", self.at("chassis.json"), "--socket",
                   self.at("qemu.sock"))
        wait("the provider listens", self.listens)
        self.start("fabricd", "--config", self.at("fabricd.conf"), "--db", self.at("fabricd.db"),
                   "--socket", self.at("fabricd.sock"), "--provider", "qemu=" + self.at("qemu.sock"))
        wait("fabricd is ready", self.is_ready)
        wait("both blades beat", self.are_alive)
        self.shown("topology")

    def card_of(self, mac):
        """The function of the card with that factory MAC."""
        cards = [row["id"] for row in self.json("function", "list")["items"]
                 if row["id"].startswith("nic-")]
        return cards[MACS.index(mac)]

    def assign(self):
        blade0 = self.blades[0]
        say("the disk and both cards to blade0; blade1 is the spare")
        self.card = self.card_of(MACS[0])
        began = time.monotonic()
        self.shown("function", "assign", DISK, "blade0", "--wait", "60")
        blade0.wait_disk(SERIAL)
        self.timed("the disk is in blade0", began)
        self.shown("function", "assign", self.card, "blade0", "--mac", GIVEN, "--wait", "60")
        self.shown("function", "assign", self.card_of(MACS[1]), "blade0", "--wait", "60")
        blade0.wait_card(GIVEN)
        blade0.wait_card(MACS[1])
        self.shown("host", "set", "blade1", "--spare", "on")
        wait("the manager knows how blade0 sees the disk", self.is_seen_by("blade0"))
        self.shown("assignment", "list")

    def is_seen_by(self, host):
        def look():
            row = self.json("function", "show", DISK)
            seen = row.get("seen") or {}
            return row["host"] == host and seen.get("condition") == "seen"
        return look

    # ---- data ----

    def fill(self):
        blade0 = self.blades[0]
        say("blade0 makes a file system on the disk and fills it")
        blade0.sh(blade0.WORDS + f"""set -e
mke2fs -F $(disk {SERIAL}) >/dev/null 2>&1; mount $(disk {SERIAL}) /mnt
dd if=/dev/urandom of=/mnt/data bs=64k count=160 2>/dev/null; sync""")
        self.sum = blade0.sh("sha1sum </mnt/data")
        note(f"10 MiB, sha1 {self.sum.split()[0]}")

    def verify(self, blade):
        blade.sh(blade.WORDS + f"mount $(disk {SERIAL}) /mnt")
        got = blade.sh("sha1sum </mnt/data")
        if got != self.sum:
            raise Wrong(f"{blade.name} reads other data: {got}, not {self.sum}")
        note(f"{GREEN}{blade.name} mounts it: the same sha1{PLAIN}")

    def move(self, source, target):
        say(f"planned: disk and MAC move to {target.name}; the site's hook in {source.name} unmounts")
        began = time.monotonic()
        self.shown("function", "move", DISK, target.name, "--wait", "120")
        target.wait_disk(SERIAL)
        self.timed(f"planned move of the disk to {target.name}", began)
        began = time.monotonic()
        self.shown("function", "move", self.card, target.name, "--wait", "120")
        target.wait_card(GIVEN)
        self.timed(f"planned move of the card, with its MAC, to {target.name}", began)
        if source.has_disk(SERIAL) or source.has_card(GIVEN):
            raise Wrong(f"{source.name} still has it")
        self.verify(target)

    # ---- death ----

    def synced(self):
        with open(self.blades[0].at("console"), encoding="utf-8", errors="replace") as file:
            lines = file.read().replace("\r", "").split("\n")[:-1]  # the last one may be cut
        return max([int(line.split()[1]) for line in lines
                    if line.startswith("synced ") and line.split()[1].isdigit()], default=0)

    def kill(self):
        blade0, blade1 = self.blades
        say("blade0 writes records and syncs each; then its process is killed with -9")
        blade0.sh(WRITER)
        wait("it has synced some", lambda: self.synced() >= 20)
        began = time.monotonic()
        blade0.kill9()
        promised = self.synced()
        note(f"the last record that it said was synced: {promised}")
        wait("the manager has noticed", lambda: self.json("incident", "list")["items"])
        blade1.wait_disk(SERIAL)
        self.timed("kill -9 to the disk in blade1", began)
        blade1.wait_card(GIVEN)
        self.timed("kill -9 to the MAC in blade1", began)
        wait("the failover is done", lambda: self.json(
            "incident", "list")["items"][-1]["state"] == "done")
        self.shown("incident", "show", str(self.json("incident", "list")["items"][-1]["id"]))
        self.verify(blade1)
        records = blade1.sh("cat /mnt/log").split("\n")
        if records[:promised] != [f"record {n}" for n in range(1, promised + 1)]:
            raise Wrong(f"of {promised} records that were synced, some are lost")
        note(f"{GREEN}all {promised} synced records are there{PLAIN}")
        wait("the manager knows how blade1 sees the disk", self.is_seen_by("blade1"))
        self.shown("assignment", "list")

    def run(self):
        self.open()
        self.assign()
        self.fill()
        self.move(*self.blades)
        self.move(*reversed(self.blades))
        self.kill()
        say("how long each took")
        for what, seconds in self.rows:
            note(f"{seconds:7.2f} s  {what}")
        print(f"\n{BOLD}{GREEN}== data, disk and MAC are where they should be{PLAIN}"
              f" ({time.monotonic() - self.began:.0f} s)")

    def close(self):
        for process in self.processes.values():
            process.terminate()
        for blade in self.blades:
            blade.end()
        for process in self.processes.values():
            process.wait(20)

    def tail(self):
        for program in self.processes:
            with open(self.at(program + ".log"), encoding="utf-8", errors="replace") as file:
                print(f"   the end of {program}.log:\n" + "".join(file.readlines()[-15:]),
                      file=sys.stderr)


def main(words):
    if len(words) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    demo = Demo(os.path.abspath(words[0]))
    try:
        demo.run()
    except (Wrong, GuestError) as error:
        print(f"{RED}== FAILED: {error}{PLAIN}", file=sys.stderr)
        demo.tail()
        return 1
    finally:
        demo.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
