// SPDX-License-Identifier: GPL-2.0-only
/*
 * Faults on shadow tables. Without the lock: the guest's tables are walked, which tells a true fault, and pages for new tables
 * are got. Under it, one pass: root, slot and host page; then the tables of the path from the root down, made where there are none; then the
 * guest's entries are compared with what was walked, as they are protected by now; only then links and leaf are written.
 */
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/spinlock.h>
#include <asm/processor-flags.h>
#include "shadow.h"

/* Passes of one fault before the guest is entered again, to fault again. */
#define FAULT_PASSES	8

enum fill_step {
	STEP_MAPPED,
	STEP_MMIO,
	STEP_MMIO_RO,
	STEP_EMULATE,
	STEP_EMULATE_ONLY,
	STEP_RELOAD,
	STEP_AGAIN,	/* the guest's tables have changed, or tables are lacking: walk again */
	STEP_HOST,	/* fill.hva must be made present */
	STEP_BUSY,	/* the host is changing this address */
};

/**
 * struct fill - one fault that is not the guest's
 * @vcpu: who faulted
 * @s: the VM's tables
 * @sv: the vCPU's part
 * @gva: faulting address
 * @access: WALK_*
 * @gfn: frame that the guest's tables lead to
 * @t: and by which entries
 * @slot: of @gfn
 * @hva: its address in the launcher
 * @host: and what the launcher's tables have there
 * @path: our tables, by level, down to the one with the leaf
 * @level: of the leaf
 */
struct fill {
	struct vcpu *vcpu;
	struct shadow *s;
	struct shadow_vcpu *sv;
	gva_t gva;
	u32 access;
	gfn_t gfn;
	struct walk_trace t;
	const struct memslot *slot;
	hva_t hva;
	struct host_page host;
	struct shadow_page *path[SHADOW_MAX_LEVEL + 1];
	unsigned int level;
};

static inline unsigned int fill_index(const struct fill *f, unsigned int level)
{
	return shadow_index(f->gva, level);
}

/* A device: nothing stays mapped there, whatever the guest's tables said before. */
static enum fill_step device(struct fill *f)
{
	unsigned int index;
	struct shadow_page *page = shadow_find_leaf(f->s, f->sv, f->gva, &index);

	if (page)
		shadow_drop(f->s, page, index);
	return STEP_MMIO;
}

/* Slot and host page. STEP_MAPPED: both are there. */
static enum fill_step find_host_page(struct fill *f)
{
	struct memory *mem = &f->vcpu->vm->mem;
	bool write = f->access & WALK_WRITE, found;

	f->slot = vcpu_find_slot(f->vcpu, mem_slots_locked(mem), f->gfn);
	if (!f->slot || unlikely(apic_frames_in(f->vcpu->vm, f->gfn, f->gfn)))
		return device(f);
	if (write && f->slot->flags & KVM_MEM_READONLY)
		return STEP_MMIO_RO;
	f->hva = slot_hva(f->slot, f->gfn);
	if (memory_invalidating(mem, f->hva))
		return STEP_BUSY;
	local_irq_disable();
	found = host_page_lookup(f->vcpu->vm->mm, f->hva, write, &f->host);
	local_irq_enable();
	return found ? STEP_MAPPED : STEP_HOST;
}

/* The guest's page is at least 2M large, and can be mapped so. */
static bool fits_large(const struct fill *f)
{
	gfn_t mask = PT_ENTRIES - 1, base = f->gfn & ~mask;
	const struct memslot *slot = f->slot;

	if ((f->t.top && f->t.leaf < 2) || f->host.level < 2 || f->s->format->max_leaf_level < 2 || slot->dirty)
		return false;
	if (base < slot->base || base + mask >= slot->base + slot->npages || ((f->hva >> PAGE_SHIFT) ^ f->gfn) & mask)
		return false;
	return !apic_frames_in(f->vcpu->vm, base, base + mask) && !shadow_block_has_tables(f->s, f->gfn);
}

/* Tables from the root down to the leaf's. False if one cannot be had. */
static bool find_path(struct fill *f, struct pt_update *up)
{
	struct shadow_page *page = shadow_top(f->sv, f->gva), *child;
	union shadow_role role;
	unsigned int level;
	gfn_t gfn;

	for (level = page->role.level;; level--, page = child) {
		unsigned int index = fill_index(f, level);

		f->path[level] = page;
		if (level == 1 || (level <= SHADOW_MAX_LEAF && fits_large(f)))
			break;
		if (page->role.is_direct || level == f->t.leaf)
			gfn = shadow_direct_child(page->role, f->gfn, f->t.entry[level], &role);
		else
			gfn = shadow_child(page->role, index, f->t.entry[level], &role);
		/* what is linked here already may be out of sync, like a TLB that knows this place */
		child = shadow_linked(f->s, page, index);
		if (!child || !shadow_is(child, gfn, role))
			child = shadow_get_table(f->vcpu, f->s, gfn, role, up);
		if (!child)
			return false;
	}
	f->level = level;
	return true;
}

