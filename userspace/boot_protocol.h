/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Kernels with another boot protocol than Linux's: Multiboot and PVH, both entered in flat 32-bit mode.
 */
#ifndef KEEL_BOOT_PROTOCOL_H
#define KEEL_BOOT_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "boot.h"

struct boot_params;
struct memory;

/* A Multiboot header's own word on what of the file goes where; addresses are physical. */
struct boot_flat {
	uint32_t at;		/* offset of the header in the file */
	uint32_t header;	/* address of the same */
	uint32_t load, load_end;	/* 0: to the end of the file */
	uint32_t bss_end;	/* 0: nothing behind it is zeroed */
	uint32_t entry;
};

struct boot_found {
	enum boot_protocol protocol;
	uint64_t start;		/* of BOOT_PVH: physical address of the entry point */
	bool is_flat;		/* of BOOT_MULTIBOOT: @flat counts, not what else the file says */
	struct boot_flat flat;
};

/**
 * boot_find_protocol() - look at a file's Multiboot header, and at the Xen notes of an ELF file; it is not trusted
 * @wanted: the one to look for, or BOOT_AUTO.
 *
 * Linux's vmlinux has the note of PVH as well: by BOOT_AUTO, what says that it is Linux is entered by Linux's protocol.
 * Return: NULL, or what is wrong.
 */
const char *boot_find_protocol(const uint8_t *image, size_t size, enum boot_protocol wanted, struct boot_found *found);

/**
 * boot_put_info() - write what a kernel of such a protocol wants to know, and where it finds that into its registers
 * @params: filled for Linux: memory map, initrd, command line.
 */
void boot_put_info(const struct memory *memory, const struct boot_request *request, const struct boot_params *params,
		   struct boot_kernel *kernel);

#endif
