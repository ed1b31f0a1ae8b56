# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# To be sourced.

# quiet COMMAND...: shows the last line of what it prints, or all of it when it fails
quiet() {
	local out rc=0
	out=$("$@" 2>&1) || rc=$?
	if [ $rc = 0 ]; then tail -n 1 <<<"$out"; else printf '%s\n' "$out" >&2; fi
	return $rc
}
