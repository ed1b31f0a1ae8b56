#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""openstacksdk, unmodified: its cloud layer, which Ansible's modules use, and its proxies, each resource with the largest
version that library and cloud both know."""
import base64
import os
import sys
import time
import traceback
import unittest.mock

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
try:
    import openstack
    from keystoneauth1.exceptions.http import Unauthorized
    from openstack import exceptions
except ImportError as e:
    print("SKIP: needs python3-openstacksdk (%s)" % e)
    sys.exit(77)
from cloud import Cloud  # noqa: E402

PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJqbMoQvk7oqkUYyh7KfCR/DnUBXVOeRZaUG1FpQ5bcA someone"


def connect(env, **more):
    auth = dict(auth_url=env["OS_AUTH_URL"], username=env["OS_USERNAME"], password=env["OS_PASSWORD"], project_name=env["OS_PROJECT_NAME"],
                user_domain_id="default", project_domain_id="default")
    return openstack.connect(load_envvars=False, load_yaml_config=False, auth=auth, region_name="RegionOne",
                             cacert=env["OS_CACERT"], **more)


def raises(kind, call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except kind as e:
        return e
    raise AssertionError("%s: nothing was raised" % call)


def images(me, admin, cloud):
    path = os.path.join(cloud.dir, "sdk.raw")
    with open(path, "wb") as f:
        f.write(os.urandom(2 << 20))
    i = me.create_image("sdk", filename=path, disk_format="raw", container_format="bare", wait=True, validate_checksum=True,
                        visibility="private", own="x")
    assert i.status == "active" and i.size == 2 << 20, i
    # the same file again: the sums that it left there tell that it is up to date
    again = me.create_image("sdk", filename=path, disk_format="raw", container_format="bare", wait=True, validate_checksum=True)
    assert again.id == i.id
    assert me.get_image("sdk").id == i.id
    me.update_image_properties("sdk", min_ram=64)
    assert me.image.get_image(i.id).min_ram == 64
    me.image.add_tag(i.id, "blue")
    assert [x.name for x in me.image.images(tag="blue")] == ["sdk"]
    out = path + ".out"
    me.download_image("sdk", output_path=out)
    with open(path, "rb") as a, open(out, "rb") as b:
        assert a.read() == b.read()
    assert me.delete_image("sdk", wait=True)
    assert me.get_image("sdk") is None


def people(me, admin, cloud):
    domain = admin.get_domain("default")
    p = admin.create_project(name="sdk-p", domain_id=domain.id, description="d")
    assert admin.get_project("sdk-p").id == p.id
    admin.update_project("sdk-p", enabled=True, description="e")
    u = admin.create_user(name="sdk-u", password="some pass word", email="a@example.org", default_project="sdk-p", domain_id="default")
    assert admin.get_user("sdk-u").email == "a@example.org"
    assert admin.grant_role("member", user="sdk-u", project="sdk-p")
    assert [r for r in admin.list_role_assignments(filters={"user": u.id, "project": p.id})]
    g = admin.create_group("sdk-g", "d", domain="default")
    admin.add_user_to_group("sdk-u", "sdk-g")
    assert admin.is_user_in_group("sdk-u", "sdk-g")
    r = admin.create_role("sdk-r")
    assert admin.get_role("sdk-r").id == r.id
    admin.delete_role("sdk-r")
    theirs = connect({**cloud.env["tenant"], "OS_USERNAME": "sdk-u", "OS_PASSWORD": "some pass word", "OS_PROJECT_NAME": "sdk-p"})
    assert theirs.current_project_id == p.id and theirs.current_user_id == u.id
    a = theirs.identity.create_application_credential(u.id, "robot", roles=[{"name": "reader"}])
    assert a.secret
    robot = openstack.connect(load_envvars=False, load_yaml_config=False, auth_type="v3applicationcredential", region_name="RegionOne",
                              auth=dict(auth_url=theirs.auth["auth_url"], application_credential_id=a.id,
                                        application_credential_secret=a.secret), cacert=cloud.env["tenant"]["OS_CACERT"])
    assert robot.list_servers() == []
    raises(exceptions.HttpException, robot.create_keypair, "k", PUBLIC_KEY)
    admin.grant_role("member", user="admin", project="demo")
    as_them = admin.connect_as_project("demo")
    assert as_them.current_project_id == admin.get_project("demo").id
    assert {e.interface for e in admin.identity.endpoints()} == {"public", "internal", "admin"}
    assert "compute" in [s.type for s in admin.identity.services()]
    admin.delete_user("sdk-u")
    raises(Unauthorized, theirs.compute.get, "/limits")
    admin.delete_group("sdk-g")
    assert admin.delete_project("sdk-p") and g


def small_things(me, admin, cloud):
    k = me.create_keypair("sdk", PUBLIC_KEY)
    assert k.fingerprint and me.get_keypair("sdk").name == "sdk" and me.search_keypairs("sdk")
    made = me.create_keypair("sdk2")
    assert "PRIVATE KEY" in made.private_key
    f = admin.create_flavor("sdk-f", ram=256, vcpus=1, disk=1, ephemeral=0, swap=0, is_public=False)
    admin.set_flavor_specs(f.id, {"hw:cpu_policy": "shared"})
    assert admin.get_flavor("sdk-f", get_extra=True).extra_specs == {"hw:cpu_policy": "shared"}
    admin.add_flavor_access(f.id, admin.get_project("demo").id)
    assert me.get_flavor("sdk-f") and len(admin.list_flavor_access(f.id)) == 1
    admin.remove_flavor_access(f.id, admin.get_project("demo").id)
    assert me.get_flavor("sdk-f") is None
    admin.unset_flavor_specs(f.id, ["hw:cpu_policy"])
    assert admin.delete_flavor("sdk-f")
    assert me.get_flavor_by_ram(192).name == "m1.nano"
    admin.set_compute_quotas("demo", instances=30)
    assert admin.get_compute_quotas("demo").instances == 30
    admin.set_compute_quotas("demo", instances=-1)
    assert me.get_compute_limits().total_instances_used == 0
    assert admin.get_compute_usage("demo") is not None
    a = admin.create_aggregate("sdk-a", availability_zone="sdk-z")
    admin.add_host_to_aggregate("sdk-a", "host1")
    admin.set_aggregate_metadata("sdk-a", {"ssd": "true"})
    got = admin.get_aggregate("sdk-a")
    assert got.hosts == ["host1"] and got.metadata["ssd"] == "true" and got.id == a.id, got
    assert "sdk-z" in me.list_availability_zone_names()
    admin.remove_host_from_aggregate("sdk-a", "host1")
    admin.delete_aggregate("sdk-a")
    assert len(admin.list_hypervisors()) == 3
    assert {s.binary for s in admin.compute.services()} >= {"nova-compute"}
    s = next(s for s in admin.compute.services() if s.host == "host2")
    admin.compute.disable_service(s, disabled_reason="fans")
    assert next(s for s in admin.compute.services() if s.host == "host2").status == "disabled"
    admin.compute.enable_service(s)
    g = me.create_server_group("sdk-g", policy="anti-affinity")
    assert me.get_server_group("sdk-g").id == g.id and me.delete_server_group("sdk-g")
    me.delete_keypair("sdk")
    me.delete_keypair("sdk2")


def servers(me, admin, cloud):
    me.create_keypair("sdk-s", PUBLIC_KEY)
    s = me.create_server("one", image="guest", flavor="m1.nano", wait=True, auto_ip=False, key_name="sdk-s", meta={"a": "b"},
                         userdata="#!/bin/sh\n", config_drive=True, network="public", description="first")
    assert s.status == "ACTIVE" and s.vm_state == "active" and s.power_state == 1 and s.metadata == {"a": "b"}, s
    assert s.addresses["public"][0]["version"] == 4, s
    assert me.get_server("one").id == s.id and me.get_server_id("one") == s.id
    assert [x.name for x in me.search_servers(filters={"metadata": {"a": "b"}})] == ["one"]
    me.set_server_metadata("one", {"c": "d"})
    me.delete_server_metadata("one", ["a"])
    assert me.get_server("one").metadata == {"c": "d"}
    me.update_server("one", name="uno", description="second")
    assert me.get_server("uno").description == "second"
    c = me.compute
    for call, status in ((c.stop_server, "SHUTOFF"), (c.start_server, "ACTIVE"), (c.pause_server, "PAUSED"), (c.unpause_server, "ACTIVE"),
                         (c.suspend_server, "SUSPENDED"), (c.resume_server, "ACTIVE"), (c.lock_server, "ACTIVE"),
                         (c.unlock_server, "ACTIVE")):
        call(s.id)
        s = c.wait_for_server(c.get_server(s.id), status=status, interval=0.05, wait=60)
    c.reboot_server(s.id, "SOFT")
    s = c.wait_for_server(c.get_server(s.id), interval=0.05)
    rebuilt = me.rebuild_server(s.id, me.get_image("guest").id, admin_pass="secret9", wait=True)
    assert rebuilt.status == "ACTIVE" and rebuilt.id == s.id
    assert c.get_server_console_output(s.id) is not None
    i = me.create_image_snapshot("snap", "uno", wait=True)
    assert i.status == "active" and me.get_image("snap").properties["image_type"] == "snapshot", i
    t = me.create_server("two", image="snap", flavor="m1.nano", wait=True, auto_ip=False)
    assert t.status == "ACTIVE"
    me.delete_image("snap", wait=True)
    c.shelve_server(s.id)
    c.wait_for_server(c.get_server(s.id), status="SHELVED_OFFLOADED", interval=0.05, wait=60)
    c.unshelve_server(s.id)
    s = c.wait_for_server(c.get_server(s.id), interval=0.05, wait=60)
    c.rescue_server(s.id, admin_pass="secret9")
    c.wait_for_server(c.get_server(s.id), status="RESCUE", interval=0.05)
    c.unrescue_server(s.id)
    c.wait_for_server(c.get_server(s.id), interval=0.05)
    assert c.get("/servers/%s/os-instance-actions" % s.id).json()["instanceActions"][-1]["action"] == "create"
    assert list(c.server_interfaces(s.id))[0].net_id == me.get_network("public").id
    assert me.list_server_security_groups(s) == []
    resized(me, admin, s)
    e = raises(exceptions.SDKException, me.create_server, "no", image="guest", flavor="m1.nano", availability_zone="nowhere", wait=True)
    assert "nowhere" in str(e), e
    assert me.delete_server("uno", wait=True) and me.delete_server("two", wait=True)
    assert me.get_server("uno") is None and me.delete_server("uno") is False
    me.delete_keypair("sdk-s")


def resized(me, admin, s):
    c = me.compute
    f = admin.create_flavor("sdk-big", ram=384, vcpus=2, disk=2)
    for end in (c.revert_server_resize, c.confirm_server_resize):
        c.resize_server(s.id, f.id)
        c.wait_for_server(c.get_server(s.id), status="VERIFY_RESIZE", interval=0.05, wait=60)
        end(s.id)
        c.wait_for_server(c.get_server(s.id), interval=0.05, wait=60)
    assert c.get_server(s.id).flavor.original_name == "sdk-big"
    was = admin.compute.get_server(s.id).compute_host
    admin.compute.live_migrate_server(s.id, host=None, block_migration="auto")
    end = time.monotonic() + 60
    while admin.compute.get_server(s.id).compute_host == was:
        assert time.monotonic() < end, "it did not move"
    c.wait_for_server(c.get_server(s.id), interval=0.05, wait=60)
    assert {m.migration_type for m in admin.compute.migrations()} >= {"resize", "live-migration"}
    admin.delete_flavor("sdk-big")


def pages(me, admin, cloud):
    """Many servers, in pages of any size: each of them once, whatever comes and goes meanwhile."""
    c = me.compute
    c.post("/servers", json={"server": {"name": "many", "imageRef": me.get_image("guest").id, "flavorRef": "1", "min_count": 23,
                                        "max_count": 23}}).raise_for_status()
    for limit in (1, 2, 7, 23, 24, 1000):
        names = [s.name for s in c.servers(limit=limit)]
        assert sorted(names) == sorted("many-%d" % n for n in range(1, 24)), (limit, names)
    assert len(me.list_servers(bare=True)) == 23 and len(me.list_servers(detailed=True)) == 23
    assert len(list(c.servers(details=False, limit=5))) == 23
    assert len(list(c.servers(paginated=False, limit=5))) == 5
    by_name = [s.name for s in c.servers(sort_key="display_name", sort_dir="asc", limit=4)]
    assert by_name == sorted(by_name), by_name
    admin_sees = list(admin.compute.servers(all_projects=True, limit=6))
    assert len(admin_sees) == 23 and admin_sees[0].hypervisor_hostname, admin_sees
    assert list(c.flavors(limit=1)) and len(list(c.flavors(limit=1))) == 3
    for n in range(5):
        me.create_image("page%d" % n, data=b"x" * 1024, disk_format="raw", container_format="bare", wait=True)
    assert len(list(me.image.images(limit=2))) == len(list(me.image.images())) >= 6
    for n in range(5):
        me.delete_image("page%d" % n)
    for s in c.servers():
        c.delete_server(s)
    end = time.monotonic() + 60
    while list(c.servers()):
        assert time.monotonic() < end, "servers are left"


def placement(me, admin, cloud):
    p = admin.placement
    data = p.get_endpoint_data()
    assert data.min_microversion == (1, 0) and data.max_microversion == (1, 39), data
    found = {x.name: x for x in p.resource_providers()}
    assert set(found) >= {"host1", "host2", "host3", "host1_cell0"}, sorted(found)
    assert found["host1"].id in [h.id for h in admin.compute.hypervisors()]
    one = found["host1_cell0"]
    assert one.parent_provider_id == one.root_provider_id == found["host1"].id, one
    assert p.get_resource_provider(one.id).name == "host1_cell0" and p.find_resource_provider("host1_cell0").id == one.id
    assert [x.id for x in p.resource_providers(in_tree=one.id, name="host1")] == [found["host1"].id]
    gpus = list(p.resource_providers(resources="CUSTOM_GPU_A100:1", required="CUSTOM_GPU_MODEL_A100"))
    assert len(gpus) >= 8 and all(g.root_provider_id != g.id for g in gpus), gpus
    names = {k.name for k in p.resource_classes()}
    assert {"VCPU", "MEMORY_MB", "CUSTOM_GPU_A100"} <= names and p.get_resource_class("VCPU").name == "VCPU", names
    e = raises(exceptions.HttpException, p.create_resource_provider, name="mine")
    assert e.status_code == 403 and "cloudctl host add" in e.response.json()["errors"][0]["detail"], e
    raises(exceptions.HttpException, p.delete_resource_provider, one.id, ignore_missing=False)
    raises(exceptions.HttpException, lambda: list(me.placement.resource_providers()))


def versions(me, admin, cloud):
    """The version that the library picks for each resource, and what it sees of it."""
    data = me.compute.get_endpoint_data()
    assert data.min_microversion == (2, 1) and data.max_microversion >= (2, 79), data
    top = me.compute.get("/servers", microversion="2.%d" % data.max_microversion[1])
    assert top.status_code == 200 and top.headers["OpenStack-API-Version"] == "compute 2.%d" % data.max_microversion[1]
    too_new = me.compute.get("/servers", microversion="2.%d" % (data.max_microversion[1] + 1))
    assert too_new.status_code == 406, too_new
    assert me.compute.get("/servers").headers["OpenStack-API-Version"] == "compute 2.1"
    raw = me.compute.get("/flavors/1", microversion="2.61").json()["flavor"]
    assert raw["extra_specs"] == {} and raw["description"] is None, raw
    assert "description" not in me.compute.get("/flavors/1", microversion="2.54").json()["flavor"]
    data = base64.b64encode(b"#!/bin/sh\n").decode()
    bad = me.compute.post("/servers", microversion="2.1", json={"server": {"name": "x", "flavorRef": "1", "tags": ["a"], "user_data": data}})
    assert bad.status_code == 400 and "tags" in bad.text, bad.text


def main():
    real, failed = time.sleep, []
    with Cloud(hosts=3) as cloud, unittest.mock.patch("time.sleep", lambda s: real(min(s, 0.05))):
        me, admin = connect(cloud.env["tenant"]), connect(cloud.env["admin"])
        for test in (versions, placement, people, images, small_things, servers, pages):
            began = time.monotonic()
            try:
                test(me, admin, cloud)
                print("ok %s (%.1f s)" % (test.__name__, time.monotonic() - began))
            except Exception:
                failed.append(test.__name__)
                print("FAILED %s: %s" % (test.__name__, traceback.format_exc()))
            sys.stdout.flush()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
