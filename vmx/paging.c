// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guests on shadow tables: control registers, page faults and INVLPG. The tables are those of ept/shadow*.c.
 *
 * All of CR0, CR3 and CR4 is the host's to decide: accesses exit, and vcpu_regs always has what the guest sees. Paging and protection
 * are on in hardware whatever the guest has, so that what it does in real mode is software's (software.c).
 */
#include <asm/msr.h>
#include <asm/vmx.h>
#include <keel/access.h>
#include <keel/exit.h>
#include <keel/guest_access.h>
#include <keel/shadow.h>
#include <keel/vcpu.h>
#include <keel/vendor.h>
#include "caps.h"
#include "insn.h"
#include "native.h"
#include "paging.h"
#include "vmx.h"

/* Page-fault error code */
#define PF_WRITE	BIT(1)
#define PF_USER		BIT(2)
#define PF_FETCH	BIT(4)

static struct vmx_control_regs guest_control(const struct vcpu_regs *r)
{
	return (struct vmx_control_regs){ .cr0 = r->cr0, .cr4 = r->cr4, .efer = r->efer };
}

/*
 * vmx_native_update() - what VM entry thinks of the guest's mode and segments has changed
 *
 * Context: VMCS current.
 */
void vmx_native_update(struct vmx_vcpu *vmx)
{
	struct vcpu *vcpu = &vmx->vcpu;
	struct vmx_control_regs guest = guest_control(&vcpu->regs);

	vcpu_need(vcpu, RG_SEG | RG_RFLAGS);
	if (vmx_is_native(&guest, vcpu->regs.rflags, vcpu->regs.seg, vmx_caps.linear_bits))
		vmx_rare_clear(vmx, RARE_SOFTWARE);
	else
		vmx_rare_set(vmx, RARE_SOFTWARE);
}

/* vmx_efer_init() - of a new VMCS: who switches EFER */
void vmx_efer_init(struct vmx_vcpu *vmx)
{
	struct vmx_host *h = &vmx->host;

	if (vmx_caps.load_efer)
		return;
	h->nr_own = 1;
	h->msr_entry[0].index = h->msr_exit[0].index = MSR_EFER;
	rdmsrl(MSR_EFER, h->msr_exit[0].value);
}

/*
 * vmx_shadow_control_write() - CR0, CR4 and EFER to the VMCS
 * @groups: which of them, and of CR3, have changed: it comes as RG_ROOT
 *
 * Context: VMCS current; all of them are valid in vcpu->regs.
 */
void vmx_shadow_control_write(struct vmx_vcpu *vmx, u32 groups)
{
	const struct vcpu_regs *r = &vmx->vcpu.regs;
	struct vmx_control_regs guest = guest_control(r), hw = vmx_shadow_control(&guest);
	bool mode;

	if (!(groups & (RG_CR0 | RG_CR4 | RG_EFER)))
		return;
	/* a vCPU's first entry has new segments as well */
	mode = groups & RG_EFER || (vmcs_readl(CR0_READ_SHADOW) ^ r->cr0) & X86_CR0_PE;
	vmcs_writel(GUEST_CR0, hw.cr0 | vmx_caps.cr0_fixed);
	vmcs_writel(CR0_READ_SHADOW, r->cr0);
	/* a machine check in the guest must reach the host, not shut the CPU down */
	vmcs_writel(GUEST_CR4, hw.cr4 | vmx_caps.cr4_fixed | X86_CR4_MCE);
	vmcs_writel(CR4_READ_SHADOW, r->cr4);
	if (vmx_caps.load_efer)
		vmcs_write64(GUEST_IA32_EFER, hw.efer);
	else
		vmx->host.msr_entry[0].value = hw.efer;
	vmx_control_put(vmx, &vmx->wanted.entry, VM_ENTRY_IA32E_MODE, hw.efer & EFER_LMA);
	if (mode)
		vmx_native_update(vmx);
}

/*
 * vmx_shadow_root_write() - CR3 to the VMCS; VM entry reads PAE's four entries through it
 *
 * Context: VMCS current.
 */
void vmx_shadow_root_write(struct vmx_vcpu *vmx)
{
	vmcs_writel(GUEST_CR3, keel_shadow_cr3(&vmx->vcpu));
	vmx_rare_set(vmx, RARE_FLUSH_VPID);
}

int vmx_exit_page_fault(struct vmx_vcpu *vmx)
{
	struct vcpu *vcpu = &vmx->vcpu;
	u32 error = vmcs_read32(VM_EXIT_INTR_ERROR_CODE);
	struct page_fault_exit fault = {
		.gva = vmcs_readl(EXIT_QUALIFICATION),
		.is_delivery = vmcs_read32(IDT_VECTORING_INFO_FIELD) & VECTORING_INFO_VALID_MASK,
	};

	if (error & PF_WRITE)
		fault.access = WALK_WRITE;
	else if (error & PF_FETCH)
		fault.access = WALK_FETCH;
	if (error & PF_USER)
		fault.access |= WALK_USER;
	else if (vcpu_cpl(vcpu) == 3)
		fault.access |= WALK_IMPLICIT;
	return keel_do_page_fault(vcpu, &fault);
}

int vmx_exit_invlpg(struct vmx_vcpu *vmx)
{
	struct vcpu *vcpu = &vmx->vcpu;

	keel_shadow_invlpg(vcpu, vmcs_readl(EXIT_QUALIFICATION));
	keel_vendor->tlb_flush(vcpu, TLB_VM);
	vcpu_advance(vcpu, vmcs_read32(VM_EXIT_INSTRUCTION_LEN));
	return RUN_RESUME;
}
