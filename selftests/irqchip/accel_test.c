// SPDX-License-Identifier: GPL-2.0-only
/*
 * A local APIC that hardware may serve: state is whole at every exit and survives a save and a load
 * while interrupts wait and are in service, a change of its mode, a move of its page, and neighbours in other modes; the set of EOIs
 * that are told follows the routes. Guests cannot tell whether hardware helps.
 */
#include <linux/ioctl.h>
#include <uapi/linux/keel.h>

#include "apic.h"
#include "thread.h"

#define V	0x61
#define W	0x82
#define MOVED	0xd0000000ull
#define PIN	4

static int state_bit(const struct kvm_lapic_state *s, u32 reg, u8 v)
{
	return (u8)s->regs[reg + v / 32 * 16 + v % 32 / 8] >> v % 8 & 1;
}

static void state_set(struct kvm_lapic_state *s, u32 reg, u8 v, int on)
{
	char *byte = &s->regs[reg + v / 32 * 16 + v % 32 / 8];

	*byte = on ? *byte | 1 << v % 8 : *byte & ~(1 << v % 8);
}

static struct vcpu *start(struct vm *vm, u32 id, void *fn, u64 arg)
{
	struct vcpu *vcpu = vcpu_create_guest(vm, id, fn);

	vcpu_args(vcpu, arg, 0, 0);
	return vcpu;
}

/* V in service, W and V waiting. */
static void guest_save(u64 mode)
{
	apic_enable(mode);
	guest_handlers[V] = irq_count_only;
	guest_handlers[W] = irq_count_handler;
	apic_icr(0, APIC_DEST_SELF | V);
	irq_window();
	apic_icr(0, APIC_DEST_SELF | V);
	apic_icr(0, APIC_DEST_SELF | W);
	GUEST_SYNC(1);
	irq_window();
	GUEST_ROW("withdrawn by the launcher: not taken", 0, irq_count[W]);
	GUEST_SYNC(2);
	irq_window();
	GUEST_ROW("given back: taken", 1, irq_count[W]);
	GUEST_ROW("own class still waits", 1, irq_count[V]);
	apic_eoi();
	irq_window();
	GUEST_ROW("taken after EOI", 2, irq_count[V]);
	apic_eoi();
	GUEST_SYNC(3);
	irq_window();
	GUEST_ROW("made by the launcher: held by what is in service", 1, irq_count[W]);
	apic_eoi();
	irq_window();
	GUEST_ROW("and taken after its end", 2, irq_count[W]);
}

static void save(enum apic_mode mode)
{
	struct vcpu *vcpu = start(vm_create(VM_GUEST | VM_IRQCHIP), 0, guest_save, mode);
	struct kvm_lapic_state s;

	vcpu_run_sync(vcpu, 1);
	vcpu_complete(vcpu);
	vcpu_ioctl(vcpu, KVM_GET_LAPIC, &s);
	CHECK_EQ("in service", 1, state_bit(&s, APIC_ISR, V));
	CHECK_EQ("waits", 1, state_bit(&s, APIC_IRR, V));
	CHECK_EQ("waits too", 1, state_bit(&s, APIC_IRR, W));
	CHECK_EQ("PPR", V & 0xf0, *(u32 *)(s.regs + APIC_PROCPRI));
	state_set(&s, APIC_IRR, W, 0);
	vcpu_ioctl(vcpu, KVM_SET_LAPIC, &s);
	vcpu_run_sync(vcpu, 2);
	vcpu_complete(vcpu);
	vcpu_ioctl(vcpu, KVM_GET_LAPIC, &s);
	CHECK_EQ("still in service", 1, state_bit(&s, APIC_ISR, V));
	CHECK_EQ("withdrawn", 0, state_bit(&s, APIC_IRR, W));
	state_set(&s, APIC_IRR, W, 1);
	vcpu_ioctl(vcpu, KVM_SET_LAPIC, &s);
	vcpu_run_sync(vcpu, 3);
	vcpu_complete(vcpu);
	vcpu_ioctl(vcpu, KVM_GET_LAPIC, &s);
	CHECK_EQ("nothing in service", 0, state_bit(&s, APIC_ISR, V));
	state_set(&s, APIC_IRR, W, 1);
	state_set(&s, APIC_ISR, 0x91, 1);
	vcpu_ioctl(vcpu, KVM_SET_LAPIC, &s);
	vcpu_run_done(vcpu);
}

static void test_save_x1(void) { save(APIC_X1); }
static void test_save_x2(void) { save(APIC_X2); }

