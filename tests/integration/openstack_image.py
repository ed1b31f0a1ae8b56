#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Every command of the openstack client for the image service, unmodified, and uploads as it makes them."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
try:
    import osc
except ImportError as e:
    print("SKIP: needs python3-openstackclient (%s)" % e)
    sys.exit(77)
from cloud import Cloud  # noqa: E402
from osc import column, holds  # noqa: E402


class Images:
    def __init__(self, cloud, admin):
        self.cloud, self.admin = cloud, admin
        self.raw = os.path.join(cloud.dir, "data.raw")
        with open(self.raw, "wb") as f:
            f.write(os.urandom(3 << 20))

    def created(self, me):
        i = me("image create --file %s --disk-format raw --container-format bare --min-disk 1 --min-ram 64 --property os_distro=debian "
               "--property own=thing --tag t1 --tag t2 --protected --private i1" % self.raw)
        holds(i, name="i1", disk_format="raw", container_format="bare", min_disk=1, min_ram=64, protected=True, visibility="private")
        shown = me("image show i1")
        holds(shown, id=i["id"], status="active", size=3 << 20, tags=["t1", "t2"])
        holds(shown["properties"], os_distro="debian", own="thing", os_hash_algo="sha512")
        assert len(shown["checksum"]) == 32, shown
        assert me("image show --human-readable i1")["size"].startswith("3.1"), shown
        empty = me("image create --id 12345678-1234-4234-8234-123456789abc --disk-format qcow2 --community i2")
        holds(empty, id="12345678-1234-4234-8234-123456789abc", status="queued", visibility="community")
        me.fails("image create --disk-format nonsense i3", "invalid choice")
        me.fails("image create --disk-format qcow2 --public i3", "403")
        me.fails("image create --disk-format qcow2 --file %s i4" % self.raw, "400")  # it is not what it says
        copy = self.raw + ".copy"
        me("image save --file %s i1" % copy)
        with open(self.raw, "rb") as a, open(copy, "rb") as b:
            assert a.read() == b.read()
        public = self.admin("image create --file %s --disk-format raw --public for-all" % self.raw)
        assert me("image show for-all")["id"] == public["id"]
        other = self.admin("image create --file %s --disk-format raw --project demo given" % self.raw)
        assert me("image show given")["owner"] == i["owner"], other

    def listed(self, me):
        assert {"guest", "for-all", "i1", "given"} <= set(column(me("image list"), "Name"))
        for options, names in (("--private", ["i1"]), ("--community", ["i2"]), ("--name i1", ["i1"]), ("--tag t1 --tag t2", ["i1"]),
                               ("--tag t1 --tag none", []), ("--property own=thing", ["i1"]), ("--hidden", []),
                               ("--public --name for-all", ["for-all"]), ("--status queued --community", ["i2"])):
            assert column(me("image list " + options), "Name") == names, options
        rows = me("image list --long --sort name:desc")
        assert column(rows, "Name") == sorted(column(rows, "Name"), reverse=True)
        assert [r for r in rows if r["Name"] == "i1"][0]["Size"] == 3 << 20, rows
        rows = me("image list --sort created_at:desc")
        page = me("image list --sort created_at:desc --limit 2")
        assert column(page, "ID") == column(rows, "ID")[:2], (page, rows)
        rest = me("image list --limit 1 --marker " + page[-1]["ID"])
        assert len(rest) == 1 and rest[0]["ID"] not in column(page, "ID"), rest
        assert "i1" in column(self.admin("image list --all --project demo"), "Name")

    def changed(self, me):
        me("image set --name i1x --min-disk 2 --min-ram 128 --unprotected --property own=other --property more=x --tag t3 "
           "--architecture x86_64 --os-distro ubuntu --os-version 24 --hidden i1")
        shown = me("image show i1x")
        holds(shown, min_disk=2, min_ram=128, protected=False, tags=["t1", "t2", "t3"])
        holds(shown["properties"], own="other", more="x", architecture="x86_64", os_distro="ubuntu", os_version="24", os_hidden=True)
        assert column(me("image list --hidden"), "Name") == ["i1x"]
        me("image set --unhidden i1x")
        me("image unset --tag t3 --property more i1x")
        shown = me("image show i1x")
        assert shown["tags"] == ["t1", "t2"] and "more" not in shown["properties"], shown
        me.fails("image unset --property nothing i1x")
        me("image set --disk-format raw --container-format bare i2")
        holds(me("image show i2"), disk_format="raw", container_format="bare")
        self.admin("image set --deactivate " + shown["id"])
        holds(me("image show i1x"), status="deactivated")
        me.fails("image save --file %s.no i1x" % self.raw, "Unable to download image")
        self.admin("image set --activate " + shown["id"])
        holds(me("image show i1x"), status="active")

    def shared(self, me):
        admin = self.admin
        me("image set --shared i1x")
        i = me("image show i1x")["id"]
        admin("project create friends")
        admin("user create --project friends --password 'some pass word' friend")
        admin("role add --project friends --user friend member")
        friend = me.like(OS_USERNAME="friend", OS_PASSWORD="some pass word", OS_PROJECT_NAME="friends", OS_AUTH_TYPE=None, OS_TOKEN=None,
                         OS_USER_DOMAIN_ID="default").by_token()
        friend.fails("image show " + i)
        project = admin("project show friends")["id"]
        holds(me("image add project i1x " + project), image_id=i, status="pending", member_id=project)
        assert column(me("image member list i1x"), "Status") == ["pending"]
        assert "i1x" not in column(friend("image list"), "Name")
        assert column(friend("image list --shared --member-status pending"), "Name") == ["i1x"]
        friend("image set --accept " + i)
        assert "i1x" in column(friend("image list"), "Name")
        friend.fails("image set --name mine " + i, "403")
        friend("image set --reject " + i)
        assert "i1x" not in column(friend("image list"), "Name")
        friend("image set --pending " + i)
        assert column(me("image member list i1x"), "Status") == ["pending"]
        me("image remove project i1x " + project)
        assert me("image member list i1x") == []
        friend.fails("image show " + i)
        admin("user delete friend")
        admin("project delete friends")

    def deleted(self, me):
        me("image set --protected i1x")
        me.fails("image delete i1x", "Failed to delete")
        me("image set --unprotected i1x")
        me("image delete i1x i2 given")
        me.fails("image show i1x", "i1x")
        me.fails("image delete for-all", "Failed to delete")
        self.admin("image delete for-all")

    def imported(self, me):
        """--import: the data goes to a place of its own first (glance-direct)."""
        i = me("image create --import --file %s --disk-format raw --container-format bare in" % self.raw)
        osc.until(lambda: me("image show in")["status"] == "active", "the import")
        holds(me("image show in"), id=i["id"], size=3 << 20)
        me("image delete in")


def main():
    with Cloud(hosts=1) as cloud:
        me = osc.Client(cloud.env["tenant"]).by_token()
        images = Images(cloud, me.like(**osc.Client(cloud.env["admin"]).by_token().env))
        failed = osc.chapters(me, [images.created, images.listed, images.changed, images.shared, images.deleted, images.imported])
        return osc.account(me, osc.commands(osc.IMAGE), {}) or (1 if failed else 0)


if __name__ == "__main__":
    sys.exit(main())
