#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests as blades: QEMU processes that run a Debian kernel, with a PCIe switch in each, and the pool
of adapters that fabric-provider-qemu plugs into them. For tests (see Case), and by hand:

usage: blades.py run FOLDER [BAY...]      starts blades (bay1 bay2) and stays until a signal
       blades.py sh FOLDER BAY SCRIPT     runs a shell script inside a blade
       blades.py qmp FOLDER BAY COMMAND [JSON]

Nothing here sleeps for a fixed time: conditions are waited for, those of a guest inside the guest.
Every QEMU dies with the process that started it.

Environment: FABRIC_BIN, folder of the programs; FABRIC_BLADES, what setup.sh made (build/blades);
FABRIC_NO_QEMU, if set, skips every test."""

import base64
import ctypes
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(SOURCE, "tests", "scenario"))
sys.path.insert(0, HERE)
from initramfs import Archive  # noqa: E402  pylint: disable=wrong-import-position

GUESTS = os.environ.get("FABRIC_BLADES", os.path.join(SOURCE, "build", "blades"))
BIN = os.environ.get("FABRIC_BIN", os.path.join(SOURCE, "build", "dev", "bin"))
# How long anything in a guest may take. Without hardware help and beside a build all is slow.
PATIENCE_S = float(os.environ.get("FABRIC_BLADES_PATIENCE", "180"))
FIRST_SLOT = 16
SWITCH_ADDRESS, AGENT_ADDRESS, NETWORK_ADDRESS = "04.0", "1d.0", "1c.0"
UPLINK = "uplink"  # QEMU's name of a blade's own network
SKIPPED = 77
PR_SET_PDEATHSIG = 1

libc = ctypes.CDLL(None, use_errno=True)


class GuestError(Exception):
    """A script in a guest ended with another exit code than 0, or a blade is not as it should be."""


class QmpError(Exception):
    """QEMU's own words."""


def dying_with(parent):
    """What a child of process @parent calls before it becomes another program. The kernel sends the
    signal when the *thread* that started it ends."""
    def call():
        if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL) or os.getppid() != parent:
            os._exit(127)
    return call


def wait(what, condition, patience=PATIENCE_S):
    """Until @condition() is true; its value."""
    end = time.monotonic() + patience
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise GuestError(f"not within {patience:g} s: {what}")
        time.sleep(0.01)


class Lines:
    """A Unix socket on which lines come and go."""

    def __init__(self, path):
        self.path, self.buffer = path, b""
        self.socket = socket.socket(socket.AF_UNIX)
        try:
            self.socket.connect(path)
        except OSError:
            self.socket.close()
            raise

    def send(self, line):
        self.socket.sendall(line.encode() + b"\n")

    def receive(self, end):
        """The next line; None when none came until @end."""
        while b"\n" not in self.buffer:
            ready, _, _ = select.select([self.socket], [], [], max(0, end - time.monotonic()))
            if not ready:
                return None
            data = self.socket.recv(1 << 16)
            if not data:
                raise EOFError(self.path)
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line.decode(errors="replace")

    def close(self):
        self.socket.close()


class Qmp:
    """One conversation with a QEMU. Events that come meanwhile are kept."""

    def __init__(self, path):
        self.lines, self.events, self.number = Lines(path), [], 0
        self.message(time.monotonic() + PATIENCE_S)
        self.command("qmp_capabilities")

    def message(self, end):
        line = self.lines.receive(end)
        if line is None:
            raise TimeoutError("QMP: no answer")
        message = json.loads(line)
        if "event" in message:
            self.events.append(message)
        return message

    def command(self, name, /, patience=PATIENCE_S, **arguments):
        """Underscores in the names of arguments stand for dashes."""
        self.number += 1
        arguments = {key.replace("_", "-"): value for key, value in arguments.items()}
        self.lines.send(json.dumps({"execute": name, "arguments": arguments, "id": self.number}))
        end = time.monotonic() + patience
        while True:
            message = self.message(end)
            if message.get("id") != self.number:
                continue  # an event, or the answer to what was given up
            if "error" in message:
                raise QmpError(f"{name}: {message['error']['desc']}")
            return message["return"]

    def wait_event(self, name, patience=PATIENCE_S, **data):
        """The first event @name, since the connection was made, whose data hold @data."""
        end = time.monotonic() + patience
        seen = 0
        while True:
            for event in self.events[seen:]:
                if event["event"] == name and data.items() <= event["data"].items():
                    self.events.remove(event)
                    return event
            seen = len(self.events)
            self.message(end)

    def close(self):
        self.lines.close()


