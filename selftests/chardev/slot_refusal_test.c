// SPDX-License-Identifier: GPL-2.0-only
/*
 * What KVM_SET_USER_MEMORY_REGION and the dirty log calls refuse: alignment,
 * sizes that are huge or wrap, overlap, unknown flags, slots beyond the limit,
 * changes of what cannot change, logs of slots that keep none.
 */
#include "vm.h"

#define GPA	0x40000000ULL
#define SIZE	(64 * PAGE_SIZE)

/* The last page that a program can have begins there: below the upper half of the host's addresses less a page. */
static u8 *user_end(void)
{
	char line[8192];
	FILE *f = fopen("/proc/cpuinfo", "r");
	int la57 = 0;

	while (f && fgets(line, sizeof(line), f))
		la57 |= !!strstr(line, " la57");
	if (f)
		fclose(f);
	return (u8 *)(BIT(la57 ? 56 : 47) - PAGE_SIZE);
}

static void test_shape(void)
{
	u8 *p = host_pages(SIZE);
	const struct {
		const char *name;
		u32 slot, flags;
		u64 gpa, size;
		u8 *hva;
		int wanted;
	} rows[] = {
		{ "address unaligned", 1, 0, GPA + 1, SIZE, p, -EINVAL },
		{ "address unaligned by 2 KB", 1, 0, GPA + 2048, SIZE, p, -EINVAL },
		{ "size unaligned", 1, 0, GPA, SIZE + 1, p, -EINVAL },
		{ "host address unaligned", 1, 0, GPA, SIZE, p + 1, -EINVAL },
		{ "unknown flag", 1, 1 << 5, GPA, SIZE, p, -EINVAL },
		{ "all flags", 1, 0xffffffff, GPA, SIZE, p, -EINVAL },
		{ "slot beyond the limit", 40000, 0, GPA, SIZE, p, -EINVAL },
		{ "slot 0xffff", 0xffff, 0, GPA, SIZE, p, -EINVAL },
		{ "address space 2", 2 << 16 | 1, 0, GPA, SIZE, p, -EINVAL },
		{ "address space 0xffff", 0xffff0001, 0, GPA, SIZE, p, -EINVAL },
		{ "wraps", 1, 0, -SIZE, 2 * SIZE, p, -EINVAL },
		{ "ends at 2^64", 1, 0, -SIZE, SIZE, p, -EINVAL },
		{ "size 2^63", 1, 0, 0x100000000, 1ULL << 63, p, -EINVAL },
		{ "2^31 pages", 1, 0, 0x100000000, 1ULL << 43, p, -EINVAL },
		{ "size -4096", 1, 0, PAGE_SIZE, -PAGE_SIZE, p, -EINVAL },
		{ "kernel address", 1, 0, GPA, SIZE, (u8 *)0xffff888000000000, -EINVAL },
		{ "host range wraps", 1, 0, GPA, SIZE, (u8 *)-PAGE_SIZE, -EINVAL },
		{ "host range leaves user space", 1, 0, GPA, SIZE, user_end() - PAGE_SIZE, -EINVAL },
		{ "a tag in bit 62", 1, 0, GPA, SIZE, (u8 *)((u64)p | BIT(62)), -EINVAL },
		{ "a tag in bit 57", 1, 0, GPA, SIZE, (u8 *)((u64)p | BIT(57)), -EINVAL },
		{ "delete of nothing", 1, 0, GPA, 0, p, -EINVAL },
		{ "a good one", 1, 0, GPA, SIZE, p, 0 },
	};
	struct vm *vm = vm_create(VM_BARE);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++)
		CHECK_RET(rows[i].name, rows[i].wanted,
			  __vm_set_slot(vm, rows[i].slot, rows[i].flags, rows[i].gpa, rows[i].size,
					rows[i].hva));
}

