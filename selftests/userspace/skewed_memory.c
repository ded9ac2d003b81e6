// SPDX-License-Identifier: GPL-2.0-only
/*
 * Not a test: linked over the launcher's memory_create(), which gives guest memory
 * at host addresses that are alike it in their low bits. Some launchers do not, and
 * are 1 MB off; this makes keel_skewed one of them.
 */
#include <stdint.h>

#include "userspace/memory.h"

#define SKEW	(1 << 20)

int __real_memory_create(struct memory *memory, uint64_t size, uint64_t pluggable);
int __wrap_memory_create(struct memory *memory, uint64_t size, uint64_t pluggable);

int __wrap_memory_create(struct memory *memory, uint64_t size, uint64_t pluggable)
{
	int ret = __real_memory_create(memory, size, pluggable);

	if (ret)
		return ret;
	/* 2 MB or more are over, on both sides together */
	int is_room_below = memory->regions[0].host - (uint8_t *)memory->mapping >= SKEW;

	for (unsigned int i = 0; i < memory->count; i++)
		memory->regions[i].host += is_room_below ? -SKEW : SKEW;
	return 0;
}
