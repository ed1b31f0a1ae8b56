#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Consoles on simulated hosts: what was printed, by time, for whom, across restarts of the daemon and after the server's end; and
the live console over a WebSocket, with addresses that are good once."""
import datetime
import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from cloud import Cloud  # noqa: E402
from websocket import Refused, WebSocket  # noqa: E402

V28 = {"OpenStack-API-Version": "compute 2.8"}


def wait(get, what):
    end = time.monotonic() + 60
    while True:
        got = get()
        if got:
            return got
        assert time.monotonic() < end, "waited in vain for " + what
        time.sleep(0.05)


def server(cloud, name):
    image = cloud.request("tenant", "GET", "/image/v2/images").json["images"][0]["id"]
    network = cloud.request("tenant", "GET", "/network/v2.0/networks").json["networks"][0]["id"]
    a = cloud.request("tenant", "POST", "/compute/v2.1/servers", {"server": {
        "name": name, "imageRef": image, "flavorRef": "1", "networks": [{"uuid": network}]}})
    assert a.status == 202, a.body
    sid = a.json["server"]["id"]
    wait(lambda: cloud.request("tenant", "GET", "/compute/v2.1/servers/" + sid).json["server"]["status"] == "ACTIVE", "ACTIVE")
    return sid


def history(cloud, sid, query="", who="tenant", headers=None):
    return cloud.request(who, "GET", "/cloud/v1/servers/%s/console%s" % (sid, query), headers=headers)


def text(cloud, sid, query=""):
    return "".join(c["text"] for c in history(cloud, sid, query).json["console"]["chunks"])


def url(cloud, sid, who="tenant"):
    a = cloud.request(who, "POST", "/compute/v2.1/servers/%s/remote-consoles" % sid,
                      {"remote_console": {"protocol": "serial", "type": "serial"}}, V28)
    assert a.status == 200, a.body
    c = a.json["remote_console"]
    assert c["protocol"] == c["type"] == "serial" and c["url"].startswith("wss://"), c
    return c["url"]


def refused(cloud, address, status, **more):
    try:
        WebSocket(address, cloud.ssl, **more)
    except Refused as e:
        assert e.status == status, (e.status, e.body)
        return e
    raise AssertionError("taken: " + address)


def audit(cloud, action):
    return [r for r in cloud.request("admin", "GET", "/cloud/v1/audit").json["records"] if r["action"] == action]


def addresses(cloud, sid):
    path = "/compute/v2.1/servers/%s/remote-consoles" % sid
    for body, status in (({"protocol": "vnc", "type": "novnc"}, 400), ({"protocol": "mks", "type": "webmks"}, 400),
                         ({"protocol": "serial", "type": "novnc"}, 400), ({"protocol": "x", "type": "serial"}, 400),
                         ({"protocol": "serial"}, 400)):
        a = cloud.request("tenant", "POST", path, {"remote_console": body}, V28)
        assert a.status == status, (body, a.status, a.body)
    assert "no host opens a port" in cloud.request("tenant", "POST", path, {"remote_console": {
        "protocol": "vnc", "type": "novnc"}}, V28).body.decode()
    assert cloud.request("tenant", "POST", path, {"remote_console": {"protocol": "serial", "type": "serial"}}).status == 404
    old = cloud.request("tenant", "POST", "/compute/v2.1/servers/%s/action" % sid, {"os-getSerialConsole": {"type": "serial"}})
    assert old.status == 200 and old.json["console"]["url"].startswith("wss://"), old.body
    vnc = cloud.request("tenant", "POST", "/compute/v2.1/servers/%s/action" % sid, {"os-getVNCConsole": {"type": "novnc"}})
    assert vnc.status == 400, vnc.body
    assert cloud.request("reader", "POST", path, {"remote_console": {"protocol": "serial", "type": "serial"}}, V28).status == 403
    assert cloud.request("stranger", "POST", path, {"remote_console": {"protocol": "serial", "type": "serial"}}, V28).status == 404


def live(cloud, sid):
    address = url(cloud, sid)
    # an administrator may ask whose it is, and that does not use it up
    token = address.partition("token=")[2]
    shown = cloud.request("admin", "GET", "/compute/v2.1/os-console-auth-tokens/" + token, headers={
        "OpenStack-API-Version": "compute 2.31"})
    assert shown.status == 200 and shown.json["console"]["instance_uuid"] == sid and shown.json["console"]["host"], shown.body
    assert cloud.request("tenant", "GET", "/compute/v2.1/os-console-auth-tokens/" + token, headers={
        "OpenStack-API-Version": "compute 2.31"}).status == 403
    # a request that is no opening handshake does not use it up either
    assert cloud.request(None, "GET", address.partition(str(cloud.url.port))[2]).status == 400
    assert refused(cloud, address, 426, headers={"Sec-WebSocket-Version": "8"})

    ws = WebSocket(address, cloud.ssl)
    assert ws.headers["sec-websocket-protocol"] == "binary"
    ws.send("xin chào\n")
    ws.read_until("xin chào\n".encode())
    ws.send("as text\n", opcode=1)
    ws.read_until(b"as text\n")
    refused(cloud, address, 401)
    assert cloud.request("admin", "GET", "/compute/v2.1/os-console-auth-tokens/" + token, headers={
        "OpenStack-API-Version": "compute 2.31"}).status == 404

    # the newest viewer wins
    second = WebSocket(url(cloud, sid), cloud.ssl, protocol=None)
    assert "sec-websocket-protocol" not in second.headers
    assert ws.recv() is None and ws.closed[0] == 1000 and "another viewer" in ws.closed[1], ws.closed
    ws.close()
    second.send("second\n")
    second.read_until(b"second\n")

    # it ends with the guest
    assert cloud.request("tenant", "POST", "/compute/v2.1/servers/%s/action" % sid, {"os-stop": None}).status == 202
    assert second.recv() is None and second.closed[0] == 1000, second.closed
    second.close()
    wait(lambda: cloud.request("tenant", "GET", "/compute/v2.1/servers/" + sid).json["server"]["status"] == "SHUTOFF", "SHUTOFF")
    a = cloud.request("tenant", "POST", "/compute/v2.1/servers/%s/remote-consoles" % sid,
                      {"remote_console": {"protocol": "serial", "type": "serial"}}, V28)
    assert a.status == 409, a.body
    cloud.request("tenant", "POST", "/compute/v2.1/servers/%s/action" % sid, {"os-start": None})
    wait(lambda: cloud.request("tenant", "GET", "/compute/v2.1/servers/" + sid).json["server"]["status"] == "ACTIVE", "ACTIVE")

    # a wrong token, and none
    refused(cloud, address.partition("token=")[0] + "token=" + "A" * 43, 401)
    refused(cloud, address.partition("?")[0], 401)

    # who asked, and who came: both are in the audit log, and no token
    assert any(r["target"] == sid and r["status"] == 200 and r["user"] == "demo" for r in audit(cloud, "server.remote_console"))
    used = audit(cloud, "server.console")
    assert any(r["target"] == sid and r["status"] == 101 and r["user"] == "demo" for r in used), used
    assert any(r["status"] == 401 for r in used)
    assert token not in cloud.request("admin", "GET", "/cloud/v1/audit").body.decode()


def many(cloud, sid):
    """Who asks for ever more addresses loses their own oldest, and nobody else's."""
    others = url(cloud, sid, "leaver")
    mine = [url(cloud, sid) for _ in range(257)]
    refused(cloud, mine[0], 401)
    for address in (mine[1], mine[-1], others):
        WebSocket(address, cloud.ssl).close()


