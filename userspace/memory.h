/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guest memory and the machine's physical address map.
 */
#ifndef KEEL_MEMORY_H
#define KEEL_MEMORY_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* Where things are in the guest's physical address space. */
#define MAP_BOOT_GDT		0x00001000ULL	/* boot descriptor table */
#define MAP_BOOT_TABLES		0x00002000ULL	/* 6 pages of page tables */
#define MAP_BOOT_COMMAND	0x00020000ULL	/* kernel command line */
#define MAP_BOOT_COMMAND_MAX	0x00010000ULL
#define MAP_BOOT_PARAMS		0x00090000ULL	/* Linux "zero page"; fixed for old kernels */
#define MAP_BOOT_DATA		0x00091000ULL	/* boot_params' list of extra data */
#define MAP_BOOT_COMMAND_OLD	0x00092000ULL	/* command line of protocols before 2.02 */
#define MAP_BOOT_INFO		0x00093000ULL	/* what Multiboot or PVH tell a kernel */
#define MAP_BOOT_INFO_MAX	0x00002000ULL
#define MAP_LOW_END		0x0009fc00ULL	/* end of conventional memory */
#define MAP_VGA_START		0x000a0000ULL	/* hole, answered by the bus */
#define MAP_VGA_END		0x000c0000ULL
#define MAP_ACPI		0x000e0000ULL	/* where firmware puts the RSDP */
#define MAP_ACPI_MAX		0x00020000ULL
#define MAP_KERNEL		0x00100000ULL
#define MAP_GAP_START		0xc0000000ULL	/* end of memory below 4 GB */
#define MAP_GAP_END		0x100000000ULL
#define MAP_PCI_MEMORY		0xc0000000ULL	/* the bridge's memory window */
#define MAP_PCI_MEMORY_END	0xfec00000ULL
#define MAP_PCI_PORTS		0x1000U		/* the bridge's port window */
#define MAP_PCI_PORTS_END	0x10000U
#define MAP_IOAPIC		0xfec00000ULL
#define MAP_LAPIC		0xfee00000ULL
#define MAP_GENERATION		0xfeffb000ULL	/* the generation ID: 1 page, for reading alone */
#define MAP_IDENTITY		0xfeffc000ULL	/* VMX real-mode helpers: 1 page */
#define MAP_TSS			0xfeffd000ULL	/* and 3 pages */
#define MAP_OWN_END		0xff000000ULL	/* of these */

#define MEMORY_REGIONS_MAX	4
#define MEMORY_BLOCK		(2ULL << 20)	/* what is plugged and unplugged at once */

struct memory_region {
	uint64_t base;		/* guest-physical */
	uint64_t size;
	uint8_t *host;
};

/*
 * One mapping, anonymous or of a memfd, cut into the regions that are memory: below the VGA
 * hole, up to 3 GB, and from 4 GB up. Host and guest addresses agree modulo
 * 1 GB (2 MB if there is less than 1 GB), so that huge pages fit. What can be plugged is a region more, behind all others: host and
 * guest addresses agree modulo 2 MB there, and firmware and kernel are told nothing of it. Constant after memory_create(),
 * but for the bits of written and plugged, which are changed atomically.
 */
struct memory {
	struct memory_region regions[MEMORY_REGIONS_MAX];
	unsigned int count;
	uint64_t size;		/* as asked for, without what can be plugged */
	uint64_t pluggable;	/* bytes of the last region, whose blocks are the guest's if it has plugged them; 0: there is none */
	uint64_t *plugged;	/* a bit a block of that */
	uint64_t low_end;	/* first guest-physical address past memory below 4 GB */
	void *mapping;
	uint64_t mapping_size;
	bool is_shared;
	int shared;		/* if it is: the memfd; the mapping begins at its first byte */
	unsigned int backing;	/* MEMORY_THP, ... */
	/* Have these bytes been what they are to be, while some are still read from a file? false: they cannot be. NULL: all are. */
	bool (*require)(void *argument, const void *host, uint64_t len);
	void *require_argument;
	uint64_t *written;	/* a bit a page, from the first region's first on: this process has written it; NULL: nobody asks */
};

