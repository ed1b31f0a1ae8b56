#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Every command of the openstack client for the identity service, unmodified."""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
try:
    import osc
except ImportError as e:
    print("SKIP: needs python3-openstackclient (%s)" % e)
    sys.exit(77)
from cloud import Cloud  # noqa: E402
from osc import column, holds  # noqa: E402

# what is not in this cloud, and why
EXCLUDED = {
    "access rule": "application credentials are limited by roles, not by rules on paths",
    "access token": "OAuth 1: no federation yet",
    "consumer": "OAuth 1: no federation yet",
    "request token": "OAuth 1: no federation yet",
    "credential": "EC2-style credentials are left out",
    "ec2 credentials": "EC2-style credentials are left out",
    "endpoint group": "the catalog is made of the configuration, and the same for all projects",
    "endpoint add project": "the catalog is made of the configuration, and the same for all projects",
    "endpoint remove project": "the catalog is made of the configuration, and the same for all projects",
    "federation": "federation is a later floor",
    "identity provider": "federation is a later floor",
    "mapping": "federation is a later floor",
    "service provider": "federation is a later floor",
    "limit": "limits are quotas of the services",
    "registered limit": "limits are quotas of the services",
    "policy": "who may do what is fixed, and in docs/api.md",
    "trust": "application credentials do this work",
}


def domains(openstack):
    d = holds(openstack("domain create --description 'a bank' --disable bank"), name="bank", description="a bank", enabled=False)
    assert openstack("domain create --or-show bank")["id"] == d["id"]
    openstack.fails("domain create bank", "409")
    openstack("domain set --enable --description 'the bank' --name bank2 bank")
    holds(openstack("domain show bank2"), id=d["id"], enabled=True, description="the bank")
    assert "bank2" in column(openstack("domain list"), "Name")
    assert column(openstack("domain list --name bank2"), "ID") == [d["id"]]
    assert "bank2" in column(openstack("domain list --enabled"), "Name")
    openstack.fails("domain delete bank2", "1 of 1 domains failed to delete")
    openstack("domain set --disable bank2")
    assert "bank2" not in column(openstack("domain list --enabled"), "Name")
    openstack("domain delete bank2")
    openstack.fails("domain show bank2", "bank2")


def projects(openstack):
    p = openstack("project create --description 'first' --property team=blue --tag fast --tag cheap p1")
    holds(p, name="p1", description="first", enabled=True, domain_id="default", parent_id="default", is_domain=False, team="blue")
    assert sorted(p["tags"]) == ["cheap", "fast"]
    assert openstack("project create --or-show p1")["id"] == p["id"]
    openstack.fails("project create p1", "409")
    child = openstack("project create --parent p1 --disable p1-child")
    holds(child, parent_id=p["id"], enabled=False)
    shown = openstack("project show --children p1")
    assert child["id"] in json.dumps(shown["subtree"]), shown
    shown = openstack("project show --parents p1-child")
    assert p["id"] in json.dumps(shown["parents"]), shown
    assert column(openstack("project list --parent p1"), "Name") == ["p1-child"]
    assert column(openstack("project list --tags fast,cheap"), "Name") == ["p1"]
    assert column(openstack("project list --tags-any fast,slow"), "Name") == ["p1"]
    assert "p1" not in column(openstack("project list --not-tags fast,cheap"), "Name")
    assert "p1" not in column(openstack("project list --not-tags-any fast"), "Name")
    rows = openstack("project list --long --domain default --sort name:desc")
    assert column(rows, "Name") == sorted(column(rows, "Name"), reverse=True)
    assert "p1" not in column(openstack("project list --user admin"), "Name")
    assert column(openstack("project list --my-projects"), "Name") == ["admin"]
    openstack("project set --tag big p1")
    openstack("project set --name p2 --description second --property team=red --remove-tag fast p1")
    got = holds(openstack("project show p2"), id=p["id"], description="second", team="red")
    assert sorted(got["tags"]) == ["big", "cheap"]
    openstack("project set --clear-tags --disable p2")
    holds(openstack("project show p2"), tags=[], enabled=False)
    openstack("project set --enable p2")
    openstack.fails("project delete p2", "1 of 1 projects failed to delete")
    openstack("project delete p1-child p2")
    openstack.fails("project show p2", "p2")


