# SPDX-License-Identifier: GPL-2.0-or-later
"""A fabric of blades: guests, the pool of adapters, fabric-provider-qemu, fabricd, and the agents in
the guests. Blades is a Fabric of tests/scenario/fabric.py, and so is used like that; what is bound
where is asked of the QEMUs themselves, by a QMP connection that the provider does not have.

Case: a class of tests that share one running fabric, since booting takes longest. Before each test it
is whole again: all blades up, heard and admitted, nothing bound."""

import json
import os
import re
import shutil
import signal
import socket
import time
import types
import unittest

import blades
from blades import BIN, PATIENCE_S, Blade, QmpError, refuse_or_skip

os.environ.setdefault("FABRIC_BIN", BIN)
os.environ.setdefault("FABRIC_PATIENCE", str(PATIENCE_S))
from fabric import Fabric, Follower, Refused, mac_of  # noqa: E402  pylint: disable=wrong-import-position

__all__ = ["Adapter", "Blades", "Case", "Follower", "Owner", "Refused", "card", "disk", "full_run_only",
           "refuse_or_skip"]

SANITIZED = bool(os.environ.get("FABRIC_SANITIZE"))
BEAT_MS, MISSED = 500, 10  # guests without hardware help are slow, and the machine has other work

# The same two blades are killed many times in ten minutes: that is no flapping (S10) here.
CONFIG = f"""\
[heartbeat]
interval = {BEAT_MS}ms
missed = {MISSED}
[failover]
spare-windows = 1
fence-retry = 1s
fence-attempts = 2
rate-count = 64
flap-count = 0
[fabric]
repair-retry = 500ms
[host-view]
patience = 3s
"""


def full_run_only(test):
    return unittest.skipIf(SANITIZED, "tested without sanitizers only: takes long")(test)


class Adapter:
    """One of the pool. @function: what fabricd calls it, once it runs."""

    def __init__(self, port, **entry):
        self.port, self.entry = port, {**entry, "port": port}
        self.serial, self.mac = entry.get("serial"), entry.get("mac")
        evidence = f"serial {self.serial}" if self.serial else \
            f"mac {int(self.mac.replace(':', ''), 16):x}"
        self.key = f"{fnv1a(evidence):08x}"
        self.function = None


def fnv1a(text):
    """32 bits. By this the provider names in QEMU what it binds."""
    value = 2166136261
    for byte in text.encode():
        value = (value ^ byte) * 16777619 & 0xFFFFFFFF
    return value


def disk(n):
    return Adapter(100 + n, model="nvme", serial=f"FAB{n:04}", file=f"disk{n}.raw")


def card(n):
    return Adapter(200 + n, model="virtio-net", mac=f"52:54:00:fa:b0:{n:02x}", netdev="user")


