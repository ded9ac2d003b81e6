// SPDX-License-Identifier: GPL-2.0-only
/*
 * 8259A: special mask mode and its end of interrupt, OCW3's enable bits, a poll that is over after one read,
 * ICW1 without ICW3, a line that is high at ICW1, and requests that move with the VM and come once. Data sheet: "Special Mask Mode",
 * "Operation Control Word 3", "Poll Command", "Initialization Command Words 1 and 2". What stock KVM does
 * otherwise (Documentation/differences.rst) is left out there.
 */
#include "apic.h"
#include "thread.h"

#define BASE	0x30

static void setup(void)
{
	u32 i;

	for (i = 0; i < 16; i++)
		guest_handlers[BASE + i] = irq_count_only;
	apic_enable(APIC_X1);
	apic_write(APIC_LVT0, 0x700);
	pic_init(BASE);
}

static void edge(struct vm *vm, u32 line)
{
	vm_irq_line(vm, line, 1);
	vm_irq_line(vm, line, 0);
}

static void guest_special_mask(void)
{
	setup();
	pic_mask(0xffff & ~(BIT(1) | BIT(3)));
	GUEST_SYNC(1);			/* line 1 up */
	irq_window();
	GUEST_ROW("1 in service", BIT(1), pic_isr(PIC1));
	pic_mask(0xffff & ~BIT(3));
	outb(PIC1, 0x68);		/* special mask mode */
	GUEST_SYNC(2);			/* line 3 up */
	irq_window();
	GUEST_ROW("special mask mode: 3 taken though 1 is in service", 1, irq_count[BASE + 3]);
	GUEST_ROW("both in service", BIT(1) | BIT(3), pic_isr(PIC1));
	outb(PIC1, 0x20);		/* non-specific EOI */
	GUEST_ROW("non-specific EOI leaves the masked 1 alone", BIT(1), pic_isr(PIC1));
	outb(PIC1, 0x61);
	outb(PIC1, 0x63);
	outb(PIC1, 0x08);		/* OCW3 without ESMM: stays in special mask mode */
	outb(PIC1, 0x48);		/* leave it */
	GUEST_ROW("nothing in service", 0, pic_isr(PIC1));
}

static void test_special_mask(void)
{
	REQUIRE(!dev_is_kvm(), "stock KVM has no special mask mode in IRR and EOI");
	struct vm *vm = vm_create(VM_GUEST | VM_IRQCHIP);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_special_mask);

	vcpu_run_sync(vcpu, 1);
	edge(vm, 1);
	vcpu_run_sync(vcpu, 2);
	edge(vm, 3);
	vcpu_run_done(vcpu);
}

static void guest_ocw3(void)
{
	setup();
	pic_mask(0xffff & ~BIT(4));
	GUEST_SYNC(1);			/* line 4 up */
	irq_window();
	outb(PIC1, 0x0b);		/* ISR selected */
	outb(PIC1, 0x08);		/* RR clear: no change */
	GUEST_ROW("selection kept without RR", BIT(4), inb(PIC1));
	outb(PIC1, 0x09);
	GUEST_ROW("selection kept without RR, RIS set", BIT(4), inb(PIC1));
	outb(PIC1, 0x0a);
	GUEST_ROW("IRR", 0, inb(PIC1));
	outb(PIC1, 0x20);
	outb(PIC1, 0x0c);		/* poll */
	GUEST_ROW("poll: nothing waits", 0, inb(PIC1) & 0x80);
	outb(PIC1, 0x0b);
	GUEST_ROW("poll mode left after one read", 0, inb(PIC1));
}

static void test_ocw3(void)
{
	struct vm *vm = vm_create(VM_GUEST | VM_IRQCHIP);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_ocw3);

	vcpu_run_sync(vcpu, 1);
	edge(vm, 4);
	vcpu_run_done(vcpu);
}

static void guest_single(void)
{
	outb(PIC1, 0x13);		/* ICW1: single, ICW4 follows */
	outb(PIC1 + 1, BASE);
	outb(PIC1 + 1, 0x01);		/* ICW4 */
	outb(PIC1 + 1, 0xfe);		/* a mask */
	GUEST_ROW("ICW1 with SNGL: no ICW3, so this is the mask", 0xfe, inb(PIC1 + 1));
}

