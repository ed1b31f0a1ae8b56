#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Imports of image data against the daemon: staged, and fetched from a web server that the test runs; every way in which a
download must be refused; a download that a kill -9 interrupts."""
import hashlib
import http.server
import os
import signal
import ssl
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from cloud import TOP, Cloud  # noqa: E402

OCTETS = {"Content-Type": "application/octet-stream"}
DATA = bytes(range(256)) * 8192  # 2 MiB, raw
FAILED = []


class Web(http.server.BaseHTTPRequestHandler):
    """/image: the data; /status/N; /to?URL redirects; /endless; /wait: begins, and ends when the test says so."""
    protocol_version = "HTTP/1.1"
    go_on, begun = threading.Event(), threading.Event()
    asked = []

    def do_GET(self):
        self.asked.append(self.path)
        if self.path == "/image":
            self.answer(200, DATA)
        elif self.path.startswith("/status/"):
            self.answer(int(self.path.rsplit("/", 1)[1]), b"not an image")
        elif self.path.startswith("/to?"):
            self.answer(302, b"", ("Location", self.path[4:]))
        elif self.path == "/qcow2":
            self.answer(200, b"QFI\xfb" + bytes(1000))
        elif self.path == "/endless":
            self.send_response(200)
            self.end_headers()
            try:
                while True:
                    self.wfile.write(DATA)
            except OSError:
                self.close_connection = True
        elif self.path == "/wait":
            self.send_response(200)
            self.send_header("Content-Length", str(len(DATA)))
            self.end_headers()
            try:
                self.wfile.write(DATA[:300000])
                self.begun.set()
                self.go_on.wait(120)
                self.wfile.write(DATA[300000:])
            except OSError:
                self.close_connection = True

    def answer(self, status, body, *headers):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


def web_server(directory):
    """A server on a free port of the loopback with a certificate for localhost; (port, file that vouches for it)."""
    cert, key = os.path.join(directory, "web.pem"), os.path.join(directory, "web.key")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", cert],
                   check=True, stderr=subprocess.DEVNULL)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Web)
    server.daemon_threads = True
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1], cert


def case(name, fn, *args):
    try:
        fn(*args)
        print("ok   " + name)
    except Exception as e:
        FAILED.append(name)
        print("FAIL %s: %s: %s" % (name, type(e).__name__, e))


def create(cloud, fmt="raw", **more):
    a = cloud.request("tenant", "POST", "/image/v2/images", {"name": "i", "disk_format": fmt, "container_format": "bare", **more})
    assert a.status == 201, a.body
    return a.json["id"], a


def show(cloud, image):
    return cloud.request("tenant", "GET", "/image/v2/images/" + image).json


def tasks(cloud, image):
    return cloud.request("tenant", "GET", "/image/v2/images/%s/tasks" % image).json["tasks"]


def ask(cloud, image, method, uri=None, who="tenant"):
    body = {"method": {"name": method, **({"uri": uri} if uri else {})}}
    return cloud.request(who, "POST", "/image/v2/images/%s/import" % image, body)


def ended(cloud, image):
    """The image's last task once it has ended; each question takes its time, so there is no sleep."""
    for _ in range(20000):
        t = tasks(cloud, image)[0]
        if t["status"] not in ("pending", "processing"):
            return t
    raise AssertionError("the import never ends: %s" % t)


def is_ours(cloud, image):
    i = show(cloud, image)
    assert i["status"] == "active" and i["size"] == len(DATA) and i["os_hash_value"] == hashlib.sha512(DATA).hexdigest(), i
    assert cloud.request("tenant", "GET", "/image/v2/images/%s/file" % image).body == DATA


def staged(cloud):
    image, a = create(cloud)
    assert a.headers["openstack-image-import-methods"] == "glance-direct,web-download"
    assert ask(cloud, image, "glance-direct").status == 409
    a = cloud.request("tenant", "PUT", "/image/v2/images/%s/stage" % image, DATA, OCTETS)
    assert a.status == 204, a.body
    assert show(cloud, image)["status"] == "uploading"
    assert cloud.request("tenant", "GET", "/image/v2/images/%s/file" % image).status in (204, 403, 404, 409)
    for path in ("stage", "file"):
        assert cloud.request("tenant", "PUT", "/image/v2/images/%s/%s" % (image, path), DATA, OCTETS).status == 409
    assert ask(cloud, image, "glance-direct", "https://localhost/").status == 400
    a = ask(cloud, image, "glance-direct")
    assert a.status == 202 and not a.body, a.body
    is_ours(cloud, image)
    assert ask(cloud, image, "glance-direct").status == 409
    t = tasks(cloud, image)
    assert [x["status"] for x in t] == ["success"], t
    assert cloud.request("tenant", "GET", "/image/v2/tasks/" + t[0]["id"]).json["input"]["import_req"]["method"]["name"] == "glance-direct"
    assert t[0]["id"] in [x["id"] for x in cloud.request("tenant", "GET", "/image/v2/tasks").json["tasks"]]
    assert cloud.request("other", "GET", "/image/v2/tasks/" + t[0]["id"]).status == 404
    assert not cloud.request("other", "GET", "/image/v2/tasks").json["tasks"]