class Blades(Fabric):
    """@bays: how each may be powered off, "kill" or "never", by name.
    @adapters: of disk() and card(). @agents: whether the guests run one.
    @tools: bays whose guests have fabricctl and lspci too.
    @cold: bays that are off at first. Their power_on program leaves a file, and who waits for that
    starts the guest: whoever started a QEMU must live as long as it (see press())."""

    DISK_MIB = 32
    provider = "qemu"

    def __init__(self, case, bays, adapters, config=CONFIG, vports=4, agents=True, tools=(),
                 beats=False, cold=()):
        super().__init__(case, chassis="chassis.json", config=config)
        self.chassis = self.at("chassis.json")
        self.adapters, self.beats = list(adapters), beats
        self.udp_port = free_udp_port() if beats else None
        self.blades, self.off = {}, set(cold)
        for bay in bays:
            programs = blades.programs_of_blades() if agents else {}
            if bay in tools:
                programs |= blades.programs(os.path.join(BIN, "fabricctl"), shutil.which("lspci"))
            self.blades[bay] = Blade(
                bay, self.folder, vports=vports, programs=programs, beats=beats,
                files={"etc/key": self.make_key(bay)}, rc=self.agent_script(bay) if agents else "",
                append="norandmaps" if SANITIZED else "")
        self.config = config
        if beats:
            self.config = self.config.replace(
                "[heartbeat]\n", f"[heartbeat]\nudp = 127.0.0.1:{self.udp_port}\n")
        self.write_chassis(bays, cold)
        self.write_config()

    # ---- what is written before the start ----

    def write_chassis(self, bays, cold):
        hosts = [{"bay": bay, "qmp": f"{bay}.qmp", "vports": blade.ports(),
                  "first_slot": blade.slot(1), "power_off": bays[bay]}
                 for bay, blade in self.blades.items()]
        for host in hosts:
            if host["bay"] in cold:
                host["power_on"] = [shutil.which("touch"), self.button(host["bay"])]
        for adapter in self.adapters:
            if "file" in adapter.entry:
                with open(self.at(adapter.entry["file"]), "wb") as file:
                    file.truncate(self.DISK_MIB << 20)
        with open(self.chassis, "w", encoding="ascii") as file:
            json.dump({"chassis": "blades", "provider": "qemu", "hosts": hosts,
                       "adapters": [adapter.entry for adapter in self.adapters]}, file, indent=1)

    def write_config(self, more=""):
        config = self.config + more
        for bay, blade in self.blades.items():
            config += f"[host {bay}]\nserial = {blade.at('fabric')}\n"
            if self.beats:
                config += f"key-file = {self.at(bay + '.key')}\n"
        with open(self.at("fabricd.conf"), "w", encoding="ascii") as file:
            file.write(config)

    def make_key(self, bay):
        """What a host's datagrams are sealed with."""
        path = self.at(bay + ".key")
        with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
            file.write(os.urandom(32))
        return path

    def agent_script(self, bay, port=True):
        """Runs at the start of a guest, and again when a test has stopped the agent. QEMU's own
        network gives a guest these addresses."""
        network, ways = "", "--serial fabric " if port else ""
        if self.beats:
            network = ("ip addr add 10.0.2.15/24 dev eth0 2>/dev/null\nip link set eth0 up\n"
                       "chmod 600 /etc/key\n")
            ways += f"--udp 10.0.2.2:{self.udp_port} --key-file /etc/key "
        return (f"{network}fabric-agent --host {bay} {ways}--interval-ms {BEAT_MS} "
                "--log-level debug >>/run/agent.log 2>&1 &\necho $! >/run/agent.pid\n")

    # ---- processes ----

    def start_switch(self):
        self.start_provider()

    def start_provider(self):
        self.start("provider", "fabric-provider-qemu", "--chassis", self.chassis, "--socket",
                   self.sim_socket)
        self.wait("the provider listens", lambda: self.answers(self.sim_socket))

    def restart_manager(self, more=""):
        """@more: what stands in its configuration from now on, beside the usual."""
        if not self.manager_has_died():
            self.kill("fabricd", signal.SIGTERM)
        self.write_config(more)
        self.start_manager()

    def start_blades(self):
        for blade in self.blades.values():
            self.case.addCleanup(blade.end)
        blades.start_all(self.on())
        print("booted in", *(f"{blade.boot_s:.1f} s" for blade in self.on()), flush=True)

    def on(self):
        """Those that are not off on purpose."""
        return [blade for bay, blade in self.blades.items() if bay not in self.off]

    def button(self, bay):
        return self.at(bay + ".pressed")

    def press(self, bay):
        """Starts a blade once the provider's program has asked for it; its shell answers."""
        self.wait(f"{bay} is to be powered on", lambda: os.path.exists(self.button(bay)))
        os.unlink(self.button(bay))
        self.off.discard(bay)
        return self.blades[bay].start().wait_ready()

    def start_all(self):
        self.start_provider()
        self.start_blades()
        self.start_manager()
        self.learn()
        self.wait_alive(*(blade.name for blade in self.on()))

    def learn(self):
        """What fabricd calls the adapters."""
        rows = {row["port"]: row["id"] for row in self.list("adapters")}
        for adapter in self.adapters:
            name = next(id for port, id in rows.items() if port.endswith(f"/p{adapter.port}"))
            adapter.function = name + "/f0"

    def wait_alive(self, *bays):
        self.wait(f"{bays} are heard",
                  lambda: all(self.host_state(bay) == "alive" for bay in bays))

    def print_logs(self):
        for name in ("provider", "fabricd"):
            print(f"---- {name}.log, its end ----\n" + "\n".join(self.log(name).splitlines()[-80:]))
        for blade in self.blades.values():
            print(blade.said())
            if blade.state() not in "T-":
                code, text = blade.answer(blade.ask("tail -n 20 /run/agent.log; dmesg | tail -n 20"))
                print(f"---- {blade.name}: agent's log, kernel's log ({code}) ----\n{text}")

    # ---- the truth ----

    def placed(self):
        """What each QEMU has: {function: (bay, vport, mac)}. That each is there once is checked. A
        blade that is stopped cannot be asked, and is left out."""
        found = {}
        by_key = {adapter.key: adapter for adapter in self.adapters}
        for bay, blade in self.blades.items():
            for key, vport, mac in blade.ask_qemu(devices_of, ()):
                adapter = by_key[key]
                self.case.assertNotIn(adapter.function, found, f"{key} is there twice")
                found[adapter.function] = (bay, vport, mac if adapter.mac else None)
        return found

    def bindings(self):
        return {function: {"function": function, "host": bay, "vport": vport,
                           "identity": {"mac": mac} if mac else None}
                for function, (bay, vport, mac) in self.placed().items()}

    def seen_in_guest(self, adapter, bay):
        blade = self.blades[bay]
        if adapter.serial:
            return blade.has_disk(adapter.serial)
        return blade.has_card(self.mac_of(adapter))

    def mac_of(self, adapter):
        return (self.acknowledged.get(adapter.function) or {}).get("mac") or adapter.mac

    def wait_seen(self, adapter, bay):
        """Until the guest itself has it; its device there."""
        blade = self.blades[bay]
        if adapter.serial:
            return blade.wait_disk(adapter.serial)
        return blade.wait_card(self.mac_of(adapter))

    def seen(self, bay):
        """All that the host's own view shows, as the manager tells it; None."""
        return self.get("/v1/hosts/" + bay)["seen"]

    def seen_as(self, adapter):
        """What the manager says of the host's own view of an adapter; None."""
        return self.get("/v1/assignments/" + adapter.function)["seen"]

    def wait_condition(self, adapter, condition):
        """Until switch and host say together: "seen", "not-seen", ..."""
        def joined():
            row = self.seen_as(adapter)
            return row if row and row["condition"] == condition else None
        return self.wait(f"{adapter.function} is {condition}", joined)

    # ---- operations ----

    def give(self, bay, *adapters):
        """Assigns all at once, and waits until the guest has them; their devices there."""
        operations = []
        for adapter in adapters:
            operations.append({"op": "assign", "function": adapter.function, "host": bay})
            if adapter.mac:
                self.macs += 1
                operations[-1]["identity"] = {"mac": mac_of(self.macs)}
        document = self.change(*operations)
        self.case.assertEqual(document["state"], "done", document)
        return [self.wait_seen(adapter, bay) for adapter in adapters]

    def move(self, bay, *adapters):
        """All at once, and waits until the guest has them; their devices there."""
        document = self.change(*({"op": "move", "function": adapter.function, "host": bay}
                                 for adapter in adapters))
        self.case.assertEqual(document["state"], "done", document)
        return [self.wait_seen(adapter, bay) for adapter in adapters]

    def release(self, *adapters):
        document = self.change(*({"op": "release", "function": adapter.function}
                                 for adapter in adapters))
        self.case.assertEqual(document["state"], "done", document)

    # ---- whole again ----

    def make_whole(self):
        """All up, heard, admitted; nothing bound; nothing running."""
        if "provider" not in self.processes or self.processes["provider"].poll() is not None:
            self.processes.pop("provider", None)
            self.start_provider()
        if "fabricd" not in self.processes or self.manager_has_died():
            self.processes.pop("fabricd", None)
            self.start_manager()
        dead = [blade for blade in self.on() if not blade.lives()]
        blades.start_all(dead)
        if dead:
            print("booted again:", *(f"{blade.name} in {blade.boot_s:.1f} s" for blade in dead),
                  flush=True)
        for bay in self.off:
            self.spare(bay, False)
        for blade in self.on():
            bay = blade.name
            if blade.state() == "T":
                blade.cont()
            if blade.programs:
                blade.sh(f"kill -0 $(cat /run/agent.pid) 2>/dev/null || {{\n{blade.rc}\n}}")
            self.spare(bay, False)
        self.wait("no change runs", lambda: not self.list("changes", state="running"))
        self.wait("all are admitted", self.admit_all)
        bound = [row["id"] for row in self.list("assignments")]
        if bound:
            document = self.change(*({"op": "release", "function": id} for id in bound))
            self.case.assertEqual(document["state"], "done", document)
        self.acknowledged.clear()
        self.check()

    def admit_all(self):
        """Readmits who is fenced or blocked; true once all are alive."""
        states = {blade.name: self.host_state(blade.name) for blade in self.on()}
        for bay, state in states.items():
            if state in ("fenced", "blocked"):
                self.request("POST", f"/v1/hosts/{bay}/readmit")
        return set(states.values()) == {"alive"}

    def spare(self, bay, on):
        status, _, document = self.request("PATCH", "/v1/hosts/" + bay, {"spare": on})
        self.case.assertEqual(status, 200, document)


