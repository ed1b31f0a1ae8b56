#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A million operations of test_placement_rows, in the optimized build beside the one that is tested: sanitizers would take
# four times as long.
set -euo pipefail
cd "$(dirname "$0")/../.."
test=build/src/flow/test_placement_rows
[ -x "$test" ] || { echo "SKIP: $test is not built (scripts/test builds it)"; exit 77; }
exec "$test" 1000000
