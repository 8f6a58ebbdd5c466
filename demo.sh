#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The main job, seen: blades die, their adapters arrive on spares with their identities. See --help.
set -u
cd "$(dirname "$0")" || exit 1

usage() {
	cat <<'END'
usage: ./demo.sh [--keep]
       ./demo.sh --blades

Builds what is missing and shows a fabric of 16 blades on a modelled switch: it is partitioned, a
blade dies, another dies and the manager with it. It ends with a table of every function before and
after, read from the switch and not from the manager. Takes under a minute after the build.

  --keep   leave everything running at the end, and print what to try next
  --blades instead, blades that are Linux guests (QEMU, no hardware help needed): a disk with its
           data and a card with its MAC move from one to the other and back; then one is killed while
           it writes. About a minute after the build; fetches two Debian kernels the first time

Needs bash and apt-get, as root or with sudo, until all packages are there; then neither. Works in
a folder of its own under $TMPDIR, and removes it.

Exit codes: 0 every function has the one right owner and the same identity, 1 not, 2 usage.
END
}

keep='' blades=''
for arg; do
	case $arg in
	--keep) keep=1 ;;
	--blades) blades=1 ;;
	-h | --help) usage; exit 0 ;;
	*) usage >&2; exit 2 ;;
	esac
done
if [ -n "$keep$blades" ] && [ "$keep" = "$blades" ]; then
	echo "demo.sh: --keep and --blades do not go together" >&2
	exit 2
fi

bold='' dim='' red='' green='' plain=''
if [ -t 1 ]; then
	bold=$'\e[1m' dim=$'\e[2m' red=$'\e[31m' green=$'\e[32m' plain=$'\e[0m'
fi

say() { printf '\n%s== %s%s\n' "$bold" "$*" "$plain"; }
note() { printf '   %s\n' "$*"; }
die() {
	printf '%s== FAILED: %s%s\n' "$red" "$*" "$plain" >&2
	if [ -n "${dir-}" ] && [ -f "$dir/fabricd.log" ]; then
		printf '   the end of fabricd.log:\n' >&2
		tail -n 15 "$dir/fabricd.log" >&2
	fi
	exit 1
}

# ---- what it stands on ----

say "packages and programs"
bash cmake/deps.sh build demo || die "packages are missing"
mkdir -p build
if ! { cmake --preset release -B build/demo -DFABRIC_TESTS=OFF &&
	cmake --build build/demo; } >build/demo.log 2>&1 </dev/null; then
	tail -n 40 build/demo.log
	die "build"
fi
bin=$PWD/build/demo/bin
chassis=$PWD/chassis/demo.json
note "built in build/demo, after $SECONDS s"
began=$SECONDS

dir=$(mktemp -d "${TMPDIR:-/tmp}/fabric-demo.XXXXXX") || die "no temporary folder"
declare -A pids=()
ended=

if [ -n "$blades" ]; then
	trap 'rm -rf "$dir"' EXIT
	say "guests: kernels and initial file systems"
	tests/blades/setup.sh build/blades || die "no guests"
	FABRIC_BIN=$bin FABRIC_BLADES=$PWD/build/blades python3 -B tests/blades/demo.py "$dir"
	exit
fi

# Everything that was started ends with us, whichever way we end.
# shellcheck disable=SC2317  # called by the trap
clean_up() {
	[ -z "$ended" ] || return
	ended=1
	if [ -n "$keep" ] && [ "${1-}" = 0 ]; then
		return
	fi
	local pid
	for pid in "${pids[@]}"; do
		kill -TERM "$pid" 2>/dev/null
	done
	for pid in "${pids[@]}"; do
		for _ in $(seq 40); do
			kill -0 "$pid" 2>/dev/null || break
			sleep 0.05
		done
		kill -KILL "$pid" 2>/dev/null
	done
	wait 2>/dev/null
	rm -rf "$dir"
}
trap 'clean_up $?' EXIT
trap 'exit 1' INT TERM HUP

