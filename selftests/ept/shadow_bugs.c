/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Bugs on purpose, one at a time: the linker puts these between the files of the engine (ld, --wrap; unit.mk), which know nothing of them.
 * Each takes a rule of Documentation/design.rst ("Shadow paging") away. The auditor or the comparison with the reference must notice.
 */
#include "shadow_bits.h"
#include "shadow_world.h"

int bug_now = -1;

enum {
	ROLE_COMPARE, FRAME_COMPARE, DIRECT_COMPARE, RIGHTS_ABOVE, QUADRANT, KEY, DIRTY_BIT, PROTECT_TABLE, LARGE_OVER_TABLE, FLUSH, FLUSH_OWED,
	MAP_LOST, MAP_LEFT, SECOND_READ, SYNC_AT_CR3, SYNC_AT_LINK, SYNC_COMPARE, SYNC_LIST, UPPER_UNSYNC, STORE_FIRST, INVLPG, ROOT_DEAD, ROOT_COUNT,
	HOST_WRITE, LOG_PROTECT, SLOT_TABLES, FLIP_USER, FLIP_NX, QUICK_SYNC, QUICK_ALONE, QUICK_OWED, QUICK_INVLPG, LEAF_OWES, AROUND_READY, NR_BUGS
};

const struct bug bugs[] = {
	[ROLE_COMPARE]		= { "role_compare", "a table is found by its whole role" },
	[FRAME_COMPARE]		= { "frame_compare", "a table is found by its frame" },
	[DIRECT_COMPARE]	= { "direct_compare", "so is a direct one" },
	[RIGHTS_ABOVE]		= { "rights_above", "the role has the rights of all entries above" },
	[QUADRANT]		= { "quadrant", "the role has the part of a 32-bit table" },
	[KEY]			= { "key", "the role has the protection key of a large page" },
	[DIRTY_BIT]		= { "dirty_bit", "writable only with the dirty bit" },
	[PROTECT_TABLE]		= { "protect_table", "the frame of a new table is protected" },
	[LARGE_OVER_TABLE]	= { "large_over_table", "no large leaf over a guest table" },
	[FLUSH]			= { "flush", "TLBs are flushed" },
	[FLUSH_OWED]		= { "flush_owed", "what is owed is flushed before it matters" },
	[MAP_LOST]		= { "map_lost", "every leaf is in the reverse map" },
	[MAP_LEFT]		= { "map_left", "what is dropped leaves the reverse map" },
	[SECOND_READ]		= { "second_read", "entries are compared once they are protected" },
	[SYNC_AT_CR3]		= { "sync_at_cr3", "MOV to CR3 brings tables up to date" },
	[SYNC_AT_LINK]		= { "sync_at_link", "so does linking one" },
	[SYNC_COMPARE]		= { "sync_compare", "bringing up to date compares entries" },
	[SYNC_LIST]		= { "sync_list", "what is in sync is on no list" },
	[UPPER_UNSYNC]		= { "upper_unsync", "only tables of the last level go out of sync" },
	[STORE_FIRST]		= { "store_first", "a store looks at all entries it covers" },
	[INVLPG]		= { "invlpg", "INVLPG compares the entry" },
	[ROOT_DEAD]		= { "root_dead", "a dead root is not used" },
	[ROOT_COUNT]		= { "root_count", "roots are counted" },
	[HOST_WRITE]		= { "host_write", "writable only where the launcher's page is" },
	[LOG_PROTECT]		= { "log_protect", "what the log gave away is protected" },
	[SLOT_TABLES]		= { "slot_tables", "tables in a slot go with it" },
	[FLIP_USER]		= { "flip_user", "what a supervisor may write with CR0.WP = 0 no user may" },
	[FLIP_NX]		= { "flip_nx", "nor may it be executed with SMEP" },
	[QUICK_SYNC]		= { "quick_sync", "MOV to CR3 brings tables up to date with interrupts off too" },
	[QUICK_ALONE]		= { "quick_alone", "but only where there is no other vCPU" },
	[QUICK_OWED]		= { "quick_owed", "and has the TLB flushed of what is owed" },
	[QUICK_INVLPG]		= { "quick_invlpg", "so has INVLPG" },
	[LEAF_OWES]		= { "leaf_owes", "a leaf that comes to permit less owes a flush" },
	[AROUND_READY]		= { "around_ready", "no neighbour is mapped that was not accessed" },
};

const unsigned int nr_bugs = NR_BUGS;

