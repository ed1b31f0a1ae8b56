#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Every command of the openstack client for the compute service and those that span services, unmodified: with the version of
the API that the client takes by itself, and with the newest that it knows. Hosts are simulated."""
import json
import os
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
try:
    import osc
except ImportError as e:
    print("SKIP: needs python3-openstackclient (%s)" % e)
    sys.exit(77)
from cloud import Cloud  # noqa: E402
from osc import column, holds, until  # noqa: E402

# what is not in this cloud, and why
EXCLUDED = {
    "compute agent": "gone from OpenStack itself: 410",
    "server add fixed ip": "a server's card is made with it; more cards come with tenant networks",
    "server remove fixed ip": "a server's card is made with it; more cards come with tenant networks",
    "server add network": "a server's card is made with it; more cards come with tenant networks",
    "server remove network": "a server's card is made with it; more cards come with tenant networks",
    "server add port": "a server's card is made with it; more cards come with tenant networks",
    "server remove port": "a server's card is made with it; more cards come with tenant networks",
    "server add floating ip": "floating addresses come with tenant networks",
    "server remove floating ip": "floating addresses come with tenant networks",
    "server add security group": "security groups come with tenant networks",
    "server remove security group": "security groups come with tenant networks",
    "server add volume": "no volume service yet",
    "server remove volume": "no volume service yet",
    "server volume update": "no volume service yet",
    "project cleanup": "this client's own does not work in a cloud without a volume service",
}

PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJqbMoQvk7oqkUYyh7KfCR/DnUBXVOeRZaUG1FpQ5bcA someone"


class Compute:
    """The chapters; they come with the tenant's client."""

    def __init__(self, cloud, me, admin, version):
        self.cloud, self.me, self.admin, self.version = cloud, me, admin, version
        self.dir = tempfile.mkdtemp(dir=cloud.dir)
        self.n = 0

    def at(self, version):
        """The API is spoken at this version or a newer one."""
        return [int(x) for x in self.version.split(".")] >= [int(x) for x in version.split(".")]

    def file(self, text):
        self.n += 1
        path = os.path.join(self.dir, "file%d" % self.n)
        with open(path, "w") as f:
            f.write(text)
        return path

    def becomes(self, server, status, client=None):
        """Until it has this status and nothing is under way; what it is then."""
        def seen():
            s = (client or self.me)("server show " + server)
            assert s["status"] in (status, "ERROR") or s["OS-EXT-STS:task_state"] or s["status"] != "ERROR", s
            assert s["status"] != "ERROR" or status == "ERROR", s
            return s if s["status"] == status and s["OS-EXT-STS:task_state"] is None else None
        return until(seen, "%s to be %s" % (server, status))

    def server(self, name, options="", client=None, flavor="m1.nano"):
        return (client or self.me)("server create --image guest --flavor %s --wait %s %s" % (flavor, options, name))

    def gone(self, *servers):
        self.me("server delete --wait " + " ".join(servers))

    def host_of(self, server):
        return self.admin("server show " + server)["OS-EXT-SRV-ATTR:host"]

    def flavor_of(self, server):
        f = server["flavor"]
        return f["original_name"] if self.at("2.47") else f.split(" (")[0]

    # --- the tenant's things

    def flavors(self, me):
        admin = self.admin
        f = admin("flavor create --id 77 --ram 512 --disk 3 --vcpus 2 --private --project demo --property hw:cpu_policy=shared "
                  "--description small f1" if self.at("2.55") else
                  "flavor create --id 77 --ram 512 --disk 3 --vcpus 2 --private --project demo --property hw:cpu_policy=shared f1")
        holds(f, id="77", name="f1", ram=512, disk=3, vcpus=2, **{"os-flavor-access:is_public": False})
        admin.fails("flavor create --ram 1 --disk 1 --vcpus 1 f1", "409")
        assert "f1" in column(me("flavor list --private"), "Name")
        assert "f1" not in column(admin("flavor list --public"), "Name")
        rows = admin("flavor list --all --long")
        assert "f1" in column(rows, "Name") and rows[0].get("RXTX Factor") == 1.0, rows
        assert "m1.nano" not in column(me("flavor list --min-ram 300"), "Name")
        assert "m1.nano" not in column(me("flavor list --min-disk 2"), "Name")
        first = me("flavor list --limit 1")
        assert len(first) == 1
        assert first[0]["ID"] not in column(me("flavor list --limit 2 --marker " + first[0]["ID"]), "ID")
        assert holds(admin("flavor show f1"), id="77")["properties"] == {"hw:cpu_policy": "shared"}
        admin("flavor set --property hw_rng:allowed=true --project admin f1")
        shown = admin("flavor show f1")
        assert shown["properties"] == {"hw:cpu_policy": "shared", "hw_rng:allowed": "true"}, shown
        assert len(shown["access_project_ids"]) == 2, shown
        admin("flavor unset --property hw_rng:allowed --project admin f1")
        assert admin("flavor show f1")["properties"] == {"hw:cpu_policy": "shared"}
        admin("flavor set --no-property f1")
        assert admin("flavor show f1")["properties"] == {}
        admin.fails("flavor set --property no:such=1 f1", "no:such")
        if self.at("2.55"):
            admin("flavor set --description bigger f1")
            assert admin("flavor show f1")["description"] == "bigger"
        me.fails("flavor delete f1", "failed to delete")
        admin("flavor delete f1")
        admin.fails("flavor show f1", "f1")

    def keypairs(self, me):
        path = self.file(PUBLIC_KEY + "\n")
        k = holds(me("keypair create --public-key %s k1" % path), name="k1", type="ssh")
        assert k["fingerprint"].count(":") == 15, k
        me.fails("keypair create --public-key %s k1" % path, "409")
        if not self.at("2.92"):  # this client keeps to 2.10 by itself, and so may ask for a key
            secret = os.path.join(self.dir, "secret")
            me("keypair create --private-key %s k2" % secret)
            with open(secret) as f:
                assert f.read().startswith("-----BEGIN"), "no private key"
            assert "PRIVATE KEY" in me.text(["keypair", "create", "--type", "ssh", "k3"])
        else:
            for name in ("k2", "k3"):
                me("keypair create --public-key %s %s" % (path, name))
        assert column(me("keypair list"), "Name") == ["k1", "k2", "k3"]
        if self.at("2.35"):
            assert column(me("keypair list --marker k2 --limit 1"), "Name") == ["k3"]
        holds(me("keypair show k1"), name="k1", fingerprint=k["fingerprint"])
        assert me.text(["keypair", "show", "--public-key", "k1"]).startswith("ssh-ed25519 ")
        self.admin("keypair create --user demo --public-key %s of-demo" % path)
        assert "of-demo" in column(me("keypair list"), "Name")
        assert "of-demo" in column(self.admin("keypair list --user demo"), "Name")
        assert "of-demo" in column(self.admin("keypair list --project demo"), "Name")
        holds(self.admin("keypair show --user demo of-demo"), name="of-demo")
        self.admin.fails("keypair delete --user demo of-demo", "404")  # this client does not send whose key it means
        me("keypair delete k1 k2 k3 of-demo")
        assert me("keypair list") == []
        me.fails("keypair delete k1", "failed to delete")

    def servers(self, me):
        path = self.file("#!/bin/sh\necho hello\n")
        me("keypair create --public-key %s sk" % self.file(PUBLIC_KEY))
        options = "--key-name sk --property a=b --property c=d --user-data %s --config-drive true --availability-zone nova " % path
        if self.at("2.19"):
            options += "--description 'the first' "
        if self.at("2.52"):
            options += "--tag blue --tag green "
        if self.at("2.90"):
            options += "--hostname first-host "
        s = self.server("s1", options)
        holds(s, name="s1", status="ACTIVE", key_name="sk", config_drive="True", properties={"a": "b", "c": "d"})
        assert s["image"].startswith("guest (") and self.flavor_of(s) == "m1.nano", s
        assert s["adminPass"] and len(s["addresses"]["public"]) == 1, s
        shown = me("server show s1")
        holds(shown, id=s["id"], **{"OS-EXT-STS:vm_state": "active", "OS-EXT-STS:task_state": None})
        assert shown["OS-EXT-STS:power_state"] == 1, shown
        assert "OS-EXT-SRV-ATTR:host" not in shown or shown["OS-EXT-SRV-ATTR:host"] is None, shown
        if self.at("2.19"):
            holds(shown, description="the first")
        if self.at("2.26"):
            assert sorted(shown["tags"]) == ["blue", "green"], shown
        many = self.server("many", "--min 2 --max 3")
        assert many["name"].startswith("many-"), many
        self.listed(me, s)
        self.changed(me)
        me.fails("server create --image guest --flavor m1.nano --availability-zone nowhere x", "400")
        me.fails("server create --image guest --flavor nowhere x", "nowhere")
        me.fails("server create --image guest --flavor m1.nano --security-group nowhere x", "nowhere")
        me("server delete --wait many-1 many-2 many-3 s1x")
        me("keypair delete sk")
        assert me("server list") == []
        me.fails("server show s1x", "s1x")

    def listed(self, me, s):
        """s1, many-1, many-2 and many-3 in lists of all kinds."""
        rows = me("server list")
        assert len(rows) == 4 and set(rows[0]) >= {"ID", "Name", "Status", "Networks", "Image", "Flavor"}, rows
        rows = me("server list --long --sort-column Name")
        assert column(rows, "Name") == ["many-1", "many-2", "many-3", "s1"], rows
        holds(rows[0], **{"Power State": 1, "Task State": None})
        assert len(me("server list --no-name-lookup --name many")) == 3
        assert len(me("server list --name-lookup-one-by-one --name many")) == 3
        address = s["addresses"]["public"][0]
        assert column(me("server list --ip " + address), "Name") == ["s1"]
        for options, n in (("--status ACTIVE", 4), ("--status SHUTOFF", 0), ("--flavor m1.nano", 4), ("--flavor m1.small", 0),
                           ("--image guest", 4), ("--name '^s1$'", 1), ("--ip6 ::1", 0)):
            assert len(me("server list " + options)) == n, options
        first = me("server list --limit 3")
        assert len(first) == 3
        rest = me("server list --marker %s" % first[-1]["ID"])
        assert len(rest) == 1 and rest[0]["ID"] not in column(first, "ID")
        assert len(me("server list --limit -1")) == 4
        assert len(me("server list --changes-since 2020-01-01T00:00:00Z --name many")) >= 3  # deleted ones too
        if self.at("2.26"):
            assert column(me("server list --tags blue"), "Name") == ["s1"]
            assert len(me("server list --not-tags blue")) == 3
        if self.at("2.66"):
            assert me("server list --changes-before 2020-01-01T00:00:00Z") == []
        admin = self.admin
        host = self.host_of(s["id"])
        for options, n in (("--all-projects", 4), ("--project demo", 4), ("--project admin", 0), ("--all-projects --user demo", 4),
                           ("--all-projects --user admin", 0),
                           ("--all-projects --availability-zone nova", 4), ("--all-projects --key-name sk", 1),
                           ("--all-projects --vm-state active", 4), ("--all-projects --task-state spawning", 0),
                           ("--all-projects --power-state running", 4), ("--all-projects --config-drive", None),
                           ("--all-projects --reservation-id r-nothing1", 0)):
            if n is not None:
                assert len(admin("server list " + options)) == n, options
            else:
                admin("server list " + options)
        assert "s1" in column(admin("server list --all-projects --host " + host), "Name")
        assert admin("server list") == []

    def changed(self, me):
        me("server set --name s1x --property a=e --property f=g s1")
        holds(me("server show s1x"), properties={"a": "e", "c": "d", "f": "g"})
        me("server unset --property a --property f s1x")
        holds(me("server show s1x"), properties={"c": "d"})
        if self.at("2.19"):
            me("server set --description other s1x")
            holds(me("server show s1x"), description="other")
            me("server unset --description s1x")
            assert me("server show s1x")["description"] in (None, "")
        if self.at("2.26"):
            me("server set --tag red s1x")
            assert sorted(me("server show s1x")["tags"]) == ["blue", "green", "red"]
            me("server unset --tag blue --tag green s1x")
            assert me("server show s1x")["tags"] == ["red"]
        if self.at("2.90"):
            me("server set --hostname second-host s1x")
            holds(me("server show s1x"), **{"OS-EXT-SRV-ATTR:hostname": "second-host"})
        i = me("server show s1x")["id"]
        me.fails("server set --state error s1x", "403")
        self.admin("server set --state error " + i)
        assert me("server show s1x")["status"] == "ERROR"
        self.admin("server set --state active " + i)
        assert me("server show s1x")["status"] == "ACTIVE"

    def power(self, me):
        self.server("p1")
        self.server("p2")
        for verb, status in (("stop", "SHUTOFF"), ("start", "ACTIVE"), ("pause", "PAUSED"), ("unpause", "ACTIVE"),
                             ("suspend", "SUSPENDED"), ("resume", "ACTIVE")):
            me("server %s p1 p2" % verb)
            self.becomes("p1", status)
            self.becomes("p2", status)
        me("server reboot --wait p1")
        self.becomes("p1", "ACTIVE")
        me("server reboot --hard --wait p1")
        self.becomes("p1", "ACTIVE")
        me.fails("server start p1", "409")
        me.fails("server restore p1", "409")
        me("server lock --reason mine p1" if self.at("2.73") else "server lock p1")
        self.admin.fails("server show nothing", "nothing")
        if self.at("2.73"):
            holds(me("server show p1"), locked=True, locked_reason="mine")
            assert column(me("server list --locked"), "Name") == ["p1"]
            assert column(me("server list --unlocked"), "Name") == ["p2"]
        me("server unlock p1")
        me("server stop p1")
        self.becomes("p1", "SHUTOFF")
        self.admin("server start --all-projects p1")
        self.becomes("p1", "ACTIVE")
        self.admin("server stop --all-projects p1")
        self.becomes("p1", "SHUTOFF")
        self.gone("p1")
        me("server delete --force --wait p2")

    def consoles(self, me):
        s = self.server("c1")
        me.text(["console", "log", "show", "c1"])
        me.text(["console", "log", "show", "--lines", "5", "c1"])
        url = me("console url show --serial c1")
        holds(url, protocol="serial", type="serial")
        assert url["url"].startswith("wss://localhost:"), url
        me.fails("console url show --rdp c1", "400")
        events = me("server event list c1")
        assert column(events, "Action") == ["create"], events
        event = me("server event show %s %s" % (s["id"], events[0]["Request ID"]))
        holds(event, action="create", instance_uuid=s["id"])
        me("server event list --long --limit 5 c1" if self.at("2.58") else "server event list --long c1")
        if self.at("2.58"):
            assert me("server event list --changes-since 2020-01-01T00:00:00Z c1")
            assert column(me("server event list --limit 1 --marker %s c1" % events[0]["Request ID"]), "Action") == []
        if self.at("2.66"):
            assert me("server event list --changes-before 2020-01-01T00:00:00Z c1") == []
        assert me("server volume list c1") == []
        self.admin("server show --diagnostics " + s["id"])
        if self.at("2.78"):
            assert "nodes" in str(me("server show --topology c1")["topology"])
        if self.at("2.17"):
            self.admin("server dump create " + s["id"])
        self.ssh(me, s["addresses"]["public"][0])
        self.gone("c1")
        if self.at("2.21"):
            assert column(me("server event list " + s["id"]), "Action")[-1] == "create"

    def ssh(self, me, address):
        """The client finds the address and starts ssh: here one that writes down what it was told."""
        path = os.path.join(self.dir, "bin")
        os.makedirs(path, exist_ok=True)
        with open(os.path.join(path, "ssh"), "w") as f:
            f.write("#!/bin/sh\necho \"$@\" >%s/told\n" % path)
        os.chmod(os.path.join(path, "ssh"), 0o755)
        me.like(PATH=path + ":" + os.environ["PATH"])("server ssh --public c1 -- -l root")
        with open(path + "/told") as f:
            assert address in f.read()

    def images_of_servers(self, me):
        self.server("i1", "--property kept=yes")
        image = me("server image create --name snap --property made=by-test --wait i1")
        assert image["name"] == "snap", image
        shown = until(lambda: [i for i in [me("image show snap")] if i["status"] == "active"], "the image")[0]
        assert shown["properties"]["image_type"] == "snapshot" and shown["properties"]["made"] == "by-test", shown
        s = me("server create --image snap --flavor m1.nano --wait i2")
        assert s["image"].startswith("snap ("), s
        for n in (1, 2):
            me("server backup create --name nightly%d --type daily --rotate 1 --wait i1" % n)
            until(lambda: "nightly%d" % n in column(me("image list --status active"), "Name"), "the backup")
        until(lambda: "nightly1" not in column(me("image list"), "Name"), "the rotation")
        self.gone("i1", "i2")
        me("image delete snap nightly2")

    def rebuilt(self, me):
        s = self.server("r1")
        options = "--name r2 --property x=y --password secret9"
        if self.at("2.19"):
            options += " --description new"
        if self.at("2.54"):
            options += " --no-key-name"
        if self.at("2.57"):
            options += " --user-data " + self.file("#!/bin/sh\n")
        if self.at("2.63"):
            options += " --no-trusted-image-certs"
        if self.at("2.90"):
            options += " --hostname r2-host"
        got = me("server rebuild --image guest %s --wait r1" % options)
        assert got["id"] == s["id"], got
        shown = self.becomes("r2", "ACTIVE")
        holds(shown, id=s["id"], properties={"x": "y"}, addresses=s["addresses"])
        me("server rebuild --wait r2")
        self.becomes("r2", "ACTIVE")
        me("server rescue --password secret9 r2")
        self.becomes("r2", "RESCUE")
        me("server unrescue r2")
        self.becomes("r2", "ACTIVE")
        me("server rescue --image guest r2")
        self.becomes("r2", "RESCUE")
        me("server unrescue r2")
        self.becomes("r2", "ACTIVE")
        self.gone("r2")

    def shelved(self, me):
        self.server("v1")
        me("server shelve --wait v1")
        until(lambda: me("server show v1")["status"] in ("SHELVED", "SHELVED_OFFLOADED"), "v1 to be shelved")
        me("server shelve --offload --wait v1")
        self.becomes("v1", "SHELVED_OFFLOADED")
        me("server unshelve --availability-zone nova --wait v1" if self.at("2.77") else "server unshelve --wait v1")
        self.becomes("v1", "ACTIVE")
        self.gone("v1")

    def resized(self, me):
        self.admin("flavor create --ram 384 --disk 2 --vcpus 2 m1.bigger")
        self.server("z1")
        me("server resize --flavor m1.bigger --wait z1")
        self.becomes("z1", "VERIFY_RESIZE")
        me("server resize revert z1")
        assert self.flavor_of(self.becomes("z1", "ACTIVE")) == "m1.nano"
        for confirm in ("server resize --confirm z1", "server resize confirm z1"):
            me("server resize --flavor m1.bigger --wait z1")
            self.becomes("z1", "VERIFY_RESIZE")
            me(confirm)
            assert self.flavor_of(self.becomes("z1", "ACTIVE")) == "m1.bigger"
            self.gone("z1")
            self.server("z1")
        me("server resize --flavor m1.bigger --wait z1")
        me("server resize --revert z1")
        self.becomes("z1", "ACTIVE")
        me.fails("server resize --flavor m1.nano z1", "400")
        self.gone("z1")
        self.admin("flavor delete m1.bigger")

    # --- the operator's things

    def moved(self, me):
        admin = self.admin
        i = self.server("m1")["id"]
        admin("server migrate --wait " + i)
        for end in ("server migration revert", "server migrate revert"):
            self.becomes("m1", "VERIFY_RESIZE")
            admin("%s %s" % (end, i))
            self.becomes("m1", "ACTIVE")
            admin("server migrate --wait " + i)
        for end in ("server migration confirm", "server migrate confirm"):
            self.becomes("m1", "VERIFY_RESIZE")
            was = self.host_of(i)
            admin("%s %s" % (end, i))
            self.becomes("m1", "ACTIVE")
            assert self.host_of(i) == was
            to = next(h for h in ("host1", "host2", "host3") if h != was)
            admin("server migrate --wait %s %s" % ("--host " + to if self.at("2.56") else "", i))
            if self.at("2.56"):
                assert self.host_of(i) == to
        admin("server migrate confirm " + i)
        self.becomes("m1", "ACTIVE")
        was = self.host_of(i)
        admin("server migrate --live-migration --block-migration --wait " + i)
        self.becomes("m1", "ACTIVE")
        until(lambda: self.host_of(i) != was, "m1 to have moved")
        if self.at("2.30"):
            to = next(h for h in ("host1", "host2", "host3") if h != self.host_of(i))
            admin("server migrate --live-migration --host %s --wait %s" % (to, i))
            until(lambda: self.host_of(i) == to, "m1 to be on " + to)
        rows = admin("server migration list --server " + i)
        assert len(rows) >= 5, rows
        assert {r["Status"] for r in rows} <= {"confirmed", "reverted", "completed", "finished"}, rows
        if self.at("2.23"):
            assert "migration" in {r["Type"] for r in rows} and "live-migration" in {r["Type"] for r in rows}, rows
        assert admin("server migration list --host host1 --status confirmed") is not None
        if self.at("2.59"):
            assert len(admin("server migration list --limit 1")) == 1
            assert admin("server migration list --type live-migration --changes-since 2020-01-01T00:00:00Z")
        if self.at("2.66"):
            assert admin("server migration list --changes-before 2020-01-01T00:00:00Z") == []
        if self.at("2.80"):
            assert admin("server migration list --project demo") and admin("server migration list --user admin") is not None
        if self.at("2.24"):
            self.under_way(i)
        self.gone("m1")

    def under_way(self, i):
        """Live migrations, which take a while here, as they are given up and hurried."""
        admin = self.admin
        admin.fails("server migration show %s 99999" % i, "404")
        admin.fails("server migration abort %s 99999" % i, "40")
        was = self.host_of(i)
        for verb, status in (("abort", "cancelled"), ("force complete", "completed")):
            admin("server migrate --live-migration " + i)
            rows = until(lambda: admin("server migration list --status running --server " + i), "a migration")
            n = rows[0]["Id"]
            shown = admin("server migration show %s %s" % (i, n))
            holds(shown, ID=n, Status="running", **{"Source Compute": was})
            assert shown["Memory Total Bytes"] > 0 and shown["Disk Total Bytes"] > 0, shown
            admin("server migration %s %s %s" % (verb, i, n))
            self.becomes("m1", "ACTIVE")
            row = next(r for r in admin("server migration list --server " + i) if r["Id"] == n)
            holds(row, Status=status)
            assert (self.host_of(i) == was) == (verb == "abort")

    def evacuated(self, me):
        admin = self.admin
        i = self.server("e1")["id"]
        was = self.host_of(i)
        admin.fails("server evacuate " + i, "400")
        n = int(was.removeprefix("host"))
        self.cloud.host("cut", n)

        def state():
            self.cloud.ctl("host", "refresh", was)
            return admin("compute service list --host %s --service nova-compute" % was)[0]["State"]
        until(lambda: state() == "down", was + " to be missed")
        admin.fails("server evacuate " + i, "400")  # unknown is not dead: somebody has to say so
        admin("compute service set --down %s nova-compute" % was)
        # once it has asked, this client trips over its own feet
        admin.fails("server evacuate %s %s" % ("" if self.at("2.14") else "--password newpass9", i), "TupleWithMeta")
        until(lambda: self.host_of(i) != was, "e1 to be elsewhere")
        self.becomes("e1", "ACTIVE")
        self.cloud.host("heal", n)
        admin("compute service set --up %s nova-compute" % was)
        until(lambda: state() == "up", was + " to be back")
        self.gone("e1")

    def server_groups(self, me):
        g = me("server group create --policy anti-affinity apart")
        holds(g, name="apart")
        me("server group create --policy soft-affinity near" if self.at("2.15") else "server group create --policy affinity near")
        if self.at("2.64"):
            rule = me("server group create --policy anti-affinity --rule max_server_per_host=2 two")
            assert "2" in str(rule["rules"]), rule
            me("server group delete two")
        assert {"apart", "near"} <= set(column(me("server group list --long"), "Name"))
        assert "apart" in column(self.admin("server group list --all-projects"), "Name")
        for n in (1, 2, 3):
            self.server("g%d" % n, "--hint group=" + g["id"])
        assert len({self.host_of(me("server show g%d" % n)["id"]) for n in (1, 2, 3)}) == 3
        me.fails("server create --image guest --flavor m1.nano --wait --hint group=%s g4" % g["id"])
        assert me("server show g4")["status"] == "ERROR"
        assert len(str(me("server group show apart")["members"]).split(",")) >= 3
        self.gone("g1", "g2", "g3", "g4")
        me("server group delete apart near")
        assert me("server group list") == []

    def aggregates(self, me):
        admin = self.admin
        a = admin("aggregate create --zone zone1 --property ssd=true fast")
        holds(a, name="fast", availability_zone="zone1")
        admin.fails("aggregate create fast", "409")
        assert "host1" in str(admin("aggregate add host fast host1")["hosts"])
        assert "zone1" in column(me("availability zone list --compute"), "Zone Name")
        rows = admin("availability zone list --long")
        assert [r for r in rows if r["Zone Name"] == "zone1" and r["Host Name"] == "host1"], rows
        admin("aggregate set --name faster --property cpu=new fast")
        shown = admin("aggregate show faster")
        assert "cpu" in str(shown["properties"]) and "host1" in str(shown["hosts"]), shown
        assert "faster" in column(admin("aggregate list --long"), "Name")
        admin("aggregate unset --property cpu faster")
        assert "cpu" not in str(admin("aggregate show faster")["properties"])
        s = self.server("a1", "--availability-zone zone1")
        assert self.host_of(s["id"]) == "host1"
        self.gone("a1")
        admin("aggregate cache image faster guest")
        admin.fails("aggregate delete faster", "failed to delete")
        admin("aggregate remove host faster host1")
        admin("aggregate set --no-property faster")
        admin("aggregate delete faster")
        assert "zone1" not in column(me("availability zone list"), "Zone Name")
        me.fails("aggregate list", "403")

    def services_and_hypervisors(self, me):
        admin = self.admin
        rows = admin("compute service list --long")
        assert {"nova-compute"} <= set(column(rows, "Binary")), rows
        assert len(admin("compute service list --host host2 --service nova-compute")) == 1
        admin("compute service set --disable --disable-reason 'new fans' host2 nova-compute")
        row = admin("compute service list --host host2 --service nova-compute --long")[0]
        holds(row, Status="disabled", **{"Disabled Reason": "new fans"})
        admin("compute service set --enable host2 nova-compute")
        if self.at("2.11"):
            admin("compute service set --down host2 nova-compute")
            until(lambda: admin("compute service list --host host2 --service nova-compute")[0]["State"] == "down", "down")
            admin("compute service set --up host2 nova-compute")
        until(lambda: admin("compute service list --host host2 --service nova-compute")[0]["State"] == "up", "up")
        why = admin.fails("compute service delete 99999999-9999-4999-8999-999999999999" if self.at("2.53") else
                          "compute service delete 999999")
        assert "failed to delete" in why
        rows = admin("hypervisor list --long")
        assert len(rows) == 3, rows
        assert len(admin("hypervisor list --matching " + rows[0]["Hypervisor Hostname"])) == 1
        if self.at("2.33"):
            assert len(admin("hypervisor list --limit 2")) == 2
        h = admin("hypervisor show " + rows[0]["Hypervisor Hostname"])
        holds(h, hypervisor_hostname=rows[0]["Hypervisor Hostname"], state="up", status="enabled")
        if self.at("2.88"):
            admin.fails("hypervisor stats show")
        else:
            assert admin("hypervisor stats show")["count"] == 3
        if not self.at("2.43"):
            assert "host1" in column(admin("host list"), "Host Name")
            assert admin("host list --zone nova")
            assert {"(total)", "(used_now)"} <= set(column(admin("host show host1"), "Project"))
            admin("host set --disable host3")
            holds(admin("compute service list --host host3 --service nova-compute")[0], Status="disabled")
            admin("host set --enable host3")
            holds(admin("compute service list --host host3 --service nova-compute")[0], Status="enabled")
        me.fails("hypervisor list", "403")
        me.fails("compute service list", "403")

    def quotas_and_usage(self, me):
        admin = self.admin
        admin("project create q")
        admin("quota set --cores 11 --instances 3 --ram 4096 --key-pairs 5 --server-groups 2 --server-group-members 4 --properties 20 q")
        q = {r["Resource"]: r["Limit"] for r in admin("quota show q")} if isinstance(admin("quota show q"), list) else admin("quota show q")
        holds(q, cores=11, instances=3, ram=4096, **{"key-pairs": 5, "server-groups": 2})
        admin("quota set --ports 7 q")
        admin("quota show --default q")
        rows = admin("quota list --compute")
        assert [r for r in rows if r["Cores"] == 11], rows
        rows = admin("quota list --compute --detail --project q")
        assert [r for r in rows if r["Resource"] == "cores" and r["Limit"] == 11 and r["In Use"] == 0], rows
        admin("quota list --network --detail --project q")
        admin("quota set --class --cores 40 default")
        admin("quota set --class --cores 20 default")
        me("quota show")
        me.fails("quota set --cores 100 demo", "403")
        admin("project delete q")
        holds({r["Name"]: r["Value"] for r in me("limits show --absolute")}, totalInstancesUsed=0)
        me("limits show --rate")
        admin("limits show --absolute --project demo")
        self.server("u1")
        self.gone("u1")
        rows = admin("usage list")
        assert admin("project show demo")["id"] in column(rows, "Project"), rows
        admin("usage list --start 2020-01-01 --end 2020-01-02")
        assert "CPU Hours" in json.dumps(me("usage show"))
        admin("usage show --project demo --start 2020-01-01 --end 2020-01-02")

    def common(self, me):
        assert me("extension list --compute") is not None
        me("extension list --network --long")
        me("extension list --identity")
        aliases = column(me("extension list --network"), "Alias")
        if aliases:
            holds(me("extension show " + aliases[0]), alias=aliases[0])
        assert {"compute", "identity", "image"} <= set(column(me("versions show"), "Service Type"))
        assert me("versions show --service compute --status CURRENT")
        assert me("configuration show --mask")["auth.password" if "auth.password" in me("configuration show") else "auth.token"]
        assert "nova" in column(me("availability zone list"), "Zone Name")
        self.server("l1")
        self.admin("project purge --dry-run --keep-project --project demo")
        self.becomes("l1", "ACTIVE")
        self.gone("l1")