/* What waits and what is in service goes along from xAPIC to x2APIC mode. */
static void guest_modes(void)
{
	apic_enable(APIC_X1);
	guest_handlers[V] = irq_count_only;
	guest_handlers[W] = irq_count_handler;
	apic_write(APIC_TASKPRI, 0x20);
	apic_icr(0, APIC_DEST_SELF | V);
	irq_window();
	apic_icr(0, APIC_DEST_SELF | V);
	apic_enable(APIC_X2);
	GUEST_ROW("TPR", 0x20, apic_read(APIC_TASKPRI));
	GUEST_ROW("in service", 1, apic_bit(APIC_ISR, V));
	GUEST_ROW("waits", 1, apic_bit(APIC_IRR, V));
	irq_window();
	GUEST_ROW("not before the EOI", 1, irq_count[V]);
	apic_eoi();
	irq_window();
	GUEST_ROW("after it", 2, irq_count[V]);
	apic_eoi();
	/* off and on again: a fresh xAPIC */
	wrmsr(MSR_APIC_BASE, APIC_MMIO | BIT(8));
	wrmsr(MSR_APIC_BASE, APIC_MMIO | BIT(11) | BIT(8));
	apic_enable(APIC_X1);
	apic_icr(0, APIC_DEST_SELF | W);
	irq_window();
	GUEST_ROW("xAPIC again", 1, irq_count[W]);
}

static void test_modes(void)
{
	run_guest(VM_IRQCHIP, guest_modes);
}

/* The registers follow the base; where they were there is nothing. */
static void guest_moved(void)
{
	apic_enable(APIC_X1);
	guest_handlers[V] = irq_count_only;
	apic_icr(0, APIC_DEST_SELF | V);
	irq_window();
	apic_icr(0, APIC_DEST_SELF | V);
	wrmsr(MSR_APIC_BASE, MOVED | BIT(11) | BIT(8));
	GUEST_ROW("version at the new place", 0x14, mmio_read32(MOVED + APIC_LVR) & 0xff);
	GUEST_ROW("at the old place the launcher answers", 0x12345678, mmio_read32(APIC_MMIO + APIC_LVR));
	mmio_write32(MOVED + APIC_EOI, 0);
	irq_window();
	GUEST_ROW("EOI at the new place", 2, irq_count[V]);
	mmio_write32(MOVED + APIC_EOI, 0);
	mmio_write32(MOVED + APIC_ICR, APIC_DEST_SELF | V);
	irq_window();
	GUEST_ROW("IPI at the new place", 3, irq_count[V]);
	wrmsr(MSR_APIC_BASE, APIC_MMIO | BIT(11) | BIT(8));
	GUEST_ROW("in service, back at the old place", 1, apic_bit(APIC_ISR, V));
	apic_eoi();
	GUEST_ROW("ended", 0, apic_bit(APIC_ISR, V));
}

/* Serve reads of the APIC's usual page until the guest is done. Return: how many there were. */
static unsigned int serve_page(struct vcpu *vcpu)
{
	unsigned int n = 0;

	for (;;) {
		if (vcpu_run(vcpu) == KVM_EXIT_MMIO) {
			ASSERT_EQ(vcpu->run->mmio.phys_addr & ~0xfffull, APIC_MMIO);
			ASSERT_EQ(vcpu->run->mmio.is_write, 0);
			memcpy(vcpu->run->mmio.data, &(u32){ 0x12345678 }, 4);
			n++;
			continue;
		}
		switch (vcpu_finish(vcpu)) {
		case UCALL_DONE:
			return n;
		case UCALL_SYNC:
			FAIL("a sync");
		default:
			break;
		}
	}
}

static void test_moved(void)
{
	struct vcpu *vcpu = start(vm_create(VM_GUEST | VM_IRQCHIP), 0, guest_moved, 0);

	CHECK_EQ("reads that reached the launcher", 1, serve_page(vcpu));
}

/* One vCPU in x2APIC mode finds no APIC at the page but a hole, or what the launcher has there, while its neighbour uses it. */
static void guest_neighbour(void)
{
	u32 i;

	apic_enable(APIC_X1);
	guest_handlers[V] = irq_count_only;
	/* by hand: the library keeps one mode for all vCPUs */
	for (i = 0; i < 4; i++) {
		mmio_write32(APIC_MMIO + APIC_ICR, APIC_DEST_SELF | V);
		irq_window();
		GUEST_EQ(irq_count[V], i + 1);
		mmio_write32(APIC_MMIO + APIC_EOI, 0);
		GUEST_EQ(mmio_read32(APIC_MMIO + APIC_LVR) & 0xff, 0x14);
		GUEST_SYNC(i);
	}
}

