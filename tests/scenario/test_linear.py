#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The checker of histories itself: it takes the good ones and refuses the bad ones."""

import itertools
import random
import time
import unittest

from linear import NEVER, History, Op, Undecided, check


def read(host, asked, told):
    return Op("reader", "read", host, asked, told)


def assign(host, asked, told=NEVER, is_sure=True):
    return Op("writer", "assign", host, asked, told, is_sure)


def move(host, asked, told=NEVER, is_sure=True):
    return Op("writer", "move", host, asked, told, is_sure)


def take(host, asked, told=NEVER):
    return Op("manager", "take", host, asked, told)


def release(asked, told=NEVER, is_sure=True):
    return Op("writer", "release", None, asked, told, is_sure)


def by_force(ops, initial):
    """The same question answered without any cleverness: every order is tried."""
    maybe = [op for op in ops if not op.is_sure]
    sure = [op for op in ops if op.is_sure]
    for count in range(len(maybe) + 1):
        for chosen in itertools.combinations(maybe, count):
            for order in itertools.permutations(sure + list(chosen)):
                if fits(order, initial):
                    return True
    return False


def fits(order, value):
    latest = 0
    for op in order:
        latest = max(latest, op.asked)
        if latest > op.told:
            return False
        good, value = op.apply(value)
        if not good:
            return False
    return True


class Good(unittest.TestCase):
    def assert_linear(self, ops, initial=None):
        self.assertIsNone(check(ops, initial))

    def test_nothing_at_all(self):
        self.assert_linear([])

    def test_one_after_the_other(self):
        self.assert_linear([assign("a", 0, 1), read("a", 2, 3), move("b", 4, 5), read("b", 6, 7),
                            release(8, 9), read(None, 10, 11)])

    def test_who_reads_while_it_is_written_may_see_either(self):
        for seen in ("a", "b"):
            self.assert_linear([move("b", 0, 10), read(seen, 4, 5)], "a")

    def test_old_then_new_while_it_is_written(self):
        self.assert_linear([move("b", 0, 10), read("a", 1, 2), read("b", 3, 4)], "a")

    def test_what_was_never_answered_may_have_been_done(self):
        self.assert_linear([move("b", 0, NEVER, False), read("b", 50, 51)], "a")

    def test_what_was_never_answered_may_not_have_been_done(self):
        self.assert_linear([move("b", 0, NEVER, False), read("a", 50, 51)], "a")

    def test_what_was_never_answered_may_be_done_late(self):
        self.assert_linear([move("b", 0, NEVER, False), read("a", 50, 51), read("b", 60, 61)], "a")

    def test_a_failover_comes_between(self):
        self.assert_linear([assign("a", 0, 1), take("c", 2, 30), read("a", 3, 4), read("c", 20, 21),
                            move("b", 22, 40)])

    def test_two_writers_in_either_order(self):
        self.assert_linear([move("b", 0, 10), move("c", 0, 10), read("b", 11, 12)], "a")
        self.assert_linear([move("b", 0, 10), move("c", 0, 10), read("c", 11, 12)], "a")


