#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Sixteen hosts that beat every 100 ms, 3 missed, and what the real manager makes of their silence: when
it was itself stopped, when the wall clock jumps, when 1, 3, 5, 6, 10 or all of them are silent at once (S4,
S5), and when the switch shows that many of them have no power."""

import datetime
import json
import os
import shutil
import signal
import tempfile
import time
import unittest
import uuid

from fabric import Fabric, Follower
from lane import Journal

SANITIZED = bool(os.environ.get("FABRIC_SANITIZE"))
BEAT_MS = 250 if SANITIZED else 100
MISSED = 5 if SANITIZED else 3
ONCE_MORE = unittest.skipIf(SANITIZED, "only another number: with sanitizers, its neighbour's")
WINDOW_S = BEAT_MS * MISSED / 1000
HOSTS = [f"bay{n + 1}" for n in range(16)]
SHIM = os.path.join(os.environ["FABRIC_BIN"], "wall_clock.so")

CONFIG = f"""\
[heartbeat]
interval = {BEAT_MS}ms
missed = {MISSED}
[failover]
spare-windows = 1
fence-retry = 300ms
{{more}}
"""


def seconds_of(text):
    """Of "2026-11-22T07:33:38.123Z", since 1970."""
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


class Silence(unittest.TestCase):
    """Each of the first ten hosts has one function; the last six are spares."""

    BUSY = HOSTS[:10]
    more = ""  # configuration

    def begin(self, hosts=tuple(HOSTS), env=None):
        """@hosts: those that beat; the others have never been there."""
        fabric = Fabric(self, generate=(16, 1, 2, 10), config=CONFIG.format(more=self.more))
        fabric.start_switch()
        fabric.start_manager(env=env)
        self.fabric = fabric
        for host in hosts:
            self.start_agent(host)
        fabric.wait("the agents are heard",
                    lambda: all(fabric.host_state(host) == "alive" for host in hosts))
        for host, function in zip(self.BUSY, fabric.free_functions("nic-"), strict=False):
            fabric.assign(function, host)
        for host in HOSTS:
            if host not in self.BUSY:
                fabric.ctl("host", "set", host, "--spare", "on")
        self.assertEqual(len(fabric.acknowledged), len(self.BUSY))
        self.wait_steady(hosts=hosts)
        self.follower = Follower(fabric)

    def start_agent(self, host):
        self.fabric.start("agent-" + host, "fabric-agent", "--host", host, "--socket",
                          self.fabric.socket, "--interval-ms", str(BEAT_MS), "--boot-id",
                          str(uuid.uuid4()))

    def beats(self):
        return {row["id"]: row["seq"] or 0 for row in self.fabric.list("hosts")}

    def wait_steady(self, windows=2, hosts=tuple(HOSTS)):
        """Until each of @hosts has beaten through so many windows."""
        wanted = {host: seq + windows * MISSED for host, seq in self.beats().items()
                  if host in hosts}
        try:
            self.fabric.wait("all beat on", lambda: not self.behind(wanted))
        except AssertionError as error:
            raise AssertionError("\n".join([str(error)] + [
                f"{row}\n{self.fabric.log('agent-' + row['id'])}"
                for row in self.behind(wanted)])) from error

    def behind(self, wanted):
        return [row for row in self.fabric.list("hosts")
                if (row["seq"] or 0) < wanted.get(row["id"], 0)]

    def look_for(self, windows, incidents=0):
        """Windows go by by the clock, of a manager that is not waited for."""
        end = time.monotonic() + windows * WINDOW_S
        while time.monotonic() < end:
            self.assertEqual(len(self.fabric.list("incidents")), incidents)
            time.sleep(BEAT_MS / 1000)

    def assert_nobody_moved(self, hosts=tuple(HOSTS)):
        self.assertEqual(self.fabric.list("incidents"), [])
        self.assertEqual({self.fabric.host_state(host) for host in hosts}, {"alive"})
        self.fabric.check()

    def silence(self, hosts):
        for host in hosts:
            self.fabric.processes["agent-" + host].send_signal(signal.SIGSTOP)

    def speak(self, hosts):
        for host in hosts:
            self.fabric.processes["agent-" + host].send_signal(signal.SIGCONT)

    def told(self, kind):
        return [json.loads(event["data"]) for event in list(self.follower.events)
                if json.loads(event["data"])["type"] == kind]

    def wait_failed_over(self, hosts):
        """Each of @hosts, to a spare of its own, and nobody else. Return: the incidents, in order."""
        self.fabric.wait("their incidents are done", lambda: sorted(
            row["host"] for row in self.fabric.list("incidents") if row["state"] == "done") ==
            sorted(hosts))
        rows = sorted(self.fabric.list("incidents"), key=lambda row: row["id"])
        targets = {row["host"]: row["target"] for row in rows}
        self.assertEqual(len(set(targets.values())), len(hosts), targets)
        for want in self.fabric.acknowledged.values():
            want["host"] = targets.get(want["host"], want["host"])
        self.fabric.wait_settled()
        states = {row["id"]: row["state"] for row in self.fabric.list("hosts")}
        self.assertEqual(states, {host: "fenced" if host in hosts else "alive" for host in HOSTS})
        return rows


class Stopped(Silence):
    """S3: a manager that did not look has seen nothing."""

    def stop_for(self, seconds):
        self.begin()
        process = self.fabric.processes["fabricd"]
        process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)  # what is tested
        process.send_signal(signal.SIGCONT)
        # Until it has taken in what waits at its socket, there is no room for more.
        self.fabric.wait("it answers", self.fabric.answers_health)
        self.wait_steady(4)
        self.assert_nobody_moved()

    def test_s3_a_manager_that_was_stopped_for_10_s_fences_nobody(self):
        self.stop_for(10)

    @ONCE_MORE
    def test_s3_a_manager_that_was_stopped_for_30_s_fences_nobody(self):
        self.stop_for(30)

    def test_s3_a_manager_that_is_stopped_again_and_again_fences_nobody(self):
        self.begin()
        process = self.fabric.processes["fabricd"]
        for n in range(12):
            process.send_signal(signal.SIGSTOP)
            time.sleep(WINDOW_S * (0.3 + n % 4))
            process.send_signal(signal.SIGCONT)
            self.fabric.wait("it answers", self.fabric.answers_health)
            self.wait_steady(0.4 * (n % 3))
        self.wait_steady(4)
        self.assert_nobody_moved()

    def test_s3_when_all_was_stopped_the_one_host_there_is_has_a_window_to_be_heard(self):
        # One alone is no storm (S4), and no beat of its waits in a socket.
        self.begin(hosts=("bay1",))
        for _ in range(3):
            self.silence(["bay1"])
            self.fabric.processes["fabricd"].send_signal(signal.SIGSTOP)
            time.sleep(4 * WINDOW_S)
            self.fabric.processes["fabricd"].send_signal(signal.SIGCONT)
            self.fabric.wait("it has looked", self.fabric.answers_health)
            self.speak(["bay1"])
            self.wait_steady(2, hosts=("bay1",))
        self.assert_nobody_moved(hosts=("bay1",))


class WallClock(Silence):
    """S2: time is not told by the clock on the wall."""

    def test_s2_the_wall_clock_may_jump_by_an_hour_either_way(self):
        folder = tempfile.mkdtemp(prefix="fabric-")
        self.addCleanup(shutil.rmtree, folder)
        clock = os.path.join(folder, "clock")
        env = {"LD_PRELOAD": SHIM, "FABRIC_CLOCK_FILE": clock}
        # The shim comes before the sanitizer's library, which is no harm here.
        env["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
        self.begin(env=env)
        function = next(iter(self.fabric.acknowledged))
        for offset in (3600, 0, 86400, -3600):
            with open(clock + ".new", "w", encoding="ascii") as file:
                file.write(str(offset))
            os.rename(clock + ".new", clock)
            self.wait_steady(3)
            before = time.time()
            number = self.fabric.change({"op": "release", "function": function})["id"]
            started = self.fabric.get(f"/v1/changes/{number}")["started"]
            seen = time.strftime("%Y-%m-%dT%H", time.gmtime(before + offset))
            later = time.strftime("%Y-%m-%dT%H", time.gmtime(time.time() + offset))
            self.assertIn(started[:13], (seen, later))  # the shim is at work
            self.fabric.assign(function, "bay1")
            self.assert_nobody_moved()
        self.assertEqual(self.told("host.suspect"), [])
        # And it still notices a death.
        self.silence(["bay2"])
        self.wait_failed_over(["bay2"])


class Many(Silence):
    """S4, S5: of 16 hosts, 34 % are 5.44: 5 may be silent at once, 6 are a storm."""

    def some_are_silent(self, count):
        self.begin()
        hosts = HOSTS[:count]
        self.silence(hosts)
        rows = self.wait_failed_over(hosts)
        # S5: one at a time on a switch.
        for before, after in zip(rows, rows[1:], strict=False):
            self.assertGreaterEqual(after["started"], before["ended"])
        self.assertEqual(self.told("failover.hold"), [])
        self.speak(hosts)

    def test_one_silent_host_is_failed_over(self):
        self.some_are_silent(1)

    @ONCE_MORE
    def test_s5_three_silent_hosts_are_failed_over_one_by_one(self):
        self.some_are_silent(3)

    def test_s5_five_silent_hosts_are_failed_over_one_by_one(self):
        self.some_are_silent(5)

    def too_many_are_silent(self, count):
        self.begin()
        hosts = HOSTS[:count]
        self.silence(hosts)
        self.fabric.wait("failover is held",
                         lambda: self.fabric.get("/v1/health")["hold"])
        self.look_for(6)
        self.fabric.check()
        self.speak(hosts)
        self.fabric.wait("failover goes on",
                         lambda: not self.fabric.get("/v1/health")["hold"])
        self.wait_steady(3)
        self.assert_nobody_moved()
        self.assertEqual(len(self.told("failover.hold")), 1)
        self.assertEqual(len(self.told("failover.resume")), 1)

    def test_s4_six_silent_hosts_hold_all_failover(self):
        self.too_many_are_silent(6)

    @ONCE_MORE
    def test_s4_ten_silent_hosts_hold_all_failover(self):
        self.too_many_are_silent(10)

    @ONCE_MORE
    def test_s4_sixteen_silent_hosts_hold_all_failover(self):
        self.too_many_are_silent(16)

    def test_s4_who_stays_silent_after_a_storm_has_a_fresh_window(self):
        self.begin()
        self.silence(HOSTS[:6])
        self.fabric.wait("failover is held", lambda: self.fabric.get("/v1/health")["hold"])
        self.look_for(2)
        self.speak(HOSTS[2:6])
        self.wait_failed_over(HOSTS[:2])
        resumed = seconds_of(self.told("failover.resume")[0]["time"])
        for row in self.fabric.list("incidents"):
            self.assertGreaterEqual(seconds_of(row["started"]), resumed + WINDOW_S - 0.005)
        self.speak(HOSTS[:2])


class Proved(Silence):
    """A death that the switch shows waits for nobody, and makes no storm."""

    BUSY = HOSTS[:8]  # and eight spares: more than a storm is
    more = "rate-count = 1"

    def power_off(self, hosts):
        for host in hosts:
            self.fabric.kill("agent-" + host)
        for host in hosts:
            self.fabric.power(host, "off")

    def test_s5_hosts_without_power_are_failed_over_whatever_the_rate(self):
        self.begin()
        self.silence(self.BUSY[:1])
        self.wait_failed_over(self.BUSY[:1])  # that was the one that the rate allows
        self.fabric.kill("fabricd")  # and a restart allows no other
        self.fabric.start_manager()
        self.silence(self.BUSY[1:2])
        self.fabric.wait("its beats are missed",
                         lambda: self.fabric.host_state(self.BUSY[1]) == "suspect")
        self.look_for(4, incidents=1)  # in which it would have been fenced
        self.power_off(self.BUSY[1:])
        self.wait_failed_over(self.BUSY)
        told = [row["type"] for row in Journal(self.fabric).tables["event"]]
        self.assertNotIn("failover.hold", told)
        self.speak(self.BUSY[:1])

    def test_s4_s6_the_first_scan_shows_seven_without_power_and_one_is_silent(self):
        self.begin()
        self.fabric.kill("fabricd")
        self.power_off(self.BUSY[:7])
        self.silence(self.BUSY[7:])
        before = time.time()
        self.fabric.start_manager()
        rows = self.wait_failed_over(self.BUSY)
        # S4: eight of sixteen are silent, but seven of them are proved dead.
        told = [row["type"] for row in Journal(self.fabric).tables["event"]]
        self.assertNotIn("failover.hold", told)
        # S6: not even a death that is proved, before a full window has passed.
        for row in rows:
            self.assertGreaterEqual(seconds_of(row["started"]), before + WINDOW_S)
        self.speak(self.BUSY[7:])


if __name__ == "__main__":
    unittest.main(verbosity=2)
