/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Walks of guest page tables: translation, error codes, accessed and dirty bits in every paging mode, with the launcher's
 * memory present and not.
 */
#include <keel/guest_access.h>
#include <keel/vcpu.h>
#include <linux/kvm.h>
#include "shadow.h"
#include "test.h"

#define GUEST_PAGES	64
#define ROM_PAGE	40	/* first page of a read-only slot */
#define ROOT		0x1000
#define GVA		0x1234567ul	/* below 4G for all modes */

enum mode { NARROW, PAE, LONG4, LONG5, NR_MODES };

#define P	BIT(0)
#define W	BIT(1)
#define U	BIT(2)
#define A	BIT(5)
#define D	BIT(6)
#define PS	BIT(7)
#define NX	BIT(63)
#define ALL	(P | W | U | A | D)

static struct mm_struct mm;
static struct task_struct task = { &mm };
struct task_struct *current = &task;

static u8 *ram;
static bool out[GUEST_PAGES];
static unsigned int races;	/* times an entry changes under the walk */
static struct memslot slot = { .base = 0, .npages = ROM_PAGE };
static struct memslot rom = { .base = ROM_PAGE, .npages = GUEST_PAGES - ROM_PAGE, .flags = KVM_MEM_READONLY };
static struct memslots *slots;
static struct vm vm = { .mm = &mm };
static struct vcpu vcpu = { .vm = &vm };

/* ---- what walk.c calls ---- */

bool shim_page_is_out(const void *p, unsigned long size)
{
	unsigned long page = ((const u8 *)p - ram) / PAGE_SIZE, last = ((const u8 *)p + size - 1 - ram) / PAGE_SIZE;

	ASSERT(last < GUEST_PAGES, "access beyond guest memory");
	return out[page] || out[last];
}

void shim_before_cmpxchg(void *p)
{
	if (races) {
		races--;
		*(u32 *)p ^= 1u << 9;
	}
}

/* of ept/ept.h, which is private there */
void dirty_ring_note(struct vm *v, struct vcpu *c, const struct memslot *s, gfn_t gfn);

void dirty_ring_note(struct vm *v, struct vcpu *c, const struct memslot *s, gfn_t gfn)
{
	FAIL("no rings here");
}

int keel_read_guest(struct vm *v, gpa_t gpa, void *data, unsigned long len)
{
	if (gpa + len > GUEST_PAGES * PAGE_SIZE)
		return -EFAULT;
	memcpy(data, ram + gpa, len);
	return 0;
}

int keel_write_guest(struct vm *v, gpa_t gpa, const void *data, unsigned long len)
{
	if (gpa + len > ROM_PAGE * PAGE_SIZE)
		return -EFAULT;
	memcpy(ram + gpa, data, len);
	return 0;
}

int keel_read_guest_atomic(struct vm *v, gpa_t gpa, void *data, unsigned long len)
{
	return out[gpa / PAGE_SIZE] ? -EFAULT : keel_read_guest(v, gpa, data, len);
}

int keel_write_guest_atomic(struct vm *v, gpa_t gpa, const void *data, unsigned long len)
{
	return out[gpa / PAGE_SIZE] ? -EFAULT : keel_write_guest(v, gpa, data, len);
}

int keel_cmpxchg_guest(struct vm *v, gpa_t gpa, unsigned int size, u64 *old, u64 new)
{
	u64 now = 0;

	ASSERT_EQ(gpa % size, 0);
	if (gpa + size > ROM_PAGE * PAGE_SIZE)
		return -EFAULT;
	shim_before_cmpxchg(ram + gpa);
	memcpy(&now, ram + gpa, size);
	if (now != *old) {
		*old = now;
		return 1;
	}
	memcpy(ram + gpa, &new, size);
	return 0;
}

/* PAE's four entries, where the CPU has them. */
static u64 loaded[4], given[4];
static bool is_loaded;

static bool pdpte_loaded(struct vcpu *v, unsigned int n, u64 *pdpte, bool put)
{
	if (put)
		given[n] = *pdpte;
	else
		*pdpte = loaded[n];
	return put || is_loaded;
}

static struct vendor_ops vendor;
const struct vendor_ops *keel_vendor = &vendor;

/* ---- a guest ---- */

static unsigned int levels(enum mode m)
{
	return m == NARROW ? 2 : m == PAE ? 3 : m == LONG4 ? 4 : 5;
}

static void *entry_ptr(enum mode m, unsigned int level, u64 gva)
{
	u64 table = ROOT + (levels(m) - level) * PAGE_SIZE;

	if (m == NARROW)
		return ram + table + (gva >> (12 + 10 * (level - 1)) & 1023) * 4;
	return ram + table + (gva >> (12 + 9 * (level - 1)) & (m == PAE && level == 3 ? 3 : 511)) * 8;
}

