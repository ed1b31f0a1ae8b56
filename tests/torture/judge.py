# SPDX-License-Identifier: Apache-2.0
"""What is, seen from outside: processes, domains, files in pools, and the API as its users see it; and what of that must not be."""
import json
import os
import re
import subprocess
import time

from bed import BUILD, TOP
from tenants import SERVERS, Unknown

# of a server in STATUS: what its domain may be, how many processes run, whose disks are there
RESTS = {
    "ACTIVE": (("running",), 1), "RESCUE": (("running",), 1), "PAUSED": (("paused",), 1), "SHUTOFF": (("shut off", "crashed"), 0),
    "SUSPENDED": (("saved",), 0), "SHELVED_OFFLOADED": ((None,), 0), "VERIFY_RESIZE": (("running", "shut off"), None),
    "ERROR": ((None, "running", "paused", "shut off", "saved", "crashed"), None),
}
DISKS = {"-root.qcow2", "-config.iso"}
UUID = "[0-9a-f]{8}-[0-9a-f-]{27}"
QUIET_S, LATE_S = 240, 20


class World:
    """One look at everything."""

    def __init__(self, bed, people):
        self.running = {}  # uuid: hosts of its processes
        for host, uuid, _ in bed.qemus():
            self.running.setdefault(uuid, []).append("host%d" % host)
        self.domains = {}  # uuid: {host: state}
        self.files, self.backing, self.saved = {}, {}, {}
        for i in range(1, bed.hosts + 1):
            self.look(bed, i)
        self.servers, self.of = {}, {}
        for p in people:
            for s in p.want_answer("GET", SERVERS + "/detail")["servers"]:
                self.servers[s["id"]], self.of[s["id"]] = s, p
        admin = people[0].admin
        self.host = {s["id"]: s["OS-EXT-SRV-ATTR:host"] for s in people[0].want_answer(
            "GET", SERVERS + "/detail?all_tenants=1", who=admin)["servers"]}
        self.faults = {i: people[0].want_answer("GET", "%s/%s" % (SERVERS, i), who=admin)["server"].get("fault", {})
                       for i, s in self.servers.items() if s["status"] == "ERROR"}
        moves = people[0].want_answer("GET", "/compute/v2.1/os-migrations", who=admin)["migrations"]
        self.source = {m["instance_uuid"]: m["source_compute"] for m in moves if m["status"] == "finished"}
        self.images = {i["id"]: i["status"] for p in people for i in p.want_answer("GET", "/image/v2/images?limit=100")["images"]}
        self.ports = {q["id"]: q for p in people for q in p.want_answer("GET", "/network/v2.0/ports")["ports"]}

    def look(self, bed, i):
        host = "host%d" % i
        text = bed.inside(i, "sh", "-c", "virsh -q -c qemu:///system list --all --uuid --name; echo ==; "
                          "virsh -q -c qemu:///system list --all --managed-save")
        names, _, states = text.partition("==\n")
        uuids = {line.split()[1]: line.split()[0] for line in names.splitlines() if line.strip()}
        for line in states.splitlines():
            w = line.split(None, 2)
            if len(w) == 3 and w[1] in uuids:
                self.domains.setdefault(uuids[w[1]], {})[host] = w[2].strip()
            elif w:
                raise AssertionError("%s cannot be asked: %s" % (host, text))
        self.files[host] = sorted(f for f in os.listdir(bed.pool(i)) if f != "filler")
        for f in self.files[host]:
            if f.endswith("-root.qcow2"):
                info = subprocess.run(["qemu-img", "info", "-U", "--output=json", os.path.join(bed.pool(i), f)], stdout=subprocess.PIPE,
                                      stderr=subprocess.DEVNULL, text=True, check=False).stdout
                base = os.path.basename(json.loads(info).get("backing-filename", "")) if info else ""
                self.backing.setdefault(host, set()).add(base)
        d = os.path.join(bed.dir, host, "lib/qemu/save")
        self.saved[host] = sorted(os.listdir(d)) if os.path.isdir(d) else []


# --- quiet ---