class Bad(unittest.TestCase):
    def assert_not_linear(self, ops, initial=None):
        self.assertIsNotNone(check(ops, initial))

    def test_a_stale_read(self):
        self.assert_not_linear([move("b", 0, 1), read("a", 2, 3)], "a")

    def test_new_then_old_while_it_is_written(self):
        self.assert_not_linear([move("b", 0, 10), read("b", 1, 2), read("a", 3, 4)], "a")

    def test_new_then_old_of_what_was_never_answered(self):
        # What a manager does that shows what is not on its disk, and dies.
        self.assert_not_linear([move("b", 0, NEVER, False), read("b", 1, 2), read("a", 3, 4)], "a")

    def test_an_acknowledgement_lost_with_the_manager(self):
        self.assert_not_linear([assign("a", 0, 1), read(None, 5, 6)])

    def test_an_acknowledged_release_comes_back(self):
        self.assert_not_linear([release(0, 1), read("a", 2, 3)], "a")

    def test_a_lost_update(self):
        # Both were told that theirs was done, and the later one is not there.
        self.assert_not_linear([move("b", 0, 1), move("c", 2, 3), read("b", 4, 5)], "a")

    def test_given_twice(self):
        self.assert_not_linear([assign("a", 0, 1), assign("b", 2, 3)])

    def test_done_twice_under_one_key(self):
        self.assert_not_linear([assign("a", 0, 1), release(2, 3), read("a", 4, 5), read("a", 6, 7)])

    def test_seen_before_it_was_asked(self):
        self.assert_not_linear([read("b", 0, 1), move("b", 2, 3)], "a")

    def test_seen_and_asked_for_by_nobody(self):
        self.assert_not_linear([read("z", 0, 1)], "a")

    def test_two_readers_disagree_on_the_order(self):
        self.assert_not_linear([move("b", 0, 100), move("c", 0, 100), read("b", 1, 2),
                                read("c", 3, 4), read("b", 5, 6)], "a")

    def test_a_failover_undone(self):
        self.assert_not_linear([take("b", 0, 1), read("b", 2, 3), read("a", 4, 5)], "a")

    def test_the_story_names_what_does_not_fit(self):
        story = check([move("b", 0, 1), read("a", 2, 3)], "a")
        self.assertIn("- ", story)
        self.assertIn("read a", story)


class Searching(unittest.TestCase):
    def random_history(self, dice):
        ops = []
        for _ in range(dice.randint(1, 6)):
            asked = dice.randint(0, 12)
            told = asked + dice.randint(1, 6)
            what = dice.choice(("read", "read", "assign", "move", "release", "take"))
            value = None if what == "release" else dice.choice(("a", "b"))
            if what == "read":
                value = dice.choice((None, "a", "b"))
            is_sure = what == "read" or dice.random() < 0.8
            ops.append(Op("x", what, value, asked, told if is_sure else NEVER, is_sure))
        return ops

    def test_it_says_what_trying_every_order_says(self):
        dice = random.Random(1)
        found = {True: 0, False: 0}
        for _ in range(1500):
            ops, initial = self.random_history(dice), dice.choice((None, "a"))
            want = by_force(ops, initial)
            found[want] += 1
            self.assertEqual(check(ops, initial) is None, want,
                             "\n".join(op.text(0) for op in ops))
        self.assertGreater(min(found.values()), 200)

    def test_a_long_history_takes_no_long_time(self):
        dice = random.Random(2)
        ops, at, value = [], 0.0, None
        for _ in range(3000):
            at += 1
            kind = "assign" if value is None else dice.choice(("move", "release"))
            value = None if kind == "release" else dice.choice("abcd")
            ops.append(Op("w", kind, value, at, at + 0.5))
            ops += [read(value, at + 0.6, at + 0.9)] * 3
        began = time.monotonic()
        self.assertIsNone(check(ops))
        print(f"{len(ops)} operations: {time.monotonic() - began:.2f} s")

    def test_what_takes_too_long_is_no_success(self):
        ops = [move(str(n), 0, 100) for n in range(24)] + [read("gone", 101, 102)]
        with self.assertRaises(Undecided):
            check(ops, "a", steps_most=10_000)

    def test_each_function_is_a_register_of_its_own(self):
        history = History()
        history.begin({"f": "a", "g": "b"})
        asked = time.monotonic()
        history.read("r", "f", "a", asked)
        history.read("r", "g", "b", asked)
        self.assertEqual(history.check(), "")
        history.read("r", "g", "a", time.monotonic())
        self.assertIn("g: no order", history.check())
        self.assertNotIn("f: no order", history.check())


if __name__ == "__main__":
    unittest.main(verbosity=2)