static u64 get_entry(enum mode m, unsigned int level)
{
	u64 e = 0;

	memcpy(&e, entry_ptr(m, level, GVA), m == NARROW ? 4 : 8);
	return e;
}

static void set_entry(enum mode m, unsigned int level, u64 gva, u64 e)
{
	memcpy(entry_ptr(m, level, gva), &e, m == NARROW ? 4 : 8);
}

/* Tables for @gva that end at @leaf in the frame at @gpa, every entry with @attr. */
static void map(enum mode m, u64 gva, unsigned int leaf, u64 gpa, u64 attr)
{
	unsigned int level;

	for (level = levels(m); level > leaf; level--)
		set_entry(m, level, gva, (ROOT + (levels(m) - level + 1) * PAGE_SIZE) |
			  (m == PAE && level == 3 ? P : attr));
	set_entry(m, leaf, gva, gpa | attr | (leaf > 1 ? PS : 0));
}

static void start(enum mode m)
{
	struct vcpu_regs *r = &vcpu.regs;

	if (!ram) {
		ram = aligned_alloc(PAGE_SIZE, GUEST_PAGES * PAGE_SIZE);
		slots = calloc(1, sizeof(*slots) + 2 * sizeof(slots->slot[0]));
		ASSERT(ram && slots, "out of memory");
	}
	slot.hva = (unsigned long)ram;
	rom.hva = slot.hva + ROM_PAGE * PAGE_SIZE;
	slots->generation = 1;
	slots->count = 2;
	slots->slot[0] = &slot;
	slots->slot[1] = &rom;
	vm.mem.slots = slots;
	memset(ram, 0, GUEST_PAGES * PAGE_SIZE);
	memset(out, 0, sizeof(out));
	races = 0;
	*r = (struct vcpu_regs){
		.cr0 = X86_CR0_PE | X86_CR0_PG | X86_CR0_WP,
		.cr3 = ROOT,
		.cr4 = X86_CR4_PSE | (m >= PAE ? X86_CR4_PAE : 0) | (m == LONG5 ? X86_CR4_LA57 : 0),
		.efer = EFER_NX | (m >= LONG4 ? EFER_LMA : 0),
	};
	vcpu.cpuid.reserved_gpa = ~0ull << 40;
	vcpu.cpuid.flags = GUEST_HAS_GBPAGES;
	vcpu.xstate.pkru = 0;
}

static int walk(u32 access, struct walk *w)
{
	*w = (struct walk){};
	return keel_walk(&vcpu, GVA, access, w);
}

/* ---- cases ---- */

static void test_translate(void)
{
	static const struct {
		enum mode mode;
		unsigned int leaf;
		u64 gpa, size;
	} rows[] = {
		{ NARROW, 1, 0xabcd000, 0x1000 }, { NARROW, 2, 0xa400000, 0x400000 },
		{ PAE, 1, 0x9abcd000ull, 0x1000 }, { PAE, 2, 0x9aa00000ull, 0x200000 },
		{ LONG4, 1, 0xf9abcd000ull, 0x1000 }, { LONG4, 2, 0xf9aa00000ull, 0x200000 },
		{ LONG4, 3, 0xf80000000ull, 0x40000000 },
		{ LONG5, 1, 0xf9abcd000ull, 0x1000 }, { LONG5, 3, 0xf80000000ull, 0x40000000 },
	};
	struct walk w;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		start(rows[i].mode);
		map(rows[i].mode, GVA, rows[i].leaf, rows[i].gpa, ALL);
		CHECK_RET("walk", 0, walk(WALK_WRITE | WALK_USER | WALK_ATOMIC, &w));
		CHECK_EQ("gpa", rows[i].gpa | (GVA & (rows[i].size - 1)), w.gpa);
	}
	start(LONG4);
	vcpu.regs.cr0 &= ~X86_CR0_PG;
	CHECK_RET("no paging", 0, walk(WALK_WRITE | WALK_USER, &w));
	CHECK_EQ("no paging", GVA, w.gpa);
	/* PSE-36: bits 20:13 are address bits 39:32 */
	start(NARROW);
	map(NARROW, GVA, 2, 0xa400000 | 0x5a << 13, ALL);
	CHECK_RET("PSE-36", 0, walk(0, &w));
	CHECK_EQ("PSE-36", 0x5a0a400000ull | (GVA & 0x3fffff), w.gpa);
}

