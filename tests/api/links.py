#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Links in replies lead to where the caller found the API: by its own address, through a proxy with a path of its own, or by
public_url. Every URL in the discovery documents, the catalog, lists and created things is held against it."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from cloud import Cloud  # noqa: E402

DOCUMENTS = ("/", "/identity", "/identity/v3", "/compute", "/compute/v2.1", "/compute/v2", "/image", "/network", "/network/v2.0")
LISTS = ("/identity/v3/auth/catalog", "/identity/v3/auth/projects", "/identity/v3/regions", "/compute/v2.1/servers/detail",
         "/compute/v2.1/servers?limit=1", "/compute/v2.1/flavors/detail", "/compute/v2.1/flavors?limit=1", "/compute/v2.1/os-keypairs",
         "/network/v2.0/networks?limit=1", "/network/v2.0/ports")


def urls(value):
    """All texts of a document that are absolute URLs."""
    if isinstance(value, dict):
        return [u for v in value.values() for u in urls(v)]
    if isinstance(value, list):
        return [u for v in value for u in urls(v)]
    return [value] if isinstance(value, str) and value.startswith("http") and "openstack.org" not in value else []


def check(cloud, base, headers):
    seen = 0
    for path in DOCUMENTS + LISTS:
        a = cloud.request("tenant", "GET", path, headers=headers)
        assert a.status in (200, 300), (path, a.status)
        for u in urls(a.json):
            assert u == base or u.startswith(base + "/"), "%s: %s instead of %s" % (path, u, base)
            seen += 1
    a = cloud.request("tenant", "POST", "/compute/v2.1/servers", {"server": {
        "name": "linked", "imageRef": cloud.image, "flavorRef": "1"}}, headers)
    assert a.status == 202 and a.headers["location"].startswith(base + "/compute/v2.1/servers/"), a.headers
    assert all(u.startswith(base + "/") for u in urls(a.json)), a.json
    assert cloud.request("tenant", "DELETE", "/compute/v2.1/servers/" + a.json["server"]["id"]).status == 204
    a = cloud.request("tenant", "POST", "/image/v2/images", {"name": "linked"}, headers)
    assert a.headers["location"].startswith(base + "/image/v2/images/"), a.headers
    assert cloud.request("tenant", "DELETE", "/image/v2/images/" + a.json["id"]).status == 204
    a = cloud.request(None, "GET", "/compute/v2.1/servers", headers=headers)
    assert a.status == 401 and 'uri="%s/identity"' % base in a.headers["www-authenticate"], a.headers
    assert seen > 40, seen
    print("ok   %s: %d links" % (base, seen))


def follow(cloud, base, headers):
    """Self links of the discovery documents lead back to the same documents: what is before our paths is the proxy's to remove."""
    for path in ("/identity/v3", "/compute/v2.1"):
        a = cloud.request(None, "GET", path, headers=headers)
        link = [x["href"] for x in a.json["version"]["links"] if x["rel"] == "self"][0]
        b = cloud.request(None, "GET", link[len(base):], headers=headers)
        assert b.status == 200 and b.json == a.json, (link, b.status)


def main():
    with Cloud(hosts=1, settings=["cloudd.public_url="]) as cloud:
        cloud.image = cloud.request("tenant", "GET", "/image/v2/images?name=guest").json["images"][0]["id"]
        own = "https://%s:%d" % (cloud.url.hostname, cloud.url.port)
        for base, headers in (
                (own, {}),
                ("https://cloud.example", {"X-Forwarded-Host": "cloud.example"}),
                ("http://cloud.example:8080", {"X-Forwarded-Host": "cloud.example:8080", "X-Forwarded-Proto": "http"}),
                ("https://cloud.example/api/one", {"X-Forwarded-Host": "cloud.example, inner.example", "X-Forwarded-Proto": "https, http",
                                                   "X-Forwarded-Prefix": "/api/one/"}),
                (own, {"X-Forwarded-Host": 'x"><script>', "X-Forwarded-Prefix": "nowhere"}),
                ("https://[2001:db8::1]:8774", {"X-Forwarded-Host": "[2001:db8::1]:8774"})):
            check(cloud, base, headers)
            follow(cloud, base, headers)
    with Cloud(hosts=1, settings=["cloudd.public_url=https://public.example:8774"]) as cloud:
        cloud.image = cloud.request("tenant", "GET", "/image/v2/images?name=guest").json["images"][0]["id"]
        check(cloud, "https://public.example:8774", {})
        check(cloud, "https://public.example:8774", {"X-Forwarded-Host": "elsewhere.example", "X-Forwarded-Prefix": "/x"})


if __name__ == "__main__":
    main()
