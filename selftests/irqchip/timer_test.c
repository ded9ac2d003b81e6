// SPDX-License-Identifier: GPL-2.0-only
/*
 * Local APIC timer: one shot fires once and not early, periodic again and
 * again, a TSC deadline at its time and once, masking and stopping, a change of
 * the rate counts at once, a halted vCPU is woken by it, it goes on from saved
 * registers, and counts at the launcher's rate.
 */
#include <stdbool.h>
#include <string.h>
#include "apic.h"
#include <uapi/linux/keel.h>

#define V	0x71

/* since 6.11 */
#ifndef KVM_CAP_X86_APIC_BUS_CYCLES_NS
#define KVM_CAP_X86_APIC_BUS_CYCLES_NS 237
#endif
/* above this the longest time does not fit into 64 bits */
#define BUS_MAX	(UINT64_MAX / 128 / UINT32_MAX)

static void guest_oneshot(u64 mode, u64 khz)
{
	u64 begin;
	u32 left;

	apic_enable(mode);
	guest_handlers[V] = irq_count_handler;
	apic_write(APIC_TDCR, 0xb);
	apic_write(APIC_LVTT, V);
	begin = rdtsc();
	apic_write(APIC_TMICT, 20000000);
	left = apic_read(APIC_TMCCT);
	/* a busy host may take the CPU away for the whole 20 ms */
	GUEST_ASSERT(left <= 20000000 && (left || rdtsc() - begin >= 19 * khz));
	irq_wait(V, 1);
	GUEST_ROW("count at the end", 0, apic_read(APIC_TMCCT));
	apic_write(APIC_TMICT, 1000);
	irq_wait(V, 2);
	apic_write(APIC_TMICT, 0xffffffff);
	apic_write(APIC_TMICT, 0);
	GUEST_ROW("stopped by 0", 0, apic_read(APIC_TMCCT));
	apic_write(APIC_LVTT, V | APIC_LVT_MASKED);
	apic_write(APIC_TMICT, 1000);
	while (apic_read(APIC_TMCCT))
		pause_insn();
	irq_window();
	GUEST_ROW("masked: no interrupt", 2, irq_count[V]);
}

static void guest_periodic(u64 mode)
{
	apic_enable(mode);
	guest_handlers[V] = irq_count_handler;
	apic_write(APIC_TDCR, 0xb);
	apic_write(APIC_LVTT, V | APIC_LVT_TIMER_PERIODIC);
	apic_write(APIC_TMICT, 1000000);
	irq_wait(V, 5);
	apic_write(APIC_TMICT, 0);
	irq_window();
	GUEST_ROW("initial count reads back", 0, apic_read(APIC_TMICT));
}

/* Stock KVM has a deadline a little early, to make up for its own way to the guest; on a host that is short of CPUs the guest saw it so. */
static u64 early_ticks(u64 khz, u64 strict)
{
	return strict ? 0 : khz;
}

static void guest_deadline(u64 mode, u64 khz, u64 strict)
{
	u64 t, v;

	apic_enable(mode);
	guest_handlers[V] = irq_count_handler;
	GUEST_ROW("no deadline in one-shot mode", 0, rdmsr(MSR_TSC_DEADLINE));
	apic_write(APIC_LVTT, V | APIC_LVT_TIMER_TSCDEADLINE);
	t = rdtsc() + 3000000;
	wrmsr(MSR_TSC_DEADLINE, t);
	v = rdmsr(MSR_TSC_DEADLINE);
	GUEST_ASSERT(v == t || (!v && rdtsc() >= t));
	irq_wait(V, 1);
	GUEST_ASSERT(rdtsc() + early_ticks(khz, strict) >= t);
	GUEST_ROW("deadline cleared", 0, rdmsr(MSR_TSC_DEADLINE));
	wrmsr(MSR_TSC_DEADLINE, 1);
	irq_wait(V, 2);
	wrmsr(MSR_TSC_DEADLINE, rdtsc() + (1ULL << 40));
	wrmsr(MSR_TSC_DEADLINE, 0);
	irq_window();
	GUEST_ROW("cancelled", 2, irq_count[V]);
	GUEST_ROW("initial count is ignored", 0, (apic_write(APIC_TMICT, 1000), apic_read(APIC_TMICT)));
}

