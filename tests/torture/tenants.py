# SPDX-License-Identifier: Apache-2.0
"""Tenants who use everything that servers can do, and remember what they were promised."""
import http.client
import json
import random
import re
import ssl
import threading
import time

SERVERS, VERSION = "/compute/v2.1/servers", "compute 2.93"
OUTAGE = (OSError, http.client.HTTPException, ssl.SSLError)
REFUSED = (400, 403, 404, 409, 413, 429, 503, 507)  # what may be said no with; 400: a move that no host can take

# of a server in STATUS: (action, arguments, who, weight, what it is afterwards; None: what it was)
ACTIONS = {
    "ACTIVE": (
        ("os-stop", None, "self", 2, ("SHUTOFF",)), ("reboot", {"type": "HARD"}, "self", 2, None), ("reboot", {"type": "SOFT"}, "self", 1, None),
        ("pause", None, "self", 1, ("PAUSED",)), ("suspend", None, "self", 1, ("SUSPENDED",)), ("rescue", None, "self", 1, ("RESCUE",)),
        ("shelve", None, "self", 1, ("SHELVED_OFFLOADED",)), ("rebuild", {"imageRef": "?"}, "self", 1, None),
        ("createImage", {"name": "copy"}, "self", 2, None), ("resize", {"flavorRef": "?"}, "self", 2, ("VERIFY_RESIZE", "ACTIVE")),
        ("migrate", None, "admin", 1, ("VERIFY_RESIZE", "ACTIVE")), ("os-migrateLive", {"host": None, "block_migration": "auto"}, "admin", 6, None)),
    "SHUTOFF": (
        ("os-start", None, "self", 6, ("ACTIVE",)), ("rebuild", {"imageRef": "?"}, "self", 1, None),
        ("shelve", None, "self", 1, ("SHELVED_OFFLOADED",)),
        ("resize", {"flavorRef": "?"}, "self", 1, ("VERIFY_RESIZE", "SHUTOFF")), ("migrate", None, "admin", 1, ("VERIFY_RESIZE", "SHUTOFF"))),
    "PAUSED": (("unpause", None, "self", 2, ("ACTIVE",)), ("os-migrateLive", {"host": None, "block_migration": "auto"}, "admin", 1, None)),
    "SUSPENDED": (("resume", None, "self", 1, ("ACTIVE",)),),
    "RESCUE": (("unrescue", None, "self", 1, ("ACTIVE",)),),
    "VERIFY_RESIZE": (("confirmResize", None, "self", 1, ("ACTIVE", "SHUTOFF")), ("revertResize", None, "self", 1, ("ACTIVE", "SHUTOFF"))),
    "SHELVED_OFFLOADED": (("unshelve", None, "self", 1, ("ACTIVE",)),),
    "ERROR": (("reboot", {"type": "HARD"}, "self", 1, ("ACTIVE", "ERROR")),),
}


class Unknown(Exception):
    """The daemon died before it answered: the request may have been done or not."""


class Api:
    """One bearer's connection, made again when it broke."""

    def __init__(self, cloud, who, counts):
        self.cloud, self.who, self.counts, self.conn, self.bearer = cloud, who, counts, None, None

    def ask(self, method, path, body=None, again=False):
        """(status, body); None: nobody listens. Unknown: the answer did not come."""
        data = None if body is None else json.dumps(body).encode()
        try:
            if not self.conn:
                self.conn = http.client.HTTPSConnection(self.cloud.url.hostname, self.cloud.url.port, context=self.cloud.ssl, timeout=90)
                self.conn.connect()
        except OUTAGE:
            self.drop()
            return None
        try:
            self.conn.request(method, path, body=data, headers={
                "X-Auth-Token": self.cloud.token(self.who), "Content-Type": "application/json", "OpenStack-API-Version": VERSION})
            r = self.conn.getresponse()
            text = r.read()
        except TimeoutError as e:
            raise AssertionError("no answer to %s %s" % (method, path)) from e
        except OUTAGE as e:
            self.drop()
            if method == "GET":  # the connection may have been an old one
                return None if again else self.ask(method, path, body, True)
            self.counts["unknown"] += 1
            raise Unknown from e
        if r.will_close:
            self.drop()
        self.counts["answers"] += 1
        if r.status >= 500 and r.status not in REFUSED:
            raise AssertionError("%s %s: %d %s" % (method, path, r.status, text[:300]))
        if method != "GET" and r.headers["x-openstack-request-id"]:
            self.cloud.writes[r.headers["x-openstack-request-id"]] = (self.who, method, path, r.status)
        return r.status, json.loads(text) if text else None

    def drop(self):
        if self.conn:
            self.conn.close()
        self.conn = None


