#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The daemon before a real libvirtd, over TLS, with libvirt's test driver: servers by the openstack client and by HTTP; the
libvirtd is killed, frozen, and shown under a CA that is not ours, while everybody else is served."""
import json
import os
import shutil
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from cloud import BUILD, TOP, Cloud  # noqa: E402

PRIVATE = os.path.join(TOP, "scripts/lib/private-libvirtd.sh")
CLOUDCTL = os.path.join(BUILD, "src/cloudctl/cloudctl")


def wait(holds, what, seconds=90):
    end = time.monotonic() + seconds
    while True:
        seen = holds()
        if seen:
            return seen
        assert time.monotonic() < end, "waited in vain for " + what
        time.sleep(0.05)


def libvirtd(cloud, *args):
    return subprocess.run([PRIVATE, args[0], os.path.join(cloud.dir, "host1"), *args[1:]], check=True, stdout=subprocess.PIPE,
                          text=True).stdout


def openstack(cloud, *args):
    env = dict(os.environ, **cloud.env["tenant"])
    return subprocess.run(["openstack", *args], env=env, check=True, stdout=subprocess.PIPE, text=True).stdout


def host(cloud, name="host1"):
    return cloud.request("admin", "GET", "/cloud/v1/hosts/" + name).json["host"]


def create(cloud, name):
    a = cloud.request("tenant", "POST", "/compute/v2.1/servers", {"server": {
        "name": name, "imageRef": cloud.image, "flavorRef": "1", "user_data": "IyEvYmluL3NoCg==", "config_drive": True}})
    assert a.status == 202, a.body
    return a.json["server"]["id"]


def server(cloud, i):
    a = cloud.request("tenant", "GET", "/compute/v2.1/servers/" + i)
    return a.json["server"] if a.status == 200 else None


def becomes(cloud, i, status):
    def holds():
        s = server(cloud, i)
        assert not s or s["status"] == status or s["status"] != "ERROR", s.get("fault")
        return s and s["status"] == status and s["OS-EXT-STS:task_state"] is None
    wait(holds, "%s to be %s" % (i, status))


def act(cloud, i, action, arg=None):
    a = cloud.request("tenant", "POST", "/compute/v2.1/servers/%s/action" % i, {action: arg})
    assert a.status == 202, (action, a.status, a.body)


def client(cloud):
    """A server's life by the unmodified client."""
    made = json.loads(openstack(cloud, "server", "create", "--flavor", "1", "--image", "guest", "--wait", "by-client", "-f", "json"))
    assert made["status"] == "ACTIVE" and made["addresses"], made
    openstack(cloud, "server", "stop", "by-client")
    becomes(cloud, made["id"], "SHUTOFF")
    openstack(cloud, "server", "start", "by-client")
    becomes(cloud, made["id"], "ACTIVE")
    openstack(cloud, "server", "delete", "--wait", "by-client")
    assert json.loads(openstack(cloud, "server", "list", "-f", "json")) == []


def http(cloud):
    """The same by HTTP, with what the client has no words for."""
    ids = [create(cloud, "h%d" % i) for i in range(4)]
    for i in ids:
        becomes(cloud, i, "ACTIVE")
    for action, arg, after in (("os-stop", None, "SHUTOFF"), ("os-start", None, "ACTIVE"), ("pause", None, "PAUSED"),
                               ("unpause", None, "ACTIVE"), ("reboot", {"type": "HARD"}, "ACTIVE")):
        act(cloud, ids[0], action, arg)
        becomes(cloud, ids[0], after)
    a = cloud.request("tenant", "GET", "/network/v2.0/ports?device_id=" + ids[1]).json["ports"]
    assert a[0]["status"] == "ACTIVE" and a[0]["mac_address"], a
    for i in ids:
        assert cloud.request("tenant", "DELETE", "/compute/v2.1/servers/" + i).status == 204
    for i in ids:
        wait(lambda: not server(cloud, i), "the deletion")
    check(cloud)


def check(cloud):
    found = json.loads(cloud.ctl("check", "-o", "json"))["check"]
    assert found["ok"], found


def image_lost(cloud):
    """The host has lost its copy of the image (libvirt's test driver forgets all with its last connection): the server that
    finds out fails and says why, the next one brings the image anew."""
    i = create(cloud, "finds-out")
    wait(lambda: server(cloud, i)["status"] in ("ERROR", "ACTIVE"), "a create to end")
    if server(cloud, i)["status"] == "ERROR":
        assert "image" in server(cloud, i)["fault"]["message"], server(cloud, i)["fault"]
    next_one = create(cloud, "next")
    becomes(cloud, next_one, "ACTIVE")
    for x in (i, next_one):
        assert cloud.request("tenant", "DELETE", "/compute/v2.1/servers/" + x).status == 204
        wait(lambda: not server(cloud, x), "the deletion")


