#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Software: qemu-img 7.2.22, libvhdi 20210425, 7-Zip 26.02 (all Debian 12).
# Packages: qemu-utils=1:7.2+dfsg-7+deb12u18+b3 libvhdi-utils=20210425-1+b2 libvhdi1=20210425-1+b2
#	7zip=22.01+really26.02+dfsg-0+deb12u1
# Behaviour: a fixed VHD has its only structure, the footer, at the end. qemu-img makes such images and does not know them again: it
#	looks at the start, finds no format there and takes the footer for the disk's last sector. Two other readers see a fixed VHD.
#	A dynamic one, which begins with a copy of the footer, is seen by all three.
#	Guess: Microsoft's Virtual Hard Disk Image Format Specification 1.0, "Hard Disk Footer Format": vpc for both.
# Seen: of a disk of 32 MiB, "raw", 512 bytes larger than the size that the others tell.

. "$(dirname "$0")/lib/lib.sh"

fetch qemu-utils=1:7.2+dfsg-7+deb12u18+b3 libvhdi-utils=20210425-1+b2 libvhdi1=20210425-1+b2 7zip=22.01+really26.02+dfsg-0+deb12u1
export LD_LIBRARY_PATH=$root/usr/lib/x86_64-linux-gnu
runs "$root/usr/bin/qemu-img"
runs "$root/usr/bin/vhdiinfo"
runs "$root/usr/bin/7zz"

# with_qemu, with_libvhdi, with_7zip IMAGE - the format and the size in bytes
with_qemu() {
	"$root/usr/bin/qemu-img" info "$1" | awk -F '[ (]' '/^file format/ { f = $3 } /^virtual size/ { print f, $(NF - 1) }'
}
with_libvhdi() {
	"$root/usr/bin/vhdiinfo" "$1" | awk -F '[(]' '/Format\t/ { split($1, w, " "); f = w[3] } /Media size/ { print f, $2 + 0 }'
}
with_7zip() { "$root/usr/bin/7zz" l -slt "$1" | awk '/^Type =/ { f = $3 } /^Size =/ { s = $3 } END { print f, s }'; }

for kind in fixed dynamic; do
	"$root/usr/bin/qemu-img" create -q -f vpc -o subformat=$kind,force_size=on "$work/$kind.vhd" 32M || broken "cannot make the image"
done
expect "fixed: qemu-img" "raw 33554944" "$(with_qemu "$work/fixed.vhd")"
expect "fixed: libvhdi" "VHD 33554432" "$(with_libvhdi "$work/fixed.vhd")"
expect "fixed: 7-Zip" "VHD 33554432" "$(with_7zip "$work/fixed.vhd")"
expect "dynamic: qemu-img" "vpc 33554432" "$(with_qemu "$work/dynamic.vhd")"
expect "dynamic: libvhdi" "VHD 33554432" "$(with_libvhdi "$work/dynamic.vhd")"
expect "dynamic: 7-Zip" "VHD 33554432" "$(with_7zip "$work/dynamic.vhd")"
finish
