# SPDX-License-Identifier: Apache-2.0
"""A small WebSocket client (RFC 6455) for tests, on ssl and nothing else."""
import base64
import hashlib
import os
import socket
import struct
import urllib.parse

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class Refused(Exception):
    def __init__(self, status, body):
        super().__init__("%d %s" % (status, body[:200]))
        self.status, self.body = status, body


class WebSocket:
    def __init__(self, url, context, protocol="binary", headers=None, timeout=60):
        u = urllib.parse.urlsplit(url)
        assert u.scheme == "wss", url
        raw = socket.create_connection((u.hostname, u.port), timeout=timeout)
        self.sock = context.wrap_socket(raw, server_hostname=u.hostname)
        self.buf = b""
        key = base64.b64encode(os.urandom(16)).decode()
        h = {"Host": u.netloc, "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Key": key,
             "Sec-WebSocket-Version": "13"}
        if protocol:
            h["Sec-WebSocket-Protocol"] = protocol
        h.update(headers or {})
        path = u.path + ("?" + u.query if u.query else "")
        self.sock.sendall(("GET %s HTTP/1.1\r\n%s\r\n\r\n" % (path, "\r\n".join("%s: %s" % i for i in h.items()))).encode())
        while b"\r\n\r\n" not in self.buf:
            self.fill()
        head, _, self.buf = self.buf.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        self.headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:])}
        status = int(lines[0].split()[1])
        if status != 101:
            length = int(self.headers.get("content-length", 0))
            while len(self.buf) < length:
                self.fill()
            raise Refused(status, self.buf.decode())
        assert self.headers["sec-websocket-accept"] == base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()
        self.closed = None  # (code, reason), once the server has said goodbye

    def fill(self):
        data = self.sock.recv(65536)
        if not data:
            raise EOFError("the connection ended")
        self.buf += data

    def send(self, data, opcode=BINARY):
        data = data.encode() if isinstance(data, str) else data
        mask = os.urandom(4)
        n = len(data)
        head = bytes([0x80 | opcode]) + (bytes([0x80 | n]) if n < 126 else bytes([0xfe]) + struct.pack(">H", n) if n < 65536 else
                                         bytes([0xff]) + struct.pack(">Q", n))
        self.sock.sendall(head + mask + bytes(b ^ mask[i & 3] for i, b in enumerate(data)))

    def frame(self):
        """(opcode, payload) of the next frame; the server never sends fragments."""
        need = 2
        while True:
            if len(self.buf) >= 2:
                n = self.buf[1]
                assert n < 0x80, "a masked frame from a server"
                need = 2 if n < 126 else 4 if n == 126 else 10
                if len(self.buf) >= need:
                    n = n if n < 126 else int.from_bytes(self.buf[2:need], "big")
                    if len(self.buf) >= need + n:
                        break
            self.fill()
        opcode, data = self.buf[0] & 15, self.buf[need:need + n]
        self.buf = self.buf[need + n:]
        return opcode, data

    def recv(self):
        """The next message's bytes; None after the server's goodbye."""
        while True:
            opcode, data = self.frame()
            if opcode in (TEXT, BINARY):
                return data
            if opcode == PING:
                self.send(data, PONG)
            if opcode == CLOSE:
                self.closed = (int.from_bytes(data[:2], "big") if data else 1005, data[2:].decode())
                return None

    def read_until(self, what):
        """All that came up to and with `what`."""
        got = b""
        while what not in got:
            data = self.recv()
            if data is None:
                raise EOFError("closed with %r before %r; got %r" % (self.closed, what, got))
            got += data
        return got

    def close(self, code=1000):
        try:
            self.send(struct.pack(">H", code), CLOSE)
        except OSError:
            pass
        self.sock.close()
