#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The daemon as a process: configuration, locks, signals, what it tells systemd, sockets handed over, broken databases."""
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from cloud import BUILD, TOP, Cloud, ended  # noqa: E402

CLOUDD = os.path.join(BUILD, "src/cloudd/cloudd")
CLOUDCTL = os.path.join(BUILD, "src/cloudctl/cloudctl")

# (text of the file, what the complaint must name; {f} is the file)
BROKEN = [
    ("[api]\nlisten = 127.0.0.1:1\nlistne = 1\n", ["{f}:3:", "listne", "[api]"]),
    ("[apy]\nlisten = 127.0.0.1:1\n", ["{f}:2:", "listen", "[apy]"]),
    ("[api]\nbody_max_kib = many\n", ["{f}:2:", "[api] body_max_kib", "integer from 16 to 65536"]),
    ("[api]\nbody_max_kib = 15\n", ["{f}:2:", "[api] body_max_kib", "16"]),
    ("[api]\nbody_max_kib =\n", ["{f}:2:", "[api] body_max_kib"]),
    ("[api]\nlisten = 127.0.0.1\n", ["{f}", "[api] listen", "ADDRESS:PORT"]),
    ("[api]\nlisten = 127.0.0.1:99999\n", ["{f}", "[api] listen", "ADDRESS:PORT"]),
    ("[api]\nlisten = localhost:8774\n", ["{f}", "[api] listen", "ADDRESS:PORT"]),
    ("[cloudd]\nlog_level = loud\n", ["{f}", "[cloudd] log_level", "error, warning, notice, info or debug"]),
    ("[cloudd]\npublic_url = cloud.example.org\n", ["{f}", "[cloudd] public_url", "https://"]),
    ("[cloudd]\nregion =\n", ["{f}", "[cloudd] region"]),
    ("[identity]\ntoken_ttl_s = 59\n", ["{f}:2:", "[identity] token_ttl_s", "60"]),
    ("[hosts]\npoll_s = 0x10\n", ["{f}:2:", "[hosts] poll_s"]),
    ("[gpu a100]\nvendor = 10de\n", ["{f}", "[gpu a100]", "product"]),
    ("[gpu a100]\nvendor = 10dez\nproduct = 20b0\n", ["{f}:2:", "[gpu a100] vendor", "hex"]),
    ("[gpu a100]\nvendor = 10de\nproduct = 20b0\ncolour = red\n", ["{f}:4:", "[gpu a100]", "colour"]),
    ("[network public]\nsource = network:x\n", ["{f}", "[network public]", "cidr"]),
    ("[network public]\nsource = eth0\ncidr = 10.0.0.0/24\n", ["{f}:2:", "[network public] source", "bridge:"]),
    ("[network public]\nsource = network:x\ncidr = 10.0.0.0/33\n", ["{f}:3:", "[network public] cidr"]),
    ("[network public]\nsource = network:x\ncidr = 10.0.0.0/24\ngateway = 10.0.1\n", ["{f}:4:", "[network public] gateway"]),
    ("[network public]\nsource = network:x\ncidr = 10.0.0.0/24\npool = 10.9.0.1-10.9.0.9\n", ["{f}", "[network public] pool"]),
    ("[network public]\nsource = network:x\ncidr = 10.0.0.0/24\ngateway = 10.0.9.1\n", ["{f}", "[network public]", "gateway"]),
    ("[network public]\nsource = network:x\ncidr = 10.0.0.0/24\ndns = here\n", ["{f}:4:", "[network public] dns"]),
    ("[network public]\nsource = network:x\ncidr = 10.0.0.0/24\nmtu = 100\n", ["{f}:4:", "[network public] mtu", "576"]),
    ("listen = 127.0.0.1:1\n", ["{f}:1:", "listen"]),
    ("[api]\nthis is not a line\n", ["{f}:2:"]),
    ("[api\nlisten = 127.0.0.1:1\n", ["{f}:1:"]),
    ("[api]\nlisten = 127.0.0.1:1\n  tls_crt = /x\n", ["{f}:3:", "tls_crt"]),
    ("[api]\ntls_cert = /" + "x" * 4000 + "\nlisten = nowhere\n", ["{f}:3:", "[api] listen"]),
    ("[network public]\nsource = network:x\ncidr = 10.0.0.1/24\n", ["{f}:3:", "[network public] cidr"]),
    ("[network public]\nsource = network:\n", ["{f}:2:", "[network public] source"]),
]


def fail(what):
    raise AssertionError(what)


