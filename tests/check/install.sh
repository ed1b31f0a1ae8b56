#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# An installation below a directory has all that it should, says so by itself, and its unit is one that systemd takes.
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
bad=0
complain() {
	echo "$*"
	bad=1
}

DESTDIR=$root cmake --install "$CLOUDD_BUILD" --prefix /opt/cloud >/dev/null
at=$root/opt/cloud
for file in bin/cloudd bin/cloudctl share/man/man1/cloudctl.1 share/man/man5/cloudd.conf.5 share/man/man8/cloudd.8 \
	share/doc/cloudd/cloudd.conf share/doc/cloudd/LICENSE share/bash-completion/completions/cloudctl \
	lib/systemd/system/cloudd.service lib/sysusers.d/cloudd.conf lib/tmpfiles.d/cloudd.conf \
	share/cloudd/node-setup share/cloudd/audit-verify share/cloudd/lib/packages.sh; do
	[ -s "$at/$file" ] || complain "not installed: $file"
done
[ -z "$(ls -A "$root" | grep -vx opt)" ] || complain "files outside of the prefix: $(ls "$root")"

"$at/bin/cloudd" --config "$at/share/doc/cloudd/cloudd.conf" --check-config >/dev/null || complain "the example is not valid"
"$at/bin/cloudctl" --version >/dev/null || complain "cloudctl does not start"
# below --root, so that it touches nothing of this machine; it must find its packages.sh and ask for certificates
out=$("$at/share/cloudd/node-setup" --root "$root/host" 2>&1) && complain "node-setup went on without certificates"
[[ $out == *"cloudctl pki issue"* ]] || complain "node-setup said: $out"

# the programs that the unit starts must be there; systemd looks for them below its own root
if command -v systemd-analyze >/dev/null; then
	unit=$root/cloudd.service
	sed "s|/opt/cloud/|$at/|; /^User=\|^Group=/d" "$at/lib/systemd/system/cloudd.service" >"$unit"
	out=$(systemd-analyze verify --man=no "$unit" 2>&1 | grep -F cloudd.service || true)
	[ -z "$out" ] || complain "systemd-analyze: $out"
fi
grep -q '^ExecStart=/opt/cloud/bin/cloudd ' "$at/lib/systemd/system/cloudd.service" || complain "the unit starts another cloudd"
exit $bad