class Blade:
    """One guest. In its folder: NAME.qmp, for the provider; NAME.lab, the test's own QMP; NAME.ctl, a
    shell; NAME.fabric, the agent's port, for fabricd; NAME.console, all that it printed.

    @kind: "blade", or "switch-owner" (see setup.sh)
    @vports: downstream ports of its switch: dn1, dn2, ... in slots FIRST_SLOT, ...
    @programs: {name in the guest: path here}, put there with their libraries
    @files: the same, as they are
    @rc: shell commands that run at its start
    @beats: whether it has a network of its own on which it reaches this machine as 10.0.2.2
    @more: further words for QEMU, e.g. adapters that are there from the start"""

    def __init__(self, name, folder, kind="blade", vports=4, programs=None, files=None, rc="",
                 beats=False, more=(), memory_mib=256, append=""):
        self.name, self.folder, self.kind, self.vports = name, folder, kind, vports
        self.programs, self.files = programs or {}, files or {}
        self.rc, self.beats, self.more = rc, beats, list(more)
        self.memory_mib, self.append = memory_mib, append
        self.process = self.ctl = self.lab = None
        self.requests = self.boots = 0
        self.started_s = self.boot_s = 0.0

    def at(self, what):
        return os.path.join(self.folder, f"{self.name}.{what}")

    def ports(self):
        """QEMU's names of the vports, vport 1 first."""
        return [f"dn{n}" for n in range(1, self.vports + 1)]

    def slot(self, vport):
        return FIRST_SLOT + vport - 1

    # ---- life and death ----

    def make_initrd(self):
        with open(os.path.join(GUESTS, self.kind, "base.cpio"), "rb") as file:
            base = file.read()
        archive = Archive()
        for name, path in self.programs.items():
            archive.program(path, name)
        for name, path in self.files.items():
            archive.file(name, path)
        if self.rc:
            archive.text("etc/rc", self.rc)
        with open(self.at("initrd"), "wb") as file:
            file.write(base + archive.finish())

    def socket_port(self, number, name):
        return ["-chardev", f"socket,id={name},path={self.at(name)},server=on,wait=off", "-device",
                f"virtserialport,bus=ports.0,nr={number},chardev={name},name={name}"]

    def words(self):
        """The command line. Hot-plug is pciehp's, not ACPI's; no acceleration, wherever this runs."""
        words = ["qemu-system-x86_64", "-name", self.name, "-machine", "q35,accel=tcg", "-cpu", "max",
                 "-smp", "1", "-m", str(self.memory_mib), "-nodefaults", "-no-user-config",
                 "-display", "none", "-no-reboot",
                 "-global", "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off",
                 "-kernel", os.path.join(GUESTS, self.kind, "vmlinux"), "-initrd", self.at("initrd"),
                 "-append", "console=ttyS0 quiet panic=-1 nokaslr mitigations=off tsc=reliable "
                 "random.trust_cpu=on nvme_core.multipath=N nvme_core.io_timeout=3 "
                 f"nvme_core.admin_timeout=3 FABRIC_HOST={self.name} {self.append}",
                 "-chardev", f"file,id=console,path={self.at('console')},append=on",
                 "-serial", "chardev:console"]
        for name in ("qmp", "lab"):
            words += ["-chardev", f"socket,id={name},path={self.at(name)},server=on,wait=off",
                      "-mon", f"chardev={name},mode=control"]
        words += ["-device", f"virtio-serial-pci,id=ports,bus=pcie.0,addr={AGENT_ADDRESS}",
                  *self.socket_port(1, "ctl"), *self.socket_port(2, "fabric")]
        if self.beats:
            words += ["-netdev", f"user,id={UPLINK}", "-device", f"virtio-net-pci,netdev={UPLINK},"
                      f"bus=pcie.0,addr={NETWORK_ADDRESS},romfile=,id={UPLINK}-card"]
        words += ["-device", f"pcie-root-port,id=root,bus=pcie.0,addr={SWITCH_ADDRESS},chassis=1,slot=1",
                  "-device", "x3130-upstream,id=up,bus=root,addr=0"]
        for n, port in enumerate(self.ports()):
            words += ["-device", f"xio3130-downstream,id={port},bus=up,addr={n:x}.0,chassis=2,"
                      f"slot={FIRST_SLOT + n},port={n}"]
        return words + self.more

    def start(self):
        """Returns at once; the calling thread must live as long as the blade."""
        self.make_initrd()
        self.boots += 1
        with open(self.at("log"), "ab") as log:
            self.process = subprocess.Popen(self.words(), stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, preexec_fn=dying_with(os.getpid()))
        self.hang_up()
        self.started_s = time.monotonic()
        return self

    def lives(self):
        return self.process is not None and self.process.poll() is None

    def connect(self, what, make):
        """Until QEMU listens there. It listens before it runs the guest."""
        while True:
            try:
                return make(self.at(what))
            except OSError as error:
                if not self.lives() or time.monotonic() > self.started_s + PATIENCE_S:
                    raise GuestError(f"{self.name}: {error}\n{self.said()}") from error
            time.sleep(0.01)

    def qmp(self):
        self.lab = self.lab or self.connect("lab", Qmp)
        return self.lab

    def ask_qemu(self, question, otherwise):
        """@question(self), which asks by qmp(); @otherwise for a blade that cannot answer, because
        it is stopped or dead, or dies meanwhile."""
        if self.state() in "T-":
            return otherwise
        try:
            return question(self)
        except (OSError, EOFError):
            wait(f"{self.name} is gone, since its QMP is", lambda: self.state() == "-")
            return otherwise

    def wait_ready(self):
        """Until its shell answers."""
        self.sh("true")
        self.boot_s = time.monotonic() - self.started_s
        return self

    def kill9(self):
        self.process.kill()
        self.wait_dead()

    def wait_dead(self):
        self.process.wait(PATIENCE_S)
        self.hang_up()

    def hang_up(self):
        for line in (self.lab, self.ctl):
            if line:
                line.close()
        self.lab = self.ctl = None

    def stop(self):
        """Neither guest nor QEMU does anything from now on."""
        self.process.send_signal(signal.SIGSTOP)
        wait("it is stopped", lambda: self.state() == "T")

    def cont(self):
        self.process.send_signal(signal.SIGCONT)

    def state(self):
        """As /proc has it: "T" is stopped; "-" when it is gone, or was never started."""
        if not self.process:
            return "-"
        try:
            with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as file:
                state = file.read().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return "-"
        return "-" if state in "ZX" else state

    def panic(self):
        """The kernel panics, and QEMU ends: -no-reboot."""
        self.ask("echo 1 > /proc/sys/kernel/sysrq; echo c > /proc/sysrq-trigger")
        self.wait_dead()

    def end(self):
        if self.process:
            self.kill9()

    def said(self):
        """The end of what QEMU and the guest printed."""
        text = ""
        for what in ("log", "console"):
            try:
                with open(self.at(what), encoding="utf-8", errors="replace") as file:
                    lines = file.read().splitlines()[-40:]
            except FileNotFoundError:
                lines = []
            text += f"---- {self.name}.{what}, its end ----\n" + "\n".join(lines) + "\n"
        return text

    # ---- inside ----

    def ask(self, script):
        """Sends a script to the guest's shell, and does not wait; the request's number."""
        self.ctl = self.ctl or self.connect("ctl", Lines)
        self.requests += 1
        name = f"{os.getpid()}.{self.requests}"
        self.ctl.send(name + " " + base64.b64encode(script.encode()).decode())
        return name

    def answer(self, name, patience=PATIENCE_S):
        """Exit code and output of a request."""
        end = time.monotonic() + patience
        while True:
            try:
                line = self.ctl.receive(end)
            except (EOFError, ConnectionResetError) as error:
                raise GuestError(f"{self.name}: has died\n{self.said()}") from error
            if line is None:
                raise GuestError(f"{self.name}: no answer in {patience:g} s\n{self.said()}")
            words = line.strip().split(" ")
            if words[0] == name:
                data = base64.b64decode(words[2]) if len(words) > 2 else b""
                return int(words[1]), data.decode(errors="replace")

    def sh(self, script, check=True, patience=PATIENCE_S):
        """Runs a script in the guest: what it printed, without the last newline."""
        code, text = self.answer(self.ask(script), patience)
        if check and code:
            raise GuestError(f"{self.name}: exit code {code} of:\n{script}\n{text}")
        return text.rstrip("\n")

    def wait_sh(self, condition, patience=PATIENCE_S):
        """Until a condition of the guest's shell is true; looked at in the guest."""
        code, text = self.answer(self.ask(
            f"up() {{ cut -d. -f1 /proc/uptime; }}; end=$(($(up) + {int(patience)}))\n"
            f"until {{ {condition}\n}}; do [ $(up) -lt $end ] || exit 99; usleep 20000; done"),
            patience + PATIENCE_S)
        if code:
            raise GuestError(f"{self.name}: not within {patience:g} s (exit code {code}): {condition}\n"
                             f"{text}\n{self.said()}")
        return text.rstrip("\n")

    # What a script may use. disk SERIAL: /dev/... of the disk; card MAC: name of the interface.
    WORDS = """
disk() {
	local f
	for f in $(grep -lsx "$1 *" /sys/block/nvme*n*/device/serial); do
		f=${f%/device/serial}
		[ -b /dev/${f##*/} ] && echo /dev/${f##*/} && return
	done
	return 1
}
card() {
	local f
	f=$(grep -lsix "$1" /sys/class/net/*/address) || return 1
	f=${f%/address}
	echo ${f##*/}
}
"""

    def wait_disk(self, serial, patience=PATIENCE_S):
        """Until the disk is there; its device."""
        return self.wait_sh(self.WORDS + f"disk {serial}", patience)

    def wait_card(self, mac, patience=PATIENCE_S):
        return self.wait_sh(self.WORDS + f"card {mac}", patience)

    def has_disk(self, serial):
        return bool(self.sh(self.WORDS + f"disk {serial}", check=False))

    def has_card(self, mac):
        return bool(self.sh(self.WORDS + f"card {mac}", check=False))

    def slot_off(self, vport):
        """What an agent does that helps: spares the five seconds of the button."""
        self.sh(f"echo 0 > /sys/bus/pci/slots/{self.slot(vport)}/power")


