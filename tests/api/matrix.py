#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Every row of every route table, with each kind of caller and each kind of bad input: generated from the tables, none left out.

    who       no token, one that is none: 401; unscoped, reader, member, admin: 403 below the row's role, else never refused by it
    version   the first, the last, and one beyond each: served or 404
    ids       one that nothing has, another project's: never a success
    body      not JSON, the wrong top key, every field with every wrong type, out of range by one at both ends, left out, null,
              unknown keys at every level, at the edges of its versions: 400 that names the path
No answer may be a 5xx, and every error has its service's shape and a request id. --list prints the checks instead.
"""
import copy
import json
import os
import queue
import re
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import routes  # noqa: E402
from cloud import Cloud  # noqa: E402

RANK = {"none": 0, "any": 1, "unscoped": 1, "reader": 2, "tenant": 3, "member": 3, "admin": 4}
PATCH_TYPE = "application/openstack-images-v2.1-json-patch"
SHAPES = {"compute": lambda b: len(b) == 1 and "message" in next(iter(b.values())) and "code" in next(iter(b.values())),
          "network": lambda b: set(b["NeutronError"]) == {"type", "message", "detail"},
          "image": lambda b: "message" in b,
          "placement": lambda b: {"status", "title", "detail", "request_id"} <= set(b["errors"][0]),
          "identity": lambda b: {"code", "message", "title"} <= set(b["error"])}
# what a table says of a value that it does not take
BY_TABLE = r"( must be (a string of|an integer|a number|true or|one of|an array|an object|from)|: Additional properties| is required$)"
THREADS = 6


class Check:
    """One request and what its answer must be."""

    def __init__(self, r, what, who, path=None, body=None, version=None, headers=None, judge=None):
        self.r, self.what, self.who, self.body, self.judge = r, what, who, body, judge
        self.path = path or routes.fill(r)
        self.version = routes.versions(r)[1] if version is None else version
        self.headers = {**routes.version_header(r, self.version), **(headers or {})}
        if (isinstance(body, bytes) or r["raw_body"]) and "Content-Type" not in self.headers:
            self.headers["Content-Type"] = PATCH_TYPE if r["raw_body"] else "application/json"

    def __str__(self):
        return "%s %s (%s) at %s as %s: %s" % (self.r["method"], self.path, self.r["name"], self.version, self.who, self.what)


def message_of(a):
    try:
        b = a.json
        if "errors" in b:
            return b["errors"][0]["detail"]
        return b.get("message") or next(iter(b.values())).get("message", "") if isinstance(b, dict) else ""
    except (ValueError, AttributeError, StopIteration, TypeError):
        return ""


# --- what an answer must be: each gives None, or what is wrong

def status(*wanted):
    return lambda a: None if a.status in wanted else "should be " + " or ".join(map(str, wanted))


def not_refused(a):
    return "the role is enough" if a.status == 401 or (a.status == 403 and "it needs the role" in message_of(a)) else None


def served(a):
    return "is served at this version" if "could not be found at API version" in message_of(a) else None


def no_success(a):
    return "must not succeed" if a.status < 400 else None


def names(path):
    def judge(a):
        if a.status != 400:
            return "should be 400"
        return None if path in message_of(a) else "the message should name %s" % path
    return judge


def not_by_table(path):
    """Fine as far as the table goes: what it stands for may still be wrong."""
    def judge(a):
        bad = a.status == 400 and re.search(re.escape(path) + BY_TABLE, message_of(a))
        return "the table should take it" if bad else None
    return judge


# --- the checks

def who_checks(r):
    if r["role"] == "none":
        yield Check(r, "no token is needed", None, judge=lambda a: None)
        return
    yield Check(r, "no token", None, judge=status(401))
    yield Check(r, "a token that is none", None, headers={"X-Auth-Token": "no-such-token"}, judge=status(401))
    for who in ("unscoped", "reader", "tenant", "admin"):
        enough = RANK[who] >= RANK[r["role"]]
        yield Check(r, "its role", who, body={} if routes.takes_body(r) else None, judge=not_refused if enough else status(403))


def version_checks(r):
    first, last = routes.versions(r)
    if not first:
        return
    yield Check(r, "the first version", "admin", version=first, judge=served)
    yield Check(r, "the last version", "admin", version=last, judge=served)
    if r["since"] > 1:
        yield Check(r, "before the first version", "admin", version=first - 1, judge=elsewhere(r, first - 1))
    if r["until"] and r["until"] < r["version_max"]:
        yield Check(r, "after the last version", "admin", version=last + 1, judge=elsewhere(r, last + 1))


def elsewhere(r, version):
    """404, unless another row has the path at that version."""
    others = [o for o in ALL if o is not r and (o["method"], o["path"]) == (r["method"], r["path"])]
    return served if any(routes.known(o, version) for o in others) else status(404)


def id_checks(r, foreign):
    if "{" not in r["path"]:
        return
    body = right_body(r) if routes.takes_body(r) else None
    wanted, _ = ANY_ID.get(r["service"] + ":" + r["name"]) or ANY_ID.get(r["name"], ((404,), ""))
    yield Check(r, "an id that nothing has", "admin", body=body, judge=status(*wanted))
    for kind, (param, ident) in foreign.items():
        if "{%s}" % param in r["path"] and kind in r["path"]:
            yield Check(r, "another project's " + kind, "other", routes.fill(r, {param: ident}), body,
                        judge=status(*FOREIGN.get(r["name"], (404,) if r["method"] == "GET" and r["role"] == "reader" else (404, 403))))


def right_body(r):
    if r["name"] in RIGHT_BODY:
        return RIGHT_BODY[r["name"]]
    if r["body"]:
        return routes.right_body(r["body"], routes.versions(r)[1])
    return [] if r["raw_body"] else {}


NOT_JSON = (b"{", b"\xff\xfe", b'{"a": 1, "a": 2}', b"[" * 100, b'{"a": "\\u0000', b"nul")


def body_checks(r):
    if not routes.takes_body(r):
        return
    for text in NOT_JSON:
        yield Check(r, "not JSON: %r" % text[:16], "admin", body=text,
                    judge=status(400) if not r["raw_body"] else status(400, 404))
    if not r["body"]:
        return
    for text in (b"[]", b'"x"', b"7", b"null", b"true"):
        yield Check(r, "no object: %r" % text, "admin", body=text, judge=status(400))
    table = r["body"]
    if not table["optional"]:
        yield Check(r, "no body", "admin", judge=status(400))
    first, last = routes.versions(r)
    for what, body, path, fine in routes.body_variants(table, last):
        yield Check(r, "%s %s" % (path, what), "admin", body=body, judge=not_by_table(path) if fine else names(path))
    for version, body, path, known in routes.version_variants(table, first, last):
        yield Check(r, "%s at 2.%d" % (path, version), "admin", body=body, version=version,
                    judge=not_by_table(path) if known else names(path.rsplit(".", 1)[-1]))


# --- running them

class Matrix:
    def __init__(self, cloud):
        self.cloud, self.lock, self.bad, self.done = cloud, threading.Lock(), [], 0

    def judge(self, check, a):
        if a.status >= 500:
            return "an internal error"
        if "x-openstack-request-id" not in a.headers:
            return "no request id"
        if a.status >= 400 and check.r["method"] != "HEAD":
            shape = SHAPES["identity" if a.status == 401 else check.r["service"] if check.r["service"] in SHAPES else "identity"]
            try:
                if not shape(a.json):
                    return "an error of another shape"
            except (ValueError, TypeError, KeyError, AttributeError):
                return "an error of another shape"
        return check.judge(a) if check.judge else None

    def worker(self, todo):
        cloud = copy.copy(self.cloud)
        cloud.conn = None
        while True:
            try:
                check = todo.get_nowait()
            except queue.Empty:
                break
            a = cloud.request(check.who, check.r["method"], check.path, check.body, check.headers)
            wrong = self.judge(check, a)
            with self.lock:
                self.done += 1
                if wrong:
                    self.bad.append("%s: %s: got %d %s\n     sent %.300s" % (check, wrong, a.status, a.body[:300], json.dumps(
                        check.body if not isinstance(check.body, bytes) else repr(check.body))))
        if cloud.conn:
            cloud.conn.close()

    def run(self, checks):
        todo = queue.SimpleQueue()
        for c in checks:
            todo.put(c)
        threads = [threading.Thread(target=self.worker, args=(todo,)) for _ in range(THREADS)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()


def make_things(cloud):
    """What the tenant has, for others to be refused: by kind, the parameter that names it, and its id."""
    images = cloud.request("tenant", "GET", "/image/v2/images").json["images"]
    image = cloud.request("tenant", "POST", "/image/v2/images", {"name": "mine"}).json["id"]
    server = cloud.request("tenant", "POST", "/compute/v2.1/servers", {"server": {
        "name": "mine", "imageRef": images[0]["id"], "flavorRef": "1"}}).json["server"]["id"]
    cloud.request("tenant", "POST", "/compute/v2.1/os-keypairs", {"keypair": {"name": "mine"}})
    port = cloud.request("tenant", "GET", "/network/v2.0/ports?device_id=" + server).json["ports"][0]["id"]
    group = cloud.request("tenant", "POST", "/compute/v2.1/os-server-groups", {"server_group": {
        "name": "mine", "policies": ["affinity"]}}).json["server_group"]["id"]
    hook = cloud.request("tenant", "POST", "/cloud/v1/webhooks", {"webhook": {"url": "https://hook.invalid/"}}).json["webhook"]["id"]
    me = cloud.request("tenant", "GET", "/identity/v3/auth/tokens", headers={"X-Subject-Token": cloud.token("tenant")}).json["token"]
    return {"/os-server-groups": ("group_id", group), "/users/": ("user_id", me["user"]["id"]),
            "/projects/": ("project_id", me["project"]["id"]), "/os-quota-sets/": ("project_id", me["project"]["id"]),
            "/quotas/": ("project", me["project"]["id"]), "/guardrails/": ("project", me["project"]["id"]), "/image/": ("image_id", image), "/compute/v2.1/servers": ("server_id", server), "/ports": ("id", port),
            "/os-keypairs": ("name", "mine"), "/webhooks/": ("webhook", hook)}


def check_lists(matrix, things):
    """No list shows another project's things."""
    for r in ALL:
        if r["method"] != "GET" or "{" in r["path"] or RANK[r["role"]] > 3:
            continue
        check = Check(r, "shows another project's things", "other")
        a = matrix.cloud.request("other", "GET", check.path, None, check.headers)
        matrix.done += 1
        for _, ident in things.values():
            if ident.encode() in a.body and ident != "mine":
                matrix.bad.append("%s: %s" % (check, ident))