def cleared(cloud, me, admin):
    """Away with what a chapter that failed has left."""
    def quietly(client, line):
        try:
            return client(line)
        except osc.Failed:
            return []
    for row in me("server list"):
        quietly(admin, "server unlock " + row["ID"])
    quietly(admin, "flavor delete m1.bigger")
    quietly(admin, "project delete q")
    for what in ("server", "server group", "keypair", "image"):
        for row in quietly(me, what + " list"):
            if row["Name"] != "guest":
                quietly(me, "%s delete %s" % (what, row.get("ID") or row["Name"]))
    for n, host in ((n, "host%d" % n) for n in (1, 2, 3)):
        cloud.host("heal", n)
        quietly(admin, "compute service set --enable --up %s nova-compute" % host)
    until(lambda: me("server list") == [], "servers to be gone")


def main():
    only = set(sys.argv[1:])
    rc = 0
    with Cloud(hosts=3, options=["--sim", "move_ms=1500"]) as cloud:
        me = osc.Client(cloud.env["tenant"]).by_token()
        admin = me.like(**osc.Client(cloud.env["admin"]).by_token().env)  # counted together
        for version in ("2.1", "2.92"):
            options = "" if version == "2.1" else "--os-compute-api-version " + version
            c = Compute(cloud, me.like(options), admin.like(options), version)
            print("--- compute " + version)
            chapters = [c.flavors, c.keypairs, c.servers, c.power, c.consoles, c.images_of_servers, c.rebuilt, c.shelved, c.resized,
                        c.moved, c.evacuated, c.server_groups, c.aggregates, c.services_and_hypervisors, c.quotas_and_usage, c.common]
            failed = osc.chapters(c.me, [x for x in chapters if not only or x.__name__ in only], lambda: cleared(cloud, c.me, admin))
            rc |= 1 if failed else 0
        latest = me.like("--os-compute-api-version 2.latest")
        latest("server list")
        names = osc.commands(osc.COMPUTE, osc.COMMON)
        rc |= 0 if only else osc.account(me, names, EXCLUDED)
    return rc


if __name__ == "__main__":
    sys.exit(main())
