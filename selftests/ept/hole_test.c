// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where no slot is, an access leaves as MMIO however often it came before; the moment a slot covers the address, by
 * whatever change, the guest finds memory there, and MMIO again when it goes.
 */
#include "guest.h"

#define GPA	(VM_MMIO + 0x10000)
#define NR_SLOTS 8

enum { GONE = 0 };

static const struct step {
	const char *name;
	u32 slot;		/* 0: none is changed */
	u64 gpa;		/* GONE: delete it */
	int is_memory;
} steps[] = {
	{ "nothing", 0, 0, 0 },
	{ "a slot behind all others", 1, GPA, 1 },
	{ "deleted", 1, GONE, 0 },
	{ "a slot that ends there", 1, GPA - PAGE_SIZE, 0 },
	{ "one that begins behind it", 2, GPA + PAGE_SIZE, 0 },
	{ "one in between", 3, GPA, 1 },
	{ "which is deleted", 3, GONE, 0 },
	{ "one far above", 4, GPA + 0x1000000, 0 },
	{ "one moved there from above", 2, GPA, 1 },
	{ "and away, below", 2, GPA - 2 * PAGE_SIZE, 0 },
	{ "one moved there from below", 1, GPA, 1 },
	{ "and away, above", 1, GPA + 8 * PAGE_SIZE, 0 },
	{ "one deleted elsewhere", 4, GONE, 0 },
	{ "all deleted but slot 0", 1, GONE, 0 },
	{ "and now all", 2, GONE, 0 },
	{ "one behind all others again", 5, GPA, 1 },
};

static void guest_read(void)
{
	for (;;)
		GUEST_SYNC2(1, mmio_read64(GPA));
}

/* One read: what it must be, and the value that the guest has got. */
static void expect(struct vcpu *vcpu, const struct step *step, u64 in_memory)
{
	u64 value = 0x1122334455667788;
	struct ucall uc;

	if (!step->is_memory) {
		RUN_TO(vcpu, KVM_EXIT_MMIO);
		CHECK_EQ("address", GPA, vcpu->run->mmio.phys_addr);
		CHECK_EQ("is_write", 0, vcpu->run->mmio.is_write);
		memcpy(vcpu->run->mmio.data, &value, 8);
	}
	vcpu_run_ucall(vcpu, &uc);
	CHECK_EQ("value", step->is_memory ? in_memory : value, uc.args[1]);
}

static void test_steps(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_read);
	u64 *mem[NR_SLOTS];
	size_t i;
	int n;

	for (i = 0; i < NR_SLOTS; i++) {
		mem[i] = host_pages(PAGE_SIZE);
		mem[i][0] = 0xabcd0000 + i;
	}
	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		const struct step *step = &steps[i];

		test_note("%s", step->name);
		if (step->slot)
			vm_set_slot(vm, step->slot, 0, step->gpa, step->gpa == GONE ? 0 : PAGE_SIZE, mem[step->slot]);
		for (n = 0; n < 3; n++)
			expect(vcpu, step, mem[step->slot][0]);
	}
}

static const struct test_case cases[] = {
	{ "steps", test_steps },
};

TEST_MAIN(cases)
