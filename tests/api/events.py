#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Events as a list, a stream and deliveries, against the daemon: order, what a tenant may see, resuming by id without loss or
doubles across kill -9, readers that do not read, tokens that end, signed deliveries to a server that the test runs, which fails,
hangs, redirects and refuses, and addresses that a delivery must never reach."""
import hashlib
import hmac
import http.client
import http.server
import json
import os
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from cloud import BUILD, Cloud  # noqa: E402

EVENTS, WEBHOOKS = "/cloud/v1/events", "/cloud/v1/webhooks"
PATIENCE = 20
STREAMS_MAX, HOOKS_MAX = 24, 8
FAILED = []


def case(name, fn, *args):
    begun = time.monotonic()
    try:
        fn(*args)
        for hooks in (a for a in args if isinstance(a, Hooks)):
            hooks.remove_all()
        print("ok   %s (%.1f s)" % (name, time.monotonic() - begun), flush=True)
    except Exception as e:
        FAILED.append(name)
        for hooks in (a for a in args if isinstance(a, Hooks)):
            hooks.made = []
        print("FAIL %s: %s: %s" % (name, type(e).__name__, e), flush=True)


# --- a reader of streams

class Stream:
    """One open stream, read by hand: what a client library would hide is what is looked at."""

    def __init__(self, cloud, token, query="", last=None, buffer=None):
        raw = socket.socket()
        if buffer:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        raw.connect((cloud.url.hostname, cloud.url.port))
        self.sock = cloud.ssl.wrap_socket(raw, server_hostname=cloud.url.hostname)
        self.sock.settimeout(PATIENCE)
        head = "GET %s%s HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\nX-Auth-Token: %s\r\n" % (EVENTS, query, token)
        if last is not None:
            head += "Last-Event-ID: %s\r\n" % last
        self.sock.sendall(head.encode() + b"\r\n")
        self.answer = http.client.HTTPResponse(self.sock)
        self.answer.begin()
        self.status, self.comments, self.last, self.event = self.answer.status, 0, last, {}

    def next(self):
        """The next event, as a dict with id, event and data; None at the end of the stream."""
        while True:
            line = self.answer.readline()
            if not line:
                return None
            line = line.decode().rstrip("\n")
            if line.startswith(":"):
                self.comments += 1
            elif line:
                key, _, value = line.partition(": ")
                self.event[key] = value
            else:
                event, self.event = self.event, {}
                self.last = int(event["id"]) if "id" in event else self.last
                if "data" in event:
                    return {"id": int(event["id"]), "event": event["event"], "data": json.loads(event["data"])}

    def until(self, judge):
        seen = []
        while not seen or not judge(seen[-1]):
            e = self.next()
            assert e, "the stream ended after %s" % seen
            seen.append(e)
        return seen

    def close(self):
        self.answer.close()
        self.sock.close()


def listed(cloud, who, after, **query):
    """All behind an id, by as many pages as it takes."""
    found, more = [], True
    while more:
        q = "&".join("%s=%s" % kv for kv in {"after": after, **query}.items())
        page = cloud.request(who, "GET", EVENTS + "?" + q).json
        found += page["events"]
        after, more = page["after"], page["more"]
    return found


def newest(cloud):
    return cloud.request("admin", "GET", EVENTS + "?limit=1").json["after"]


# --- where deliveries go

class Hook(http.server.BaseHTTPRequestHandler):
    """/name/...: answers as `answers` says for the path, a status or "hang"; keeps what came."""
    protocol_version = "HTTP/1.1"
    came, answers, changed, go_on = {}, {}, threading.Condition(), threading.Event()

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with self.changed:
            self.came.setdefault(self.path, []).append((dict(self.headers), body))
            todo = self.answers.get(self.path, [])
            status = todo.pop(0) if len(todo) > 1 else todo[0] if todo else 204
            self.changed.notify_all()
        if status == "hang":
            self.go_on.wait(PATIENCE)
            self.close_connection = True
            return
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "https://127.0.0.1:%d/secret" % self.server.server_address[1])
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST

    def log_message(self, *args):
        pass


def serve(cert, key, port=0):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Hook)
    server.daemon_threads = True
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def certificate(directory):
    cert, key = os.path.join(directory, "hook.pem"), os.path.join(directory, "hook.key")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                    "-subj", "/CN=hook", "-addext", "subjectAltName=IP:127.0.0.1,IP:127.0.0.2,IP:::ffff:127.0.0.1", "-keyout", key,
                    "-out", cert], check=True, stderr=subprocess.DEVNULL)
    return cert, key


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def came(path, judge):
    """What came to a path, once judge is content with it."""
    end = time.monotonic() + PATIENCE
    with Hook.changed:
        while not judge(Hook.came.get(path, [])):
            left = end - time.monotonic()
            assert left > 0, "%s: %d deliveries" % (path, len(Hook.came.get(path, [])))
            Hook.changed.wait(left)
        return list(Hook.came[path])


def ids_of(deliveries):
    return [e["id"] for _, body in deliveries for e in json.loads(body)["events"]]


class Hooks:
    def __init__(self, cloud, port):
        self.cloud, self.port, self.made = cloud, port, []

    def add(self, path, who="tenant", host="127.0.0.1", port=None, **more):
        url = "https://%s:%d%s" % (host, port or self.port, path)
        a = self.cloud.request(who, "POST", WEBHOOKS, {"webhook": {"url": url, "name": path, **more}})
        assert a.status == 201, a.body
        self.made.append((who, a.json["webhook"]["id"]))
        return a.json["webhook"]

    def act(self, hook, action, arguments=None, who="tenant"):
        a = self.cloud.request(who, "POST", "%s/%s/action" % (WEBHOOKS, hook["id"]), {action: arguments})
        assert a.status == 200, a.body
        return a.json["webhook"]

    def show(self, hook, who="tenant"):
        return self.cloud.request(who, "GET", "%s/%s" % (WEBHOOKS, hook["id"])).json["webhook"]

    def shown(self, hook, judge, who="tenant"):
        """It, once judge is content with it; what a failure wrote is told by no event."""
        end = time.monotonic() + PATIENCE
        while not judge(self.show(hook, who)):
            assert time.monotonic() < end, self.show(hook, who)
            time.sleep(0.05)
        return self.show(hook, who)

    def remove_all(self):
        for who, hook in self.made:
            assert self.cloud.request(who, "DELETE", "%s/%s" % (WEBHOOKS, hook)).status == 204
        self.made = []


# --- lists and streams

def make_server(cloud, who="tenant"):
    image = cloud.request(who, "GET", "/image/v2/images").json["images"][0]["id"]
    flavor = cloud.request(who, "GET", "/compute/v2.1/flavors").json["flavors"][0]["id"]
    body = {"server": {"name": "told", "imageRef": image, "flavorRef": flavor, "networks": "none"}}
    a = cloud.request(who, "POST", "/compute/v2.1/servers", body, {"OpenStack-API-Version": "compute 2.37"})
    assert a.status == 202, a.body
    return a.json["server"]["id"]


def life(cloud):
    """A server's life in the order of its commits, to those who may hear of it alone."""
    before = newest(cloud)
    tenant, other, admin = (Stream(cloud, cloud.token(who)) for who in ("tenant", "foreign", "admin"))
    assert tenant.answer.getheader("Content-Type") == "text/event-stream"
    server = make_server(cloud)
    seen = tenant.until(lambda e: e["event"] == "server.state")
    assert cloud.request("tenant", "DELETE", "/compute/v2.1/servers/" + server).status == 204
    seen += tenant.until(lambda e: e["event"] == "server.deleted")
    assert [e["event"] for e in seen] == ["server.created", "server.state", "server.deleted"], seen
    assert all(e["data"]["subject"] == server and e["data"]["id"] == e["id"] for e in seen)
    assert (seen[1]["data"]["data"]["old"], seen[1]["data"]["data"]["new"]) == ("building", "active"), seen[1]
    assert [e["id"] for e in seen] == sorted(e["id"] for e in seen)
    assert "host1" not in json.dumps(seen) and "operator" not in json.dumps(seen), seen
    inside = admin.until(lambda e: e["event"] == "server.deleted")
    assert [e["id"] for e in inside] == [e["id"] for e in seen] and inside[0]["data"]["operator"]["host"] == "host1", inside
    assert listed(cloud, "tenant", before) == [e["data"] for e in seen]
    assert listed(cloud, "foreign", before) == []
    # the other project's stream: its own event is the first that comes
    hook = cloud.request("foreign", "POST", WEBHOOKS, {"webhook": {"url": "https://127.0.0.1:%d/x" % cloud.hook_port}}).json["webhook"]
    assert cloud.request("foreign", "POST", "%s/%s/action" % (WEBHOOKS, hook["id"]), {"test": None}).status == 200
    assert other.next()["data"]["subject"] == hook["id"]
    for who in ("tenant", "reader"):
        assert cloud.request(who, "GET", "%s/%s" % (WEBHOOKS, hook["id"])).status == 404
    assert cloud.request("foreign", "DELETE", "%s/%s" % (WEBHOOKS, hook["id"])).status == 204
    for s in (tenant, other, admin):
        s.close()


