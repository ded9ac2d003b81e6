// SPDX-License-Identifier: GPL-2.0-only
/*
 * Why an entry was refused, in words: a snapshot of the VMCS for the rules of check.c, what this CPU's capabilities say about them, and
 * the manual's names of VM-instruction errors.
 */
#define pr_fmt(fmt) "keel: " fmt

#include <linux/build_bug.h>
#include <linux/mm.h>
#include <linux/ratelimit.h>
#include <linux/stddef.h>
#include <asm/apicdef.h>
#include <asm/io.h>
#include <asm/msr.h>
#include <asm/processor.h>
#include <uapi/asm/vmx.h>
#include <keel/vcpu.h>
#include <keel/vm.h>
#include "caps.h"
#include "check.h"
#include "exit.h"
#include "insn.h"
#include "vmx.h"

/* What <asm/msr-index.h> of some supported kernel lacks. */
#define MSR_VMX_PROCBASED_CTLS3	0x492
#define MSR_VMX_EXIT_CTLS2	0x493

/* ---- the VMCS ---- */

static const struct {
	u16 field;
	u16 at;
	u8 size;
} fields[] = {
#define FIELD(type, member, number, ...) { number, offsetof(struct vmx_snapshot, member), sizeof(type) },
	VMX_FIELDS(FIELD)
#undef FIELD
};

/* All CPUs of a machine have the same fields: ask once. Racing askers come to the same answer. */
static bool has_field(unsigned int i)
{
	static u8 known[ARRAY_SIZE(fields)];
	enum { UNKNOWN, PRESENT, ABSENT };

	if (READ_ONCE(known[i]) == UNKNOWN)
		WRITE_ONCE(known[i], vmcs_has(fields[i].field) ? PRESENT : ABSENT);
	return READ_ONCE(known[i]) == PRESENT;
}

/* What a field points at, if that is memory. */
static const void *field_target(u64 address)
{
	return pfn_valid(PHYS_PFN(address)) ? phys_to_virt(address) : NULL;
}

static void take_memory(struct vmx_snapshot *s)
{
	const u8 *apic = field_target(s->virtual_apic);

	if ((s->cpu & CPU_BASED_TPR_SHADOW) && apic && !offset_in_page(s->virtual_apic))
		s->vtpr = apic[APIC_TASKPRI];
	if (!s->entry_load_count)
		return;
	s->msrs = field_target(s->entry_load_addr);
	if (s->msrs)
		s->nr_msrs = min_t(u32, s->entry_load_count, (PAGE_SIZE - offset_in_page(s->entry_load_addr)) / sizeof(*s->msrs));
}

void vmx_snapshot_take(struct vmx_snapshot *s)
{
	unsigned int i;

	memset(s, 0, sizeof(*s));
	for (i = 0; i < ARRAY_SIZE(fields); i++) {
		u64 value;

		if (!has_field(i))
			continue;
		value = __vmcs_read(fields[i].field);
		/* little endian: the low bytes come first */
		memcpy((void *)s + fields[i].at, &value, fields[i].size);
	}
	for (i = 0; i < NR_SEGS; i++) {
		s->seg[i].selector = __vmcs_read(GUEST_ES_SELECTOR + 2 * i);
		s->seg[i].base = __vmcs_read(GUEST_ES_BASE + 2 * i);
		s->seg[i].limit = __vmcs_read(GUEST_ES_LIMIT + 2 * i);
		s->seg[i].ar = __vmcs_read(GUEST_ES_AR_BYTES + 2 * i);
	}
	take_memory(s);
}

/* ---- the CPU ---- */

static u64 capability(u32 msr)
{
	u64 val = 0;

	rdmsrl_safe(msr, &val);
	return val;
}

static struct vmx_check_range range(u32 msr)
{
	u64 val = capability(msr);

	return (struct vmx_check_range){ .must = val, .may = val >> 32 };
}

