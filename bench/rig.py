# SPDX-License-Identifier: GPL-2.0-or-later
"""What the figures share: fabricsim and fabricd as real processes in a folder of their own, requests
over the control socket, and how a figure is judged and printed.

Environment: FABRIC_BENCH_BIN is the folder of the programs (release build); the folders are made
under $TMPDIR, so that database, switch and reference stand on the same file system."""

import datetime
import http.client
import json
import os
import platform
import re
import shutil
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time

BIN = os.environ.get("FABRIC_BENCH_BIN", os.path.join(os.path.dirname(__file__),
                                                      "../build/release/bin"))
PATIENCE_S = 300


def machine():
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as info:
        model = next((line.split(":")[1].strip() for line in info if "model name" in line), "?")
    return f"{model}, {os.cpu_count()} processors, {platform.system()} {platform.release()}"


def program(name):
    return os.path.join(BIN, name)


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("fabricd", timeout=PATIENCE_S)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Rig:
    """A fabric that is measured: `with Rig(...) as rig`."""

    def __init__(self, hosts, switches, adapters, vfs, config="", chassis=None, log="notice"):
        """@chassis: changes the generated chassis document before it is used."""
        self.folder = tempfile.mkdtemp(prefix="fabric-bench-")
        self.processes = {}
        self.log_level = log
        self.connection = None
        self.socket = self.at("fabricd.sock")
        self.sim_socket = self.at("sim.sock")
        text = subprocess.run([program("fabricsim"), "generate", "--hosts", str(hosts),
                               "--switches", str(switches), "--adapters", str(adapters), "--vfs",
                               str(vfs)], check=True, capture_output=True, text=True).stdout
        if chassis:
            document = json.loads(text)
            chassis(document)
            text = json.dumps(document)
        with open(self.at("chassis.json"), "w", encoding="utf-8") as file:
            file.write(text)
        with open(self.at("fabricd.conf"), "w", encoding="ascii") as file:
            file.write(config)

    def __enter__(self):
        try:
            self.start("fabricsim", "run", "--chassis", self.at("chassis.json"), "--state",
                       self.at("switch.state"), "--socket", self.sim_socket)
            self.wait("fabricsim listens", lambda: os.path.exists(self.sim_socket))
            self.start("fabricd", "--config", self.at("fabricd.conf"), "--db", self.at("fabricd.db"),
                       "--socket", self.socket, "--provider", "sim=" + self.sim_socket,
                       "--log-level", self.log_level)
            self.wait("fabricd is ready", self.is_ready)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.connection:
            self.connection.close()
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def at(self, name):
        return os.path.join(self.folder, name)

    def start(self, name, *words):
        with open(self.at(name + ".log"), "ab") as log:
            self.processes[name] = subprocess.Popen([program(name), *words], stdout=log, stderr=log,
                                                    stdin=subprocess.DEVNULL)
        return self.processes[name]

    def log(self, name):
        with open(self.at(name + ".log"), encoding="utf-8", errors="replace") as file:
            return file.read()

    def wait(self, what, condition):
        end = time.monotonic() + PATIENCE_S
        while not condition():
            ended = [name for name, process in self.processes.items() if process.poll() is not None]
            if ended or time.monotonic() > end:
                sys.exit(f"never: {what}; ended: {ended}\n" +
                         "".join(self.log(name)[-2000:] for name in self.processes))
            time.sleep(0.01)

    def is_ready(self):
        try:
            return self.request("GET", "/v1/health")[0] == 200
        except OSError:
            self.connection = None
            return False

    def request(self, method, target, body=None):
        """On one connection that stays open. Return: status, text."""
        if not self.connection:
            self.connection = UnixConnection(self.socket)
        fields = {"Content-Type": "application/json"} if body is not None else {}
        self.connection.request(method, target, body, fields)
        answer = self.connection.getresponse()
        return answer.status, answer.read()

    def get(self, target):
        status, text = self.request("GET", target)
        if status != 200:
            sys.exit(f"GET {target}: {status} {text[:500]}")
        return json.loads(text)

    def list(self, kind, query=""):
        items, cursor = [], ""
        while cursor is not None:
            page = self.get(f"/v1/{kind}?limit=1000{query}" + (f"&cursor={cursor}" if cursor else ""))
            items += page["items"]
            cursor = page["next"]
        return items

    def change(self, operations):
        """Asks, and waits for the end. Return: seconds, the change. Anything but done: exit."""
        body = json.dumps({"operations": operations})
        begin = time.monotonic()
        status, text = self.request("POST", f"/v1/changes?wait={PATIENCE_S}", body)
        seconds = time.monotonic() - begin
        change = json.loads(text)
        if status != 200 or change["state"] != "done":
            sys.exit(f"the change is not done: {status} {text[:1000]}")
        return seconds, change

    def ctl(self, *words):
        return subprocess.run([program("fabricctl"), "--socket", self.socket, *words], check=True,
                              capture_output=True, text=True).stdout

    def incident_done(self, host):
        """Waits until the incident of @host is done. Return: it, with its time line."""
        def done():
            return [row["id"] for row in self.list("incidents", f"&host={host}")
                    if row["state"] == "done"]

        self.wait(f"the incident of {host} is done", done)
        return self.get(f"/v1/incidents/{done()[-1]}")

    def sim(self, command, *words):
        return subprocess.run([program("fabricsim"), command, "--socket", self.sim_socket, *words],
                              check=True, capture_output=True, text=True).stdout

    def rows(self, table):
        with sqlite3.connect(f"file:{self.at('fabricd.db')}?mode=ro", uri=True) as db:
            return db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]

    def transactions(self):
        """Since the start, as the daemon's log tells: [(batches, rows)]."""
        return [(int(a), int(b)) for a, b in
                re.findall(r"transaction of (\d+) batch(?:es)?, (\d+) row", self.log("fabricd"))]

    def agent(self, host, interval_ms):
        """A beating host; ends with the rig."""
        with open(self.at(f"agent-{host}.log"), "ab") as log:
            process = subprocess.Popen(
                [program("fabric-agent"), "--host", host, "--socket", self.socket, "--interval-ms",
                 str(interval_ms), "--sysfs", "none"], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        self.processes["agent-" + host] = process
        return process


def wall_ms(text):
    """A time of the API, as milliseconds."""
    return datetime.datetime.fromisoformat(text).timestamp() * 1000


def mac_of(n):
    return "02:fa:b0:%02x:%02x:%02x" % (n >> 16 & 255, n >> 8 & 255, n & 255)


def spread(values, digits=3, unit=""):
    """Median (least .. most, runs)."""
    values = sorted(values)
    return (f"{statistics.median(values):.{digits}f}{unit} "
            f"({values[0]:.{digits}f} .. {values[-1]:.{digits}f}, {len(values)} runs)")


def judge(name, values, most=None, least=None, unit=""):
    """Prints the figure, its spread and whether it was reached. Return: an exit code."""
    value = statistics.median(values)
    reached = (most is None or value <= most) and (least is None or value >= least)
    limit = f"at most {most:g}" if least is None else f"at least {least:g}"
    print(f"{'reached' if reached else 'MISSED '}  {name}: {spread(values, unit=unit)}, to reach: "
          f"{limit}{unit}", flush=True)
    return 0 if reached else 1
