// SPDX-License-Identifier: GPL-2.0-only
/*
 * Coalesced MMIO and port writes: writes inside a zone go into the ring in order
 * and do not exit, others do; a full ring exits; zones end with their
 * registration; entries go where user space says in ring->last; a ring index that user space has
 * spoiled harms nobody: beyond the ring, each write exits.
 */
#include "guest.h"

#define ZONE	VM_MMIO
#define PORT	0x3000

static struct kvm_coalesced_mmio_ring *ring_of(struct vcpu *vcpu)
{
	return (void *)((u8 *)vcpu->run + has_cap(KVM_CAP_COALESCED_MMIO) * PAGE_SIZE);
}

static u32 ring_max(void)
{
	return (PAGE_SIZE - sizeof(struct kvm_coalesced_mmio_ring)) / sizeof(struct kvm_coalesced_mmio);
}

/* KVM 6.1 takes half of it (Documentation/differences.rst). */
static void check_first_exit(u32 written)
{
	if (!dev_is_kvm())
		CHECK_EQ("the ring's entries", ring_max() - 1, written);
}

static void zone(struct vm *vm, unsigned long nr, u64 addr, u32 size, u32 pio)
{
	struct kvm_coalesced_mmio_zone z = { .addr = addr, .size = size, .pio = pio };

	vm_ioctl(vm, nr, &z);
}

static void guest_writes(void)
{
	mmio_write8(ZONE, 1);
	mmio_write32(ZONE + 4, 0x22222222);
	mmio_write64(ZONE + 8, 0x3333333333333333);
	outw(PORT, 0x4444);
	mmio_write32(ZONE + 0x100, 5);		/* outside: exits */
	mmio_write64(ZONE + 0xfc, 6);		/* across the end: exits */
	GUEST_EQ(mmio_read32(ZONE), 0x77);	/* a load exits */
	GUEST_SYNC(1);
	mmio_write32(ZONE, 8);			/* unregistered: exits */
}

static void expect_entry(struct vcpu *vcpu, const char *name, u64 addr, u32 len, u32 pio, u64 data)
{
	struct kvm_coalesced_mmio_ring *ring = ring_of(vcpu);
	struct kvm_coalesced_mmio *e = &ring->coalesced_mmio[ring->first];
	u64 got = 0;

	ASSERT(ring->first != ring->last, "%s: the ring is empty", name);
	test_note("%s", name);
	memcpy(&got, e->data, e->len < 8 ? e->len : 8);
	CHECK_EQ("address", addr, e->phys_addr);
	CHECK_EQ("length", len, e->len);
	CHECK_EQ("pio", pio, e->pio);
	CHECK_EQ("data", data, got);
	ring->first = (ring->first + 1) % ring_max();
}

static void test_ring(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_writes);
	u32 v = 0x77;

	zone(vm, KVM_REGISTER_COALESCED_MMIO, ZONE, 0x100, 0);
	zone(vm, KVM_REGISTER_COALESCED_MMIO, PORT, 4, 1);
	RUN_TO(vcpu, KVM_EXIT_MMIO);
	CHECK_EQ("outside the zone", ZONE + 0x100, vcpu->run->mmio.phys_addr);
	expect_entry(vcpu, "byte", ZONE, 1, 0, 1);
	expect_entry(vcpu, "word", ZONE + 4, 4, 0, 0x22222222);
	expect_entry(vcpu, "quad", ZONE + 8, 8, 0, 0x3333333333333333);
	expect_entry(vcpu, "port", PORT, 2, 1, 0x4444);
	CHECK_EQ("no more", ring_of(vcpu)->first, ring_of(vcpu)->last);
	RUN_TO(vcpu, KVM_EXIT_MMIO);
	CHECK_EQ("across the end", ZONE + 0xfc, vcpu->run->mmio.phys_addr);
	RUN_TO(vcpu, KVM_EXIT_MMIO);
	CHECK_EQ("a load", 0, vcpu->run->mmio.is_write);
	memcpy(vcpu->run->mmio.data, &v, 4);
	vcpu_run_sync(vcpu, 1);
	zone(vm, KVM_UNREGISTER_COALESCED_MMIO, ZONE, 0x100, 0);
	RUN_TO(vcpu, KVM_EXIT_MMIO);
	CHECK_EQ("unregistered", ZONE, vcpu->run->mmio.phys_addr);
	vcpu_run_done(vcpu);
}

