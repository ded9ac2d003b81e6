// SPDX-License-Identifier: GPL-2.0-only
/*
 * INIT and start-up IPIs: a vCPU that waits for them starts in real mode at the
 * vector's page with its reset state, a second SIPI changes nothing, INIT of a
 * running vCPU stops it until the next SIPI and ends PV EOI, and KVM_GET_MP_STATE
 * follows, also while nobody runs the vCPU.
 */
#include <asm/kvm_para.h>

#include "apic.h"
#include "thread.h"

#define AP_PAGE		0x8000
#define AP_COUNT	0x9000	/* runs of the AP code */
#define AP_CS		0x9004
#define AP_EDX		0x9008
#define AP_SPIN		0x900c

asm(".pushsection .rodata\n"
    "ap_code_start:\n"
    ".code16\n"
    "	mov	%cs, %cx\n"
    "	xor	%ax, %ax\n"
    "	mov	%ax, %ds\n"
    "	mov	%cx, 0x9004\n"
    "	mov	%edx, 0x9008\n"
    "	lock incl 0x9000\n"
    "	sti\n"			/* nothing comes; see vcpu_let_host_in() */
    "1:	incl	0x900c\n"
    "	pause\n"
    "	jmp	1b\n"
    ".code64\n"
    "ap_code_end:\n"
    ".popsection\n");
extern const char ap_code_start[], ap_code_end[];

static u32 peek(u64 a)
{
	return *(volatile u32 *)a;
}

static void wait_for(u64 a, u32 value)
{
	u32 i;

	for (i = 0; i < 20000000 && peek(a) != value; i++)
		pause_insn();
	GUEST_EQ(peek(a), value);
}

static void spin(u32 n)
{
	while (n--)
		pause_insn();
}

static void guest_bsp(u64 mode)
{
	u32 n;

	apic_enable(mode);
	apic_icr(1, APIC_DM_STARTUP | (AP_PAGE >> 12));
	spin(1000);
	GUEST_ROW("SIPI without INIT on a fresh vCPU", 0, peek(AP_COUNT));
	apic_icr(1, APIC_DM_INIT | APIC_INT_ASSERT | APIC_INT_LEVELTRIG);
	apic_icr(1, APIC_DM_STARTUP | (AP_PAGE >> 12));
	wait_for(AP_COUNT, 1);
	GUEST_ROW("CS of the AP", AP_PAGE >> 4, peek(AP_CS));
	GUEST_ASSERT(peek(AP_EDX));
	apic_icr(1, APIC_DM_STARTUP | (AP_PAGE >> 12));
	n = peek(AP_SPIN);
	while (peek(AP_SPIN) - n < 1000)
		pause_insn();
	GUEST_ROW("a second SIPI is ignored", 1, peek(AP_COUNT));
	apic_icr(1, APIC_DM_INIT | APIC_INT_ASSERT | APIC_INT_LEVELTRIG);
	GUEST_SYNC(1);
	apic_icr(1, APIC_DM_STARTUP | (AP_PAGE >> 12));
	wait_for(AP_COUNT, 2);
}

static u32 mp_state(struct vcpu *vcpu)
{
	struct kvm_mp_state mp;

	vcpu_ioctl(vcpu, KVM_GET_MP_STATE, &mp);
	return mp.mp_state;
}

static volatile int stop;

static void *run_ap(void *arg)
{
	struct vcpu *vcpu = arg;

	/* A vCPU that was waiting for its start returns -EAGAIN once when it comes. */
	while (!stop) {
		int ret = __vcpu_run(vcpu);

		ASSERT(ret == -EINTR || ret == -EAGAIN, "KVM_RUN: %d", ret);
	}
	return NULL;
}