static void test_overlap(void)
{
	struct vm *vm = vm_create(VM_BARE);
	u8 *p = host_pages(4 * SIZE);
	const struct {
		const char *name;
		u64 gpa, size;
		int wanted;
	} rows[] = {
		{ "the same", GPA, SIZE, -EEXIST },
		{ "inside", GPA + PAGE_SIZE, PAGE_SIZE, -EEXIST },
		{ "around", GPA - PAGE_SIZE, SIZE + 2 * PAGE_SIZE, -EEXIST },
		{ "first page", GPA - PAGE_SIZE, 2 * PAGE_SIZE, -EEXIST },
		{ "last page", GPA + SIZE - PAGE_SIZE, 2 * PAGE_SIZE, -EEXIST },
		{ "just below", GPA - SIZE, SIZE, 0 },
	};
	size_t i;

	vm_set_slot(vm, 1, 0, GPA, SIZE, p);
	for (i = 0; i < ARRAY_SIZE(rows); i++)
		CHECK_RET(rows[i].name, rows[i].wanted, __vm_set_slot(vm, 2, 0, rows[i].gpa, rows[i].size, p));
	CHECK_RET("just above", 0, __vm_set_slot(vm, 3, 0, GPA + SIZE, SIZE, p));
	CHECK_RET("move onto a neighbour", -EEXIST, __vm_set_slot(vm, 3, 0, GPA, SIZE, p));
	CHECK_RET("move away", 0, __vm_set_slot(vm, 3, 0, GPA + 8 * SIZE, SIZE, p));
	CHECK_RET("the room is free", 0, __vm_set_slot(vm, 4, 0, GPA + SIZE, SIZE, p));
	CHECK_RET("the same host memory twice", 0, __vm_set_slot(vm, 5, 0, GPA + 16 * SIZE, SIZE, p));
}

static void test_change(void)
{
	struct vm *vm = vm_create(VM_BARE);
	u8 *p = host_pages(4 * SIZE);

	vm_set_slot(vm, 1, 0, GPA, SIZE, p);
	CHECK_RET("nothing changes", 0, __vm_set_slot(vm, 1, 0, GPA, SIZE, p));
	CHECK_RET("size of a live slot", -EINVAL, __vm_set_slot(vm, 1, 0, GPA, 2 * SIZE, p));
	CHECK_RET("host memory of a live slot", -EINVAL, __vm_set_slot(vm, 1, 0, GPA, SIZE, p + SIZE));
	CHECK_RET("read-only of a live slot", -EINVAL, __vm_set_slot(vm, 1, KVM_MEM_READONLY, GPA, SIZE, p));
	CHECK_RET("dirty log on", 0, __vm_set_slot(vm, 1, KVM_MEM_LOG_DIRTY_PAGES, GPA, SIZE, p));
	CHECK_RET("dirty log off", 0, __vm_set_slot(vm, 1, 0, GPA, SIZE, p));
	CHECK_RET("move and change size", -EINVAL, __vm_set_slot(vm, 1, 0, GPA + SIZE, 2 * SIZE, p));
	CHECK_RET("delete", 0, __vm_set_slot(vm, 1, 0, 0, 0, NULL));
	CHECK_RET("delete again", -EINVAL, __vm_set_slot(vm, 1, 0, 0, 0, NULL));
}

/* The second form of the call, on kernels that have it; its number and structure may be younger than the headers here. */
struct region2 {
	u32 slot, flags;
	u64 gpa, size, hva, guest_memfd_offset;
	u32 guest_memfd, pad1;
	u64 pad2[14];
};

#define CAP_USER_MEMORY2		231
#define KVM_SET_USER_MEMORY_REGION2_	_IOW(KVMIO, 0x49, struct region2)	/* KVM_SET_USER_MEMORY_REGION2 */

static void test_second_form(void)
{
	struct vm *vm = vm_create(VM_BARE);
	struct region2 r = { .slot = 1, .flags = 1 << 2, .gpa = GPA, .size = SIZE, .hva = (u64)host_pages(SIZE) };

	REQUIRE_CAP(CAP_USER_MEMORY2);
	CHECK_RET("guest_memfd", -EINVAL, __vm_ioctl(vm, KVM_SET_USER_MEMORY_REGION2_, &r));
	r.flags = 1 << 5;
	CHECK_RET("unknown flag", -EINVAL, __vm_ioctl(vm, KVM_SET_USER_MEMORY_REGION2_, &r));
	r.flags = 0;
	r.size++;
	CHECK_RET("size unaligned", -EINVAL, __vm_ioctl(vm, KVM_SET_USER_MEMORY_REGION2_, &r));
	CHECK_RET("no memory", -EFAULT, __vm_ioctl(vm, KVM_SET_USER_MEMORY_REGION2_, (void *)8));
	r.size--;
	CHECK_RET("a good one", 0, __vm_ioctl(vm, KVM_SET_USER_MEMORY_REGION2_, &r));
}

