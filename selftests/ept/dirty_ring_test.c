// SPDX-License-Identifier: GPL-2.0-only
/*
 * Dirty rings (api.rst, "KVM_CAP_DIRTY_LOG_RING"): what a vCPU writes is in its ring, once until the launcher has given the entry back,
 * and again afterwards; a full ring ends KVM_RUN and loses nothing; a launcher that writes nonsense into it harms itself alone.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/time.h>

#include <uapi/linux/keel.h>

#include "mark.h"
#include "pvclock.h"
#include "thread.h"

#ifndef KVM_CAP_DIRTY_LOG_RING_ACQ_REL
#define KVM_CAP_DIRTY_LOG_RING_ACQ_REL 223
#endif
#ifndef KVM_CAP_DIRTY_LOG_RING_WITH_BITMAP
#define KVM_CAP_DIRTY_LOG_RING_WITH_BITMAP 225
#endif

#define GPA	0x40000000ULL
#define PAGES	4096ULL
#define SIZE	(PAGES * PAGE_SIZE)
#define SLOT	1
#define ENTRIES	1024u
#define RING	(ENTRIES * sizeof(struct kvm_dirty_gfn))
#define OFFSET	(KVM_DIRTY_LOG_PAGE_OFFSET * PAGE_SIZE)
#define PORT	0x77

/* ---- guest ---- */

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

/* The module writes what comes from the port. */
static void guest_ins(void)
{
	u64 to = GPA + 7 * PAGE_SIZE;

	asm volatile("insb" : "+D" (to) : "d" (PORT) : "memory");
	GUEST_SYNC(1);
}

/* ---- rings ---- */

struct ring {
	struct vcpu *vcpu;
	struct kvm_dirty_gfn *entries;
	u32 next;
};

static u8 seen[PAGES];	/* how often a page came */

static int enable(struct vm *vm, u32 cap, u64 arg)
{
	struct kvm_enable_cap in = { .cap = cap, .args = { arg } };

	return __vm_ioctl(vm, KVM_ENABLE_CAP, &in);
}

static struct vm *ring_vm(void)
{
	struct vm *vm;

	REQUIRE_CAP(KVM_CAP_DIRTY_LOG_RING_ACQ_REL);
	vm = vm_create(VM_GUEST);
	ASSERT_EQ(enable(vm, KVM_CAP_DIRTY_LOG_RING_ACQ_REL, RING), 0);
	vm_set_slot(vm, SLOT, KVM_MEM_LOG_DIRTY_PAGES, GPA, SIZE, host_pages(SIZE));
	return vm;
}

static struct ring ring_open(struct vcpu *vcpu)
{
	struct ring ring = { .vcpu = vcpu };

	ring.entries = mmap(NULL, RING, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, OFFSET);
	ASSERT(ring.entries != MAP_FAILED, "no ring to map");
	return ring;
}

/* Take what is there. */
static u32 harvest(struct ring *ring)
{
	u32 n = 0;

	for (;;) {
		struct kvm_dirty_gfn *entry = &ring->entries[ring->next % ENTRIES];

		if (__atomic_load_n(&entry->flags, __ATOMIC_ACQUIRE) != KVM_DIRTY_GFN_F_DIRTY)
			return n;
		if (entry->slot == SLOT) {
			ASSERT(entry->offset < PAGES, "page %llu", (unsigned long long)entry->offset);
			seen[entry->offset]++;
			n++;
		}
		__atomic_store_n(&entry->flags, KVM_DIRTY_GFN_F_RESET, __ATOMIC_RELEASE);
		ring->next++;
	}
}

static int reset(struct vm *vm)
{
	return __vm_ioctl(vm, KVM_RESET_DIRTY_RINGS, NULL);
}

static void tell(struct vcpu *vcpu, u64 f, u64 s, u64 n)
{
	*GUEST_VAR(vcpu->vm, first) = f;
	*GUEST_VAR(vcpu->vm, stride) = s;
	*GUEST_VAR(vcpu->vm, count) = n;
}

static void write_pages(struct vcpu *vcpu, u64 f, u64 s, u64 n)
{
	tell(vcpu, f, s, n);
	vcpu_run_sync(vcpu, 1);
}

