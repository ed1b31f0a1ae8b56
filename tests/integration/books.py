#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""All that tells of use and money tells the same: openstack usage, quota and limits, cloudctl usage, quota, rate and invoice, as table,
CSV and JSON, to the last digit."""
import csv
import datetime
import decimal
import fractions
import io
import json
import os
import re
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
try:
    from osc import Client, until
except ImportError as e:
    print("SKIP: needs python3-openstackclient (%s)" % e)
    sys.exit(77)
from cloud import Cloud  # noqa: E402

BOOK = {"currency": "VND", "from_month": "2020-01", "taxes": [{"name": "VAT", "percent": "10"}], "items": [
    {"resource": "vcpu", "price": "310512.5"}, {"resource": "vcpu", "state": "stopped", "price": "100001"},
    {"resource": "ram_gib", "tiers": [{"from": 0, "price": "7725"}, {"from": 1, "price": "7000.123"}]},
    {"resource": "disk_gib", "unit": "month", "price": "999999999"}, {"resource": "address", "price": "4500000"},
    {"resource": "image_gib", "price": "19000"}]}


def make_servers(cloud):
    """One that runs and one that is stopped; their flavor."""
    flavor = next(f for f in cloud.request("tenant", "GET", "/compute/v2.1/flavors/detail").json["flavors"] if f["name"] == "m1.small")
    image = cloud.request("tenant", "GET", "/image/v2/images").json["images"][0]["id"]
    network = cloud.request("tenant", "GET", "/network/v2.0/networks").json["networks"][0]["id"]
    ids = []
    for name in ("runs", "stops"):
        a = cloud.request("tenant", "POST", "/compute/v2.1/servers", {"server": {
            "name": name, "flavorRef": flavor["id"], "imageRef": image, "networks": [{"uuid": network}]}})
        assert a.status == 202, a.body
        ids.append(a.json["server"]["id"])
    for i in ids:
        until(lambda: cloud.request("tenant", "GET", "/compute/v2.1/servers/" + i).json["server"]["status"] == "ACTIVE", "a server")
    assert cloud.request("tenant", "POST", "/compute/v2.1/servers/%s/action" % ids[1], {"os-stop": None}).status == 202
    until(lambda: cloud.request("tenant", "GET", "/compute/v2.1/servers/" + ids[1]).json["server"]["status"] == "SHUTOFF", "the stop")
    return ids, flavor


def delete(cloud, ids):
    for i in ids:
        assert cloud.request("tenant", "DELETE", "/compute/v2.1/servers/" + i).status == 204
    for i in ids:
        until(lambda: cloud.request("tenant", "GET", "/compute/v2.1/servers/" + i).status == 404, "the deletion")


# --- quota

def check_quota(cloud, me, admin, flavor):
    ctl = {q["resource"]: q for q in json.loads(cloud.ctl("quota", "show", "demo", "-o", "json"))["quotas"]}
    limits = {r["Name"]: r["Value"] for r in me("limits show --absolute")}
    detail = {r["Resource"]: r for r in admin("quota list --compute --detail --project demo")}
    shown = {r["Resource"]: r["Limit"] for r in me("quota show")} if isinstance(me("quota show"), list) else me("quota show")
    used = {"instances": 2, "cores": 2 * flavor["vcpus"], "ram": 2 * flavor["ram"]}
    for name, total, limit in (("instances", "totalInstancesUsed", "maxTotalInstances"), ("cores", "totalCoresUsed", "maxTotalCores"),
                               ("ram", "totalRAMUsed", "maxTotalRAMSize")):
        assert ctl[name]["in_use"] == limits[total] == detail[name]["In Use"] == used[name], (name, ctl[name], limits, detail)
        assert ctl[name]["limit"] == limits[limit] == detail[name]["Limit"] == shown[name], (name, ctl[name], limits, shown)
    ports = next(r for r in admin("quota list --network --detail --project demo") if r["Resource"] in ("port", "ports"))
    assert ports["In Use"] == ctl["ports"]["in_use"] == 2 and ports["Limit"] == ctl["ports"]["limit"], (ports, ctl["ports"])


# --- usage

def hours(ctl_usage, resource, free=()):
    return sum((fractions.Fraction(u["quantity_exact"]) for u in ctl_usage if u["resource"] == resource and u.get("state") not in free),
               fractions.Fraction(0))


def check_usage(cloud, me, admin, project, month):
    """Building is free in openstack usage, which has no states; the rest are the same microseconds."""
    today = datetime.datetime.now(datetime.timezone.utc).date()
    span = "--start %s-01 --end %s" % (month, today + datetime.timedelta(days=1))
    use = json.loads(cloud.ctl("usage", "--project", project, "--month", month, "-o", "json"))["usage"]
    exact = {"CPU Hours": hours(use, "vcpu", ["building"]), "RAM MB-Hours": 1024 * hours(use, "ram_gib", ["building"]),
             "Disk GB-Hours": hours(use, "disk_gib", ["building"])}
    a = cloud.request("admin", "GET", "/compute/v2.1/os-simple-tenant-usage/%s?start=%s-01T00:00:00&end=%sT00:00:00" % (
        project, month, today + datetime.timedelta(days=1))).json["tenant_usage"]
    for name, key in (("CPU Hours", "total_vcpus_usage"), ("RAM MB-Hours", "total_memory_mb_usage"), ("Disk GB-Hours", "total_local_gb_usage")):
        assert exact[name] > 0 and a[key] == float("%.15g" % exact[name]), (name, a[key], float(exact[name]))  # as JSON has it
        mine, listed = me("usage show " + span), next(r for r in admin("usage list " + span) if r["Project"] == project)
        assert mine[name] == listed[name] == a[key], (name, mine, listed, a[key])
    return use


# --- money

def nearest(x):
    """Halves away from zero."""
    return int(x + fractions.Fraction(1, 2)) if x >= 0 else -int(-x + fractions.Fraction(1, 2))


def check_lines(invoice, use, length):
    """Each line is what its quantity and price say, and all quantities are those of the use."""
    total, taxes, quantity = 0, 0, {}
    for line in invoice["lines"]:
        amount = int(line["amount"])
        if line["kind"] == "tax":
            taxes += amount
            continue
        q, price = fractions.Fraction(line["quantity_exact"]), fractions.Fraction(decimal.Decimal(line["price"]))
        assert amount == nearest(q * price), line
        by_month = line["unit"].endswith("-month")
        r = line["item"]["resource"]
        quantity[r] = quantity.get(r, 0) + (q * length if by_month else q)
        total += amount
    assert taxes == nearest(fractions.Fraction(total, 10)), (taxes, total)
    assert int(invoice["total"]) == total + taxes, invoice
    for r, q in quantity.items():
        assert q == hours(use, r, ["building", "error"]), (r, q, hours(use, r))


def only(answer):
    return answer["invoice"] if "invoice" in answer else answer["invoices"][0]


def forms(cloud, *args):
    """What JSON, CSV and table say, each as text by rows."""
    asked = {form: cloud.ctl(*args, "-o", form) for form in ("json", "csv", "table")}
    return json.loads(asked["json"]), list(csv.reader(io.StringIO(asked["csv"]))), asked["table"]


def check_forms(cloud, project, month, use):
    _, rows, table = forms(cloud, "usage", "--project", project, "--month", month)
    column = rows[0].index("quantity")
    assert sorted(r[column] for r in rows[1:]) == sorted(u["quantity"] for u in use), (rows, use)
    for u in use:
        assert " %s" % u["quantity"] in table, (u, table)
    for args in (("invoice", "show"), ("rate",)):
        invoice, rows, table = forms(cloud, *args, "--project", project, "--month", month)
        invoice = only(invoice)
        lines = invoice["lines"]
        column = rows[0].index("amount")
        amounts = [r[column] for r in rows[1:] if len(r) > column]
        assert [line["amount"] for line in lines] == amounts[:len(lines)], (lines, rows)
        table = re.sub(r"(?<=\d)[ \u00a0\u202f](?=\d{3}\b)", "", table)  # digits in threes
        for line in lines:
            assert line["amount"] in table and (line["quantity"] or "") in table, (line, table)
        assert invoice["total"] in table, table


def main():
    with Cloud(driver="sim", hosts=2) as cloud:
        me, admin = Client(cloud.env["tenant"]).by_token(), Client(cloud.env["admin"]).by_token()
        project = admin("project show demo")["id"]
        month = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m")
        with open(os.path.join(cloud.dir, "book.json"), "w") as f:
            json.dump(BOOK, f)
        cloud.ctl("price", "add", f.name)
        ids, flavor = make_servers(cloud)
        check_quota(cloud, me, admin, flavor)
        delete(cloud, ids)
        use = check_usage(cloud, me, admin, project, month)
        assert {"active", "stopped"} <= {u.get("state") for u in use}, use
        check_forms(cloud, project, month, use)
        invoice = only(json.loads(cloud.ctl("invoice", "show", "--project", project, "--month", month, "-o", "json")))
        year, m = int(month[:4]), int(month[5:])
        days = (datetime.date(year + m // 12, m % 12 + 1, 1) - datetime.date(year, m, 1)).days
        check_lines(invoice, use, days * 24)
        rated = only(json.loads(cloud.ctl("rate", "--project", project, "--month", month, "--book", f.name, "-o", "json")))
        assert rated["lines"] == invoice["lines"] and rated["total"] == invoice["total"], (rated, invoice)
        own = cloud.request("tenant", "GET", "/cloud/v1/usage?month=" + month).json["usage"]
        assert own == use, (own, use)
        report = cloud.ctl("ledger", "verify")
        print("usage, quota and money agree; %d lines, %s VND; %s" % (len(invoice["lines"]), invoice["total"], report.strip().splitlines()[-1]))


if __name__ == "__main__":
    start = time.monotonic()
    main()
    print("%.1f s" % (time.monotonic() - start))
