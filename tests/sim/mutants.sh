#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Is each bug that was put in on purpose found? Applies each patch of tests/sim/mutants to a copy of the tree, builds that, and lives
# through seeds until one of them fails. Exit 1 when a bug is never found.
#
#   mutants.sh [PATCH...]     SIM_SEEDS: how many seeds are tried at most (1000); SIM_WORK: where copy and build stay;
#                             SIM_REV: which revision (HEAD)
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
work=${SIM_WORK:-$(mktemp -d)}
seeds=${SIM_SEEDS:-1000}
[ -n "${SIM_WORK:-}" ] || trap 'rm -rf "$work"' EXIT
[ $# -gt 0 ] || set -- "$top"/tests/sim/mutants/*.patch

# the committed tree, so that nothing half-written is in it
mkdir -p "$work/tree"
git -C "$top" archive "${SIM_REV:-HEAD}" | tar xf - -C "$work/tree"
cp -r "$top/tests/sim/." "$work/tree/tests/sim/"
cmake -S "$work/tree" -B "$work/build" -G Ninja -DCMAKE_C_COMPILER_LAUNCHER="$(command -v ccache || true)" >/dev/null

found=0 missed=0
for patch in "$@"; do
	name=$(basename "$patch" .patch)
	patch -s -p1 -d "$work/tree" <"$patch" || { echo "$name: the patch does not apply any more"; exit 2; }
	ninja -C "$work/build" simulate >"$work/log" 2>&1 || { cat "$work/log"; exit 2; }
	result=
	for ((at = 1; at <= seeds; at += 50)); do
		if ! "$work/build/tests/sim/simulate" --seeds 50 --from "$at" --jobs "$(nproc)" >"$work/out" 2>&1; then
			result=$(grep -E -A1 '^seed [0-9]+: a violation' "$work/out" | paste -sd ' ' | sed 's/ -- /\n/g' | sort -t' ' -k2n | head -1 || true)
			break
		fi
	done
	patch -s -R -p1 -d "$work/tree" <"$patch"
	if [ -n "$result" ]; then
		echo "$name: $result"
		found=$((found + 1))
	else
		echo "$name: NOT FOUND in $seeds seeds"
		missed=$((missed + 1))
	fi
done
echo "mutants $# bugs"
echo "mutants_found $found bugs"
echo "mutants_missed $missed bugs"
echo "mutants_time $SECONDS s"
[ $missed = 0 ]
