#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Evacuation over the API: not before the operator has said that the host is dead; what waits for the host gives way; and when
the host comes back, what was left there is cleared, and nothing of it was given to others before."""
import json
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from cloud import Cloud  # noqa: E402


class Test:
    def __init__(self, cloud):
        self.cloud = cloud

    def ask(self, method, path, body=None, version=None, expect=None):
        headers = {"OpenStack-API-Version": "compute " + version} if version else {}
        answer = self.cloud.request("admin", method, path, body, headers)
        assert expect is None or answer.status == expect, (method, path, answer.status, answer.body)
        return answer

    def until(self, path, holds):
        end = time.monotonic() + 60
        while True:
            body = self.ask("GET", path).json
            if holds(body):
                return body
            assert time.monotonic() < end, (path, body)
            time.sleep(0.05)

    def server(self, uid, status):
        return self.until("/compute/v2.1/servers/" + uid, lambda b: b["server"]["status"] == status
                          and not b["server"]["OS-EXT-STS:task_state"])["server"]

    def make(self, name):
        image = self.ask("GET", "/image/v2/images?name=guest").json["images"][0]["id"]
        body = {"server": {"name": name, "imageRef": image, "flavorRef": "1", "availability_zone": "nova:host1", "config_drive": True}}
        uid = self.ask("POST", "/compute/v2.1/servers", body, expect=202).json["server"]["id"]
        self.server(uid, "ACTIVE")
        return uid

    def act(self, uid, body, version=None, expect=None):
        return self.ask("POST", "/compute/v2.1/servers/%s/action" % uid, body, version, expect)

    def evacuate(self, uid, args, version):
        """A call that is under way when the host dies is given up first."""
        end = time.monotonic() + 60
        while True:
            answer = self.act(uid, {"evacuate": args}, version)
            if answer.status != 409:
                return answer
            assert time.monotonic() < end, answer.body
            time.sleep(0.2)

    def run(self):
        a, b, c = self.make("a"), self.make("b"), self.make("c")
        before = self.server(a, "ACTIVE")
        self.act(b, {"os-stop": None}, expect=202)
        self.server(b, "SHUTOFF")

        self.cloud.host("cut", 1)
        self.until("/cloud/v1/hosts/host1", lambda h: h["host"]["connection"] != "connected")
        refused = self.act(a, {"evacuate": {}}, "2.29", expect=400).json["badRequest"]["message"]
        assert "forced down" in refused, refused
        self.act(a, {"os-stop": None}, expect=202)  # waits for the host
        self.ask("PUT", "/compute/v2.1/os-services/force-down", {"host": "host1", "binary": "nova-compute", "forced_down": True},
                 "2.11", expect=200)

        self.act(a, {"evacuate": {"onSharedStorage": True}}, expect=400)
        self.act(a, {"evacuate": {"host": "mars"}}, "2.29", expect=400)
        self.act(a, {"evacuate": {"host": "host1"}}, "2.29", expect=400)
        answer = self.evacuate(a, {"onSharedStorage": False, "adminPass": "open"}, None)
        assert answer.status == 200 and answer.json == {"adminPass": "open"}, answer.body
        answer = self.evacuate(b, {"host": "host2", "force": False}, "2.67")
        assert answer.status == 200 and not answer.body, answer.body
        now = self.server(a, "ACTIVE")
        assert now["OS-EXT-SRV-ATTR:host"] == "host2" and now["addresses"] == before["addresses"], now
        assert self.server(b, "SHUTOFF")["OS-EXT-SRV-ATTR:host"] == "host2"
        actions = self.ask("GET", "/compute/v2.1/servers/%s/os-instance-actions" % a).json["instanceActions"]
        assert [(x["action"], x["message"]) for x in actions][:2] == [("evacuate", None), ("stop", "Error")], actions
        moves = self.ask("GET", "/compute/v2.1/os-migrations?migration_type=evacuation", version="2.59").json["migrations"]
        assert [(m["status"], m["source_compute"], m["dest_compute"]) for m in moves] == [("done", "host1", "host2")] * 2, moves

        # deleted without waiting for the dead host
        self.ask("DELETE", "/compute/v2.1/servers/" + c, expect=204)
        self.until("/compute/v2.1/servers/detail", lambda b: c not in [s["id"] for s in b["servers"]])
        left = self.ask("GET", "/cloud/v1/flows").json["flows"]
        assert sorted(f["kind"] for f in left) == ["leftover_remove"] * 3, left

        self.cloud.host("heal", 1)
        self.ask("PUT", "/compute/v2.1/os-services/force-down", {"host": "host1", "binary": "nova-compute", "forced_down": False},
                 "2.11", expect=200)
        self.until("/cloud/v1/flows", lambda b: not b["flows"])
        host = self.ask("GET", "/cloud/v1/hosts/host1").json["host"]
        assert host["vcpus_used"] == 0 and host["servers"] == 0, host
        check = json.loads(self.cloud.ctl("check", "-o", "json"))["check"]
        assert check["ok"], check


def main():
    with Cloud() as cloud:
        Test(cloud).run()
    print("evacuation: ok")


if __name__ == "__main__":
    main()
