// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a vCPU has from its first use on: the pages that user space maps, the container of its FPU state, and what its backend needs to run. Of
 * many forks, and of every mark, no vCPU is ever used: these three cost an idle one nothing.
 *
 * Where a VM is in the state of another one, its vCPUs keep what the other one's had there until then: of each the bytes up to the last that is not
 * zero, all in one object. It is made once and does not change. Who makes a page fills it in from there; who has made all of them lets it go. A fault on the
 * launcher's mapping knows no lock of a vCPU's, so it looks under RCU: what it finds gone has led to a page by then, which the fault takes.
 */
#include <linux/gfp.h>
#include <linux/lockdep.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/stddef.h>
#include <linux/string.h>
#include <keel/host.h>
#include <keel/vcpu.h>
#include <keel/vcpu_life.h>
#include <keel/vendor.h>
#include "first_use.h"

/* What the launcher says to the next KVM_RUN, before exit_reason, stays its own: it may be asking a vCPU to stop at this moment. */
#define RUN_OWN	offsetof(struct kvm_run, exit_reason)

/* Parts of what is kept: the user's pages, then the FPU state. */
#define PART_FPU	NR_USER_PAGES
#define NR_PARTS	(NR_USER_PAGES + 1)

/**
 * struct vcpu_kept - for the first use
 * @rcu: it goes with a grace period
 * @words: of each part, behind which it is zero
 * @data: the parts, one behind the other
 */
struct vcpu_kept {
	struct rcu_head rcu;
	u16 words[NR_PARTS];
	u64 data[];
};

/* A part, in a vCPU or in what is kept. */
struct part {
	u64 *data;
	size_t words;
};

static struct part part_of_page(unsigned int which, void *page)
{
	size_t own = which == USER_PAGE_RUN ? RUN_OWN : 0;

	return (struct part) { page ? page + own : NULL, page ? (PAGE_SIZE - own) / sizeof(u64) : 0 };
}

/* Without data: it is not there yet. */
static struct part part_of(const struct vcpu *vcpu, unsigned int which)
{
	struct part part = { };
	size_t size;

	if (which == USER_PAGE_RUN)
		return part_of_page(which, READ_ONCE(vcpu->run));
	if (which == USER_PAGE_PIO)
		return part_of_page(which, READ_ONCE(vcpu->pio_data));
	if (vcpu->fpu.priv) {
		part.data = keel_host_fpu_image(&vcpu->fpu, &size);
		part.words = size / sizeof(u64);
	}
	return part;
}

static struct part part_kept(struct vcpu_kept *kept, unsigned int which)
{
	struct part part = { };
	unsigned int i;

	if (!kept)
		return part;
	part.data = kept->data;
	part.words = kept->words[which];
	for (i = 0; i < which; i++)
		part.data += kept->words[i];
	return part;
}

/* How many words there are up to the last that is not zero. The launcher may write to its pages meanwhile, to its own loss alone. */
static size_t words_used(struct part part)
{
	size_t n = part.words;
	const u64 *end;

	/* most of a page is zero */
	for (; n >= 4; n -= 4) {
		end = part.data + n;
		if (READ_ONCE(end[-1]) | READ_ONCE(end[-2]) | READ_ONCE(end[-3]) | READ_ONCE(end[-4]))
			break;
	}
	while (n && !READ_ONCE(part.data[n - 1]))
		n--;
	return n;
}

/* Return: how many words. */
static size_t put_words(struct part to, struct part from)
{
	size_t n = min(to.words, from.words);

	if (n)
		memcpy(to.data, from.data, n * sizeof(u64));
	return n;
}

static void put_part(struct part to, struct part from)
{
	size_t n = put_words(to, from);

	if (n < to.words)
		memset(to.data + n, 0, (to.words - n) * sizeof(u64));
}

