# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Starting and ending a cloud in a directory: shared by demo, devcloud and the benches. To be sourced with these set:
# top (the checkout), build (with cloudd and cloudctl), dir (of the cloud), port (of its API).

ctl() { "$build/src/cloudctl/cloudctl" --socket "$dir/run/cloudd.sock" "$@"; }
pki() { "$build/src/cloudctl/cloudctl" pki "$@" >/dev/null; }

# a port that nobody listens on now
free_port() {
	local p
	for _ in $(seq 50); do
		p=$((20000 + RANDOM % 12000))
		if ! (exec 3<>"/dev/tcp/127.0.0.1/$p") 2>/dev/null; then
			echo "$p"
			return
		fi
	done
	{ echo "no free port found" >&2; return 1; }
}

make_pki() {
	pki init "$dir/pki" --name "cloudd development CA"
	pki issue "$dir/pki" --name api --san localhost --san 127.0.0.1 --server
	pki issue "$dir/pki" --name controller --client
}

start_daemon() {
	local pid
	setsid "$build/src/cloudd/cloudd" --config "$dir/cloudd.conf" >>"$dir/cloudd.log" 2>&1 </dev/null &
	pid=$!
	echo "$pid" >"$dir/cloudd.pid"
	# until the API answers, or the daemon has ended
	until curl -s -o /dev/null --unix-socket "$dir/run/cloudd.sock" http://localhost/; do
		if ! kill -0 "$pid" 2>/dev/null; then
			tail -n 20 "$dir/cloudd.log" >&2
			echo "cloudd did not start" >&2
			return 1
		fi
		sleep 0.05
	done
}

# ends a process and waits until it is gone
end_pid() {
	local pid
	pid=$(cat "$1" 2>/dev/null) || return 0
	kill -TERM "$pid" 2>/dev/null || true
	timeout 60 tail -f --pid="$pid" /dev/null || kill -KILL "$pid" 2>/dev/null || true
	rm -f "$1"
}

# libvirtd I of this cloud, with the certificate of the cloud's CA, on a free port: DIR/hostI.port
start_libvirtd() {
	local i=$1 p
	pki issue "$dir/pki" --name "host$i" --san localhost --san 127.0.0.1 --node
	mkdir -p "$dir/host$i/pki"
	cp "$dir/pki/issued/host$i"/{cacert,servercert,serverkey}.pem "$dir/host$i/pki/"
	p=$(free_port)
	NETWORK=$net "$top/scripts/lib/private-libvirtd.sh" start "$dir/host$i" "$p" >/dev/null
	echo "$p" >"$dir/host$i.port"
}

# a /24 for the bridges of this directory's hosts, which are all in this machine's one network
own_net() {
	local h
	h=$(printf %s "$dir" | sha256sum)
	echo "10.$((100 + 0x${h:0:2} % 100)).$((0x${h:2:2}))"
}

rc_file() {
	cat <<C
export OS_AUTH_URL=https://localhost:$port/identity/v3
export OS_IDENTITY_API_VERSION=3
export OS_USERNAME=$1
export OS_PROJECT_NAME=$2
export OS_PASSWORD=$3
export OS_USER_DOMAIN_ID=default
export OS_PROJECT_DOMAIN_ID=default
export OS_REGION_NAME=RegionOne
export OS_CACERT="$dir/pki/cacert.pem"
C
}