/*
 * Exactly these pages came, each once. Where a ring was full a page may come twice: told and given back before the write that it
 * was told for.
 */
static void expect_seen(const char *name, u64 f, u64 s, u64 n, u64 twice)
{
	u64 i, wrong = 0;

	for (i = 0; i < PAGES; i++) {
		bool wanted = i >= f && (i - f) % s == 0 && (i - f) / s < n;

		if (wanted && seen[i] == 2 && twice)
			twice--;
		else
			wrong += seen[i] != wanted;
	}
	CHECK_EQ(name, 0, wrong);
	memset(seen, 0, sizeof(seen));
}

/* ---- cases ---- */

static void test_refusals(void)
{
	struct kvm_dirty_log log = { .slot = SLOT, .dirty_bitmap = seen };
	struct kvm_clear_dirty_log clear = { .slot = SLOT, .num_pages = PAGES, .dirty_bitmap = seen };
	u32 cap = KVM_CAP_DIRTY_LOG_RING_ACQ_REL;
	struct vcpu *vcpu;
	struct vm *vm;
	u64 max;

	REQUIRE_CAP(KVM_CAP_DIRTY_LOG_RING_ACQ_REL);
	max = has_cap(cap);
	vm = vm_create(VM_GUEST);
	CHECK_EQ("both capabilities tell the largest ring", max, has_cap(KVM_CAP_DIRTY_LOG_RING));
	CHECK_RET("reset without rings", -EINVAL, reset(vm));
	CHECK_RET("no bytes", -EINVAL, enable(vm, cap, 0));
	CHECK_RET("less than a page", -EINVAL, enable(vm, cap, PAGE_SIZE / 2));
	CHECK_RET("no power of two", -EINVAL, enable(vm, cap, 3 * PAGE_SIZE));
	CHECK_RET("above the largest", -E2BIG, enable(vm, cap, 2 * max));
	/* stock KVM looks at 32 bits */
	CHECK_RET("above 32 bits", dev_is_kvm() ? -EINVAL : -E2BIG, enable(vm, cap, 1ull << 40));
	CHECK_RET("bitmaps without rings", -EINVAL, enable(vm, KVM_CAP_DIRTY_LOG_RING_WITH_BITMAP, 0));
	CHECK_RET("the older capability", 0, enable(vm, KVM_CAP_DIRTY_LOG_RING, RING));
	CHECK_RET("twice", -EINVAL, enable(vm, cap, RING));
	CHECK_RET("bitmaps, with a slot", -EINVAL, enable(vm, KVM_CAP_DIRTY_LOG_RING_WITH_BITMAP, 0));
	vm_set_slot(vm, SLOT, KVM_MEM_LOG_DIRTY_PAGES, GPA, SIZE, host_pages(SIZE));
	CHECK_RET("KVM_GET_DIRTY_LOG", -ENXIO, __vm_ioctl(vm, KVM_GET_DIRTY_LOG, &log));
	CHECK_RET("KVM_CLEAR_DIRTY_LOG", -ENXIO, __vm_ioctl(vm, KVM_CLEAR_DIRTY_LOG, &clear));
	CHECK_RET("reset without a vCPU", 0, reset(vm));
	vcpu = vcpu_create_guest(vm, 0, guest_write);
	CHECK_EQ("mapped privately", (u64)MAP_FAILED, (u64)mmap(NULL, RING, PROT_READ, MAP_PRIVATE, vcpu->fd, OFFSET));
	CHECK_EQ("mapped for execution", (u64)MAP_FAILED, (u64)mmap(NULL, RING, PROT_READ | PROT_EXEC, MAP_SHARED, vcpu->fd, OFFSET));
	vm_destroy(vm);

	vm = vm_create(VM_GUEST);
	vcpu = vcpu_create_guest(vm, 0, guest_write);
	CHECK_RET("behind a vCPU", -EINVAL, enable(vm, cap, RING));
}

