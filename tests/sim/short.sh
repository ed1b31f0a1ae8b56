#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Two minutes and a half of the simulation, in the optimized build beside the one that is tested: the seeds that found bugs, some twice (is
# it the same run again?), two thousand that are always the same, then as many others as there is time for.
set -euo pipefail
cd "$(dirname "$0")/../.."
program=build/tests/sim/simulate seconds=${SIM_SECONDS:-150}
[ -x "$program" ] || { echo "SKIP: $program is not built (scripts/test builds it)"; exit 77; }
while read -r seed why; do
	[[ $seed =~ ^[0-9]+$ ]] || continue
	"$program" --seeds 1 --from "$seed" --jobs 1 >/dev/null || { echo "seed $seed: again: $why"; exit 1; }
done <tests/sim/seeds
"$program" --seeds 8 --from 1 --jobs 2 --twice | grep -E '^seed [0-9]|^  !|^violations'
"$program" --seeds 2000 --from 1001 --jobs 2 | grep -vE '^step '
left=$((seconds - SECONDS))
[ "$left" -lt 5 ] || exec "$program" --seeds 100000 --from "$((100000 + $(date +%s) % 1000000 * 1000))" --jobs 2 --seconds "$left"
