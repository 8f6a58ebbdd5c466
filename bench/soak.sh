#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The kill test of tests/scenario, for as long as one likes. See --help.
set -u
cd "$(dirname "$0")/.." || exit 1

kills=3000 seed=1 folder=build/soak round=100

usage() {
	cat <<END
usage: bench/soak.sh [--kills N] [--seed S] [--folder DIR]

Stops fabricd dead N times (default 3000) under load, $round in each round, with all that
tests/scenario/test_kills.py compares; takes about a minute for each 300 on two processors. What has
passed stands in DIR (default build/soak), so that it can be stopped at any time and goes on where it was;
another seed begins anew. It ends at the first round that fails, and names its log.

FABRIC_BIN is the folder of the programs (default build/dev/bin, which must be built).
Exit codes: 0 all passed, 1 a round failed, 2 usage, 4 there are no programs.
END
}

while [ $# -gt 0 ]; do
	case $1 in
	-h | --help) usage; exit 0 ;;
	--kills | --seed | --folder)
		[ $# -gt 1 ] || { usage >&2; exit 2; }
		printf -v "${1#--}" '%s' "$2"
		shift 2
		;;
	*) usage >&2; exit 2 ;;
	esac
done
if [[ ! $kills =~ ^[1-9][0-9]{0,6}$ || ! $seed =~ ^[0-9]{1,9}$ ]]; then
	usage >&2
	exit 2
fi
FABRIC_BIN=$(realpath "${FABRIC_BIN:-build/dev/bin}")
export FABRIC_BIN
[ -x "$FABRIC_BIN/fabricd" ] || { echo "bench/soak.sh: no programs in $FABRIC_BIN" >&2; exit 4; }

mkdir -p "$folder" || exit 4
progress=$folder/seed-$seed
touch "$progress" || exit 4
survived=0
for ((n = 0; n * round < kills; n++)); do
	count=$((kills - n * round < round ? kills - n * round : round))
	if grep -q "^round $n: $count deaths" "$progress"; then
		survived=$((survived + count))
		continue
	fi
	log=$folder/seed-$seed-round-$n.log
	began=$SECONDS
	if ! FABRIC_SEED=$((seed * 100000 + n)) FABRIC_KILLS=$count \
		python3 -B tests/scenario/test_kills.py >"$log" 2>&1 </dev/null; then
		grep -m 5 -E '^====|Error' "$log"
		echo "bench/soak.sh: round $n failed after $survived deaths: see $log" >&2
		exit 1
	fi
	survived=$((survived + count))
	echo "round $n: $count deaths, $((SECONDS - began)) s, $(date -u +%FT%TZ)" >>"$progress"
	sed -n 's/^ *[0-9.]* s  night \([0-9]\): \(.* linearizable.*\)$/   \1: \2/p' "$log"
	echo "$survived of $kills deaths survived"
	rm -f "$log"
done
echo "all passed: $survived deaths under load"
