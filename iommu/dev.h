/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * AMD's Device Exclusion Vector (DEV): bitmaps of 4K pages that the host bridges ask before they let a device's access
 * through. Plain types: dev.c is also built and tested in user space, on a model of the registers.
 *
 * Registers and their fields are named as in APM volume 2, "External Access Protection"; those of the error registers
 * as in the BIOS and Kernel Developer's Guides of families 0Fh and 10h.
 */
#ifndef IOMMU_DEV_H
#define IOMMU_DEV_H

#include <linux/mutex.h>
#include <keel/types.h>

/* The northbridge of node n: PCI bus 0, device 18h + n, function 3. */
#define DEV_NODES		8
#define DEV_PCI_DEVICE		0x18
#define DEV_PCI_FUNCTION	3

/* The capability block in that function's configuration space. */
#define DEV_HDR_ID		0x0f		/* DEV_HDR bits 7:0; an IOMMU has the same, and another type */
#define DEV_HDR_TYPE_SHIFT	16
#define DEV_HDR_TYPE_MASK	7u		/* 0: DEV */
#define DEV_OP			4		/* offsets in the block */
#define DEV_DATA		8
#define DEV_OP_FUNCTION_SHIFT	8

/* What DEV_OP selects. The first three have an instance for each domain, or each map register. */
enum dev_function {
	DEV_BASE_LO, DEV_BASE_HI, DEV_MAP, DEV_CAP, DEV_CR, DEV_ERR_STATUS, DEV_ERR_ADDR_LO, DEV_ERR_ADDR_HI
};

#define DEV_BASE_V		BIT(0)		/* the domain has a vector */
#define DEV_BASE_P		BIT(1)		/* pages beyond the vector are excluded too */
#define DEV_BASE_SIZE_SHIFT	2		/* the vector covers 4 GB << SIZE */
#define DEV_BASE_SIZE_MAX	16		/* of 31 that fit: 48 bits of address, the most that any such CPU has */

#define DEV_MAP_UNIT_MASK	0x1fu		/* UNIT0; UNIT1 is 6 bits further up */
#define DEV_MAP_V0		BIT(5)
#define DEV_MAP_UNIT1_SHIFT	6
#define DEV_MAP_BUS_SHIFT	12
#define DEV_MAP_DOM0_SHIFT	20
#define DEV_MAP_DOM1_SHIFT	26
#define DEV_MAP_DOM_MASK	0x3fu

#define DEV_CR_DEVEN		BIT(0)
#define DEV_CR_MEMCLR		BIT(1)		/* no clearing of memory at reset: firmware's, kept */
#define DEV_CR_IOSPEN		BIT(2)		/* devices' accesses to I/O space are blocked */
#define DEV_CR_MCEEN		BIT(3)		/* a blocked access raises a machine check: never wanted */
#define DEV_CR_INVD		BIT(4)		/* forget cached parts of vectors; cleared when that is done */
#define DEV_CR_SL_DEV_EN	BIT(5)		/* SKINIT's protection is on */
#define DEV_CR_WALKPROBE	BIT(6)		/* vectors are read past the CPUs' caches */

#define DEV_ERR_VAL		BIT(31)
#define DEV_ERR_OVF		BIT(30)
#define DEV_ERR_ADDRV		BIT(29)

/* Bounds of what this file keeps; a northbridge may have fewer. */
#define EXCLUSION_DOMAINS	64		/* DEV_MAP has six bits for one */
#define EXCLUSION_MAPS		32
#define EXCLUSION_PAGES(size)	(1ULL << (20 + (size)))
#define EXCLUSION_BYTES(size)	(EXCLUSION_PAGES(size) / 8)

/**
 * struct exclusion_vector - one bitmap: bit n set keeps devices away from page n
 * @bits: in 64-bit words, NULL for none
 * @base: where the host bridge finds it; below 4 GB, on a page boundary
 * @size: SIZE of DEV_BASE_LO: it has EXCLUSION_PAGES(@size) bits
 */
struct exclusion_vector {
	u64 *bits;
	hpa_t base;
	u8 size;
};

/**
 * struct exclusion_ops - what dev.c needs of the machine
 * @read: a 32-bit word of a northbridge's configuration space; where there is no such function, all ones. 0 or -EIO
 * @write: likewise
 * @alloc: cleared memory for a vector of @vector->size that lies in one piece below 4 GB: fill in bits and base. 0 or -ENOMEM
 * @free: give it back
 * @pause: wait about a microsecond
 */
struct exclusion_ops {
	int (*read)(unsigned int node, unsigned int offset, u32 *value);
	int (*write)(unsigned int node, unsigned int offset, u32 value);
	int (*alloc)(struct exclusion_vector *vector);
	void (*free)(struct exclusion_vector *vector);
	void (*pause)(void);
};

/* One northbridge: where its capability block is, and how many registers it has. */
struct exclusion_node {
	u8 node;
	u8 cap;
	u8 revision;
	u8 domains;
	u8 maps;
};

/* What a domain's devices reach of the pages that nobody has excluded or permitted. */
enum exclusion_rule { EXCLUSION_REACH_ALL, EXCLUSION_REACH_NOTHING };

/* BROKEN: a northbridge did not do as it was told. Nothing is promised any more; only exclusion_stop() is still taken. */
enum exclusion_state { EXCLUSION_OFF, EXCLUSION_ON, EXCLUSION_BROKEN };

