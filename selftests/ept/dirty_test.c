// SPDX-License-Identifier: GPL-2.0-only
/*
 * Dirty logging: every page the guest writes is in the next log, a page it does
 * not write is not, reading clears (or, with manual protection, clearing does),
 * logging starts and stops on a live slot, and the writes of devices and of
 * pages already mapped huge count too.
 */
#include <sys/mman.h>

#include "guest.h"
#include "thread.h"

#define GPA	0x40000000ULL
#define PAGES	1024ULL
#define SIZE	(PAGES * PAGE_SIZE)

/* Each SYNC: write one byte to every page of a stride given by the host. */
static volatile u64 first, stride, count;

static void guest_write(void)
{
	u64 i;

	for (;;) {
		for (i = 0; i < count; i++)
			mmio_write8(GPA + (first + i * stride) * PAGE_SIZE + 5, i);
		GUEST_SYNC(1);
	}
}

static void write_pages(struct vcpu *vcpu, u64 f, u64 s, u64 n)
{
	*GUEST_VAR(vcpu->vm, first) = f;
	*GUEST_VAR(vcpu->vm, stride) = s;
	*GUEST_VAR(vcpu->vm, count) = n;
	vcpu_run_sync(vcpu, 1);
}

static u64 bitmap[PAGES / 64 + 1];

static void get_log(struct vm *vm)
{
	struct kvm_dirty_log log = { .slot = 1, .dirty_bitmap = bitmap };

	memset(bitmap, 0xee, sizeof(bitmap));
	vm_ioctl(vm, KVM_GET_DIRTY_LOG, &log);
	ASSERT_EQ(bitmap[PAGES / 64], 0xeeeeeeeeeeeeeeee);	/* not beyond the slot */
}

static void clear_log(struct vm *vm, u64 page, u32 n, void *bits)
{
	struct kvm_clear_dirty_log log = { .slot = 1, .first_page = page, .num_pages = n,
					   .dirty_bitmap = bits };

	vm_ioctl(vm, KVM_CLEAR_DIRTY_LOG, &log);
}

static void expect_log(const char *name, u64 f, u64 s, u64 n)
{
	u64 i, wrong = 0, wanted[PAGES / 64] = { 0 };

	for (i = 0; i < n; i++)
		wanted[(f + i * s) / 64] |= BIT((f + i * s) % 64);
	for (i = 0; i < PAGES; i++)
		if ((wanted[i / 64] ^ bitmap[i / 64]) >> (i % 64) & 1) {
			if (!wrong++)
				test_note("%s: page %llu", name, (unsigned long long)i);
		}
	CHECK_EQ(name, 0, wrong);
}

static struct vcpu *start(void *mem, u32 flags)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_write);

	vm_set_slot(vm, 1, flags, GPA, SIZE, mem);
	return vcpu;
}

static void run_rounds(void *mem)
{
	struct vcpu *vcpu = start(mem, KVM_MEM_LOG_DIRTY_PAGES);
	struct vm *vm = vcpu->vm;

	get_log(vm);
	expect_log("nothing at first", 0, 0, 0);
	write_pages(vcpu, 3, 7, 100);
	get_log(vm);
	expect_log("every seventh", 3, 7, 100);
	get_log(vm);
	expect_log("read, so clear", 0, 0, 0);
	write_pages(vcpu, 3, 7, 100);
	get_log(vm);
	expect_log("the same again", 3, 7, 100);
	write_pages(vcpu, PAGES - 1, 1, 1);
	get_log(vm);
	expect_log("the last page", PAGES - 1, 1, 1);
	write_pages(vcpu, 0, 1, PAGES);
	get_log(vm);
	expect_log("all", 0, 1, PAGES);
}

static void test_rounds(void)
{
	void *mem = host_pages(SIZE);

	madvise(mem, SIZE, MADV_NOHUGEPAGE);
	run_rounds(mem);
}

static void test_huge(void)
{
	void *mem = host_pages_aligned(SIZE, 2 << 20);

	madvise(mem, SIZE, MADV_HUGEPAGE);
	memset(mem, 1, SIZE);
	run_rounds(mem);
}

