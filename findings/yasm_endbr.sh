#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Software: yasm 1.3.0, NASM 2.16.01 (both Debian 12).
# Packages: yasm=1.3.0-4 nasm=2.16.01-1
# Behaviour: a word alone on a line that is no instruction is a label, for both. yasm, which Debian 12 still has, knows no instruction
#	that came after it: ENDBR64 and SERIALIZE become labels, without a byte and without a word, as its warning of such labels is off
#	by default. NASM assembles the first; of a word that it does not know it warns without being asked.
#	Guess: an error, as yasm gives for an instruction with operands that it does not know.
# Seen: endbr64, nop, serialize become the byte 90 and yasm's status is 0; ptwrite eax is an error.

. "$(dirname "$0")/lib/lib.sh"

fetch yasm=1.3.0-4 nasm=2.16.01-1
runs "$root/usr/bin/yasm"

# bytes ASSEMBLER SOURCE - the code, or "refused", and how many lines of words
bytes() {
	# shellcheck disable=SC2059 # the source has its line ends as \n
	printf "bits 64\n$2\n" >"$work/code.asm"
	if "$root/usr/bin/$1" -f bin -o "$work/code" "$work/code.asm" >"$work/words" 2>&1; then
		printf '%s, %s words' "$(od -An -v -tx1 "$work/code" | xargs)" "$([ -s "$work/words" ] && echo some || echo no)"
	else
		echo refused
	fi
}

expect "yasm: endbr64, nop, serialize" "90, no words" "$(bytes yasm 'endbr64\nnop\nserialize')"
expect "yasm: ptwrite eax" refused "$(bytes yasm 'ptwrite eax')"
expect "NASM: endbr64, nop" "f3 0f 1e fa 90, no words" "$(bytes nasm 'endbr64\nnop')"
expect "NASM: nosuchinstruction, nop" "90, some words" "$(bytes nasm 'nosuchinstruction\nnop')"
finish
