/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * In place of keel/vcpu.h and what that includes: the members that ept/walk.c and ept/shadow*.c use, registers always valid. Included before
 * anything else, so that the guards keep the real headers out.
 */
#define KEEL_ACCESS_H
#define KEEL_REQUEST_H
#define KEEL_VCPU_H
#define KEEL_VM_H

#include "shim/shim.h"
#include <keel/code.h>
#include <keel/types.h>
#include <keel/memory.h>
#include <keel/stats.h>
#include <asm/msr-index.h>
#include <asm/processor-flags.h>

#define vm_for_each_vcpu(vm, i, v)	for ((i) = 0; (i) < (vm)->nr_vcpus && ((v) = (vm)->vcpu + (i)); (i)++)

#define REQ_PAGING	5

#define RG_RIP		0u
#define RG_RFLAGS	0u
#define RG_CR0		BIT(1)
#define RG_CR3		BIT(2)
#define RG_CR4		BIT(3)
#define RG_EFER		0u
#define RG_SEG		0u
#define RG_CODE		0u
#define RG_ROOT		BIT(0)
#define GUEST_HAS_GBPAGES BIT(12)

struct vcpu_regs {
	u64 rip, rflags, cr0, cr3, cr4, efer;
	struct segment seg[NR_SEGS];
	u32 valid, dirty;
};

struct vcpu;
struct shadow_vcpu;

struct vm {
	struct mm_struct *mm;
	struct vcpu *vcpu;	/* an array */
	unsigned int nr_vcpus;
	struct memory mem;
	struct vm_stats stats;
};

struct vcpu_hole {
	gfn_t base;
	u64 npages, generation;
};

struct vcpu {
	struct vcpu_regs regs;
	struct vm *vm;
	struct shadow_vcpu *shadow;
	unsigned long requests;
	struct {
		u64 reserved_gpa;
		u32 flags;
	} cpuid;
	struct { u32 pkru; } xstate;
	struct vcpu_stats stats;
	struct {
		struct memslot *slot;
		u64 slot_generation;
		struct vcpu_hole hole;
		struct vcpu_code code;
	} known;
};

static inline void vcpu_need(struct vcpu *vcpu, u32 groups)
{
}

static inline void regs_clean(struct vcpu_regs *r, u32 groups)
{
	r->dirty &= ~groups;
}

static inline void vcpu_dirty(struct vcpu *vcpu, u32 groups)
{
	vcpu->regs.dirty |= groups;
}

static inline void vcpu_request(struct vcpu *vcpu, unsigned int req)
{
	set_bit(req, &vcpu->requests);
}

enum tlb_scope { TLB_VM, TLB_GUEST };

struct vendor_ops {
	void (*tlb_flush)(struct vcpu *vcpu, enum tlb_scope scope);
	bool (*pdpte)(struct vcpu *vcpu, unsigned int n, u64 *pdpte, bool put);
};

extern const struct vendor_ops *keel_vendor;

static inline const struct segment *vcpu_cs(struct vcpu *vcpu)
{
	return &vcpu->regs.seg[SEG_CS];
}

static inline unsigned int vcpu_cpl(struct vcpu *vcpu)
{
	return seg_dpl(&vcpu->regs.seg[SEG_SS]);
}

static inline u64 vcpu_rip(struct vcpu *vcpu)
{
	return vcpu->regs.rip;
}

static inline bool vcpu_is_64bit_code(struct vcpu *vcpu)
{
	return vcpu->regs.efer & EFER_LMA && vcpu_cs(vcpu)->ar & SEG_L;
}

static inline u64 vcpu_linear_rip(struct vcpu *vcpu)
{
	return vcpu_is_64bit_code(vcpu) ? vcpu_rip(vcpu) : (u32)(vcpu_rip(vcpu) + vcpu_cs(vcpu)->base);
}
