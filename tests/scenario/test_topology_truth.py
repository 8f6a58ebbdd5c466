#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Our JSON of every capture against truth.tsv, lspci's own reading of it, column by column.

usage: test_topology_truth.py FABRICCTL FOLDER [FOLDER...]
A FOLDER holds truth.tsv and captures; under sysfs/ it may hold saved trees (hwloc-NAME.lspci and
sysfs/*NAME*.tar.bz2 are the same machine). Folders that are not there are skipped, loudly.
"""
import collections
import csv
import glob
import json
import os
import subprocess
import sys
import tarfile
import tempfile

TYPES = {
    "Endpoint": "endpoint",
    "Legacy_Endpoint": "legacy-endpoint",
    "Root_Port": "root-port",
    "Upstream_Port": "upstream",
    "Downstream_Port": "downstream",
    "PCI-Express_to_PCI/PCI-X_Bridge": "pcie-to-pci",
    "PCI/PCI-X_to_PCI-Express_Bridge": "pci-to-pcie",
    "Root_Complex_Integrated_Endpoint": "rc-endpoint",
    "Root_Complex_Event_Collector": "rc-event-collector",
}


def topology(program, source):
    done = subprocess.run([program, "topology", "--from", source, "-o", "json"],
                          capture_output=True, timeout=60)
    if done.returncode:
        raise SystemExit(f"{source}: exit {done.returncode}: {done.stderr.decode()}")
    return json.loads(done.stdout)["functions"]


def path_of(function, by_address):
    """As lspci -PP writes it, and how many bridges stand above."""
    steps = [function]
    while steps[0]["parent"]:
        steps.insert(0, by_address[steps[0]["parent"]])
        assert len(steps) <= 256, "parents never end"
    names = [steps[0]["address"]] + [s["address"].split(":", 1)[1] for s in steps[1:]]
    return "/".join(names), len(steps) - 1


def flag(value):
    return "+" if value else "-"


def row_of(function, by_address):
    """One function of ours in the words of truth.tsv."""
    bridge = function["bridge"] or {}
    express = function["express"]
    link = express and express["link"]
    sriov = function["sriov"]
    extended = function["extended_capabilities"]
    path, depth = path_of(function, by_address)

    def bus(key):
        return f"{bridge[key]:02x}" if bridge else "-"

    def of_link(key, form):
        return form(link[key]) if link else "-"

    def speed(value):
        return "unknown" if value is None else f"{value:g}GT/s"

    def of_sriov(key):
        return str(sriov[key]) if sriov else "-"

    return {
        "bdf": function["address"],
        "class": function["class"],
        "vendor": function["vendor"],
        "device": function["device"],
        "rev": function["revision"],
        "header": function["header"].replace("unknown", "bad"),
        "bus_pri": bus("primary"),
        "bus_sec": bus("secondary"),
        "bus_sub": bus("subordinate"),
        "depth": str(depth),
        "path": path,
        "pcie_type": express["type"] if express else "-",
        "pcie_ver": str(express["version"]) if express else "-",
        "port": str(express["port"]) if link else "-",
        "slot_impl": flag(express and express["slot"] is not None),
        "slot_no": str(express["slot"]) if express and express["slot"] is not None else "-",
        "hotplug": flag(express and express["hotplug"]),
        "lnkcap_speed": of_link("max_gts", speed),
        "lnkcap_width": of_link("max_width", str),
        "lnksta_speed": of_link("gts", speed),
        "lnksta_width": of_link("width", str),
        "caps": str(len(function["capabilities"])),
        "extcaps": str(len(extended)),
        "ari": flag("000e" in extended),
        "acs": flag("000d" in extended),
        "sriov_enable": flag(sriov and sriov["enabled"]),
        "sriov_initial": of_sriov("initial_vfs"),
        "sriov_total": of_sriov("total_vfs"),
        "sriov_num": of_sriov("num_vfs"),
        "sriov_vfoff": of_sriov("first_vf_offset"),
        "sriov_stride": of_sriov("vf_stride"),
        "sriov_vfdev": sriov["vf_device"] if sriov else "-",
    }


def truth_of(row):
    wanted = dict(row)
    wanted["pcie_type"] = TYPES.get(row["pcie_type"], row["pcie_type"])
    wanted["caps"] = row["caps"].replace("denied", "0")
    return wanted


def differences(name, functions, rows):
    by_address = {}
    ours = collections.defaultdict(list)
    theirs = collections.defaultdict(list)
    for function in functions:
        by_address.setdefault(function["address"], function)
    for function in functions:
        ours[function["address"]].append(row_of(function, by_address))
    for row in rows:
        theirs[row["bdf"]].append(truth_of(row))
    found = []
    for address in sorted(set(ours) | set(theirs)):
        if len(ours[address]) != len(theirs[address]):
            found.append(f"{name} {address}: {len(ours[address])} of ours, "
                         f"{len(theirs[address])} in truth")
            continue
        for mine, wanted in zip(ours[address], theirs[address]):
            found += [f"{name} {address} {column}: {mine[column]}, truth says {wanted[column]}"
                      for column in mine if mine[column] != wanted[column]]
    return found


def check_trees(program, folder, truth):
    """The saved trees hold the bytes of captures that truth.tsv knows."""
    found, trees = [], 0
    for archive in sorted(glob.glob(os.path.join(folder, "sysfs", "*.tar.bz2"))):
        words = os.path.basename(archive)[:-len(".tar.bz2")].replace("+", "-").split("-")
        name = next((n for n in truth if n.startswith("hwloc-") and
                     set(n[len("hwloc-"):-len(".lspci")].split("-")) <= set(words + ["knl"])), None)
        if not name:
            found.append(f"{archive}: no capture of the same machine")
            continue
        with tempfile.TemporaryDirectory() as place:
            with tarfile.open(archive) as tar:
                # The rest of the machine is thirty thousand files that nobody reads here.
                tar.extractall(place, [m for m in tar.getmembers()
                                       if "/sys/bus/pci/devices" in m.name or
                                       m.name.endswith("/config")])
            trees += 1
            root = next(d for d, subs, _ in os.walk(place) if os.path.isdir(f"{d}/sys/bus/pci"))
            functions = topology(program, f"sysfs:{root}")
        found += differences(f"sysfs of {name}", functions, truth[name])
    return found, trees


def check_folder(program, folder):
    truth = collections.defaultdict(list)
    with open(os.path.join(folder, "truth.tsv"), newline="") as lines:
        for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE):
            truth[row["file"]].append(row)
    found, rows = [], 0
    for name in sorted(truth):
        functions = topology(program, "dump:" + os.path.join(folder, name))
        found += differences(name, functions, truth[name])
        rows += len(truth[name])
    missing = set(map(os.path.basename, glob.glob(os.path.join(folder, "*.lspci")))) - set(truth)
    found += [f"{name}: not in truth.tsv" for name in missing]
    more, trees = check_trees(program, folder, truth)
    print(f"{folder}: {len(truth)} captures, {rows} functions, {trees} saved trees, "
          f"{len(found) + len(more)} differences")
    return found + more


def main():
    program, folders = sys.argv[1], sys.argv[2:]
    found, checked = [], 0
    for folder in folders:
        if not os.path.exists(os.path.join(folder, "truth.tsv")):
            print(f"SKIPPED: {folder} is not here")
            continue
        found += check_folder(program, folder)
        checked += 1
    print("\n".join(found[:50]))
    return 1 if found or not checked else 0


if __name__ == "__main__":
    sys.exit(main())
