#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Gets ready what guests are started from. See --help.
set -u
here=$(cd "$(dirname "$0")" && pwd) || exit 1

usage() {
	cat <<'END_OF_USAGE'
usage: tests/blades/setup.sh [DIR]

Makes in DIR (build/blades of this source tree, unless named), where it is not there yet:

  blade/         a Debian kernel for clouds and the base of its initial file system
  switch-owner/  the same with Debian's kernel for all machines: for a guest that owns a switch

each with vmlinux, base.cpio and `release`. The kernels are found by package name and never
installed. What is missing of the group `blades` of cmake/deps.sh is installed, as root. Remove DIR
to have newer kernels.

Exit codes: 0 all there, 1 something could not be made, 2 usage, 77 FABRIC_NO_QEMU is set.
END_OF_USAGE
}

case ${1-} in
-h | --help) usage; exit 0 ;;
-*) usage >&2; exit 2 ;;
esac
[ $# -le 1 ] || { usage >&2; exit 2; }
mkdir -p "${1:-$here/../../build/blades}" || exit 1
dir=$(cd "${1:-$here/../../build/blades}" && pwd) || exit 1
if [ -n "${FABRIC_NO_QEMU-}" ]; then
	echo "setup: FABRIC_NO_QEMU is set: nothing is made ready, no guest will be started"
	exit 77
fi

now() { date +%s%3N; }
began=$(now)
say() { printf 'setup: %5d ms  %s\n' $(($(now) - began)) "$*"; }
die() {
	printf 'setup: %s\n' "$*" >&2
	exit 1
}

# Best first. The last of each are older than what the tests were written on.
kernels_of() { # kind
	case $1 in
	blade) echo linux-image-6.12-cloud-amd64 linux-image-cloud-amd64 linux-image-amd64 ;;
	switch-owner) echo linux-image-6.12-amd64 linux-image-amd64 ;;
	esac
}

# Modules for what is built in elsewhere are wanted too: another kernel may have them apart.
modules_of() { # kind
	local common="virtio_pci virtio_console virtio_net nvme"
	case $1 in
	blade) echo $common ext4 ;;
	switch-owner) echo $common e1000e igb pci-stub pci-pf-stub vfio-pci ;;
	esac
}

# The package with the kernel itself, by the meta package that names it.
resolve() { # meta package
	apt-cache depends "$1" 2>/dev/null | awk '/^ *Depends: linux-image-/ { print $2; exit }'
}

find_package() { # kind: sets $package
	local meta
	for meta in $(kernels_of "$1"); do
		package=$(resolve "$meta")
		if [ -n "$package" ]; then
			say "$1: $meta is $package"
			return
		fi
		say "$1: apt knows no $meta"
	done
	return 1
}

unpack_modules() { # kind, tree, release: into DIR/KIND/modules, in the order of loading
	local to=$dir/$1.new/modules module file name
	mkdir -p "$to" || return 1
	depmod -b "$2" "$3" || return 1
	for module in $(modules_of "$1"); do
		modprobe -d "$2" -S "$3" --show-depends "$module" 2>/dev/null |
			awk '$1 == "insmod" { print $2 }'
	done | awk '!seen[$0]++' | while read -r file; do
		name=${file##*/}
		case $name in
		*.xz) name=${name%.xz}; xz -dc "$file" >"$to/$name" ;;
		*.zst) name=${name%.zst}; zstd -dcq "$file" >"$to/$name" ;;
		*) cp "$file" "$to/$name" ;;
		esac || return 1
		echo "$name"
	done >"$dir/$1.new/modules.order"
}

get_kernel() { # kind
	local kind=$1 package= tree release
	tree=$(mktemp -d "$dir/tree.XXXXXX") || return 1
	if ! find_package "$kind"; then
		say "the lists of packages are fetched"
		apt-get update -q >/dev/null || return 1
		find_package "$kind" || return 1
	fi
	(cd "$tree" && apt-get download -q "$package" >download.log 2>&1) ||
		{ cat "$tree/download.log" >&2; return 1; }
	say "$kind: fetched, $(du -h "$tree"/*.deb | cut -f1)"
	dpkg -x "$tree"/*.deb "$tree" || return 1
	release=$(ls "$tree/lib/modules") || return 1
	rm -rf "$dir/$kind" "$dir/$kind.new" || return 1
	unpack_modules "$kind" "$tree" "$release" || return 1
	python3 "$here/vmlinux.py" "$tree/boot/vmlinuz-$release" "$dir/$kind.new/vmlinux" || return 1
	echo "$release" >"$dir/$kind.new/release" || return 1
	# Under its name only once it is whole: a set-up that was cut short is begun anew.
	mv "$dir/$kind.new" "$dir/$kind" && rm -rf "$tree"
	say "$kind: $(wc -c <"$dir/$kind/vmlinux") bytes of kernel, modules:" \
		$(cat "$dir/$kind/modules.order")
}

make_base() { # kind
	local base=$dir/$1/base.cpio size
	if [ "$base" -nt "$here/init" ] && [ "$base" -nt "$here/initramfs.py" ] &&
		[ "$base" -nt "$dir/$1/vmlinux" ]; then
		return
	fi
	size=$(python3 "$here/initramfs.py" "$dir/$1" "$base") || return 1
	say "$1: base.cpio made, $size"
}

bash "$here/../../cmake/deps.sh" blades || die "packages are missing"
exec 9>"$dir/lock" && flock 9 || die "$dir/lock cannot be locked"
for kind in blade switch-owner; do
	[ -d "$dir/$kind" ] || get_kernel "$kind" || die "$kind: there is no kernel"
	make_base "$kind" || die "$kind: no initial file system"
done
rm -rf "$dir"/tree.*
say "ready: $(cat "$dir/blade/release") and $(cat "$dir/switch-owner/release") in $dir"
