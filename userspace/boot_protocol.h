/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Kernels with another boot protocol than Linux's: Multiboot and PVH, both entered in flat 32-bit mode.
 */
#ifndef KEEL_BOOT_PROTOCOL_H
#define KEEL_BOOT_PROTOCOL_H

#include <stddef.h>
#include <stdint.h>

#include "boot.h"

struct boot_params;
struct memory;

/**
 * boot_find_protocol() - look at an ELF image's Multiboot header and Xen notes; the image is not trusted
 * @start: gets the entry point of BOOT_PVH.
 *
 * Linux's vmlinux has the note of PVH as well: what says that it is Linux is entered by Linux's protocol.
 * Return: NULL, or what is wrong.
 */
const char *boot_find_protocol(const uint8_t *image, size_t size, enum boot_protocol *protocol, uint32_t *start);

/**
 * boot_put_info() - write what a kernel of such a protocol wants to know, and where it finds that into its registers
 * @params: filled for Linux: memory map, initrd, command line.
 */
void boot_put_info(const struct memory *memory, const struct boot_request *request, const struct boot_params *params,
		   struct boot_kernel *kernel);

#endif
