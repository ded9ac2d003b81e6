/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The format of second-level page-table entries: what the one engine (ept/pgtable.c) needs to know of EPT, NPT and
 * shadow tables. A record per format, in ept/pte_*.c; a backend names the one its CPU uses. The record is data wherever
 * data will do, so that walking a table needs no indirect call.
 */
#ifndef KEEL_PGTABLE_H
#define KEEL_PGTABLE_H

#include <keel/types.h>

#define PTE_READ	BIT(0)
#define PTE_WRITE	BIT(1)
#define PTE_EXEC	BIT(2)

/* PTE_MEM_GUEST: ordinary memory too, cached as the guest says. */
enum pte_memtype { PTE_MEM_WB, PTE_MEM_GUEST, PTE_MEM_UC };

/**
 * struct pte_format - one entry format
 * @name: for messages
 * @levels: depth of all roots, 4 or 5; @setup may change it
 * @walked: how deep this very CPU walks a root of this format, now; NULL where the root's pointer tells it (EPT)
 * @max_leaf_level: 1 = 4K, 2 = 2M, 3 = 1G; a backend may lower it in its setup
 * @present: an entry with any of these bits is used by the CPU
 * @large: marks a leaf above level 1
 * @write: permits writing, in leaves and tables
 * @accessed: set by the CPU at use; 0 if it does not
 * @dirty: set by the CPU at the first write through a 4K leaf, which it logs (vendor_ops.dirty_flush); 0 if it does not log
 * @address: the physical address in an entry
 * @split_exec: leaves above level 1 are not executable: what makes the 4K leaves so that one is split into. 0: they are
 * @table: all attributes of an entry that points to a table
 * @setup: complete the masks by what this machine has; once, from keel_pgtable_init()
 * @leaf: all attributes of a leaf at @level with PTE_* @prot; its accessed and dirty bits are set (as permitted)
 *
 * An address aligned to a page, below @address's upper end or not, must read as not present: the engine links dead
 * tables through their first entry.
 */
struct pte_format {
	const char *name;
	u8 levels;
	u8 max_leaf_level;
	u64 present;
	u64 large;
	u64 write;
	u64 accessed;
	u64 dirty;
	u64 address;
	u64 split_exec;
	u64 table;
	unsigned int (*walked)(void);
	void (*setup)(struct pte_format *format);
	u64 (*leaf)(unsigned int level, u32 prot, enum pte_memtype type);
};

extern struct pte_format keel_pte_npt;
extern struct pte_format keel_pte_ept;

/**
 * keel_pgtable_init() - set the entry format of all tables made from now on
 * @format: record of the backend; completed by its own setup
 *
 * Context: the vendor's setup, may sleep. Return: 0; -EINVAL for a record that no engine can use; -EOPNOTSUPP, with a line in the
 * log, for tables of another depth than the CPU walks; -ENOMEM.
 */
int keel_pgtable_init(struct pte_format *format);
/**
 * keel_pgtable_exit() - after the last VM: wait for what is still to be freed
 *
 * Context: module exit, may sleep.
 */
void keel_pgtable_exit(void);

/**
 * keel_host_count_table() - count a page of second-level tables where the host shows it
 * @page: the page, which is the caller's
 * @n: 1 after it was allocated, -1 before it is freed
 *
 * SecPageTables in /proc/meminfo, sec_pagetables in memory.stat of the control group that the page is charged to; nowhere on
 * kernels without these. Context: any.
 */
void keel_host_count_table(void *page, int n);

#endif
