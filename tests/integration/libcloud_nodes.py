#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Apache libcloud, a family of clients of its own, unmodified over our TLS: what its OpenStack driver can do here."""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
try:
    import libcloud.security
    from libcloud.compute.base import NodeState
    from libcloud.compute.providers import get_driver
    from libcloud.compute.types import Provider
except ImportError as e:
    print("SKIP: needs python3-libcloud (%s)" % e)
    sys.exit(77)
from cloud import Cloud  # noqa: E402

PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJqbMoQvk7oqkUYyh7KfCR/DnUBXVOeRZaUG1FpQ5bcA someone"


def driver(env):
    libcloud.security.CA_CERTS_PATH = env["OS_CACERT"]
    return get_driver(Provider.OPENSTACK)(
        env["OS_USERNAME"], env["OS_PASSWORD"], ex_force_auth_version="3.x_password",
        ex_force_auth_url=env["OS_AUTH_URL"] + "/auth/tokens", ex_tenant_name=env["OS_PROJECT_NAME"],
        ex_domain_name="Default", ex_force_service_region="RegionOne", api_version="2.2")


def until(seen, what):
    end = time.monotonic() + 60
    while True:
        value = seen()
        if value:
            return value
        assert time.monotonic() < end, "waited in vain for " + what
        time.sleep(0.05)


def nodes(d):
    size = next(s for s in d.list_sizes() if s.name == "m1.nano")
    image = next(i for i in d.list_images() if i.name == "guest")
    assert size.ram == 192 and d.get_image(image.id).name == "guest" and d.ex_get_size(size.id).name == "m1.nano"
    assert [x.name for x in d.list_locations()] is not None
    network = next(n for n in d.ex_list_networks() if n.name == "public")
    k = d.import_key_pair_from_string("lib", PUBLIC_KEY)
    assert k.fingerprint and d.get_key_pair("lib").name == "lib" and [x.name for x in d.list_key_pairs()] == ["lib"]
    n = d.create_node("lib1", size=size, image=image, networks=[network], ex_keyname="lib", ex_metadata={"a": "b"},
                      ex_userdata="#!/bin/sh\n", ex_config_drive=True)
    assert n.extra["password"], n.extra
    [(n, addresses)] = d.wait_until_running([n], wait_period=0.05, timeout=60, ssh_interface="private_ips")
    assert addresses and n.name == "lib1" and n.state == NodeState.RUNNING, n
    assert d.ex_get_node_details(n.id).extra["metadata"] == {"a": "b"}
    assert d.ex_get_metadata(n) == {"a": "b"} and d.ex_set_metadata(n, {"c": "d"})["c"] == "d"
    assert d.ex_set_server_name(n, "lib2").name == "lib2"

    def becomes(state):
        until(lambda: d.ex_get_node_details(n.id).state == state and not d.ex_get_node_details(n.id).extra["task_state"], state)
    # it has no name for PAUSED
    for call, state in ((d.reboot_node, NodeState.RUNNING), (d.ex_hard_reboot_node, NodeState.RUNNING), (d.stop_node, NodeState.STOPPED),
                        (d.start_node, NodeState.RUNNING), (d.ex_pause_node, NodeState.UNKNOWN), (d.ex_unpause_node, NodeState.RUNNING),
                        (d.ex_suspend_node, NodeState.SUSPENDED), (d.ex_resume_node, NodeState.RUNNING)):
        assert call(n), call
        becomes(state)
    assert d.ex_get_console_output(n)["output"] is not None
    snap = d.create_image(n, "lib-snap")
    until(lambda: d.get_image(snap.id).extra["status"] == "ACTIVE" or d.get_image(snap.id).extra["status"] == "active", "the image")
    m = d.create_node("lib3", size=size, image=d.get_image(snap.id), ex_config_drive=True)
    d.wait_until_running([m], wait_period=0.05, timeout=60, ssh_interface="private_ips")
    assert {x.name for x in d.list_nodes()} == {"lib2", "lib3"}
    assert d.destroy_node(n) and d.destroy_node(m)
    until(lambda: d.list_nodes() == [], "the nodes to be gone")
    assert d.delete_key_pair(d.get_key_pair("lib"))  # (images it deletes by compute's old proxy, which is not here)


def main():
    with Cloud(hosts=1) as cloud:
        nodes(driver(cloud.env["tenant"]))
    print("ok nodes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
