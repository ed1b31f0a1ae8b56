#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# scripts/node-setup into a directory: files, modes, a second run that changes nothing, bad input; then a real libvirtd that
# runs with the result (in name spaces of its own) lets in the controller and nobody else.
# Usage: node_setup.sh CLOUDCTL. Exit code 77: skipped, with the reason.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
fail() {
	echo "FAIL: $*" >&2
	[ ! -e "${tmp:-}/libvirtd.log" ] || sed 's/^/  libvirtd| /' "$tmp/libvirtd.log" >&2
	exit 1
}

# --- inside the name spaces: /etc is the machine's with node-setup's files over it -----------------------------------
inside() {
	tmp=$1
	local root=$1/root dir
	mount --make-rprivate /
	mount -t proc proc /proc
	mount -t sysfs sysfs /sys 2>/dev/null || true
	ip link set lo up
	ip link add br0 type bridge
	cp -a /etc "$tmp/etc"
	cp -a "$root/etc/." "$tmp/etc/"
	grep -q '^libvirt-qemu:' "$tmp/etc/passwd" || echo 'libvirt-qemu:x:64055:64055::/var/lib/libvirt:/usr/sbin/nologin' >>"$tmp/etc/passwd"
	grep -q '^libvirt-qemu:' "$tmp/etc/group" || echo 'libvirt-qemu:x:64055:' >>"$tmp/etc/group"
	grep -q '^kvm:' "$tmp/etc/group" || echo 'kvm:x:64056:' >>"$tmp/etc/group"
	echo c10d0000000040008000000000000001 >"$tmp/etc/machine-id"
	mount --bind "$tmp/etc" /etc
	mount -t tmpfs tmpfs /run
	for dir in lib log cache; do
		mkdir -p "$root/var/$dir/libvirt" "/var/$dir/libvirt"
		mount --bind "$root/var/$dir/libvirt" "/var/$dir/libvirt"
	done
	# a /dev/kvm that is no good costs libvirt seconds
	[ ! -e /dev/kvm ] || { : >"$tmp/no-kvm" && mount --bind "$tmp/no-kvm" /dev/kvm; }
	export LIBVIRT_LOG_OUTPUTS=3:file:$tmp/libvirtd.log
	libvirtd -d --listen || fail "libvirtd does not start with the configuration"

	connect() { timeout 60 virsh -q -c "qemu+tls://$1/system?pkipath=$tmp/client-$2" "${@:3}" 2>&1; }
	refused() { # HOST CLIENT: libvirtd closes the connection
		local said
		if said=$(connect "$1" "$2" hostname); then fail "$2 was let in to $1"; fi
		echo "refused $2: ${said##*error: }"
	}
	[ "$(connect localhost controller pool-list --name | xargs)" = cloudd ] || fail "pool: $(connect localhost controller pool-list)"
	[ "$(connect 127.0.0.1 controller net-list --name | xargs)" = cloudd ] || fail "network: $(connect localhost controller net-list)"
	connect localhost controller pool-dumpxml cloudd | grep '<path>/var/lib/libvirt/images/cloudd</path>' >/dev/null || fail "pool's path"
	connect localhost controller vol-create-as cloudd probe 1M >/dev/null || fail "no volume can be made"
	connect localhost controller capabilities | grep '<uuid>c10d0000-0000-4000-8000-000000000001</uuid>' >/dev/null || fail "host uuid"
	refused localhost other      # of this CA, but not the controller
	refused localhost foreign    # of another CA, under the controller's name
	refused 127.0.0.2 controller # an address that the certificate does not name: the client refuses
	virt-admin -q server-clients-info libvirtd >"$tmp/limits" || fail "virt-admin cannot ask"
	grep -qE '^nclients_max *: 200$' "$tmp/limits" || fail "max_clients: $(cat "$tmp/limits")"
	[ ! -e /proc/net/tcp ] || ! grep -qiE '^ *[0-9]+: [0-9A-F]+:3EF5 ' /proc/net/tcp || fail "TCP without TLS (16509) is open"
	# libvirt has rewritten its files in its own words meanwhile: still nothing to change
	cp -a "$tmp/etc/libvirt/." "$root/etc/libvirt/"
	"$here/../../scripts/node-setup" --root "$root" --bridge br0 >"$tmp/after"
	if grep '^changed /etc/libvirt' "$tmp/after"; then fail "changed after libvirt ran"; fi
}
if [ "$1" = _inside ]; then
	inside "$2"
	exit
fi

ctl=$1 setup=$here/../../scripts/node-setup
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
root=$tmp/root

"$ctl" pki init "$tmp/ca" >/dev/null
"$ctl" pki issue "$tmp/ca" --name localhost --san 127.0.0.1 --node >/dev/null
"$ctl" pki issue "$tmp/ca" --name controller --client >/dev/null
"$ctl" pki issue "$tmp/ca" --name other --client >/dev/null
"$ctl" pki issue "$tmp/ca" --name web --server >/dev/null
"$ctl" pki bundle "$tmp/ca" --name localhost --out "$tmp/bundle" >/dev/null
"$ctl" pki init "$tmp/ca2" >/dev/null
"$ctl" pki issue "$tmp/ca2" --name controller --client >/dev/null
for c in controller other; do cp -r "$tmp/ca/issued/$c" "$tmp/client-$c"; done
cp -r "$tmp/ca2/issued/controller" "$tmp/client-foreign"
cat "$tmp/ca/cacert.pem" >>"$tmp/client-foreign/cacert.pem" # it believes the host; the host must not believe it

