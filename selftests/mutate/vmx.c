// SPDX-License-Identifier: GPL-2.0-only
/*
 * Does vmx_check() know what VM entry refuses, and of which kind it is? Before an entry one or two fields of the VMCS are changed at
 * random and it is entered, a number of times, and the CPU's answer compared with the prediction (mutate.c). Only in a
 * module made with KEEL_DEBUG=1.
 *
 * Such an entry executes nothing: the EPT pointer names the kernel's zero page, so that the first fetch, or the first access of an
 * event's delivery, exits; EPT itself is never turned off. What would reach the host is never let through: fields of the host, and
 * areas of MSRs, get values that must be refused; controls that acknowledge interrupts, let NMIs in or load host state stay as they
 * are. Whatever a control may point at is one page of this file's own. Afterwards the VMCS is as it was.
 */
#include <linux/context_tracking.h>
#include <linux/dmi.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/pgtable.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/vmalloc.h>
#include <asm/io.h>
#include <asm/msr-index.h>
#include <uapi/asm/vmx.h>
#include "vmx/check.h"
#include "vmx/insn.h"
#include "vmx/vmx.h"
#include "mutate.h"

unsigned int __real_vmx_run(struct vcpu_regs *regs, u64 *host_rsp, unsigned long launched, u64 spec);
unsigned int __wrap_vmx_run(struct vcpu_regs *regs, u64 *host_rsp, unsigned long launched, u64 spec);

#define ALL		~0ull
#define ALL32		0xffffffffull
#define PAGE_BITS	0xfffull