def busy(bed, people):
    """What is under way, or not as it was: "" when nothing."""
    admin = people[0].admin
    hosts = admin.ask("GET", "/cloud/v1/hosts")
    flows = admin.ask("GET", "/cloud/v1/flows")
    servers = admin.ask("GET", SERVERS + "/detail?all_tenants=1")
    if not (hosts and flows and servers) or {hosts[0], flows[0], servers[0]} != {200}:
        return "the API does not answer"
    away = ["%s %s" % (h["name"], h["connection"]) for h in hosts[1]["hosts"] if h["connection"] != "connected"]
    at_work = ["%s of %s" % (f["kind"], f.get("subject")) for f in flows[1]["flows"]]
    tasks = ["%s %s" % (s["id"], s["OS-EXT-STS:task_state"] or s["status"]) for s in servers[1]["servers"]
             if s["OS-EXT-STS:task_state"] or s["status"] == "BUILD"]
    return ", ".join(away + at_work + tasks)


def quiet(bed, people, seconds=QUIET_S):
    """Waits until all is at rest, and how long that took; a violation's text when it never is."""
    began = time.monotonic()
    while True:
        bed.tend()
        try:
            what = busy(bed, people)
            for p in people if not what else ():
                for s in [s for s in p.servers if s.id == "?"]:
                    p.find(s)
                for s in [s for s in p.servers if s.deleted is None]:
                    p.show(s)
        except Unknown:
            what = "the API does not answer"
        if not what:
            return time.monotonic() - began, []
        if time.monotonic() - began > seconds:
            return seconds, ["never at rest: " + what] + [why(bed, s.id) for p in people for s in p.servers if s.id and s.id in what]
        time.sleep(0.2)


