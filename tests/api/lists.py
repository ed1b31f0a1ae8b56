#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Every list is bounded, and its pages make the whole: each GET row of the tables without an id in its path, with more things than
fit on a page (list_max is 3 here, and there are 5 of each).

    alone         never more rows than a page has
    limit=1, 2    at most so many rows; following the next links gives the same things either way, none twice, none left out
    limit=x, -1   400; so is a marker that nothing has
Rows that are not pages of things are named below, with the reason; a new list that is neither fails. The operator's own service is
for administrators alone."""
import os
import re
import sys
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import routes  # noqa: E402
from cloud import Cloud  # noqa: E402

LIST_MAX, MADE = 3, 5
RANK = {"none": 0, "any": 1, "reader": 2, "member": 3, "admin": 4}

# What a tenant sees whole: bounded otherwise.
CATALOG = "the services of the configuration, and what administrators add"
UNPAGED = {
    "identity:auth.catalog": CATALOG, "identity:region.list": CATALOG,
    "identity:auth.projects": "at most 10000, as all of identity without a limit", "identity:auth.domains": "one's own domains",
    "identity:auth.system": "one entry at most", "identity:user.groups": "one's own groups, which administrators make",
    "identity:user.projects": "at most 10000", "identity:app_credential.list": "200 of a user",
    "identity:project.tags": "80 of a project", "identity:access_rule.list": "those of one's application credentials",
    "compute:extension.list": "a constant table", "compute:zone.list": "the zones of the hosts",
    "compute:server.tags": "50 of a server", "compute:server.security_groups": "none", "compute:server.interfaces": "16 of a server",
    "compute:server.volumes": "none", "compute:server.server_migrations": "those under way: one at most",
    "compute:server.migrations": "those under way: one at most",
    "image:image_member.list": "128 of an image", "image:image.tasks": "one import at a time",
    "compute:server.topology": "the NUMA nodes of one server", "image:image.show": "the tags of one image",
    "image:metadef_namespace.list": "none", "image:image_task.list": "the newest hundred",
    "network:network.resources": "a constant table", "network:extension.list": "a constant table",
}
# Paged, but of these there are fewer than a page.
FEW = {"network:network.list", "network:subnet.list", "network:router.list", "network:floatingip.list", "network:security_group.list",
       "network:security_group_rule.list", "network:agent.list",
       "compute:migration.list"}
# Paged by offset, as Nova has it.
BY_OFFSET = {"compute:server_group.list"}
# A page is of the servers of each project, who may be on the next page too.
SPLIT = {"compute:usage.list", "compute:usage.show"}


def list_of(body):
    """(key, rows) of a reply that is a list of objects; None when it is something else."""
    if not isinstance(body, dict):
        return None
    found = [(k, v) for k, v in body.items() if isinstance(v, list) and not k.endswith("links")]
    return found[0] if len(found) == 1 else None


def next_of(body, key):
    """The path of the next page, in any of the services' ways to say it."""
    links = body.get("links")
    if isinstance(body.get("next"), str):
        return body["next"] if body["next"].startswith("/image") else "/image" + body["next"]
    if isinstance(links, dict):
        url = links.get("next")
    else:
        url = next((x["href"] for x in body.get(key + "_links", links or []) if x.get("rel") == "next"), None)
    if not url:
        return None
    parts = urllib.parse.urlsplit(url)
    return parts.path + "?" + parts.query


def name_of(row):
    """What tells rows apart."""
    if not isinstance(row, dict):
        return str(row)
    for key in ("id", "uuid", "request_id", "tenant_id", "name", "host", "host_name", "zoneName"):
        if key in row:
            return str(row[key]) + str(row.get("binary", ""))
    return str(sorted(row.items()))


