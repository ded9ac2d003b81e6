// SPDX-License-Identifier: GPL-2.0-only
/*
 * Getting a table, and roots: what MOV to CR3 loads. A vCPU remembers its last roots, so that going back to one costs a comparison.
 *
 * A root refers to its topmost tables, which therefore stay when they are dropped, empty and dead. The vCPU that runs on a dead one faults
 * at its next access and loads another.
 */
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/spinlock.h>
#include <keel/access.h>
#include "shadow.h"

struct shadow_page *shadow_get_table(struct vcpu *vcpu, struct shadow *s, gfn_t gfn, union shadow_role role, struct pt_update *up)
{
	struct shadow_page *page = shadow_find(s, gfn, role), *other;

	if (role.is_direct)
		return page ?: shadow_make(s, gfn, role);
	other = shadow_next_table(s, gfn, NULL);
	if (!page)
		page = shadow_make(s, gfn, role);
	if (!page)
		return NULL;
	/* what a TLB could know of is all from places that led here before */
	if (other && other->is_unsync)
		shadow_sync_frame(vcpu, s, gfn, up);
	else if (!other)
		shadow_protect_frame(s, gfn, up);
	return page;
}

#define NR_TOPS(role)	((role).level > 2 ? 1u : 4u)

/* What of CR3 counts. */
static u64 cr3_bits(const struct vcpu_regs *r, union shadow_role role)
{
	switch (role.guest) {
	case SHADOW_NARROW:
		return r->cr3 & 0xfffff000;
	case SHADOW_LONG4:
	case SHADOW_LONG5:
		return r->cr3 & GPTE_ADDRESS;
	default:
		return 0;
	}
}

static bool is_whole(const struct shadow_root *root)
{
	unsigned int i;

	for (i = 0; i < NR_TOPS(root->role); i++)
		if (root->top[i] && root->top[i]->is_dead)
			return false;
	return true;
}

static bool is_for(const struct shadow_root *root, const struct shadow_root *wanted)
{
	return root->role.word == wanted->role.word && root->cr3 == wanted->cr3 &&
	       !memcmp(root->pdpte, wanted->pdpte, sizeof(root->pdpte)) && is_whole(root);
}

/* Without its tables. */
static struct shadow_root wanted_root(const struct vcpu *vcpu, const struct shadow_vcpu *sv)
{
	struct shadow_root root = { .role = shadow_mode(&vcpu->regs) };

	root.cr3 = cr3_bits(&vcpu->regs, root.role);
	if (root.role.guest == SHADOW_PAE)
		memcpy(root.pdpte, sv->pdpte, sizeof(root.pdpte));
	return root;
}

bool shadow_root_is_good(const struct vcpu *vcpu, const struct shadow_vcpu *sv)
{
	struct shadow_root wanted = wanted_root(vcpu, sv);

	return is_for(&sv->root[sv->now], &wanted);
}

static void root_put(struct shadow *s, struct shadow_root *root, struct pt_update *up)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(root->top); i++)
		if (root->top[i])
			shadow_root_put(s, root->top[i], up);
	*root = (struct shadow_root){};
}

/* Frame and role of the @i-th topmost table. False: the guest has none there. */
static bool top_key(const struct shadow_root *root, unsigned int i, gfn_t *gfn, union shadow_role *role)
{
	*role = root->role;
	switch (role->guest) {
	case SHADOW_FLAT:
		*gfn = i * pt_span(3);
		return true;
	case SHADOW_NARROW:
		role->quadrant = i;
		break;
	case SHADOW_PAE:
		*gfn = gpa_to_gfn(root->pdpte[i] & GPTE_ADDRESS);
		return root->pdpte[i] & GPTE_P;
	}
	*gfn = gpa_to_gfn(root->cr3);
	return true;
}

/* False if pages are lacking; what was found stays. */
static bool root_make(struct vcpu *vcpu, struct shadow *s, struct shadow_root *root, struct pt_update *up)
{
	union shadow_role role;
	unsigned int i;
	gfn_t gfn;

	for (i = 0; i < NR_TOPS(root->role); i++) {
		if (!top_key(root, i, &gfn, &role))
			continue;
		root->top[i] = shadow_get_table(vcpu, s, gfn, role, up);
		if (!root->top[i])
			return false;
		shadow_root_get(root->top[i]);
	}
	return true;
}

/* memory.lock held. */
static void make_current(struct shadow_vcpu *sv, unsigned int i)
{
	sv->now = i;
	sv->root[i].used = ++sv->clock;
}

/* Of those that were loaded, the one for which that was longest ago; before these, what is empty. */
static unsigned int oldest_root(const struct shadow_vcpu *sv)
{
	unsigned int oldest = 0, i;

	for (i = 0; i < SHADOW_ROOTS; i++) {
		if (!sv->root[i].role.word)
			return i;
		if (sv->clock - sv->root[i].used > sv->clock - sv->root[oldest].used)
			oldest = i;
	}
	return oldest;
}

