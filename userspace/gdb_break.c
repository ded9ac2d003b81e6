// SPDX-License-Identifier: GPL-2.0-only
/*
 * A breakpoint is remembered with the physical address that it was put to, so that it is found and
 * taken away whatever address space the CPU is in by then.
 *
 * Source: SDM, "Debug Registers".
 */
#include <errno.h>
#include <string.h>

#include "gdb_break.h"
#include "memory.h"
#include "util.h"

#define INT3		0xcc
#define DR7_FIXED	(1u << 10)
#define DR7_GLOBAL(n)	(2u << (2 * (n)))
#define DR7_KIND(n)	(16 + 4 * (n))
#define DR7_LENGTH(n)	(18 + 4 * (n))

static struct gdb_soft *find(const struct gdb_breaks *breaks, uint64_t address)
{
	for (unsigned int i = 0; breaks->soft_count && i < GDB_SOFT_MAX; i++)
		if (breaks->soft[i].is_used && breaks->soft[i].address == address)
			return (struct gdb_soft *)&breaks->soft[i];
	return NULL;
}

static struct gdb_soft *find_gpa(const struct gdb_breaks *breaks, uint64_t gpa)
{
	for (unsigned int i = 0; breaks->soft_count && i < GDB_SOFT_MAX; i++)
		if (breaks->soft[i].is_used && breaks->soft[i].gpa == gpa)
			return (struct gdb_soft *)&breaks->soft[i];
	return NULL;
}

bool gdb_soft_find(const struct gdb_breaks *breaks, uint64_t address)
{
	return find(breaks, address);
}

bool gdb_soft_find_gpa(const struct gdb_breaks *breaks, uint64_t gpa)
{
	return find_gpa(breaks, gpa);
}

/* What the guest would find there: a second breakpoint on the same byte must not save the first. */
static uint8_t own_byte(const struct gdb_breaks *breaks, uint64_t gpa, uint8_t byte)
{
	gdb_breaks_hide(breaks, gpa, &byte, 1);
	return byte;
}

int gdb_soft_add(struct gdb_breaks *breaks, const struct memory *memory, uint64_t address, uint64_t gpa)
{
	uint8_t *host = memory_at(memory, gpa, 1);
	struct gdb_soft *soft = find(breaks, address);

	if (!host)
		return -EFAULT;
	/* Once more for another address space, or over what the guest has written: the newer place counts. */
	if (soft && soft->gpa == gpa && *host == INT3)
		return 0;
	if (soft)
		gdb_soft_remove(breaks, memory, address);
	for (unsigned int i = 0; i < GDB_SOFT_MAX; i++) {
		if (breaks->soft[i].is_used)
			continue;
		breaks->soft[i] = (struct gdb_soft){ address, gpa, own_byte(breaks, gpa, *host), true };
		breaks->soft_count++;
		memory_note(memory, host, 1);
		*host = INT3;
		return 0;
	}
	return -ENOSPC;
}

static void drop(struct gdb_breaks *breaks, const struct memory *memory, struct gdb_soft *soft)
{
	uint8_t *host = memory_at(memory, soft->gpa, 1);

	soft->is_used = false;
	breaks->soft_count--;
	if (host && *host == INT3 && !find_gpa(breaks, soft->gpa)) {
		memory_note(memory, host, 1);
		*host = soft->saved;
	}
}

void gdb_soft_remove(struct gdb_breaks *breaks, const struct memory *memory, uint64_t address)
{
	struct gdb_soft *soft = find(breaks, address);

	if (soft)
		drop(breaks, memory, soft);
}

static bool is_same(const struct gdb_hard *hard, enum gdb_break type, uint64_t address, uint64_t size)
{
	return hard->length && hard->type == type && hard->first == address && hard->size == size;
}

/* The largest piece that one register can watch at @address. */
static unsigned int piece(uint64_t address, uint64_t size)
{
	unsigned int length = 8;

	while (length > size || address & (length - 1))
		length /= 2;
	return length;
}

static unsigned int pieces(uint64_t address, uint64_t size)
{
	unsigned int count = 0;

	while (size && count <= GDB_HARD_MAX) {
		unsigned int length = piece(address, size);

		address += length;
		size -= length;
		count++;
	}
	return count;
}

