// SPDX-License-Identifier: GPL-2.0-only
/* Memory slots and their dirty logs (ept/memslot.c, ept/dirty.c, ept/access.c) while others use them. */
#include <keel/guest_access.h>
#include <keel/host_mode.h>
#include <keel/vcpu.h>
#include "shadow.h"
#include "test.h"

#define NPAGES	100u

long shim_pages;
void *shim_id[SHIM_IDS];
struct host_mode keel_host_mode = { .phys_bits = 46 };

static u8 memory[NPAGES << PAGE_SHIFT] __attribute__((aligned(4096)));
static struct memory_notifier notifier;
static struct mm_struct mm;
static struct task_struct task = { &mm };
struct task_struct *current = &task;
static struct vm vm = { .mm = &mm };

/* Where the launcher's memory ends at the moment. */
static const u8 *out = memory + sizeof(memory);

bool shim_page_is_out(const void *p, unsigned long size)
{
	return (const u8 *)p >= memory && (const u8 *)p < memory + sizeof(memory) && (const u8 *)p + size > out;
}

void shim_before_cmpxchg(void *p) { }

/* The one who sleeps, or the CPU with a log, while slots change: what is told at the end of the sleep. */
static gfn_t late;
static unsigned int waits;

void shim_wait_users(void)
{
	waits++;
	if (late)
		keel_mark_dirty(&vm, late);
}

/* Nobody is in a reading section here. */
void call_rcu(struct rcu_head *head, void (*fn)(struct rcu_head *head))
{
	fn(head);
}

/* Not asked here. */
static void no_setup(struct pte_format *f) { }
static struct pte_format format = { .levels = 4, .max_leaf_level = 1, .setup = no_setup };
void shim_before_lock(void) { }
int memory_root_init(const struct pte_format *f) { return 0; }
void memory_root_exit(void) { }
int memory_notifier_create(struct vm *v) { v->mem.notifier = &notifier; return 0; }
void memory_notifier_destroy(struct vm *v) { }
void memory_notifier_exit(void) { }
void memory_visit(struct vm *v, gfn_t gfn, gfn_t end, pt_visitor visit, shadow_visitor shadow_visit) { }
void memory_protect_mask(struct memory *mem, gfn_t gfn, u64 mask, struct pt_update *up) { }
void memory_flush(struct vm *v, struct pt_update *up) { }
void dirty_ring_note(struct vm *v, struct vcpu *vcpu, const struct memslot *slot, gfn_t gfn) { }
void shadow_vm_destroy(struct vm *v) { }
void shadow_unmap(struct shadow *s, gfn_t gfn, gfn_t end, struct pt_update *up) { }
void shadow_forget(struct shadow *s, gfn_t gfn, gfn_t end, struct pt_update *up) { }
void shadow_protect(struct shadow *s, gfn_t gfn, gfn_t end, struct pt_update *up) { }
void pgtable_clear(struct pgtable *pt, struct pt_update *up) { }
void pgtable_unmap(struct pgtable *pt, gfn_t gfn, gfn_t end, struct pt_update *up) { }
void pgtable_protect(struct pgtable *pt, gfn_t gfn, gfn_t end, struct pt_update *up) { }
bool pgtable_has_table(const struct pgtable *pt, gfn_t gfn, unsigned int level) { return false; }
void pgtable_free_pages(u64 *list) { }

int memory_table_create(struct vm *v)
{
	if (v->mem.table)
		return 0;
	v->mem.table = kzalloc(sizeof(*v->mem.table), GFP_KERNEL_ACCOUNT);
	if (!v->mem.table)
		return -ENOMEM;
	v->mem.table->format = &format;
	return 0;
}

