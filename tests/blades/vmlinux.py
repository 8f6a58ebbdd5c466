#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Takes the ELF kernel out of a bzImage, so that QEMU starts it at its PVH entry: nothing is unpacked
inside the guest, which without hardware help takes longer than all the rest of a boot.

Source: Documentation/arch/x86/boot.rst: setup_sects (1F1h), HdrS (202h), payload_offset (248h),
payload_length (24Ch).

usage: vmlinux.py BZIMAGE OUT"""

import os
import struct
import subprocess
import sys

UNPACKERS = {
    b"\x28\xb5\x2f\xfd": ["zstd", "-dcq"],
    b"\xfd7zXZ": ["xz", "-dcq", "--single-stream"],
    b"\x1f\x8b": ["gzip", "-dcq"],
    b"\x02\x21\x4c\x18": ["lz4", "-dcq"],
}


def payload(image):
    if len(image) < 0x250 or image[0x202:0x206] != b"HdrS":
        raise SystemExit("vmlinux: this is no bzImage")
    offset, length = struct.unpack_from("<II", image, 0x248)
    begin = ((image[0x1F1] or 4) + 1) * 512 + offset
    if not length or begin + length > len(image):
        raise SystemExit("vmlinux: the payload is not inside the file")
    return image[begin:begin + length]


def unpack(data):
    command = next((words for magic, words in UNPACKERS.items() if data.startswith(magic)), None)
    if not command:
        raise SystemExit(f"vmlinux: packed in a way that is not known here: {data[:6].hex()}")
    # The length of what is packed may stand behind it, at which the unpacker may grumble: what
    # counts is that an ELF file came out, as long as its own header says.
    done = subprocess.run(command, input=data, capture_output=True, check=False)
    if done.stdout[:4] != b"\x7fELF":
        raise SystemExit(f"vmlinux: {command[0]}: {done.stderr.decode(errors='replace')}")
    sections, size, count = (struct.unpack_from("<Q", done.stdout, 0x28)[0],
                             *struct.unpack_from("<HH", done.stdout, 0x3A))
    if len(done.stdout) < sections + size * count:
        raise SystemExit(f"vmlinux: cut short: {done.stderr.decode(errors='replace')}")
    return done.stdout


def main():
    if len(sys.argv) != 3 or sys.argv[1].startswith("-"):
        print(__doc__, file=sys.stderr)
        return 2
    with open(sys.argv[1], "rb") as file:
        kernel = unpack(payload(file.read()))
    with open(sys.argv[2] + ".new", "wb") as file:
        file.write(kernel)
    os.rename(sys.argv[2] + ".new", sys.argv[2])
    return 0


if __name__ == "__main__":
    sys.exit(main())
