# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# A disk that a BIOS boots: syslinux's MBR, one FAT16 partition at sector 63, syslinux, its configuration, a kernel and
# an initrd; and one that UEFI firmware boots. Made by mtools, with no loop mount.

# Geometry: of cylinders there are as many as it takes.
disk_heads=16 disk_sectors=63

# boot_disk IMAGE CYLINDERS CLUSTER KERNEL INITRD CONFIG - CYLINDERS at least, and CLUSTER sectors to one; their number
# comes back in disk_cylinders
boot_disk() {
	local image=$1 mbr
	mbr=/usr/lib/SYSLINUX/mbr.bin
	[ -e $mbr ] || mbr=/usr/lib/syslinux/mbr/mbr.bin
	fat_disk "$1" "$2" "$3" 0e "$4" "$5" &&
		dd if=$mbr of="$image" bs=440 count=1 conv=notrunc status=none &&
		mcopy -i "$at" "$6" ::syslinux.cfg &&
		syslinux --offset $((disk_sectors * 512)) --install "$image"
}

# efi_disk IMAGE KERNEL INITRD LOADER - a disk that UEFI firmware boots: its partition is an EFI system partition, with LOADER where
# firmware looks for one that it knows nothing of
efi_disk() {
	fat_disk "$1" 1 4 ef "$2" "$3" &&
		mmd -i "$at" ::EFI ::EFI/BOOT && mcopy -i "$at" "$4" ::EFI/BOOT/BOOTX64.EFI
}

# fat_disk IMAGE CYLINDERS CLUSTER TYPE KERNEL INITRD - one partition of that type (two digits) with the two files; it is in $at
fat_disk() {
	local image=$1 cluster=$3 type=$4 kernel=$5 initrd=$6 need sectors
	disk_cylinders=$2
	need=$((($(stat -Lc %s "$kernel") + $(stat -Lc %s "$initrd")) / 512 + 4096))
	sectors=$((disk_heads * disk_sectors * disk_cylinders))
	while [ $((sectors - disk_sectors)) -lt $need ]; do
		disk_cylinders=$((disk_cylinders + 1))
		sectors=$((disk_heads * disk_sectors * disk_cylinders))
	done
	rm -f "$image"
	truncate -s $((sectors * 512)) "$image"
	# One entry: active, CHS unused (ff), type, first sector, count; little endian.
	# shellcheck disable=SC2059
	{
		printf "\\x80\\x01\\x01\\x00\\x$type\\xff\\xff\\xff$(le32 $disk_sectors)$(le32 $((sectors - disk_sectors)))" |
			dd of="$image" bs=1 seek=446 conv=notrunc status=none
		printf '\x55\xaa' | dd of="$image" bs=1 seek=510 conv=notrunc status=none
	}
	at=$image@@$((disk_sectors * 512))
	export MTOOLS_SKIP_CHECK=1
	mformat -i "$at" -h $disk_heads -s $disk_sectors -T $((sectors - disk_sectors)) -H $disk_sectors -c "$cluster" :: &&
		mcopy -i "$at" "$kernel" ::vmlinuz && mcopy -i "$at" "$initrd" ::initrd
}

le32() { printf "\\\\x%02x\\\\x%02x\\\\x%02x\\\\x%02x" $(($1 & 255)) $(($1 >> 8 & 255)) $(($1 >> 16 & 255)) $(($1 >> 24 & 255)); }
