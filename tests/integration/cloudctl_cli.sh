#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# cloudctl against a scripted API on a socket: what it asks, what it shows, how it ends. Usage: cloudctl_cli.sh CLOUDCTL
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
tmp=$(mktemp -d)
server=
cleanup() {
	[ -z "$server" ] || kill "$server" 2>/dev/null || true
	rm -rf "$tmp"
}
trap cleanup EXIT
fail() {
	echo "FAIL: $*" >&2
	for f in out err log; do sed "s/^/  $f| /" "$tmp/$f" >&2; done
	exit 1
}
unset OS_TOKEN OS_USERNAME OS_PASSWORD OS_PROJECT_NAME OS_CACERT
touch "$tmp/log" "$tmp/out" "$tmp/err"
exe=$1
start() { # answers on standard input; a server of its own for each case
	[ -z "$server" ] || { kill "$server" && wait "$server" || true; } 2>/dev/null
	rm -f "$tmp/socket"
	cat >"$tmp/answers"
	: >"$tmp/log"
	exec 7< <(exec python3 "$here/../lib/fake_api.py" "$tmp/socket" "$tmp/answers" "$tmp/log")
	server=$!
	read -r -t 30 _ <&7 || fail "the scripted API does not start"
}
run() { # CODE ARGUMENTS...
	local want=$1 rc=0
	shift
	"$exe" --socket "$tmp/socket" "$@" >"$tmp/out" 2>"$tmp/err" || rc=$?
	[ $rc = "$want" ] || fail "$*: exit code $rc, not $want"
}
out() { diff - "$tmp/out" || fail "unexpected output"; }
asked() { diff - "$tmp/log" || fail "unexpected requests"; }
says() { grep -qF -- "$1" "$tmp/err" || fail "does not say: $1"; }

run 3 status
says 'there is no socket'
python3 -c 'import socket,sys; s=socket.socket(socket.AF_UNIX); s.bind(sys.argv[1])' "$tmp/socket" # nobody listens behind it
run 3 status
says 'no answer from cloudd'

start <<'A'
GET /cloud/v1/status 200 {"version":"0.1.0","uptime_s":90061,"hosts":{"total":3,"connected":2},"servers":{"total":7,"active":5,"error":1},"flows":{"running":1,"stuck":0},"database":{"path":"/var/lib/cloudd/cloudd.db","bytes":3145728,"schema":1}}
GET /cloud/v1/hosts 200 {"hosts":[{"name":"h1","zone":"nova","state":"up","connection":"connected","vcpus":16,"vcpus_used":4,"ram_mib":65536,"ram_used_mib":2048,"disk_gib":100,"disk_used_gib":10,"gpus_total":8,"gpus_used":1,"servers":2}]}
GET /cloud/v1/hosts/a%2Fb%20c 200 {"host":{"name":"a/b c","cells":[{"id":0,"ram_mib":1024,"cpus":2}],"devices":[]}}
POST /cloud/v1/hosts/h1/action 202
DELETE /cloud/v1/hosts/h1 409 {"error":{"code":409,"title":"Conflict","message":"host h1 has 2 servers"}}
GET /cloud/v1/flows 200 {"flows":[]}
GET /cloud/v1/config 503 {"error":{"code":503,"title":"x","message":"stopping"}}
GET /cloud/v1/servers?all=1 200 {"servers":[]}
GET /cloud/v1/audit?limit=5 200 {"records":[]}
GET /cloud/v1/flows/9 200 not json
A
run 0 status
out <<'O'
version               0.1.0
uptime                1d 1h
hosts connected       2/3
servers               7
servers active        5
servers in error      1
flows running         1
flows stuck           0
requests waiting      -
requests turned away  -
database              /var/lib/cloudd/cloudd.db
database size         3 MiB
database schema       1
runs short of         -
last backup           -
backup                -
backup error          -
O
run 0 host list
out <<'O'
NAME  ZONE  STATE  EVIDENCE  CONNECTION  VCPUS    MEMORY  DISK GIB  GPUS  SERVERS
h1    nova  up     -         connected    4/16  2/64 GiB    10/100   1/8        2
O
run 0 host list -o value -c name -c servers
out <<<$'h1\t2'
run 0 host list -o json
jq -e '.hosts[0].gpus_total == 8' "$tmp/out" >/dev/null || fail "-o json is not the API's"
run 0 host show 'a/b c'
grep -q '^cells:$' "$tmp/out" || fail "no cells"
run 0 host drain h1
out <<<'Host h1 gets no new servers, and those on it leave: cloudctl host drain --show h1'
grep -qx 'POST /cloud/v1/hosts/h1/action {"drain":{}}' "$tmp/log" || fail "no drain"
run 1 host remove h1
says 'host h1 has 2 servers'
run 1 host show h9
says "'cloudctl host list' shows what there is"
run 1 config show
says 'journalctl'
run 1 flow show 9
says 'not JSON'
run 0 flow list
out <<<'No work is under way.'
run 0 server list --all
run 0 audit list --limit 5
run 2 host list -c colour
run 2 audit list --limit -5

