/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Shadow paging, private to ept/. Documentation/design.rst, "Shadow paging", says how it works; in the order in which the files
 * rest on each other:
 *
 *   shadow_role.c	roles and entries: pure functions
 *   shadow_chain.c	the reverse map
 *   shadow_table.c	tables, their entries and links; making and dropping them
 *   shadow_pool.c	how many tables: the reserve, room for new ones, all of a VM's
 *   shadow_visit.c	what goes by guest frame: notifier, dirty log, slots, write protection
 *   shadow_sync.c	stores to guest tables, tables out of sync, INVLPG
 *   shadow_root.c	roots and the cache of them: MOV to CR3
 *   shadow_around.c	neighbours of a page that is mapped
 *   shadow_fault.c	faults
 *   shadow_vm.c	the other rooms' side, in keel/shadow.h
 *
 * Everything is under memory.lock unless its comment says otherwise.
 */
#ifndef EPT_SHADOW_H
#define EPT_SHADOW_H

#include <keel/pdpte.h>
#include <keel/shadow.h>
#include "ept.h"
#include "walk.h"

#define SHADOW_MAX_LEVEL	5
#define SHADOW_MAX_LEAF		2	/* larger guest pages are mapped by 2M */
#define SHADOW_MAX_UNSYNC	32	/* tables out of sync */
#define SHADOW_MAX_STORES	8	/* to a table between two uses of it, then it is dropped */
#define SHADOW_RESERVE		5	/* new tables that a fault or a root can need */
#define SHADOW_MIN_TABLES	64u
#define SHADOW_MAX_TABLES	(1u << 20)
#define SHADOW_BUCKETS_PER_TABLE 16u	/* chains of leaves */
#define SHADOW_MAX_CHAIN	1024u	/* entries in a chain: what one look at a frame, or the end of a table, costs at most */
#define SHADOW_ROOTS		4	/* that a vCPU remembers, the current one included */
#define SHADOW_MAX_TOPS		4	/* tables of one root, in 32-bit modes */
/* What is done with interrupts off ("Interrupts off" in locking.rst) to bring tables up to date. */
#define SHADOW_QUICK_SYNC	1u	/* tables at most */
#define SHADOW_QUICK_CHAIN	256u	/* entries looked at to protect the frame of one */

enum shadow_guest { SHADOW_FLAT, SHADOW_NARROW, SHADOW_PAE, SHADOW_LONG4, SHADOW_LONG5 };

/* What a supervisor's store to a read-only page may do. */
enum shadow_wp0 {
	SHADOW_WP,		/* CR0.WP is set: nothing */
	SHADOW_WP0,		/* a user page becomes a supervisor's writable page for a while */
	SHADOW_WP0_SMEP,	/* the same, not executable */
	SHADOW_WP0_EMULATE,	/* with SMAP or PKE: the store to a user page is emulated */
};

#define SHADOW_WRITE	BIT(0)
#define SHADOW_USER	BIT(1)
#define SHADOW_EXEC	BIT(2)
#define SHADOW_ALL	(SHADOW_WRITE | SHADOW_USER | SHADOW_EXEC)

/**
 * union shadow_role - all that decides how a table's entries look, beside the frame; never changed once the table exists
 * @word: for comparison
 * @level: of the table, 1 to 5
 * @guest: enum shadow_guest; of direct tables SHADOW_FLAT, as all that follows from it is 0 there
 * @is_direct: maps frames in a row; otherwise made from the guest table in its frame
 * @quadrant: 32-bit paging: which part of the guest's table
 * @access: SHADOW_* rights that the guest's entries above leave; of direct tables below a large guest page this page's entry included
 * @nx: EFER.NXE
 * @pse: CR4.PSE, in 32-bit paging
 * @wp0: enum shadow_wp0
 * @key: direct, in long mode: protection key of the large guest page
 * @is_dirty: direct: the large guest page has its dirty bit, or there is no paging
 */
