# SPDX-License-Identifier: Apache-2.0
"""The database is lost, or put back from a backup, while servers run on: nothing that runs is harmed, and all of it is
found again under the same ids."""
import json
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from cloud import BUILD, Cloud, ended  # noqa: E402

CLOUDD = os.path.join(BUILD, "src/cloudd/cloudd")


def offline(c, *args, ok=True):
    r = subprocess.run([CLOUDD, "--config", os.path.join(c.dir, "cloudd.conf"), *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                       text=True)
    assert (r.returncode == 0) == ok, (args, r.returncode, r.stdout)
    return r.stdout


def until(what, true):
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end, "waited in vain: " + what
        time.sleep(0.05)


def stop(c):
    pid = c.pid()
    if c.conn:
        c.conn.close()
        c.conn = None
    os.kill(pid, 9)
    until("the daemon's end", lambda: ended(pid))


def start(c):
    c.devcloud("restart", c.dir)
    until("all hosts", lambda: all(h["connection"] == "connected" for h in hosts(c)))


def hosts(c):
    return json.loads(c.ctl("host", "list", "-o", "json"))["hosts"]


def servers(c):
    return {s["id"]: s for s in json.loads(c.ctl("server", "list", "-o", "json"))["servers"]}


def active(c, n):
    return len(servers(c)) == n and all(s["status"] == "ACTIVE" for s in servers(c).values())


def make(c, name, flavor):
    image = c.request("tenant", "GET", "/image/v2/images").json["images"][0]["id"]
    flavors = {f["name"]: f["id"] for f in c.request("tenant", "GET", "/compute/v2.1/flavors").json["flavors"]}
    a = c.request("tenant", "POST", "/compute/v2.1/servers",
                  {"server": {"name": name, "imageRef": image, "flavorRef": flavors[flavor], "networks": "auto"}},
                  {"OpenStack-API-Version": "compute 2.37"})
    assert a.status == 202, (a.status, a.body)
    return a.json["server"]["id"]


def details(c, i):
    return c.request("admin", "GET", "/compute/v2.1/servers/" + i).json["server"]


def addresses(s):
    return sorted(a["addr"] for net in s["addresses"].values() for a in net)


def gpus_held(c):
    return sorted((g["host"], g["address"]) for g in json.loads(c.ctl("gpu", "list", "-o", "json"))["gpus"] if g.get("server"))


def clean(c):
    check = json.loads(c.ctl("check", "-o", "json"))["check"]
    assert check["ok"], check


def restored(c):
    return json.loads(c.ctl("recovery", "show", "-o", "json"))["recovery"]


def backups(c):
    return json.loads(c.ctl("backup", "list", "-o", "json"))


def fails_aloud(c):
    """By schedule at the first start; what cannot be written is told."""
    until("the scheduled backup", lambda: len(backups(c)["backups"]) == 1)
    kept = os.path.join(c.dir, "state/backups")
    os.rename(kept, kept + ".away")
    open(kept, "w").close()
    try:
        c.ctl("backup")
        raise AssertionError("a backup into a file")
    except subprocess.CalledProcessError:
        pass
    os.unlink(kept)
    os.rename(kept + ".away", kept)
    assert backups(c)["backup"]["state"] == "failed"
    told = json.loads(c.ctl("event", "list", "-o", "json"))["events"]
    assert {"backup.made", "backup.failed"} <= {e["type"] for e in told}, told


def backup_then_restore(c):
    """A server that the backup does not know runs on, is not touched, and is taken over."""
    old = make(c, "old", "m1.nano")
    until("the first server", lambda: active(c, 1))
    assert "Made cloudd-" in c.ctl("backup")
    copy = os.path.join(c.dir, "copy.db")
    c.ctl("backup", "--out", copy)
    young = make(c, "young", "g1.a100")
    gone = make(c, "gone", "m1.nano")
    until("two more servers", lambda: active(c, 3))
    was, held = details(c, young), gpus_held(c)
    a = c.request("tenant", "GET", "/compute/v2.1/servers/" + gone)
    assert a.status == 200
    assert "another cloudd runs" in offline(c, "--restore", copy, ok=False)
    stop(c)
    with open(copy, "r+b") as f:
        f.seek(20000)
        byte = f.read(1)
        f.seek(20000)
        f.write(bytes([byte[0] ^ 1]))
    assert "it was changed" in offline(c, "--restore", copy, ok=False)
    said = offline(c, "--restore", "--at", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
    assert "servers               3            1" in said, said
    start(c)
    c.tokens.clear()
    assert restored(c)["state"] == "restored"
    until("what the rows do not know", lambda: {d["server"] for d in restored(c)["domains"]} == {young, gone})
    assert set(servers(c)) == {old}
    host = {d["server"]: d["host"] for d in restored(c)["domains"]}
    c.ctl("recovery", "adopt", host[young], young)
    c.ctl("recovery", "discard", host[gone], gone)
    c.ctl("host", "refresh", host[gone])
    assert set(servers(c)) == {old, young}
    now = details(c, young)
    assert now["status"] == "ACTIVE" and addresses(now) == addresses(was) and now["name"] == "young", now
    assert gpus_held(c) == held
    c.ctl("recovery", "finish")
    assert restored(c)["state"] == "none"
    clean(c)
    return old, young


def recover_from_hosts(c, ids):
    """No database, no backup: what the hosts have, and the configuration."""
    was = {i: details(c, i) for i in ids}
    held = gpus_held(c)
    given = ["%s=%s" % (h["name"], h["uri"]) for h in hosts(c)]
    stop(c)
    db = os.path.join(c.dir, "state/cloudd.db")
    assert "there is a database" in offline(c, "--recover-from-hosts", *given, ok=False)
    for tail in ("", "-wal", "-shm"):
        if os.path.exists(db + tail):
            os.rename(db + tail, db + ".lost" + tail)
    shown = offline(c, "--recover-from-hosts", *given)
    assert "%d to take over, 0 in conflict" % len(ids) in shown and "Nothing was written" in shown, shown
    assert not os.path.exists(db)
    offline(c, "--recover-from-hosts", "--apply", *given)
    start(c)
    c.tokens.clear()
    assert {i: s["status"] for i, s in servers(c).items()} == {i: "ACTIVE" for i in ids}
    clean(c)
    assert gpus_held(c) == held
    c.ctl("bootstrap", "--password-stdin", stdin=c.people["admin"][1] + "\n")
    for i in ids:
        now = details(c, i)
        for key in ("id", "name", "tenant_id", "status", "OS-EXT-SRV-ATTR:instance_name", "OS-EXT-SRV-ATTR:host"):
            assert now[key] == was[i][key], (key, now[key], was[i][key])
        assert addresses(now) == addresses(was[i]), (now, was[i])
    # they are servers as any other: power, and their end, which leaves nothing behind
    for i in ids:
        a = c.request("admin", "POST", "/compute/v2.1/servers/%s/action" % i, {"reboot": {"type": "HARD"}})
        assert a.status == 202, a.body
    until("the reboots", lambda: active(c, len(ids)))
    c.ctl("recovery", "finish")
    for i in ids:
        assert c.request("admin", "DELETE", "/compute/v2.1/servers/" + i).status == 204
    until("the deletions", lambda: not servers(c))
    assert gpus_held(c) == []
    clean(c)


def main():
    with Cloud(hosts=2, settings=["backup.backup_every_h=1"], options=["--persist"]) as c:
        fails_aloud(c)
        ids = backup_then_restore(c)
        recover_from_hosts(c, ids)
        c.writes.clear()  # their records went with the database
    print("ok")


main()
