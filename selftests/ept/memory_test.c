// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest memory: all of a large slot keeps what is written, over huge and small
 * host pages and shared mappings; new code runs as soon as it is written, by
 * the guest or the host; two vCPUs fault the same pages at once; the ends of the
 * physical address space.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "thread.h"

#define GPA	0x40000000ULL
#define SIZE	(16ULL << 20)

static void guest_fill(u64 base, u64 step)
{
	u64 i;

	for (i = 0; i < SIZE; i += step)
		mmio_write64(base + i, base + i);
	for (i = 0; i < SIZE; i += step)
		GUEST_EQ(mmio_read64(base + i), base + i);
}

static void run_fill(u8 *mem, u64 gpa)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_fill);
	u64 i;

	vm_set_slot(vm, 1, 0, gpa, SIZE, mem);
	vcpu_args(vcpu, gpa, 1032, 0);
	vcpu_run_done(vcpu);
	for (i = 0; i < SIZE; i += 1032)
		ASSERT_EQ(*(u64 *)(mem + i), gpa + i);
}

static void test_small(void)
{
	u8 *mem = host_pages(SIZE);

	madvise(mem, SIZE, MADV_NOHUGEPAGE);
	run_fill(mem, GPA);
}

static void test_huge(void)
{
	u8 *mem = host_pages_aligned(SIZE, 2 << 20);

	madvise(mem, SIZE, MADV_HUGEPAGE);
	memset(mem, 0, SIZE);
	run_fill(mem, GPA);
}

/* One host page of 1 GB: where the kernel was booted with hugepagesz=1G hugepages=1. */
static void test_giant(void)
{
	u64 giant = 1ull << 30;
	u8 *mem = mmap(NULL, giant, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | 30 << MAP_HUGE_SHIFT, -1, 0);
	struct vcpu *vcpu;
	struct vm *vm;

	REQUIRE(mem != MAP_FAILED, "the host has no page of 1 GB to give");
	vm = vm_create(VM_GUEST);
	vcpu = vcpu_create_guest(vm, 0, guest_fill);
	vm_set_slot(vm, 1, 0, GPA, giant, mem);
	vcpu_args(vcpu, GPA + giant - SIZE, 1032, 0);
	vcpu_run_done(vcpu);
	CHECK_EQ("in the last 16 MB", GPA + giant - SIZE + 1032, *(u64 *)(mem + giant - SIZE + 1032));
}

/* Huge host pages at an offset that no huge guest page can have. */
static void test_skewed(void)
{
	u8 *mem = host_pages_aligned(SIZE + PAGE_SIZE, 2 << 20);

	madvise(mem, SIZE + PAGE_SIZE, MADV_HUGEPAGE);
	memset(mem, 0, SIZE + PAGE_SIZE);
	run_fill(mem + PAGE_SIZE, GPA);
	run_fill(mem, GPA + PAGE_SIZE);
}

static void test_shared(void)
{
	int fd = memfd_create("guest", MFD_CLOEXEC);
	u8 *a, *b;

	ASSERT_EQ(ftruncate(fd, SIZE), 0);
	a = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	b = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT(a != MAP_FAILED && b != MAP_FAILED, "mmap");
	run_fill(a, GPA);
	CHECK_EQ("seen through another mapping", GPA + 1032, *(u64 *)(b + 1032));
}

/* 1 MB below the end of a 40-bit space, reached through the guest's own tables. */
#define HIGH_GPA	((1ULL << 40) - (1 << 20))
#define HIGH_GVA	0xffffff0000000000ULL

static void guest_high(void)
{
	mmio_write64(HIGH_GVA, 0x1234);
	mmio_write64(HIGH_GVA + 0xffff8, 0x5678);
	GUEST_EQ(mmio_read64(HIGH_GVA), 0x1234);
}

static void test_high(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_high);
	u64 *mem = host_pages(1 << 20);
	u32 bits = cpuid_row(supported_cpuid(), 0x80000008, 0)->eax & 0xff;

	REQUIRE(bits >= 40, "%u physical address bits", bits);
	vm_set_slot(vm, 1, 0, HIGH_GPA, 1 << 20, mem);
	vm_map(vm, HIGH_GVA, HIGH_GPA, 1 << 20);
	vcpu_run_done(vcpu);
	CHECK_EQ("first word", 0x1234, mem[0]);
	CHECK_EQ("last word", 0x5678, mem[(1 << 20) / 8 - 1]);
}

typedef u64 (*code_t)(void);

/* mov $n, %eax; ret */
static void put_code(u8 *p, u32 n)
{
	p[0] = 0xb8;
	memcpy(p + 1, &n, 4);
	p[5] = 0xc3;
}

static void guest_code(void)
{
	u32 i;

	for (i = 0; i < 50; i++) {
		put_code((u8 *)GPA + i * 4000, i);
		GUEST_EQ(((code_t)(GPA + i * 4000))(), i);
		put_code((u8 *)GPA + i * 4000, i + 100);
		GUEST_EQ(((code_t)(GPA + i * 4000))(), i + 100);
	}
	for (i = 0; i < 20; i++) {
		GUEST_SYNC(i);
		GUEST_EQ(((code_t)GPA)(), 1000 + i);
	}
}

static void test_code(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_code);
	u8 *mem = host_pages(SIZE);
	u32 i;

	vm_set_slot(vm, 1, 0, GPA, SIZE, mem);
	for (i = 0; i < 20; i++) {
		vcpu_run_sync(vcpu, i);
		put_code(mem, 1000 + i);
	}
	vcpu_run_done(vcpu);
}

#define ADDS 8

/* Each vCPU adds 1 to every page ADDS times; no add may be lost. */
static void guest_add(void)
{
	u64 i, n;

	for (n = 0; n < ADDS; n++)
		for (i = 0; i < SIZE / 4; i += PAGE_SIZE)
			__atomic_add_fetch((u64 *)(GPA + i), 1, __ATOMIC_SEQ_CST);
}

static void test_concurrent(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	u8 *mem = host_pages(SIZE);
	pthread_t t[3];
	u64 i;

	madvise(mem, SIZE, MADV_NOHUGEPAGE);
	vm_set_slot(vm, 1, 0, GPA, SIZE, mem);
	for (i = 0; i < ARRAY_SIZE(t); i++)
		t[i] = vcpu_thread(vcpu_create_guest(vm, i, guest_add));
	for (i = 0; i < ARRAY_SIZE(t); i++)
		host_join(t[i]);
	for (i = 0; i < SIZE / 4; i += PAGE_SIZE)
		ASSERT_EQ(*(u64 *)(mem + i), ADDS * ARRAY_SIZE(t));
}

static const struct test_case cases[] = {
	{ "small_pages", test_small },
	{ "huge_pages", test_huge },
	{ "giant_page", test_giant },
	{ "skewed_huge_pages", test_skewed },
	{ "shared_memory", test_shared },
	{ "high_addresses", test_high },
	{ "new_code", test_code },
	{ "concurrent_faults", test_concurrent },
};

TEST_MAIN(cases)
