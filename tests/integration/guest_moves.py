#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Real guests moved between three real hosts: resized, migrated cold and live, with a connection that stays open, and evacuated
from a host that lost its power, and from one that lost its network only. The guest tells what it has and how often its disk was
booted; an echo server in it tells whether it noticed."""
import base64
import glob
import json
import os
import re
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from cloud import Cloud  # noqa: E402
from guest import Guest, missing, told, wait  # noqa: E402

ECHO = 7
USER_DATA = base64.b64encode(b"#!/bin/sh\necho 'nc -ll -p %d -e cat &' >/disk/rc\n" % ECHO).decode()


class Talk(threading.Thread):
    """One connection to the guest's echo server, over which numbers go there and come back until it is told to end."""

    def __init__(self, address):
        super().__init__()
        self.sock = socket.create_connection((address, ECHO), timeout=60)
        self.going, self.heard, self.gap, self.error = True, 0, 0.0, None
        self.start()

    def run(self):
        try:
            with self.sock, self.sock.makefile("rwb") as f:
                while self.going:
                    began = time.monotonic()
                    f.write(b"%d\n" % self.heard)
                    f.flush()
                    line = f.readline()
                    assert line == b"%d\n" % self.heard, line
                    self.heard += 1
                    self.gap = max(self.gap, time.monotonic() - began)
                    time.sleep(0.01)
        except (OSError, AssertionError) as e:
            self.error = e

    def end(self):
        self.going = False
        self.join()
        assert not self.error and self.heard, self.error
        return "%d echoes, the slowest after %.2f s" % (self.heard, self.gap)


class Moved(Guest):
    host = property(lambda self: self.show("admin")["OS-EXT-SRV-ATTR:host"])
    address = property(lambda self: self.show()["addresses"]["public"][0]["addr"])

    def echo(self):
        """Its network works: something is said and comes back."""
        def answers():
            try:
                with socket.create_connection((self.address, ECHO), timeout=5) as s:
                    s.sendall(b"hello\n")
                    return s.recv(16) == b"hello\n"
            except OSError:
                return False
        wait(answers, "an echo of " + self.id)

    def here_alone(self):
        """The disks are on its host, and nothing of it is left elsewhere."""
        def holds():
            return {p.split("/")[-3] for p in glob.glob(self.cloud.dir + "/host*/images/%s-*" % self.id)} == {self.host} and \
                [h for h in ("host1", "host2", "host3") if self.id in domains(self.cloud, h)] == [self.host]
        wait(holds, "%s to be on one host alone" % self.id)


def domains(cloud, host):
    return cloud.host("exec", int(host[4:]), "virsh", "-q", "-c", "qemu:///system", "list", "--all", "--uuid").split()


def has(text, cpus, disk_gib):
    assert "cpus=%d " % cpus in text and re.search(r"^guest: disk=vda bytes=%d " % (disk_gib << 30), text, re.M), text


def enabled(g, host, on):
    g.cloud.ctl("host", "enable" if on else "disable", host)


def resized(cloud, g):
    """Once to another host and back again, where the disk is as it was; once on the same host."""
    flavor = {"name": "m1.bigger", "ram": 320, "vcpus": 2, "disk": 2}
    flavor = g.ask("POST", "/compute/v2.1/flavors", {"flavor": flavor}, who="admin")["flavor"]["id"]
    was = g.host
    enabled(g, was, False)
    ready, g.ready = g.ready, 0  # the log of the serial port begins there
    g.act("resize", {"flavorRef": flavor})
    g.becomes("VERIFY_RESIZE")
    text = g.booted(2)
    has(text, 2, 2)
    assert int(re.search(r"ram_kib=(\d+)", text)[1]) > 250000, text
    assert g.host != was
    told("resized, on another host")
    g.ready = ready
    g.act("revertResize")
    g.becomes("ACTIVE")
    has(g.booted(2), 1, 1)
    assert g.host == was
    g.here_alone()
    told("reverted: what it wrote there is gone with the disk there")
    enabled(g, was, True)
    for host in ("host1", "host2", "host3"):
        enabled(g, host, host == was)
    g.act("resize", {"flavorRef": flavor})
    g.becomes("VERIFY_RESIZE")
    has(g.booted(3), 2, 2)
    assert g.host == was
    g.act("confirmResize", status=204)
    g.becomes("ACTIVE")
    for host in ("host1", "host2", "host3"):
        enabled(g, host, True)
    g.here_alone()
    told("resized on its host, and confirmed")


