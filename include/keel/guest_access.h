/* SPDX-License-Identifier: GPL-2.0-only */
/* Access to guest memory by the module: by guest physical address (ept/access.c), and through the guest's page tables (ept/walk.c). */
#ifndef KEEL_GUEST_ACCESS_H
#define KEEL_GUEST_ACCESS_H

#include <linux/bits.h>
#include <linux/types.h>
#include <keel/types.h>

/* ---- by guest physical address ----------------------------------------------------------------------------------- */

/**
 * keel_read_guest() - read guest memory, across pages and slots
 * @vm: the machine
 * @gpa: guest physical address
 * @data: where the bytes go
 * @len: how many
 *
 * Context: a thread of the launcher's, may sleep, no locks. Return: 0; -EFAULT where no slot is, or the host's page is not to be had.
 */
int keel_read_guest(struct vm *vm, gpa_t gpa, void *data, unsigned long len);
/**
 * keel_write_guest() - write guest memory, across pages and slots, and mark it dirty
 * @vm: the machine
 * @gpa: guest physical address
 * @data: the bytes
 * @len: how many
 *
 * Context: as keel_read_guest(). Return: 0; -EFAULT as there, and where a slot is read-only.
 */
int keel_write_guest(struct vm *vm, gpa_t gpa, const void *data, unsigned long len);
/**
 * keel_read_guest_atomic() - keel_read_guest() without sleeping
 * @vm: the machine
 * @gpa: guest physical address
 * @data: where the bytes go
 * @len: how many
 *
 * Context: a thread of the launcher's, interrupts may be off. Return: 0; -EFAULT also where the host's page is not present.
 */
int keel_read_guest_atomic(struct vm *vm, gpa_t gpa, void *data, unsigned long len);
/**
 * keel_write_guest_atomic() - keel_write_guest() without sleeping
 * @vm: the machine
 * @gpa: guest physical address
 * @data: the bytes
 * @len: how many
 *
 * Context: a thread of the launcher's, interrupts may be off. Return: 0; -EFAULT also where the host's page is not present.
 */
int keel_write_guest_atomic(struct vm *vm, gpa_t gpa, const void *data, unsigned long len);
/**
 * keel_cmpxchg_guest() - atomic compare and exchange in guest memory
 * @vm: the machine
 * @gpa: guest physical address, a multiple of @size
 * @size: 1, 2, 4 or 8 bytes
 * @old: expected value in, found value out
 * @new: value to be stored
 *
 * Context: a thread of the launcher's, may sleep, no locks. Return: 0 exchanged; 1 the comparison failed; -EFAULT.
 */
int keel_cmpxchg_guest(struct vm *vm, gpa_t gpa, unsigned int size, u64 *old, u64 new);
/**
 * keel_cmpxchg16_guest() - the same of 16 bytes
 * @vm: the machine
 * @gpa: guest physical address, a multiple of 16
 * @old: expected value in, found value out
 * @new: value to be stored
 *
 * Context: as there. Return: as there.
 */
int keel_cmpxchg16_guest(struct vm *vm, gpa_t gpa, u64 old[2], const u64 new[2]);
/**
 * keel_cmpxchg_guest_atomic() - keel_cmpxchg_guest() without sleeping
 * @vm: the machine
 * @gpa: guest physical address, a multiple of @size
 * @size: 1, 2, 4 or 8 bytes
 * @old: expected value in, found value out
 * @new: value to be stored
 *
 * Context: a thread of the launcher's, interrupts may be off. Return: as there; -EFAULT also where the host's page is not present.
 */
int keel_cmpxchg_guest_atomic(struct vm *vm, gpa_t gpa, unsigned int size, u64 *old, u64 new);
/**
 * keel_mark_dirty() - a page was written: set its bit, where its slot is logged
 * @vm: the machine
 * @gfn: its frame
 *
 * Context: any.
 */
void keel_mark_dirty(struct vm *vm, gfn_t gfn);
/**
 * keel_vcpu_mark_dirty() - the same of what a vCPU has written, at a cost that does not grow with the number of vCPUs
 * @vcpu: the vCPU, on its own thread
 * @gfn: the frame
 *
 * Context: any, interrupts may be off.
 */
void keel_vcpu_mark_dirty(struct vcpu *vcpu, gfn_t gfn);

/* ---- through the guest's page tables ----------------------------------------------------------------------------- */

#define WALK_WRITE	BIT(0)
#define WALK_FETCH	BIT(1)
#define WALK_USER	BIT(2)	/* CPL 3 */
#define WALK_IMPLICIT	BIT(3)	/* implicit supervisor access (descriptor tables): SMAP ignores AC */
#define WALK_ATOMIC	BIT(4)	/* do not sleep; -EFAULT instead */
#define WALK_NO_AD	BIT(5)	/* leave accessed and dirty bits alone */

/**
 * struct walk - result of a guest page-table walk
 * @gpa: translated address
 * @error: page-fault error code when the walk failed
 */
