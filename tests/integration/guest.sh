#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# scripts/demo from end to end in a directory of its own: a real guest under QEMU, the unmodified openstack client. What the
# demo promises must be in what it prints, and nothing of it may be left behind. Exit code 77: skipped, with the reason.
set -euo pipefail
export LC_ALL=C.UTF-8
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
skip() { echo "SKIP: $*"; exit 77; }
[ "$(id -u)" = 0 ] || skip "a libvirtd of its own needs root"
for n in libvirtd qemu-system-x86_64 openstack ip; do command -v "$n" >/dev/null || skip "$n is not installed"; done

tmp=$(mktemp -d)
# the demo, when this test is ended from outside
cleanup() {
	[ ! -d "$tmp/demo" ] || DEMO_DIR=$tmp/demo "$top/scripts/demo" --down >/dev/null 2>&1 || true
	rm -rf "$tmp"
}
trap cleanup EXIT
trap 'exit 1' INT TERM
fail() {
	echo "FAIL: $*" >&2
	cat "$tmp/out" >&2
	exit 1
}

# the demo's own bridge, as private-libvirtd.sh names it: other tests come and go beside this one with theirs
bridge=cdbr$(printf %s "$(cd "$tmp" && pwd -P)/demo/host1" | sha256sum | cut -c1-6)
ours() {
	local p
	for p in /proc/[0-9]*; do
		[[ $(tr '\0' ' ' 2>/dev/null <"$p/cmdline") != *"$tmp/demo"* ]] || echo "${p#/proc/}"
	done
}

DEMO_DIR=$tmp/demo "$top/scripts/demo" --once >"$tmp/out" 2>&1 || fail "scripts/demo --once"

# in this order; a console's lines end with a carriage return
sed -i 's/\r$//' "$tmp/out"
tr -s ' ' <"$tmp/out" >"$tmp/flat"
at=1
while IFS= read -r want; do
	[ -n "$want" ] || continue
	line=$(grep -nE -m1 -- "$want" < <(tail -n "+$at" "$tmp/flat") | cut -d: -f1) || fail "not seen (from line $at on): $want"
	at=$((at + line - 1))
done <<'W'
Install what is missing, and build
cloudd [0-9]
Make the cloud's CA and certificates
qemu\+tls://localhost:[0-9]+/system
conf is good
cloudd serves https://
cloudctl bootstrap
cloudctl project create demo
cloudctl user create demo
cloudctl flavor create m1.nano
cloudctl host add host1 qemu\+tls://
connected
cloudctl host show host1
cloudctl status
openstack token issue
\| project_id +\| [0-9a-f]{32}
openstack catalog list
compute
image
network
openstack flavor list
m1.nano
openstack network list
public
openstack image create --file
guest
openstack keypair create
fingerprint
openstack server create .*--user-data .*--config-drive true
\| status +\| ACTIVE
openstack console log show vm1
^guest: instance-id=[0-9a-f-]{36}
^guest: hostname=vm1
^guest: ssh-key=ssh-ed25519
^guest: meta.owner=demo
^guest: nic=.* ip=10\.
^xin chào from vm1
^guest: ready
openstack usage show
Servers \| 1
openstack server stop vm1
SHUTOFF
openstack server start vm1
openstack server reboot --wait vm1
Complete
\| status \| ACTIVE
0 findings
openstack server delete --wait vm1
openstack server list
openstack usage show
host1 nova up connected connected 0/
0 findings
Done in [0-9]+ s
the demo's cloud is gone
W

# the guest's disk is what was uploaded and its address what the API says
id=$(sed -n 's/^guest: instance-id=//p' "$tmp/out" | head -n1)
grep -qE "^\| id +\| $id" "$tmp/out" || fail "the guest's instance id $id is not the server's"
ip=$(sed -n 's/^guest: nic=.* ip=\([0-9.]*\)\/.*/\1/p' "$tmp/out" | head -n1)
grep -qE "addresses +\| public=$ip" "$tmp/out" || fail "the guest's address $ip is not the server's"
# the client's list, between its command and the next, is empty
[ -z "$(sed -n '/server delete --wait vm1/,/usage show/p' "$tmp/out" | grep -E '^\|' || true)" ] || fail "a server is left"

[ ! -e "$tmp/demo" ] || fail "the demo's directory is left"
left=$(ours)
[ -z "$left" ] || fail "processes are left: $left"
grep "bridge=$bridge" "$tmp/out" >/dev/null || fail "the demo had no bridge $bridge"
! ip link show "$bridge" >/dev/null 2>&1 || fail "the bridge $bridge is left"

# a demo that is there already is not run over, --down takes away what a killed one left
DEMO_DIR=$tmp/demo2 && mkdir "$tmp/demo2"
if DEMO_DIR=$tmp/demo2 "$top/scripts/demo" >"$tmp/out2" 2>&1; then fail "ran over a directory that was there"; fi
grep -q 'is there already' "$tmp/out2" || fail "does not say why it refuses: $(cat "$tmp/out2")"
DEMO_DIR=$tmp/demo2 "$top/scripts/demo" --down >/dev/null
[ ! -e "$tmp/demo2" ] || fail "--down left the directory"
sed -n 's/^Done in/the demo took/p' "$tmp/out"
