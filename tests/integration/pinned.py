#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What tenants were promised, as libvirt has it: through the API, a server with two NUMA cells and a CPU for each vCPU, by the
live XML; and one with two GPUs below their cell, by the definition that the libvirtd was given. (The nodes of libvirt's test
driver that have GPUs keep their domains to the connection that made them.) That they are ACTIVE says that cloudd read back
the same."""
import os
import re
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as ET

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from cloud import TOP, Cloud  # noqa: E402

PRIVATE = os.path.join(TOP, "scripts/lib/private-libvirtd.sh")
NODE = """<node><cpu><active>16</active><nodes>1</nodes><sockets>1</sockets><cores>8</cores><threads>2</threads><mhz>2600</mhz>
<model>x86_64</model></cpu><memory>67108864</memory>
<network><name>default</name><bridge name='virbr0'/><ip address='10.77.0.1' netmask='255.255.0.0'/></network>
<pool type='dir'><name>default-pool</name><target><path>/default-pool</path></target></pool>
<device><name>computer</name><capability type='system'><hardware><uuid>c10d0000-0000-4000-8000-0000000000aa</uuid></hardware>
</capability></device>%s</node>"""
GPU = """<device><name>pci_0000_%02x_00_%d</name><parent>computer</parent><capability type='pci'><class>0x%06x</class>
<domain>0</domain><bus>%d</bus><slot>0</slot><function>%d</function><product id='0x%04x'>%s</product>
<vendor id='0x10de'>NVIDIA Corporation</vendor><iommuGroup number='%d'>
<address domain='0x0000' bus='0x%02x' slot='0x00' function='0x0'/>
<address domain='0x0000' bus='0x%02x' slot='0x00' function='0x1'/></iommuGroup><numa node='0'/></capability></device>"""


def gpu(bus):
    """A GPU and its sound, which shares its IOMMU group."""
    return (GPU % (bus, 0, 0x030200, bus, 0, 0x20b0, "A100", bus, bus, bus)
            + GPU % (bus, 1, 0x040300, bus, 1, 0x1aef, "Audio", bus, bus, bus))


def libvirtd(cloud, *command):
    """Beside the libvirtd of the cloud's hosts."""
    cmd = [PRIVATE, "exec", os.path.join(cloud.dir, "host1"), *command]
    return subprocess.run(cmd, check=True, stdout=subprocess.PIPE, text=True).stdout


def flavor(cloud, name, vcpus, ram, specs):
    f = {"name": name, "id": name, "vcpus": vcpus, "ram": ram, "disk": 1}
    assert cloud.request("admin", "POST", "/compute/v2.1/flavors", {"flavor": f}).status == 200
    a = cloud.request("admin", "POST", "/compute/v2.1/flavors/%s/os-extra_specs" % name, {"extra_specs": specs})
    assert a.status == 200, a.body


def active(cloud, name, flavor_id):
    image = cloud.request("tenant", "GET", "/image/v2/images").json["images"][0]["id"]
    body = {"server": {"name": name, "imageRef": image, "flavorRef": flavor_id, "networks": "none"}}
    a = cloud.request("tenant", "POST", "/compute/v2.1/servers", body, {"OpenStack-API-Version": "compute 2.37"})
    assert a.status == 202, a.body
    i, end = a.json["server"]["id"], time.monotonic() + 90
    while True:
        s = cloud.request("tenant", "GET", "/compute/v2.1/servers/" + i).json["server"]
        if s["status"] == "ACTIVE":
            return i
        assert s["status"] == "BUILD" and time.monotonic() < end, s
        time.sleep(0.05)


def gone(cloud, i):
    assert cloud.request("tenant", "DELETE", "/compute/v2.1/servers/" + i).status == 204
    end = time.monotonic() + 90
    while cloud.request("tenant", "GET", "/compute/v2.1/servers/" + i).status == 200:
        assert time.monotonic() < end, "the deletion did not end"
        time.sleep(0.05)


def pins(xml):
    return [int(p.get("cpuset")) for p in xml.findall("cputune/vcpupin")]