def filters(cloud):
    hosts = listed(cloud, "admin", 0, type="host")
    assert {e["type"] for e in hosts} == {"host.added", "host.connected"} and {e["subject"] for e in hosts} == {"host1"}, hosts
    assert {e["type"] for e in listed(cloud, "admin", 0, type="server.deleted,image")} == {"server.deleted", "image.active"}
    project = listed(cloud, "tenant", 0)[0]["project_id"]
    assert listed(cloud, "admin", 0, project=project) and not [e for e in listed(cloud, "admin", 0, project=project)
                                                               if e["project_id"] != project]
    assert cloud.request("foreign", "GET", EVENTS + "?project=" + project).status == 403
    assert cloud.request("tenant", "GET", EVENTS + "?type=serv").status == 400
    every = listed(cloud, "admin", 0)
    assert listed(cloud, "admin", 0, limit=1) == every
    assert cloud.request("admin", "GET", EVENTS + "?limit=3").json["events"] == every[-3:]
    types = cloud.request("tenant", "GET", "/cloud/v1/event-types").json["event_types"]
    assert {e["type"] for e in every} <= {t["name"] for t in types}


def hostile(cloud):
    token = cloud.token("tenant")
    for last in ("-1", "x", "1 1", "0x10", "1e3", "9" * 19, "9" * 400, "1;2", "\x7f", "%00", "+1", "1\t2", "{}", "é"):
        s = Stream(cloud, token, last=last.encode().decode("latin-1"))
        assert s.status == 400, (last, s.status)
        s.close()
    for query in ("?after=-1", "?after=", "?after=99999999999999999999", "?type=" + "a" * 5000, "?type=%00", "?after=1&type=,,,x"):
        assert cloud.request("tenant", "GET", EVENTS + query).status in (400, 414), query
    # from the future, as after a backup was put back: it is told, and goes on from now
    s = Stream(cloud, token, last=2 ** 62)
    assert s.next()["event"] == "events.lost" and s.last <= newest(cloud)
    s.close()
    # the header is where a reader is, the query where it began
    first = listed(cloud, "tenant", 0)
    s = Stream(cloud, token, query="?after=0", last=first[0]["id"])
    assert s.next()["id"] == first[1]["id"]
    s.close()


