#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Clients that mean ill or are broken: connections that idle, heads and bodies that trickle, uploads that stop half-way, noise
on the TLS port, readers that do not read. Others are served meanwhile, memory stays bounded, and all of it is forgotten after."""
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

IDLE = 2000


def wait(holds, what, seconds=60):
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
    return socket.create_connection((cloud.url.hostname, cloud.url.port), timeout=60)


def tls(cloud):
    return cloud.ssl.wrap_socket(plain(cloud), server_hostname=cloud.url.hostname)


class Others(threading.Thread):
    """A client like any other, all along: everything is answered, and in good time."""

    def __init__(self, cloud):
        super().__init__(daemon=True)
        self.cloud, self.slowest, self.n, self.error, self.over = cloud, 0.0, 0, None, threading.Event()

    def run(self):
        try:
            while not self.over.is_set():
                began = time.monotonic()
                a = self.cloud.request("tenant", "GET", "/compute/v2.1/servers/detail")
                assert a.status == 200, (a.status, a.body)
                self.slowest = max(self.slowest, time.monotonic() - began)
                self.n += 1
                time.sleep(0.01)
        except Exception as e:
            self.error = e


def all_closed(socks, what, seconds=60):
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


def idle(cloud):
    """Connections that say nothing, before and after the handshake."""
    socks = [plain(cloud) for _ in range(IDLE)]
    socks += [tls(cloud) for _ in range(200)]
    wait(lambda: fds(cloud) > IDLE + 200, "all to be accepted")
    cloud.rss_idle = rss_mib(cloud)
    all_closed(socks, "connections that idle")


def trickle(cloud):
    """A byte of a head from time to time, and a body that comes too slowly."""
    heads = [tls(cloud) for _ in range(50)]
    bodies = [tls(cloud) for _ in range(20)]
    for s in bodies:
        s.sendall(b"POST /identity/v3/auth/tokens HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n{")
    text = b"GET /identity HTTP/1.1\r\nX-Slow: " + b"y" * 500
    at, open_ones = 0, list(heads + bodies)
    end = time.monotonic() + 60
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
        time.sleep(0.1)


def noise(cloud):
    """Bytes that are no TLS, HTTP without TLS, TLS cut off half-way, and TLS around bytes that are no HTTP."""
    rng = random.Random(7)
    refused = 0
    for i in range(200):
        s = plain(cloud)
        s.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n" if i % 4 == 0 else rng.randbytes(rng.randrange(1, 3000)))
        if i % 3 == 0:
            s.shutdown(socket.SHUT_WR)
        all_closed([s], "noise on the TLS port")
    for i in range(100):
        s = tls(cloud)
        s.sendall((rng.randbytes(rng.randrange(1, 2000)) if i % 2 else
                   b"GET / HTTP/1.1\r\nHost: h\r\n" + b"A: " + rng.randbytes(20).hex().encode() + b"\x00\r\n") + b"\r\n\r\n")
        s.settimeout(60)
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
    ctx.wrap_socket(plain(cloud)).close()
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
        s.sendall(("PUT /image/v2/images/%s/file HTTP/1.1\r\nHost: h\r\nX-Auth-Token: %s\r\nContent-Type: application/octet-stream\r\n"
                   "%s\r\n\r\n" % (image, cloud.token("tenant"), "Content-Length: 50000000" if i % 2 else
                                   "Transfer-Encoding: chunked")).encode())
        s.sendall(b"x" * 1000000 if i % 2 else b"100000\r\n" + b"x" * 0x80000)
        if i % 3 == 0:
            s.close()
        elif i % 3 == 1:
            s.shutdown(socket.SHUT_WR)
            socks.append(s)
        else:
            socks.append(s)  # says no more: the rate's lower bound ends it
    all_closed(socks, "uploads that stopped")
    for image in images:
        wait(lambda: cloud.request("tenant", "GET", "/image/v2/images/" + image).json["status"] == "queued", "the image to be queued again")
    a = cloud.request("tenant", "PUT", "/image/v2/images/%s/file" % images[0], b"y" * 65536, {"Content-Type": "application/octet-stream"})
    assert a.status == 204, a.body
    for image in images:
        assert cloud.request("tenant", "DELETE", "/image/v2/images/" + image).status == 204
    wait(lambda: len(os.listdir(os.path.join(cloud.dir, "state/images"))) == 1, "the parts of files to go")


def no_reader(cloud):
    """Asks for a large image again and again and reads nothing; pipelines thousands of requests and reads nothing."""
    a = cloud.request("tenant", "POST", "/image/v2/images", {"name": "big", "disk_format": "raw", "container_format": "bare"})
    image = a.json["id"]
    assert cloud.request("tenant", "PUT", "/image/v2/images/%s/file" % image, bytes(64 << 20),
                         {"Content-Type": "application/octet-stream"}).status == 204
    before = rss_mib(cloud)
    socks = []
    for i in range(20):
        s = tls(cloud)
        s.sendall(("GET /image/v2/images/%s/file HTTP/1.1\r\nHost: h\r\nX-Auth-Token: %s\r\n\r\n" % (image, cloud.token("tenant"))).encode())
        socks.append(s)
    for i in range(20):
        s = tls(cloud)
        s.settimeout(2)
        one = ("GET /compute/v2.1/flavors/detail HTTP/1.1\r\nHost: h\r\nX-Auth-Token: %s\r\n\r\n" % cloud.token("tenant")).encode()
        try:
            s.sendall(one * 2000)
        except (TimeoutError, ssl.SSLError):
            pass  # it does not take more than it can answer
        socks.append(s)
    grown = rss_mib(cloud) - before
    print("40 readers that do not read: %.0f MiB more" % grown)
    # they asked for 1.3 GB and more; a sanitized daemon keeps what it freed for a while
    assert grown < 256, "memory grows with what is not read: %.0f MiB" % grown
    all_closed(socks, "readers that do not read")
    assert cloud.request("tenant", "DELETE", "/image/v2/images/" + image).status == 204


def large(cloud):
    """Bodies, heads and URLs over the limits, deep and wide JSON."""
    token = {"Content-Type": "application/json"}
    for body, want in ((b"[" * 500000, 400), (b'{"a":' * 100000, 400), (b'{"server": {"name": "' + b"x" * 900000 + b'"}}', 400),
                       (b"x" * 2000000, 413), (b'{"server": ' + b'{"a": 1, "b": [' + b"1," * 400000 + b"1]}}", 400)):
        a = cloud.request("tenant", "POST", "/compute/v2.1/servers", body, token)
        assert a.status == want, (a.status, want, a.body[:200])
    assert cloud.request("tenant", "GET", "/compute/v2.1/servers?name=" + "x" * 20000).status == 414
    assert cloud.request("tenant", "GET", "/compute/v2.1/servers", headers={"X-Long": "y" * 60000}).status == 431


def main():
    settings = ["api.header_timeout_ms=2000", "api.idle_timeout_ms=3000", "api.body_timeout_ms=2000", "api.connections_max=4096"]
    with Cloud(hosts=1, settings=settings) as cloud:
        cloud.token("tenant")
        client = Cloud.__new__(Cloud)
        client.__dict__.update(cloud.__dict__, conn=None)
        others = Others(client)
        others.start()
        start, rested = rss_mib(cloud), fds(cloud)
        for test in (idle, trickle, noise, uploads, no_reader, large):
            began = time.monotonic()
            test(cloud)
            print("ok %s (%.1f s)" % (test.__name__, time.monotonic() - began))
            sys.stdout.flush()
            assert not others.error, others.error
        print("memory %.0f MiB, with %d idle connections %.0f, at the end %.0f" % (start, IDLE, cloud.rss_idle, rss_mib(cloud)))
        print("%d requests of others, the slowest %.2f s" % (others.n, others.slowest))
        assert others.n > 100 and others.slowest < 5, "others were held up"
        # 44 KiB each as built for use, twice that with sanitizers
        assert (cloud.rss_idle - start) * 1024 / (IDLE + 200) < 128, "idle connections take too much"
        wait(lambda: fds(cloud) <= rested + 5, "descriptors to be given back")
        others.over.set()
        others.join()
        assert json.loads(cloud.ctl("check", "-o", "json"))["check"]["ok"]


if __name__ == "__main__":
    main()
