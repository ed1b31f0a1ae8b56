#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Includes go down only: each room may include the rooms listed for it, and itself.
set -euo pipefail
cd "$(dirname "$0")/../../src"
declare -A may=(
	[base]=""
	[domain]="base"
	[placement]="base"
	[loop]="base"
	[store]="domain base"
	[hv]="domain base"
	[http]="loop base"
	[flow]="store hv loop placement domain base"
	[api]="http flow store hv loop placement domain base"
	[cloudd]="api http flow store hv loop placement domain base"
	[cloudctl]="placement domain base"
)
bad=0
for room in */; do
	room=${room%/}
	[ -n "${may[$room]+set}" ] || { echo "room $room is not on the map"; bad=1; continue; }
	while IFS=: read -r file line text; do
		to=$(sed -E 's/.*"([a-z]+)\/.*/\1/' <<<"$text")
		[ "$to" = cloudd ] && [ -e "../include/$(sed -E 's/.*"([^"]+)".*/\1/' <<<"$text")" ] && continue
		[[ " $room ${may[$room]} " == *" $to "* ]] && continue
		echo "src/$file:$line: $room may not include $to"
		bad=1
	done < <(grep -rnE '^#include "[a-z]+/' "$room" || true)
done
exit $bad