union shadow_role {
	u32 word;
	struct {
		u32 level:3;
		u32 guest:3;
		u32 is_direct:1;
		u32 quadrant:2;
		u32 access:3;
		u32 nx:1;
		u32 pse:1;
		u32 wp0:2;
		u32 key:4;
		u32 is_dirty:1;
	};
};

/**
 * struct shadow_entry - beside each entry of a table: its place in a chain. Numbers of entries, 0 for none
 * @frame: of a leaf the first frame it was made to map, of a link the number of the table it leads to
 * @next: of the same frame's leaves, or of the links to the same table
 * @prev: the one before, 0 for the first
 */
struct shadow_entry {
	gfn_t frame;
	u32 next, prev;
};

/**
 * struct shadow_chain - of the reverse map
 * @first: the entry that was added last, 0 for none
 * @n: how many there are, SHADOW_MAX_CHAIN at most
 */
struct shadow_chain {
	u32 first, n;
};

/**
 * struct shadow_page - one table
 * @table: the entries that the CPU walks
 * @entry: and what belongs to each
 * @gfn: frame of the guest's table; of a direct one the first frame it can map
 * @role: with @gfn its key
 * @id: its number, from 1
 * @parents: links to it
 * @next_gfn: table in the same bucket of shadow.by_gfn
 * @next_block: in shadow.by_block
 * @roots: references by vCPUs' roots
 * @stores: of the guest to it since it was last used
 * @present: a bit for each entry that is
 * @is_unsync: the guest may write the frame; entries may be older than the guest's
 * @is_dead: dropped, and only here because it is a root
 * @was_used: since the clock came by
 */
struct shadow_page {
	u64 *table;
	struct shadow_entry *entry;
	gfn_t gfn;
	union shadow_role role;
	u32 id;
	struct shadow_chain parents;
	u32 next_gfn, next_block;
	u16 roots;
	u16 stores;
	bool is_unsync, is_dead, was_used;
	unsigned long present[BITS_TO_LONGS(PT_ENTRIES)];
};

#define SHADOW_BUCKETS	1024u

/**
 * struct shadow - the shadow tables of a VM
 * @vm: the machine
 * @format: of the entries: the CPU's own long-mode format
 * @page: by number
 * @free: numbers that are not in use, @max - @live of them
 * @max: tables at most
 * @live: tables there are
 * @clock: number at which to look for the next table to drop
 * @hash: odd, another one for each VM
 * @by_gfn: tables by frame; direct ones too
 * @by_block: tables made from guest tables, by 2M of guest memory
 * @leaves: leaves by frame
 * @nr_leaf_buckets: a power of two
 * @unsync: numbers of the tables out of sync
 * @nr_unsync: how many
 * @reserve: tables at hand
 * @nr_reserve: how many
 * @owed: an entry was dropped that TLBs may still have
 */
struct shadow {
	struct vm *vm;
	const struct pte_format *format;
	struct shadow_page **page;
	u32 *free;
	u32 max, live, clock;
	u64 hash;
	u32 by_gfn[SHADOW_BUCKETS];
	u32 by_block[SHADOW_BUCKETS];
	struct shadow_chain *leaves;
	u32 nr_leaf_buckets;
	u32 unsync[SHADOW_MAX_UNSYNC];
	u32 nr_unsync;
	struct shadow_page *reserve[SHADOW_RESERVE];
	u32 nr_reserve;
	bool owed;
};

/**
 * struct shadow_root - where a vCPU's walks begin
 * @cr3: what it was made from, by address bits only
 * @pdpte: and by PAE's four entries, if they count
 * @role: of the topmost tables, without quadrant
 * @used: shadow_vcpu.clock when it was loaded last
 * @top: these; in 32-bit modes one for each quarter of 4G, NULL where the guest has none
 */
struct shadow_root {
	u64 cr3;
	u64 pdpte[4];
	union shadow_role role;
	u32 used;
	struct shadow_page *top[SHADOW_MAX_TOPS];
};

