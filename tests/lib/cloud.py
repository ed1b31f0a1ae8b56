# SPDX-License-Identifier: Apache-2.0
"""A cloud for tests: starts one with scripts/devcloud, signs in the people that tests need, and speaks HTTP to it."""
import http.client
import json
import os
import shlex
import shutil
import sqlite3
import ssl
import subprocess
import tempfile
import urllib.parse

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("CLOUDD_BUILD", os.path.join(TOP, "build"))


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body) if self.body else None


def ended(pid):
    """A killed process's first thread may be gone (Z) while the others still hold its files and locks."""
    try:
        with open("/proc/%d/stat" % pid) as f:
            state = f.read().split()[2]
        return state == "Z" and len(os.listdir("/proc/%d/task" % pid)) == 1
    except OSError:
        return True


class Cloud:
    """with Cloud() as c: c.request("tenant", "GET", "/compute/v2.1/servers")"""

    def __init__(self, driver="sim", hosts=2, settings=(), options=()):
        self.dir = tempfile.mkdtemp(prefix="cloudd-test-")
        self.driver, self.hosts, self.settings, self.options = driver, hosts, settings, options
        self.tokens, self.people = {}, {}
        self.conn = None
        self.writes = {}  # by request id: who, method, path, status

    def devcloud(self, *args):
        subprocess.run([os.path.join(TOP, "scripts/devcloud"), *args], check=True, stdout=subprocess.DEVNULL)

    def __enter__(self):
        args = ["up", self.dir, "--driver", self.driver, "--hosts", str(self.hosts), "--build", BUILD, *self.options]
        for s in self.settings:
            args += ["--set", s]
        try:
            self.devcloud(*args)
        except subprocess.CalledProcessError:
            self.show_log()
            raise
        self.env = {who: self.read_rc(rc) for who, rc in (("admin", "openrc"), ("tenant", "tenantrc"))}
        self.url = urllib.parse.urlsplit(self.env["admin"]["OS_AUTH_URL"])
        self.ssl = ssl.create_default_context(cafile=self.env["admin"]["OS_CACERT"])
        for who, env in self.env.items():
            self.people[who] = (env["OS_USERNAME"], env["OS_PASSWORD"], env["OS_PROJECT_NAME"])
        return self

    def __exit__(self, kind, failure, _):
        if self.conn:
            self.conn.close()
        if kind is not None and kind is not KeyboardInterrupt:
            print("--- failed: %s: %s" % (kind.__name__, str(failure)[:600]))
            self.show_log()
        unrecorded = self.check_audit() if kind is None else []
        if os.path.exists(os.path.join(self.dir, "devcloud.env")):
            self.devcloud("down", self.dir)
        else:
            shutil.rmtree(self.dir, ignore_errors=True)
        assert not unrecorded, "\n".join(unrecorded)

    def check_audit(self):
        """Every write that was answered, done or refused, has one audit record. Those of nobody are tallied when there are many,
        and a reply that is given again did nothing again."""
        path = os.path.join(self.dir, "state/cloudd.db")
        if not self.writes or not os.path.exists(path):
            return []
        db = sqlite3.connect("file:%s?mode=ro" % path, uri=True)
        rows = dict(db.execute("SELECT request_id, count(*) FROM audit WHERE method != '-' GROUP BY request_id"))
        db.close()
        return ["%d audit records of %s %s by %s: status %d" % (rows.get(i, 0), w[1], w[2], w[0], w[3]) for i, w in self.writes.items()
                if rows.get(i, 0) != 1 and (rows.get(i) or (w[0] or w[3] < 400))][:20]

    def show_log(self):
        path = os.path.join(self.dir, "cloudd.log")
        if os.path.exists(path):
            with open(path, errors="replace") as f:
                print("--- the daemon's last lines\n" + "".join(line.rstrip()[:240] + "\n" for line in f.readlines()[-25:]))

    def read_rc(self, name):
        env = {}
        with open(os.path.join(self.dir, name)) as f:
            for line in f:
                for word in shlex.split(line.removeprefix("export ")):
                    key, _, value = word.partition("=")
                    env[key] = value
        return env

    def pid(self):
        with open(os.path.join(self.dir, "cloudd.pid")) as f:
            return int(f.read())

    def host(self, verb, i, *command):
        """What befalls real host i (see scripts/devcloud); the output of exec."""
        cmd = [os.path.join(TOP, "scripts/devcloud"), "host", self.dir, verb, str(i), *command]
        return subprocess.run(cmd, check=True, stdout=subprocess.PIPE, text=True).stdout

    def ctl(self, *args, stdin=None):
        """cloudctl over the unix socket; its standard output."""
        cmd = [os.path.join(BUILD, "src/cloudctl/cloudctl"), "--socket", os.path.join(self.dir, "run/cloudd.sock")]
        return subprocess.run(cmd + list(args), check=True, input=stdin, stdout=subprocess.PIPE, text=True).stdout

    def add_person(self, who, role, project):
        """A user `who` with one role on a project, made if need be."""
        listed = json.loads(self.ctl("project", "list", "-o", "json"))["projects"]
        if project not in [p["name"] for p in listed]:
            self.ctl("project", "create", project)
        self.ctl("user", "create", who, "--project", project, "--role", role, "--password-stdin", stdin="pw-of-" + who + "\n")
        self.people[who] = (who, "pw-of-" + who, project)

    def token(self, who):
        if who not in self.tokens:
            user, password, project = self.people[who]
            domain = {"id": "default"}
            body = {"auth": {"identity": {"methods": ["password"], "password": {
                "user": {"name": user, "domain": domain, "password": password}}},
                "scope": {"project": {"name": project, "domain": domain}}}}
            a = self.request(None, "POST", "/identity/v3/auth/tokens", body)
            assert a.status == 201, (a.status, a.body)
            self.tokens[who] = a.headers["x-subject-token"]
        return self.tokens[who]

    def request(self, who, method, path, body=None, headers=None):
        """body: a dict or list (sent as JSON), or bytes. One connection is kept alive."""
        h = {"Accept": "application/json"}
        if who:
            h["X-Auth-Token"] = self.token(who)
        if isinstance(body, (dict, list)):
            body = json.dumps(body).encode()
            h["Content-Type"] = "application/json"
        h.update(headers or {})
        for attempt in (1, 2):
            if not self.conn:
                self.conn = http.client.HTTPSConnection(self.url.hostname, self.url.port, context=self.ssl, timeout=120)
            try:
                self.conn.request(method, path, body=body, headers=h)
                r = self.conn.getresponse()
                data = r.read()
                break
            except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError, ssl.SSLEOFError):
                self.conn.close()
                self.conn = None
                if attempt == 2:
                    raise
        if r.will_close:
            self.conn.close()
            self.conn = None
        answer = Answer(r.status, {k.lower(): v for k, v in r.getheaders()}, data)
        if method not in ("GET", "HEAD", "OPTIONS") and "x-openstack-request-id" in answer.headers and \
                "idempotent-replayed" not in answer.headers:
            self.writes[answer.headers["x-openstack-request-id"]] = (who, method, path, r.status)
        return answer
