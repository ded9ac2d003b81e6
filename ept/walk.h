/* SPDX-License-Identifier: GPL-2.0-only */
/* Private to ept/: guest walks that also say what they read (walk.c), for shadow tables. */
#ifndef EPT_WALK_H
#define EPT_WALK_H

#include <keel/guest_access.h>

/* Bits of the guest's entries. */
#define GPTE_P		BIT_ULL(0)
#define GPTE_W		BIT_ULL(1)
#define GPTE_U		BIT_ULL(2)
#define GPTE_A		BIT_ULL(5)
#define GPTE_D		BIT_ULL(6)
#define GPTE_PS		BIT_ULL(7)
#define GPTE_NX		BIT_ULL(63)
#define GPTE_ADDRESS	GENMASK_ULL(51, 12)
#define GPTE_KEY_SHIFT	59

#define PKRU_NO_ACCESS	1u	/* two bits a key */
#define PKRU_NO_WRITE	2u

#define WALK_FAULT	1
#define WALK_CHANGED	2	/* an entry changed before its accessed or dirty bit could be set */

/**
 * struct walk_trace - what was read on the way. Index: level
 * @gpa: where the entry is
 * @entry: its value, with the accessed and dirty bits that the walk set
 * @top: highest level that has an accessed bit; 0 without paging
 * @leaf: level of the final entry
 * @size: bytes per entry
 */
struct walk_trace {
	gpa_t gpa[6];
	u64 entry[6];
	u8 top;
	u8 leaf;
	u8 size;
};

/**
 * walk_traced() - keel_walk() that says what it read
 * @vcpu: on its own thread
 * @gva: linear address
 * @access: WALK_*, without WALK_ATOMIC
 * @pdpte: the four entries that PAE paging loaded with CR3
 * @walk: result
 * @t: the entries, complete only if 0 is returned
 *
 * Context: may sleep, no locks. Return: 0; WALK_FAULT; WALK_CHANGED where a guest changes its entries all the time; -EFAULT.
 */
int walk_traced(struct vcpu *vcpu, gva_t gva, u32 access, const u64 *pdpte, struct walk *walk, struct walk_trace *t);

/* Do all entries of @t have the value that was read? False too where one cannot be read without sleeping. memory.lock held. */
bool walk_unchanged(struct vcpu *vcpu, const struct walk_trace *t);

/* One entry of @size bytes at @gpa, without sleeping. memory.lock held. 0 or -EFAULT. */
int walk_read_entry(struct vcpu *vcpu, gpa_t gpa, unsigned int size, u64 *val);
/* @n of them in a row, in one table. */
int walk_read_entries(struct vcpu *vcpu, gpa_t gpa, unsigned int size, unsigned int n, u64 *val);

#endif
