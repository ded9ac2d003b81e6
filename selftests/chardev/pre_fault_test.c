// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_PRE_FAULT_MEMORY: what is mapped before makes no fault when the guest reads
 * it, and is as it would be without: memory that is only read gets none of its
 * own, and what is written is logged. It goes as far as the slot and tells where
 * it ended.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guest.h"
#include "stats.h"

#ifndef KVM_PRE_FAULT_MEMORY
#define KVM_CAP_PRE_FAULT_MEMORY 236
struct kvm_pre_fault_memory {
	__u64 gpa;
	__u64 size;
	__u64 flags;
	__u64 padding[5];
};
#define KVM_PRE_FAULT_MEMORY _IOWR(KVMIO, 0xd5, struct kvm_pre_fault_memory)
#endif

#define GPA	0x40000000ULL
#define SIZE	(8ULL << 20)
#define PAGES	(SIZE / PAGE_SIZE)

/* Reads every page, and writes every 16th if told to. */
static void guest_touch(u64 write)
{
	u64 i;

	GUEST_SYNC(0);
	for (i = 0; i < SIZE; i += PAGE_SIZE)
		GUEST_EQ(mmio_read64(GPA + i), 0);
	GUEST_SYNC(1);
	for (i = 0; write && i < SIZE; i += 16 * PAGE_SIZE)
		mmio_write64(GPA + i, i + 1);
}

static struct vcpu *new_guest(u32 flags, u8 **mem)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_touch);

	REQUIRE_CAP(KVM_CAP_PRE_FAULT_MEMORY);
	*mem = host_pages_aligned(SIZE, 2 << 20);
	vm_set_slot(vm, 1, flags, GPA, SIZE, *mem);
	vcpu_args(vcpu, 1, 0, 0);
	vcpu_run_sync(vcpu, 0);
	return vcpu;
}

static int pre_fault(struct vcpu *vcpu, struct kvm_pre_fault_memory *range, u64 gpa, u64 size)
{
	*range = (struct kvm_pre_fault_memory){ .gpa = gpa, .size = size };
	return __vcpu_ioctl(vcpu, KVM_PRE_FAULT_MEMORY, range);
}

static void check_range(const char *what, int wanted, u64 wanted_gpa, u64 wanted_size, struct vcpu *vcpu, u64 gpa, u64 size)
{
	struct kvm_pre_fault_memory range;

	test_note("%s", what);
	CHECK_RET("result", wanted, pre_fault(vcpu, &range, gpa, size));
	CHECK_EQ("address of the rest", wanted_gpa, range.gpa);
	CHECK_EQ("size of the rest", wanted_size, range.size);
}

/* No fault at all is left for reading, whether the launcher has memory there, huge pages or none. */
static void test_no_faults(void)
{
	static const struct {
		const char *what;
		int advice, fill;
	} rows[] = {
		{ "small pages", MADV_NOHUGEPAGE, 1 },
		{ "huge pages, where the host gives them", MADV_HUGEPAGE, 1 },
		{ "memory that nobody has touched", MADV_NOHUGEPAGE, 0 },
	};
	struct vcpu *vcpu;
	size_t i;
	u64 before, n;
	u8 *mem;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		vcpu = new_guest(0, &mem);
		madvise(mem, SIZE, rows[i].advice);
		for (n = 0; rows[i].fill && n < SIZE; n += PAGE_SIZE)
			*(volatile u64 *)(mem + n) = 0;
		check_range(rows[i].what, 0, GPA + SIZE, 0, vcpu, GPA, SIZE);
		before = vcpu_stat(vcpu, "pf_fixed");
		vcpu_run_sync(vcpu, 1);
		CHECK_EQ("faults of the guest that reads", 0, vcpu_stat(vcpu, "pf_fixed") - before);
		vcpu_run_done(vcpu);
		for (n = 0; n < SIZE; n += 16 * PAGE_SIZE)
			ASSERT_EQ(*(u64 *)(mem + n), n + 1);
	}
}

/* What only was read has no memory of its own. */
static void test_no_memory(void)
{
	struct vcpu *vcpu;
	u64 flags, i, own = 0;
	u8 *mem;
	int fd = open("/proc/self/pagemap", O_RDONLY);

	REQUIRE(fd >= 0, "the kernel has no /proc/self/pagemap");
	vcpu = new_guest(0, &mem);
	madvise(mem, SIZE, MADV_NOHUGEPAGE);
	check_range("all", 0, GPA + SIZE, 0, vcpu, GPA, SIZE);
	/* present, and of anonymous memory that is mapped once: bits 63 and 56 */
	for (i = 0; i < PAGES; i++) {
		REQUIRE(pread(fd, &flags, sizeof(flags), ((u64)mem / PAGE_SIZE + i) * sizeof(flags)) == sizeof(flags), "pagemap");
		own += flags >> 63 && flags >> 56 & 1;
	}
	close(fd);
	CHECK_EQ("pages of memory", 0, own);
	vcpu_run_sync(vcpu, 1);
	vcpu_run_done(vcpu);
}

