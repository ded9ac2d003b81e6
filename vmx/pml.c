// SPDX-License-Identifier: GPL-2.0-only
/*
 * The page-modification log: a page in which the CPU writes the address of every guest page whose EPT dirty flag it sets. It is
 * always on. Pages of slots that are not logged are mapped with the flag set, so that the CPU writes nothing. The index counts down
 * and points at the next entry to be written; below zero the log is full, which exits.
 */
#include <linux/gfp.h>
#include <linux/mm.h>
#include <asm/io.h>
#include <keel/guest_access.h>
#include <keel/memory.h>
#include <keel/vcpu.h>
#include <keel/vendor.h>
#include "control.h"
#include "insn.h"
#include "vmx.h"

#define PML_ENTRIES	512

int vmx_pml_create(struct vmx_vcpu *vmx)
{
	if (!keel_caps.dirty_log || vmx->pml)
		return 0;
	/* nothing is read there that the CPU has not written */
	vmx->pml = (u64 *)__get_free_page(GFP_KERNEL_ACCOUNT);
	return vmx->pml ? 0 : -ENOMEM;
}

void vmx_pml_destroy(struct vmx_vcpu *vmx)
{
	free_page((unsigned long)vmx->pml);
	vmx->pml = NULL;
}

/* VMCS current, and nothing logged yet. */
void vmx_pml_init(struct vmx_vcpu *vmx)
{
	if (!vmx->pml)
		return;
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
		keel_vcpu_mark_dirty(vcpu, vmx->pml[i] >> PAGE_SHIFT);
	vmcs_write16(GUEST_PML_INDEX, PML_ENTRIES - 1);
}
