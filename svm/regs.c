// SPDX-License-Identifier: GPL-2.0-only
/*
 * Between struct vcpu_regs and the VMCB: dirty groups are written before an entry, others are fetched when somebody asks.
 *
 * RAX, RSP, RIP, RFLAGS and the interrupt shadow are copied at every entry and exit (vcpu.c), the other general registers by
 * entry.S. Where hardware holds another value than the guest sees (EFER.SVME, CR4.MCE, CR0.CD and NW), the difference is made
 * and taken back here, and the guest's accesses are intercepted while there is one.
 */
#include <linux/mem_encrypt.h>
#include <keel/access.h>
#include <keel/debug.h>
#include <keel/memory.h>
#include <keel/shadow.h>
#include <keel/vcpu.h>
#include "control.h"
#include "cpu.h"
#include "regs.h"
#include "svm.h"

/* Caching off has no meaning for memory that the host caches as well; hardware would only run uncached. */
#define CR0_UNCACHED	(X86_CR0_CD | X86_CR0_NW)

/* ---- segments ---- */

/* VMCB attributes are bits 40-47 and 52-55 of a descriptor, packed. */
static u16 pack_attributes(u32 ar)
{
	if (ar & SEG_UNUSABLE)
		ar &= ~SEG_P;
	return (ar & 0xff) | ((ar >> 4) & 0xf00);
}

static u32 unpack_attributes(const struct vmcb_seg *s)
{
	u32 ar = (s->attrib & 0xff) | ((s->attrib & 0xf00u) << 4);

	/* G is not kept for every segment: derive it */
	ar &= ~SEG_G;
	if (s->limit > 0xfffff)
		ar |= SEG_G;
	return ar;
}

static void write_segment(struct vmcb_seg *out, const struct segment *in)
{
	out->selector = in->selector;
	out->attrib = pack_attributes(in->ar);
	out->limit = in->limit;
	out->base = in->base;
}

static void fetch_segment(struct segment *out, const struct vmcb_seg *in)
{
	out->selector = in->selector;
	out->ar = unpack_attributes(in);
	out->limit = in->limit;
	out->base = in->base;
	if (!(out->ar & SEG_P))
		out->ar |= SEG_UNUSABLE;
}

static void write_segments(struct vmcb *vmcb, const struct vcpu_regs *r)
{
	struct vmcb_save_area *save = &vmcb->save;

	write_segment(&save->es, &r->seg[SEG_ES]);
	write_segment(&save->cs, &r->seg[SEG_CS]);
	write_segment(&save->ss, &r->seg[SEG_SS]);
	write_segment(&save->ds, &r->seg[SEG_DS]);
	write_segment(&save->fs, &r->seg[SEG_FS]);
	write_segment(&save->gs, &r->seg[SEG_GS]);
	write_segment(&save->ldtr, &r->seg[SEG_LDTR]);
	write_segment(&save->tr, &r->seg[SEG_TR]);
	save->cpl = seg_dpl(&r->seg[SEG_SS]);
	vmcb_changed(vmcb, VMCB_CLEAN_SEG);
}

static void fetch_segments(struct vcpu_regs *r, const struct vmcb *vmcb)
{
	const struct vmcb_save_area *save = &vmcb->save;
	struct segment *ss = &r->seg[SEG_SS];
	unsigned int i;

	fetch_segment(&r->seg[SEG_ES], &save->es);
	fetch_segment(&r->seg[SEG_CS], &save->cs);
	fetch_segment(ss, &save->ss);
	fetch_segment(&r->seg[SEG_DS], &save->ds);
	fetch_segment(&r->seg[SEG_FS], &save->fs);
	fetch_segment(&r->seg[SEG_GS], &save->gs);
	fetch_segment(&r->seg[SEG_LDTR], &save->ldtr);
	fetch_segment(&r->seg[SEG_TR], &save->tr);

	/* the CPL field rules; SS may be a null selector in 64-bit mode */
	ss->ar = (ss->ar & ~(3u << SEG_DPL_SHIFT)) | (u32)(save->cpl & 3) << SEG_DPL_SHIFT;
	/* what Intel's format asks for: code and data accessed, the task busy */
	for (i = SEG_ES; i <= SEG_GS; i++)
		if (!(r->seg[i].ar & SEG_UNUSABLE))
			r->seg[i].ar |= 1;
	if (!(r->seg[SEG_TR].ar & SEG_UNUSABLE))
		r->seg[SEG_TR].ar |= 2;
}