static void guest_x2_looks(u64 page)
{
	u32 i;

	apic_enable(APIC_X1);
	GUEST_ROW("version while in xAPIC mode", 0x14, apic_read(APIC_LVR) & 0xff);
	apic_enable(APIC_X2);
	for (i = 0; i < 2; i++) {
		GUEST_ROW("the page in x2APIC mode", page, mmio_read32(APIC_MMIO + APIC_LVR));
		GUEST_ROW("version by MSR", 0x14, apic_read(APIC_LVR) & 0xff);
	}
}

static void neighbours(struct vm *vm, u32 page, unsigned int reads)
{
	struct vcpu *a = start(vm, 0, guest_neighbour, 0);
	struct vcpu *b = start(vm, 1, guest_x2_looks, page);
	struct kvm_mp_state mp = { .mp_state = KVM_MP_STATE_RUNNABLE };

	vcpu_ioctl(b, KVM_SET_MP_STATE, &mp);
	vcpu_run_sync(a, 0);
	vcpu_run_sync(a, 1);
	CHECK_EQ("reads that reached the launcher", reads, serve_page(b));
	vcpu_run_sync(a, 2);
	vcpu_destroy(b);
	vcpu_run_sync(a, 3);
	vcpu_run_done(a);
}

static void test_hole(void)
{
	neighbours(vm_create(VM_GUEST | VM_IRQCHIP), 0xffffffff, 0);
}

static void test_neighbours(void)
{
	struct vm *vm = vm_create(VM_GUEST | VM_IRQCHIP);

	vm_enable_cap(vm, KVM_CAP_DISABLE_QUIRKS2, KVM_X86_QUIRK_LAPIC_MMIO_HOLE);
	neighbours(vm, 0x12345678, 2);
}

#define LEVEL	(BIT(14) | BIT(15))

static void guest_routes(u64 mode)
{
	apic_enable(mode);
	guest_handlers[V] = irq_count_handler;
	guest_handlers[W] = irq_count_handler;
	for (;;) {
		GUEST_SYNC2(1, irq_count[V] | irq_count[W] << 8);
		irq_window();
	}
}

/* Split irqchip: the route's vector exits at its EOI, the former one no more. */
static void routes(enum apic_mode mode)
{
	static const struct {
		const char *name;
		u32 route, msi;
		int exits;
	} rows[] = {
		{ "level V routed, V", V | LEVEL, V | LEVEL, 1 },
		{ "level V routed, W", V | LEVEL, W, 0 },
		{ "level W routed, V", W | LEVEL, V, 0 },
		{ "level W routed, W", W | LEVEL, W | LEVEL, 1 },
		{ "edge W routed, W", W, W, 0 },
		{ "level W routed again, W", W | LEVEL, W | LEVEL, 1 },
	};
	struct vcpu *vcpu;
	struct vm *vm;
	unsigned int i;

	REQUIRE_CAP(KVM_CAP_SPLIT_IRQCHIP);
	vm = vm_create(VM_GUEST | VM_SPLIT);
	vcpu = start(vm, 0, guest_routes, mode);
	vcpu_run_sync(vcpu, 1);
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		u32 reason;

		vm_route_msi(vm, PIN, APIC_MMIO, rows[i].route);
		ASSERT_EQ(vm_signal_msi(vm, APIC_MMIO, rows[i].msi), 1);
		reason = vcpu_run(vcpu);
		CHECK_EQ(rows[i].name, rows[i].exits ? KVM_EXIT_IOAPIC_EOI : KVM_EXIT_IO, reason);
		if (reason == KVM_EXIT_IOAPIC_EOI) {
			CHECK_EQ("vector", rows[i].msi & 0xff, vcpu->run->eoi.vector);
			vcpu_run_sync(vcpu, 1);
		}
	}
	CHECK_EQ("all taken", 2 | 4 << 8, *GUEST_VAR(vm, irq_count[V]) | *GUEST_VAR(vm, irq_count[W]) << 8);
}

static void test_routes_x1(void) { routes(APIC_X1); }
static void test_routes_x2(void) { routes(APIC_X2); }

