// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events user space injects: KVM_INTERRUPT, KVM_NMI with its masking until IRET,
 * an exception through KVM_SET_VCPU_EVENTS with its error code, the interrupt
 * shadow of STI and MOV SS, and the priority between them.
 */
#include "guest.h"
#include <uapi/linux/keel.h>

#define V 0x45

static volatile u64 irqs, nmis, gps, gp_error, nmi_hold;

static void on_irq(struct guest_regs *regs)
{
	irqs++;
}

static void on_nmi(struct guest_regs *regs)
{
	nmis++;
	if (nmi_hold) {
		GUEST_SYNC(2);		/* another NMI comes now */
		GUEST_EQ(nmis, 1);
		nmi_hold = 0;
	}
}

static void on_gp(struct guest_regs *regs)
{
	gps++;
	gp_error = regs->error;
}

static void guest_events(void)
{
	guest_handlers[V] = on_irq;
	guest_handlers[VEC_NMI] = on_nmi;
	guest_handlers[VEC_GP] = on_gp;
	sti();
	GUEST_SYNC(1);
	GUEST_EQ(irqs, 1);
	nmi_hold = 1;
	GUEST_SYNC(1);
	GUEST_EQ(nmis, 2);
	cli();
	GUEST_SYNC(1);
	GUEST_EQ(gps, 1);
	GUEST_EQ(gp_error, 0x1234);
}

static void get(struct vcpu *vcpu, struct kvm_vcpu_events *e)
{
	vcpu_ioctl(vcpu, KVM_GET_VCPU_EVENTS, e);
}

static void test_inject(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_events);
	struct kvm_interrupt irq = { .irq = V };
	struct kvm_vcpu_events e;

	vcpu_run_sync(vcpu, 1);
	CHECK_EQ("ready", 1, vcpu->run->ready_for_interrupt_injection);
	vcpu_ioctl(vcpu, KVM_INTERRUPT, &irq);
	get(vcpu, &e);
	CHECK_EQ("interrupt in the state", V, e.interrupt.injected ? e.interrupt.nr : 0);
	vcpu_run_sync(vcpu, 1);
	vcpu_ioctl(vcpu, KVM_NMI, NULL);
	vcpu_run_sync(vcpu, 2);
	vcpu_ioctl(vcpu, KVM_NMI, NULL);
	get(vcpu, &e);
	CHECK_EQ("NMI masked in the state", 1, e.nmi.masked);
	CHECK_EQ("NMI pending in the state", 1, e.nmi.pending + e.nmi.injected > 0);
	vcpu_run_sync(vcpu, 1);
	vcpu_complete(vcpu);
	get(vcpu, &e);
	CHECK_EQ("NMI open in the state", 0, e.nmi.masked);
	e.exception.injected = 1;
	e.exception.nr = VEC_GP;
	e.exception.has_error_code = 1;
	e.exception.error_code = 0x1234;
	vcpu_ioctl(vcpu, KVM_SET_VCPU_EVENTS, &e);
	get(vcpu, &e);
	CHECK_EQ("exception in the state", VEC_GP, e.exception.injected ? e.exception.nr : 0);
	vcpu_run_done(vcpu);
}

static void guest_shadow(void)
{
	guest_handlers[V] = on_irq;
	asm volatile("cli; sti; outb %%al, $0x80; nop" : : "a" (0));
	GUEST_EQ(irqs, 1);
}

/* OUT right after STI: the exit is in the shadow, no interrupt may go in. */
static void test_shadow(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_shadow);
	struct kvm_interrupt irq = { .irq = V };

	RUN_TO(vcpu, KVM_EXIT_IO);
	vcpu_complete(vcpu);
	vcpu->run->request_interrupt_window = 1;
	RUN_TO(vcpu, KVM_EXIT_IRQ_WINDOW_OPEN);
	vcpu->run->request_interrupt_window = 0;
	vcpu_ioctl(vcpu, KVM_INTERRUPT, &irq);
	vcpu_run_done(vcpu);
}

static void guest_masked(void)
{
	guest_handlers[V] = on_irq;
	GUEST_SYNC(1);
	GUEST_EQ(irqs, 0);
	sti_nop();
	GUEST_EQ(irqs, 1);
}

/* An interrupt queued while IF is 0 waits for the guest to open it. */
static void test_state(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_masked);
	struct kvm_vcpu_events e;

	vcpu_run_sync(vcpu, 1);
	vcpu_complete(vcpu);
	get(vcpu, &e);
	CHECK_EQ("nothing pending", 0, e.exception.injected | e.interrupt.injected | e.nmi.injected |
		 e.nmi.pending | e.interrupt.shadow);
	vcpu->run->request_interrupt_window = 1;
	while (vcpu_run(vcpu) != KVM_EXIT_IRQ_WINDOW_OPEN)
		ASSERT_EXIT(vcpu, KVM_EXIT_IO);
	vcpu->run->request_interrupt_window = 0;
	e.interrupt.injected = 1;
	e.interrupt.nr = V;
	vcpu_ioctl(vcpu, KVM_SET_VCPU_EVENTS, &e);
	vcpu_run_done(vcpu);
}

static void on_nmi_alone(struct guest_regs *regs)
{
	u64 before = irqs;

	GUEST_SYNC(2);
	GUEST_EQ(irqs, before);
	nmis++;
}

static void guest_both(void)
{
	guest_handlers[V] = on_irq;
	guest_handlers[VEC_NMI] = on_nmi_alone;
	sti();
	GUEST_SYNC(1);
	GUEST_ROW("interrupts", 1, irqs);
	GUEST_ROW("NMIs", 1, nmis);
}