# projects by name or id: also a tenant's own, who may not list all, and one that was deleted, whose books remain
gone=0123456789abcdef0123456789abcdef
start <<A
GET /identity/v3/projects?name=red 200 {"projects":[{"id":"p1","name":"red"}]}
GET /identity/v3/projects?name=$gone 200 {"projects":[]}
GET /identity/v3/projects/$gone 404 {"error":{"code":404,"title":"x","message":"none"}}
GET /identity/v3/projects?name=mine 403 {"error":{"code":403,"title":"x","message":"needs the role admin"}}
GET /identity/v3/projects?name=theirs 403 {"error":{"code":403,"title":"x","message":"needs the role admin"}}
GET /identity/v3/auth/projects 200 {"projects":[{"id":"p2","name":"mine"}]}
GET /cloud/v1/usage?project=p1&month=2026-12 200 {"usage":[]}
GET /cloud/v1/usage?project=p2 200 {"usage":[]}
GET /cloud/v1/usage?project=$gone 200 {"usage":[]}
GET /identity/v3/projects?name=blue 200 {"projects":[{"id":"p3","name":"blue"}]}
GET /cloud/v1/guardrails/p3 200 {"guardrail":{"project_id":"p3","flavors":[],"zones":null,"effective":{"flavors":[],"zones":["z1","z2"]}}}
A
run 0 usage --project red --month 2026-12
run 0 usage --project mine
run 0 usage --project $gone
grep -q '^GET /cloud/v1/usage?project=p2$' "$tmp/log" || fail "the tenant's own project is not found"
run 1 usage --project theirs
says "you have no role in a project 'theirs'"
run 0 guardrail show blue -c 'own flavors' -c 'own zones' -c zones
out <<'O'
own flavors  none
own zones    any
zones        z1,z2
O

# what commands of several steps ask, in order
start <<'A'
POST /cloud/v1/hosts 201 {"host":{"name":"h1","connection":"connecting"}}
GET /cloud/v1/hosts/h1 200 {"host":{"name":"h1","connection":"connecting"}}
GET /cloud/v1/hosts/h1 200 {"host":{"name":"h1","connection":"connected"}}
A
run 0 host add h1 'qemu+tls://h1/system' --zone z1 --vcpu-ratio 4 --ram-reserved 2G --accel qemu --wait
asked <<'L'
POST /cloud/v1/hosts {"host":{"name":"h1","uri":"qemu+tls://h1/system","zone":"z1","vcpu_ratio":4.0,"ram_reserved_mib":2048,"accel":"qemu"}}
GET /cloud/v1/hosts/h1
GET /cloud/v1/hosts/h1
L
start <<'A'
POST /cloud/v1/hosts 201 {"host":{"name":"h1","connection":"connecting"}}
GET /cloud/v1/hosts/h1 200 {"host":{"name":"h1","connection":"unreachable","connection_error":"certificate has expired"}}
A
run 1 host add h1 'qemu+tls://h1/system' --wait
says 'certificate has expired'

