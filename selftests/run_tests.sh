#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Run tests that were built beside this script and report them as TAP.
#
# usage: run_tests [-l LIST] [ROOM | ROOM/NAME | PATTERN]...
#   no argument: all of tests.list; -l: a file of names, one a line, with a reason
#   behind each, that may fail here (still run, reported as "# TODO reason")
# KEEL_DEVICE chooses the device. Exit code: 0, or 1 if a test failed that may not.

here=$(cd "$(dirname "$0")" && pwd)
known=/dev/null
if [ "$1" = -l ]; then
	known=$2
	shift 2
fi

wanted() {
	[ $# -eq 1 ] && return 0
	test=$1
	shift
	for pattern; do
		case $test in
		$pattern | $pattern/*) return 0 ;;
		esac
	done
	return 1
}

list=
total=0
while read -r name; do
	if wanted "$name" "$@"; then
		list="$list $name"
		total=$((total + 1))
	fi
done < "$here/tests.list"

# hundredths of a second since the machine started
now() {
	read -r up _ </proc/uptime
	echo "${up%.*}${up#*.}"
}

echo "TAP version 13"
echo "1..$total"
exec 4>&1
nr=0
failed=0
for name in $list; do
	nr=$((nr + 1))
	started=$(now)
	# Output is a comment of the outer TAP; the exit code goes round the pipe by descriptor 3.
	rc=$({ { "$here/$name" 2>&1 3>&- 4>&-; echo $? >&3; } | sed 's/^/# /' >&4; } 3>&1)
	took=$(($(now) - started))
	echo "# time: $name $((took / 100)).$(printf %02d $((took % 100))) s"
	reason=$(sed -n "s|^${name}[[:space:]]*||p" "$known")
	case $rc in
	0) echo "ok $nr selftests: $name" ;;
	4) echo "ok $nr selftests: $name # SKIP" ;;
	*)
		if [ -n "$reason" ]; then
			echo "not ok $nr selftests: $name # TODO $reason"
		else
			echo "not ok $nr selftests: $name # exit=$rc"
			failed=$((failed + 1))
		fi ;;
	esac
done
echo "# Totals: run:$nr failed:$failed"
[ "$failed" -eq 0 ]
