#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Every list is bounded, and its pages make the whole: each GET row of the tables without an id in its path, with more things than
fit on a page (list_max is 3 here, and there are 5 of each).

    alone         never more rows than a page has
    limit=1, 2    at most so many rows; following the next links gives the same things either way, none twice, none left out
    limit=x, -1   400; so is a marker that nothing has
Rows that are not pages of things are named below, with the reason; a new list that is neither fails."""
import os
import sys
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import routes  # noqa: E402
from cloud import Cloud  # noqa: E402

LIST_MAX, MADE = 3, 5
RANK = {"none": 0, "any": 1, "reader": 2, "member": 3, "admin": 4}

# Bounded by something else than pages.
UNPAGED = {}

# Lists of which there is one thing, or none.
FEW = {}


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
    def __init__(self, cloud):
        self.cloud, self.bad, self.checks = cloud, [], 0

    def get(self, r, who, path):
        self.checks += 1
        return self.cloud.request(who, "GET", path, None, routes.version_header(r, routes.versions(r)[1]))

    def fail(self, r, who, why):
        self.bad.append("GET %s (%s:%s) as %s: %s" % (r["path"], r["service"], r["name"], who, why))

    def pages(self, r, who, limit, key):
        """All rows, page by page."""
        path, names = "%s?limit=%d" % (r["path"], limit), []
        while path:
            a = self.get(r, who, path)
            if a.status != 200:
                self.fail(r, who, "%s: %d %s" % (path, a.status, a.body[:200]))
                return names
            rows = a.json[key]
            if len(rows) > limit:
                self.fail(r, who, "%s: %d rows" % (path, len(rows)))
                return names
            names += [name_of(x) for x in rows]
            path = next_of(a.json, key) if rows else None
            if len(names) > 1000:
                self.fail(r, who, "%s: the pages never end" % r["path"])
                return names
        return names

    def walk(self, r, who):
        a = self.get(r, who, r["path"])
        found = list_of(a.json) if a.status == 200 and a.body else None
        if not found or r["service"] + ":" + r["name"] in UNPAGED:
            return
        key, rows = found
        if len(rows) > LIST_MAX and r["service"] != "identity":
            self.fail(r, who, "%d rows at once" % len(rows))
        ones, twos = self.pages(r, who, 1, key), self.pages(r, who, 2, key)
        if sorted(ones) != sorted(twos):
            self.fail(r, who, "pages of one and of two differ: %s and %s" % (ones, twos))
        if len(set(ones)) != len(ones):
            self.fail(r, who, "something is on two pages: %s" % ones)
        if len(ones) < MADE and r["service"] + ":" + r["name"] not in FEW:
            self.fail(r, who, "only %d things: make more of them here" % len(ones))
        for query in ("limit=x", "limit=-1", "limit=1&marker=no-such-thing"):
            a = self.get(r, who, "%s?%s" % (r["path"], query))
            if a.status != 400:
                self.fail(r, who, "%s: %d, should be 400" % (query, a.status))

    def run(self):
        n = 0
        for r in routes.load():
            if r["method"] != "GET" or "{" in r["path"] or r["role"] == "none":
                continue
            n += 1
            for who in ("admin", "tenant"):
                if RANK[r["role"]] <= (4 if who == "admin" else 3):
                    self.walk(r, who)
        return n


def made(a):
    assert a.status in (200, 201, 202), (a.status, a.body)
    return a.json


def make_things(cloud):
    project = made(cloud.request("tenant", "GET", "/identity/v3/auth/projects"))["projects"][0]["id"]
    me = made(cloud.request("tenant", "GET", "/identity/v3/auth/tokens", headers={"X-Subject-Token": cloud.token("tenant")}))
    image = made(cloud.request("tenant", "GET", "/image/v2/images"))["images"][0]["id"]
    version = {"OpenStack-API-Version": "compute 2.90"}
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
    return project, me


def main():
    with Cloud(hosts=MADE, settings=["api.list_max=%d" % LIST_MAX]) as cloud:
        make_things(cloud)
        lists = Lists(cloud)
        n = lists.run()
    for line in lists.bad:
        print("FAIL " + line)
    print("%d lists, %d checks, %d failed" % (n, lists.checks, len(lists.bad)))
    return 1 if lists.bad else 0


if __name__ == "__main__":
    sys.exit(main())
