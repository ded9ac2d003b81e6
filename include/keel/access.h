/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Registers of a vCPU: read, written, checked; and what a debugger has in them. On the vCPU's own
 * thread, loaded.
 */
#ifndef KEEL_ACCESS_H
#define KEEL_ACCESS_H

#include <keel/exit.h>
#include <keel/vcpu.h>
#include <keel/vendor.h>

/* Make @groups valid. On the vCPU's own thread, loaded. */
static inline void vcpu_need(struct vcpu *vcpu, u32 groups)
{
	u32 missing = groups & ~vcpu->regs.valid;

	if (unlikely(missing)) {
		keel_vendor->regs_fetch(vcpu, missing);
		vcpu->regs.valid |= missing;
	}
}

/* @groups, which are valid, have changed. By one instruction: the preempt notifier adds groups between any two of its thread's. */
static __always_inline void regs_dirty(struct vcpu_regs *r, u32 groups)
{
	asm volatile("orl %1, %0" : "+m" (r->dirty) : "er" (groups) : "cc");
}

/* @groups need not be written to hardware any more. */
static __always_inline void regs_clean(struct vcpu_regs *r, u32 groups)
{
	asm volatile("andl %1, %0" : "+m" (r->dirty) : "er" (~groups) : "cc");
}

/* The caller has written (all of) @groups, or has called vcpu_need() and then changed a part. */
static __always_inline void vcpu_dirty(struct vcpu *vcpu, u32 groups)
{
	vcpu->regs.valid |= groups;
	regs_dirty(&vcpu->regs, groups);
}

static inline u64 vcpu_gpr(struct vcpu *vcpu, unsigned int n)
{
	if (n == GPR_RSP)
		vcpu_need(vcpu, RG_RSP);
	return vcpu->regs.gpr[n];
}

static inline void vcpu_set_gpr(struct vcpu *vcpu, unsigned int n, u64 val)
{
	vcpu->regs.gpr[n] = val;
	if (n == GPR_RSP)
		vcpu_dirty(vcpu, RG_RSP);
}

static inline u64 vcpu_rip(struct vcpu *vcpu)
{
	vcpu_need(vcpu, RG_RIP);
	return vcpu->regs.rip;
}

static inline u64 vcpu_rflags(struct vcpu *vcpu)
{
	vcpu_need(vcpu, RG_RFLAGS);
	return vcpu->regs.rflags;
}

static inline u64 vcpu_cr0(struct vcpu *vcpu) { vcpu_need(vcpu, RG_CR0); return vcpu->regs.cr0; }
static inline u64 vcpu_cr3(struct vcpu *vcpu) { vcpu_need(vcpu, RG_CR3); return vcpu->regs.cr3; }
static inline u64 vcpu_cr4(struct vcpu *vcpu) { vcpu_need(vcpu, RG_CR4); return vcpu->regs.cr4; }
static inline u64 vcpu_efer(struct vcpu *vcpu) { vcpu_need(vcpu, RG_EFER); return vcpu->regs.efer; }

static inline struct segment *vcpu_seg(struct vcpu *vcpu, enum seg s)
{
	vcpu_need(vcpu, RG_SEG);
	return &vcpu->regs.seg[s];
}

static inline void vcpu_need_code(struct vcpu *vcpu)
{
	if (!(vcpu->regs.valid & RG_SEG))
		vcpu_need(vcpu, RG_CODE);
}

static inline const struct segment *vcpu_cs(struct vcpu *vcpu)
{
	vcpu_need_code(vcpu);
	return &vcpu->regs.seg[SEG_CS];
}

static inline unsigned int vcpu_cpl(struct vcpu *vcpu)
{
	vcpu_need_code(vcpu);
	return seg_dpl(&vcpu->regs.seg[SEG_SS]);
}

static inline bool vcpu_is_long_mode(struct vcpu *vcpu) { return vcpu_efer(vcpu) & EFER_LMA; }
static inline bool vcpu_is_paging(struct vcpu *vcpu) { return vcpu_cr0(vcpu) & X86_CR0_PG; }
static inline bool vcpu_is_protected(struct vcpu *vcpu) { return vcpu_cr0(vcpu) & X86_CR0_PE; }

static inline bool vcpu_is_64bit_code(struct vcpu *vcpu)
{
	return vcpu_is_long_mode(vcpu) && (vcpu_cs(vcpu)->ar & SEG_L);
}

/* The same where EFER, and RG_CODE or RG_SEG, are valid. */
static inline bool regs_are_64bit_code(const struct vcpu_regs *r)
{
	return (r->efer & EFER_LMA) && (r->seg[SEG_CS].ar & SEG_L);
}

/* Linear address of the instruction. */
static inline gva_t vcpu_linear_rip(struct vcpu *vcpu)
{
	gva_t rip = vcpu_rip(vcpu);

	return likely(vcpu_is_64bit_code(vcpu)) ? rip : (u32)(rip + vcpu_cs(vcpu)->base);
}

