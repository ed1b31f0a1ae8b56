#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# clang-tidy over every C file of src/ that $CLOUDD_BUILD compiles, with the checks of .clang-tidy: no finding. A file that
# was clean is not read again while it, its headers, its compile command and the checks are the same ($CLOUDD_BUILD/tidy).
#
#   tests/check/tidy.sh [FILE...]    all files, or these
#
# The analyzer gives a function up after CLOUDD_TIDY_NODES states (here 50,000, a quarter of its own bound), since the deepest
# functions take most of the time: CLOUDD_TIDY_NODES=225000 looks as far as it does by itself.
set -euo pipefail
cd "$(dirname "$0")/../.."
tool=$(command -v clang-tidy-14 || command -v clang-tidy) || { echo "SKIP: no clang-tidy"; exit 77; }
export tool top=$PWD clean=$CLOUDD_BUILD/tidy nodes=${CLOUDD_TIDY_NODES:-50000}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$clean"

# Each file once (some are compiled for several targets), with the name of its stamp.
python3 - "$CLOUDD_BUILD/compile_commands.json" "$work" "$clean" "$tool" "$@" <<'PY'
import concurrent.futures, hashlib, json, os, shlex, subprocess, sys
source, work, clean, tool = sys.argv[1:5]
only = [os.path.abspath(f) for f in sys.argv[5:]]
src = os.path.join(os.getcwd(), "src", "")
entries = {}
for entry in json.load(open(source)):
    if entry["file"].startswith(src) and (not only or entry["file"] in only):
        entries.setdefault(entry["file"], entry)
if not entries:
    sys.exit("nothing to check")
json.dump(list(entries.values()), open(os.path.join(work, "compile_commands.json"), "w"))

common = hashlib.sha256(os.environ["nodes"].encode())
for path in (tool, ".clang-tidy", "tests/check/analyzer.h", "tests/check/tidy.sh"):
    common.update(open(path, "rb").read())

def stamp(entry):
    """A hash of all that the findings depend on; none when the headers cannot be told."""
    command = shlex.split(entry["command"])
    at = command.index("-o")
    asks = command[:at] + command[at + 2:] + ["-MM"]
    asks.remove("-c")
    deps = subprocess.run(asks, cwd=entry["directory"], capture_output=True, text=True)
    if deps.returncode:
        return "none"
    h = common.copy()
    h.update(entry["command"].encode())
    for path in deps.stdout.replace("\\\n", " ").split()[1:]:
        h.update(open(os.path.join(entry["directory"], path), "rb").read())
    return h.hexdigest()

# the large ones first, so that none is left for the end
files = sorted(entries, key=os.path.getsize, reverse=True)
with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool, open(os.path.join(work, "files"), "w") as out:
    for path, name in zip(files, pool.map(lambda f: stamp(entries[f]), files)):
        if not os.path.exists(os.path.join(clean, name)):
            out.write("%s %s\n" % (path, name))
print("clang-tidy: %d files, %d of them to be read" % (len(files), sum(1 for _ in open(os.path.join(work, "files")))))
PY

# One process per file: what one file taught the analyzer must not leak into the next one (clang 14 does, with va_list).
check() {
	local args=(-p "$1" --quiet --extra-arg=-Xclang --extra-arg=-analyzer-config --extra-arg=-Xclang
		--extra-arg=max-nodes="$nodes")
	# error.c defines what analyzer.h explains
	[ "$2" = "$top/src/base/error.c" ] || args+=(--extra-arg=-include --extra-arg="$top/tests/check/analyzer.h")
	if "$tool" "${args[@]}" "$2" 2>"$1/$$.err"; then
		[ "$3" = none ] || : >"$clean/$3"
		return
	fi
	# its own notes on how many warnings it left out say nothing
	grep -v 'warnings\? \(generated\|treated as errors\)' "$1/$$.err" >&2
	return 1
}
export -f check
# shellcheck disable=SC2016
xargs -r -a "$work/files" -L 1 -P "$(nproc)" bash -c 'check "$0" "$1" "$2"' "$work" || { echo "clang-tidy has findings"; exit 1; }
# stamps of what is no more
find "$clean" -type f -mtime +30 -delete
echo "no finding"
