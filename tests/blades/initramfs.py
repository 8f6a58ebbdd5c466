#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Initial file systems for guests: a writer of the kernel's cpio format ("newc"), and what a guest's
base holds. The kernel unpacks archives that follow one another in one file, so that the base is made
once and the programs under test are put behind it at each start.

usage: initramfs.py KERNEL-FOLDER OUT   (the base: busybox, init, the kernel's modules)"""

import os
import shutil
import stat
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


class Archive:
    """Names are paths in the guest, without the leading slash."""

    def __init__(self):
        self.bytes = bytearray()
        self.names = set()

    def put(self, name, mode, data=b"", device=(0, 0)):
        if name in self.names:
            return
        if os.path.dirname(name):
            self.folder(os.path.dirname(name))
        self.names.add(name)
        text = name.encode() + b"\0"
        fields = (len(self.names), mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(text), 0)
        self.bytes += b"070701" + b"".join(b"%08x" % field for field in fields) + text
        self.pad()
        self.bytes += data
        self.pad()

    def pad(self):
        self.bytes += bytes(-len(self.bytes) % 4)

    def folder(self, name):
        self.put(name, stat.S_IFDIR | 0o755)

    def link(self, name, target):
        self.put(name, stat.S_IFLNK | 0o777, target.encode())

    def text(self, name, text, mode=0o644):
        self.put(name, stat.S_IFREG | mode, text.encode())

    def file(self, name, path, mode=0o644):
        with open(path, "rb") as file:
            self.put(name, stat.S_IFREG | mode, file.read())

    def program(self, path, name=None):
        """With the shared libraries that the loader would take."""
        self.file(name or "bin/" + os.path.basename(path), path, 0o755)
        for library in libraries(path):
            self.file(library.lstrip("/"), library, 0o755)

    def finish(self):
        self.put("TRAILER!!!", 0)
        return bytes(self.bytes)


def libraries(path):
    """Those of a program by their paths, the loader with them; none for a static one."""
    said = subprocess.run(["ldd", path], text=True, capture_output=True, check=False).stdout
    words = [word for line in said.splitlines() for word in line.split()]
    return sorted({word for word in words if word.startswith("/")})


def base(kernel):
    """@kernel: a folder with modules/ and modules.order, as setup.sh leaves it."""
    archive = Archive()
    for name in ("proc", "sys", "dev", "run", "tmp", "mnt", "etc", "lib", "sbin"):
        archive.folder(name)
    archive.put("dev/console", stat.S_IFCHR | 0o600, device=(5, 1))
    busybox = shutil.which("busybox")
    if not busybox or libraries(busybox):
        raise SystemExit("initramfs: no static busybox: install busybox-static")
    archive.file("bin/busybox", busybox, 0o755)
    for name in subprocess.run([busybox, "--list"], text=True, capture_output=True,
                               check=True).stdout.split():
        archive.link("bin/" + name, "busybox")
    archive.file("init", os.path.join(HERE, "init"), 0o755)
    archive.file("modules.order", os.path.join(kernel, "modules.order"))
    for name in os.listdir(os.path.join(kernel, "modules")):
        archive.file("modules/" + name, os.path.join(kernel, "modules", name))
    return archive.finish()


def main():
    if len(sys.argv) != 3 or sys.argv[1].startswith("-"):
        print(__doc__, file=sys.stderr)
        return 2
    data = base(sys.argv[1])
    with open(sys.argv[2] + ".new", "wb") as file:
        file.write(data)
    os.rename(sys.argv[2] + ".new", sys.argv[2])
    print(f"{len(data)} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