def check_config():
    with tempfile.TemporaryDirectory() as d:
        f = os.path.join(d, "cloudd.conf")
        bad = 0
        for text, wants in BROKEN:
            with open(f, "w") as out:
                out.write(text)
            p = subprocess.run([CLOUDD, "--config", f, "--check-config"], capture_output=True, text=True)
            missing = [w.format(f=f) for w in wants if w.format(f=f) not in p.stderr]
            if p.returncode != 1 or missing:
                bad += 1
                print("BAD: %r: status %d, %r lacks %s" % (text[:100], p.returncode, p.stderr, missing))
        p = subprocess.run([CLOUDD, "--config", f + ".none", "--check-config"], capture_output=True, text=True)
        assert p.returncode == 1 and f + ".none" in p.stderr, p
        example = subprocess.run([CLOUDD, "--example-config"], capture_output=True, text=True, check=True).stdout
        with open(f, "w") as out:
            out.write(example)
        subprocess.run([CLOUDD, "--config", f, "--check-config"], check=True, stdout=subprocess.DEVNULL)
        for args in (["--no-such"], ["extra"], ["--config"]):
            assert subprocess.run([CLOUDD, *args], capture_output=True).returncode == 2, args
        assert not bad, "%d broken configurations" % bad


class Process:
    """A daemon started by hand beside or instead of devcloud's."""

    def __init__(self, conf, env=(), fds=()):
        e = dict(os.environ, **dict(env))
        self.log = tempfile.TemporaryFile("w+")
        before = None
        if fds:
            e["LISTEN_FDS"] = str(len(fds))

            def before():
                for i, fd in enumerate(fds):
                    os.dup2(fd, 3 + i)
                    os.set_inheritable(3 + i, True)
                os.environ["LISTEN_PID"] = str(os.getpid())
                os.execvpe(CLOUDD, [CLOUDD, "--config", conf], dict(e, LISTEN_PID=str(os.getpid())))
        self.p = subprocess.Popen([CLOUDD, "--config", conf], stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, env=e,
                                  preexec_fn=before, close_fds=not fds)

    def text(self):
        self.log.flush()
        with open("/proc/self/fd/%d" % self.log.fileno()) as f:
            return f.read()

    def ends(self, status, *words):
        self.p.wait(60)
        assert self.p.returncode == status, (self.p.returncode, self.text())
        for w in words:
            assert w in self.text(), (w, self.text())

    def stop(self):
        self.p.send_signal(signal.SIGTERM)
        self.p.wait(60)
        assert self.p.returncode == 0, (self.p.returncode, self.text())


class Notify:
    """What systemd would hear."""

    def __init__(self, d):
        self.path = os.path.join(d, "notify")
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(self.path)
        self.changed, self.heard = threading.Condition(), []
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        while True:
            words = self.sock.recv(4096).decode().split("\n")
            with self.changed:
                self.heard += words
                self.changed.notify_all()

    def until(self, word):
        with self.changed:
            assert self.changed.wait_for(lambda: word in self.heard, 60), (word, self.heard)
            return list(self.heard)

    def forget(self):
        with self.changed:
            self.heard = []


def serial_of(cloud):
    """The certificate that a new connection is shown."""
    with socket.create_connection((cloud.url.hostname, cloud.url.port), timeout=30) as s, \
            cloud.ssl.wrap_socket(s, server_hostname=cloud.url.hostname) as t:
        return t.getpeercert()["serialNumber"]


def reload_certificates(cloud):
    """SIGHUP: new connections see the new certificate, live ones go on; a broken file changes nothing."""
    api = os.path.join(cloud.dir, "pki/issued/api")
    assert cloud.request(None, "GET", "/identity").status == 300
    live, before = cloud.conn, serial_of(cloud)
    local = live.sock.getsockname()
    subprocess.run([CLOUDCTL, "pki", "issue", os.path.join(cloud.dir, "pki"), "--name", "api", "--san", "localhost", "--san",
                    "127.0.0.1", "--server", "--force"], stdout=subprocess.DEVNULL, check=True)
    assert serial_of(cloud) == before, "taken before it was told to"
    hup(cloud, "reloaded")
    after = serial_of(cloud)
    assert after != before, "the old certificate is still shown"
    assert cloud.request(None, "GET", "/identity").status == 300
    assert cloud.conn is live and live.sock.getsockname() == local, "the live connection was dropped"
    cert = os.path.join(api, "servercert.pem")
    with open(cert) as f:
        good = f.read()
    with open(cert, "w") as f:
        f.write(good[:200])
    hup(cloud, "reload failed")
    assert serial_of(cloud) == after, "a broken certificate was taken"
    with open(cert, "w") as f:
        f.write(good)
    conf = os.path.join(cloud.dir, "cloudd.conf")
    with open(conf) as f:
        text = f.read()
    with open(conf, "a") as f:
        f.write("\n[api]\nno_such_key = 1\n")
    hup(cloud, "reload failed")
    with open(conf, "w") as f:
        f.write(text)
    hup(cloud, "reloaded")
    assert cloud.request(None, "GET", "/identity").status == 300 and cloud.conn is live