start <<'A'
GET /identity/v3/projects?name=red 200 {"projects":[{"id":"p1","name":"red"}]}
GET /identity/v3/projects?name=blue 200 {"projects":[]}
GET /identity/v3/users?name=ann 200 {"users":[]}
GET /identity/v3/users/ann 200 {"user":{"id":"ann"}}
GET /identity/v3/roles?name=member 200 {"roles":[{"id":"r1","name":"member"}]}
GET /identity/v3/roles?name=reader 200 {"roles":[{"id":"r2","name":"reader"},{"id":"r3","name":"reader"}]}
PUT /identity/v3/projects/p1/users/ann/roles/r1 204
PUT /identity/v3/projects/p1/users/u1/roles/r1 204
POST /identity/v3/users 201 {"user":{"id":"u1","name":"bob","enabled":true}}
POST /cloud/v1/bootstrap 201 {"bootstrap":{}}
PUT /cloud/v1/quotas/p1 200 {"quotas":[{"resource":"cores","limit":8,"in_use":0,"in_use_tree":3}]}
POST /compute/v2.1/flavors 200 {"flavor":{"id":"f1","name":"g1","vcpus":2,"ram":1024,"disk":1}}
POST /compute/v2.1/flavors/f1/os-extra_specs 200 {"extra_specs":{"pci_passthrough:alias":"h100:2"}}
A
run 0 role grant member --user ann --project red
asked <<'L'
GET /identity/v3/projects?name=red
GET /identity/v3/users?name=ann
GET /identity/v3/users/ann
GET /identity/v3/roles?name=member
PUT /identity/v3/projects/p1/users/ann/roles/r1
L
run 1 role grant reader --user ann --project red
says '2 roles have the name'
run 1 project show blue
says "none of the projects has the name or id 'blue'"
: >"$tmp/log"
run 0 user create bob --password-stdin --project red <<<'se"cret'
asked <<'L'
GET /identity/v3/projects?name=red
POST /identity/v3/users {"user":{"name":"bob","password":"se\"cret","default_project_id":"p1"}}
GET /identity/v3/roles?name=member
PUT /identity/v3/projects/p1/users/u1/roles/r1
L
: >"$tmp/log"
run 0 bootstrap --password pw
out <<<'Administrator admin may sign in, to project admin.'
asked <<<'POST /cloud/v1/bootstrap {"bootstrap":{"username":"admin","password":"pw","project":"admin"}}'
run 2 bootstrap
run 2 quota set red cores=many
: >"$tmp/log"
run 0 quota set red cores=8 ram=-1
grep -Eq '^cores +0 +3 +8' "$tmp/out"
asked <<'L'
GET /identity/v3/projects?name=red
PUT /cloud/v1/quotas/p1 {"quotas":{"cores":8,"ram":-1}}
L
: >"$tmp/log"
run 0 flavor create g1 --vcpus 2 --ram 1G --disk 1 --gpus h100:2
asked <<'L'
POST /compute/v2.1/flavors {"flavor":{"name":"g1","vcpus":2,"ram":1024,"disk":1}}
POST /compute/v2.1/flavors/f1/os-extra_specs {"extra_specs":{"pci_passthrough:alias":"h100:2"}}
L

# a flavor whose GPUs are refused does not stay behind without them
start <<'A'
POST /compute/v2.1/flavors 200 {"flavor":{"id":"f1","name":"g1"}}
POST /compute/v2.1/flavors/f1/os-extra_specs 400 {"badRequest":{"code":400,"message":"no such model"}}
DELETE /compute/v2.1/flavors/f1 202
A
run 1 flavor create g1 --vcpus 2 --ram 1G --disk 1 --gpus h999:2
says 'no such model'
grep -qx 'DELETE /compute/v2.1/flavors/f1' "$tmp/log" || fail "the flavor stays"