/* Would the CPU refuse a supervisor's store by a key that forbids it only where CR0.WP is set, as it is in the CPU? */
static bool key_stops_store(const struct fill *f, union shadow_role role, u32 rights, u32 key)
{
	if (role.wp0 != SHADOW_WP0_EMULATE || !(rights & SHADOW_USER) || (f->access & (WALK_WRITE | WALK_USER)) != WALK_WRITE)
		return false;
	return f->vcpu->regs.cr4 & X86_CR4_PKE && f->vcpu->xstate.pkru >> (2 * key) & PKRU_NO_WRITE;
}

/* What the guest's entries, or a direct table's role, leave to the page. STEP_EMULATE_ONLY: the store must not be made directly. */
static enum fill_step page_rights(const struct fill *f, u32 *rights, u32 *key)
{
	union shadow_role role = f->path[f->level]->role;
	u64 gpte = f->t.entry[f->level];
	bool is_dirty = role.is_direct ? role.is_dirty : gpte & GPTE_D, write;

	*rights = role.is_direct ? role.access : shadow_rights(role, gpte);
	*key = role.is_direct ? role.key : shadow_key(role, gpte);
	write = shadow_may_write(role, *rights, is_dirty);
	if (key_stops_store(f, role, *rights, *key))
		return STEP_EMULATE_ONLY;
	if (shadow_needs_flip(role, *rights, f->access)) {
		if (role.wp0 == SHADOW_WP0_EMULATE)
			return STEP_EMULATE_ONLY;
		*rights &= ~(u32)(role.wp0 == SHADOW_WP0_SMEP ? SHADOW_USER | SHADOW_EXEC : SHADOW_USER);
		write = is_dirty;
	}
	*rights = write ? *rights | SHADOW_WRITE : *rights & ~(u32)SHADOW_WRITE;
	return STEP_MAPPED;
}

/* May the leaf be writable as far as slot, host and tracing are concerned? */
static bool may_be_writable(const struct fill *f, u64 old)
{
	if (!f->host.writable || f->slot->flags & KVM_MEM_READONLY || shadow_is_traced(f->s, f->gfn))
		return false;
	/* a page that is logged becomes writable by a write only, and stays so until its log is read */
	return !f->slot->dirty || f->access & WALK_WRITE || old & f->s->format->write;
}

/* The leaf's entry as it is, if it maps this very page; otherwise 0. */
static u64 same_leaf(const struct fill *f, gfn_t frame, u64 pfn)
{
	struct shadow_page *page = f->path[f->level];
	unsigned int index = fill_index(f, f->level);
	u64 pte = READ_ONCE(page->table[index]);

	if (!pte_is_present(f->s->format, pte) || !shadow_is_leaf(f->s, page, pte) || page->entry[index].frame != frame)
		return 0;
	return (pte & f->s->format->address) == pfn << PAGE_SHIFT ? pte : 0;
}

static void map_around(struct fill *f)
{
	struct shadow_spot at = {
		.page	= f->path[1],
		.index	= fill_index(f, 1),
		.gfn	= f->gfn,
		.slot	= f->slot,
		.host	= &f->host,
	};

	f->vcpu->stats.pf_around += shadow_map_around(f->vcpu, f->s, &at);
}

static enum fill_step write_leaf(struct fill *f)
{
	gfn_t mask = pt_span(f->level) - 1, frame = f->gfn & ~mask;
	u64 pfn = f->host.pfn & ~mask, old = same_leaf(f, frame, pfn);
	u32 rights, key;

	if (page_rights(f, &rights, &key) == STEP_EMULATE_ONLY)
		return STEP_EMULATE_ONLY;
	if (!may_be_writable(f, old))
		rights &= ~(u32)SHADOW_WRITE;
	if (f->access & WALK_WRITE)
		slot_mark_dirty(f->vcpu->vm, f->vcpu, f->slot, f->gfn);
	shadow_set_leaf(f->s, f->path[f->level], fill_index(f, f->level), frame,
			pfn << PAGE_SHIFT | shadow_leaf(f->s->format, f->level, rights, key, f->host.type));
	f->vcpu->stats.pf_fixed++;
	/* one that was there has had its turn */
	if (f->level == 1 && !old)
		map_around(f);
	return STEP_MAPPED;
}

static void write_links(struct fill *f)
{
	unsigned int level;

	for (level = shadow_top(f->sv, f->gva)->role.level; level > f->level; level--) {
		shadow_link(f->s, f->path[level], fill_index(f, level), f->path[level - 1]);
		f->path[level]->was_used = true;
		f->path[level]->stores = 0;
	}
	f->path[level]->was_used = true;
	f->path[level]->stores = 0;
}

/* The store is to a table that its own address is translated by: dropped, it would be made and protected again by the next try. */
static bool is_own_table(const struct fill *f)
{
	unsigned int level;

	for (level = shadow_top(f->sv, f->gva)->role.level; level > 1 && level >= f->level; level--)
		if (!f->path[level]->role.is_direct && f->path[level]->gfn == f->gfn)
			return true;
	return false;
}