static void run_mode(enum apic_mode mode)
{
	struct vm *vm = vm_create(VM_GUEST | VM_IRQCHIP);
	struct vcpu *bsp = vcpu_create_guest(vm, 0, guest_bsp), *ap = vcpu_create(vm, 1);
	u32 spins;
	pthread_t t;

	stop = 0;
	ignore_kick();
	vcpu_set_supported_cpuid(ap);
	CHECK_EQ("state of a fresh AP", KVM_MP_STATE_UNINITIALIZED, mp_state(ap));
	if (mode == APIC_X2)	/* an ID of 8 bits reaches it in either mode */
		vcpu_set_msr(ap, MSR_APIC_BASE, APIC_MMIO | BIT(11) | BIT(10));
	vm_put_code(vm, AP_PAGE, ap_code);
	vcpu_args(bsp, mode, 0, 0);
	vcpu_let_host_in(bsp);
	t = host_thread(run_ap, ap);
	vcpu_run_sync(bsp, 1);
	host_sleep_ms(20);
	spins = *(volatile u32 *)vm_hva(vm, AP_SPIN);
	host_sleep_ms(50);
	CHECK_EQ("after INIT the AP stands still", spins, *(volatile u32 *)vm_hva(vm, AP_SPIN));
	vcpu_run_done(bsp);
	stop = 1;
	host_kick(t);
	host_join(t);
	CHECK_EQ("state of a running AP", KVM_MP_STATE_RUNNABLE, mp_state(ap));
}

static void test_xapic(void)  { run_mode(APIC_X1); }
static void test_x2apic(void) { run_mode(APIC_X2); }

static void guest_start_other(u64 mode)
{
	apic_enable(mode);
	apic_icr(1, APIC_DM_INIT | APIC_INT_ASSERT | APIC_INT_LEVELTRIG);
	GUEST_SYNC(1);
	apic_icr(1, APIC_DM_STARTUP | (AP_PAGE >> 12));
	GUEST_SYNC(2);
	wait_for(AP_COUNT, 1);
}

/* A launcher that saves a machine at such a moment finds in the vCPU's registers what it was told. */
static void test_not_running(void)
{
	struct vm *vm = vm_create(VM_GUEST | VM_IRQCHIP);
	struct vcpu *bsp = vcpu_create_guest(vm, 0, guest_start_other), *ap = vcpu_create(vm, 1);
	struct kvm_sregs sregs;
	pthread_t t;

	ignore_kick();
	vcpu_set_supported_cpuid(ap);
	vm_put_code(vm, AP_PAGE, ap_code);
	vcpu_args(bsp, APIC_X1, 0, 0);
	vcpu_let_host_in(bsp);
	vcpu_set_msr(ap, MSR_KVM_PV_EOI_EN, VM_SCRATCH | 1);
	vcpu_run_sync(bsp, 1);
	CHECK_EQ("state after INIT", KVM_MP_STATE_INIT_RECEIVED, mp_state(ap));
	/* whoever has it started again may use that byte for something else */
	CHECK_EQ("PV EOI", 0, vcpu_msr(ap, MSR_KVM_PV_EOI_EN));
	vcpu_run_sync(bsp, 2);
	CHECK_EQ("state after SIPI", KVM_MP_STATE_RUNNABLE, mp_state(ap));
	sregs = vcpu_sregs(ap);
	CHECK_EQ("selector of CS", AP_PAGE >> 4, sregs.cs.selector);
	CHECK_EQ("base of CS", AP_PAGE, sregs.cs.base);
	CHECK_EQ("RIP", 0, vcpu_regs(ap).rip);
	t = host_thread(run_ap, ap);
	vcpu_run_done(bsp);
	stop = 1;
	host_kick(t);
	host_join(t);
	CHECK_EQ("CS of the AP", AP_PAGE >> 4, *(volatile u32 *)vm_hva(vm, AP_CS));
}

static const struct test_case cases[] = {
	{ "xapic", test_xapic },
	{ "x2apic", test_x2apic },
	{ "not_running", test_not_running },
};

TEST_MAIN(cases)