static void take_controls(struct vmx_check_env *env)
{
	/* newer CPUs have a second set of MSRs that tells the truth about controls once documented as fixed */
	bool precise = capability(MSR_IA32_VMX_BASIC) & BIT_ULL(55);

	env->pin = range(precise ? MSR_IA32_VMX_TRUE_PINBASED_CTLS : MSR_IA32_VMX_PINBASED_CTLS);
	env->cpu = range(precise ? MSR_IA32_VMX_TRUE_PROCBASED_CTLS : MSR_IA32_VMX_PROCBASED_CTLS);
	env->cpu2 = range(MSR_IA32_VMX_PROCBASED_CTLS2);
	env->exit = range(precise ? MSR_IA32_VMX_TRUE_EXIT_CTLS : MSR_IA32_VMX_EXIT_CTLS);
	env->entry = range(precise ? MSR_IA32_VMX_TRUE_ENTRY_CTLS : MSR_IA32_VMX_ENTRY_CTLS);
	/* without the control the MSR is not there, and the control may not be set */
	env->cpu3 = env->cpu.may & BIT(17) ? capability(MSR_VMX_PROCBASED_CTLS3) : 0;
	env->exit2 = env->exit.may & BIT(31) ? capability(MSR_VMX_EXIT_CTLS2) : 0;
	env->vm_functions = env->cpu2.may & SECONDARY_EXEC_ENABLE_VMFUNC ? capability(MSR_IA32_VMX_VMFUNC) : 0;
}

/* "IA32_DEBUGCTL MSR", "Layout of IA32_PERF_GLOBAL_CTRL", "IA32_RTIT_CTL MSR", "Last Branch Records" */
static void take_msrs(struct vmx_check_env *env)
{
	u32 leaves = cpuid_eax(0), f7b = 0, f7c = 0, f7d = 0;

	if (leaves >= 7) {
		f7b = cpuid_ebx(7);
		f7c = cpuid_ecx(7);
		f7d = cpuid_edx(7);
	}
	env->rtm = f7b & BIT(11);
	env->sgx = f7b & BIT(2);
	env->bus_lock = f7c & BIT(24);
	env->debugctl = GENMASK_ULL(14, 6) | GENMASK_ULL(1, 0);
	env->debugctl |= env->bus_lock ? BIT_ULL(2) : 0;
	env->debugctl |= env->rtm ? BIT_ULL(15) : 0;
	if (leaves >= 10) {
		u32 counters = (cpuid_eax(10) >> 8) & 0xff, fixed = cpuid_edx(10) & 0x1f;

		env->perf_global = (BIT_ULL(min(counters, 32u)) - 1) | ((BIT_ULL(fixed) - 1) << 32);
	}
	if (f7b & BIT(25))
		env->rtit_ctl = GENMASK_ULL(56, 55) | GENMASK_ULL(47, 31) | GENMASK_ULL(27, 24) | GENMASK_ULL(22, 19) | GENMASK_ULL(17, 0);
	if (f7d & BIT(19))
		env->lbr_ctl = GENMASK_ULL(22, 16) | GENMASK_ULL(3, 0);
	if (leaves >= 7 && cpuid_eax(7) >= 1) {
		u32 a, b, c, d;

		cpuid_count(7, 1, &a, &b, &c, &d);
		env->cr3_tags = a & BIT(26) ? GENMASK_ULL(62, 61) : 0;
	}
}

/*
 * vmx_check_this_cpu() - what vmx_check() has to know of this CPU
 */
void vmx_check_this_cpu(struct vmx_check_env *env)
{
	u64 misc = capability(MSR_IA32_VMX_MISC);

	*env = (struct vmx_check_env){
		.cr0_must	 = capability(MSR_IA32_VMX_CR0_FIXED0),
		.cr0_may	 = capability(MSR_IA32_VMX_CR0_FIXED1),
		.cr4_must	 = capability(MSR_IA32_VMX_CR4_FIXED0),
		.cr4_may	 = capability(MSR_IA32_VMX_CR4_FIXED1),
		.ept_vpid	 = capability(MSR_IA32_VMX_EPT_VPID_CAP),
		.maxphyaddr	 = cpuid_eax(0x80000000) >= 0x80000008 ? cpuid_eax(0x80000008) & 0xff : 36,
		.linear_bits	 = cpuid_eax(0x80000000) >= 0x80000008 ? (cpuid_eax(0x80000008) >> 8) & 0xff : 48,
		.cr3_targets	 = (misc >> 16) & 0x1ff,
		/* bits 8:6: HLT, shutdown, wait-for-SIPI */
		.activities	 = ((misc >> 6) & 7) << 1,
		.zero_length	 = misc & VMX_MISC_ZERO_LEN_INS,
		.free_error_code = capability(MSR_IA32_VMX_BASIC) & BIT_ULL(56),
	};
	take_controls(env);
	take_msrs(env);
}