/* One entry differs from a mapping that permits everything; what does the access get? */
static const struct fault_row {
	const char *name;
	enum mode mode;
	unsigned int leaf, level;
	u64 set, clear;
	u32 access;
	int error;	/* -1: no fault */
	u64 cr4, rflags;
	bool no_wp, no_nx;
} fault_rows[] = {
	{ "not present, read", LONG4, 1, 1, 0, P, 0, 0 },
	{ "not present, user write", LONG4, 1, 4, 0, P, WALK_USER | WALK_WRITE, 6 },
	{ "not present, fetch", LONG4, 1, 2, 0, P, WALK_FETCH, 0x10 },
	{ "not present, fetch without NX", LONG4, 1, 2, 0, P, WALK_FETCH, 0, .no_nx = true },
	{ "not present, fetch without NX, SMEP", LONG4, 1, 2, 0, P, WALK_FETCH, 0x10, X86_CR4_SMEP, .no_nx = true },
	{ "not present, 32-bit", NARROW, 1, 2, 0, P, WALK_WRITE, 2 },
	{ "not present, 32-bit table", NARROW, 1, 1, 0, P, WALK_USER, 4 },
	{ "not present, PAE pointer", PAE, 1, 3, 0, P, WALK_WRITE, 2 },
	{ "supervisor page, user", LONG4, 1, 1, 0, U, WALK_USER, 5 },
	{ "supervisor table, user", LONG5, 1, 5, 0, U, WALK_USER, 5 },
	{ "supervisor page, supervisor", LONG4, 1, 1, 0, U, WALK_WRITE, -1 },
	{ "read-only, user", LONG4, 1, 1, 0, W, WALK_USER | WALK_WRITE, 7 },
	{ "read-only, supervisor", LONG4, 1, 3, 0, W, WALK_WRITE, 3 },
	{ "read-only, supervisor without WP", LONG4, 1, 3, 0, W, WALK_WRITE, -1, .no_wp = true },
	{ "read-only, user without WP", LONG4, 1, 1, 0, W, WALK_USER | WALK_WRITE, 7, .no_wp = true },
	{ "read-only, 32-bit", NARROW, 1, 2, 0, W, WALK_WRITE, 3 },
	{ "read-only, read", LONG4, 1, 1, 0, W, WALK_USER, -1 },
	{ "no execute", LONG4, 1, 1, NX, 0, WALK_FETCH, 0x11 },
	{ "no execute in a table, user", LONG4, 2, 4, NX, 0, WALK_FETCH | WALK_USER, 0x15 },
	{ "no execute, read", LONG4, 1, 1, NX, 0, 0, -1 },
	{ "no execute, PAE", PAE, 1, 2, NX, 0, WALK_FETCH, 0x11 },
	{ "NX reserved without EFER.NXE", LONG4, 1, 1, NX, 0, 0, 9, .no_nx = true },
	{ "SMEP", LONG4, 1, 1, 0, 0, WALK_FETCH, 0x11, X86_CR4_SMEP },
	{ "SMEP, user", LONG4, 1, 1, 0, 0, WALK_FETCH | WALK_USER, -1, X86_CR4_SMEP },
	{ "SMEP, supervisor page", LONG4, 1, 1, 0, U, WALK_FETCH, -1, X86_CR4_SMEP },
	{ "SMAP", LONG4, 1, 1, 0, 0, WALK_WRITE, 3, X86_CR4_SMAP },
	{ "SMAP, AC", LONG4, 1, 1, 0, 0, WALK_WRITE, -1, X86_CR4_SMAP, X86_EFLAGS_AC },
	{ "SMAP, AC, implicit", LONG4, 1, 1, 0, 0, WALK_IMPLICIT, 1, X86_CR4_SMAP, X86_EFLAGS_AC },
	{ "SMAP, supervisor page", LONG4, 1, 1, 0, U, WALK_IMPLICIT, -1, X86_CR4_SMAP },
	{ "SMAP, 32-bit", NARROW, 1, 1, 0, 0, 0, 1, X86_CR4_SMAP },
	{ "address beyond MAXPHYADDR", LONG4, 1, 1, BIT(41), 0, 0, 9 },
	{ "address beyond MAXPHYADDR in a table", LONG4, 1, 3, BIT(51), 0, WALK_USER | WALK_WRITE, 0xf },
	{ "ignored bits", LONG4, 1, 1, BIT(52) | BIT(58) | BIT(9), 0, 0, -1 },
	{ "bit 52 in PAE", PAE, 1, 1, BIT(52), 0, 0, 9 },
	{ "reserved bit of a PAE pointer", PAE, 1, 3, BIT(1), 0, 0, 9 },
	{ "PS at level 4", LONG4, 1, 4, PS, 0, 0, 9 },
	{ "PS at level 5", LONG5, 1, 5, PS, 0, 0, 9 },
	{ "2M page with low address bit", LONG4, 2, 2, BIT(13), 0, 0, 9 },
	{ "2M page with PAT bit", LONG4, 2, 2, BIT(12), 0, 0, -1 },
	{ "1G page with low address bit", LONG4, 3, 3, BIT(29), 0, 0, 9 },
	{ "4M page with bit 21", NARROW, 2, 2, BIT(21), 0, 0, 9 },
};

