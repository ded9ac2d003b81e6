// SPDX-License-Identifier: GPL-2.0-only
/*
 * Failures explain themselves: one text, logged (rate-limited) and kept with the VM for KEEL_GET_LAST_ERROR.
 *
 * The record is allocated with the first failure of a VM. What a guest can repeat costs formatting, never memory.
 *
 * Registers that an ioctl wrote are remembered with it until the guest has run, so that a refused entry can name the ioctl.
 */
#define pr_fmt(fmt) "keel: " fmt

#include <linux/kernel.h>
#include <linux/printk.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <asm/msr-index.h>
#include <uapi/linux/keel.h>
#include <keel/exit.h>
#include <keel/rule.h>
#include <keel/vcpu.h>
#include <keel/vm.h>

#define TEXT_SIZE	320
static_assert(TEXT_SIZE <= KEEL_ERROR_TEXT);

/* Published once per VM; readers and writers of the contents hold its lock. */
struct vm_error {
	raw_spinlock_t lock;
	struct keel_last_error last;
};

static struct vm_error *error_record(struct vm *vm)
{
	/* pairs with the cmpxchg below */
	struct vm_error *error = smp_load_acquire(&vm->error), *old;

	if (error)
		return error;
	error = kzalloc(sizeof(*error), GFP_ATOMIC | __GFP_ACCOUNT | __GFP_NOWARN);
	if (!error)
		return NULL;
	raw_spin_lock_init(&error->lock);
	old = cmpxchg(&vm->error, NULL, error);
	if (!old)
		return error;
	kfree(error);
	return old;
}

void keel_explain(struct vm *vm, int vcpu_id, const char *fmt, ...)
{
	struct vm_error *error = error_record(vm);
	char text[TEXT_SIZE];
	unsigned long flags;
	va_list ap;

	va_start(ap, fmt);
	vscnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (vcpu_id < 0)
		pr_err_ratelimited(VM_NAME ": %s\n", vm_name_args(vm), text);
	else
		pr_err_ratelimited(VM_NAME " vCPU %d: %s\n", vm_name_args(vm), vcpu_id, text);
	if (!error)
		return;
	raw_spin_lock_irqsave(&error->lock, flags);
	error->last.count++;
	error->last.vcpu = vcpu_id;
	strscpy_pad(error->last.text, text, sizeof(error->last.text));
	raw_spin_unlock_irqrestore(&error->lock, flags);
}

void keel_last_error(struct vm *vm, struct keel_last_error *out)
{
	/* pairs with the cmpxchg in error_record() */
	struct vm_error *error = smp_load_acquire(&vm->error);
	unsigned long flags;

	memset(out, 0, sizeof(*out));
	if (!error)
		return;
	raw_spin_lock_irqsave(&error->lock, flags);
	*out = error->last;
	raw_spin_unlock_irqrestore(&error->lock, flags);
}

int keel_internal_error(struct vcpu *vcpu, u32 suberror, unsigned int ndata, ...)
{
	struct kvm_run *run = vcpu->run;
	unsigned int i;
	va_list ap;

	run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
	run->internal.suberror = suberror;
	ndata = min_t(unsigned int, ndata, ARRAY_SIZE(run->internal.data));
	run->internal.ndata = ndata;
	va_start(ap, ndata);
	for (i = 0; i < ndata; i++)
		run->internal.data[i] = va_arg(ap, u64);
	va_end(ap);
	return RUN_USER;
}

/* ---- which ioctl ---- */

static u64 entries(const struct vcpu *vcpu)
{
	return vcpu->stats.exits - vcpu->origin.refused;
}

void keel_origin_forget(struct vcpu *vcpu)
{
	memset(vcpu->origin.groups, 0, sizeof(vcpu->origin.groups));
}

void keel_origin_note(struct vcpu *vcpu, enum vcpu_ioctl by, u32 groups)
{
	struct vcpu_origin *origin = &vcpu->origin;
	unsigned int i;

	if (origin->entries != entries(vcpu)) {
		keel_origin_forget(vcpu);
		origin->entries = entries(vcpu);
	}
	for (i = 0; i < NR_VCPU_IOCTLS; i++)
		origin->groups[i] &= ~groups;
	origin->groups[by] |= groups;
}

static u32 msr_groups(u32 msr)
{
	switch (msr) {
	case MSR_EFER:
		return RG_EFER;
	case MSR_IA32_CR_PAT:
		return RG_PAT;
	case MSR_FS_BASE:
	case MSR_GS_BASE:
		return RG_SEG;
	case MSR_IA32_SYSENTER_CS:
	case MSR_IA32_SYSENTER_ESP:
	case MSR_IA32_SYSENTER_EIP:
		return RG_SYSCALL;
	case MSR_IA32_DEBUGCTLMSR:
		return RG_BACKEND_MSR;
	default:
		return 0;
	}
}

void keel_origin_note_msr(struct vcpu *vcpu, u32 msr)
{
	u32 groups = msr_groups(msr);

	if (groups)
		keel_origin_note(vcpu, BY_SET_MSRS, groups);
}

/* After an entry was refused and before it is counted as such, that is: stats.exits is one ahead. */
static const char *origin_name(const struct vcpu *vcpu, u32 groups)
{
	static const char * const names[NR_VCPU_IOCTLS] = {
		[BY_SET_REGS]		= "KVM_SET_REGS",
		[BY_SET_SREGS]		= "KVM_SET_SREGS",
		[BY_SET_SREGS2]		= "KVM_SET_SREGS2",
		[BY_SET_MSRS]		= "KVM_SET_MSRS",
		[BY_SET_DEBUGREGS]	= "KVM_SET_DEBUGREGS",
		[BY_SET_VCPU_EVENTS]	= "KVM_SET_VCPU_EVENTS",
		[BY_SET_GUEST_DEBUG]	= "KVM_SET_GUEST_DEBUG",
		[BY_INTERRUPT]		= "KVM_INTERRUPT",
		[BY_NMI]		= "KVM_NMI",
		[BY_RUN]		= "KVM_RUN (kvm_dirty_regs)",
	};
	const struct vcpu_origin *origin = &vcpu->origin;
	unsigned int i;

	if (origin->entries + 1 != entries(vcpu))
		return NULL;
	for (i = 0; i < NR_VCPU_IOCTLS; i++)
		if (origin->groups[i] & groups)
			return names[i];
	return NULL;
}

void keel_explain_rule(struct vcpu *vcpu, const char *what, const struct violation *v)
{
	const char *by = origin_name(vcpu, v->groups);

	keel_explain(vcpu->vm, vcpu->id, "%s refused: %s = %#llx%s%s: %s (%s)", what, v->field, v->value, by ? ", set by " : "", by ?: "",
		     v->rule, v->section);
}

const char *keel_exit_name(const struct exit_name *names, unsigned int n, u64 code)
{
	for (; n; n--, names++)
		if (names->code == code)
			return names->name;
	return "unknown";
}
