#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# All tests, on a fresh Debian 12 too. See --help.
set -u
cd "$(dirname "$0")" || exit 1

usage() {
	cat <<'END'
usage: ./check.sh [STAGE...]

Installs what is missing, builds, and runs every test. Stages, all of them unless named:

  dev     build with gcc, warnings are errors; run all tests
  asan    the same under the address and undefined-behaviour sanitizers
  clang   build with clang, warnings are errors
  release build as it is delivered (gcc -O2), warnings are errors: the optimizer sees more of them

Needs bash and apt-get, as root or with sudo, until all packages are there; then neither.
Builds into build/. ccache is used if it is installed. FABRIC_JOBS=N sets how many jobs run at once; of tests
half as many more, for they wait a lot.
FABRIC_NO_QEMU=1 leaves out the guests (the tests with the label `blades`), saying so.

Exit codes: 0 all passed, 1 something failed, 2 usage.
END
}

stages=()
for arg; do
	case $arg in
	-h | --help) usage; exit 0 ;;
	dev | asan | clang | release) stages+=("$arg") ;;
	*) usage >&2; exit 2 ;;
	esac
done
[ ${#stages[@]} -gt 0 ] || stages=(dev asan clang release)

bold='' red='' green='' plain=''
if [ -t 1 ]; then
	bold=$'\e[1m' red=$'\e[31m' green=$'\e[32m' plain=$'\e[0m'
fi
jobs=${FABRIC_JOBS:-$(getconf _NPROCESSORS_ONLN)}
tests=$((jobs + (jobs + 1) / 2)) # half of the long ones wait most of their time
export CLICOLOR=0
summary=()

say() { printf '%s== %s%s\n' "$bold" "$*" "$plain"; }
die() {
	printf '%s== FAILED: %s%s (after %d s)\n' "$red" "$*" "$plain" "$SECONDS" >&2
	exit 1
}

# Runs a command with its output in a file, of which only the end is shown when it fails.
quietly() { # name, command...
	local log=build/$1.log
	shift
	if ! "$@" >"$log" 2>&1 </dev/null; then
		tail -n 60 "$log"
		return 1
	fi
}

configure() { # build folder, cmake's arguments...
	local folder=$1
	shift
	local launcher=()
	command -v ccache >/dev/null 2>&1 && launcher=(-DCMAKE_C_COMPILER_LAUNCHER=ccache)
	quietly "$folder-configure" cmake -S . "$@" "${launcher[@]}"
}

stage_tests() { # preset
	local preset=$1 began=$SECONDS
	say "$preset: building"
	configure "$preset" --preset "$preset" || die "cmake --preset $preset"
	quietly "$preset-build" cmake --build --preset "$preset" -j "$jobs" || die "build of $preset"
	say "$preset: testing"
	ctest --preset "$preset" -j "$tests" --no-label-summary </dev/null >"build/$preset-test.log" 2>&1
	local r=$?
	if [ $r != 0 ]; then
		cat "build/$preset-test.log"
		die "tests under $preset"
	fi
	# What was left out for want of something is no secret.
	grep -E 'Skipped|Not Run' "build/$preset-test.log" | sort -u
	sed -n '/tests passed/,$p' "build/$preset-test.log"
	summary+=("$preset: $(grep 'tests passed' "build/$preset-test.log"), $((SECONDS - began)) s")
}

stage_clang() {
	local began=$SECONDS
	say "clang: building"
	configure clang -B build/clang -G Ninja -DCMAKE_C_COMPILER=clang \
		-DCMAKE_BUILD_TYPE=Debug -DCMAKE_COMPILE_WARNING_AS_ERROR=ON || die "cmake for clang"
	quietly clang-build cmake --build build/clang -j "$jobs" || die "build with clang"
	grep -q 'warning:' build/clang-build.log && die "clang warns, see build/clang-build.log"
	summary+=("clang: no warning, $((SECONDS - began)) s")
}

# Built, not tested: what it warns of, no other stage sees.
stage_release() {
	local began=$SECONDS
	say "release: building"
	configure release --preset release -DCMAKE_COMPILE_WARNING_AS_ERROR=ON ||
		die "cmake --preset release"
	quietly release-build cmake --build --preset release -j "$jobs" || die "build of release"
	summary+=("release: no warning, $((SECONDS - began)) s")
}

say "packages"
groups=(build check blades)
if [ -n "${FABRIC_NO_QEMU-}" ]; then
	groups=(build check)
	say "FABRIC_NO_QEMU is set: no guest is started, and what needs one is NOT tested"
fi
bash cmake/deps.sh "${groups[@]}" || die "packages are missing"
mkdir -p build || die "no folder for the build"
for stage in "${stages[@]}"; do
	case $stage in
	clang) stage_clang ;;
	release) stage_release ;;
	*) stage_tests "$stage" ;;
	esac
done
say "${green}all passed${plain}${bold} in $SECONDS s"
printf '   %s\n' "${summary[@]}"