/* The engine's function, and this in its place. */
#define WRAP(ret, name, args)	ret __real_##name args; ret __wrap_##name args; ret __wrap_##name args

WRAP(bool, shadow_is, (const struct shadow_page *page, gfn_t gfn, union shadow_role role))
{
	if (bug_now == ROLE_COMPARE)
		return page->gfn == gfn && page->role.level == role.level;
	if (bug_now == FRAME_COMPARE)
		return page->role.word == role.word;
	if (bug_now == DIRECT_COMPARE && role.is_direct)
		return page->role.is_direct && page->role.level == role.level;
	return __real_shadow_is(page, gfn, role);
}

WRAP(u32, shadow_rights, (union shadow_role role, u64 gpte))
{
	if (bug_now == RIGHTS_ABOVE)
		role.access = SHADOW_ALL;
	return __real_shadow_rights(role, gpte);
}

WRAP(gfn_t, shadow_child, (union shadow_role role, unsigned int index, u64 gpte, union shadow_role *child))
{
	return __real_shadow_child(role, bug_now == QUADRANT ? 0 : index, gpte, child);
}

WRAP(gfn_t, shadow_direct_child, (union shadow_role role, gfn_t gfn, u64 gpte, union shadow_role *child))
{
	gfn_t ret = __real_shadow_direct_child(role, gfn, gpte, child);

	if (bug_now == KEY)
		child->key = 0;
	return ret;
}

WRAP(bool, shadow_may_write, (union shadow_role role, u32 rights, bool is_dirty))
{
	return __real_shadow_may_write(role, rights, is_dirty || bug_now == DIRTY_BIT);
}

WRAP(u64, shadow_leaf, (const struct pte_format *f, unsigned int level, u32 rights, u32 key, enum pte_memtype type))
{
	u64 pte = __real_shadow_leaf(f, level, rights, key, type);

	if (bug_now == FLIP_USER && (rights & (SHADOW_WRITE | SHADOW_USER)) == SHADOW_WRITE)
		pte |= BIT(2);
	if (bug_now == FLIP_NX && (rights & (SHADOW_WRITE | SHADOW_USER | SHADOW_EXEC)) == SHADOW_WRITE)
		pte &= ~BIT(63);
	return pte;
}

WRAP(void, shadow_protect_frame, (struct shadow *s, gfn_t gfn, struct pt_update *up))
{
	if (bug_now != PROTECT_TABLE)
		__real_shadow_protect_frame(s, gfn, up);
}

WRAP(bool, shadow_block_has_tables, (struct shadow *s, gfn_t gfn))
{
	return bug_now != LARGE_OVER_TABLE && __real_shadow_block_has_tables(s, gfn);
}

WRAP(void, memory_flush, (struct vm *vm, struct pt_update *up))
{
	if (bug_now == FLUSH)
		up->flush = false;
	__real_memory_flush(vm, up);
}

WRAP(void, shadow_settle, (struct shadow *s, struct pt_update *up))
{
	if (bug_now != FLUSH_OWED)
		__real_shadow_settle(s, up);
}

WRAP(void, shadow_leaf_add, (struct shadow *s, struct shadow_page *page, unsigned int index, gfn_t frame))
{
	if (bug_now != MAP_LOST || frame % 3)
		__real_shadow_leaf_add(s, page, index, frame);
}

WRAP(void, shadow_leaf_remove, (struct shadow *s, struct shadow_page *page, unsigned int index))
{
	if (bug_now != MAP_LEFT || page->entry[index].frame % 3)
		__real_shadow_leaf_remove(s, page, index);
}

WRAP(bool, walk_unchanged, (struct vcpu *vcpu, const struct walk_trace *t))
{
	return bug_now == SECOND_READ || __real_walk_unchanged(vcpu, t);
}

WRAP(void, shadow_sync_all, (struct vcpu *vcpu, struct shadow *s, struct pt_update *up))
{
	if (bug_now != SYNC_AT_CR3)
		__real_shadow_sync_all(vcpu, s, up);
}

WRAP(void, shadow_sync_frame, (struct vcpu *vcpu, struct shadow *s, gfn_t gfn, struct pt_update *up))
{
	if (bug_now != SYNC_AT_LINK)
		__real_shadow_sync_frame(vcpu, s, gfn, up);
}

WRAP(bool, shadow_leaf_fits, (union shadow_role role, gfn_t frame, u64 pte, u64 gpte))
{
	return bug_now == SYNC_COMPARE || __real_shadow_leaf_fits(role, frame, pte, gpte);
}