/**
 * struct exclusion - all northbridges of the machine, which always hold the same
 * @ops: the machine
 * @lock: everything below, and each northbridge's pair of DEV_OP and DEV_DATA
 * @state: whether protection is on
 * @nr_nodes: northbridges, all of which have a DEV; 0: there is none
 * @nr_domains: domains that each of them has; domain 0 is that of all devices that are in no other
 * @nr_maps: map registers that each of them has; one takes two devices on one HyperTransport bus
 * @size: of every vector
 * @nodes: the northbridges
 * @vectors: by domain. A domain that is not open has none of its own, and the northbridges use that of domain 0 for it
 * @grown: larger ones, while they replace those
 * @rules: by domain
 * @maps: what the map registers hold
 */
struct exclusion {
	const struct exclusion_ops *ops;
	struct mutex lock;
	enum exclusion_state state;
	unsigned int nr_nodes;
	unsigned int nr_domains;
	unsigned int nr_maps;
	u8 size;
	struct exclusion_node nodes[DEV_NODES];
	struct exclusion_vector vectors[EXCLUSION_DOMAINS];
	struct exclusion_vector grown[EXCLUSION_DOMAINS];
	enum exclusion_rule rules[EXCLUSION_DOMAINS];
	u32 maps[EXCLUSION_MAPS];
};

/* A device as a northbridge knows it: the unit of a HyperTransport bus. All that lies behind that unit is one device. */
struct exclusion_device {
	u8 bus;
	u8 unit;
};

/**
 * struct exclusion_error - an access that a northbridge stopped
 * @node: which northbridge
 * @access: 0 unknown, 1 read, 2 write, 3 read-modify-write
 * @source: 0 unknown, 1 CPU, 2 device
 * @target: 0 unknown, 1 DRAM, 2 memory-mapped I/O, 4 I/O space, 5 configuration space
 * @has_address: @address is known
 * @more: others followed, of which nothing is known
 * @address: physical, in steps of 4
 */
struct exclusion_error {
	u8 node;
	u8 access;
	u8 source;
	u8 target;
	bool has_address;
	bool more;
	hpa_t address;
};

/**
 * exclusion_discover() - look at every northbridge; nothing is changed
 *
 * Return: 0; -ENODEV: no northbridge has a DEV with a domain; -ENXIO: one has, and another has not, so that its devices could
 * not be stopped; -EIO: a capability list without an end, or configuration space that cannot be read.
 */
int exclusion_discover(struct exclusion *x, const struct exclusion_ops *ops);

/**
 * exclusion_start() - turn protection on, on all northbridges or on none
 * @pages: page frames that vectors must cover. What lies beyond, and the vectors, is excluded from now on, all else permitted.
 *	A device that wrote to the vector before, while nothing stopped it, is not found out
 *
 * Return: 0; -EBUSY: somebody (SKINIT, another hypervisor) has it on; -EINVAL, -ENODEV, -ENOMEM; -EIO: a northbridge does not
 * do as it is told.
 */
int exclusion_start(struct exclusion *x, u64 pages);

/**
 * exclusion_stop() - turn protection off everywhere, and free the vectors
 *
 * Return: 0, also if it was off; -EIO: a northbridge may still read the vectors, which are therefore not freed.
 */
int exclusion_stop(struct exclusion *x);

/**
 * exclusion_exclude() - keep a domain's devices away from pages
 *
 * When this returns 0, no access that a northbridge lets through from now on reaches them; what it has let through before may
 * still be on its way to memory. Return: -EINVAL: no pages, pages that wrap around, or no such domain; -EIO: not known to be
 * protected; -ENODEV: protection is off; -EPERM: one of the pages holds a vector, which is excluded without being asked for.
 */
int exclusion_exclude(struct exclusion *x, unsigned int domain, u64 first, u64 count);

/**
 * exclusion_permit() - let a domain's devices reach pages again
 *
 * Return: as exclusion_exclude(); -ERANGE: one of the pages lies beyond the vectors. Nothing was changed then.
 */
int exclusion_permit(struct exclusion *x, unsigned int domain, u64 first, u64 count);

/* A domain of one's own. Return: its number; -ENOSPC: all are taken; -ENOMEM, -EIO, -ENODEV. */
int exclusion_domain_open(struct exclusion *x, enum exclusion_rule rule);

/* Return: 0; -EINVAL: not open; -EBUSY: it has devices; -EIO, -ENODEV. */
int exclusion_domain_close(struct exclusion *x, unsigned int domain);

/* Put a device into an open domain. -EEXIST: it is in one; -ENOSPC: no map register is free; -EINVAL, -EIO, -ENODEV. */
int exclusion_assign(struct exclusion *x, struct exclusion_device device, unsigned int domain);

/* Back into domain 0. -ENOENT: it was in no other; -EIO, -ENODEV. */
int exclusion_unassign(struct exclusion *x, struct exclusion_device device);

/**
 * exclusion_grow() - memory was added: have vectors cover @pages, without a moment of less protection
 *
 * The pages that they did not cover follow each domain's rule from now on. Return: 0, also if they are covered; -EINVAL, -ENOMEM, -EIO, -ENODEV.
 */
int exclusion_grow(struct exclusion *x, u64 pages);

/**
 * exclusion_error_read() - take what a northbridge has logged, and clear it
 * @index: 0 to nr_nodes - 1
 *
 * Return: 1 and *@error; 0: nothing was logged; -EIO, -EINVAL.
 */
int exclusion_error_read(struct exclusion *x, unsigned int index, struct exclusion_error *error);

/* One line on @error, without an end of line; never longer than @size. */
void exclusion_error_text(const struct exclusion_error *error, char *buf, unsigned int size);

#endif
