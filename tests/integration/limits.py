#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What happens when the controller runs out of something, on real small disks in a mount namespace of its own: what is refused
says so without paths, reads and deletions go on, an answered write is there and a refused one is not, it is told once, and all is
well again by itself when there is room (docs/limits.md)."""
import contextlib
import json
import os
import re
import resource
import sqlite3
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from cloud import Cloud  # noqa: E402

RESERVE_MIB = 16
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIhz2GK/XCUj4i6Q5yQJNL1MXMY0RxzPV2QrBqfHrDq6 k"
SERVERS = "/compute/v2.1/servers"


def own_mounts():
    """Again in a mount namespace that ends with us; False when that is not allowed here."""
    if os.environ.get("LIMITS_MOUNTS"):
        return True
    again = ["unshare", "--mount", "--propagation", "private"]
    if subprocess.run(again + ["mount", "-t", "tmpfs", "tmpfs", "/mnt"], stderr=subprocess.DEVNULL).returncode:
        return False
    os.environ["LIMITS_MOUNTS"] = "1"
    os.execvp(again[0], again + [sys.executable, os.path.abspath(__file__)])


def wait(holds, what, seconds=60):
    end = time.monotonic() + seconds
    while not (got := holds()):
        assert time.monotonic() < end, "waited in vain for " + what
        time.sleep(0.05)
    return got


def disk(path, mib):
    os.makedirs(path)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%dM,mode=700" % mib, "tmpfs", path], check=True)


@contextlib.contextmanager
def filled(path, leave):
    """All but so many bytes of the disk are somebody else's meanwhile."""
    name = os.path.join(path, "filler")
    with open(name, "wb", buffering=0) as f:
        fs = os.statvfs(path)
        left = fs.f_bavail * fs.f_frsize - leave
        with contextlib.suppress(OSError):
            while left > 0:
                left -= f.write(bytes(min(left, 1 << 16)))
        yield
    os.remove(name)


