# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# A disk that a BIOS boots: syslinux's MBR, one FAT16 partition at sector 63, syslinux, its configuration, a kernel and
# an initrd. Made by mtools, with no loop mount.

# Geometry: of cylinders there are as many as it takes.
disk_heads=16 disk_sectors=63

# boot_disk IMAGE CYLINDERS CLUSTER KERNEL INITRD CONFIG - CYLINDERS at least, and CLUSTER sectors to one; their number
# comes back in disk_cylinders
boot_disk() {
	local image=$1 cluster=$3 kernel=$4 initrd=$5 config=$6 need sectors mbr at
	disk_cylinders=$2
	need=$((($(stat -Lc %s "$kernel") + $(stat -Lc %s "$initrd")) / 512 + 4096))
	sectors=$((disk_heads * disk_sectors * disk_cylinders))
	while [ $((sectors - disk_sectors)) -lt $need ]; do
		disk_cylinders=$((disk_cylinders + 1))
		sectors=$((disk_heads * disk_sectors * disk_cylinders))
	done
	rm -f "$image"
	truncate -s $((sectors * 512)) "$image"
	mbr=/usr/lib/SYSLINUX/mbr.bin
	[ -e $mbr ] || mbr=/usr/lib/syslinux/mbr/mbr.bin
	dd if=$mbr of="$image" conv=notrunc status=none || return
	# One entry: active, CHS unused (ff), type 0e, first sector, count; little endian.
	# shellcheck disable=SC2059
	{
		printf "\\x80\\x01\\x01\\x00\\x0e\\xff\\xff\\xff$(le32 $disk_sectors)$(le32 $((sectors - disk_sectors)))" |
			dd of="$image" bs=1 seek=446 conv=notrunc status=none
		printf '\x55\xaa' | dd of="$image" bs=1 seek=510 conv=notrunc status=none
	}
	at=$image@@$((disk_sectors * 512))
	export MTOOLS_SKIP_CHECK=1
	mformat -i "$at" -h $disk_heads -s $disk_sectors -T $((sectors - disk_sectors)) -H $disk_sectors -c "$cluster" :: &&
		mcopy -i "$at" "$kernel" ::vmlinuz && mcopy -i "$at" "$initrd" ::initrd &&
		mcopy -i "$at" "$config" ::syslinux.cfg &&
		syslinux --offset $((disk_sectors * 512)) --install "$image"
}

le32() { printf "\\\\x%02x\\\\x%02x\\\\x%02x\\\\x%02x" $(($1 & 255)) $(($1 >> 8 & 255)) $(($1 >> 16 & 255)) $(($1 >> 24 & 255)); }
