// SPDX-License-Identifier: GPL-2.0-only
/*
 * 8254, channel 2, as programs drive it: GATE, control words, the bytes of a count, a new count, OUT at
 * port 0x61, null count, and its rate beside channel 1. Intel 8254 data sheet, "Mode Definitions",
 * "Gate Pin Operations Summary" and "Read-Back Command"; unit_pit_test has every mode to the tick.
 * Rows of CHIP_ROW are wrong on stock KVM (Documentation/differences.rst): there what it says is printed.
 */
#include "apic.h"

static volatile u64 on_kvm;

#define CHIP_ROW(name, wanted, got)			\
	do {						\
		u64 got_ = (got);			\
							\
		if (!on_kvm)				\
			GUEST_ROW(name, wanted, got_);	\
		else					\
			GUEST_PRINT("stock KVM, " name ": %llu, right is %llu", got_, (u64)(wanted)); \
	} while (0)

static void control(u8 channel, u8 mode)
{
	outb(0x43, channel << 6 | 0x30 | mode << 1);
}

static void count(u8 channel, u16 n)
{
	outb(0x40 + channel, n);
	outb(0x40 + channel, n >> 8);
}

static void gate(u8 on)
{
	outb(0x61, (inb(0x61) & ~3) | on);
}

static u8 out2(void)
{
	return (inb(0x61) >> 5) & 1;
}

static u16 latch(u8 channel)
{
	u8 lo;

	outb(0x43, channel << 6);
	lo = inb(0x40 + channel);
	return lo | inb(0x40 + channel) << 8;
}

static u8 status2(void)
{
	outb(0x43, 0xe8);
	return inb(0x42);
}

/* About @n ticks of channel 1, in mode 2 at 65536. */
static void wait_ticks(u32 n)
{
	u16 last = latch(1), now;
	u32 gone = 0;

	while (gone < n) {
		now = latch(1);
		gone += (u16)(last - now);
		last = now;
	}
}

static void start(u64 kvm)
{
	on_kvm = kvm;
	control(1, 2);
	count(1, 0);
}

static void guest_mode0(u64 kvm)
{
	start(kvm);
	gate(1);
	control(2, 0);
	count(2, 100);
	wait_ticks(400);
	GUEST_ROW("OUT high at the end", 1, out2());
	control(2, 0);
	CHIP_ROW("OUT low from the control word", 0, out2());
	wait_ticks(400);
	CHIP_ROW("OUT low until a count comes", 0, out2());
	count(2, 100);
	wait_ticks(400);
	GUEST_ROW("OUT high again", 1, out2());
	outb(0x42, 0x00);
	CHIP_ROW("OUT low from the first byte of a count", 0, out2());
	outb(0x42, 0x40);
}

static void guest_mode0_gate(u64 kvm)
{
	u16 a;

	start(kvm);
	gate(0);
	control(2, 0);
	count(2, 50000);
	a = latch(2);
	wait_ticks(5000);
	CHIP_ROW("GATE low: ticks counted", 0, (u16)(a - latch(2)));
	wait_ticks(60000);
	CHIP_ROW("GATE low: OUT stays low", 0, out2());
	gate(1);
	CHIP_ROW("GATE high: OUT not yet high", 0, out2());
	wait_ticks(60000);
	GUEST_ROW("GATE high: OUT high in the end", 1, out2());
	control(2, 0);
	count(2, 50000);
	wait_ticks(2000);
	gate(0);
	a = latch(2);
	wait_ticks(4000);
	CHIP_ROW("GATE lowered in the middle: ticks counted", 0, (u16)(a - latch(2)));
	gate(1);
}

static void guest_mode1(u64 kvm)
{
	start(kvm);
	gate(0);
	control(2, 1);
	count(2, 30000);
	CHIP_ROW("OUT high before the trigger", 1, out2());
	wait_ticks(40000);
	CHIP_ROW("OUT still high, no trigger came", 1, out2());
	gate(1);
	CHIP_ROW("OUT low while it runs", 0, out2());
	wait_ticks(40000);
	CHIP_ROW("OUT high at the end", 1, out2());
}

