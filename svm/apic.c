// SPDX-License-Identifier: GPL-2.0-only
/*
 * The local APIC's part in the VMCB: the task priority, which a guest in 64-bit mode reads in CR8 without an exit. Writes of CR8 are
 * intercepted, so that interrupts which they let through are looked at; V_TPR can still change by itself on a CPU whose
 * intercept lets writes pass. All other registers of the APIC are accessed with exits.
 */
#include <keel/access.h>
#include <keel/irq.h>
#include <keel/vcpu.h>
#include "regs.h"
#include "svm.h"

/*
 * svm_tpr_write() - V_TPR as the APIC has it
 */
void svm_tpr_write(struct svm_vcpu *svm)
{
	svm_set_int_ctl(svm, (svm->int_ctl & ~V_TPR_MASK) | (keel_get_cr8(&svm->vcpu) & V_TPR_MASK));
}

/*
 * svm_tpr_changed() - the guest has written CR8 without an exit
 */
void svm_tpr_changed(struct svm_vcpu *svm)
{
	u32 tpr = svm->vmcb->control.int_ctl & V_TPR_MASK;

	svm->int_ctl = (svm->int_ctl & ~(u32)V_TPR_MASK) | tpr;
	if (svm->vcpu.lapic)
		keel_lapic_set_tpr(&svm->vcpu, tpr);
	else
		svm->vcpu.cr8 = tpr;
}