class Lists:
    def __init__(self, cloud, ids):
        self.cloud, self.ids, self.bad, self.checks = cloud, ids, [], 0
        self.seen, self.whole = set(), set()

    def key(self, r):
        return r["service"] + ":" + r["name"]

    def get(self, r, who, path):
        self.checks += 1
        return self.cloud.request(who, "GET", path, None, routes.version_header(r, routes.versions(r)[1]))

    def fail(self, r, who, why):
        self.bad.append("GET %s (%s:%s) as %s: %s" % (r["path"], r["service"], r["name"], who, why))

    def pages(self, r, who, limit, key):
        """All rows, page by page."""
        base = routes.fill(r, self.ids)
        path, names = "%s?limit=%d" % (base, limit), []
        while path:
            a = self.get(r, who, path)
            if a.status != 200:
                self.fail(r, who, "%s: %d %s" % (path, a.status, a.body[:200]))
                return names
            rows = list_of(a.json)[1]
            if len(rows) > limit:
                self.fail(r, who, "%s: %d rows" % (path, len(rows)))
                return names
            names += [name_of(x) for x in rows]
            path = next_of(a.json, key) if rows else None
            if rows and self.key(r) in BY_OFFSET:
                path = "%s?limit=%d&offset=%d" % (base, limit, len(names))
            if len(names) > 1000:
                self.fail(r, who, "%s: the pages never end" % base)
                return names
        return names

    def is_paged(self, r, who, path):
        """An administrator's list may come whole; what tenants see may not."""
        if r["role"] != "admin":
            return True
        a = self.get(r, who, path + "?limit=1")
        return a.status == 200 and len(list_of(a.json)[1]) <= 1 and self.get(r, who, path + "?limit=x").status == 400

    def walk(self, r, who):
        path = routes.fill(r, self.ids)
        a = self.get(r, who, path)
        is_json = a.status == 200 and a.headers.get("content-type", "").startswith("application/json")
        found = list_of(a.json) if is_json else None
        if not found or self.key(r) in UNPAGED:
            return
        self.seen.add(self.key(r))
        if not self.is_paged(r, who, path):
            self.whole.add(self.key(r))
            return
        key, rows = found
        if len(rows) > LIST_MAX and r["service"] != "identity":
            self.fail(r, who, "%d rows at once" % len(rows))
        ones, twos = self.pages(r, who, 1, key), self.pages(r, who, 2, key)
        if self.key(r) in SPLIT:
            ones, twos = list(dict.fromkeys(ones)), list(dict.fromkeys(twos))
        elif len(ones) < MADE and self.key(r) not in FEW:
            self.fail(r, who, "only %d things: make more of them here" % len(ones))
        if sorted(ones) != sorted(twos):
            self.fail(r, who, "pages of one and of two differ: %s and %s" % (ones, twos))
        if len(set(ones)) != len(ones):
            self.fail(r, who, "something is on two pages: %s" % ones)
        for query in ("limit=x", "limit=-1") + (() if self.key(r) in BY_OFFSET else ("limit=1&marker=no-such-thing",)):
            a = self.get(r, who, "%s?%s" % (path, query))
            if a.status != 400:
                self.fail(r, who, "%s: %d, should be 400" % (query, a.status))

    def run(self):
        for r in routes.load():
            known = all("{%s}" % p in ["{%s}" % k for k in self.ids] for p in re.findall(r"\{([^}]*)\}", r["path"]))
            if r["method"] != "GET" or not known or r["role"] == "none" or r["service"] == "operator":
                continue
            for who in ("admin", "tenant"):
                if RANK[r["role"]] <= (4 if who == "admin" else 3):
                    self.walk(r, who)


def made(a):
    assert a.status in (200, 201, 202), (a.status, a.body)
    return a.json


def make_things(cloud):
    version = {"OpenStack-API-Version": "compute 2.90"}
    token = made(cloud.request("tenant", "GET", "/identity/v3/auth/tokens", headers={"X-Subject-Token": cloud.token("tenant")}))["token"]
    image = made(cloud.request("tenant", "GET", "/image/v2/images"))["images"][0]["id"]
    for i in range(MADE):
        name = "n%d" % i
        for kind in ("user", "group", "role", "domain", "project"):
            made(cloud.request("admin", "POST", "/identity/v3/%ss" % kind, {kind: {"name": name}}))
        made(cloud.request("admin", "POST", "/compute/v2.1/flavors", {"flavor": {"name": name, "ram": 64, "vcpus": 1, "disk": 1}}))
        made(cloud.request("tenant", "POST", "/image/v2/images", {"name": name}))
        for who in ("tenant", "admin"):
            made(cloud.request(who, "POST", "/compute/v2.1/os-keypairs", {"keypair": {"name": name}}))
            made(cloud.request(who, "POST", "/compute/v2.1/os-server-groups", {"server_group": {
                "name": name, "policy": "affinity"}}, version))
            made(cloud.request(who, "POST", "/compute/v2.1/servers", {"server": {
                "name": name, "imageRef": image, "flavorRef": "1", "networks": "auto"}}, version))
    server = made(cloud.request("tenant", "GET", "/compute/v2.1/servers?limit=1"))["servers"][0]["id"]
    for _ in range(MADE):
        a = cloud.request("tenant", "POST", "/compute/v2.1/servers/%s/action" % server, {"lock": None})
        assert a.status == 202, (a.status, a.body)
    return {"server_id": server, "image_id": image, "user_id": token["user"]["id"], "project_id": token["project"]["id"]}


def main():
    with Cloud(hosts=MADE, settings=["api.list_max=%d" % LIST_MAX]) as cloud:
        lists = Lists(cloud, make_things(cloud))
        lists.run()
    for line in lists.bad:
        print("FAIL " + line)
    print("%d lists page, %d are the administrator's and come whole (%s), %d are bounded otherwise, %d checks, %d failed" % (
        len(lists.seen - lists.whole), len(lists.whole), ", ".join(sorted(lists.whole)), len(UNPAGED), lists.checks, len(lists.bad)))
    return 1 if lists.bad else 0


if __name__ == "__main__":
    sys.exit(main())
