#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""fabricd as a process, without any provider: start, end, signals, systemd."""

import os
import signal
import socket
import subprocess
import sys
import unittest

from fabric import BIN, PATIENCE_S, Fabric

PROGRAM = os.path.join(BIN, "fabricd")


class Daemon(unittest.TestCase):
    def setUp(self):
        # A fabric without a switch: a chassis that nobody reads.
        self.fabric = Fabric(self, chassis="/dev/null", config="")

    def words(self):
        at = self.fabric.at
        return ["--config", at("fabricd.conf"), "--db", at("fabricd.db"), "--socket", at("fabricd.sock")]

    def start(self, env=None, config=""):
        self.configure(config)
        return self.fabric.start("fabricd", "fabricd", *self.words(), env=env)

    def start_ready(self, **more):
        process = self.start(**more)
        self.fabric.wait("it answers", lambda: self.fabric.answers(self.fabric.socket))
        return process

    def configure(self, text):
        with open(self.fabric.at("fabricd.conf"), "w", encoding="ascii") as file:
            file.write(text)

    def refused(self, *words, code=1):
        done = subprocess.run([PROGRAM, *words], capture_output=True, text=True, check=False,
                              timeout=PATIENCE_S, env=self.fabric.environment())
        self.assertEqual(done.returncode, code, done.stderr)
        return done.stderr

    def wait_for_log(self, text):
        self.fabric.wait(f"the log says: {text}", lambda: text in self.fabric.log("fabricd"))

    def test_an_empty_configuration_without_any_provider_is_served(self):
        self.start_ready()

        status, _, health = self.fabric.request("GET", "/v1/health")

        self.assertEqual((status, health["status"]), (200, "ok"), health)

    def test_the_log_says_once_why_a_provider_is_not_reached(self):
        path = self.fabric.at("away.sock")
        self.start(config=f"[provider away]\nsocket = {path}\n")
        self.wait_for_log(f"provider away: {path}: No such file or directory; trying again")

        with socket.socket(socket.AF_UNIX) as listener:  # it is there now, and hangs up
            listener.bind(path)
            listener.listen()
            for _ in range(3):
                connection = listener.accept()[0]
                connection.recv(4096)
                connection.close()
        self.wait_for_log("Connection refused; trying again")  # nobody listens any more

        said = [line.split(f"{path}: ")[1].split(";")[0]
                for line in self.fabric.log("fabricd").splitlines() if f"{path}: " in line]
        self.assertEqual(len(said), len(set(said)), said)
        self.assertEqual(len(said), 3, said)

    def test_both_signals_end_it_with_0_and_take_the_socket_away(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            self.start_ready()

            self.assertEqual(self.fabric.kill("fabricd", number), 0)

            self.assertFalse(os.path.exists(self.fabric.socket))

    def test_after_kill_9_it_starts_again_over_the_socket_that_was_left(self):
        self.start_ready()
        self.fabric.kill("fabricd")
        self.assertTrue(os.path.exists(self.fabric.socket))

        self.start_ready()

    def test_a_second_daemon_is_refused_and_the_first_goes_on(self):
        self.start_ready()
        other = self.fabric.at("other.sock")

        said = self.refused(*self.words()[:4], "--socket", other)

        self.assertIn("in use by another fabricd", said)
        self.assertFalse(os.path.exists(other))
        said = self.refused("--config", "/dev/null", "--db", self.fabric.at("other.db"), "--socket",
                            self.fabric.socket)
        self.assertIn("another program listens there", said)
        self.assertEqual(self.fabric.request("GET", "/v1/health")[0], 200)

    def test_what_it_cannot_use_is_named(self):
        at = self.fabric.at
        with open(at("bad.conf"), "w", encoding="ascii") as file:
            file.write("[heartbeat]\n\nmissed = 2\n")
        with open(at("bad.db"), "w", encoding="ascii") as file:
            file.write("this is no database, and long enough to be told from an empty file" * 9)
        others = ["--config", "/dev/null", "--db", at("d"), "--socket", at("s")]

        self.assertIn("bad.conf:3: missed: takes a number from 3 to 100, not 2",
                      self.refused(*others, "--config", at("bad.conf")))
        self.assertIn("bad.db", self.refused(*others, "--db", at("bad.db")))
        self.assertIn("No such file", self.refused(*others, "--config", at("absent.conf")))
        self.assertIn("absent", self.refused(*others, "--db", at("absent/db"), code=4))
        self.assertIn("absent", self.refused(*others, "--socket", at("absent/s"), code=4))
        self.assertIn("--what", self.refused("--what", code=2))

    def test_sighup_takes_over_what_may_change(self):
        process = self.start_ready()
        self.configure("[heartbeat]\nmissed = 7\n")

        process.send_signal(signal.SIGHUP)
        self.wait_for_log("configuration: read again")

        self.assertIn("7", self.fabric.ctl("config", "show"))

    def test_sighup_with_a_mistake_in_the_file_changes_nothing(self):
        process = self.start_ready(config="[heartbeat]\nmissed = 7\n")
        self.configure("[heartbeat]\nmissed = 8\nmissing = 8\n")

        process.send_signal(signal.SIGHUP)
        self.wait_for_log("fabricd.conf:3: no such key in [heartbeat]: missing")

        missed = [line for line in self.fabric.ctl("config", "show").splitlines() if "missed" in line]
        self.assertIn(" 7 ", missed[0])

    def test_sighup_says_what_needs_a_restart(self):
        process = self.start_ready()
        for text, what in (("[access]\ngroup-op = wheel\n", "group-op"),
                           ("[provider a]\nsocket = /a\n", "the list of providers")):
            self.configure(text)

            process.send_signal(signal.SIGHUP)

            self.wait_for_log(f"{what} cannot change without a restart")

    def test_systemd_is_told_when_the_socket_is_served_and_that_it_lives(self):
        path = self.fabric.at("notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(path)
            notify.settimeout(PATIENCE_S)
            self.start(env={"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "300000"})

            said = notify.recv(4096).decode()
            self.assertIn("READY=1", said)
            self.assertTrue(self.fabric.answers(self.fabric.socket))
            self.assertEqual([notify.recv(4096).decode() for _ in range(3)], ["WATCHDOG=1"] * 3)
            self.fabric.processes["fabricd"].send_signal(signal.SIGTERM)
            while said != "STOPPING=1":
                said = notify.recv(4096).decode()

    def test_a_stopped_daemon_says_nothing_to_the_watchdog(self):
        path = self.fabric.at("notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(path)
            notify.settimeout(PATIENCE_S)
            process = self.start(env={"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "300000"})
            while notify.recv(4096) != b"WATCHDOG=1":
                pass
            process.send_signal(signal.SIGSTOP)
            self.fabric.wait("it is stopped", lambda: self.is_stopped(process.pid))
            notify.setblocking(False)
            self.drain(notify)
            notify.settimeout(0.5)

            with self.assertRaises(TimeoutError):
                notify.recv(4096)

    @staticmethod
    def is_stopped(pid):
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rsplit(")", 1)[1].split()[0] == "T"

    @staticmethod
    def drain(notify):
        try:
            while notify.recv(4096):
                pass
        except BlockingIOError:
            pass

    def test_a_socket_of_systemd_is_served_and_stays_when_it_ends(self):
        path = self.fabric.at("given.sock")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen()
            # As systemd does it: descriptor 3, and the pid of the process that gets it.
            code = ("import os, sys; os.dup2(int(sys.argv[1]), 3, True);"
                    "os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1');"
                    "os.execv(sys.argv[2], sys.argv[2:])")
            process = subprocess.Popen(
                [sys.executable, "-c", code, str(listener.fileno()), PROGRAM, *self.words()],
                pass_fds=[listener.fileno()], env=self.fabric.environment(), stderr=subprocess.PIPE)
        self.fabric.processes["given"] = process
        self.addCleanup(process.stderr.close)
        self.fabric.socket = path

        self.assertEqual(self.fabric.request("GET", "/v1/health")[0], 200)

        self.assertEqual(self.fabric.kill("given", signal.SIGTERM), 0)
        self.assertTrue(os.path.exists(path))


if __name__ == "__main__":
    unittest.main(verbosity=2)
