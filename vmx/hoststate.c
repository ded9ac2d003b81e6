// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host's state in a VMCS that stays the same for the life of the vCPU, or for its time on a CPU. What a context switch or another
 * thread changes is written right before the entries of an inner loop (vcpu.c).
 */
#include <asm/cpu_entry_area.h>
#include <asm/desc.h>
#include <asm/msr.h>
#include <asm/processor.h>
#include <asm/segment.h>
#include "caps.h"
#include "control.h"
#include "insn.h"
#include "vmx.h"

/*
 * vmx_host_tables_write() - the host's state that differs from CPU to CPU
 *
 * Context: VMCS current, preemption off.
 */
void vmx_host_tables_write(struct vmx_vcpu *vmx)
{
	int cpu = smp_processor_id();
	u64 val;

	vmcs_writel(HOST_TR_BASE, (unsigned long)&get_cpu_entry_area(cpu)->tss.x86_tss);
	vmx->host.gdt.address = (unsigned long)get_current_gdt_ro();
	vmx->host.gdt.size = GDT_SIZE - 1;
	vmcs_writel(HOST_GDTR_BASE, vmx->host.gdt.address);
	rdmsrl(MSR_GS_BASE, val);
	vmcs_writel(HOST_GS_BASE, val);
	rdmsrl(MSR_IA32_SYSENTER_ESP, val);
	vmcs_writel(HOST_IA32_SYSENTER_ESP, val);
}

void vmx_host_init(void)
{
	struct desc_ptr idt;
	u64 val;

	store_idt(&idt);
	vmcs_writel(HOST_IDTR_BASE, idt.address);
	vmcs_writel(HOST_CR0, read_cr0());
	vmcs_writel(HOST_RIP, (unsigned long)vmx_exit_point);
	vmcs_write16(HOST_CS_SELECTOR, __KERNEL_CS);
	vmcs_write16(HOST_SS_SELECTOR, __KERNEL_DS);
	vmcs_write16(HOST_DS_SELECTOR, 0);
	vmcs_write16(HOST_ES_SELECTOR, 0);
	vmcs_write16(HOST_FS_SELECTOR, 0);
	vmcs_write16(HOST_GS_SELECTOR, 0);
	vmcs_write16(HOST_TR_SELECTOR, GDT_ENTRY_TSS * 8);
	rdmsrl(MSR_IA32_SYSENTER_CS, val);
	vmcs_write32(HOST_IA32_SYSENTER_CS, val);
	rdmsrl(MSR_IA32_SYSENTER_EIP, val);
	vmcs_writel(HOST_IA32_SYSENTER_EIP, val);
	if (vmx_caps.load_efer) {
		rdmsrl(MSR_EFER, val);
		vmcs_write64(HOST_IA32_EFER, val);
	}
	if (vmx_caps.entry & VM_ENTRY_LOAD_IA32_PAT) {
		rdmsrl(MSR_IA32_CR_PAT, val);
		vmcs_write64(HOST_IA32_PAT, val);
	}
}
