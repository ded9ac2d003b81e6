#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Software: objdump of binutils 2.40 (Debian 12).
# Packages: binutils-x86-64-linux-gnu=2.40-2 libbinutils=2.40-2 nasm=2.16.01-1
# Behaviour: an instruction of 15 bytes, the most a CPU takes, with 14 prefixes before its opcode, is one instruction to CPUs.
#	objdump gives the prefixes a line of their own and the opcode another, so that its lines are not instructions there.
#	With 13 prefixes it is one line.
# Seen: 14 times 66 and 90: 14 bytes "data16 ... data16", then 1 byte "nop". ndisasm 2.16 has 15 bytes.

. "$(dirname "$0")/lib/lib.sh"

fetch binutils-x86-64-linux-gnu=2.40-2 libbinutils=2.40-2 nasm=2.16.01-1
export LD_LIBRARY_PATH=$root/usr/lib/x86_64-linux-gnu
runs "$root/usr/bin/x86_64-linux-gnu-objdump"

# objdump_lengths PREFIXES - bytes of each instruction that it sees
objdump_lengths() {
	{ printf '\x66%.0s' $(seq "$1"); printf '\x90'; } >"$work/code"
	"$root/usr/bin/x86_64-linux-gnu-objdump" -D -b binary -m i386:x86-64 --insn-width=16 "$work/code" |
		awk -F '\t' '/^ *[0-9a-f]+:\t/ { print split($2, bytes, " ") }' | paste -sd ' '
}

expect "objdump, 13 prefixes and NOP" 14 "$(objdump_lengths 13)"
expect "objdump, 14 prefixes and NOP" "14 1" "$(objdump_lengths 14)"
expect "ndisasm, 14 prefixes and NOP" 15 "$("$root/usr/bin/ndisasm" -b 64 "$work/code" |
	awk '{ sub("^ *-", "0 "); digits += length($2) } END { print digits / 2 }')"
finish