static void test_faults(void)
{
	unsigned int i, pass;

	for (i = 0; i < ARRAY_SIZE(fault_rows); i++) {
		const struct fault_row *f = &fault_rows[i];

		for (pass = 0; pass < 3; pass++) {
			u32 access = f->access | (pass == 1 ? WALK_ATOMIC : 0);
			struct walk w;

			start(f->mode);
			map(f->mode, GVA, f->leaf, 0, ALL);
			set_entry(f->mode, f->level, GVA, (get_entry(f->mode, f->level) | f->set) & ~f->clear);
			vcpu.regs.cr4 |= f->cr4;
			vcpu.regs.rflags = f->rflags;
			if (f->no_wp)
				vcpu.regs.cr0 &= ~X86_CR0_WP;
			if (f->no_nx)
				vcpu.regs.efer &= ~EFER_NX;
			/* the sleeping walk reads what is not present */
			if (pass == 2)
				memset(out, true, sizeof(out));
			CHECK_RET(f->name, f->error >= 0, walk(access, &w));
			if (f->error >= 0)
				CHECK_EQ(f->name, f->error, w.error);
		}
	}
}

static void test_no_gbpages(void)
{
	struct walk w;

	start(LONG4);
	vcpu.cpuid.flags = 0;
	map(LONG4, GVA, 3, 0, ALL);
	CHECK_RET("1G page not offered", 1, walk(0, &w));
	CHECK_EQ("error", 9, w.error);
}

static void test_keys(void)
{
	static const struct {
		u32 pkru, access;
		int error;
	} rows[] = {
		{ 1u << 6, 0, 0x21 }, { 1u << 6, WALK_FETCH, -1 }, { 2u << 6, 0, -1 }, { 2u << 6, WALK_WRITE, 0x23 },
		{ 2u << 6, WALK_WRITE | WALK_USER, 0x27 }, { 3u << 8, WALK_WRITE, -1 },
	};
	struct walk w;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		start(LONG4);
		map(LONG4, GVA, 1, 0, ALL);
		set_entry(LONG4, 1, GVA, ALL | 3ull << 59);
		vcpu.regs.cr4 |= X86_CR4_PKE;
		vcpu.xstate.pkru = rows[i].pkru;
		CHECK_RET("key", rows[i].error >= 0, walk(rows[i].access, &w));
		if (rows[i].error >= 0)
			CHECK_EQ("key", rows[i].error, w.error);
		/* keys concern user pages only */
		set_entry(LONG4, 1, GVA, (ALL & ~U) | 3ull << 59);
		CHECK_RET("supervisor page", rows[i].access & WALK_USER ? 1 : 0, walk(rows[i].access, &w));
	}
}

static void check_ad(const char *name, enum mode m, unsigned int leaf, u64 table_bits, u64 leaf_bits)
{
	unsigned int level;

	for (level = levels(m); level > leaf; level--)
		CHECK_EQ(name, m == PAE && level == 3 ? 0 : table_bits, get_entry(m, level) & (A | D));
	CHECK_EQ(name, leaf_bits, get_entry(m, leaf) & (A | D));
}

static void test_accessed_dirty(void)
{
	static const unsigned int max_leaf[] = { 2, 2, 3, 3 };
	unsigned int leaf, pass;
	struct walk w;
	enum mode m;

	for (m = NARROW; m < NR_MODES; m++) {
		for (leaf = 1; leaf <= max_leaf[m]; leaf++) {
			for (pass = 0; pass < 2; pass++) {
				u32 atomic = pass ? 0 : WALK_ATOMIC;

				start(m);
				map(m, GVA, leaf, 0, P | W | U);
				memset(out, pass, sizeof(out));
				CHECK_RET("no bits", 0, walk(atomic | WALK_NO_AD, &w));
				check_ad("no bits", m, leaf, 0, 0);
				CHECK_RET("refused", 0, walk(atomic, &w));
				check_ad("read", m, leaf, A, A);
				CHECK_RET("write", 0, walk(atomic | WALK_WRITE, &w));
				check_ad("write", m, leaf, A, A | D);
				/* a walk that faults leaves the bits alone */
				map(m, GVA, leaf, 0, P | U);
				CHECK_RET("fault", 1, walk(atomic | WALK_WRITE, &w));
				check_ad("fault", m, leaf, 0, 0);
			}
		}
	}
}