/* On and off on a live slot whose pages are mapped writable already. */
static void test_live(void)
{
	void *mem = host_pages_aligned(SIZE, 2 << 20);
	struct vcpu *vcpu;
	struct vm *vm;

	memset(mem, 1, SIZE);
	vcpu = start(mem, 0);
	vm = vcpu->vm;
	write_pages(vcpu, 0, 1, PAGES);
	vm_set_slot(vm, 1, KVM_MEM_LOG_DIRTY_PAGES, GPA, SIZE, mem);
	write_pages(vcpu, 10, 5, 20);
	get_log(vm);
	expect_log("log on", 10, 5, 20);
	vm_set_slot(vm, 1, 0, GPA, SIZE, mem);
	write_pages(vcpu, 0, 1, PAGES);
	vm_set_slot(vm, 1, KVM_MEM_LOG_DIRTY_PAGES, GPA, SIZE, mem);
	write_pages(vcpu, 20, 5, 20);
	get_log(vm);
	expect_log("off and on", 20, 5, 20);
	CHECK_EQ("the writes are there", 19, ((u8 *)mem)[(20 + 19 * 5) * PAGE_SIZE + 5]);
}

static void test_manual(void)
{
	void *mem = host_pages(SIZE);
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_write);
	u64 some[1] = { BIT(3) | BIT(10) };

	REQUIRE_CAP(KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2);
	vm_enable_cap(vm, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE);
	vm_set_slot(vm, 1, KVM_MEM_LOG_DIRTY_PAGES, GPA, SIZE, mem);
	write_pages(vcpu, 3, 7, 100);
	get_log(vm);
	expect_log("written", 3, 7, 100);
	get_log(vm);
	expect_log("reading does not clear", 3, 7, 100);
	clear_log(vm, 0, 64, some);
	get_log(vm);
	CHECK_EQ("two cleared", 0, bitmap[0] & some[0]);
	CHECK_EQ("others stay", BIT(17), bitmap[0] & BIT(17));
	write_pages(vcpu, 3, 1, 1);
	get_log(vm);
	CHECK_EQ("written after the clear", BIT(3), bitmap[0] & some[0]);
	clear_log(vm, 0, PAGES, bitmap);
	get_log(vm);
	expect_log("all cleared", 0, 0, 0);
	write_pages(vcpu, 0, 1, PAGES);
	get_log(vm);
	expect_log("all written", 0, 1, PAGES);
}

static void test_initially_set(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_write);
	void *mem = host_pages(SIZE);

	REQUIRE(has_cap(KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2) & KVM_DIRTY_LOG_INITIALLY_SET,
		"no KVM_DIRTY_LOG_INITIALLY_SET");
	vm_enable_cap(vm, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2,
		      KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET);
	vm_set_slot(vm, 1, KVM_MEM_LOG_DIRTY_PAGES, GPA, SIZE, mem);
	get_log(vm);
	expect_log("all set at first", 0, 1, PAGES);
	clear_log(vm, 0, PAGES, bitmap);
	write_pages(vcpu, 5, 2, 50);
	get_log(vm);
	expect_log("written after the clear", 5, 2, 50);
}

/* Writes all over the pages until told to stop, each page again and again with another value. */
static volatile u64 stop, turns;

static void guest_scribble(void)
{
	u64 n;

	/* the stride visits all pages, so that a log of any size runs full */
	for (n = 0; !stop; n++) {
		mmio_write64(GPA + (n * 413 % PAGES) * PAGE_SIZE + n % 64 * 8, n);
		turns = n;
	}
}

static void copy_logged(u8 *copy, const u8 *mem)
{
	u64 i;

	for (i = 0; i < PAGES; i++)
		if (bitmap[i / 64] >> (i % 64) & 1)
			memcpy(copy + i * PAGE_SIZE, mem + i * PAGE_SIZE, PAGE_SIZE);
}

/* What a migration does: copy what each log names while the guest runs on; after it has stopped the copy is whole. */
static void test_running(void)
{
	u8 *mem = host_pages(SIZE), *copy = host_pages(SIZE);
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_scribble);
	unsigned int round;
	pthread_t thread;
	u64 before;

	vm_set_slot(vm, 1, KVM_MEM_LOG_DIRTY_PAGES, GPA, SIZE, mem);
	thread = vcpu_thread(vcpu);
	for (round = 0; round < 8; round++) {
		before = *GUEST_VAR(vm, turns);
		while (*GUEST_VAR(vm, turns) < before + 700)
			host_sleep_ms(1);
		get_log(vm);
		copy_logged(copy, mem);
	}
	*GUEST_VAR(vm, stop) = 1;
	host_join(thread);
	get_log(vm);
	copy_logged(copy, mem);
	CHECK_EQ("the copy differs", 0, !!memcmp(copy, mem, SIZE));
	get_log(vm);
	expect_log("nothing more", 0, 1, 0);
}

static const struct test_case cases[] = {
	{ "rounds", test_rounds },
	{ "huge_pages", test_huge },
	{ "live_slot", test_live },
	{ "manual_protect", test_manual },
	{ "initially_set", test_initially_set },
	{ "running", test_running },
};

TEST_MAIN(cases)
