// SPDX-License-Identifier: GPL-2.0-only
/*
 * NMIs at the rate of the 8254, as Linux had them with nmi_watchdog=1: IRQ 0 is open in the 8259, LINT0 of
 * the local APIC is an NMI, and nobody acknowledges the 8259; with and without the same tick as an
 * interrupt through the I/O APIC. Each rising edge of LINT0 is an NMI (SDM, "Local Vector Table"), and
 * the 8259's output falls with its input (8259A data sheet, "Interrupt Request Register").
 */
#include "apic.h"

#define TICK	0x40

static volatile u64 nmis;

static void on_nmi(struct guest_regs *regs)
{
	nmis++;
}

static void spin(u64 ticks)
{
	u64 t = rdtsc();

	while (rdtsc() - t < ticks)
		;
}

static void guest_nmi(u64 khz, u64 with_interrupt)
{
	u64 a, begin, i, t, most;

	guest_handlers[VEC_NMI] = on_nmi;
	guest_handlers[TICK] = irq_count_handler;
	apic_enable(APIC_X1);
	pic_init(0x30);
	sti();				/* for a host in Bochs; nothing else is to come */
	pic_mask(0xffff & ~BIT(0));
	if (with_interrupt)
		ioapic_route(0, TICK);
	apic_write(APIC_LVT0, 0x400);
	outb(0x43, 0x34);
	outb(0x40, 11932 & 0xff);	/* 100 Hz */
	outb(0x40, 11932 >> 8);
	/* those that come while the host takes the CPU away are one: again then, but never too many */
	for (i = a = 0; i < 10 && a < 15; i++) {
		t = rdtsc();
		begin = nmis;
		spin(khz * 300);
		a = nmis - begin;
		/* where the host takes the CPU away more time has passed than the guest wanted to */
		most = (rdtsc() - t) * 3 / 2 / (khz * 10);
		GUEST_PRINT("%llu NMIs in 300 ms of a 100 Hz clock, %llu interrupts up to now", a, irq_count[TICK]);
		GUEST_ROW("at most one for each tick", 1, a <= most);
	}
	GUEST_ROW("about one for each tick", 1, a >= 15);
	apic_write(APIC_LVT0, 0x10400);
	a = nmis;
	spin(khz * 100);
	GUEST_ROW("masked: no more", a, nmis);
}

static void run(u64 with_interrupt)
{
	struct vm *vm = vm_create(VM_GUEST | VM_PIT);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_nmi);

	vcpu_args(vcpu, vcpu_ioctl(vcpu, KVM_GET_TSC_KHZ, NULL), with_interrupt, 0);
	vcpu_run_done(vcpu);
}

static void test_nmi(void) { run(1); }

static void test_nmi_alone(void)
{
	REQUIRE(!dev_is_kvm(), "stock KVM waits for an acknowledgement of the first tick");
	run(0);
}

static const struct test_case cases[] = {
	{ "nmi", test_nmi },
	{ "nmi_alone", test_nmi_alone },
};

TEST_MAIN(cases)