static void test_single(void)
{
	REQUIRE(!dev_is_kvm(), "stock KVM waits for ICW3 whatever ICW1 says");
	run_guest(VM_GUEST | VM_IRQCHIP, guest_single);
}

/* A line that is high when the chip is initialised. */
static void guest_init_line(void)
{
	setup();
	pic_mask(0xffff & ~BIT(4));
	GUEST_SYNC(1);			/* line 4 up */
	irq_window();
	GUEST_ROW("an edge", 1, irq_count[BASE + 4]);
	pic_init(BASE);
	pic_mask(0xffff & ~BIT(4));
	GUEST_SYNC(2);			/* and still */
	irq_window();
	GUEST_ROW("after ICW1 a line that is high must fall first", 1, irq_count[BASE + 4]);
	GUEST_SYNC(3);			/* down and up */
	irq_window();
	GUEST_ROW("an edge", 2, irq_count[BASE + 4]);
}

static void test_init_line(void)
{
	REQUIRE(!dev_is_kvm(), "not tried on stock KVM");
	struct vm *vm = vm_create(VM_GUEST | VM_IRQCHIP);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_init_line);

	vcpu_run_sync(vcpu, 1);
	vm_irq_line(vm, 4, 1);
	vcpu_run_sync(vcpu, 2);
	vm_irq_line(vm, 4, 1);
	vcpu_run_sync(vcpu, 3);
	vm_irq_line(vm, 4, 0);
	vm_irq_line(vm, 4, 1);
	vcpu_run_done(vcpu);
}

/* Pending and in-service requests move to another VM and come once. */
static void guest_move(void)
{
	setup();
	pic_mask(0xffff & ~(BIT(4) | BIT(2) | BIT(10)));
	GUEST_SYNC(1);			/* 4 and 10 up; then the state moves */
	irq_window();
	GUEST_ROW("4 and 10 after the move", 1, irq_count[BASE + 10]);
	outb(PIC2, 0x20);
	outb(PIC1, 0x20);
	irq_window();
	GUEST_ROW("4 after the move", 1, irq_count[BASE + 4]);
	outb(PIC1, 0x20);
	irq_window();
	GUEST_ROW("none again (10)", 1, irq_count[BASE + 10]);
	GUEST_ROW("none again (4)", 1, irq_count[BASE + 4]);
	GUEST_SYNC(2);			/* line 4 down and up in the new VM */
	irq_window();
	GUEST_ROW("a new edge is taken", 2, irq_count[BASE + 4]);
}

static void test_move(void)
{
	struct vm *vm = vm_create(VM_GUEST | VM_IRQCHIP), *to = vm_create(VM_GUEST | VM_IRQCHIP);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_move);
	struct vcpu *new = vcpu_create_guest(to, 0, guest_move);
	struct kvm_irqchip chip = { 0 };
	struct kvm_lapic_state lapic;
	struct kvm_vcpu_events ev;
	struct kvm_regs r;
	struct kvm_sregs s;

	vcpu_run_sync(vcpu, 1);
	vm_irq_line(vm, 4, 1);
	vm_irq_line(vm, 10, 1);
	vcpu_complete(vcpu);
	memcpy(to->mem, vm->mem, VM_MEM_SIZE);
	for (u32 i = 0; i < 3; i++) {
		chip.chip_id = i;
		vm_ioctl(vm, KVM_GET_IRQCHIP, &chip);
		vm_ioctl(to, KVM_SET_IRQCHIP, &chip);
	}
	s = vcpu_sregs(vcpu);
	vcpu_set_sregs(new, &s);
	r = vcpu_regs(vcpu);
	vcpu_set_regs(new, &r);
	vcpu_ioctl(vcpu, KVM_GET_LAPIC, &lapic);
	vcpu_ioctl(new, KVM_SET_LAPIC, &lapic);
	vcpu_ioctl(vcpu, KVM_GET_VCPU_EVENTS, &ev);
	vcpu_ioctl(new, KVM_SET_VCPU_EVENTS, &ev);
	vcpu_run_sync(new, 2);
	vm_irq_line(to, 4, 0);
	vm_irq_line(to, 4, 1);
	vcpu_run_done(new);
}

static const struct test_case cases[] = {
	{ "special_mask", test_special_mask },
	{ "ocw3", test_ocw3 },
	{ "single", test_single },
	{ "init_line", test_init_line },
	{ "move", test_move },
};

TEST_MAIN(cases)