static const struct mutation mutations[] = {
	/* controls: not pin 0 and 3, EPT, nor what exits acknowledge or load */
	{ "pin", PIN_BASED_VM_EXEC_CONTROL, 4, .mask = ALL32, .free = 0xe0 },
	{ "cpu", CPU_BASED_VM_EXEC_CONTROL, 4, .mask = ALL32, .free = 0x7fffffff },
	{ "cpu2", SECONDARY_VM_EXEC_CONTROL, 4, .mask = ALL32, .free = 0xfffffffd },
	{ "exit", VM_EXIT_CONTROLS, 4, .mask = ALL32, .free = BIT(2) | BIT(18) | BIT(20) | BIT(22) },
	{ "exit.host64", VM_EXIT_CONTROLS, 4, .mask = VM_EXIT_HOST_ADDR_SPACE_SIZE, .only_refused = true, .free = ~0u },
	{ "entry", VM_ENTRY_CONTROLS, 4, .mask = ALL32, .free = BIT(2) | BIT(9) | BIT(14) | BIT(15) },
	{ "vpid", VIRTUAL_PROCESSOR_ID, 2, .mask = 3, .random = true },
	{ "cr3_targets", CR3_TARGET_COUNT, 4, .mask = 0x8000000f, .random = true },
	{ "tpr_threshold", TPR_THRESHOLD, 4, .mask = 0x8000001f, .random = true },
	{ "io_bitmap_a", IO_BITMAP_A, 8, .mask = PAGE_BITS, .high = true },
	{ "io_bitmap_b", IO_BITMAP_B, 8, .mask = PAGE_BITS, .high = true },
	{ "msr_bitmap", MSR_BITMAP, 8, .mask = PAGE_BITS, .high = true },
	{ "virtual_apic", VIRTUAL_APIC_PAGE_ADDR, 8, .mask = PAGE_BITS, .high = true },
	{ "apic_access", APIC_ACCESS_ADDR, 8, .mask = PAGE_BITS, .high = true },
	{ "pml", PML_ADDRESS, 8, .mask = PAGE_BITS, .high = true },
	{ "eptp_list", EPTP_LIST_ADDRESS, 8, .mask = PAGE_BITS, .high = true },
	{ "vmread_bitmap", VMREAD_BITMAP, 8, .mask = PAGE_BITS, .high = true },
	{ "vmwrite_bitmap", VMWRITE_BITMAP, 8, .mask = PAGE_BITS, .high = true },
	{ "vm_functions", VM_FUNCTION_CONTROL, 8, .mask = ALL },
	{ "tsc_multiplier", TSC_MULTIPLIER, 8, .mask = BIT_ULL(48), .random = true },
	{ "eptp", EPT_POINTER, 8, .mask = PAGE_BITS, .high = true },
	{ "exit_store", VM_EXIT_MSR_STORE_ADDR, 8, .mask = PAGE_BITS, .high = true, .only_refused = true,
	  .prepare = VM_EXIT_MSR_STORE_COUNT, .prepared = 1 },
	{ "exit_load", VM_EXIT_MSR_LOAD_ADDR, 8, .mask = PAGE_BITS, .high = true, .only_refused = true,
	  .prepare = VM_EXIT_MSR_LOAD_COUNT, .prepared = 1 },
	{ "entry_load", VM_ENTRY_MSR_LOAD_ADDR, 8, .mask = PAGE_BITS, .high = true, .only_refused = true,
	  .prepare = VM_ENTRY_MSR_LOAD_COUNT, .prepared = 1 },
	{ "entry_msrs", VM_ENTRY_MSR_LOAD_COUNT, 4, .mask = 1, .random = true, .only_refused = true },
	{ "event", VM_ENTRY_INTR_INFO_FIELD, 4, .mask = 0x80000f1f, .random = true },
	{ "event.bits", VM_ENTRY_INTR_INFO_FIELD, 4, .mask = ALL32,
	  .prepare = VM_ENTRY_INTR_INFO_FIELD, .prepared = 0x80000b0d },
	{ "event.error", VM_ENTRY_EXCEPTION_ERROR_CODE, 4, .mask = ALL32,
	  .prepare = VM_ENTRY_INTR_INFO_FIELD, .prepared = 0x80000b0e },
	{ "event.length", VM_ENTRY_INSTRUCTION_LEN, 4, .mask = 0x1f, .random = true,
	  .prepare = VM_ENTRY_INTR_INFO_FIELD, .prepared = 0x80000480 },
	/* the host */
	{ "host_cr0", HOST_CR0, 8, .mask = ALL, .only_refused = true },
	{ "host_cr3", HOST_CR3, 8, .high = true, .only_refused = true },
	{ "host_cr4", HOST_CR4, 8, .mask = ALL, .only_refused = true },
	{ "host_efer", HOST_IA32_EFER, 8, .mask = ALL, .only_refused = true },
	{ "host_pat", HOST_IA32_PAT, 8, .mask = ALL, .only_refused = true },
	{ "host_sysenter", HOST_IA32_SYSENTER_ESP, 8, .mask = ALL, .only_refused = true, .spread = 2 },
	{ "host_selector", HOST_ES_SELECTOR, 2, .mask = 7, .only_refused = true, .spread = 7 },
	{ "host_cs", HOST_CS_SELECTOR, 2, .mask = 0x10, .random = true, .only_refused = true },
	{ "host_tr", HOST_TR_SELECTOR, 2, .mask = 0x40, .random = true, .only_refused = true },
	{ "host_base", HOST_FS_BASE, 8, .mask = ALL, .only_refused = true, .spread = 5 },
	{ "host_rip", HOST_RIP, 8, .mask = ALL, .only_refused = true },
	/* the guest */
	{ "cr0", GUEST_CR0, 8, .mask = ALL },
	{ "cr0.low", GUEST_CR0, 8, .mask = 0xe0010021 },
	{ "cr3", GUEST_CR3, 8, .mask = PAGE_BITS, .high = true },
	{ "cr4", GUEST_CR4, 8, .mask = ALL },
	{ "cr4.low", GUEST_CR4, 8, .mask = GENMASK_ULL(22, 0) },
	{ "dr7", GUEST_DR7, 8, .mask = ALL },
	{ "debugctl", GUEST_IA32_DEBUGCTL, 8, .mask = ALL },
	{ "efer", GUEST_IA32_EFER, 8, .mask = ALL },
	{ "efer.low", GUEST_IA32_EFER, 8, .mask = 0xd01 },
	{ "pat", GUEST_IA32_PAT, 8, .mask = ALL },
	{ "rip", GUEST_RIP, 8, .mask = ALL },
	{ "rflags", GUEST_RFLAGS, 8, .mask = ALL },
	{ "rflags.low", GUEST_RFLAGS, 8, .mask = GENMASK_ULL(21, 0) },
	{ "sysenter", GUEST_SYSENTER_ESP, 8, .mask = ALL, .spread = 2 },
	{ "table.base", GUEST_GDTR_BASE, 8, .mask = ALL, .spread = 2 },
	{ "table.limit", GUEST_GDTR_LIMIT, 4, .mask = ALL32, .spread = 2 },
	{ "selector", GUEST_ES_SELECTOR, 2, .mask = 0xffff, .spread = 8 },
	{ "base", GUEST_ES_BASE, 8, .mask = ALL, .spread = 8 },
	{ "limit", GUEST_ES_LIMIT, 4, .mask = ALL32, .spread = 8 },
	{ "rights", GUEST_ES_AR_BYTES, 4, .mask = ALL32, .spread = 8 },
	{ "rights.low", GUEST_ES_AR_BYTES, 4, .mask = 0x1f0ff, .spread = 8 },
	{ "activity", GUEST_ACTIVITY_STATE, 4, .mask = 0x80000005, .random = true },
	{ "blocking", GUEST_INTERRUPTIBILITY_INFO, 4, .mask = ALL32 },
	{ "blocking.low", GUEST_INTERRUPTIBILITY_INFO, 4, .mask = 0x1f },
	{ "pending", GUEST_PENDING_DBG_EXCEPTIONS, 8, .mask = ALL },
	{ "pending.low", GUEST_PENDING_DBG_EXCEPTIONS, 8, .mask = 0x1700f },
	{ "link", VMCS_LINK_POINTER, 8, .mask = ALL },
	{ "pdpte", GUEST_PDPTR0, 8, .mask = 0x1e7, .high = true, .spread = 4 },
};