def free_udp_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def devices_of(blade):
    """What the provider has plugged into a blade: key of the adapter, vport, MAC."""
    qmp, rows = blade.qmp(), []
    for child in qmp.command("qom-list", path="/machine/peripheral"):
        name = re.match(r"fab-([0-9a-f]{8})-", child["name"])
        if not name:
            continue
        path = "/machine/peripheral/" + child["name"]
        try:
            bus = qmp.command("qom-get", path=path, property="parent_bus")
            mac = None
            if "net" in child["type"] or "e1000" in child["type"]:
                mac = qmp.command("qom-get", path=path, property="mac")
        except QmpError:
            continue  # it has just gone
        port = re.search(r"/(dn\d+)(/|$)", bus)
        rows.append((name[1], blade.ports().index(port[1]) + 1 if port else None, mac))
    return rows


class Owner(unittest.TestCase):
    """Whom a Fabric belongs to that is not one test's: @add_cleanup is a class's addClassCleanup, or
    an ExitStack's callback."""

    def __init__(self, add_cleanup):
        super().__init__("runTest")
        self.addCleanup = add_cleanup
        self._outcome = types.SimpleNamespace(
            result=types.SimpleNamespace(failures=[], errors=[]))

    def runTest(self):
        """There is no test: this only asserts for others."""


