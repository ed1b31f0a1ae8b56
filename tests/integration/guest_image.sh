#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Builds the guest image and boots it under QEMU's emulation with a config drive: its facts, user data once per
# instance id, and a clean end by the power button. Usage: guest_image.sh [IMAGE]
set -euo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
tmp=$(mktemp -d)
qemu=
cleanup() {
	[ -z "$qemu" ] || kill -9 "$qemu" 2>/dev/null || true
	rm -rf "$tmp"
}
trap cleanup EXIT
fail() {
	echo "FAIL: $*" >&2
	sed 's/^/  | /' "$tmp/serial" >&2 || true
	exit 1
}

image=${1:-$tmp/guest.qcow2}
"$top/scripts/guest-image/build" "$image"
"$top/scripts/guest-image/build" "$image" | grep '^unchanged' >/dev/null || fail "a second build did something"

mkdir -p "$tmp/seed/openstack/latest"
cat >"$tmp/seed/openstack/latest/meta_data.json" <<'J'
{"uuid": "11111111-2222-4333-8444-555555555555", "hostname": "blue.example", "name": "blue",
 "meta": {"tier": "gold, \"24\" carat"}, "public_keys": {"k": "ssh-ed25519 AAAAC3Nz user@desk\n"}}
J
cat >"$tmp/seed/openstack/latest/network_data.json" <<'J'
{"links": [{"id": "tap1", "type": "bridge", "ethernet_mac_address": "FA:16:3e:00:00:01", "mtu": 1450},
           {"id": "tap2", "type": "bridge", "ethernet_mac_address": "fa:16:3e:00:00:02", "mtu": null}],
 "networks": [{"id": "n0", "link": "tap1", "type": "ipv4", "ip_address": "10.9.8.7", "netmask": "255.255.252.0",
   "routes": [{"network": "0.0.0.0", "netmask": "0.0.0.0", "gateway": "10.9.8.1"}], "services": []},
   {"id": "n1", "link": "tap2", "type": "ipv4_dhcp"}],
 "services": [{"type": "dns", "address": "10.9.8.2"}]}
J
printf '#!/bin/bash\necho "user data of $(hostname) runs"\nexit 3\n' >"$tmp/seed/openstack/latest/user_data"
xorriso -as mkisofs -quiet -J -r -V config-2 -o "$tmp/seed.iso" "$tmp/seed" 2>/dev/null
qemu-img create -q -f qcow2 -F qcow2 -b "$(realpath "$image")" "$tmp/disk.qcow2" 1G

# boot LOG: returns when the guest is ready, presses the power button, waits for QEMU's end.
boot() {
	local line ready=
	mkfifo "$tmp/serial.pipe"
	qemu-system-x86_64 -accel tcg -M q35 -m 192 -nodefaults -display none -no-reboot \
		-drive "file=$tmp/disk.qcow2,if=virtio" -device virtio-scsi-pci \
		-drive "file=$tmp/seed.iso,if=none,id=cd,media=cdrom,readonly=on" -device scsi-cd,drive=cd \
		-netdev user,id=a,net=10.9.8.0/22 -device virtio-net-pci,netdev=a,mac=fa:16:3e:00:00:01 \
		-netdev user,id=b,net=10.77.0.0/24 -device virtio-net-pci,netdev=b,mac=fa:16:3e:00:00:02 \
		-chardev stdio,id=s,signal=off -serial chardev:s -monitor "pipe:$tmp/mon" \
		>"$tmp/serial.pipe" </dev/null 2>"$tmp/qemu.err" &
	qemu=$!
	: >"$tmp/serial"
	while IFS= read -r -t 150 line; do
		line=${line%$'\r'}
		echo "$line" >>"$tmp/serial"
		case $line in *"guest: ready "*)
			ready=1
			echo system_powerdown >"$tmp/mon.in"
			;;
		esac
	done <"$tmp/serial.pipe"
	cat "$tmp/qemu.err" >&2
	[ -n "$ready" ] || fail "the guest did not become ready"
	wait "$qemu" || fail "QEMU ended with an error"
	qemu=
	rm "$tmp/serial.pipe"
}
expect() { grep -qaF -- "$1" "$tmp/serial" || fail "no line: $1"; }
mkfifo "$tmp/mon.in" "$tmp/mon.out"
exec 8<>"$tmp/mon.in" 9<>"$tmp/mon.out" # held open, so that no open of QEMU's or ours blocks

boot
for want in 'guest: instance-id=11111111-2222-4333-8444-555555555555' 'guest: hostname=blue.example' \
	'guest: ssh-key=ssh-ed25519 AAAAC3Nz user@desk' 'guest: meta.tier=gold, "24" carat' 'guest: boots=1' \
	'guest: nic=eth0 mac=fa:16:3e:00:00:01 mtu=1450 ip=10.9.8.7/22' \
	'guest: nic=eth1 mac=fa:16:3e:00:00:02 mtu=1500 ip=10.77.0.15/24' 'guest: route=10.9.8.1' \
	'guest: user-data=begin' 'user data of blue.example runs' 'guest: user-data=end rc=3' \
	'guest: disk=vda bytes=1073741824' 'guest: power=off'; do
	expect "$want"
done
grep -a 'guest: ready' "$tmp/serial"
boot
expect 'guest: boots=2'
expect 'guest: user-data=done-before'
if grep -qa 'blue.example runs' "$tmp/serial"; then fail "user data ran twice for one instance id"; fi
echo "ok guest_image"