static void test_races(void)
{
	struct walk w;
	unsigned int n;

	for (n = 1; n < 40; n++) {
		start(LONG4);
		map(LONG4, GVA, 1, 0x5000, P | W | U);
		races = n;
		CHECK_RET("race", 0, walk(WALK_WRITE, &w));
		CHECK_EQ("race", 0x5000 | (GVA & 0xfff), w.gpa);
		if (n < 8)
			check_ad("race", LONG4, 1, A, A | D);
	}
}

static void test_memory(void)
{
	static unsigned long dirty[1];
	unsigned int level;
	struct walk w;

	for (level = 1; level <= 4; level++) {
		start(LONG4);
		map(LONG4, GVA, 1, 0x5000, P | W | U);
		out[(ROOT + (4 - level) * PAGE_SIZE) / PAGE_SIZE] = true;
		CHECK_RET("atomic, table not present", -EFAULT, walk(WALK_ATOMIC, &w));
		CHECK_RET("sleeping, table not present", 0, walk(WALK_WRITE, &w));
		check_ad("sleeping", LONG4, 1, A, A | D);
	}
	start(LONG4);
	map(LONG4, GVA, 1, 0, ALL);
	vcpu.regs.cr3 = 0x7f000000;
	CHECK_RET("no slot", -EFAULT, walk(0, &w));
	/* tables in a read-only slot: fine as long as no bit is to be set */
	start(LONG4);
	map(LONG4, GVA, 1, 0x5000, ALL);
	memcpy(ram + ROM_PAGE * PAGE_SIZE, ram + ROOT, PAGE_SIZE);
	vcpu.regs.cr3 = ROM_PAGE * PAGE_SIZE;
	CHECK_RET("table in ROM", 0, walk(WALK_WRITE, &w));
	*(u64 *)(ram + ROM_PAGE * PAGE_SIZE + (GVA >> 39 & 511) * 8) &= ~A;
	CHECK_RET("table in ROM, bit to set", -EFAULT, walk(WALK_WRITE, &w));
	/* setting bits is a write to guest memory */
	start(LONG4);
	map(LONG4, GVA, 1, 0x5000, P | W | U);
	dirty[0] = 0;
	slot.dirty = dirty;
	CHECK_RET("logged", 0, walk(WALK_ATOMIC, &w));
	CHECK_EQ("logged", 0xf << 1, dirty[0]);
	slot.dirty = NULL;
}

/* Two pages of the guest, contiguous in linear addresses only, filled with counting bytes. */
static void map_two(enum mode m)
{
	unsigned int i;

	start(m);
	map(m, 0x3000, 1, 0x10000, ALL);
	map(m, 0x4000, 1, 0x8000, ALL);
	for (i = 0; i < 32; i++) {
		ram[0x10ff0 + i % 16] = i % 16;
		ram[0x8000 + i % 16] = 16 + i % 16;
	}
}

static void test_copy(void)
{
	u8 buf[32] = {}, want[32];
	gva_t fault;
	struct walk w;
	unsigned int i;

	for (i = 0; i < 32; i++)
		want[i] = i;
	map_two(LONG4);
	CHECK_RET("read", 0, keel_read_virt(&vcpu, 0x3ff0, buf, 32, 0, &w, &fault));
	ASSERT(!memcmp(buf, want, 32), "bytes read differ");
	for (i = 0; i < 32; i++)
		buf[i] = 100 + i;
	CHECK_RET("write", 0, keel_write_virt(&vcpu, 0x3ff0, buf, 32, 0, &w, &fault));
	ASSERT(ram[0x10ff0] == 100 && ram[0x10fff] == 115 && ram[0x8000] == 116 && ram[0x800f] == 131, "bytes written differ");
	set_entry(LONG4, 1, 0x4000, 0);
	CHECK_RET("fault in the second page", 1, keel_read_virt(&vcpu, 0x3ff0, buf, 32, WALK_USER, &w, &fault));
	CHECK_EQ("address", 0x4000, fault);
	CHECK_EQ("error", 4, w.error);
	map_two(LONG4);
	out[8] = true;
	CHECK_RET("atomic", -EFAULT, keel_read_virt(&vcpu, 0x3ff0, buf, 32, WALK_ATOMIC, &w, &fault));
}