class Server:
    def __init__(self, name):
        self.name, self.id = name, None
        self.deleted = False  # True: acknowledged; None: asked for, unknown
        self.want, self.was = {"ACTIVE"}, set()  # what it may be; what it may be as well if its last action says why not
        self.metadata, self.maybe = {"n": "0"}, {}  # as acknowledged; as asked for without an answer


class Tenant(threading.Thread):
    """Lives for one round; a Person, who owns the servers, goes on."""

    def __init__(self, person, seed, stop):
        super().__init__(daemon=True)
        self.person, self.rng, self.stop, self.error = person, random.Random(seed), stop, None

    def run(self):
        try:
            while not self.stop.is_set():
                try:
                    self.person.step(self.rng)
                except Unknown:
                    pass
                self.stop.wait(self.rng.uniform(0.02, 0.3))
        except Exception as e:
            self.error = e


class Person:
    """A project with a user, their servers and images."""

    def __init__(self, cloud, name, most, counts):
        self.cloud, self.name, self.most, self.counts = cloud, name, most, counts
        cloud.add_person(name, "member", name)
        cloud.token("admin")
        cloud.token(name)
        self.api, self.admin = Api(cloud, name, counts), Api(cloud, "admin", counts)
        self.servers, self.made, self.images, self.group = [], 0, set(), None

    def want_answer(self, method, path, body=None, status=(200,), who=None):
        a = (who or self.api).ask(method, path, body)
        assert a and a[0] in status, (method, path, a)
        return a[1]

    def begin(self):
        """What is there from the start: a group whose servers are kept apart if they can be."""
        body = {"name": "apart", "policy": "soft-anti-affinity"}
        self.group = self.want_answer("POST", "/compute/v2.1/os-server-groups", {"server_group": body})["server_group"]["id"]

    def living(self):
        return [s for s in self.servers if s.id and s.id != "?" and s.deleted is not True]

    def show(self, s, api=None):
        """The server as it is shown; None: not known now; "gone"."""
        a = (api or self.api).ask("GET", "%s/%s" % (SERVERS, s.id))
        if not a or a[0] in (429, 503):
            return None
        if a[0] == 404:
            if s.deleted is False:
                raise AssertionError("%s is gone, and nobody deleted it" % s.name)
            s.deleted = True
            return "gone"
        assert a[0] == 200, a
        return a[1]["server"]

    # --- what a tenant does ---

    def step(self, rng):
        lost = [s for s in self.servers if s.id == "?"]
        if lost:
            return self.find(lost[0])
        if self.images and rng.random() < 0.3:
            return self.delete_image()
        living = self.living()
        if len(living) < self.most and rng.random() < 0.7:
            return self.create(rng)
        if not living:
            return None
        s = rng.choice(living)
        seen = self.show(s)
        if not seen or seen == "gone":
            return None
        dice = rng.random()
        if dice < 0.06 or (seen["status"] == "ERROR" and dice < 0.7):
            return self.delete(s)
        if dice < 0.12:
            return self.describe(s, rng)
        return self.act(s, seen, rng)

    def create(self, rng):
        s = Server("%s-%d" % (self.name, self.made))
        self.made += 1
        self.servers.append(s)
        image = rng.choice(sorted(self.images)) if self.images and rng.random() < 0.3 else self.cloud.image
        body = {"name": s.name, "imageRef": image, "flavorRef": rng.choice(self.cloud.flavors), "metadata": dict(s.metadata),
                "networks": "auto"}
        body = {"server": body}
        if rng.random() < 0.4:
            body["os:scheduler_hints"] = {"group": self.group}
        try:
            a = self.api.ask("POST", SERVERS, body)
        except Unknown:
            s.id = "?"  # looked up by its name later
            return
        if a and a[0] == 202:
            s.id = a[1]["server"]["id"]
            self.counts["created"] += 1
            return
        self.servers.remove(s)
        assert not a or a[0] in REFUSED, a

    def find(self, s):
        """The create that was not answered: all of it is there, or nothing."""
        a = self.api.ask("GET", "%s?name=^%s$" % (SERVERS, s.name))
        if not a or a[0] != 200:
            return
        found = a[1]["servers"]
        assert len(found) < 2, "one request made two servers: %s" % found
        if found:
            s.id = found[0]["id"]
        else:
            self.servers.remove(s)

    def delete(self, s):
        was, s.deleted = s.deleted, None
        a = self.api.ask("DELETE", "%s/%s" % (SERVERS, s.id))
        if a and a[0] in (204, 404):
            s.deleted = True
            self.counts["deleted"] += 1
        else:
            s.deleted = was
            assert not a or a[0] in REFUSED, a

    def describe(self, s, rng):
        """Metadata: what was acknowledged is what it says."""
        value = {"n": "%d" % rng.randrange(1 << 30)}
        s.maybe = value
        a = self.api.ask("POST", "%s/%s/metadata" % (SERVERS, s.id), {"metadata": value})
        if a and a[0] == 200:
            s.metadata = value
        assert not a or a[0] in (200,) + REFUSED, a
        s.maybe = {}

    def act(self, s, seen, rng):
        table = ACTIONS.get(seen["status"])
        if seen["OS-EXT-STS:task_state"] or not table:
            return
        action, args, who, _, after = rng.choices(table, [row[3] for row in table])[0]
        if args and args.get("imageRef"):
            args = {"imageRef": self.cloud.image}
        if args and args.get("flavorRef"):
            args = {"flavorRef": rng.choice([f for f in self.cloud.flavors if self.cloud.flavor_names[f] != seen["flavor"]["original_name"]])}
        self.do(s, seen["status"], action, args, self.admin if who == "admin" else self.api, after)

    def do(self, s, status, action, args, api, after):
        promise = set(after or (status,))
        before = s.want
        s.want, s.was = s.want | promise, s.was | {status}
        a = api.ask("POST", "%s/%s/action" % (SERVERS, s.id), {action: args})
        if a and a[0] in (200, 202, 204):
            s.want = promise
            self.counts[action] += 1
            if action == "createImage":
                self.images.add(a[1]["image_id"])
            return True
        s.want = before
        assert not a or a[0] in REFUSED, (action, a)
        return False

    def delete_image(self):
        i = sorted(self.images)[0]
        a = self.api.ask("DELETE", "/image/v2/images/" + i)
        if a and a[0] in (204, 404):
            self.images.discard(i)


