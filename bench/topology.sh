#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# A capture of 10,400 functions, 129 MB: our JSON against `lspci -vvv`. Usage: bench/topology.sh [RUNS]
# FABRIC_TOPOLOGY names another fabricctl than the release build's.
set -eu
cd "$(dirname "$0")/.."
program=${FABRIC_TOPOLOGY:-}
if [ -z "$program" ]; then
	cmake --preset release >/dev/null
	cmake --build --preset release --target fabricctl >/dev/null
	program=build/release/bin/fabricctl
fi
exec python3 bench/topology.py "$program" \
	tests/data/captures/qemu72-x3130-nvme-sriov-vfs-on.lspci "${1:-5}"
