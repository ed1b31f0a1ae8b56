# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Real hosts on one machine, for devcloud and tests: each a libvirtd with the real QEMU driver in a network of its own, joined by
# two bridges: the wire on which hosts and controller talk (this machine has .1, host I .10+I and the name hostI), and the guests'
# segment (this machine has the gateway's address). A host can lose its power, its network or its daemon; guests can move
# between hosts. To be sourced after cloud.sh, with hosts (how many) and net (the guests' /24) set. Needs root.

bed_tag() { printf %s "$dir" | sha256sum | cut -c1-6; }
bed_wire() { echo "cdw$(bed_tag)"; }
bed_guests() { echo "cdg$(bed_tag)"; }

# the /24 of the wire, out of the addresses of carriers: own_net's are 10.100.* to 10.199.*
wire_net() {
	local a b c
	IFS=. read -r a b c <<<"$net"
	echo "100.$((64 + (b + a) % 64)).$c"
}
host_address() { echo "$(wire_net).$((10 + $1))"; }
host_space() { echo "cd$(bed_tag)-$1"; }

host_names() {
	local i
	echo "127.0.0.1 localhost"
	for ((i = 1; i <= hosts; i++)); do echo "$(host_address "$i") host$i"; done
}

# a bridge with this machine's address on it; bridged frames are not for the machine's packet filter
segment() {
	local bridge=$1 address=$2 t
	ip link show "$bridge" >/dev/null 2>&1 && return
	ip link add "$bridge" type bridge
	for t in iptables ip6tables arptables; do
		echo 0 2>/dev/null >"/sys/class/net/$bridge/bridge/nf_call_$t" || true
	done
	ip addr add "$address/24" dev "$bridge"
	ip link set "$bridge" up
}

# plug I MASTER...: both cables of host I into their bridges, or out of them
plug() {
	local i=$1 tag
	shift
	tag=$(bed_tag)
	case $1 in
	in) ip link set "cdw$tag-$i" master "$(bed_wire)" up && ip link set "cdg$tag-$i" master "$(bed_guests)" up ;;
	out) ip link set "cdw$tag-$i" nomaster && ip link set "cdg$tag-$i" nomaster ;;
	esac
}

# the network of host I: eth0 on the wire, and br0, the guests' bridge, with eth1 in it
host_network() {
	local i=$1 space tag
	space=$(host_space "$i") tag=$(bed_tag)
	[ ! -e "/run/netns/$space" ] || return 0
	ip netns add "$space"
	ip link add "cdw$tag-$i" type veth peer name eth0 netns "$space"
	ip link add "cdg$tag-$i" type veth peer name eth1 netns "$space"
	ip -n "$space" link add br0 type bridge
	ip -n "$space" addr add "$(host_address "$i")/24" dev eth0
	ip -n "$space" link set eth1 master br0
	for tag in lo eth0 eth1 br0; do ip -n "$space" link set "$tag" up; done
}

# the certificates of host I, where libvirt and QEMU look for them (scripts/node-setup puts them there on a real host): a host
# is server of the controller, and client and server of the hosts that guests move to and come from
host_pki() {
	local i=$1 from=$dir/pki/issued/host$1 to=$dir/host$1/etc/pki role
	[ ! -d "$from" ] || return 0
	pki issue "$dir/pki" --name "host$i" --san "host$i" --san "$(host_address "$i")" --node
	mkdir -p "$to"/{CA,libvirt/private,qemu} "$dir/host$i/pki"
	cp "$from"/{cacert,servercert,serverkey}.pem "$dir/host$i/pki/"
	cp "$from/cacert.pem" "$to/CA/cacert.pem"
	cp "$from/cacert.pem" "$to/qemu/ca-cert.pem"
	for role in server client; do
		cp "$from/servercert.pem" "$to/libvirt/${role}cert.pem"
		cp "$from/serverkey.pem" "$to/libvirt/private/${role}key.pem"
		cp "$from/servercert.pem" "$to/qemu/$role-cert.pem"
		cp "$from/serverkey.pem" "$to/qemu/$role-key.pem"
	done
}

host_libvirtd() {
	local i=$1 verb=$2
	shift 2
	"$top/scripts/lib/private-libvirtd.sh" "$verb" "$dir/host$i" "$@"
}

# power on
host_start() {
	local i=$1
	host_network "$i"
	plug "$i" in
	host_pki "$i"
	NETNS=$(host_space "$i") ADDRESS=$(host_address "$i") BRIDGE=br0 HOSTS=$(host_names) host_libvirtd "$i" start 16514 >/dev/null
}

# all hosts, side by side
bed_up() {
	local i pids=()
	segment "$(bed_wire)" "$(wire_net).1"
	segment "$(bed_guests)" "$net.1"
	for ((i = 1; i <= hosts; i++)); do
		host_start "$i" &
		pids+=($!)
	done
	for i in "${pids[@]}"; do wait "$i"; done
}

bed_down() {
	local i tag
	tag=$(bed_tag)
	for ((i = 1; i <= hosts; i++)); do
		[ ! -d "$dir/host$i" ] || host_libvirtd "$i" stop >&2
		ip link del "cdw$tag-$i" 2>/dev/null || true
		ip link del "cdg$tag-$i" 2>/dev/null || true
		ip netns del "$(host_space "$i")" 2>/dev/null || true
	done
	ip link del "$(bed_wire)" 2>/dev/null || true
	ip link del "$(bed_guests)" 2>/dev/null || true
}

# host_do VERB I [COMMAND...]: what befalls host I
host_do() {
	local verb=$1 i=$2
	shift 2
	case $verb in
	# without its cables first: a machine without power does not even close its connections
	kill) plug "$i" out && host_libvirtd "$i" stop ;;
	start) host_start "$i" ;;
	cut) plug "$i" out ;;
	heal) plug "$i" in ;;
	stopd) host_libvirtd "$i" crash ;;
	startd) host_libvirtd "$i" resume ;;
	hang) host_libvirtd "$i" freeze ;;
	unhang) host_libvirtd "$i" thaw ;;
	exec) host_libvirtd "$i" exec "$@" ;;
	*) return 2 ;;
	esac
}
