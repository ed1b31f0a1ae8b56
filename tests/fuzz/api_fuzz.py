#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Bodies, queries and headers of every route, changed at random, by an administrator, a member and a reader, at things that are
there: no answer may be a 5xx, the daemon may not end, and at the end the books are in order.

    api_fuzz.py [SECONDS [SEED]]      20 seconds unless told otherwise; the seed is printed"""
import copy
import http.client
import json
import os
import random
import re
import subprocess
import sys
import time
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from cloud import BUILD, Cloud  # noqa: E402

ODD = [None, True, False, 0, 1, -1, 2**31, 2**63 - 1, -2**63, 2**63, 1e308, -0.0, 1.5, "", "x", "0", "-1", "true", "None", "null", "é" * 3,
       "\u0000", "a\nb", "\u202e", "🦀", "x" * 255, "x" * 256, "x" * 70000, "../../etc/passwd", "%00", "'; DROP TABLE server; --", "{}",
       [], {}, [[]], [{}], {"": ""}, {"a": {"a": {"a": 1}}}, [1, "a", None], "2026-01-01T00:00:00Z", "10.0.0.0/8", "::1",
       "6f1d9c2e-1111-4000-8000-000000000001", "sim://x", "AAAA", "1" * 30, {"id": "x"}, ["x"] * 300]

SEEDS = {
    "servers": {"server": {"name": "f", "imageRef": "IMAGE", "flavorRef": "1", "metadata": {"a": "b"}, "user_data": "IyEK", "min_count": 1,
                           "max_count": 1, "config_drive": True, "key_name": "k", "networks": [{"uuid": "NETWORK"}],
                           "availability_zone": "nova", "block_device_mapping_v2": [{"boot_index": 0, "uuid": "IMAGE", "source_type":
                                                                                    "image", "destination_type": "local"}],
                           "security_groups": [{"name": "default"}], "personality": []}, "os:scheduler_hints": {"group": "x"}},
    "action": [{"os-stop": None}, {"os-start": None}, {"reboot": {"type": "HARD"}}, {"pause": None}, {"unpause": None},
               {"os-getConsoleOutput": {"length": 3}}, {"lock": {"locked_reason": "x"}}, {"unlock": None}, {"createImage": {"name": "x"}},
               {"drain": {"reason": "x"}}, {"enable": None}, {"disable": {"reason": "x"}}, {"retry": None}, {"refresh": None},
               {"os-resetState": {"state": "active"}}, {"addTenantAccess": {"tenant": "PROJECT"}}],
    "auth": {"auth": {"identity": {"methods": ["password", "token"], "password": {"user": {"name": "demo", "domain": {"id": "default"},
             "password": "x"}}, "token": {"id": "x"}, "application_credential": {"id": "x", "secret": "y"}},
             "scope": {"project": {"id": "PROJECT", "name": "demo", "domain": {"id": "default"}}, "domain": {"id": "default"}}}},
    "images": {"name": "f", "disk_format": "raw", "container_format": "bare", "visibility": "private", "min_disk": 0, "min_ram": 0,
               "tags": ["a"], "protected": False, "os_hidden": False, "owner": "PROJECT", "x": "y"},
    "patch": [{"op": "replace", "path": "/name", "value": "x"}, {"op": "add", "path": "/a", "value": "b"}, {"op": "remove", "path": "/a"}],
    "other": {"user": {"name": "f", "password": "x", "enabled": True, "email": "a", "domain_id": "default", "default_project_id": "PROJECT",
                       "options": {}}, "project": {"name": "f", "parent_id": "default", "enabled": True, "tags": ["a"]},
              "role": {"name": "f"}, "group": {"name": "f"}, "domain": {"name": "f", "enabled": True},
              "flavor": {"name": "f", "vcpus": 1, "ram": 64, "disk": 1, "id": "auto", "swap": 0, "OS-FLV-EXT-DATA:ephemeral": 0,
                         "os-flavor-access:is_public": True, "rxtx_factor": 1.0},
              "extra_specs": {"pci_passthrough:alias": "a100:1"}, "keypair": {"name": "f", "public_key": "ssh-rsa AAAA"},
              "quota_set": {"instances": 5, "cores": -1}, "quota": {"instances": 5}, "meta": {"a": "b"}, "metadata": {"a": "b"},
              "server": {"name": "g", "accessIPv4": "10.0.0.1"}, "tags": ["a"], "tag": "a", "application_credential":
              {"name": "f", "roles": [{"name": "reader"}], "expires_at": "2030-01-01T00:00:00Z", "unrestricted": False},
              "host": {"name": "hf", "uri": "sim://f?vcpus=1", "vcpu_ratio": 1.0, "ram_ratio": 1.0, "zone": "z", "pool": "p"},
              "member": "PROJECT", "status": "accepted", "network": {"name": "n"}, "port": {"network_id": "NETWORK"}, "password": {},
              "region": {"id": "r"}, "service": {"type": "t"}, "endpoint": {"url": "u"}},
}


class Fuzzer:
    def __init__(self, cloud, rng):
        self.cloud, self.rng, self.things = cloud, rng, {}
        out = subprocess.run([os.path.join(BUILD, "tests/list_routes"), "-v"], check=True, stdout=subprocess.PIPE, text=True).stdout
        self.routes = [line.split("\t") for line in out.splitlines()]
        self.counts, self.bad = {}, 0

    def learn(self):
        """Ids of what is there now."""
        c = self.cloud
        first = {"image_id": ("tenant", "/image/v2/images", "images"), "server_id": ("tenant", "/compute/v2.1/servers", "servers"),
                 "port_id": ("tenant", "/network/v2.0/ports", "ports"), "network_id": ("tenant", "/network/v2.0/networks", "networks"),
                 "subnet_id": ("tenant", "/network/v2.0/subnets", "subnets"), "project_id": ("admin", "/identity/v3/projects", "projects"),
                 "user_id": ("admin", "/identity/v3/users", "users"), "role_id": ("admin", "/identity/v3/roles", "roles"),
                 "group_id": ("admin", "/identity/v3/groups", "groups"), "flavor_id": ("tenant", "/compute/v2.1/flavors", "flavors"),
                 "domain_id": ("admin", "/identity/v3/domains", "domains")}
        for name, (who, path, key) in first.items():
            self.things[name] = [x["id"] for x in c.request(who, "GET", path).json[key]]
        self.things["host_name"] = ["host1", "host2"]

    def ident(self, name):
        rng = self.rng
        known = self.things.get(name) or [x for v in self.things.values() for x in v]
        return urllib.parse.quote(str(rng.choice(ODD))[:200], safe="") if rng.random() < 0.15 or not known else rng.choice(known)

    def fill(self, v):
        pick = {"IMAGE": "image_id", "NETWORK": "network_id", "PROJECT": "project_id"}
        if isinstance(v, dict):
            return {k: self.fill(x) for k, x in v.items()}
        if isinstance(v, list):
            return [self.fill(x) for x in v]
        return self.ident(pick[v]) if isinstance(v, str) and v in pick else v

    def change(self, v):
        rng = self.rng
        if isinstance(v, dict) and v and rng.random() < 0.8:
            k = rng.choice(list(v))
            how = rng.random()
            if how < 0.15:
                del v[k]
            elif how < 0.25:
                v[rng.choice(["x", "", "id", "links", "é", "x" * 300])] = rng.choice(ODD)
            else:
                v[k] = self.change(v[k])
            return v
        if isinstance(v, list) and v and rng.random() < 0.6:
            i = rng.randrange(len(v))
            v[i] = self.change(v[i])
            return v
        return copy.deepcopy(rng.choice(ODD))

    def body(self, path):
        rng = self.rng
        if "/action" in path:
            b = rng.choice(SEEDS["action"])
        elif "auth/tokens" in path:
            b = SEEDS["auth"]
        elif path.startswith("/image") and rng.random() < 0.5:
            b = SEEDS["images"]
        elif path.endswith("/servers"):
            b = SEEDS["servers"]
        else:
            k = [k for k in SEEDS["other"] if k.split("_")[0] in path.replace("-", "_")] or list(SEEDS["other"])
            k = rng.choice(k)
            b = {k: SEEDS["other"][k]}
        b = self.fill(copy.deepcopy(b))
        for _ in range(rng.randrange(3)):
            b = self.change(b)
        text = json.dumps(b, ensure_ascii=rng.random() < 0.5).encode(errors="surrogatepass")
        if rng.random() < 0.05:
            at = rng.randrange(len(text) + 1)
            text = text[:at] + rng.randbytes(rng.randrange(4)) + text[at + rng.randrange(3):]
        return text

    def once(self):
        rng = self.rng
        method, route = rng.choice(self.routes)[:2]
        if method in ("GET", "HEAD") and rng.random() < 0.6:
            return
        if method == "DELETE" and rng.random() < 0.9:
            return
        path = re.sub(r"\{([^}]*)\}", lambda m: self.ident(m[1]), route)
        if rng.random() < 0.4:
            keys = ["limit", "marker", "sort_key", "sort_dir", "name", "status", "all_tenants", "fields", "id", "start", "end", "detailed",
                    "changes-since", "visibility", "owner", "sort", "size_min", "created_at", "host", "flavor", "image", "ip", "tags"]
            pairs = [(rng.choice(keys), rng.choice([str(o)[:300] for o in ODD] + ["asc", "name:desc", "in:a,b", "gt:1", "1"])) for _ in
                     range(rng.randrange(1, 4))]
            path += "?" + urllib.parse.urlencode(pairs)
        headers = {"Content-Type": "application/json"}
        if route.startswith("/image") and method == "PATCH":
            headers["Content-Type"] = "application/openstack-images-v2.1-json-patch"
        if route.endswith("/file"):
            headers["Content-Type"] = "application/octet-stream"
        if route.startswith("/compute"):
            headers["OpenStack-API-Version"] = "compute " + rng.choice(["2.1", "2.26", "2.37", "2.52", "2.67", "2.79", "latest", "2.%d" %
                                                                        rng.randrange(100)])
        body = None
        if method in ("POST", "PUT", "PATCH"):
            body = self.body(route)
            if headers["Content-Type"].endswith("patch") and rng.random() < 0.9:
                body = json.dumps(self.change(copy.deepcopy(SEEDS["patch"]))).encode()
        who = rng.choice(["admin", "admin", "tenant", "tenant", "reader"])
        try:
            a = self.cloud.request(who, method, path, body, headers)
        except (http.client.HTTPException, OSError) as e:
            alive = os.path.exists("/proc/%d" % self.cloud.pid())
            self.report("%s %s: %r, the daemon %s" % (method, path, e, "lives" if alive else "is gone"), body)
            assert alive, "the daemon ended"
            self.cloud.conn = None
            return
        self.counts[a.status] = self.counts.get(a.status, 0) + 1
        if a.status >= 500 and a.status not in (501, 503):
            self.report("%s %s %s: %d %s" % (who, method, path, a.status, a.body[:300]), body)
        elif a.body and "json" in a.headers.get("content-type", ""):
            lines = a.body.splitlines() if "jsonl" in a.headers["content-type"] else [a.body]
            try:
                for line in lines:
                    json.loads(line)
            except ValueError as e:
                self.report("%s %s: an answer that is not JSON: %s %r" % (method, path, e, a.body[:200]), body)
        if a.status == 401:  # revoked by another of these requests
            self.cloud.tokens.pop(who, None)
            self.cloud.token(who)

    def report(self, text, body):
        self.bad += 1
        print("BAD %s\n    %r" % (text[:600], body[:600] if body else body))


def protected(f):
    """Things that must stay as they are for the fuzzer to go on: the three people, their projects and roles."""
    for kind in ("user_id", "project_id", "domain_id", "role_id"):
        f.things[kind] = [x for x in f.things[kind] if x not in f.keep]


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 20
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.SystemRandom().randrange(1 << 32)
    print("seed %d" % seed)
    with Cloud(settings=["identity.lockout_failures=1000"]) as cloud:
        cloud.add_person("reader", "reader", "demo")
        for who in ("admin", "tenant", "reader"):
            cloud.token(who)
        f = Fuzzer(cloud, random.Random(seed))
        f.learn()
        f.keep = {x for kind in ("user_id", "project_id", "domain_id", "role_id") for x in f.things[kind]}
        for name in ("fuzz-a", "fuzz-b"):
            cloud.ctl("project", "create", name)
            cloud.ctl("user", "create", name, "--project", name, "--role", "member", "--password-stdin", stdin="password of it\n")
        end, n = time.monotonic() + seconds, 0
        while time.monotonic() < end:
            if n % 500 == 0:
                f.learn()
                protected(f)
            f.once()
            n += 1
        print("%d requests: %s" % (n, dict(sorted(f.counts.items()))))
        check = json.loads(cloud.ctl("check", "-o", "json"))["check"]
        if not check["ok"]:
            f.report("check: %s" % check["findings"], None)
    return 1 if f.bad else 0


if __name__ == "__main__":
    sys.exit(main())
