#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Too much at once: who is turned away is told so at once, in each API's own words and with the time after which to come again; who is
let in is answered once, and recorded once; others, and operators, go on."""
import collections
import json
import os
import socket
import sqlite3
import ssl
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from cloud import Cloud  # noqa: E402

MIB = 1 << 20
STORM = 60


def connect(cloud, source=None):
    raw = socket.create_connection(("127.0.0.1", cloud.url.port), timeout=60, source_address=(source, 0) if source else None)
    return cloud.ssl.wrap_socket(raw, server_hostname="localhost")


def send(conn, cloud, who, method, path, body=None, announced=None):
    data = json.dumps(body).encode() if body is not None else b""
    head = ["%s %s HTTP/1.1" % (method, path), "Host: localhost", "Accept: application/json"]
    if who:
        head.append("X-Auth-Token: " + cloud.token(who))
    if data or announced:
        head += ["Content-Type: application/json", "Content-Length: %d" % (announced or len(data))]
    conn.sendall("\r\n".join(head).encode() + b"\r\n\r\n" + data)


def answer(conn):
    """Status, headers and body of one answer; nothing may come behind it."""
    text = b""
    while b"\r\n\r\n" not in text:
        piece = conn.recv(65536)
        assert piece, "closed without an answer: %r" % text[:200]
        text += piece
    head, _, body = text.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines[1:])}
    while len(body) < int(headers.get("content-length", 0)):
        body += conn.recv(65536)
    assert len(body) == int(headers.get("content-length", 0)), "more than one answer"
    return int(lines[0].split()[1]), headers, json.loads(body) if body else None


def ask(cloud, who, method, path, body=None):
    with connect(cloud) as conn:
        send(conn, cloud, who, method, path, body)
        return answer(conn)


WRITES = (  # of each API: how its errors look
    ("/compute/v2.1/os-keypairs", {"keypair": {"name": "k"}},
     lambda s, b: b["overLimit" if s == 429 else "serviceUnavailable"]),
    ("/identity/v3/auth/tokens", {"auth": {}}, lambda s, b: b["error"]),
    ("/image/v2/images", {"name": "i"}, lambda s, b: dict(b, code=int(b["code"].split()[0]))),
    ("/network/v2.0/ports", {"port": {}}, lambda s, b: dict(b["NeutronError"], code=s)),
    ("/cloud/v1/webhooks", {"name": "w"}, lambda s, b: b["error"]),
)


def refusals(cloud, who, status):
    for path, body, error in WRITES:
        s, headers, b = ask(cloud, who, "POST", path, body)
        assert s == status, (path, s, b)
        assert 1 <= int(headers["retry-after"]) <= 60, (path, headers)
        assert headers["x-openstack-request-id"].startswith("req-")
        e = error(s, b)
        assert e["code"] == status and "try again after" in e["message"], (path, b)
        if path.startswith("/compute") and status == 429:
            assert e["retryAfter"] == headers["retry-after"]


def one_project_has_its_part(cloud):
    """A project's bodies may take a quarter of the room: what it sends beyond that is turned away, what others send is not."""
    with connect(cloud) as holder:
        send(holder, cloud, "tenant", "POST", "/compute/v2.1/servers", announced=MIB)
        while bodies(cloud) < MIB:
            pass
        refusals(cloud, "tenant", 429)
        assert ask(cloud, "tenant", "GET", "/compute/v2.1/servers")[0] == 200
        assert ask(cloud, "admin", "POST", "/compute/v2.1/os-keypairs", {"keypair": {"name": "other"}})[0] == 200
    while bodies(cloud):
        pass
    assert ask(cloud, "tenant", "POST", "/compute/v2.1/os-keypairs", {"keypair": {"name": "again"}})[0] == 200


def metric(cloud, name):
    for line in cloud.request("admin", "GET", "/metrics").body.decode().splitlines():
        if line.startswith("cloudd_" + name + " "):
            return float(line.split()[1])
    raise AssertionError("no metric " + name)


def bodies(cloud):
    return metric(cloud, "request_body_bytes")