static void write_tables(struct vmcb *vmcb, const struct vcpu_regs *r)
{
	vmcb->save.gdtr.base = r->gdt.base;
	vmcb->save.gdtr.limit = r->gdt.limit;
	vmcb->save.idtr.base = r->idt.base;
	vmcb->save.idtr.limit = r->idt.limit;
	vmcb_changed(vmcb, VMCB_CLEAN_DT);
}

static void fetch_tables(struct vcpu_regs *r, const struct vmcb *vmcb)
{
	r->gdt.base = vmcb->save.gdtr.base;
	r->gdt.limit = vmcb->save.gdtr.limit;
	r->idt.base = vmcb->save.idtr.base;
	r->idt.limit = vmcb->save.idtr.limit;
}

/* ---- control registers ---- */

/*
 * The guest's paging is software's: hardware has paging and write protection on, tables of the long or PAE format and no-execute, and the
 * guest's SMEP, SMAP and protection keys while it pages. Real mode is paged too (APM, "Paged Real Mode"). Not global pages nor
 * PCIDs, and long mode only once the guest has turned paging on.
 */
#define CR4_OF_PAGING	(X86_CR4_SMEP | X86_CR4_SMAP | X86_CR4_PKE)

static void write_control_shadow(struct svm_vcpu *svm)
{
	const struct vcpu_regs *r = &svm->vcpu.regs;
	struct vmcb_save_area *save = &svm->vmcb->save;
	bool paging = r->cr0 & X86_CR0_PG;

	save->cr0 = (r->cr0 & ~CR0_UNCACHED) | X86_CR0_PG | X86_CR0_WP;
	save->cr4 = (r->cr4 & ~(u64)(X86_CR4_PGE | X86_CR4_PCIDE | (paging ? 0 : CR4_OF_PAGING))) | X86_CR4_PAE | X86_CR4_MCE;
	save->efer = (r->efer & ~(u64)(paging ? 0 : EFER_LME)) | EFER_SVME | EFER_NX;
	vmcb_changed(svm->vmcb, VMCB_CLEAN_CR);
}

static void write_control(struct svm_vcpu *svm, u32 groups)
{
	const struct vcpu_regs *r = &svm->vcpu.regs;
	struct vmcb_save_area *save = &svm->vmcb->save;

	if (groups & RG_CR0)
		save->cr0 = r->cr0 & ~CR0_UNCACHED;
	if (groups & RG_CR3)
		save->cr3 = r->cr3;
	/* a machine check in the guest must reach the host, not shut the CPU down */
	if (groups & RG_CR4)
		save->cr4 = r->cr4 | X86_CR4_MCE;
	if (groups & RG_EFER)
		save->efer = r->efer | EFER_SVME;
	vmcb_changed(svm->vmcb, VMCB_CLEAN_CR);
	if (groups & (RG_CR0 | RG_CR4))
		svm_cr_intercepts(svm);
}

static void write_syscall(struct vmcb_save_area *save, const struct vcpu_regs *r)
{
	save->star = r->star;
	save->lstar = r->lstar;
	save->cstar = r->cstar;
	save->sfmask = r->sfmask;
	save->kernel_gs_base = r->kernel_gs_base;
	save->sysenter_cs = r->sysenter_cs;
	save->sysenter_esp = r->sysenter_esp;
	save->sysenter_eip = r->sysenter_eip;
}

static void fetch_syscall(struct vcpu_regs *r, const struct vmcb_save_area *save)
{
	r->star = save->star;
	r->lstar = save->lstar;
	r->cstar = save->cstar;
	r->sfmask = save->sfmask;
	r->kernel_gs_base = save->kernel_gs_base;
	r->sysenter_cs = save->sysenter_cs;
	r->sysenter_esp = save->sysenter_esp;
	r->sysenter_eip = save->sysenter_eip;
}

static void write_tsc(struct svm_vcpu *svm)
{
	svm->vmcb->control.tsc_offset = svm->vcpu.tsc.offset;
	vmcb_changed(svm->vmcb, VMCB_CLEAN_INTERCEPTS);
	svm_tsc_ratio_load(svm);
}

/* ---- debug registers ---- */