/* The count runs on from where it is, at the new rate. */
static void guest_divide(u64 mode, u64 khz, u64 strict)
{
	u32 left;
	u64 end;

	apic_enable(mode);
	guest_handlers[V] = irq_count_handler;
	apic_write(APIC_TDCR, 0xb);
	apic_write(APIC_LVTT, V);
	apic_write(APIC_TMICT, 0xffffffff);
	apic_write(APIC_TDCR, 0xa);	/* by 128 */
	left = apic_read(APIC_TMCCT);
	GUEST_ASSERT(left > 0x40000000);
	apic_write(APIC_TMICT, 20000000);	/* 2.56 s, then 20 ms */
	apic_write(APIC_TDCR, 0xb);
	GUEST_ASSERT(apic_read(APIC_TMCCT) <= 20000000);
	end = rdtsc() + 1000 * khz;
	sti();
	while (rdtsc() < end && !irq_count[V])
		pause_insn();
	cli();
	GUEST_ROW("fires by the new rate", 1, irq_count[V]);
	apic_write(APIC_TDCR, 0xa);
	irq_window();
	/* KVM starts it again */
	if (strict)
		GUEST_ROW("once", 1, irq_count[V]);
}

static void guest_wake(u64 mode, u64 khz, u64 strict)
{
	u64 t;

	apic_enable(mode);
	guest_handlers[V] = irq_count_handler;
	apic_write(APIC_LVTT, V | APIC_LVT_TIMER_TSCDEADLINE);
	t = rdtsc() + 20000000;
	wrmsr(MSR_TSC_DEADLINE, t);
	sti_hlt();
	cli();
	GUEST_ROW("woken by the deadline", 1, irq_count[V]);
	GUEST_ASSERT(rdtsc() + early_ticks(khz, strict) >= t);
	apic_write(APIC_LVTT, V);
	apic_write(APIC_TMICT, 3000000);
	sti_hlt();
	cli();
	GUEST_ROW("woken by the count", 2, irq_count[V]);
}

static void run_mode(void *fn, enum apic_mode mode)
{
	struct vm *vm = vm_create(VM_GUEST | VM_IRQCHIP);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, fn);

	vcpu_args(vcpu, mode, vcpu_ioctl(vcpu, KVM_GET_TSC_KHZ, NULL), has_cap(KEEL_CAP_LAST_ERROR) > 0);
	vcpu_run_done(vcpu);
}

static void test_oneshot(void)  { run_mode(guest_oneshot, APIC_X1); run_mode(guest_oneshot, APIC_X2); }
static void test_periodic(void) { run_mode(guest_periodic, APIC_X1); run_mode(guest_periodic, APIC_X2); }
static void test_divide(void)   { run_mode(guest_divide, APIC_X1); run_mode(guest_divide, APIC_X2); }
static void test_deadline(void)
{
	REQUIRE_CAP(KVM_CAP_TSC_DEADLINE_TIMER);
	run_mode(guest_deadline, APIC_X1);
	run_mode(guest_deadline, APIC_X2);
}
/* MWAIT may take the CPU into a C-state where a timer of the CPU's would stand still: another one has to watch then. */
static void test_deadline_mwait(void)
{
	struct vm *vm;
	struct vcpu *vcpu;

	REQUIRE_CAP(KVM_CAP_TSC_DEADLINE_TIMER);
	REQUIRE(has_cap(KVM_CAP_X86_DISABLE_EXITS) & KVM_X86_DISABLE_EXITS_MWAIT, "no KVM_X86_DISABLE_EXITS_MWAIT");
	vm = vm_create(VM_GUEST | VM_IRQCHIP);
	vm_enable_cap(vm, KVM_CAP_X86_DISABLE_EXITS, KVM_X86_DISABLE_EXITS_MWAIT);
	vcpu = vcpu_create_guest(vm, 0, guest_deadline);
	vcpu_args(vcpu, APIC_X2, 0, 0);
	vcpu_run_done(vcpu);
}