class Limits:
    def __init__(self, cloud):
        self.c = cloud
        self.state, self.images, self.backups = (os.path.join(cloud.dir, d) for d in ("state", "images", "backups"))
        self.image = self.ask("GET", "/image/v2/images", 200)["images"][0]["id"]
        self.server = self.create(202)["server"]["id"]
        self.active(self.server)

    def ask(self, method, path, status, body=None, headers=None, who="tenant"):
        a = self.c.request(who, method, path, body, headers)
        assert a.status == status, (method, path, a.status, a.body)
        if status >= 500:
            assert self.c.dir.encode() not in a.body, a.body
        return a.json if a.body and a.headers.get("content-type", "").startswith("application/json") else a.body

    def create(self, status):
        return self.ask("POST", SERVERS, status, {"server": {"name": "s", "imageRef": self.image, "flavorRef": "1", "networks": "auto"}},
                        {"OpenStack-API-Version": "compute 2.37"})

    def active(self, server):
        wait(lambda: self.ask("GET", SERVERS + "/" + server, 200)["server"]["status"] == "ACTIVE", "a server to be ACTIVE")

    def short(self):
        """Names of what runs short, as the operator is told."""
        return {r["name"] for r in self.ask("GET", "/cloud/v1/status", 200, who="admin")["resources"]}

    def metric(self, line):
        return self.ask("GET", "/metrics", 200, who="admin").decode().count(line + "\n") == 1

    def health(self):
        return self.c.request(None, "GET", "/healthcheck").status

    def told(self, name):
        """States that events told of a resource, in order."""
        rows = self.ask("GET", "/cloud/v1/events?type=controller.state&limit=1000", 200, who="admin")["events"]
        return [r["operator"]["state"] for r in rows if r["subject"] == name]

    def in_log(self, name):
        with open(os.path.join(self.c.dir, "cloudd.log"), errors="replace") as f:
            return len(re.findall("runs short.*%s" % name, f.read()))

    def metadata(self, key):
        """A small write that needs no room of its own: the answer's status."""
        return self.c.request("tenant", "PUT", SERVERS + "/%s/metadata/%s" % (self.server, key), {"meta": {key: "v"}})

    # --- the disks

    def nearly_full(self):
        upload = {"name": "i", "disk_format": "raw", "container_format": "bare"}
        octets = {"Content-Type": "application/octet-stream"}
        empty = self.ask("POST", "/image/v2/images", 201, upload)["id"]
        doomed = self.create(202)["server"]["id"]
        self.active(doomed)
        with filled(self.state, (RESERVE_MIB - 4) << 20), filled(self.images, (RESERVE_MIB - 4) << 20):
            wait(lambda: {"database_disk", "image_disk"} <= self.short(), "the operator to be told", 30)
            assert "deleted" in self.create(507)["computeFault"]["message"]
            self.ask("POST", "/compute/v2.1/os-keypairs", 507, {"keypair": {"name": "k", "public_key": KEY}})
            self.ask("POST", "/image/v2/images", 507, upload)
            self.ask("PUT", "/image/v2/images/%s/file" % empty, 507, b"x" * 1000, octets)
            self.ask("POST", SERVERS + "/%s/action" % self.server, 507, {"createImage": {"name": "c"}})
            assert self.metadata("nearly").status == 200
            self.ask("DELETE", SERVERS + "/" + doomed, 204)
            wait(lambda: self.c.request("tenant", "GET", SERVERS + "/" + doomed).status == 404, "the deletion")
            assert self.health() == 200
            assert self.metric('cloudd_resource_short{resource="database_disk"} 1')
            assert "database_disk" in self.c.ctl("status")
            wait(lambda: self.told("database_disk") == ["short"], "an event")
        wait(lambda: not self.short(), "the operator to be told that it is over")
        self.ask("PUT", "/image/v2/images/%s/file" % empty, 204, b"x" * 1000, octets)
        self.active(self.create(202)["server"]["id"])
        wait(lambda: self.told("database_disk") == ["short", "well"], "an event of its end")
        assert self.in_log("database_disk") == 1

    def full(self):
        """Down to the last page: what was answered is there, what was refused is not."""
        seen = {}
        with filled(self.state, 0):
            while len(seen) < 400 and (not seen or a.status == 200):
                a = self.metadata("full%d" % len(seen))
                seen["full%d" % len(seen)] = a.status
            assert a.status == 507 and "nothing was changed" in json.dumps(a.json), a.body
            assert self.c.dir.encode() not in a.body
            self.refused()
            assert self.health() == 503
            self.ask("DELETE", SERVERS + "/" + self.server, 507)
        wait(lambda: self.health() == 200, "writes to be taken again")
        kept = self.ask("GET", SERVERS + "/%s/metadata" % self.server, 200)["metadata"]
        assert {k for k in kept if k.startswith("full")} == {k for k, s in seen.items() if s == 200}
        assert self.metadata("after").status == 200
        wait(lambda: "well" in self.told("database"), "an event of the end")

    def refused(self):
        """While nothing can be written: reads go on, and it is told."""
        wait(lambda: "database" in self.short(), "the operator to be told")
        assert self.ask("GET", SERVERS, 200)["servers"]
        assert self.metric('cloudd_resource_short{resource="database"} 1')

    def read_only(self):
        """The directory of images cannot be written to: images alone suffer."""
        octets = {"Content-Type": "application/octet-stream"}
        i = self.ask("POST", "/image/v2/images", 201, {"name": "r", "disk_format": "raw", "container_format": "bare"})["id"]
        subprocess.run(["mount", "-o", "remount,ro", self.images], check=True)
        a = self.c.request("tenant", "PUT", "/image/v2/images/%s/file" % i, b"x" * 1000, octets)
        assert a.status in (503, 507) and self.c.dir.encode() not in a.body, a.body
        wait(lambda: "image_disk" in self.short(), "the operator to be told")
        assert self.metadata("readonly").status == 200
        self.active(self.create(202)["server"]["id"])
        subprocess.run(["mount", "-o", "remount,rw", self.images], check=True)
        wait(lambda: "image_disk" not in self.short(), "the end of it")
        wait(lambda: self.ask("GET", "/image/v2/images/" + i, 200)["status"] == "queued", "the image to be queued again")
        self.ask("PUT", "/image/v2/images/%s/file" % i, 204, b"x" * 1000, octets)

    def backup(self):
        """No room for a backup: it fails with a reason, and leaves nothing."""
        with filled(self.backups, 1 << 16):
            p = subprocess.run([os.path.join(os.environ["CLOUDD_BUILD"], "src/cloudctl/cloudctl"), "--socket",
                                os.path.join(self.c.dir, "run/cloudd.sock"), "backup"], capture_output=True, text=True)
            assert p.returncode and "space" in p.stderr, p
            assert os.listdir(self.backups) == ["filler"]
        self.c.ctl("backup")
        assert len(os.listdir(self.backups)) == 2

    # --- the lock

    def busy(self):
        db = sqlite3.connect(os.path.join(self.state, "cloudd.db"), isolation_level=None)
        db.execute("BEGIN IMMEDIATE")
        statuses = []
        t = threading.Thread(target=lambda: statuses.append(self.other().request("tenant", "PUT", SERVERS + "/%s/metadata/%s" % (
            self.server, "patient"), {"meta": {"patient": "v"}}).status))
        t.start()
        wait(lambda: self.metric("cloudd_requests_in_flight 2"), "the write to wait")
        db.execute("ROLLBACK")
        t.join()
        assert statuses == [200], statuses

        db.execute("BEGIN IMMEDIATE")
        a = self.metadata("busy")
        assert a.status == 503 and a.headers["retry-after"] and "nothing was changed" in json.dumps(a.json), a.body
        self.refused()
        db.execute("ROLLBACK")
        db.close()
        wait(lambda: self.health() == 200, "writes to be taken again")
        kept = self.ask("GET", SERVERS + "/%s/metadata" % self.server, 200)["metadata"]
        assert "patient" in kept and "busy" not in kept, kept

    def other(self):
        c = Cloud.__new__(Cloud)
        c.__dict__.update(self.c.__dict__, conn=None)
        return c

    # --- descriptors

    def descriptors(self):
        """None is left: who is connected is served, new clients wait or take the place of one that idles."""
        pid = self.c.pid()
        before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        used = len(os.listdir("/proc/%d/fd" % pid))
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (used + 12, before[1]))
        others = [self.other() for _ in range(30)]
        answered = 0
        for c in others[:8]:
            answered += c.request("tenant", "GET", "/compute/v2.1").status == 200
        assert answered == 8
        idle = [self.socket() for _ in range(30)]
        wait(lambda: "descriptors" in self.short(), "the operator to be told")
        assert self.metadata("descriptors").status == 200
        late = self.other()  # an idle one goes for it
        assert late.request("tenant", "GET", "/compute/v2.1").status == 200
        assert not self.metric("cloudd_connections_evicted_total 0")
        late.conn.close()
        for s in idle:
            s.close()
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
        wait(lambda: "descriptors" not in self.short(), "the end of it")
        for c in others:
            assert c.request("tenant", "GET", "/compute/v2.1").status == 200
            c.conn.close()

    def socket(self):
        import socket
        return socket.create_connection((self.c.url.hostname, self.c.url.port), timeout=60)