def staged_wrong(cloud):
    image, _ = create(cloud, "qcow2")
    a = cloud.request("tenant", "PUT", "/image/v2/images/%s/stage" % image, DATA, OCTETS)
    assert a.status == 400, a.status
    assert show(cloud, image)["status"] == "queued"
    image, _ = create(cloud)
    assert cloud.request("tenant", "PUT", "/image/v2/images/%s/stage" % image, DATA, OCTETS).status == 204
    assert cloud.request("tenant", "DELETE", "/image/v2/images/" + image).status == 204
    for body in ({}, {"method": {}}, {"method": {"name": "copy-image"}}, {"method": {"name": "glance-direct"}, "x": 1},
                 {"method": {"name": "glance-direct"}, "stores": ["a"]}):
        image, _ = create(cloud)
        assert cloud.request("tenant", "POST", "/image/v2/images/%s/import" % image, body).status == 400, body
    assert ask(cloud, image, "glance-direct", who="other").status == 404


def staged_survives(cloud):
    image, _ = create(cloud)
    assert cloud.request("tenant", "PUT", "/image/v2/images/%s/stage" % image, DATA, OCTETS).status == 204
    restart(cloud)
    assert show(cloud, image)["status"] == "uploading"
    assert ask(cloud, image, "glance-direct").status == 202
    is_ours(cloud, image)


def download(cloud, port):
    assert cloud.request("tenant", "GET", "/image/v2/info/import").json["import-methods"]["value"] == ["glance-direct", "web-download"]
    image, _ = create(cloud)
    a = ask(cloud, image, "web-download", "https://localhost:%d/image" % port)
    assert a.status == 202, a.body
    t = ended(cloud, image)
    assert t["status"] == "success", t
    is_ours(cloud, image)


def refused(cloud, port):
    """At once, before anything is asked for."""
    for uri in ("http://localhost:%d/image" % port, "https://localhost/image", "https://127.0.0.2:%d/image" % port, "file:///etc/passwd",
                "https://user:pw@localhost:%d/image" % port, "https://example.org/image", "https://localhost.evil:%d/" % port,
                "gopher://localhost:%d/" % port, "https://localhost:%d@example.org/" % port, "nonsense", "https://"):
        image, _ = create(cloud)
        a = ask(cloud, image, "web-download", uri)
        assert a.status == 400, (uri, a.status)
        assert show(cloud, image)["status"] == "queued"
    assert ask(cloud, image, "web-download").status == 400


def fails(cloud, uri, why):
    image, _ = create(cloud)
    a = ask(cloud, image, "web-download", uri)
    assert a.status == 202, a.body
    t = ended(cloud, image)
    assert t["status"] == "failure" and why in t["message"], t
    assert show(cloud, image)["status"] == "queued"
    assert image not in " ".join(os.listdir(os.path.join(cloud.dir, "state/images")))


def wrong_answers(cloud, port):
    base = "https://localhost:%d" % port
    fails(cloud, base + "/status/404", "404")
    fails(cloud, base + "/status/500", "500")
    fails(cloud, base + "/to?" + base + "/image", "302")
    assert Web.asked[-1].startswith("/to?"), "a redirect was followed: %s" % Web.asked
    fails(cloud, base + "/qcow2", "")
    fails(cloud, "https://untrusted.test:%d/image" % port, "cannot be found")


def private(cloud, port):
    """127.0.0.1 is an allowed network; the other addresses of the machine and ::1 are not."""
    fails(cloud, "https://[::1]:%d/image" % port, "private or reserved")
    fails(cloud, "https://127.0.0.3:%d/image" % port, "private or reserved")
    fails(cloud, "https://169.254.169.254/latest/meta-data", "private or reserved")


def too_large(cloud, port):
    """The project's quota ends what does not end by itself."""
    fails(cloud, "https://localhost:%d/endless" % port, "larger")