static void test_wake(void) { run_mode(guest_wake, APIC_X1); run_mode(guest_wake, APIC_X2); }

/* The longest count there is, so that only what the launcher loads decides whether it expires. */
static void guest_restored(u64 lvtt, u64 expired)
{
	apic_enable(APIC_X1);
	guest_handlers[V] = irq_count_handler;
	apic_write(APIC_TDCR, 0xa);
	apic_write(APIC_LVTT, lvtt);
	apic_write(APIC_TMICT, 0xffffffff);
	GUEST_SYNC(1);
	if (expired)
		irq_wait(V, 1);
	else
		irq_window();
	GUEST_ROW("interrupts", expired, irq_count[V]);
	GUEST_ROW("counting", !expired, !!apic_read(APIC_TMCCT));
}

/* QEMU saves no current count, and counts on what KVM makes of that: one shot is over, a period begins anew. */
static void test_restored(void)
{
	static const struct {
		const char *name;
		u32 lvtt;
		bool count_saved;
		u64 expired;
	} rows[] = {
		{ "one shot",					V,			true,	0 },
		{ "one shot without current count",		V,			false,	1 },
		{ "periodic",					V | APIC_LVT_TIMER_PERIODIC,	true,	0 },
		{ "periodic without current count",		V | APIC_LVT_TIMER_PERIODIC,	false,	0 },
	};
	struct kvm_lapic_state state;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		struct vm *vm = vm_create(VM_GUEST | VM_IRQCHIP);
		struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_restored);

		printf("# %s\n", rows[i].name);
		vcpu_args(vcpu, rows[i].lvtt, rows[i].expired, 0);
		vcpu_run_sync(vcpu, 1);
		vcpu_ioctl(vcpu, KVM_GET_LAPIC, &state);
		if (!rows[i].count_saved)
			memset(state.regs + APIC_TMCCT, 0, 4);
		vcpu_ioctl(vcpu, KVM_SET_LAPIC, &state);
		vcpu_run_done(vcpu);
	}
}

static void guest_far_deadline(void)
{
	apic_enable(APIC_X1);
	guest_handlers[V] = irq_count_handler;
	apic_write(APIC_LVTT, V | APIC_LVT_TIMER_TSCDEADLINE);
	wrmsr(MSR_TSC_DEADLINE, rdtsc() + (1ull << 36));
	GUEST_SYNC(1);
	GUEST_ROW("no deadline", 0, rdmsr(MSR_TSC_DEADLINE));
}

static u64 get_deadline(struct vcpu *vcpu)
{
	u64 val = 0;

	ASSERT_EQ(__vcpu_get_msr(vcpu, MSR_TSC_DEADLINE, &val), 1);
	return val;
}

static void set_lvtt(struct vcpu *vcpu, u32 lvtt)
{
	struct kvm_lapic_state state;

	vcpu_ioctl(vcpu, KVM_GET_LAPIC, &state);
	memcpy(state.regs + APIC_LVTT, &lvtt, 4);
	vcpu_ioctl(vcpu, KVM_SET_LAPIC, &state);
}

/* A machine that is reset has no deadline, nor when it comes back to that mode: the old one would expire at once. */
static void test_deadline_reset(void)
{
	struct vcpu *vcpu;

	REQUIRE_CAP(KVM_CAP_TSC_DEADLINE_TIMER);
	vcpu = vcpu_create_guest(vm_create(VM_GUEST | VM_IRQCHIP), 0, guest_far_deadline);
	vcpu_run_sync(vcpu, 1);
	CHECK_EQ("a deadline", 1, get_deadline(vcpu) != 0);
	set_lvtt(vcpu, V | APIC_LVT_MASKED);
	CHECK_EQ("not in one-shot mode", 0, get_deadline(vcpu));
	set_lvtt(vcpu, V | APIC_LVT_TIMER_TSCDEADLINE);
	CHECK_EQ("nor back in its own", 0, get_deadline(vcpu));
	vcpu_run_done(vcpu);
}

