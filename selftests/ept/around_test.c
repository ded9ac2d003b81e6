// SPDX-License-Identifier: GPL-2.0-only
/*
 * Huge host pages at an offset that no huge guest page can have: a fault maps all
 * of the host's page, which two second-level tables share, and nothing else - not
 * what lies outside the slot, what the launcher takes away, or what a log of
 * writes or a read-only slot must keep from being written.
 */
#include <sys/mman.h>

#include "guest.h"
#include "stats.h"

#define GPA	0x40000000ULL
#define HUGE	(2ULL << 20)
#define SIZE	(8ULL << 20)

/* Kilobytes that the mapping around @p has in huge pages. */
static unsigned long huge_kb(const u8 *p)
{
	char line[256];
	unsigned long start, end, kb = 0;
	int inside = 0;
	FILE *f = fopen("/proc/self/smaps", "r");

	REQUIRE(f, "the kernel has no /proc/self/smaps");
	while (!kb && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			inside = (unsigned long)p >= start && (unsigned long)p < end;
		else if (inside)
			sscanf(line, "AnonHugePages: %lu", &kb);
	}
	fclose(f);
	return kb;
}

/* How often the host found no huge page to give, split one, or moved a page elsewhere; each makes more faults than there need be. */
static u64 host_moves(void)
{
	static const char * const rows[] = {
		"thp_fault_fallback", "thp_split_pmd", "thp_migration_success", "pgmigrate_success", "pswpout",
	};
	char name[64];
	u64 sum = 0, n;
	size_t i;
	FILE *f = fopen("/proc/vmstat", "r");

	REQUIRE(f, "the kernel has no /proc/vmstat");
	while (fscanf(f, "%63s %llu", name, (unsigned long long *)&n) == 2)
		for (i = 0; i < ARRAY_SIZE(rows); i++)
			if (!strcmp(name, rows[i]))
				sum += n;
	fclose(f);
	return sum;
}

/*
 * Slot 1 at GPA, @size bytes that begin @offset bytes inside a huge page. Each page holds its offset in the slot, or nobody has
 * touched any (@fresh).
 */
static u8 *skewed_slot(struct vm *vm, u64 size, u64 offset, u32 flags, int fresh)
{
	u8 *mem = host_pages_aligned(size + HUGE, HUGE);
	u64 i;

	madvise(mem, size + HUGE, MADV_HUGEPAGE);
	memset(mem, 0, size + HUGE);
	REQUIRE(huge_kb(mem) >= ((size + HUGE) & ~(HUGE - 1)) >> 10, "the host has no huge pages to give");
	for (i = 0; i < size; i += PAGE_SIZE)
		*(u64 *)(mem + offset + i) = i;
	if (fresh)
		madvise(mem, size + HUGE, MADV_DONTNEED);
	vm_set_slot(vm, 1, flags, GPA, size, mem + offset);
	return mem + offset;
}

static u64 faults(struct vcpu *vcpu)
{
	return vcpu_stat(vcpu, "pf_fixed");
}

/* Stock KVM maps one page at a fault, and shadow paging 32 at most, of those that the guest's tables have ready. @moves: host_moves() before the first of them. */
static int few_faults(const char *what, u64 most, u64 got, u64 moves)
{
	test_note("%s: %llu faults, at most %llu wanted; the host moved %llu pages", what, (unsigned long long)got,
		  (unsigned long long)most, (unsigned long long)(host_moves() - moves));
	return dev_is_kvm() || host_pages_by_shadow() || got <= most;
}

static void check_faults(const char *what, u64 most, u64 got, u64 moves)
{
	if (few_faults(what, most, got, moves))
		return;
	REQUIRE(host_moves() == moves, "the host moved pages meanwhile");
	ASSERT_LE(got, most);
}

static void guest_touch(u64 size, u64 filled, u64 write)
{
	u64 i;

	GUEST_SYNC(0);
	for (i = 0; i < size; i += PAGE_SIZE) {
		if (write)
			mmio_write64(GPA + i + 8, i);
		GUEST_EQ(mmio_read64(GPA + i), filled ? i : 0);
	}
	GUEST_SYNC(1);
	for (i = 0; i < size; i += PAGE_SIZE)
		mmio_write64(GPA + i + 8, i);
}