static void test_rounds(void)
{
	struct vm *vm = ring_vm();
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_write);
	struct ring ring = ring_open(vcpu);

	write_pages(vcpu, 3, 7, 100);
	CHECK_EQ("entries", 100, harvest(&ring));
	expect_seen("every seventh", 3, 7, 100, 0);
	write_pages(vcpu, 3, 7, 100);
	CHECK_EQ("taken, not given back: no second time", 0, harvest(&ring));
	CHECK_EQ("given back", 1, reset(vm) >= 100);
	CHECK_RET("nothing is left to give back", 0, reset(vm));
	write_pages(vcpu, 3, 7, 100);
	CHECK_EQ("the same again", 100, harvest(&ring));
	expect_seen("every seventh", 3, 7, 100, 0);
	reset(vm);
	write_pages(vcpu, PAGES - 1, 1, 1);
	CHECK_EQ("the last page", 1, harvest(&ring));
	expect_seen("the last page", PAGES - 1, 1, 1, 0);
}

/* Run until the guest is through, taking and giving back whenever the ring is full. Return: how often. */
static u32 run_full(struct ring *ring, bool harvests)
{
	u32 full = 0;

	for (;;) {
		ASSERT_EQ(__vcpu_run(ring->vcpu), 0);
		if (ring->vcpu->run->exit_reason != KVM_EXIT_DIRTY_RING_FULL) {
			ASSERT_EXIT(ring->vcpu, KVM_EXIT_IO);
			vcpu_finish(ring->vcpu);
			return full;
		}
		full++;
		if (!harvests)
			return full;
		harvest(ring);
		ASSERT_GE(reset(ring->vcpu->vm), 1);
	}
}

static void test_full(void)
{
	struct vm *vm = ring_vm();
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_write);
	struct ring ring = ring_open(vcpu);
	u32 full;

	tell(vcpu, 0, 1, PAGES);
	full = run_full(&ring, true);
	CHECK_EQ("it was full", 1, full >= PAGES / ENTRIES);
	harvest(&ring);
	expect_seen("every page", 0, 1, PAGES, full);
	reset(vm);
	tell(vcpu, 0, 1, PAGES);
	run_full(&ring, false);
	CHECK_EQ("full", KVM_EXIT_DIRTY_RING_FULL, vcpu_run(vcpu));
	CHECK_EQ("and full again", KVM_EXIT_DIRTY_RING_FULL, vcpu_run(vcpu));
	full = run_full(&ring, true);
	harvest(&ring);
	expect_seen("every page", 0, 1, PAGES, full);
}

static void *run_thread(void *arg)
{
	run_full(arg, true);
	return NULL;
}

/* Two vCPUs write the same pages. */
static void test_two(void)
{
	struct vm *vm = ring_vm();
	struct ring rings[2];
	unsigned int i, round;
	pthread_t thread[2];

	for (i = 0; i < 2; i++)
		rings[i] = ring_open(vcpu_create_guest(vm, i, guest_write));
	for (round = 0; round < 5; round++) {
		tell(rings[0].vcpu, 0, 1, ENTRIES / 4);
		for (i = 0; i < 2; i++)
			thread[i] = host_thread(run_thread, &rings[i]);
		for (i = 0; i < 2; i++)
			host_join(thread[i]);
		harvest(&rings[0]);
		harvest(&rings[1]);
		/* stock KVM tells a page that both fault on twice */
		expect_seen("every page", 0, 1, ENTRIES / 4, dev_is_kvm() ? ENTRIES : 0);
		ASSERT_GE(reset(vm), ENTRIES / 4);
	}
}

/* What the module writes for the guest, and for the launcher. */
static void test_module(void)
{
	struct vm *vm = ring_vm();
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_ins);
	struct ring ring = ring_open(vcpu);

	RUN_TO(vcpu, KVM_EXIT_IO);
	ASSERT_EQ(vcpu->run->io.port, PORT);
	vcpu_run_sync(vcpu, 1);
	CHECK_EQ("INS", 1, harvest(&ring));
	expect_seen("INS", 7, 1, 1, 0);
}

/* An ioctl writes: KVM has no place for that on x86. */
static void test_no_vcpu(void)
{
	struct vm *vm = ring_vm();
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_write);
	struct ring ring = ring_open(vcpu);

	REQUIRE(!dev_is_kvm(), "what is written outside KVM_RUN comes into no ring of stock KVM's");
	vcpu_set_msr(vcpu, MSR_KVM_WALL_CLOCK_NEW, GPA + 9 * PAGE_SIZE);
	CHECK_EQ("not yet", 0, harvest(&ring));
	write_pages(vcpu, 0, 1, 0);
	CHECK_EQ("at the next KVM_RUN", 1, harvest(&ring));
	expect_seen("the wall clock", 9, 1, 1, 0);
}