static void set_slot(const char *what, u32 flags, gfn_t base, u64 npages)
{
	struct kvm_userspace_memory_region r = {
		.slot = 1,
		.flags = flags,
		.guest_phys_addr = base << PAGE_SHIFT,
		.memory_size = npages << PAGE_SHIFT,
		.userspace_addr = (unsigned long)memory,
	};

	CHECK_EQ(what, 0, keel_memory_set_region(&vm, &r));
}

/* The log's page @page, and how many there are. */
static void check_log(const char *what, unsigned int page, unsigned int n)
{
	u64 bitmap[2] = {};
	struct kvm_dirty_log log = { .slot = 1, .dirty_bitmap = bitmap };

	CHECK_EQ("reading the log", 0, keel_memory_get_dirty_log(&vm, &log));
	CHECK_EQ(what, n, __builtin_popcountl(bitmap[0]) + __builtin_popcountl(bitmap[1]));
	if (n)
		CHECK_EQ("of the page", 1, bitmap[page / 64] >> (page % 64) & 1);
}

/* A write through the old frames of a logged slot that is being moved goes to the same memory, and into the same log. */
static void test_late_write(void)
{
	static const struct {
		const char *what;
		gfn_t from, to;
		unsigned int page;
	} cases[] = {
		{ "moved away, first page", 1000, 5000, 0 },
		{ "moved away, last page", 1000, 5000, NPAGES - 1 },
		{ "moved down", 5000, 1000, 70 },
		{ "moved by as much as it is long", 1000, 1000 + NPAGES, 5 },
	};
	unsigned int i;

	ASSERT_EQ(keel_pgtable_init(&format), 0);
	keel_memory_init(&vm);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		set_slot(cases[i].what, KVM_MEM_LOG_DIRTY_PAGES, cases[i].from, NPAGES);
		check_log("pages dirty at first", 0, 0);
		waits = 0;
		late = cases[i].from + cases[i].page;
		set_slot("move", KVM_MEM_LOG_DIRTY_PAGES, cases[i].to, NPAGES);
		CHECK_EQ("waits for those who sleep", 1, waits);
		check_log("pages dirty, written late", cases[i].page, 1);
		/* whoever comes to the old frames from now on finds no memory */
		keel_mark_dirty(&vm, late);
		late = 0;
		check_log("pages dirty afterwards", 0, 0);
		set_slot("delete", 0, 0, 0);
	}
	keel_memory_destroy(&vm);
	CHECK_EQ("allocations that are left", 0, shim_pages);
}

/* Overlapping moves: a late write is of one slot in two places. */
static void test_late_write_overlap(void)
{
	ASSERT_EQ(keel_pgtable_init(&format), 0);
	keel_memory_init(&vm);
	set_slot("create", KVM_MEM_LOG_DIRTY_PAGES, 1000, NPAGES);
	late = 1002;
	set_slot("move by one page", KVM_MEM_LOG_DIRTY_PAGES, 1001, NPAGES);
	late = 0;
	/* the old frame's page, and the new one's, which costs a copy */
	check_log("pages dirty, written late", 2, 2);
	set_slot("delete", 0, 0, 0);
	keel_memory_destroy(&vm);
	CHECK_EQ("allocations that are left", 0, shim_pages);
}

