#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Limits in a tree of projects: refused at every level, counted the same by every client, never passed by many at once; and guardrails,
which those below cannot weaken.

    org -+- team --- lab
         +- rival
"""
import json
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cloud import Cloud  # noqa: E402
from races import at_rest, clear, create, servers, statuses, together, wait  # noqa: E402

PEOPLE = ("org", "team", "lab", "rival")
PARENTS = {"org": None, "team": "org", "lab": "team", "rival": "org"}


def ask(cloud, who, method, path, body=None, status=200, headers=None):
    a = cloud.request(who, method, path, body, headers)
    assert a.status == status, (method, path, a.status, a.body)
    return a


def said(a):
    """The message of an error, whatever the service's form."""
    body = a.json
    return body["message"] if isinstance(body.get("message"), str) else next(iter(body.values()))["message"]


def limits(cloud, project, status=200, **values):
    return ask(cloud, "admin", "PUT", "/cloud/v1/quotas/" + cloud.ids[project],
               {"quotas": {k.replace("__", ":"): v for k, v in values.items()}}, status)


def shown(cloud, project, who="admin"):
    rows = ask(cloud, who, "GET", "/cloud/v1/quotas/" + cloud.ids[project]).json["quotas"]
    return {r["resource"]: r for r in rows}


def well(cloud):
    check = json.loads(cloud.ctl("check", "-o", "json"))["check"]
    assert check["ok"], check["findings"]


def refused_create(cloud, who, flavor="1", **more):
    a = create(cloud, who, "no", flavor, **more)
    assert a.status == 403, (a.status, a.body)
    return said(a)


def holds(part, text):
    assert part in text, text


def setting(cloud):
    """The limits below one fit inside its own: by sum, at every level, whichever end moves."""
    limits(cloud, "org", cores=10)
    limits(cloud, "team", cores=6)
    m = said(limits(cloud, "rival", 400, cores=5))
    assert "cores" in m and "11" in m and "10" in m and " below org " in m, m
    limits(cloud, "rival", cores=4)
    m = said(limits(cloud, "org", 400, cores=9))
    assert "cores" in m and "10" in m and "9" in m and " below org " in m, m
    m = said(limits(cloud, "lab", 400, cores=7))
    assert "7" in m and "6" in m and " below team " in m, m
    m = said(limits(cloud, "lab", 400, cores=-1))
    assert "unlimited" in m and " below team " in m, m
    # what has none of its own has that of the next one above, in every client's eyes
    assert shown(cloud, "lab")["cores"]["limit"] == 6
    assert ask(cloud, "lab", "GET", "/compute/v2.1/limits").json["limits"]["absolute"]["maxTotalCores"] == 6
    # a level without a limit is no way around: the lab's counts against the organisation's
    limits(cloud, "lab", cores=6)
    ask(cloud, "admin", "DELETE", "/compute/v2.1/os-quota-sets/" + cloud.ids["team"], status=202)
    holds("11", said(limits(cloud, "lab", 400, cores=7)))
    limits(cloud, "team", cores=6)
    ask(cloud, "admin", "DELETE", "/cloud/v1/quotas/" + cloud.ids["lab"], status=204)
    # the cloud's defaults hold at the top
    limits(cloud, "team", instances=8)
    m = said(ask(cloud, "admin", "PUT", "/cloud/v1/quota-defaults", {"quotas": {"instances": 7}}, 400))
    assert "8" in m and "7" in m and " below org " in m, m
    # other services' names for the same, and limits that do not sum up
    ask(cloud, "admin", "PUT", "/network/v2.0/quotas/" + cloud.ids["org"], {"quota": {"port": 5}})
    holds("port", said(ask(cloud, "admin", "PUT", "/network/v2.0/quotas/" + cloud.ids["team"], {"quota": {"port": 6}}, 400)))
    limits(cloud, "team", key_pairs=60)
    limits(cloud, "rival", key_pairs=60)
    holds("key_pairs", said(limits(cloud, "rival", 400, key_pairs=101)))
    ask(cloud, "admin", "DELETE", "/network/v2.0/quotas/" + cloud.ids["org"], status=204)
    # names of GPUs, and what is none
    limits(cloud, "lab", gpu__a100=1, **{"gpu__*/1g.5gb": 2})
    assert shown(cloud, "lab")["gpu:a100"]["limit"] == 1 and shown(cloud, "org")["cores"]["limit"] == 10
    assert "gpu:a100" not in shown(cloud, "rival")
    for bad in ("gpu:", "gpu:a|b", "gpus:x", "warp"):
        ask(cloud, "admin", "PUT", "/cloud/v1/quotas/" + cloud.ids["lab"], {"quotas": {bad: 1}}, 400)
    ask(cloud, "admin", "PUT", "/cloud/v1/quotas/" + cloud.ids["lab"], {"quotas": {"gpu:a100": -2}}, 400)
    well(cloud)