static void guest_many(void)
{
	u32 i;

	for (i = 0; i < 1000; i++)
		mmio_write32(ZONE, i);
}

static void test_full(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_many);
	struct kvm_coalesced_mmio_ring *ring = ring_of(vcpu);
	u32 exits = 0, next = 0;

	zone(vm, KVM_REGISTER_COALESCED_MMIO, ZONE, 4, 0);
	while (vcpu_run(vcpu) == KVM_EXIT_MMIO) {
		for (; ring->first != ring->last; ring->first = (ring->first + 1) % ring_max())
			ASSERT_EQ(*(u32 *)ring->coalesced_mmio[ring->first].data, next++);
		ASSERT_EQ(*(u32 *)vcpu->run->mmio.data, next++);
		exits++;
	}
	ASSERT_EXIT(vcpu, KVM_EXIT_IO);
	for (; ring->first != ring->last; ring->first = (ring->first + 1) % ring_max())
		ASSERT_EQ(*(u32 *)ring->coalesced_mmio[ring->first].data, next++);
	CHECK_EQ("every write once", 1000, next);
	test_note("%u exits", exits);
	ASSERT(exits && exits < 100, "%u exits", exits);
}

/* Who empties the ring may set both indices to what suits it. */
static void test_moved(void)
{
	static const u32 places[] = { 0, 1, 37, 168 };
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_many);
	struct kvm_coalesced_mmio_ring *ring = ring_of(vcpu);
	u32 next, seen = 0;

	zone(vm, KVM_REGISTER_COALESCED_MMIO, ZONE, 4, 0);
	RUN_TO(vcpu, KVM_EXIT_MMIO);
	next = *(u32 *)vcpu->run->mmio.data + 1;
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		u32 at = places[i] % ring_max();

		ring->first = at;
		ring->last = at;
		RUN_TO(vcpu, KVM_EXIT_MMIO);
		test_note("from entry %u", at);
		for (; ring->first != ring->last; ring->first = (ring->first + 1) % ring_max(), seen++)
			CHECK_EQ("in order", next++, *(u32 *)ring->coalesced_mmio[ring->first].data);
		CHECK_EQ("the exit", next++, *(u32 *)vcpu->run->mmio.data);
	}
	/* KVM 6.1 counts to 85 */
	ASSERT_GE(seen, 4 * 80);
}

/* Indices beyond the ring, also changed behind the kernel's back. */
static void test_spoiled(void)
{
	static const u32 bad[] = { 0xffffffff, 10000, 200, 0x80000000 };
	u32 next = 0;
	size_t i, n;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		struct vm *vm = vm_create(VM_GUEST);
		struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_many);
		struct kvm_coalesced_mmio_ring *ring = ring_of(vcpu);

		zone(vm, KVM_REGISTER_COALESCED_MMIO, ZONE, 4, 0);
		for (n = 0; n < 50 && vcpu_run(vcpu) == KVM_EXIT_MMIO; n++) {
			u32 written = *(u32 *)vcpu->run->mmio.data;

			if (n)
				CHECK_EQ("each write exits", next, written);
			else
				check_first_exit(written);
			next = written + 1;
			ring->last = bad[i];
			ring->first = n & 1 ? bad[i] : 0;
		}
		vcpu_destroy(vcpu);
		vm_destroy(vm);
	}
}

static const struct test_case cases[] = {
	{ "ring", test_ring },
	{ "full", test_full },
	{ "moved", test_moved },
	{ "spoiled_indices", test_spoiled },
};

TEST_MAIN(cases)
