// SPDX-License-Identifier: GPL-2.0-only
/*
 * Does svm_check() know what VMRUN refuses? Before an entry the VMCB is changed at random and entered, a number of times, and the CPU's
 * answer compared with the prediction. Only in a module made with KEEL_DEBUG=1, and only when the module parameter
 * mutate says how often (root may write it; reading gives the counts).
 *
 * Such an entry executes nothing: its nested page table is the kernel's zero page, so that the first fetch, or the first access
 * of an event's delivery, exits. Where that table is said to lie never becomes an address that memory could have. Afterwards the
 * VMCB is as it was, and what the CPU cached of it is flushed.
 */
#include <linux/kernel.h>
#include <linux/mem_encrypt.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/percpu.h>
#include <linux/pgtable.h>
#include <linux/spinlock.h>
#include <asm/io.h>
#include <asm/msr-index.h>
#include <asm/processor-flags.h>
#include "check.h"
#include "mutate.h"
#include "control.h"

#define MUTATE_MAX	64		/* with interrupts off */
#define NR_DEVIATIONS	32

/**
 * struct mutation - a field that is changed
 * @name: for the report
 * @at: offset in the VMCB
 * @size: bytes
 * @mask: bits that may change; 0: those above the physical address width
 * @random: the masked bits are replaced at random; otherwise one to four of them flip
 */
struct mutation {
	const char *name;
	u16 at;
	u8 size;
	bool random;
	u64 mask;
};

#define FIELD(text, part, field, bits, all)	{ \
	.name = text, .at = offsetof(struct vmcb, part.field), .size = sizeof_field(struct vmcb, part.field), \
	.random = all, .mask = bits }

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
	FIELD("N_CR3.high",	control, nested_cr3, 0, false),
	FIELD("G_PAT",		save, g_pat, ~0ull, false),
	FIELD("EVENTINJ",	control, event_inj, 0x80000f3f, true),
};

struct counts {
	u32 entries;
	u32 predicted;
	u32 refused;
	u32 agreed;
};

/* CPU and prediction disagree: why it was to be refused, NULL if it was not; the last value, and the bits that all of them have. */
struct deviation {
	const char *field;
	const char *rule;
	u64 value;
	u64 common;
	u32 count;
};

static DEFINE_RAW_SPINLOCK(mutate_lock);	/* leaf, interrupts off; guards what follows */
static u64 state = 1;
static struct counts counts[ARRAY_SIZE(mutations)];
static struct deviation deviations[NR_DEVIATIONS];
static unsigned int mutate;

static DEFINE_PER_CPU(struct vmcb, saved_vmcb);

