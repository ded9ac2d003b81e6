// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest memory as a CPU sees it, page by page. Devices are not read: that would change them.
 */
#include <string.h>

#include "gdb_cpu.h"
#include "gdb_server.h"
#include "vm.h"

#define PAGE_BYTES	4096

/* The part of [@address, @address + @count) that lies in its first page. */
static size_t in_page(uint64_t address, size_t count)
{
	size_t left = PAGE_BYTES - address % PAGE_BYTES;

	return count < left ? count : left;
}

static uint8_t *page_at(struct gdb *gdb, uint64_t address, size_t count, uint64_t *gpa)
{
	const struct gdb_slot *slot = &gdb->slots[gdb->client.general];

	if (!gdb_cpu_translate(slot->vcpu, address, gpa))
		return NULL;
	return memory_at(&gdb->vm->memory, *gpa, count);
}

size_t gdb_memory_read(struct gdb *gdb, uint64_t address, uint8_t *bytes, size_t count)
{
	size_t done = 0;

	while (done < count) {
		size_t chunk = in_page(address + done, count - done);
		uint64_t gpa;
		const uint8_t *host = page_at(gdb, address + done, chunk, &gpa);

		if (!host)
			break;
		memcpy(bytes + done, host, chunk);
		gdb_breaks_hide(&gdb->breaks, gpa, bytes + done, chunk);
		done += chunk;
	}
	return done;
}

bool gdb_memory_write(struct gdb *gdb, uint64_t address, uint8_t *bytes, size_t count)
{
	uint64_t gpa;
	size_t chunk;

	for (size_t done = 0; done < count; done += chunk) {
		chunk = in_page(address + done, count - done);
		if (!page_at(gdb, address + done, chunk, &gpa))
			return false;
	}
	for (size_t done = 0; done < count; done += chunk) {
		chunk = in_page(address + done, count - done);
		uint8_t *host = page_at(gdb, address + done, chunk, &gpa);

		/* The guest's own page tables may have been what was written. */
		if (!host)
			return false;
		gdb_breaks_keep(&gdb->breaks, gpa, bytes + done, chunk);
		memory_note(&gdb->vm->memory, host, chunk);
		memcpy(host, bytes + done, chunk);
	}
	return true;
}

bool gdb_memory_find(struct gdb *gdb, uint64_t address, uint64_t *gpa)
{
	if (gdb_cpu_translate(gdb->slots[gdb->client.general].vcpu, address, gpa))
		return true;
	for (unsigned int i = 0; i < gdb->count; i++)
		if (gdb_cpu_translate(gdb->slots[i].vcpu, address, gpa))
			return true;
	return false;
}