def check_tables():
    """A row that takes a body says which, or why it cannot."""
    bad = ["%s %s has no table of its body" % (r["method"], r["path"]) for r in ALL
           if routes.takes_body(r) and not (r["body"] or r["raw_body"])]
    return bad


# Rows that answer otherwise to an id that nothing has, and why.
PROJECT = (400,), "as Nova has it for limits of unknown projects"
NEEDS_MORE = (400,), "the least body that the table takes says nothing to do"
NUMBER = (400,), "ids of aggregates are numbers"
ANY_ID = {
    "app_credential.create": ((403,), "only one's own can be made"),
    "user.password": ((401,), "nobody learns who exists"),
    "flavor.action": PROJECT, "compute:quota.show": PROJECT, "quota.detail": PROJECT, "quota.update": PROJECT, "quota.delete": PROJECT,
    "quota.defaults": ((200,), "the same for all projects"), "quota_class.show": ((200,), "the same for all classes"),
    "quota_class.update": ((400,), "there is one class"),
    "usage.show": ((200,), "nothing was used"), "flavor.spec_set": ((400,), "no spec has that name"),
    "region.create": ((201,), "PUT makes it"), "region.update": ((404, 200), "the PUT of these tests may have made it"),
    "usage.audit_log_before": ((400,), "it is a time"),
    "compute:service.update": NEEDS_MORE, "os_host.update": NEEDS_MORE, "aggregate.update": NEEDS_MORE,
    "aggregate.show": NUMBER, "aggregate.delete": NUMBER, "aggregate.action": NUMBER, "aggregate.images": NUMBER,
    "allocation.show": ((200,), "it holds nothing"),
    **{"placement:" + name: ((403,), "a view cannot be changed") for name in (
        "resource_provider.update", "resource_provider.delete", "inventory.create", "inventory.set", "inventory.delete_all", "inventory.update",
        "inventory.delete", "resource_provider.aggregates_set", "resource_provider.traits_set", "resource_provider.traits_delete",
        "allocation.set", "allocation.delete", "resource_class.update", "resource_class.delete", "trait.create", "trait.delete")},
    **{"%s.%s" % (c, verb): ((403,), "they are the provider's") for c in ("networks", "subnets", "ports") for verb in ("update", "delete")},
}
# Rows that say nothing of the project named, or refuse by something else first.
FOREIGN = {"quota.show": (403,), "guardrail.show": (403,), "quota.detail": (403,), "quota.defaults": (200,), "network_quota.show": (403,),
           "network_quota.default": (403,), "network_quota.details": (403,), "usage.show": (403,), "user.password": (401,)}
