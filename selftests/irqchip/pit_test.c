// SPDX-License-Identifier: GPL-2.0-only
/*
 * 8254: channel 0 interrupts at its rate, channel 2 by gate and output of port
 * 0x61, latch and read-back, modes in the state, and no counter ever runs
 * backwards.
 */
#include "apic.h"

#define BASE	0x30

static void on_irq0(struct guest_regs *regs)
{
	irq_count_only(regs);
	outb(PIC1, 0x20);
}

static void program(u8 channel, u8 mode, u16 count)
{
	outb(0x43, channel << 6 | 0x30 | mode << 1);
	outb(0x40 + channel, count);
	outb(0x40 + channel, count >> 8);
}

static u16 latch(u8 channel)
{
	u8 lo;

	outb(0x43, channel << 6);
	lo = inb(0x40 + channel);
	return lo | inb(0x40 + channel) << 8;
}

static void guest_irq(void)
{
	apic_enable(APIC_X1);
	apic_write(APIC_LVT0, 0x700);
	pic_init(BASE);
	guest_handlers[BASE] = on_irq0;
	pic_mask(0xffff & ~BIT(0));
	program(0, 2, 11932);		/* 100 Hz */
	irq_wait(BASE, 3);
	program(0, 0, 6000);		/* once, 5 ms */
	irq_window();
	irq_count[BASE] = 0;
	irq_wait(BASE, 1);
	program(0, 0, 0);
}

static void test_irq(void)
{
	run_guest(VM_PIT, guest_irq);
}

static void guest_count(void)
{
	u16 a, b;
	u32 i;
	u8 status;

	program(0, 2, 50000);
	a = latch(0);
	GUEST_ASSERT(a <= 50000);
	for (i = 0; i < 200; i++) {
		b = latch(0);
		GUEST_ASSERT(b <= 50000);
		if (b != a)
			break;
	}
	GUEST_ASSERT(b != a);
	outb(0x43, 0xc2 | 0x20);	/* status of channel 0 */
	status = inb(0x40);
	GUEST_ROW("read-back: mode 2, both bytes", 0x34, status & 0x3f);
	program(1, 3, 1000);
	outb(0x43, 0xe4);
	GUEST_ROW("read-back of channel 1: mode 3", 0x36, inb(0x41) & 0x3f);
}

static void test_count(void)
{
	run_guest(VM_PIT, guest_count);
}

/* The classic calibration loop: channel 2, mode 0, gate by bit 0 of port 0x61. */
static void guest_speaker(void)
{
	u64 t0, t1;
	u32 i;

	outb(0x61, (inb(0x61) & ~3) | 1);
	GUEST_ROW("gate reads back", 1, inb(0x61) & 3);
	/* before it starts: the CPU may be taken away from us in between */
	t0 = rdtsc();
	program(2, 0, 0xe90a);		/* 50 ms */
	GUEST_ROW("output low at first", 0, inb(0x61) & 0x20);
	for (i = 0; i < 2000000 && !(inb(0x61) & 0x20); i++)
		;
	t1 = rdtsc();
	GUEST_ROW("output high at the end", 0x20, inb(0x61) & 0x20);
	GUEST_SYNC2(1, t1 - t0);
	outb(0x61, 0);
	GUEST_ROW("gate closed reads back", 0, inb(0x61) & 3);
}

static void test_speaker(void)
{
	struct vm *vm = vm_create(VM_GUEST | VM_PIT);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_speaker);
	struct ucall uc;
	u64 khz = vcpu_ioctl(vcpu, KVM_GET_TSC_KHZ, NULL);

	ASSERT_EQ(vcpu_run_ucall(vcpu, &uc), UCALL_SYNC);
	test_note("50 ms of channel 2 took %llu us of TSC",
		  (unsigned long long)(uc.args[1] * 1000 / khz));
	ASSERT_GE(uc.args[1] * 1000 / khz, 49000);
	vcpu_run_done(vcpu);
}

static void guest_state(void)
{
	program(0, 2, 11932);
	program(2, 3, 1193);
	GUEST_SYNC(1);
}

static void test_state(void)
{
	struct vm *vm = vm_create(VM_GUEST | VM_PIT);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_state);
	struct kvm_pit_state2 a, b;

	vcpu_run_sync(vcpu, 1);
	vm_ioctl(vm, KVM_GET_PIT2, &a);
	CHECK_EQ("channel 0 count", 11932, a.channels[0].count);
	CHECK_EQ("channel 0 mode", 2, a.channels[0].mode);
	CHECK_EQ("channel 2 count", 1193, a.channels[2].count);
	CHECK_EQ("channel 2 mode", 3, a.channels[2].mode);
	a.channels[2].count = 2000;
	vm_ioctl(vm, KVM_SET_PIT2, &a);
	vm_ioctl(vm, KVM_GET_PIT2, &b);
	CHECK_EQ("count reads back", 2000, b.channels[2].count);
	CHECK_EQ("mode reads back", 3, b.channels[2].mode);
}

static void guest_speaker_port(void)
{
	GUEST_EQ(inb(0x61) & 3, 0);
}

/* The older call takes no flags: port 0x61 comes along. */
static void test_old_create(void)
{
	struct vm *vm = vm_create(VM_GUEST | VM_IRQCHIP);

	vm_ioctl(vm, KVM_CREATE_PIT, NULL);
	vcpu_run_done(vcpu_create_guest(vm, 0, guest_speaker_port));
}

static const struct test_case cases[] = {
	{ "irq", test_irq },
	{ "count", test_count },
	{ "speaker", test_speaker },
	{ "state", test_state },
	{ "old_create", test_old_create },
};

TEST_MAIN(cases)