int gdb_hard_add(struct gdb_breaks *breaks, enum gdb_break type, uint64_t address, uint64_t size)
{
	unsigned int free_count = 0;

	/* An instruction's breakpoint is at its first byte. */
	if (type == GDB_BREAK_HARD)
		size = 1;
	if (!size || address + size - 1 < address)
		return -EINVAL;
	for (unsigned int i = 0; i < GDB_HARD_MAX; i++) {
		if (is_same(&breaks->hard[i], type, address, size))
			return 0;
		free_count += !breaks->hard[i].length;
	}
	if (pieces(address, size) > free_count)
		return -ENOSPC;
	uint64_t at = address, left = size;

	for (unsigned int i = 0; left; i++) {
		unsigned int length = piece(at, left);

		if (breaks->hard[i].length)
			continue;
		breaks->hard[i] = (struct gdb_hard){ at, (uint8_t)length, (uint8_t)type, address, size };
		at += length;
		left -= length;
	}
	return 0;
}

void gdb_hard_remove(struct gdb_breaks *breaks, enum gdb_break type, uint64_t address, uint64_t size)
{
	if (type == GDB_BREAK_HARD)
		size = 1;
	for (unsigned int i = 0; i < GDB_HARD_MAX; i++)
		if (is_same(&breaks->hard[i], type, address, size))
			breaks->hard[i].length = 0;
}

bool gdb_hard_registers(const struct gdb_breaks *breaks, uint64_t registers[8])
{
	static const uint8_t kinds[] = {
		[GDB_BREAK_HARD] = 0, [GDB_WATCH_WRITE] = 1, [GDB_WATCH_READ] = 3, [GDB_WATCH_ACCESS] = 3,
	};
	static const uint8_t lengths[] = { [1] = 0, [2] = 1, [4] = 3, [8] = 2 };
	bool is_any = false;

	memset(registers, 0, 8 * sizeof(*registers));
	registers[7] = DR7_FIXED;
	for (unsigned int i = 0; i < GDB_HARD_MAX; i++) {
		const struct gdb_hard *hard = &breaks->hard[i];

		if (!hard->length)
			continue;
		registers[i] = hard->address;
		registers[7] |= DR7_GLOBAL(i) | (uint64_t)kinds[hard->type] << DR7_KIND(i) |
				(uint64_t)lengths[hard->length] << DR7_LENGTH(i);
		is_any = true;
	}
	return is_any;
}

const struct gdb_hard *gdb_hard_hit(const struct gdb_breaks *breaks, uint64_t dr6)
{
	for (unsigned int i = 0; i < GDB_HARD_MAX; i++)
		if (dr6 >> i & 1 && breaks->hard[i].length)
			return &breaks->hard[i];
	return NULL;
}

void gdb_breaks_clear(struct gdb_breaks *breaks, const struct memory *memory)
{
	for (unsigned int i = 0; i < GDB_SOFT_MAX; i++)
		if (breaks->soft[i].is_used)
			drop(breaks, memory, &breaks->soft[i]);
	memset(breaks->hard, 0, sizeof(breaks->hard));
}

void gdb_breaks_hide(const struct gdb_breaks *breaks, uint64_t gpa, uint8_t *bytes, size_t count)
{
	for (unsigned int i = 0; breaks->soft_count && i < GDB_SOFT_MAX; i++) {
		const struct gdb_soft *soft = &breaks->soft[i];

		/* What the guest has written over ours is shown. */
		if (soft->is_used && soft->gpa - gpa < count && bytes[soft->gpa - gpa] == INT3)
			bytes[soft->gpa - gpa] = soft->saved;
	}
}

void gdb_breaks_keep(struct gdb_breaks *breaks, uint64_t gpa, uint8_t *bytes, size_t count)
{
	/* All that share a byte save the same: only then is ours put in its place. */
	for (unsigned int i = 0; breaks->soft_count && i < GDB_SOFT_MAX; i++)
		if (breaks->soft[i].is_used && breaks->soft[i].gpa - gpa < count)
			breaks->soft[i].saved = bytes[breaks->soft[i].gpa - gpa];
	for (unsigned int i = 0; breaks->soft_count && i < GDB_SOFT_MAX; i++)
		if (breaks->soft[i].is_used && breaks->soft[i].gpa - gpa < count)
			bytes[breaks->soft[i].gpa - gpa] = INT3;
}
