# SPDX-License-Identifier: GPL-2.0-or-later
"""A whole fabric in a temporary folder, for scenario tests: fabricsim, fabricd and agents as real
processes on real sockets. Nothing here sleeps for a fixed time: wait() looks until something is so.

What the daemon acknowledged is kept in Fabric.acknowledged, and compared with the switch's own
truth, `fabricsim bindings`, by Fabric.check().

Environment: FABRIC_BIN is the folder of the programs."""

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest
import uuid

BIN = os.environ["FABRIC_BIN"]
# How long anything may take before a test fails. Nothing waits that long in good order; a loaded
# machine and a sanitizer make everything slower.
PATIENCE_S = float(os.environ.get("FABRIC_PATIENCE", "60"))
SANITIZERS = ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "LSAN_OPTIONS")
SANITIZER_SAYS = re.compile("runtime error: |(ERROR|WARNING): (Address|Thread|Leak)Sanitizer")

CONFIG = """\
[heartbeat]
interval = 200ms
missed = 5
[failover]
spare-windows = 1
fence-retry = 1s
rate-count = 64
[fabric]
repair-retry = 200ms
"""


class Refused(Exception):
    """The daemon answered with a problem."""

    def __init__(self, status, problem):
        super().__init__(f"{status}: {problem}")
        self.status, self.problem = status, problem


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("fabricd", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def mac_of(n):
    return "02:fa:b0:%02x:%02x:%02x" % (n >> 16 & 255, n >> 8 & 255, n & 255)


class Fabric:
    """A fabric that belongs to one test, and goes with it."""

    provider = "sim"
    switch_log = "notice"  # fabricsim's; "debug": all that it carries out

    def __init__(self, case, chassis=None, generate=(4, 1, 2, 4), config=CONFIG):
        """@chassis: a chassis file; else one is made: @generate hosts, switches, adapters, VFs."""
        self.case = case
        self.folder = tempfile.mkdtemp(prefix="fabric-")
        case.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.processes = {}
        self.ended = {}
        case.addCleanup(self.end_all)
        self.acknowledged = {}  # function -> {"host", "mac"}: what the last 200 "done" promised
        self.macs = 0
        self.sim_socket = self.at("sim.sock")
        self.socket = self.at("fabricd.sock")
        self.chassis = chassis or self.generate(*generate)
        with open(self.at("fabricd.conf"), "w", encoding="ascii") as file:
            file.write(config)

    def at(self, name):
        return os.path.join(self.folder, name)

    # ---- processes ----

    def environment(self, more=None):
        env = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C.UTF-8",
               "FABRIC_SYSFS": "none"}  # this machine's functions are none of a modelled host's
        env.update({name: os.environ[name] for name in SANITIZERS if name in os.environ})
        env.update(more or {})
        return env

    def start(self, name, program, *words, env=None):
        """Starts @program in the background; its log is NAME.log."""
        with open(self.at(name + ".log"), "ab") as log:
            process = subprocess.Popen([os.path.join(BIN, program), *words], stdin=subprocess.DEVNULL,
                                       stdout=log, stderr=log, env=self.environment(env))
        self.processes[name] = process
        return process

    def run(self, program, *words, expect=0, stdin=None):
        """Runs @program to its end and returns what it printed."""
        done = subprocess.run([os.path.join(BIN, program), *words], input=stdin, text=True,
                              capture_output=True, timeout=PATIENCE_S, env=self.environment(),
                              check=False)
        self.case.assertEqual(done.returncode, expect,
                              f"{program} {words}\n{done.stdout}{done.stderr}")
        return done.stdout

    def kill(self, name, number=signal.SIGKILL):
        """Ends a process and returns its exit code (minus the signal's number)."""
        process = self.processes.pop(name)
        if process.poll() is None:
            process.send_signal(number)
        return process.wait(PATIENCE_S)

    def end_all(self):
        """Ends what still runs as an administrator would: so leaks are found too."""
        self.ended = {name: process.returncode for name, process in self.processes.items()
                      if process.poll() is not None}
        running = {name: process for name, process in self.processes.items()
                   if name not in self.ended}
        for process in running.values():
            process.send_signal(signal.SIGCONT)
            process.terminate()
        end = time.monotonic() + PATIENCE_S
        stuck = [name for name, process in running.items() if not self.ends_by(process, end)]
        result = getattr(self.case, "_outcome").result
        if result.failures or result.errors:
            self.print_logs()
        self.case.assertEqual(stuck, [], "do not end on SIGTERM")
        self.check_logs()

    @staticmethod
    def ends_by(process, end):
        try:
            process.wait(max(0, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return False
        return True

    def check_logs(self):
        """No program said anything that only a sanitizer says."""
        for name in os.listdir(self.folder):
            text = self.log(name.removesuffix(".log")) if name.endswith(".log") else ""
            found = SANITIZER_SAYS.search(text)
            if found:
                self.case.fail(f"{name}: {text[found.start():found.start() + 4000]}")

    def log(self, name):
        try:
            with open(self.at(name + ".log"), encoding="utf-8", errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def print_logs(self):
        for name in ("fabricsim", "fabricd"):
            print(f"---- {name}.log, its end ----\n" + "\n".join(self.log(name).splitlines()[-60:]))
        for name in sorted(os.listdir(self.folder)):
            if name.startswith("agent-") and name.endswith(".log"):
                lines = self.log(name.removesuffix(".log")).splitlines()
                print(f"---- {name}, its end ----\n" + "\n".join(lines[-4:]))
        print("---- ended before the test did:", self.ended)

    # ---- the switch ----

    def generate(self, hosts, switches, adapters, vfs):
        text = self.run("fabricsim", "generate", "--hosts", str(hosts), "--switches", str(switches),
                        "--adapters", str(adapters), "--vfs", str(vfs))
        with open(self.at("chassis.json"), "w", encoding="utf-8") as file:
            file.write(text)
        return self.at("chassis.json")

    def start_switch(self):
        self.start("fabricsim", "fabricsim", "run", "--chassis", self.chassis, "--state",
                   self.at("switch.state"), "--socket", self.sim_socket, "--log", self.switch_log)
        self.wait("fabricsim listens", lambda: self.answers(self.sim_socket))

    def bindings(self):
        """What is bound where, by function. That each function, place and identity is there once
        is checked here, every time (invariants 1 and 4)."""
        rows = json.loads(self.run("fabricsim", "bindings", "--socket", self.sim_socket,
                                   "-o", "json"))
        self.case.assertEqual(len({row["function"] for row in rows}), len(rows), rows)
        self.case.assertEqual(len({(row["host"], row["vport"]) for row in rows}), len(rows), rows)
        for key in ("mac", "wwpn"):
            values = [row["identity"][key] for row in rows if (row["identity"] or {}).get(key)]
            self.case.assertEqual(len(set(values)), len(values), rows)
        return {row["function"]: row for row in rows}

    def fault(self, *specs):
        self.run("fabricsim", "fault", "--socket", self.sim_socket, *specs)

    def power(self, host, state):
        self.run("fabricsim", "host", "--socket", self.sim_socket, host, "power", state)

    def traffic(self, host, state):
        """Whether anything comes from the blade at its port; nothing, in a new switch."""
        self.run("fabricsim", "host", "--socket", self.sim_socket, host, "traffic", state)

    # ---- the manager ----

    def start_manager(self, env=None, ready=True):
        process = self.start("fabricd", "fabricd", "--config", self.at("fabricd.conf"), "--db",
                             self.at("fabricd.db"), "--socket", self.socket, "--provider",
                             f"{self.provider}={self.sim_socket}", "--log-level", "debug", env=env)
        if ready:
            self.wait("fabricd is ready", self.is_ready)
        return process

    def is_ready(self):
        if self.manager_has_died():
            raise AssertionError(f"fabricd ended with {self.processes['fabricd'].returncode}")
        return self.answers_health()

    def answers_health(self):
        try:
            return self.get("/v1/health", raw=True)[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def manager_has_died(self):
        return self.processes["fabricd"].poll() is not None

    def request(self, method, target, body=None, headers=None, timeout=PATIENCE_S):
        """One request: status, headers, document (None where there is none)."""
        connection = UnixConnection(self.socket, timeout)
        try:
            data = json.dumps(body) if isinstance(body, (dict, list)) else body
            fields = {"Content-Type": "application/json"} if data is not None else {}
            connection.request(method, target, data, {**fields, **(headers or {})})
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        return answer.status, answer.headers, json.loads(text) if text else None

    def get(self, target, raw=False):
        status, _, document = self.request("GET", target)
        if raw:
            return status, document
        self.case.assertEqual(status, 200, document)
        return document

    def list(self, kind, **filters):
        query = "".join(f"&{key}={value}" for key, value in filters.items())
        items, cursor = [], ""
        while cursor is not None:
            page = self.get(f"/v1/{kind}?limit=1000{query}" + (f"&cursor={cursor}" if cursor else ""))
            items += page["items"]
            cursor = page["next"]
        return items

    def change(self, *operations, wait=PATIENCE_S, headers=None):
        """Asks for a change; its document once it has ended. Raises Refused, or OSError when the
        daemon goes away meanwhile. What was acknowledged as done is remembered."""
        status, _, document = self.request("POST", f"/v1/changes?wait={int(wait)}",
                                           {"operations": list(operations)}, headers)
        if status not in (200, 202):
            raise Refused(status, document)
        if status == 200 and document["state"] == "done":
            self.remember(operations)
        return document

    def remember(self, operations):
        for op in operations:
            if op["op"] == "release":
                self.acknowledged[op["function"]] = None
                continue
            before = self.acknowledged.get(op["function"]) or {}
            mac = (op.get("identity") or {}).get("mac", before.get("mac"))
            self.acknowledged[op["function"]] = {"host": op["host"], "mac": mac}

    def assign(self, function, host, **more):
        """With a MAC of its own where the function can have one."""
        if function.startswith("nic-") and "identity" not in more:
            self.macs += 1
            more["identity"] = {"mac": mac_of(self.macs)}
        return self.change({"op": "assign", "function": function, "host": host, **more})

    def free_functions(self, prefix=""):
        """Those that can be given: not the PF of a shared adapter."""
        return [row["id"] for row in self.list("functions", state="free")
                if row["id"].startswith(prefix) and row["kind"] in ("vf", "device")]

    def incident_of(self, host):
        """The last one; None."""
        rows = [row for row in self.list("incidents") if row["host"] == host]
        return rows[-1] if rows else None

    def ctl(self, *words, expect=0, stdin=None):
        return self.run("fabricctl", "--socket", self.socket, *words, expect=expect, stdin=stdin)

    # ---- agents ----

    def start_agent(self, host):
        self.start("agent-" + host, "fabric-agent", "--host", host, "--socket", self.socket,
                   "--interval-ms", "200", "--boot-id", str(uuid.uuid4()))

    def start_agents(self, hosts):
        for host in hosts:
            self.start_agent(host)
        self.wait("the agents are heard",
                  lambda: all(self.host_state(host) == "alive" for host in hosts))

    def kill_blade(self, host):
        """The agent dies, and the blade goes off."""
        self.kill("agent-" + host)
        self.power(host, "off")

    def host_state(self, host):
        return self.get("/v1/hosts/" + host)["state"]

    # ---- waiting and comparing ----

    @staticmethod
    def answers(path):
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(path)
            except OSError:
                return False
        return True

    def wait(self, what, condition, patience=PATIENCE_S):
        """Until @condition() is true; its value. @what is said when it never was."""
        end = time.monotonic() + patience
        while True:
            value = condition()
            if value:
                return value
            if time.monotonic() > end:
                raise AssertionError(f"not within {patience:g} s: {what}")
            time.sleep(0.01)

    def differences(self):
        """Where the switch is not as was acknowledged; empty: nowhere."""
        bound = self.bindings()
        wrong = []
        for function, want in self.acknowledged.items():
            row = bound.get(function)
            is_as = (row and row["host"], row and (row["identity"] or {}).get("mac"))
            should = (want and want["host"], want and want["mac"])
            if is_as != should:
                wrong.append(f"{function}: is {is_as}, should be {should}")
        for function in bound:
            if not self.acknowledged.get(function):
                wrong.append(f"{function}: is bound to {bound[function]['host']}, asked for by nobody")
        return sorted(set(wrong))

    def check(self):
        """The switch is as was acknowledged: no more, no less (invariant 5)."""
        self.case.assertEqual(self.differences(), [])

    def wait_settled(self):
        """Nothing runs any more, and the switch is as was acknowledged."""
        self.wait("no change runs", lambda: not self.list("changes", state="running"))
        self.wait("the switch is as was acknowledged: " + "; ".join(self.differences()),
                  lambda: not self.differences())


class Follower:
    """Reads /v1/events in a thread; .types is what came, in order."""

    def __init__(self, fabric):
        self.connection = UnixConnection(fabric.socket, PATIENCE_S)
        self.connection.request("GET", "/v1/events")
        self.socket = self.connection.sock  # http.client lets go of it when the answer has no length
        self.answer = self.connection.getresponse()
        self.events = []
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()
        fabric.case.addCleanup(self.close)

    def read(self):
        event = {}
        try:
            for line in self.answer:
                line = line.decode().rstrip("\n")
                if not line:
                    if "data" in event:
                        self.events.append(event)
                    event = {}
                    continue
                field, _, value = line.partition(":")
                if field:
                    event[field] = event.get(field, "") + value.removeprefix(" ")
        except (OSError, ValueError, AttributeError):
            pass  # the daemon, or the test, has ended

    def types(self):
        return [json.loads(event["data"])["type"] for event in list(self.events)]

    def close(self):
        # The thread may be inside a read: shutting the socket down ends it.
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.thread.join(PATIENCE_S)
        self.answer.close()
        self.connection.close()


class Case(unittest.TestCase):
    """A test with one fabric, running, with agents on all hosts but those in COLD."""

    generate = (4, 1, 2, 4)
    config = CONFIG
    COLD = ()

    def setUp(self):
        self.fabric = Fabric(self, generate=self.generate, config=self.config)
        self.fabric.start_switch()
        self.fabric.start_manager()
        self.hosts = [row["id"] for row in self.fabric.list("hosts")]
        self.fabric.start_agents([host for host in self.hosts if host not in self.COLD])


def number_of(name):
    """bay10 -> 10"""
    return int(re.sub(r"\D", "", name) or 0)