/* Writes that end where the launcher's memory ends: what was written is told, in whichever way, and nothing else. */
static void test_half_write(void)
{
	static const struct {
		const char *what;
		unsigned int out;	/* first byte that cannot be written */
		unsigned int from, len;
		unsigned int page, dirty;
	} cases[] = {
		{ "whole, in one page", 3 * PAGE_SIZE, 2 * PAGE_SIZE + 8, 8, 2, 1 },
		{ "whole, in two pages", 4 * PAGE_SIZE, 3 * PAGE_SIZE - 4, 8, 2, 2 },
		{ "half, its second page is out", 3 * PAGE_SIZE, 3 * PAGE_SIZE - 4, 8, 2, 1 },
		{ "half, its page goes in the midst", 2 * PAGE_SIZE + 20, 2 * PAGE_SIZE + 8, 16, 2, 1 },
		{ "nothing, as one store", 2 * PAGE_SIZE + 12, 2 * PAGE_SIZE + 8, 8, 0, 0 },
		{ "nothing, its page is out", 2 * PAGE_SIZE, 2 * PAGE_SIZE + 8, 8, 0, 0 },
	};
	const u64 data[2] = { 0x0123456789abcdefull };
	unsigned int i, way;
	int ret;

	ASSERT_EQ(keel_pgtable_init(&format), 0);
	keel_memory_init(&vm);
	set_slot("create", KVM_MEM_LOG_DIRTY_PAGES, 1000, NPAGES);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		gpa_t gpa = (1000ull << PAGE_SHIFT) + cases[i].from;
		bool fits = cases[i].from + cases[i].len <= cases[i].out;

		for (way = 0; way < 2; way++) {
			out = memory + cases[i].out;
			ret = way ? keel_write_guest(&vm, gpa, data, cases[i].len) : keel_write_guest_atomic(&vm, gpa, data, cases[i].len);
			out = memory + sizeof(memory);
			CHECK_EQ(cases[i].what, fits ? 0 : -EFAULT, ret);
			check_log("pages dirty", cases[i].page, cases[i].dirty);
		}
	}
	set_slot("delete", 0, 0, 0);
	keel_memory_destroy(&vm);
	CHECK_EQ("allocations that are left", 0, shim_pages);
}

void (*shim_between_bytes)(void);
static unsigned int betweens;

static void count_betweens(void)
{
	betweens++;
}

/* Nobody comes between the bytes of an aligned access of 2, 4 or 8 (SDM, "Guaranteed Atomic Operations"). */
static void test_at_once(void)
{
	static const struct { const char *name; unsigned int at, n; bool is_one; } t[] = {
		{ "2 bytes", 2, 2, true }, { "4 bytes", 4, 4, true }, { "8 bytes", 8, 8, true }, { "2 at 1", 1, 2, false },
		{ "4 at 2", 2, 4, false }, { "8 at 4", 4, 8, false }, { "3 bytes", 8, 3, false }, { "16 bytes", 16, 16, false },
	};
	u8 data[16], seen[16];
	unsigned int i, way;

	ASSERT_EQ(keel_pgtable_init(&format), 0);
	keel_memory_init(&vm);
	set_slot("create", 0, 1000, NPAGES);
	shim_between_bytes = count_betweens;
	for (i = 0; i < ARRAY_SIZE(t); i++) {
		gpa_t gpa = (1000ull << PAGE_SHIFT) + t[i].at;

		for (way = 0; way < 2; way++) {
			betweens = 0;
			memset(memory, 0, 64);
			memset(data, 0x5a + i, sizeof(data));
			CHECK_EQ(t[i].name, 0, way ? keel_write_guest(&vm, gpa, data, t[i].n) : keel_write_guest_atomic(&vm, gpa, data, t[i].n));
			CHECK_EQ("  stored", 0, memcmp(memory + t[i].at, data, t[i].n));
			CHECK_EQ("  and no more", 0, memory[t[i].at + t[i].n]);
			memset(seen, 0, sizeof(seen));
			CHECK_EQ("  read", 0, way ? keel_read_guest(&vm, gpa, seen, t[i].n) : keel_read_guest_atomic(&vm, gpa, seen, t[i].n));
			CHECK_EQ("  the same", 0, memcmp(seen, data, t[i].n));
			CHECK_EQ("  at once", t[i].is_one, !betweens);
		}
	}
	shim_between_bytes = NULL;
	set_slot("delete", 0, 0, 0);
	keel_memory_destroy(&vm);
}

static const struct test_case cases[] = {
	{ "at_once", test_at_once },
	{ "late_write", test_late_write },
	{ "half_write", test_half_write },
	{ "late_write_overlap", test_late_write_overlap },
};

TEST_MAIN(cases)
