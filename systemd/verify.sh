#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Installs into a temporary root and lets systemd judge what came there: units, users, folders, and
# how exposed each service is. Usage: verify.sh BUILD-FOLDER. 77: systemd-analyze is missing.
set -eu -o pipefail

build=$1
worst_exposure=15 # of 100; systemd calls less than 21 OK
# The agent is root without a file system view of its own: its hooks unmount for everybody.
worst_exposure_agent=60
# It writes to sysfs and talks to devices, as root with three capabilities.
worst_exposure_pci=30

if ! command -v systemd-analyze >/dev/null; then
	echo "SKIPPED: systemd-analyze is not installed, so no unit was verified" >&2
	exit 77
fi

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
DESTDIR=$root cmake --install "$build" >"$root/install.log" || {
	cat "$root/install.log"
	exit 1
}

fail=0
units=()
while read -r unit; do
	units+=("$unit")
done < <(find "$root" -path '*systemd/system/*' \( -name '*.service' -o -name '*.socket' \) | sort)
[ ${#units[@]} -gt 0 ] || {
	echo "no unit was installed"
	exit 1
}

# The programs that units start were installed with them; systemd looks for them at their final
# place, so the units are verified with the temporary root before each path.
mkdir "$root/units"
for unit in "${units[@]}"; do
	sed "s|^ExecStart=/|ExecStart=$root/|" "$unit" >"$root/units/${unit##*/}"
done
for unit in "$root"/units/*; do
	name=${unit##*/}
	instance=${name/@./@demo.}
	[ "$name" = "$instance" ] || mv "$unit" "$root/units/$instance"
done
for unit in "$root"/units/*; do
	if complaint=$(SYSTEMD_UNIT_PATH=$root/units: systemd-analyze verify --man=no \
		--recursive-errors=no "$unit" 2>&1) && [ -z "$complaint" ]; then
		echo "${unit##*/}: good"
	else
		echo "${unit##*/}: $complaint"
		fail=1
	fi
done
for unit in "$root"/units/*.service; do
	threshold=$worst_exposure
	[ "${unit##*/}" != fabric-agent.service ] || threshold=$worst_exposure_agent
	[ "${unit##*/}" != fabric-provider-pci.service ] || threshold=$worst_exposure_pci
	verdict=$(systemd-analyze security --no-pager --offline=yes \
		--threshold="$threshold" "$unit" 2>&1) || fail=1
	echo "${unit##*/}: $(tail -1 <<<"$verdict")"
done

# Users and folders, made in the temporary root.
if [ "$(id -u)" != 0 ]; then
	echo "not root: users and folders were not tried"
else
	sysusers=$(find "$root" -path '*sysusers.d/fabricd.conf')
	tmpfiles=$(find "$root" -path '*tmpfiles.d/fabricd.conf')
	mkdir -p "$root/etc"
	if command -v systemd-sysusers >/dev/null; then
		systemd-sysusers --root="$root" "$sysusers" || fail=1
		for name in fabric-ro fabric-op fabric-admin fabricd; do
			grep -q "^$name:" "$root/etc/group" || {
				echo "sysusers: no group $name"
				fail=1
			}
		done
	fi
	if command -v systemd-tmpfiles >/dev/null; then
		systemd-tmpfiles --root="$root" --create "$tmpfiles" || fail=1
		for folder in run/fabricd var/lib/fabricd; do
			[ -d "$root/$folder" ] || {
				echo "tmpfiles: no folder /$folder"
				fail=1
			}
		done
	fi
fi

# A second install leaves what an administrator wrote.
echo "# mine" >"$root/etc/fabricd/fabricd.conf"
DESTDIR=$root cmake --install "$build" >/dev/null
grep -q "^# mine" "$root/etc/fabricd/fabricd.conf" || {
	echo "a second install overwrote /etc/fabricd/fabricd.conf"
	fail=1
}
exit $fail