def cold(cloud, g, boots):
    was, g.ready = g.host, 0
    g.act("migrate", who="admin")
    g.becomes("VERIFY_RESIZE")
    g.booted(boots)
    assert g.host != was
    g.act("confirmResize", status=204)
    g.becomes("ACTIVE")
    g.echo()
    g.here_alone()
    told("migrated cold, with what its disk held")


def live(cloud, g):
    was = g.host
    talk = Talk(g.address)
    wait(lambda: talk.heard > 10 or talk.error, "the connection")
    for to in next(h for h in ("host1", "host2", "host3") if h != was), was:
        g.act("os-migrateLive", {"host": to, "block_migration": "auto"}, who="admin")
        g.becomes("ACTIVE")
        assert g.host == to
        heard = talk.heard
        wait(lambda: talk.heard > heard + 10 or talk.error, "the connection after the move")
        assert not talk.error, talk.error
        g.here_alone()
        told("migrated live to " + to)
    print("     " + talk.end())
    assert len(re.findall("^guest: ready", g.console(), re.M)) <= g.ready, "it was booted again"


def state(cloud, host):
    cloud.ctl("host", "refresh", host)
    services = cloud.request("admin", "GET", "/compute/v2.1/os-services?binary=nova-compute&host=" + host).json["services"]
    return services[0]["state"]


def forced(cloud, host, down):
    a = cloud.request("admin", "PUT", "/compute/v2.1/os-services/force-down",
                      {"host": host, "binary": "nova-compute", "forced_down": down}, {"OpenStack-API-Version": "compute 2.11"})
    assert a.status == 200, a.body


def evacuated(cloud, g, death, cure):
    """Its host is gone. That is unknown, until an operator says that it is dead; then it is made anew elsewhere. When the host
    comes back, what was there is cleared away."""
    was, address, old = g.host, g.address, g.show()
    n = int(was[4:])
    cloud.host(death, n)
    wait(lambda: state(cloud, was) == "down", "%s to be missed" % was)
    assert g.show()["status"] == "ACTIVE", "unknown is not stopped"
    g.act("evacuate", {}, 400, who="admin")
    forced(cloud, was, True)
    g.act("evacuate", {}, 200, who="admin")
    wait(lambda: g.host != was, "another host")
    g.becomes("ACTIVE")
    g.ready = 0
    g.booted(1)
    assert g.address == address and g.show()["id"] == old["id"]
    g.echo()
    told("evacuated after " + death)
    cloud.host(cure, n)
    forced(cloud, was, False)
    wait(lambda: state(cloud, was) == "up", "%s to be back" % was)
    g.here_alone()
    g.echo()
    told("its host is back, and has nothing of it")


def main():
    if missing():
        print("SKIP: " + missing())
        return 77
    with Cloud(driver="qemu", hosts=3, settings=["hosts.retry_max_ms=1000"]) as cloud:
        image = cloud.request("tenant", "GET", "/image/v2/images?name=guest").json["images"][0]["id"]
        told("three hosts")
        g = Moved(cloud, "guest", image, user_data=USER_DATA)
        g.booted(1)
        g.echo()
        told("a guest boots")
        resized(cloud, g)
        cold(cloud, g, 4)
        live(cloud, g)
        evacuated(cloud, g, "kill", "start")
        evacuated(cloud, g, "cut", "heal")
        g.delete()
        left = [p for p in glob.glob(cloud.dir + "/host*/images/*") if g.id in p]
        assert not left, left
        found = json.loads(cloud.ctl("check", "-o", "json"))["check"]
        assert found["ok"], found
    return 0


if __name__ == "__main__":
    sys.exit(main())
