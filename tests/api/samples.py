#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What servers use, as tenants, operators and Prometheus read it: sums that agree with each other, only one's own project's, kept
over kills of the daemon and after a server's end; and metrics that a parser takes, for those who may."""
import json
import os
import re
import secrets
import signal
import subprocess
import sys
import tempfile
import time
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from cloud import Cloud  # noqa: E402

USED = ("cpu_ns", "disk_read_bytes", "disk_reads", "disk_write_bytes", "disk_writes", "net_rx_bytes", "net_rx_packets", "net_tx_bytes",
        "net_tx_packets")


def wait(get, what):
    end = time.monotonic() + 60
    while True:
        got = get()
        if got:
            return got
        assert time.monotonic() < end, "waited in vain for " + what
        time.sleep(0.05)


def server(cloud, name):
    image = cloud.request("tenant", "GET", "/image/v2/images").json["images"][0]["id"]
    network = cloud.request("tenant", "GET", "/network/v2.0/networks").json["networks"][0]["id"]
    a = cloud.request("tenant", "POST", "/compute/v2.1/servers", {"server": {
        "name": name, "imageRef": image, "flavorRef": "1", "networks": [{"uuid": network}]}})
    assert a.status == 202, a.body
    sid = a.json["server"]["id"]
    wait(lambda: cloud.request("tenant", "GET", "/compute/v2.1/servers/" + sid).json["server"]["status"] == "ACTIVE", "ACTIVE")
    return sid


def get(cloud, path, who="tenant", status=200, **query):
    a = cloud.request(who, "GET", "/cloud/v1" + path + ("?" + urllib.parse.urlencode(query) if query else ""))
    assert a.status == status, (path, query, a.status, a.body)
    return a.json


def of(cloud, sid, step, **query):
    return get(cloud, "/servers/%s/samples" % sid, step=step, **query)["samples"]


def add(samples):
    return {k: sum(s[k] for s in samples) for k in USED}


# --- what servers use

def steps_agree(cloud, sid):
    """One reading of the file may come between two questions: the later answer is never less."""
    before = add(of(cloud, sid, "raw"))
    wait(lambda: add(of(cloud, sid, "raw"))["cpu_ns"] > before["cpu_ns"], "another reading")
    low = add(of(cloud, sid, "raw"))
    for step in ("hour", "day", "total"):
        assert all(v >= low[k] for k, v in add(of(cloud, sid, step)).items()), step
    listed = {s["server_id"]: s for s in get(cloud, "/samples")["servers"]}
    assert all(listed[sid][k] >= low[k] for k in USED)
    high = add(of(cloud, sid, "raw"))
    assert all(listed[sid][k] <= high[k] for k in USED)
    hour = get(cloud, "/samples", step="hour")["servers"][0]["samples"][0]
    assert hour["covered_s"] >= 0 and hour["ram_mib"] <= hour["ram_max_mib"] and hour["at"].endswith(":00:00Z"), hour


def who_sees_what(cloud, sid):
    cloud.add_person("stranger", "reader", "elsewhere")
    assert get(cloud, "/samples", who="stranger")["servers"] == []
    assert get(cloud, "/samples/top", who="stranger")["servers"] == []
    get(cloud, "/servers/%s/samples" % sid, who="stranger", status=404)
    own = get(cloud, "/samples")["servers"][0]["project_id"]
    get(cloud, "/samples", who="stranger", status=403, project=own)
    assert [s["server_id"] for s in get(cloud, "/samples", who="admin", project=own)["servers"]] == \
        [s["server_id"] for s in get(cloud, "/samples")["servers"]]
    assert "host" not in get(cloud, "/samples/top")["servers"][0]
    assert get(cloud, "/samples/top", who="admin")["servers"][0]["host"]


def pages(cloud, ids):
    first = get(cloud, "/samples", limit=1)
    assert first["more"] and len(first["servers"]) == 1
    rest = get(cloud, "/samples", marker=first["marker"])
    assert sorted(s["server_id"] for s in first["servers"] + rest["servers"]) == sorted(ids)
    assert not rest["more"] and rest["marker"] is None


