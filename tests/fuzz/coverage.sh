#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Replays a fuzz target's corpus and prints the line coverage of the files it is about.
# Usage: coverage.sh [TARGET [LEAST-PERCENT [FILE...]]]; exit 1 if a file is below LEAST-PERCENT.
set -eu
cd "$(dirname "$0")/../.."
target=${1:-fuzz_capture}
least=${2:-90}
[ $# -ge 2 ] && shift 2 || shift $#
[ $# -gt 0 ] || set -- topology/capture.c topology/decode.c topology/graph.c
build=build/coverage
CC=clang CFLAGS='-fprofile-instr-generate -fcoverage-mapping' \
	cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Debug >/dev/null
cmake --build "$build" --target "${target}_replay" >/dev/null
LLVM_PROFILE_FILE=$build/$target.raw "$build/bin/${target}_replay" "tests/fuzz/corpus/$target"
llvm-profdata merge -sparse "$build/$target.raw" -o "$build/$target.profile"
llvm-cov export -summary-only -instr-profile="$build/$target.profile" \
	"$build/bin/${target}_replay" "$@" >"$build/$target.json"
python3 - "$build/$target.json" "$least" <<'END'
import json, sys
files = json.load(open(sys.argv[1]))["data"][0]["files"]
low = 0
for f in files:
    lines = f["summary"]["lines"]
    print(f"{f['filename']}: {lines['covered']} of {lines['count']} lines, {lines['percent']:.1f} %")
    low |= lines["percent"] < float(sys.argv[2])
sys.exit(low or not files)
END
