# SPDX-License-Identifier: GPL-2.0-or-later
"""lspci's words, read back into the columns of tests/data/captures/truth.tsv, and compared with our
own JSON of the same machine."""

import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
                                "scenario"))
from test_topology_truth import TYPES, row_of  # noqa: E402  pylint: disable=wrong-import-position

# Both, as a guest or this machine runs them: `lspci -F FILE` reads a capture.
COMMANDS = ("lspci -Dnvvv 2>/dev/null", "lspci -DnPP 2>/dev/null")
HEAD = re.compile(r"(\S+) (\w{4}): (\w{4}):(\w{4})(?: \(rev (\w\w)\))?")
EXPRESS = re.compile(r"\] Express \(v(\d)\) ([^,\n]+?)(?: \(Slot([+-])\))?(?: \([^)]*\))?, ")
COLUMNS = {
    "port": r"LnkCap:\s+Port #(\d+)",
    "lnkcap_speed": r"LnkCap:.*Speed ([^, ]+)",
    "lnkcap_width": r"LnkCap:.*Width x(\d+)",
    "lnksta_speed": r"LnkSta:\s+Speed ([^, ]+)",
    "lnksta_width": r"LnkSta:.*Width x(\d+)",
    "bus_pri": r"primary=(\w\w)",
    "bus_sec": r"secondary=(\w\w)",
    "bus_sub": r"subordinate=(\w\w)",
    "sriov_enable": r"IOVCtl:\s+Enable([+-])",
    "sriov_initial": r"Initial VFs: (\d+)",
    "sriov_total": r"Total VFs: (\d+)",
    "sriov_num": r"Number of VFs: (\d+)",
    "sriov_vfoff": r"VF offset: (\d+)",
    "sriov_stride": r"VF offset:.*stride: (\d+)",
    "sriov_vfdev": r"VF offset:.*Device ID: (\w{4})",
}


def row_of_lspci(text, path):
    address, class_code, vendor, device, revision = HEAD.match(text).groups()
    express = EXPRESS.search(text)
    slot = express and express[3] == "+"
    row = {"bdf": address, "class": class_code, "vendor": vendor, "device": device,
           "rev": revision or "00", "path": path, "depth": str(path.count("/")),
           "header": "bridge" if "primary=" in text else "normal",
           "pcie_ver": express[1] if express else "-",
           "pcie_type": TYPES[re.sub(r"[ ]", "_", express[2])] if express else "-",
           "slot_impl": "+" if slot else "-",
           "slot_no": re.search(r"Slot #(\d+)", text)[1] if slot else "-",
           "hotplug": "+" if slot and "HotPlug+" in text else "-",
           "caps": str(len(re.findall(r"Capabilities: \[\w\w\]", text))),
           "extcaps": str(len(re.findall(r"Capabilities: \[\w\w\w v\d+\]", text)))}
    for name, pattern in COLUMNS.items():
        found = re.search(pattern, text)
        row[name] = found[1] if found else "-"
    return row


def rows_of_lspci(verbose, paths):
    """By address; the output of both COMMANDS."""
    path_of = {line.split()[0].rpartition("/")[2]: line.split()[0] for line in paths.splitlines()}
    rows = {}
    for block in verbose.strip().split("\n\n"):
        address = block.split()[0]
        # Below a bridge, -PP writes addresses without their domain.
        rows[address] = row_of_lspci(block, path_of.get(address) or
                                     path_of[address.partition(":")[2]])
    return rows


def differences(document, rows):
    """Between our topology JSON and lspci's rows, as sentences; none: equal."""
    functions = {function["address"]: function for function in document["functions"]}
    said = [f"{address}: only lspci has it" for address in sorted(rows.keys() - functions.keys())]
    for address, function in functions.items():
        if address not in rows:
            said.append(f"{address}: lspci does not have it")
            continue
        ours = row_of(function, functions)
        said += [f"{address} {name}: {ours[name]}, lspci says {value}"
                 for name, value in rows[address].items() if ours[name] != value]
    return said
