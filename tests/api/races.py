#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Many clients at once where only some can win: a quota, the GPUs of the cloud, the last addresses, one name, one server. Nothing
is given twice, nothing is lost, and each loser is told why."""
import collections
import http.client
import json
import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from cloud import Cloud  # noqa: E402

CLIENTS = 16


def together(cloud, n, ask):
    """ask(client, k) for k in 0..n-1 from CLIENTS clients that begin at the same moment; the answers in order."""
    answers, start = [None] * n, threading.Barrier(CLIENTS)

    def run(me):
        client = Cloud.__new__(Cloud)
        client.__dict__.update(cloud.__dict__, conn=None)
        client.request(None, "GET", "/identity")  # connected
        start.wait()
        for k in range(me, n, CLIENTS):
            answers[k] = ask(client, k)
        if client.conn:
            client.conn.close()

    threads = [threading.Thread(target=run, args=(i,)) for i in range(CLIENTS)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert None not in answers
    return answers


def statuses(answers):
    return dict(collections.Counter(a.status for a in answers))


def create(client, who, name, flavor="1", **more):
    return client.request(who, "POST", "/compute/v2.1/servers", {"server": dict(
        {"name": name, "imageRef": client.image, "flavorRef": flavor}, **more)})


def wait(holds, what):
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end, "waited in vain for " + what
        time.sleep(0.05)


def servers(cloud, who):
    return cloud.request(who, "GET", "/compute/v2.1/servers/detail").json["servers"]


def at_rest(cloud, who):
    wait(lambda: not any(s["OS-EXT-STS:task_state"] for s in servers(cloud, who)), "all to be at rest")
    return servers(cloud, who)


def clear(cloud, who):
    ids = [s["id"] for s in servers(cloud, who)]
    for a in together(cloud, len(ids), lambda c, k: c.request(who, "DELETE", "/compute/v2.1/servers/" + ids[k])) if ids else []:
        assert a.status == 204, a.body
    wait(lambda: not servers(cloud, who), "all to be deleted")
    assert cloud.request(who, "GET", "/network/v2.0/ports").json["ports"] == []
    check = json.loads(cloud.ctl("check", "-o", "json"))["check"]
    assert check["ok"], check["findings"]


def quota(cloud):
    """A quota of 10 servers, 64 asked for: 10 get one."""
    project = cloud.request("admin", "GET", "/identity/v3/projects?name=elsewhere").json["projects"][0]["id"]
    a = cloud.request("admin", "PUT", "/compute/v2.1/os-quota-sets/" + project, {"quota_set": {"instances": 10, "cores": 100, "ram": -1}})
    assert a.status == 200, a.body
    got = together(cloud, 64, lambda c, k: create(c, "other", "q%d" % k))
    assert statuses(got) == {202: 10, 403: 54}, statuses(got)
    assert all(s["status"] == "ACTIVE" for s in at_rest(cloud, "other"))
    used = cloud.request("other", "GET", "/compute/v2.1/limits").json["limits"]["absolute"]
    assert used["totalInstancesUsed"] == 10 and used["totalCoresUsed"] == 10, used
    # deleted and made again at the same time: never more than ten
    ids = [s["id"] for s in servers(cloud, "other")]
    together(cloud, 40, lambda c, k: c.request("other", "DELETE", "/compute/v2.1/servers/" + ids[k // 4]) if k % 4 == 0 else
             create(c, "other", "again%d" % k))
    assert len(at_rest(cloud, "other")) <= 10
    clear(cloud, "other")


def gpus(cloud):
    """16 GPUs, 40 asked for: 16 get one of their own, the others are told that there is no host."""
    got = together(cloud, 40, lambda c, k: create(c, "tenant", "g%d" % k, "3"))
    assert statuses(got) == {202: 40}, statuses(got)
    by = collections.Counter(s["status"] for s in at_rest(cloud, "tenant"))
    assert by == {"ACTIVE": 16, "ERROR": 24}, by
    held = []
    for h in ("host1", "host2"):
        held += [d["server_id"] for d in cloud.request("admin", "GET", "/cloud/v1/hosts/" + h).json["host"]["devices"] if d["server_id"]]
    assert len(held) == 16 and len(set(held)) == 16, held
    assert set(held) == {s["id"] for s in servers(cloud, "tenant") if s["status"] == "ACTIVE"}
    clear(cloud, "tenant")
    # all or none: nine groups of two at once into eight pairs
    got = together(cloud, 9, lambda c, k: create(c, "tenant", "pair%d" % k, "3", min_count=2, max_count=2))
    assert statuses(got) == {202: 9}, statuses(got)
    names = collections.defaultdict(list)
    for s in at_rest(cloud, "tenant"):
        names[s["name"].split("-")[0]].append(s["status"])
    assert sorted(map(tuple, names.values())) == [("ACTIVE", "ACTIVE")] * 8 + [("ERROR", "ERROR")], dict(names)
    clear(cloud, "tenant")


def addresses(cloud):
    """64 servers at once: 64 addresses."""
    got = together(cloud, 64, lambda c, k: create(c, "tenant", "a%d" % k))
    assert statuses(got) == {202: 64}, statuses(got)
    all_of = [a["addr"] for s in at_rest(cloud, "tenant") for a in s["addresses"]["public"]]
    assert len(all_of) == 64 == len(set(all_of))
    clear(cloud, "tenant")


def names(cloud):
    """One name asked for by all: one gets it, the others 409."""
    got = together(cloud, 16, lambda c, k: c.request("admin", "POST", "/identity/v3/projects", {"project": {"name": "one"}}))
    assert statuses(got) == {201: 1, 409: 15}, statuses(got)
    project = next(a.json["project"]["id"] for a in got if a.status == 201)
    got = together(cloud, 16, lambda c, k: c.request("tenant", "POST", "/compute/v2.1/os-keypairs", {"keypair": {"name": "one"}}))
    assert statuses(got) == {200: 1, 409: 15}, statuses(got)
    got = together(cloud, 16, lambda c, k: c.request("admin", "POST", "/compute/v2.1/flavors", {"flavor": {
        "name": "one", "vcpus": 1, "ram": 64, "disk": 1}}))
    assert statuses(got) == {200: 1, 409: 15}, statuses(got)
    got = together(cloud, 16, lambda c, k: c.request("admin", "DELETE", "/identity/v3/projects/" + project))
    assert statuses(got) == {204: 1, 404: 15}, statuses(got)


def one_server(cloud):
    """All at one server: stop, start, reboot, pause, delete. It comes to rest, and once deleted it is gone."""
    acts = ({"os-stop": None}, {"os-start": None}, {"reboot": {"type": "HARD"}}, {"reboot": {"type": "SOFT"}}, {"pause": None},
            {"unpause": None})
    for turn in range(4):
        i = create(cloud, "tenant", "all%d" % turn).json["server"]["id"]
        path = "/compute/v2.1/servers/" + i
        if turn % 2:
            at_rest(cloud, "tenant")

        def ask(c, k):
            if turn > 1 and k == 30:
                return c.request("tenant", "DELETE", path)
            if k % 4 == 0:
                return c.request("tenant", "GET", path)
            return c.request("tenant", "POST", path + "/action", acts[k % len(acts)])

        got = together(cloud, 64, ask)
        assert set(statuses(got)) <= {200, 202, 204, 404, 409}, statuses(got)
        if turn > 1:
            wait(lambda: cloud.request("tenant", "GET", path).status == 404, "the deletion")
        else:
            s = at_rest(cloud, "tenant")
            assert len(s) == 1 and s[0]["status"] in ("ACTIVE", "SHUTOFF", "PAUSED"), s
            power = {"ACTIVE": 1, "SHUTOFF": 4, "PAUSED": 3}[s[0]["status"]]
            assert s[0]["OS-EXT-STS:power_state"] == power, s
        clear(cloud, "tenant")


def uploads(cloud):
    """One image, all upload at once: one wins, and what is kept is all its own."""
    image = cloud.request("tenant", "POST", "/image/v2/images", {"name": "race", "disk_format": "raw", "container_format": "bare"}).json["id"]
    path = "/image/v2/images/%s/file" % image

    def ask(c, k):
        try:
            return c.request("tenant", "PUT", path, bytes([65 + k]) * (1 << 20), {"Content-Type": "application/octet-stream"})
        except (OSError, http.client.HTTPException):  # refused before all was sent
            c.conn = None
            return collections.namedtuple("Cut", "status")(409)

    got = together(cloud, 16, ask)
    won = [k for k, a in enumerate(got) if a.status == 204]
    assert len(won) == 1 and all(a.status in (204, 409) for a in got), statuses(got)
    assert cloud.request("tenant", "GET", path).body == bytes([65 + won[0]]) * (1 << 20)
    assert cloud.request("tenant", "DELETE", "/image/v2/images/" + image).status == 204


def main():
    with Cloud() as cloud:
        cloud.add_person("other", "member", "elsewhere")
        for who in ("tenant", "other", "admin"):
            cloud.token(who)
        cloud.image = cloud.request("tenant", "GET", "/image/v2/images").json["images"][0]["id"]
        for test in (quota, gpus, addresses, names, one_server, uploads):
            began = time.monotonic()
            test(cloud)
            print("ok %s (%.1f s)" % (test.__name__, time.monotonic() - began))
            sys.stdout.flush()


if __name__ == "__main__":
    main()
