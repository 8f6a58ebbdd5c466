#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Fuzzes for a while and keeps what it learnt: new inputs that reach new code join the corpus in the
# tree, which ./check.sh replays. What crashes, leaks or hangs is left in build/fuzz/found/TARGET,
# and a line for each target goes to build/fuzz/gathered.
#
# Usage: gather.sh [SECONDS [TARGET...]]; 60 seconds and all targets unless told. Exit 1: something
# was found.
set -eu
cd "$(dirname "$0")/../.."
case ${1:-60} in
*[!0-9]* | '')
	sed -n '3,8s/^# \{0,1\}//p' "$0"
	[ "${1:-}" = --help ] || exit 2
	exit 0
	;;
esac
seconds=${1:-60}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- $(basename -s .c tests/fuzz/fuzz_*.c)
build=build/fuzz
CC=clang cmake -S . -B "$build" -G Ninja -DFABRIC_FUZZ=ON -DCMAKE_BUILD_TYPE=RelWithDebInfo >/dev/null
cmake --build "$build" --target "$@" >/dev/null
found=0
for target in "$@"; do
	corpus=tests/fuzz/corpus/$target
	work=$build/corpus/$target
	bad=$build/found/$target
	mkdir -p "$work" "$bad"
	before=$(ls "$corpus" | wc -l)
	"$build/bin/$target" -max_total_time="$seconds" -rss_limit_mb=2048 -timeout=20 -report_slow_units=20 \
		-artifact_prefix="$bad/" "$work" "$corpus" 2>"$build/$target.log" || true
	# What of @work reaches edges that the corpus does not; the corpus itself stays as it is.
	"$build/bin/$target" -merge=1 -use_counters=0 -rss_limit_mb=2048 "$corpus" "$work" \
		2>>"$build/$target.log" || true
	runs=$(sed -n 's/^Done \([0-9]*\) runs in .*/\1/p' "$build/$target.log" | head -1)
	after=$(ls "$corpus" | wc -l)
	count=$(ls "$bad" | wc -l)
	[ "$count" -eq 0 ] || found=1
	echo "$target: $seconds s, ${runs:-?} runs, $((after - before)) new inputs, $count findings" |
		tee -a "$build/gathered"
done
exit $found