# Bodies whose key has to be the path's.
RIGHT_BODY = {"server.meta_set": {"meta": {routes.UUID: "x"}}, "flavor.spec_set": {routes.UUID: "x"}}

ALL = list(routes.load())


def all_checks(things):
    for r in ALL:
        yield from who_checks(r)
        yield from version_checks(r)
        yield from id_checks(r, things)
        yield from body_checks(r)


def main():
    if "--list" in sys.argv:
        for c in all_checks({}):
            print(c)
        return 0
    missing = check_tables()
    with Cloud(settings=["identity.lockout_failures=1000", "events.webhook_hosts=hook.invalid"]) as cloud:
        cloud.add_person("reader", "reader", "demo")
        cloud.add_person("other", "member", "elsewhere")
        for who in ("admin", "tenant", "reader", "other"):
            cloud.token(who)
        cloud.tokens["unscoped"] = unscoped_token(cloud)
        things = make_things(cloud)
        matrix = Matrix(cloud)
        began = time.monotonic()
        check_lists(matrix, things)
        matrix.run([c for c in all_checks(things)])
        took = time.monotonic() - began
        if matrix.bad:
            cloud.show_log()
    bad = missing + matrix.bad
    for line in bad[:60]:
        print("FAIL " + line)
    print("%d routes, %d checks in %.0f s, %d failed" % (len(ALL), matrix.done, took, len(bad)))
    return 1 if bad else 0


def unscoped_token(cloud):
    user, password, _ = cloud.people["reader"]
    a = cloud.request(None, "POST", "/identity/v3/auth/tokens", {"auth": {"identity": {"methods": ["password"], "password": {
        "user": {"name": user, "domain": {"id": "default"}, "password": password}}}, "scope": "unscoped"}})
    assert a.status == 201, a.body
    return a.headers["x-subject-token"]


if __name__ == "__main__":
    sys.exit(main())
