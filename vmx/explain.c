// SPDX-License-Identifier: GPL-2.0-only
/*
 * Why an entry was refused, in words: a snapshot of the VMCS for the rules of check.c, and what this CPU's capabilities say about them.
 */
#define pr_fmt(fmt) "keel: " fmt

#include <linux/build_bug.h>
#include <linux/ratelimit.h>
#include <asm/msr.h>
#include <asm/processor.h>
#include <keel/vcpu.h>
#include <keel/vm.h>
#include "check.h"
#include "insn.h"
#include "control.h"

static_assert((int)CHECK_SEGS == (int)NR_SEGS && (int)CHECK_LDTR == (int)SEG_LDTR && (int)CHECK_SS == (int)SEG_SS);

static void take_controls(struct vmx_snapshot *s)
{
	s->pin = vmcs_read32(PIN_BASED_VM_EXEC_CONTROL);
	s->cpu = vmcs_read32(CPU_BASED_VM_EXEC_CONTROL);
	s->cpu2 = vmcs_read32(SECONDARY_VM_EXEC_CONTROL);
	s->exit = vmcs_read32(VM_EXIT_CONTROLS);
	s->entry = vmcs_read32(VM_ENTRY_CONTROLS);
	s->cr3_target_count = vmcs_read32(CR3_TARGET_COUNT);
	s->msr_bitmap = vmcs_read64(MSR_BITMAP);
	s->eptp = vmcs_read64(EPT_POINTER);
	if (s->cpu2 & SECONDARY_EXEC_ENABLE_VPID)
		s->vpid = vmcs_read16(VIRTUAL_PROCESSOR_ID);
	if (s->cpu2 & SECONDARY_EXEC_TSC_SCALING)
		s->tsc_multiplier = vmcs_read64(TSC_MULTIPLIER);
	s->entry_info = vmcs_read32(VM_ENTRY_INTR_INFO_FIELD);
	s->entry_error = vmcs_read32(VM_ENTRY_EXCEPTION_ERROR_CODE);
	s->entry_length = vmcs_read32(VM_ENTRY_INSTRUCTION_LEN);
}

static void take_host(struct vmx_snapshot *s)
{
	s->host_cr0 = vmcs_readl(HOST_CR0);
	s->host_cr3 = vmcs_readl(HOST_CR3);
	s->host_cr4 = vmcs_readl(HOST_CR4);
	s->host_efer = vmcs_read64(HOST_IA32_EFER);
	if (s->exit & VM_EXIT_LOAD_IA32_PAT)
		s->host_pat = vmcs_read64(HOST_IA32_PAT);
	s->host_rip = vmcs_readl(HOST_RIP);
	s->host_sysenter_esp = vmcs_readl(HOST_IA32_SYSENTER_ESP);
	s->host_sysenter_eip = vmcs_readl(HOST_IA32_SYSENTER_EIP);
	s->host_fs_base = vmcs_readl(HOST_FS_BASE);
	s->host_gs_base = vmcs_readl(HOST_GS_BASE);
	s->host_tr_base = vmcs_readl(HOST_TR_BASE);
	s->host_gdtr_base = vmcs_readl(HOST_GDTR_BASE);
	s->host_idtr_base = vmcs_readl(HOST_IDTR_BASE);
	s->host_cs = vmcs_read16(HOST_CS_SELECTOR);
	s->host_ss = vmcs_read16(HOST_SS_SELECTOR);
	s->host_ds = vmcs_read16(HOST_DS_SELECTOR);
	s->host_es = vmcs_read16(HOST_ES_SELECTOR);
	s->host_fs = vmcs_read16(HOST_FS_SELECTOR);
	s->host_gs = vmcs_read16(HOST_GS_SELECTOR);
	s->host_tr = vmcs_read16(HOST_TR_SELECTOR);
}

static void take_segments(struct vmx_snapshot *s)
{
	unsigned int n;

	for (n = 0; n < CHECK_SEGS; n++) {
		s->seg[n].selector = __vmcs_read(GUEST_ES_SELECTOR + 2 * n);
		s->seg[n].base = __vmcs_read(GUEST_ES_BASE + 2 * n);
		s->seg[n].limit = __vmcs_read(GUEST_ES_LIMIT + 2 * n);
		s->seg[n].ar = __vmcs_read(GUEST_ES_AR_BYTES + 2 * n);
	}
	s->gdtr_base = vmcs_readl(GUEST_GDTR_BASE);
	s->gdtr_limit = vmcs_read32(GUEST_GDTR_LIMIT);
	s->idtr_base = vmcs_readl(GUEST_IDTR_BASE);
	s->idtr_limit = vmcs_read32(GUEST_IDTR_LIMIT);
}