def log_of(cloud):
    with open(os.path.join(cloud.dir, "cloudd.log"), errors="replace") as f:
        return f.read()


def hup(cloud, word):
    n = log_of(cloud).count(word)
    os.kill(cloud.pid(), signal.SIGHUP)
    wait(lambda: log_of(cloud).count(word) > n, "the log to say '%s'" % word)


def wait(holds, what, seconds=60):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "waited in vain for " + what
        time.sleep(0.02)


def second_daemon(cloud):
    """On the same database: refused at once, and the first one serves on."""
    conf = os.path.join(cloud.dir, "second.conf")
    with open(os.path.join(cloud.dir, "cloudd.conf")) as f:
        text = f.read()
    with open(conf, "w") as f:
        f.write(text.replace("listen = 127.0.0.1:%d" % cloud.url.port, "listen = 127.0.0.1:0").replace("cloudd.sock", "second.sock"))
    Process(conf).ends(1, "another cloudd runs on")
    # another database on the same port: refused too, and the socket of the first is left alone
    with open(conf, "w") as f:
        f.write(text.replace("state_dir = %s/state" % cloud.dir, "state_dir = %s/state2" % cloud.dir))
    Process(conf).ends(1, "cannot listen on")
    assert cloud.request(None, "GET", "/identity").status == 300
    cloud.ctl("status")


def server(cloud, name):
    image = cloud.request("tenant", "GET", "/image/v2/images?name=guest").json["images"][0]["id"]
    a = cloud.request("tenant", "POST", "/compute/v2.1/servers", {"server": {"name": name, "imageRef": image, "flavorRef": "1"}})
    assert a.status == 202, a.body
    return a.json["server"]["id"]


def status(cloud, i):
    a = cloud.request("tenant", "GET", "/compute/v2.1/servers/" + i)
    return a.json["server"]["status"] if a.status == 200 else a.status


def graceful_stop(cloud):
    """SIGTERM with work under way and connections of all kinds: ends by itself with status 0; what runs on the hosts runs on;
    the work goes on at the next start."""
    running = server(cloud, "running")
    wait(lambda: status(cloud, running) == "ACTIVE", "a server")
    under_way = [server(cloud, "way%d" % i) for i in range(5)]
    idle = [cloud.ssl.wrap_socket(socket.create_connection((cloud.url.hostname, cloud.url.port)), server_hostname=cloud.url.hostname)
            for _ in range(5)]
    half = socket.create_connection((cloud.url.hostname, cloud.url.port))  # no handshake
    pid = cloud.pid()
    began = time.monotonic()
    os.kill(pid, signal.SIGTERM)
    wait(lambda: ended(pid), "the daemon's end")
    print("stopped after %.1f s" % (time.monotonic() - began))
    assert "stopped" in log_of(cloud).splitlines()[-1], log_of(cloud).splitlines()[-3:]
    for s in idle:
        s.close()
    half.close()
    with open(os.path.join(cloud.dir, "sim1.state")) as f:
        assert ("D\t" + running) in f.read(), "the guest does not run on"
    assert clean_mark(cloud) == "1", "the database is not marked as closed in order"
    subprocess.run([os.path.join(TOP, "scripts/devcloud"), "restart", cloud.dir], check=True, stdout=subprocess.DEVNULL)
    for i in under_way:
        wait(lambda: status(cloud, i) == "ACTIVE", "the work to go on")
    assert status(cloud, running) == "ACTIVE"
    assert json.loads(cloud.ctl("check", "-o", "json"))["check"]["ok"]


def clean_mark(cloud):
    db = sqlite3.connect("file:%s?mode=ro" % os.path.join(cloud.dir, "state/cloudd.db"), uri=True)
    try:
        return db.execute("SELECT value FROM meta WHERE key = 'clean'").fetchone()[0]
    finally:
        db.close()


