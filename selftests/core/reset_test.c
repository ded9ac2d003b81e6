// SPDX-License-Identifier: GPL-2.0-only
/*
 * KEEL_MARK_VM and KEEL_RESET_VM: a VM goes back to where it was marked, again and again, with registers, pending interrupts, timers and
 * controllers as they were, also from the midst of something else and while its vCPUs run; the launcher puts memory back by the dirty log.
 */
#include <unistd.h>

#include "apic.h"
#include "mark.h"
#include "thread.h"

#define V		0x71
#define MSR_LSTAR	0xc0000082
#define LSTAR		0xffffffff81234567
#define RUNS		20

/* ---- the same again ---- */

static volatile u64 runs;

static void guest_again(u64 mode)
{
	u64 xmm = 0x3333;

	apic_enable(mode);
	guest_handlers[V] = irq_count_handler;
	wrmsr(MSR_LSTAR, LSTAR);
	asm volatile("movq %0, %%xmm3" : : "r" (xmm));
	apic_icr(0, APIC_DEST_SELF | V);
	apic_write(APIC_TASKPRI, 0x20);
	GUEST_SYNC(1);
	runs++;
	GUEST_ROW("memory", 1, runs);
	asm volatile("movq %%xmm3, %0" : "=r" (xmm));
	GUEST_ROW("XMM3", 0x3333, xmm);
	GUEST_ROW("LSTAR", LSTAR, rdmsr(MSR_LSTAR));
	GUEST_ROW("task priority", 0x20, apic_read(APIC_TASKPRI));
	GUEST_ROW("requested", 1, apic_bit(APIC_IRR, V));
	irq_window();
	irq_window();
	GUEST_ROW("taken once", 1, irq_count[V]);
	/* leave nothing as it was, and the next interrupt in service */
	xmm = 7;
	asm volatile("movq %0, %%xmm3" : : "r" (xmm));
	wrmsr(MSR_LSTAR, 7);
	apic_write(APIC_TASKPRI, 0);
	guest_handlers[V] = irq_count_only;
	apic_icr(0, APIC_DEST_SELF | V);
	irq_window();
	GUEST_ROW("in service", 1, apic_bit(APIC_ISR, V));
	if (mode == APIC_X1)
		apic_enable(APIC_X2);
}

static void run_again(enum apic_mode mode)
{
	struct vm *vm = vm_create_markable(VM_GUEST | VM_IRQCHIP);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_again);
	struct kvm_regs regs, now;
	unsigned int i;

	vcpu_args(vcpu, mode, 0, 0);
	vcpu_run_sync(vcpu, 1);
	regs = vcpu_regs(vcpu);
	vm_mark_all(vm);
	for (i = 0; i < RUNS; i++) {
		/* to its end, and every other time out of the middle of what it does */
		if (i & 1)
			vcpu_run(vcpu);
		else
			vcpu_run_done(vcpu);
		vm_go_back(vm);
		now = vcpu_regs(vcpu);
		CHECK_RET("registers", 0, memcmp(&regs, &now, sizeof(regs)));
	}
	vcpu_run_done(vcpu);
}

static void test_again(void)
{
	run_again(APIC_X1);
	run_again(APIC_X2);
}

/* ---- timers ---- */

static void run_for(u64 ticks)
{
	u64 end = rdtsc() + ticks;

	sti();
	while (rdtsc() < end)
		pause_insn();
	cli();
}

static void guest_deadline(u64 mode, u64 khz)
{
	apic_enable(mode);
	guest_handlers[V] = irq_count_handler;
	apic_write(APIC_LVTT, V | APIC_LVT_TIMER_TSCDEADLINE);
	wrmsr(MSR_TSC_DEADLINE, rdtsc() + 30 * khz);
	GUEST_SYNC(1);
	irq_wait(V, 1);
	run_for(40 * khz);
	GUEST_ROW("the deadline, once", 1, irq_count[V]);
	GUEST_ROW("is over", 0, rdmsr(MSR_TSC_DEADLINE));
}

static void guest_count_down(u64 mode, u64 khz)
{
	apic_enable(mode);
	guest_handlers[V] = irq_count_handler;
	apic_write(APIC_TDCR, 0xb);
	apic_write(APIC_LVTT, V);
	apic_write(APIC_TMICT, 30000000);
	GUEST_SYNC(1);
	irq_wait(V, 1);
	GUEST_ROW("counted down", 0, apic_read(APIC_TMCCT));
	run_for(40 * khz);
	GUEST_ROW("the end of the count, once", 1, irq_count[V]);
	/* another one is under way when the VM goes back */
	apic_write(APIC_TMICT, 10000000);
}