/* Is the frame one of the tables that its own address is translated by, as the guest has them? */
static bool is_on_its_way(const struct fill *f)
{
	unsigned int level;

	for (level = f->t.leaf; level <= f->t.top; level++)
		if (gpa_to_gfn(f->t.gpa[level]) == f->gfn)
			return true;
	return false;
}

/*
 * A store to a table that cannot go out of sync: nothing that is found below would have it succeed. Not where the slot, or the way to the table,
 * want another answer.
 */
static bool must_emulate(struct fill *f)
{
	const struct shadow_page *page = shadow_next_table(f->s, f->gfn, NULL);
	bool is_upper = false;

	if (!page || page->is_unsync)
		return false;
	for (; page; page = shadow_next_table(f->s, f->gfn, page))
		is_upper |= page->role.level > 1;
	if (!is_upper || is_on_its_way(f) || apic_frames_in(f->vcpu->vm, f->gfn, f->gfn))
		return false;
	f->slot = vcpu_find_slot(f->vcpu, mem_slots_locked(&f->vcpu->vm->mem), f->gfn);
	return f->slot && !(f->slot->flags & KVM_MEM_READONLY);
}

/* One pass; memory.lock held. */
static enum fill_step fill_pass(struct fill *f, struct pt_update *up)
{
	enum fill_step step;

	if (f->access & WALK_WRITE && must_emulate(f))
		return STEP_EMULATE;
	if (!shadow_root_is_good(f->vcpu, f->sv))
		return STEP_RELOAD;
	step = find_host_page(f);
	if (step != STEP_MAPPED)
		return step;
	if (!find_path(f, up))
		return STEP_AGAIN;
	if (f->access & WALK_WRITE && shadow_is_traced(f->s, f->gfn) && !shadow_let_write(f->vcpu, f->s, f->gfn, up))
		return is_own_table(f) ? STEP_EMULATE_ONLY : STEP_EMULATE;
	/* other CPUs cannot write to these tables any more: what is in them now is what we go by */
	shadow_finish(f->s, up);
	if (!walk_unchanged(f->vcpu, &f->t))
		return STEP_AGAIN;
	write_links(f);
	return write_leaf(f);
}

static enum fill_step fill_once(struct fill *f)
{
	struct pt_update up = {};
	enum fill_step step;

	spin_lock(&f->s->vm->mem.lock);
	step = fill_pass(f, &up);
	shadow_finish(f->s, &up);
	spin_unlock(&f->s->vm->mem.lock);
	pgtable_free_pages(up.dead);
	return step;
}

/* Get the host's page. 1: the guest may be entered again; 0: another pass; or negative errno. */
static int fetch_host_page(const struct fill *f)
{
	int ret = host_page_fault_in(f->vcpu->vm->mm, f->hva, f->access & WALK_WRITE);

	if (ret != -EHWPOISON)
		return ret;
	/* the launcher learns the address by the signal, which also ends KVM_RUN */
	send_sig_mceerr(BUS_MCEERR_AR, (void __user *)f->hva, PAGE_SHIFT, current);
	return 1;
}

int shadow_fault(struct vcpu *vcpu, struct shadow *s, struct shadow_vcpu *sv, gva_t gva, u32 access, struct walk *walk)
{
	struct fill f = { .vcpu = vcpu, .s = s, .sv = sv, .gva = gva, .access = access };
	unsigned int pass;
	int ret;

	for (pass = 0; pass < FAULT_PASSES; pass++) {
		ret = walk_traced(vcpu, gva, access, sv->pdpte, walk, &f.t);
		if (ret == WALK_FAULT)
			return SHADOW_TRUE_FAULT;
		if (ret == WALK_CHANGED)
			return SHADOW_MAPPED;
		if (ret == -EFAULT)
			return SHADOW_NO_TABLE;
		ret = ret ?: shadow_have_room(s);
		if (ret)
			return ret;
		f.gfn = gpa_to_gfn(walk->gpa);
		switch (fill_once(&f)) {
		case STEP_MAPPED:	return SHADOW_MAPPED;
		case STEP_MMIO:		return SHADOW_MMIO;
		case STEP_MMIO_RO:	return SHADOW_MMIO_RO;
		case STEP_EMULATE:	return SHADOW_EMULATE;
		case STEP_EMULATE_ONLY:	return SHADOW_EMULATE_ONLY;
		case STEP_RELOAD:	return SHADOW_RELOAD;
		case STEP_BUSY:
			cond_resched();
			return SHADOW_MAPPED;
		case STEP_HOST:
			ret = fetch_host_page(&f);
			if (ret)
				return ret < 0 ? ret : SHADOW_MAPPED;
			break;
		case STEP_AGAIN:
			break;
		}
	}
	return SHADOW_MAPPED;
}