/**
 * memory_layout() - where @size bytes of memory go and @pluggable more, and nothing mapped: regions without host addresses
 */
void memory_layout(struct memory *memory, uint64_t size, uint64_t pluggable);

/**
 * memory_create() - map @size bytes (a multiple of 4 KB) of guest memory, and @pluggable bytes (of MEMORY_BLOCK) for more, none plugged
 * Return: 0 or a negative errno.
 */
int memory_create(struct memory *memory, uint64_t size, uint64_t pluggable);

/**
 * memory_end() - the first guest-physical address past all of its memory
 */
uint64_t memory_end(const struct memory *memory);

/**
 * memory_is_plugged() - does the guest have the memory at @gpa, which is the machine's?
 */
bool memory_is_plugged(const struct memory *memory, uint64_t gpa);

/**
 * memory_plug() - note that the guest has block @block of what can be plugged, or has it no longer
 */
void memory_plug(const struct memory *memory, uint64_t block, bool is_plugged);

/* What stands behind guest memory, as bits. */
#define MEMORY_THP	(1u << 0)	/* transparent huge pages where the host likes to: so unless one of the next two */
#define MEMORY_HUGETLB	(1u << 1)	/* huge pages of 2 MB that the host has set aside */
#define MEMORY_MERGE	(1u << 2)	/* pages that the host's KSM may merge with others like them */
#define MEMORY_SHARED	(1u << 3)	/* a memfd, for other processes to map; not with MEMORY_MERGE */

/**
 * memory_back() - put what @backing says in the mapping's place
 *
 * Only while all of it is still zero.
 *
 * Return: 0 or a negative errno: -EINVAL if the host's kernel has no such memory, -ENOMEM if it has too little of it.
 */
int memory_back(struct memory *memory, unsigned int backing);

/**
 * memory_give_back() - let the host have the pages of [@gpa, @gpa + @len) back, which are multiples of 4 KB
 *
 * They read as zeros then, and take memory again as they are written.
 *
 * Return: 0; -ERANGE, and nothing done, unless all of it is memory of one region and the guest's own: the tables that
 * the launcher has put there are not; else a negative errno of the host's.
 */
int memory_give_back(const struct memory *memory, uint64_t gpa, uint64_t len);

/**
 * memory_address() - the guest-physical address of @host, which memory_at() has given
 */
uint64_t memory_address(const struct memory *memory, const void *host);

/** memory_is_zero() - are all of @size bytes, one at least, zero? */
static inline bool memory_is_zero(const uint8_t *bytes, size_t size)
{
	return !bytes[0] && !memcmp(bytes, bytes + 1, size - 1);
}

/**
 * memory_pages() - from the first page of the first region to the last of the last, which follow each other in the mapping
 */
uint64_t memory_pages(const struct memory *memory);

/**
 * memory_note() - this process writes, or has just written, @len bytes at @host, which memory_at() has given
 *
 * To be said of all that it writes while the guest is there: the kernel knows only what the guest writes.
 */
void memory_note(const struct memory *memory, const void *host, uint64_t len);

/**
 * memory_map() - give the VM @vm region @index as the slot of that number, with @flags (KVM_MEM_LOG_DIRTY_PAGES), or change its flags
 * Return: 0 or a negative errno.
 */
int memory_map(const struct memory *memory, unsigned int index, int vm, uint32_t flags);

/**
 * memory_destroy() - unmap; harmless on a zeroed or failed structure
 */
void memory_destroy(struct memory *memory);

/**
 * memory_at() - host address of guest memory [@gpa, @gpa + @len)
 * Return: NULL unless all of it lies in one region. @len of 0 is refused.
 */
void *memory_at(const struct memory *memory, uint64_t gpa, uint64_t len);

#endif
