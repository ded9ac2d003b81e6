/* SPDX-License-Identifier: GPL-2.0-only */
/* The guest of the directed cases: four levels, whose tables are: root, PDPT in frame 34, page directory in 38, page table in 42; AREA is what they map. */
#ifndef SHADOW_CASE_H
#define SHADOW_CASE_H

#include "shadow_bits.h"
#include "shadow_world.h"

#define ALL	(P | RW | US)

#define AREA	(2ull << 39)
#define PDPT	34u
#define PD	38u
#define PT	42u

static struct cpu *const cpu = &w.cpu[0];
static u64 window;

static inline void put(unsigned int frame, unsigned int index, u64 entry)
{
	memcpy(w.ram + AT(frame) + index * 8, &entry, 8);
}

/* The root at @root maps the area; @bits: of the entries of its first eight pages. */
static inline void put_area(gpa_t root, u64 bits)
{
	unsigned int i;

	put(root >> PAGE_SHIFT, 2, AT(PDPT) | ALL);
	put(PDPT, 0, AT(PD) | ALL);
	put(PD, 0, AT(PT) | ALL);
	for (i = 0; i < 8; i++)
		put(PT, i, AT(DATA + i) | bits);
}

static inline void finish(void)
{
	audit();
	world_end();
}

/* The access must come to @gpa. */
static inline void reach(struct cpu *c, u64 gva, u32 access, gpa_t wanted)
{
	gpa_t gpa = ~0ull;
	enum outcome outcome = cpu_access(c, gva, access | WALK_USER, &gpa);

	WORLD_CHECK("case", outcome == ACCESS_DONE && gpa == wanted, "0x%llx: outcome %d at 0x%llx, wanted 0x%llx", (unsigned long long)gva,
		    outcome, (unsigned long long)gpa, (unsigned long long)wanted);
	audit();
}

static inline void must_end(struct cpu *c, u64 gva, u32 access, enum outcome wanted)
{
	gpa_t gpa;
	enum outcome outcome = cpu_access(c, gva, access | WALK_USER, &gpa);

	WORLD_CHECK("case", outcome == wanted, "0x%llx: outcome %d, wanted %d", (unsigned long long)gva, outcome, wanted);
	audit();
}

static inline void store(struct cpu *c, gpa_t gpa, u64 val)
{
	WORLD_CHECK("case", cpu_store(c, window + gpa, 8, val), "no store to 0x%llx", (unsigned long long)gpa);
	audit();
}

#endif
