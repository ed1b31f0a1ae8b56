#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The console of a real guest under QEMU: a shell over a WebSocket, carried by libvirt's stream; its log is written all the while and
kept by time, across reboots and rotations, while the host is away, and after the server's end. Exit code 77: skipped."""
import os
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from cloud import TOP, Cloud  # noqa: E402
from websocket import Refused, WebSocket  # noqa: E402

V28 = {"OpenStack-API-Version": "compute 2.8"}


def wait(holds, what, seconds=180):
    end = time.monotonic() + seconds
    while True:
        seen = holds()
        if seen:
            return seen
        assert time.monotonic() < end, "waited in vain for " + what
        time.sleep(0.1)


def with_virtlogd(cloud):
    """As on hosts of production: virtlogd writes the logs, and puts them aside; here after half a megabyte."""
    cloud.devcloud("host", cloud.dir, "exec", "1", "sh", "-c", "sed -i 's/^stdio_handler.*/stdio_handler = \"logd\"/' /etc/libvirt/qemu.conf && "
                   "printf 'max_size = 500000\\nmax_backups = 3\\n' >/etc/libvirt/virtlogd.conf && virtlogd -d")
    cloud.devcloud("host", cloud.dir, "stopd", "1")
    cloud.devcloud("host", cloud.dir, "startd", "1")
    wait(lambda: connection(cloud) == "connected", "the host")


def connection(cloud):
    return cloud.request("admin", "GET", "/cloud/v1/hosts/host1").json["host"]["connection"]


def create(cloud, name):
    image = cloud.request("tenant", "GET", "/image/v2/images").json["images"][0]["id"]
    a = cloud.request("tenant", "POST", "/compute/v2.1/servers", {"server": {"name": name, "imageRef": image, "flavorRef": "1"}})
    assert a.status == 202, a.body
    return a.json["server"]["id"]


def status(cloud, sid):
    a = cloud.request("tenant", "GET", "/compute/v2.1/servers/" + sid)
    return a.json["server"]["status"] if a.status == 200 else None


def act(cloud, sid, action, arg=None):
    a = cloud.request("tenant", "POST", "/compute/v2.1/servers/%s/action" % sid, {action: arg})
    assert a.status == 202, (action, a.status, a.body)


def text(cloud, sid, query=""):
    """All of the history, page by page."""
    got, query = "", query or "?since=2020-01-01T00:00:00Z"
    while True:
        a = cloud.request("tenant", "GET", "/cloud/v1/servers/%s/console%s" % (sid, query))
        assert a.status == 200, a.body
        c = a.json["console"]
        got += "".join(k["text"] for k in c["chunks"])
        if not c["more"]:
            return got
        query = "?since=" + c["next"]


def output(cloud, sid):
    a = cloud.request("tenant", "POST", "/compute/v2.1/servers/%s/action" % sid, {"os-getConsoleOutput": {}})
    assert a.status == 200, a.body
    return a.json["output"]


def url(cloud, sid):
    a = cloud.request("tenant", "POST", "/compute/v2.1/servers/%s/remote-consoles" % sid,
                      {"remote_console": {"protocol": "serial", "type": "serial"}}, V28)
    assert a.status == 200, a.body
    return a.json["remote_console"]["url"]


def shell(cloud, sid):
    address = url(cloud, sid)
    ws = WebSocket(address, cloud.ssl)
    ws.send("echo answer-$((6 * 7))\n")
    ws.read_until(b"answer-42")
    try:
        WebSocket(address, cloud.ssl)
        raise AssertionError("an address was good twice")
    except Refused as e:
        assert e.status == 401, e
    # much, both ways
    ws.send("n=0; while [ $n -lt 3000 ]; do n=$((n + 1)); echo line-$n; done\n")
    ws.read_until(b"line-3000")
    ws.send("stty -echo; read x; echo took-${#x}; stty echo\n")
    ws.send("y" * 2000 + "\n")
    ws.read_until(b"took-2000")
    # the newest viewer wins
    second = WebSocket(url(cloud, sid), cloud.ssl)
    while ws.recv() is not None:
        pass
    assert ws.closed[0] == 1000, ws.closed
    second.send("echo second-$((1 + 1))\n")
    second.read_until(b"second-2")
    # the log is written while somebody looks (by virtlogd, which may be behind what a viewer sees)
    wait(lambda: "second-2" in output(cloud, sid), "the log")
    wait(lambda: "second-2" in text(cloud, sid), "the history")
    assert "line-2999" in text(cloud, sid) and "answer-42" in text(cloud, sid)
    return second


