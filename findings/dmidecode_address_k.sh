#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Software: dmidecode 3.4 (Debian 12).
# Packages: dmidecode=3.4-1
# Behaviour: the range of a memory array is told in kilobytes, and one beyond 4 TB in bytes in two fields of 64 bits. dmidecode shows
#	the first kind in bytes and puts a "k" behind the second, which is in bytes already. The size that it works out is right.
#	Guess: the plain address; SMBIOS 3.5, 7.20 "Memory Array Mapped Address (Type 19)" and 7.21, type 20.
# Seen: "0x0000040000000000k" to "0x000004FFFFFFFFFFk", range size 1 TB, for the terabyte from 4 TB on.

. "$(dirname "$0")/lib/lib.sh"

fetch dmidecode=3.4-1
runs "$root/usr/sbin/dmidecode"

# bytes HEX... - those bytes
bytes() {
	# shellcheck disable=SC2059 # that is the point
	printf "$(printf '\\x%s' "$@")"
}

none=(00 00 00 00) all=(ff ff ff ff)
table() {
	bytes 13 0f 10 00 "${none[@]}" ff ff 0f 00 00 10 01 00 00
	bytes 13 1f 11 00 "${all[@]}" "${all[@]}" 00 10 01 00 00 00 00 00 04 00 00 ff ff ff ff ff 04 00 00 00 00
	bytes 14 23 12 00 "${all[@]}" "${all[@]}" 17 00 11 00 ff ff ff 00 00 00 00 00 04 00 00 ff ff ff ff ff 04 00 00 00 00
	bytes 7f 04 ff 00 00 00
}
table >"$work/table"
{
	# entry point of 24 bytes: SMBIOS 3.5, size of the table, its place in the file; the fifth byte makes the sum 0
	entry=(5f 53 4d 33 5f 00 18 03 05 00 01 00 "$(printf %02x "$(stat -c %s "$work/table")")" 00 00 00 20 00 00 00 00 00 00 00)
	sum=0
	for byte in "${entry[@]}"; do sum=$((sum + 0x$byte)); done
	entry[5]=$(printf %02x $((-sum & 255)))
	bytes "${entry[@]}" 00 00 00 00 00 00 00 00
	cat "$work/table"
} >"$work/dump"
"$root/usr/sbin/dmidecode" --no-sysfs --from-dump "$work/dump" >"$work/out" 2>&1 || { cat "$work/out"; broken "dmidecode refused the table"; }

# field N NAME - of the N-th structure
field() { awk -v n="$1" -v name="$2" -F ': ' '/^Handle/ { h++ } h == n && $1 == "\t" name { print $2 }' "$work/out"; }

expect "type 19, the first GB: ending address" 0x0003FFFFFFF "$(field 1 'Ending Address')"
expect "type 19, the fifth TB: starting address" 0x0000040000000000k "$(field 2 'Starting Address')"
expect "type 19, the fifth TB: ending address" 0x000004FFFFFFFFFFk "$(field 2 'Ending Address')"
expect "type 19, the fifth TB: range size" "1 TB" "$(field 2 'Range Size')"
expect "type 20, the same: ending address" 0x000004FFFFFFFFFFk "$(field 3 'Ending Address')"
finish