start() { # name, program, words...
	local name=$1 program=$2
	shift 2
	setsid "$bin/$program" "$@" </dev/null >>"$dir/$name.log" 2>&1 &
	pids[$name]=$!
}

# Ends a process at once. Its last words on our own standard error are the shell's; not wanted.
kill_9() { # name
	kill -KILL "${pids[$1]}" 2>/dev/null
	wait "${pids[$1]}" 2>/dev/null
	unset "pids[$1]"
}

# Looks until it is so, at most so many seconds.
wait_for() { # seconds, what, command...
	local end=$((SECONDS + $1)) what=$2
	shift 2
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -le $end ] || die "not within its time: $what"
		sleep 0.02
	done
}

ctl() { "$bin/fabricctl" --socket "$dir/fabricd.sock" --no-color "$@"; }
shown() { # a command that is worth seeing
	printf '   %s$ fabricctl %s%s\n' "$dim" "$*" "$plain"
	ctl "$@" | sed 's/^/   /'
	return "${PIPESTATUS[0]}"
}
bindings() { "$bin/fabricsim" bindings --socket "$dir/sim.sock" -o json; }
start_fabricd() {
	start fabricd fabricd --config "$dir/fabricd.conf" --db "$dir/fabricd.db" \
		--socket "$dir/fabricd.sock" --provider sim="$dir/sim.sock"
	wait_for 20 "fabricd is ready" ctl health
}
state_of() { ctl host show "$1" -o json | jq -r .state; }
is_spare() { ctl host show "$1" -o json | jq -e .spare >/dev/null; }
is_state() { [ "$(state_of "$1")" = "$2" ]; }
incident_is_done() { # host
	ctl incident list -o json |
		jq -e --arg h "$1" '[.items[] | select(.host == $h)] | last | .state == "done"'
}
all_alive() { ctl host list -o json | jq -e '[.items[].state == "alive"] | all'; }

# ---- the fabric ----

say "a modelled switch, the manager and 16 agents"
cat >"$dir/fabricd.conf" <<'END'
[heartbeat]
interval = 200ms
missed = 5
END
start fabricsim fabricsim run --chassis "$chassis" --state "$dir/switch.state" --socket "$dir/sim.sock"
wait_for 10 "fabricsim answers" bindings
start_fabricd
hosts=$(ctl host list -o ids) || die "no hosts"
for host in $hosts; do
	start "agent-$host" fabric-agent --host "$host" --socket "$dir/fabricd.sock" --interval-ms 200 \
		--sysfs none
done
wait_for 10 "every blade beats" all_alive
note "$(wc -w <<<"$hosts") blades beat every 200 ms; 5 beats missed is dead"
shown topology || die "topology"

# ---- partition ----

say "partition: each blade gets functions with identities of its own; bay15 and bay16 are spares"
for host in bay15 bay16; do
	shown host set $host --spare on | head -n 1
	is_spare $host || die "$host is no spare"