/**
 * keel_advance_slow() - an instruction is complete: RIP, RF, interrupt shadow, single step by TF or by the launcher (core/inject.c)
 * @vcpu: the vCPU
 * @len: its bytes
 *
 * Context: the vCPU's own thread, loaded. Return: RUN_RESUME.
 */
int keel_advance_slow(struct vcpu *vcpu, unsigned int len);

/* An instruction is complete; RIP and RFLAGS are valid. Return: RUN_RESUME, so that what is rare is no more than a jump. */
static __always_inline int vcpu_advance_valid(struct vcpu *vcpu, unsigned int len)
{
	struct vcpu_regs *r = &vcpu->regs;
	u64 rip = r->rip + len;

	/* single step, RF or a shadow to clear, or a wrap at 4G */
	if (unlikely(r->rflags & (X86_EFLAGS_TF | X86_EFLAGS_RF)) || unlikely(vcpu->debug.control) || unlikely(vcpu->events.shadow) ||
	    unlikely((rip ^ r->rip) >> 31))
		return keel_advance_slow(vcpu, len);
	r->rip = rip;
	regs_dirty(r, RG_RIP);
	return RUN_RESUME;
}

static inline int vcpu_advance(struct vcpu *vcpu, unsigned int len)
{
	vcpu_need(vcpu, RG_RIP | RG_RFLAGS);
	return vcpu_advance_valid(vcpu, len);
}

/* EDX:EAX */
static inline u64 vcpu_edx_eax(const struct vcpu *vcpu)
{
	return (u32)vcpu->regs.gpr[GPR_RAX] | vcpu->regs.gpr[GPR_RDX] << 32;
}

static inline void vcpu_set_edx_eax(struct vcpu *vcpu, u64 val)
{
	vcpu->regs.gpr[GPR_RAX] = (u32)val;
	vcpu->regs.gpr[GPR_RDX] = val >> 32;
}

/* ---- with all architectural checks (core/cr.c) ---- */

/**
 * keel_set_cr() - MOV to a control register (SDM, "Control Registers")
 * @vcpu: the vCPU
 * @n: 0, 2, 3, 4 or 8
 * @val: value
 *
 * Context: the vCPU's own thread, loaded. Return: 0, or 1 for #GP.
 */
int keel_set_cr(struct vcpu *vcpu, unsigned int n, u64 val);
/**
 * keel_get_cr() - MOV from a control register
 * @vcpu: the vCPU
 * @n: 0, 2, 3, 4 or 8
 *
 * Context: the vCPU's own thread, loaded. Return: its value.
 */
u64 keel_get_cr(struct vcpu *vcpu, unsigned int n);
/**
 * keel_pdpte_reserved() - bits that must be zero in a PAE page-directory-pointer entry that is present
 * @vcpu: the vCPU
 *
 * Context: any. Return: the bits, by the guest's CPUID and the host's address width; 0 where no CPU loads the entries.
 */
u64 keel_pdpte_reserved(const struct vcpu *vcpu);
/**
 * keel_set_cr8() - set the task priority
 * @vcpu: the vCPU
 * @val: 0 to 15
 *
 * Context: the vCPU's own thread, loaded. Return: 0, or 1 for #GP.
 */
int keel_set_cr8(struct vcpu *vcpu, u64 val);
/**
 * keel_get_cr8() - the task priority
 * @vcpu: the vCPU
 *
 * Context: the vCPU's own thread, loaded. Return: 0 to 15.
 */
u64 keel_get_cr8(struct vcpu *vcpu);
/**
 * keel_set_efer() - WRMSR to IA32_EFER; LMA follows LME and paging
 * @vcpu: the vCPU
 * @val: value
 * @allowed: bits that may be set
 *
 * Context: the vCPU's own thread, loaded. Return: 0, or 1 for #GP.
 */
int keel_set_efer(struct vcpu *vcpu, u64 val, u64 allowed);
/**
 * keel_set_xcr() - XSETBV (SDM, "Extended Control Registers (Including XCR0)")
 * @vcpu: the vCPU
 * @index: ECX
 * @val: EDX:EAX
 *
 * Context: the vCPU's own thread, loaded. Return: 0, or 1 for #GP.
 */
int keel_set_xcr(struct vcpu *vcpu, u32 index, u64 val);
/**
 * keel_set_dr() - MOV to a debug register (SDM, "Debug Registers")
 * @vcpu: the vCPU
 * @n: 0 to 7
 * @val: value
 *
 * Context: the vCPU's own thread, loaded. Return: 0, or 1 for #GP.
 */
int keel_set_dr(struct vcpu *vcpu, unsigned int n, u64 val);
/**
 * keel_get_dr() - MOV from a debug register
 * @vcpu: the vCPU
 * @n: 0 to 7
 *
 * Context: the vCPU's own thread, loaded. Return: its value.
 */
u64 keel_get_dr(struct vcpu *vcpu, unsigned int n);

#endif
