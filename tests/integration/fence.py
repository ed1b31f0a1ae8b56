#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Evidence, fencing, evacuation, return: a silent host is doubtful, then unreachable, and nothing of it is made anew before its power
was read as off by an agent, or an operator said so. The agents are a Redfish service of the test's own, which goes wrong in many
ways, and a program. cloudd is killed in the middle of a fence. A host that comes back loses what went elsewhere before it is used,
also when it was declared dead by mistake and its guests ran all the time: at the end each server runs once."""
import json
import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from cloud import BUILD, TOP, Cloud  # noqa: E402
from redfish import Redfish  # noqa: E402

SECRET = "correct-horse-battery-staple"
POWER = {"1": "running", "2": "paused", "3": "off", "4": "crashed", "5": "saved"}


class Test:
    def __init__(self, cloud):
        self.cloud = cloud
        api = os.path.join(cloud.dir, "pki/issued/api")
        self.ca = os.path.join(cloud.dir, "pki/cacert.pem")
        self.redfish = Redfish(api + "/servercert.pem", api + "/serverkey.pem", "admin", SECRET, self.power)
        with open(os.path.join(cloud.dir, "bmc.password"), "w") as f:
            f.write(SECRET + "\n")

    def power(self, number, on):
        self.cloud.host("start" if on else "kill", number)

    # --- what is asked

    def ask(self, method, path, body=None, version=None, expect=None):
        headers = {"OpenStack-API-Version": "compute " + version} if version else {}
        answer = self.cloud.request("admin", method, path, body, headers)
        assert expect is None or answer.status == expect, (method, path, answer.status, answer.body)
        return answer

    def until(self, path, holds, version=None):
        end = time.monotonic() + 30
        while True:
            body = self.ask("GET", path, version=version).json
            if holds(body):
                return body
            assert time.monotonic() < end, (path, body)
            time.sleep(0.05)

    def silence(self, i):
        """Cut off, and noticed at once."""
        self.cloud.host("cut", i)
        self.ask("POST", "/cloud/v1/hosts/host%d/action" % i, {"refresh": None}, expect=200)

    def host(self, i):
        return self.ask("GET", "/cloud/v1/hosts/host%d" % i).json["host"]

    def known(self, i, state, **more):
        return self.until("/cloud/v1/hosts/host%d" % i, lambda b: b["host"]["evidence"]["state"] == state and
                          all(b["host"]["evidence"][k] == v for k, v in more.items()))["host"]["evidence"]

    def server(self, uid, status, version="2.16"):
        return self.until("/compute/v2.1/servers/" + uid, lambda b: b["server"]["status"] == status
                          and not b["server"]["OS-EXT-STS:task_state"], version)["server"]

    def make(self, name, host=None):
        image = self.ask("GET", "/image/v2/images?name=guest").json["images"][0]["id"]
        body = {"server": {"name": name, "imageRef": image, "flavorRef": "1"}}
        if host:
            body["server"]["availability_zone"] = "nova:host%d" % host
        return self.ask("POST", "/compute/v2.1/servers", body, expect=202).json["server"]["id"]

    def act(self, uid, body, expect=202):
        return self.ask("POST", "/compute/v2.1/servers/%s/action" % uid, body, expect=expect)

    def ctl_fails(self, *args):
        cmd = [os.path.join(BUILD, "src/cloudctl/cloudctl"), "--socket", os.path.join(self.cloud.dir, "run/cloudd.sock"), *args]
        r = subprocess.run(cmd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert r.returncode, (args, r.stdout)
        return r.stderr

    def attempts(self, i):
        return self.ask("GET", "/cloud/v1/hosts/host%d/power" % i).json["power"]["attempts"]

    def event_types(self):
        return [e["type"] for e in self.ask("GET", "/cloud/v1/events?type=host&limit=500").json["events"]]

    def event(self, kind):
        return [e for e in self.ask("GET", "/cloud/v1/events?type=%s&limit=500" % kind).json["events"]][-1]

    def domains(self, i):
        """Of a simulated host, from its file: {uuid: power}."""
        mine = {}
        with open(os.path.join(self.cloud.dir, "sim%d.state" % i)) as f:
            for line in f.read().split("\n")[:-1]:
                w = line.split("\t")
                if w[0] == "D":
                    mine[w[1]] = POWER.get(w[4], w[4])
                elif w[0] == "X":
                    mine.pop(w[1], None)
        return mine

    # --- the chapters

    def silent(self):
        """A silent host: its servers keep their state, nothing is made anew, others get the new ones."""
        self.servers = {n: self.make(n, 1) for n in ("runs", "off", "paused", "suspended", "rescued", "shelved")}
        for uid in self.servers.values():
            self.server(uid, "ACTIVE")
        s = self.servers
        self.act(s["off"], {"os-stop": None})
        self.act(s["paused"], {"pause": None})
        self.act(s["suspended"], {"suspend": None})
        self.act(s["rescued"], {"rescue": None}, 200)
        self.act(s["shelved"], {"shelve": None})
        self.status = {"runs": "ACTIVE", "off": "SHUTOFF", "paused": "PAUSED", "suspended": "SUSPENDED", "rescued": "RESCUE",
                       "shelved": "SHELVED"}
        for name, status in self.status.items():
            assert self.server(s[name], status)["host_status"] == "UP"
        now = self.known(1, "connected", source="look")
        self.silence(1)
        self.known(1, "doubtful", source="failure")
        gone = self.known(1, "unreachable", source="silence")
        assert gone["since"] >= now["since"] and gone["epoch"] == now["epoch"], (now, gone)
        for name, status in self.status.items():
            assert self.server(s[name], status)["host_status"] == "UNKNOWN"
        up = {x["host"]: x["state"] for x in self.ask("GET", "/compute/v2.1/os-services").json["services"]}
        assert up == {"host1": "down", "host2": "up", "host3": "up"}, up
        for i in range(3):
            assert self.server(self.make("new%d" % i), "ACTIVE")["OS-EXT-SRV-ATTR:host"] != "host1"
        refused = self.ask("POST", "/cloud/v1/hosts/host1/evacuation", expect=409).json["error"]["message"]
        assert "not proved to be down" in refused, refused
        self.act(s["runs"], {"evacuate": {"onSharedStorage": False}}, 400)
        why = self.ask("GET", "/cloud/v1/why/" + s["runs"]).json["why"]
        assert why["cause"] == "host-away" and why["host_evidence"] == "unreachable", why
        assert "cloudctl host fence host1 --evacuate" in [c["command"] for c in why["can_do"]], why
        told = [t for t in self.event_types() if t in ("host.doubtful", "host.unreachable")]
        assert told == ["host.doubtful", "host.unreachable"], told

    def agents(self):
        """Agents are set, shown without their password, and tested."""
        assert "no fence agent" in self.ctl_fails("host", "fence", "host1")
        user = ("--user", "admin", "--password-file", os.path.join(self.cloud.dir, "bmc.password"))
        for bad in ("http://localhost/redfish/v1/Systems/1", "https://u@localhost/redfish/v1/Systems/1", "https://localhost/x"):
            self.ctl_fails("host", "fence-agent", "set", "host1", "--redfish", bad)
        # the system's certificates do not vouch for it
        self.cloud.ctl("host", "fence-agent", "set", "host1", "--redfish", self.redfish.url(1), *user)
        said = self.ctl_fails("host", "fence-agent", "test", "host1")
        assert "certificate" in said.lower() or "SSL" in said, said
        for i in (1, 2, 3):
            self.cloud.ctl("host", "fence-agent", "set", "host%d" % i, "--redfish", self.redfish.url(i), *user, "--ca", self.ca)
        assert "on" in self.cloud.ctl("host", "fence-agent", "test", "host1")
        shown = self.ask("GET", "/cloud/v1/hosts/host1/fence-agent").json["fence_agent"]
        assert shown["user"] == "admin" and shown["has_password"] and shown["has_ca"] and SECRET not in json.dumps(shown), shown

        for fault, says in (("refuse", "status 503"), ("hang", "time"), ("redirect", "redirects are not followed"), ("huge", "too long"),
                            ("nonsense", "no system's")):
            self.redfish.fault = fault
            said = self.ctl_fails("host", "fence-agent", "test", "host1")
            assert says in said.lower() or says in said, (fault, said)
        self.redfish.fault = None
        assert not [r for r in self.redfish.reads if r == 99] and not self.redfish.resets
        self.redfish.basic, right = "Basic x", self.redfish.basic
        assert "password" in self.ctl_fails("host", "fence-agent", "test", "host1")
        self.redfish.basic = right

    def programs(self):
        """A program as an agent: only out of the directory, and only one that nobody else can have written."""
        path = os.path.join(self.cloud.dir, "fence.d/ipmi")
        with open(path, "w") as f:
            f.write('#!/bin/sh\n[ "$(env | grep -cv "^PWD=\\|^_=\\|^SHLVL=")" = 2 ] || exit 3\n[ "$2" = host3 ] || exit 4\n'
                    'case $1 in status) echo on ;; *) exit 0 ;; esac\n')
        os.chmod(path, 0o775)
        self.ctl_fails("host", "fence-agent", "set", "host3", "--command", "ipmi")
        os.chmod(path, 0o755)
        self.ctl_fails("host", "fence-agent", "set", "host3", "--command", "../fence.d/ipmi")
        self.cloud.ctl("host", "fence-agent", "set", "host3", "--command", "ipmi")
        assert "on" in self.cloud.ctl("host", "fence-agent", "test", "host3")
        with open(path, "w") as f:
            f.write("#!/bin/sh\nsleep 1000 &\nwait\n")
        assert "in time" in self.ctl_fails("host", "fence-agent", "test", "host3")
        with open(path, "w") as f:
            f.write("#!/bin/sh\necho off with his head\n")
        assert "more than the word" in self.ctl_fails("host", "fence-agent", "test", "host3")
        self.cloud.ctl("host", "fence-agent", "clear", "host3")
        self.ask("GET", "/cloud/v1/hosts/host3/fence-agent", expect=404)

    def lies(self):
        """It says yes and stays on: no proof. It says off of a host that can be heard: of another machine."""
        self.redfish.fault = "lies"
        said = self.ctl_fails("host", "fence", "host1", "--deadline", "1")
        assert "not what it should be" in said, said
        self.redfish.fault = None
        assert (1, "ForceOff") in self.redfish.resets
        last = self.attempts(1)[0]
        assert last["state"] == "failed" and last["power"] == "on" and last["tries"] >= 2, last
        assert self.known(1, "unreachable")["proof"] is None
        self.ask("POST", "/cloud/v1/hosts/host1/evacuation", expect=409)

        assert "can be heard" in self.ctl_fails("host", "fence", "host2")
        self.redfish.state[2] = "Off"
        assert "another machine" in self.ctl_fails("host", "fence", "host2", "--force")
        self.redfish.state[2] = "On"
        self.known(2, "connected")

    def killed(self):
        """kill -9 while the power goes down: the attempt goes on, and begins by reading."""
        self.redfish.release.clear()
        self.redfish.fault = "late"
        resets = len(self.redfish.resets)
        self.cloud.ctl("host", "fence", "host1", "--reason", "it is silent", "--no-wait")
        self.redfish.wait(lambda r: len(r.resets) > resets)
        assert self.host(1)["evidence"]["fencing"]
        os.kill(self.cloud.pid(), signal.SIGKILL)
        reads, resets = len(self.redfish.reads), len(self.redfish.resets)
        subprocess.run([os.path.join(TOP, "scripts/devcloud"), "restart", self.cloud.dir], check=True, stdout=subprocess.DEVNULL)
        self.redfish.wait(lambda r: len(r.reads) > reads + 1)
        # it was unreachable before, and is so after a restart that heard nothing of it
        assert self.host(1)["evidence"]["state"] == "unreachable"
        self.redfish.release.set()
        self.known(1, "down", source="fence", proof="fence", down_by="root", down_reason="it is silent")
        last = self.attempts(1)[0]
        assert last["state"] == "done" and last["power"] == "off" and last["tries"] >= 2, last
        self.redfish.fault = None
        assert set(self.domains(1).values()) <= {"off", "saved"} or self.host(1)["connection"] != "connected"

    def evacuate(self):
        """All of them go: also what was paused, suspended, rescued or shelved."""
        s = self.servers
        assert self.server(s["runs"], "ACTIVE")["host_status"] == "DOWN"
        why = self.ask("GET", "/cloud/v1/why/" + s["runs"]).json["why"]
        assert why["cause"] == "host-dead" and "cloudctl host evacuate host1" in [c["command"] for c in why["can_do"]], why
        v = json.loads(self.cloud.ctl("host", "evacuate", "host1", "--wait", "-o", "json"))["evacuation"]
        assert v["state"] == "done" and v["begun"] == 6 and not v["left"], v
        after = {"runs": "ACTIVE", "off": "SHUTOFF", "paused": "SHUTOFF", "suspended": "SHUTOFF", "rescued": "ACTIVE",
                 "shelved": "SHELVED_OFFLOADED"}
        for name, status in after.items():
            now = self.server(s[name], status)
            assert now["OS-EXT-SRV-ATTR:host"] in (["host2", "host3"] if name != "shelved" else [None, ""]), now
        assert self.event("host.evacuated")["data"]["moved"] == 6

    def returns(self):
        """It is switched on: what went elsewhere is cleared away there, and then it is used again."""
        left = self.domains(1)
        assert set(left) == set(self.servers.values()), left
        self.cloud.ctl("host", "power", "host1", "on")
        assert (1, "On") in self.redfish.resets
        self.known(1, "connected", proof=None, comes_back=False)
        assert not self.domains(1), self.domains(1)
        said = self.event("host.returned")["data"]
        assert said["stale"] == 6 and said["running"] == 0, said
        assert self.server(self.make("back", 1), "ACTIVE")["OS-EXT-SRV-ATTR:host"] == "host1"

    def mistake(self):
        """Declared dead by mistake: its guest ran all the time, and is destroyed when the host is heard again."""
        uid = self.make("twin", 2)
        self.server(uid, "ACTIVE")
        self.silence(2)
        self.known(2, "unreachable")
        self.cloud.ctl("host", "down", "host2", "--confirm-dead", "--reason", "a mistake")
        self.known(2, "down", source="operator", proof="operator", down_reason="a mistake")
        self.cloud.ctl("host", "evacuate", "host2", "--wait")
        now = self.server(uid, "ACTIVE")
        assert now["OS-EXT-SRV-ATTR:host"] != "host2" and self.domains(2)[uid] == "running"
        self.cloud.host("heal", 2)
        self.until("/cloud/v1/flows", lambda b: not b["flows"])
        assert uid not in self.domains(2), self.domains(2)
        assert self.event("host.returned")["data"]["running"] >= 1, self.event("host.returned")
        noted = self.ask("GET", "/cloud/v1/audit?action=server.stale_domain&target=" + uid).json["records"]
        assert len(noted) == 1 and "runs" in noted[0]["reason"], noted
        # it stays down until somebody says otherwise, though it answers and nothing is left
        self.known(2, "down")
        assert self.ask("GET", "/cloud/v1/why/host2").json["why"]["cause"] == "host-dead-answers"
        for i in range(4):
            assert self.server(self.make("not-there%d" % i), "ACTIVE")["OS-EXT-SRV-ATTR:host"] != "host2"
        self.cloud.ctl("host", "revive", "host2")
        self.known(2, "connected", comes_back=False)

    def by_itself(self):
        """Fenced and evacuated without being asked; not when many are silent."""
        subprocess.run(["sed", "-i", "s/^auto_after_s = .*/auto_after_s = 1/", os.path.join(self.cloud.dir, "cloudd.conf")], check=True)
        subprocess.run([os.path.join(TOP, "scripts/devcloud"), "restart", self.cloud.dir], check=True, stdout=subprocess.DEVNULL)
        for i in (1, 2, 3):
            self.known(i, "connected")
        resets = len(self.redfish.resets)
        self.silence(1)
        self.silence(2)
        self.until("/cloud/v1/events?type=host.fence_held", lambda b: b["events"])
        assert "too many hosts" in self.event("host.fence_held")["data"]["reason"] and len(self.redfish.resets) == resets
        self.cloud.host("heal", 1)
        self.cloud.host("heal", 2)
        for i in (1, 2):
            self.known(i, "connected")
        there = {s["id"]: s["status"] for s in self.ask("GET", "/compute/v2.1/servers/detail?all_tenants=1").json["servers"]
                 if s["OS-EXT-SRV-ATTR:host"] == "host1"}
        assert there
        self.silence(1)
        self.known(1, "down", source="fence", down_by="cloudd itself")
        self.until("/cloud/v1/hosts/host1/evacuation", lambda b: b["evacuation"]["state"] == "done")
        for uid, status in there.items():
            assert self.server(uid, status)["OS-EXT-SRV-ATTR:host"] != "host1"

    def secrets(self):
        """The password is nowhere but in its sealed form."""
        for top, _, names in os.walk(self.cloud.dir):
            for name in names:
                if name == "bmc.password" or not os.path.isfile(os.path.join(top, name)):
                    continue
                with open(os.path.join(top, name), "rb") as f:
                    assert SECRET.encode() not in f.read(), os.path.join(top, name)
        noted = self.ask("GET", "/cloud/v1/audit?action=host.fenced").json["records"]
        assert [n["status"] for n in noted] == [200, 200, 504, 504], noted  # newest first
        proofs = self.ask("GET", "/cloud/v1/audit?action=host.proved_down").json["records"]
        assert [n["reason"].split(",")[0] for n in proofs] == ["proof: fence", "proof: operator", "proof: fence"], proofs
        check = json.loads(self.cloud.ctl("check", "-o", "json"))["check"]
        assert check["ok"], check


def main():
    chapters = (Test.silent, Test.agents, Test.programs, Test.lies, Test.killed, Test.evacuate, Test.returns, Test.mistake, Test.by_itself,
                Test.secrets)
    cloud = Cloud(hosts=3, options=["--persist"])
    os.mkdir(os.path.join(cloud.dir, "fence.d"), 0o755)
    cloud.settings = ("hosts.unreachable_s=1", "hosts.steady_s=0", "hosts.retry_max_ms=300", "compute.shelved_offload_s=-1",
                      "fencing.fence_call_s=1", "fencing.fence_deadline_s=20", "fencing.auto_after_s=0", "fencing.auto_evacuate=true",
                      "fencing.command_dir=%s/fence.d" % cloud.dir)
    with cloud:
        test = Test(cloud)
        cloud.ctl("quota", "set", "admin", "instances=-1", "cores=-1", "ram=-1", "ports=-1")
        try:
            for chapter in chapters:
                begun = time.monotonic()
                chapter(test)
                print("ok   %s (%.1f s)" % (chapter.__name__, time.monotonic() - begun), flush=True)
        finally:
            test.redfish.stop()
    print("fencing: ok")


if __name__ == "__main__":
    main()