def users(openstack):
    openstack("project create up")
    u = openstack("user create --domain default --project up --password 'first pass word' --email u@example.org --description who u1")
    holds(u, name="u1", email="u@example.org", description="who", enabled=True, domain_id="default")
    assert "password" not in u
    assert openstack("user create --or-show u1")["id"] == u["id"]
    openstack.fails("user create u1", "409")
    openstack("role add --user u1 --project up member")
    assert "u1" in column(openstack("user list"), "Name")
    row = [r for r in openstack("user list --long") if r["Name"] == "u1"][0]
    assert row["Email"] == "u@example.org" and row["Enabled"] is True, row
    assert column(openstack("user list --project up"), "Name") == ["u1"]
    assert "u1" in column(openstack("user list --domain default"), "Name")
    me = openstack.like(OS_USERNAME="u1", OS_PASSWORD="first pass word", OS_PROJECT_NAME="up", OS_AUTH_TYPE=None, OS_TOKEN=None,
                        OS_USER_DOMAIN_ID="default")
    holds(me("token issue"), user_id=u["id"])
    holds(me("user show u1"), id=u["id"])
    me.fails("user list", "403")
    me("user password set --original-password 'first pass word' --password 'second pass word'")
    me.fails("token issue", "401")
    me = me.like(OS_PASSWORD="second pass word")
    me("token issue")
    me.fails("user password set --original-password wrong --password 'third pass word'", "401")
    openstack("user set --name u2 --email v@example.org --description other --password 'fourth pass word' u1")
    holds(openstack("user show u2"), id=u["id"], email="v@example.org", description="other")
    openstack("user set --disable u2")
    me = me.like(OS_USERNAME="u2", OS_PASSWORD="fourth pass word")
    me.fails("token issue", "401")
    openstack("user set --enable u2")
    me("token issue")
    openstack("user delete u2")
    openstack.fails("user show u2", "u2")
    me.fails("token issue", "401")
    openstack("project delete up")


def groups(openstack):
    g = holds(openstack("group create --domain default --description 'many' g1"), name="g1", description="many")
    assert openstack("group create --or-show g1")["id"] == g["id"]
    for name in ("gu1", "gu2"):
        openstack("user create --password 'some pass word' " + name)
    openstack("group add user g1 gu1 gu2")
    assert "gu1 in group g1" in openstack("group contains user g1 gu1")
    assert sorted(column(openstack("user list --group g1"), "Name")) == ["gu1", "gu2"]
    assert column(openstack("group list --user gu1"), "Name") == ["g1"]
    assert "g1" in column(openstack("group list --domain default --long"), "Name")
    openstack("group remove user g1 gu2")
    assert column(openstack("user list --group g1"), "Name") == ["gu1"]
    openstack("role add --group g1 --project demo reader")
    me = openstack.like(OS_USERNAME="gu1", OS_PASSWORD="some pass word", OS_PROJECT_NAME="demo", OS_AUTH_TYPE=None, OS_TOKEN=None,
                        OS_USER_DOMAIN_ID="default")
    me("token issue")
    openstack("group set --name g2 --description few g1")
    holds(openstack("group show g2"), id=g["id"], description="few")
    openstack("group delete g2")
    openstack.fails("group show g2", "g2")
    me.fails("token issue", "401")
    openstack("user delete gu1 gu2")