/* Outside 64-bit code the page behind the last of the low 4 GB is the first one. */
static void test_wrap(void)
{
	static const struct {
		const char *name;
		enum mode mode;
		u32 cs;
		u8 behind;	/* first byte of the page that is read on */
	} rows[] = {
		{ "32-bit paging", NARROW, 0, 0x11 },
		{ "PAE paging", PAE, 0, 0x11 },
		{ "compatibility mode", LONG4, 0, 0x11 },
		{ "64-bit code", LONG4, SEG_L, 0x22 },
	};
	u8 buf[16] = {};
	gva_t fault;
	struct walk w;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		start(rows[i].mode);
		vcpu.regs.seg[SEG_CS] = (struct segment){ .ar = rows[i].cs };
		map(rows[i].mode, 0xfffff000, 1, 0x10000, ALL);
		map(rows[i].mode, 0, 1, 0x8000, ALL);
		/* the last table is one for all addresses: its first entry is the page behind, above 4 GB or at 0 */
		if (rows[i].cs)
			map(LONG4, BIT(32), 1, 0x9000, ALL);
		ram[0x10fff] = 0x33;
		ram[0x8000] = 0x11;
		ram[0x9000] = 0x22;
		CHECK_RET(rows[i].name, 0, keel_read_virt(&vcpu, 0xfffffffe, buf, 4, 0, &w, &fault));
		CHECK_EQ("last byte of the page", 0x33, buf[1]);
		CHECK_EQ("first byte behind", rows[i].behind, buf[2]);
		CHECK_EQ("its address", rows[i].cs ? BIT(32) : 0, fault);
		CHECK_RET("write", 0, keel_write_virt(&vcpu, 0xffffffff, "12", 2, 0, &w, &fault));
		CHECK_EQ("byte written behind", '2', ram[rows[i].cs ? 0x9000 : 0x8000]);
		vcpu.regs.rip = 0xfffffffa;
		CHECK_EQ("fetched", 15, keel_fetch_atomic(&vcpu, buf, 15));
		CHECK_EQ("byte fetched behind", '2', buf[6]);
	}
}

static void test_fetch(void)
{
	u8 buf[16], want[32];
	unsigned int i;

	for (i = 0; i < 32; i++)
		want[i] = i;
	map_two(LONG4);
	vcpu.regs.seg[SEG_CS].ar = SEG_L;
	for (i = 0; i < 16; i++) {
		vcpu.regs.rip = 0x3ff0 + i;
		memset(buf, 0xee, sizeof(buf));
		CHECK_EQ("whole", 15, keel_fetch_atomic(&vcpu, buf, 15));
		ASSERT(!memcmp(buf, want + i, 15), "bytes fetched at %u differ", i);
		CHECK_EQ("nothing behind", 0xee, buf[15]);
		CHECK_EQ("less", 3, keel_fetch_atomic(&vcpu, buf, 3));
	}
	out[8] = true;
	vcpu.regs.rip = 0x3ffa;
	CHECK_EQ("second page not present", 6, keel_fetch_atomic(&vcpu, buf, 15));
	out[0x10] = true;
	CHECK_EQ("first page not present", 0, keel_fetch_atomic(&vcpu, buf, 15));
	map_two(LONG4);
	vcpu.regs.seg[SEG_SS].ar = 3 << 5;
	set_entry(LONG4, 1, 0x3000, 0x10000 | (ALL & ~U));
	CHECK_EQ("user, supervisor page", 0, keel_fetch_atomic(&vcpu, buf, 15));
	/* outside long mode the base counts and addresses wrap at 4G */
	map_two(PAE);
	vcpu.regs.seg[SEG_SS].ar = 0;
	vcpu.regs.seg[SEG_CS] = (struct segment){ .base = 0xfffff000 };
	vcpu.regs.rip = 0x4ff0;
	CHECK_EQ("wrap", 15, keel_fetch_atomic(&vcpu, buf, 15));
	ASSERT(!memcmp(buf, want, 15), "bytes differ after a wrap");
}

/* What makes a remembered page of code untrue, and what it must fetch then; each row begins with a page that was fetched before. */
static void change_nothing(void) { }
static void change_pte(void) { set_entry(LONG4, 1, 0x3000, 0x8000 | ALL); }
static void change_pde(void) { set_entry(LONG4, 2, 0x3000, PS | ALL); }
static void change_present(void) { set_entry(LONG4, 1, 0x3000, 0x10000 | (ALL & ~P)); }
static void change_rights(void) { set_entry(LONG4, 3, 0x3000, NX | ALL); }
static void change_top(void) { set_entry(LONG4, 4, 0x3000, 0); }
static void change_cr3(void) { vcpu.regs.cr3 += 0x7000; }
static void change_cr4(void) { vcpu.regs.cr4 |= BIT(20); }
static void change_user(void) { vcpu.regs.seg[SEG_SS].ar = 3 << 5; }
static void change_slots(void) { slots->generation++; }
static void change_code(void) { ram[0x10000] = 0x77; }
static void change_code_out(void) { out[0x10] = true; }
static void change_mm(void) { current->mm = NULL; }
static void change_mode(void) { vcpu.regs.seg[SEG_CS].ar = 0; }

