#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every source file says its licence in one of its first three lines, the licence of LICENSE, and no other.
set -euo pipefail
cd "$(dirname "$0")/../.."
want='SPDX-License-Identifier: Apache-2.0'
bad=0
grep -q 'Apache License' LICENSE || { echo "LICENSE is not the Apache License"; bad=1; }
while IFS= read -r file; do
	[ -e "$file" ] || continue
	case $file in
	*.c | *.h | *.sh | *.py | *.sql | *.cmake | *CMakeLists.txt | *.service | .ci/run | scripts/*) ;;
	*) continue ;;
	esac
	if ! head -n 3 "$file" | grep -qF "$want"; then
		echo "$file: no line '$want' at its top"
		bad=1
	fi
	if grep -n 'SPDX-License''-Identifier:' "$file" | grep -vF "$want"; then
		echo "$file: names another licence"
		bad=1
	fi
done < <(git ls-files)
exit $bad
