#!/usr/bin/env bash
# Keeps action/checksums.txt for whoever releases:
#
#	action/table.sh VERSION CHECKSUMS          puts the programs of VERSION on top of it
#	action/table.sh -check VERSION CHECKSUMS   compares them with what it says
#
# CHECKSUMS is the file that goreleaser writes, dist/checksums.txt. Of it only the
# programs themselves count, not archives: their bytes do not depend on the commit
# that brings the table.
set -euo pipefail

check=
if [ "${1-}" = -check ]; then
	check=yes
	shift
fi
if [ $# != 2 ] || [[ ! $1 =~ ^v[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$ ]]; then
	echo "table.sh: usage: action/table.sh [-check] VERSION CHECKSUMS, VERSION as v0.1.0" >&2
	exit 2
fi
version=$1 checksums=$2
table=${BASH_SOURCE[0]%/*}/checksums.txt

# rows FILE: prints the rows of this version's programs, in one order.
rows() {
	LC_ALL=C awk -v prefix="keyquench_${version}_" '
		index($2, prefix) == 1 && NF == 2 {
			rest = substr($2, length(prefix) + 1)
			if (rest ~ /^(linux|darwin)_(amd64|arm64)$/ || rest ~ /^windows_(amd64|arm64)\.exe$/) print $1 "  " $2
		}' "$1" | LC_ALL=C sort -k 2
}

new=$(rows "$checksums")
# Three systems on two kinds of processor. One too few would be a platform whose users
# find nothing; one too many cannot be.
count=$(grep -cE '^[0-9a-f]{64}  ' <<<"$new" || true)
if [ "$count" != 6 ] || [ "$(wc -l <<<"$new")" -ne 6 ]; then
	echo "table.sh: $checksums has $count programs of $version, want 6" >&2
	exit 1
fi
old=$(rows "$table")
if [ -n "$check" ]; then
	if [ "$new" != "$old" ]; then
		printf 'table.sh: what was built is not what action/checksums.txt says of %s:\n' "$version" >&2
		diff <(printf '%s\n' "$old") <(printf '%s\n' "$new") >&2 || true
		exit 1
	fi
	echo "table.sh: 6 programs of $version are as action/checksums.txt says"
	exit 0
fi
if [ -n "$old" ]; then
	echo "table.sh: action/checksums.txt has $version already; what was released keeps its checksums" >&2
	exit 1
fi
{
	grep '^#' "$table"
	printf '%s\n' "$new"
	grep -v '^#' "$table" || true
} >"$table.new"
mv "$table.new" "$table"
echo "table.sh: 6 programs of $version are on top of action/checksums.txt"