def using(cloud):
    """A server counts at each level, and the first limit on the way up that it would pass refuses it."""
    limits(cloud, "org", instances=40)
    assert create(cloud, "lab", "l", min_count=6, max_count=6).status == 202
    m = refused_create(cloud, "lab")
    assert "cores" in m and "Requested 1" in m and "already used 6" in m and "a limit of a parent project" in m, m
    assert not [x for p in PEOPLE for x in (cloud.ids[p], "project " + p) if x in m], m
    m = refused_create(cloud, "team")
    assert m == "Quota exceeded for cores: Requested 1, but already used 6 of 6 cores with the projects below this one", m
    assert create(cloud, "rival", "r", min_count=1, max_count=9).status == 202  # as many as there is room for
    assert len(servers(cloud, "rival")) == 4
    m = refused_create(cloud, "rival")
    assert m == "Quota exceeded for cores: Requested 1, but already used 4 of 4 cores", m
    holds("with the projects below", refused_create(cloud, "org"))
    # GPUs by their model
    for p in ("org", "team", "rival", "lab"):
        limits(cloud, p, cores={"org": 200, "lab": 40}.get(p, 60))
    limits(cloud, "org", ram=1000000)
    assert create(cloud, "lab", "g", "3").status == 202
    holds("gpu:a100", refused_create(cloud, "lab", "3"))
    assert shown(cloud, "lab")["gpu:a100"]["in_use"] == 1 == shown(cloud, "org")["gpus"]["in_use_tree"]
    # disks and addresses
    limits(cloud, "team", instances=20, disk_gib=200, addresses=8)
    holds("disk_gib", refused_create(cloud, "team", "3"))
    holds("addresses", refused_create(cloud, "lab", min_count=2, max_count=2))
    limits(cloud, "team", disk_gib=-1, addresses=-1)
    # a unit that fails after it was counted leaves no trace
    before = shown(cloud, "org")
    net = ask(cloud, "lab", "GET", "/network/v2.0/networks").json["networks"][0]["id"]
    taken = ask(cloud, "lab", "GET", "/network/v2.0/ports").json["ports"][0]["fixed_ips"][0]["ip_address"]
    assert create(cloud, "lab", "no", networks=[{"uuid": net}, {"uuid": net, "fixed_ip": taken}]).status in (400, 409)
    assert shown(cloud, "org") == before
    # resized: what is larger counts while the move is open
    at_rest(cloud, "rival")
    limits(cloud, "rival", disk_gib=22)
    one = servers(cloud, "rival")[0]["id"]
    m = said(ask(cloud, "rival", "POST", "/compute/v2.1/servers/%s/action" % one, {"resize": {"flavorRef": "2"}}, 403))
    assert "Requested 19, but already used 4 of 22 disk_gib" in m, m
    well(cloud)


