// SPDX-License-Identifier: GPL-2.0-only
/*
 * Local APIC registers in both modes: reset values, which bits stick, self-IPI,
 * IRR/ISR/EOI, priority by TPR and by what is in service, x2APIC's rules on
 * MSRs that do not exist, and how KVM_GET_LAPIC shows it. An end of interrupt
 * by a flag in memory (PV EOI) that cannot be written at once.
 */
#include <linux/kvm_para.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "apic.h"
#include "fork.h"
#include "thread.h"

#define V	0x61
#define W	0x82

static void guest_reset_values(void)
{
	GUEST_ROW("APIC_BASE of the BSP", APIC_MMIO | BIT(11) | BIT(8), rdmsr(MSR_APIC_BASE));
	GUEST_ROW("ID", 0, apic_read(APIC_ID));
	GUEST_ROW("version, low byte", 0x14, apic_read(APIC_LVR) & 0xff);
	GUEST_ROW("TPR", 0, apic_read(APIC_TASKPRI));
	GUEST_ROW("SVR", 0xff, apic_read(APIC_SPIV));
	GUEST_ROW("DFR", 0xffffffff, apic_read(APIC_DFR));
	GUEST_ROW("LDR", 0, apic_read(APIC_LDR));
	GUEST_ROW("LVT timer", APIC_LVT_MASKED, apic_read(APIC_LVTT));
	GUEST_ROW("LVT LINT1", APIC_LVT_MASKED, apic_read(APIC_LVT1));
	GUEST_ROW("LVT error", APIC_LVT_MASKED, apic_read(APIC_LVTERR));
	GUEST_ROW("ICR", 0, apic_read(APIC_ICR));
	GUEST_ROW("timer initial count", 0, apic_read(APIC_TMICT));
	GUEST_ROW("timer divide", 0, apic_read(APIC_TDCR));
}

static void test_reset(void)
{
	run_guest(VM_IRQCHIP, guest_reset_values);
}

static void guest_bits(enum apic_mode mode)
{
	apic_enable(mode);
	apic_write(APIC_TASKPRI, 0x30);
	GUEST_ROW("TPR", 0x30, apic_read(APIC_TASKPRI));
	GUEST_ROW("PPR follows", 0x30, apic_read(APIC_PROCPRI));
	apic_write(APIC_TASKPRI, 0);
	apic_write(APIC_LVTERR, 0x100fe);
	GUEST_ROW("LVT error", 0x100fe, apic_read(APIC_LVTERR));
	apic_write(APIC_TDCR, 0xb);
	GUEST_ROW("divide", 0xb, apic_read(APIC_TDCR));
	apic_write(APIC_LVT1, 0x10400);
	GUEST_ROW("LINT1", 0x10400, apic_read(APIC_LVT1));
	if (mode == APIC_X2)
		return;
	apic_write(APIC_LDR, 0x0200ffff);
	GUEST_ROW("LDR, low bits fixed", 0x02000000, apic_read(APIC_LDR));
	apic_write(APIC_DFR, 0);
	GUEST_ROW("DFR, low bits fixed", 0x0fffffff, apic_read(APIC_DFR));
}

static void guest_x1(void)
{
	guest_bits(APIC_X1);
}

static void guest_x2(void)
{
	guest_bits(APIC_X2);
	GUEST_ROW("x2APIC ID", 0, apic_read(APIC_ID));
	GUEST_ROW("x2APIC LDR", 1, apic_read(APIC_LDR));
}

static void test_bits_x1(void)
{
	run_guest(VM_IRQCHIP, guest_x1);
}

static void test_bits_x2(void)
{
	run_guest(VM_IRQCHIP, guest_x2);
}

static void guest_self_ipi(u64 mode)
{
	apic_enable(mode);
	guest_handlers[V] = irq_count_only;
	apic_icr(0, APIC_DM_FIXED | APIC_DEST_SELF | V);
	GUEST_ROW("IRR while interrupts are off", 1, apic_bit(APIC_IRR, V));
	GUEST_ROW("ISR", 0, apic_bit(APIC_ISR, V));
	irq_window();
	GUEST_ROW("taken", 1, irq_count[V]);
	GUEST_ROW("IRR after", 0, apic_bit(APIC_IRR, V));
	GUEST_ROW("ISR after", 1, apic_bit(APIC_ISR, V));
	GUEST_ROW("PPR in service", V & 0xf0, apic_read(APIC_PROCPRI));
	apic_icr(0, APIC_DM_FIXED | APIC_DEST_SELF | V);
	irq_window();
	GUEST_ROW("same vector waits for EOI", 1, irq_count[V]);
	apic_eoi();
	irq_window();
	GUEST_ROW("taken after EOI", 2, irq_count[V]);
	apic_eoi();
	GUEST_ROW("ISR at the end", 0, apic_bit(APIC_ISR, V));
	GUEST_ROW("TMR, edge", 0, apic_bit(APIC_TMR, V));
	apic_icr(0, APIC_DM_FIXED | V);
	irq_window();
	GUEST_ROW("to our own ID", 3, irq_count[V]);
	apic_eoi();
	if (mode == APIC_X2) {
		wrmsr(MSR_X2APIC(APIC_SELF_IPI), V);
		irq_window();
		GUEST_ROW("SELF IPI register", 4, irq_count[V]);
	}
}