def systemd(cloud):
    """READY once it serves, WATCHDOG while it lives, RELOADING and READY around SIGHUP, STOPPING at the end; a listening socket
    that systemd hands over is used. The devcloud's own daemon is stopped for it."""
    stop_own(cloud)
    conf = os.path.join(cloud.dir, "cloudd.conf")
    n = Notify(cloud.dir)
    p = Process(conf, {"NOTIFY_SOCKET": n.path, "WATCHDOG_USEC": "400000"})
    n.until("READY=1")
    assert cloud.request(None, "GET", "/identity").status == 300
    n.until("WATCHDOG=1")
    n.forget()
    p.p.send_signal(signal.SIGHUP)
    heard = n.until("READY=1")
    assert "RELOADING=1" in heard and any(h.startswith("MONOTONIC_USEC=") for h in heard), heard
    n.forget()
    n.until("WATCHDOG=1")
    p.p.send_signal(signal.SIGTERM)
    n.until("STOPPING=1")
    p.p.wait(60)
    assert p.p.returncode == 0, p.text()

    tcp = socket.create_server((cloud.url.hostname, cloud.url.port), backlog=16)
    unix_path = os.path.join(cloud.dir, "run/handed.sock")
    unix = socket.socket(socket.AF_UNIX)
    unix.bind(unix_path)
    unix.listen(16)
    # a client that comes before the daemon does waits
    n.forget()
    p = Process(conf, {"NOTIFY_SOCKET": n.path}, fds=[tcp.fileno(), unix.fileno()])
    tcp.close()
    unix.close()
    cloud.conn = None
    assert cloud.request(None, "GET", "/identity").status == 300
    out = subprocess.run([CLOUDCTL, "--socket", unix_path, "status", "-o", "json"], capture_output=True, text=True, check=True)
    assert json.loads(out.stdout), out
    p.stop()
    assert os.path.exists(unix_path), "a socket that is systemd's was removed"
    start_own(cloud)


def stop_own(cloud):
    pid = cloud.pid()
    os.kill(pid, signal.SIGTERM)
    wait(lambda: ended(pid), "the daemon's end")


def start_own(cloud):
    cloud.conn = None
    subprocess.run([os.path.join(TOP, "scripts/devcloud"), "restart", cloud.dir], check=True, stdout=subprocess.DEVNULL)


def stops_at_once(cloud):
    """SIGTERM at any moment from the first line on, with hosts that are being connected: status 0."""
    stop_own(cloud)
    conf = os.path.join(cloud.dir, "cloudd.conf")
    for i in range(12):
        p = Process(conf)
        wait(lambda: "serves" in p.text(), "the daemon")
        time.sleep(i * 0.01)
        p.stop()
    start_own(cloud)


def databases(cloud):
    """A database of a newer schema, one that is damaged, one that is none: each is refused with a reason, and not written to."""
    stop_own(cloud)
    conf = os.path.join(cloud.dir, "cloudd.conf")
    db = os.path.join(cloud.dir, "state/cloudd.db")
    shutil.copy(db, db + ".good")

    with sqlite3.connect(db) as c:
        c.execute("PRAGMA user_version = 9999")
    c.close()
    Process(conf).ends(1, "schema 9999", "newer")
    restore(db)

    with open(db, "r+b") as f:
        f.truncate(0)
        f.write(b"this is not a database at all, it is a text\n" * 200)
    Process(conf).ends(1, "cloudd.db")
    restore(db)

    # after an unclean stop the file is looked over
    with sqlite3.connect(db) as c:
        c.execute("UPDATE meta SET value = '0' WHERE key = 'clean'")
    c.close()  # and with the last connection the log goes into the file
    damage(db)
    Process(conf).ends(1, "damaged", "restore a backup")
    assert not os.path.exists(os.path.join(cloud.dir, "run/cloudd.sock")), "it listened"
    restore(db)

    # rows that name rows which are not there
    with sqlite3.connect(db) as c:
        c.execute("UPDATE meta SET value = '0' WHERE key = 'clean'")
        c.execute("PRAGMA foreign_keys = OFF")
        c.execute("INSERT INTO server_metadata VALUES (999999, 'a', 'b')")
    c.close()
    Process(conf).ends(1, "damaged", "server_metadata")
    restore(db)

    os.chmod(os.path.join(cloud.dir, "state"), 0o700)
    start_own(cloud)
    assert cloud.request(None, "GET", "/identity").status == 300


def restore(db):
    for suffix in ("-wal", "-shm"):
        if os.path.exists(db + suffix):
            os.remove(db + suffix)
    shutil.copy(db + ".good", db)


def damage(db):
    """Turns the middle of a table's page into noise: SQLite opens the file, and only a check of the whole finds it."""
    with sqlite3.connect(db) as c:
        root = c.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'audit'").fetchone()[0]
        size = c.execute("PRAGMA page_size").fetchone()[0]
    c.close()
    with open(db, "r+b") as f:
        f.seek((root - 1) * size + 8)
        f.write(b"\xa5" * (size - 64))


def main():
    check_config()
    with Cloud(hosts=1, options=["--persist", "--sim", "delay_ms=30"]) as cloud:
        for test in (reload_certificates, second_daemon, graceful_stop, systemd, stops_at_once, databases):
            began = time.monotonic()
            test(cloud)
            print("ok %s (%.1f s)" % (test.__name__, time.monotonic() - began))
            sys.stdout.flush()


if __name__ == "__main__":
    main()
