#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""README.md keeps its word: its five minutes are run, command by command, but for the build."""

import os
import re
import subprocess
import tempfile
import unittest

from fabric import BIN, PATIENCE_S, SANITIZERS

SOURCE = os.environ["FABRIC_SOURCE"]


def readme():
    with open(os.path.join(SOURCE, "README.md"), encoding="utf-8") as file:
        return file.read()


class Readme(unittest.TestCase):
    def run_commands(self, text):
        environment = {"PATH": BIN + ":" + os.environ["PATH"], "LC_ALL": "C.UTF-8"}
        environment.update({name: os.environ[name] for name in SANITIZERS if name in os.environ})
        return subprocess.run(["bash", "-e"], input=text, capture_output=True, text=True, check=False,
                              cwd=SOURCE, env=environment, timeout=PATIENCE_S)

    def test_the_five_minutes_go_as_they_are_told(self):
        section = readme().split("\n## Five minutes\n")[1].split("\n## ")[0]
        commands = "".join(re.findall(r"```sh\n(.*?)```", section, re.S))
        commands = "".join(line for line in commands.splitlines(keepends=True)
                           if not line.startswith(("cmake", "export PATH")))
        with tempfile.TemporaryDirectory(prefix="fabric-") as folder:
            commands = commands.replace("/tmp/fabric", folder + "/f")
            # A slower machine, or a sanitizer: what a person would wait for.
            commands = re.sub(r"^sleep (\d)$", lambda m: f"sleep {int(m[1]) + 2}", commands, flags=re.M)

            done = self.run_commands("trap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n" + commands)

        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        for line in ("all functions have moved", '"function":"nic-00a1/pf0/vf1","host":"bay2"',
                     "FENCED", "change 4: done"):
            self.assertIn(line, done.stdout, done.stdout + done.stderr)

    def test_every_file_that_it_names_is_there(self):
        names = re.findall(r"`([\w./-]+(?:\.md|\.sh|/))`", readme())
        self.assertGreaterEqual(len(names), 9)
        for name in names:
            self.assertTrue(os.path.exists(os.path.join(SOURCE, name)), name)


if __name__ == "__main__":
    unittest.main(verbosity=2)