static void run_mode(void *fn, enum apic_mode mode)
{
	struct vm *vm = vm_create(VM_GUEST | VM_IRQCHIP);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, fn);

	vcpu_args(vcpu, mode, 0, 0);
	vcpu_run_done(vcpu);
}

static void test_self_ipi_x1(void)
{
	run_mode(guest_self_ipi, APIC_X1);
}

static void test_self_ipi_x2(void)
{
	run_mode(guest_self_ipi, APIC_X2);
}

static void guest_priority(u64 mode)
{
	apic_enable(mode);
	guest_handlers[V] = irq_count_only;
	guest_handlers[W] = irq_count_only;
	apic_write(APIC_TASKPRI, 0x70);
	apic_icr(0, APIC_DEST_SELF | V);
	apic_icr(0, APIC_DEST_SELF | W);
	irq_window();
	GUEST_ROW("above TPR: taken", 1, irq_count[W]);
	GUEST_ROW("below TPR: held", 0, irq_count[V]);
	apic_write(APIC_TASKPRI, 0);
	irq_window();
	GUEST_ROW("lower class than in service: held", 0, irq_count[V]);
	apic_eoi();
	irq_window();
	GUEST_ROW("after EOI: taken", 1, irq_count[V]);
	apic_icr(0, APIC_DEST_SELF | W);
	irq_window();
	GUEST_ROW("higher class nests", 2, irq_count[W]);
	GUEST_ROW("both in service", 1, apic_bit(APIC_ISR, V) & apic_bit(APIC_ISR, W));
	apic_eoi();
	GUEST_ROW("EOI ends the highest", 0, apic_bit(APIC_ISR, W));
	GUEST_ROW("the lower stays", 1, apic_bit(APIC_ISR, V));
	apic_eoi();
	GUEST_ROW("PPR at the end", 0, apic_read(APIC_PROCPRI));
}

static void test_priority_x1(void)
{
	run_mode(guest_priority, APIC_X1);
}

static void test_priority_x2(void)
{
	run_mode(guest_priority, APIC_X2);
}

static void guest_x2_faults(void)
{
	u64 v;

	GUEST_ROW("x2APIC MSR in xAPIC mode", VEC_GP, rdmsr_safe(MSR_X2APIC(APIC_TASKPRI), &v));
	apic_enable(APIC_X2);
	GUEST_ROW("TPR", NO_FAULT, rdmsr_safe(MSR_X2APIC(APIC_TASKPRI), &v));
	GUEST_ROW("DFR does not exist", VEC_GP, rdmsr_safe(MSR_X2APIC(APIC_DFR), &v));
	GUEST_ROW("ICR2 does not exist", VEC_GP, rdmsr_safe(MSR_X2APIC(APIC_ICR2), &v));
	GUEST_ROW("write of ID", VEC_GP, wrmsr_safe(MSR_X2APIC(APIC_ID), 0));
	GUEST_ROW("write of LDR", VEC_GP, wrmsr_safe(MSR_X2APIC(APIC_LDR), 0));
	GUEST_ROW("read of EOI", VEC_GP, rdmsr_safe(MSR_X2APIC(APIC_EOI), &v));
	GUEST_ROW("read of SELF IPI", VEC_GP, rdmsr_safe(MSR_X2APIC(APIC_SELF_IPI), &v));
	GUEST_ROW("TPR beyond 32 bits", VEC_GP, wrmsr_safe(MSR_X2APIC(APIC_TASKPRI), BIT(32)));
	GUEST_ROW("back to xAPIC directly", VEC_GP,
		  wrmsr_safe(MSR_APIC_BASE, APIC_MMIO | BIT(11) | BIT(8)));
	GUEST_ROW("off", NO_FAULT, wrmsr_safe(MSR_APIC_BASE, APIC_MMIO | BIT(8)));
	GUEST_ROW("x2APIC straight from off", VEC_GP,
		  wrmsr_safe(MSR_APIC_BASE, APIC_MMIO | BIT(8) | BIT(10)));
	GUEST_ROW("on", NO_FAULT, wrmsr_safe(MSR_APIC_BASE, APIC_MMIO | BIT(11) | BIT(8)));
}

static void test_x2_faults(void)
{
	run_guest(VM_IRQCHIP, guest_x2_faults);
}

static void guest_pending(void)
{
	apic_enable(APIC_X1);
	guest_handlers[V] = irq_count_handler;
	apic_icr(0, APIC_DEST_SELF | V);
	GUEST_SYNC(1);
	/* the other VM has run nothing yet */
	apic_touch_tables();
	irq_window();
	GUEST_ROW("taken from the state that was set", 1, irq_count[V]);
}

