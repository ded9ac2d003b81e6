/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Loading a Linux kernel into guest memory.
 */
#ifndef KEEL_BOOT_H
#define KEEL_BOOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct memory;

/* How a kernel is entered. */
enum boot_protocol { BOOT_AUTO, BOOT_LINUX, BOOT_MULTIBOOT, BOOT_PVH };

/* Where and how the first vCPU begins. */
struct boot_entry {
	uint64_t rip;
	uint64_t params;	/* boot_params, for rsi */
	uint32_t magic, info;	/* of Multiboot or PVH, for eax and ebx */
	bool is_64bit;		/* long mode with paging; else flat protected mode */
};

struct boot_request {
	const char *kernel;	/* path */
	const char *initrd;	/* path, or NULL */
	const char *append;
	enum boot_protocol entry;
	unsigned int cpus;
};

/* A kernel laid out in guest memory; filled by boot_place_kernel(). */
struct boot_kernel {
	struct boot_entry entry;
	enum boot_protocol protocol;	/* not BOOT_AUTO */
	uint64_t end;		/* first address the kernel does not need */
	uint64_t initrd_limit;	/* first address an initrd must not reach */
	uint32_t command_max;	/* characters of command line, NUL not counted */
};

/**
 * boot_load() - load kernel, initrd, command line, tables for the first vCPU
 * Return: 0, or STATUS_KERNEL after a line on stderr.
 */
int boot_load(const struct memory *memory, const struct boot_request *request,
	      struct boot_entry *entry);

/**
 * boot_place_kernel() - put the kernel image of @size bytes at @image in memory
 * @wanted: how it shall be entered; BOOT_AUTO: as it says itself.
 *
 * Fills the boot_params page's header too. The image is not trusted.
 * Return: NULL, or what is wrong with the image.
 */
const char *boot_place_kernel(const struct memory *memory, const uint8_t *image, size_t size,
			      enum boot_protocol wanted, struct boot_kernel *kernel);

#endif
