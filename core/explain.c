// SPDX-License-Identifier: GPL-2.0-only
/*
 * Failures explain themselves: one text, logged (rate-limited) and kept with the VM for KEEL_GET_LAST_ERROR.
 *
 * The record is allocated with the first failure of a VM. What a guest can repeat costs formatting, never memory.
 */
#define pr_fmt(fmt) "keel: " fmt

#include <linux/kernel.h>
#include <linux/printk.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <uapi/linux/keel.h>
#include <keel/vm.h>

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
	char text[KEEL_ERROR_TEXT / 2];
	unsigned long flags;
	va_list ap;

	va_start(ap, fmt);
	vscnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (vcpu_id < 0)
		pr_err_ratelimited("%s: %s\n", vm->stats_id, text);
	else
		pr_err_ratelimited("%s vCPU %d: %s\n", vm->stats_id, vcpu_id, text);
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
