/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The auditor: every shadow table, entry, chain and root, and every translation that a CPU still has, against the guest's tables, the slots,
 * the launcher's pages and the flushes owed. It computes what it expects by itself. Run between operations, when everything is at rest.
 */
#include "shadow_bits.h"
#include "shadow_world.h"

#define ADDR	GENMASK_ULL(51, 12)

#define CHECK_ENTRY(check, cond, page, index, fmt, ...)							\
	WORLD_CHECK(check, cond, "frame 0x%llx role 0x%x entry %u = 0x%llx: " fmt, (unsigned long long)(page)->gfn,	\
		    (page)->role.word, index, (unsigned long long)(page)->table[index], ##__VA_ARGS__)

/* Entries met in a chain, by number. */
static u8 met[(MAX_TABLES + 1) * 512];

static bool is_leaf(const struct shadow_page *page, u64 pte)
{
	return page->role.level == 1 || pte & PS;
}

/* Where the guest's entry behind ours is. */
static gpa_t guest_entry(const struct shadow_page *page, unsigned int index)
{
	gpa_t table = page->gfn << PAGE_SHIFT;
	unsigned int n = page->role.quadrant * 512 + index;

	if (page->role.guest != SHADOW_NARROW)
		return table + 8 * index;
	return table + 4 * (page->role.level == 1 ? n : n >> 1);
}

static unsigned int entry_size(const struct shadow_page *page)
{
	return page->role.guest == SHADOW_NARROW ? 4 : 8;
}

/* Written behind the tracing at some time: ours may be of before. */
static bool is_behind(gpa_t gpa)
{
	unsigned int i;

	for (i = 0; i < w.nr_edits; i++)
		if (w.edit[i].by_launcher && w.edit[i].gpa == (gpa & ~7ull))
			return true;
	return false;
}

static u32 rights_of(const struct shadow_page *page, u64 gpte)
{
	u32 rights = 0;

	if (page->role.access & SHADOW_WRITE && gpte & RW)
		rights |= SHADOW_WRITE;
	if (page->role.access & SHADOW_USER && gpte & US)
		rights |= SHADOW_USER;
	if (page->role.access & SHADOW_EXEC && !(page->role.nx && gpte & XD))
		rights |= SHADOW_EXEC;
	return rights;
}

static bool is_large_guest_page(const struct shadow_page *page, u64 gpte)
{
	return page->role.level > 1 && gpte & PS && (page->role.guest != SHADOW_NARROW || page->role.pse);
}

/* The first frame that a guest entry, behind ours at @index, gives to what is below ours. */
static gfn_t frame_of(const struct shadow_page *page, unsigned int index, u64 gpte)
{
	gfn_t frame = (gpte & ADDR) >> PAGE_SHIFT;

	if (!is_large_guest_page(page, gpte))
		return frame;
	if (page->role.guest == SHADOW_NARROW)
		return (gpte >> 22 & 1023) << 10 | (gpte >> 13 & 255) << 20 | (index & 1) * 512;
	return frame & ~(gfn_t)(page->role.level == 3 ? 0x3ffff : 0x1ff);
}

/* ---- an entry that leads to a table ---- */

static void audit_link(const struct shadow_page *page, unsigned int index)
{
	u64 pte = page->table[index], gpte;
	u32 id = page->entry[index].frame;
	const struct shadow_page *child = id <= w.s->max ? w.s->page[id] : NULL;
	union shadow_role role = page->role;
	gfn_t gfn = page->gfn + index * 512ull;
	gpa_t gpa;

	CHECK_ENTRY("link", child && !child->is_dead, page, index, "leads to no table");
	CHECK_ENTRY("link", (pte & ADDR) == virt_to_phys(child->table), page, index, "leads elsewhere than it says");
	CHECK_ENTRY("link", (pte & ~ADDR & ~(A | D)) == (P | RW | US), page, index, "attributes of a table");
	role.level--;
	if (!page->role.is_direct) {
		gpa = guest_entry(page, index);
		gpte = world_read(gpa, entry_size(page));
		if (is_behind(gpa))
			return;
		CHECK_ENTRY("guest entry", gpte & P && gpte & A, page, index, "the guest's is 0x%llx", (unsigned long long)gpte);
		gfn = frame_of(page, index, gpte);
		role.access = rights_of(page, gpte);
		if (is_large_guest_page(page, gpte))
			role = (union shadow_role){ .level = page->role.level - 1, .is_direct = 1, .access = role.access,
				.wp0 = page->role.wp0, .is_dirty = !!(gpte & D),
				.key = page->role.guest >= SHADOW_LONG4 ? gpte >> 59 & 15 : 0 };
		else
			role.quadrant = page->role.guest == SHADOW_NARROW ? index & 1 : 0;
	}
	/* the bit may have been set since, by a store that went another way */
	if (!child->role.is_dirty)
		role.is_dirty = 0;
	CHECK_ENTRY("key", child->gfn == gfn && child->role.word == role.word, page, index,
		    "leads to frame 0x%llx role 0x%x, not 0x%llx 0x%x", (unsigned long long)child->gfn, child->role.word,
		    (unsigned long long)gfn, role.word);
}

/* ---- an entry that maps ---- */

/* Rights against the guest's. */
static void audit_rights(const struct shadow_page *page, unsigned int index, u32 rights, bool is_dirty, u32 key)
{
	union shadow_role role = page->role;
	u64 pte = page->table[index];
	bool user = rights & SHADOW_USER;

	CHECK_ENTRY("rights", !(pte & US) || user, page, index, "user, by no right of the guest's");
	CHECK_ENTRY("rights", pte & XD || rights & SHADOW_EXEC, page, index, "executable, by no right of the guest's");
	CHECK_ENTRY("protection key", (pte >> 59 & 15) == key, page, index, "not %u", key);
	if (!(pte & RW))
		return;
	CHECK_ENTRY("dirty bit", is_dirty, page, index, "writable, but the guest's entry is clean");
	if (rights & SHADOW_WRITE && (pte & US || !user))
		return;
	CHECK_ENTRY("rights", role.wp0 != SHADOW_WP && !(pte & US), page, index, "writable, by no right of the guest's");
	if (user) {
		tally.flips++;
		CHECK_ENTRY("rights", role.wp0 != SHADOW_WP0_EMULATE, page, index, "a user page that only the supervisor may use");
		CHECK_ENTRY("rights", role.wp0 != SHADOW_WP0_SMEP || pte & XD, page, index, "SMEP would not protect it");
	}
}

/* Slot, launcher's page, tracing, log. */
static void audit_frame(const struct shadow_page *page, unsigned int index, gfn_t frame, u64 pfn)
{
	const struct memslot *slot = world_slot(frame);
	bool write = page->table[index] & RW;
	struct shadow_page *table;
	unsigned int host;

	CHECK_ENTRY("slot", slot, page, index, "frame 0x%llx has no slot", (unsigned long long)frame);
	host = world_host(frame);
	CHECK_ENTRY("host page", w.host[host].present && w.host[host].pfn == pfn, page, index, "frame 0x%llx is not the launcher's 0x%llx",
		    (unsigned long long)frame, (unsigned long long)pfn);
	if (!write)
		return;
	CHECK_ENTRY("slot", !(slot->flags & KVM_MEM_READONLY), page, index, "writable, the slot is not");
	CHECK_ENTRY("host page", w.host[host].writable, page, index, "writable, the launcher's page is not");
	CHECK_ENTRY("dirty log", !slot->dirty || test_bit(frame - slot->base, slot->dirty), page, index, "writable and not logged");
	table = shadow_next_table(w.s, frame, NULL);
	CHECK_ENTRY("tracing", !table || table->is_unsync, page, index, "writable, with a table in sync");
}

static void audit_leaf(const struct shadow_page *page, unsigned int index)
{
	u64 pte = page->table[index], gpte;
	unsigned int span = page->role.level == 2 ? 512 : 1, i;
	gfn_t frame = page->entry[index].frame;
	gpa_t gpa;

	CHECK_ENTRY("leaf", page->role.level <= 2, page, index, "no leaf can be so");
	tally.large += span > 1;
	for (i = 1; span > 1 && i <= w.s->max; i++)
		CHECK_ENTRY("tracing", !w.s->page[i] || w.s->page[i]->role.is_direct || w.s->page[i]->gfn - frame >= span ||
			    w.s->page[i]->is_dead, page, index, "a table lies inside");
	for (i = 0; i < span; i++)
		audit_frame(page, index, frame + i, ((pte & ADDR) >> PAGE_SHIFT) + i);
	if (page->role.is_direct) {
		CHECK_ENTRY("frame", frame == page->gfn + (gfn_t)index * span, page, index, "0x%llx", (unsigned long long)frame);
		audit_rights(page, index, page->role.access, page->role.is_dirty, page->role.key);
		return;
	}
	gpa = guest_entry(page, index);
	gpte = world_read(gpa, entry_size(page));
	/* that a table out of sync says nothing wrong is seen at each access */
	if (page->is_unsync || is_behind(gpa))
		return;
	CHECK_ENTRY("guest entry", gpte & P && gpte & A, page, index, "the guest's is 0x%llx", (unsigned long long)gpte);
	CHECK_ENTRY("frame", frame == frame_of(page, index, gpte), page, index, "0x%llx is not 0x%llx", (unsigned long long)frame,
		    (unsigned long long)frame_of(page, index, gpte));
	audit_rights(page, index, rights_of(page, gpte), gpte & D, page->role.guest >= SHADOW_LONG4 ? gpte >> 59 & 15 : 0);
}

/* ---- chains and tables ---- */

static void meet(u32 number, u32 prev)
{
	const struct shadow_page *page = number / 512 <= w.s->max ? w.s->page[number / 512] : NULL;

	WORLD_CHECK("reverse map", page && page->table[number % 512] & P, "entry %u is in a chain and maps nothing", number);
	WORLD_CHECK("reverse map", !met[number], "entry %u is in two chains", number);
	WORLD_CHECK("reverse map", page->entry[number % 512].prev == prev, "entry %u is not linked back", number);
	met[number] = 1;
}

static void check_length(const struct shadow_chain *chain, u32 n)
{
	WORLD_CHECK("reverse map", chain->n == n, "a chain of %u entries counts %u", n, chain->n);
	WORLD_CHECK("reverse map", n <= SHADOW_MAX_CHAIN, "a chain has %u entries", n);
}

static void audit_chains(void)
{
	const struct shadow *s = w.s;
	u32 i, number, prev, n;

	memset(met, 0, sizeof(met));
	for (i = 0; i < s->nr_leaf_buckets; i++) {
		n = 0;
		for (prev = 0, number = s->leaves[i].first; number;
		     prev = number, number = shadow_page_of(s, number)->entry[number % 512].next) {
			meet(number, prev);
			n++;
			WORLD_CHECK("reverse map", shadow_leaf_chain(w.s, shadow_page_of(s, number)->entry[number % 512].frame) == &s->leaves[i],
				    "entry %u is in another frame's chain", number);
		}
		check_length(&s->leaves[i], n);
	}
	for (i = 1; i <= s->max; i++) {
		if (!s->page[i])
			continue;
		n = 0;
		for (prev = 0, number = s->page[i]->parents.first; number;
		     prev = number, number = shadow_page_of(s, number)->entry[number % 512].next) {
			meet(number, prev);
			n++;
			WORLD_CHECK("reverse map", shadow_page_of(s, number)->entry[number % 512].frame == i, "entry %u leads elsewhere", number);
		}
		check_length(&s->page[i]->parents, n);
	}
}

static unsigned int count_roots(const struct shadow_page *page)
{
	unsigned int n = 0, c, i, t;

	for (c = 0; c < w.nr_cpus; c++)
		for (i = 0; i < SHADOW_ROOTS; i++)
			for (t = 0; t < 4; t++)
				n += w.cpu[c].sv.root[i].top[t] == page;
	return n;
}

static void audit_table(struct shadow_page *page)
{
	struct shadow_page *other = NULL;
	unsigned int i, listed = 0;

	WORLD_CHECK("roots", page->roots == count_roots(page), "table of 0x%llx: %u references, not %u", (unsigned long long)page->gfn,
		    count_roots(page), page->roots);
	for (i = 0; i < w.s->nr_unsync; i++)
		listed += w.s->unsync[i] == page->id;
	WORLD_CHECK("out of sync", listed == page->is_unsync, "table of 0x%llx is listed %u times", (unsigned long long)page->gfn, listed);
	WORLD_CHECK("out of sync", !page->is_unsync || (page->role.level == 1 && !page->role.is_direct), "table of 0x%llx at level %u",
		    (unsigned long long)page->gfn, page->role.level);
	for (i = 0; i < 512; i++) {
		if (!(page->table[i] & P)) {
			CHECK_ENTRY("entry", !page->table[i], page, i, "neither empty nor present");
			continue;
		}
		CHECK_ENTRY("dead table", !page->is_dead, page, i, "present");
		CHECK_ENTRY("reverse map", met[page->id * 512 + i], page, i, "is in no chain");
		if (is_leaf(page, page->table[i]))
			audit_leaf(page, i);
		else
			audit_link(page, i);
	}
	if (page->is_dead || page->role.is_direct)
		return;
	WORLD_CHECK("slot", world_slot(page->gfn), "table of 0x%llx, which has no memory", (unsigned long long)page->gfn);
	WORLD_CHECK("key", shadow_find(w.s, page->gfn, page->role) == page, "table of 0x%llx is not found, or twice there",
		    (unsigned long long)page->gfn);
	while ((other = shadow_next_table(w.s, page->gfn, other)))
		WORLD_CHECK("out of sync", other->is_unsync == page->is_unsync, "only some tables of 0x%llx are", (unsigned long long)page->gfn);
}

/* ---- what the CPUs still have ---- */

static void audit_translation(struct cpu *cpu, const struct xlat *x)
{
	unsigned int index, c = cpu - w.cpu;
	struct shadow_page *page;
	const struct memslot *slot;
	struct shadow_page *table;
	gfn_t gfn;
	u64 pte;

	WORLD_CHECK("TLB", world_frame_of(x->pfn, &gfn), "CPU %u has 0x%llx for 0x%llx, which is not the guest's any more", c,
		    (unsigned long long)x->pfn, (unsigned long long)x->page);
	slot = world_slot(gfn);
	table = shadow_next_table(w.s, gfn, NULL);
	WORLD_CHECK("TLB", !x->write || !table || table->is_unsync, "CPU %u can write 0x%llx, a table in sync", c, (unsigned long long)gfn);
	WORLD_CHECK("TLB", !x->write || (!(slot->flags & KVM_MEM_READONLY) && w.host[world_host(gfn)].writable), "CPU %u can write 0x%llx", c,
		    (unsigned long long)gfn);
	WORLD_CHECK("TLB", !x->write || !slot->dirty || test_bit(gfn - slot->base, slot->dirty), "CPU %u can write 0x%llx, not logged", c,
		    (unsigned long long)gfn);
	if (w.s->owed)
		return;
	page = shadow_find_leaf(w.s, &cpu->sv, x->page, &index);
	WORLD_CHECK("flush owed", page, "CPU %u has a translation of 0x%llx that is nowhere", c, (unsigned long long)x->page);
	pte = page->table[index];
	CHECK_ENTRY("flush owed", (!x->write || pte & RW) && x->user == !!(pte & US) && (!x->exec || !(pte & XD)) && x->key == (pte >> 59 & 15),
		    page, index, "CPU %u has more", c);
}

static void audit_cpu(struct cpu *cpu)
{
	unsigned int i, id;

	for (i = 0; i < TLB_SIZE; i++)
		if (cpu->tlb[i].valid)
			audit_translation(cpu, &cpu->tlb[i]);
	for (i = 0; i < UPPER_SIZE; i++) {
		if (!cpu->upper[i].valid)
			continue;
		for (id = 1; id <= w.s->max; id++)
			if (w.s->page[id] && virt_to_phys(w.s->page[id]->table) == cpu->upper[i].pfn << PAGE_SHIFT)
				break;
		WORLD_CHECK("freed table", id <= w.s->max, "CPU %d still knows it", (int)(cpu - w.cpu));
	}
}

void audit(void)
{
	unsigned int i, live = 0;
	u64 small = 0, large = 0;
	u32 id;

	tally.unsync += w.s->nr_unsync;
	audit_chains();
	for (id = 1; id <= w.s->max; id++) {
		struct shadow_page *page = w.s->page[id];

		if (!page)
			continue;
		live++;
		WORLD_CHECK("number", page->id == id, "%u is %u", id, page->id);
		audit_table(page);
		for (i = 0; i < 512; i++) {
			small += page->table[i] & P && page->role.level == 1;
			large += page->table[i] & P && page->role.level == 2 && page->table[i] & PS;
		}
	}
	WORLD_CHECK("count", live == w.s->live, "%u tables, not %u", live, w.s->live);
	WORLD_CHECK("statistics", w.vm.stats.pages_4k == small && w.vm.stats.pages_2m == large && w.vm.stats.table_pages == live,
		    "%llu and %llu leaves, %u tables", (unsigned long long)small, (unsigned long long)large, live);
	for (i = 0; i < w.nr_cpus; i++)
		audit_cpu(&w.cpu[i]);
}