/**
 * struct shadow_vcpu - what a vCPU has of its own
 * @root: the current one and those before it; role 0: none
 * @now: which is the current one; memory.lock, or the vCPU's own thread
 * @clock: counts loads
 * @pdpte: loaded with CR3 in PAE mode, by the caller
 * @cr0, @cr4: the guest's, when it was last looked whether they load @pdpte
 * @pae: the CPU's own four entries at the top, in 32-bit modes; in a page below 4G, the caller's
 */
struct shadow_vcpu {
	struct shadow_root root[SHADOW_ROOTS];
	u32 now, clock;
	u64 pdpte[4];
	u64 cr0, cr4;
	u64 *pae;
};

/* Do the guest's @cr0 and @cr4 have @sv's PDPTEs loaded anew, from memory, as a write of CR3 would? */
static inline bool shadow_loads_pdptes(const struct shadow_vcpu *sv, u64 cr0, u64 cr4)
{
	return (cr0 ^ sv->cr0) & CR0_LOADS_PDPTES || (cr4 ^ sv->cr4) & CR4_LOADS_PDPTES;
}

/**
 * enum shadow_quick - what came of something that was tried with interrupts off
 * @SHADOW_SLOW: it has to be done by the way that may sleep, from the beginning
 * @SHADOW_SAME: it is done; the vCPU's TLB has nothing that it must not have
 * @SHADOW_FLUSH: it is done, and the vCPU's TLB must be flushed
 * @SHADOW_OTHER: the same, and there is another root
 */
enum shadow_quick { SHADOW_SLOW, SHADOW_SAME, SHADOW_FLUSH, SHADOW_OTHER };

/* ---- shadow_role.c ---- */

/* The role of the topmost tables for these registers. */
union shadow_role shadow_mode(const struct vcpu_regs *r);
/* Is this the table of @gfn in that role? */
bool shadow_is(const struct shadow_page *page, gfn_t gfn, union shadow_role role);
/* Rights that a guest entry, in a table of that role, leaves of those above it. */
u32 shadow_rights(union shadow_role role, u64 gpte);
/* Frame and role of the table that the guest's @gpte, behind entry @index of a table, points to. */
gfn_t shadow_child(union shadow_role role, unsigned int index, u64 gpte, union shadow_role *child);
/* The same where it is a large page, or @gfn is in a direct table: the direct table below that maps @gfn. */
gfn_t shadow_direct_child(union shadow_role role, gfn_t gfn, u64 gpte, union shadow_role *child);
/* First entry behind the guest's bytes [from, from + len) of its table, and one behind the last, clipped to this table. */
unsigned int shadow_covered(union shadow_role role, unsigned int from, unsigned int len, unsigned int *end);
/* Protection key of a guest's final entry. */
u32 shadow_key(union shadow_role role, u64 gpte);
/* May a leaf be writable as far as the guest is concerned? */
bool shadow_may_write(union shadow_role role, u32 rights, bool is_dirty);
/* Does @gpte permit all that leaf @pte does, at level 1 of a guest table, made for @frame? */
bool shadow_leaf_fits(union shadow_role role, gfn_t frame, u64 pte, u64 gpte);
/* May a leaf of level 1 be made from @gpte with no access to it: by bits that the CPU would neither set nor fault for? @reserved: not to be in a frame's address. */
bool shadow_is_ready(union shadow_role role, u64 gpte, u64 reserved);
/* Attributes of a leaf. */
u64 shadow_leaf(const struct pte_format *f, unsigned int level, u32 rights, u32 key, enum pte_memtype type);
/* Does a write need the supervisor form of a user page? */
bool shadow_needs_flip(union shadow_role role, u32 rights, u32 access);

static inline unsigned int shadow_index(gva_t gva, unsigned int level)
{
	return gva >> (3 + 9 * level) & (PT_ENTRIES - 1);
}

static inline unsigned int shadow_gpte_size(union shadow_role role)
{
	return role.guest == SHADOW_NARROW ? 4 : 8;
}