static void guest_modes23(u64 kvm)
{
	u16 n;
	u8 s;

	start(kvm);
	control(2, 7);
	GUEST_ROW("mode 7 reads back as 3 or 7", 3 << 1, status2() & 0x06);
	CHIP_ROW("null count after the control word", 0x40, status2() & 0x40);
	gate(1);
	count(2, 1000);
	wait_ticks(50);
	GUEST_ROW("null count after the count is loaded", 0, status2() & 0x40);
	gate(0);
	CHIP_ROW("mode 3, GATE low: OUT high", 1, out2());
	wait_ticks(700);
	CHIP_ROW("mode 3, GATE low: OUT still high", 1, out2());
	/* a new count waits for the end of the period */
	gate(1);
	control(2, 2);
	count(2, 60000);
	wait_ticks(300);
	count(2, 1000);
	s = status2();
	n = latch(2);
	CHIP_ROW("mode 2: the old period is finished first", 1, n > 1000);
	CHIP_ROW("mode 2: null count", 0x40, s & 0x40);
	wait_ticks(65000);
	GUEST_ROW("mode 2: then the new count", 1, latch(2) <= 1000);
	GUEST_ROW("mode 2: null count gone", 0, status2() & 0x40);
}

static void guest_status(u64 kvm)
{
	u16 n;
	u32 i, decimal = 1;

	start(kvm);
	gate(1);
	control(2, 2);
	count(2, 60000);
	CHIP_ROW("mode 2: OUT in the status", 0x80, status2() & 0x80);
	outb(0x43, 0xb5);		/* mode 2, BCD */
	count(2, 0x1000);
	for (i = 0; i < 100; i++) {
		n = latch(2);
		decimal &= n <= 0x1000 && (n & 0xf) < 10 && (n >> 4 & 0xf) < 10 && (n >> 8 & 0xf) < 10;
	}
	CHIP_ROW("BCD: all digits are decimal", 1, decimal);
}

/* Of channels 1 and 2, from one moment to another. The host may stop the guest between the readings of the two. */
static u32 same_rate(void)
{
	u16 a1, b1, a2, b2;
	u32 d1, d2;

	a1 = latch(1);
	a2 = latch(2);
	wait_ticks(20000);
	b1 = latch(1);
	b2 = latch(2);
	d1 = (u16)(a1 - b1);
	d2 = (u16)(a2 - b2);
	return d2 > d1 - d1 / 32 && d2 < d1 + d1 / 32;
}

static void guest_rate(u64 kvm)
{
	u32 i, same = 0;

	start(kvm);
	gate(1);
	control(2, 2);
	count(2, 0);
	for (i = 0; i < 10 && !same; i++)
		same = same_rate();
	GUEST_ROW("channel 2 counts as fast as channel 1, within 3 %", 1, same);
}

static void run(void *guest)
{
	struct vm *vm = vm_create(VM_GUEST | VM_PIT);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest);

	vcpu_args(vcpu, dev_is_kvm(), 0, 0);
	vcpu_run_done(vcpu);
}

static void test_mode0(void) { run(guest_mode0); }
static void test_mode0_gate(void) { run(guest_mode0_gate); }
static void test_mode1(void) { run(guest_mode1); }
static void test_modes23(void) { run(guest_modes23); }
static void test_status(void) { run(guest_status); }
static void test_rate(void) { run(guest_rate); }

static const struct test_case cases[] = {
	{ "mode0", test_mode0 },
	{ "mode0_gate", test_mode0_gate },
	{ "mode1", test_mode1 },
	{ "modes23", test_modes23 },
	{ "status", test_status },
	{ "rate", test_rate },
};

TEST_MAIN(cases)
