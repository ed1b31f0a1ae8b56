#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# clang-tidy over every C file of src/ that $CLOUDD_BUILD compiles, with the checks of .clang-tidy: no finding.
#
#   tests/check/tidy.sh [FILE...]    all files, or these
set -euo pipefail
cd "$(dirname "$0")/../.."
tool=$(command -v clang-tidy-14 || command -v clang-tidy) || { echo "SKIP: no clang-tidy"; exit 77; }
export tool top=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Each file once (some are compiled for several targets), without what only gcc understands.
python3 - "$CLOUDD_BUILD/compile_commands.json" "$work" "$@" <<'PY'
import json, os, sys
source, work, only = sys.argv[1], sys.argv[2], [os.path.abspath(f) for f in sys.argv[3:]]
src = os.path.join(os.getcwd(), "src", "")
files = {}
for entry in json.load(open(source)):
    if entry["file"].startswith(src) and (not only or entry["file"] in only):
        files.setdefault(entry["file"], entry)
if not files:
    sys.exit("nothing to check")
json.dump(list(files.values()), open(os.path.join(work, "compile_commands.json"), "w"))
# the large ones first, so that none is left for the end
with open(os.path.join(work, "files"), "w") as out:
    for f in sorted(files, key=os.path.getsize, reverse=True):
        out.write(f + "\n")
PY

# One process per file: what one file taught the analyzer must not leak into the next one (clang 14 does, with va_list).
check() {
	local args=(-p "$1" --quiet)
	# error.c defines what analyzer.h explains
	[ "$2" = "$top/src/base/error.c" ] || args+=(--extra-arg=-include --extra-arg="$top/tests/check/analyzer.h")
	"$tool" "${args[@]}" "$2" 2>"$1/$$.err" && return
	# its own notes on how many warnings it left out say nothing
	grep -v 'warnings\? \(generated\|treated as errors\|.* generated\)' "$1/$$.err" >&2
	return 1
}
export -f check
xargs -a "$work/files" -n 1 -P "$(nproc)" bash -c 'check "$0" "$1"' "$work" || { echo "clang-tidy has findings"; exit 1; }
echo "clang-tidy: $(wc -l <"$work/files") files, no finding"