static const struct {
	const char *name;
	void (*change)(void);
	bool again;		/* keel_fetch_again() and keel_code_word() still do it */
	unsigned int n;		/* what keel_fetch_atomic() then gets, and its first byte */
	u8 first;
} changes[] = {
	{ "nothing", change_nothing, true, 15, 0x11 },
	{ "the code", change_code, true, 15, 0x77 },
	{ "the last entry", change_pte, false, 15, 0x22 },
	{ "a large page", change_pde, false, 15, (PS | ALL) & 0xff },	/* where the tables are */
	{ "not present", change_present, false, 0, 0 },
	{ "no execution", change_rights, false, 0, 0 },
	{ "the first entry", change_top, false, 0, 0 },
	{ "CR3", change_cr3, false, 0, 0 },
	{ "SMEP on a user page", change_cr4, false, 0, 0 },
	{ "user mode, user page", change_user, false, 15, 0x11 },
	{ "slots", change_slots, false, 15, 0x11 },
	{ "code page out", change_code_out, false, 0, 0 },
	{ "another address space", change_mm, false, 0, 0 },
};

static u64 code_word(void)
{
	return keel_code_word(&vcpu, vcpu.regs.rip, vcpu.regs.seg[SEG_SS].ar >> 5 & 3);
}

static void test_fetch_again(void)
{
	unsigned int i;
	u8 buf[16];

	for (i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		memset(out, 0, sizeof(out));
		map_two(LONG4);
		ram[0x10000] = 0x11;
		ram[0x8000] = 0x22;
		vcpu.regs.efer |= EFER_NX;
		vcpu.regs.cr4 &= ~BIT(20);
		vcpu.regs.rip = 0x3000;
		vcpu.regs.seg[SEG_CS].ar = SEG_L;
		vcpu.regs.seg[SEG_SS].ar = 0;
		memset(&vcpu.known.code, 0xff, sizeof(vcpu.known.code));
		test_note("%s", changes[i].name);
		CHECK_EQ("not fetched before", 0, keel_fetch_again(&vcpu));
		CHECK_EQ("fetched", 15, keel_fetch_atomic(&vcpu, buf, 15));
		CHECK_EQ("again", 1, keel_fetch_again(&vcpu));
		CHECK_EQ("its first byte", 0x11, vcpu.known.code.low & 0xff);
		CHECK_EQ("its first bytes", vcpu.known.code.low, code_word());
		changes[i].change();
		CHECK_EQ("first bytes after the change", changes[i].again ? changes[i].first : 0, code_word() & 0xff);
		CHECK_EQ("again after the change", changes[i].again, keel_fetch_again(&vcpu));
		if (changes[i].again)
			CHECK_EQ("first byte then", changes[i].first, vcpu.known.code.low & 0xff);
		CHECK_EQ("fetched after the change", changes[i].n, keel_fetch_atomic(&vcpu, buf, 15));
		if (changes[i].n)
			CHECK_EQ("first byte fetched then", changes[i].first, buf[0]);
		current->mm = &mm;
	}
	/* the last 14 bytes of a page are not enough, and other modes are none of its business */
	map_two(LONG4);
	vcpu.regs.seg[SEG_CS].ar = SEG_L;
	vcpu.regs.rip = 0x3ff2;
	CHECK_EQ("fetched at the end", 15, keel_fetch_atomic(&vcpu, buf, 15));
	CHECK_EQ("not again", 0, keel_fetch_again(&vcpu));
	CHECK_EQ("no first bytes", 0, code_word());
	vcpu.regs.rip = 0x3ff1;
	CHECK_EQ("a byte earlier", 1, keel_fetch_again(&vcpu));
	change_mode();
	CHECK_EQ("compatibility mode", 0, keel_fetch_again(&vcpu));
}