class Fate:
    """Moves guests when something is to befall them on their way; what is promised to their owners stays as it is."""

    def __init__(self, cloud, counts):
        self.api, self.counts = Api(cloud, "admin", counts), counts

    def host_of(self, i):
        """Where an active server is."""
        a = self.api.ask("GET", "%s/%s" % (SERVERS, i))
        s = a[1]["server"] if a and a[0] == 200 else {"status": None}
        return s["OS-EXT-SRV-ATTR:host"] if s["status"] == "ACTIVE" else None

    def move(self, i, host):
        try:
            a = self.api.ask("POST", "%s/%s/action" % (SERVERS, i), {"os-migrateLive": {"host": host, "block_migration": "auto"}})
        except Unknown:
            return True
        self.counts["os-migrateLive"] += bool(a and a[0] == 202)
        return bool(a and a[0] == 202)


class Canary:
    """One guest with a system in it, which is only moved, and counts how often its disk was booted."""

    def __init__(self, person):
        self.person, self.cloud, self.server, self.boots = person, person.cloud, None, 0

    def begin(self):
        s = Server("canary")
        self.person.servers.append(s)
        a = self.person.want_answer("POST", SERVERS, {"server": {
            "name": s.name, "imageRef": self.cloud.system, "flavorRef": self.cloud.system_flavor, "networks": "auto", "metadata": s.metadata}}, (202,))
        s.id = a["server"]["id"]
        self.server = s

    def seen_boots(self):
        seen = self.person.show(self.server)
        assert not seen or seen["status"] != "ERROR", seen
        a = self.person.api.ask("POST", "%s/%s/action" % (SERVERS, self.server.id), {"os-getConsoleOutput": {}})
        found = re.findall(r"^guest: boots=(\d+)", a[1]["output"].replace("\r", ""), re.M) if a and a[0] == 200 else []
        return int(found[-1]) if found else 0  # 0: it cannot be told

    def step(self, rng):
        seen = self.person.show(self.server)
        if not seen or seen == "gone" or seen["OS-EXT-STS:task_state"]:
            return
        if seen["status"] == "SHUTOFF":
            self.person.do(self.server, "SHUTOFF", "os-start", None, self.person.api, ("ACTIVE",))
        elif seen["status"] == "ACTIVE" and rng.random() < 0.4:
            self.person.do(self.server, "ACTIVE", "os-migrateLive", {"host": None, "block_migration": "auto"}, self.person.admin, None)
        else:
            time.sleep(0.2)
