#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""cloudctl simulate: what a cloud was asked gets the same answers again, and others with more hosts or another policy; a trace in
CSV, whose answers are known."""
import json
import os
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from cloud import BUILD, Cloud  # noqa: E402

NODES = "sn,cpu_milli,memory_mib,gpu,model\nh0,8000,32768,4,a\nh1,8000,32768,4,b\nh2,64000,65536,0,\n"
TASKS = "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,creation_time,deletion_time\n"


def simulate(cloud, *args):
    return json.loads(cloud.ctl("simulate", *args, "-o", "json"))["simulation"]


def failing(cloud, *args):
    """What it says when it fails."""
    cmd = [os.path.join(BUILD, "src/cloudctl/cloudctl"), "--socket", os.path.join(cloud.dir, "run/cloudd.sock"), "simulate"]
    r = subprocess.run(cmd + list(args), stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, check=False)
    assert r.returncode != 0, r.stdout
    return r.stderr


def settled(cloud, ident):
    end = time.monotonic() + 60
    while True:
        s = cloud.request("admin", "GET", "/compute/v2.1/servers/" + ident).json["server"]
        if s["status"] != "BUILD":
            return s["status"]
        assert time.monotonic() < end, s
        time.sleep(0.05)


def test_journal(cloud):
    cloud.ctl("quota", "set", "admin", "instances=-1", "cores=-1", "ram=-1", "gpus=-1", "ports=-1")
    image = cloud.request("admin", "GET", "/image/v2/images?name=guest").json["images"][0]["id"]
    for n in (1, 8):
        cloud.ctl("flavor", "create", f"g{n}", "--id", f"g{n}", "--vcpus", "2", "--ram", "2048", "--disk", "1", "--gpus", f"a100:{n}")

    def create(flavor):
        a = cloud.request("admin", "POST", "/compute/v2.1/servers", {"server": {"name": "s", "imageRef": image, "flavorRef": flavor}})
        return a.json["server"]["id"] if a.status == 202 else None

    small = [create("g1") for _ in range(6)]
    large = create("g8")
    assert {settled(cloud, s) for s in small + [large]} == {"ACTIVE"}
    for s in small[:4]:
        assert cloud.request("admin", "DELETE", "/compute/v2.1/servers/" + s).status == 204
    refused = create("g8")  # two are left on the other host
    assert refused is None or settled(cloud, refused) == "ERROR"

    then = simulate(cloud, "--journal")
    assert then["asked"] == 8 and then["placed"] == 7 and then["refused"] == then["then_refused"] == 1, then
    assert then["same"] == 8 and then["elsewhere"] == then["placed_only_then"] == then["placed_only_now"] == 0, then
    assert then["hosts"] == 2 and then["gpus_used_end"] == 62.5, then  # 8 and 2 of 16
    assert [r["servers"] for r in then["reasons"]] == [1] and "gpus" in then["reasons"][0]["reason"], then

    more = simulate(cloud, "--journal", "--hosts-more", "1", "--like", "host2")
    assert more["hosts"] == 3 and more["refused"] == 0 and more["placed_only_now"] == 1 and more["same"] + more["elsewhere"] == 7, more
    spread = simulate(cloud, "--journal", "--policy", "spread")
    assert spread["elsewhere"] > 0, spread
    assert spread["placed_only_then"] == 1 and spread["refused"] == 2, spread  # the first of eight finds both hosts in use
    waiting = simulate(cloud, "--journal", "--policy", "spread", "--wait", "3600")
    assert waiting["waiting_most"] >= 1, waiting
    assert "refused then" in cloud.ctl("simulate", "--journal")
    failed = failing(cloud, "--journal", "--hosts-more", "1", "--like", "nobody")
    assert "nobody" in failed, failed


def test_trace(cloud, tmp):
    def files(tasks, nodes=NODES):
        names = [os.path.join(tmp, n) for n in ("tasks.csv", "nodes.csv")]
        for name, text in zip(names, (TASKS + tasks, nodes)):
            with open(name, "w", encoding="ascii") as f:
                f.write(text)
        return ["--trace", names[0], "--nodes", names[1]]

    # a takes all of both hosts until 100; b waits from 10 on, c has gone by 60 without a place, d is for model b alone
    life = "a0,8000,1024,4,1000,,0,100\na1,8000,1024,4,1000,,0,200\nb,1000,1024,1,500,,10,50\nc,1000,1024,1,1000,b,20,30\n"
    r = simulate(cloud, *files(life))
    assert r["asked"] == 4 and r["placed"] == 2 and r["refused"] == 2 and r["refused_gpu"] == 2, r
    r = simulate(cloud, *files(life), "--wait", "1000")
    assert r["placed"] == 4 and r["refused"] == 0 and r["waiting_most"] == 2, r
    assert r["wait_p50_s"] == 0 and r["wait_p99_s"] == 90.0, r  # 0, 0, 90 and 180: the 99th of 100 is the third of four
    r = simulate(cloud, *files(life), "--hosts-more", "1", "--like", "h1")
    assert r["hosts"] == 4 and r["refused"] == 0, r
    r = simulate(cloud, *files(life), "--stay", "--wait", "1000")
    assert r["placed"] == 2 and r["gpus_used_end"] == 100.0, r

    # half GPUs share one; the CPU task leaves GPUs alone where it can
    r = simulate(cloud, *files("x,1000,1024,1,500,,,\ny,1000,1024,1,500,,,\nz,8000,1024,0,,,,\n"))
    assert r["placed"] == 3 and r["gpus_used_end"] == 12.5, r

    def fails(word, tasks, nodes=NODES):
        text = failing(cloud, *files(tasks, nodes))
        assert word in text, text

    fails("tasks.csv:2", "x,1000,1024,1,0,,,\n")
    fails("tasks.csv:3", "x,1000,1024,1,500,,,\ny,many,1024,1,500,,,\n")
    fails("as many fields", "x,1000\n")
    fails("num_gpu", "x,1000,1024,65,1000,,,\n")
    fails("no task", "")
    fails("no column cpu_milli", "x,1000,1024,1,500,,,\n", "sn,cpu\nh,1\n")
    fails("too long", "x" * 5000 + ",1,1,0,,,,\n")
    assert "either --journal" in failing(cloud, "--journal", "--trace", "x")


def main():
    with Cloud(hosts=2) as cloud, tempfile.TemporaryDirectory() as tmp:
        test_trace(cloud, tmp)
        test_journal(cloud)


if __name__ == "__main__":
    main()