def bounds(cloud):
    """A project has a quarter of the streams; a reader that leaves gives its place back at once."""
    token, open_ones = cloud.token("tenant"), []
    for _ in range(STREAMS_MAX // 4):
        open_ones.append(Stream(cloud, token))
        assert open_ones[-1].status == 200
    refused = Stream(cloud, token)
    assert refused.status == 429, refused.status
    refused.close()
    open_ones.pop().close()
    end = time.monotonic() + PATIENCE
    while True:
        again = Stream(cloud, token)
        if again.status == 200:
            break
        again.close()
        assert time.monotonic() < end, "the place of one that left is not given back"
    for s in open_ones + [again]:
        s.close()


def revoked(cloud):
    cloud.tokens.pop("tenant")
    token = cloud.token("tenant")
    s = Stream(cloud, token)
    assert cloud.request("admin", "DELETE", "/identity/v3/auth/tokens", headers={"X-Subject-Token": token}).status == 204
    assert s.next() is None and s.status == 200
    s.close()
    cloud.tokens.pop("tenant")


# --- kill -9, and what a reader missed

def restart(cloud, meanwhile=lambda: None):
    os.kill(cloud.pid(), signal.SIGKILL)
    meanwhile()
    cloud.devcloud("restart", cloud.dir)
    cloud.conn = None


def follow(cloud, token, begin, seen, stop):
    """A client that comes back with the last id whenever its stream ends."""
    last = begin
    while not stop.is_set():
        try:
            s = Stream(cloud, token, last=last)
            while s.status == 200 and not stop.is_set():
                e = s.next()
                if e is None:
                    break
                seen.append(e["id"])
                last = s.last
            last = s.last
            s.close()
        except (OSError, http.client.HTTPException):
            time.sleep(0.02)  # nobody listens: it is being started again


def resumed(cloud, hooks):
    """Readers and a delivery see all events in order, the readers none twice, through a kill -9."""
    hook = hooks.add("/killed", types="webhook")
    Hook.answers["/killed"] = [500, 204]
    begin, seen, stop = newest(cloud), [], threading.Event()
    reader = threading.Thread(target=follow, args=(cloud, cloud.token("tenant"), begin, seen, stop), daemon=True)
    reader.start()
    for _ in range(10):
        hooks.act(hook, "test")
    came("/killed", lambda d: d)
    restart(cloud)
    for _ in range(10):
        hooks.act(hook, "test")
    wanted = [e["id"] for e in listed(cloud, "tenant", begin)]
    end = time.monotonic() + PATIENCE
    while len(seen) < len(wanted) and time.monotonic() < end:
        time.sleep(0.02)
    stop.set()
    assert len(wanted) == 20 and seen == wanted, (wanted, seen)
    got = ids_of(came("/killed", lambda d: wanted[-1] in ids_of(d)))
    assert list(dict.fromkeys(got)) == wanted, (wanted, got)  # at least once, and the first times in order
    hooks.act(hook, "pause")
    hooks.act(hook, "test")  # so that the reader's thread wakes and ends
    reader.join(PATIENCE)


def database(cloud):
    return sqlite3.connect(os.path.join(cloud.dir, "state", "cloudd.db"))


MANY = 5000


def fill(db, project):
    """So many events that no socket's buffers take them."""
    n = db.execute("SELECT value FROM counter WHERE name = 'id'").fetchone()[0]
    data = json.dumps({"text": "x" * 2000})
    db.executemany("INSERT INTO event (id, at_us, type, project_uid, subject, data) VALUES (?, ?, 'webhook.test', ?, 'many', ?)",
                   ((n + i, int(time.time() * 1e6), project, data) for i in range(1, MANY + 1)))
    db.execute("UPDATE counter SET value = ? WHERE name = 'id'", (n + MANY,))


def slow(cloud):
    """One that does not read is cut off, and others are not held up; what it missed it gets by its last id."""
    first = cloud.request("tenant", "GET", EVENTS + "?after=0&subject=many&limit=1").json["events"][0]["id"]
    lazy = Stream(cloud, cloud.token("tenant"), "?subject=many", last=first, buffer=4096)
    assert lazy.next()["id"] == first + 1
    quick = Stream(cloud, cloud.token("tenant"), "?subject=many", last=first)
    assert [quick.next()["id"] for _ in range(MANY - 1)] == list(range(first + 1, first + MANY)) and quick.status == 200
    quick.close()
    # it was cut in the middle: what had been sent is all it gets
    end = time.monotonic() + PATIENCE
    while connections(cloud, lazy) and time.monotonic() < end:
        time.sleep(0.05)
    got = 1
    try:
        while lazy.next():
            got += 1
    except (OSError, http.client.HTTPException):
        pass
    assert got < MANY - 1, "it was not cut"
    lazy.close()
    rest = Stream(cloud, cloud.token("tenant"), "?subject=many", last=lazy.last)
    assert rest.next()["id"] == first + got + 1
    rest.close()


def connections(cloud, stream):
    """Is the daemon's end of the stream still there?"""
    port = stream.sock.getsockname()[1]
    with open("/proc/net/tcp") as f:
        return any(line.split()[2].endswith(":%04X" % port) and line.split()[3] == "01" for line in f)


def lost(cloud, hooks):
    """What is not kept any more is told, to readers and in deliveries; what is too old is given up, and that is told, too."""
    late, dead = hooks.add("/late", types="webhook.test"), hooks.add("/dead", types="webhook.test", port=cloud.closed_port)
    hooks.act(late, "pause")
    begin = newest(cloud)
    hooks.act(late, "test")
    middle = newest(cloud)
    hooks.act(late, "test")
    hooks.act(dead, "test")
    hooks.shown(dead, lambda w: w["failures"])

    def forget():
        with database(cloud) as db:
            db.execute("DELETE FROM event WHERE id <= ?", (middle,))
            db.execute("INSERT OR REPLACE INTO counter VALUES ('events_purged', ?)", (middle,))
            db.execute("UPDATE event SET at_us = 1 WHERE subject = ?", (dead["id"],))
            db.execute("UPDATE webhook SET tries = 9, due_us = 0 WHERE uid = ?", (dead["id"],))
            fill(db, late["project_id"])
        db.close()

    restart(cloud, forget)
    s = Stream(cloud, cloud.token("tenant"), last=begin)
    told = s.next()
    assert told["event"] == "events.lost" and told["data"]["data"] == {"after": begin, "upto": middle} and s.last == middle, told
    assert s.next()["id"] > middle
    page = cloud.request("tenant", "GET", "%s?after=%d" % (EVENTS, begin)).json
    assert page["lost"] and page["events"]
    given_up = s.until(lambda e: e["event"] == "webhook.given_up")[-1]["data"]
    assert given_up["subject"] == dead["id"] and given_up["data"]["events"] == 1, given_up
    assert hooks.show(dead)["given_up"] == 1
    s.close()
    hooks.act(late, "redeliver", {"after": begin})
    hooks.act(late, "resume")
    events = json.loads(came("/late", lambda d: d)[0][1])["events"]
    assert events[0]["type"] == "events.lost" and events[1]["id"] > middle, events


# --- deliveries

def verify(secret, headers, body):
    t, v1 = (part.partition("=")[2] for part in headers["Cloudd-Signature"].split(","))
    assert t == headers["Cloudd-Timestamp"] and abs(int(t) - time.time()) < 300
    assert hmac.compare_digest(v1, hmac.new(secret.encode(), t.encode() + b"." + body, hashlib.sha256).hexdigest())


def delivered(cloud, hooks):
    """Signed with the secret that was shown once, and is nowhere to be read again."""
    own = "a secret of the tenant's own"
    made, given = hooks.add("/made", types="webhook.test server"), hooks.add("/given", types="webhook.test", secret=own)
    assert len(made["secret"]) >= 32 and "secret" not in given
    for hook, path, secret in ((made, "/made", made["secret"]), (given, "/given", own)):
        hooks.act(hook, "test")
        headers, body = came(path, lambda d: d)[0]
        verify(secret, headers, body)
        got = json.loads(body)
        assert got["webhook_id"] == hook["id"] == headers["Cloudd-Webhook-Id"]
        assert [e["subject"] for e in got["events"]] == [hook["id"]]  # a test is the tested one's alone
        assert headers["Cloudd-Event-Id"] == str(got["events"][-1]["id"])
    server = make_server(cloud)
    came("/made", lambda d: b'"new":"active"' in b"".join(b for _, b in d))
    cloud.request("tenant", "DELETE", "/compute/v2.1/servers/" + server)
    deliveries = came("/made", lambda d: b"server.deleted" in b"".join(b for _, b in d))
    events = [e for _, body in deliveries for e in json.loads(body)["events"] if e["subject"] == server]
    assert [e["type"] for e in events] == ["server.created", "server.state", "server.deleted"], events
    assert len(Hook.came["/given"]) == 1  # it wants no servers
    shown = cloud.request("admin", "GET", WEBHOOKS).body + cloud.request("tenant", "GET", WEBHOOKS + "/" + made["id"]).body
    for secret in (own, made["secret"]):
        assert secret.encode() not in shown
        for name in ("cloudd.db", "cloudd.db-wal"):
            with open(os.path.join(cloud.dir, "state", name), "rb") as f:
                assert secret.encode() not in f.read(), name
    # again, from an id on
    n = len(Hook.came["/made"])
    hooks.act(made, "redeliver", {"after": events[0]["id"]})
    again = came("/made", lambda d: events[-1]["id"] in ids_of(d[n:]))[n:]
    assert ids_of(again)[0] == events[1]["id"] and ids_of(again) == [e["id"] for e in events[1:]], ids_of(again)


def troubles(cloud, hooks, cert_and_key):
    """Refused, failing, hanging and redirecting ones are tried again; one that is well waits for none of them."""
    closed = cloud.closed_port
    Hook.answers.update({"/fails": [500, 503, 204], "/hangs": ["hang", 204], "/redirects": [302]})
    bad = {path: hooks.add(path, types="webhook.test") for path in ("/fails", "/hangs", "/redirects")}
    bad["/closed"] = hooks.add("/closed", types="webhook.test", port=closed)
    well = hooks.add("/well", types="webhook.test")
    for hook in bad.values():
        hooks.act(hook, "test")
    came("/hangs", lambda d: d)
    hooks.act(well, "test")
    came("/well", lambda d: d)
    failed = hooks.shown(bad["/closed"], lambda w: w["failures"])
    assert failed["state"] == "failing" and "onnect" in failed["last_error"] and failed["waiting"] == 1 and failed["next_try_at"]
    late = serve(*cert_and_key, port=closed)
    for path, tries in (("/fails", 3), ("/hangs", 2), ("/closed", 1)):
        deliveries = came(path, lambda d: len(d) >= tries)
        assert len({tuple(ids_of([d])) for d in deliveries}) == 1, path  # the same events each time
        w = hooks.shown(bad[path], lambda w: not w["failures"])
        assert w["state"] == "active" and w["waiting"] == 0 and w["last_error"] is None and w["delivered_at"], w
    assert "302" in hooks.shown(bad["/redirects"], lambda w: w["failures"])["last_error"]
    assert "/secret" not in Hook.came, "a redirect was followed"
    late.shutdown()
    late.server_close()


def forbidden(cloud, hooks):
    port = hooks.port
    for url in ("http://127.0.0.1:%d/x" % port, "https://127.0.0.1:1/x", "https://elsewhere.example/x", "ftp://127.0.0.1/x",
                "https://u:p@127.0.0.1:%d/x" % port, "file:///etc/passwd", "x", "https://", "https://localhost:%d@evil/" % port):
        a = cloud.request("tenant", "POST", WEBHOOKS, {"webhook": {"url": url}})
        assert a.status == 400 and "url" in a.json["error"]["message"], (url, a.status, a.body)
    # their names are on the list, their addresses are not allowed
    for path, host in (("/two", "127.0.0.2"), ("/mapped", "[::ffff:127.0.0.1]"), ("/six", "[::1]"), ("/any", "0.0.0.0")):
        hook = hooks.add(path, types="webhook.test", host=host)
        hooks.act(hook, "test")
        w = hooks.shown(hook, lambda w: w["failures"])
        assert "private or reserved" in w["last_error"], w
        assert path not in Hook.came, path
    assert cloud.request("tenant", "POST", WEBHOOKS, {"webhook": {"url": "https://127.0.0.1:%d/" % port, "everything": True}}).status == 403
    assert cloud.request("reader", "POST", WEBHOOKS, {"webhook": {"url": "https://127.0.0.1:%d/" % port}}).status == 403
    for i in range(HOOKS_MAX - len(hooks.made)):
        hooks.add("/more%d" % i)
    a = cloud.request("tenant", "POST", WEBHOOKS, {"webhook": {"url": "https://127.0.0.1:%d/" % port}})
    assert a.status in (403, 413) and "webhooks" in a.json["error"]["message"], a.body


def everything(cloud, hooks):
    """An operator's hears of all, with what operators see; a paused one of nothing until it goes on."""
    hook = hooks.add("/all", who="admin", everything=True)
    server = make_server(cloud)
    cloud.request("tenant", "DELETE", "/compute/v2.1/servers/" + server)
    body = b"".join(b for _, b in came("/all", lambda d: b"server.deleted" in b"".join(b for _, b in d)))
    assert b'"host1"' in body
    assert hooks.act(hook, "pause", who="admin")["state"] == "paused"
    n = len(Hook.came["/all"])
    cloud.ctl("host", "disable", "host1")
    cloud.ctl("host", "enable", "host1")
    assert hooks.show(hook, "admin")["waiting"] >= 2
    hooks.act(hook, "resume", who="admin")
    later = came("/all", lambda d: b"".join(b for _, b in d[n:]).count(b"host.state") == 2)[n:]
    states = [e["data"]["new"] for _, b in later for e in json.loads(b)["events"] if e["type"] == "host.state"]
    assert states == ["disabled", "up"], states


def by_cloudctl(cloud, hooks):
    """The same by commands; a watch shows what was and what comes, and ends after so many."""
    begin = newest(cloud)
    made = json.loads(cloud.ctl("webhook", "add", "https://127.0.0.1:%d/ctl" % hooks.port, "--everything", "--name", "by ctl",
                                "--types", "webhook", "-o", "json"))["webhook"]
    assert made["secret"] and made["everything"] and made["project_id"] is None
    hooks.made.append(("admin", made["id"]))
    watch = [os.path.join(BUILD, "src/cloudctl/cloudctl"), "--socket", os.path.join(cloud.dir, "run/cloudd.sock"),
             "event", "watch", "--after", str(begin), "--count", "2", "--type", "webhook", "-o", "json"]
    with subprocess.Popen(watch, stdout=subprocess.PIPE, text=True) as process:
        cloud.ctl("webhook", "test", made["id"])
        first = json.loads(process.stdout.readline())
        cloud.ctl("webhook", "test", made["id"])
        second = json.loads(process.stdout.readline())
        assert process.wait(PATIENCE) == 0
    assert [e["subject"] for e in (first, second)] == [made["id"]] * 2 and begin < first["id"] < second["id"]
    came("/ctl", lambda d: second["id"] in ids_of(d))
    assert "webhook.test" in cloud.ctl("event", "list", "--after", str(begin))
    assert "Somebody asked for a test" in cloud.ctl("event", "types")
    cloud.ctl("webhook", "pause", made["id"])
    assert "paused" in cloud.ctl("webhook", "list")
    cloud.ctl("webhook", "redeliver", made["id"], "--after", str(begin))
    cloud.ctl("webhook", "resume", made["id"])
    came("/ctl", lambda d: ids_of(d).count(first["id"]) == 2)
    assert made["secret"] not in cloud.ctl("webhook", "show", made["id"])


def stopped(cloud):
    """An orderly stop ends streams in order, at once."""
    s = Stream(cloud, cloud.token("tenant"))
    begun, pid = time.monotonic(), cloud.pid()
    os.kill(pid, signal.SIGTERM)
    assert s.next() is None
    end = time.monotonic() + PATIENCE
    while os.path.exists("/proc/%d" % pid) and time.monotonic() < end:
        time.sleep(0.02)
    assert time.monotonic() - begun < 8, "a stream held up the stop"
    s.close()
    cloud.devcloud("restart", cloud.dir)
    cloud.conn = None
    check = json.loads(cloud.ctl("check", "-o", "json"))["check"]
    assert check["ok"], check


def main():
    with tempfile.TemporaryDirectory() as directory:
        pair = certificate(directory)
        server = serve(*pair)
        port = server.server_address[1]
        names = ("127.0.0.1", "127.0.0.2", "[::ffff:127.0.0.1]", "[::1]", "0.0.0.0")
        closed = free_port()
        hosts = " ".join("%s:%d" % (n, port) for n in names) + " 127.0.0.1:%d" % closed
        settings = ("events.webhook_hosts=" + hosts, "events.webhook_networks=127.0.0.1/32", "events.webhook_ca=" + pair[0],
                    "events.webhook_timeout_s=1", "events.events_heartbeat_s=1", "events.webhooks_max=%d" % HOOKS_MAX,
                    "events.events_streams_max=%d" % STREAMS_MAX, "api.body_timeout_ms=1000")
        with Cloud(hosts=1, settings=settings) as cloud:
            cloud.hook_port, cloud.closed_port = port, closed
            cloud.add_person("foreign", "member", "foreign")
            cloud.add_person("reader", "reader", cloud.people["tenant"][2])
            hooks = Hooks(cloud, port)
            case("a server's life is told in order, to its project alone", life, cloud)
            case("lists are filtered and paged", filters, cloud)
            case("hostile ids are refused", hostile, cloud)
            case("streams are bounded", bounds, cloud)
            case("a stream ends when its token is revoked", revoked, cloud)
            case("deliveries are signed, and made again on request", delivered, cloud, hooks)
            case("deliveries that fail are tried again", troubles, cloud, hooks, pair)
            case("deliveries go nowhere but where they may", forbidden, cloud, hooks)
            case("an operator hears of everything", everything, cloud, hooks)
            case("cloudctl does the same", by_cloudctl, cloud, hooks)
            case("readers resume by id across a kill -9", resumed, cloud, hooks)
            case("what is not kept is told", lost, cloud, hooks)
            case("one that does not read is cut", slow, cloud)
            case("a stop ends streams in order", stopped, cloud)
            Hook.go_on.set()
    if FAILED:
        sys.exit("failed: " + ", ".join(FAILED))


if __name__ == "__main__":
    main()