def reboot(cloud, sid, ws):
    boots = text(cloud, sid).count("guest: boots=")
    act(cloud, sid, "reboot", {"type": "HARD"})
    while ws.recv() is not None:
        pass
    assert ws.closed[0] == 1000, ws.closed
    wait(lambda: text(cloud, sid).count("guest: boots=") == boots + 1 and text(cloud, sid).count("guest: ready") == boots + 1,
         "the second boot in the history")


def rotation(cloud, sid):
    """Six times what virtlogd keeps in a file goes through the log while it is read: none of it is lost, none comes twice."""
    ws = WebSocket(url(cloud, sid), cloud.ssl)
    ws.send("\nn=0; while [ $n -lt 30 ]; do n=$((n + 1)); head -c 100000 /dev/zero | tr '\\0' x; echo; echo block-$n; sleep 1; done; "
            "echo done-$((7 * 7))\n")
    ws.read_until(b"done-49")
    ws.close()
    wait(lambda: "done-49" in text(cloud, sid), "the end of it")
    got = text(cloud, sid)
    missing = [n for n in range(1, 31) if "block-%d\r\n" % n not in got]
    assert not missing, "blocks that are missing: %s" % missing
    assert all(got.count("block-%d\r\n" % n) == 1 for n in range(1, 31)), "read twice"
    out = subprocess.run([os.path.join(TOP, "scripts/devcloud"), "host", cloud.dir, "exec", "1", "sh", "-c",
                          "ls /var/lib/libvirt/images/*console.log*"], check=True, stdout=subprocess.PIPE, text=True).stdout
    assert "console.log.0" in out, "virtlogd put nothing aside: " + out


def away(cloud, sid):
    """While the host cannot be heard, what was kept is what there is: getConsoleOutput reads it too."""
    ws = WebSocket(url(cloud, sid), cloud.ssl)
    cloud.devcloud("host", cloud.dir, "stopd", "1")
    while ws.recv() is not None:
        pass
    assert ws.closed[0] == 1000, ws.closed
    wait(lambda: connection(cloud) != "connected", "the host to go")
    assert "done-49" in output(cloud, sid)
    assert "done-49" in text(cloud, sid)
    try:
        WebSocket(url(cloud, sid), cloud.ssl)
        raise AssertionError("a console on a host that is away")
    except Refused as e:
        assert e.status == 503, e
    cloud.devcloud("host", cloud.dir, "startd", "1")
    wait(lambda: connection(cloud) == "connected", "the host")


def end(cloud, sid):
    ws = WebSocket(url(cloud, sid), cloud.ssl)
    ws.send("\necho last-$((3 * 3))\n")
    ws.read_until(b"last-9")
    assert cloud.request("tenant", "DELETE", "/compute/v2.1/servers/" + sid).status == 204
    while ws.recv() is not None:
        pass
    wait(lambda: status(cloud, sid) is None, "its end")
    assert "last-9" in text(cloud, sid)


def main():
    for tool in ("libvirtd", "virtlogd", "qemu-system-x86_64"):
        if os.geteuid() != 0 or not shutil.which(tool):
            print("SKIP: needs root and %s" % tool)
            return 77
    with Cloud(driver="qemu", hosts=1, settings=["consoles.console_poll_s=1", "consoles.console_keep_mib=16"]) as cloud:
        with_virtlogd(cloud)
        sid = create(cloud, "shell")
        wait(lambda: status(cloud, sid) == "ACTIVE", "ACTIVE")
        wait(lambda: "guest: ready" in text(cloud, sid), "the guest to be ready")
        ws = shell(cloud, sid)
        reboot(cloud, sid, ws)
        rotation(cloud, sid)
        away(cloud, sid)
        end(cloud, sid)
    return 0


if __name__ == "__main__":
    sys.exit(main())
