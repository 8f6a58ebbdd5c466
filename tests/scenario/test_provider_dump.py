#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""fabric-provider-dump, spoken to in the protocol as docs/provider-protocol.md tells it: a second
reading of that document, by a client that shares no code with the project's own.

usage: test_provider_dump.py FABRIC-PROVIDER-DUMP CAPTURE SAME-MACHINE-WITHOUT-VFS BAD-CAPTURE"""

import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest

PROGRAM, CAPTURE, OTHER, BAD = sys.argv[1:5]
PATIENCE_S = 30
HELLO, WELCOME, REFUSED, UNSUPPORTED, PING, PONG, OP, DONE, EVENT, STATE = range(1, 11)
SCAN, SCAN_BEGIN, SCAN_SLICE, SCAN_END, VIEW, VIEW_CONFIG, VIEW_END, CONTROL, ANSWER = range(11, 20)
RESET, BIND, READ, READ_HOST, SETTLE = 3, 6, 8, 9, 10


class Body:
    """A body, read from its beginning."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, form):
        values = struct.unpack_from("<" + form, self.data, self.at)
        self.at += struct.calcsize("<" + form)
        return values[0] if len(values) == 1 else values

    def text(self):
        length = self.take("B")
        self.at += length
        return self.data[self.at - length:self.at].decode()