enum { VMX_BROKEN_OTHERWISE = VMX_BROKEN_MSR + 1 };
static const char * const answers[] = {
	[VMX_BROKEN_NOTHING]	= "entered",
	[VMX_BROKEN_CONTROL]	= "VMfail 7, controls",
	[VMX_BROKEN_HOST]	= "VMfail 8, host state",
	[VMX_BROKEN_GUEST]	= "exit 33, guest state",
	[VMX_BROKEN_MSR]	= "exit 34, MSRs",
	[VMX_BROKEN_OTHERWISE]	= "another failure",
};

static const struct mutate_table table = {
	.rows = mutations, .count = ARRAY_SIZE(mutations), .answers = answers, .nr_answers = ARRAY_SIZE(answers),
};

/* What a trial, its entry and its exit change: what VM entry looks at, and more. The segments' fields are those of the table. */
static const u32 changed[] = {
#define FIELD(type, member, number, ...) number,
	VMX_FIELDS(FIELD)
#undef FIELD
	GUEST_RSP, GUEST_SYSENTER_CS, GUEST_INTR_STATUS, GUEST_PML_INDEX, VMX_PREEMPTION_TIMER_VALUE,
};

/* Controls may point there; none of the entries gets as far as to use it. */
static const u32 pointers[] = {
	IO_BITMAP_A, IO_BITMAP_B, VIRTUAL_APIC_PAGE_ADDR, APIC_ACCESS_ADDR, PML_ADDRESS, EPTP_LIST_ADDRESS, VMREAD_BITMAP, VMWRITE_BITMAP,
	VM_EXIT_MSR_STORE_ADDR, VM_EXIT_MSR_LOAD_ADDR, VM_ENTRY_MSR_LOAD_ADDR,
};

#define SAVED	(ARRAY_SIZE(mutations) * 8 + ARRAY_SIZE(changed))

static DEFINE_RAW_SPINLOCK(trial_lock);		/* outside core's, interrupts off; guards what follows */
static struct saved { u32 field; u64 value; } saved[SAVED];
static unsigned int nr_saved;
static u8 scratch[PAGE_SIZE] __aligned(PAGE_SIZE);

static void save(u32 field)
{
	if (!WARN_ON_ONCE(nr_saved == SAVED) && vmcs_has(field))
		saved[nr_saved++] = (struct saved){ field, __vmcs_read(field) };
}

