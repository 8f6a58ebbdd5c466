#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Two blades, a disk and two network adapters, under fabricd. bay1 may be powered off by the provider,
bay2 may not. All scenarios share the two guests, which are booted again where one has died.

Environment: FABRIC_SEED; FABRIC_SANITIZE, if set: the shorter half."""

import unittest

from deaths import Deaths
from moves import Moves
from pool import Case, refuse_or_skip


class Blades(Moves, Deaths, Case):
    tools = ("bay1",)
    beats = True


if __name__ == "__main__":
    refuse_or_skip()
    unittest.main(verbosity=2)
