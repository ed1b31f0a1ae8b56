#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The database is gone, and real QEMU guests run on: they are found again by what libvirt tells of them. Exit code 77: skipped."""
import json
import os
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from cloud import BUILD, Cloud, ended  # noqa: E402

CLOUDD = os.path.join(BUILD, "src/cloudd/cloudd")
KEPT = ("id", "name", "tenant_id", "status", "addresses", "OS-EXT-SRV-ATTR:instance_name", "OS-EXT-SRV-ATTR:host")


def until(what, true):
    end = time.monotonic() + 180
    while not true():
        assert time.monotonic() < end, "waited in vain: " + what
        time.sleep(0.1)


def offline(c, *args):
    r = subprocess.run([CLOUDD, "--config", os.path.join(c.dir, "cloudd.conf"), *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                       text=True)
    assert r.returncode == 0, (args, r.stdout)
    return r.stdout


def make(c, name):
    image = c.request("tenant", "GET", "/image/v2/images").json["images"][0]["id"]
    a = c.request("tenant", "POST", "/compute/v2.1/servers",
                  {"server": {"name": name, "imageRef": image, "flavorRef": "1", "networks": "auto"}},
                  {"OpenStack-API-Version": "compute 2.37"})
    assert a.status == 202, a.body
    return a.json["server"]["id"]


def show(c, i):
    return c.request("admin", "GET", "/compute/v2.1/servers/" + i).json["server"]


def lose_the_database(c):
    pid = c.pid()
    c.conn.close()
    c.conn = None
    os.kill(pid, 9)
    until("the daemon's end", lambda: ended(pid))
    db = os.path.join(c.dir, "state/cloudd.db")
    for tail in ("", "-wal", "-shm"):
        if os.path.exists(db + tail):
            os.rename(db + tail, db + ".lost" + tail)


def qemu_of(c, i):
    out = c.host("exec", 1, "virsh", "domid", i)
    return out.strip()


def main():
    for tool in ("libvirtd", "qemu-system-x86_64"):
        if os.geteuid() != 0 or not shutil.which(tool):
            print("SKIP: needs root and %s" % tool)
            return 77
    with Cloud(driver="qemu", hosts=1) as c:
        ids = [make(c, "chạy"), make(c, "off")]
        until("both", lambda: all(show(c, i)["status"] == "ACTIVE" for i in ids))
        a = c.request("tenant", "POST", "/compute/v2.1/servers/%s/action" % ids[1], {"os-stop": None})
        assert a.status == 202, a.body
        until("one that is off", lambda: show(c, ids[1])["status"] == "SHUTOFF")
        was, runs = {i: show(c, i) for i in ids}, qemu_of(c, ids[0])
        given = ["%s=%s" % (h["name"], h["uri"]) for h in json.loads(c.ctl("host", "list", "-o", "json"))["hosts"]]
        lose_the_database(c)
        told = offline(c, "--recover-from-hosts", "--apply", *given)
        assert "2 to take over, 0 in conflict" in told, told
        c.devcloud("restart", c.dir)
        c.tokens.clear()
        c.ctl("bootstrap", "--password-stdin", stdin=c.people["admin"][1] + "\n")
        until("the host", lambda: all(h["connection"] == "connected"
                                      for h in json.loads(c.ctl("host", "list", "-o", "json"))["hosts"]))
        for i in ids:
            now = show(c, i)
            assert {k: now[k] for k in KEPT} == {k: was[i][k] for k in KEPT}, (now, was[i])
        assert qemu_of(c, ids[0]) == runs, "it was started again"
        assert json.loads(c.ctl("check", "-o", "json"))["check"]["ok"]
        c.ctl("recovery", "finish")
        a = c.request("admin", "POST", "/compute/v2.1/servers/%s/action" % ids[1], {"os-start": None})
        assert a.status == 202, a.body
        until("its start", lambda: show(c, ids[1])["status"] == "ACTIVE")
        for i in ids:
            assert c.request("admin", "DELETE", "/compute/v2.1/servers/" + i).status == 204
        until("the deletions", lambda: not json.loads(c.ctl("server", "list", "-o", "json"))["servers"])
        left = c.host("exec", 1, "sh", "-c", "virsh list --all --name; virsh vol-list cloudd | grep -F -e %s -e %s || true" % tuple(ids))
        assert not left.strip(), left
        c.writes.clear()  # their records went with the database
    print("ok")
    return 0


if __name__ == "__main__":
    sys.exit(main())