/* Clocks go on: the first time it is waited for, later it is due at once. */
static void run_timer(void (*guest)(u64 mode, u64 khz))
{
	struct vm *vm = vm_create_markable(VM_GUEST | VM_IRQCHIP);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest);
	unsigned int i;

	vcpu_args(vcpu, APIC_X1, vcpu_ioctl(vcpu, KVM_GET_TSC_KHZ, NULL), 0);
	vcpu_run_sync(vcpu, 1);
	vm_mark_all(vm);
	for (i = 0; i < 5; i++) {
		vcpu_run_done(vcpu);
		vm_go_back(vm);
	}
	vcpu_run_done(vcpu);
}

static void test_timer(void)
{
	run_timer(guest_deadline);
	run_timer(guest_count_down);
}

/* ---- a VM that runs ---- */

static volatile u64 count, stop, starts;

static void guest_count(void)
{
	u64 n = 0;

	GUEST_SYNC(1);
	starts++;
	while (!stop) {
		n++;
		count = n;
	}
	GUEST_ROW("memory and register agree", n, count);
}

static void test_running(void)
{
	struct vm *vm = vm_create_markable(VM_GUEST | VM_IRQCHIP);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_count);
	unsigned int i;
	pthread_t t;

	vcpu_let_host_in(vcpu);
	vcpu_run_sync(vcpu, 1);
	vm_mark_all(vm);
	t = vcpu_thread(vcpu);
	for (i = 0; i < 5; i++) {
		expect_progress("the guest goes on", GUEST_VAR(vm, count), 100000);
		vm_reset(vm);
		/* memory stays, so it tells how often the guest has come from the mark */
		while (*GUEST_VAR(vm, starts) < i + 2)
			usleep(100);
		CHECK_EQ("times it came from the mark", i + 2, *GUEST_VAR(vm, starts));
	}
	*GUEST_VAR(vm, stop) = 1;
	host_join(t);
}

/* A vCPU that sleeps in the kernel comes back as well, and sleeps again. */
static void guest_sleep(void)
{
	GUEST_SYNC(1);
	starts++;
	if (!stop)
		asm volatile("cli; hlt");
	GUEST_ROW("told to end", 1, stop);
}

static void test_asleep(void)
{
	struct vm *vm = vm_create_markable(VM_GUEST | VM_IRQCHIP);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_sleep);
	unsigned int i;
	pthread_t t;

	vcpu_let_host_in(vcpu);
	vcpu_run_sync(vcpu, 1);
	vm_mark_all(vm);
	t = vcpu_thread(vcpu);
	for (i = 0; i < 5; i++) {
		while (*GUEST_VAR(vm, starts) < i + 1)
			usleep(100);
		usleep(1000);
		vm_reset(vm);
	}
	while (*GUEST_VAR(vm, starts) < i + 1)
		usleep(100);
	*GUEST_VAR(vm, stop) = 1;
	vm_reset(vm);
	host_join(t);
}

/* ---- all that can be asked for ---- */

#define LINE		20	/* of the I/O APIC, level-triggered */
#define LEVEL		0x81
#define STATE_SIZE	4096
#define STATE(cmd, size)	{ #cmd, cmd, size }

static const struct state_row {
	const char *name;
	unsigned long cmd;
	size_t size;
} vcpu_states[] = {
	STATE(KVM_GET_REGS, sizeof(struct kvm_regs)),
	STATE(KVM_GET_SREGS, sizeof(struct kvm_sregs)),
	STATE(KVM_GET_XSAVE, 4096),
	STATE(KVM_GET_XCRS, sizeof(struct kvm_xcrs)),
	STATE(KVM_GET_DEBUGREGS, sizeof(struct kvm_debugregs)),
	STATE(KVM_GET_VCPU_EVENTS, sizeof(struct kvm_vcpu_events)),
	STATE(KVM_GET_MP_STATE, sizeof(struct kvm_mp_state)),
	STATE(KVM_GET_LAPIC, sizeof(struct kvm_lapic_state)),
};

struct snapshot {
	u8 vcpu[2][ARRAY_SIZE(vcpu_states)][STATE_SIZE];
	struct kvm_irqchip chip[3];
	struct kvm_pit_state2 pit;
};

static struct snapshot before, after;

