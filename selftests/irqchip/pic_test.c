// SPDX-License-Identifier: GPL-2.0-only
/*
 * 8259 pair: initialisation, delivery through LINT0, in-service and request
 * registers, specific and non-specific EOI, priority, the cascade, automatic
 * EOI, poll, spurious interrupts and the ELCR.
 */
#include "apic.h"
#include "thread.h"

#define BASE	0x30

static void take(struct guest_regs *regs)
{
	irq_count_only(regs);
}

static void setup(void)
{
	u32 i;

	for (i = 0; i < 16; i++)
		guest_handlers[BASE + i] = take;
	apic_enable(APIC_X1);
	apic_write(APIC_LVT0, 0x700);
	pic_init(BASE);
}

static void guest_basic(void)
{
	setup();
	GUEST_ROW("mask after initialisation", 0xff, inb(PIC1 + 1));
	pic_mask(0xffff & ~BIT(3));
	GUEST_SYNC(1);			/* line 3 up */
	GUEST_ROW("IRR", BIT(3), pic_irr(PIC1));
	irq_window();
	GUEST_ROW("taken", 1, irq_count[BASE + 3]);
	GUEST_ROW("ISR", BIT(3), pic_isr(PIC1));
	GUEST_SYNC(2);			/* down, up */
	irq_window();
	GUEST_ROW("in service: held", 1, irq_count[BASE + 3]);
	outb(PIC1, 0x20);
	irq_window();
	GUEST_ROW("after EOI: taken", 2, irq_count[BASE + 3]);
	outb(PIC1, 0x63);
	GUEST_ROW("specific EOI", 0, pic_isr(PIC1));
	pic_mask(0xffff);
	GUEST_SYNC(3);			/* down, up */
	irq_window();
	GUEST_ROW("masked", 2, irq_count[BASE + 3]);
	pic_mask(0xffff & ~BIT(3));
	irq_window();
	GUEST_ROW("unmasked: latched edge taken", 3, irq_count[BASE + 3]);
	outb(PIC1, 0x20);
}

static void test_basic(void)
{
	struct vm *vm = vm_create(VM_GUEST | VM_IRQCHIP);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_basic);
	u32 i;

	for (i = 1; i <= 3; i++) {
		vcpu_run_sync(vcpu, i);
		vm_irq_line(vm, 3, 0);
		vm_irq_line(vm, 3, 1);
	}
	vcpu_run_done(vcpu);
}

static void guest_cascade(void)
{
	setup();
	pic_mask(0xffff & ~(BIT(10) | BIT(2) | BIT(4)));
	GUEST_SYNC(1);			/* lines 10 and 4 up */
	irq_window();
	GUEST_ROW("10 first", 1, irq_count[BASE + 10]);
	GUEST_ROW("4 is lower than the cascade", 0, irq_count[BASE + 4]);
	GUEST_ROW("ISR of the first", BIT(2), pic_isr(PIC1));
	GUEST_ROW("ISR of the second", BIT(2), pic_isr(PIC2));
	outb(PIC2, 0x20);
	outb(PIC1, 0x20);
	irq_window();
	GUEST_ROW("4 after EOI", 1, irq_count[BASE + 4]);
	outb(PIC1, 0x20);
	GUEST_ROW("nothing in service", 0, pic_isr(PIC1) | pic_isr(PIC2));
}

static void test_cascade(void)
{
	struct vm *vm = vm_create(VM_GUEST | VM_IRQCHIP);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_cascade);

	vcpu_run_sync(vcpu, 1);
	vm_irq_line(vm, 4, 1);
	vm_irq_line(vm, 10, 1);
	vcpu_run_done(vcpu);
}

static void guest_auto_eoi(void)
{
	setup();
	outb(PIC1, 0x11);
	outb(PIC1 + 1, BASE);
	outb(PIC1 + 1, 4);
	outb(PIC1 + 1, 3);
	pic_mask(0xffff & ~BIT(5));
	GUEST_SYNC(1);
	irq_window();
	GUEST_ROW("taken", 1, irq_count[BASE + 5]);
	GUEST_ROW("nothing in service", 0, pic_isr(PIC1));
	outb(PIC1, 0x11);
	outb(PIC1 + 1, BASE);
	outb(PIC1 + 1, 4);
	outb(PIC1 + 1, 1);
	pic_mask(0xffff & ~BIT(5));
	GUEST_SYNC(2);			/* down, up */
	outb(PIC1, 0x0c);
	GUEST_ROW("poll: line in the low bits", 5, inb(PIC1) & 7);
	outb(PIC1, 0x20);
	irq_window();
	GUEST_ROW("polled, so not taken", 1, irq_count[BASE + 5]);
}

static void test_auto_eoi(void)
{
	struct vm *vm = vm_create(VM_GUEST | VM_IRQCHIP);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_auto_eoi);
	u32 i;

	for (i = 1; i <= 2; i++) {
		vcpu_run_sync(vcpu, i);
		vm_irq_line(vm, 5, 0);
		vm_irq_line(vm, 5, 1);
	}
	vcpu_run_done(vcpu);
}

static void guest_elcr(void)
{
	setup();
	outb(0x4d0, 0xff);
	GUEST_ROW("ELCR1, fixed bits", 0xf8, inb(0x4d0));
	outb(0x4d1, 0xff);
	GUEST_ROW("ELCR2, fixed bits", 0xde, inb(0x4d1));
	pic_mask(0xffff & ~BIT(5));
	GUEST_SYNC(1);			/* up and stays */
	irq_window();
	GUEST_ROW("taken", 1, irq_count[BASE + 5]);
	outb(PIC1, 0x20);
	irq_window();
	GUEST_ROW("level: comes again", 2, irq_count[BASE + 5]);
	GUEST_SYNC(2);			/* down */
	outb(PIC1, 0x20);
	irq_window();
	GUEST_ROW("no more", 2, irq_count[BASE + 5]);
}

static void test_elcr(void)
{
	struct vm *vm = vm_create(VM_GUEST | VM_IRQCHIP);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_elcr);
	struct kvm_irqchip a = { .chip_id = KVM_IRQCHIP_PIC_MASTER }, b = a;

	vcpu_run_sync(vcpu, 1);
	vm_irq_line(vm, 5, 1);
	vcpu_run_sync(vcpu, 2);
	vm_irq_line(vm, 5, 0);
	vm_ioctl(vm, KVM_GET_IRQCHIP, &a);
	CHECK_EQ("vector base in the state", BASE, a.chip.pic.irq_base);
	CHECK_EQ("mask in the state", 0xff & ~BIT(5), a.chip.pic.imr);
	CHECK_EQ("in service in the state", BIT(5), a.chip.pic.isr);
	vm_ioctl(vm, KVM_SET_IRQCHIP, &a);
	vm_ioctl(vm, KVM_GET_IRQCHIP, &b);
	CHECK_EQ("state reads back", 0, memcmp(&a, &b, sizeof(a)));
	vcpu_run_done(vcpu);
}

static const struct test_case cases[] = {
	{ "basic", test_basic },
	{ "cascade", test_cascade },
	{ "auto_eoi_and_poll", test_auto_eoi },
	{ "elcr", test_elcr },
};

TEST_MAIN(cases)
