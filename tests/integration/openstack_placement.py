#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The openstack client's commands for placement, unmodified; and that what they show agrees with what the rows, the engine and the
operator's API say, while servers are made, move and go. Hosts are simulated."""
import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
try:
    import osc
except ImportError as e:
    print("SKIP: needs python3-openstackclient (%s)" % e)
    sys.exit(77)
from cloud import Cloud  # noqa: E402
from osc import column, until  # noqa: E402

LATEST = {"OpenStack-API-Version": "placement 1.39"}


class Placement:
    def __init__(self, cloud, admin):
        self.cloud, self.admin = cloud, admin
        self.servers, self.rng = [], random.Random(7)

    def get(self, path, who="admin"):
        a = self.cloud.request(who, "GET", path, None, LATEST if path.startswith("/placement") else None)
        assert a.status == 200, (path, a.status, a.body)
        return a.json

    # --- the client

    def providers(self, _):
        # by itself it takes the newest version up to which it knows all
        rows = self.admin("resource provider list")
        assert {"host1", "host1_cell0", "host2"} <= set(column(rows, "name")), rows
        self.ids = {r["name"]: r["uuid"] for r in rows}
        gpus = [r for r in rows if r["root_provider_uuid"] == self.ids["host1"] and ":" in r["name"]]
        assert len(gpus) == 8, gpus
        shown = self.admin("resource provider show %s --allocations" % self.ids["host1_cell0"])
        assert shown["parent_provider_uuid"] == self.ids["host1"] and shown["allocations"] == {}, shown
        assert [r["uuid"] for r in self.admin("resource provider list --name host2")] == [self.ids["host2"]]
        tree = self.admin("resource provider list --in-tree %s --resource CUSTOM_GPU_A100=1" % self.ids["host1"])
        assert len(tree) == 8, tree
        stock = self.admin("resource provider inventory list " + self.ids["host1"])
        assert {r["resource_class"] for r in stock} == {"VCPU", "MEMORY_MB", "DISK_GB"}, stock
        one = self.admin("resource provider inventory show %s VCPU" % self.ids["host1"])
        assert one["total"] > 0 and one["used"] == 0, one
        assert {r["resource_class"]: r["usage"] for r in self.admin("resource provider usage show " + self.ids["host1"])} == {
            "VCPU": 0, "MEMORY_MB": 0, "DISK_GB": 0}
        assert self.admin("resource provider aggregate list " + self.ids["host1"]) == []
        self.admin.fails("resource provider show 6f1d9c2e-1111-4000-8000-0000000000ff", "No resource provider")

    def names(self, _):
        assert "COMPUTE_NODE" in column(self.admin("resource provider trait list " + self.ids["host1"]), "name")
        assert column(self.admin("trait list --name startswith:CUSTOM_GPU"), "name") == ["CUSTOM_GPU_MODEL_A100"]
        assert "HW_CPU_X86_AVX2" in column(self.admin("trait list"), "name")
        self.admin("trait show COMPUTE_NODE")
        assert "CUSTOM_GPU_A100" in column(self.admin("resource class list"), "name")
        assert self.admin("resource class show PCPU")["name"] == "PCPU"

    def allocations(self, _):
        s = self.create("3")
        self.settled()
        rows = self.admin("resource provider allocation show " + s)
        held = {}
        for r in rows:
            held.update(r["resources"])
        assert held["CUSTOM_GPU_A100"] == 1 and held["VCPU"] > 0 and len(rows) == 2, rows
        project = rows[0]["project_id"]
        used = {r["resource_class"]: r["usage"] for r in self.admin("resource usage show " + project)}
        assert used["CUSTOM_GPU_A100"] == 1 and used["VCPU"] == held["VCPU"], used
        typed = self.admin.like("--os-placement-api-version 1.38")
        assert {r["consumer_type"] for r in typed("resource provider allocation show " + s)} == {"INSTANCE"}
        self.server = s

    def candidates(self, _):
        newest = self.admin.like("--os-placement-api-version 1.39")
        rows = newest("allocation candidate list --resource VCPU=1 --resource MEMORY_MB=64 --limit 1")
        assert len(rows) == 1 and rows[0]["allocation"] == "VCPU=1,MEMORY_MB=64", rows
        six = " ".join("--group %d --resource CUSTOM_GPU_A100=1" % n for n in range(1, 7))
        rows = newest("allocation candidate list %s --group-policy isolate" % six)
        assert sorted(set(column(rows, "#"))) == [1, 2] and len(rows) == 12, rows  # one a host, not one a combination
        assert len(set(column(rows, "resource provider"))) == 12, rows
        nine = " ".join("--group %d --resource CUSTOM_GPU_A100=1" % n for n in range(1, 10))
        assert newest("allocation candidate list %s --group-policy isolate" % nine) == []
        assert newest("allocation candidate list --resource VCPU=1 --required COMPUTE_NODE,CUSTOM_X --forbidden CUSTOM_Y")
        assert newest("allocation candidate list --resource VCPU=1 --required CUSTOM_X") == []

    def refused(self, _):
        host, why = self.ids["host1"], "cannot be changed here"
        for line in ("resource provider create mine", "resource provider delete " + host, "resource provider set %s --name x" % host,
                     "resource provider inventory set %s --resource VCPU=9" % host, "resource provider inventory delete " + host,
                     "resource provider inventory class set %s VCPU --total 9" % host,
                     "resource provider aggregate set %s --aggregate %s --generation 1" % (host, host),
                     "resource provider trait set %s --trait CUSTOM_A" % host, "resource provider trait delete " + host,
                     "trait create CUSTOM_A", "trait delete CUSTOM_A", "resource class create CUSTOM_A", "resource class set CUSTOM_A",
                     "resource class delete CUSTOM_A", "resource provider allocation delete " + self.server,
                     "resource provider allocation unset " + self.server,
                     "resource provider allocation set %s --allocation rp=%s,VCPU=1 --project-id p --user-id u" % (self.server, host)):
            self.admin.fails(line, why)
        osc.Client(self.cloud.env["tenant"]).fails("resource provider list", "403")

    # --- rows and view

    def create(self, flavor):
        image = self.get("/image/v2/images?name=guest", "tenant")["images"][0]["id"]
        a = self.cloud.request("tenant", "POST", "/compute/v2.1/servers", {"server": {
            "name": "s", "imageRef": image, "flavorRef": flavor}})
        assert a.status == 202, a.body
        self.servers.append(a.json["server"]["id"])
        return self.servers[-1]

    def action(self, who, server, body):
        return self.cloud.request(who, "POST", "/compute/v2.1/servers/%s/action" % server, body).status

    def settled(self):
        """No server is on its way."""
        def still():
            rows = self.get("/compute/v2.1/servers/detail", "tenant")["servers"]
            return all(r["status"] in ("ACTIVE", "VERIFY_RESIZE", "ERROR") and not r["OS-EXT-STS:task_state"] for r in rows)
        until(still, "servers to settle")

    def differences(self):
        """Where the view does not say what the operator's API does, or is not the sum of its parts."""
        bad, held = [], {}
        trees = {}
        for p in self.get("/placement/resource_providers")["resource_providers"]:
            trees.setdefault(p["root_provider_uuid"], []).append(p)
        for host in self.get("/cloud/v1/hosts")["hosts"]:
            used, room, gpus = {}, {}, 0
            for p in trees[host["id"]]:
                path = "/placement/resource_providers/" + p["uuid"]
                usages, mine = self.get(path + "/usages")["usages"], {}
                for name, i in self.get(path + "/inventories")["inventories"].items():
                    room[name] = room.get(name, 0) + int((i["total"] - i["reserved"]) * i["allocation_ratio"])
                for consumer, a in self.get(path + "/allocations")["allocations"].items():
                    held.setdefault(consumer, {})[p["uuid"]] = a["resources"]
                    for name, n in a["resources"].items():
                        mine[name] = mine.get(name, 0) + n
                if {k: v for k, v in usages.items() if v} != mine:
                    bad.append((p["name"], usages, mine))
                for name, n in usages.items():
                    used[name] = used.get(name, 0) + n
                gpus += ":" in p["name"] and any(usages.values())
            theirs = {k: host[k] for k in ("vcpus", "ram_mib", "disk_gib", "vcpus_used", "ram_used_mib", "disk_used_gib", "gpus_used",
                                           "dedicated_cpus_used")}
            ours = {"vcpus": room["VCPU"], "ram_mib": room["MEMORY_MB"], "disk_gib": room["DISK_GB"], "vcpus_used": used["VCPU"],
                    "ram_used_mib": used["MEMORY_MB"], "disk_used_gib": used["DISK_GB"], "gpus_used": gpus,
                    "dedicated_cpus_used": used.get("PCPU", 0)}
            if theirs != ours:
                bad.append((host["name"], theirs, ours))
        for consumer, by_provider in held.items():
            shown = self.get("/placement/allocations/" + consumer)["allocations"]
            if {k: v["resources"] for k, v in shown.items()} != by_provider:
                bad.append((consumer, shown, by_provider))
        return bad, held

    def agrees(self):
        seen = []

        def once():
            seen[:] = [self.differences()]
            return not seen[0][0]
        try:
            until(once, "view and rows to agree", 30)
        except AssertionError:
            raise AssertionError(seen[0][0])
        return seen[0][1]

    def moves(self, _):
        for flavor in ("1", "2", "3", "1", "3"):
            self.create(flavor)
        self.settled()
        held = self.agrees()
        assert set(held) == set(self.servers), held
        mover, other = self.servers[1], self.servers[2]
        assert self.action("tenant", mover, {"resize": {"flavorRef": "2"}}) == 202
        self.settled()
        held = self.agrees()
        both = [c for c in held if c not in self.servers]  # the move keeps where it was
        assert len(both) == 1, held
        assert self.get("/placement/allocations/" + both[0])["consumer_type"] == "MIGRATION"
        assert self.action("tenant", mover, {"revertResize": None}) == 202
        self.settled()
        assert set(self.agrees()) == set(self.servers)
        assert self.action("admin", other, {"migrate": None}) == 202
        self.settled()
        assert self.action("tenant", other, {"confirmResize": None}) == 204
        assert self.action("admin", mover, {"os-migrateLive": {"host": None, "block_migration": True, "disk_over_commit": False}}) == 202
        self.settled()
        until(lambda: set(self.agrees()) == set(self.servers), "the moves to be over")

    def churn(self, _):
        for _ in range(12):
            if self.servers and self.rng.random() < 0.5:
                gone = self.servers.pop(self.rng.randrange(len(self.servers)))
                assert self.cloud.request("tenant", "DELETE", "/compute/v2.1/servers/" + gone).status == 204
            else:
                self.create(self.rng.choice("1233"))
            self.agrees()
        for s in self.servers:
            self.cloud.request("tenant", "DELETE", "/compute/v2.1/servers/" + s)
        self.servers = []
        until(lambda: self.agrees() == {}, "nothing to be held")
        assert self.get("/cloud/v1/check")["check"]["ok"]


def main():
    if not osc.commands(osc.PLACEMENT):
        print("SKIP: needs python3-osc-placement")
        return 77
    with Cloud() as cloud:
        admin = osc.Client(cloud.env["admin"]).by_token()
        p = Placement(cloud, admin)
        failed = osc.chapters(admin, [p.providers, p.names, p.allocations, p.candidates, p.refused, p.moves, p.churn])
        return osc.account(admin, osc.commands(osc.PLACEMENT), {}) or (1 if failed else 0)


if __name__ == "__main__":
    sys.exit(main())