/* The last page directory is the one of the entry that was loaded, which is in memory no more. */
static void test_loaded(void)
{
	static const struct {
		const char *name;
		bool has_op, is_loaded, in_shadow;
		u32 dirty;
		u64 cr0, cr4;		/* bits that change */
		gpa_t gpa;
	} t[] = {
		{ "the CPU reads memory", false, false, false, 0, 0, 0, 0x9567 },
		{ "the CPU has loaded them", true, true, false, 0, 0, 0, 0x8567 },
		{ "the CPU will load them", true, false, false, 0, 0, 0, 0x9567 },
		{ "shadow paging", true, true, true, 0, 0, 0, 0x8567 },
		{ "shadow paging, CR3 written", true, true, true, RG_CR3, 0, 0, 0x9567 },
		{ "shadow paging, CR0.CD changed", false, false, true, RG_CR0, X86_CR0_CD, 0, 0x9567 },
		{ "shadow paging, CR0.TS changed", false, false, true, RG_CR0, X86_CR0_TS, 0, 0x8567 },
		{ "shadow paging, CR4.PGE changed", false, false, true, RG_CR4, 0, X86_CR4_PGE, 0x9567 },
		{ "shadow paging, CR4.OSFXSR changed", false, false, true, RG_CR4, 0, X86_CR4_OSFXSR, 0x8567 },
	};
	struct shadow_vcpu sv = {};
	u64 pdpte[4], in_memory;
	unsigned int i;
	struct walk w;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		start(PAE);
		map(PAE, GVA, 1, 0x9000, ALL);
		in_memory = get_entry(PAE, 3);
		/* another page directory and page table */
		*(u64 *)(ram + 0x10000 + (GVA >> 21 & 511) * 8) = 0x11000 | ALL;
		*(u64 *)(ram + 0x11000 + (GVA >> 12 & 511) * 8) = 0x8000 | ALL;
		memset(loaded, 0, sizeof(loaded));
		loaded[GVA >> 30 & 3] = 0x10000 | P;
		memcpy(sv.pdpte, loaded, sizeof(loaded));
		vendor.pdpte = t[i].has_op ? pdpte_loaded : NULL;
		is_loaded = t[i].is_loaded;
		vcpu.shadow = t[i].in_shadow ? &sv : NULL;
		vcpu.regs.dirty = t[i].dirty;
		sv.cr0 = vcpu.regs.cr0 ^ t[i].cr0;
		sv.cr4 = vcpu.regs.cr4 ^ t[i].cr4;
		CHECK_RET(t[i].name, 0, walk(0, &w));
		CHECK_EQ("gpa", t[i].gpa, w.gpa);
		CHECK_EQ("are loaded", t[i].gpa == 0x8567, keel_get_pdptes(&vcpu, pdpte));
		CHECK_RET("entries", 0, keel_read_pdptes(&vcpu, pdpte));
		CHECK_EQ("entry", t[i].gpa == 0x8567 ? loaded[GVA >> 30 & 3] : in_memory, pdpte[GVA >> 30 & 3]);
		/* long mode has no such entries */
		start(LONG4);
		map(LONG4, GVA, 1, 0x9000, ALL);
		CHECK_RET("long mode", 0, walk(0, &w));
		CHECK_EQ("gpa", 0x9567, w.gpa);
		CHECK_EQ("nothing is loaded", false, keel_get_pdptes(&vcpu, pdpte));
	}
	vendor.pdpte = NULL;
	vcpu.shadow = NULL;
}

/* Four entries are given behind writes of the control registers, which must not load others, and MOV to CR3 does. */
static void test_given(void)
{
	static const u64 pdpte[4] = { 0x10001, 0x11001, 0, 0x12001 };
	struct shadow_vcpu sv = {};
	u64 got[4] = {};

	start(PAE);
	vcpu.regs.dirty = RG_CR0 | RG_CR3 | RG_CR4 | RG_EFER;
	keel_put_pdptes(&vcpu, pdpte);	/* nowhere to put them */
	CHECK_EQ("no registers: still to be written", RG_CR0 | RG_CR3 | RG_CR4 | RG_EFER, vcpu.regs.dirty);
	vendor.pdpte = pdpte_loaded;
	keel_put_pdptes(&vcpu, pdpte);
	CHECK_EQ("the CPU gets them", 0, memcmp(given, pdpte, sizeof(given)));
	memset(given, 0, sizeof(given));
	vcpu.shadow = &sv;
	CHECK_EQ("before", false, keel_get_pdptes(&vcpu, got));
	keel_put_pdptes(&vcpu, pdpte);
	CHECK_EQ("shadow paging: not the CPU", 0, given[0]);
	CHECK_EQ("CR0, CR4 and EFER are still to be written", RG_CR0 | RG_CR4 | RG_EFER, vcpu.regs.dirty);
	CHECK_EQ("loaded", true, keel_get_pdptes(&vcpu, got));
	CHECK_EQ("as given", 0, memcmp(got, pdpte, sizeof(got)));
	vcpu.regs.dirty |= RG_CR3;
	CHECK_EQ("after MOV to CR3", false, keel_get_pdptes(&vcpu, got));
	vcpu.regs.dirty = 0;
	vcpu.shadow = NULL;
	vendor.pdpte = NULL;
}

static const struct test_case cases[] = {
	{ "translate", test_translate },
	{ "loaded", test_loaded },
	{ "given", test_given },
	{ "faults", test_faults },
	{ "no_gbpages", test_no_gbpages },
	{ "keys", test_keys },
	{ "accessed_dirty", test_accessed_dirty },
	{ "races", test_races },
	{ "memory", test_memory },
	{ "copy", test_copy },
	{ "wrap", test_wrap },
	{ "fetch", test_fetch },
	{ "fetch_again", test_fetch_again },
};

TEST_MAIN(cases)
