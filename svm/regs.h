/* SPDX-License-Identifier: GPL-2.0-only */
/* Registers between struct vcpu and the VMCB (regs.c), the task priority among them (apic.c). */
#ifndef KEEL_SVM_REGS_H
#define KEEL_SVM_REGS_H

#include <linux/types.h>
#include "svm.h"

/*
 * What the inner loop asks for, without a way through svm_regs_fetch(): CR3, which with shadow paging is always valid, and
 * RG_CODE. Nobody looks for the granularity of CS there.
 */
static __always_inline void svm_need_cr3(struct svm_vcpu *svm)
{
	struct vcpu_regs *r = &svm->vcpu.regs;

	if (r->valid & RG_CR3)
		return;
	r->cr3 = svm->vmcb->save.cr3;
	r->valid |= RG_CR3;
}

static __always_inline void svm_code_fetch(struct svm_vcpu *svm)
{
	const struct vmcb_save_area *save = &svm->vmcb->save;
	struct vcpu_regs *r = &svm->vcpu.regs;

	r->seg[SEG_CS].ar = (save->cs.attrib & 0xff) | (save->cs.attrib & 0xf00u) << 4;
	r->seg[SEG_CS].base = save->cs.base;
	r->seg[SEG_SS].ar = (u32)(save->cpl & 3) << SEG_DPL_SHIFT;
}

static __always_inline void svm_need_code(struct svm_vcpu *svm)
{
	if (svm->vcpu.regs.valid & (RG_SEG | RG_CODE))
		return;
	svm_code_fetch(svm);
	svm->vcpu.regs.valid |= RG_CODE;
}

void svm_regs_fetch(struct vcpu *vcpu, u32 groups);
void svm_regs_write(struct svm_vcpu *svm, u32 groups);
void svm_tpr_write(struct svm_vcpu *svm);
void svm_tpr_changed(struct svm_vcpu *svm);

#endif
