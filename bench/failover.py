#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A host's death, from the verdict to the last read-back, as the incident's time line tells it.

usage: failover.py fast [RUNS]       128 functions, a switch without latency: at most 50 ms
       failover.py slow MS [RUNS]    16 functions, MS per switch command, against the critical path
       failover.py proof [RUNS]      8 functions, 1 ms per command: the host loses its power, to the
                                     last read-back; Oasis (SOSP 2025) reports 38 ms for one NIC
       failover.py virtual MS        the same under a virtual clock, on one and on two switches
       failover.py busy MS           4 functions while 100 others are being moved by changes of their
                                     own, against the same on an idle switch; under a virtual clock

The critical path is the longest chain of commands that the plan needs, one queue per switch; see
critical_path()."""
import datetime
import json
import subprocess
import sys
import time

from rig import Rig, judge, mac_of, machine, program, wall_ms

HOSTS, VFS = 4, 64
INTERVAL_MS = 100
MISSED = 20
WINDOW_S = INTERVAL_MS * MISSED / 1000
CONFIG = f"""\
[heartbeat]
interval = {INTERVAL_MS}ms
missed = {MISSED}
[failover]
spare-windows = 1
"""


def prepare(rig, count, interval_ms=INTERVAL_MS):
    """@count functions at the first host, the last one a spare, all beating."""
    hosts = [row["id"] for row in rig.list("hosts")]
    functions = [row["id"] for row in rig.list("functions")
                 if row["kind"] == "vf" and row["id"].startswith("nic-")][:count]
    assert len(functions) == count
    for host in hosts:
        rig.agent(host, interval_ms)
    rig.ctl("host", "set", hosts[-1], "--spare", "on")
    rig.change([{"op": "assign", "function": name, "host": hosts[0],
                 "identity": {"mac": mac_of(n + 1)}} for n, name in enumerate(functions)])
    rig.wait("the spare is fit", lambda: rig.request(
        "POST", f"/v1/hosts/{hosts[0]}/failover", '{"dry_run":true}')[0] == 200)
    return hosts[0], hosts[-1], functions


def fail(rig, victim):
    """The blade loses its power. Return: the incident once it is done."""
    rig.processes.pop("agent-" + victim).kill()
    rig.sim("host", victim, "power", "off")
    return rig.incident_done(victim)


def power_off_ms(rig):
    """When fabricsim turned the power off, by its log."""
    line = next(line for line in rig.log("fabricsim").splitlines() if "control: host" in line)
    clock = datetime.datetime.strptime(line.split()[0], "%H:%M:%S.%f").time()
    return datetime.datetime.combine(datetime.date.today(), clock).timestamp() * 1000


def check(rig, target, functions):
    bound = {row["function"]: row for row in json.loads(rig.sim("bindings", "-o", "json"))}
    for n, name in enumerate(functions):
        if bound[name]["host"] != target or bound[name]["identity"]["mac"] != mac_of(n + 1):
            sys.exit(f"{name}: the switch shows {bound[name]}")


def critical_path(functions):
    """Commands at the switch that has most to do, with @functions of one adapter at it. Reads of
    many functions at one adapter are one command. The functions keep their identities, and a reset
    does not lose them: else two more steps and two more reads."""
    isolate = 1
    what_the_host_shows = 1
    unbinds = functions
    the_host_is_empty = 1
    nowhere = 1
    resets = functions
    identities_as_wanted = 1
    binds = functions
    bound_and_identity = 1
    return (isolate + what_the_host_shows + unbinds + the_host_is_empty + nowhere + resets +
            identities_as_wanted + binds + bound_and_identity)


def one(count, command_ms, since_death=False):
    """Milliseconds from the verdict, or from the loss of power, to the end, with all functions read
    back."""
    def slow(chassis):
        chassis["command_ms"] = command_ms

    with Rig(HOSTS, 1, 4, VFS, CONFIG, slow) as rig:
        victim, target, functions = prepare(rig, count)
        if since_death:
            time.sleep(2 * WINDOW_S)  # S6: from here on a proved death is acted on at once
        incident = fail(rig, victim)
        died_ms = power_off_ms(rig)
        check(rig, target, functions)
    at = {step["what"]: step for step in incident["timeline"]}
    if since_death:
        return wall_ms(at["done"]["time"]) - died_ms
    return at["done"]["offset_ms"] - at["verdict"]["offset_ms"]


def fast(runs):
    return judge("failover of 128 functions, verdict to last read-back",
                 [one(128, 0) for _ in range(runs)], most=50, unit=" ms")


def proof(runs):
    return judge("8 functions at 1 ms per command, loss of power to last read-back",
                 [one(8, 1, since_death=True) for _ in range(runs)], most=38, unit=" ms")


def slow(command_ms, runs):
    path = critical_path(16)
    times = [one(16, command_ms) for _ in range(runs)]
    print(f"critical path: {path} commands of {command_ms} ms; times {sorted(times)} ms")
    return judge(f"failover of 16 functions at {command_ms} ms per command, of its critical path",
                 [ms / (path * command_ms) for ms in times], most=1.1)


def brain(*numbers):
    """What failover_virtual prints."""
    words = [program("failover_virtual"), *map(str, numbers)]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    return [int(word) for word in done.stdout.split()]


def busy(command_ms):
    alone = brain(4, command_ms, 1)[0]
    ms, commands, *_, ended = brain(4, command_ms, 1, 100)
    print(f"alone {alone} ms; beside 100 moves {ms} ms, {commands} commands given; {ended} of the moves "
          f"had ended by then")
    return judge(f"failover of 4 functions beside 100 moves, {command_ms} ms per command, of the same "
                 f"alone", [ms / alone], most=1.5)


def virtual(command_ms):
    missed = 0
    for switches in (1, 2):
        ms, commands = brain(16, command_ms, switches)[:2]
        path = critical_path(16 // switches)
        print(f"{switches} switch{'es' if switches > 1 else ''}: {commands} commands given; critical "
              f"path {path} of {command_ms} ms; {ms} ms")
        missed |= judge(f"the same under the virtual clock, {command_ms} ms per command, "
                        f"{switches} switch{'es' if switches > 1 else ''}",
                        [ms / (path * command_ms)], most=1.1)
    return missed


def main():
    what, *numbers = sys.argv[1:] or ["fast"]
    numbers = [int(number) for number in numbers]
    print(machine())
    if what == "fast":
        return fast(numbers[0] if numbers else 9)
    if what == "proof":
        return proof(numbers[0] if numbers else 5)
    if what == "slow":
        return slow(numbers[0], numbers[1] if len(numbers) > 1 else 5)
    return busy(numbers[0]) if what == "busy" else virtual(numbers[0])


if __name__ == "__main__":
    sys.exit(main())