struct walk {
	gpa_t gpa;
	u32 error;
};

/**
 * keel_walk() - translate a linear address by the vCPU's current paging mode
 * @vcpu: on its own thread, loaded
 * @gva: linear address
 * @access: WALK_*
 * @walk: result
 *
 * Handles no paging, 32-bit, PAE, 4- and 5-level paging with NX, WP, SMEP, SMAP, PKU and reserved bits (SDM, "Paging").
 * Context: may sleep, but with WALK_ATOMIC. Return: 0; 1 for a guest page fault (@walk->error); -EFAULT when a table cannot be read.
 */
int keel_walk(struct vcpu *vcpu, gva_t gva, u32 access, struct walk *walk);
/**
 * keel_read_pdptes() - PAE paging's four entries at the top, as the CPU has loaded them or would now
 * @vcpu: on its own thread, loaded, with PAE paging
 * @pdpte: where they go
 *
 * Context: may sleep. Return: 0; -EFAULT where they are in no memory.
 */
int keel_read_pdptes(struct vcpu *vcpu, u64 pdpte[4]);
/**
 * keel_get_pdptes() - the same, of those that are loaded alone
 * @vcpu: on its own thread, loaded
 * @pdpte: where they go
 *
 * Context: any. Return: false without PAE paging, where there are no such registers, and where they are still to be loaded, from memory.
 */
bool keel_get_pdptes(struct vcpu *vcpu, u64 pdpte[4]);
/**
 * keel_put_pdptes() - have PAE paging go on with these four, until the next load
 * @vcpu: on its own thread, loaded, CR0, CR3, CR4 and EFER written
 * @pdpte: without reserved bits (keel_pdpte_reserved())
 *
 * No effect where there are no such registers. The caller flushes. Context: any.
 */
void keel_put_pdptes(struct vcpu *vcpu, const u64 pdpte[4]);
/**
 * keel_read_virt() - read guest memory by linear address, across pages
 * @vcpu: on its own thread, loaded
 * @gva: linear address
 * @data: where the bytes go
 * @len: how many
 * @access: WALK_*
 * @walk: result of the last walk
 * @fault_gva: the byte that faulted, when 1 is returned
 *
 * Context: as keel_walk(). Return: as keel_walk().
 */
int keel_read_virt(struct vcpu *vcpu, gva_t gva, void *data, unsigned int len, u32 access, struct walk *walk, gva_t *fault_gva);
/**
 * keel_write_virt() - write guest memory by linear address, across pages
 * @vcpu: on its own thread, loaded
 * @gva: linear address
 * @data: the bytes
 * @len: how many
 * @access: WALK_*, WALK_WRITE is implied
 * @walk: result of the last walk
 * @fault_gva: the byte that faulted, when 1 is returned
 *
 * Context: as keel_walk(). Return: as keel_walk().
 */
int keel_write_virt(struct vcpu *vcpu, gva_t gva, const void *data, unsigned int len, u32 access, struct walk *walk,
		    gva_t *fault_gva);
/**
 * keel_fetch_atomic() - instruction bytes at CS:RIP, for the inner loop
 * @vcpu: on its own thread, loaded
 * @buf: where they go; they stop at a page's end if the next page is not at hand
 * @max: how many at most, 15
 *
 * Context: interrupts off. Return: number of bytes, 0 when they are not to be had without sleeping.
 */
unsigned int keel_fetch_atomic(struct vcpu *vcpu, u8 *buf, unsigned int max);
/**
 * keel_fetch_again() - the 15 bytes at RIP of 64-bit code to vcpu->known.code.low and .high
 * @vcpu: on its own thread, loaded
 *
 * Context: interrupts off. Return: false unless a page of code that was fetched from before translates as it did then: use
 * keel_fetch_atomic().
 */
bool keel_fetch_again(struct vcpu *vcpu);
/**
 * keel_code_word() - the first 8 bytes of the instruction at @gva of 64-bit code
 * @vcpu: on its own thread, loaded; CR3, CR4 and EFER are valid
 * @gva: linear address
 * @cpl: 0 to 3
 *
 * Context: interrupts off. Return: the bytes; 0, with which nothing begins that is intercepted by its opcode, unless a page of code
 * that was fetched from before translates as it did then: use keel_fetch_linear_atomic().
 */
u64 keel_code_word(struct vcpu *vcpu, gva_t gva, unsigned int cpl);
/**
 * keel_fetch_linear_atomic() - keel_fetch_atomic() for a backend that knows the linear address and the privilege by itself
 * @vcpu: on its own thread, loaded
 * @gva: linear address
 * @access: WALK_USER or 0
 * @buf: where the bytes go
 * @max: how many at most, 15
 *
 * Context: interrupts off. Return: number of bytes, 0 when they are not to be had without sleeping.
 */
unsigned int keel_fetch_linear_atomic(struct vcpu *vcpu, gva_t gva, u32 access, u8 *buf, unsigned int max);

#endif
