# SPDX-License-Identifier: GPL-2.0-or-later
"""docs/operations.md names every event that the code can tell, and every command in it exists."""
import os
import re
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def read(*names):
    with open(os.path.join(TOP, *names), encoding="utf-8") as file:
        return file.read()


def sources(folder):
    return "".join(read(folder, name) for name in sorted(os.listdir(os.path.join(TOP, folder)))
                   if name.endswith(".c"))


def texts(source, table):
    """The words of a const table of texts, by the prefix of its indices."""
    return re.findall(r"\[" + table + r"\w+\]\s*=\s*\"([a-z-]+)\"", source)


class Runbook(unittest.TestCase):
    def setUp(self):
        self.page = read("docs", "operations.md")
        self.told = set(re.findall(r"`([a-z]+\.[a-z-]+)`", self.page))

    def events(self):
        brain = sources("fabricd")
        events = set(re.findall(r"\"((?:host|function|profile|incident|failover|provider|switch|slot|adapter|fabric|db)"
                                r"\.[a-z-]+)\"", brain))
        audited = set(re.findall(r"history_audit\(\s*f,\s*[\w>.-]+,\s*\"([a-z.-]+)\"", brain))
        events -= audited - set(re.findall(r"history_event\(f,\s*\"([a-z.-]+)\"", brain))
        for state in texts(brain, "DB_CHANGE_"):
            if state in ("running", "done", "refused", "parked", "failed", "cancelled"):
                events |= {f"change.{state}", f"function.{state}"}
        slots = re.search(r"state_texts\[.*?\};", read("hotplug", "slot.c"), re.S).group(0)
        events |= {f"slot.{state}" for state in texts(slots, "SLOT_")
                   if state != "stay" and not state.endswith("-link-down")}
        return events

    def test_every_event_has_a_line(self):
        events = self.events()
        self.assertGreater(len(events), 40)
        self.assertEqual(events - self.told, set())

    def test_no_line_tells_of_an_event_that_is_not(self):
        self.assertEqual({name for name in self.told if name.split(".")[0] in
                          ("host", "function", "profile", "incident", "change", "slot", "switch", "provider")}
                         - self.events(), set())

    def test_every_command_exists(self):
        known = set(re.findall(r"\.name = \"([a-z -]+)\",\n\s*\.summary", sources("cli")))
        known |= {f"{kind} {verb}" for kind in ("host", "incident", "change", "function", "adapter", "port")
                  for verb in ("list", "show")}
        for words in re.findall(r"fabricctl ((?:[a-z-]+ ?)+)", self.page):
            words = words.split()
            self.assertTrue(" ".join(words[:2]) in known or words[0] in known, words)


if __name__ == "__main__":
    unittest.main()