/* Events as they are put back while an interrupt waits for an NMI's handler to end: it still waits. */
static void test_wait_for_nmi(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_both);
	struct kvm_interrupt irq = { .irq = V };
	struct kvm_vcpu_events e;

	vcpu_run_sync(vcpu, 1);
	vcpu_complete(vcpu);
	vcpu_ioctl(vcpu, KVM_INTERRUPT, &irq);
	vcpu_ioctl(vcpu, KVM_NMI, NULL);
	vcpu_run_sync(vcpu, 2);
	vcpu_complete(vcpu);
	get(vcpu, &e);
	vcpu_ioctl(vcpu, KVM_SET_VCPU_EVENTS, &e);
	vcpu_run_done(vcpu);
}

static void guest_once(void)
{
	guest_handlers[V] = on_irq;
	sti();
	GUEST_SYNC(1);
	GUEST_ROW("interrupts", 1, irqs);
}

/* The bitmap of KVM_GET_SREGS put back: the same interrupt, not one more. */
static void test_bitmap(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_once);
	struct kvm_interrupt irq = { .irq = V };
	struct kvm_sregs sregs;

	vcpu_run_sync(vcpu, 1);
	vcpu_complete(vcpu);
	vcpu_ioctl(vcpu, KVM_INTERRUPT, &irq);
	sregs = vcpu_sregs(vcpu);
	CHECK_EQ("interrupt in the bitmap", BIT(V % 64), sregs.interrupt_bitmap[V / 64]);
	vcpu_set_sregs(vcpu, &sregs);
	vcpu_run_done(vcpu);
}

static void guest_nmi(void)
{
	guest_handlers[VEC_NMI] = on_nmi;
	sti();
	GUEST_SYNC(1);
	GUEST_ROW("NMIs", 1, nmis);
}

/* An NMI waits behind the shadow of an STI, and not longer. */
static void test_nmi_in_shadow(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_nmi);
	struct kvm_vcpu_events e;

	vcpu_run_sync(vcpu, 1);
	vcpu_complete(vcpu);
	get(vcpu, &e);
	e.flags = KVM_VCPUEVENT_VALID_SHADOW;
	e.interrupt.shadow = KVM_X86_SHADOW_INT_STI;
	vcpu_ioctl(vcpu, KVM_SET_VCPU_EVENTS, &e);
	vcpu_ioctl(vcpu, KVM_NMI, NULL);
	vcpu_run_done(vcpu);
}

static void guest_two_nmis(void)
{
	guest_handlers[VEC_NMI] = on_nmi;
	GUEST_SYNC(9);
	GUEST_SYNC(nmis);
}

/* One NMI waits to go in and one behind it: both are in the state, as far as it counts them. */
static void test_two_nmis(void)
{
	struct vcpu *vcpu = vcpu_create_guest(vm_create(VM_GUEST), 0, guest_two_nmis);
	struct kvm_vcpu_events saved, none;

	vcpu_run_sync(vcpu, 9);
	vcpu_complete(vcpu);
	vcpu_ioctl(vcpu, KVM_NMI, NULL);
	vcpu_ioctl(vcpu, KVM_NMI, NULL);
	get(vcpu, &saved);
	/* KVM up to 6.3 tells that there are some */
	if (saved.nmi.pending != 1 || has_cap(KEEL_CAP_LAST_ERROR) > 0)
		CHECK_EQ("pending", 2, saved.nmi.pending);
	none = saved;
	none.nmi.pending = 0;
	none.flags |= KVM_VCPUEVENT_VALID_NMI_PENDING;
	vcpu_ioctl(vcpu, KVM_SET_VCPU_EVENTS, &none);
	vcpu_ioctl(vcpu, KVM_SET_VCPU_EVENTS, &saved);
	vcpu_run_sync(vcpu, saved.nmi.pending);
	saved.nmi.pending = 200;
	vcpu_ioctl(vcpu, KVM_SET_VCPU_EVENTS, &saved);
	vcpu_run_done(vcpu);
}

static void guest_mask(void)
{
	guest_handlers[VEC_NMI] = on_nmi;
	GUEST_SYNC(9);
	GUEST_SYNC(nmis);
	GUEST_SYNC(nmis);
}

/* The guest has ended its NMI without an exit; that the next is masked then is a change. */
static void test_mask_behind_iret(void)
{
	struct vcpu *vcpu = vcpu_create_guest(vm_create(VM_GUEST | VM_IRQCHIP), 0, guest_mask);
	struct kvm_vcpu_events masked;

	vcpu_run_sync(vcpu, 9);
	vcpu_complete(vcpu);
	get(vcpu, &masked);
	masked.nmi.masked = 1;
	vcpu_ioctl(vcpu, KVM_NMI, NULL);
	vcpu_run_sync(vcpu, 1);
	vcpu_ioctl(vcpu, KVM_SET_VCPU_EVENTS, &masked);
	vcpu_ioctl(vcpu, KVM_NMI, NULL);
	vcpu_run_sync(vcpu, 1);
	vcpu_run_done(vcpu);
}

static const struct test_case cases[] = {
	{ "inject", test_inject },
	{ "shadow", test_shadow },
	{ "window", test_state },
	{ "wait_for_nmi", test_wait_for_nmi },
	{ "bitmap", test_bitmap },
	{ "nmi_in_shadow", test_nmi_in_shadow },
	{ "two_nmis", test_two_nmis },
	{ "mask_behind_iret", test_mask_behind_iret },
};

TEST_MAIN(cases)
