#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Software: nbdkit 1.32.5 (Debian 12), its filter "fua".
# Packages: nbdkit=1.32.5-1
# Behaviour: the filter's mode "none" cannot be named. nbdkit-fua-filter(1) has "fuamode=none", first of six, and calls it the default; without the
#	parameter the filter does what is told of "none". Whoever writes the default down is refused, at the start.
#	Guess: a default may be named. nbdkit-fua-filter(1), "Parameters".
# Seen: "unknown fuamode 'none'" and status 1; status 0 without it and with the other five.

. "$(dirname "$0")/lib/lib.sh"

fetch nbdkit=1.32.5-1
runs "$root/usr/bin/nbdkit"
export LD_LIBRARY_PATH=$root/usr/lib/x86_64-linux-gnu
parts=$root/usr/lib/x86_64-linux-gnu/nbdkit

# start MODE... - a disk of memory behind the filter, for as long as "true" runs
start() {
	timeout 60 "$root/usr/bin/nbdkit" -U - --filter="$parts/filters/nbdkit-fua-filter.so" "$parts/plugins/nbdkit-memory-plugin.so" \
		1M "$@" --run true >"$work/words" 2>&1
	echo $?
}

expect "no mode: status" 0 "$(start)"
for mode in discard pass emulate native force; do
	expect "fuamode=$mode: status" 0 "$(start fuamode=$mode)"
done
expect "fuamode=none: status" 1 "$(start fuamode=none)"
expect "its words" "unknown fuamode 'none'" "$(sed -n 's/^.*error: //p' "$work/words")"
finish
