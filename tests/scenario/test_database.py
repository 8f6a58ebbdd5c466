#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The database of a real fabricd: copied while it is busy, put back, damaged, on a disk that is full.
Whatever happens to it, the switch stays as it is."""

import http.client
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import threading
import unittest

from fabric import BIN, PATIENCE_S, Case, Refused


class Database(Case):
    def setUp(self):
        super().setUp()
        self.db = self.fabric.at("fabricd.db")

    def tool(self, *words, expect=0):
        """What fabric-db says, on either channel."""
        done = subprocess.run([os.path.join(BIN, "fabric-db"), *words], text=True, check=False,
                              capture_output=True, timeout=PATIENCE_S,
                              env=self.fabric.environment())
        self.assertEqual(done.returncode, expect, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def stop(self):
        self.assertEqual(self.fabric.kill("fabricd", signal.SIGTERM), 0)

    def refused_start(self):
        """fabricd ends with 1; what it said about it."""
        before = len(self.fabric.log("fabricd"))
        process = self.fabric.start_manager(ready=False)
        self.assertEqual(process.wait(PATIENCE_S), 1)
        del self.fabric.processes["fabricd"]
        return self.fabric.log("fabricd")[before:]

    def health(self):
        return self.fabric.get("/v1/health")

    def two_bound(self):
        a, b = self.fabric.free_functions("nic-")[:2]
        self.fabric.assign(a, self.hosts[0])
        self.fabric.assign(b, self.hosts[1])
        return a, b

    # ---- copies ----

    def test_a_backup_while_busy_is_one_moment_and_sound(self):
        functions = self.fabric.free_functions("nic-")[:4]
        busy = threading.Event()
        refused = []

        def move_for_ever():
            n = 0
            while not busy.is_set():
                try:
                    for function in functions:
                        self.fabric.assign(function, self.hosts[n % 2])
                    for function in functions:
                        self.fabric.change({"op": "release", "function": function})
                except Refused as e:
                    refused.append(e)
                n += 1

        thread = threading.Thread(target=move_for_ever)
        thread.start()
        try:
            for n in range(5):
                copy = self.fabric.at(f"copy{n}.db")
                self.assertIn("a copy", self.fabric.ctl("db", "backup", copy))
                self.assertIn("sound", self.fabric.ctl("db", "check", copy))
                self.assertEqual(os.stat(copy).st_mode & 0o777, 0o600)
        finally:
            busy.set()
            thread.join(PATIENCE_S)
        self.assertEqual(refused, [])
        self.fabric.check()
        self.assertEqual([name for name in os.listdir(self.fabric.folder)
                          if name.startswith("copy") and not name.endswith(".db")], [])
        self.assertEqual(self.health()["status"], "ok")

    def test_a_backup_never_overwrites_and_is_for_admins_on_absolute_paths(self):
        copy = self.fabric.at("copy.db")
        with open(copy, "w", encoding="ascii") as file:
            file.write("mine")

        self.fabric.ctl("db", "backup", copy, expect=1)
        status, _, problem = self.fabric.request("POST", "/v1/db/backup", {"file": copy})
        self.assertEqual((status, problem["code"]), (409, "backup"))
        self.assertIn("not overwritten", problem["detail"])
        for body in ({"file": "copy.db"}, {"file": ""}, {}, {"file": 7}):
            self.assertEqual(self.fabric.request("POST", "/v1/db/backup", body)[0], 400, body)
        self.assertEqual(self.fabric.request("POST", "/v1/db/other", {"file": copy})[0], 404)
        status, _, problem = self.fabric.request(
            "POST", "/v1/db/backup", {"file": self.fabric.at("absent/copy.db")})
        self.assertEqual(status, 409)
        self.assertIn("absent", problem["detail"])
        with open(copy, encoding="ascii") as file:
            self.assertEqual(file.read(), "mine")
        self.assertEqual(self.health()["status"], "ok")

    def test_a_check_says_whether_a_file_is_sound(self):
        self.assertIn("sound", self.fabric.ctl("db", "check", "--db", self.db))
        bad = self.fabric.at("bad.db")
        with open(bad, "w", encoding="ascii") as file:
            file.write("x" * 5000)
        self.fabric.ctl("db", "check", bad, expect=1)
        self.assertIn("is not a database", self.tool("check", bad, expect=1))
        self.assertIn("is not there", self.tool("check", self.fabric.at("absent"), expect=1))

    # ---- the audit ----

    def test_the_audit_tells_who_did_what_and_that_it_is_whole(self):
        a, b = self.two_bound()
        self.fabric.ctl("host", "set", self.hosts[3], "--spare", "on")
        said = self.fabric.ctl("audit", "list", "--db", self.db)
        self.assertIn(a, said)
        self.assertIn(b, said)
        self.assertIn(f"uid {os.getuid()}", said)
        self.assertEqual(len(self.fabric.ctl("audit", "list", "--last", "1", "--db", self.db)
                             .splitlines()), 1)
        self.fabric.ctl("audit", "list", "--last", "none", "--db", self.db, expect=2)
        self.assertIn("rows fit", self.fabric.ctl("audit", "verify", "--db", self.db))
        self.fabric.kill("fabricd")
        self.fabric.start_manager()
        self.assertIn("rows fit", self.fabric.ctl("audit", "verify", "--db", self.db))
        self.stop()

        db = sqlite3.connect(self.db)
        trigger = db.execute("SELECT sql FROM sqlite_schema WHERE name='audit_stays'").fetchone()[0]
        last = db.execute("SELECT max(id) FROM audit").fetchone()[0]
        db.executescript(f"DROP TRIGGER audit_stays; DELETE FROM audit WHERE id={last}; {trigger}")
        db.close()
        self.assertIn(f"audit row {last} and what follows is missing at the end",
                      self.tool("audit-verify", "--db", self.db, expect=1))
        self.fabric.start_manager()
        self.assertIn("does not end where it ended", self.fabric.log("fabricd"))
        self.assertIn(f"audit row {last} is missing",
                      self.tool("audit-verify", "--db", self.db, expect=1))
        self.fabric.check()

    # ---- restored from last week ----

    def test_a_restored_database_repairs_nothing_until_it_is_adopted(self):
        copy = self.fabric.at("copy.db")
        a, b = self.two_bound()
        c = self.fabric.free_functions("nic-")[0]
        self.fabric.ctl("db", "backup", copy)
        # A week goes by.
        self.fabric.change({"op": "release", "function": a})
        self.fabric.change({"op": "move", "function": b, "host": self.hosts[2]})
        self.fabric.assign(c, self.hosts[3])
        before = self.fabric.bindings()
        incarnation = self.health()["incarnation"]
        said = self.tool("restore", copy, "--db", self.db, expect=1)
        self.assertIn("in use by another fabricd", said)
        self.stop()
        self.fabric.ctl("db", "restore", copy, "--db", self.db)

        self.fabric.start_manager()
        self.fabric.wait("it is judged", lambda: self.health()["status"] == "adopt")
        health = self.health()
        self.assertNotEqual(health["incarnation"], incarnation)
        self.assertFalse(health["adopted"])
        self.assertIn("restored from a backup", health["detail"])
        self.assertEqual({(d["kind"], d["subject"]) for d in health["differences"]},
                         {("missing", a), ("foreign", b), ("foreign", c)})
        # Three windows of repair-retry, and three in which a host would be found dead.
        self.fabric.kill("agent-" + self.hosts[0])
        number = self.fabric.list("changes")
        self.fabric.wait("time goes by", self.passes(3))
        self.assertEqual(self.fabric.bindings(), before)
        self.assertEqual(self.fabric.list("changes"), number)
        self.assertEqual(self.fabric.list("incidents"), [])

        self.fabric.ctl("adopt")
        self.fabric.wait("all is as the switch has it", lambda: self.health()["status"] == "ok")
        self.assertEqual(self.health()["differences"], [])
        self.assertEqual(self.fabric.bindings(), before)
        self.assertIsNone(self.fabric.get("/v1/functions/" + a)["host"])
        self.assertEqual(self.fabric.get("/v1/functions/" + b)["host"], self.hosts[2])
        # And it works under generations that were never given.
        given = self.fabric.get("/v1/functions/" + b)["generation"]
        self.fabric.change({"op": "move", "function": b, "host": self.hosts[1]})
        self.assertGreater(self.fabric.get("/v1/functions/" + b)["generation"], given)
        self.fabric.assign(a, self.hosts[2])

    def test_s14_an_older_file_put_back_by_hand_freezes_and_its_restore_goes_on(self):
        older = self.fabric.at("older.db")
        b = self.two_bound()[1]
        self.stop()
        shutil.copy(self.db, older)
        self.fabric.start_manager()
        self.fabric.change({"op": "move", "function": b, "host": self.hosts[2]})
        given = self.fabric.get("/v1/functions/" + b)["generation"]
        before = self.fabric.bindings()
        self.stop()
        shutil.copy(older, self.db)

        self.fabric.start_manager()
        self.fabric.wait("it is frozen", lambda: self.health()["status"] == "frozen")
        self.assertIn(f"{b} is bound under generation {given}", self.health()["detail"])
        with self.assertRaises(Refused):
            self.fabric.change({"op": "move", "function": b, "host": self.hosts[1]})
        self.assertEqual(self.fabric.bindings(), before)
        self.stop()

        self.fabric.ctl("db", "restore", older, "--db", self.db)
        self.fabric.start_manager()
        self.fabric.wait("it is judged", lambda: self.health()["status"] == "adopt")
        self.fabric.ctl("adopt")
        self.fabric.wait("all is as the switch has it", lambda: self.health()["status"] == "ok")
        self.assertEqual(self.fabric.bindings(), before)
        self.fabric.change({"op": "move", "function": b, "host": self.hosts[1]})
        self.assertGreater(self.fabric.get("/v1/functions/" + b)["generation"], given)

    def passes(self, windows):
        """So many heartbeat windows have gone by for a host that goes on beating."""
        first = [None]

        def look():
            seq = self.fabric.get("/v1/hosts/" + self.hosts[1])["seq"]
            first[0] = seq if first[0] is None else first[0]
            return seq >= first[0] + 5 * windows
        return look

    # ---- damaged ----

    def test_what_cannot_be_used_is_refused_and_the_switch_stays_as_it_is(self):
        self.two_bound()
        before = self.fabric.bindings()
        self.stop()
        good = self.fabric.at("good.db")
        shutil.copyfile(self.db, good)
        size = os.path.getsize(good)

        def truncated():
            os.truncate(self.db, size // 2 + 100)

        def cut_at_a_page():
            os.truncate(self.db, size // 2 // 4096 * 4096)

        def corrupted():
            with open(self.db, "r+b") as file:
                file.seek(size // 2 // 4096 * 4096)
                file.write(b"\x5a" * 8192)

        def newer():
            with sqlite3.connect(self.db) as db:
                db.execute("PRAGMA user_version=99")
            db.close()

        def emptied():
            os.truncate(self.db, 0)

        for spoil, words in ((truncated, "is damaged"), (cut_at_a_page, "is damaged"),
                             (corrupted, "is damaged"), (newer, "version 99"),
                             (emptied, "is empty")):
            with self.subTest(spoil.__name__):
                shutil.copyfile(good, self.db)
                spoil()
                with open(self.db, "rb") as file:
                    spoilt = file.read()
                self.assertIn(words, self.refused_start())
                with open(self.db, "rb") as file:
                    self.assertEqual(file.read(), spoilt)
                self.assertEqual(self.fabric.bindings(), before)
        shutil.copyfile(good, self.db)
        self.fabric.start_manager()
        self.fabric.check()

    # ---- a disk that is full, and is mended ----

    def limit(self, size):
        """No file of fabricd may grow beyond @size bytes."""
        pid = self.fabric.processes["fabricd"].pid
        hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)[1]
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, hard))

    def status(self):
        try:
            return self.fabric.get("/v1/health", raw=True)[1]["status"]
        except (OSError, http.client.HTTPException):
            return "away"

    def test_on_a_full_disk_it_freezes_and_once_there_is_room_it_thaws_by_itself(self):
        a, b = self.two_bound()
        c = self.fabric.free_functions("nic-")[0]
        before = self.fabric.bindings()
        last = self.fabric.get("/v1/health")
        process = self.fabric.processes["fabricd"]
        self.limit(8192)

        status, _, problem = self.fabric.request(
            "POST", "/v1/changes?wait=60",
            {"operations": [{"op": "assign", "function": c, "host": self.hosts[2]}]})
        self.assertEqual(status, 503)
        self.assertEqual(problem["code"], "frozen")
        self.fabric.wait("it has tried to go on", lambda: "tried" in (self.health()["detail"] or ""))
        health = self.health()
        self.assertEqual((health["status"], health["frozen"]), ("frozen", True))
        self.assertIn("goes on by itself", health["detail"])
        self.assertEqual(self.fabric.bindings(), before)
        # The hosts beat on, and one that dies is not failed over.
        self.fabric.kill_blade(self.hosts[3])
        self.assertEqual(self.fabric.list("incidents"), [])

        self.limit(resource.RLIM_INFINITY)
        self.fabric.wait("it has thawed", lambda: self.status() == "ok")
        self.assertIsNone(process.poll())
        self.assertEqual(self.health()["incarnation"], last["incarnation"])
        self.fabric.check()
        self.fabric.wait("the dead host is fenced", lambda: self.fabric.host_state(self.hosts[3]) ==
                         "fenced")
        self.fabric.assign(c, self.hosts[2])
        self.fabric.change({"op": "move", "function": a, "host": self.hosts[2]})
        self.fabric.change({"op": "release", "function": b})
        self.fabric.check()
        self.stop()
        with sqlite3.connect(self.db) as db:
            self.assertEqual(db.execute("SELECT count(*) FROM event WHERE type='fabric.thawed'")
                             .fetchone(), (1,))
            self.assertEqual(db.execute("SELECT count(*) FROM audit WHERE action='thaw'")
                             .fetchone(), (1,))
        db.close()

    @unittest.skipUnless(os.geteuid() == 0 and shutil.which("setpriv"), "takes root and setpriv")
    def test_a_read_only_database_is_refused(self):
        self.two_bound()
        before = self.fabric.bindings()
        self.stop()
        os.chmod(self.fabric.folder, 0o777)
        for name in ("fabricd.db", "fabricd.db.lock"):
            os.chown(self.fabric.at(name), 65534, 65534)
        os.chmod(self.db, 0o444)
        done = subprocess.run(
            ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
             os.path.join(BIN, "fabricd"), "--config", "/dev/null", "--db", self.db,
             "--socket", self.fabric.at("other.sock")], capture_output=True, text=True,
            timeout=PATIENCE_S, check=False, env=self.fabric.environment())
        self.assertEqual(done.returncode, 4)
        self.assertIn("is read-only", done.stderr)
        self.assertEqual(self.fabric.bindings(), before)


if __name__ == "__main__":
    unittest.main(verbosity=2)