done
macs=0
# The first free functions of a kind, spread over the adapters of that kind.
free_of() { # kind of adapter, how many
	ctl function list --state free -o json | jq -r --arg k "$1-" --argjson n "$2" '
		[.items[] | select(.id | startswith($k)) | select(.kind == "vf" or .kind == "device")]
		| group_by(.adapter) | [range(0; (map(length) | max // 0)) as $i | .[] | .[$i] // empty]
		| .[:$n][].id'
}
give() { # kind of adapter, how many, host
	local function identity
	for function in $(free_of "$1" "$2"); do
		macs=$((macs + 1))
		identity=()
		case $1 in
		nic) identity=(--mac "$(printf '02:fa:b0:00:00:%02x' $macs)" --vlan $((100 + macs))) ;;
		fc) identity=(--wwpn "$(printf '50:01:43:80:00:00:00:%02x' $macs)") ;;
		esac
		ctl function assign "$function" "$3" "${identity[@]}" --wait 10 >>"$dir/assign.log" 2>&1 ||
			{ cat "$dir/assign.log"; die "assign $function to $3"; }
	done
}
for host in bay3 bay5; do
	give nic 2 $host
	give fc 1 $host
	give nvme 1 $host
done
give gpu 1 bay3
for host in bay1 bay7 bay9 bay12; do
	give nic 1 $host
done
shown assignment list || die "assignments"
bindings >"$dir/before.json" || die "bindings"

# The spares must have been alive for three windows: SAFETY rule S11.
sleep 3

# ---- the first blade ----

say "bay3 dies: first its agent falls silent, then its power goes"
setsid "$bin/fabricctl" --socket "$dir/fabricd.sock" --no-color event follow </dev/null 2>&1 \
	> >(sed -u 's/^/   | /') &
pids[follow]=$!
sleep 0.2
kill_9 agent-bay3
wait_for 10 "bay3 is suspected" is_state bay3 suspect
"$bin/fabricsim" host --socket "$dir/sim.sock" bay3 power off || die "power"
wait_for 30 "the failover of bay3" incident_is_done bay3
sleep 0.2
first=$(ctl incident list -o json | jq -r '[.items[] | select(.host == "bay3")] | last | .id')
echo
shown incident show "$first" || die "incident"

# ---- the second, and the manager with it ----

# Some functions of the host are gone from it, and not all of them have arrived elsewhere.
is_in_the_middle() { # host
	bindings | jq -e --arg h "$1" --slurpfile before "$dir/before.json" '
		. as $now | [$before[0][] | select(.host == $h) | .function] as $all
		| ([$now[] | select(.function as $f | $all | index($f))] | length) as $bound
		| [$now[] | select(.host != $h) | select(.function as $f | $all | index($f))] | length
		| if ($all | length) > 1 then . > 0 and . < ($all | length) else $bound == 0 end'
}
# How many functions the journal has open: read by sqlite3 from a copy, as the daemon left it.
open_steps() {
	cp "$dir/fabricd.db" "$dir/copy.db"
	[ ! -f "$dir/fabricd.db-wal" ] || cp "$dir/fabricd.db-wal" "$dir/copy.db-wal"
	sqlite3 "$dir/copy.db" "SELECT count(*) FROM change JOIN item ON item.change = change.id
		WHERE change.state = 'running' AND item.state = 'running'"
	rm -f "$dir"/copy.db*
}

victims=(bay3)
more_spares=(bay14 bay13 bay11)
for victim in bay5 bay7 bay9 bay12; do
	say "$victim dies, on a slow switch, and fabricd is killed with -9 in the middle of its failover"
	"$bin/fabricsim" fault --socket "$dir/sim.sock" all:delay=40 || die "fault"
	victims+=("$victim")
	kill_9 "agent-$victim"
	"$bin/fabricsim" host --socket "$dir/sim.sock" "$victim" power off || die "power"
	wait_for 20 "the failover of $victim has begun" is_in_the_middle "$victim"
	kill_9 fabricd
	open=$(open_steps)
	note "fabricd is dead; on the switch, of $victim's functions:"
	bindings | jq -r --arg h "$victim" --slurpfile before "$dir/before.json" '
		. as $now | $before[0][] | select(.host == $h) | .function as $f
		| "     \($f): " + ([$now[] | select(.function == $f) | "bound to \(.host)"][0] // "bound nowhere")'
	note "steps that its journal has open: $open"
	"$bin/fabricsim" fault --socket "$dir/sim.sock" clear || die "fault"
	say "fabricd starts again, reads its journal and the switch, and finishes"
	start_fabricd
	wait_for 30 "the failover of $victim" incident_is_done "$victim"
	[ "$open" = 0 ] || break
	note "no step was open when it died: once more, with another blade"
	ctl host set "${more_spares[0]}" --spare on >/dev/null || die "spare"
	more_spares=("${more_spares[@]:1}")
	sleep 3 # S11
done
[ "$open" != 0 ] || die "it was never killed in the middle of a step"
wait_for 20 "no change runs" sh -c "\"$bin/fabricctl\" --socket \"$dir/fabricd.sock\" change list \
	--state running -o json | jq -e '.items == []'"
kill "${pids[follow]}" 2>/dev/null
wait "${pids[follow]}" 2>/dev/null
unset 'pids[follow]'

# ---- what became of it ----

say "owner and identity of each function, as the switch itself says"
bindings >"$dir/after.json" || die "bindings"
jq -r -n --slurpfile before "$dir/before.json" --slurpfile after "$dir/after.json" '
	def text: [.identity // {} | .mac, (.vlan | select(.) | "vlan \(.)"), .wwpn | select(.)] | join(" ")
		| if . == "" then "-" else . end;
	($ARGS.positional) as $victims
	| ($after[0] | group_by(.function) | map({key: .[0].function, value: .}) | from_entries) as $now
	| ([$before[0][] | {key: .host, value: ($now[.function][0].host // "nobody")}] | from_entries) as $went
	| ($before[0][] | . as $b | ($now[.function] // []) as $a
		| (if ($a | length) != 1 then "WRONG: has \($a | length) owners"
		   elif ($a[0] | text) != ($b | text) then "WRONG: another identity"
		   elif ($victims | index($b.host)) == null and $a[0].host != $b.host then "WRONG: moved"
		   elif ($victims | index($b.host)) != null and ($victims | index($a[0].host)) != null
		   then "WRONG: on a dead blade"
		   elif ($victims | index($b.host)) != null and $a[0].host != $went[$b.host]
		   then "WRONG: not where the others of \($b.host) are"
		   elif ([$went | to_entries[] | select(.value == $a[0].host)] | length) != 1
		   then "WRONG: with those of another blade"
		   elif $a[0].host == $b.host then "stayed" else "moved" end) as $verdict
		| [.function, $b.host, ($a[0].host // "nobody"), ($b | text), (($a[0] // {}) | text), $verdict]),
	  ($after[0][] | select(.function as $f | [$before[0][].function] | index($f) | not)
		| [.function, "nobody", .host, "-", text, "WRONG: nobody asked for it"])
	| @tsv' --args "${victims[@]}" >"$dir/table" || die "the table"
{
	printf 'FUNCTION\tBEFORE\tAFTER\tIDENTITY BEFORE\tIDENTITY AFTER\t\n'
	cat "$dir/table"
} | awk -F '\t' '{ printf "   %-18s %-7s %-7s %-27s %-27s %s\n", $1, $2, $3, $4, $5, $6 }' |
	sed "s/WRONG.*/$red&$plain/; s/moved\$/$green&$plain/"
moved=$(grep -c 'moved$' "$dir/table")
total=$(wc -l <"$dir/table")
if grep -q WRONG "$dir/table" || [ "$total" = 0 ] || [ "$moved" = 0 ]; then
	die "not every function has the one right owner and the same identity"
fi
printf '\n%s== %s functions, %s moved: each has the one right owner and the same identity%s (%d s)\n' \
	"$bold$green" "$total" "$moved" "$plain" $((SECONDS - began))

if [ -n "$keep" ]; then
	printf '%s\n' "${pids[@]}" >"$dir/pids"
	cat <<END

Everything still runs. To try next:

  export FABRIC_SOCKET=$dir/fabricd.sock FABRIC_SYSFS=none PATH=$bin:\$PATH
  fabricctl host list
  fabricctl incident list
  fabricctl host view bay15 -o lspci | lspci -F /dev/stdin -tv
  fabricsim host --socket $dir/sim.sock bay3 power on
  fabricctl host readmit bay3
  fabric-agent --host bay3 --interval-ms 200 &
  fabricctl function move \$(fabricctl function list --host bay15 -o ids | head -n 1) bay3 --wait 10
  fabricctl event follow

To end it: kill \$(cat $dir/pids); sleep 1; rm -r $dir
END
fi
exit 0
