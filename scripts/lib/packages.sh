# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The Debian 12 packages that cloudd is built from, runs on and is tested with, and need_packages, which installs
# those that are missing. To be sourced.

# to build the daemon and cloudctl
PACKAGES_BUILD="gcc cmake ninja-build pkg-config libvirt-dev libxml2-dev libuv1-dev libsqlite3-dev libssl-dev libjansson-dev node-llhttp
	libinih-dev libisofs-dev libcurl4-openssl-dev libsystemd-dev libcmocka-dev"
# on the controller
PACKAGES_RUN="libvirt0 libxml2 libuv1 libsqlite3-0 libssl3 libjansson4 libinih1 libisofs6 libcurl4 libsystemd0 ca-certificates qemu-utils"
# on a hypervisor host
PACKAGES_HOST="libvirt-daemon libvirt-daemon-system libvirt-daemon-driver-qemu qemu-system-x86 qemu-utils ovmf dnsmasq-base mdevctl"
# for the guest image
PACKAGES_GUEST="apt dpkg-dev binutils e2fsprogs qemu-utils util-linux"
# for the demo, without a host's services: libvirtd is started by hand, with state of its own
PACKAGES_DEMO="libvirt-daemon libvirt-daemon-driver-qemu libvirt-clients qemu-system-x86 qemu-utils iproute2 dnsmasq-base openssl
	python3-openstackclient openssh-client curl"
# for scripts/test and .ci/run
PACKAGES_TEST="$PACKAGES_DEMO clang-14 clang-format-14 clang-tidy-14 libclang-rt-14-dev sqlite3 curl jq xorriso nginx-light wrk man-db
	python3-libcloud python3-osc-placement"

# The names of those given that are not installed, one a line.
missing_packages() {
	local name
	for name in "$@"; do
		dpkg-query -W -f='${db:Status-Abbrev}' "$name" 2>/dev/null | grep -q '^.i' || echo "$name"
	done
}

# need_packages NAME...: installs what is missing, asks nothing, starts no service where no systemd runs (a
# container, a chroot). With nothing missing it touches nothing and needs no root.
need_packages() {
	local missing guard=/usr/sbin/policy-rc.d guarded= rc=0
	mapfile -t missing < <(missing_packages "$@")
	[ ${#missing[@]} -gt 0 ] || return 0
	if [ "$(id -u)" != 0 ]; then
		echo "missing packages, to be installed as root: apt-get install ${missing[*]}" >&2
		return 1
	fi
	echo "installing ${missing[*]}" >&2
	if [ ! -d /run/systemd/system ] && [ ! -e $guard ]; then
		guarded=1
		printf '#!/bin/sh\nexit 101\n' >$guard
		chmod 755 $guard
	fi
	apt_install "${missing[@]}" || { apt-get -qq update && apt_install "${missing[@]}"; } || rc=1
	[ -z "$guarded" ] || rm -f $guard
	return $rc
}

apt_install() {
	DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 install -y --no-install-recommends "$@" >/dev/null
}
