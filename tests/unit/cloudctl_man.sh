#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The manual page in the tree is the one that the table of commands makes, and is valid. Usage: cloudctl_man.sh CLOUDCTL
set -euo pipefail
page=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/man/cloudctl.1
"$1" help --man | diff "$page" - || {
	echo "FAIL: man/cloudctl.1 is not up to date; make it by: cloudctl help --man >man/cloudctl.1" >&2
	exit 1
}
if command -v man >/dev/null; then
	warnings=$(LC_ALL=C.UTF-8 MANWIDTH=100 man --warnings -E UTF-8 -l -Tutf8 "$page" 2>&1 >/dev/null) || true
	[ -z "$warnings" ] || { echo "FAIL: $warnings" >&2; exit 1; }
fi
# each command has help of its own
"$1" help | sed -n '/^commands:/,/^$/s/^  \([a-z]* *[a-z]*\) .*/\1/p' | while read -r first second _; do
	"$1" help "$first" $second | grep '^usage: cloudctl' >/dev/null || { echo "FAIL: help $first $second" >&2; exit 1; }
done
echo "ok cloudctl_man"