class Case(unittest.TestCase):
    bays = {"bay1": "kill", "bay2": "never"}  # how each may be powered off
    disk, card, other = disk(1), card(1), card(2)
    adapters = (disk, card, other)
    config = CONFIG
    tools = ()
    beats = False
    cold = ()

    @classmethod
    def setUpClass(cls):
        cls.fabric = Blades(Owner(cls.addClassCleanup), cls.bays, cls.adapters, config=cls.config,
                            tools=cls.tools, beats=cls.beats, cold=cls.cold)
        try:
            cls.fabric.start_all()
        except Exception:
            cls.fabric.print_logs()
            raise
        cls.blades = cls.fabric.blades

    def setUp(self):
        self.began = time.monotonic()
        self.fabric.make_whole()
        self.prepared = time.monotonic()

    def tearDown(self):
        print(f"[{self.prepared - self.began:.1f} s to be whole, "
              f"{time.monotonic() - self.prepared:.1f} s]", flush=True)
        if not self._outcome.success:
            self.fabric.print_logs()

    def step(self, what):
        """Time since the test began, for people."""
        print(f"  {time.monotonic() - self.prepared:7.2f} s  {what}", flush=True)

    # ---- what tests do ----

    def write(self, bay, device, words):
        """A file system with a file, written to the disk for certain."""
        self.blades[bay].sh(f"mke2fs -F {device} >/dev/null 2>&1 && mount {device} /mnt && "
                            f"echo {words} > /mnt/words && sync")

    def umount(self, bay):
        self.blades[bay].sh("umount /mnt")

    def read(self, bay, device):
        return self.blades[bay].sh(f"mount {device} /mnt && cat /mnt/words; umount /mnt")

    def begin(self, *operations):
        """Asks for a change and does not wait for its end; its id, durable."""
        status, _, document = self.fabric.request("POST", "/v1/changes",
                                                  {"operations": list(operations)})
        self.assertEqual(status, 202, document)
        self.fabric.remember(operations)
        return document["id"]

    def ended(self, change):
        document = self.fabric.wait(f"change {change} has ended", lambda: next(
            (row for row in self.fabric.list("changes")
             if row["id"] == change and row["state"] != "running"), None))
        self.assertEqual(document["state"], "done", document)

    def wait_moved(self, adapter, bay, gone):
        """Until the adapter is at @bay, where it may be only once @gone() is so."""
        def there():
            is_there = (self.fabric.placed().get(adapter.function) or ("",))[0] == bay
            if is_there:
                self.assertTrue(gone(), "bound elsewhere before its host was fenced")
            return is_there
        self.fabric.wait(f"{adapter.function} is at {bay}", there)

    def wait_incident(self, bay, state, after=0):
        return self.fabric.wait(f"an incident of {bay} is {state}", lambda: next(
            (row for row in self.fabric.list("incidents")
             if row["host"] == bay and row["id"] > after and row["state"] == state), None))

    def last_incident(self):
        return max((row["id"] for row in self.fabric.list("incidents")), default=0)

    def story(self, incident):
        document = self.fabric.get(f"/v1/incidents/{incident['id']}")
        return "\n".join(f"{step['what']}: {step['detail']}" for step in document["timeline"])

    def stays_alive(self, bay):
        """For more than a whole window without a beat; so it is heard."""
        end = time.monotonic() + 1.2 * BEAT_MS * MISSED / 1000

        def watched():
            self.assertEqual(self.fabric.host_state(bay), "alive")
            return time.monotonic() > end
        self.fabric.wait("a window has passed", watched)

    def wait_host(self, bay, state):
        self.fabric.wait(f"{bay} is {state}", lambda: self.fabric.host_state(bay) == state)

    def lay_out(self, bay):
        """Disk and card on @bay, with something written; the other one takes over."""
        self.fabric.spare("bay2" if bay == "bay1" else "bay1", True)
        device, _ = self.fabric.give(bay, self.disk, self.card)
        self.write(bay, device, "before")
        return self.last_incident()

    def check_failover(self, bay, dead=None):
        """All of a dead host is on @bay, and what it had written is there."""
        for adapter in (self.disk, self.card):
            self.wait_moved(adapter, bay, gone=lambda: dead is None or not dead.lives())
        device = self.fabric.wait_seen(self.disk, bay)
        self.fabric.wait_seen(self.card, bay)
        self.step("seen on the other blade")
        self.assertEqual(self.read(bay, device), "before")
        self.fabric.acknowledged[self.disk.function]["host"] = bay
        self.fabric.acknowledged[self.card.function]["host"] = bay
        self.fabric.wait_settled()

    def path_of(self, adapter, bay):
        """In QEMU's tree of objects."""
        children = self.blades[bay].qmp().command("qom-list", path="/machine/peripheral")
        return "/machine/peripheral/" + next(child["name"] for child in children if
                                             child["name"].startswith(f"fab-{adapter.key}-"))
