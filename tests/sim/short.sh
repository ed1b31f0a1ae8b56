#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Two minutes of the simulation, in the optimized build beside the one that is tested: the seeds that found bugs, some twice (is it the
# same run again?), then a thousand that are always the same (SIM_SEEDS: so many; SIM_FROM: others).
set -euo pipefail
cd "$(dirname "$0")/../.."
program=build/tests/sim/simulate
[ -x "$program" ] || { echo "SKIP: $program is not built (scripts/test builds it)"; exit 77; }
while read -r seed why; do
	[[ $seed =~ ^[0-9]+$ ]] || continue
	"$program" --seeds 1 --from "$seed" --jobs 1 >/dev/null || { echo "seed $seed: again: $why"; exit 1; }
done <tests/sim/seeds
"$program" --seeds 8 --from 1 --jobs 2 --twice | grep -E '^seed [0-9]|^  !|^violations'
"$program" --seeds "${SIM_SEEDS:-1000}" --from "${SIM_FROM:-1001}" --jobs 2 | grep -vE '^step '
