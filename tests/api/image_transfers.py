#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Image data over TLS against the daemon: large, chunked, slow, refused half-way, cut off by the peer, by SIGKILL and by SIGTERM;
and with the openstack client. Prints how much memory a large upload and download took."""
import hashlib
import http.client
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from cloud import Cloud  # noqa: E402

MIB = 1 << 20
LARGE = int(os.environ.get("CLOUDD_TEST_IMAGE_MIB", "256")) * MIB
OCTETS = {"Content-Type": "application/octet-stream"}


def pieces(total, start=b"", size=64 * 1024):
    """Bytes without repetition, cheaply."""
    done, n = 0, 0
    while done < total:
        block = (start if not done else b"") + hashlib.sha256(b"%d" % n).digest() * (size // 32)
        block = block[:min(size, total - done)]
        yield block
        done, n = done + len(block), n + 1


class Test:
    def __init__(self, cloud):
        self.cloud, self.count, self.failed = cloud, 0, 0

    def case(self, name, fn):
        self.count += 1
        try:
            note = fn()
            print("ok   %s%s" % (name, ": " + note if note else ""))
        except Exception as e:
            self.failed += 1
            print("FAIL %s: %s: %s" % (name, type(e).__name__, e))

    # --- helpers

    def create(self, name="i", fmt="raw", who="tenant"):
        a = self.cloud.request(who, "POST", "/image/v2/images", {"name": name, "disk_format": fmt, "container_format": "bare"})
        assert a.status == 201, a.body
        return a.json["id"]

    def show(self, image):
        a = self.cloud.request("tenant", "GET", "/image/v2/images/" + image)
        assert a.status == 200, a.body
        return a.json

    def until(self, image, status):
        """Asks until the image has the status; each question takes its time, so there is no sleep."""
        for _ in range(3000):
            if self.show(image)["status"] == status:
                return
        raise AssertionError("image is %s, not %s" % (self.show(image)["status"], status))

    def open(self, image, length=None):
        """A connection with the head of an upload sent."""
        c = http.client.HTTPSConnection(self.cloud.url.hostname, self.cloud.url.port, context=self.cloud.ssl, timeout=120)
        c.putrequest("PUT", "/image/v2/images/%s/file" % image)
        c.putheader("X-Auth-Token", self.cloud.token("tenant"))
        c.putheader("Content-Type", "application/octet-stream")
        if length is None:
            c.putheader("Transfer-Encoding", "chunked")
        else:
            c.putheader("Content-Length", str(length))
        c.endheaders()
        return c

    @staticmethod
    def chunk(c, data):
        c.send(b"%x\r\n%s\r\n" % (len(data), data))

    def files(self):
        return sorted(os.listdir(os.path.join(self.cloud.dir, "state/images")))

    def memory(self, key="VmHWM"):
        with open("/proc/%d/status" % self.cloud.pid()) as f:
            return int(re.search(key + r":\s+(\d+)", f.read())[1])

    def sanitized(self):
        with open("/proc/%d/maps" % self.cloud.pid()) as f:
            return "libasan" in f.read()

    def expect_fresh(self, image):
        """Queued, nothing left, and a second try works."""
        assert self.show(image)["status"] == "queued"
        assert not [f for f in self.files() if f.startswith(image)], self.files()
        a = self.cloud.request("tenant", "PUT", "/image/v2/images/%s/file" % image, b"second try", OCTETS)
        assert a.status == 204, a.body
        assert self.show(image)["checksum"] == hashlib.md5(b"second try").hexdigest()

    # --- cases

    def large(self):
        image = self.create("large")
        self.cloud.request("tenant", "GET", "/image/v2/images")
        before = self.memory()
        c, md5, sha = self.open(image, LARGE), hashlib.md5(), hashlib.sha512()
        for p in pieces(LARGE):
            c.send(p)
            md5.update(p)
            sha.update(p)
        assert c.getresponse().status == 204
        i = self.show(image)
        assert (i["status"], i["size"], i["virtual_size"]) == ("active", LARGE, LARGE), i
        assert (i["checksum"], i["os_hash_value"]) == (md5.hexdigest(), sha.hexdigest()), i
        uploaded = self.memory()
        c = http.client.HTTPSConnection(self.cloud.url.hostname, self.cloud.url.port, context=self.cloud.ssl, timeout=120)
        c.request("GET", "/image/v2/images/%s/file" % image, headers={"X-Auth-Token": self.cloud.token("tenant")})
        r, again = c.getresponse(), hashlib.md5()
        while data := r.read(MIB):
            again.update(data)
        assert again.hexdigest() == md5.hexdigest() == r.headers["Content-MD5"]
        after = self.memory()
        # AddressSanitizer keeps what was freed for a while
        assert self.sanitized() or after - before < 16 * 1024, "peak memory grew from %d to %d KiB" % (before, after)
        return "%d MiB, peak memory %d KiB before, %d after the upload, %d after the download" % (LARGE // MIB, before, uploaded, after)

    def chunked(self):
        image = self.create("chunked")
        c, md5 = self.open(image), hashlib.md5()
        for n in (1, 1000, 65536, 70000, 3, 300000):
            data = os.urandom(n)
            md5.update(data)
            self.chunk(c, data)
        c.send(b"0\r\n\r\n")
        assert c.getresponse().status == 204
        assert self.show(image)["checksum"] == md5.hexdigest()

    def concurrent(self):
        image = self.create("concurrent")
        first = self.open(image, 100000)
        first.send(b"a" * 50000)
        self.until(image, "saving")
        second = self.open(image, 100000)
        r = second.getresponse()
        assert r.status == 409, r.status
        first.send(b"b" * 50000)
        assert first.getresponse().status == 204
        assert self.show(image)["checksum"] == hashlib.md5(b"a" * 50000 + b"b" * 50000).hexdigest()

    def refused_early(self):
        image = self.create("lie", "raw")
        c = self.open(image, 1 << 30)
        c.send(b"QFI\xfb" + b"\0" * 65536)
        r = c.getresponse()  # with a GiB still to come
        assert r.status == 400 and b"qcow2" in r.read(), r.status
        self.expect_fresh(image)

    def too_large(self):
        image = self.create("too large")
        r = self.open(image, (1 << 30) + 1).getresponse()
        assert r.status == 413, r.status
        self.expect_fresh(image)

    def peer_leaves(self):
        image = self.create("left")
        c = self.open(image, 100 * MIB)
        for p in pieces(3 * MIB):
            c.send(p)
        self.until(image, "saving")
        c.close()
        self.until(image, "queued")
        self.expect_fresh(image)

    def deleted_meanwhile(self):
        image = self.create("deleted")
        c = self.open(image)
        self.chunk(c, b"x" * 300000)
        self.until(image, "saving")
        assert self.cloud.request("tenant", "DELETE", "/image/v2/images/" + image).status == 204
        c.send(b"0\r\n\r\n")
        assert c.getresponse().status == 404
        assert not [f for f in self.files() if f.startswith(image)]

    def reader_leaves(self):
        image = self.create("read")
        c = self.open(image, 20 * MIB)
        for p in pieces(20 * MIB):
            c.send(p)
        assert c.getresponse().status == 204
        for _ in range(3):
            c = http.client.HTTPSConnection(self.cloud.url.hostname, self.cloud.url.port, context=self.cloud.ssl, timeout=120)
            c.request("GET", "/image/v2/images/%s/file" % image, headers={"X-Auth-Token": self.cloud.token("tenant")})
            c.getresponse().read(1000)
            c.close()
        assert self.show(image)["status"] == "active"

    def ended(self, number):
        image = self.create("ended by %d" % number)
        kept = self.create("kept")
        assert self.cloud.request("tenant", "PUT", "/image/v2/images/%s/file" % kept, b"kept", OCTETS).status == 204
        c = self.open(image, 100 * MIB)
        for p in pieces(3 * MIB):
            c.send(p)
        self.until(image, "saving")
        os.kill(self.cloud.pid(), number)
        if number == signal.SIGTERM:
            c.close()  # else it is waited for, as long as a stop may take
        self.cloud.conn = None
        self.cloud.devcloud("restart", self.cloud.dir)
        self.until(image, "queued")  # by the first commit after the start
        self.expect_fresh(image)
        a = self.cloud.request("tenant", "GET", "/image/v2/images/%s/file" % kept)
        assert a.body == b"kept", a.body

    def client(self):
        if not shutil.which("openstack"):
            return "skipped, there is no openstack client"
        with tempfile.TemporaryDirectory() as tmp:
            source, back = os.path.join(tmp, "a.qcow2"), os.path.join(tmp, "b.qcow2")
            subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", source, "3G"], check=True)
            env = dict(os.environ, **self.cloud.env["tenant"])

            def openstack(*args):
                r = subprocess.run(["openstack", "image", *args], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True)
                assert r.returncode == 0, r.stdout
                return r.stdout

            openstack("create", "--file", source, "--disk-format", "qcow2", "--container-format", "bare", "--property", "os_distro=x", "by client")
            openstack("set", "--property", "hw_disk_bus=scsi", "--tag", "t", "--min-disk", "3", "by client")
            shown = openstack("show", "by client", "-f", "json")
            for part in ('"virtual_size": 3221225472', '"hw_disk_bus": "scsi"', '"min_disk": 3', '"status": "active"'):
                assert part in shown, shown
            assert "by client" in openstack("list", "--tag", "t")
            openstack("save", "--file", back, "by client")
            with open(source, "rb") as a, open(back, "rb") as b:
                assert a.read() == b.read()
            openstack("delete", "by client")
            assert "by client" not in openstack("list")


def main():
    with Cloud(hosts=1, settings=["api.image_max_gib=1"]) as cloud:
        t = Test(cloud)
        t.case("a large image, in bounded memory", t.large)
        t.case("chunks of any size", t.chunked)
        t.case("two uploads at once: the second is refused", t.concurrent)
        t.case("an image that lies is refused by its first bytes", t.refused_early)
        t.case("too large is said before it comes", t.too_large)
        t.case("the peer leaves in the midst of an upload", t.peer_leaves)
        t.case("deleted in the midst of an upload", t.deleted_meanwhile)
        t.case("the peer leaves in the midst of a download", t.reader_leaves)
        t.case("kill -9 in the midst of an upload", lambda: t.ended(signal.SIGKILL))
        t.case("SIGTERM in the midst of an upload", lambda: t.ended(signal.SIGTERM))
        t.case("the openstack client", t.client)
        if t.failed:
            cloud.show_log()
    print("%d cases, %d failed" % (t.count, t.failed))
    return 1 if t.failed else 0


if __name__ == "__main__":
    sys.exit(main())
