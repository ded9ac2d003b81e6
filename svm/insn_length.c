// SPDX-License-Identifier: GPL-2.0-only
/*
 * The length of the intercepted instruction where the CPU does not say it (no NRIP save): its bytes are fetched and measured.
 */
#include <linux/mm.h>
#include <asm/processor.h>
#include <keel/emulate.h>
#include <keel/guest_access.h>
#include <keel/memory.h>
#include <keel/vcpu.h>
#include <keel/vm.h>
#include "exit.h"
#include "svm.h"

gva_t svm_linear_rip(const struct svm_vcpu *svm)
{
	const struct vmcb_save_area *save = &svm->vmcb->save;

	if (likely((save->efer & EFER_LMA) && (save->cs.attrib & SVM_SELECTOR_L_MASK)))
		return svm->vcpu.regs.rip;
	return (u32)(save->cs.base + svm->vcpu.regs.rip);
}

static enum emu_mode decode_mode(const struct vmcb_save_area *save)
{
	bool big = save->cs.attrib & SVM_SELECTOR_DB_MASK;

	if (save->efer & EFER_LMA) {
		if (save->cs.attrib & SVM_SELECTOR_L_MASK)
			return EMU_MODE_LONG;
		return big ? EMU_MODE_COMPAT32 : EMU_MODE_COMPAT16;
	}
	if (!(save->cr0 & X86_CR0_PE))
		return EMU_MODE_REAL;
	if (save->rflags & X86_EFLAGS_VM)
		return EMU_MODE_VM86;
	return big ? EMU_MODE_PROT32 : EMU_MODE_PROT16;
}

unsigned int svm_measure_fast(struct svm_vcpu *svm, enum emu_op op)
{
	const struct vmcb *vmcb = svm->vmcb;
	u8 bytes[EMU_MAX_INSN];
	unsigned int n;

	n = keel_fetch_linear_atomic(&svm->vcpu, svm_linear_rip(svm), vmcb->save.cpl == 3 ? WALK_USER : 0, bytes,
				     EMU_MAX_INSN);
	return n ? emu_skip_length(decode_mode(&vmcb->save), bytes, n, op) : 0;
}

unsigned int svm_measure_slow(struct svm_vcpu *svm, enum emu_op op)
{
	const struct vmcb *vmcb = svm->vmcb;
	gva_t la = svm_linear_rip(svm), where;
	unsigned int n = min_t(unsigned int, EMU_MAX_INSN, PAGE_SIZE - offset_in_page(la));
	u32 access = WALK_FETCH | (vmcb->save.cpl == 3 ? WALK_USER : 0);
	u8 bytes[EMU_MAX_INSN];
	struct walk walk;

	if (keel_read_virt(&svm->vcpu, la, bytes, n, access, &walk, &where))
		return 0;
	return emu_skip_length(decode_mode(&vmcb->save), bytes, n, op);
}
