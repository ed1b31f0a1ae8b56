#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""kill -9 at random moments, while clients make, stop, start, reboot, suspend, rescue, rebuild, shelve, back up and delete
servers on simulated hosts that outlive the daemon. What was acknowledged must hold at the end: each server is there or gone as promised, each ACTIVE one has exactly one
running domain, nothing else is left on the hosts, no flow is left, and the books are in order.

    kill9.py [ROUNDS [SEED]]      12 rounds unless told otherwise; the seed is printed
"""
import http.client
import json
import os
import random
import signal
import ssl
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from cloud import TOP, Cloud  # noqa: E402

WORKERS, SERVERS_EACH, GPUS_EACH, SIZE = 4, 4, 4, 300000  # the two hosts have 16 GPUs
POWER = {"1": "running", "2": "paused", "3": "off", "4": "crashed", "5": "saved"}  # enum hv_power, as in the simulated host's file
# (action, its arguments, what the server is then; None: what it was)
ACTIONS = (("os-stop", None, "SHUTOFF"), ("os-start", None, "ACTIVE"), ("reboot", {"type": "HARD"}, "ACTIVE"), ("suspend", None, "SUSPENDED"),
           ("resume", None, "ACTIVE"), ("rescue", None, "RESCUE"), ("unrescue", None, "ACTIVE"), ("shelve", None, "SHELVED_OFFLOADED"),
           ("unshelve", None, "ACTIVE"), ("rebuild", {"imageRef": "?"}, None),
           ("createBackup", {"name": "backup", "backup_type": "often", "rotation": 1}, None))
DOMAINS = {"ACTIVE": "running", "RESCUE": "running", "SHUTOFF": "off", "SUSPENDED": "saved", "SHELVED_OFFLOADED": "absent"}
OUTAGE = (OSError, http.client.HTTPException, ssl.SSLError)


class Unknown(Exception):
    """The daemon died before it answered: the request may have been done or not."""


class Server:
    def __init__(self, name):
        self.name, self.id = name, None
        self.gpu = False
        self.deleted = False  # True: acknowledged; None: asked for, unknown
        self.want = {"ACTIVE"}  # what it may be at the end


class Client(threading.Thread):
    """One user of the API, with a connection of its own; owns the servers that it makes."""

    def __init__(self, cloud, number, rng, stop):
        super().__init__(daemon=True)
        self.cloud, self.number, self.rng, self.stop = cloud, number, rng, stop
        self.conn, self.servers, self.made, self.error = None, [], 0, None
        self.gpus = []  # servers that may hold a GPU: one that is deleted does, until its host said that it is gone
        self.acked = self.unknown = 0

    def ask(self, method, path, body=None):
        """One request, one answer; Unknown when there is none."""
        try:
            if not self.conn:
                self.conn = http.client.HTTPSConnection(self.cloud.url.hostname, self.cloud.url.port, context=self.cloud.ssl, timeout=60)
                self.conn.connect()
        except OUTAGE:
            self.conn = None
            time.sleep(0.02)  # nobody listens: it is being started again
            return None
        headers = {"X-Auth-Token": self.cloud.token("tenant")}
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        try:
            self.conn.request(method, path, body=data, headers=headers)
            r = self.conn.getresponse()
            text = r.read()
        except OUTAGE as e:
            self.conn.close()
            self.conn = None
            self.unknown += 1
            raise Unknown from e
        if r.will_close:
            self.conn.close()
            self.conn = None
        self.acked += 1
        if r.status >= 500 and r.status != 503:
            raise AssertionError("%s %s: %d %s" % (method, path, r.status, text[:300]))
        return r.status, json.loads(text) if text else None

    def gpu_left(self):
        """Whether a GPU is free for certain, so that no create fails for want of one."""
        if len(self.gpus) == GPUS_EACH:
            self.gpus = [s for s in self.gpus if s.deleted is False or not self.gone(s)]
        return len(self.gpus) < GPUS_EACH

    def gone(self, s):
        try:
            a = self.ask("GET", "/compute/v2.1/servers/" + s.id)
        except Unknown:
            return False
        return bool(a) and a[0] == 404

    def create(self):
        s = Server("k%d-%d" % (self.number, self.made))
        s.gpu = self.rng.random() < 0.4 and self.gpu_left()
        self.made += 1
        self.servers.append(s)
        if s.gpu:
            self.gpus.append(s)
        try:
            a = self.ask("POST", "/compute/v2.1/servers", {"server": {
                "name": s.name, "imageRef": self.cloud.image, "flavorRef": "3" if s.gpu else "1", "metadata": {"n": str(self.made)}}})
        except Unknown:
            s.id = "?"  # looked up by its name later
            return
        if a and a[0] == 202:
            s.id = a[1]["server"]["id"]
        elif a:
            raise AssertionError("create: %s" % (a,))
        else:
            self.forget(s)
            self.made -= 1

    def forget(self, s):
        """It was never made."""
        self.servers.remove(s)
        if s.gpu:
            self.gpus.remove(s)

    def delete(self, s):
        try:
            a = self.ask("DELETE", "/compute/v2.1/servers/" + s.id)
        except Unknown:
            s.deleted = None
            return
        if a and a[0] in (204, 404):
            if a[0] == 404 and s.deleted is False:
                raise AssertionError("%s is gone, and nobody deleted it" % s.name)
            s.deleted = True
        elif a:
            raise AssertionError("delete: %s" % (a,))

    def power(self, s):
        action, args, after = self.rng.choice(ACTIONS)
        if action == "rebuild":
            args = {"imageRef": self.cloud.image}
        try:
            a = self.ask("POST", "/compute/v2.1/servers/%s/action" % s.id, {action: args})
        except Unknown:
            if after:
                s.want = s.want | {after}
            return
        if a and a[0] in (200, 202):
            s.want = {after} if after else s.want
        elif a and a[0] == 404 and s.deleted is False:
            raise AssertionError("%s is gone, and nobody deleted it" % s.name)
        elif a and a[0] not in (404, 409):
            raise AssertionError("%s: %s" % (action, a))

    def step(self):
        live = [s for s in self.servers if s.id and s.id != "?" and s.deleted is not True]
        lost = [s for s in self.servers if s.id == "?"]
        if lost and self.rng.random() < 0.5:
            return self.find(lost[0])
        if len(live) < SERVERS_EACH and self.rng.random() < 0.6 or not live:
            return self.create()
        s = self.rng.choice(live)
        return self.delete(s) if self.rng.random() < 0.4 else self.power(s)

    def find(self, s):
        """The create that was not answered: all of it is there, or nothing."""
        try:
            a = self.ask("GET", "/compute/v2.1/servers?name=^%s$" % s.name)
        except Unknown:
            return
        if not a:
            return
        found = a[1]["servers"]
        if len(found) > 1:
            raise AssertionError("one request made two servers: %s" % found)
        if found:
            s.id = found[0]["id"]
        else:
            self.forget(s)

    def run(self):
        try:
            while not self.stop.is_set():
                self.step()
            while any(s.id == "?" for s in self.servers):
                self.find([s for s in self.servers if s.id == "?"][0])
        except Exception as e:
            self.error = e


class Uploader(Client):
    """Uploads images; what was acknowledged has its bytes at the end, what was not can be uploaded again."""

    def __init__(self, *args):
        super().__init__(*args)
        self.images, self.name = [], None  # [id, fill byte, promised: True, False, None unknown]

    def raw(self, path, data):
        if not self.conn:
            self.ask("GET", "/image/v2/images?limit=1")  # connects
        if not self.conn:
            return None
        try:
            self.conn.request("PUT", path, body=data, headers={"X-Auth-Token": self.cloud.token("tenant"),
                                                               "Content-Type": "application/octet-stream"})
            r = self.conn.getresponse()
            r.read()
        except OUTAGE as e:
            self.conn.close()
            self.conn = None
            self.unknown += 1
            raise Unknown from e
        if r.will_close:
            self.conn.close()
            self.conn = None
        self.acked += 1
        return r.status

    def step(self):
        n = len(self.images)
        if n and self.images[-1][2] is False:
            return self.upload(self.images[-1])
        if n >= 80:  # of the 100 that a project may have
            return time.sleep(0.05)
        try:
            a = self.ask("POST", "/image/v2/images", {"name": "u%d" % n, "disk_format": "raw", "container_format": "bare"})
        except Unknown:
            return None  # perhaps an image that nobody uses
        if a:
            assert a[0] == 201, a
            self.images.append([a[1]["id"], n % 256, False])

    def upload(self, image):
        try:
            status = self.raw("/image/v2/images/%s/file" % image[0], bytes([image[1]]) * SIZE)
        except Unknown:
            image[2] = None
            return
        assert status in (None, 204), status
        image[2] = image[2] if status is None else True

    def wrong(self):
        out = []
        for ident, fill, promised in self.images:
            a = self.cloud.request("tenant", "GET", "/image/v2/images/" + ident)
            state = a.json.get("status") if a.status == 200 else a.status
            if state not in (("active",) if promised else ("queued",) if promised is False else ("active", "queued")):
                out.append("image %s, promised %s, is %s" % (ident, promised, state))
            if state == "active":
                body = self.cloud.request("tenant", "GET", "/image/v2/images/%s/file" % ident).body
                if body != bytes([fill]) * SIZE:
                    out.append("image %s has other bytes" % ident)
            else:
                data = bytes([fill]) * SIZE
                a = self.cloud.request("tenant", "PUT", "/image/v2/images/%s/file" % ident, data, {"Content-Type": "application/octet-stream"})
                if a.status != 204:
                    out.append("image %s cannot be uploaded again: %d %s" % (ident, a.status, a.body))
        files = os.listdir(os.path.join(self.cloud.dir, "state/images"))
        rows = [i["id"] for i in listed(self.cloud) if i["status"] == "active"]
        if sorted(files) != sorted(rows):
            out.append("files without images, or images without files: %s" % sorted(set(files) ^ set(rows)))
        return out


def listed(cloud):
    """All images, page by page."""
    out, path = [], "/image/v2/images?limit=100"
    while path:
        body = cloud.request("tenant", "GET", path).json
        out += body["images"]
        path = "/image" + body["next"] if body.get("next") and not body["next"].startswith("/image") else body.get("next")
    return out


def rounds(cloud, n, rng, clients):
    slowest = 0.0
    for i in range(n):
        time.sleep(rng.uniform(0.05, 0.9))
        pid = cloud.pid()
        os.kill(pid, signal.SIGKILL)
        began = time.monotonic()
        subprocess.run([os.path.join(TOP, "scripts/devcloud"), "restart", cloud.dir], check=True, stdout=subprocess.DEVNULL)
        slowest = max(slowest, time.monotonic() - began)
        for c in clients:
            if c.error:
                raise c.error
    print("%d rounds; back after at most %.1f s" % (n, slowest))


def settle(cloud):
    """Until no flow and no task is left."""
    end = time.monotonic() + 60
    while True:
        flows = json.loads(cloud.ctl("flow", "list", "-o", "json"))["flows"]
        servers = cloud.request("tenant", "GET", "/compute/v2.1/servers/detail").json["servers"]
        busy = [s["name"] for s in servers if s["OS-EXT-STS:task_state"] or s["status"] == "BUILD"]
        if not flows and not busy:
            return {s["id"]: s for s in servers}
        assert time.monotonic() < end, "never at rest: flows %s, servers %s" % (flows, busy)
        time.sleep(0.1)


def hosts_hold(cloud):
    """(domains by uuid as [host, power, disks, devices], volumes) of all simulated hosts, from their files."""
    domains, volumes = {}, set()
    for i in range(1, cloud.hosts + 1):
        mine, vols = {}, set()
        with open(os.path.join(cloud.dir, "sim%d.state" % i)) as f:
            for line in f.read().split("\n")[:-1]:
                w = line.split("\t")
                if w[0] == "D":
                    mine[w[1]] = ["host%d" % i, POWER.get(w[4], w[4]), w[11:11 + int(w[10])], []]
                elif w[0] == "P":  # of the domain in the line before it
                    mine[w[1]][3] = [d.split("/")[0] for d in w[5][1:].split(";") + w[6][1:].split(";") if d]
                elif w[0] == "X":
                    mine.pop(w[1], None)
                elif w[0] == "V":
                    vols.add(w[1])
                elif w[0] == "W":
                    vols.discard(w[1])
        for uuid, d in mine.items():
            assert uuid not in domains, "%s is on two hosts" % uuid
            domains[uuid] = d
        volumes |= {"host%d/%s" % (i, v) for v in vols}
    return domains, volumes


def why(cloud, server):
    """The fault with its details, which only administrators see."""
    a = cloud.request("admin", "GET", "/compute/v2.1/servers/" + server["id"])
    return a.json["server"].get("fault", "")


def verify(cloud, clients, found):
    wrong = []
    promised = {s.id: s for c in clients for s in c.servers}
    for s in promised.values():
        there = found.get(s.id)
        if s.deleted is True and there:
            wrong.append("%s was deleted and is there: %s" % (s.name, there["status"]))
        elif s.deleted is False and not there:
            wrong.append("%s was acknowledged and is gone" % s.name)
        elif there and there["status"] not in s.want:
            wrong.append("%s should be %s, is %s %s" % (s.name, s.want, there["status"], why(cloud, there)))
    wrong += ["%s is there, and nobody made it" % s["name"] for i, s in found.items() if i not in promised]

    domains, volumes = hosts_hold(cloud)
    for i, s in found.items():
        want = DOMAINS.get(s["status"])
        have = domains.get(i, [None, "absent"])[1]
        if have != want:
            wrong.append("%s is %s, its domain is %s" % (s["name"], s["status"], have))
    wrong += ["a domain %s without a server: %s" % (u, d) for u, d in domains.items() if u not in found]
    devices = [(d[0], x) for d in domains.values() for x in d[3]]
    if len(devices) != len(set(devices)):
        wrong.append("a device given twice: %s" % sorted(devices))
    used = {"%s/%s" % (d[0], v) for d in domains.values() for v in d[2]}
    wrong += ["a volume that no domain uses: " + v for v in sorted(volumes - used) if "/image-" not in v]
    wrong += ["a volume that is not there: " + v for v in sorted(used - volumes)]
    ports = cloud.request("tenant", "GET", "/network/v2.0/ports").json["ports"]
    if sorted(p["device_id"] for p in ports) != sorted(found):
        wrong.append("ports and servers do not match: %d, %d" % (len(ports), len(found)))
    addresses = [a["ip_address"] for p in ports for a in p["fixed_ips"]]
    if len(addresses) != len(set(addresses)):
        wrong.append("an address given twice")
    check = json.loads(cloud.ctl("check", "-o", "json"))["check"]
    if not check["ok"]:
        wrong.append("cloudctl check: %s" % json.dumps(check["findings"], indent=1))
    return wrong


def empty(cloud, found):
    """Everything can be deleted, and then nothing is left on the hosts."""
    for i in found:
        assert cloud.request("tenant", "DELETE", "/compute/v2.1/servers/" + i).status == 204
    left = settle(cloud)
    domains, volumes = hosts_hold(cloud)
    volumes = {v for v in volumes if cloud.image not in v}
    return ["left at the end: %s" % x for x in (left, domains, volumes) if x]


def main():
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 12
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.SystemRandom().randrange(1 << 32)
    print("seed %d" % seed)
    rng, stop = random.Random(seed), threading.Event()
    with Cloud(hosts=2, options=["--persist", "--sim", "delay_ms=5"]) as cloud:
        cloud.image = cloud.request("tenant", "GET", "/image/v2/images?name=guest").json["images"][0]["id"]
        cloud.token("tenant")
        cloud.ctl("quota", "set", "demo", "images=-1")
        clients = [Client(cloud, i, random.Random(rng.random()), stop) for i in range(WORKERS)]
        uploader = Uploader(cloud, WORKERS, random.Random(rng.random()), stop)
        for c in clients + [uploader]:
            c.start()
        try:
            rounds(cloud, n, rng, clients + [uploader])
        finally:
            stop.set()
        for c in clients + [uploader]:
            c.join(60)
            if c.error:
                raise c.error
        found = settle(cloud)
        wrong = verify(cloud, clients, found) + uploader.wrong()
        if not wrong:
            wrong = empty(cloud, found)
        print("%d answers, %d requests cut off, %d servers made, %d there at the end, %d images" % (
            sum(c.acked for c in clients), sum(c.unknown for c in clients + [uploader]), sum(c.made for c in clients), len(found),
            len(uploader.images)))
        for w in wrong:
            print("FAIL " + w)
        assert not wrong, "after kill -9"


if __name__ == "__main__":
    main()