/* Every field of this CPU that a trial may change. */
static void save_all(void)
{
	unsigned int i, j;

	nr_saved = 0;
	for (i = 0; i < ARRAY_SIZE(mutations); i++)
		for (j = 0; j < max_t(u8, mutations[i].spread, 1); j++)
			save(mutations[i].at + 2 * j);
	for (i = 0; i < ARRAY_SIZE(changed); i++)
		save(changed[i]);
}

static void restore_all(void)
{
	unsigned int i;

	for (i = 0; i < nr_saved; i++)
		__vmcs_write(saved[i].field, saved[i].value);
}

/* Fields that the CPU has not are left alone. */
static void put(u32 field, u64 value)
{
	if (vmcs_has(field))
		__vmcs_write(field, value);
}

/* One MSR to load that cannot be: the area for entry_msrs. */
static void prepare_scratch(void)
{
	static const struct vmx_snapshot_msr msrs[] = {
		{ MSR_FS_BASE }, { MSR_GS_BASE }, { MSR_IA32_SMM_MONITOR_CTL }, { MSR_IA32_SYSENTER_CS, 1 },
	};

	memset(scratch, 0, sizeof(scratch));
	memcpy(scratch, &msrs[keel_mutate_random(ARRAY_SIZE(msrs))], sizeof(msrs[0]));
}

/* A valid state that leads nowhere. */
static void prepare_vmcs(void)
{
	u64 page = page_to_phys(vmalloc_to_page(scratch));
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(pointers); i++)
		put(pointers[i], page);
	vmcs_write64(EPT_POINTER, page_to_phys(ZERO_PAGE(0)) | (vmcs_read64(EPT_POINTER) & PAGE_BITS));
	vmcs_write32(VM_ENTRY_INTR_INFO_FIELD, 0);
	vmcs_write32(VM_ENTRY_EXCEPTION_ERROR_CODE, 0);
	vmcs_write32(VM_ENTRY_INSTRUCTION_LEN, 1);
	put(TSC_MULTIPLIER, BIT_ULL(48));
	put(VM_FUNCTION_CONTROL, 0);
	put(TPR_THRESHOLD, 0);
}

static const struct vmx_check_range *range_of(const struct vmx_check_env *env, u32 field)
{
	switch (field) {
	case PIN_BASED_VM_EXEC_CONTROL:	return &env->pin;
	case CPU_BASED_VM_EXEC_CONTROL:	return &env->cpu;
	case SECONDARY_VM_EXEC_CONTROL:	return &env->cpu2;
	case VM_EXIT_CONTROLS:		return &env->exit;
	case VM_ENTRY_CONTROLS:		return &env->entry;
	default:			return NULL;
	}
}

/* Would the host feel it if the CPU took this value? */
static bool is_harmful(const struct mutation *m, const struct vmx_check_env *env, u32 field, u64 old, u64 value)
{
	const struct vmx_check_range *range = range_of(env, field);

	if (field == GUEST_ACTIVITY_STATE)
		/* shut down, or waiting for SIPI, it would not come back */
		return value == 2 || value == 3;
	return range && ((old ^ value) & range->may & ~range->must & ~m->free);
}

/* Change the field of a row. False: this change is not tried. */
static bool change(const struct mutation *m, const struct vmx_check_env *env, u64 *value)
{
	u32 field = m->at + 2 * (m->spread ? keel_mutate_random(m->spread) : 0);
	u64 old;

	if (!vmcs_has(field))
		return false;
	if (m->prepare)
		__vmcs_write(m->prepare, m->prepared);
	old = __vmcs_read(field);
	*value = keel_mutate_value(m, old, env->maxphyaddr);
	if (is_harmful(m, env, field, old, *value))
		return false;
	__vmcs_write(field, *value);
	return true;
}

/* An NMI that ended the guest is the host's. */
static void take_nmi(void)
{
	u32 info = vmcs_read32(VM_EXIT_INTR_INFO);

	if (vmcs_read32(VM_EXIT_REASON) == EXIT_REASON_EXCEPTION_NMI && (info & INTR_INFO_INTR_TYPE_MASK) == INTR_TYPE_NMI_INTR)
		asm volatile("int $2");
}