/* One for each of the host's pages that the slot has a part of. */
#define MOST	(SIZE / HUGE + 1)

/* Return: were the faults few? */
static int touch(const char *what, u64 offset, int fresh, u64 write, u64 most_later)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_touch);
	u8 *mem = skewed_slot(vm, SIZE, offset, 0, fresh);
	u64 moves = host_moves(), before, after, i;
	int few;

	vcpu_args(vcpu, SIZE, !fresh, write);
	vcpu_run_sync(vcpu, 0);
	before = faults(vcpu);
	vcpu_run_sync(vcpu, 1);
	after = faults(vcpu);
	few = few_faults(what, MOST, after - before, moves);
	moves = host_moves();
	vcpu_run_done(vcpu);
	few &= few_faults("writing it afterwards", most_later, faults(vcpu) - after, moves);
	for (i = 0; i < SIZE; i += PAGE_SIZE)
		ASSERT_EQ(*(u64 *)(mem + i + 8), i);
	vm_destroy(vm);
	munmap(mem - offset, SIZE + HUGE);
	return few;
}

/* Once more, and again, where the host moved pages meanwhile. */
static void run_touch(const char *what, u64 offset, int fresh, u64 write, u64 most_later)
{
	u64 moves = host_moves();
	int tries;

	for (tries = 0; tries < 3; tries++) {
		if (touch(what, offset, fresh, write, most_later))
			return;
		ASSERT(host_moves() != moves, "too many faults, and the host moved no page");
		moves = host_moves();
	}
	test_skip("the host moves pages all the time");
}

static void test_faults(void)
{
	run_touch("reading, 1 MB off", HUGE / 2, 0, 0, 0);
	run_touch("writing, 1 MB off", HUGE / 2, 0, 1, 0);
	run_touch("reading, 4 KB off", PAGE_SIZE, 0, 0, 0);
	run_touch("writing, 2 MB less 4 KB off", HUGE - PAGE_SIZE, 0, 1, 0);
}

/* The huge page comes with the fault; for reading it is one of zeros that all share. */
static void test_fresh(void)
{
	run_touch("writing fresh memory", HUGE / 2, 1, 1, 0);
	/* at the first write to it many a kernel goes over to single pages */
	run_touch("reading fresh memory", HUGE / 2, 1, 0, SIZE / PAGE_SIZE);
}

static void guest_log(void)
{
	u64 i;

	for (i = 0; i < SIZE; i += PAGE_SIZE)
		GUEST_EQ(mmio_read64(GPA + i), i);
	GUEST_SYNC(0);
	for (i = 0; i < SIZE; i += 8 * PAGE_SIZE)
		mmio_write64(GPA + i + 8, i);
}

#define LOG_BYTES	(SIZE / PAGE_SIZE / 8)

/* Take the log of slot 1; every byte of it is @wanted. */
static void check_log(struct vm *vm, const char *what, u8 wanted)
{
	u8 bitmap[LOG_BYTES];
	struct kvm_dirty_log log = { .slot = 1, .dirty_bitmap = bitmap };
	u64 i;

	vm_ioctl(vm, KVM_GET_DIRTY_LOG, &log);
	test_note("%s", what);
	/* stock KVM logs what it maps for reading, as if it were written */
	if (!wanted && dev_is_kvm())
		return;
	for (i = 0; i < LOG_BYTES; i++)
		ASSERT_EQ(bitmap[i], wanted);
}

/* Written pages and no others are in the log, whether it was begun before the pages were mapped or after. */
static void test_log(void)
{
	int late;

	for (late = 0; late < 2; late++) {
		struct vm *vm = vm_create(VM_GUEST);
		struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_log);
		u8 *mem = skewed_slot(vm, SIZE, HUGE / 2, late ? 0 : KVM_MEM_LOG_DIRTY_PAGES, 0);
		u64 before = faults(vcpu), moves = host_moves();

		vcpu_run_sync(vcpu, 0);
		/* those of the guest's own pages too */
		check_faults("reading", MOST + 8, faults(vcpu) - before, moves);
		if (late)
			vm_set_slot(vm, 1, KVM_MEM_LOG_DIRTY_PAGES, GPA, SIZE, mem);
		else
			check_log(vm, "nothing is written yet", 0);
		vcpu_run_done(vcpu);
		check_log(vm, late ? "log begun late" : "log begun early", 1);
		vm_destroy(vm);
		munmap(mem - HUGE / 2, SIZE + HUGE);
	}
}