/* A repeatable sequence is worth more here than a good one. */
static u64 next_random(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static u64 mutated(const struct mutation *m, u64 old, u8 width)
{
	u64 mask = m->mask ?: GENMASK_ULL(63, width);
	unsigned int n;
	u64 flip = 0;

	if (m->random)
		return (old & ~mask) | (next_random() & mask);
	for (n = 1 + next_random() % 4; n; ) {
		u64 bit = BIT_ULL(next_random() % 64);

		if (!(bit & mask))
			continue;
		flip |= bit;
		n--;
	}
	return old ^ flip;
}

static void count(unsigned int row, const struct svm_violation *v, bool predicted, bool refused)
{
	const char *rule = predicted ? v->rule : NULL;
	unsigned int i;

	counts[row].entries++;
	counts[row].predicted += predicted;
	counts[row].refused += refused;
	counts[row].agreed += predicted == refused;
	if (predicted == refused)
		return;
	for (i = 0; i < NR_DEVIATIONS; i++) {
		struct deviation *d = &deviations[i];

		if (d->count && (d->field != v->field || d->rule != rule))
			continue;
		*d = (struct deviation){
			.field = v->field, .rule = rule, .value = v->value,
			.common = d->count ? d->common & v->value : v->value, .count = d->count + 1,
		};
		return;
	}
}

/*
 * TCG cannot leave a guest with LME but neither PG nor PAE: it restores the host's CR0 before CR4 and EFER, finds that PG may not be
 * set then, and goes on without paging.
 */
static bool kills_emulator(const struct vmcb_save_area *s)
{
	return svm_caps.cr8_emulated && (s->efer & EFER_LME) && !(s->cr0 & X86_CR0_PG) && !(s->cr4 & X86_CR4_PAE);
}

static void trial(struct svm_vcpu *svm, const struct svm_check_env *env)
{
	struct vmcb *saved = this_cpu_ptr(&saved_vmcb), *vmcb = svm->vmcb;
	const struct mutation *m;
	struct svm_violation v;
	u64 value = 0;
	unsigned int row;
	bool predicted;

	*saved = *vmcb;
	vmcb->control.nested_cr3 = __sme_set(page_to_phys(ZERO_PAGE(0)));
	vmcb->control.event_inj = 0;
	vmcb->control.tlb_ctl = TLB_CONTROL_FLUSH_ALL_ASID;
	vmcb->control.clean = 0;

	raw_spin_lock(&mutate_lock);
	row = next_random() % ARRAY_SIZE(mutations);
	m = &mutations[row];
	memcpy(&value, (void *)vmcb + m->at, m->size);
	value = mutated(m, value, env->maxphyaddr);
	raw_spin_unlock(&mutate_lock);
	memcpy((void *)vmcb + m->at, &value, m->size);

	if (kills_emulator(&vmcb->save))
		goto restore;
	v = (struct svm_violation){ .field = m->name, .value = value };
	predicted = svm_check(vmcb, env, &v);
	svm_run(&svm->vcpu.regs, svm->vmcb_pa, svm->host_pa, svm->spec);

	raw_spin_lock(&mutate_lock);
	count(row, &v, predicted, vmcb->control.exit_code == (u32)SVM_EXIT_ERR);
	raw_spin_unlock(&mutate_lock);
restore:
	*vmcb = *saved;
	vmcb->control.tlb_ctl = TLB_CONTROL_FLUSH_ALL_ASID;
	vmcb->control.clean = 0;
}

/*
 * svm_mutate() - as many broken entries as the parameter says
 *
 * Context: all is ready for an entry; interrupts off.
 */
void svm_mutate(struct svm_vcpu *svm)
{
	unsigned int n = READ_ONCE(mutate);
	struct svm_check_env env;

	if (!n)
		return;
	svm_check_this_cpu(&env);
	while (n--)
		trial(svm, &env);
}

/* ---- /sys/module/keel/parameters/mutate ---- */

static int mutate_set(const char *text, const struct kernel_param *param)
{
	unsigned long flags;
	unsigned int n;
	int ret = kstrtouint(text, 0, &n);

	if (ret)
		return ret;
	if (n > MUTATE_MAX)
		return -ERANGE;
	WRITE_ONCE(mutate, n);
	/* turning it off keeps the counts */
	if (!n)
		return 0;
	raw_spin_lock_irqsave(&mutate_lock, flags);
	state = 1;
	memset(counts, 0, sizeof(counts));
	memset(deviations, 0, sizeof(deviations));
	raw_spin_unlock_irqrestore(&mutate_lock, flags);
	return 0;
}

static int mutate_get(char *buf, const struct kernel_param *param)
{
	unsigned long flags;
	unsigned int i;
	int len = 0;

	raw_spin_lock_irqsave(&mutate_lock, flags);
	for (i = 0; i < ARRAY_SIZE(mutations); i++)
		len += scnprintf(buf + len, PAGE_SIZE - len, "field %s %u %u %u %u\n", mutations[i].name, counts[i].entries,
				 counts[i].predicted, counts[i].refused, counts[i].agreed);
	for (i = 0; i < NR_DEVIATIONS && deviations[i].count; i++)
		len += scnprintf(buf + len, PAGE_SIZE - len, "deviation %s %u %#llx %#llx %s\n", deviations[i].field, deviations[i].count,
				 deviations[i].value, deviations[i].common, deviations[i].rule ?: "refused, and no rule is broken");
	raw_spin_unlock_irqrestore(&mutate_lock, flags);
	return len;
}

static const struct kernel_param_ops mutate_ops = {
	.set = mutate_set,
	.get = mutate_get,
};

module_param_cb(mutate, &mutate_ops, NULL, 0600);
MODULE_PARM_DESC(mutate, "broken entries before each real one, 0 to 64");
