#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What goes wrong around real guests: the daemon dies or stops, the libvirtd dies, QEMU is killed, a guest turns itself off, an
administrator meddles. Guests that run are never disturbed, what is seen is shown, and what is not ours is not touched.
The guests' disks are empty, so they only sit in their firmware."""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from cloud import TOP, Cloud  # noqa: E402

PRIVATE = os.path.join(TOP, "scripts/lib/private-libvirtd.sh")


def wait(holds, what, seconds=90):
    end = time.monotonic() + seconds
    while True:
        seen = holds()
        if seen:
            return seen
        assert time.monotonic() < end, "waited in vain for " + what
        time.sleep(0.05)


def libvirtd(cloud, *args, check=True):
    return subprocess.run([PRIVATE, args[0], os.path.join(cloud.dir, "host1"), *args[1:]], check=check, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True).stdout


def virsh(cloud, *args, check=True):
    return libvirtd(cloud, "exec", "virsh", "-q", "-c", "qemu:///system", *args, check=check)


def qemu(cloud, i):
    """The process of a server's guest, as this name space knows it; None: there is none."""
    for p in os.listdir("/proc"):
        try:
            with open("/proc/%s/cmdline" % p, "rb") as f:
                words = f.read().split(b"\0")
        except (FileNotFoundError, NotADirectoryError, ProcessLookupError):
            continue
        if b"qemu-system" in words[0] and i.encode() in words:
            return int(p)
    return None


def create(cloud, name):
    a = cloud.request("tenant", "POST", "/compute/v2.1/servers", {"server": {"name": name, "imageRef": cloud.image, "flavorRef": "1"}})
    assert a.status == 202, a.body
    i = a.json["server"]["id"]
    becomes(cloud, i, "ACTIVE")
    return i


def server(cloud, i):
    a = cloud.request("tenant", "GET", "/compute/v2.1/servers/" + i)
    return a.json["server"] if a.status == 200 else None


def becomes(cloud, i, status):
    def holds():
        s = server(cloud, i)
        assert s and (s["status"] == status or s["status"] != "ERROR"), s and s.get("fault")
        return s["status"] == status and s["OS-EXT-STS:task_state"] is None
    wait(holds, "%s to be %s" % (i, status))


def act(cloud, i, action, arg=None):
    a = cloud.request("tenant", "POST", "/compute/v2.1/servers/%s/action" % i, {action: arg})
    assert a.status == 202, (action, a.status, a.body)


def connected(cloud):
    return cloud.request("admin", "GET", "/cloud/v1/hosts/host1").json["host"]["connection"] == "connected"


def restart(cloud):
    cloud.conn = None
    subprocess.run([os.path.join(TOP, "scripts/devcloud"), "restart", cloud.dir], check=True, stdout=subprocess.DEVNULL)


def daemon_dies(cloud, i):
    """kill -9 and SIGTERM of the daemon: the guest is the same process after."""
    pid = qemu(cloud, i)
    assert pid
    os.kill(cloud.pid(), signal.SIGKILL)
    restart(cloud)
    wait(lambda: connected(cloud), "the host")
    becomes(cloud, i, "ACTIVE")
    restart(cloud)
    wait(lambda: connected(cloud), "the host")
    becomes(cloud, i, "ACTIVE")
    assert qemu(cloud, i) == pid, "the guest was disturbed"


def libvirtd_dies(cloud, i):
    """The host's daemon dies under running guests: the server is what it was; nothing is started twice."""
    pid = qemu(cloud, i)
    libvirtd(cloud, "crash")
    wait(lambda: not connected(cloud), "the host to be missed")
    assert server(cloud, i)["status"] == "ACTIVE", "unknown is not stopped"
    libvirtd(cloud, "resume")
    wait(lambda: connected(cloud), "the host to be back")
    becomes(cloud, i, "ACTIVE")
    assert qemu(cloud, i) == pid, "the guest was disturbed"


def guest_ends(cloud, i):
    """QEMU killed; the guest stopped by an administrator: SHUTOFF, and it starts again."""
    for end in (lambda: os.kill(qemu(cloud, i), signal.SIGKILL), lambda: virsh(cloud, "destroy", i)):
        end()
        becomes(cloud, i, "SHUTOFF")
        assert server(cloud, i)["OS-EXT-STS:power_state"] == 4
        act(cloud, i, "os-start")
        becomes(cloud, i, "ACTIVE")
        assert qemu(cloud, i)
    virsh(cloud, "suspend", i)
    wait(lambda: server(cloud, i)["OS-EXT-STS:power_state"] == 3, "what is seen to be shown")
    virsh(cloud, "resume", i)
    wait(lambda: server(cloud, i)["OS-EXT-STS:power_state"] == 1, "what is seen to be shown")
    becomes(cloud, i, "ACTIVE")


def ends_unseen(cloud, i):
    """It ended while nobody looked: seen at the next connection."""
    os.kill(cloud.pid(), signal.SIGKILL)
    os.kill(qemu(cloud, i), signal.SIGKILL)
    restart(cloud)
    becomes(cloud, i, "SHUTOFF")
    act(cloud, i, "os-start")
    becomes(cloud, i, "ACTIVE")