def agreeing(cloud):
    """All clients' numbers, of all levels, are those of one index."""
    at_rest(cloud, "lab")
    kept = image(cloud, "lab", "private").json["id"]
    tree = {}
    for r in json.loads(cloud.ctl("quota", "tree", "--project", "org", "-o", "json"))["tree"]:
        tree.setdefault(r["project"], {})[r["resource"]] = r
    for p in PEOPLE:
        own = shown(cloud, p)
        ctl = json.loads(cloud.ctl("quota", "show", p, "-o", "json"))["quotas"]
        assert {r["resource"]: r for r in ctl} == own == shown(cloud, p, p)
        used = ask(cloud, p, "GET", "/compute/v2.1/limits").json["limits"]["absolute"]
        detail = ask(cloud, "admin", "GET", "/compute/v2.1/os-quota-sets/%s/detail" % cloud.ids[p]).json["quota_set"]
        net = ask(cloud, "admin", "GET", "/network/v2.0/quotas/%s/details" % cloud.ids[p]).json["quota"]
        for name, total, maximum in (("instances", "totalInstancesUsed", "maxTotalInstances"), ("cores", "totalCoresUsed", "maxTotalCores"),
                                     ("ram", "totalRAMUsed", "maxTotalRAMSize")):
            assert own[name]["in_use"] == used[total] == detail[name]["in_use"], (p, name)
            assert own[name]["limit"] == used[maximum] == detail[name]["limit"], (p, name)
        assert own["ports"]["in_use"] == net["port"]["used"] and own["ports"]["limit"] == net["port"]["limit"]
        assert own["addresses"]["in_use"] == detail["fixed_ips"]["in_use"] == own["instances"]["in_use"]
        files = ask(cloud, p, "GET", "/image/v2/info/usage").json["usage"]
        for name, key in (("images", "image_count_total"), ("image_mib", "image_size_total")):
            assert files[key] == {"usage": own[name]["in_use"], "limit": own[name]["limit"]}, (p, name, files)
        have = servers(cloud, p)
        assert own["instances"]["in_use"] == len(have)
        for name, r in tree[p].items():
            assert r["in_use"] == own[name]["in_use"] and r["in_use_tree"] == own[name]["in_use_tree"], (p, name)
            below = sum(tree[c].get(name, {"in_use_tree": 0})["in_use_tree"] for c in PEOPLE if PARENTS[c] == p)
            assert r["in_use_tree"] == r["in_use"] + below, (p, name)
    table = cloud.ctl("quota", "tree", "--project", "org", "--resource", "cores")
    assert [line.split()[:2] for line in table.splitlines() if "cores" in line] == [[p, "cores"] for p in PEOPLE], table
    ask(cloud, "lab", "DELETE", "/image/v2/images/" + kept, status=204)
    # what is not one's own is nobody's
    assert cloud.request("lab", "GET", "/cloud/v1/quotas/" + cloud.ids["team"]).status == 403
    assert cloud.request("lab", "GET", "/cloud/v1/quota-tree").status == 403


def racing(cloud):
    """Two projects at once into what one limit above them leaves: as many as fit."""
    limits(cloud, "org", instances=100)
    for p in ("team", "rival"):
        limits(cloud, p, instances=40, disk_gib=-1, addresses=-1)
    limits(cloud, "org", cores=125)
    have = shown(cloud, "org")["cores"]["in_use_tree"]
    for p in ("team", "rival", "lab"):
        ask(cloud, "admin", "DELETE", "/compute/v2.1/os-quota-sets/" + cloud.ids[p], status=202)
    limits(cloud, "org", cores=have + 5)
    got = together(cloud, 48, lambda c, k: create(c, ("lab", "rival")[k % 2], "race%d" % k))
    assert statuses(got) == {202: 5, 403: 43}, statuses(got)
    assert shown(cloud, "org")["cores"]["in_use_tree"] == have + 5
    for p in ("lab", "rival"):
        clear(cloud, p)
    assert all(r["in_use_tree"] in (0, None) for r in shown(cloud, "org").values())


def image(cloud, who, visibility, status=201):
    return ask(cloud, who, "POST", "/image/v2/images", {"name": "i", "visibility": visibility, "disk_format": "raw",
                                                        "container_format": "bare"}, status)


def images(cloud):
    """Images count when they are made, get data, change hands and go; also in the tree."""
    limits(cloud, "org", images=2, image_mib=3)
    first = image(cloud, "lab", "private").json["id"]
    ask(cloud, "lab", "PUT", "/image/v2/images/%s/file" % first, b"x" * (2 << 20), 204, {"Content-Type": "application/octet-stream"})
    second = image(cloud, "rival", "private").json["id"]
    m = image(cloud, "lab", "private", 413).json["message"]
    assert "images" in m and "a limit of a parent project" in m, m
    a = cloud.request("rival", "PUT", "/image/v2/images/%s/file" % second, b"y" * (2 << 20), {"Content-Type": "application/octet-stream"})
    assert a.status in (403, 413), a.status
    assert shown(cloud, "org")["image_mib"]["in_use_tree"] == 2 == shown(cloud, "lab")["image_mib"]["in_use"]
    ask(cloud, "admin", "PATCH", "/image/v2/images/" + first, json.dumps([{"op": "replace", "path": "/owner", "value": cloud.ids["team"]}]).encode(),
        headers={"Content-Type": "application/openstack-images-v2.1-json-patch"})
    assert shown(cloud, "lab")["image_mib"]["in_use"] == 0 and shown(cloud, "team")["images"]["in_use"] == 1
    well(cloud)
    ask(cloud, "rival", "DELETE", "/image/v2/images/" + second, status=204)
    ask(cloud, "admin", "DELETE", "/image/v2/images/" + first, status=204)
    assert shown(cloud, "org")["images"]["in_use_tree"] == 0
    well(cloud)


