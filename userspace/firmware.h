/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A machine that starts as a PC does: at its reset vector, in firmware, which looks for what to boot by itself.
 */
#ifndef KEEL_FIRMWARE_H
#define KEEL_FIRMWARE_H

#include <stdbool.h>

#include "chipset.h"
#include "fw_cfg.h"
#include "variables.h"

struct memory;
struct rtc;

#define FIRMWARE_UNIT	(64u << 10)	/* an image is a whole number of these, */
#define FIRMWARE_PART	(4u << 10)	/* or, above a flash, of these */
#define FIRMWARE_MAX	(16u << 20)	/* between MAP_OWN_END and 4 GB; with the flash */

struct firmware {
	const char *name;		/* as asked for; NULL: the machine has none */
	uint8_t *image;			/* page-aligned; NULL: none */
	size_t size;
	bool is_uefi;			/* with a flash below the image, and a chip set */
	struct variables variables;
	struct chipset chipset;
	struct fw_cfg config;
};

/* What firmware asks about, or changes for itself. */
struct firmware_board {
	struct vm *vm;
	struct rtc *rtc;
	struct pci *pci;
	unsigned int cpus;
};

/**
 * firmware_load() - read the image and put it where a CPU starts
 * @name: "seabios", "ovmf", or the path of an image that ends where 4 GB do.
 * @variables: the file of what UEFI firmware keeps; NULL: none, and "ovmf" keeps it as long as the machine is there.
 *
 * Read-only up to 4 GB, and its end once more up to 1 MB in memory, as a PC has it. vm->memory is there.
 * Return: 0, or STATUS_KERNEL, STATUS_DISK or STATUS_MEMORY after a line on stderr.
 */
int firmware_load(struct firmware *firmware, struct vm *vm, const char *name, const char *variables);

/**
 * firmware_describe() - tell the firmware about its machine: fw_cfg and CMOS
 *
 * After the board's devices are there, before anything is plugged into PCI. Return: 0 or a negative errno.
 */
int firmware_describe(struct firmware *firmware, const struct firmware_board *board);

/**
 * firmware_shadow() - put the end of the image below 1 MB again, as at power-on
 */
void firmware_shadow(const struct firmware *firmware, const struct memory *memory);

/**
 * firmware_free() - release it; harmless on a zeroed structure; the VM is closed
 */
void firmware_free(struct firmware *firmware);

#endif