/* Where the guest's entry is behind entry @index of a table. */
static inline gpa_t shadow_gpte_at(const struct shadow_page *page, unsigned int index)
{
	gpa_t table = gfn_to_gpa(page->gfn);

	if (page->role.guest != SHADOW_NARROW)
		return table + index * 8;
	index += page->role.quadrant * PT_ENTRIES;
	return table + (page->role.level == 2 ? index / 2 : index) * 4;
}

/* ---- shadow_chain.c ---- */

/* A guest that chooses its frames does not choose their buckets. */
static inline u32 shadow_bucket(const struct shadow *s, gfn_t gfn, u32 buckets)
{
	return (u32)(gfn * s->hash >> 40) & (buckets - 1);
}

static inline u32 shadow_number(const struct shadow_page *page, unsigned int index)
{
	return page->id * PT_ENTRIES + index;
}

static inline struct shadow_page *shadow_page_of(const struct shadow *s, u32 number)
{
	return s->page[number / PT_ENTRIES];
}

void shadow_chain_add(struct shadow *s, struct shadow_chain *chain, u32 number);
void shadow_chain_remove(struct shadow *s, struct shadow_chain *chain, u32 number);
/* Of a full chain, where its older half begins; otherwise 0. */
u32 shadow_chain_surplus(struct shadow *s, const struct shadow_chain *chain);
/* The chain with the leaves of @frame: other frames may be in it too. */
struct shadow_chain *shadow_leaf_chain(struct shadow *s, gfn_t frame);
void shadow_leaf_add(struct shadow *s, struct shadow_page *page, unsigned int index, gfn_t frame);
void shadow_leaf_remove(struct shadow *s, struct shadow_page *page, unsigned int index);

/* ---- shadow_table.c ---- */

static inline bool shadow_is_leaf(const struct shadow *s, const struct shadow_page *page, u64 pte)
{
	return pte_is_leaf(s->format, pte, page->role.level);
}

struct shadow_page *shadow_find(struct shadow *s, gfn_t gfn, union shadow_role role);
/* Make one without an entry, whose frame is still to be protected. NULL if the reserve is empty or there are too many. */
struct shadow_page *shadow_make(struct shadow *s, gfn_t gfn, union shadow_role role);
/* Next table of the frame after @page (NULL: the first) that is made from a guest table, or NULL. */
struct shadow_page *shadow_next_table(struct shadow *s, gfn_t gfn, const struct shadow_page *page);
/* Is any guest table in these 2M? */
bool shadow_block_has_tables(struct shadow *s, gfn_t gfn);
/* Is the frame one of a guest table that is in sync: not to be written without our knowledge? */
bool shadow_is_traced(struct shadow *s, gfn_t gfn);
/* The table that an entry leads to; NULL if it is empty or a leaf. */
struct shadow_page *shadow_linked(const struct shadow *s, const struct shadow_page *page, unsigned int index);
/* Have an entry lead to @child, whatever it is. */
void shadow_link(struct shadow *s, struct shadow_page *page, unsigned int index, struct shadow_page *child);
/* Map @frame by an entry that is empty or maps the same. */
void shadow_set_leaf(struct shadow *s, struct shadow_page *page, unsigned int index, gfn_t frame, u64 pte);
/* Empty the entry, whatever it is. The flush is owed. */
void shadow_drop(struct shadow *s, struct shadow_page *page, unsigned int index);
/* Drop a table with all its entries and the links to it. */
void shadow_zap(struct shadow *s, struct shadow_page *page, struct pt_update *up);
void shadow_root_get(struct shadow_page *page);
void shadow_root_put(struct shadow *s, struct shadow_page *page, struct pt_update *up);
/* Take a table off the list of those out of sync. */
void shadow_mark_synced(struct shadow *s, struct shadow_page *page);

/* A flush that @up asks for, and what is owed with it. The pages in @up can then be freed, unlocked. */
void shadow_finish(struct shadow *s, struct pt_update *up);
/* Whoever relies on an entry's absence has what is owed flushed too. */
void shadow_settle(struct shadow *s, struct pt_update *up);