/* ---- words ---- */

/* "VM-Instruction Error Numbers" */
static const char * const instruction_errors[] = {
	[1]  = "VMCALL executed in VMX root operation",
	[2]  = "VMCLEAR with invalid physical address",
	[3]  = "VMCLEAR with VMXON pointer",
	[4]  = "VMLAUNCH with non-clear VMCS",
	[5]  = "VMRESUME with non-launched VMCS",
	[6]  = "VMRESUME after VMXOFF",
	[7]  = "VM entry with invalid control field(s)",
	[8]  = "VM entry with invalid host-state field(s)",
	[9]  = "VMPTRLD with invalid physical address",
	[10] = "VMPTRLD with VMXON pointer",
	[11] = "VMPTRLD with incorrect VMCS revision identifier",
	[12] = "VMREAD/VMWRITE from/to unsupported VMCS component",
	[13] = "VMWRITE to read-only VMCS component",
	[15] = "VMXON executed in VMX root operation",
	[16] = "VM entry with invalid executive-VMCS pointer",
	[17] = "VM entry with non-launched executive VMCS",
	[18] = "VM entry with executive-VMCS pointer not VMXON pointer",
	[19] = "VMCALL with non-clear VMCS",
	[20] = "VMCALL with invalid VM-exit control fields",
	[22] = "VMCALL with incorrect MSEG revision identifier",
	[23] = "VMXOFF under dual-monitor treatment of SMIs and SMM",
	[24] = "VMCALL with invalid SMM-monitor features",
	[25] = "VM entry with invalid VM-execution control fields in executive VMCS",
	[26] = "VM entry with events blocked by MOV SS",
	[28] = "invalid operand to INVEPT/INVVPID",
};

static const char *instruction_error(u32 error)
{
	if (error < ARRAY_SIZE(instruction_errors) && instruction_errors[error])
		return instruction_errors[error];
	return error ? "an error that the manual does not list" : "there is no current VMCS";
}

const char *vmx_exit_name(u32 reason)
{
	static const struct exit_name names[] = {
		VMX_EXIT_REASONS,
		{ VMX_EXIT_REASON_GETSEC, "GETSEC" },
		{ EXIT_VMFAIL, "VMFAIL" },
	};

	return keel_exit_name(names, ARRAY_SIZE(names), (u16)reason);
}

static void dump_segment(const char *name, unsigned int n)
{
	pr_warn("  %-4s sel %04lx ar %05lx limit %08lx base %016lx\n", name, __vmcs_read(GUEST_ES_SELECTOR + 2 * n),
		__vmcs_read(GUEST_ES_AR_BYTES + 2 * n), __vmcs_read(GUEST_ES_LIMIT + 2 * n),
		__vmcs_read(GUEST_ES_BASE + 2 * n));
}

