#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Software: Xen 4.17 of Debian 12 (package xen-hypervisor-4.17-amd64).
# Packages: xen-hypervisor-4.17-amd64=4.17.7+13-g2445b30a44-0+deb12u1
#	binutils-x86-64-linux-gnu=2.40-2 libbinutils=2.40-2
# Behaviour: Xen starts guests by the PVH entry and cannot be started by it: its image is an ELF file, as PVH wants, but has no
#	note that names the entry. (It is a Multiboot kernel.) A launcher that takes any 32-bit ELF file for PVH enters it wrongly.
# Seen: ELF32, one note, of type NT_GNU_BUILD_ID; a Multiboot header.

. "$(dirname "$0")/lib/lib.sh"

need zcat
fetch xen-hypervisor-4.17-amd64=4.17.7+13-g2445b30a44-0+deb12u1 binutils-x86-64-linux-gnu=2.40-2 libbinutils=2.40-2
export LD_LIBRARY_PATH=$root/usr/lib/x86_64-linux-gnu
readelf=$root/usr/bin/x86_64-linux-gnu-readelf
runs "$readelf"
zcat "$root/boot/xen-4.17-amd64.gz" >"$work/xen" || broken "no image in the package"
"$readelf" -hn "$work/xen" >"$work/out" || broken "not an ELF file"
expect "class" ELF32 "$(awk '/Class:/ { print $2 }' "$work/out")"
expect "notes" "NT_GNU_BUILD_ID" "$(grep -o 'NT_[A-Z_]*\|Unknown note type[^ ]*' "$work/out" | paste -sd ' ')"
expect "a Multiboot header in the first 8 KB" yes \
	"$(head -c 8192 "$work/xen" | od -An -v -tx4 | grep -q 1badb002 && echo yes)"
finish
