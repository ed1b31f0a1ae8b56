#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What the CA of `cloudctl pki` makes, judged by the openssl command. Usage: cloudctl_pki.sh CLOUDCTL
set -euo pipefail
ctl=$1
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
fail() {
	echo "FAIL: $*" >&2
	exit 1
}
refused() { # CODE TEXT COMMAND...: ends with this exit code and says this
	local code=$1 text=$2 rc=0
	shift 2
	"$@" >"$tmp/out" 2>&1 || rc=$?
	[ $rc = "$code" ] || fail "$*: exit code $rc, not $code: $(cat "$tmp/out")"
	grep -qF -- "$text" "$tmp/out" || fail "$*: says '$(cat "$tmp/out")', not '$text'"
}
mode() { [ "$(stat -c %a "$2")" = "$1" ] || fail "$2 has mode $(stat -c %a "$2"), not $1"; }
has() { openssl x509 -in "$1" -noout -text | grep -F -- "$2" >/dev/null || fail "$1 lacks $2"; }

umask 022
ca=$tmp/a/ca
"$ctl" pki init "$ca" --name 'Test Cloud' >/dev/null
has "$ca/cacert.pem" 'CA:TRUE, pathlen:0'
has "$ca/cacert.pem" 'Certificate Sign, CRL Sign'
has "$ca/cacert.pem" 'Subject: CN = Test Cloud'
has "$ca/cacert.pem" 'NIST CURVE: P-256'
openssl x509 -in "$ca/cacert.pem" -noout -checkend $((3649 * 86400)) >/dev/null || fail "the CA ends too early"
mode 600 "$ca/private/cakey.pem"
mode 700 "$ca/private"
refused 1 'there is a CA' "$ctl" pki init "$ca"

"$ctl" pki issue "$ca" --name node1 --san 10.0.0.5 --san IP:fd00::5 --san DNS:node1.example --node >/dev/null
"$ctl" pki issue "$ca" --name controller --client >/dev/null
"$ctl" pki issue "$ca" --name api.example --san 127.0.0.1 --server --days 30 >/dev/null
node=$ca/issued/node1/servercert.pem
openssl verify -CAfile "$ca/cacert.pem" -purpose sslserver -verify_hostname node1.example "$node" >/dev/null
openssl verify -CAfile "$ca/cacert.pem" -purpose sslserver -verify_hostname node1 "$node" >/dev/null
openssl verify -CAfile "$ca/cacert.pem" -purpose sslserver -verify_ip fd00::5 "$node" >/dev/null
openssl verify -CAfile "$ca/cacert.pem" -purpose sslclient "$node" >/dev/null
openssl verify -CAfile "$ca/cacert.pem" -purpose sslclient "$ca/issued/controller/clientcert.pem" >/dev/null
openssl verify -CAfile "$ca/cacert.pem" -purpose sslserver -verify_ip 127.0.0.1 "$ca/issued/api.example/servercert.pem" >/dev/null
refused 2 'hostname mismatch' openssl verify -CAfile "$ca/cacert.pem" -verify_hostname node2 "$node"
refused 2 'IP address mismatch' openssl verify -CAfile "$ca/cacert.pem" -verify_ip 10.0.0.6 "$node"
refused 2 'unsuitable certificate purpose' openssl verify -CAfile "$ca/cacert.pem" -purpose sslserver \
	"$ca/issued/controller/clientcert.pem"
refused 2 'unsuitable certificate purpose' openssl verify -CAfile "$ca/cacert.pem" -purpose sslclient \
	"$ca/issued/api.example/servercert.pem"
has "$node" 'Digital Signature, Key Encipherment'
has "$node" 'CA:FALSE'
openssl x509 -in "$node" -noout -checkend $((396 * 86400)) >/dev/null || fail "ends before 397 days"
if openssl x509 -in "$node" -noout -checkend $((398 * 86400)) >/dev/null; then fail "lasts more than 397 days"; fi
for key in "$ca"/issued/*/*key.pem; do mode 600 "$key"; done
cmp -s <(openssl pkey -in "$ca/issued/node1/serverkey.pem" -pubout) <(openssl x509 -in "$node" -noout -pubkey) ||
	fail "key and certificate do not belong together"

# another CA's certificate is not believed
"$ctl" pki init "$tmp/other" --name 'Test Cloud' >/dev/null
refused 2 'verification failed' openssl verify -CAfile "$tmp/other/cacert.pem" "$node"

# what exists is not overwritten, but by --force, with another serial
before=$(openssl x509 -in "$node" -noout -serial)
refused 1 'has a certificate already' "$ctl" pki issue "$ca" --name node1 --node
[ "$(openssl x509 -in "$node" -noout -serial)" = "$before" ] || fail "the refused command changed the certificate"
"$ctl" pki issue "$ca" --name node1 --node --force >/dev/null
[ "$(openssl x509 -in "$node" -noout -serial)" != "$before" ] || fail "--force changed nothing"
[ "$("$ctl" pki list "$ca" -o value -c name -c kind | tr '\t\n' ' ,')" = \
	'node1 node,controller client,api.example server,node1 node,' ] || fail "pki list: $("$ctl" pki list "$ca")"
[ "$("$ctl" pki list "$ca" -o value -c serial | sort -u | wc -l)" = 4 ] || fail "serials are not unique"
"$ctl" pki list "$ca" -o json | jq -e '.certificates[1].state == "valid" and .certificates[2].state == "expires soon"' >/dev/null || fail "pki list -o json"

# a bundle is certificate, key and CA in one file of our own
"$ctl" pki bundle "$ca" --name node1 --out "$tmp/bundle" >/dev/null
mode 600 "$tmp/bundle"
cmp -s "$tmp/bundle" <(cat "$node" "$ca/issued/node1/serverkey.pem" "$ca/cacert.pem") || fail "the bundle is not the three"
refused 1 'exists; --force' "$ctl" pki bundle "$ca" --name node1 --out "$tmp/bundle"

# input that must be refused, with a reason
refused 2 'not usable' "$ctl" pki issue "$ca" --name ../evil --node
refused 2 'neither a host name nor an IP address' "$ctl" pki issue "$ca" --name n --node --san 'a,DNS:b'
refused 2 'not an IP address' "$ctl" pki issue "$ca" --name n --node --san IP:10.0.0.999
refused 2 'one of --server, --client and --node' "$ctl" pki issue "$ca" --name n
refused 2 'one of --server, --client and --node' "$ctl" pki issue "$ca" --name n --node --client
refused 2 '--days must be' "$ctl" pki issue "$ca" --name n --node --days 0
refused 2 'outlive the CA' "$ctl" pki issue "$ca" --name n --node --days 3650
refused 1 'there is no CA' "$ctl" pki issue "$tmp/none" --name n --node
refused 1 'there is no CA' "$ctl" pki list "$tmp/none"
[ ! -e "$ca/issued/n" ] || fail "a refused command left files"
cp "$tmp/other/private/cakey.pem" "$ca/private/cakey.pem"
refused 1 'does not belong' "$ctl" pki issue "$ca" --name n --node
echo "ok cloudctl_pki"
