#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Agents on a port and over UDP, with the real manager: a blade's port is a pseudo-terminal joined to
a Unix socket, as QEMU does it, and what its kernel shows is a folder."""

import os
import pty
import select
import shutil
import signal
import socket
import threading
import tty
import unittest
import uuid

from fabric import CONFIG, Case, Follower

HOOK = """\
#!/bin/sh
echo "$@ ($FABRIC_EVENT $FABRIC_NODES)" >>"{folder}/hooks.log"
[ ! -e "{folder}/busy" ] || {{ echo "/srv is busy"; exit 1; }}
"""


class Port:
    """The host's side of a virtio port: a server for one client, joined to a character device."""

    def __init__(self, path):
        self.path = path
        self.master, self.slave = pty.openpty()
        tty.setraw(self.slave)
        self.device = os.ttyname(self.slave)
        self.client = None
        self.heard = b""  # all that the agent said
        self.wake_r, self.wake_w = os.pipe()
        self.order = None
        self.listener = self.listen()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def listen(self):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(self.path)
        listener.listen(1)
        return listener

    def run(self):
        while self.order != "end":
            ready = [self.wake_r, self.master] + ([self.client] if self.client else
                                                  [self.listener] if self.listener else [])
            for one in select.select(ready, [], [])[0]:
                self.turn(one)

    def turn(self, one):
        if one == self.wake_r:
            os.read(self.wake_r, 1)
            self.drop()
        elif one == self.master:
            data = os.read(self.master, 65536)
            self.heard += data
            if self.client:
                try:
                    self.client.sendall(data)
                except OSError:
                    self.drop()
        elif one == self.listener:
            self.client = self.listener.accept()[0]
        elif self.client:
            try:
                data = self.client.recv(65536)
            except OSError:
                data = b""
            if data:
                os.write(self.master, data)
            else:
                self.drop()

    def drop(self):
        if self.client:
            self.client.close()
        self.client = None

    def cut(self):
        """As when QEMU ends and is started again."""
        os.write(self.wake_w, b"x")

    def close(self):
        self.order = "end"
        os.write(self.wake_w, b"x")
        self.thread.join(60)
        self.listener.close()
        for fd in (self.master, self.slave, self.wake_r, self.wake_w):
            os.close(fd)


class Blade:
    """What the kernel of a blade shows, below @folder."""

    def __init__(self, folder):
        self.folder = folder
        self.devices = os.path.join(folder, "bus/pci/devices")
        self.slots = os.path.join(folder, "bus/pci/slots")
        os.makedirs(self.devices)
        os.makedirs(self.slots)

    def write(self, path, text):
        path = os.path.join(self.folder, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="ascii") as file:
            file.write(text + "\n")

    def card(self, address, slot, mac, shown):
        """@shown: the function as the manager has it."""
        for name, value in (("class", "0x020000"), ("vendor", "0x" + shown["vendor"]),
                            ("device", "0x" + shown["device"]),
                            ("net/eth7/address", mac), ("net/eth7/carrier", "1"),
                            ("remove", "")):
            self.write(f"bus/pci/devices/{address}/{name}", value)
        self.write("bus/pci/drivers/fabvf/module", "")
        os.symlink(os.path.join(self.folder, "bus/pci/drivers/fabvf"),
                   os.path.join(self.devices, address, "driver"))
        self.write(f"bus/pci/slots/{slot}/address", address.split(".", maxsplit=1)[0])
        self.write(f"bus/pci/slots/{slot}/power", "1")

    def power(self, slot):
        with open(os.path.join(self.slots, str(slot), "power"), encoding="ascii") as file:
            return file.read().strip()

    def gone(self, address):
        shutil.rmtree(os.path.join(self.devices, address))