/* Registers whose write sets something off, with the write done by whoever. */
static void guest_writes(u64 mode, u64 strict)
{
	u64 v;

	apic_enable(mode);
	guest_handlers[V] = irq_count_handler;
	apic_write(APIC_LVTT, V | APIC_LVT_TIMER_PERIODIC);
	GUEST_ROW("LVTT", V | APIC_LVT_TIMER_PERIODIC, apic_read(APIC_LVTT));
	apic_write(APIC_LVTT, V | APIC_LVT_TIMER_TSCDEADLINE);
	GUEST_ROW("LVTT, deadline", V | APIC_LVT_TIMER_TSCDEADLINE, apic_read(APIC_LVTT));
	apic_write(APIC_TMICT, 12345);
	GUEST_ROW("no initial count in deadline mode", 0, apic_read(APIC_TMICT));
	GUEST_ROW("no current count", 0, apic_read(APIC_TMCCT));
	wrmsr(MSR_TSC_DEADLINE, rdtsc() + (1ull << 40));
	apic_write(APIC_LVTT, V | APIC_LVT_TIMER_PERIODIC);
	GUEST_ROW("the deadline goes with its mode", 0, rdmsr(MSR_TSC_DEADLINE));
	apic_write(APIC_SPIV, 0xff);
	GUEST_ROW("software-disabled: LVTs are masked", APIC_LVT_MASKED, apic_read(APIC_LVTT) & APIC_LVT_MASKED);
	apic_write(APIC_LVTT, V);
	GUEST_ROW("and stay so", APIC_LVT_MASKED | V, apic_read(APIC_LVTT));
	apic_icr(0, APIC_DM_FIXED | V);
	apic_write(APIC_SPIV, 0x1ff);
	irq_window();
	GUEST_ROW("nothing was taken while off", 0, irq_count[V]);
	apic_write(APIC_ESR, 0);
	apic_write(APIC_ESR, 0);
	GUEST_ROW("ESR", 0, apic_read(APIC_ESR));
	apic_icr(0, APIC_DM_FIXED | APIC_DEST_SELF | 5);
	apic_write(APIC_ESR, 0);
	GUEST_ROW("illegal vector sent", strict ? BIT(5) : 0, apic_read(APIC_ESR) & BIT(5));
	if (mode == APIC_X2) {
		GUEST_ROW("self-IPI beyond 8 bits", VEC_GP, wrmsr_safe(MSR_X2APIC(APIC_SELF_IPI), 0x161));
		if (strict) {
			GUEST_ROW("EOI other than 0", VEC_GP, wrmsr_safe(MSR_X2APIC(APIC_EOI), 1));
			GUEST_ROW("TPR beyond 8 bits", VEC_GP, wrmsr_safe(MSR_X2APIC(APIC_TASKPRI), 0x100));
		}
		wrmsr(MSR_X2APIC(APIC_ICR), 0x1200000061ull);
		GUEST_ROW("64-bit ICR", 0x1200000061ull, rdmsr(MSR_X2APIC(APIC_ICR)));
		GUEST_ROW("read of an absent register", VEC_GP, rdmsr_safe(0x831, &v));
		GUEST_ROW("write of IRR", VEC_GP, wrmsr_safe(MSR_X2APIC(APIC_IRR), 0));
		return;
	}
	apic_write(APIC_LVR, 0xffffffff);
	GUEST_ROW("the version is read-only", 0x14, apic_read(APIC_LVR) & 0xff);
	apic_write(APIC_IRR + 0x30, 0xffffffff);
	apic_write(APIC_ISR + 0x30, 0xffffffff);
	GUEST_ROW("IRR is", 0, apic_read(APIC_IRR + 0x30));
	GUEST_ROW("ISR is", 0, apic_read(APIC_ISR + 0x30));
	apic_write(APIC_ICR2, 0x12345678);
	GUEST_ROW("only the destination of ICR sticks", 0x12000000, apic_read(APIC_ICR2));
	GUEST_ROW("a byte of a register", 0x14, mmio_read8(APIC_MMIO + APIC_LVR));
}

static void writes(enum apic_mode mode)
{
	struct vcpu *vcpu = vcpu_create_guest(vm_create(VM_GUEST | VM_IRQCHIP), 0, guest_writes);

	/* KVM is laxer: Documentation/differences.rst */
	vcpu_args(vcpu, mode, has_cap(KEEL_CAP_LAST_ERROR) > 0, 0);
	vcpu_run_done(vcpu);
}

static void test_writes_x1(void) { writes(APIC_X1); }
static void test_writes_x2(void) { writes(APIC_X2); }

static const struct test_case cases[] = {
	{ "save_xapic", test_save_x1 },
	{ "save_x2apic", test_save_x2 },
	{ "modes", test_modes },
	{ "moved", test_moved },
	{ "hole", test_hole },
	{ "neighbours", test_neighbours },
	{ "routes_xapic", test_routes_x1 },
	{ "routes_x2apic", test_routes_x2 },
	{ "writes_xapic", test_writes_x1 },
	{ "writes_x2apic", test_writes_x2 },
};

TEST_MAIN(cases)
