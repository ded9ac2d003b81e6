// SPDX-License-Identifier: GPL-2.0-only
/*
 * Does svm_check() know what VMRUN refuses? Before an entry the VMCB is changed at random and entered, a number of times, and the CPU's
 * answer compared with the prediction (mutate.c). Only in a module made with KEEL_DEBUG=1.
 *
 * Such an entry executes nothing: its nested page table is the kernel's zero page, so that the first fetch, or the first access
 * of an event's delivery, exits. Where that table is said to lie never becomes an address that memory could have. Afterwards the
 * VMCB is as it was, and what the CPU cached of it is flushed.
 */
#include <linux/context_tracking.h>
#include <linux/kernel.h>
#include <linux/mem_encrypt.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/pgtable.h>
#include <asm/cpufeature.h>
#include <asm/io.h>
#include <asm/msr-index.h>
#include <asm/processor.h>
#include <asm/processor-flags.h>
#include "svm/check.h"
#include "svm/svm.h"
#include "mutate.h"

void __real_svm_run(struct vcpu_regs *regs, u64 vmcb_pa, u64 host_pa, u64 spec);
void __wrap_svm_run(struct vcpu_regs *regs, u64 vmcb_pa, u64 host_pa, u64 spec);

#define FIELD(text, part, field, bits, all)	{ \
	.name = text, .at = offsetof(struct vmcb, part.field), .size = sizeof_field(struct vmcb, part.field), \
	.random = all, .mask = bits }
#define HIGH(text, part, field)			{ \
	.name = text, .at = offsetof(struct vmcb, part.field), .size = sizeof_field(struct vmcb, part.field), .high = true }

static const struct mutation mutations[] = {
	FIELD("EFER",		save, efer, ~0ull, false),
	FIELD("CR0",		save, cr0, GENMASK_ULL(31, 0), false),
	FIELD("CR0.high",	save, cr0, GENMASK_ULL(63, 32), false),
	FIELD("CR3.high",	save, cr3, GENMASK_ULL(63, 36), false),
	FIELD("CR4",		save, cr4, ~0ull, false),
	FIELD("DR6.high",	save, dr6, GENMASK_ULL(63, 32), false),
	FIELD("DR7.high",	save, dr7, GENMASK_ULL(63, 32), false),
	FIELD("CS.attrib",	save, cs.attrib, 0xfff, false),
	FIELD("RFLAGS",		save, rflags, ~0ull, false),
	FIELD("RIP",		save, rip, ~0ull, true),
	FIELD("GDTR.base",	save, gdtr.base, ~0ull, true),
	FIELD("VMRUN",		control, intercepts[INTERCEPT_WORD4], BIT(0), false),
	FIELD("IOPM",		control, iopm_base_pa, GENMASK_ULL(63, 36), false),
	FIELD("MSRPM",		control, msrpm_base_pa, GENMASK_ULL(63, 36), false),
	FIELD("ASID",		control, asid, 0x1f, true),
	FIELD("TLB_CONTROL",	control, tlb_ctl, 0xff, true),
	HIGH("N_CR3.high",	control, nested_cr3),
	FIELD("G_PAT",		save, g_pat, ~0ull, false),
	FIELD("EVENTINJ",	control, event_inj, 0x80000f3f, true),
};

enum { ENTERED, REFUSED };
static const char * const answers[] = { [ENTERED] = "entered", [REFUSED] = "refused" };

static const struct mutate_table table = {
	.rows = mutations, .count = ARRAY_SIZE(mutations), .answers = answers, .nr_answers = ARRAY_SIZE(answers),
};

static DEFINE_PER_CPU(struct vmcb, saved_vmcb);

static bool emulated_by_tcg(void)
{
	u32 eax, sig[3];

	if (!boot_cpu_has(X86_FEATURE_HYPERVISOR))
		return false;
	cpuid(0x40000000, &eax, &sig[0], &sig[1], &sig[2]);
	return !memcmp(sig, "TCGTCGTCGTCG", sizeof(sig));
}

/* The host under QEMU 7.2 was lost in svm/svm_mutate_test: what did it is, among much else, not entered. */
static bool left_out(const struct vmcb_save_area *s)
{
	return emulated_by_tcg() && (s->efer & (EFER_LME | EFER_LMA)) && !(s->cr0 & X86_CR0_PG);
}

static void trial(struct svm_vcpu *svm, const struct svm_check_env *env)
{
	struct vmcb *saved = this_cpu_ptr(&saved_vmcb), *vmcb = svm->vmcb;
	unsigned int row = keel_mutate_random(ARRAY_SIZE(mutations));
	const struct mutation *m = &mutations[row];
	struct mutate_result result = { .field = m->name };
	struct violation v;
	u64 value = 0;

	*saved = *vmcb;
	vmcb->control.nested_cr3 = __sme_set(page_to_phys(ZERO_PAGE(0)));
	vmcb->control.event_inj = 0;
	vmcb->control.tlb_ctl = TLB_CONTROL_FLUSH_ALL_ASID;
	vmcb->control.clean = 0;
	memcpy(&value, (void *)vmcb + m->at, m->size);
	value = keel_mutate_value(m, value, env->maxphyaddr);
	memcpy((void *)vmcb + m->at, &value, m->size);

	if (left_out(&vmcb->save))
		goto restore;
	result.value = value;
	if (svm_check(vmcb, env, &v)) {
		result.field = v.field;
		result.rule = v.rule;
		result.value = v.value;
		result.foretold = REFUSED;
	}
	__real_svm_run(&svm->vcpu.regs, svm->vmcb_pa, svm->host_pa, 0);
	result.answered = vmcb->control.exit_code == (u32)SVM_EXIT_ERR ? REFUSED : ENTERED;
	keel_mutate_count(&table, row, &result);
restore:
	*vmcb = *saved;
	vmcb->control.tlb_ctl = TLB_CONTROL_FLUSH_ALL_ASID;
	vmcb->control.clean = 0;
}

/* As many broken entries as the parameter says. */
static void trials(struct svm_vcpu *svm)
{
	unsigned int n = keel_mutate_wanted();
	struct svm_check_env env;

	if (!n)
		return;
	svm_check_this_cpu(&env);
	while (n--)
		trial(svm, &env);
}

/* SPEC_CTRL stays the guest's through all of them: only the last entry is told to bring the host's back. */
noinstr void __wrap_svm_run(struct vcpu_regs *regs, u64 vmcb_pa, u64 host_pa, u64 spec)
{
	context_tracking_guest_exit();
	instrumentation_begin();
	trials(to_svm(container_of(regs, struct vcpu, regs)));
	instrumentation_end();
	context_tracking_guest_enter();
	__real_svm_run(regs, vmcb_pa, host_pa, spec);
}