/* What was left when there was one vCPU comes to another, made later: the first may never run again. */
static void test_newcomer(void)
{
	struct vm *vm = ring_vm();
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_write), *second;
	struct ring ring = ring_open(vcpu);

	REQUIRE(!dev_is_kvm(), "what is written outside KVM_RUN comes into no ring of stock KVM's");
	tell(vcpu, 100, 1, ENTRIES);
	run_full(&ring, false);
	vcpu_set_msr(vcpu, MSR_KVM_WALL_CLOCK_NEW, GPA + 9 * PAGE_SIZE);
	second = vcpu_create_guest(vm, 1, guest_write);
	ring = ring_open(second);
	write_pages(second, 0, 1, 0);
	CHECK_EQ("in the second one's ring", 1, harvest(&ring));
	expect_seen("the wall clock", 9, 1, 1, 0);
}

#define WIDE_GPA	(64ULL << 30)
#define WIDE_SIZE	(512ULL << 30)
#define SIGNALS		400u

static void on_alarm(int nr)
{
}

/* To find a page that was left takes longer than from one signal to the next, yet the guest goes on. */
static void test_signals(void)
{
	static const struct itimerval often = { { 0, 3000 }, { 0, 3000 } }, never;
	struct sigaction action = { .sa_handler = on_alarm };
	struct vm *vm = ring_vm();
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_write);
	struct ring ring = ring_open(vcpu);
	unsigned int signals = 0;
	void *wide;
	int ret;

	REQUIRE(!dev_is_kvm(), "what is written outside KVM_RUN comes into no ring of stock KVM's");
	/* never touched */
	wide = mmap(NULL, WIDE_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	ASSERT(wide != MAP_FAILED, "no addresses");
	REQUIRE(!__vm_set_slot(vm, SLOT + 1, KVM_MEM_LOG_DIRTY_PAGES, WIDE_GPA, WIDE_SIZE, wide),
		"physical addresses of 40 bits and 32 MB for the bitmaps");
	vcpu_set_msr(vcpu, MSR_KVM_WALL_CLOCK_NEW, GPA + 9 * PAGE_SIZE);
	tell(vcpu, 0, 1, 0);
	ASSERT_EQ(sigaction(SIGALRM, &action, NULL), 0);
	ASSERT_EQ(setitimer(ITIMER_REAL, &often, NULL), 0);
	do
		ret = __vcpu_run(vcpu);
	while (ret == -EINTR && ++signals < SIGNALS);
	ASSERT_EQ(setitimer(ITIMER_REAL, &never, NULL), 0);
	CHECK_RET("the guest runs", 0, ret);
	ASSERT_EXIT(vcpu, KVM_EXIT_IO);
	CHECK_EQ("and the page is told", 1, harvest(&ring));
	expect_seen("the wall clock", 9, 1, 1, 0);
}

