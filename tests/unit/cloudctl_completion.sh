#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# bash completion offers the commands, those of a group, and the options of one. Usage: cloudctl_completion.sh CLOUDCTL
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../../conf/completions/cloudctl"
expect() { # WANT WORDS...: the last word is the one to complete
	local want=$1
	shift
	COMP_WORDS=("$ctl" "$@") COMP_CWORD=$# COMPREPLY=()
	_cloudctl
	[ "${COMPREPLY[*]}" = "$want" ] || { echo "FAIL: '$*' gives '${COMPREPLY[*]}', not '$want'" >&2; exit 1; }
}
ctl=$1
expect 'host' ho
expect 'add' host a
expect 'drain' help host dr
expect '--accel' host add --a
expect '--socket' --so
expect '' nonsense x
echo "ok cloudctl_completion"
