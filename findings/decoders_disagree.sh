#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Software: objdump of binutils 2.40, ndisasm of NASM 2.16.01, cstool of Capstone 4.0.2 (all Debian 12).
# Packages: binutils-x86-64-linux-gnu=2.40-2 libbinutils=2.40-2 nasm=2.16.01-1 capstone-tool=4.0.2-5
#	libcapstone4=4.0.2-5
# Behaviour: three decoders in wide use give three short encodings of 64-bit code different names or lengths. No two agree on
#	all of them. The CPUs: F3 41 90 is PAUSE; 66 E9 has 4 bytes on AMD, 6 on Intel; UD0 has a ModRM byte.
# Seen: the table printed.

. "$(dirname "$0")/lib/lib.sh"

fetch binutils-x86-64-linux-gnu=2.40-2 libbinutils=2.40-2 nasm=2.16.01-1 capstone-tool=4.0.2-5 libcapstone4=4.0.2-5
export LD_LIBRARY_PATH=$root/usr/lib/x86_64-linux-gnu
runs "$root/usr/bin/x86_64-linux-gnu-objdump"

# objdump, ndisasm, cstool BYTES - length and name of the first instruction; bytes in hexadecimal
with_objdump() {
	"$root/usr/bin/x86_64-linux-gnu-objdump" -D -b binary -m i386:x86-64 --insn-width=16 "$work/code" |
		awk -F '\t' '/^ *0:\t/ { sub("^rex[.]B ", "", $3); split($3, words, " "); print split($2, bytes, " "), words[1] }'
}
with_ndisasm() { "$root/usr/bin/ndisasm" -b 64 "$work/code" | awk 'NR == 1 { print length($2) / 2, $3 }'; }
with_cstool() {
	"$root/usr/bin/cstool" -s x64 "$1" |
		awk 'NR == 1 { for (n = 2; $n ~ /^[0-9a-f][0-9a-f]$/; n++); print n - 2, $n }'
}

row() {
	# shellcheck disable=SC2059 # that is the point
	printf "$(printf %s "$2" | sed 's/../\\x&/g')" >"$work/code"
	expect "$1: objdump" "$3" "$(with_objdump)"
	expect "$1: ndisasm" "$4" "$(with_ndisasm)"
	expect "$1: cstool" "$5" "$(with_cstool "$2")"
}

row "f3 41 90" f34190c3 "3 pause" "3 pause" "3 xchg"
row "66 e9 01 00 00 00" 66e9010000009090 "4 jmpw" "6 jmp" "4 jmp"
row "0f ff c1" 0fffc19090 "3 ud0" "2 ud0" "2 ud0"
finish