static void put_fpu(struct vcpu *vcpu, struct part from)
{
	/* an image has something in any state: a control word */
	if (from.words)
		put_part(part_of(vcpu, PART_FPU), from);
	else
		keel_host_fpu_init_state(&vcpu->fpu);
}

/* ---- another one's state ---- */

/* The vCPU is held, or nobody else knows it. */
static struct vcpu_kept *kept_by(const struct vcpu *vcpu)
{
	return rcu_dereference_protected(vcpu->life.kept, true);
}

/* As @vcpu has it, or else keeps it. */
static struct part look_at(const struct vcpu *vcpu, unsigned int which)
{
	struct part part = part_of(vcpu, which);

	return part.data ? part : part_kept(kept_by(vcpu), which);
}

int vcpu_keep(struct vcpu *to, const struct vcpu *from)
{
	struct part parts[NR_PARTS];
	struct vcpu_kept *kept;
	size_t words = 0;
	unsigned int i;

	for (i = 0; i < NR_PARTS; i++) {
		parts[i] = look_at(from, i);
		parts[i].words = words_used(parts[i]);
		words += parts[i].words;
	}
	if (!words)
		return 0;
	kept = kvmalloc(struct_size(kept, data, words), GFP_KERNEL_ACCOUNT);
	if (!kept)
		return -ENOMEM;
	for (i = 0; i < NR_PARTS; i++) {
		kept->words[i] = parts[i].words;
		put_words(part_kept(kept, i), parts[i]);
	}
	rcu_assign_pointer(to->life.kept, kept);
	return 0;
}

void vcpu_put_kept(struct vcpu *to, const struct vcpu *from)
{
	unsigned int i;

	for (i = 0; i < NR_USER_PAGES; i++)
		put_part(part_of(to, i), look_at(from, i));
	if (to->fpu.priv)
		put_fpu(to, look_at(from, PART_FPU));
}

/* ---- the first use ---- */

void *keel_vcpu_user_page(struct vcpu *vcpu, unsigned int which)
{
	void **page = which == USER_PAGE_RUN ? (void **)&vcpu->run : &vcpu->pio_data;
	void *new, *old = READ_ONCE(*page);

	if (old)
		return old;
	new = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!new)
		return NULL;
	rcu_read_lock();
	put_words(part_of_page(which, new), part_kept(rcu_dereference(vcpu->life.kept), which));
	rcu_read_unlock();
	/* a fault on the mapping and an ioctl may both have found none; and who found nothing kept, as let_go() came between, finds a page here */
	old = cmpxchg(page, NULL, new);
	if (!old)
		return new;
	free_page((unsigned long)new);
	return old;
}

/* The pages were there before: who sees this sees them. */
static void let_go(struct vcpu *vcpu, struct vcpu_kept *kept)
{
	RCU_INIT_POINTER(vcpu->life.kept, NULL);
	if (kept)
		kvfree_rcu(kept, rcu);
}

int keel_vcpu_complete(struct vcpu *vcpu)
{
	struct vcpu_kept *kept = kept_by(vcpu);
	unsigned int i;
	int ret;

	lockdep_assert_held(&vcpu->mutex);
	for (i = 0; i < NR_USER_PAGES; i++)
		if (!keel_vcpu_user_page(vcpu, i))
			return -ENOMEM;
	if (keel_vendor->vcpu_first_use) {
		ret = keel_vendor->vcpu_first_use(vcpu);
		if (ret)
			return ret;
	}
	/* last: it tells that all is there */
	ret = keel_host_fpu_create(&vcpu->fpu);
	if (ret)
		return ret;
	put_fpu(vcpu, part_kept(kept, PART_FPU));
	let_go(vcpu, kept);
	return 0;
}

void vcpu_first_use_destroy(struct vcpu *vcpu)
{
	kvfree(kept_by(vcpu));
	keel_host_fpu_destroy(&vcpu->fpu);
	free_page((unsigned long)vcpu->pio_data);
	free_page((unsigned long)vcpu->run);
}