/* Mapped before, and yet the first write is noticed. */
static void test_log(void)
{
	u8 bitmap[PAGES / 8];
	struct kvm_dirty_log log = { .slot = 1, .dirty_bitmap = bitmap };
	struct vcpu *vcpu;
	u8 *mem;
	u64 i;

	vcpu = new_guest(KVM_MEM_LOG_DIRTY_PAGES, &mem);
	memset(mem, 0, SIZE);
	check_range("all", 0, GPA + SIZE, 0, vcpu, GPA, SIZE);
	vm_ioctl(vcpu->vm, KVM_GET_DIRTY_LOG, &log);
	/* stock KVM logs what it maps for reading, as if it were written */
	for (i = 0; !dev_is_kvm() && i < PAGES / 8; i++)
		ASSERT_EQ(bitmap[i], 0);
	vcpu_run_sync(vcpu, 1);
	vcpu_run_done(vcpu);
	vm_ioctl(vcpu->vm, KVM_GET_DIRTY_LOG, &log);
	for (i = 0; i < PAGES / 8; i += 2)
		ASSERT_EQ(bitmap[i] & 1, 1);
}

static void test_ends(void)
{
	struct vcpu *vcpu;
	u8 *mem;

	vcpu = new_guest(0, &mem);
	check_range("one page", 0, GPA + PAGE_SIZE, 0, vcpu, GPA, PAGE_SIZE);
	check_range("the same again", 0, GPA + PAGE_SIZE, 0, vcpu, GPA, PAGE_SIZE);
	check_range("past the end", 0, GPA + SIZE, PAGE_SIZE, vcpu, GPA + SIZE - PAGE_SIZE, 2 * PAGE_SIZE);
	check_range("behind the end", -ENOENT, GPA + SIZE, PAGE_SIZE, vcpu, GPA + SIZE, PAGE_SIZE);
	check_range("begins before it", -ENOENT, GPA - PAGE_SIZE, 2 * PAGE_SIZE, vcpu, GPA - PAGE_SIZE, 2 * PAGE_SIZE);
	check_range("beyond all addresses", -ENOENT, 1ULL << 60, PAGE_SIZE, vcpu, 1ULL << 60, PAGE_SIZE);
	munmap(mem + PAGE_SIZE, PAGE_SIZE);
	check_range("up to what the launcher has not", 0, GPA + PAGE_SIZE, SIZE - PAGE_SIZE, vcpu, GPA, SIZE);
	check_range("what the launcher has not", -EFAULT, GPA + PAGE_SIZE, PAGE_SIZE, vcpu, GPA + PAGE_SIZE, PAGE_SIZE);
}

static void test_refusals(void)
{
	static const struct {
		const char *what;
		u64 gpa, size, flags;
	} rows[] = {
		{ "a flag", GPA, PAGE_SIZE, 1 },
		{ "all flags", GPA, PAGE_SIZE, ~0ULL },
		{ "address inside a page", GPA + 1, PAGE_SIZE, 0 },
		{ "size of no whole pages", GPA, PAGE_SIZE - 1, 0 },
		{ "no size", GPA, 0, 0 },
		{ "end beyond 2^64", -PAGE_SIZE, 2 * PAGE_SIZE, 0 },
		{ "all sizes", GPA, -PAGE_SIZE, 0 },
	};
	struct kvm_pre_fault_memory range;
	struct vcpu *vcpu;
	size_t i;
	u8 *mem;

	vcpu = new_guest(0, &mem);
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		range = (struct kvm_pre_fault_memory){ .gpa = rows[i].gpa, .size = rows[i].size, .flags = rows[i].flags };
		CHECK_RET(rows[i].what, -EINVAL, __vcpu_ioctl(vcpu, KVM_PRE_FAULT_MEMORY, &range));
		CHECK_EQ("nothing changed", 0, range.gpa != rows[i].gpa || range.size != rows[i].size);
	}
	CHECK_RET("no argument", -EFAULT, __vcpu_ioctl(vcpu, KVM_PRE_FAULT_MEMORY, NULL));
	vcpu_run_sync(vcpu, 1);
	vcpu_run_done(vcpu);
}

/* Shadow paging has no such tables: neither the capability nor the call. */
static void test_shadow(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_touch);
	struct kvm_pre_fault_memory range;

	REQUIRE(host_pages_by_shadow() && !dev_is_kvm(), "for Keel with shadow paging");
	CHECK_EQ("capability", 0, has_cap(KVM_CAP_PRE_FAULT_MEMORY));
	CHECK_RET("call", -EOPNOTSUPP, pre_fault(vcpu, &range, 0, PAGE_SIZE));
}

static const struct test_case cases[] = {
	{ "no_faults", test_no_faults },
	{ "no_memory_for_reading", test_no_memory },
	{ "log_of_writes", test_log },
	{ "ends_with_the_slot", test_ends },
	{ "refusals", test_refusals },
	{ "shadow_paging", test_shadow },
};

TEST_MAIN(cases)