def two_cells(cloud):
    """libvirt's built-in host: two cells, CPUs 0-7 and 8-15."""
    cloud.ctl("host", "set", "host1", "--dedicated-cpus", "2-7,10-15")
    flavor(cloud, "cells", 4, 1024, {"hw:cpu_policy": "dedicated", "hw:numa_nodes": "2"})
    i = active(cloud, "cells", "cells")
    text = libvirtd(cloud, "virsh", "-q", "-c", "test+tls://localhost:%s/default?pkipath=%s" % (port(cloud), pki(cloud)), "dumpxml", i)
    print(text)
    xml = ET.fromstring(text)
    assert xml.get("id"), "it does not run"
    cells = [(c.get("id"), c.get("cpus"), c.get("memory")) for c in xml.findall("cpu/numa/cell")]
    assert cells == [("0", "0-1", "524288"), ("1", "2-3", "524288")], cells
    nodes = [int(n.get("nodeset")) for n in xml.findall("numatune/memnode")]
    assert sorted(nodes) == [0, 1] and xml.find("numatune/memory").get("mode") == "strict", nodes
    p = pins(xml)
    assert len(set(p)) == 4 and [c // 8 for c in p] == [nodes[0]] * 2 + [nodes[1]] * 2, p
    assert not {0, 1, 8, 9} & set(p), p
    assert xml.find("cputune/emulatorpin").get("cpuset") == "0-1,8-9"
    gone(cloud, i)


def port(cloud):
    with open(os.path.join(cloud.dir, "host1.port")) as f:
        return f.read().strip()


def pki(cloud):
    return os.path.join(cloud.dir, "pki/issued/controller")


def defined(cloud, i):
    """The last definition of the server that the libvirtd was given, from its log of calls."""
    with open(os.path.join(cloud.dir, "host1/log/calls.log"), errors="replace") as f:
        found = re.findall(r"virDomainDefineXML\w*:.*?xml=(<domain.*?</domain>)", f.read(), re.S)
    return [x for x in found if "<uuid>%s</uuid>" % i in x][-1]


def two_gpus(cloud):
    """A host with two GPUs, each with a second function in its IOMMU group."""
    node = os.path.join(cloud.dir, "gpus.xml")
    with open(node, "w") as f:
        f.write(NODE % (gpu(0x41) + gpu(0x81)))
    libvirtd(cloud, "virt-admin", "-q", "daemon-log-outputs", "1:file:/var/log/libvirt/calls.log")
    libvirtd(cloud, "virt-admin", "-q", "daemon-log-filters", "1:libvirt.domain 4:util 4:rpc 4:daemon 4:event 4:object 4:access 4:conf")
    cloud.ctl("host", "add", "gpus", "test+tls://localhost:%s%s" % (port(cloud), node), "--pool", "default-pool", "--wait")
    cloud.ctl("host", "set", "gpus", "--dedicated-cpus", "2-15")
    flavor(cloud, "gpus", 8, 8192, {"hw:cpu_policy": "dedicated", "pci_passthrough:alias": "a100:2",
                                    "hw:pci_numa_affinity_policy": "required"})
    i = active(cloud, "train", "gpus")
    text = defined(cloud, i)
    print(text)
    xml = ET.fromstring(text)
    p = pins(xml)
    assert len(set(p)) == 8 and set(p) <= set(range(2, 16)), p
    assert xml.find("cputune/emulatorpin").get("cpuset") == "0-1"
    assert xml.find("numatune/memnode").get("nodeset") == "0"
    controllers = {c.get("index"): c for c in xml.findall("devices/controller[@type='pci']")}
    seen = []
    for h in xml.findall("devices/hostdev"):
        assert h.get("managed") == "yes" and h.get("mode") == "subsystem", ET.tostring(h)
        a = h.find("source/address")
        seen.append((int(a.get("bus"), 16), int(a.get("function"), 16)))
        at = controllers[str(int(h.find("address").get("bus"), 16))]
        assert at.get("model") == "pcie-root-port", ET.tostring(at)
        above = controllers[str(int(at.find("address").get("bus"), 16))]
        assert above.get("model") == "pcie-expander-bus" and above.find("target/node").text == "0", ET.tostring(above)
    assert seen == [(0x41, 0), (0x41, 1), (0x81, 0), (0x81, 1)], seen
    gone(cloud, i)


def main():
    if os.geteuid() != 0 or not all(shutil.which(n) for n in ("libvirtd", "virsh", "virt-admin")):
        print("SKIP: needs root, libvirtd, virsh and virt-admin")
        return 77
    with Cloud(driver="test", hosts=1) as cloud:
        for test in (two_cells, two_gpus):
            test(cloud)
            print("ok " + test.__name__)
            sys.stdout.flush()
        cloud.ctl("check")
    return 0


if __name__ == "__main__":
    sys.exit(main())
