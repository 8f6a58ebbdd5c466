#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The control socket of the real daemon over a real switch: what must hold across both, and across
the death of the daemon. tests/unit/test_api*.c have the rest."""

import concurrent.futures
import json
import socket
import subprocess
import unittest

from fabric import Fabric, PATIENCE_S


class Api(unittest.TestCase):
    def setUp(self):
        self.fabric = Fabric(self)
        self.fabric.start_switch()
        self.fabric.start_manager()
        self.functions = self.fabric.free_functions("nic-")

    def assign(self, n, mac, key=None, wait=30):
        body = {"operations": [{"op": "assign", "function": self.functions[n], "host": "bay1",
                                "identity": {"mac": mac}}]}
        return self.fabric.request("POST", f"/v1/changes?wait={wait}", body,
                                   {"Idempotency-Key": key} if key else None)

    def raw(self, text):
        """All that comes back until the daemon closes."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(PATIENCE_S)
            s.connect(self.fabric.socket)
            s.sendall(text)
            answer = b""
            while piece := s.recv(65536):
                answer += piece
        return answer

    def test_a_repeated_key_gives_the_same_change_also_after_a_crash(self):
        status, headers, first = self.assign(0, "02:fa:b0:00:00:01", key="k1")
        self.assertEqual((status, first["state"]), (200, "done"))
        self.assertEqual(headers["Location"], f"/v1/changes/{first['id']}")
        self.fabric.kill("fabricd")
        self.fabric.start_manager()

        status, _, again = self.assign(0, "02:fa:b0:00:00:01", key="k1")
        other, _, problem = self.assign(1, "02:fa:b0:00:00:02", key="k1")

        self.assertEqual((status, again["id"]), (200, first["id"]))
        self.assertEqual((other, problem["code"]), (409, "key-reused"))
        self.assertEqual(list(self.fabric.bindings()), [self.functions[0]])

    def test_what_it_says_is_what_the_switch_shows(self):
        for n in range(3):
            self.assertEqual(self.assign(n, f"02:fa:b0:00:00:0{n + 1}")[0], 200)

        switch = self.fabric.bindings()
        for function in self.functions[:3]:
            told = self.fabric.get("/v1/functions/" + function.replace("/", "%2F"))
            for key in ("host", "vport", "generation", "identity"):
                self.assertEqual(told[key], switch[function][key])
                self.assertEqual(told["bound"][key], switch[function][key])
            self.assertEqual(told["state"], "bound")
        self.assertEqual([row["id"] for row in self.fabric.list("assignments", host="bay1")],
                         self.functions[:3])

    def test_before_the_switch_is_read_all_that_is_stored_is_told(self):
        host = self.assign(0, "02:fa:b0:00:00:01")[2]["operations"][0]["host"]
        self.fabric.kill("fabricd")
        self.fabric.kill("fabricsim")
        self.fabric.start_manager(ready=False)
        self.fabric.wait("it listens", lambda: self.fabric.answers(self.fabric.socket))

        self.assertEqual(self.fabric.get("/v1/health", raw=True)[0], 503)
        told = {kind: self.fabric.list(kind) for kind in (
            "hosts", "switches", "ports", "adapters", "functions", "assignments", "changes",
            "incidents")}
        self.assertEqual([(row["function"], row["host"]) for row in told["assignments"]],
                         [(self.functions[0], host)])
        self.assertEqual([row["state"] for row in told["changes"]], ["done"])
        for kind, rows in told.items():
            for row in rows:
                self.assertEqual(self.fabric.get(f"/v1/{kind}/{row['id']}")["id"], row["id"])
        self.assertEqual(self.fabric.get("/v1/functions/none", raw=True)[0], 503)
        for target in ("topology", f"hosts/{host}?view=lspci", f"hosts/{host}?view=tree", "config"):
            self.assertIn(self.fabric.request("GET", "/v1/" + target)[0], (200, 503))
        move = {"operations": [{"op": "move", "function": self.functions[0], "host": "bay2"}]}
        self.assertEqual(self.fabric.request("POST", "/v1/changes", move)[0], 503)
        for verb in ("failover", "readmit", "drain"):
            status, _, answer = self.fabric.request("POST", f"/v1/hosts/{host}/{verb}", {})
            self.assertIn(status, (202, 409, 503), (verb, answer))

    def test_one_identity_cannot_be_given_twice_and_the_field_is_named(self):
        self.assign(0, "02:fa:b0:00:00:01")

        status, headers, problem = self.assign(1, "02:fa:b0:00:00:01")

        self.assertEqual((status, problem["code"]), (409, "identity-taken"))
        self.assertEqual(headers["Content-Type"], "application/problem+json")
        self.assertTrue(problem["errors"][0]["path"].startswith("/operations/0/identity"), problem)

    def test_a_dry_run_leaves_everything_as_it_was(self):
        before = self.fabric.list("functions"), self.fabric.list("changes")
        body = {"operations": [{"op": "assign", "function": self.functions[0], "host": "bay1"}],
                "dry_run": True}

        status, _, plan = self.fabric.request("POST", "/v1/changes", body)

        self.assertEqual(status, 200, plan)
        self.assertTrue(plan["plan"][0]["steps"])
        self.assertEqual((self.fabric.list("functions"), self.fabric.list("changes")), before)
        self.assertEqual(self.fabric.bindings(), {})

    def test_a_change_that_waits_behind_a_slow_switch_is_seen_running_and_then_done(self):
        self.fabric.fault("bind:delay=500")

        status, headers, change = self.assign(0, "02:fa:b0:00:00:01", wait=0)
        self.assertEqual((status, change["state"]), (202, "running"))
        ended = self.fabric.get(headers["Location"] + "?wait=30")

        self.assertEqual(ended["state"], "done")
        self.assertEqual(list(self.fabric.bindings()), [self.functions[0]])

    def test_the_view_of_a_host_is_read_by_lspci(self):
        self.assign(0, "02:fa:b0:00:00:01")
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(self.fabric.socket)
            s.sendall(b"GET /v1/hosts/bay1?view=lspci HTTP/1.0\r\n\r\n")
            text = b""
            while piece := s.recv(65536):
                text += piece

        done = subprocess.run(["lspci", "-F", "/dev/stdin", "-n"], input=text.split(b"\r\n\r\n", 1)[1],
                              capture_output=True, check=False)

        self.assertEqual((done.returncode, done.stderr), (0, b""))
        vf = self.fabric.get("/v1/functions/" + self.functions[0])
        self.assertIn(f"{vf['vendor']}:{vf['device']}".encode(), done.stdout)

    def test_events_go_on_behind_the_last_one_seen_also_after_a_crash(self):
        self.assign(0, "02:fa:b0:00:00:01")
        seen = self.events("?since=0", "function.done")
        self.assign(1, "02:fa:b0:00:00:02")
        self.fabric.kill("fabricd")
        self.fabric.start_manager()

        more = self.events("?since=" + seen[-1][0], "function.done")

        numbers = [json.loads(data)["n"] for _, data in seen + more]
        self.assertEqual(numbers, list(range(numbers[0], numbers[0] + len(numbers))))
        self.assertEqual(json.loads(more[-1][1])["subject"], self.functions[1])

    def events(self, query, until):
        """(id, data) of each event up to the first of type @until."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(PATIENCE_S)
            s.connect(self.fabric.socket)
            s.sendall(f"GET /v1/events{query} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            found, event = [], {}
            for line in s.makefile("r", encoding="utf-8"):
                field, _, value = line.strip().partition(": ")
                if field in ("id", "data"):
                    event[field] = value
                if not line.strip() and "data" in event:
                    found.append((event["id"], event["data"]))
                    if json.loads(event["data"])["type"] == until:
                        return found
                    event = {}
        self.fail("the stream ended")

    def test_nothing_but_problems_comes_of_nonsense(self):
        nonsense = {
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n": 400,
            b"GET /v1/hosts HTTP/9.9\r\nHost: x\r\n\r\n": 505,
            b"BREW /v1/hosts HTTP/1.0\r\n\r\n": 405,
            b"GET /v1/hosts HTTP/1.1\r\nHost: x\r\nA: " + b"x" * 70000 + b"\r\n\r\n": 431,
            b"POST /v1/changes HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n": 413,
        }
        for text, status in nonsense.items():
            answer = self.raw(text)
            self.assertTrue(answer.startswith(f"HTTP/1.1 {status} ".encode()), answer[:200])
            self.assertIn(b"Content-Type: application/problem+json", answer)
            self.assertNotIn(b"<", answer)
            json.loads(answer.split(b"\r\n\r\n", 1)[1])
        self.assertEqual(self.fabric.get("/v1/health")["status"], "ok")

    def test_many_at_once_are_served_and_agree(self):
        def read(n):
            return self.fabric.request("GET", "/v1/functions/" + self.functions[n % 4])[0]

        with concurrent.futures.ThreadPoolExecutor(32) as pool:
            done = list(pool.map(read, range(400)))

        self.assertEqual(set(done), {200})


if __name__ == "__main__":
    unittest.main(verbosity=2)
