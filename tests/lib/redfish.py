# SPDX-License-Identifier: Apache-2.0
"""A small Redfish service over HTTPS: systems by number, whose ForceOff and On call what the test says. It can go wrong in the ways
that service processors do."""
import base64
import http.server
import json
import ssl
import threading
import time


class Redfish:
    """fault: refuse, hang, lies (200, and stays On), redirect, huge, nonsense, late (PoweringOff until `release`); or None."""

    def __init__(self, cert, key, user, password, power):
        self.power, self.fault = power, None  # power(number, on): what the action does
        self.state, self.resets, self.reads, self.seen = {}, [], [], threading.Condition()
        self.release = threading.Event()
        self.basic = "Basic " + base64.b64encode(("%s:%s" % (user, password)).encode()).decode()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                outer.get(self)

            def do_POST(self):
                outer.post(self)

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None  # who does not trust us hangs up
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def url(self, number):
        return "https://localhost:%d/redfish/v1/Systems/%d" % (self.server.server_address[1], number)

    def stop(self):
        self.release.set()
        self.server.shutdown()
        self.server.server_close()

    def send(self, h, status, body, headers=()):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        h.send_response(status)
        for name, value in headers:
            h.send_header(name, value)
        h.send_header("Content-Length", str(len(data)))
        h.end_headers()
        h.wfile.write(data)

    def goes_wrong(self, h):
        """True: it was answered, or never will be."""
        if h.headers.get("Authorization") != self.basic:
            self.send(h, 401, {"error": "who?"})
        elif self.fault == "refuse":
            self.send(h, 503, {"error": "busy"})
        elif self.fault == "hang":
            self.release.wait(30)
            h.close_connection = True
        elif self.fault == "redirect":
            self.send(h, 302, b"", [("Location", self.url(99))])
        elif self.fault == "huge":
            self.send(h, 200, b'{"PowerState": "Off", "x": "' + b"x" * (1 << 20) + b'"}')
        elif self.fault == "nonsense":
            self.send(h, 200, b"<html>Off</html>")
        else:
            return False
        return True

    def note(self, kept, what):
        with self.seen:
            kept.append(what)
            self.seen.notify_all()

    def get(self, h):
        try:
            number = int(h.path.rsplit("/", 1)[1])
            self.note(self.reads, number)
            if self.goes_wrong(h):
                return
            state = self.state.get(number, "On")
            if state == "PoweringOff" and self.release.is_set():
                state = self.state[number] = "Off"
            self.send(h, 200, {"@odata.id": h.path, "PowerState": state, "Actions": {"#ComputerSystem.Reset": {
                "target": h.path + "/Actions/ComputerSystem.Reset"}}})
        except (OSError, ssl.SSLError):
            pass

    def post(self, h):
        try:
            number = int(h.path.split("/")[4])
            kind = json.loads(h.rfile.read(int(h.headers["Content-Length"])))["ResetType"]
            if self.goes_wrong(h):
                return
            if self.fault != "lies":
                self.power(number, kind == "On")
                self.state[number] = "On" if kind == "On" else "PoweringOff" if self.fault == "late" else "Off"
            self.note(self.resets, (number, kind))
            self.send(h, 204, b"")
        except (OSError, ssl.SSLError):
            pass

    def wait(self, holds, seconds=30):
        """Until what it was asked is as `holds` says."""
        with self.seen:
            end = time.monotonic() + seconds
            while not holds(self):
                assert self.seen.wait(end - time.monotonic()), ("nothing came", self.resets, self.reads)