static void test_state(void)
{
	struct vm *vm = vm_create(VM_GUEST | VM_IRQCHIP), *vm2;
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_pending), *vcpu2;
	struct kvm_lapic_state a, b;
	struct kvm_regs regs;

	vcpu_run_sync(vcpu, 1);
	vcpu_complete(vcpu);
	vcpu_ioctl(vcpu, KVM_GET_LAPIC, &a);
	CHECK_EQ("IRR in the state", 1, (u8)a.regs[APIC_IRR + V / 32 * 16 + V % 32 / 8] >> V % 8 & 1);
	CHECK_EQ("SVR in the state", 0x1ff, *(u32 *)(a.regs + APIC_SPIV));
	vm2 = vm_create(VM_GUEST | VM_IRQCHIP);
	vcpu2 = vcpu_create_guest(vm2, 0, guest_pending);
	memcpy(vm2->mem, vm->mem, VM_MEM_SIZE);
	regs = vcpu_regs(vcpu);
	vcpu_set_regs(vcpu2, &regs);
	vcpu_ioctl(vcpu2, KVM_SET_LAPIC, &a);
	vcpu_ioctl(vcpu2, KVM_GET_LAPIC, &b);
	CHECK_EQ("state reads back", 0, memcmp(&a, &b, sizeof(a)));
	vcpu_run_done(vcpu2);
	vcpu_run_done(vcpu);
}

/* To nobody. Reserved bits stay, the delivery status does not: KVM's xapic_state_test. */
static void guest_icr_reserved(void)
{
	apic_enable(APIC_X1);
	apic_write(APIC_ICR2, 0x77 << 24);
	apic_write(APIC_ICR, 0xfff3f100 | V);
	GUEST_ROW("reserved bits, delivery status", 0xfff3e100 | V, apic_read(APIC_ICR));
}

static void test_icr_reserved(void)
{
	run_guest(VM_GUEST | VM_IRQCHIP, guest_icr_reserved);
}

#define EOI_FLAG	(VM_SCRATCH + 0x1000)

/* As Linux does it: by the flag if it is set, else by the register. */
static void guest_eoi(void)
{
	u8 was;

	asm volatile("lock btrl $0, %0; setc %1" : "+m" (*(u32 *)EOI_FLAG), "=q" (was) : : "cc", "memory");
	if (!was)
		apic_eoi();
}

static void guest_pv_eoi(u64 second)
{
	*(volatile u32 *)EOI_FLAG = 0;
	apic_enable(APIC_X1);
	guest_handlers[V] = irq_count_only;
	guest_handlers[W] = irq_count_only;
	guest_handlers[V + 1] = irq_count_only;
	GUEST_SYNC(1);
	apic_icr(0, APIC_DEST_SELF | V);
	irq_wait(V, 1);
	GUEST_SYNC(2);
	irq_window();
	if (second == W) {
		GUEST_ROW("a higher one is taken", 1, irq_count[W]);
		guest_eoi();
		GUEST_ROW("and ended", 0, apic_bit(APIC_ISR, W));
	}
	guest_eoi();
	GUEST_ROW("the first one is ended", 0, apic_bit(APIC_ISR, V));
	irq_window();
	GUEST_ROW("both were taken", 1, irq_count[second]);
}

/* The flag is set, and its page the parent's and the child's, when the launcher's next interrupt comes. */
static void test_pv_eoi_fork(void)
{
	static const u8 seconds[] = { W, V + 1 };
	struct vcpu *vcpu;
	struct vm *vm;
	unsigned int i;
	pid_t pid;

	REQUIRE(!host_loses_interrupts(), "Bochs with apicv=1");
	for (i = 0; i < ARRAY_SIZE(seconds); i++) {
		vm = vm_create(VM_GUEST | VM_IRQCHIP);
		vcpu = vcpu_create_guest(vm, 0, guest_pv_eoi);
		vcpu_args(vcpu, seconds[i], 0, 0);
		vcpu_run_sync(vcpu, 1);
		vcpu_set_msr(vcpu, MSR_KVM_PV_EOI_EN, EOI_FLAG | 1);
		vcpu_run_sync(vcpu, 2);
		pid = fork();
		ASSERT_GE(pid, 0);
		if (!pid)
			prctl(PR_SET_PDEATHSIG, SIGKILL);
		while (!pid)
			pause();
		vm_signal_msi(vm, 0xfee00000, seconds[i]);
		vcpu_run_done(vcpu);
		ASSERT_EQ(kill(pid, SIGKILL), 0);
		ASSERT_EQ(child_signal(pid), SIGKILL);
	}
}

static const struct test_case cases[] = {
	{ "icr_reserved", test_icr_reserved },
	{ "reset", test_reset },
	{ "bits_xapic", test_bits_x1 },
	{ "bits_x2apic", test_bits_x2 },
	{ "self_ipi_xapic", test_self_ipi_x1 },
	{ "self_ipi_x2apic", test_self_ipi_x2 },
	{ "priority_xapic", test_priority_x1 },
	{ "priority_x2apic", test_priority_x2 },
	{ "x2apic_faults", test_x2_faults },
	{ "state", test_state },
	{ "pv_eoi_fork", test_pv_eoi_fork },
};

TEST_MAIN(cases)
