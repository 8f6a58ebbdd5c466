#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# All figures, each a ratio in one run against its named reference. See --help and README.md here.
set -u
[ -z "${FABRIC_BENCH_BIN-}" ] || FABRIC_BENCH_BIN=$(realpath "$FABRIC_BENCH_BIN") || exit 4
cd "$(dirname "$0")/.." || exit 1

# name, command in this folder, what it says
figures="\
topology|topology.sh|a capture of 10,400 functions as JSON, against lspci -vvv
change|change.py|4096 functions in one change, against bare SQLite
failover|failover.py fast|failover of 128 functions, a switch without latency
failover-1ms|failover.py slow 1|failover of 16 functions, 1 ms per command, against its critical path
failover-100ms|failover.py slow 100|the same with 100 ms per command
failover-15s|failover.py virtual 15000|the same with 15 s per command, under a virtual clock
failover-busy|failover.py busy 100|4 functions while 100 others are being moved, 100 ms per command
failover-proof|failover.py proof|8 functions, 1 ms per command: loss of power to the last read-back
failover-silence|keepalived.py|8 functions of a silent host, against keepalived on two hosts
detection|detection.py fast|200 ms x 5 beats: death to verdict
detection-busy|detection.py busy|the same beats with every processor busy: false verdicts
get|get.py|GET /v1/functions/ID, against a bare evhttp handler
beats|beats.py|256 hosts beating at 1 Hz, 16,384 functions: processor and memory
beats-1000|datagrams.py|1000 hosts beating at 10 Hz, authenticated, against crypto_auth alone
big|big.py|16 chassis, 1,024 hosts at 1 Hz, 65,536 functions: memory, processor, restart, a dead switch
simulation|simulated.py|simulated time per second of one core, 16 hosts, faults on
own|blades.py own|the manager's own time in a planned move
blades-move|blades.py move|guests: a planned move of a disk, the agent taking part
blades-proof|blades.py failover proof|guests: kill -9 to the disk elsewhere, with proof of death
blades-silence|blades.py failover silence|guests: the same by silence alone, 200 ms x 5 beats"

usage() {
	cat <<END
usage: bench/run.sh [NAME...]

Builds the release preset and measures every figure, or those named; takes about a quarter of an hour.
Each says the machine, what it ran, the median of several runs with the least and the most of them,
and whether it was reached. A machine that does something else meanwhile spoils the figures.

$(while IFS='|' read -r name _ what; do printf '  %-15s %s\n' "$name" "$what"; done <<<"$figures")

FABRIC_BENCH_BIN=DIR measures the programs in DIR and builds nothing. Databases stand under \$TMPDIR.
Exit codes: 0 all reached (or skipped, and named), 1 some missed (they are named), 2 usage, 4 could not be built.
END
}

wanted=
for arg; do
	case $arg in
	-h | --help) usage; exit 0 ;;
	*)
		if ! grep -q "^$arg|" <<<"$figures"; then
			echo "bench/run.sh: there is no figure \"$arg\"" >&2
			usage >&2
			exit 2
		fi
		wanted+=" $arg "
		;;
	esac
done

if [ -z "${FABRIC_BENCH_BIN-}" ]; then
	mkdir -p build
	if ! { cmake --preset release && cmake --build --preset release; } >build/bench.log 2>&1; then
		tail -n 30 build/bench.log >&2
		exit 4
	fi
	FABRIC_BENCH_BIN=$PWD/build/release/bin
fi
export FABRIC_BENCH_BIN
export FABRIC_TOPOLOGY=$FABRIC_BENCH_BIN/fabricctl

echo "$(date -u +%F), $(git describe --always --dirty 2>/dev/null || echo "no git")," \
	"$(nproc) processors, load before: $(cut -d' ' -f1-3 /proc/loadavg)"
missed=
skipped=
while IFS='|' read -r name command what; do
	if [ -n "$wanted" ] && [[ $wanted != *" $name "* ]]; then
		continue
	fi
	printf '\n== %s: %s\n   bench/%s\n' "$name" "$what" "$command"
	# shellcheck disable=SC2086  # a command and its arguments
	bench/$command </dev/null
	case $? in
	0) ;;
	77) skipped+=" $name" ;;
	*) missed+=" $name" ;;
	esac
done <<<"$figures"

echo
[ -z "$skipped" ] || echo "skipped:$skipped"
if [ -n "$missed" ]; then
	echo "missed:$missed"
	exit 1
fi
echo "all reached"