static void take_guest(struct vmx_snapshot *s)
{
	s->cr0 = vmcs_readl(GUEST_CR0);
	s->cr3 = vmcs_readl(GUEST_CR3);
	s->cr4 = vmcs_readl(GUEST_CR4);
	s->dr7 = vmcs_readl(GUEST_DR7);
	s->debugctl = vmcs_read64(GUEST_IA32_DEBUGCTL);
	s->efer = vmcs_read64(GUEST_IA32_EFER);
	if (s->entry & VM_ENTRY_LOAD_IA32_PAT)
		s->pat = vmcs_read64(GUEST_IA32_PAT);
	s->rip = vmcs_readl(GUEST_RIP);
	s->rflags = vmcs_readl(GUEST_RFLAGS);
	s->sysenter_esp = vmcs_readl(GUEST_SYSENTER_ESP);
	s->sysenter_eip = vmcs_readl(GUEST_SYSENTER_EIP);
	s->activity = vmcs_read32(GUEST_ACTIVITY_STATE);
	s->interruptibility = vmcs_read32(GUEST_INTERRUPTIBILITY_INFO);
	s->pending_debug = vmcs_readl(GUEST_PENDING_DBG_EXCEPTIONS);
	s->link_pointer = vmcs_read64(VMCS_LINK_POINTER);
	s->pdpte[0] = vmcs_read64(GUEST_PDPTR0);
	s->pdpte[1] = vmcs_read64(GUEST_PDPTR1);
	s->pdpte[2] = vmcs_read64(GUEST_PDPTR2);
	s->pdpte[3] = vmcs_read64(GUEST_PDPTR3);
}

static struct vmx_check_range range(u32 msr)
{
	struct vmx_check_range r = { .may = ~0u };

	rdmsr_safe(msr, &r.must, &r.may);
	return r;
}

static void take_env(struct vmx_check_env *env)
{
	u64 basic = 0, misc = 0;
	bool precise;

	rdmsrl_safe(MSR_IA32_VMX_BASIC, &basic);
	rdmsrl_safe(MSR_IA32_VMX_MISC, &misc);
	precise = basic & BIT_ULL(55);
	env->pin = range(precise ? MSR_IA32_VMX_TRUE_PINBASED_CTLS : MSR_IA32_VMX_PINBASED_CTLS);
	env->cpu = range(precise ? MSR_IA32_VMX_TRUE_PROCBASED_CTLS : MSR_IA32_VMX_PROCBASED_CTLS);
	env->cpu2 = range(MSR_IA32_VMX_PROCBASED_CTLS2);
	env->exit = range(precise ? MSR_IA32_VMX_TRUE_EXIT_CTLS : MSR_IA32_VMX_EXIT_CTLS);
	env->entry = range(precise ? MSR_IA32_VMX_TRUE_ENTRY_CTLS : MSR_IA32_VMX_ENTRY_CTLS);
	rdmsrl_safe(MSR_IA32_VMX_CR0_FIXED0, &env->cr0_must);
	rdmsrl_safe(MSR_IA32_VMX_CR0_FIXED1, &env->cr0_may);
	rdmsrl_safe(MSR_IA32_VMX_CR4_FIXED0, &env->cr4_must);
	rdmsrl_safe(MSR_IA32_VMX_CR4_FIXED1, &env->cr4_may);
	env->maxphyaddr = boot_cpu_data.x86_phys_bits;
	env->linear_bits = boot_cpu_data.x86_virt_bits;
	env->ept_ad = vmx_caps.ept_ad;
	env->hlt_state = misc & VMX_MISC_ACTIVITY_HLT;
	env->zero_length = vmx_caps.zero_length;
}

/*
 * vmx_explain_entry() - say which rule made the CPU refuse the entry; the VMCS itself goes to the log once in a while
 *
 * Context: loaded, may sleep.
 */
void vmx_explain_entry(struct vmx_vcpu *vmx)
{
	static DEFINE_RATELIMIT_STATE(dump_limit, 30 * HZ, 1);
	struct vcpu *vcpu = &vmx->vcpu;
	struct vmx_snapshot s = { };
	struct vmx_check_env env = { };
	struct vmx_violation v;

	preempt_disable();
	take_controls(&s);
	take_host(&s);
	take_segments(&s);
	take_guest(&s);
	take_env(&env);
	preempt_enable();
	if (vmx_check(&s, &env, &v))
		keel_explain(vcpu->vm, vcpu->id, "VM entry refused: %s = %#llx: %s (%s)", v.field, v.value, v.rule, v.section);
	else
		keel_explain(vcpu->vm, vcpu->id, "VM entry refused (exit %#x, VM-instruction error %u), and no rule known to Keel is broken",
			     vmx->exit_reason, vmcs_read32(VM_INSTRUCTION_ERROR));
	if (__ratelimit(&dump_limit))
		vmx_dump(vcpu);
}
