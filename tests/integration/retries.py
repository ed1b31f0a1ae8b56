#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Requests with an Idempotency-Key under kill -9: the daemon dies at every moment around a POST, and whoever asks again gets the
one server that was made, with the password it was made with; the host has one domain of that uuid. Then many ask at once.

    retries.py [ROUNDS [SEED]]
"""
import http.client
import json
import os
import random
import signal
import ssl
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from cloud import TOP, Cloud  # noqa: E402

OUTAGE = (OSError, http.client.HTTPException, ssl.SSLError)


def connect(cloud):
    conn = http.client.HTTPSConnection(cloud.url.hostname, cloud.url.port, context=cloud.ssl, timeout=60)
    conn.connect()
    return conn


def post(cloud, conn, path, key, body):
    conn.request("POST", path, body=json.dumps(body).encode(), headers={
        "X-Auth-Token": cloud.token("tenant"), "Content-Type": "application/json", "Idempotency-Key": key,
        "OpenStack-API-Version": "compute 2.90"})
    r = conn.getresponse()
    return r.status, {k.lower(): v for k, v in r.getheaders()}, json.loads(r.read() or b"null")


def server(cloud, name):
    return {"server": {"name": name, "imageRef": cloud.image, "flavorRef": "1", "networks": "auto"}}


def killed_round(cloud, i, delay):
    """What the first attempt got (None: nothing), and what the second got."""
    name, first = "r%d" % i, None
    conn, answer = connect(cloud), []

    def attempt():
        try:
            answer.append(post(cloud, conn, "/compute/v2.1/servers", "key-%d" % i, server(cloud, name)))
        except OUTAGE:
            pass

    t = threading.Thread(target=attempt)
    t.start()
    time.sleep(delay)  # the moment of death is what is varied
    os.kill(cloud.pid(), signal.SIGKILL)
    t.join(60)
    conn.close()
    first = answer[0] if answer else None
    subprocess.run([os.path.join(TOP, "scripts/devcloud"), "restart", cloud.dir], check=True, stdout=subprocess.DEVNULL)
    conn = connect(cloud)
    second = post(cloud, conn, "/compute/v2.1/servers", "key-%d" % i, server(cloud, name))
    third = post(cloud, conn, "/compute/v2.1/servers", "key-%d" % i, server(cloud, name))
    conn.close()
    assert second[0] == third[0] == 202, (second, third)
    assert third[1]["idempotent-replayed"] == "true" and third[2] == second[2], (second, third)
    assert second[2]["server"]["adminPass"] and second[1]["location"] == third[1]["location"]
    if first:
        assert first[2] == second[2], (first, second)
    found = cloud.request("tenant", "GET", "/compute/v2.1/servers?name=^%s$" % name).json["servers"]
    assert [s["id"] for s in found] == [second[2]["server"]["id"]], found
    return first, second


def domains(cloud):
    """uuids of all domains that the simulated host has, from its file."""
    out = []
    with open(os.path.join(cloud.dir, "sim1.state")) as f:
        for line in f.read().split("\n")[:-1]:
            w = line.split("\t")
            if w[0] == "D" and w[1] not in out:
                out.append(w[1])
            elif w[0] == "X" and w[1] in out:
                out.remove(w[1])
    return out


def many_at_once(cloud):
    answers, n = [], 12

    def attempt():
        conn = connect(cloud)
        answers.append(post(cloud, conn, "/compute/v2.1/servers", "all-together", server(cloud, "together")))
        conn.close()

    threads = [threading.Thread(target=attempt) for _ in range(n)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60)
    assert len(answers) == n and all(a[0] == 202 and a[2] == answers[0][2] for a in answers), answers
    assert sum("idempotent-replayed" in a[1] for a in answers) == n - 1, answers
    return answers[0][2]["server"]["id"]


def other_things(cloud):
    conn = connect(cloud)
    path = "/compute/v2.1/os-keypairs"
    body = {"keypair": {"name": "made", "type": "ssh"}}
    first, again = (post(cloud, conn, path, "key of keys".replace(" ", "-"), body) for _ in range(2))
    if first[0] == 400:  # from 2.92 on keys are not made; the maximum may have moved
        return
    assert first[0] == 201 and first[2] == again[2] and "private_key" in first[2]["keypair"], (first, again)
    assert post(cloud, conn, path, "key-of-keys", {"keypair": {"name": "other", "type": "ssh"}})[0] == 409
    conn.close()


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.SystemRandom().randrange(1 << 32)
    print("seed %d" % seed)
    rng = random.Random(seed)
    with Cloud(hosts=1, options=["--persist"]) as cloud:
        cloud.image = cloud.request("tenant", "GET", "/image/v2/images?name=guest").json["images"][0]["id"]
        cloud.ctl("quota", "set", "demo", "instances=-1", "cores=-1", "ram=-1")
        cloud.token("tenant")
        answered = replayed = 0
        ids = []
        for i in range(rounds):
            first, second = killed_round(cloud, i, rng.uniform(0.002, 0.06))
            answered += first is not None
            replayed += first is None and "idempotent-replayed" in second[1]
            ids.append(second[2]["server"]["id"])
        ids.append(many_at_once(cloud))
        other_things(cloud)
        for _ in range(3000):
            states = {s["id"]: s["status"] for s in cloud.request("tenant", "GET", "/compute/v2.1/servers/detail").json["servers"]}
            if "BUILD" not in states.values():
                break
        assert sorted(states) == sorted(ids) == sorted(domains(cloud)), (states, ids, domains(cloud))
        print("%d rounds: %d answered before the end, %d done but not answered, %d not done" % (
            rounds, answered, replayed, rounds - answered - replayed))


if __name__ == "__main__":
    main()
