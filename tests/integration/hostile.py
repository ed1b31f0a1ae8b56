#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Clients that mean ill or are broken: connections that idle, heads and bodies that trickle, uploads that stop half-way, noise
on the TLS port, readers that do not read. Others are served meanwhile, memory stays bounded, and all of it is forgotten after.

Two daemons: a patient one, which ends nothing by time, so that what is counted and measured stays as it is while that takes; and a
hasty one, which may end anything at any moment, so that what it ends too soon, or a sender that comes too late, is as good."""
import contextlib
import http.client
import json
import os
import random
import socket
import ssl
import sys
import threading
import time
import warnings

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from cloud import Cloud  # noqa: E402

IDLE, SERVED = 2000, 20


def wait(holds, what, seconds=120):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "waited in vain for " + what
        time.sleep(0.05)


def rss_mib(cloud):
    with open("/proc/%d/status" % cloud.pid()) as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS:")) / 1024


def fds(cloud):
    return len(os.listdir("/proc/%d/fd" % cloud.pid()))


def plain(cloud):
    return socket.create_connection((cloud.url.hostname, cloud.url.port), timeout=120)


def insist(do, what):
    """What a hasty server may cut off under load, again until it comes through."""
    out = []

    def done():
        with contextlib.suppress(OSError, http.client.HTTPException):
            out.append(do())
        return out

    wait(done, what)
    return out[0]


def tls(cloud):
    return insist(lambda: cloud.ssl.wrap_socket(plain(cloud), server_hostname=cloud.url.hostname), "a handshake")


def say(s, data):
    """To a server that may have ended it already."""
    with contextlib.suppress(OSError):
        s.sendall(data)


def leave(socks):
    for s in socks:
        s.close()


class Others(threading.Thread):
    """A client like any other, all along: everything is answered."""

    def __init__(self, cloud):
        super().__init__(daemon=True)
        self.cloud = Cloud.__new__(Cloud)
        self.cloud.__dict__.update(cloud.__dict__, conn=None)
        self.slowest, self.n, self.error, self.over = 0.0, 0, None, threading.Event()

    def run(self):
        try:
            while not self.over.is_set():
                began = time.monotonic()
                a = insist(lambda: self.cloud.request("tenant", "GET", "/compute/v2.1/servers/detail"), "an answer")
                assert a.status == 200, (a.status, a.body)
                self.slowest = max(self.slowest, time.monotonic() - began)
                self.n += 1
                time.sleep(0.01)
        except Exception as e:
            self.error = e

    def served(self):
        """From now on, as things are."""
        before = self.n
        wait(lambda: self.error or self.n >= before + SERVED, "others to be served")
        assert not self.error, self.error


def all_closed(socks, what, seconds=120):
    """The server ends each of them."""
    end = time.monotonic() + seconds
    for s in socks:
        s.settimeout(max(0.1, end - time.monotonic()))
        try:
            while s.recv(65536):
                pass
        except (ConnectionError, ssl.SSLError):
            pass
        except TimeoutError as e:
            raise AssertionError("still open: " + what) from e
        s.close()


def many(cloud):
    """Connections that say nothing, before and after the handshake."""
    rested, start = fds(cloud), rss_mib(cloud)
    socks = [plain(cloud) for _ in range(IDLE)] + [tls(cloud) for _ in range(200)]
    wait(lambda: fds(cloud) >= rested + len(socks), "all to be accepted")
    cloud.others.served()
    grown = rss_mib(cloud) - start
    print("memory %.0f MiB, with %d idle connections %.0f more" % (start, len(socks), grown))
    # 44 KiB each as built for use, twice that with sanitizers
    assert grown * 1024 / len(socks) < 128, "idle connections take too much"
    leave(socks)


def idle(cloud):
    """The same, until the server has had enough of them."""
    all_closed([plain(cloud) for _ in range(500)] + [tls(cloud) for _ in range(50)], "connections that idle")


def trickle(cloud):
    """A byte of a head from time to time, and a body that comes too slowly."""
    heads = [tls(cloud) for _ in range(50)]
    bodies = [tls(cloud) for _ in range(20)]
    for s in bodies:
        say(s, b"POST /identity/v3/auth/tokens HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n{")
    text = b"GET /identity HTTP/1.1\r\nX-Slow: " + b"y" * 500
    at, open_ones = 0, list(heads + bodies)
    end = time.monotonic() + 120
    while open_ones:
        assert time.monotonic() < end, "slow senders are still there: %d" % len(open_ones)
        for s in list(open_ones):
            try:
                s.sendall(text[at % len(text):at % len(text) + 1])
                s.setblocking(False)
                if s.recv(4096) == b"":
                    raise ConnectionError
            except (ssl.SSLWantReadError, BlockingIOError):
                pass
            except OSError:
                open_ones.remove(s)
                s.close()
                continue
            s.setblocking(True)
        at += 1
        time.sleep(0.1)  # how slow they are


def half_close(s):
    with contextlib.suppress(OSError):
        s.shutdown(socket.SHUT_WR)


def noise(cloud):
    """Bytes that are no TLS, HTTP without TLS, TLS cut off half-way, and TLS around bytes that are no HTTP."""
    rng = random.Random(7)
    refused = 0
    for i in range(200):
        s = plain(cloud)
        say(s, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n" if i % 4 == 0 else rng.randbytes(rng.randrange(1, 3000)))
        if i % 3 == 0:
            half_close(s)
        all_closed([s], "noise on the TLS port")
    for i in range(100):
        s = tls(cloud)
        say(s, (rng.randbytes(rng.randrange(1, 2000)) if i % 2 else
                b"GET / HTTP/1.1\r\nHost: h\r\n" + b"A: " + rng.randbytes(20).hex().encode() + b"\x00\r\n") + b"\r\n\r\n")
        s.settimeout(120)
        try:
            answer = s.recv(65536)
        except OSError:
            answer = b""
        assert answer == b"" or answer.startswith(b"HTTP/1.1 4") or answer.startswith(b"HTTP/1.1 505"), answer[:200]
        refused += answer != b""
        s.close()
    assert refused, "nothing was answered"
    ctx = ssl.create_default_context()
    ctx.check_hostname, ctx.verify_mode = False, ssl.CERT_NONE
    ctx.maximum_version = ssl.TLSVersion.TLSv1_2
    insist(lambda: ctx.wrap_socket(plain(cloud)), "a handshake of TLS 1.2").close()
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    try:
        old.wrap_socket(plain(cloud))
    except (ssl.SSLError, OSError):
        return
    raise AssertionError("TLS 1.1 was taken")


def uploads(cloud):
    """Images whose upload stops: the sender leaves, half-closes, or lies about the length. The image can be uploaded after."""
    images = []
    for i in range(12):
        a = cloud.request("tenant", "POST", "/image/v2/images", {"name": "cut%d" % i, "disk_format": "raw", "container_format": "bare"})
        assert a.status == 201, a.body
        images.append(a.json["id"])
    socks = []
    for i, image in enumerate(images):
        s = tls(cloud)
        say(s, ("PUT /image/v2/images/%s/file HTTP/1.1\r\nHost: h\r\nX-Auth-Token: %s\r\nContent-Type: application/octet-stream\r\n"
                "%s\r\n\r\n" % (image, cloud.token("tenant"), "Content-Length: 50000000" if i % 2 else
                                "Transfer-Encoding: chunked")).encode())
        say(s, b"x" * 1000000 if i % 2 else b"100000\r\n" + b"x" * 0x80000)
        if i % 3 == 0:
            s.close()
        elif i % 3 == 1:
            half_close(s)
            socks.append(s)
        else:
            socks.append(s)  # says no more: the rate's lower bound ends it
    all_closed(socks, "uploads that stopped")
    for image in images:
        wait(lambda: cloud.request("tenant", "GET", "/image/v2/images/" + image).json["status"] == "queued", "the image to be queued again")
    upload(cloud, images[0], b"y" * 65536)
    for image in images:
        assert cloud.request("tenant", "DELETE", "/image/v2/images/" + image).status == 204
    wait(lambda: len(os.listdir(os.path.join(cloud.dir, "state/images"))) == 1, "the parts of files to go")


def upload(cloud, image, data):
    """All of it, in as many tries as a server takes that may find it too slow."""
    def put():
        try:
            a = cloud.request("tenant", "PUT", "/image/v2/images/%s/file" % image, data, {"Content-Type": "application/octet-stream"})
        except (OSError, http.client.HTTPException):
            return False
        assert a.status in (204, 408, 409), (a.status, a.body)
        return a.status == 204 or active()

    def active():
        return cloud.request("tenant", "GET", "/image/v2/images/" + image).json["status"] == "active"

    wait(put, "an upload")


def readers(cloud, image, n):
    """Ask for a large image and read nothing; pipeline thousands of requests and read nothing."""
    socks = []
    for i in range(n):
        s = tls(cloud)
        say(s, ("GET /image/v2/images/%s/file HTTP/1.1\r\nHost: h\r\nX-Auth-Token: %s\r\n\r\n" % (image, cloud.token("tenant"))).encode())
        socks.append(s)
    for i in range(n):
        s = tls(cloud)
        s.settimeout(2)  # it does not take more than it can answer
        one = ("GET /compute/v2.1/flavors/detail HTTP/1.1\r\nHost: h\r\nX-Auth-Token: %s\r\n\r\n" % cloud.token("tenant")).encode()
        say(s, one * 2000)
        socks.append(s)
    return socks


def big_image(cloud):
    a = cloud.request("tenant", "POST", "/image/v2/images", {"name": "big", "disk_format": "raw", "container_format": "bare"})
    assert a.status == 201, a.body
    upload(cloud, a.json["id"], bytes(64 << 20))
    return a.json["id"]


def unread(cloud):
    """What nobody reads is not kept in memory."""
    image, before = big_image(cloud), rss_mib(cloud)
    socks = readers(cloud, image, 20)
    cloud.others.served()
    grown = rss_mib(cloud) - before
    print("%d readers that do not read: %.0f MiB more" % (len(socks), grown))
    # they asked for 1.3 GB and more
    assert grown < 256, "memory grows with what is not read: %.0f MiB" % grown
    leave(socks)
    assert cloud.request("tenant", "DELETE", "/image/v2/images/" + image).status == 204


def no_reader(cloud):
    """They are cut off."""
    image = big_image(cloud)
    all_closed(readers(cloud, image, 5), "readers that do not read")
    assert cloud.request("tenant", "DELETE", "/image/v2/images/" + image).status == 204


def large(cloud):
    """Bodies, heads and URLs over the limits, deep and wide JSON."""
    token = {"Content-Type": "application/json"}
    for body, want in ((b"[" * 500000, 400), (b'{"a":' * 100000, 400), (b'{"server": {"name": "' + b"x" * 900000 + b'"}}', 400),
                       (b"x" * 2000000, 413), (b'{"server": ' + b'{"a": 1, "b": [' + b"1," * 400000 + b"1]}}", 400)):
        a = insist(lambda: cloud.request("tenant", "POST", "/compute/v2.1/servers", body, token), "an answer to a large body")
        assert a.status == want, (a.status, want, a.body[:200])
    assert cloud.request("tenant", "GET", "/compute/v2.1/servers?name=" + "x" * 20000).status == 414
    assert cloud.request("tenant", "GET", "/compute/v2.1/servers", headers={"X-Long": "y" * 60000}).status == 431


def face(tests, settings):
    """A daemon with these settings."""
    with Cloud(hosts=1, settings=["api.connections_max=4096", *settings]) as cloud:
        cloud.token("tenant")
        cloud.others = Others(cloud)
        cloud.others.start()
        cloud.others.served()
        rested = fds(cloud)
        for test in tests:
            began = time.monotonic()
            test(cloud)
            cloud.others.served()
            wait(lambda: fds(cloud) <= rested + 5, "descriptors to be given back")
            print("ok %s (%.1f s)" % (test.__name__, time.monotonic() - began))
            sys.stdout.flush()
        cloud.others.over.set()
        cloud.others.join()
        print("%d requests of others, the slowest %.2f s" % (cloud.others.n, cloud.others.slowest))
        assert json.loads(cloud.ctl("check", "-o", "json"))["check"]["ok"]


def main():
    # what a sanitized daemon keeps of all that it freed would be counted, too
    os.environ["ASAN_OPTIONS"] = ":".join(filter(None, [os.environ.get("ASAN_OPTIONS"), "quarantine_size_mb=8"]))
    hour = 3600000
    face((many, unread, large), ["api.header_timeout_ms=600000", "api.idle_timeout_ms=%d" % hour, "api.body_timeout_ms=%d" % hour])
    face((idle, trickle, noise, uploads, no_reader),
         ["api.header_timeout_ms=2000", "api.idle_timeout_ms=3000", "api.body_timeout_ms=2000"])


if __name__ == "__main__":
    main()