def roles(openstack):
    r = holds(openstack("role create --description 'looks after' keeper"), name="keeper", description="looks after")
    assert openstack("role create --or-show keeper")["id"] == r["id"]
    assert {"admin", "member", "reader", "keeper"} <= set(column(openstack("role list"), "Name"))
    openstack("role set --name keeper2 --description 'kept' keeper")
    holds(openstack("role show keeper2"), id=r["id"], description="kept")
    openstack("user create --password 'some pass word' ru")
    openstack("group create rg")
    grants = ("--project demo --user ru", "--domain default --user ru", "--system all --user ru", "--project demo --group rg",
              "--domain default --group rg", "--system all --group rg", "--project demo --user ru --inherited",
              "--domain default --group rg --inherited")
    for n, to in enumerate(grants, 1):
        openstack("role add %s keeper2" % to)
        assert len(openstack("role assignment list --role keeper2")) == n, to
    rows = openstack("role assignment list --names --role keeper2 --user ru --project demo")
    assert sorted(column(rows, "Inherited")) == [False, True], rows
    holds(rows[0], Role="keeper2@" if rows[0]["Role"].endswith("@") else "keeper2", User="ru@Default", Project="demo@Default")
    assert len(openstack("role assignment list --role keeper2 --system all")) == 2
    assert len(openstack("role assignment list --role keeper2 --domain default --group rg")) == 2
    assert len(openstack("role assignment list --role keeper2 --inherited")) == 2
    assert openstack("role assignment list --auth-user --effective --names")
    assert openstack("role assignment list --auth-project")
    rows = openstack("role assignment list --effective --names --user ru --project demo")
    assert "keeper2" in json.dumps(rows), rows
    for n, to in enumerate(grants, 1):
        openstack("role remove %s keeper2" % to)
        assert len(openstack("role assignment list --role keeper2")) == len(grants) - n, to
    openstack.fails("role remove --project demo --user ru keeper2", "404")
    implied = openstack("implied role create --implied-role reader keeper2")
    assert implied["prior_role"] == r["id"], implied
    rows = openstack("implied role list")
    assert {"Prior Role Name": "keeper2", "Implied Role Name": "reader"}.items() <= [
        x for x in rows if x["Prior Role Name"] == "keeper2"][0].items()
    openstack("role add --user ru --project demo keeper2")
    assert "reader" in json.dumps(openstack("role assignment list --effective --names --user ru --project demo"))
    openstack("implied role delete --implied-role reader keeper2")
    assert "keeper2" not in column(openstack("implied role list"), "Prior Role Name")
    openstack("user delete ru")
    openstack("group delete rg")
    openstack("role delete keeper2")
    openstack.fails("role show keeper2", "keeper2")


def application_credentials(openstack):
    openstack("user create --password 'some pass word' robot-owner")
    openstack("role add --user robot-owner --project demo member")
    me = openstack.like(OS_USERNAME="robot-owner", OS_PASSWORD="some pass word", OS_PROJECT_NAME="demo", OS_AUTH_TYPE=None,
                        OS_TOKEN=None, OS_USER_DOMAIN_ID="default")
    a = me("application credential create --role reader --expiration 2099-01-01T00:00:00 --description 'a robot' robot")
    holds(a, name="robot", description="a robot", unrestricted=False)
    assert a["secret"] and str(a["expires_at"]).startswith("2099-01-01") and "reader" in json.dumps(a["roles"]), a
    me.fails("application credential create robot", "409")
    b = me("application credential create --secret 'my own secret' --unrestricted robot2")
    assert b["secret"] == "my own secret" and b["unrestricted"] is True, b
    assert sorted(column(me("application credential list"), "Name")) == ["robot", "robot2"]
    assert me("application credential show robot")["id"] == a["id"]
    assert "secret" not in me("application credential show robot") or not me("application credential show robot")["secret"]
    as_robot = me.like(OS_AUTH_TYPE="v3applicationcredential", OS_APPLICATION_CREDENTIAL_ID=a["id"], OS_USERNAME=None,
                       OS_APPLICATION_CREDENTIAL_SECRET=a["secret"], OS_PASSWORD=None, OS_PROJECT_NAME=None, OS_USER_DOMAIN_ID=None,
                       OS_PROJECT_DOMAIN_ID=None)
    assert as_robot("token issue")["project_id"]
    as_robot("server list")
    as_robot.fails("keypair create --type ssh k", "403")  # a reader makes nothing
    as_robot.fails("application credential create another", "403")  # restricted
    me("application credential delete robot")
    as_robot.fails("token issue", "401")
    openstack("user delete robot-owner")