def main():
    if not own_mounts():
        print("SKIP: no mount namespace can be made here")
        sys.exit(77)
    cloud = Cloud(hosts=1, settings=["cloudd.disk_min_free_mib=%d" % RESERVE_MIB])
    paths = {d: os.path.join(cloud.dir, d) for d in ("state", "images", "backups")}
    cloud.settings += ["cloudd.image_dir=" + paths["images"], "backup.backup_dir=" + paths["backups"]]
    disk(paths["state"], 64)
    disk(paths["images"], 64)
    disk(paths["backups"], 32)
    with contextlib.ExitStack() as end:
        end.enter_context(cloud)
        for p in paths.values():
            end.callback(subprocess.run, ["umount", "-l", p], check=True)
        pid, limits = cloud.pid(), Limits(cloud)
        for test in (limits.nearly_full, limits.full, limits.read_only, limits.backup, limits.busy, limits.descriptors):
            began = time.monotonic()
            test()
            assert json.loads(cloud.ctl("check", "-o", "json"))["check"]["ok"]
            print("ok %s (%.1f s)" % (test.__name__, time.monotonic() - began), flush=True)
        assert cloud.pid() == pid and os.path.exists("/proc/%d" % pid), "the daemon went on without a restart"


if __name__ == "__main__":
    main()