#define SMALL	(3ULL << 20)

static void guest_edges(void)
{
	u64 i;

	for (i = 0; i < SMALL; i += PAGE_SIZE)
		GUEST_EQ(mmio_read64(GPA + i), i);
	GUEST_SYNC(0);
	GUEST_EQ(mmio_read64(GPA + SMALL), 0x1234);
	GUEST_EQ(mmio_read64(GPA - 8), 0x1234);
	mmio_write64(GPA + SMALL / 2, 0x5678);
}

static void serve_read(struct vcpu *vcpu, const char *what, u64 gpa)
{
	u64 value = 0x1234;

	RUN_TO(vcpu, KVM_EXIT_MMIO);
	CHECK_EQ(what, gpa, vcpu->run->mmio.phys_addr);
	memcpy(vcpu->run->mmio.data, &value, sizeof(value));
}

/* A read-only slot that ends inside the host's pages. */
static void test_edges(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_edges);
	u8 *mem;

	REQUIRE_CAP(KVM_CAP_READONLY_MEM);
	mem = skewed_slot(vm, SMALL, HUGE - 8 * PAGE_SIZE, KVM_MEM_READONLY, 0);
	vcpu_run_sync(vcpu, 0);
	serve_read(vcpu, "behind the slot", GPA + SMALL);
	serve_read(vcpu, "before the slot", GPA - 8);
	RUN_TO(vcpu, KVM_EXIT_MMIO);
	CHECK_EQ("a write to it", 0x5678, *(u64 *)vcpu->run->mmio.data);
	CHECK_EQ("leaves it as it was", SMALL / 2, *(u64 *)(mem + SMALL / 2));
	vcpu_run_done(vcpu);
}

#define TAKEN	(HUGE + HUGE / 4)
#define TAKEN_SIZE	(HUGE / 8)

static void guest_taken(void)
{
	u64 i, n;

	for (n = 0; n < 3; n++) {
		for (i = 0; i < SIZE; i += PAGE_SIZE)
			GUEST_EQ(mmio_read64(GPA + i), n && i - TAKEN < TAKEN_SIZE ? n - 1 : i);
		GUEST_SYNC(n);
	}
}

/* What the launcher takes out of the middle of a page is gone, and comes back as the launcher fills it. */
static void test_taken(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_taken);
	u8 *mem = skewed_slot(vm, SIZE, HUGE / 2, 0, 0);
	u64 i;

	vcpu_run_sync(vcpu, 0);
	madvise(mem + TAKEN, TAKEN_SIZE, MADV_DONTNEED);
	vcpu_run_sync(vcpu, 1);
	for (i = 0; i < TAKEN_SIZE; i += PAGE_SIZE)
		*(u64 *)(mem + TAKEN + i) = 1;
	vcpu_run_sync(vcpu, 2);
	vcpu_run_done(vcpu);
}

static void guest_code(u64 size)
{
	u64 i;

	for (i = 0; i < size; i += 16 * PAGE_SIZE)
		GUEST_EQ(((u64 (*)(void))(GPA + i))(), i);
}

/* Code in such pages runs, on CPUs too on which no huge page may be executed. */
static void test_code(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_code);
	u8 *mem = skewed_slot(vm, SIZE, HUGE / 2, 0, 0);
	u64 before = faults(vcpu), moves = host_moves();
	u32 i;

	for (i = 0; i < SIZE; i += 16 * PAGE_SIZE) {
		mem[i] = 0xb8;		/* mov $i, %eax */
		memcpy(mem + i + 1, &i, sizeof(i));
		mem[i + 5] = 0xc3;	/* ret */
	}
	vcpu_args(vcpu, SIZE, 0, 0);
	vcpu_run_done(vcpu);
	check_faults("executing", MOST + 8, faults(vcpu) - before, moves);
}

static const struct test_case cases[] = {
	{ "faults", test_faults },
	{ "fresh_memory", test_fresh },
	{ "log_of_writes", test_log },
	{ "edges_of_a_slot", test_edges },
	{ "taken_away", test_taken },
	{ "code", test_code },
};

TEST_MAIN(cases)
