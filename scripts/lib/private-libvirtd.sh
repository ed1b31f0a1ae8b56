#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A libvirtd of its own on this machine, for tests and the demo: the unmodified daemon with the real QEMU driver,
# listening with TLS on the loopback address only. It has its own mount, process, host name and IPC name spaces, so a
# libvirtd that runs here already is not disturbed; the network is shared (it must be reachable, and guests need a
# bridge) if NETNS does not name another. Needs root and libvirt-daemon, libvirt-clients, libvirt-daemon-driver-qemu, qemu-system-x86, openssl, iproute2,
# util-linux.
#
#   private-libvirtd.sh testpki DIR     a CA, and certificates for server (localhost, 127.0.0.1) and client:
#                                       DIR/pki/{cacert,servercert,serverkey}.pem, DIR/client/{cacert,clientcert,clientkey}.pem;
#                                       and for its QEMUs, which move guests to each other, in DIR/etc/pki
#   private-libvirtd.sh start DIR PORT  start it with DIR/pki/{cacert,servercert,serverkey}.pem; PORT 0 takes a free one;
#                                       prints its URI. Storage pool `cloudd` (DIR/images, for it /var/lib/libvirt/images), network `cloudd` (isolated bridge)
#   private-libvirtd.sh stop DIR        end it with its guests, remove the bridge; DIR stays
#   private-libvirtd.sh exec DIR CMD..  run a command beside it (virsh -c qemu:///system ...)
#   private-libvirtd.sh freeze|thaw DIR stop and continue the daemon: it accepts, but never answers
#   private-libvirtd.sh crash|resume DIR  kill the daemon (guests run on), start it again
#
# HOST_NAME (default: from DIR) is the host name that it reports; NETWORK=10.66.7 sets the /24 of its network (a second
# libvirtd with the same one shares the first one's bridge); KVM=1 leaves /dev/kvm visible where vmx and svm are missing.
# NETNS=name: in this network name space instead, on ADDRESS, with guests on its bridge BRIDGE; HOSTS are the lines of /etc/hosts.
# LIFELINE=N: it ends when the pipe on descriptor N does, so that a test that is killed leaves nothing running.
set -euo pipefail
export LC_ALL=C PATH=$PATH:/usr/sbin:/sbin
self=$(readlink -f "$0")
die() { echo "private-libvirtd: $*" >&2; exit 1; }

cmd=${1:-}; shift || true
if [ "$cmd" = _init ]; then D=$1; else
  [ -n "$cmd" ] && [ -n "${1:-}" ] || { sed -n '3,25s/^# \{0,1\}//p' "$self"; exit 2; }
  mkdir -p "$1"; D=$(cd "$1" && pwd -P); shift