/* Every slot there is: one page each. */
static void test_all(void)
{
	struct vm *vm = vm_create(VM_BARE);
	u32 n = has_cap(KVM_CAP_NR_MEMSLOTS), i;
	u8 *p = host_pages(PAGE_SIZE);

	for (i = 0; i < n; i += i < 100 ? 1 : 509)
		vm_set_slot(vm, i, 0, GPA + i * 2ULL * PAGE_SIZE, PAGE_SIZE, p);
	vm_set_slot(vm, n - 1, 0, GPA + n * 2ULL * PAGE_SIZE, PAGE_SIZE, p);
	CHECK_RET("one more", -EINVAL, __vm_set_slot(vm, n, 0, GPA - SIZE, PAGE_SIZE, p));
}

static int get_log(struct vm *vm, u32 slot, void *bitmap)
{
	struct kvm_dirty_log log = { .slot = slot, .dirty_bitmap = bitmap };

	return __vm_ioctl(vm, KVM_GET_DIRTY_LOG, &log);
}

static int clear_log(struct vm *vm, u32 slot, u64 first, u32 n)
{
	u64 bitmap[16] = { 0 };
	struct kvm_clear_dirty_log log = { .slot = slot, .first_page = first, .num_pages = n,
					   .dirty_bitmap = bitmap };

	return __vm_ioctl(vm, KVM_CLEAR_DIRTY_LOG, &log);
}

static void test_dirty_log(void)
{
	struct vm *vm = vm_create(VM_BARE);
	u8 *p = host_pages(2 * SIZE);
	u64 bitmap[16];

	vm_set_slot(vm, 1, 0, GPA, SIZE, p);
	vm_set_slot(vm, 2, KVM_MEM_LOG_DIRTY_PAGES, GPA + SIZE, SIZE - PAGE_SIZE, p);
	CHECK_RET("log of no slot", -ENOENT, get_log(vm, 9, bitmap));
	CHECK_RET("log of a slot without", -ENOENT, get_log(vm, 1, bitmap));
	CHECK_RET("log of slot 0xffff", -EINVAL, get_log(vm, 0xffff, bitmap));
	CHECK_RET("log of address space 3", -EINVAL, get_log(vm, 3 << 16, bitmap));
	CHECK_RET("log", 0, get_log(vm, 2, bitmap));
	vm_enable_cap(vm, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, 1);
	CHECK_RET("clear", 0, clear_log(vm, 2, 0, 63));
	CHECK_RET("clear: first page not a multiple of 64", -EINVAL, clear_log(vm, 2, 1, 1));
	CHECK_RET("clear: beyond the slot", -EINVAL, clear_log(vm, 2, 0, 64));
	CHECK_RET("clear: begins beyond", -EINVAL, clear_log(vm, 2, 64, 1));
	CHECK_RET("clear: wraps", -EINVAL, clear_log(vm, 2, -64ULL, 64));
	CHECK_RET("clear: odd length inside", -EINVAL, clear_log(vm, 2, 0, 62));
	CHECK_RET("clear: slot without a log", -ENOENT, clear_log(vm, 1, 0, 64));
	CHECK_RET("clear: no slot", -ENOENT, clear_log(vm, 9, 0, 64));
}

static const struct test_case cases[] = {
	{ "shape", test_shape },
	{ "overlap", test_overlap },
	{ "change", test_change },
	{ "all_slots", test_all },
	{ "dirty_log", test_dirty_log },
	{ "second_form", test_second_form },
};

TEST_MAIN(cases)