WRAP(void, shadow_mark_synced, (struct shadow *s, struct shadow_page *page))
{
	if (bug_now == SYNC_LIST)
		page->is_unsync = false;
	__real_shadow_mark_synced(s, page);
}

WRAP(bool, shadow_let_write, (struct vcpu *vcpu, struct shadow *s, gfn_t gfn, struct pt_update *up))
{
	struct shadow_page *page = NULL;

	if (bug_now != UPPER_UNSYNC || s->nr_unsync > SHADOW_MAX_UNSYNC / 2)
		return __real_shadow_let_write(vcpu, s, gfn, up);
	while ((page = shadow_next_table(s, gfn, page))) {
		page->is_unsync = true;
		s->unsync[s->nr_unsync++] = page->id;
	}
	return true;
}

WRAP(unsigned int, shadow_covered, (union shadow_role role, unsigned int from, unsigned int len, unsigned int *end))
{
	unsigned int first = __real_shadow_covered(role, from, len, end);

	if (bug_now == STORE_FIRST && *end > first)
		*end = first + 1;
	return first;
}

WRAP(void, shadow_invlpg, (struct vcpu *vcpu, struct shadow *s, struct shadow_vcpu *sv, gva_t gva))
{
	if (bug_now != INVLPG)
		__real_shadow_invlpg(vcpu, s, sv, gva);
}

WRAP(enum shadow_quick, shadow_quick_invlpg, (struct vcpu *vcpu, struct shadow *s, struct shadow_vcpu *sv, gva_t gva))
{
	if (bug_now == INVLPG)
		return SHADOW_FLUSH;
	if (bug_now != QUICK_INVLPG)
		return __real_shadow_quick_invlpg(vcpu, s, sv, gva);
	__real_shadow_quick_invlpg(vcpu, s, sv, gva);
	return SHADOW_SAME;
}

WRAP(enum shadow_quick, shadow_quick_load, (struct vcpu *vcpu, struct shadow *s, struct shadow_vcpu *sv, u64 cr3))
{
	enum shadow_quick how = __real_shadow_quick_load(vcpu, s, sv, cr3);

	return bug_now == QUICK_OWED && how == SHADOW_FLUSH ? SHADOW_SAME : how;
}

WRAP(bool, shadow_sync_alone, (struct vcpu *vcpu, struct shadow *s))
{
	unsigned int n = s->vm->nr_vcpus;
	bool done;

	if (bug_now == QUICK_SYNC)
		return true;
	if (bug_now == QUICK_ALONE)
		s->vm->nr_vcpus = 1;
	done = __real_shadow_sync_alone(vcpu, s);
	s->vm->nr_vcpus = n;
	return done;
}

WRAP(void, shadow_set_leaf, (struct shadow *s, struct shadow_page *page, unsigned int index, gfn_t frame, u64 pte))
{
	bool owed = s->owed;

	__real_shadow_set_leaf(s, page, index, frame, pte);
	if (bug_now == LEAF_OWES)
		s->owed = owed;
}

WRAP(bool, shadow_is_ready, (union shadow_role role, u64 gpte, u64 reserved))
{
	return bug_now == AROUND_READY ? gpte & P : __real_shadow_is_ready(role, gpte, reserved);
}

WRAP(bool, shadow_root_is_good, (const struct vcpu *vcpu, const struct shadow_vcpu *sv))
{
	return bug_now == ROOT_DEAD || __real_shadow_root_is_good(vcpu, sv);
}

WRAP(void, shadow_root_get, (struct shadow_page *page))
{
	if (bug_now != ROOT_COUNT)
		__real_shadow_root_get(page);
}

WRAP(bool, host_page_lookup, (struct mm_struct *mm, hva_t hva, bool write, struct host_page *page))
{
	bool found = __real_host_page_lookup(mm, hva, write, page);

	if (bug_now == HOST_WRITE)
		page->writable = true;
	return found;
}

WRAP(void, shadow_protect, (struct shadow *s, gfn_t gfn, gfn_t end, struct pt_update *up))
{
	if (bug_now != LOG_PROTECT)
		__real_shadow_protect(s, gfn, end, up);
}

WRAP(void, shadow_forget, (struct shadow *s, gfn_t gfn, gfn_t end, struct pt_update *up))
{
	if (bug_now == SLOT_TABLES)
		shadow_unmap(s, gfn, end, up);
	else
		__real_shadow_forget(s, gfn, end, up);
}