def bad_questions(cloud, sid):
    for path in ("/samples", "/servers/%s/samples" % sid):
        for q in ({"step": "week"}, {"from": "yesterday"}, {"from": "2027-01-01", "to": "2026-01-01"}, {"limit": "0"}, {"limit": "x"}):
            get(cloud, path, status=400, **q)
    get(cloud, "/samples", status=400, step="raw")
    get(cloud, "/samples", status=400, marker="x")
    get(cloud, "/samples/top", status=400, by="name")
    assert of(cloud, sid, "hour", **{"from": "2020-01-01", "to": "2020-02-01"}) == []


def the_top(cloud, ids):
    for by, key in (("cpu", "cpu_percent"), ("net", "net_tx_bytes_s"), ("ram", "ram_mib")):
        top = get(cloud, "/samples/top", by=by)["servers"]
        assert sorted(s["server_id"] for s in top) == sorted(ids), top
        assert all(s["name"] and s[key] >= 0 for s in top), top
    assert len(get(cloud, "/samples/top", limit=1)["servers"]) == 1
    out = cloud.ctl("top")
    assert all(sid in out for sid in ids) and "cpu %" in out.lower(), out
    assert json.loads(cloud.ctl("top", "-o", "json", "--by", "disk"))["servers"]
    assert ids[0] in cloud.ctl("sample", "list")
    assert len(cloud.ctl("sample", "show", ids[0], "--step", "raw").splitlines()) >= 2


def survives(cloud, sid):
    """A kill of the daemon: counted on, nothing twice. The simulated host forgets what its guests used, as if they had been started."""
    before = add(of(cloud, sid, "total"))
    os.kill(cloud.pid(), signal.SIGKILL)
    cloud.devcloud("restart", cloud.dir)
    wait(lambda: add(of(cloud, sid, "total"))["cpu_ns"] > before["cpu_ns"], "more than before")
    after = add(of(cloud, sid, "total"))
    assert all(after[k] >= before[k] for k in USED)
    covered = of(cloud, sid, "total")[0]["covered_s"]
    made = cloud.request("tenant", "GET", "/compute/v2.1/servers/" + sid).json["server"]["created"]
    age = time.time() - time.mktime(time.strptime(made, "%Y-%m-%dT%H:%M:%SZ")) + time.timezone
    assert covered <= age + 1, (covered, age)


def ends(cloud, sid):
    assert cloud.request("tenant", "DELETE", "/compute/v2.1/servers/" + sid).status == 204
    wait(lambda: cloud.request("tenant", "GET", "/compute/v2.1/servers/" + sid).status == 404, "its end")
    assert add(of(cloud, sid, "total"))["cpu_ns"] > 0


# --- metrics

LINE = re.compile(r'([a-z_:][a-z0-9_:]*)(?:\{([^}]*)\})? (-?[0-9]+(?:\.[0-9]+)?)$')
LABEL = re.compile(r'([a-z_]+)="((?:[^"\\]|\\["\\n])*)"(?:,|$)')


def parse(text):
    """{name: {labels: value}}, as the text format has it; nothing that it does not allow."""
    types, helps, out = {}, {}, {}
    assert text.endswith("\n")
    for line in text[:-1].split("\n"):
        if line.startswith("# "):
            _, what, name, rest = line.split(" ", 3)
            kept = {"TYPE": types, "HELP": helps}[what]
            assert name not in kept, line
            kept[name] = rest
            assert what != "TYPE" or (rest in ("counter", "gauge") and name in helps), line
            last = name
            continue
        m = LINE.match(line)
        assert m, line
        name, labels, value = m.groups()
        assert name == last and name in types, "%s is not below its head" % line
        assert types[name] != "counter" or name.endswith("_total"), line
        found = tuple(LABEL.findall(labels or ""))
        assert ",".join('%s="%s"' % p for p in found) == (labels or ""), line
        assert found not in out.setdefault(name, {}), "twice: " + line
        out[name][found] = float(value)
    assert set(types) == set(helps)
    return out