def rails(cloud, project, status=200, **rules):
    return ask(cloud, "admin", "PUT", "/cloud/v1/guardrails/" + cloud.ids[project], {"guardrail": rules}, status)


def guarding(cloud):
    """What one above does not allow, none below can have."""
    second = ask(cloud, "admin", "POST", "/compute/v2.1/os-aggregates", {"aggregate": {"name": "z2", "availability_zone": "z2"}}).json["aggregate"]["id"]
    ask(cloud, "admin", "POST", "/compute/v2.1/os-aggregates/%s/action" % second, {"add_host": {"host": "host2"}})
    spot = ask(cloud, "admin", "POST", "/compute/v2.1/flavors", {"flavor": {"name": "spot", "vcpus": 1, "ram": 64, "disk": 1}}).json["flavor"]["id"]
    ask(cloud, "admin", "POST", "/compute/v2.1/flavors/%s/os-extra_specs" % spot, {"extra_specs": {"cloudd:preemptible": "true"}})
    limits(cloud, "org", images=50, cores=100)
    rails(cloud, "org", flavors=["m1.nano", "m1.small", spot], zones=["nova"], image_visibility=["public", "private"],
          preemptible=False, reserved=False)
    # below, lists are narrowed, and nothing comes back
    g = rails(cloud, "team", flavors=["1", "3"], zones=["nova", "z2"]).json["guardrail"]
    assert g["flavors"] == ["1", "3"] and g["effective"]["flavors"] == ["1"] and g["effective"]["zones"] == ["nova"]
    assert g["preemptible"] is True and g["effective"]["preemptible"] is False
    g = ask(cloud, "lab", "GET", "/cloud/v1/guardrails/" + cloud.ids["lab"]).json["guardrail"]
    assert g["flavors"] is None and g["effective"]["flavors"] == ["1"] and g["effective"]["image_visibility"] == ["private", "public"]
    assert cloud.request("lab", "GET", "/cloud/v1/guardrails/" + cloud.ids["team"]).status == 403
    assert cloud.request("lab", "DELETE", "/cloud/v1/guardrails/" + cloud.ids["lab"]).status == 403
    for bad in ({"flavors": ["none"]}, {"zones": ["nowhere"]}, {"image_visibility": ["secret"]}, {"flavors": []}, {"colour": "red"}):
        rails(cloud, "lab", 400, **bad)
    # flavors
    holds("flavor m1.small", refused_create(cloud, "lab", "2"))
    holds("flavor g1.a100", refused_create(cloud, "lab", "3"))
    holds("preemptible", refused_create(cloud, "rival", spot))
    # zones: a named one, and where none is named
    holds("zone z2", refused_create(cloud, "lab", availability_zone="z2"))
    for k in range(3):
        assert create(cloud, "lab", "in%d" % k).status == 202
    assert all(s["OS-EXT-AZ:availability_zone"] == "nova" and s["status"] == "ACTIVE" for s in at_rest(cloud, "lab"))
    # reserved capacity
    a = cloud.request("admin", "POST", "/cloud/v1/reservations", {"reservation": {
        "project_id": cloud.ids["lab"], "model": "a100", "gpus": 1, "end": "2099-01-01T00:00:00Z"}})
    assert a.status == 403 and "reserved" in a.body.decode(), a.body
    # another flavor, image, zone for a server that is there
    one = servers(cloud, "lab")[0]["id"]
    act = "/compute/v2.1/servers/%s/action" % one
    holds("flavor m1.small", said(ask(cloud, "lab", "POST", act, {"resize": {"flavorRef": "2"}}, 403)))
    rails(cloud, "lab", image_visibility=["private"])
    holds("public images", said(ask(cloud, "lab", "POST", act, {"rebuild": {"imageRef": cloud.image}}, 403)))
    holds("public images", refused_create(cloud, "lab"))
    rails(cloud, "lab", image_visibility=["public"])
    ask(cloud, "lab", "POST", act, {"createImage": {"name": "s"}}, 403)
    ask(cloud, "lab", "POST", act, {"shelve": None}, 202)
    ask(cloud, "admin", "DELETE", "/cloud/v1/guardrails/" + cloud.ids["lab"], status=204)
    # images
    image(cloud, "lab", "shared", 403)
    mine = image(cloud, "lab", "private").json["id"]
    patch = json.dumps([{"op": "replace", "path": "/visibility", "value": "shared"}]).encode()
    ask(cloud, "lab", "PATCH", "/image/v2/images/" + mine, patch, 403, {"Content-Type": "application/openstack-images-v2.1-json-patch"})
    ask(cloud, "lab", "DELETE", "/image/v2/images/" + mine, status=204)
    # where it waits shelved, it comes back to no other zone
    wait(lambda: ask(cloud, "lab", "GET", "/compute/v2.1/servers/" + one).json["server"]["status"].startswith("SHELVED"), "the shelving")
    at_rest(cloud, "lab")
    if ask(cloud, "lab", "GET", "/compute/v2.1/servers/" + one).json["server"]["status"] == "SHELVED":
        ask(cloud, "admin", "POST", act, {"shelveOffload": None}, 202)
        at_rest(cloud, "lab")
    a = ask(cloud, "lab", "POST", act, {"unshelve": {"availability_zone": "z2"}}, 403, {"OpenStack-API-Version": "compute 2.77"})
    holds("zone z2", said(a))
    ask(cloud, "lab", "POST", act, {"unshelve": None}, 202)
    assert {s["OS-EXT-AZ:availability_zone"] for s in at_rest(cloud, "lab")} == {"nova"}
    # explained, and on record
    x = ask(cloud, "lab", "POST", "/cloud/v1/placement/explain", {"explain": {"flavor": "2"}}).json["explanation"]
    assert x["fits"] is False and "flavor m1.small" in x["guardrail"], x
    records = json.loads(cloud.ctl("audit", "list", "-o", "json"))["records"]
    assert any(r["status"] == 403 and "guardrails" in (r["reason"] or "") for r in records), records[:3]
    # the operator's client
    table = cloud.ctl("guardrail", "show", "lab")
    assert "private,public" in table.replace(", ", ",") and "nova" in table, table
    cloud.ctl("guardrail", "set", "rival", "--flavor", "m1.small", "--no-preemptible")
    holds("flavor m1.nano", refused_create(cloud, "rival"))
    cloud.ctl("guardrail", "clear", "rival")
    cloud.ctl("guardrail", "clear", "org")
    assert create(cloud, "rival", "again").status == 202
    well(cloud)
    for p in ("lab", "rival"):
        clear(cloud, p)


def leaving(cloud):
    """A project goes with its limits and guardrails."""
    limits(cloud, "lab", cores=1)
    ask(cloud, "admin", "DELETE", "/identity/v3/projects/" + cloud.ids["lab"], status=204)
    limits(cloud, "team", cores=0)
    well(cloud)


def main():
    with Cloud() as cloud:
        cloud.ids = {}
        for p in PEOPLE:
            body = {"name": p, "parent_id": cloud.ids[PARENTS[p]]} if PARENTS[p] else {"name": p}
            cloud.ids[p] = ask(cloud, "admin", "POST", "/identity/v3/projects", {"project": body}, 201).json["project"]["id"]
            cloud.add_person(p, "member", p)
            cloud.token(p)
        cloud.image = ask(cloud, "admin", "GET", "/image/v2/images").json["images"][0]["id"]
        for test in (setting, using, agreeing, racing, images, guarding, leaving):
            began = time.monotonic()
            test(cloud)
            print("ok %s (%.1f s)" % (test.__name__, time.monotonic() - began))
            sys.stdout.flush()


if __name__ == "__main__":
    main()
