#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The audit from outside: what a tenant sees and can prove, that no secret is in it, and that any change of a database or of an
export is found, by cloudctl and by scripts/audit-verify alike, with the same first bad record."""
import base64
import copy
import importlib.machinery
import importlib.util
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from cloud import BUILD, TOP, Cloud  # noqa: E402

CTL = os.path.join(BUILD, "src/cloudctl/cloudctl")
sys.dont_write_bytecode = True
loader = importlib.machinery.SourceFileLoader("audit_verify", os.path.join(TOP, "scripts/audit-verify"))
other = importlib.util.module_from_spec(importlib.util.spec_from_loader("audit_verify", loader))
loader.exec_module(other)

SECRET = "s3cret-of-this-test-"  # every secret of this test begins so
COLUMNS = ("at_us", "request_id", "user_uid", "user_name", "project_uid", "peer", "method", "path", "action", "target", "status",
           "reason", "hash")


def ctl_verify(*args):
    """None when all is good, else the first bad record and what is wrong."""
    p = subprocess.run([CTL, "audit", "verify", "-o", "json", *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert p.stdout, (args, p.stderr)
    found = json.loads(p.stdout).get("finding")
    assert (p.returncode == 0) == (found is None), p
    return (found["record"], found["what"]) if found else None


def other_verify(path, keys=(), witness=()):
    try:
        with open(path) as f:
            other.walk_export(f, [other.public_of_pem(k) for k in keys], other.heads_of(witness), True)
    except other.Bad as bad:
        return bad.record
    return None


def wait_head(cloud):
    """Until a head covers all that was done up to now."""
    seq = cloud.request("admin", "GET", "/cloud/v1/audit?limit=1").json["records"][0]["seq"]
    for _ in range(200):
        a = cloud.request("admin", "GET", "/cloud/v1/audit/head")
        if a.status == 200 and a.json["head"]["seq"] >= seq:
            return seq
        time.sleep(0.05)
    raise AssertionError("no head was signed for record %d" % seq)


# --- secrets

def post_secrets(cloud):
    """A secret in each field that takes one, in requests that succeed and in such that are refused."""
    n = iter(range(1000))

    def s():
        return SECRET + "%03d" % next(n)

    def login(**user):
        return cloud.request(None, "POST", "/identity/v3/auth/tokens", {"auth": {"identity": {"methods": ["password"], "password": {
            "user": {"domain": {"id": "default"}, **user}}}}})

    password = s()
    user = cloud.request("admin", "POST", "/identity/v3/users", {"user": {"name": "secretive", "password": password}}).json["user"]["id"]
    login(name="secretive", password=s())
    login(name="nobody-at-all", password=s())
    token = login(id=user, password=password).headers["x-subject-token"]
    cloud.request("admin", "PATCH", "/identity/v3/users/" + user, {"user": {"password": s()}})
    cloud.request(None, "POST", "/identity/v3/users/%s/password" % user, {"user": {"original_password": s(), "password": s()}})
    me = cloud.request("tenant", "GET", "/identity/v3/auth/tokens", headers={"X-Subject-Token": cloud.token("tenant")}).json["token"]
    made = cloud.request("tenant", "POST", "/identity/v3/users/%s/application_credentials" % me["user"]["id"],
                         {"application_credential": {"name": "robot", "secret": s()}})
    assert made.status == 201, made.body
    for secret in (s(), "short"):
        cloud.request(None, "POST", "/identity/v3/auth/tokens", {"auth": {"identity": {
            "methods": ["application_credential"], "application_credential": {
                "id": made.json["application_credential"]["id"], "secret": secret}}}})
    cloud.request("tenant", "DELETE", "/identity/v3/auth/tokens", headers={"X-Subject-Token": token})
    cloud.request("tenant", "GET", "/identity/v3/auth/tokens", headers={"X-Subject-Token": s()})
    for path in ("/identity/v2.0/tokens/" + s(), "/" + "nothing/here/" + s()):  # the API of old had tokens in paths
        cloud.request("tenant", "DELETE", path)
        cloud.request(None, "POST", path, {})
    image = cloud.request("tenant", "GET", "/image/v2/images").json["images"][0]["id"]
    server = cloud.request("tenant", "POST", "/compute/v2.1/servers", {"server": {
        "name": "keeper-of-secrets", "imageRef": image, "flavorRef": "1", "adminPass": s(), "networks": "auto",
        "user_data": base64.b64encode(s().encode()).decode()}}, headers={"OpenStack-API-Version": "compute 2.37"}).json["server"]
    cloud.request("tenant", "POST", "/compute/v2.1/servers", {"server": {
        "name": "x", "imageRef": image, "flavorRef": "none", "adminPass": s(), "user_data": s()}})
    for action in ({"rebuild": {"imageRef": image, "adminPass": s()}}, {"changePassword": {"adminPass": s()}}, {"rescue": {"adminPass": s()}}):
        cloud.request("tenant", "POST", "/compute/v2.1/servers/%s/action" % server["id"], action)
    cloud.request("tenant", "GET", "/console?token=" + s())
    for body in ({"webhook": {"url": "https://192.0.2.1/hook", "secret": s()}}, {"webhook": {"secret": s()}}):
        cloud.request("tenant", "POST", "/cloud/v1/webhooks", body)
    return [SECRET, server.get("adminPass", SECRET), token, *cloud.tokens.values()]


def check_no_secret(cloud, secrets, export):
    db = sqlite3.connect("file:%s/state/cloudd.db?mode=ro" % cloud.dir, uri=True)
    texts = [str(v) for row in db.execute("SELECT * FROM audit") for v in row]
    db.close()
    with open(export) as f:
        texts.append(f.read())
    for secret in secrets:
        for form in (secret, base64.b64encode(secret.encode()).decode().rstrip("=")):
            assert not any(form in t for t in texts), "%s is in the audit" % form


# --- what a tenant sees

def check_tenant(cloud, pem):
    own = cloud.request("tenant", "GET", "/cloud/v1/audit?limit=1000").json["records"]
    project = own[0]["project"]
    assert own and all(r["project"] == project for r in own)
    actions = {r["action"] for r in own}
    assert {"server.create", "placement.choose"} <= actions, actions
    every = cloud.request("admin", "GET", "/cloud/v1/audit?limit=1000").json["records"]
    foreign = next(r for r in every if r["project"] != project)
    for path in ("/cloud/v1/audit/%d", "/cloud/v1/audit/%d/proof"):
        assert cloud.request("tenant", "GET", path % foreign["seq"]).status == 404
    assert cloud.request("tenant", "GET", "/cloud/v1/audit/export").status == 403
    assert cloud.request("tenant", "POST", "/cloud/v1/audit/keys").status == 403
    refused = cloud.request("tenant", "GET", "/cloud/v1/audit?status=4xx&action=server.").json["records"]
    assert refused and all(400 <= r["status"] < 500 and r["action"].startswith("server.") for r in refused)
    record = next(r for r in own if r["action"] == "server.create" and r["status"] == 202)
    a = cloud.request("tenant", "GET", "/cloud/v1/audit/%d/proof" % record["seq"])
    assert a.status == 200, a.body
    check_proof(cloud, a.json, pem)


def check_proof(cloud, proof, pem):
    path = os.path.join(cloud.dir, "proof.json")

    def verified(p):
        with open(path, "w") as f:
            json.dump(p, f)
        return subprocess.run([CTL, "audit", "proof", "--verify", path, "--key", pem], stdout=subprocess.PIPE, stderr=subprocess.STDOUT).returncode == 0

    assert verified(proof)
    inner = proof["proof"]
    # of others' records there are hashes alone
    assert all(len(x) == 64 and set(x) <= set("0123456789abcdef") for x in inner["leaves"])
    assert set(inner) == {"format", "cloud", "before", "record", "leaves", "head", "key"}
    for where, key, value in (("record", "user", "somebody else"), ("record", "status", 403), ("head", "seq", 1),
                              ("head", "signature", base64.b64encode(bytes(64)).decode())):
        changed = copy.deepcopy(proof)
        changed["proof"][where][key] = value
        assert not verified(changed), (where, key)
    for key, value in (("before", "00" * 32), ("leaves", inner["leaves"][1:]), ("cloud", "another")):
        changed = copy.deepcopy(proof)
        changed["proof"][key] = value
        assert not verified(changed) or not inner["leaves"], key


# --- tampering

def tamper_database(path, pem, witness):
    """Each column of a record, its removal at the begin, in the middle and at the end, heads and the chain's row."""
    last, = sqlite3.connect(path).execute("SELECT max(seq) FROM audit").fetchone()
    mid = last // 2
    cases = [("UPDATE audit SET %s = %s WHERE seq = %d" % (
        c, {"at_us": "at_us + 1", "status": "status + 1", "hash": "zeroblob(32)"}.get(c, "coalesce(%s, '') || 'x'" % c), mid), mid) for c in COLUMNS]
    cases += [
        ("UPDATE audit SET path = path || CAST(x'0078' AS TEXT) WHERE seq = %d" % mid, mid),
        ("DELETE FROM audit WHERE seq = 1", 1), ("DELETE FROM audit WHERE seq = %d" % mid, mid),
        ("DELETE FROM audit WHERE seq = %d" % last, last),
        ("UPDATE audit SET seq = -1 WHERE seq = {0}; UPDATE audit SET seq = {0} WHERE seq = {1}; UPDATE audit SET seq = {1} WHERE seq = -1".format(
            mid, mid + 1), mid),
        ("INSERT INTO audit SELECT seq + 1, at_us, request_id, user_uid, user_name, project_uid, peer, method, path, action, target, "
         "status, reason, hash FROM audit WHERE seq = %d" % last, last + 1),
        ("UPDATE audit_chain SET hash = zeroblob(32)", last), ("UPDATE audit_chain SET seq = seq + 1", last + 1),
        ("UPDATE audit_chain SET base_seq = 1, base_hash = zeroblob(32)", None),
        ("UPDATE meta SET value = 'another' WHERE key = 'cloud_id'", 1),
    ]
    heads = [h for h, in sqlite3.connect(path).execute("SELECT seq FROM audit_head ORDER BY seq")]
    h = heads[len(heads) // 2]
    cases += [("UPDATE audit_head SET %s WHERE seq = %d" % (what, h), h) for what in (
        "hash = zeroblob(32)", "at_us = at_us + 1", "signature = zeroblob(64)", "key_id = 'another'")]
    for sql, wanted in cases:
        copied = path + ".tampered"
        shutil.copy(path, copied)
        db = sqlite3.connect(copied)
        db.executescript(sql)
        db.close()
        found = ctl_verify("--db", copied, "--key", pem)
        assert found and (wanted is None or found[0] == wanted), (sql, wanted, found)
    # the end is cut off with all that tells of it in the file: only who kept a head knows
    cut = ("DELETE FROM audit WHERE seq > {0}; DELETE FROM audit_head WHERE seq > {0}; UPDATE audit_chain SET seq = {0}, "
           "hash = (SELECT hash FROM audit WHERE seq = {0})").format(h)
    db = sqlite3.connect(path)
    db.executescript(cut)
    db.close()
    assert ctl_verify("--db", path, "--key", pem) is None
    found = ctl_verify("--db", path, "--key", pem, "--witness", witness)
    assert found and found[0] == h + 1 and "cut off" in found[1], found


def tamper_export(path, pem, witness):
    """Both verifiers name the same record."""
    with open(path) as f:
        lines = f.readlines()
    assert ctl_verify("--export", path, "--key", pem, "--witness", witness) is None
    assert other_verify(path, [pem], [witness]) is None
    records = [i for i, line in enumerate(lines) if '"type":"record"' in line]
    heads = [i for i, line in enumerate(lines) if '"type":"head"' in line]
    mid = records[len(records) // 2]
    nxt = records[len(records) // 2 + 1]

    def edited(i, **values):
        return [json.dumps({**json.loads(x), **values}) + "\n" if k == i else x for k, x in enumerate(lines)]

    record = json.loads(lines[mid])
    cases = [edited(mid, **{k: (v + 1 if isinstance(v, int) else "00" * 32 if k == "hash" else (v or "") + "x")})
             for k, v in record.items() if k not in ("type", "seq")]
    cases += [edited(heads[-1], **{k: v}) for k, v in (("signature", base64.b64encode(bytes(64)).decode()), ("at_us", 1), ("hash", "00" * 32))]
    cases += [lines[:mid] + lines[mid + 1:], lines[:records[0]] + lines[records[0] + 1:], lines[:records[-1]],
              lines[:mid] + [lines[nxt]] + [x for k, x in enumerate(lines) if mid <= k and k != nxt], lines[:mid] + lines[mid:mid + 1] + lines[mid:]]
    for i, case in enumerate(cases):
        copied = path + ".tampered"
        with open(copied, "w") as f:
            f.writelines(case)
        theirs = other_verify(copied, [pem])
        p = subprocess.run([CTL, "audit", "verify", "-o", "json", "--export", copied, "--key", pem], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert p.returncode != 0 and theirs, (i, p, theirs)
        if p.stdout:  # a line that is not as it was written ends it at once
            assert json.loads(p.stdout)["finding"]["record"] == theirs, (i, p.stdout, theirs)


def main():
    cloud = Cloud(hosts=1, settings=["audit.audit_head_s=1"])
    pem, export, copied, witness = (os.path.join(cloud.dir, n) for n in ("audit.pem", "export.jsonl", "copy.db", "witness"))
    cloud.settings.append("audit.audit_witness=" + witness)
    with cloud:
        with open(pem, "w") as f:
            f.write(cloud.ctl("audit", "key", "--pem"))
        secrets = post_secrets(cloud)
        wait_head(cloud)
        cloud.ctl("audit", "key", "--new")
        wait_head(cloud)
        check_tenant(cloud, pem)
        cloud.ctl("audit", "export", "--out", export)
        listed = json.loads(cloud.ctl("audit", "list", "--action", "audit.", "-o", "json"))["records"]
        assert [r["action"] for r in listed][0] == "audit.export" and {"audit.key", "audit.rotate"} <= {r["action"] for r in listed}
        check_no_secret(cloud, secrets, export)
        assert json.loads(cloud.ctl("check", "-o", "json"))["check"]["ok"]
        wait_head(cloud)
        cloud.ctl("audit", "export", "--out", export + "2")
        src = sqlite3.connect("file:%s/state/cloudd.db?mode=ro" % cloud.dir, uri=True)
        with sqlite3.connect(copied) as to:
            src.backup(to)
        src.close()
        assert ctl_verify("--db", copied, "--key", pem, "--witness", witness) is None
        tamper_export(export + "2", pem, witness)
        tamper_database(copied, pem, witness)
    print("ok")


if __name__ == "__main__":
    main()
