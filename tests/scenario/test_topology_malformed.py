#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Bad captures through the real program: exit code, FILE:LINE: reason, or the devices lspci gives.

usage: test_topology_malformed.py FABRICCTL FOLDER-OF-OURS [FOLDER-OF-OTHERS]
Captures that libpci gives up only for the form of their text are mended (long lines cut, the last
newline added) and read by lspci: ours must find the same devices in the file as it stands.
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile

# file: (line, part of the reason), or the addresses that are accepted
OURS = {
    "neg-offset-80000000.lspci": (2, "offset above fff"),
    "neg-offset-ffffffff.lspci": (2, "offset above fff"),
    "offset-1000.lspci": (2, "offset above fff"),
    "slot-without-trailing-space.lspci": (1, "looks like a slot"),
    "half-byte.lspci": (2, "malformed hex"),
    "two-spaces.lspci": (2, "malformed hex"),
    "nul-bytes.lspci": (2, "malformed hex"),
    "empty.lspci": (1, "no device"),
    "domain-5-digits.lspci": ["10000:00:00.0"],
    "domain-6-digits.lspci": ["100000:00:00.0"],
    # lspci 3.9.0 loses the second and lets its bytes overwrite the first
    "domain-6-digits-no-blank-line.lspci": ["0000:00:01.0", "100000:00:00.0"],
    # impossible on a bus, listed as lspci lists them
    "function-9.lspci": ["0000:00:00.9"],
    "device-3f.lspci": ["0000:00:3f.0"],
    "blank-before-hex.lspci": ["0000:00:00.0"],
    "cap-loop.lspci": ["0000:00:00.0"],
    "bridge-self-loop.lspci": ["0000:00:01.0"],
}
# file: as above, or None: the devices that lspci gives for the mended file
OTHERS = {
    "wild-crlf-unterminated-last-line.lspci": None,
    "wild-256-char-text-line.lspci": None,
    "wild-275-char-text-line.lspci": None,
    "wild-541-char-line.lspci": None,
    "wild-two-listings-duplicate-bdf.lspci": None,
    "wild-three-listings-duplicate-bdf.lspci": None,
    "wild-no-hex-for-most.lspci": None,
    "wild-log-line-offsets.lspci": None,
    "wild-wrapped-hex-line.lspci": (5123, "malformed hex"),
    "wild-mail-wrapped.lspci": (114, "malformed hex"),
    "wild-quoted-reply.lspci": (34, "no device"),
}


def run(program, source, output, stdout=subprocess.PIPE):
    command = [program, "topology", "--from", source, "-o", output]
    return subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, timeout=30)


def check_refused(program, path, line, reason):
    done = run(program, "dump:" + path, "json")
    error = done.stderr.decode()
    wanted = f"fabricctl: {path}:{line}: "
    if done.returncode != 1 or not error.startswith(wanted) or reason not in error:
        return f"{path}: exit {done.returncode}, {error!r}; wanted exit 1, {wanted}..{reason}"
    if done.stdout or error.count("\n") != 1:
        return f"{path}: more than one line of error: {done.stdout!r} {error!r}"
    return None


def devices(program, path):
    done = run(program, "dump:" + path, "json")
    if done.returncode:
        raise SystemExit(f"{path}: exit {done.returncode}: {done.stderr.decode()}")
    for output in ("tree", "dot"):
        if run(program, "dump:" + path, output).returncode:
            raise SystemExit(f"{path}: {output} failed")
    return [(f["address"], f["class"], f["vendor"], f["device"])
            for f in json.loads(done.stdout)["functions"]]


def lspci_devices(path):
    """As lspci reads the file once its text is in the form that libpci wants."""
    with open(path, "rb") as capture:
        lines = capture.read().replace(b"\r", b"").split(b"\n")
    with tempfile.NamedTemporaryFile(suffix=".lspci") as mended:
        mended.write(b"\n".join(line[:200] for line in lines) + b"\n")
        mended.flush()
        done = subprocess.run(["lspci", "-F", mended.name, "-D", "-n"], capture_output=True,
                              timeout=30)
    found = []
    for line in done.stdout.decode().splitlines():
        address, kind, ids = line.split()[:3]
        vendor, device = ids.split(":")
        found.append((address, kind.rstrip(":"), vendor, device))
    return found


def check_accepted(program, path, wanted):
    found = devices(program, path)
    if wanted is not None:
        if [f[0] for f in found] != wanted:
            return f"{path}: {found}, wanted {wanted}"
        return None
    if not shutil.which("lspci"):
        print(f"SKIPPED: no lspci here to compare {path} with")
        return None
    theirs = lspci_devices(path)
    if not theirs or sorted(found) != sorted(theirs):
        return f"{path}: {sorted(found)}, lspci says {sorted(theirs)}"
    return None


def check_folder(program, folder, table):
    faults = []
    unknown = {n for n in os.listdir(folder) if n.endswith(".lspci")} ^ set(table)
    if unknown:
        faults.append(f"{folder}: in only one of folder and table: {sorted(unknown)}")
    for name in sorted(table):
        path = os.path.join(folder, name)
        wanted = table[name]
        if isinstance(wanted, tuple):
            faults.append(check_refused(program, path, *wanted))
        else:
            faults.append(check_accepted(program, path, wanted))
    print(f"{folder}: {len(table)} captures")
    return [f for f in faults if f]


def check_usage(program):
    """What is no source is usage, what cannot be read is bad input."""
    cases = {"nonsense": 2, "dump:": 2, "pcix": 2, "dump:/nonexistent/x": 1, "dump:/": 1,
             "sysfs:/nonexistent": 1}
    return [f"{source}: exit {done.returncode}, {done.stderr.decode()!r}, wanted {code}"
            for source, code in cases.items()
            for done in [run(program, source, "json")]
            if done.returncode != code or not done.stderr.startswith(b"fabricctl: ")]


def check_full_disk(program, folder):
    """A document that could not be written whole is no success."""
    path = os.path.join(folder, "cap-loop.lspci")
    with open("/dev/full", "wb") as full:
        codes = [run(program, "dump:" + path, output, full).returncode
                 for output in ("json", "tree", "dot")]
    return [] if codes == [4, 4, 4] else [f"/dev/full: exits {codes}, wanted 4 each"]


def main():
    program, ours = sys.argv[1:3]
    faults = check_folder(program, ours, OURS) + check_usage(program)
    faults += check_full_disk(program, ours)
    for others in sys.argv[3:]:
        if os.path.isdir(others):
            faults += check_folder(program, others, OTHERS)
        else:
            print(f"SKIPPED: {others} is not here")
    print("\n".join(faults))
    return 1 if faults else 0


sys.exit(main())
