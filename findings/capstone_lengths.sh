#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Software: cstool of Capstone 4.0.2, beside objdump of binutils 2.40 (both Debian 12).
# Packages: capstone-tool=4.0.2-5 libcapstone4=4.0.2-5 binutils-x86-64-linux-gnu=2.40-2 libbinutils=2.40-2
# Behaviour: where two prefixes meet, Capstone takes a wrong number of bytes for valid 64-bit code, so that what follows is lost: a
#	CALL with 67 and REX.W gets a displacement of two bytes, a PUSH of a word with F3 or F2 an immediate of four, a RET with 66
#	and REX.W one of four, and EVEX with rounding control a byte too many. objdump takes as many as CPUs.
# Seen: the table printed.

. "$(dirname "$0")/lib/lib.sh"

fetch capstone-tool=4.0.2-5 libcapstone4=4.0.2-5 binutils-x86-64-linux-gnu=2.40-2 libbinutils=2.40-2
export LD_LIBRARY_PATH=$root/usr/lib/x86_64-linux-gnu
runs "$root/usr/bin/cstool"

# length BYTES - of the first instruction to each; bytes in hexadecimal
with_cstool() {
	"$root/usr/bin/cstool" -s x64 "$1" | awk 'NR == 1 { for (n = 2; $n ~ /^[0-9a-f][0-9a-f]$/; n++); print n - 2 }'
}
with_objdump() {
	"$root/usr/bin/x86_64-linux-gnu-objdump" -D -b binary -m i386:x86-64 --insn-width=16 "$work/code" |
		awk -F '\t' '/^ *0:\t/ { print split($2, bytes, " ") }'
}

row() {
	# shellcheck disable=SC2059 # that is the point
	printf "$(printf %s "$2" | sed 's/../\\x&/g')" >"$work/code"
	expect "$1: cstool" "$3" "$(with_cstool "$2")"
	expect "$1: objdump" "$4" "$(with_objdump)"
}

row "67 48 e8 00 00 00 00, addr32 rex.W call" 6748e800000000909090 5 7
row "66 f3 68 34 12, data16 repz push 0x1234" 66f36834129090909090 7 5
row "66 f2 68 34 12, data16 repnz push 0x1234" 66f26834129090909090 7 5
row "66 48 c2 08 00, data16 rex.W ret 8" 6648c208009090909090 7 5
row "62 f2 fd 55 aa fa, vfmsub213pd zmm7{k5},zmm0,zmm2,{rd-sae}" 62f2fd55aafa90909090 7 6
finish