/* The VMCS to the log; the caller limits the rate. */
static void dump(struct vcpu *vcpu)
{
	static const char * const names[NR_SEGS] = { "es", "cs", "ss", "ds", "fs", "gs", "ldtr", "tr" };
	unsigned int n;

	pr_warn("vCPU %u, VMCS:\n", vcpu->id);
	pr_warn("  exit %#x (%s) qualification %#lx intr %#x/%#x vectoring %#x len %u\n", to_vmx(vcpu)->exit_reason,
		vmx_exit_name(to_vmx(vcpu)->exit_reason), vmcs_readl(EXIT_QUALIFICATION), vmcs_read32(VM_EXIT_INTR_INFO),
		vmcs_read32(VM_EXIT_INTR_ERROR_CODE), vmcs_read32(IDT_VECTORING_INFO_FIELD),
		vmcs_read32(VM_EXIT_INSTRUCTION_LEN));
	pr_warn("  controls pin %#x cpu %#x %#x exit %#x entry %#x exceptions %#x event %#x/%#x\n",
		vmcs_read32(PIN_BASED_VM_EXEC_CONTROL), vmcs_read32(CPU_BASED_VM_EXEC_CONTROL),
		vmcs_read32(SECONDARY_VM_EXEC_CONTROL), vmcs_read32(VM_EXIT_CONTROLS), vmcs_read32(VM_ENTRY_CONTROLS),
		vmcs_read32(EXCEPTION_BITMAP), vmcs_read32(VM_ENTRY_INTR_INFO_FIELD), vmcs_read32(VM_ENTRY_EXCEPTION_ERROR_CODE));
	pr_warn("  rip %016lx rsp %016lx rflags %08lx interruptibility %#x activity %#x pending %#lx\n", vmcs_readl(GUEST_RIP),
		vmcs_readl(GUEST_RSP), vmcs_readl(GUEST_RFLAGS), vmcs_read32(GUEST_INTERRUPTIBILITY_INFO),
		vmcs_read32(GUEST_ACTIVITY_STATE), vmcs_readl(GUEST_PENDING_DBG_EXCEPTIONS));
	pr_warn("  cr0 %08lx (%08lx) cr3 %016lx cr4 %08lx (%08lx) efer %#llx dr7 %#lx eptp %#llx vpid %u\n", vmcs_readl(GUEST_CR0),
		vmcs_readl(CR0_READ_SHADOW), vmcs_readl(GUEST_CR3), vmcs_readl(GUEST_CR4), vmcs_readl(CR4_READ_SHADOW),
		vmx_caps.load_efer ? vmcs_read64(GUEST_IA32_EFER) : to_vmx(vcpu)->host.msr_entry[0].value, vmcs_readl(GUEST_DR7),
		to_vmx(vcpu)->eptp, to_vmx(vcpu)->vpid);
	for (n = 0; n < NR_SEGS; n++)
		dump_segment(names[n], n);
	pr_warn("  gdtr %016lx/%x idtr %016lx/%x\n", vmcs_readl(GUEST_GDTR_BASE), vmcs_read32(GUEST_GDTR_LIMIT),
		vmcs_readl(GUEST_IDTR_BASE), vmcs_read32(GUEST_IDTR_LIMIT));
}

/* What the CPU itself has to say of it. */
static const char *failed_exit(u32 reason)
{
	switch ((u16)reason) {
	case EXIT_REASON_INVALID_STATE:
		return "VM-entry failure due to invalid guest state";
	case EXIT_REASON_MSR_LOAD_FAIL:
		return "VM-entry failure due to MSR loading";
	case EXIT_REASON_MCE_DURING_VMENTRY:
		return "VM-entry failure due to machine-check event";
	default:
		return "VM-entry failure of a kind that the manual does not list";
	}
}

/* No rule is broken: the CPU's own words are all there is. */
static void explain_answer(struct vmx_vcpu *vmx, u32 error)
{
	struct vcpu *vcpu = &vmx->vcpu;

	if (vmx->exit_reason == EXIT_VMFAIL)
		keel_explain(vcpu->vm, vcpu->id, "VM entry failed: %s (VM-instruction error %u)", instruction_error(error), error);
	else
		keel_explain(vcpu->vm, vcpu->id, "VM entry failed: %s (exit %#x, qualification %#lx), and no rule known to Keel is broken",
			     failed_exit(vmx->exit_reason), vmx->exit_reason, vmcs_readl(EXIT_QUALIFICATION));
}

/* Could a broken field be the reason? */
static bool is_about_fields(const struct vmx_vcpu *vmx, u32 error)
{
	if (vmx->exit_reason == EXIT_VMFAIL)
		return error == VMXERR_ENTRY_INVALID_CONTROL_FIELD || error == VMXERR_ENTRY_INVALID_HOST_STATE_FIELD;
	return (u16)vmx->exit_reason != EXIT_REASON_MCE_DURING_VMENTRY;
}

/*
 * vmx_explain_entry() - say which rule made the CPU refuse the entry, and which ioctl set what breaks it
 * @error: VM-instruction error, if it was the instruction that failed
 *
 * The VMCS itself goes to the log once in a while. Context: loaded, may sleep.
 */
void vmx_explain_entry(struct vmx_vcpu *vmx, u32 error)
{
	static DEFINE_RATELIMIT_STATE(dump_limit, 30 * HZ, 1);
	struct vmx_check_env env;
	struct vmx_snapshot s;
	struct violation v;

	preempt_disable();
	vmx_snapshot_take(&s);
	vmx_check_this_cpu(&env);
	env.vmcs = vmx->vmcs_pa;
	preempt_enable();
	if (is_about_fields(vmx, error) && vmx_check(&s, &env, &v))
		keel_explain_rule(&vmx->vcpu, "VM entry", &v);
	else
		explain_answer(vmx, error);
	if (__ratelimit(&dump_limit))
		dump(&vmx->vcpu);
}
