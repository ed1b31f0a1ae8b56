# SPDX-License-Identifier: Apache-2.0
"""A real guest of scripts/guest-image, through the API and by what it says on its console."""
import glob
import os
import re
import shutil
import time

SERVERS = "/compute/v2.1/servers"
LATEST = {"OpenStack-API-Version": "compute 2.93"}


def missing():
    """Why real guests cannot run here; None: they can."""
    if os.getuid() != 0 or not shutil.which("libvirtd") or not shutil.which("qemu-system-x86_64"):
        return "a libvirtd of its own needs root, libvirtd and qemu-system-x86_64"
    return None


def wait(holds, what, seconds=300):
    end = time.monotonic() + seconds
    while True:
        seen = holds()
        if seen:
            return seen
        assert time.monotonic() < end, "waited in vain for " + what
        time.sleep(0.1)


def volumes(cloud, guest):
    """What the hosts hold of a guest."""
    return sorted(os.path.basename(p)[37:] for p in glob.glob(cloud.dir + "/host*/images/%s-*" % guest.id) if not p.endswith(".log"))


def told(what, begun=[time.monotonic()]):
    print("ok   %-58s %5.1f s" % (what, time.monotonic() - begun[0]), flush=True)
    begun[0] = time.monotonic()


class Guest:
    def __init__(self, cloud, name, image, **more):
        self.cloud, self.ready = cloud, 0
        body = {"name": name, "imageRef": image, "flavorRef": "1", "networks": "auto", **more}
        self.id = self.ask("POST", SERVERS, {"server": body}, 202)["server"]["id"]
        self.becomes("ACTIVE")

    def ask(self, method, path, body=None, status=200, who="tenant"):
        a = self.cloud.request(who, method, path, body, LATEST)
        assert a.status == status, (method, path, body, a.status, a.body)
        return a.json

    def act(self, action, args=None, status=202, who="tenant"):
        return self.ask("POST", "%s/%s/action" % (SERVERS, self.id), {action: args}, status, who)

    def show(self, who="tenant"):
        return self.ask("GET", "%s/%s" % (SERVERS, self.id), who=who)["server"]

    def becomes(self, status):
        def holds():
            s = self.show()
            assert s["status"] == status or s["status"] != "ERROR", s.get("fault")
            return s["status"] == status and s["OS-EXT-STS:task_state"] is None
        wait(holds, "%s to be %s" % (self.id, status))

    def console(self):
        return self.act("os-getConsoleOutput", {}, 200)["output"].replace("\r", "")

    def booted(self, boots):
        """It is ready once more, and its root disk has seen so many boots. What it printed since it began."""
        def holds():
            text = self.console()
            return text if len(re.findall("^guest: ready", text, re.M)) > self.ready else None
        text = wait(holds, "%s to boot" % self.id)
        self.ready = len(re.findall("^guest: ready", text, re.M))
        count = re.findall(r"^guest: boots=(\d+)", text, re.M)
        assert int(count[-1]) == boots, (boots, count)
        return text[text.rindex("guest: kernel="):]

    def image(self, action, **args):
        i = self.act(action, args)["image_id"]
        wait(lambda: self.ask("GET", "/image/v2/images/" + i)["status"] == "active", "the image %s" % i)
        return i

    def delete(self):
        self.ask("DELETE", "%s/%s" % (SERVERS, self.id), status=204)
        wait(lambda: self.cloud.request("tenant", "GET", "%s/%s" % (SERVERS, self.id)).status == 404, "%s to be gone" % self.id)