def revoked(cloud, sid):
    """A console ends with the token that asked for it, and an address that was not used dies with it, too."""
    ws = WebSocket(url(cloud, sid, "leaver"), cloud.ssl)
    unused = url(cloud, sid, "leaver")
    token = cloud.token("leaver")
    a = cloud.request("admin", "DELETE", "/identity/v3/auth/tokens", headers={"X-Subject-Token": token})
    assert a.status == 204, a.body
    refused(cloud, unused, 401)
    assert ws.recv() is None and ws.closed[0] == 1008, ws.closed
    ws.close()


def by_time(cloud, sid):
    wait(lambda: "second\n" in text(cloud, sid) and "boot 2" in text(cloud, sid), "the history")
    everything = text(cloud, sid)
    assert everything.index("boot 1") < everything.index("xin chào") < everything.index("second") < everything.index("boot 2")
    # page by page it is the same
    got, query = "", "?limit=1"
    while True:
        c = history(cloud, sid, query).json["console"]
        got += "".join(k["text"] for k in c["chunks"])
        assert len(c["chunks"]) <= 1 and c["server_id"] == sid
        query = "?limit=1&since=" + c["next"]
        if not c["more"]:
            break
    assert got == everything, (got, everything)
    assert text(cloud, sid, "?since=" + c["next"]) == ""
    tomorrow = (datetime.datetime.utcnow() + datetime.timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert text(cloud, sid, "?since=" + tomorrow) == "" and text(cloud, sid, "?until=2020-01-01T00:00:00Z") == ""
    assert text(cloud, sid, "?until=" + tomorrow) == everything
    plain = history(cloud, sid, headers={"Accept": "text/plain"})
    assert plain.headers["content-type"] == "text/plain" and plain.body.decode() == everything
    assert plain.headers["x-console-more"] == "false" and plain.headers["x-console-next"]
    for bad in ("?since=x", "?until=", "?limit=0", "?limit=1001", "?limit=x"):
        assert history(cloud, sid, bad).status == 400, bad
    assert history(cloud, sid, who="reader").status == 200
    assert history(cloud, sid, who="admin").status == 200
    assert history(cloud, sid, who="stranger").status == 404
    assert history(cloud, "6f1d9c2e-1111-4000-8000-000000000001").status == 404


def becomes(cloud, sid, status):
    def holds():
        s = cloud.request("admin", "GET", "/compute/v2.1/servers/" + sid).json["server"]
        assert s["status"] != "ERROR", s
        return s["status"] == status and s["OS-EXT-STS:task_state"] is None and s
    return wait(holds, status)


def act(cloud, who, sid, body, version="2.1", status=202):
    a = cloud.request(who, "POST", "/compute/v2.1/servers/%s/action" % sid, body, {"OpenStack-API-Version": "compute " + version})
    assert a.status == status, (body, a.status, a.body)


def say(cloud, sid, words):
    ws = WebSocket(url(cloud, sid), cloud.ssl)
    ws.send(words + "\n")
    ws.read_until(words.encode())
    ws.close()


def across_moves(cloud, sid):
    """To another host live and off, rebuilt, shelved and back: the text is one, nothing of it comes twice."""
    host = becomes(cloud, sid, "ACTIVE")["OS-EXT-SRV-ATTR:host"]
    said = []

    def then(what):
        said.append("words-%d" % len(said))
        say(cloud, sid, said[-1])
        what()
        becomes(cloud, sid, "ACTIVE")
        wait(lambda: said[-1] in text(cloud, sid), "the words before " + what.__name__)

    def live():
        act(cloud, "admin", sid, {"os-migrateLive": {"host": None, "block_migration": "auto"}}, "2.30")
        wait(lambda: becomes(cloud, sid, "ACTIVE")["OS-EXT-SRV-ATTR:host"] != host, "another host")

    def cold():
        act(cloud, "admin", sid, {"migrate": None})
        becomes(cloud, sid, "VERIFY_RESIZE")
        act(cloud, "tenant", sid, {"confirmResize": None}, status=204)

    def rebuilt():
        act(cloud, "tenant", sid, {"rebuild": {"imageRef": cloud.request("tenant", "GET", "/image/v2/images").json["images"][0]["id"]}})

    def shelved():
        act(cloud, "tenant", sid, {"shelve": None})
        becomes(cloud, sid, "SHELVED_OFFLOADED")
        assert said[-1] in text(cloud, sid)  # on no host now
        act(cloud, "tenant", sid, {"unshelve": None})

    for what in (live, cold, rebuilt, shelved):
        then(what)
    then(lambda: None)
    got = text(cloud, sid)
    assert [got.count(w + "\n") for w in said] == [1] * len(said), got
    assert sorted(said, key=got.index) == said, got


def across_restart_and_end(cloud, sid):
    """After kill -9 it goes on where it was; what was printed last is read before a server goes."""
    before = text(cloud, sid)
    os.kill(cloud.pid(), signal.SIGKILL)
    cloud.devcloud("restart", cloud.dir)
    cloud.conn = None
    assert text(cloud, sid).startswith(before)
    cloud.request("tenant", "POST", "/compute/v2.1/servers/%s/action" % sid, {"reboot": {"type": "HARD"}})
    wait(lambda: "boot 3" in text(cloud, sid), "the third boot")
    ws = WebSocket(url(cloud, sid), cloud.ssl)
    ws.send("last words\n")
    ws.read_until(b"last words\n")
    assert cloud.request("tenant", "DELETE", "/compute/v2.1/servers/" + sid).status == 204
    assert ws.recv() is None
    ws.close()
    wait(lambda: cloud.request("tenant", "GET", "/compute/v2.1/servers/" + sid).status == 404, "its end")
    after = text(cloud, sid)
    assert after.startswith(before) and after.endswith("last words\n"), after


def going_away(cloud, sid):
    """A stop in good order says goodbye, and takes the addresses with it."""
    ws = WebSocket(url(cloud, sid), cloud.ssl)
    unused = url(cloud, sid)
    cloud.devcloud("restart", cloud.dir)
    cloud.conn = None
    assert ws.recv() is None and ws.closed[0] == 1001, ws.closed
    ws.close()
    refused(cloud, unused, 401)


def main():
    with Cloud(settings=["consoles.console_poll_s=1"], options=["--persist"]) as cloud:
        cloud.add_person("reader", "reader", "demo")
        cloud.add_person("leaver", "member", "demo")
        cloud.add_person("stranger", "member", "elsewhere")
        sid = server(cloud, "talker")
        addresses(cloud, sid)
        live(cloud, sid)
        many(cloud, sid)
        revoked(cloud, sid)
        by_time(cloud, sid)
        across_moves(cloud, server(cloud, "mover"))
        across_restart_and_end(cloud, sid)
    with Cloud(settings=["consoles.console_token_s=1", "consoles.console_idle_s=1", "consoles.consoles_max=1"], hosts=1) as cloud:
        sid = server(cloud, "brief")
        address = url(cloud, sid)
        ws = WebSocket(url(cloud, sid), cloud.ssl)
        refused(cloud, url(cloud, sid), 429)
        assert ws.recv() is None and ws.closed[0] == 1000, ws.closed  # nothing was said
        refused(cloud, address, 401)  # it was for a second, and the silence took one
        ws.close()
        going_away(cloud, sid)


if __name__ == "__main__":
    main()