class Connection:
    def __init__(self, path, role=1, newest=1):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE_S)
        deadline = time.monotonic() + PATIENCE_S
        while self.socket.connect_ex(path):  # the file is there a moment before anyone listens
            if time.monotonic() > deadline:
                raise ConnectionRefusedError(path)
            time.sleep(0.005)
        self.send(HELLO, struct.pack("<HHB", newest, newest, role) + b"\x04test", version=newest)

    def close(self):
        self.socket.close()

    def send(self, kind, body=b"", version=1):
        self.socket.sendall(struct.pack("<IHH", len(body), version, kind) + body)

    def exactly(self, length):
        data = b""
        while len(data) < length:
            more = self.socket.recv(length - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def frame(self):
        length, version, kind = struct.unpack("<IHH", self.exactly(8))
        assert version == 1 and length <= 65528
        return kind, Body(self.exactly(length))

    def expect(self, kind):
        got, body = self.frame()
        assert got == kind, f"message {got} instead of {kind}"
        return body

    def op(self, attempt, verb, function=0, host=0, vport=0, value=0, generation=0):
        now_ms = int(time.clock_gettime(time.CLOCK_BOOTTIME) * 1000)
        self.send(OP, struct.pack("<QQQIQBBIHHIQQQHHH", attempt, generation, 0, 10000, now_ms, verb, 0,
                                  function, host, vport, value, 0, 0, 0, 0, 0, 0))
        body = self.expect(DONE)
        assert body.take("Q") == attempt
        outcome, why = body.take("BB")
        body.text()
        body.take("HB")
        count, size = body.take("HH")
        assert size == 43
        bindings = [body.take("IHHQQQQHB") for _ in range(count)]
        assert body.at == len(body.data)
        return outcome, why, bindings

    def scan(self, number):
        self.send(SCAN, struct.pack("<I", number))
        kind, body = self.frame()
        boot_id = None
        while kind != SCAN_BEGIN:
            assert kind == EVENT, kind
            if body.take("B") == 3:
                body.take("HBIB")
                boot_id = body.text()
            kind, body = self.frame()
        number_again, *counts = body.take("6I")
        assert number_again == number
        sections = [[], [], [], [], []]
        while True:
            kind, body = self.frame()
            if kind == SCAN_END:
                assert body.take("IB") == (number, 1)
                break
            assert kind == SCAN_SLICE and body.take("I") == number
            section, first, count = body.take("BIH")
            assert first == len(sections[section - 1])
            for _ in range(count):
                length = body.take("H")
                sections[section - 1].append(Body(body.data[body.at:body.at + length]))
                body.at += length
        assert [len(s) for s in sections] == counts
        return sections, boot_id


class ProviderDump(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="provider-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.capture = os.path.join(self.folder, "capture")
        shutil.copy(CAPTURE, self.capture)
        self.path = os.path.join(self.folder, "socket")
        self.program = subprocess.Popen([PROGRAM, "--socket", self.path, "dump:" + self.capture],
                                        stderr=subprocess.DEVNULL)
        self.addCleanup(self.end)
        deadline = time.monotonic() + PATIENCE_S
        while not os.path.exists(self.path):
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.005)

    def end(self):
        self.program.send_signal(signal.SIGTERM)
        self.assertEqual(self.program.wait(PATIENCE_S), 0)
        self.assertFalse(os.path.exists(self.path))

    def connect(self, **more):
        connection = Connection(self.path, **more)
        self.addCleanup(connection.close)
        return connection

    def test_a_scan_shows_the_machine(self):
        c = self.connect()
        welcome = c.expect(WELCOME)
        self.assertEqual(welcome.take("H"), 1)
        self.assertTrue(welcome.text().startswith("fabric-provider-dump "))
        self.assertTrue(welcome.text())
        self.assertEqual(welcome.take("I"), 1 << 1)  # a barrier; nothing can be written

        (switches, ports, hosts, adapters, functions), boot_id = c.scan(7)

        self.assertIsNone(boot_id)
        self.assertEqual(len(hosts), 0)
        self.assertEqual(switches[0].take("HH"), (1, 1))
        self.assertEqual(switches[0].text(), "sw0")
        self.assertEqual(len(ports), 7)
        self.assertEqual(len(adapters), 3)
        kinds = [f.take("IIBBH")[2] for f in functions]
        self.assertEqual(sorted(kinds), [0] + [2] * 2 + [3] * 36)

    def test_reads_are_answered_and_writes_refused(self):
        c = self.connect()
        c.expect(WELCOME)
        outcome, _, bindings = c.op(1, READ, function=2, value=3)
        self.assertEqual(outcome, 0)
        self.assertEqual([b[0] for b in bindings], [2, 3, 4])
        self.assertEqual([b[1] for b in bindings], [0, 0, 0])
        self.assertEqual(c.op(2, READ, function=39, value=2)[:2], (1, 1))
        self.assertEqual(c.op(3, READ_HOST, host=1)[:2], (1, 2))
        self.assertEqual(c.op(4, SETTLE)[0], 0)
        self.assertEqual(c.op(5, BIND, function=1, host=1, vport=1, generation=1)[:2], (1, 13))
        self.assertEqual(c.op(6, RESET, function=1)[:2], (1, 13))
        self.assertEqual(c.op(7, 99)[:2], (1, 13))

    def test_handles_that_lose_their_meaning_change_the_boot_id(self):
        c = self.connect()
        body = c.expect(WELCOME)
        body.take("H")
        body.text()
        before = body.text()
        self.assertIsNone(c.scan(1)[1])
        shutil.copy(OTHER, self.capture)
        sections, boot_id = c.scan(2)
        self.assertIsNotNone(boot_id)
        self.assertNotEqual(boot_id, before)
        self.assertEqual(len(sections[4]), 3)
        shutil.copy(BAD, self.capture)
        c.send(SCAN, struct.pack("<I", 3))
        end = c.expect(SCAN_END)
        self.assertEqual(end.take("IB"), (3, 0))
        self.assertIn("malformed hex", end.text())
        c.send(PING, bytes(8))
        self.assertEqual(c.expect(PONG).data, bytes(8))

    def test_what_it_does_not_know_is_answered(self):
        c = self.connect()
        c.expect(WELCOME)
        c.send(0x4321, b"from later on")
        self.assertEqual(c.expect(UNSUPPORTED).take("H"), 0x4321)
        c.send(VIEW, struct.pack("<IH", 5, 0))
        end = c.expect(VIEW_END)
        self.assertEqual(end.take("I"), 5)
        self.assertTrue(end.text())

    def test_versions_and_second_managers_are_refused_with_the_reason(self):
        self.assertIn("version", self.connect(newest=2).expect(REFUSED).text())
        self.connect().expect(WELCOME)
        self.assertIn("another manager", self.connect().expect(REFUSED).text())

    def test_bad_input_is_named_with_its_line(self):
        bad = subprocess.run([PROGRAM, "--socket", self.path + "2", "dump:" + BAD],
                             capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        self.assertEqual(bad.returncode, 1)
        self.assertIn("half-byte.lspci:2: malformed hex", bad.stderr)
        usage = subprocess.run([PROGRAM], capture_output=True, timeout=PATIENCE_S, check=False)
        self.assertEqual(usage.returncode, 2)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
