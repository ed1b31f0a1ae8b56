#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Capacity by shape and flavor, and a plan that wins room back: what it says becomes true when it is applied."""
import json
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from cloud import Cloud  # noqa: E402

TIB = 1024 * 1024


def room(cloud, flavor):
    """How many servers of it fit now."""
    flavors = json.loads(cloud.ctl("capacity", "-o", "json"))["capacity"]["flavors"]
    return [f["servers"] for f in flavors if f["flavor"] == flavor][0]


def active(cloud, name, flavor, image):
    a = cloud.request("admin", "POST", "/compute/v2.1/servers", {"server": {"name": name, "imageRef": image, "flavorRef": flavor}})
    assert a.status == 202, a.body
    ident = a.json["server"]["id"]
    end = time.monotonic() + 60
    while True:
        s = cloud.request("admin", "GET", "/compute/v2.1/servers/" + ident).json["server"]
        if s["status"] == "ACTIVE":
            return s
        assert s["status"] == "BUILD" and time.monotonic() < end, s
        time.sleep(0.05)


def main():
    with Cloud(hosts=3) as cloud:
        cloud.ctl("quota", "set", "admin", "instances=-1", "cores=-1", "ram=-1", "gpus=-1", "ports=-1")
        image = cloud.request("admin", "GET", "/image/v2/images?name=guest").json["images"][0]["id"]
        cloud.ctl("flavor", "create", "half", "--id", "half", "--vcpus", "4", "--ram", str(2304 * 1024), "--disk", "1")
        cloud.ctl("flavor", "create", "g8", "--id", "g8", "--vcpus", "16", "--ram", str(2 * TIB), "--disk", "1", "--gpus", "a100:8")

        listed = {f["name"]: f.get("extra_specs") for f in json.loads(cloud.ctl("flavor", "list", "-o", "json"))["flavors"]}
        assert listed["g8"] == {"pci_passthrough:alias": "a100:8"}, listed

        models = json.loads(cloud.ctl("capacity", "-o", "json"))["capacity"]["models"]
        assert models == [{"model": "a100", "hosts": 3, "gpus": 24, "in_use": 0, "free": 24, "reserved": 0, "unfit": 0, "by_8": 3,
                           "stranded_8": 0, "by_4": 6, "stranded_4": 0, "by_2": 12, "stranded_2": 0, "by_1": 24, "stranded_1": 0,
                           "largest": 8}], models
        assert room(cloud, "g8") == 3
        first, second = active(cloud, "a", "half", image), active(cloud, "b", "half", image)
        where = first["OS-EXT-SRV-ATTR:host"]
        assert second["OS-EXT-SRV-ATTR:host"] == where, "two halves are packed on one host"
        assert room(cloud, "g8") == 2, cloud.ctl("host", "list") + cloud.ctl("capacity")

        plan = json.loads(cloud.ctl("rebalance", "g8", "--count", "5", "-o", "json"))["plan"]
        assert plan["servers_won"] == 1 and len(plan["moves"]) == 1, plan
        assert plan["moves"][0]["from"] == where and plan["moves"][0]["to"] != where, plan
        assert room(cloud, "g8") == 2, "a plan changes nothing"
        none = json.loads(cloud.ctl("rebalance", "half", "-o", "json"))["plan"]
        assert none["servers_won"] == 0 and none["moves"] == [], none

        cloud.ctl("rebalance", "g8", "--apply")
        moved = cloud.request("admin", "GET", "/compute/v2.1/servers/" + plan["moves"][0]["server_id"]).json["server"]
        assert moved["OS-EXT-SRV-ATTR:host"] == plan["moves"][0]["to"], moved
        assert room(cloud, "g8") == 3, "what the plan promised"
        check = json.loads(cloud.ctl("check", "-o", "json"))["check"]
        assert check["ok"], check


if __name__ == "__main__":
    main()
