#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""fabricctl and fabric-agent against a scripted daemon on a Unix socket: what they send, print and
return. Environment: FABRICCTL and FABRIC_AGENT are the two programs."""

import json
import os
import queue
import signal
import socket
import socketserver
import subprocess
import tempfile
import threading
import unittest
from http.server import BaseHTTPRequestHandler

FABRICCTL = os.environ["FABRICCTL"]
FABRIC_AGENT = os.environ["FABRIC_AGENT"]
PATIENCE_S = 20  # how long anything may take before a test fails; nothing waits that long in good order
BOOT = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"


class Request:
    def __init__(self, method, target, headers, body):
        self.method, self.target, self.headers, self.body = method, target, headers, body

    def json(self):
        return json.loads(self.body)


class Daemon:
    """Answers "METHOD TARGET" from a table; each entry is an answer, or a list of answers of which
    the last one stays. An answer is (status, document or bytes[, headers]) or a function of the
    handler that writes what it likes."""

    def __init__(self, path, answers):
        self.path, self.answers = path, dict(answers)
        self.requests, self.arrived = [], queue.Queue()
        daemon = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def address_string(self):
                return "unix"

            def log_message(self, *_):
                pass

            def serve(self):
                length = int(self.headers.get("Content-Length", 0))
                request = Request(self.command, self.path, self.headers, self.rfile.read(length))
                daemon.requests.append(request)
                daemon.arrived.put(request)
                answer = daemon.answer_find(f"{request.method} {request.target}")
                if callable(answer):
                    answer(self)
                    return
                status, body, headers = (*answer, {})[:3]
                self.reply(status, body, headers)

            def reply(self, status, body=b"", headers=None):
                kind = "application/problem+json" if status >= 400 else "application/json"
                if not isinstance(body, bytes):
                    body = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", (headers or {}).get("Content-Type", kind))
                if status != 204:
                    self.send_header("Content-Length", str(len(body)))
                for name, value in (headers or {}).items():
                    if name != "Content-Type":
                        self.send_header(name, value)
                self.end_headers()
                if status != 204:
                    self.wfile.write(body)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = serve

        class Server(socketserver.ThreadingUnixStreamServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, *_):
                pass  # a client that goes away is part of the tests

        if os.path.exists(path):
            os.unlink(path)
        self.stopping = threading.Lock()
        self.stopped = False
        self.server = Server(path, Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    def answer_find(self, key):
        answer = self.answers.get(key)
        if answer is None:
            return 404, problem("not-found", 404, "no such resource", f"the test has no {key}")
        if isinstance(answer, list):
            return answer.pop(0) if len(answer) > 1 else answer[0]
        return answer

    def stop(self):
        # Once: a client that comes back before the path is gone must not end the next daemon's.
        with self.stopping:
            if self.stopped:
                return
            self.stopped = True
        os.unlink(self.path)  # first: the next daemon may come as soon as the thread has ended
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def problem(code, status, title, detail=None, errors=None, **more):
    return {"type": "about:blank", "title": title, "status": status, "code": code,
            "detail": detail, "errors": errors or [], **more}


def page(items, following=None):
    return 200, {"items": items, "next": following}


def change(state, number=17, reason=None, op="assign"):
    return {"id": number, "state": state, "operations": [
        {"op": op, "function": "nic-3fa2/pf0/vf3", "host": "bay7", "vport": 2,
         "identity": {"mac": "02:fa:b0:00:00:01"}, "state": state, "reason": reason}]}


HOSTS = [
    {"id": "bay1", "state": "alive", "spare": False, "epoch": 1, "bay": 1},
    {"id": "bay2", "state": "fenced", "spare": False, "epoch": 4, "bay": 2},
    {"id": "bay10", "state": "unknown", "spare": True, "epoch": 0, "bay": "bay10"},
]
FUNCTIONS = [
    {"id": "nic-3fa2/pf0", "kind": "pf", "adapter": "nic-3fa2", "host": None, "vport": None,
     "generation": 0, "identity": {}, "state": "free", "kept": True},
    {"id": "nic-3fa2/pf0/vf1", "kind": "vf", "adapter": "nic-3fa2", "host": "bay1", "vport": 0,
     "generation": 3, "identity": {"mac": "02:fa:b0:00:00:01", "vlan": 5}, "state": "bound"},
    {"id": "nic-3fa2/pf0/vf2", "kind": "vf", "adapter": "nic-3fa2", "host": None, "vport": None,
     "generation": 0, "identity": None, "state": "free"},
    {"id": "nic-3fa2/pf0/vf3", "kind": "vf", "adapter": "nic-3fa2", "host": None, "vport": None,
     "generation": 0, "identity": None, "state": "free"},
]
LISTS = {
    "GET /v1/hosts?limit=1000": page(HOSTS),
    "GET /v1/functions?limit=1000": page(FUNCTIONS),
    "GET /v1/switches?limit=1000": page([{"id": "sw0", "state": "ready"}]),
    "GET /v1/ports?limit=1000": page([
        {"id": "sw0/p0", "switch": "sw0", "kind": "upstream", "host": "bay1"},
        {"id": "sw0/p12", "switch": "sw0", "kind": "downstream", "adapter": "nic-3fa2"}]),
    "GET /v1/adapters?limit=1000": page([{"id": "nic-3fa2", "state": "present", "mode": "shared", "keeper": "switch"}]),
}
INCIDENT = {
    "id": 3, "host": "bay3", "state": "closed", "verdict": "silent", "policy": "any",
    "started": "2026-11-22T01:16:11.123Z", "ended": "2026-11-22T01:16:16.200Z", "target": "bay16",
    "timeline": [
        {"time": "2026-11-22T01:16:11.123Z", "offset_ms": 0, "what": "suspect", "detail": "5 missed"},
        {"time": "2026-11-22T01:16:12.001Z", "offset_ms": 878, "what": "fenced", "detail": "epoch 2"}],
    "moves": [{"function": "nic-3fa2/pf0/vf1", "from": "bay3", "to": "bay16",
               "identity": {"mac": "02:fa:b0:00:00:01"}, "outcome": "done"}]}


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.socket = os.path.join(self.folder.name, "s")
        self.started = []

    def daemon(self, answers):
        daemon = Daemon(self.socket, answers)
        self.addCleanup(lambda: daemon.thread.is_alive() and daemon.stop())
        return daemon

    def start(self, program, *words, env=None):
        environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", **(env or {})}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "LSAN_OPTIONS"):
            if name in os.environ:
                environment[name] = os.environ[name]
        process = subprocess.Popen([program, *words], stdin=subprocess.PIPE, text=True, env=environment,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(self.end, process)
        return process

    @staticmethod
    def end(process):
        if process.poll() is None:
            process.kill()
        process.communicate()

    def ctl(self, *words, env=None, stdin=None, expect=0):
        process = self.start(FABRICCTL, "--socket", self.socket, *words, env=env)
        out, err = process.communicate(stdin, timeout=PATIENCE_S)
        self.assertEqual(process.returncode, expect, f"{words}\n{out}\n{err}")
        return out, err


class Words(Case):
    """The command line itself."""

    def commands(self):
        out, _ = self.ctl("--help")
        lines = out.split("tells more of each):\n")[1].split("\n\n")[0].splitlines()
        return [line[2:34].strip() for line in lines]

    def test_every_command_has_help_with_an_example_without_a_daemon(self):
        commands = self.commands()
        self.assertGreater(len(commands), 25)
        for command in commands:
            out, err = self.ctl(*command.split(), "--help")
            self.assertIn(f"usage: fabricctl {command}", out)
            self.assertIn(f"fabricctl {command}", out.split("examples:")[1])
            self.assertEqual(err, "")

    def test_every_command_and_option_is_in_the_manual(self):
        with open(os.environ["MANUAL"], encoding="utf-8") as file:
            manual = file.read().replace("\\-", "-")
        for command in self.commands():
            self.assertIn(command, manual)
            out, _ = self.ctl(*command.split(), "--help")
            for line in out.splitlines():
                if line.startswith("  --"):
                    self.assertIn(line.split()[0], manual, command)

    def test_the_contract_s_commands_exist(self):
        contract = ["topology", "function assign", "function release", "function move", "host set",
                    "host readmit", "host failover", "host fence-confirm", "host view", "change wait",
                    "change cancel", "event follow", "config show", "adopt"]
        for kind in ("switch", "port", "adapter", "function", "assignment", "change", "incident", "host"):
            contract += [f"{kind} list", f"{kind} show"]
        self.assertEqual(set(contract) - set(self.commands()), set())

    def test_what_cannot_be_understood_is_usage(self):
        for words in (["nonsense"], ["host"], ["host", "nonsense"], ["host", "set", "bay7"],
                      ["function", "assign", "x"], ["function", "assign", "x", "y", "z"],
                      ["function", "assign", "x", "y", "--nonsense", "1"], ["host", "list", "-o", "dot"],
                      ["function", "assign", "x", "y", "--vport"], ["--nonsense", "host", "list"],
                      ["function", "assign", "x", "y", "--vport", "many"], ["host", "show", ""],
                      ["host", "set", "x", "--spare", "maybe"], ["host", "list", "--state", "a", "--state", "b"],
                      ["change", "wait", "1", "--timeout", "-1"]):
            out, err = self.ctl(*words, expect=2)
            self.assertEqual(out, "")
            self.assertTrue(err.startswith("fabricctl: "), err)

    def test_usage_says_which_word_is_wrong_and_why(self):
        for words, why in (
                ("incident replay 3 --set a=1 --set b=2 --set a=2", "--set: a is given twice"),
                ("incident replay 3 --set a=1 --set a=1", "--set: a is given twice"),
                ("profile set w --functions=", "--functions is empty"),
                ("profile set w --functions x,", "a function is missing behind the last comma: x,"),
                ("profile set w --functions ,x", "a function is missing before the first comma: ,x"),
                ("profile set w --functions x,,y", "a function is missing between two commas: x,,y"),
                ("profile set w --functions =02:fa:b0:00:00:01", "a function is missing before an ="),
                ("profile set w --functions xy,x,y,x", "--functions: x is named twice"),
                ("profile set w --functions x,y,x=02:fa:b0:00:00:01", "--functions: x is named twice")):
            out, err = self.ctl(*words.split(), expect=2)
            self.assertEqual(out, "")
            self.assertIn(why, err)
        self.daemon({})  # what is wrong with an identity is said beside what the profile has already
        for identity, why in (("ff:ff:ff:ff:ff:ff", "ff:ff:ff:ff:ff:ff is a multicast address"),
                              ("00:00:00:00:00:00", "must not be all zero"),
                              ("02:fa:b0:00:00:0g", "six pairs of hex digits, as 02:fa:b0:00:00:01"),
                              ("50:01:43:80:00:00:00:0g", "eight pairs of hex digits, as 50:01:43:80:00:00:00:01"),
                              ("0000000000000000", "must not be all zero"),
                              ("", "is neither a MAC address"), ("web", "web is neither a MAC address")):
            self.assertIn(f"--functions: x: ", err := self.ctl(
                "profile", "set", "w", "--functions", "x=" + identity, expect=2)[1])
            self.assertIn(why, err)

    def test_global_options_stand_before_between_and_behind(self):
        self.daemon(LISTS)
        for words in (["-o", "json", "host", "list"], ["host", "-ojson", "list"],
                      ["host", "list", "--output=json", "--no-color"], ["host", "list", "-o", "json"]):
            out, _ = self.ctl(*words)
            self.assertEqual(json.loads(out)["items"], HOSTS)

    def test_the_environment_names_the_socket(self):
        self.daemon(LISTS)
        process = self.start(FABRICCTL, "host", "list", env={"FABRIC_SOCKET": self.socket})
        out, err = process.communicate(timeout=PATIENCE_S)
        self.assertEqual(process.returncode, 0, err)
        self.assertIn("bay10", out)

    def test_candidates_come_from_the_table_and_from_the_daemon(self):
        self.daemon({"GET /v1/hosts?limit=1000": page(HOSTS)})
        def candidates(*words):
            process = self.start(FABRICCTL, "__complete", "--socket", self.socket, *words)
            return process.communicate(timeout=PATIENCE_S)[0].split()
        self.assertIn("readmit", candidates("host", ""))
        self.assertEqual(candidates("host", "readm"), ["readmit"])
        self.assertEqual(candidates("host", "readmit", ""), ["bay1", "bay2", "bay10"])
        self.assertEqual(candidates("host", "readmit", "bay1"), ["bay1", "bay10"])
        self.assertEqual(candidates("function", "list", "--host", "bay2"), ["bay2"])
        self.assertIn("--dry-run", candidates("function", "move", "--"))
        self.assertEqual(candidates("topology", "-o", ""), ["tree", "json", "dot"])
        self.assertEqual(candidates("incident", "replay", "3", "--set", "failover.w"),
                         [f"failover.witness={word}" for word in ("none", "any", "all")])
        self.assertEqual(candidates("incident", "replay", "3", "--set", "heart"), ["heartbeat.missed="])

    def test_bash_completes(self):
        self.daemon({"GET /v1/hosts?limit=1000": page(HOSTS)})
        script = (f"source {os.environ['COMPLETION']}; "
                  "COMP_WORDS=(fabricctl host show bay); COMP_CWORD=3; _fabricctl; "
                  "printf '%s\\n' \"${COMPREPLY[@]}\"")
        process = self.start("bash", "-c", script,
                             env={"PATH": f"{os.path.dirname(FABRICCTL)}:{os.environ['PATH']}",
                                  "FABRIC_SOCKET": self.socket})
        out, err = process.communicate(timeout=PATIENCE_S)
        self.assertEqual(out.split(), ["bay1", "bay2", "bay10"], err)

    def test_bash_completes_the_first_word_and_says_nothing_beside(self):
        script = (f"source {os.environ['COMPLETION']}; "
                  "COMP_WORDS=(fabricctl fun); COMP_CWORD=1; _fabricctl; "
                  "printf '%s\\n' \"${COMPREPLY[@]}\"")
        process = self.start("bash", "-c", script,
                             env={"PATH": f"{os.path.dirname(FABRICCTL)}:{os.environ['PATH']}"})
        self.assertEqual(process.communicate(timeout=PATIENCE_S), ("function\n", ""))


class Reading(Case):
    def test_a_list_is_an_aligned_table_without_colour_in_a_pipe(self):
        self.daemon(LISTS)
        out, _ = self.ctl("host", "list")
        self.assertEqual(out, "HOST   STATE    SPARE  EPOCH  BAY\n"
                              "bay1   alive    no     1      1\n"
                              "bay2   fenced   no     4      2\n"
                              "bay10  unknown  yes    0      bay10\n")

    def test_a_terminal_gets_colours_unless_told_not_to(self):
        self.daemon(LISTS)
        def on_terminal(*words, **env):
            master, slave = os.openpty()
            process = subprocess.Popen([FABRICCTL, "--socket", self.socket, *words], stdout=slave,
                                       env={**os.environ, "TERM": "xterm", **env})
            os.close(slave)
            text = b""
            try:
                while piece := os.read(master, 4096):
                    text += piece
            except OSError:
                pass  # the other side is closed
            os.close(master)
            self.assertEqual(process.wait(timeout=PATIENCE_S), 0)
            return text
        self.assertIn(b"\033[32malive", on_terminal("host", "list"))
        self.assertNotIn(b"\033", on_terminal("host", "list", "--no-color"))
        self.assertNotIn(b"\033", on_terminal("host", "list", NO_COLOR="1"))
        self.assertNotIn(b"\033", on_terminal("host", "list", TERM="dumb"))

    def test_json_is_what_the_daemon_sent_byte_for_byte(self):
        body = b'{ "items" : [\n {"id":"b\\u00e4y/1", "x":1.50, "y":12345678901234567890}],"next":null}'
        one = b'{"id" :  "bay1"}\n'
        self.daemon({"GET /v1/hosts?limit=1000": (200, body), "GET /v1/hosts/bay1": (200, one),
                     "GET /v1/topology": (200, b'{"source": "fabric"}'),
                     "GET /v1/config": (200, b"[ ]")})
        self.assertEqual(self.ctl("host", "list", "-o", "json")[0].encode(), body)
        self.assertEqual(self.ctl("host", "show", "bay1", "-o", "json")[0].encode(), one)
        self.assertEqual(self.ctl("topology", "-o", "json")[0], '{"source": "fabric"}')
        self.assertEqual(self.ctl("config", "show", "-o", "json")[0], "[ ]")

    def test_all_pages_are_read_and_become_one_document(self):
        daemon = self.daemon({"GET /v1/hosts?limit=1000": page(HOSTS[:1], "a+/=&"),
                              "GET /v1/hosts?limit=1000&cursor=a%2B/%3D%26": page(HOSTS[1:2], "c2"),
                              "GET /v1/hosts?limit=1000&cursor=c2": page(HOSTS[2:])})
        out, _ = self.ctl("host", "list")
        self.assertEqual(len(out.splitlines()), 4)
        self.assertEqual(len(daemon.requests), 3)
        out, _ = self.ctl("host", "list", "-o", "json")
        self.assertEqual(json.loads(out), {"items": HOSTS, "next": None})
        self.assertEqual(self.ctl("host", "list", "-o", "ids")[0], "bay1\nbay2\nbay10\n")

    def test_functions_that_nobody_can_be_given_are_marked(self):
        self.daemon(LISTS)
        out, _ = self.ctl("function", "list")
        self.assertEqual(out.splitlines()[0].split(), ["FUNCTION", "KIND", "STATE", "HOST", "VPORT", "IDENTITY",
                                                       "GENERATION", "KEPT"])
        self.assertEqual([line.endswith("kept") for line in out.splitlines()[1:]], [True, False, False, False])

    def test_a_limit_asks_for_one_page_and_says_how_to_go_on(self):
        self.daemon({"GET /v1/hosts?limit=2": page(HOSTS[:2], "c1"),
                     "GET /v1/hosts?cursor=c1&limit=2": page(HOSTS[2:])})
        out, err = self.ctl("host", "list", "--limit", "2")
        self.assertEqual(len(out.splitlines()), 3)
        self.assertIn("--cursor c1", err)
        out, _ = self.ctl("host", "list", "--cursor", "c1", "--limit", "2", "-o", "json")
        self.assertEqual(json.loads(out)["items"], HOSTS[2:])

    def test_a_list_that_goes_round_in_a_circle_ends(self):
        self.daemon({"GET /v1/hosts?limit=1000": page(HOSTS, "c"),
                     "GET /v1/hosts?limit=1000&cursor=c": page(HOSTS, "c")})
        self.ctl("host", "list", expect=4)

    def test_filters_are_passed_on(self):
        daemon = self.daemon({"GET /v1/functions?state=free&adapter=nic-3fa2/x%26y&limit=1000": page([])})
        out, err = self.ctl("function", "list", "--state", "free", "--adapter", "nic-3fa2/x&y")
        self.assertEqual((out, len(daemon.requests)), ("", 1))
        self.assertIn("no function", err)

    def test_an_id_with_slashes_stays_in_the_path(self):
        daemon = self.daemon({"GET /v1/functions/nic-3fa2/pf0/vf1": (200, FUNCTIONS[1])})
        out, _ = self.ctl("function", "show", "nic-3fa2/pf0/vf1")
        self.assertRegex(out, r"(?m)^identity +mac 02:fa:b0:00:00:01, vlan 5$")
        self.assertRegex(out, r"(?m)^state +bound$")
        self.ctl("function", "show", "a b?c#d%/../e", expect=1)
        self.assertEqual(daemon.requests[-1].target, "/v1/functions/a%20b%3Fc%23d%25/../e")

    def test_a_host_is_shown_with_its_functions(self):
        self.daemon({"GET /v1/hosts/bay1": (200, HOSTS[0]),
                     "GET /v1/functions?host=bay1": page(FUNCTIONS[1:2])})
        out, _ = self.ctl("host", "show", "bay1")
        self.assertRegex(out, r"(?m)^epoch +1$")
        self.assertIn("nic-3fa2/pf0/vf1", out)

    def test_a_hosts_own_view_is_a_table_with_our_names(self):
        view = [{"address": "0000:05:00.0", "slot": 16, "class": "0108", "vendor": "1b36", "device": "0010",
                 "driver": "nvme", "serial": "FAB0001", "mac": None, "wwpn": None, "link": None,
                 "function": "nvme-0001/f0"},
                {"address": "0000:00:02.0", "slot": None, "class": "0200", "vendor": "8086", "device": "10d3",
                 "driver": None, "serial": None, "mac": "02:fa:b0:00:00:01", "wwpn": None, "link": "up",
                 "function": None}]
        self.daemon({"GET /v1/hosts/bay1": (200, {**HOSTS[0], "seen": view}),
                     "GET /v1/functions?host=bay1": page([])})
        out, _ = self.ctl("host", "show", "bay1")
        self.assertRegex(out, r"ADDRESS +SLOT +CLASS .*FUNCTION")
        self.assertRegex(out, r"0000:05:00.0 +16 +0108 +1b36 +0010 +nvme +FAB0001 .*nvme-0001/f0")
        self.assertRegex(out, r"0000:00:02.0 .*02:fa:b0:00:00:01 .*up")

    def test_an_assignment_shows_what_its_host_says(self):
        said = "seen by bay1 as 0000:05:00.0, driver nvme, serial FAB0001, link up"
        assignment = {"id": "nvme-0001/f0", "function": "nvme-0001/f0", "host": "bay1", "vport": 1,
                      "generation": 3, "state": "bound", "identity": {},
                      "bound": {"host": "bay1", "vport": 1, "generation": 3, "identity": {},
                                "unknown": False, "outside": False},
                      "condition": "seen", "seen": {"condition": "seen", "detail": said,
                                                    "address": "0000:05:00.0"}}
        self.daemon({"GET /v1/assignments?limit=1000": page([assignment]),
                     "GET /v1/functions/nvme-0001/f0": (200, {**FUNCTIONS[0], "seen": assignment["seen"]})})
        out, _ = self.ctl("assignment", "list")
        self.assertRegex(out, r"HOST SAYS +DETAIL")
        self.assertRegex(out, "seen +" + said)
        out, _ = self.ctl("function", "show", "nvme-0001/f0")
        self.assertRegex(out, "(?m)^seen +" + said + "$")

    def test_an_incident_is_shown_with_time_line_and_moves(self):
        self.daemon({"GET /v1/incidents/3": (200, INCIDENT)})
        out, _ = self.ctl("incident", "show", "3")
        self.assertRegex(out, r"(?m)^verdict +silent$")
        self.assertRegex(out, r"01:16:12.001Z +\+0.878 s +fenced +epoch 2")
        self.assertRegex(out, r"nic-3fa2/pf0/vf1 +bay3 +bay16 +mac 02:fa:b0:00:00:01 +done")

    def test_the_topology_is_a_tree_of_who_has_what(self):
        self.daemon(LISTS)
        out, _ = self.ctl("topology")
        self.assertEqual(out, """fabric
