# SPDX-License-Identifier: GPL-2.0-or-later
"""Is what clients were told linearizable? One register for each function: which host has it.

A history is a list of operations, each with the time when it was asked and the time when its answer
was there. It is linearizable if each operation can be given one moment between the two so that, in
the order of these moments, every answer is the one that a single register would have given. An
operation whose answer never came (the connection died) may have taken effect at any later moment, or
never.

The search is that of Wing and Gong with Lowe's memory of what has been tried: (operations placed,
value) is looked at once. Functions are independent of one another, so each is checked alone. A search that
would take too long is given up as undecided, which is no success.

The history is given by time.monotonic(), or any one clock that all who write into it share."""

import threading
import time

NEVER = float("inf")
STEPS_MOST = 500_000


class Undecided(Exception):
    """The search was given up."""


class Op:
    """One operation on one register.

    @what: "read", "assign", "move", "release", "take" (moved by the manager itself: from wherever it is
    assigned), or "put" (whatever was there before). @value: the host that was read, or is written; None is nobody. @is_sure: it took
    effect; else it may have."""

    __slots__ = ("who", "what", "value", "asked", "told", "is_sure", "note")

    def __init__(self, who, what, value, asked, told=NEVER, is_sure=True, note=""):
        self.who, self.what, self.value = who, what, value
        self.asked, self.told, self.is_sure, self.note = asked, told, is_sure, note

    def apply(self, value):
        """Whether the register, holding @value, could have answered so; what it holds then."""
        if self.what == "read":
            return value == self.value, value
        if self.what == "assign":
            return value is None, self.value
        if self.what in ("move", "take"):
            return value is not None, self.value
        if self.what == "put":
            return True, self.value
        if self.what == "release":
            return value is not None, None
        raise ValueError(self.what)

    def text(self, start):
        told = "never" if self.told == NEVER else f"{1000 * (self.told - start):.1f}"
        return (f"{1000 * (self.asked - start):9.1f} .. {told:>9} ms  {self.who}: {self.what} "
                f"{self.value}{'' if self.is_sure else ', not known whether'}"
                f"{' (' + self.note + ')' if self.note else ''}")


class Search:
    """One register. What has been placed is (base, mask): all before @base, and base + n for each bit n
    of @mask."""

    def __init__(self, ops, initial, steps_most):
        self.ops = sorted(ops, key=lambda op: op.asked)
        self.initial, self.steps_most = initial, steps_most
        self.sure = sum(op.is_sure for op in self.ops)
        self.best = (0, 0, 0, initial)  # the most of the sure ones that could be placed

    def next_ones(self, base, mask):
        """Who may come next: asked before the first answer among those not placed yet."""
        found, limit = [], NEVER
        for n in range(base, len(self.ops)):
            op = self.ops[n]
            if op.asked > limit:
                break
            if not mask & 1:
                found.append(n)
                limit = min(limit, op.told)
            mask >>= 1
        return found

    def placed(self, state, n, value):
        count, base, mask, _ = state
        mask |= 1 << n - base
        while mask & 1:
            mask >>= 1
            base += 1
        return count + self.ops[n].is_sure, base, mask, value

    def moves(self, state):
        _, base, mask, value = state
        moves = []
        for n in self.next_ones(base, mask):
            fits, after = self.ops[n].apply(value)
            if not fits:
                continue
            if self.ops[n].what == "read":  # it changes nothing: as well now as later
                return [self.placed(state, n, after)]
            moves.append((self.ops[n].told, self.placed(state, n, after)))
        # Who was told first was most likely first: it is tried first, from the end of the stack.
        return [after for _, after in sorted(moves, key=lambda move: -move[0])]

    def is_linear(self):
        tried = set()
        stack = [self.best]
        while stack:
            state = stack.pop()
            if state in tried:
                continue
            tried.add(state)
            if state[0] == self.sure:
                return True
            if state[0] >= self.best[0]:
                self.best = state
            if len(tried) > self.steps_most:
                raise Undecided(f"{len(tried)} states of {len(self.ops)} operations")
            stack += self.moves(state)
        return False

    def story(self):
        """For people: how far it went, and what does not fit there."""
        _, base, mask, value = self.best
        start = self.ops[0].asked
        lines = [f"starts as {self.initial}; all that is marked + can be placed, which leaves {value}"]
        for n, op in enumerate(self.ops):
            is_placed = n < base or mask >> n - base & 1
            lines.append(("+ " if is_placed else "- ") + op.text(start))
        return "\n".join(lines)


def check(ops, initial=None, steps_most=STEPS_MOST):
    """None if @ops, all of one register, are linearizable; else why not, for people."""
    if not ops:
        return None
    search = Search(ops, initial, steps_most)
    return None if search.is_linear() else search.story()


class History:
    """What the clients of one fabric asked and were told; many threads may write."""

    def __init__(self):
        self.lock = threading.Lock()
        self.begin({})

    def begin(self, initial):
        """Afresh: nothing is under way, and the registers hold @initial, {function: host}."""
        with self.lock:
            self.initial = dict(initial)
            self.ops = {}

    def add(self, function, op):
        with self.lock:
            self.ops.setdefault(function, []).append(op)

    def read(self, who, function, host, asked):
        """@function was read; the answer has just come."""
        self.add(function, Op(who, "read", host, asked, time.monotonic()))

    def size(self):
        with self.lock:
            return sum(len(ops) for ops in self.ops.values())

    def check(self):
        """Function by function. Return: what is wrong, for people; empty: nothing."""
        with self.lock:
            histories = {function: list(ops) for function, ops in self.ops.items()}
        wrong = []
        for function, ops in sorted(histories.items()):
            story = check(ops, self.initial.get(function))
            if story:
                wrong.append(f"{function}: no order of these fits what was told:\n{story}")
        return "\n\n".join(wrong)