def start_all(blades):
    """Starts blades side by side and waits for all."""
    for blade in blades:
        blade.start()
    for blade in blades:
        blade.wait_ready()


def refuse_or_skip():
    """A line and exit code 77 where guests are not wanted."""
    if os.environ.get("FABRIC_NO_QEMU"):
        print("SKIPPED: FABRIC_NO_QEMU is set: no guest is started, this is not tested")
        sys.exit(SKIPPED)


def attach(folder, bay):
    """A blade that another process started."""
    blade = Blade(bay, folder)
    blade.lives = lambda: True
    blade.started_s = time.monotonic()
    return blade


def run(folder, bays):
    os.makedirs(folder, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    blades = [Blade(bay, folder, programs=programs_of_blades()) for bay in bays]
    for blade in blades:
        blade.start()
        print(json.dumps({"blade": blade.name, "pid": blade.process.pid, "qmp": blade.at("qmp"),
                          "fabric": blade.at("fabric")}), flush=True)
    for blade in blades:
        blade.wait_ready()
        blade.hang_up()  # its shell serves one at a time: it is for `sh` now
        print(json.dumps({"blade": blade.name, "ready_s": round(blade.boot_s, 2)}), flush=True)
    signal.pause()


def programs(*paths):
    """For Blade: each in /bin, under its own name."""
    return {"bin/" + os.path.basename(path): path for path in paths}


def programs_of_blades():
    """The agent that needs nothing of its host; without it no blade is of use."""
    return {"bin/fabric-agent": os.path.join(BIN, "fabric-agent-static")}


def main(words):
    match words:
        case ["run", folder, *bays]:
            run(os.path.abspath(folder), bays or ["bay1", "bay2"])
        case ["sh", folder, bay, script]:
            blade = attach(os.path.abspath(folder), bay)
            code, text = blade.answer(blade.ask(script))
            print(text, end="")
            return code
        case ["qmp", folder, bay, command, *more]:
            blade = attach(os.path.abspath(folder), bay)
            print(json.dumps(blade.qmp().command(command, **json.loads(more[0] if more else "{}")),
                             indent=1))
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
