/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Northbridges with a Device Exclusion Vector, in software: PCI configuration space, the registers behind DEV_OP and DEV_DATA, a
 * cache of vectors, and DMA that goes by all of these.
 *
 * Written from APM volume 2, "External Access Protection", apart from iommu/dev.c, and as hostile as the text allows: registers come
 * up with what firmware left in them, reserved bits read as 1, and software that writes one of those, selects what is not there,
 * or has a vector read from memory that is none, has undone all protection of that northbridge.
 */
#ifndef SELFTESTS_IOMMU_UNIT_DEV_MODEL_H
#define SELFTESTS_IOMMU_UNIT_DEV_MODEL_H

#include "shim.h"
#include "dev.h"

#define MODEL_DOMAINS	8
#define MODEL_MAPS	3
#define MODEL_VECTORS	40
#define MODEL_LINE	64u		/* bytes of a vector that are cached together */
#define MODEL_LINES	4096

/* A part of a domain's vector, as it was when it was read. */
struct model_line {
	bool valid;
	u8 domain;
	u64 index;
	u8 bytes[MODEL_LINE];
};

/**
 * struct model_node - one northbridge
 * @present: there is such a function
 * @cap: offset of its DEV capability block, 0 for none
 * @domains: N_DOMAINS
 * @maps: N_MAPS
 * @invd_polls: how often DEV_CR is read with the bit still set after an invalidation; negative: for ever
 * @refuses_enable: DEVEN cannot be set
 * @fails_writes: as many writes of configuration space succeed before all of them fail; negative: none fails
 * @lost: the function has gone: reads give all ones, writes nothing
 * @undefined: software broke a rule: every access is let through
 */
struct model_node {
	bool present;
	u8 cap;
	u8 domains, maps;
	int invd_polls;
	bool refuses_enable;
	int fails_writes;
	bool lost;

	bool undefined;
	const char *why;
	u32 config[64];
	u32 op;
	u32 base_lo[MODEL_DOMAINS], base_hi[MODEL_DOMAINS], map[MODEL_MAPS];
	u32 cr, err_status, err_lo, err_hi;
	int polls_left;
	struct model_line lines[MODEL_LINES];
};

extern struct model_node model_nodes[DEV_NODES];
extern const struct exclusion_ops model_ops;

/* Vectors that are allocated now; how many more there may be. */
extern unsigned int model_vectors, model_vectors_left;

/* Where the next vectors lie. The model hands out addresses upwards from here. */
extern u64 model_next_base;

/*
 * A seeded bug: what the code under test sends to, or gets from, a register is changed on the way. NULL: none. Return: false: a write
 * is dropped.
 */
struct model_bug {
	const char *name;
	bool (*write)(unsigned int node, unsigned int function, u32 *index, u32 *value);
	void (*read)(unsigned int node, unsigned int function, u32 *value);
	void (*config)(unsigned int node, unsigned int offset, u32 *value);
};

extern const struct model_bug *model_bug;

/* Called after each access to a register, as devices do not wait for software. NULL: not. */
extern void (*model_watch)(void);

/* @count northbridges as firmware leaves them, each with the same number of registers; no memory, no bug. */
void model_reset(unsigned int count);

enum model_access { MODEL_READ = 1, MODEL_WRITE = 2 };

/* A device's access: is it let through? */
bool model_dma(unsigned int node, u8 bus, u8 unit, u64 address, enum model_access access);

/* A device's access to I/O space. */
bool model_io(unsigned int node);

/* The memory at @base, of the vector that lies there now, or NULL. */
u8 *model_memory(u64 base);

#endif
