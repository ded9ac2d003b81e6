// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory slots as a guest sees them: created, moved, deleted, made read-only and
 * replaced between runs; what has no slot is MMIO, memory is shared both ways
 * with the process and starts as the process left it.
 */
#include "guest.h"

#define GPA	0x40000000ULL
#define SIZE	0x200000ULL

static void guest_poke(void)
{
	for (;;) {
		mmio_write64(GPA, mmio_read64(GPA) + 1);
		GUEST_SYNC(1);
	}
}

static void expect_mmio(struct vcpu *vcpu, const char *name, int is_write, u64 addr)
{
	RUN_TO(vcpu, KVM_EXIT_MMIO);
	test_note("%s", name);
	CHECK_EQ("is_write", is_write, vcpu->run->mmio.is_write);
	CHECK_EQ("address", addr, vcpu->run->mmio.phys_addr);
	memset(vcpu->run->mmio.data, 0, 8);
}

static void test_life(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_poke);
	u64 *a = host_pages(SIZE), *b = host_pages(SIZE);

	expect_mmio(vcpu, "no slot: load", 0, GPA);
	expect_mmio(vcpu, "no slot: store", 1, GPA);
	vcpu_run_sync(vcpu, 1);

	a[0] = 41;
	b[0] = 100;
	vm_set_slot(vm, 1, 0, GPA, SIZE, a);
	vcpu_run_sync(vcpu, 1);
	CHECK_EQ("created: the guest counts in our memory", 42, a[0]);
	a[0] = 10;
	vcpu_run_sync(vcpu, 1);
	CHECK_EQ("our write reaches the guest", 11, a[0]);

	vm_set_slot(vm, 1, 0, GPA, 0, NULL);
	expect_mmio(vcpu, "deleted: load", 0, GPA);
	expect_mmio(vcpu, "deleted: store", 1, GPA);
	vcpu_run_sync(vcpu, 1);
	CHECK_EQ("old memory untouched", 11, a[0]);

	vm_set_slot(vm, 1, 0, GPA, SIZE, b);
	vcpu_run_sync(vcpu, 1);
	CHECK_EQ("created again on other memory", 101, b[0]);

	vm_set_slot(vm, 1, 0, GPA + SIZE, SIZE, b);
	expect_mmio(vcpu, "moved away: load", 0, GPA);
	expect_mmio(vcpu, "moved away: store", 1, GPA);
	vcpu_run_sync(vcpu, 1);
	vm_set_slot(vm, 1, 0, GPA, SIZE, b);
	vcpu_run_sync(vcpu, 1);
	CHECK_EQ("moved back", 102, b[0]);
}

/* Two slots with a hole of one page between them. */
static void guest_hole(void)
{
	GUEST_EQ(mmio_read64(GPA + 0x1000 - 8), 0x1111);
	GUEST_EQ(mmio_read64(GPA + 0x2000), 0x2222);
	GUEST_EQ(mmio_read64(GPA + 0x1000), 0x3333);
}

static void test_hole(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_hole);
	u64 *a = host_pages(PAGE_SIZE), *b = host_pages(PAGE_SIZE), v = 0x3333;

	a[511] = 0x1111;
	b[0] = 0x2222;
	vm_set_slot(vm, 1, 0, GPA, PAGE_SIZE, a);
	vm_set_slot(vm, 2, 0, GPA + 2 * PAGE_SIZE, PAGE_SIZE, b);
	expect_mmio(vcpu, "hole", 0, GPA + PAGE_SIZE);
	memcpy(vcpu->run->mmio.data, &v, 8);
	vcpu_run_done(vcpu);
}

/* A read-only slot is read directly; a store leaves as MMIO and changes nothing. */
static void test_read_only(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_poke);
	u64 *a = host_pages(SIZE);

	REQUIRE_CAP(KVM_CAP_READONLY_MEM);
	a[0] = 7;
	vm_set_slot(vm, 1, KVM_MEM_READONLY, GPA, SIZE, a);
	expect_mmio(vcpu, "store to a read-only slot", 1, GPA);
	vcpu_run_sync(vcpu, 1);
	CHECK_EQ("memory", 7, a[0]);
	vm_set_slot(vm, 1, 0, GPA, 0, NULL);
	vm_set_slot(vm, 1, 0, GPA, SIZE, a);
	vcpu_run_sync(vcpu, 1);
	CHECK_EQ("memory, writable now", 8, a[0]);
	vm_set_slot(vm, 1, 0, GPA, 0, NULL);
	vm_set_slot(vm, 1, KVM_MEM_READONLY, GPA, SIZE, a);
	expect_mmio(vcpu, "store, read-only again", 1, GPA);
	vcpu_run_sync(vcpu, 1);
	CHECK_EQ("memory", 8, a[0]);
}

static const struct test_case cases[] = {
	{ "life", test_life },
	{ "hole", test_hole },
	{ "read_only", test_read_only },
};

TEST_MAIN(cases)
