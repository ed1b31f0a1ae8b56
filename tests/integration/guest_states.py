#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Real guests through states: suspended and gone on, copied to an image that boots, backed up, rebuilt, rescued, shelved and back.
The guest counts the boots of its disk, so that the console tells whose disk was booted, and whether what it held is still there."""
import glob
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from cloud import Cloud  # noqa: E402
from guest import Guest, missing, told, volumes  # noqa: E402


def suspended(g):
    g.act("suspend")
    g.becomes("SUSPENDED")
    g.act("resume")
    g.becomes("ACTIVE")
    assert len(re.findall("^guest: ready", g.console(), re.M)) == 1
    told("a suspended guest goes on where it was")
    g.act("suspend")
    g.becomes("SUSPENDED")
    g.act("reboot", {"type": "HARD"})
    g.becomes("ACTIVE")
    g.booted(2)
    told("a hard reboot forgets what was saved")


def copied(cloud, g):
    g.act("os-stop")
    g.becomes("SHUTOFF")
    snapshot = g.image("createImage", name="of-one-that-is-off")
    g.becomes("SHUTOFF")
    child = Guest(cloud, "child", snapshot)
    child.booted(3)
    told("an image of a server boots with what its disk held")
    backup = child.image("createBackup", name="b1", backup_type="daily", rotation=1)
    newer = child.image("createBackup", name="b2", backup_type="daily", rotation=1)
    child.becomes("ACTIVE")
    assert volumes(cloud, child) == ["config.iso", "root.qcow2"], volumes(cloud, child)
    g.ask("GET", "/image/v2/images/" + backup, status=404)
    told("backups of a running guest, one by one")
    child.delete()
    for i in snapshot, newer:
        g.ask("DELETE", "/image/v2/images/" + i, status=204)
    g.act("os-start")
    g.becomes("ACTIVE")
    g.booted(3)


def rescued(cloud, g):
    g.act("rescue", {"rescue_image_ref": cloud.image}, 200)
    g.becomes("RESCUE")
    text = g.booted(1)
    assert re.search("^guest: disk=vda .*serial=rescue$", text, re.M) and re.search("^guest: disk=vdb .*serial=%s$" % g.id[:20], text, re.M), text
    assert volumes(cloud, g) == ["config.iso", "rescue.qcow2", "root.qcow2"], volumes(cloud, g)
    g.act("unrescue")
    g.becomes("ACTIVE")
    g.booted(4)
    assert volumes(cloud, g) == ["config.iso", "root.qcow2"], volumes(cloud, g)
    told("rescued by another disk, its own behind it, and back")


def shelved(cloud, g):
    g.act("shelve")
    g.becomes("SHELVED_OFFLOADED")
    assert volumes(cloud, g) == [], volumes(cloud, g)
    g.ready = 0
    g.act("unshelve")
    g.becomes("ACTIVE")
    g.booted(5)
    told("shelved, and back with what its disk held")


def rebuilt(cloud, g):
    g.act("rebuild", {"imageRef": cloud.image, "user_data": "IyEvYmluL3NoCmVjaG8gYW5ldwo="})  # echo anew
    g.becomes("ACTIVE")
    assert "anew" in g.booted(1)
    told("rebuilt, with other user data")


def main():
    if missing():
        print("SKIP: " + missing())
        return 77
    with Cloud(driver="qemu", hosts=1) as cloud:
        cloud.image = cloud.request("tenant", "GET", "/image/v2/images?name=guest").json["images"][0]["id"]
        g = Guest(cloud, "guest", cloud.image)
        g.booted(1)
        told("a guest boots")
        suspended(g)
        copied(cloud, g)
        rescued(cloud, g)
        shelved(cloud, g)
        rebuilt(cloud, g)
        g.delete()
        left = glob.glob(cloud.dir + "/host*/images/*")
        assert len([p for p in left if p.endswith(".qcow2")]) == 1, left  # the image that is still there
        cloud.ctl("check")
    return 0


if __name__ == "__main__":
    sys.exit(main())