def deleted_meanwhile(cloud, port):
    Web.go_on.clear()
    Web.begun.clear()
    image, _ = create(cloud)
    assert ask(cloud, image, "web-download", "https://localhost:%d/wait" % port).status == 202
    assert Web.begun.wait(60)
    assert show(cloud, image)["status"] == "importing"
    assert cloud.request("tenant", "DELETE", "/image/v2/images/" + image).status == 204  # waits for nobody
    Web.go_on.set()
    listed = os.path.join(cloud.dir, "state/images")
    for _ in range(20000):
        mine = [t for t in cloud.request("tenant", "GET", "/image/v2/tasks").json["tasks"] if t["image_id"] == image]
        if mine[0]["status"] == "failure":
            break
    for _ in range(20000):
        if not [f for f in os.listdir(listed) if f.startswith(image)]:
            return
        cloud.request("tenant", "GET", "/image/v2/tasks")
    raise AssertionError("left: %s" % os.listdir(listed))


def restart(cloud):
    os.kill(cloud.pid(), signal.SIGKILL)
    subprocess.run([os.path.join(TOP, "scripts/devcloud"), "restart", cloud.dir], check=True, stdout=subprocess.DEVNULL)


def killed(cloud, port):
    Web.go_on.clear()
    Web.begun.clear()
    image, _ = create(cloud)
    assert ask(cloud, image, "web-download", "https://localhost:%d/wait" % port).status == 202
    assert Web.begun.wait(60)
    Web.begun.clear()
    restart(cloud)
    assert Web.begun.wait(60), "it is not taken up again"
    Web.go_on.set()
    t = ended(cloud, image)
    assert t["status"] == "success", t
    is_ours(cloud, image)


def stopped(cloud, port):
    """SIGTERM while data come: it ends soon and in order, and the next start takes the download up again."""
    Web.go_on.clear()
    Web.begun.clear()
    image, _ = create(cloud)
    assert ask(cloud, image, "web-download", "https://localhost:%d/wait" % port).status == 202
    assert Web.begun.wait(60)
    Web.begun.clear()
    pid = cloud.pid()
    os.kill(pid, signal.SIGTERM)
    subprocess.run(["tail", "--pid=%d" % pid, "-f", "/dev/null"], timeout=60, check=True)
    with open(os.path.join(cloud.dir, "cloudd.log"), errors="replace") as f:
        log = f.read()
    assert "Sanitizer" not in log, log[log.index("Sanitizer") - 200:][:2000]
    subprocess.run([os.path.join(TOP, "scripts/devcloud"), "restart", cloud.dir], check=True, stdout=subprocess.DEVNULL)
    assert Web.begun.wait(60), "it is not taken up again"
    Web.go_on.set()
    t = ended(cloud, image)
    assert t["status"] == "success", t
    is_ours(cloud, image)


def off_by_default():
    with Cloud(hosts=1) as cloud:
        assert cloud.request("tenant", "GET", "/image/v2/info/import").json["import-methods"]["value"] == ["glance-direct"]
        image, a = create(cloud)
        assert a.headers["openstack-image-import-methods"] == "glance-direct"
        assert ask(cloud, image, "web-download", "https://localhost/image").status == 400


def main():
    with tempfile.TemporaryDirectory() as directory:
        port, cert = web_server(directory)
        hosts = "localhost:%d [::1]:%d 127.0.0.3:%d 169.254.169.254 untrusted.test:%d" % (port, port, port, port)
        with Cloud(hosts=1, settings=["images.import_hosts=" + hosts, "images.import_networks=127.0.0.1/32",
                                      "images.import_ca=" + cert]) as cloud:
            cloud.add_person("other", "member", "elsewhere")
            cloud.ctl("quota", "set", "demo", "image_mib=4000")
            case("staged, then imported", staged, cloud)
            case("what is staged is looked at; what cannot be imported", staged_wrong, cloud)
            case("staged data survive a kill -9", staged_survives, cloud)
            case("download", download, cloud, port)
            case("what may not be asked for", refused, cloud, port)
            case("answers that are no image", wrong_answers, cloud, port)
            case("private addresses", private, cloud, port)
            case("deleted while it comes", deleted_meanwhile, cloud, port)
            case("a download goes on after a kill -9", killed, cloud, port)
            case("a download goes on after a stop in order", stopped, cloud, port)
            cloud.ctl("quota", "set", "demo", "image_mib=30")
            case("larger than the quota", too_large, cloud, port)
    case("off unless hosts are listed", off_by_default)
    if FAILED:
        sys.exit("%d failed" % len(FAILED))


if __name__ == "__main__":
    main()