def catalog(openstack):
    rows = openstack("catalog list")
    assert {"identity", "compute", "image", "network"} <= set(column(rows, "Type")), rows
    assert "/compute/v2.1" in json.dumps(openstack("catalog show compute"))
    services = openstack("service list --long")
    assert column(services, "Enabled") == [True] * len(services)
    s = [x for x in services if x["Type"] == "compute"][0]
    holds(openstack("service show " + s["ID"]), type="compute", enabled=True)
    holds(openstack("service show compute"), id=s["ID"])
    endpoints = openstack("endpoint list")
    assert sorted(column(openstack("endpoint list --service compute"), "Interface")) == ["admin", "internal", "public"]
    mine = openstack("endpoint list --service compute --interface public --region RegionOne")
    assert len(mine) == 1 and mine[0]["URL"].endswith("/compute/v2.1"), mine
    holds(openstack("endpoint show " + mine[0]["ID"]), service_type="compute", interface="public", region="RegionOne", enabled=True)
    assert column(openstack("region list"), "Region") == ["RegionOne"]
    holds(openstack("region show RegionOne"), region="RegionOne")
    # those of the configuration cannot be changed; others can be listed beside them
    e = endpoints[0]["ID"]
    for line in ("service set --disable compute", "service delete compute", "endpoint set --disable " + e, "endpoint delete " + e,
                 "region set --description d RegionOne", "region delete RegionOne"):
        why = openstack.fails(line)
        assert "403" in why or "failed to delete" in why, why
    openstack("region create --description d --parent-region RegionOne RegionTwo")
    openstack("region set --description e RegionTwo")
    holds(openstack("region show RegionTwo"), description="e", parent_region="RegionOne")
    assert column(openstack("region list --parent-region RegionOne"), "Region") == ["RegionTwo"]
    s = openstack("service create --name swift --description d object-store")
    openstack("service set --name swift2 --description e --disable swift")
    holds(openstack("service show swift2"), id=s["id"], enabled=False, description="e")
    e = openstack("endpoint create --region RegionTwo swift2 public https://example.org")
    holds(e, interface="public", region="RegionTwo", url="https://example.org")
    openstack("endpoint set --url https://example.net --interface admin " + e["id"])
    holds(openstack("endpoint show " + e["id"]), interface="admin", url="https://example.net")
    openstack("endpoint delete " + e["id"])
    openstack("service delete swift2")
    openstack("region delete RegionTwo")
    assert openstack("endpoint list") == endpoints and openstack("service list --long") == services


def tokens(openstack):
    me = openstack.like(OS_AUTH_TYPE="v3token", OS_TOKEN=openstack("token issue")["id"], OS_USERNAME=None, OS_PASSWORD=None,
                        OS_USER_DOMAIN_ID=None)
    holds(me("token issue"), user_id=openstack("token issue")["user_id"])
    openstack("token revoke " + me.env["OS_TOKEN"])
    me.fails("token issue", "401")
    system = openstack.like("--os-system-scope all", OS_PROJECT_NAME=None, OS_PROJECT_DOMAIN_ID=None)
    assert system("token issue").get("system") == "all"
    system("user list")
    domain = openstack.like(OS_DOMAIN_ID="default", OS_PROJECT_NAME=None, OS_PROJECT_DOMAIN_ID=None)
    assert domain("token issue")["domain_id"] == "default"
    domain("user list")
    by_names = openstack.like(OS_USER_DOMAIN_ID=None, OS_USER_DOMAIN_NAME="Default", OS_PROJECT_DOMAIN_ID=None,
                              OS_PROJECT_DOMAIN_NAME="Default")
    by_names("token issue")
    openstack.like(OS_AUTH_URL=openstack.env["OS_AUTH_URL"].removesuffix("/v3"))("token issue")
    openstack.like(OS_PASSWORD="wrong").fails("token issue", "401")


def main():
    with Cloud(hosts=1) as cloud:
        admin = osc.Client(cloud.env["admin"])
        quick = admin.by_token()
        admin("role add --user admin --system all admin")
        admin("role add --user admin --domain default admin")

        def with_password(chapter):
            def run(_):
                chapter(admin)
            run.__name__ = chapter.__name__
            return run
        chapters = [domains, projects, users, groups, roles, application_credentials, catalog, with_password(tokens)]
        failed = osc.chapters(quick, chapters)
        return osc.account(quick, osc.commands(osc.IDENTITY), EXCLUDED) or (1 if failed else 0)


if __name__ == "__main__":
    sys.exit(main())
