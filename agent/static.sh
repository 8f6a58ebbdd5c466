#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Is the agent for bare hosts small, whole, and alive? Usage: static.sh PROGRAM
set -u
most=$((2 * 1024 * 1024))
program=$1

size=$(stat -c %s "$program") || exit 1
echo "$size bytes, at most $most"
[ "$size" -lt "$most" ] || { echo "too large" >&2; exit 1; }
if ldd "$program" 2>/dev/null | grep -q '=>'; then
	echo "needs shared libraries:" >&2
	ldd "$program" >&2
	exit 1
fi
# With nothing of this machine around it, not even an environment.
env -i "$program" --version || exit 1
