// SPDX-License-Identifier: GPL-2.0-only
/*
 * Page-modification logging: each vCPU has a page in which the CPU writes the address of every guest page whose EPT dirty flag it sets.
 *
 * It is always on. Pages of slots that are not logged are mapped with the flag set, so that the CPU writes nothing. The index
 * counts down and points at the next entry to be written; below zero the log is full, which exits.
 */
#include <linux/gfp.h>
#include <linux/mm.h>
#include <asm/io.h>
#include <keel/memory.h>
#include <keel/vcpu.h>
#include "insn.h"
#include "control.h"

#define PML_ENTRIES	512

int vmx_pml_create(struct vmx_vcpu *vmx)
{
	if (!keel_caps.dirty_log)
		return 0;
	vmx->pml = (u64 *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	return vmx->pml ? 0 : -ENOMEM;
}

void vmx_pml_destroy(struct vmx_vcpu *vmx)
{
	free_page((unsigned long)vmx->pml);
	vmx->pml = NULL;
}

/* VMCS current for the first time. */
void vmx_pml_init(struct vmx_vcpu *vmx)
{
	if (!vmx->pml)
		return;
	vmx->wanted.cpu2 |= SECONDARY_EXEC_ENABLE_PML;
	vmcs_write64(PML_ADDRESS, virt_to_phys(vmx->pml));
	vmcs_write16(GUEST_PML_INDEX, PML_ENTRIES - 1);
}

/*
 * vmx_dirty_flush() - mark what is in the log, and empty it
 *
 * Context: loaded; interrupts may be off.
 */
void vmx_dirty_flush(struct vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	u16 index = vmcs_read16(GUEST_PML_INDEX);
	unsigned int i;

	if (index == PML_ENTRIES - 1)
		return;
	for (i = index >= PML_ENTRIES ? 0 : index + 1; i < PML_ENTRIES; i++)
		keel_mark_dirty(vcpu->vm, vmx->pml[i] >> PAGE_SHIFT);
	vmcs_write16(GUEST_PML_INDEX, PML_ENTRIES - 1);
}

/* The log is full: the access that found it so executes again. */
enum exit_verdict vmx_exit_pml(struct vmx_vcpu *vmx)
{
	vmx_event_interrupted(vmx);
	if (unlikely(vmcs_readl(EXIT_QUALIFICATION) & NMI_UNBLOCKED_BY_IRET) && !vmx->vcpu.events.injected.valid)
		vmx_nmi_reblock(vmx);
	vmx_dirty_flush(&vmx->vcpu);
	return EXIT_AGAIN;
}
