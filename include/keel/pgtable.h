/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The format of second-level page-table entries: what the one engine (ept/pgtable.c) needs to know of EPT, NPT and
 * shadow tables. A record per format, in ept/pte_*.c; a backend names the one its CPU uses.
 */
#ifndef KEEL_PGTABLE_H
#define KEEL_PGTABLE_H

#include <keel/types.h>

#define PTE_READ	BIT(0)
#define PTE_WRITE	BIT(1)
#define PTE_EXEC	BIT(2)
#define PTE_USER	BIT(3)

enum pte_memtype { PTE_MEM_WB, PTE_MEM_UC };

/**
 * struct pte_format - one entry format
 * @name: for messages
 * @levels: depth of a root made now (4, or 5 where the host runs with it)
 * @has_ad: the CPU sets accessed and dirty bits by itself
 * @max_leaf_level: 1 = 4K, 2 = 2M, 3 = 1G
 */
struct pte_format {
	const char *name;
	u8 levels;
	u8 max_leaf_level;
	bool has_ad;
	u64 (*make_table)(hpa_t table);
	u64 (*make_leaf)(hpa_t page, unsigned int level, u32 prot, enum pte_memtype type);
	bool (*is_present)(u64 pte);
	bool (*is_leaf)(u64 pte, unsigned int level);
	hpa_t (*address)(u64 pte);
	u32 (*prot)(u64 pte);
	u64 (*set_prot)(u64 pte, u32 prot);
	bool (*is_accessed)(u64 pte);
	bool (*is_dirty)(u64 pte);
	u64 (*clear_accessed)(u64 pte);
	u64 (*clear_dirty)(u64 pte);
};

extern struct pte_format keel_pte_npt;
extern struct pte_format keel_pte_ept;

/* Make the engine use @format and prepare its caches; from the vendor's setup. Undone by keel_pgtable_exit(). */
int keel_pgtable_init(const struct pte_format *format);
void keel_pgtable_exit(void);

#endif
