#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What is written agrees with the tables: conf/cloudd.conf with the daemon's keys, cloudd.conf(5) names each key, cloudd(8) and
# --help each option, docs/api.md each route, docs/events.md each type of event, and no document points to a file that is not there.
set -euo pipefail
cd "$(dirname "$0")/../.."
cloudd=$CLOUDD_BUILD/src/cloudd/cloudd
bad=0
complain() {
	echo "$*"
	bad=1
}

"$cloudd" --example-config | diff -u conf/cloudd.conf - || complain "conf/cloudd.conf is not what cloudd --example-config prints"
"$cloudd" --config conf/cloudd.conf --check-config >/dev/null || complain "conf/cloudd.conf is not valid"

section=
while read -r line; do
	case $line in
	\[*\]) section=$line ;;
	*=*)
		key=${line%% *}
		grep -qF "\\fB${key//_/\\_}\\fR" man/cloudd.conf.5 || complain "cloudd.conf(5) does not name $section $key"
		;;
	esac
done < <(grep -v '^#' conf/cloudd.conf)

for option in $("$cloudd" --help | grep -oE -- '--[a-z-]+' | sort -u); do
	grep -qF -- "${option//-/\\-}" man/cloudd.8 || complain "cloudd(8) does not name $option"
done

while read -r method path; do
	grep -qF "| $method | \`$path\`" docs/api.md || complain "docs/api.md lacks $method $path"
done < <("$CLOUDD_BUILD/tests/list_routes")

events=src/domain/event_types.c
[ "$(grep -c '^	{ "' $events)" = "$(grep -c '^| `[a-z]*\.[a-z_]*` | \(project\|operators\) |' docs/events.md)" ] ||
	complain "docs/events.md has other events than $events"
while IFS='|' read -r name tenant meaning; do
	who=$([ "$tenant" = true ] && echo project || echo operators)
	grep -qxF "| \`$name\` | $who | $meaning |" docs/events.md || complain "docs/events.md does not say of $name what $events does"
	grep -rqF "\"$name\"" src --include=*.c --exclude=event_types.c || grep -rqF "'$name'" src --include=*.c ||
		complain "nothing tells of $name"
done < <(sed -nE 's/^\t\{ "([^"]+)", (true|false), "([^"]+)" \},$/\1|\2|\3/p' $events)

while IFS=: read -r file target; do
	case $target in http*) continue ;; esac
	[ -e "$(dirname "$file")/$target" ] || complain "$file points to $target, which is not there"
done < <(grep -oE '\]\([^)#]+' README.md docs/*.md | sed 's/](/:/; s/::/:/')
exit $bad
