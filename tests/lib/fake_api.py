# SPDX-License-Identifier: Apache-2.0
"""An HTTP server on a unix socket that answers from a script and writes down what it was asked.

fake_api.py SOCKET ANSWERS LOG   ANSWERS: lines "METHOD PATH STATUS BODY"; the first unused line that matches answers, the last
one that matches answers again and again. LOG: a line "METHOD PATH BODY" for each request. Prints "ready" when it listens."""
import http.server, json, os, socketserver, sys

path, answers_path, log_path = sys.argv[1:4]
used = set()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        n = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(n).decode()
        with open(log_path, "a") as log:
            log.write(f"{self.command} {self.path} {body}".rstrip() + "\n")
        status, text, match = 404, json.dumps({"error": {"code": 404, "title": "Not Found", "message": "no such thing"}}), None
        with open(answers_path) as f:
            for i, line in enumerate(f):
                method, url, code, *rest = line.rstrip("\n").split(" ", 3)
                if (method, url) != (self.command, self.path):
                    continue
                if match is None or i not in used and match in used:
                    match, status, text = i, int(code), rest[0] if rest else ""
        used.add(match)
        data = b"" if status == 204 else text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        if status != 204:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if data:
            self.wfile.write(data)

    do_GET = do_PATCH = do_POST = do_PUT = do_DELETE = answer

    def address_string(self):
        return "socket"

    def log_message(self, *args):
        pass


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


with Server(path, Handler) as server:
    print("ready", flush=True)
    server.serve_forever()