# traits are added to those of now, and taken from them; an empty text is a value
start <<'A'
GET /cloud/v1/hosts/h1 200 {"host":{"name":"h1","traits":["CUSTOM_A","CUSTOM_B"]}}
PATCH /cloud/v1/hosts/h1 200 {"host":{"name":"h1","traits":["CUSTOM_B","CUSTOM_C"],"cells":[],"devices":[]}}
PATCH /cloud/v1/hosts/h1 409 {"error":{"code":409,"title":"Conflict","message":"servers are pinned"}}
GET /cloud/v1/gpus?host=h1 200 {"gpus":[{"id":"g1","host":"h1","index":0,"address":"0000:65:00.0","model":"h100","memory_mib":81920,"numa_cell":1,"cut":"whole","state":"free"}]}
POST /cloud/v1/gpus/h1%3A0000%3A65%3A00.0/action 200 {"gpu":{"id":"g1","cut":"mig-80","profiles":["1g.10gb","2g.20gb"],"parts":[],"mdev_types":[]}}
POST /cloud/v1/gpus/g1/action 200 {"gpu":{"id":"g1"}}
POST /cloud/v1/gpus/g1/action 200 {"gpu":{"id":"g1"}}
A
run 0 host set h1 --rack '' --dedicated-cpus 2-15 --trait CUSTOM_C --no-trait CUSTOM_A --disk-reserved 10
grep -q '^traits.*CUSTOM_B,CUSTOM_C$' "$tmp/out" || fail "no traits"
run 1 host set h1 --dedicated-cpus 4-15
says 'servers are pinned'
run 0 gpu list --host h1
out <<'O'
ID  HOST  GPU  ADDRESS       MODEL  MEMORY  CELL  CUT    STATE  SINCE  SERVER
g1  h1      0  0000:65:00.0  h100   80 GiB     1  whole  free   -      -
O
run 0 gpu cut h1:0000:65:00.0 mig-80
grep -q '^profiles.*1g.10gb,2g.20gb$' "$tmp/out" || fail "no profiles"
run 0 gpu quarantine g1 --reason 'Xid 79'
out <<<'GPU g1 is given to nobody until it is cleared.'
run 0 gpu clear g1
asked <<'L'
GET /cloud/v1/hosts/h1
PATCH /cloud/v1/hosts/h1 {"host":{"rack":"","dedicated_cpus":"2-15","disk_reserved_gib":10,"traits":["CUSTOM_B","CUSTOM_C"]}}
PATCH /cloud/v1/hosts/h1 {"host":{"dedicated_cpus":"4-15"}}
GET /cloud/v1/gpus?host=h1
POST /cloud/v1/gpus/h1%3A0000%3A65%3A00.0/action {"cut":{"as":"mig-80"}}
POST /cloud/v1/gpus/g1/action {"quarantine":{"reason":"Xid 79"}}
POST /cloud/v1/gpus/g1/action {"clear":null}
L

start <<'A'
GET /cloud/v1/check 200 {"check":{"ok":false,"rules":4,"findings":[{"rule":"gpu once","object":"d1","message":"given twice"}]}}
A
run 1 check
grep -q 'given twice' "$tmp/out" || fail "no finding"
grep -qx 'NOT well: 4 rules, 1 findings.' "$tmp/out" || fail "no summary"

# over TLS: nobody there, and no credentials
unset OS_PASSWORD
run 1 --url https://127.0.0.1:1 status
says 'OS_USERNAME'
export OS_TOKEN=x
run 3 --url https://127.0.0.1:1 status
run 2 --url http://127.0.0.1:1 status
echo "ok cloudctl_cli"