def killed(cloud):
    """kill -9 of the libvirtd with a create under way: the host is shown as unreachable, with the reason; reads and deletes are
    taken meanwhile; with the libvirtd back, the work is done. (libvirt's test driver forgets its domains with its daemon.)"""
    before = create(cloud, "before")
    becomes(cloud, before, "ACTIVE")
    during = [create(cloud, "during%d" % i) for i in range(3)]
    libvirtd(cloud, "crash")
    h = wait(lambda: (lambda h: h["connection"] == "unreachable" and h)(host(cloud)), "the host to be unreachable")
    assert h["connection_error"], h
    late = cloud.request("tenant", "POST", "/compute/v2.1/servers", {"server": {
        "name": "late", "imageRef": cloud.image, "flavorRef": "1"}})
    assert late.status == 202
    late = late.json["server"]["id"]
    wait(lambda: server(cloud, late)["status"] == "ERROR", "no host to take it")
    assert cloud.request("tenant", "DELETE", "/compute/v2.1/servers/" + late).status == 204
    wait(lambda: not server(cloud, late), "a deletion that needs no host")
    # what is on the host can only be deleted there: accepted, and done later
    assert cloud.request("tenant", "DELETE", "/compute/v2.1/servers/" + before).status == 204
    assert server(cloud, before)["OS-EXT-STS:task_state"] == "deleting"
    check(cloud)
    libvirtd(cloud, "resume")
    wait(lambda: host(cloud)["connection"] == "connected", "the host to be back")
    wait(lambda: not server(cloud, before), "the deletion that waited")
    for i in during:
        wait(lambda: server(cloud, i)["OS-EXT-STS:task_state"] is None and server(cloud, i)["status"] in ("ACTIVE", "ERROR", "SHUTOFF"),
             "the creates to end")
        assert cloud.request("tenant", "DELETE", "/compute/v2.1/servers/" + i).status == 204
    for i in during:
        wait(lambda: not server(cloud, i), "the deletion")
    image_lost(cloud)
    check(cloud)


def frozen(cloud):
    """The libvirtd accepts and says nothing: other calls are served at once; it thaws, and the work goes on."""
    i = create(cloud, "frozen")
    becomes(cloud, i, "ACTIVE")
    libvirtd(cloud, "freeze")
    try:
        act(cloud, i, "os-stop")
        slowest = 0.0
        for _ in range(50):
            began = time.monotonic()
            assert cloud.request("tenant", "GET", "/compute/v2.1/servers/detail").status == 200
            a = cloud.request("tenant", "POST", "/compute/v2.1/os-keypairs", {"keypair": {"name": "k", "public_key":
                              "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIhz2GK/XCUj4i6Q5yQJNL1MXMY0RxzPV2QrBqfHrDq6 k"}})
            assert a.status == 200, a.body
            assert cloud.request("tenant", "DELETE", "/compute/v2.1/os-keypairs/k").status == 202
            slowest = max(slowest, time.monotonic() - began)
        print("slowest three calls with a frozen host: %.0f ms" % (slowest * 1000))
        assert slowest < 5, "a frozen host held up the others"  # keepalive takes 7 s and more to find out
        h = wait(lambda: (lambda h: h["connection"] == "unreachable" and h)(host(cloud)), "the frozen host to be found out")
        assert h["connection_error"], h
        assert server(cloud, i)["status"] in ("ACTIVE", "SHUTOFF"), server(cloud, i)
    finally:
        libvirtd(cloud, "thaw")
    wait(lambda: host(cloud)["connection"] == "connected", "the host to be back")
    becomes(cloud, i, "SHUTOFF")
    assert cloud.request("tenant", "DELETE", "/compute/v2.1/servers/" + i).status == 204
    wait(lambda: not server(cloud, i), "the deletion")
    check(cloud)


def refused(cloud):
    """A host under another CA, one that nobody listens at, and a name that is no host's: shown as unreachable with the reason;
    the good host is not disturbed."""
    other = os.path.join(cloud.dir, "other")
    subprocess.run([PRIVATE, "testpki", other], check=True)
    env = dict(os.environ, NETWORK="10.%d.7" % (100 + os.getpid() % 100))
    uri = subprocess.run([PRIVATE, "start", other, "0"], env=env, check=True, stdout=subprocess.PIPE, text=True).stdout
    port = uri.split(":")[2].split("/")[0]
    try:
        for name, at, words in (("wrong-ca", "test+tls://localhost:%s/default" % port, ("certificate",)),
                                ("nobody", "test+tls://localhost:1/default", ("refused",)),
                                ("nowhere", "test+tls://no-such-host.invalid/default", ("no-such-host.invalid",))):
            cloud.ctl("host", "add", name, at, "--pool", "default-pool")
            h = wait(lambda: (lambda h: h["connection"] == "unreachable" and h)(host(cloud, name)), name + " to be unreachable")
            assert all(w in h["connection_error"] for w in words), h["connection_error"]
            print("%s: %s" % (name, h["connection_error"]))
        assert host(cloud)["connection"] == "connected"
        i = create(cloud, "elsewhere")
        becomes(cloud, i, "ACTIVE")
        assert cloud.request("tenant", "DELETE", "/compute/v2.1/servers/" + i).status == 204
        wait(lambda: not server(cloud, i), "the deletion")
        for name in ("wrong-ca", "nobody", "nowhere"):
            cloud.ctl("host", "remove", name)
    finally:
        subprocess.run([PRIVATE, "stop", other], check=True)
    check(cloud)


def main():
    if os.geteuid() != 0 or not shutil.which("libvirtd") or not shutil.which("openstack"):
        print("SKIP: needs root, libvirtd and the openstack client")
        return 77
    with Cloud(driver="test", settings=["hosts.retry_max_ms=1000"]) as cloud:
        cloud.image = cloud.request("tenant", "GET", "/image/v2/images").json["images"][0]["id"]
        for test in (client, http, refused, frozen, image_lost, killed):
            began = time.monotonic()
            test(cloud)
            print("ok %s (%.1f s)" % (test.__name__, time.monotonic() - began))
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