/* One that nothing knows of; its page of entries is the caller's. */
void shadow_page_free(struct shadow_page *page);

/* ---- shadow_pool.c ---- */

/* With up to @max tables; NULL on failure. May sleep, no locks. */
struct shadow *shadow_create(struct vm *vm, const struct pte_format *format, u32 max);
/* All vCPUs' roots are put. May sleep, no locks. */
void shadow_destroy(struct shadow *s);
/* Have the reserve filled and room for it, by dropping other tables. May sleep, no locks. 0 or -ENOMEM. */
int shadow_top_up(struct shadow *s);
/* Drop up to @n tables, those first that were not used for longest. Return: how many. The caller finishes. */
unsigned int shadow_shrink(struct shadow *s, unsigned int n, struct pt_update *up);

/* ---- shadow_visit.c: what nested paging does by pgtable_*() ---- */

void shadow_unmap(struct shadow *s, gfn_t gfn, gfn_t end, struct pt_update *up);
void shadow_protect(struct shadow *s, gfn_t gfn, gfn_t end, struct pt_update *up);
void shadow_protect_mask(struct shadow *s, gfn_t gfn, u64 mask, struct pt_update *up);
bool shadow_age(struct shadow *s, gfn_t gfn, gfn_t end, enum pt_age age, struct pt_update *up);
/* Entries in the chains of one frame, to be looked at by all of these. */
u32 shadow_frame_chains(struct shadow *s, gfn_t gfn);
/* Nobody can write the frame without a fault: for a table that is made from it. */
void shadow_protect_frame(struct shadow *s, gfn_t gfn, struct pt_update *up);
/* The memory of these frames goes: a slot's. Leaves and the tables made from it are dropped. */
void shadow_forget(struct shadow *s, gfn_t gfn, gfn_t end, struct pt_update *up);

/* ---- shadow_sync.c ---- */

/* What the vCPU flushes of its own TLB is all that is owed where it is the VM's only one. memory.lock held. Return: is anything owed to it? */
bool shadow_take_owed(struct shadow *s);

/* The guest has stored @len bytes at @gpa, emulated: they are in its memory. */
void shadow_store(struct vcpu *vcpu, struct shadow *s, gpa_t gpa, unsigned int len, struct pt_update *up);
/* Drop all tables of the frame: it is written otherwise. */
void shadow_untrace(struct shadow *s, gpa_t gpa, struct pt_update *up);
/* May the guest write the table's frame from now on? Then it can. */
bool shadow_let_write(struct vcpu *vcpu, struct shadow *s, gfn_t gfn, struct pt_update *up);
/* Bring tables that are out of sync up to date and protect them: those of a frame, or all. */
void shadow_sync_frame(struct vcpu *vcpu, struct shadow *s, gfn_t gfn, struct pt_update *up);
void shadow_sync_all(struct vcpu *vcpu, struct shadow *s, struct pt_update *up);
/*
 * All of them, of a VM that has no other vCPU, where they are few: there is nobody to wait for. memory.lock held, interrupts may be off. False:
 * nothing was done. Otherwise a flush is owed.
 */
bool shadow_sync_alone(struct vcpu *vcpu, struct shadow *s);
/* The same for one entry, by address. The caller flushes the vCPU's own TLB. */
void shadow_invlpg(struct vcpu *vcpu, struct shadow *s, struct shadow_vcpu *sv, gva_t gva);
/* shadow_invlpg() with interrupts off, without waiting for anybody. SHADOW_SAME or SHADOW_FLUSH; SHADOW_SLOW: nothing was done. */
enum shadow_quick shadow_quick_invlpg(struct vcpu *vcpu, struct shadow *s, struct shadow_vcpu *sv, gva_t gva);
/* The table with the leaf that maps @gva, and its index; NULL if there is none. */
struct shadow_page *shadow_find_leaf(struct shadow *s, struct shadow_vcpu *sv, gva_t gva, unsigned int *index);