class Network:
    """Between an agent and the manager: what an agent sends to .port goes to @to, and back, until
    it is cut."""

    def __init__(self, to):
        self.to = ("127.0.0.1", to)
        self.inside = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.inside.bind(("127.0.0.1", 0))
        self.outside = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.outside.bind(("127.0.0.1", 0))
        self.port = self.inside.getsockname()[1]
        self.is_cut = False
        self.ends = False
        self.agent = None
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.ends:
            for one in select.select([self.inside, self.outside], [], [], 0.1)[0]:
                data, where = one.recvfrom(2048)
                if one == self.inside:
                    self.agent = where
                if not self.is_cut and self.agent:
                    (self.outside if one == self.inside else self.inside).sendto(
                        data, self.to if one == self.inside else self.agent)

    def close(self):
        self.ends = True
        self.thread.join(60)
        self.inside.close()
        self.outside.close()


class Agent(Case):
    generate = (4, 1, 2, 4)
    COLD = ("bay1",)

    def setUp(self):
        self.udp = self.free_port()
        self.udp_b = self.free_port()
        self.config = CONFIG.replace(
            "[heartbeat]\n",
            f"[heartbeat]\nudp = 127.0.0.1:{self.udp}, 127.0.0.1:{self.udp_b}\n")
        super().setUp()
        fabric = self.fabric
        self.port = Port(fabric.at("bay1.port"))
        self.addCleanup(self.port.close)
        self.blade = Blade(fabric.at("sys"))
        self.key = fabric.at("bay1.key")
        with open(os.open(self.key, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
            file.write(os.urandom(32).hex().encode() + b"\n")
        os.makedirs(fabric.at("hooks"), mode=0o700)
        with open(fabric.at("fabricd.conf"), "a", encoding="ascii") as file:
            file.write(f"[heartbeat]\nunix = {fabric.at('beats.sock')}\n")
            file.write(f"[host bay1]\nserial = {self.port.path}\nkey-file = {self.key}\n")
        # It names what is in the folder of the fabric, which was not there before.
        fabric.kill("fabricd", signal.SIGTERM)
        fabric.start_manager()

    @staticmethod
    def free_port():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            return probe.getsockname()[1]

    def agent(self, *ways, boot_id=None, state="alive"):
        self.fabric.start("agent-bay1", "fabric-agent", "--host", "bay1", *ways, "--interval-ms",
                          "100", "--boot-id", boot_id or str(uuid.uuid4()), "--hooks",
                          self.fabric.at("hooks"), "--state", self.fabric.at("bay1.state"),
                          env={"FABRIC_SYSFS": self.blade.folder})
        self.wait_state(state)

    def by_port(self):
        return "--serial", self.port.device

    def by_udp(self):
        return "--udp", f"127.0.0.1:{self.udp}", "--key-file", self.key

    def by_socket(self):
        return "--socket", self.fabric.socket

    def wait_state(self, state):
        self.fabric.wait(f"bay1 is {state}", lambda: self.fabric.host_state("bay1") == state)

    def log(self):
        return self.fabric.log("agent-bay1")

    def assign(self):
        """A card that bay1 sees in its slot 16."""
        function = self.fabric.free_functions("nic-")[0]
        self.fabric.assign(function, "bay1")
        self.blade.card("0000:05:00.0", 16, self.fabric.acknowledged[function]["mac"],
                        self.fabric.get("/v1/functions/" + function))
        self.fabric.wait("it is seen", lambda: self.fabric.get(
            "/v1/assignments/" + function)["condition"] == "seen")
        return function

    def hook(self):
        path = self.fabric.at("hooks/20-site")
        with open(path, "w", encoding="ascii") as file:
            file.write(HOOK.format(folder=self.fabric.folder))
        os.chmod(path, 0o755)

    def hooks_log(self):
        try:
            with open(self.fabric.at("hooks.log"), encoding="ascii") as file:
                return file.read().splitlines()
        except FileNotFoundError:
            return []

    def follow(self, function):
        """Releases it in the background; the change when it has ended."""
        result = []
        thread = threading.Thread(target=lambda: result.append(self.fabric.change(
            {"op": "release", "function": function})), daemon=True)
        thread.start()
        self.addCleanup(thread.join, 60)
        return result

    # ---- tests ----

    def test_a_host_beats_over_its_port_and_shows_its_view(self):
        self.agent(*self.by_port())
        function = self.assign()

        seen = self.fabric.get("/v1/functions/" + function)["seen"]

        self.assertEqual((seen["address"], seen["slot"], seen["driver"], seen["link"]),
                         ("0000:05:00.0", 16, "fabvf", "up"))

    def test_s7_end_of_file_on_the_port_is_a_hint_and_no_verdict(self):
        self.agent(*self.by_port())
        follower = Follower(self.fabric)
        for _ in range(3):
            before = follower.types().count("host.hint")
            self.port.cut()
            self.fabric.wait("a hint", lambda n=before: follower.types().count("host.hint") > n)
            seq = self.fabric.get("/v1/hosts/bay1")["seq"]
            self.fabric.wait("it beats on", lambda n=seq: self.fabric.get("/v1/hosts/bay1")["seq"] > n)

        self.assertEqual(self.fabric.list("incidents"), [])
        self.assertEqual(self.fabric.host_state("bay1"), "alive")

    def test_garbage_on_the_port_harms_nobody(self):
        self.agent(*self.by_port())
        seq = self.fabric.get("/v1/hosts/bay1")["seq"]

        os.write(self.port.slave, b"\0\xff{\"type\":\"beat\"" + b"[" * 9000 + b"\n{}\n")

        self.fabric.wait("it beats on", lambda: self.fabric.get("/v1/hosts/bay1")["seq"] > seq + 3)
        self.assertIn("a line that is not taken", self.fabric.log("fabricd"))
        self.assertEqual(self.fabric.host_state("bay2"), "alive")

    def test_beats_by_datagrams_alone_and_by_both_ways(self):
        self.agent(*self.by_udp())
        self.fabric.kill("agent-bay1", signal.SIGTERM)
        self.agent(*self.by_udp(), *self.by_port())

        self.fabric.wait("both ways are heard", lambda: {
            path["way"] for path in self.fabric.get("/v1/hosts/bay1")["paths"]} == {
                "port", f"udp 127.0.0.1:{self.udp}"})
        beats = self.fabric.get("/v1/hosts/bay1")["beats"]
        self.assertGreaterEqual(beats["challenged"], 2)  # one for each boot id
        self.assertEqual((beats["forged"], beats["replayed"], beats["doubled"]), (0, 0, 0))
        self.port.cut()
        os.unlink(self.port.path)  # nobody comes back there

        seq = self.fabric.get("/v1/hosts/bay1")["seq"]
        self.fabric.wait("it beats on", lambda: self.fabric.get("/v1/hosts/bay1")["seq"] > seq + 20)
        self.assertEqual(self.fabric.list("incidents"), [])
        self.assertNotIn("not believed", self.log())

    def test_s7_a_host_is_silent_only_when_all_of_its_networks_are(self):
        networks = [Network(self.udp), Network(self.udp_b)]
        for network in networks:
            self.addCleanup(network.close)
        self.agent(*(word for network in networks
                     for word in ("--udp", f"127.0.0.1:{network.port}")), "--key-file", self.key)
        follower = Follower(self.fabric)
        for network in networks:
            beats = self.fabric.get("/v1/hosts/bay1")["beats"]["counted"]
            network.is_cut = True
            self.fabric.wait("two windows pass", lambda n=beats: self.fabric.get(
                "/v1/hosts/bay1")["beats"]["counted"] > n + 25)
            network.is_cut = False
        self.assertEqual(self.fabric.list("incidents"), [])
        self.assertNotIn("host.fencing", follower.types())

        for network in networks:
            network.is_cut = True

        self.wait_state("fenced")

    def test_beats_to_a_unix_socket_go_on_through_a_manager_that_is_killed(self):
        self.agent("--datagram", self.fabric.at("beats.sock"), "--key-file", self.key)
        self.assertEqual([path["way"][:5] for path in self.fabric.get("/v1/hosts/bay1")["paths"]],
                         ["unix "])
        self.fabric.kill("fabricd", signal.SIGKILL)
        self.fabric.start_manager()
        self.wait_state("alive")
        self.fabric.power("bay1", "off")
        self.wait_state("fenced")
        self.fabric.wait("the agent says so", lambda: "FENCED, epoch" in self.log())

    def stopped_and_going_on(self, *ways):
        """The manager stands still for several windows, and then for most of one, again and again."""
        self.agent(*ways)
        process = self.fabric.processes["fabricd"]
        for looks in (300, 60, 60, 60):
            ticks = []
            process.send_signal(signal.SIGSTOP)
            try:
                self.fabric.wait("some time passes", lambda t=ticks, n=looks: t.append(1) or len(t) > n)
            finally:
                process.send_signal(signal.SIGCONT)
            seq = self.fabric.get("/v1/hosts/bay1")["seq"]
            self.fabric.wait("it is heard", lambda n=seq: self.fabric.get("/v1/hosts/bay1")["seq"] > n + 5)
        self.assertEqual(self.fabric.list("incidents"), [])
        self.assertEqual(self.fabric.get("/v1/hosts/bay1")["beats"]["forged"], 0)
        shown = self.fabric.ctl("host", "show", "bay1")
        for word in ("counted", "reordered", "doubled", "late", "replayed", "forged", "challenged"):
            self.assertIn(word, shown)

    def test_s3_who_beats_by_udp_outlives_a_manager_that_is_stopped(self):
        self.stopped_and_going_on(*self.by_udp())

    def test_s3_who_beats_to_a_unix_socket_outlives_a_manager_that_is_stopped(self):
        self.stopped_and_going_on("--datagram", self.fabric.at("beats.sock"), "--key-file", self.key)

    def test_a_host_is_enrolled_while_it_beats(self):
        self.agent(*self.by_udp())
        key = self.fabric.ctl("host", "enroll", "bay1").strip()
        self.assertRegex(key, "^[0-9a-f]{64}$")
        seq = self.fabric.get("/v1/hosts/bay1")["seq"]
        self.fabric.wait("it beats on", lambda: self.fabric.get("/v1/hosts/bay1")["seq"] > seq + 5)
        with open(self.key, "w", encoding="ascii") as file:
            file.write(key + "\n")
        self.fabric.kill("agent-bay1", signal.SIGTERM)
        self.agent(*self.by_udp())
        self.fabric.wait("the old one is dropped",
                         lambda: "beats under its new key" in self.fabric.log("fabricd"))
        self.fabric.kill("fabricd", signal.SIGKILL)
        self.fabric.start_manager()
        self.wait_state("alive")
        forged = self.fabric.get("/v1/hosts/bay1")["beats"]["forged"]
        self.assertEqual(forged, 0)

    def leaves(self, way):
        self.agent(*way, "--leave")
        # Nobody is failed over in the first window after a start (S6): until then it is only silent.
        self.fabric.kill("agent-bay1", signal.SIGTERM)
        self.wait_state("fenced")
        self.assertRegex(self.log(), "has left; what it had goes|its silence will tell")
        self.assertIn(self.fabric.list("incidents")[0]["cause"][:4], ("left", "sile"))

    def test_a_host_that_leaves_by_datagram_is_fenced_at_once(self):
        self.leaves(self.by_udp())

    def test_a_host_that_leaves_by_its_port_is_fenced_at_once(self):
        self.leaves(self.by_port())

    def test_a_host_that_leaves_by_the_socket_is_fenced_at_once(self):
        self.leaves(self.by_socket())

    def test_s9_a_fenced_host_is_told_by_either_way(self):
        for way in (self.by_port(), self.by_udp()):
            self.hook()
            self.agent(*way)
            self.fabric.power("bay1", "off")
            self.wait_state("fenced")
            self.fabric.wait("the agent says so", lambda: "FENCED, epoch" in self.log())
            self.fabric.wait("the hook ran", lambda: any(
                line.startswith("fenced - - -") for line in self.hooks_log()))
            self.fabric.power("bay1", "on")
            self.fabric.ctl("host", "readmit", "bay1")
            self.wait_state("alive")
            self.fabric.wait("the agent says so", lambda: "readmitted, beating again" in self.log())
            self.fabric.kill("agent-bay1", signal.SIGTERM)
            for name in ("agent-bay1.log", "hooks.log"):
                os.unlink(self.fabric.at(name))

    def lets_go(self, way):
        boot_id = str(uuid.uuid4())
        self.hook()
        with open(self.fabric.at("hooks/30-let-go"), "w", encoding="ascii") as file:
            file.write(f"#!/bin/sh\n[ $1 != fenced ] || rm -f {self.blade.devices}/*/driver\n")
        os.chmod(self.fabric.at("hooks/30-let-go"), 0o755)
        self.blade.card("0000:05:00.0", 16, "02:00:00:00:00:01", {"vendor": "1af4", "device": "1041"})
        self.agent(*way, boot_id=boot_id)
        self.fabric.power("bay1", "off")
        self.wait_state("fenced")
        incident = str(self.fabric.incident_of("bay1")["id"])
        self.fabric.wait("it is in the time line", lambda n=incident: (
            "its agent says that it has stopped using 1 function" in self.fabric.ctl("incident", "show", n)))
        # It is started again: what was done is not done again, and is not told again.
        self.fabric.kill("agent-bay1", signal.SIGKILL)
        said = self.log().count("FENCED, epoch")
        self.agent(*way, boot_id=boot_id, state="fenced")
        self.fabric.wait("it knows that it is fenced",
                         lambda n=said: self.log().count("FENCED, epoch") > n)
        self.fabric.kill("agent-bay1", signal.SIGTERM)
        self.assertEqual([line.split()[0] for line in self.hooks_log()].count("fenced"), 1)
        self.assertEqual(self.fabric.ctl("incident", "show", incident).count("stopped using"), 1)
        # Damaged: it is said, and the agent goes on.
        with open(self.fabric.at("bay1.state"), "a", encoding="ascii") as file:
            file.write("x")
        self.fabric.power("bay1", "on")
        self.agent(*way, boot_id=str(uuid.uuid4()), state="fenced")
        self.fabric.wait("it was said", lambda: "is damaged: begun anew" in self.log())
        self.fabric.ctl("host", "readmit", "bay1")
        self.wait_state("alive")

    def test_by_its_port_a_fenced_agent_lets_go_once_and_says_so(self):
        self.lets_go(self.by_port())

    def test_by_datagrams_a_fenced_agent_lets_go_once_and_says_so(self):
        self.lets_go(self.by_udp())

    def test_by_the_socket_a_fenced_agent_lets_go_once_and_says_so(self):
        self.lets_go(self.by_socket())

    def put_back(self, way):
        """The database is put back to what it was before a fence, behind the manager's back; the
        agent is started again meanwhile."""
        fabric = self.fabric
        self.agent(*way)
        fabric.kill("fabricd", signal.SIGTERM)
        shutil.copy(fabric.at("fabricd.db"), fabric.at("kept.db"))
        fabric.start_manager()
        fabric.power("bay1", "off")
        self.wait_state("fenced")
        fabric.wait("the agent says so", lambda: "FENCED, epoch" in self.log())
        fabric.kill("agent-bay1", signal.SIGKILL)
        fabric.kill("fabricd", signal.SIGTERM)
        fabric.power("bay1", "on")
        for name in ("fabricd.db-wal", "fabricd.db-shm"):
            if os.path.exists(fabric.at(name)):
                os.unlink(fabric.at(name))
        shutil.copy(fabric.at("kept.db"), fabric.at("fabricd.db"))
        fabric.start_manager()
        fabric.start("agent-bay1", "fabric-agent", "--host", "bay1", *way, "--interval-ms", "100",
                     "--state", fabric.at("bay1.state"))
        fabric.wait("it freezes", lambda: fabric.get("/v1/health")["status"] == "frozen")
        self.assertIn("was told epoch", fabric.get("/v1/health")["detail"])

    def test_s14_by_its_port_an_agent_still_knows_a_higher_epoch(self):
        self.put_back(self.by_port())

    def test_s14_by_the_socket_an_agent_still_knows_a_higher_epoch(self):
        self.put_back(self.by_socket())

    def test_s14_by_datagrams_an_agent_still_knows_a_higher_epoch(self):
        self.put_back(self.by_udp())

    def test_a_function_leaves_through_hooks_and_slot(self):
        self.hook()
        self.agent(*self.by_port())
        function = self.assign()
        self.fabric.wait("it was hailed", lambda: self.hooks_log() == [
            "after-add - 0000:05:00.0 fabvf eth7 (after-add eth7)"])

        result = self.follow(function)
        self.fabric.wait("the slot is asked off", lambda: self.blade.power(16) == "0")
        self.assertEqual(result, [])
        self.assertIn(function, self.fabric.bindings())  # nothing is taken before it is gone
        self.blade.gone("0000:05:00.0")
        self.fabric.wait("the change has ended", lambda: result)

        self.assertEqual(result[0]["state"], "done")
        self.assertEqual(self.hooks_log()[1:], [
            f"before-remove {function} 0000:05:00.0 fabvf eth7 (before-remove eth7)",
            f"after-remove {function} 0000:05:00.0 fabvf eth7 (after-remove eth7)"])
        self.fabric.check()

    def test_a_hook_that_says_no_keeps_the_function_where_it_is(self):
        self.hook()
        self.agent(*self.by_port())
        function = self.assign()
        with open(self.fabric.at("busy"), "w", encoding="ascii"):
            pass

        done = self.fabric.change({"op": "release", "function": function})

        self.assertEqual(done["state"], "failed")
        self.assertIn("20-site: /srv is busy", str(done))
        self.assertEqual(self.blade.power(16), "1")
        self.fabric.check()

    def test_a_manager_killed_while_it_asks_asks_again(self):
        self.hook()
        with open(self.fabric.at("hooks/10-hold"), "w", encoding="ascii") as file:
            file.write(f'#!/bin/sh\nwhile [ -e "{self.fabric.at("hold")}" ]; do sleep 0.05; done\n')
        os.chmod(self.fabric.at("hooks/10-hold"), 0o755)
        self.agent(*self.by_port())
        function = self.assign()
        for name in ("hold", "busy"):
            with open(self.fabric.at(name), "w", encoding="ascii"):
                pass
        number = self.fabric.change({"op": "release", "function": function}, wait=0)["id"]
        self.fabric.wait("it is asked", lambda: "agent to let go" in str(
            self.fabric.get(f"/v1/changes/{number}")))

        self.fabric.kill("fabricd")
        os.unlink(self.fabric.at("hold"))
        self.fabric.start_manager()

        self.fabric.wait("the change has ended", lambda: self.fabric.get(
            f"/v1/changes/{number}")["state"] != "running")
        self.assertIn("20-site: /srv is busy", str(self.fabric.get(f"/v1/changes/{number}")))
        self.fabric.check()  # still there

    def test_a_manager_that_is_started_again_is_told_everything_again(self):
        self.agent(*self.by_port())
        function = self.assign()

        self.fabric.kill("fabricd")
        self.fabric.start_manager()

        self.fabric.wait("it is seen", lambda: self.fabric.get(
            "/v1/assignments/" + function)["condition"] == "seen")
        self.wait_state("alive")


if __name__ == "__main__":
    unittest.main(verbosity=2)