def undefined(cloud, i):
    """An administrator removed the domain: the server can be started, since its disk is there, or deleted."""
    virsh(cloud, "destroy", i)
    becomes(cloud, i, "SHUTOFF")
    virsh(cloud, "undefine", i)
    act(cloud, i, "os-start")
    becomes(cloud, i, "ACTIVE")
    virsh(cloud, "destroy", i)
    becomes(cloud, i, "SHUTOFF")
    virsh(cloud, "undefine", i)


def emptied(cloud, i):
    """The host is drained: a guest that runs goes on on the other one, without a start; one that is off goes, too."""
    off = create(cloud, "off")
    act(cloud, off, "os-stop")
    act(cloud, i, "os-start")
    becomes(cloud, off, "SHUTOFF")
    becomes(cloud, i, "ACTIVE")
    cloud.ctl("host", "enable", "host2")
    cloud.ctl("host", "drain", "host1", "--wait")
    assert not virsh(cloud, "list", "--all", "--uuid").split(), "something is left"
    there = cloud.host("exec", 2, "virsh", "-q", "-c", "qemu:///system", "list", "--uuid").split()
    assert there == [i], there
    assert server(cloud, i)["status"] == "ACTIVE" and server(cloud, off)["status"] == "SHUTOFF"
    actions = cloud.request("admin", "GET", "/compute/v2.1/servers/%s/os-instance-actions" % i).json["instanceActions"]
    assert actions[0]["action"] == "live-migration", actions
    assert cloud.request("tenant", "DELETE", "/compute/v2.1/servers/" + off).status == 204
    cloud.ctl("host", "enable", "host1")
    cloud.ctl("host", "disable", "host2")


def not_ours(cloud, ours):
    """A domain and a volume of somebody else's in the same libvirtd stay, through restart, check and deletes."""
    with tempfile.NamedTemporaryFile("w", suffix=".xml", dir=os.path.join(cloud.dir, "host1")) as f:
        f.write("<domain type='qemu'><name>instance-00000001</name><memory unit='MiB'>16</memory><vcpu>1</vcpu>"
                "<os><type arch='x86_64'>hvm</type></os></domain>")
        f.flush()
        virsh(cloud, "create", f.name)
    virsh(cloud, "vol-create-as", "cloudd", "precious.qcow2", "1M", "--format", "qcow2")
    foreign = virsh(cloud, "domuuid", "instance-00000001").strip()
    restart(cloud)
    wait(lambda: connected(cloud), "the host")
    for i in ours:
        assert cloud.request("tenant", "DELETE", "/compute/v2.1/servers/" + i).status == 204
    for i in ours:
        wait(lambda: not server(cloud, i), "the deletion")
    names = virsh(cloud, "list", "--all", "--uuid").split()
    assert names == [foreign], "domains left: %s, foreign %s" % (names, foreign)
    volumes = [line.split()[0] for line in virsh(cloud, "vol-list", "cloudd").splitlines() if line.strip()]
    assert "precious.qcow2" in volumes and not [v for v in volumes if any(i in v for i in ours)], volumes
    assert not any(qemu(cloud, i) for i in ours)
    assert cloud.request("admin", "GET", "/compute/v2.1/servers?all_tenants=1").json["servers"] == []
    virsh(cloud, "destroy", foreign)


def check(cloud):
    found = json.loads(cloud.ctl("check", "-o", "json"))["check"]
    assert found["ok"], found


def main():
    for tool in ("libvirtd", "qemu-system-x86_64"):
        if os.geteuid() != 0 or not shutil.which(tool):
            print("SKIP: needs root and " + tool)
            return 77
    with tempfile.TemporaryDirectory() as d:
        # an image without a system in it; devcloud takes any that it is given
        os.environ["CLOUDD_GUEST_IMAGE"] = os.path.join(d, "empty.qcow2")
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", os.environ["CLOUDD_GUEST_IMAGE"], "1M"], check=True)
        with Cloud(driver="qemu", hosts=2, settings=["hosts.retry_max_ms=1000", "hosts.stop_timeout_s=2"]) as cloud:
            cloud.ctl("host", "disable", "host2")  # but for one test
            cloud.image = cloud.request("tenant", "GET", "/image/v2/images").json["images"][0]["id"]
            i = create(cloud, "one")
            for test, arg in ((daemon_dies, i), (libvirtd_dies, i), (guest_ends, i), (ends_unseen, i), (undefined, i), (emptied, i)):
                began = time.monotonic()
                test(cloud, arg)
                check(cloud)
                print("ok %s (%.1f s)" % (test.__name__, time.monotonic() - began))
                sys.stdout.flush()
            not_ours(cloud, [i, create(cloud, "two")])
            check(cloud)
            print("ok not_ours")
    return 0


if __name__ == "__main__":
    sys.exit(main())
