#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Software: dtc and fdtget 1.6.1 (Debian 12).
# Packages: device-tree-compiler=1.6.1-4+b1 libfdt1=1.6.1-4+b1 libyaml-0-2=0.2.5-1
# Behaviour: an expression in a device tree's source has the operators of C, and (0-1) may be a cell. But all of it is computed in 64
#	unsigned bits: -1 is not less than 1, 5 divided by -1 is 0, and -2 divided by 2 does not fit a cell and is an error. And both sides
#	of || are computed, so that (1 || 1/0) is a division by zero.
#	Guess: -1, as in C. Devicetree Specification 0.3, 6.3 "Node and property definitions", lists the operators and says no more.
# Seen: ffffffff for (0-1), 0 for (-1 < 1), 0 for (5 / -1), an error for (-2 / 2) and for (1 || 1/0).

. "$(dirname "$0")/lib/lib.sh"

fetch device-tree-compiler=1.6.1-4+b1 libfdt1=1.6.1-4+b1 libyaml-0-2=0.2.5-1
export LD_LIBRARY_PATH=$root/usr/lib/x86_64-linux-gnu
runs "$root/usr/bin/dtc"

# cell EXPRESSION - its value in hexadecimal, or the error
cell() {
	printf '/dts-v1/;\n/ { value = <%s>; };\n' "$1" >"$work/tree.dts"
	if "$root/usr/bin/dtc" -q -O dtb -o "$work/tree.dtb" "$work/tree.dts" 2>"$work/words"; then
		"$root/usr/bin/fdtget" -t x "$work/tree.dtb" / value
	else
		sed -n '1s/^Error: [^ ]* //p' "$work/words"
	fi
}

expect "(0-1)" ffffffff "$(cell '(0-1)')"
expect "(0-1 < 1)" 0 "$(cell '(0-1 < 1)')"
expect "(-1 < 1)" 0 "$(cell '(-1 < 1)')"
expect "(5 / -1)" 0 "$(cell '(5 / -1)')"
expect "(-2 / 2)" "Value out of range for 32-bit array element" "$(cell '(-2 / 2)')"
expect "(1 || 1/0)" "Division by zero" "$(cell '(1 || 1/0)')"
finish
