#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Installs the Debian packages that are missing, and says why each is wanted.
set -u

usage() {
	cat <<'END'
usage: cmake/deps.sh [--list] GROUP...

Installs what is missing of these groups, with apt-get, as root or through sudo:

  build   to build the programs
  demo    to run demo.sh
  check   to run check.sh: tests, sanitizers, clang
  blades  to start guests as blades: demo.sh --blades, and their tests

  --list  only print what there is in the groups, and whether it is installed

Exit codes: 0 all there, 1 could not be installed, 2 usage.
END
}

# group | package | how it is found: cmd:PROGRAM, pc:MODULE of pkg-config, dpkg | why
packages() {
	cat <<'END'
build|gcc|cmd:gcc|the compiler
build|libc6-dev|dpkg|headers of the C library
build|cmake|cmd:cmake|says how to build
build|ninja-build|cmd:ninja|builds
build|pkgconf|cmd:pkg-config|finds the libraries below
build|libpci-dev|pc:libpci|reads PCI devices of this machine
build|libevent-dev|pc:libevent_core|event loop of every program
build|libjson-c-dev|pc:json-c|JSON of the control socket
build|libsqlite3-dev|pc:sqlite3|what must outlive the daemon
build|libcurl4-openssl-dev|pc:libcurl|fabricctl talks to the control socket
build|libinih-dev|pc:inih|the configuration file
build|libsodium-dev|pc:libsodium|beats are authenticated
build|libsystemd-dev|pc:libsystemd|readiness, watchdog, socket activation
demo|jq|cmd:jq|reads the programs' JSON
demo|sqlite3|cmd:sqlite3|looks into the journal of a dead daemon
check|libcmocka-dev|pc:cmocka|unit tests
check|clang|cmd:clang|a second compiler's warnings
check|python3|cmd:python3|scenario tests
check|jq|cmd:jq|scenario tests
check|sqlite3|cmd:sqlite3|looks into the database from outside
check|pciutils|cmd:lspci|reads what we print, in tests
check|graphviz|cmd:dot|draws what we print, in tests
check|spin|cmd:spin|searches the model of the failover
check|strace|cmd:strace|lets writes and syncs fail, in tests
check|systemd|cmd:systemd-analyze|verifies the units
blades|qemu-system-x86|cmd:qemu-system-x86_64|the blades
blades|seabios|dpkg|their firmware
blades|busybox-static|dpkg|all that a blade runs, beside the agent
blades|kmod|cmd:modprobe|says which modules a driver needs
blades|xz-utils|cmd:xz|unpacks kernel modules
blades|zstd|cmd:zstd|unpacks the kernel
blades|python3|cmd:python3|starts the blades, and tests them
blades|pciutils|cmd:lspci|runs inside a blade, to compare with
blades|fence-agents|dpkg|programs that switch a host off
END
}

is_there() { # package, probe
	case $2 in
	cmd:*) command -v "${2#cmd:}" >/dev/null 2>&1 ;;
	pc:*) pkg-config --exists "${2#pc:}" 2>/dev/null ;;
	*) [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ] ;;
	esac
}

as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	else
		sudo "$@"
	fi
}

install_all() {
	local log
	if ! command -v apt-get >/dev/null 2>&1; then
		echo "deps: there is no apt-get here: install these yourself: $*" >&2
		return 1
	fi
	if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null 2>&1; then
		echo "deps: neither root nor sudo: as root, run: apt-get install $*" >&2
		return 1
	fi
	log=$(mktemp) || return 1
	# The lists of a fresh machine may be absent or old; without the network they may still do.
	if ! as_root env DEBIAN_FRONTEND=noninteractive sh -c '
		apt-get update -q || true
		exec apt-get install -y -q --no-install-recommends "$@"' sh "$@" \
		</dev/null >"$log" 2>&1; then
		tail -n 20 "$log" >&2
		rm -f "$log"
		echo "deps: apt-get install failed: $*" >&2
		return 1
	fi
	rm -f "$log"
}

list=
groups=
for arg; do
	case $arg in
	--list) list=1 ;;
	-h | --help) usage; exit 0 ;;
	build | demo | check | blades) groups="$groups $arg " ;;
	*) usage >&2; exit 2 ;;
	esac
done
[ -n "$groups" ] || { usage >&2; exit 2; }

missing=()
while IFS='|' read -r group package probe why; do
	case $groups in *" $group "*) ;; *) continue ;; esac
	case " ${missing[*]-} " in *" $package "*) continue ;; esac
	if is_there "$package" "$probe"; then
		[ -z "$list" ] || printf '  %-22s there    %s\n' "$package" "$why"
		continue
	fi
	missing+=("$package")
	printf '  %-22s missing  %s\n' "$package" "$why"
done < <(packages)

[ -z "$list" ] || exit 0
[ ${#missing[@]} -gt 0 ] || exit 0
echo "  installing ${#missing[@]} packages with apt-get, once"
install_all "${missing[@]}"
