#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Every row of every route table, with each kind of caller and each kind of bad input: generated from the tables, none left out.

    no token, a token that is none                401 (where a role is needed)
    a role below the row's                        403
    another project's object, an unknown id       404 for ids that a tenant owns
    a body that is not JSON, no object, an unknown key, wrong types   400
No answer may be a 5xx, and every error must have the service's shape and a request id.
"""
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from cloud import BUILD, Cloud  # noqa: E402

UUID = "6f1d9c2e-1111-4000-8000-0000000000ff"
RANK = {"none": 0, "any": 1, "reader": 2, "member": 3, "admin": 4}
FLAG_RAW_BODY, FLAG_NO_BODY, FLAG_STREAM, FLAG_ANY_JSON = 4, 8, 2, 16
# what a wrong body cannot be told from a right one by: the body is optional or free there
BODY_OPTIONAL = {"token.issue"}


def routes():
    out = subprocess.run([os.path.join(BUILD, "tests/list_routes"), "-v"], check=True, stdout=subprocess.PIPE, text=True).stdout
    for line in out.splitlines():
        method, path, role, since, until, name, flags = line.split("\t")
        yield {"method": method, "path": path, "role": role, "since": int(since), "until": int(until), "name": name,
               "flags": int(flags)}


def version_headers(r):
    if r["path"].startswith("/compute/v2.1"):
        minor = r["since"] or (min(r["until"], 1) if r["until"] else 1) or 1
        return {"OpenStack-API-Version": "compute 2.%d" % minor}
    return {}


class Matrix:
    def __init__(self, cloud):
        self.cloud, self.bad, self.checks = cloud, 0, 0

    def fail(self, r, what, a):
        self.bad += 1
        print("FAIL %s %s (%s): %s: got %d %s" % (r["method"], r["path"], r["name"], what, a.status, a.body[:300]))

    def ask(self, r, who, path, body=None, extra=None):
        headers = version_headers(r)
        headers.update(extra or {})
        a = self.cloud.request(who, r["method"], path, body, headers)
        self.checks += 1
        if a.status >= 500:
            self.fail(r, "an internal error", a)
        if "x-openstack-request-id" not in a.headers:
            self.fail(r, "no request id", a)
        if a.status >= 400 and r["method"] != "HEAD" and (not a.body or not isinstance(a.json, dict)):
            self.fail(r, "an error without a JSON body", a)
        return a

    def expect(self, r, what, a, *statuses):
        if a.status not in statuses:
            self.fail(r, "%s: should be %s" % (what, " or ".join(map(str, statuses))), a)

    def tokens(self, r, path):
        if r["role"] == "none":
            return
        self.expect(r, "no token", self.ask(r, None, path), 401)
        self.expect(r, "a token that is none", self.ask(r, None, path, extra={"X-Auth-Token": "no-such-token"}), 401)
        for who, rank in (("reader", 2), ("tenant", 3)):
            if rank < RANK[r["role"]]:
                self.expect(r, "as " + who, self.ask(r, who, path), 403)

    def bodies(self, r, path):
        if r["method"] not in ("POST", "PUT", "PATCH") or r["flags"] & (FLAG_RAW_BODY | FLAG_NO_BODY | FLAG_STREAM):
            return
        json_type = {"Content-Type": "application/openstack-images-v2.1-json-patch"
                     if r["flags"] & FLAG_ANY_JSON else "application/json"}
        for text in (b"{", b"\xff\xfe", b'{"a": 1, "a": 2}', b"[" * 100):
            self.expect(r, "a body that is not JSON: %r" % text[:12], self.ask(r, "admin", path, text, json_type), 400)
        for body in ({"no_such_key_at_all": {}}, {"server": 7}, {"auth": []}, {"user": None}):
            a = self.ask(r, "admin", path, body)
            if r["name"] not in BODY_OPTIONAL and 200 <= a.status < 300:
                self.fail(r, "a body of the wrong shape %s was taken" % body, a)

    def ids(self, r, path):
        if "{" not in r["path"] or r["method"] not in ("GET", "HEAD", "DELETE"):
            return
        a = self.ask(r, "admin", path)
        if r["method"] != "HEAD" or a.status != 404:
            self.expect(r, "an unknown id", a, 404, 400, 403, 204, 200, 300)
        if a.status in (200, 204) and r["method"] == "DELETE":
            self.fail(r, "an unknown id was deleted", a)

    def run(self):
        n = 0
        for r in routes():
            n += 1
            path = re.sub(r"\{[^}]*\}", UUID, r["path"]) or "/"
            self.tokens(r, path)
            self.bodies(r, path)
            self.ids(r, path)
        assert n > 50, n
        print("%d routes" % n)


def foreign(cloud, m):
    """What the tenant made is not there for another project's member: not by id, list, or change."""
    made = make_things(cloud)
    for kind, (path, _) in made.items():
        for method in ("GET", "PUT", "PATCH", "DELETE"):
            r = {"method": method, "path": path, "name": "foreign " + kind, "flags": 0, "since": 0, "until": 0}
            a = m.ask(r, "other", path, {} if method in ("PUT", "PATCH") else None)
            m.expect(r, "another project's " + kind, a, 404, 400, 403, 405, 415)
            if method == "GET":
                m.expect(r, "another project's " + kind, a, 404)
    for kind, (path, ident) in made.items():
        listing = path.rsplit("/", 1)[0]
        a = cloud.request("other", "GET", listing)
        if ident.encode() in a.body:
            m.fail({"method": "GET", "path": listing, "name": kind, "flags": 0, "since": 0, "until": 0}, "shows another project's " + kind, a)


def make_things(cloud):
    images = cloud.request("tenant", "GET", "/image/v2/images").json["images"]
    image = cloud.request("tenant", "POST", "/image/v2/images", {"name": "mine"}).json["id"]
    server = cloud.request("tenant", "POST", "/compute/v2.1/servers", {"server": {
        "name": "mine", "imageRef": images[0]["id"], "flavorRef": "1"}}).json["server"]["id"]
    cloud.request("tenant", "POST", "/compute/v2.1/os-keypairs", {"keypair": {"name": "mine"}})
    port = cloud.request("tenant", "GET", "/network/v2.0/ports?device_id=" + server).json["ports"][0]["id"]
    return {"image": ("/image/v2/images/" + image, image), "server": ("/compute/v2.1/servers/" + server, server),
            "port": ("/network/v2.0/ports/" + port, port), "keypair": ("/compute/v2.1/os-keypairs/mine", '"mine"')}


def main():
    with Cloud(settings=["identity.lockout_failures=1000"]) as cloud:
        cloud.add_person("reader", "reader", "demo")
        cloud.add_person("other", "member", "elsewhere")
        m = Matrix(cloud)
        m.run()
        foreign(cloud, m)
        if m.bad:
            cloud.show_log()
    print("%d checks, %d failed" % (m.checks, m.bad))
    return 1 if m.bad else 0


if __name__ == "__main__":
    sys.exit(main())