static void test_bitmap(void)
{
	static u64 bitmap[PAGES / 64];
	struct kvm_dirty_log log = { .slot = SLOT, .dirty_bitmap = bitmap };
	struct vcpu *vcpu;
	struct ring ring;
	struct vm *vm;

	REQUIRE_CAP(KVM_CAP_DIRTY_LOG_RING_WITH_BITMAP);
	vm = vm_create(VM_BARE);
	ASSERT_EQ(enable(vm, KVM_CAP_DIRTY_LOG_RING, RING), 0);
	CHECK_RET("with an argument", -EINVAL, enable(vm, KVM_CAP_DIRTY_LOG_RING_WITH_BITMAP, 1));
	CHECK_RET("without a slot", 0, enable(vm, KVM_CAP_DIRTY_LOG_RING_WITH_BITMAP, 0));
	vm_set_slot(vm, SLOT, KVM_MEM_LOG_DIRTY_PAGES, GPA, SIZE, host_pages(SIZE));
	vcpu = vcpu_create(vm, 0);
	ring = ring_open(vcpu);
	vcpu_set_supported_cpuid(vcpu);
	vcpu_set_msr(vcpu, MSR_KVM_WALL_CLOCK_NEW, GPA + 64 * PAGE_SIZE);
	CHECK_EQ("not in the ring", 0, harvest(&ring));
	CHECK_RET("KVM_GET_DIRTY_LOG", 0, __vm_ioctl(vm, KVM_GET_DIRTY_LOG, &log));
	CHECK_EQ("in the bitmap", 1, bitmap[1]);
	CHECK_RET("again", 0, __vm_ioctl(vm, KVM_GET_DIRTY_LOG, &log));
	CHECK_EQ("read, so clear", 0, bitmap[1]);
	vcpu_set_msr(vcpu, MSR_KVM_WALL_CLOCK_NEW, GPA + 64 * PAGE_SIZE);
	CHECK_RET("once more", 0, __vm_ioctl(vm, KVM_GET_DIRTY_LOG, &log));
	CHECK_EQ("written again", 1, bitmap[1]);
}

/* Nonsense in the entries: slots and pages that are none, flags that nobody sets, entries that were not taken. */
static void test_hostile(void)
{
	struct vm *vm = ring_vm();
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_write);
	struct ring ring = ring_open(vcpu);
	u64 state = 1, i, round;

	for (round = 0; round < 20; round++) {
		tell(vcpu, 0, 1, 64);
		run_full(&ring, false);
		for (i = 0; i < ENTRIES; i++) {
			ring.entries[i].slot = xorshift(&state) >> (i % 64);
			ring.entries[i].offset = xorshift(&state) >> (i % 64);
			ring.entries[i].flags = i % 3 ? KVM_DIRTY_GFN_F_RESET : (u32)xorshift(&state);
		}
		ASSERT_GE(reset(vm), 0);
	}
	vm_set_slot(vm, SLOT, 0, GPA, 0, NULL);
	for (i = 0; i < ENTRIES; i++)
		ring.entries[i] = (struct kvm_dirty_gfn){ .slot = SLOT, .offset = i, .flags = KVM_DIRTY_GFN_F_RESET };
	ASSERT_GE(reset(vm), 0);
}

/* Going back to a mark neither writes into rings nor takes anything out of them, nor makes room in a full one. */
static void test_marked(void)
{
	struct vm *vm = ring_vm();
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_write);
	struct ring ring = ring_open(vcpu);

	REQUIRE_CAP(KEEL_CAP_RESET_VM);
	write_pages(vcpu, 0, 1, 0);
	vm_mark(vm);
	CHECK_EQ("written by a mark", 0, harvest(&ring));
	write_pages(vcpu, 3, 7, 100);
	vm_reset(vm);
	CHECK_EQ("entries", 100, harvest(&ring));
	expect_seen("written before the reset", 3, 7, 100, 0);
	CHECK_EQ("given back", 100, reset(vm));
	vm_reset(vm);
	CHECK_EQ("written by a reset", 0, harvest(&ring));
	tell(vcpu, 0, 1, PAGES);
	run_full(&ring, false);
	vm_reset(vm);
	CHECK_EQ("a full ring, after a reset", KVM_EXIT_DIRTY_RING_FULL, vcpu_run(vcpu));
	harvest(&ring);
	CHECK_EQ("given back", 1, reset(vm) >= 1);
	memset(seen, 0, sizeof(seen));
	vm_reset(vm);
	write_pages(vcpu, 3, 7, 100);
	CHECK_EQ("entries", 100, harvest(&ring));
	expect_seen("from the mark again", 3, 7, 100, 0);
}

static const struct test_case cases[] = {
	{ "refusals", test_refusals },
	{ "rounds", test_rounds },
	{ "full", test_full },
	{ "two_vcpus", test_two },
	{ "written_by_the_module", test_module },
	{ "written_outside_run", test_no_vcpu },
	{ "left_for_a_newcomer", test_newcomer },
	{ "signals_while_looking", test_signals },
	{ "bitmap_too", test_bitmap },
	{ "hostile_launcher", test_hostile },
	{ "marked", test_marked },
};

TEST_MAIN(cases)
