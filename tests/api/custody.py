#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""One GPU and two tenants: the second gets it only after its record says that it was reset and verified, by an operator's command
that has the last word, also when the daemon is killed meanwhile. And a GPU that falls off the bus: its server is not called
ACTIVE, is not started before it is back, and can be then."""
import json
import os
import signal
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from cloud import Cloud  # noqa: E402

GPU = "gpu1:0000:10:00.0"


class Test:
    def __init__(self, cloud, fifo, lost):
        self.cloud, self.fifo, self.lost = cloud, fifo, lost

    def ask(self, who, method, path, body=None, expect=None):
        answer = self.cloud.request(who, method, path, body)
        assert expect is None or answer.status == expect, (method, path, answer.status, answer.body)
        return answer

    def until(self, who, path, holds):
        end = time.monotonic() + 60
        while True:
            body = self.ask(who, "GET", path).json
            if holds(body):
                return body
            assert time.monotonic() < end, (path, body)
            time.sleep(0.05)

    def gpu(self, state):
        return self.until("admin", "/cloud/v1/gpus/" + GPU, lambda b: b["gpu"]["state"] == state)["gpu"]

    def history(self):
        return json.loads(self.cloud.ctl("gpu", "history", GPU, "-o", "json"))["history"]

    def make(self, who, status):
        body = {"server": {"name": who, "imageRef": self.image, "flavorRef": self.flavor}}
        uid = self.ask(who, "POST", "/compute/v2.1/servers", body, expect=202).json["server"]["id"]
        return self.server(who, uid, status)

    def server(self, who, uid, status):
        return self.until(who, "/compute/v2.1/servers/" + uid, lambda b: b["server"]["status"] == status
                          and not b["server"]["OS-EXT-STS:task_state"])["server"]

    def remove(self, who, uid):
        self.ask(who, "DELETE", "/compute/v2.1/servers/" + uid, expect=204)
        self.until(who, "/compute/v2.1/servers", lambda b: uid not in [s["id"] for s in b["servers"]])

    def say(self, word):
        """The command waits for it: nothing is clean before."""
        with open(self.fifo, "w") as f:
            f.write(word + "\n")

    def clean(self):
        self.gpu("being verified")
        self.say("fine")
        self.gpu("free")

    def set_up(self):
        self.cloud.add_person("second", "member", "second")
        for project in ("demo", "second"):
            self.cloud.ctl("quota", "set", project, "gpus=-1")
        uri = "sim://gpu1?vcpus=8&ram_gib=64&gpus=1&gpu=10de:2330&lost=%s&state=%s.state" % (self.lost, self.lost)
        self.cloud.ctl("host", "add", "gpu1", uri, "--wait")
        flavor = {"flavor": {"name": "one", "ram": 1024, "vcpus": 1, "disk": 1}}
        self.flavor = self.ask("admin", "POST", "/compute/v2.1/flavors", flavor, expect=200).json["flavor"]["id"]
        specs = {"extra_specs": {"pci_passthrough:alias": "h100-sxm5:1"}}
        self.ask("admin", "POST", "/compute/v2.1/flavors/%s/os-extra_specs" % self.flavor, specs, expect=200)
        self.image = self.ask("tenant", "GET", "/image/v2/images?name=guest").json["images"][0]["id"]

    def two_tenants(self):
        first = self.make("tenant", "ACTIVE")["id"]
        assert self.history() == []
        self.remove("tenant", first)
        self.gpu("being verified")
        assert "No valid host" in self.make("second", "ERROR")["fault"]["message"]
        os.kill(self.cloud.pid(), signal.SIGKILL)
        with open(self.fifo + ".pid") as f:  # the command of the dead daemon would take the next word
            os.kill(int(f.read()), signal.SIGKILL)
        self.cloud.devcloud("restart", self.cloud.dir)
        assert "No valid host" in self.make("second", "ERROR")["fault"]["message"]
        assert self.history() == []
        self.clean()
        records = self.history()
        assert [(r["server_id"], r["result"], r["words"]) for r in records] == [
            (first, "clean", "fine gpu1 0000:10:00.0 10de:2330")], records
        assert records[0]["project_id"] and records[0]["released_at"] <= records[0]["reset_at"] <= records[0]["verified_at"]
        for s in self.ask("second", "GET", "/compute/v2.1/servers").json["servers"]:
            self.remove("second", s["id"])
        second = self.make("second", "ACTIVE")
        assert second["OS-SRV-USG:launched_at"] > records[0]["verified_at"].rstrip("Z")
        return second["id"]

    def quarantined(self, uid):
        self.remove("second", uid)
        self.gpu("being verified")
        self.say("bad")
        gpu = self.gpu("quarantined")
        assert "said no (3): bad" in gpu["reason"], gpu
        assert [r["result"] for r in self.history()] == ["quarantined", "clean"]
        self.make("second", "ERROR")
        self.cloud.ctl("gpu", "reset", GPU)  # mended: the same way again
        self.clean()

    def refresh(self, present):
        self.cloud.ctl("host", "refresh", "gpu1")
        self.until("admin", "/cloud/v1/gpus/" + GPU, lambda b: b["gpu"]["present"] == present)

    def lose(self):
        uid = self.make("tenant", "ACTIVE")["id"]
        with open(self.lost, "w") as f:
            f.write("0000:10:00.0\n")
        self.refresh(False)
        fault = self.server("tenant", uid, "ERROR")["fault"]
        assert fault["message"] == "A GPU of the server is gone from its host." and "gpu1" not in json.dumps(fault), fault
        assert GPU in self.server("admin", uid, "ERROR")["fault"]["details"]
        why = json.loads(self.cloud.ctl("why", uid, "-o", "json"))["why"]
        assert why["cause"] == "gpu-lost" and GPU in why["says"], why
        assert "cloudctl gpu show " + GPU in [c["command"] for c in why["can_do"]]
        answer = self.ask("tenant", "POST", "/compute/v2.1/servers/%s/action" % uid, {"reboot": {"type": "HARD"}}, expect=409)
        assert "A GPU of instance" in answer.body.decode()
        self.cloud.ctl("host", "refresh", "gpu1")
        self.until("admin", "/cloud/v1/drift", lambda b: "gpu-absent" in json.dumps(b))
        os.unlink(self.lost)
        self.refresh(True)
        assert self.gpu("assigned")["stage"] == "held"
        self.ask("tenant", "POST", "/compute/v2.1/servers/%s/action" % uid, {"reboot": {"type": "HARD"}}, expect=202)
        self.server("tenant", uid, "ACTIVE")
        # given back while it is away: it is reset when it is there again
        with open(self.lost, "w") as f:
            f.write("0000:10:00.0\n")
        self.refresh(False)
        self.remove("tenant", uid)
        assert json.loads(self.cloud.ctl("gpu", "show", GPU, "-o", "json"))["gpu"]["stage"] == "released"
        os.unlink(self.lost)
        self.refresh(True)
        self.clean()
        assert self.history()[0]["server_id"] == uid

    def run(self):
        self.set_up()
        second = self.two_tenants()
        self.quarantined(second)
        self.lose()
        self.cloud.ctl("check")


def main():
    with tempfile.TemporaryDirectory(prefix="cloudd-custody-") as d:
        fifo, script = os.path.join(d, "said"), os.path.join(d, "verify")
        os.mkfifo(fifo)
        with open(script, "w") as f:
            f.write("#!/bin/sh\necho $$ >%s.pid\nread -r word <%s\necho \"$word $*\"\n[ \"$word\" = fine ] || exit 3\n" % (fifo, fifo))
        os.chmod(script, 0o700)
        with Cloud(hosts=1, settings=("compute.gpu_verify_command=" + script,)) as cloud:
            Test(cloud, fifo, os.path.join(d, "lost")).run()


main()