static u8 enter(struct vmx_vcpu *vmx)
{
	u32 reason;

	if (__real_vmx_run(&vmx->vcpu.regs, &vmx->host.rsp, vmx->launched, 0)) {
		switch (vmcs_read32(VM_INSTRUCTION_ERROR)) {
		case VMXERR_ENTRY_INVALID_CONTROL_FIELD:	return VMX_BROKEN_CONTROL;
		case VMXERR_ENTRY_INVALID_HOST_STATE_FIELD:	return VMX_BROKEN_HOST;
		default:					return VMX_BROKEN_OTHERWISE;
		}
	}
	reason = vmcs_read32(VM_EXIT_REASON);
	switch (reason) {
	case VMX_EXIT_REASONS_FAILED_VMENTRY | EXIT_REASON_INVALID_STATE: return VMX_BROKEN_GUEST;
	case VMX_EXIT_REASONS_FAILED_VMENTRY | EXIT_REASON_MSR_LOAD_FAIL: return VMX_BROKEN_MSR;
	}
	if (reason & VMX_EXIT_REASONS_FAILED_VMENTRY)
		return VMX_BROKEN_OTHERWISE;
	vmx->launched = true;
	take_nmi();
	return VMX_BROKEN_NOTHING;
}

/* Bochs 2.7 ended in vmx/vmx_mutate_test: what did it is, among much else, not entered. */
static bool left_out(const struct vmx_snapshot *s)
{
	const char *vendor = dmi_get_system_info(DMI_BIOS_VENDOR);

	if (!vendor || !strstr(vendor, "Bochs"))
		return false;
	switch (s->entry_info & INTR_INFO_INTR_TYPE_MASK) {
	case INTR_TYPE_RESERVED:
	case INTR_TYPE_OTHER_EVENT:
		return true;
	}
	return (s->entry & VM_ENTRY_IA32E_MODE) && (s->cr0 & (X86_CR0_PE | X86_CR0_PG)) != (X86_CR0_PE | X86_CR0_PG);
}

static void trial(struct vmx_vcpu *vmx, const struct vmx_check_env *env)
{
	unsigned int row = keel_mutate_random(ARRAY_SIZE(mutations));
	const struct mutation *m = &mutations[row], *also = NULL;
	struct mutate_result result = { .field = m->name };
	struct vmx_snapshot s;
	struct violation v;
	u64 other;

	/* host state alone: the manual leaves it open whether that or the controls are checked first */
	if (!m->only_refused && keel_mutate_random(2))
		also = &mutations[keel_mutate_random(ARRAY_SIZE(mutations))];
	if (also && also->only_refused)
		also = NULL;
	result.also = also ? also->name : NULL;
	prepare_scratch();
	prepare_vmcs();
	if (also && !change(also, env, &other))
		return;
	if (!change(m, env, &result.value))
		return;
	vmx_snapshot_take(&s);
	if (vmx_check(&s, env, &v)) {
		result.field = v.field;
		result.rule = v.rule;
		result.value = v.value;
		result.foretold = v.kind;
	}
	/* halted, it would wait for an interrupt of the host */
	if (!result.foretold && (m->only_refused || s.activity))
		return;
	if (left_out(&s))
		return;
	result.answered = enter(vmx);
	keel_mutate_count(&table, row, &result);
}

/* As many broken entries as the parameter says. */
static void trials(struct vmx_vcpu *vmx)
{
	unsigned int n = keel_mutate_wanted();
	struct vmx_check_env env;

	if (!n)
		return;
	vmx_check_this_cpu(&env);
	env.vmcs = vmx->vmcs_pa;
	raw_spin_lock(&trial_lock);
	save_all();
	while (n--) {
		trial(vmx, &env);
		restore_all();
	}
	raw_spin_unlock(&trial_lock);
}

/* SPEC_CTRL stays the guest's through all of them: only the last entry is told to bring the host's back. */
noinstr unsigned int __wrap_vmx_run(struct vcpu_regs *regs, u64 *host_rsp, unsigned long launched, u64 spec)
{
	struct vmx_vcpu *vmx = to_vmx(container_of(regs, struct vcpu, regs));

	context_tracking_guest_exit();
	instrumentation_begin();
	trials(vmx);
	instrumentation_end();
	context_tracking_guest_enter();
	/* one of them may have been the first that succeeded */
	return __real_vmx_run(regs, host_rsp, vmx->launched, spec);
}