# a host with settings of somebody's own: those in the way go, others stay
mkdir -p "$root/etc/libvirt"
printf 'listen_tcp = 1\n  auth_tls = "sasl"\nmax_queued_clients = 77\n#listen_tls = 0\n' >"$root/etc/libvirt/libvirtd.conf"

refused() { # TEXT ARGUMENTS...
	local text=$1 rc=0
	shift
	"$setup" --root "$tmp/none" "$@" >"$tmp/out" 2>&1 || rc=$?
	[ $rc != 0 ] || fail "$*: accepted"
	grep -qF -- "$text" "$tmp/out" || fail "$*: says '$(cat "$tmp/out")', not '$text'"
}
issued=$tmp/ca/issued
refused 'give --bundle'
refused 'no good as sslclient' --ca "$tmp/ca/cacert.pem" --cert "$issued/web/servercert.pem" --key "$issued/web/serverkey.pem"
refused 'does not belong' --ca "$tmp/ca/cacert.pem" --cert "$issued/localhost/servercert.pem" --key "$issued/web/serverkey.pem"
refused 'no good as sslserver' --ca "$tmp/ca2/cacert.pem" --cert "$issued/localhost/servercert.pem" \
	--key "$issued/localhost/serverkey.pem"
refused 'belong together' --cert "$issued/localhost/servercert.pem"
refused 'not an absolute path' --bundle "$tmp/bundle" --pool relative
refused 'not an IP address' --bundle "$tmp/bundle" --listen 'a b'
refused 'not the name of a bridge' --bundle "$tmp/bundle" --bridge "br'0"
refused '--root DIR' --frobnicate
[ ! -e "$tmp/none" ] || fail "a refused run wrote files"

"$setup" --root "$root" --bundle "$tmp/bundle" >"$tmp/first"
if grep '^unchanged' "$tmp/first"; then fail "the first run found something done"; fi
tail -n 1 "$tmp/first" | grep -qxF '  cloudctl host add localhost qemu+tls://localhost/system --wait' || fail "no host add line"
state() { (cd "$root" && find . -printf '%p %m %u %l %s %T@\n' | sort && find . -type f -exec sha256sum {} + | sort); }
state >"$tmp/before"
"$setup" --root "$root" --bundle "$tmp/bundle" >"$tmp/second"
if grep '^changed' "$tmp/second"; then fail "the second run changed something"; fi
"$setup" --root "$root" >"$tmp/third" # without certificates: those of the first run stay
if grep '^changed' "$tmp/third"; then fail "a run without --bundle changed something"; fi
state | diff "$tmp/before" - || fail "files differ after the second run"

for key in libvirt/private/serverkey.pem libvirt/private/clientkey.pem qemu/server-key.pem qemu/client-key.pem; do
	[ "$(stat -c %a "$root/etc/pki/$key")" = 600 ] || fail "$key is not 0600"
done
conf=$root/etc/libvirt/libvirtd.conf
grep -qx 'max_queued_clients = 77' "$conf" || fail "another setting is gone"
[ "$(grep -cE '^ *(listen_tcp|auth_tls) *=' "$conf")" = 2 ] || fail "a setting stands twice"
grep -qx 'tls_allowed_dn_list = \["CN=controller"\]' "$conf" || fail "no list of names"
[ "$(readlink "$root/etc/systemd/system/libvirtd-tcp.socket")" = /dev/null ] || fail "the TCP socket is not masked"

# one option, one change; and back
changed() { "$setup" --root "$root" "$@" | sed -n 's/^changed //p' | xargs; }
[ "$(changed --bridge br0)" = /etc/libvirt/qemu/networks/cloudd.xml ] || fail "--bridge changes something else"
[ "$(changed)" = /etc/libvirt/qemu/networks/cloudd.xml ] || fail "no way back from --bridge"
[ "$(changed --listen '[fd00::1]:17000')" = \
	"/etc/libvirt/libvirtd.conf /etc/libvirt/qemu.conf /etc/systemd/system/libvirtd-tls.socket.d/cloudd.conf" ] || fail "--listen"
grep -qx 'migration_address = "fd00::1"' "$root/etc/libvirt/qemu.conf" || fail "guests are moved to another address"
grep -qxF 'ListenStream=[fd00::1]:17000' "$root/etc/systemd/system/libvirtd-tls.socket.d/cloudd.conf" || fail "ListenStream"
changed >/dev/null
state | cut -d' ' -f1-5 | diff <(cut -d' ' -f1-5 "$tmp/before") - || fail "not as it was"

# the libvirtd below gets a bridge: a network without one needs iptables, and rights that a container may lack
changed --bridge br0 >/dev/null
for tool in libvirtd virsh virt-admin ip unshare; do
	command -v $tool >/dev/null || { echo "SKIP the libvirtd part: no $tool" && exit 77; }
done
unshare -m -p -n -u -i -f --kill-child true 2>/dev/null || { echo "SKIP the libvirtd part: no right to make name spaces" && exit 77; }
unshare -m -p -n -u -i -f --kill-child "${BASH_SOURCE[0]}" _inside "$tmp"
echo "ok node_setup"