/* Make the root for the registers the current one. memory.lock held. */
static bool root_find(struct vcpu *vcpu, struct shadow *s, struct shadow_vcpu *sv, struct pt_update *up)
{
	struct shadow_root root = wanted_root(vcpu, sv);
	unsigned int i;

	for (i = 0; i < SHADOW_ROOTS; i++)
		if (!is_whole(&sv->root[i]))
			root_put(s, &sv->root[i], up);
	for (i = 0; i < SHADOW_ROOTS; i++)
		if (is_for(&sv->root[i], &root))
			break;
	if (i == SHADOW_ROOTS) {
		i = oldest_root(sv);
		root_put(s, &sv->root[i], up);
		if (!root_make(vcpu, s, &root, up)) {
			root_put(s, &root, up);
			return false;
		}
		sv->root[i] = root;
	}
	make_current(sv, i);
	return true;
}

/* Let go of the roots that vCPUs remember, but for those they use: their tables can be dropped then. */
static void forget_old_roots(struct shadow *s)
{
	struct pt_update up = {};
	struct vcpu *vcpu;
	unsigned long n;
	unsigned int i;

	spin_lock(&s->vm->mem.lock);
	vm_for_each_vcpu(s->vm, n, vcpu) {
		for (i = 0; i < SHADOW_ROOTS; i++)
			if (i != vcpu->shadow->now)
				root_put(s, &vcpu->shadow->root[i], &up);
	}
	shadow_finish(s, &up);
	spin_unlock(&s->vm->mem.lock);
	pgtable_free_pages(up.dead);
}

int shadow_have_room(struct shadow *s)
{
	if (likely(!shadow_top_up(s)))
		return 0;
	forget_old_roots(s);
	return shadow_top_up(s);
}

/* Attempts at a root in one go: each begins with a full reserve, which other vCPUs use too. */
#define LOAD_PASSES	8

int shadow_load(struct vcpu *vcpu, struct shadow *s, struct shadow_vcpu *sv)
{
	struct pt_update up = {};
	bool done = false;
	unsigned int pass;

	vcpu_need(vcpu, RG_CR0 | RG_CR3 | RG_CR4 | RG_EFER);
	for (pass = 0; pass < LOAD_PASSES && !done; pass++) {
		if (shadow_have_room(s))
			return -ENOMEM;
		spin_lock(&s->vm->mem.lock);
		done = root_find(vcpu, s, sv, &up);
		shadow_sync_all(vcpu, s, &up);
		shadow_finish(s, &up);
		spin_unlock(&s->vm->mem.lock);
		pgtable_free_pages(up.dead);
		up.dead = NULL;
	}
	return done ? 0 : -EAGAIN;
}

/* memory.lock held. */
static enum shadow_quick quick_load(struct vcpu *vcpu, struct shadow *s, struct shadow_vcpu *sv, u64 cr3)
{
	union shadow_role role = sv->root[sv->now].role;
	bool is_other;
	unsigned int i;

	for (i = 0; i < SHADOW_ROOTS; i++)
		if (sv->root[i].cr3 == cr3 && sv->root[i].role.word == role.word && !sv->root[i].top[0]->is_dead)
			break;
	if (i == SHADOW_ROOTS || (s->nr_unsync && !shadow_sync_alone(vcpu, s)))
		return SHADOW_SLOW;
	is_other = i != sv->now;
	make_current(sv, i);
	/* what TLBs have is in the tables, but for what is owed */
	if (shadow_take_owed(s) && !is_other)
		return SHADOW_FLUSH;
	return is_other ? SHADOW_OTHER : SHADOW_SAME;
}

enum shadow_quick shadow_quick_load(struct vcpu *vcpu, struct shadow *s, struct shadow_vcpu *sv, u64 cr3)
{
	enum shadow_quick how;

	/* elsewhere PAE's entries count too, or nothing of CR3 does; role 0 is no root */
	if (sv->root[sv->now].role.guest < SHADOW_LONG4 || !spin_trylock(&s->vm->mem.lock))
		return SHADOW_SLOW;
	how = quick_load(vcpu, s, sv, cr3 & GPTE_ADDRESS);
	spin_unlock(&s->vm->mem.lock);
	return how;
}

void shadow_unload(struct shadow *s, struct shadow_vcpu *sv)
{
	struct pt_update up = {};
	unsigned int i;

	spin_lock(&s->vm->mem.lock);
	for (i = 0; i < SHADOW_ROOTS; i++)
		root_put(s, &sv->root[i], &up);
	shadow_finish(s, &up);
	spin_unlock(&s->vm->mem.lock);
	pgtable_free_pages(up.dead);
}

hpa_t shadow_cr3(const struct shadow *s, const struct shadow_vcpu *sv)
{
	const struct shadow_root *root = &sv->root[sv->now];
	u64 encryption = s->format->table & ~(u64)(PAGE_SIZE - 1);
	unsigned int i;

	if (root->role.level > 2)
		return virt_to_phys(root->top[0]->table) | encryption;
	/* these have no rights, and bits of them that others have are reserved */
	for (i = 0; i < 4; i++)
		WRITE_ONCE(sv->pae[i], root->top[i] ? virt_to_phys(root->top[i]->table) | encryption | s->format->present : 0);
	return virt_to_phys(sv->pae) | encryption;
}