static void take(struct snapshot *s, struct vm *vm, struct vcpu *const *vcpus)
{
	unsigned int i, j;

	memset(s, 0, sizeof(*s));
	for (i = 0; i < 2; i++)
		for (j = 0; j < ARRAY_SIZE(vcpu_states); j++)
			vcpu_ioctl(vcpus[i], vcpu_states[j].cmd, s->vcpu[i][j]);
	for (i = 0; i < ARRAY_SIZE(s->chip); i++) {
		s->chip[i].chip_id = i;
		vm_ioctl(vm, KVM_GET_IRQCHIP, &s->chip[i]);
	}
	vm_ioctl(vm, KVM_GET_PIT2, &s->pit);
	/* of a count that stands it is told from now on back */
	for (i = 0; i < ARRAY_SIZE(s->pit.channels); i++)
		s->pit.channels[i].count_load_time = 0;
}

/* Where two pieces of memory begin to differ, -1 for nowhere. */
static s64 differs(const void *a, const void *b, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (((const u8 *)a)[i] != ((const u8 *)b)[i])
			return i;
	return -1;
}

static void compare(void)
{
	unsigned int i, j;

	for (i = 0; i < 2; i++)
		for (j = 0; j < ARRAY_SIZE(vcpu_states); j++)
			CHECK_RET(vcpu_states[j].name, -1, differs(before.vcpu[i][j], after.vcpu[i][j], vcpu_states[j].size));
	for (i = 0; i < ARRAY_SIZE(before.chip); i++)
		CHECK_RET("KVM_GET_IRQCHIP", -1, differs(&before.chip[i], &after.chip[i], sizeof(before.chip[i])));
	CHECK_RET("KVM_GET_PIT2", -1, differs(&before.pit, &after.pit, sizeof(before.pit)));
}

/* A level-triggered interrupt in service, with another one behind it, at the mark; then all is made different. */
static void guest_everything(void)
{
	apic_enable(APIC_X1);
	guest_handlers[LEVEL] = irq_count_only;
	ioapic_route(LINE, LEVEL | IOAPIC_LEVEL);
	outb(0x40 + 3, 0x32);	/* nothing starts it, so that it stands */
	outb(0x40, 0x10);
	outb(0x40, 0x27);
	GUEST_SYNC(1);
	irq_window();
	GUEST_ROW("in service", 1, apic_bit(APIC_ISR, LEVEL));
	GUEST_SYNC(2);
	GUEST_ROW("still in service", 1, apic_bit(APIC_ISR, LEVEL));
	apic_write(APIC_EOI, 0);
	ioapic_route(LINE, IOAPIC_MASKED);
	ioapic_route(LINE + 1, 0x45 | IOAPIC_LOGICAL);
	outb(0x40 + 3, 0x30);
	outb(0x40, 1);
	outb(0x40, 1);
	outb(0x21, 0xa5);
	apic_write(APIC_LVT0, 0x10000);
	apic_write(APIC_TASKPRI, 0x50);
	asm volatile("mov %0, %%dr3" : : "r" (0x4711ul));
	apic_icr(1, APIC_DM_INIT | APIC_INT_ASSERT);
	GUEST_SYNC(3);
}

static void test_everything(void)
{
	struct vm *vm = vm_create_markable(VM_GUEST | VM_PIT);
	struct vcpu *vcpus[2] = { vcpu_create_guest(vm, 0, guest_everything), vcpu_create(vm, 1) };
	struct kvm_irq_level line = { .irq = LINE, .level = 1 };
	struct kvm_mp_state halted = { .mp_state = KVM_MP_STATE_HALTED };
	unsigned int i;

	vcpu_ioctl(vcpus[1], KVM_SET_MP_STATE, &halted);
	vcpu_run_sync(vcpus[0], 1);
	vm_ioctl(vm, KVM_IRQ_LINE, &line);
	vcpu_run_sync(vcpus[0], 2);
	vm_mark_all(vm);
	take(&before, vm, vcpus);
	for (i = 0; i < 3; i++) {
		vcpu_run_sync(vcpus[0], 3);
		line.level = 0;
		vm_ioctl(vm, KVM_IRQ_LINE, &line);
		vm_go_back(vm);
		take(&after, vm, vcpus);
		compare();
	}
}

static const struct test_case cases[] = {
	{ "again", test_again },
	{ "timer", test_timer },
	{ "running", test_running },
	{ "asleep", test_asleep },
	{ "everything", test_everything },
};

TEST_MAIN(cases)