fi
case $D/ in /run/*|/var/run/*|/var/lib/libvirt/*|/etc/libvirt/*) die "DIR must not lie below a directory that is replaced";; esac
tag=$(printf %s "$D" | sha256sum | cut -c1-6)
bridge=cdbr$tag

alive() { [ -s "$D/pid" ] && [ "$(readlink "/proc/$(cat "$D/pid")/ns/pid" 2>/dev/null)" = "$(cat "$D/pidns" 2>/dev/null)" ]; }
beside() { alive || die "not running in $D"; nsenter -t "$(cat "$D/pid")" -n -m -u -i -p -- "$@"; }
daemon() { beside sh -c "kill -$1 \$(cat /run/libvirtd.pid)"; }

# --- certificates -----------------------------------------------------------------------------------------------
# keyEncipherment is asked for by libvirt even where the key agreement needs none.
cert() { # cert NAME CN EXTENDED-USAGE [SAN]
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$D/ca/$1.key" -out "$D/ca/$1.csr" -subj "/O=cloudd test/CN=$2" 2>/dev/null
  { printf 'basicConstraints=CA:FALSE\nkeyUsage=digitalSignature,keyEncipherment\nextendedKeyUsage=%s\n' "$3"
    [ -z "${4:-}" ] || printf 'subjectAltName=%s\n' "$4"; } >"$D/ca/$1.ext"
  openssl x509 -req -in "$D/ca/$1.csr" -CA "$D/pki/cacert.pem" -CAkey "$D/ca/ca.key" -CAcreateserial -CAserial "$D/ca/ca.srl" \
    -days 3650 -sha256 -extfile "$D/ca/$1.ext" -out "$D/ca/$1.crt" 2>/dev/null
}
testpki() {
  umask 077; mkdir -p "$D/ca" "$D/pki" "$D/client"
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -sha256 -subj "/CN=cloudd test CA" \
    -addext 'keyUsage=critical,keyCertSign,cRLSign' -keyout "$D/ca/ca.key" -out "$D/pki/cacert.pem" 2>/dev/null
  cert server localhost serverAuth "${SERVER_SAN:-DNS:localhost,IP:127.0.0.1}"
  cert client client clientAuth
  cp "$D/ca/server.crt" "$D/pki/servercert.pem"; cp "$D/ca/server.key" "$D/pki/serverkey.pem"
  cp "$D/pki/cacert.pem" "$D/client/cacert.pem"
  cp "$D/ca/client.crt" "$D/client/clientcert.pem"; cp "$D/ca/client.key" "$D/client/clientkey.pem"
  cert qemu localhost serverAuth,clientAuth "${SERVER_SAN:-DNS:localhost,IP:127.0.0.1}"
  mkdir -p "$D/etc/pki/qemu"; cp "$D/pki/cacert.pem" "$D/etc/pki/qemu/ca-cert.pem"
  local role
  for role in server client; do
    cp "$D/ca/qemu.crt" "$D/etc/pki/qemu/$role-cert.pem"; cp "$D/ca/qemu.key" "$D/etc/pki/qemu/$role-key.pem"
  done
}

# --- configuration ----------------------------------------------------------------------------------------------
configure() { # PORT
  local e=$D/etc/libvirt name subnet peer network
  rm -rf "$D/run"; mkdir -p "$D"/{run,lib,log,cache,images} "$e"/{qemu/networks/autostart,storage/autostart,nwfilter,secrets}
  name=$(printf %s "${HOST_NAME:-$(basename "$D")}" | tr -c 'A-Za-z0-9-' - | cut -c1-60)
  subnet=${NETWORK:-10.$((0x$(cut -c1-2 <<<"$tag") % 55 + 200)).$((0x$(cut -c3-4 <<<"$tag")))}
  echo "$name" >"$D/hostname"
  printf '%s\n' "${HOSTS:-127.0.0.1 localhost $name}" >"$D/etc/hosts"
  cat >"$e/libvirtd.conf" <<C
listen_tls = 1
listen_tcp = 0
listen_addr = "${ADDRESS:-127.0.0.1}"
tls_port = "$1"
key_file = "$D/pki/serverkey.pem"
cert_file = "$D/pki/servercert.pem"
ca_file = "$D/pki/cacert.pem"
auth_tls = "none"
auth_unix_ro = "none"
auth_unix_rw = "none"
unix_sock_rw_perms = "0700"
host_uuid = "c10d0000-0000-4000-8000-000000$tag"
max_clients = 500
max_anonymous_clients = 100
log_outputs = "3:file:/var/log/libvirt/libvirtd.log"
C
  cat >"$e/qemu.conf" <<C
user = "root"
group = "root"
security_driver = "none"
namespaces = []
cgroup_controllers = []
dynamic_ownership = 0
remember_owner = 0
stdio_handler = "file"
default_tls_x509_verify = 1
migrate_tls_x509_verify = 1
$([ -z "${ADDRESS:-}" ] || echo "migration_host = \"$ADDRESS\"")
C
  local f; for f in network libvirt virtlogd virtlockd; do : >"$e/$f.conf"; done
  cat >"$e/storage/cloudd.xml" <<C
<pool type='dir'>
  <name>cloudd</name>
  <target><path>/var/lib/libvirt/images</path></target>
</pool>
C
  # forward mode open: libvirt adds no firewall rules. No DHCP and no DNS, so no dnsmasq: guests are told their
  # addresses by the config drive. Where another private libvirtd has this network already, its bridge is shared.
  # In a name space of its own the bridge is there, and knows no address.
  if [ -n "${NETNS:-}" ]; then peer=${BRIDGE:?}; else peer=$(ip -o -4 addr show to "$subnet.1" | awk '{ print $2; exit }'); fi
  case $peer in
  ''|"$bridge") network="<forward mode='open'/><bridge name='$bridge' stp='off' delay='0'/><dns enable='no'/>
  <ip address='$subnet.1' netmask='255.255.255.0'/>";;
  cdbr*|"${BRIDGE:-}") network="<forward mode='bridge'/><bridge name='$peer'/>";;
  *) die "$subnet.1 is in use on $peer";;
  esac
  cat >"$e/qemu/networks/cloudd.xml" <<C
<network>
  <name>cloudd</name>
  $network
</network>
C
  ln -sfn ../cloudd.xml "$e/storage/autostart/cloudd.xml"
  ln -sfn ../cloudd.xml "$e/qemu/networks/autostart/cloudd.xml"
}

# --- process 1 of the name spaces: sets the stage, starts the daemon, reaps what ends -----------------------------
init() {
  read -r outer _ </proc/self/stat; echo "$outer" >"$D/pid.new"   # the old /proc tells our pid outside
  mount --make-rprivate /; mount -t proc proc /proc
  readlink /proc/self/ns/pid >"$D/pidns"
  hostname "$(cat "$D/hostname")"
  mkdir -p /etc/libvirt /var/{lib,log,cache}/libvirt
  mount --bind "$D/etc/hosts" /etc/hosts
  if [ -d "$D/etc/pki" ]; then mkdir -p /etc/pki; mount --bind "$D/etc/pki" /etc/pki; fi
  [ -z "${NETNS:-}" ] || { umount -l /sys; mount -t sysfs sysfs /sys; }   # the other name space's cards are none of ours
  # libvirtd wants its user to exist even when qemu.conf names another; only libvirt-daemon-system makes it
  if ! getent passwd libvirt-qemu >/dev/null || ! getent group libvirt-qemu >/dev/null; then
    { grep -v '^libvirt-qemu:' /etc/passwd; echo 'libvirt-qemu:x:64055:64055::/var/lib/libvirt:/usr/sbin/nologin'; } >"$D/etc/passwd"
    { grep -v '^libvirt-qemu:' /etc/group; echo 'libvirt-qemu:x:64055:'; } >"$D/etc/group"
    mount --bind "$D/etc/passwd" /etc/passwd; mount --bind "$D/etc/group" /etc/group
  fi
  mount --bind "$D/etc/libvirt" /etc/libvirt
  mount --bind "$D/lib" /var/lib/libvirt; mount --bind "$D/log" /var/log/libvirt; mount --bind "$D/cache" /var/cache/libvirt
  mkdir -p /var/lib/libvirt/images; mount --bind "$D/images" /var/lib/libvirt/images
  mount --bind "$D/run" /run
  mkdir -p /run/lock /run/libvirt /var/lib/libvirt/{qemu,boot,dnsmasq,network}
  # A /dev/kvm where the processor has neither vmx nor svm boots no ordinary kernel. A read-only file in its place:
  # anything writable there makes libvirt probe QEMU anew at every start.
  if [ "${KVM:-0}" != 1 ] && [ -e /dev/kvm ] && ! grep -qE '^(flags|Features)\s*:.*\b(vmx|svm)\b' /proc/cpuinfo; then
    : >"$D/no-kvm"; mount --bind "$D/no-kvm" /dev/kvm; mount -o remount,bind,ro /dev/kvm
  fi
  # where guests with huge pages find them; a machine has some when it was told to set them aside
  if [ -d /sys/kernel/mm/hugepages ]; then mkdir -p /run/huge; mount -t hugetlbfs none /run/huge || true; fi
  trap : TERM INT HUP
  libvirtd -d --listen
  mv "$D/pid.new" "$D/pid"
  if [ -n "${LIFELINE:-}" ]; then
    while read -r _; do :; done <&"$LIFELINE"
    ip link del "$bridge" 2>/dev/null || true
    exit 0
  fi
  while :; do sleep 1000000 & wait $! || true; done
}

start() {
  local port=${1:?PORT} n
  alive && die "runs already in $D"
  [ "$(id -u)" = 0 ] || die "needs root"
  for n in libvirtd qemu-system-x86_64 virsh unshare nsenter ip; do command -v "$n" >/dev/null || die "$n is missing"; done
  for n in cacert servercert serverkey; do [ -s "$D/pki/$n.pem" ] || die "$D/pki/$n.pem is missing"; done
  if [ "$port" = 0 ]; then
    for n in $(shuf -i 20000-32000 -n 50); do
      ! (exec 3<>"/dev/tcp/127.0.0.1/$n") 2>/dev/null && { port=$n; break; }
    done
  elif [ -z "${NETNS:-}" ] && (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
    die "port $port is taken"
  fi
  configure "$port"
  rm -f "$D/pid" "$D/pid.new"; : >"$D/log/libvirtd.log"
  setsid ${NETNS:+ip netns exec "$NETNS"} unshare -m -u -i -p -f "$self" _init "$D" >"$D/init.log" 2>&1 </dev/null &
  for n in $(seq 400); do [ -s "$D/pid" ] && alive && break; kill -0 $! 2>/dev/null || break; sleep 0.05; done
  alive || { cat "$D/init.log" "$D/log/libvirtd.log" >&2; die "did not start"; }
  # the first call waits until the drivers are up
  beside timeout 120 virsh -q -c qemu:///system pool-info cloudd >/dev/null || { cat "$D/log/libvirtd.log" >&2; stop; die "does not answer"; }
  [ "$(beside virsh -q -c qemu:///system net-info cloudd | awk '/^Active/ { print $2 }')" = yes ] ||
    echo "private-libvirtd: its network could not be started (no bridges here?): guests with a network card will not start" >&2
  echo "$port" >"$D/port"
  echo "qemu+tls://${ADDRESS:-127.0.0.1}:$port/system"
}

stop() {
  if alive; then
    local p; p=$(cat "$D/pid")
    kill -9 "$p" 2>/dev/null || true      # process 1: everything in the name space ends
    for _ in $(seq 200); do alive || break; sleep 0.05; done
    ! alive || die "process $p does not end"
  fi
  rm -f "$D/pid" "$D/pidns"
  ip link del "$bridge" 2>/dev/null || true
  # taps of guests that were killed with it go with their processes
}

case $cmd in
_init) init;;
testpki) testpki;;
start) start "$@";;
stop) stop;;
exec) beside "$@";;
freeze) daemon STOP;;
thaw) daemon CONT;;
crash) daemon KILL;;
resume) beside sh -c 'rm -f /run/libvirtd.pid; libvirtd -d --listen';;
*) die "unknown command $cmd";;
esac
