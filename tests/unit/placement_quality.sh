#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Placement beats first and best fit on a small cluster of its own, in the optimized build beside the one that is tested.
set -euo pipefail
cd "$(dirname "$0")/../.."
tool=build/tests/bench/bench_quality
[ -x "$tool" ] || { echo "SKIP: $tool is not built (scripts/test builds it)"; exit 77; }
exec "$tool" --short
