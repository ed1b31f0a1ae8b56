#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A host is emptied by the operator's command, with the daemon killed in the middle: it goes on by itself, every server ends up on
one other host, running as before, and what cannot move says why. And the client's side: stop, show, wait."""
import json
import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from cloud import BUILD, TOP, Cloud, ended  # noqa: E402

SERVERS = 6


def until(holds, what):
    end = time.monotonic() + 120
    while True:
        seen = holds()
        if seen:
            return seen
        assert time.monotonic() < end, "waited in vain for " + what
        time.sleep(0.02)


def servers(cloud):
    return cloud.request("admin", "GET", "/compute/v2.1/servers/detail?all_tenants=1").json["servers"]


def all_active(cloud):
    seen = servers(cloud)
    assert not [s for s in seen if s["status"] == "ERROR"], [s.get("fault") for s in seen]
    return seen if all(s["status"] == "ACTIVE" and s["OS-EXT-STS:task_state"] is None for s in seen) else None


def shown(cloud):
    return json.loads(cloud.ctl("host", "drain", "slow", "--show", "-o", "json"))["drain"]


def ctl_fails(cloud, *args):
    cmd = [os.path.join(BUILD, "src/cloudctl/cloudctl"), "--socket", os.path.join(cloud.dir, "run/cloudd.sock"), *args]
    done = subprocess.run(cmd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert done.returncode != 0, done.stdout
    return done


def main():
    with Cloud(hosts=2, settings=["hosts.retry_max_ms=500"], options=["--persist"]) as cloud:
        cloud.ctl("quota", "set", "admin", "instances=-1", "cores=-1", "ram=-1", "gpus=-1", "ports=-1")
        state = os.path.join(cloud.dir, "slow.state")
        cloud.ctl("host", "add", "slow", "sim://slow?vcpus=64&ram_gib=256&disk_gib=2000&gpus=2&gpu=10de:20b0&move_ms=300&state=" + state, "--wait")
        assert "not being emptied" in ctl_fails(cloud, "host", "drain", "slow", "--stop").stderr
        image = cloud.request("admin", "GET", "/image/v2/images?name=guest").json["images"][0]["id"]
        cloud.ctl("flavor", "create", "g1", "--id", "g1", "--vcpus", "2", "--ram", "2048", "--disk", "2", "--gpus", "a100:1")
        for flavor, count in (("1", SERVERS), ("g1", 1)):
            a = cloud.request("admin", "POST", "/compute/v2.1/servers", {"server": {
                "name": "vm" + flavor, "imageRef": image, "flavorRef": flavor, "min_count": count, "availability_zone": "nova:slow"}})
            assert a.status == 202, a.body
        until(lambda: all_active(cloud), "the servers")

        cloud.ctl("host", "drain", "slow", "--parallel", "3", "--reason", "new disks")
        until(lambda: shown(cloud)["moved"] >= 2 and shown(cloud)["moving"] > 0, "some to have moved")
        assert shown(cloud)["moving"] <= 3
        why = cloud.request("admin", "GET", "/cloud/v1/why/slow").json["why"]
        assert why["cause"] == "emptied" and "new disks" in why["says"], why
        pid = cloud.pid()
        os.kill(pid, signal.SIGKILL)
        until(lambda: ended(pid), "the daemon's end")
        cloud.conn = None
        subprocess.run([os.path.join(TOP, "scripts/devcloud"), "restart", cloud.dir], check=True, stdout=subprocess.DEVNULL)

        drain = until(lambda: (lambda d: d if d["state"] == "partial" else None)(shown(cloud)), "the drain to go on by itself")
        assert drain["moved"] == SERVERS and drain["stays"] == 1, drain
        stays = [s for s in drain["servers"] if s["state"] == "stays"]
        assert "GPUs" in stays[0]["reason"] and all(s["to"] in ("host1", "host2") for s in drain["servers"] if s["state"] == "moved"), drain
        done = ctl_fails(cloud, "host", "drain", "slow", "--wait")
        assert "1 servers are still there" in done.stderr and "GPUs" in done.stdout, (done.stdout, done.stderr)
        for s in until(lambda: all_active(cloud), "the servers"):
            assert (s["OS-EXT-SRV-ATTR:host"] == "slow") == (s["name"] == "vmg1"), (s["name"], s["OS-EXT-SRV-ATTR:host"])

        why = cloud.request("admin", "GET", "/cloud/v1/why/" + stays[0]["server_id"]).json["why"]
        assert why["cause"] == "drain-waits" and "GPUs" in why["says"], why
        table = cloud.ctl("host", "drain", "slow", "--cold", "--wait")
        assert "done" in table, table
        until(lambda: all_active(cloud), "the servers")
        assert not [s for s in servers(cloud) if s["OS-EXT-SRV-ATTR:host"] == "slow"]

        types = [e["type"] for e in cloud.request("admin", "GET", "/cloud/v1/events?type=host&after=0").json["events"]]
        assert "host.drain_begun" in types and "host.drain_ended" in types, types
        cloud.ctl("host", "enable", "slow")
        assert "not being emptied" in ctl_fails(cloud, "host", "drain", "slow", "--show").stderr
        found = json.loads(cloud.ctl("check", "-o", "json"))["check"]
        assert found["ok"], found
    return 0


if __name__ == "__main__":
    sys.exit(main())