def why(bed, i):
    r = subprocess.run([os.path.join(BUILD, "src/cloudctl/cloudctl"), "--socket", os.path.join(bed.dir, "run/cloudd.sock"), "why", i],
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return "why: " + r.stdout


# --- the rules ---

def promises(w, people, faults, deaths):
    """Every server is there or gone as was promised, and is what was asked for, or says why not."""
    out = []
    for p in people:
        for s in p.servers:
            seen = w.servers.get(s.id)
            if s.deleted is True:
                if seen:
                    out.append("%s was deleted and is there: %s" % (s.name, seen["status"]))
            elif not seen and s.deleted is False and s.id != "?":
                out.append("%s was acknowledged and is gone" % s.name)
            elif seen:
                out += status_kept(w, p, s, seen, faults, deaths)
                if not any(m.items() <= seen["metadata"].items() for m in (s.metadata, s.maybe) if m):
                    out.append("%s: metadata %s, acknowledged %s" % (s.name, seen["metadata"], s.metadata))
    known = {s.id for p in people for s in p.servers}
    out += ["%s is there, and nobody made it" % s["name"] for i, s in w.servers.items() if i not in known]
    return out


def status_kept(w, p, s, seen, faults, deaths):
    status = seen["status"]
    if status in s.want or (status == "SHUTOFF" and (w.host.get(s.id) in deaths or s.id in deaths)):
        return []
    if status == "ERROR":
        text = json.dumps(w.faults.get(s.id))
        excuses = [e for f in faults for e in f.row["excuses"]] + ["are down", "is down"] * (faults[0].kind != "none")
        return [] if any(e in text for e in excuses) else ["%s should be %s, is in ERROR: %s" % (s.name, sorted(s.want), text)]
    last = p.want_answer("GET", "%s/%s/os-instance-actions" % (SERVERS, s.id))["instanceActions"]
    told = next((a for a in last if a["message"]), None)
    if told and (status in s.was or (status == "SHUTOFF" and told["action"] == "shelve")):
        return []
    return ["%s should be %s, is %s; its last action: %s" % (s.name, sorted(s.want), status, last[:1])]


def guests(w):
    """Each runs once, and where the API says; nothing else of ours runs or is defined."""
    out = []
    for i, s in w.servers.items():
        states, most = RESTS.get(s["status"], ((), 0))
        home, runs = w.host.get(i), w.running.get(i, [])
        at_home = w.domains.get(i, {}).get(home)
        what = "%s (%s, %s on %s)" % (s["name"], i, s["status"], home)
        if at_home not in states:
            out.append("%s: its domain is %s" % (what, at_home))
        if len(runs) > 1 or (most is not None and len(runs) != most) or any(h != home for h in runs):
            out.append("%s: processes on %s" % (what, runs))
        source = w.source.get(i) if s["status"] == "VERIFY_RESIZE" else None  # until it is confirmed
        out += ["%s: a domain on %s too, %s" % (what, h, d) for h, d in w.domains.get(i, {}).items()
                if h != home and (h, d) != (source, "shut off")]
    out += ["a process without a server: %s on %s" % (i, h) for i, h in w.running.items() if i not in w.servers]
    out += ["a domain without a server: %s %s" % (i, d) for i, d in w.domains.items() if i not in w.servers]
    return out


def disks(w):
    """What each server rests on is there, and nothing is left of others."""
    out = []
    for host, files in w.files.items():
        for f in files:
            out += unwanted(w, host, f)
        saved = {name for i, d in w.domains.items() if d.get(host) == "saved" for name in (i,)}
        if len(w.saved[host]) != len(saved):
            out.append("%s: saved guests %s, files %s" % (host, sorted(saved), w.saved[host]))
    for i, s in w.servers.items():
        need = set() if s["status"] in ("SHELVED_OFFLOADED", "ERROR") else DISKS
        have = {f[36:] for f in w.files.get(w.host.get(i), ()) if f.startswith(i)}
        out += ["%s (%s): %s is not there" % (s["name"], s["status"], d) for d in need - have]
    return out


def unwanted(w, host, f):
    image = re.match("image-(%s)" % UUID, f)
    if image:
        needed = w.images.get(image[1]) == "active" or f.removesuffix(".ok") in w.backing.get(host, ())
        return [] if needed else ["%s: copy of a deleted image: %s" % (host, f)]
    own = re.match("(%s)(-.*)$" % UUID, f)
    if not own:
        return ["%s: a file of nobody: %s" % (host, f)]
    s = w.servers.get(own[1])
    if s and s["status"] == "VERIFY_RESIZE" and w.source.get(own[1]) == host and own[2] in DISKS | {"-console.log", "-console.log.0"}:
        return []
    if not s or w.host.get(own[1]) != host or s["status"] == "SHELVED_OFFLOADED":
        return ["%s: left over of %s: %s" % (host, s and "%s, %s on %s" % (s["name"], s["status"], w.host.get(own[1])), f)]
    # -move.ok: of a live move that was cut off; it goes with the next one, or with the server
    allowed = DISKS | {"-move.ok"} | ({"-rescue.qcow2"} if s["status"] in ("RESCUE", "ERROR") else set())
    return [] if own[2] in allowed or own[2].startswith("-console.log") else ["%s: %s (%s) does not use %s" % (host, s["name"], s["status"], f)]


def networks(w):
    out = []
    owned = [q["device_id"] for q in w.ports.values() if q["device_id"]]
    needed = {i for i, s in w.servers.items() if s["status"] != "ERROR"}  # one that found no host has none
    if len(owned) != len(set(owned)) or needed - set(owned) or set(owned) - set(w.servers):
        out.append("ports and servers do not match: %s" % sorted(set(owned) ^ set(w.servers)))
    addresses = [a["ip_address"] for q in w.ports.values() for a in q["fixed_ips"]]
    if len(addresses) != len(set(addresses)):
        out.append("an address given twice")
    return out


def images(w, people):
    return ["image %s is %s" % (i, w.images[i]) for p in people for i in p.images if w.images.get(i, "active") not in ("active",)]


def books(bed, everything=False):
    """What the cloud says of itself."""
    out = []
    ctl = [os.path.join(BUILD, "src/cloudctl/cloudctl"), "--socket", os.path.join(bed.dir, "run/cloudd.sock")]
    commands = [ctl + ["check"], ctl + ["drift", "--now"], ctl + ["ledger", "verify"]]
    if everything:
        export = os.path.join(bed.work, "audit")
        with open(export, "w") as f:
            subprocess.run(ctl + ["audit", "export"], stdout=f, check=True)
        commands.append([os.path.join(TOP, "scripts/audit-verify"), export])
    for c in commands:
        r = subprocess.run(c, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if r.returncode:
            out.append("%s: %s" % (" ".join(c[3:]) or c[0], r.stdout[-1500:]))
    return out + ["the daemon's log: " + line for line in bed.broken()]


def verdict(bed, people, faults, deaths, everything):
    """All rules; what is wrong has to stay wrong after every host was looked over again."""
    end = time.monotonic() + LATE_S
    first = None
    while True:
        w = World(bed, people)
        wrong = promises(w, people, faults, deaths) + guests(w) + disks(w) + networks(w) + images(w, people)
        wrong = wrong or books(bed, everything)
        first = first or wrong
        if not wrong or time.monotonic() > end:
            return w, wrong, [x for x in first if x not in wrong]
        for i in range(1, bed.hosts + 1):
            subprocess.run([os.path.join(BUILD, "src/cloudctl/cloudctl"), "--socket", os.path.join(bed.dir, "run/cloudd.sock"),
                            "host", "refresh", "host%d" % i], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        time.sleep(1)
        more = quiet(bed, people)[1]
        if more:
            return w, wrong + more, []
