#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Half a minute of the simulation, in the optimized build beside the one that is tested: the seeds that found bugs, some twice (is it
# the same run again?), then as many as there is time for.
set -euo pipefail
cd "$(dirname "$0")/../.."
program=build/tests/sim/simulate
[ -x "$program" ] || { echo "SKIP: $program is not built (scripts/test builds it)"; exit 77; }
while read -r seed why; do
	[[ $seed =~ ^[0-9]+$ ]] || continue
	"$program" --seeds 1 --from "$seed" --jobs 1 >/dev/null || { echo "seed $seed: again: $why"; exit 1; }
done <tests/sim/seeds
"$program" --seeds 8 --from 1 --jobs 2 --twice | grep -E '^seed|^  |^violations'
exec "$program" --seeds 100000 --from 1000 --jobs 2 --seconds 25