/* Debug registers, or who owns them, changed: bring VMCB and intercepts in line. */
static void write_debug(struct svm_vcpu *svm)
{
	struct dr_plan plan = keel_dr_plan(&svm->vcpu);
	struct vmcb *vmcb = svm->vmcb;

	vmcb->save.dr6 = svm->vcpu.regs.dr6;
	vmcb->save.dr7 = plan.dr7;
	vmcb->control.intercepts[INTERCEPT_DR] = plan.open ? 0 : ~0u;
	vmcb_changed(vmcb, VMCB_CLEAN_DR | VMCB_CLEAN_INTERCEPTS);
	if (plan.switched)
		svm->rare |= RARE_DR;
	else
		svm->rare &= ~RARE_DR;
}

static void fetch_debug(struct svm_vcpu *svm)
{
	struct vcpu_regs *r = &svm->vcpu.regs;

	r->dr6 = svm->vmcb->save.dr6;
	if (!vcpu_launcher_breakpoints(&svm->vcpu))
		r->dr7 = svm->vmcb->save.dr7;
}

/* ---- by group ---- */

/**
 * svm_regs_fetch() - copy groups from the VMCB
 * @vcpu: loaded, outside guest mode
 * @groups: RG_* that are not valid in vcpu->regs
 *
 * SVM_KEPT groups are always valid there: their every change is intercepted.
 */
void svm_regs_fetch(struct vcpu *vcpu, u32 groups)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	struct vcpu_regs *r = &vcpu->regs;
	const struct vmcb_save_area *save = &svm->vmcb->save;

	/* hot: what a walk of the guest's page tables needs */
	if (groups & RG_CR0)
		r->cr0 = save->cr0 | (r->cr0 & CR0_UNCACHED);
	if (groups & RG_CR3)
		r->cr3 = save->cr3;
	if (groups & RG_CODE)
		svm_code_fetch(svm);
	if (likely(!(groups & ~(RG_CR0 | RG_CR3 | RG_CODE))))
		return;
	if (groups & RG_SEG)
		fetch_segments(r, svm->vmcb);
	if (groups & RG_CR2)
		r->cr2 = save->cr2;
	if (groups & RG_DT)
		fetch_tables(r, svm->vmcb);
	if (groups & RG_DR)
		fetch_debug(svm);
	if (groups & RG_SYSCALL)
		fetch_syscall(r, save);
}

/*
 * svm_regs_write() - bring dirty groups to the VMCB
 *
 * Context: interrupts off, before the entry. RAX, RSP, RIP and RFLAGS are the caller's.
 */
void svm_regs_write(struct svm_vcpu *svm, u32 groups)
{
	struct vcpu *vcpu = &svm->vcpu;
	struct vcpu_regs *r = &vcpu->regs;
	struct vmcb *vmcb = svm->vmcb;

	if (groups & RG_SHADOW)
		vmcb->control.int_state = vcpu->events.shadow ? SVM_INTERRUPT_SHADOW_MASK : 0;
	if (likely(!(groups & ~(RG_SHADOW | RG_RSP | RG_RIP | RG_RFLAGS))))
		return;
	if (groups & (RG_CR0 | RG_CR3 | RG_CR4 | RG_EFER)) {
		if (unlikely(vcpu->shadow))
			write_control_shadow(svm);
		else
			write_control(svm, groups);
	}
	if (groups & RG_CR2) {
		vmcb->save.cr2 = r->cr2;
		vmcb_changed(vmcb, VMCB_CLEAN_CR2);
	}
	if (groups & RG_SEG)
		write_segments(vmcb, r);
	if (groups & RG_DT)
		write_tables(vmcb, r);
	if (groups & RG_DR)
		write_debug(svm);
	if (groups & RG_SYSCALL)
		write_syscall(&vmcb->save, r);
	if (groups & RG_PAT) {
		vmcb->save.g_pat = r->pat;
		vmcb_changed(vmcb, VMCB_CLEAN_NPT);
	}
	if (unlikely(groups & RG_ROOT && vcpu->shadow)) {
		svm->root = keel_shadow_cr3(vcpu);
		vmcb->save.cr3 = svm->root;
		vmcb_changed(vmcb, VMCB_CLEAN_CR);
	} else if (groups & RG_ROOT) {
		vmcb->control.nested_cr3 = __sme_set(keel_memory_root(vcpu));
		vmcb_changed(vmcb, VMCB_CLEAN_NPT);
	}
	if (groups & RG_TSC)
		write_tsc(svm);
	if (groups & RG_TPR)
		svm_tpr_write(svm);
}
