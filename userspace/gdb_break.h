/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Breakpoints and watchpoints: INT3 in guest memory, and the CPU's four debug registers.
 *
 * Changed only while all vCPUs stand, so that they read it without a lock.
 */
#ifndef KEEL_GDB_BREAK_H
#define KEEL_GDB_BREAK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct memory;

#define GDB_SOFT_MAX	256
#define GDB_HARD_MAX	4

/* As the packets Z0 to Z4 number them. */
enum gdb_break {
	GDB_BREAK_SOFT,
	GDB_BREAK_HARD,
	GDB_WATCH_WRITE,
	GDB_WATCH_READ,		/* x86 has none for reads alone: gdb itself leaves writes out */
	GDB_WATCH_ACCESS,
};

struct gdb_soft {
	uint64_t address;	/* linear, as gdb gave it */
	uint64_t gpa;		/* where it was then */
	uint8_t saved;		/* the guest's own byte */
	bool is_used;
};

/* One debug register. A watchpoint may take several. */
struct gdb_hard {
	uint64_t address;
	uint8_t length;		/* 1, 2, 4 or 8; 0: free */
	uint8_t type;		/* enum gdb_break */
	uint64_t first;		/* the region that gdb asked for */
	uint64_t size;
};

struct gdb_breaks {
	struct gdb_soft soft[GDB_SOFT_MAX];
	unsigned int soft_count;
	struct gdb_hard hard[GDB_HARD_MAX];
};

/**
 * gdb_soft_add() - put an INT3 at linear @address, which is @gpa now
 * Return: 0, also if it is there already; -ENOSPC, -EFAULT (no memory there).
 */
int gdb_soft_add(struct gdb_breaks *breaks, const struct memory *memory, uint64_t address, uint64_t gpa);

/**
 * gdb_soft_remove() - take it away; the guest's byte comes back unless the guest has written another meanwhile
 */
void gdb_soft_remove(struct gdb_breaks *breaks, const struct memory *memory, uint64_t address);

/**
 * gdb_soft_find() - is there one at linear @address?
 */
bool gdb_soft_find(const struct gdb_breaks *breaks, uint64_t address);

/**
 * gdb_soft_find_gpa() - is there one at @gpa, whatever its linear address?
 */
bool gdb_soft_find_gpa(const struct gdb_breaks *breaks, uint64_t gpa);

/**
 * gdb_hard_add() - watch, or break at, [@address, @address + @size)
 *
 * Return: 0, also if it is there already; -ENOSPC without registers enough; -EINVAL for what they cannot do.
 */
int gdb_hard_add(struct gdb_breaks *breaks, enum gdb_break type, uint64_t address, uint64_t size);

/**
 * gdb_hard_remove() - free its registers
 */
void gdb_hard_remove(struct gdb_breaks *breaks, enum gdb_break type, uint64_t address, uint64_t size);

/**
 * gdb_hard_registers() - DR0 to DR3 and DR7 for KVM_SET_GUEST_DEBUG
 * @registers: eight, as the CPU numbers them.
 *
 * Return: false if none is in use.
 */
bool gdb_hard_registers(const struct gdb_breaks *breaks, uint64_t registers[8]);

/**
 * gdb_hard_hit() - which of them does @dr6 tell of?
 * Return: NULL if none that is in use.
 */
const struct gdb_hard *gdb_hard_hit(const struct gdb_breaks *breaks, uint64_t dr6);

/**
 * gdb_breaks_clear() - take all away
 */
void gdb_breaks_clear(struct gdb_breaks *breaks, const struct memory *memory);

/**
 * gdb_breaks_hide() - @bytes were read at @gpa: put the guest's own in place of ours
 */
void gdb_breaks_hide(const struct gdb_breaks *breaks, uint64_t gpa, uint8_t *bytes, size_t count);

/**
 * gdb_breaks_keep() - @bytes are about to be written at @gpa: keep what belongs under ours, and leave ours there
 */
void gdb_breaks_keep(struct gdb_breaks *breaks, uint64_t gpa, uint8_t *bytes, size_t count);

#endif
