// SPDX-License-Identifier: GPL-2.0-only
/*
 * Slots that change under a running guest: deleted and created again, moved,
 * and toggled between plain and dirty-logged, while the guest reads and writes.
 * It sees memory or MMIO, never anything else, and never loses a write it made
 * to memory that stayed.
 */
#include "thread.h"

#define GPA	0x40000000ULL
#define STEADY	0x50000000ULL
#define SIZE	(2ULL << 20)

static volatile u64 stop_guest, rounds;

static void guest_access(void)
{
	u64 i = 0, v;

	while (!stop_guest) {
		i = (i + 8192) % SIZE;
		v = mmio_read64(GPA + i);
		GUEST_ASSERT(v == 0xa5a5 || v == 0x5a5a);
		mmio_write64(STEADY + i, rounds + 1);
		GUEST_EQ(mmio_read64(STEADY + i), rounds + 1);
		rounds++;
	}
}

/* MMIO reads give 0x5a5a; what is in the slot is 0xa5a5. */
static void *run(void *arg)
{
	struct vcpu *vcpu = arg;
	u64 v = 0x5a5a;

	for (;;) {
		vcpu_run(vcpu);
		if (vcpu->run->exit_reason == KVM_EXIT_MMIO) {
			ASSERT(vcpu->run->mmio.phys_addr - GPA < SIZE && !vcpu->run->mmio.is_write,
			       "MMIO at 0x%llx", (unsigned long long)vcpu->run->mmio.phys_addr);
			memcpy(vcpu->run->mmio.data, &v, 8);
			continue;
		}
		ASSERT_EXIT(vcpu, KVM_EXIT_IO);
		if (vcpu_finish(vcpu) == UCALL_DONE)
			return NULL;
	}
}

static void race(void (*change)(struct vm *vm, u64 *mem, int i), int n)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_access);
	u64 *mem = host_pages(SIZE), *steady = host_pages(SIZE), i;
	pthread_t t;

	for (i = 0; i < SIZE / 8; i++)
		mem[i] = 0xa5a5;
	vm_set_slot(vm, 1, 0, GPA, SIZE, mem);
	vm_set_slot(vm, 2, 0, STEADY, SIZE, steady);
	vcpu_let_host_in(vcpu);
	t = host_thread(run, vcpu);
	for (i = 0; i < (u64)n; i++) {
		change(vm, mem, i);
		if (i % 16 == 0)
			host_sleep_ms(1);
	}
	while (!*(volatile u64 *)GUEST_VAR(vm, rounds))
		host_sleep_ms(1);
	*GUEST_VAR(vm, stop_guest) = 1;
	host_join(t);
	test_note("%llu rounds of the guest", (unsigned long long)*GUEST_VAR(vm, rounds));
}

static void delete_create(struct vm *vm, u64 *mem, int i)
{
	vm_set_slot(vm, 1, 0, GPA, 0, NULL);
	vm_set_slot(vm, 1, 0, GPA, SIZE, mem);
}

static void move(struct vm *vm, u64 *mem, int i)
{
	vm_set_slot(vm, 1, 0, GPA + SIZE, SIZE, mem);
	vm_set_slot(vm, 1, 0, GPA, SIZE, mem);
}

static void toggle(struct vm *vm, u64 *mem, int i)
{
	static u64 bitmap[SIZE / PAGE_SIZE / 64];
	struct kvm_dirty_log log = { .slot = 1, .dirty_bitmap = bitmap };

	vm_set_slot(vm, 1, KVM_MEM_LOG_DIRTY_PAGES, GPA, SIZE, mem);
	vm_ioctl(vm, KVM_GET_DIRTY_LOG, &log);
	vm_set_slot(vm, 1, 0, GPA, SIZE, mem);
}

static void test_delete(void) { race(delete_create, 200); }
static void test_move(void) { race(move, 200); }
static void test_toggle(void) { race(toggle, 200); }

static const struct test_case cases[] = {
	{ "delete_and_create", test_delete },
	{ "move", test_move },
	{ "toggle_log", test_toggle },
};

TEST_MAIN(cases)
