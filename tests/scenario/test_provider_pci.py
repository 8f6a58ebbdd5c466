#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""fabric-provider-pci on the machine that runs the tests, with nothing in its pool: it starts, looks,
answers, ends, and says what it cannot do.

usage: test_provider_pci.py FABRIC-PROVIDER-PCI"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

PROGRAM = sys.argv[1]
PATIENCE_S = 60


class ProviderPci(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="provider-")
        self.addCleanup(shutil.rmtree, self.folder)

    def at(self, name):
        return os.path.join(self.folder, name)

    def run_program(self, *words):
        return subprocess.run([PROGRAM, *words], capture_output=True, text=True,
                              timeout=PATIENCE_S, check=False)

    def start(self, name):
        """Until it answers; its log is NAME.log."""
        with open(self.at(name + ".log"), "w", encoding="utf-8") as log:
            program = subprocess.Popen([PROGRAM, "--socket", self.at(name), "--state",
                                        self.at("state"), "--bay", "here"], stderr=log)
        self.addCleanup(program.kill)
        end = time.monotonic() + PATIENCE_S
        while self.ask(name, "show").returncode == 3:
            self.assertLess(time.monotonic(), end)
            self.assertIsNone(program.poll(), self.log(name))
            time.sleep(0.01)
        return program

    def ask(self, name, *words):
        return self.run_program("ask", "--socket", self.at(name), *words)

    def log(self, name):
        with open(self.at(name + ".log"), encoding="utf-8") as log:
            return log.read()

    def test_words_that_make_no_sense_are_told(self):
        self.assertEqual(self.run_program("--help").returncode, 0)
        self.assertIn("fabric-provider-pci", self.run_program("--version").stdout)
        for words in ([], ["--socket", "x", "more"], ["--socket", "x", "--adapter", "3f"],
                      ["--socket", "x", "--log", "loud"], ["--socket", "x", "--chassis", "0"],
                      ["--socket", "x", "--chassis", "65536"], ["--socket", "x", "--driver", "a/b"],
                      ["ask", "--socket", "x"]):
            self.assertEqual(self.run_program(*words).returncode, 2, words)
        self.assertEqual(self.ask("nobody", "show").returncode, 3)
        tree = self.run_program("--socket", self.at("x"), "--sysfs", self.at("nothing"))
        self.assertEqual(tree.returncode, 1, tree.stderr)

    def test_it_looks_and_lets_go(self):
        program = self.start("one")

        self.assertEqual(self.ask("one", "show").returncode, 0)
        self.assertEqual(self.ask("one", "remove", "0000:00:00.0").returncode, 1)
        self.assertEqual(self.ask("one", "dance").returncode, 1)
        self.assertEqual(self.run_program("--socket", self.at("one"), "--state",
                                          self.at("other")).returncode, 4)

        program.send_signal(signal.SIGTERM)
        self.assertEqual(program.wait(PATIENCE_S), 0, self.log("one"))
        self.assertFalse(os.path.exists(self.at("one")))

    def test_a_second_one_on_the_same_state_does_nothing_before_the_first_is_gone(self):
        first = self.start("one")
        self.start("two")
        self.assertIn("nothing is done before it is free", self.log("two"))

        first.kill()
        first.wait(PATIENCE_S)

        end = time.monotonic() + PATIENCE_S
        while "is settled" not in self.log("two"):
            self.assertLess(time.monotonic(), end, self.log("two"))
            time.sleep(0.01)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