def scrape(cloud, headers=None, who="admin", status=200):
    a = cloud.request(who, "GET", "/metrics", headers=headers)
    assert a.status == status, (a.status, a.body)
    if status != 200:
        return None
    assert a.headers["content-type"].startswith("text/plain; version=0.0.4"), a.headers
    return parse(a.body.decode())


def metrics(cloud, ids, token):
    scrape(cloud, who=None, status=401)
    scrape(cloud, who="tenant", status=403)
    scrape(cloud, {"Authorization": "Bearer " + token[:-1]}, None, 401)
    scrape(cloud, {"Authorization": "Bearer "}, None, 401)
    scrape(cloud, {"Authorization": token}, None, 401)
    a = cloud.request(None, "GET", "/cloud/v1/status", headers={"Authorization": "Bearer " + token})
    assert a.status == 401, "the token is for the metrics alone"
    before = scrape(cloud, {"Authorization": "Bearer " + token}, None)
    cloud.request("tenant", "GET", "/compute/v2.1/servers/x")
    after = scrape(cloud)
    not_found = (("service", "compute"), ("class", "4xx"))
    assert after["cloudd_requests_total"][not_found] == before["cloudd_requests_total"].get(not_found, 0) + 1
    assert after["cloudd_servers"][(("state", "active"),)] == len(ids)
    assert sum(after["cloudd_hosts"].values()) == sum(after["cloudd_host_connected"].values()) == 2
    assert after["cloudd_gpus"] == {(("owner", "idle"),): 16}, after["cloudd_gpus"]
    assert all(0 <= v < 60 for v in after["cloudd_host_sample_age_seconds"].values())
    for name in ("ticks_total", "commit_seconds_total", "database_bytes", "audit_records_total", "samples_total", "samples_bytes"):
        assert after["cloudd_" + name][()] > 0, name
    for name, series in after.items():
        assert all(after[name][k] >= v for k, v in before.get(name, {}).items() if name.endswith("_total")), name
        assert not any(sid in str(k) for k in series for sid in ids), "a series by server: " + name


def bad_token_files(cloud, path):
    """What is no token stops the start, not the check of the configuration alone."""
    conf = os.path.join(cloud.dir, "cloudd.conf")
    with open(conf) as f:
        text = f.read()
    with open(path, "w") as f:
        f.write("short\n")
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as f:
        f.write(re.sub(r"(?m)^(state_dir|database|image_dir) = .*$", r"\1 = " + cloud.dir + r"/other", text).replace(
            "database = " + cloud.dir + "/other", ""))
        f.flush()
        daemon = os.path.join(os.environ.get("CLOUDD_BUILD", "build"), "src/cloudd/cloudd")
        p = subprocess.run([daemon, "--config", f.name], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, timeout=60)
        assert p.returncode == 1 and "32 to 256" in p.stderr + p.stdout, p


def main():
    token = secrets.token_hex(24)
    with tempfile.NamedTemporaryFile("w") as f:
        f.write(token + "\n")
        f.flush()
        with Cloud(settings=("samples.sample_s=1", "api.metrics_token_file=" + f.name), options=["--persist"]) as cloud:
            ids = [server(cloud, name) for name in ("a", "b", "c")]
            wait(lambda: len(get(cloud, "/samples")["servers"]) == 3, "three servers")
            steps_agree(cloud, ids[0])
            who_sees_what(cloud, ids[0])
            pages(cloud, ids)
            bad_questions(cloud, ids[0])
            the_top(cloud, ids)
            metrics(cloud, ids, token)
            survives(cloud, ids[0])
            ends(cloud, ids[0])
            bad_token_files(cloud, f.name)
    print("samples and metrics agree")


main()