/* 20 ms for a million counts, not 1. */
static void guest_bus(u64 mode, u64 khz)
{
	u64 begin;
	u32 left;

	apic_enable(mode);
	guest_handlers[V] = irq_count_handler;
	apic_write(APIC_TDCR, 0xb);
	apic_write(APIC_LVTT, V);
	begin = rdtsc();
	apic_write(APIC_TMICT, 1000000);
	left = apic_read(APIC_TMCCT);
	GUEST_ASSERT(left <= 1000000 && (left || rdtsc() - begin >= 19 * khz));
	irq_wait(V, 1);
	GUEST_ASSERT(rdtsc() - begin >= 19 * khz);
	apic_write(APIC_TMICT, 0xffffffff);
	apic_write(APIC_TDCR, 0xa);	/* by 128 */
	GUEST_ASSERT(apic_read(APIC_TMCCT) > 0xf0000000);
	apic_write(APIC_TMICT, 0);
}

/* 26 days, 9 years by another divisor, which is given again: no product may be cut. */
static void guest_slow_bus(u64 mode)
{
	u32 count = 0x04000001;

	apic_enable(mode);
	apic_write(APIC_LVTT, V);
	apic_write(APIC_TDCR, 0xb);
	apic_write(APIC_TMICT, count);
	GUEST_ROW("by 1", 1, apic_read(APIC_TMCCT) + 0x10000 > count);
	apic_write(APIC_TDCR, 0xa);
	GUEST_ROW("by 128", 1, apic_read(APIC_TMCCT) + 0x10000 > count);
	apic_write(APIC_TDCR, 0xa);
	GUEST_ROW("by 128 again", 1, apic_read(APIC_TMCCT) + 0x10000 > count);
	apic_write(APIC_TDCR, 0x9);
	GUEST_ROW("by 64", 1, apic_read(APIC_TMCCT) + 0x10000 > count);
	apic_write(APIC_TMICT, 0);
}

static int set_bus(struct vm *vm, u64 ns)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_X86_APIC_BUS_CYCLES_NS, .args = { ns } };

	return __vm_ioctl(vm, KVM_ENABLE_CAP, &cap);
}

static void test_bus(void)
{
	struct vcpu *vcpu;
	struct vm *vm;
	u64 i;

	REQUIRE_CAP(KVM_CAP_X86_APIC_BUS_CYCLES_NS);
	CHECK_RET("without a local APIC", -ENXIO, set_bus(vm_create(VM_BARE), 20));
	for (i = 0; i < 2; i++) {
		vm = vm_create(VM_GUEST | VM_IRQCHIP);
		CHECK_RET("nothing", -EINVAL, set_bus(vm, 0));
		CHECK_RET("too slow", -EINVAL, set_bus(vm, BUS_MAX + 1));
		CHECK_RET("as slow as can be", 0, set_bus(vm, BUS_MAX));
		CHECK_RET("50 MHz", 0, set_bus(vm, 20));
		vcpu = vcpu_create_guest(vm, 0, guest_bus);
		CHECK_RET("behind a vCPU", -EINVAL, set_bus(vm, 20));
		vcpu_args(vcpu, i ? APIC_X2 : APIC_X1, __vcpu_ioctl(vcpu, KVM_GET_TSC_KHZ, NULL), 0);
		vcpu_run_done(vcpu);
		vm = vm_create(VM_GUEST | VM_IRQCHIP);
		CHECK_RET("as slow as can be", 0, set_bus(vm, BUS_MAX));
		vcpu = vcpu_create_guest(vm, 0, guest_slow_bus);
		vcpu_args(vcpu, i ? APIC_X2 : APIC_X1, 0, 0);
		vcpu_run_done(vcpu);
	}
}

static const struct test_case cases[] = {
	{ "one_shot", test_oneshot },
	{ "periodic", test_periodic },
	{ "divide", test_divide },
	{ "tsc_deadline", test_deadline },
	{ "tsc_deadline_mwait", test_deadline_mwait },
	{ "tsc_deadline_reset", test_deadline_reset },
	{ "wake", test_wake },
	{ "restored", test_restored },
	{ "bus_cycles", test_bus },
};

TEST_MAIN(cases)
