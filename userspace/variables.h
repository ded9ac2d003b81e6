/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What UEFI firmware keeps of its own: a flash chip in the guest's address space, and the file that has its contents.
 */
#ifndef KEEL_VARIABLES_H
#define KEEL_VARIABLES_H

#include <stdbool.h>
#include <stdint.h>

#include "flash.h"

struct vm;

struct variables {
	struct vm *vm;
	const char *path;		/* of the file; NULL: none, and the contents go with the machine */
	int file;			/* open while path is there */
	bool is_failing;		/* a write to it has failed, and that has been told */
	uint8_t *bytes;			/* page-aligned; NULL: there is no chip */
	uint32_t size;
	uint64_t address;
	struct flash chip;
};

/**
 * struct variables_request - what is asked for
 * @path: the file, which is written; NULL: none.
 * @template: what a file that is not there yet becomes a copy of, and has the size of; NULL: the file must be there.
 * @end: the guest-physical address that the chip ends at.
 * @room: bytes that it may have at most.
 */
struct variables_request {
	const char *path, *template;
	uint64_t end, room;
};

/**
 * variables_add() - put the chip into the machine, between @room below @end and @end
 * @variables: zeroed
 *
 * Return: 0, or STATUS_KERNEL or STATUS_MEMORY after a line on stderr; variables_free() is due in both cases.
 */
int variables_add(struct variables *variables, struct vm *vm, const struct variables_request *request);

/**
 * variables_reset() - the chip as at power-on; harmless without one
 */
void variables_reset(struct variables *variables);

/**
 * variables_free() - release it; harmless on a zeroed structure; the VM is closed
 */
void variables_free(struct variables *variables);

#endif