/* ---- shadow_root.c ---- */

/* shadow_top_up(), if need be at the cost of all roots that are not in use. The same context and result. */
int shadow_have_room(struct shadow *s);
/* Find or make a table, its frame protected and it up to date; NULL as shadow_make(). What @up asks for is still to be done. */
struct shadow_page *shadow_get_table(struct vcpu *vcpu, struct shadow *s, gfn_t gfn, union shadow_role role, struct pt_update *up);

/**
 * shadow_load() - make the root for the vCPU's registers its current one
 * @vcpu: on its own thread
 * @s: the VM's tables
 * @sv: the vCPU's part, its @pdpte loaded if CR3 was
 *
 * At MOV to CR3, to CR0 and CR4, to EFER, INVPCID, and when a fault finds the root dead. All tables out of sync are brought up to date; the caller
 * flushes the vCPU's own TLB. Context: may sleep, no locks. Return: 0; -ENOMEM; -EAGAIN: others were faster to take what tables are made of.
 * If not 0 the root that the CPU has may have been freed: the guest must not be entered before this has succeeded.
 */
int shadow_load(struct vcpu *vcpu, struct shadow *s, struct shadow_vcpu *sv);
/**
 * shadow_quick_load() - the same for MOV to CR3 in long mode, where the vCPU has the root and nobody has to be waited for
 * @vcpu: on its own thread, right behind an exit: the current root is that of its registers
 * @s: the VM's tables
 * @sv: the vCPU's part
 * @cr3: what CR3 becomes
 *
 * Context: interrupts may be off, no locks. Return: enum shadow_quick.
 */
enum shadow_quick shadow_quick_load(struct vcpu *vcpu, struct shadow *s, struct shadow_vcpu *sv, u64 cr3);
/* Forget all roots. May sleep, no locks. */
void shadow_unload(struct shadow *s, struct shadow_vcpu *sv);
/* Is the current root the one for the vCPU's registers, and whole? */
bool shadow_root_is_good(const struct vcpu *vcpu, const struct shadow_vcpu *sv);
/* What the CPU's CR3 must be. In 32-bit modes also writes @sv->pae. On the vCPU's thread, no locks. */
hpa_t shadow_cr3(const struct shadow *s, const struct shadow_vcpu *sv);

static inline struct shadow_page *shadow_top(const struct shadow_vcpu *sv, gva_t gva)
{
	const struct shadow_root *root = &sv->root[sv->now];

	return root->role.level > 2 ? root->top[0] : root->top[gva >> 30 & 3];
}

/* ---- shadow_around.c ---- */

/**
 * struct shadow_spot - where a page of 4K was mapped
 * @page: the table
 * @index: the entry
 * @gfn: the frame
 * @slot: it is in
 * @host: and what the launcher's tables have there
 */
struct shadow_spot {
	struct shadow_page *page;
	unsigned int index;
	gfn_t gfn;
	const struct memslot *slot;
	const struct host_page *host;
};

/* Map its neighbours in the table that guest and host have ready for it. memory.lock held. Return: how many. */
unsigned int shadow_map_around(struct vcpu *vcpu, struct shadow *s, const struct shadow_spot *at);

/* ---- shadow_fault.c ---- */

/**
 * shadow_fault() - a page fault of the guest while it runs on shadow tables
 * @vcpu: on its own thread
 * @s: the VM's tables
 * @sv: the vCPU's part
 * @gva: faulting address
 * @access: WALK_*
 * @walk: error code, or the address to emulate at
 *
 * Context: may sleep, no locks. Return: enum shadow_result or negative errno.
 */
int shadow_fault(struct vcpu *vcpu, struct shadow *s, struct shadow_vcpu *sv, gva_t gva, u32 access, struct walk *walk);

/* ---- shadow_vm.c ---- */

/* With the VM's memory; no vCPU runs any more. */
void shadow_vm_destroy(struct vm *vm);

#endif