def the_whole_is_full(cloud):
    """Others took all of the room: 503 for who has none of it. The operators' socket gets through."""
    holders = []
    for i in range(4):
        holders.append(connect(cloud, "127.0.0.%d" % (i + 2)))
        send(holders[-1], cloud, None, "POST", "/identity/v3/auth/tokens", announced=MIB)
    while bodies(cloud) < 4 * MIB:
        pass
    refusals(cloud, "tenant", 503)
    assert ask(cloud, "tenant", "GET", "/compute/v2.1/servers")[0] == 200
    assert ask(cloud, None, "GET", "/")[0] == 200
    cloud.ctl("project", "create", "made-under-load")
    for h in holders:
        h.close()
    while bodies(cloud):
        pass


def audited(cloud, status):
    db = sqlite3.connect("file:%s?mode=ro" % os.path.join(cloud.dir, "state/cloudd.db"), uri=True)
    n, ids = db.execute("SELECT count(*), count(DISTINCT request_id) FROM audit WHERE action = 'server.create' AND status = ?",
                        (status,)).fetchone()
    db.close()
    assert n == ids
    return n


def a_storm(cloud):
    """Many at once, over the limit of a project: each is answered once; what was accepted is there, and recorded, once."""
    network = cloud.request("tenant", "GET", "/network/v2.0/networks").json["networks"][0]["id"]
    conns = [connect(cloud) for _ in range(STORM)]
    seen = collections.Counter()
    before = audited(cloud, 202)
    for round_ in range(3):
        for i, conn in enumerate(conns):
            if i % 3:
                send(conn, cloud, "tenant", "GET", "/compute/v2.1/servers/detail")
            else:
                send(conn, cloud, "tenant", "POST", "/compute/v2.1/servers", {"server": {
                    "name": "storm", "imageRef": cloud.image, "flavorRef": "1", "networks": [{"uuid": network}]}})
        other = ask(cloud, "admin", "GET", "/compute/v2.1/flavors")
        assert other[0] == 200, other
        for i, conn in enumerate(conns):
            status, headers, body = answer(conn)
            assert status in ((200, 429) if i % 3 else (202, 429)), (status, body)
            seen[status] += 1
            if status == 429:
                assert int(headers["retry-after"]) >= 1
                assert headers.get("connection") != "close"
    for conn in conns:
        conn.close()
    assert sum(seen.values()) == 3 * STORM
    listed = cloud.request("tenant", "GET", "/compute/v2.1/servers")
    while listed.status == 429:  # the ends of so many connections wait for their turn, too
        listed = cloud.request("tenant", "GET", "/compute/v2.1/servers")
    names = [s["name"] for s in listed.json["servers"]]
    assert names.count("storm") == seen[202], (seen, len(names))
    assert audited(cloud, 202) - before == seen[202]
    return seen


def is_shown(cloud):
    status = cloud.request("admin", "GET", "/cloud/v1/status").json["requests"]
    tenant = cloud.request("tenant", "GET", "/identity/v3/auth/projects").json["projects"][0]["id"]
    assert status["turned_away"] >= 2 * len(WRITES), status
    assert tenant in [t["project_id"] for t in status["turned_away_lately"]], status
    shed = cloud.request("admin", "GET", "/metrics").body.decode()
    for reason in ("project", "overload"):
        line = [t for t in shed.splitlines() if t.startswith('cloudd_requests_shed_total{reason="%s"}' % reason)][0]
        assert int(line.split()[1]) >= len(WRITES), line
    with open(os.path.join(cloud.dir, "cloudd.log")) as f:
        told = [line for line in f if "are turned away" in line]
    assert 1 <= len(told) <= 12, told  # once a minute of each, not once a request


def main():
    with Cloud(hosts=1, settings=("api.bodies_max_mib=4", "api.requests_per_project_max=16")) as cloud:
        cloud.image = cloud.request("tenant", "GET", "/image/v2/images").json["images"][0]["id"]
        one_project_has_its_part(cloud)
        the_whole_is_full(cloud)
        seen = a_storm(cloud)
        is_shown(cloud)
    print("answers in the storm:", dict(seen))


if __name__ == "__main__":
    main()
