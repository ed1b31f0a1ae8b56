#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The short forms of scripts/soak, hostile and isolation, in the optimized build beside the one that is tested: what grows and what is
# left over is judged, times are not.
set -euo pipefail
cd "$(dirname "$0")/../.."
for tool in build/src/cloudd/cloudd build/tests/bench/bench_creates build/tests/bench/bench_hostile; do
	[ -x $tool ] || { echo "SKIP: $tool is not built (scripts/test builds it)"; exit 77; }
done
export CLOUDD_BUILD=$PWD/build
scripts/soak --servers 3000 --samples 10 --hosts 4
scripts/hostile --idle 500 --slow 50 --byte-ms 200 --rounds 1 --seconds 1 --lenient
scripts/isolation --hosts 6 --rounds 1 --seconds 2 --lenient