├─ switches  (1)
│  └─ sw0  ready  2 ports
├─ hosts  (3)
│  ├─ bay1  alive  at sw0/p0  bay 1
│  │  └─ vport 0  nic-3fa2/pf0/vf1  mac 02:fa:b0:00:00:01, vlan 5
│  ├─ bay2  fenced  bay 2  no functions
│  └─ bay10  unknown  spare  no functions
└─ adapters  (1)
   └─ nic-3fa2  shared  keeper switch  at sw0/p12  4 functions, 1 bound, 2 free
      ├─ pf0  kept
      ├─ pf0/vf1  bound  to bay1  vport 0
      └─ pf0/vf2 .. pf0/vf3  free
""")
        out, _ = self.ctl("topology", env={"LC_ALL": "C"})
        self.assertTrue(out.isascii())
        out, _ = self.ctl("topology", "-o", "dot")
        self.assertIn('"nic-3fa2" -> "bay1" [label="pf0/vf1"]', out)

    def test_a_view_is_printed_as_it_came(self):
        capture = b"00:00.0 Bridge\n00: 86 80\n\n"
        text = {"Content-Type": "text/plain"}
        self.daemon({"GET /v1/hosts/bay1?view=lspci": (200, capture, text),
                     "GET /v1/hosts/bay1?view=tree": (200, b"tree\n", text)})
        self.assertEqual(self.ctl("host", "view", "bay1", "-o", "lspci")[0].encode(), capture)
        self.assertEqual(self.ctl("host", "view", "bay1")[0], "tree\n")

    def test_no_terminal_is_commanded_by_a_name(self):
        self.daemon({"GET /v1/hosts?limit=1000": page([{"id": "b\033[31m\x07ad\n\u202e"}])})
        out, _ = self.ctl("host", "list")
        self.assertNotIn("\033", out)
        self.assertEqual(len(out.splitlines()), 2)

    def test_health_says_whether_the_daemon_is_ready(self):
        self.daemon({"GET /v1/health": [(503, {"status": "starting"}), (200, {"status": "degraded"})]})
        self.assertIn("starting", self.ctl("health", expect=4)[0])
        self.assertIn("degraded", self.ctl("health")[0])


class Refused(Case):
    def test_no_daemon_is_exit_3_and_says_what_to_do(self):
        out, err = self.ctl("host", "list", expect=3)
        self.assertEqual(out, "")
        self.assertIn(f"cannot reach fabricd at {self.socket}: No such file or directory", err)
        self.assertIn("systemctl status fabricd", err)
        with open(self.socket, "w", encoding="utf-8"):
            pass
        self.assertIn("Connection refused", self.ctl("host", "list", expect=3)[1])

    def test_no_permission_names_the_groups(self):
        self.daemon({})
        os.chmod(self.socket, 0)
        os.chmod(self.folder.name, 0o755)
        nobody = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
        try:
            process = subprocess.run([FABRICCTL, "--socket", self.socket, "host", "list"], text=True,
                                     capture_output=True, timeout=PATIENCE_S, check=False, **nobody)
        except PermissionError:
            self.skipTest("the build is not readable for another user")
        self.assertEqual(process.returncode, 3, process.stderr)
        self.assertIn("fabric-ro, fabric-op, fabric-admin", process.stderr)

    def test_a_refusal_is_exit_1_with_reason_place_and_what_to_do(self):
        self.daemon({"POST /v1/changes": (409, problem(
            "function-bound", 409, "function is bound to another host", "nic-3fa2/pf0/vf1 is at bay1",
            [{"path": "/operations/0/function", "reason": "bound"}]))})
        out, err = self.ctl("function", "assign", "nic-3fa2/pf0/vf1", "bay7", expect=1)
        self.assertEqual(out, "")
        self.assertIn("function is bound to another host: nic-3fa2/pf0/vf1 is at bay1", err)
        self.assertIn("/operations/0/function: bound", err)
        self.assertIn("function move", err)

    def test_what_nobody_has_is_assigned_with_its_profile_where_it_is_in_one(self):
        self.daemon({"POST /v1/profiles/web/move": (409, problem(
            "function-free", 409, "function is bound to no host", "web is with nobody"))})
        _, err = self.ctl("profile", "move", "web", "bay7", expect=1)
        self.assertIn("'fabricctl profile assign'", err)

    def test_a_refusal_s_document_is_printed_for_programs(self):
        self.daemon({"GET /v1/hosts/x": (404, problem("no-host", 404, "no such host"))})
        out, _ = self.ctl("host", "show", "x", "-o", "json", expect=1)
        self.assertEqual(json.loads(out)["code"], "no-host")

    def test_exit_codes_follow_the_refusal(self):
        for status, code, expect in ((400, "bad-field", 1), (403, "forbidden", 1), (412, "precondition", 1),
                                     (503, "frozen", 1), (503, "provider-away", 3), (500, "other", 4)):
            daemon = self.daemon({"POST /v1/hosts/x/readmit": (status, problem(code, status, "no"))})
            self.ctl("host", "readmit", "x", expect=expect)
            daemon.stop()

    def test_what_is_not_the_daemon_is_said(self):
        self.daemon({"GET /v1/hosts?limit=1000": (200, b"<html>"), "GET /v1/ports?limit=1000": (500, b"<html>")})
        self.assertIn("not JSON", self.ctl("host", "list", expect=4)[1])
        self.assertIn("500", self.ctl("port", "list", expect=4)[1])

    def test_a_lost_answer_is_exit_4(self):
        def hang_up(handler):
            handler.close_connection = True
        self.daemon({"GET /v1/hosts?limit=1000": hang_up})
        self.assertIn("lost", self.ctl("host", "list", expect=4)[1])

    def test_a_lost_answer_names_where_to_look_whether_it_was_taken(self):
        def hang_up(handler):
            handler.close_connection = True
        for words, target, see in (
                ("drill ch2/bay16", "POST /v1/hosts/ch2/bay16/drill",
                 "'fabricctl host show ch2/bay16' and 'fabricctl incident list --host ch2/bay16'"),
                ("host failover bay7", "POST /v1/hosts/bay7/failover", "'fabricctl incident list --host bay7'"),
                ("host maintenance bay7 on", "POST /v1/hosts/bay7/maintenance", "'fabricctl host show bay7'"),
                ("host set bay7 --spare on", "PATCH /v1/hosts/bay7", "'fabricctl host show bay7'"),
                ("profile delete web", "DELETE /v1/profiles/web", "'fabricctl profile show web'"),
                ("adopt", "POST /v1/adopt", "'fabricctl health'")):
            daemon = self.daemon({target: hang_up})
            _, err = self.ctl(*words.split(), expect=4)
            self.assertIn("may have been taken: see " + see, err)
            daemon.stop()
        self.daemon({"GET /v1/health": hang_up, "POST /v1/incidents/3/replay": hang_up})
        for words in (["health"], ["incident", "replay", "3"]):
            _, err = self.ctl(*words, expect=4)
            self.assertIn("was lost before its answer came; ask again", err)

    def test_a_full_disk_is_not_taken_for_success(self):
        if not os.path.exists("/dev/full"):
            self.skipTest("no /dev/full")
        self.daemon(LISTS)
        with open("/dev/full", "w", encoding="utf-8") as full:
            process = subprocess.run([FABRICCTL, "--socket", self.socket, "host", "list"], stdout=full,
                                     stderr=subprocess.PIPE, timeout=PATIENCE_S, check=False)
        self.assertEqual(process.returncode, 4)


class Changing(Case):
    def test_an_assignment_carries_what_was_given_and_nothing_else(self):
        accepted = (202, change("running"), {"Location": "/v1/changes/17"})
        daemon = self.daemon({"POST /v1/changes": accepted})
        out, _ = self.ctl("function", "assign", "nic-3fa2/pf0/vf3", "bay7", "--vport", "2", "--mac",
                          "02:fa:b0:00:00:01", "--vlan", "5")
        request = daemon.requests[0]
        self.assertEqual(request.json(), {"operations": [
            {"op": "assign", "function": "nic-3fa2/pf0/vf3", "host": "bay7", "vport": 2,
             "identity": {"mac": "02:fa:b0:00:00:01", "vlan": 5}}]})
        self.assertEqual(request.headers["Content-Type"], "application/json")
        self.assertRegex(request.headers["Idempotency-Key"], r"^[0-9a-f]{32}$")
        self.assertIn("fabricctl change wait 17", out)

    def test_without_identity_options_no_identity_is_sent(self):
        daemon = self.daemon({"POST /v1/changes": (202, change("running"))})
        self.ctl("function", "assign", "nic-3fa2/pf0/vf3", "bay7")
        self.assertEqual(daemon.requests[0].json(), {"operations": [
            {"op": "assign", "function": "nic-3fa2/pf0/vf3", "host": "bay7"}]})

    def test_release_and_move_say_what_they_mean(self):
        daemon = self.daemon({"POST /v1/changes": (202, change("running"))})
        self.ctl("function", "release", "f1")
        self.ctl("function", "move", "f1", "bay9", "--vport=0")
        self.assertEqual(daemon.requests[0].json()["operations"], [{"op": "release", "function": "f1"}])
        self.assertEqual(daemon.requests[1].json()["operations"],
                         [{"op": "move", "function": "f1", "host": "bay9", "vport": 0}])

    def test_a_dry_run_prints_the_plan_in_words(self):
        plan = {"dry_run": True, "plan": [
            {**change("running")["operations"][0], "from": None,
             "steps": ["read back: bound nowhere", "bind to bay7, vport 2"]}]}
        daemon = self.daemon({"POST /v1/changes": (200, plan)})
        out, _ = self.ctl("function", "assign", "nic-3fa2/pf0/vf3", "bay7", "--dry-run", "--wait", "5")
        self.assertIs(daemon.requests[0].json()["dry_run"], True)
        self.assertIn("nic-3fa2/pf0/vf3: assign to bay7, vport 2, mac 02:fa:b0:00:00:01\n  1. read back: bound nowhere\n  2. bind to bay7, vport 2\n", out)

    def test_waiting_ends_with_the_change(self):
        for state, expect in (("done", 0), ("parked", 4), ("failed", 4), ("cancelled", 4), ("refused", 1)):
            daemon = self.daemon({"POST /v1/changes?wait=9": (200, change(state, reason="because"))})
            out, _ = self.ctl("function", "assign", "f", "h", "--wait", "9", expect=expect)
            self.assertIn(f"change 17: {state}", out)
            self.assertRegex(out, rf"assign +nic-3fa2/pf0/vf3 +bay7 +2 +mac \S+ +{state} +because")
            daemon.stop()

    def test_a_daemon_that_answers_early_is_asked_again(self):
        daemon = self.daemon({"POST /v1/changes?wait=9": (202, change("running")),
                              "GET /v1/changes/17?wait=9": (200, change("done"))})
        self.ctl("function", "assign", "f", "h", "--wait", "9")
        self.assertEqual([r.method for r in daemon.requests], ["POST", "GET"])

    def test_a_long_wait_is_asked_for_in_slices(self):
        daemon = self.daemon({"POST /v1/changes?wait=30": (202, change("running")),
                              "GET /v1/changes/17?wait=30": [(200, change("running")), (200, change("done"))]})
        self.ctl("function", "release", "f", "--wait", "600")
        self.assertEqual(len(daemon.requests), 3)

    def test_waiting_over_is_exit_4_and_says_how_to_go_on(self):
        self.daemon({f"GET /v1/changes/17?wait={n}": (200, change("running")) for n in (0, 1)})
        out, err = self.ctl("change", "wait", "17", "--timeout", "1", expect=4)
        self.assertIn("change 17: running", out)
        self.assertIn("still running", err)

    def test_a_lost_answer_is_asked_for_again_under_the_same_key(self):
        def hang_up(handler):
            handler.close_connection = True
        daemon = self.daemon({"POST /v1/changes?wait=9": [hang_up, (200, change("done"))]})
        self.ctl("function", "assign", "f", "h", "--wait", "9")
        first, second = daemon.requests
        self.assertEqual(first.headers["Idempotency-Key"], second.headers["Idempotency-Key"])
        self.assertEqual(first.body, second.body)

    def test_waiting_outlives_a_restart_of_the_daemon(self):
        def hang_up(handler):
            handler.close_connection = True
            threading.Thread(target=old.stop).start()
        old = self.daemon({"GET /v1/changes/17?wait=30": [(200, change("running")), hang_up]})
        process = self.start(FABRICCTL, "--socket", self.socket, "change", "wait", "17")
        old.thread.join(PATIENCE_S)
        self.assertFalse(old.thread.is_alive())
        new = self.daemon({"GET /v1/changes/17?wait=30": [(503, problem("limit", 503, "starting")),
                                                          (200, change("done"))]})
        out, err = process.communicate(timeout=PATIENCE_S)
        self.assertEqual(process.returncode, 0, err)
        self.assertIn("done", out)
        self.assertEqual(len(new.requests), 2)

    def test_json_of_a_change_is_the_daemon_s(self):
        body = json.dumps(change("parked")).encode()
        self.daemon({"POST /v1/changes?wait=1": (200, body)})
        out, _ = self.ctl("function", "release", "f", "--wait", "1", "-o", "json", expect=4)
        self.assertEqual(out.encode(), body)

    def test_many_operations_are_sent_as_they_are(self):
        daemon = self.daemon({"POST /v1/changes": (202, change("running"))})
        body = '{"operations": [ {"op":"release","function":"a"} ]}'
        self.ctl("change", "submit", "-", stdin=body)
        self.assertEqual(daemon.requests[0].body.decode(), body)
        self.ctl("change", "submit", "/nonexistent", expect=1)

    def test_a_change_is_cancelled_by_delete(self):
        daemon = self.daemon({"DELETE /v1/changes/17": (200, change("cancelled")),
                              "DELETE /v1/changes/18": (409, problem("not-cancellable", 409, "too late"))})
        self.assertIn("cancelled", self.ctl("change", "cancel", "17")[0])
        self.assertIn("change wait", self.ctl("change", "cancel", "18", expect=1)[1])
        self.assertEqual(daemon.requests[0].body, b"")

    def test_host_commands_send_what_the_contract_says(self):
        daemon = self.daemon({
            "PATCH /v1/hosts/ch2/bay7": (200, HOSTS[0]),
            "POST /v1/hosts/bay7/readmit": (200, HOSTS[0]),
            "POST /v1/hosts/bay7/failover": [(200, {"dry_run": True, "target": "bay16", "plan": [
                {"function": "f", "op": "move", "from": "bay7", "host": "bay16", "steps": ["fence bay7"]}]}),
                                             (202, INCIDENT)],
            "POST /v1/hosts/bay7/fence-confirm": (204, b""),
            "POST /v1/adopt": [(200, {"detail": "1 of 2 bindings would be taken in", "plan": [
                {"function": "f", "host": "bay1", "vport": 3, "state": None, "steps": []}]}),
                               (200, {"detail": "1 of 2 bindings are taken in", "plan": [
                {"function": "f", "host": "bay1", "vport": 3, "state": "done", "steps": []},
                {"function": "g", "host": "bay1", "vport": 4, "state": "refused", "reason": "no", "steps": []}]})]})
        self.ctl("host", "set", "ch2/bay7", "--spare", "on")
        self.ctl("host", "readmit", "bay7")
        self.assertEqual(self.ctl("host", "failover", "bay7", "--dry-run")[0],
                         "target: bay16\nnothing was changed; this would be done:\n"
                         "f: move from bay7 to bay16\n  1. fence bay7\n")
        self.assertIn("bay16", self.ctl("host", "failover", "bay7")[0])
        self.ctl("host", "fence-confirm", "bay7", "--incident", "4")
        self.assertRegex(self.ctl("adopt", "--dry-run")[0],
                         r"^1 of 2 bindings would be taken in\n +FUNCTION +HOST +VPORT *\n +f +bay1 +3 *\n$")
        self.assertRegex(self.ctl("adopt")[0], r"^1 of 2 bindings are taken in\n.*STATE.*\n"
                         r" +f +bay1 +3 +done.*\n +g +bay1 +4 +refused +no *\n$")
        self.assertEqual([r.json() for r in daemon.requests],
                         [{"spare": True}, {}, {"dry_run": True}, {}, {"incident": 4},
                          {"dry_run": True}, {"dry_run": False}])


def stream(*pieces, hold=None):
    """An event stream of these pieces; then it ends, or waits for the event @hold."""
    def serve(handler):
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.send_header("Connection", "close")
        handler.end_headers()
        for piece in pieces:
            handler.wfile.write(piece)
            handler.wfile.flush()
        if hold:
            hold.wait(PATIENCE_S)
        handler.close_connection = True
    return serve


class Events(Case):
    ONE = b'id: 5-1\nevent: host.suspect\ndata: {"time":"T1","subject":"bay3","detail":"2 missed","n":2,"more":[1,2]}\n\n'
    TWO = b'id: 5-2\r\nevent: host.fenced\r\ndata: {"time":"T2",\r\ndata: "subject":"bay3"}\r\n\r\n'

    def follow(self, *words):
        return self.start(FABRICCTL, "--socket", self.socket, "event", "follow", *words)

    def test_each_event_is_one_line(self):
        self.daemon({"GET /v1/events": stream(b": hello\n\n", self.ONE, self.TWO[:9], self.TWO[9:])})
        out, err = self.follow("--count", "2").communicate(timeout=PATIENCE_S)
        self.assertEqual(out, "T1  host.suspect  bay3  2 missed  more 1, 2\nT2  host.fenced  bay3\n", err)

    def test_json_is_one_document_on_each_line(self):
        self.daemon({"GET /v1/events": stream(self.ONE, self.TWO)})
        out, _ = self.follow("--count", "2", "-o", "json").communicate(timeout=PATIENCE_S)
        self.assertEqual([json.loads(line)["time"] for line in out.splitlines()], ["T1", "T2"])

    def test_since_is_sent_as_last_event_id(self):
        daemon = self.daemon({"GET /v1/events": stream(self.ONE)})
        self.follow("--since", "4-99", "--count", "1").communicate(timeout=PATIENCE_S)
        self.assertEqual(daemon.requests[0].headers["Last-Event-ID"], "4-99")
        self.assertEqual(daemon.requests[0].headers["Accept"], "text/event-stream")

    def test_a_lost_stream_goes_on_behind_the_last_event(self):
        half = b'id: 5-9\ndata: {"time":"lost"'
        daemon = self.daemon({"GET /v1/events": [stream(self.ONE, half), stream(self.TWO)]})
        process = self.follow("--count", "2")
        out, err = process.communicate(timeout=PATIENCE_S)
        self.assertEqual(len(out.splitlines()), 2)
        self.assertNotIn("lost", out)
        self.assertEqual(err.count("is lost"), 1)
        self.assertIn("back", err)
        self.assertEqual(process.returncode, 0)
        self.assertNotIn("Last-Event-ID", daemon.requests[0].headers)
        self.assertEqual(daemon.requests[1].headers["Last-Event-ID"], "5-1")

    def test_it_outlives_a_restart_of_the_daemon(self):
        hold = threading.Event()
        old = self.daemon({"GET /v1/events": stream(self.ONE, hold=hold)})
        process = self.follow("--count", "2")
        self.assertIn("host.suspect", process.stdout.readline())
        old.stop()
        hold.set()
        self.assertIn("is lost", process.stderr.readline())
        self.daemon({"GET /v1/events": [(503, problem("limit", 503, "starting")), stream(self.TWO)]})
        self.assertIn("host.fenced", process.stdout.readline())
        self.assertEqual(process.wait(PATIENCE_S), 0)

    def test_a_gap_is_warned_of(self):
        gap = b'id: 6-1\nevent: gap\ndata: {"from":"5-1","to":"6-1"}\n\n'
        self.daemon({"GET /v1/events": stream(gap)})
        out, err = self.follow("--count", "1").communicate(timeout=PATIENCE_S)
        self.assertIn("gap", out)
        self.assertIn("WARNING", err)

    def test_a_refusal_ends_it(self):
        self.daemon({"GET /v1/events": (403, problem("forbidden", 403, "no"))})
        process = self.follow()
        _, err = process.communicate(timeout=PATIENCE_S)
        self.assertEqual(process.returncode, 1)
        self.assertIn("fabric-ro", err)

    def test_no_daemon_at_the_start_is_exit_3(self):
        process = self.follow()
        process.communicate(timeout=PATIENCE_S)
        self.assertEqual(process.returncode, 3)


class Agent(Case):
    TARGET = "PUT /v1/hosts/bay7/heartbeat"

    def agent(self, *words, host="bay7", interval="20", env=None):
        return self.start(FABRIC_AGENT, "--host", host, "--socket", self.socket, "--interval-ms", interval,
                          *words, env=env)

    def arrived(self, daemon, verb):
        """The next request of that kind; others are passed over."""
        while True:
            request = daemon.arrived.get(timeout=PATIENCE_S)
            if request.target.endswith("/" + verb):
                return request

    def beat(self, daemon):
        return self.arrived(daemon, "heartbeat")

    def finish(self, process):
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=PATIENCE_S)
        self.assertEqual(process.returncode, 0, err)
        return err

    def test_beats_carry_boot_id_and_a_rising_number(self):
        daemon = self.daemon({self.TARGET: (204, b"")})
        process = self.agent("--boot-id", BOOT)
        beats = [self.beat(daemon) for _ in range(5)]
        err = self.finish(process)
        self.assertEqual([sorted(b.json()) for b in beats], [["boot_id", "seq"]] * 5)
        self.assertEqual({b.json()["boot_id"] for b in beats}, {BOOT})
        numbers = [b.json()["seq"] for b in beats]
        self.assertEqual(numbers, sorted(set(numbers)))
        self.assertEqual(err.count("beating every"), 1)

        process = self.agent("--boot-id", BOOT)
        last = max(r.json()["seq"] for r in daemon.requests if "seq" in r.json())
        while not daemon.arrived.empty():
            daemon.arrived.get()
        self.assertGreater(self.beat(daemon).json()["seq"], last)
        self.finish(process)

    def test_the_boot_id_is_the_kernel_s(self):
        daemon = self.daemon({self.TARGET: (204, b"")})
        process = self.agent()
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            kernel = file.read().strip()
        self.assertEqual(self.beat(daemon).json()["boot_id"], kernel)
        self.finish(process)

    def test_a_host_s_slashes_stay_in_the_path(self):
        daemon = self.daemon({"PUT /v1/hosts/ch2/bay7/heartbeat": (204, b"")})
        process = self.agent(host="ch2/bay7")
        self.assertEqual(self.beat(daemon).target, "/v1/hosts/ch2/bay7/heartbeat")
        self.finish(process)

    def test_a_fence_is_said_once_and_the_beats_go_on(self):
        fenced = (409, problem("host-fenced", 409, "host is fenced", "fenced, epoch 4", epoch=4))
        daemon = self.daemon({self.TARGET: [(204, b"")] + [fenced] * 4 + [(204, b"")]})
        process = self.agent()
        for _ in range(8):
            self.beat(daemon)
        err = self.finish(process)
        self.assertEqual(err.count("FENCED, epoch 4"), 1)
        self.assertEqual(err.count("readmitted, beating"), 1)

    def test_it_waits_for_a_daemon_that_is_not_there_yet(self):
        process = self.agent()
        self.assertIn("not reached", process.stderr.readline())
        daemon = self.daemon({self.TARGET: (204, b"")})
        for _ in range(2):
            self.beat(daemon)
        self.assertIn("reached again", self.finish(process))

    def test_it_comes_back_after_the_daemon_s_restart(self):
        old = self.daemon({self.TARGET: (204, b"")})
        process = self.agent()
        self.beat(old)
        old.stop()
        # the connection that the old one had accepted ends with its next beat
        old.answers[self.TARGET] = lambda handler: setattr(handler, "close_connection", True)
        new = self.daemon({self.TARGET: (204, b"")})
        self.beat(new)
        self.assertIn("not reached", self.finish(process))

    def test_systemd_is_told_and_its_watchdog_answered_also_without_a_daemon(self):
        path = os.path.join(self.folder.name, "n")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(path)
            notify.settimeout(PATIENCE_S)
            process = self.agent(env={"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "60000"})
            heard = ""
            while "READY=1" not in heard or heard.count("WATCHDOG=1") < 2:
                heard += notify.recv(4096).decode() + "\n"
            process.send_signal(signal.SIGTERM)
            while "STOPPING=1" not in heard:
                heard += notify.recv(4096).decode() + "\n"
            self.assertEqual(process.wait(PATIENCE_S), 0)

    def test_a_daemon_that_does_not_answer_is_left_after_two_beats(self):
        hold = threading.Event()
        daemon = self.daemon({self.TARGET: [lambda handler: hold.wait(PATIENCE_S), (204, b"")]})
        process = self.agent()
        for _ in range(3):
            self.beat(daemon)
        hold.set()
        self.assertIn("Connection timed out", self.finish(process))

    def test_an_answer_that_is_not_http_does_not_end_it(self):
        def nonsense(handler):
            handler.wfile.write(b"\0\1\2 nonsense\r\n\r\n")
        daemon = self.daemon({self.TARGET: [nonsense, (204, b"")]})
        process = self.agent()
        for _ in range(3):
            self.beat(daemon)
        self.assertIn("not understood", self.finish(process))

    def test_another_refusal_is_said_once(self):
        daemon = self.daemon({self.TARGET: (404, problem("no-host", 404, "no such host"))})
        process = self.agent()
        for _ in range(4):
            self.beat(daemon)
        self.assertEqual(self.finish(process).count("no such host"), 1)

    def test_what_the_host_sees_follows_its_first_beat(self):
        device = os.path.join(self.folder.name, "bus/pci/devices/0000:05:00.0")
        os.makedirs(device)
        for name, value in (("class", "0x010802"), ("vendor", "0x1b36"), ("device", "0x0010")):
            with open(os.path.join(device, name), "w", encoding="ascii") as file:
                file.write(value + "\n")
        daemon = self.daemon({self.TARGET: (204, b""), "PUT /v1/hosts/bay7/seen": (204, b"")})
        process = self.agent("--boot-id", BOOT, env={"FABRIC_SYSFS": self.folder.name})

        view = self.arrived(daemon, "seen").json()

        self.assertEqual(view, {"type": "seen", "host": "bay7", "boot_id": BOOT, "functions": [
            {"address": "0000:05:00.0", "class": "0108", "vendor": "1b36", "device": "0010"}]})
        self.beat(daemon)
        self.finish(process)

    def test_an_agent_that_stands_in_for_a_model_shows_nothing(self):
        daemon = self.daemon({self.TARGET: (204, b"")})
        process = self.agent("--sysfs", "none")
        verbs = [daemon.arrived.get(timeout=PATIENCE_S).target.rpartition("/")[2] for _ in range(8)]
        self.finish(process)
        # A manager that does not know what an agent says else is told it once.
        self.assertEqual(sorted(verbs), ["heartbeat"] * 7 + ["says"])

    def test_the_highest_epoch_that_was_told_is_told_back(self):
        manager = b'{"type":"manager","incarnation":"00000000000000aa"}\n'
        fenced = b'{"type":"urn:fabricd:host-fenced","code":"host-fenced","epoch":5}\n'
        daemon = self.daemon({self.TARGET: (409, fenced), "PUT /v1/hosts/bay7/says": (200, manager)})
        state = os.path.join(self.folder.name, "agent.state")
        process = self.agent("--boot-id", BOOT, "--sysfs", "none", "--state", state)
        first = self.arrived(daemon, "says").json()
        self.assertEqual(first, {"type": "told", "host": "bay7", "boot_id": BOOT, "epoch": 0})
        while True:
            told = self.arrived(daemon, "says").json()
            if told["type"] == "told" and told["epoch"]:
                break
        self.assertEqual((told["epoch"], told["incarnation"]), (5, "00000000000000aa"))
        self.finish(process)
        process = self.agent("--boot-id", BOOT, "--sysfs", "none", "--state", state)
        while self.arrived(daemon, "says").json().get("epoch") != 5:
            pass
        self.finish(process)

    def test_bad_words_are_usage(self):
        for words in (["--host", ""], ["--host", "x" * 64], ["--host", "x", "--udp", "nowhere"],
                      ["--host", "x", "--udp", "127.0.0.1:7"], ["--host", "x", "--interval-ms", "0"], ["--nonsense"],
                      ["--host", "x", "--boot-id", "x"], ["--host", "x", "y"],
                      ["--host", "x", "--socket", "/" + "x" * 200]):
            process = self.start(FABRIC_AGENT, *words)
            process.communicate(timeout=PATIENCE_S)
            self.assertEqual(process.returncode, 2, words)
        process = self.start(FABRIC_AGENT, "--help")
        self.assertIn("--interval-ms", process.communicate(timeout=PATIENCE_S)[0])


if __name__ == "__main__":
    unittest.main(verbosity=1)
