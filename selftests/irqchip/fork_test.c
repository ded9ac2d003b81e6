// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interrupts and time over KEEL_FORK_VM: what is pending, in service or held back is delivered once in the parent and once in the child,
 * a line that is high is high in both, a timer of any kind expires in both at its time and as often as it should, IPIs find the
 * child's vCPUs, one that sleeps in HLT is woken in each, the clocks of both are the same, and an 8254 that is set during the fork
 * ticks in the child.
 */
#include <sys/mman.h>
#include <unistd.h>
#include <uapi/linux/keel.h>

#include "apic.h"
#include "fork.h"
#include "thread.h"

#define V		0x71
#define LOWER		0x51
#define PIC_BASE	0x30
#define PIN		5

/* ---- pending interrupts ---- */

static void once(const char *name, u8 vector)
{
	irq_window();
	irq_window();
	GUEST_ROW(name, 1, irq_count[vector]);
}

static void guest_requested(u64 mode)
{
	apic_enable(mode);
	guest_handlers[V] = irq_count_handler;
	apic_icr(0, APIC_DEST_SELF | V);
	GUEST_SYNC(1);
	GUEST_ROW("requested", 1, apic_bit(APIC_IRR, V));
	once("taken after the fork", V);
}

static void guest_in_service(u64 mode)
{
	apic_enable(mode);
	guest_handlers[V] = irq_count_only;
	guest_handlers[LOWER] = irq_count_handler;
	apic_icr(0, APIC_DEST_SELF | V);
	irq_window();
	apic_icr(0, APIC_DEST_SELF | LOWER);
	GUEST_SYNC(1);
	GUEST_ROW("in service", 1, apic_bit(APIC_ISR, V));
	irq_window();
	GUEST_ROW("a lower one waits", 0, irq_count[LOWER]);
	apic_eoi();
	once("and is taken", LOWER);
	GUEST_ROW("the first one not again", 1, irq_count[V]);
}

static void guest_priority(u64 mode)
{
	apic_enable(mode);
	guest_handlers[V] = irq_count_handler;
	apic_write(APIC_TASKPRI, 0x80);
	apic_icr(0, APIC_DEST_SELF | V);
	sti_nop();
	GUEST_SYNC(1);
	GUEST_ROW("held back by the task priority", 0, irq_count[V]);
	GUEST_ROW("task priority", 0x80, apic_read(APIC_TASKPRI));
	apic_write(APIC_TASKPRI, 0);
	once("taken below it", V);
}

static void guest_nmi(u64 mode)
{
	apic_enable(mode);
	guest_handlers[VEC_NMI] = irq_count_only;
	GUEST_SYNC(1);
	once("NMI", VEC_NMI);
}

static void on_level(struct guest_regs *regs)
{
	irq_count_only(regs);
	ioapic_write(0x10 + 2 * PIN, V | IOAPIC_LEVEL | IOAPIC_MASKED);
	apic_eoi();
}

/* The line stays high: each time the pin is unmasked it comes again. */
static void guest_level(u64 mode)
{
	apic_enable(mode);
	/* it has the line as well */
	pic_init(PIC_BASE);
	guest_handlers[V] = on_level;
	ioapic_route(PIN, V | IOAPIC_LEVEL);
	GUEST_SYNC(1);
	GUEST_ROW("remote IRR", 1, !!(ioapic_entry(PIN) & IOAPIC_REMOTE_IRR));
	once("level", V);
	ioapic_route(PIN, V | IOAPIC_LEVEL);
	irq_window();
	GUEST_ROW("the line is still high", 2, irq_count[V]);
}

static void on_pic(struct guest_regs *regs)
{
	irq_count_only(regs);
	outb(PIC1, 0x20);
}

static void guest_pic(u64 mode)
{
	apic_enable(mode);
	apic_write(APIC_LVT0, 0x700);
	pic_init(PIC_BASE);
	guest_handlers[PIC_BASE + PIN] = on_pic;
	pic_mask(0xffff & ~BIT(PIN));
	GUEST_SYNC(1);
	GUEST_ROW("8259's request", BIT(PIN), pic_irr(PIC1) & BIT(PIN));
	once("8259", PIC_BASE + PIN);
}

static void raise_line(struct vm *vm, struct vcpu *vcpu)
{
	vm_irq_line(vm, PIN, 1);
}

static void send_nmi(struct vm *vm, struct vcpu *vcpu)
{
	vcpu_ioctl(vcpu, KVM_NMI, NULL);
}

struct fork_case {
	const char *name;
	void *guest;
	void (*host)(struct vm *vm, struct vcpu *vcpu);	/* between the guest's SYNC and the fork */
};

/* The guest runs to its SYNC, and from there to its end both in the child, first, and in the parent. */
static void run_case(const struct fork_case *c, enum apic_mode mode, unsigned int flags)
{
	struct vm *vm = vm_create_forkable(flags);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, c->guest);

	test_note("%s, %s", c->name, mode == APIC_X2 ? "x2APIC" : "xAPIC");
	vcpu_args(vcpu, mode, vcpu_ioctl(vcpu, KVM_GET_TSC_KHZ, NULL), 0);
	vcpu_run_sync(vcpu, 1);
	if (c->host)
		c->host(vm, vcpu);
	fork_join("child", vm_fork_child(vm, NULL, 1));
	vcpu_run_done(vcpu);
	vm_destroy(vm);
}

static void run_cases(const struct fork_case *c, unsigned int n, unsigned int flags)
{
	for (; n; n--, c++) {
		run_case(c, APIC_X1, flags);
		run_case(c, APIC_X2, flags);
	}
}

static void test_pending(void)
{
	static const struct fork_case cases[] = {
		{ "requested", guest_requested },
		{ "in service", guest_in_service },
		{ "task priority", guest_priority },
		{ "NMI", guest_nmi, send_nmi },
		{ "I/O APIC, level", guest_level, raise_line },
		{ "8259", guest_pic, raise_line },
	};

	run_cases(cases, ARRAY_SIZE(cases), VM_GUEST | VM_IRQCHIP);
}

static void guest_split(u64 mode)
{
	apic_enable(mode);
	guest_handlers[V] = irq_count_handler;
	GUEST_SYNC(1);
	once("an MSI by a copied route", V);
}

static struct vm *split;

static void msi_by_route(struct vm *forked)
{
	struct vcpu *vcpu = vcpu_create(forked, 0);

	vm_irq_line(forked, 30, 1);
	vcpu_run_done(vcpu);
}

static void test_routes(void)
{
	struct vcpu *vcpu;

	split = vm_create_forkable(VM_GUEST | VM_SPLIT);
	vm_route_msi(split, 30, APIC_MMIO, V);
	vcpu = vcpu_create_guest(split, 0, guest_split);
	vcpu_run_sync(vcpu, 1);
	fork_join("child", vm_fork_child(split, msi_by_route, 0));
	vm_irq_line(split, 30, 1);
	vcpu_run_done(vcpu);
}

/* ---- timers ---- */

#define MS	30

static void wait_ms(u64 khz, u64 ms)
{
	u64 end = rdtsc() + ms * khz;

	sti();
	while (rdtsc() < end)
		pause_insn();
	cli();
}

static void timer_once(u64 khz, u64 t0)
{
	irq_wait(V, 1);
	/* an hrtimer may be early by as little as two clocks differ */
	GUEST_ROW("not before its time", 1, rdtsc() >= t0 + (MS - 1) * khz);
	wait_ms(khz, 3 * MS);
	GUEST_ROW("once", 1, irq_count[V]);
}

static void guest_oneshot(u64 mode, u64 khz)
{
	u64 t0;

	apic_enable(mode);
	guest_handlers[V] = irq_count_handler;
	apic_write(APIC_TDCR, 0xb);
	apic_write(APIC_LVTT, V);
	t0 = rdtsc();
	apic_write(APIC_TMICT, MS * 1000000);
	GUEST_SYNC(1);
	timer_once(khz, t0);
}

static void guest_deadline(u64 mode, u64 khz)
{
	u64 t0;

	apic_enable(mode);
	guest_handlers[V] = irq_count_handler;
	apic_write(APIC_LVTT, V | APIC_LVT_TIMER_TSCDEADLINE);
	t0 = rdtsc();
	wrmsr(MSR_TSC_DEADLINE, t0 + MS * khz);
	GUEST_SYNC(1);
	timer_once(khz, t0);
	GUEST_ROW("deadline cleared", 0, rdmsr(MSR_TSC_DEADLINE));
}

static void guest_asleep(u64 mode, u64 khz)
{
	apic_enable(mode);
	guest_handlers[V] = irq_count_handler;
	apic_write(APIC_LVTT, V | APIC_LVT_TIMER_TSCDEADLINE);
	wrmsr(MSR_TSC_DEADLINE, rdtsc() + MS * khz);
	GUEST_SYNC(1);
	/* TCG forgets an STI's shadow at an exit: an interrupt that waits may come before the HLT (Documentation/differences.rst) */
	if (apic_bit(APIC_IRR, V))
		irq_window();
	else
		sti_hlt();
	cli();
	once("woken", V);
}

static void guest_periodic(u64 mode, u64 khz)
{
	apic_enable(mode);
	guest_handlers[V] = irq_count_handler;
	apic_write(APIC_TDCR, 0xb);
	apic_write(APIC_LVTT, V | APIC_LVT_TIMER_PERIODIC);
	apic_write(APIC_TMICT, 5000000);
	GUEST_SYNC(1);
	irq_wait(V, 4);
	apic_write(APIC_TMICT, 0);
	irq_window();
	irq_count[V] = 0;
	wait_ms(khz, 15);
	GUEST_ROW("stopped", 0, irq_count[V]);
}

static void pit_program(u8 mode, u16 ticks)
{
	outb(0x43, 0x30 | mode << 1);
	outb(0x40, ticks);
	outb(0x40, ticks >> 8);
}

static void pit_begin(u64 mode)
{
	apic_enable(mode);
	apic_write(APIC_LVT0, 0x700);
	pic_init(PIC_BASE);
	guest_handlers[PIC_BASE] = on_pic;
	pic_mask(0xffff & ~BIT(0));
}

static void guest_pit_once(u64 mode, u64 khz)
{
	pit_begin(mode);
	pit_program(0, 36000);		/* 30 ms */
	GUEST_SYNC(1);
	irq_wait(PIC_BASE, 1);
	wait_ms(khz, 2 * MS);
	GUEST_ROW("8254, once", 1, irq_count[PIC_BASE]);
}

static void guest_pit(u64 mode, u64 khz)
{
	u8 status;

	pit_begin(mode);
	pit_program(2, 11932);		/* 100 Hz */
	GUEST_SYNC(1);
	irq_wait(PIC_BASE, 3);
	outb(0x43, 0xe2);
	status = inb(0x40);
	GUEST_ROW("8254, mode 2", 0x34, status & 0x3f);
	pit_program(0, 0);
}

static void sleep_until_due(struct vm *vm, struct vcpu *vcpu)
{
	host_sleep_ms(2 * MS);
}

static void test_timers(void)
{
	static const struct fork_case cases[] = {
		{ "one shot", guest_oneshot },
		{ "one shot, due at the fork", guest_oneshot, sleep_until_due },
		{ "deadline", guest_deadline },
		{ "deadline, due at the fork", guest_deadline, sleep_until_due },
		{ "deadline, HLT", guest_asleep },
		{ "periodic", guest_periodic },
		{ "8254, once", guest_pit_once },
		{ "8254, once, due at the fork", guest_pit_once, sleep_until_due },
		{ "8254, periodic", guest_pit },
	};

	run_cases(cases, ARRAY_SIZE(cases), VM_GUEST | VM_PIT);
}

/* ---- an 8254 that the launcher sets again and again meanwhile ---- */

#define RESTARTS	192

static struct vm *restarted;
static volatile int restarts_over;

/* Each time it is 55 ms to the first tick, so that none ever comes. */
static void *restart(void *unused)
{
	struct kvm_pit_state2 state = { .channels[0] = { .count = 0x10000, .mode = 2, .rw_mode = 3, .gate = 1 } };

	while (!restarts_over)
		vm_ioctl(restarted, KVM_SET_PIT2, &state);
	return NULL;
}

static unsigned int ticked(int fd)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_PIC_MASTER };

	ASSERT_EQ(__fd_ioctl(fd, KVM_GET_IRQCHIP, &chip), 0);
	return chip.chip.pic.irr & 1;
}

static void fork_restarted(struct vm *forked)
{
	int fd[RESTARTS];
	unsigned int i, n = 0;

	for (i = 0; i < RESTARTS; i++) {
		fd[i] = __vm_fork(restarted);
		ASSERT(fd[i] >= 0, "KEEL_FORK_VM: %s", strerror(-fd[i]));
	}
	host_sleep_ms(200);
	for (i = 0; i < RESTARTS; i++)
		n += ticked(fd[i]);
	CHECK_EQ("8254s that tick", RESTARTS, n);
}

static void test_restarted(void)
{
	pthread_t thread;

	restarted = vm_create_forkable(VM_PIT);
	thread = host_thread(restart, NULL);
	host_sleep_ms(20);
	fork_join("8254 set meanwhile", vm_fork_child(restarted, fork_restarted, 0));
	restarts_over = 1;
	host_join(thread);
}

/* ---- two vCPUs ---- */

static volatile u64 up, acked;

/* Sleeps between interrupts, and for good. */
static void guest_sleeper(u64 mode)
{
	apic_enable(mode);
	guest_handlers[V] = irq_count_handler;
	up = 1;
	for (;;) {
		sti_hlt();
		cli();
		acked = irq_count[V];
		if (acked == 3)
			GUEST_DONE();
	}
}

static void guest_sender(u64 mode)
{
	u64 i;

	apic_enable(mode);
	while (!up)
		pause_insn();
	apic_icr(1, V);
	while (acked != 1)
		pause_insn();
	GUEST_SYNC(1);
	for (i = 2; i <= 3; i++) {
		apic_icr(1, V);
		while (acked != i)
			pause_insn();
	}
	GUEST_ROW("IPIs", 3, acked);
}

static void both(struct vm *forked)
{
	struct vcpu *first = vcpu_create(forked, 0);
	pthread_t t = vcpu_thread(vcpu_create(forked, 1));

	vcpu_run_done(first);
	host_join(t);
}

static void run_two(enum apic_mode mode)
{
	struct vm *vm = vm_create_forkable(VM_GUEST | VM_IRQCHIP);
	struct vcpu *first = vcpu_create_guest(vm, 0, guest_sender), *second = vcpu_create_guest(vm, 1, guest_sleeper);
	pthread_t t;

	vcpu_args(first, mode, 0, 0);
	vcpu_args(second, mode, 0, 0);
	vcpu_ioctl(second, KVM_SET_MP_STATE, &(struct kvm_mp_state){ KVM_MP_STATE_RUNNABLE });
	vcpu_let_host_in(first);
	t = vcpu_thread(second);
	vcpu_run_sync(first, 1);
	/* it is in HLT by now, or on its way: in either case it has nothing more to write */
	host_sleep_ms(20);
	fork_join("child", vm_fork_child(vm, both, 0));
	fork_join("another child", vm_fork_child(vm, both, 0));
	vcpu_run_done(first);
	host_join(t);
}

static void test_two(void)
{
	run_two(APIC_X1);
	run_two(APIC_X2);
}

/* ---- clocks ---- */

#define MSR_TSC	0x10

static struct moment {
	u64 tsc, ns, khz;
} *childs;

static struct moment now(struct vcpu *vcpu)
{
	struct kvm_clock_data clock;
	struct moment m = { .tsc = vcpu_msr(vcpu, MSR_TSC), .khz = vcpu_ioctl(vcpu, KVM_GET_TSC_KHZ, NULL) };

	vm_ioctl(vcpu->vm, KVM_GET_CLOCK, &clock);
	m.ns = clock.clock;
	return m;
}

static void clock_child(struct vm *forked)
{
	*childs = now(vcpu_create(forked, 0));
}

static void guest_clock(void)
{
	GUEST_SYNC(1);
}

/* What a VM's clocks say lies between what the parent's say before and afterwards, though they had been set elsewhere. */
static void test_clocks(void)
{
	struct vm *vm = vm_create_forkable(VM_GUEST | VM_IRQCHIP);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_clock);
	struct kvm_clock_data clock = { .clock = 1234567890123456 };
	struct moment first, last;

	childs = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT(childs != MAP_FAILED, "mmap: %s", strerror(errno));
	vcpu_set_msr(vcpu, MSR_TSC, 0x123456789abcdef);
	vm_ioctl(vm, KVM_SET_CLOCK, &clock);
	vcpu_run_sync(vcpu, 1);
	first = now(vcpu);
	fork_join("child", vm_fork_child(vm, clock_child, 0));
	last = now(vcpu);
	CHECK_EQ("TSC not behind the parent's", 1, first.tsc <= childs->tsc);
	CHECK_EQ("nor before it", 1, childs->tsc <= last.tsc);
	CHECK_EQ("kvmclock not behind the parent's", 1, first.ns <= childs->ns);
	CHECK_EQ("nor before it", 1, childs->ns <= last.ns);
	CHECK_EQ("frequency", first.khz, childs->khz);
}

static const struct test_case cases[] = {
	{ "pending", test_pending },
	{ "routes", test_routes },
	{ "timers", test_timers },
	{ "restarted", test_restarted },
	{ "two_vcpus", test_two },
	{ "clocks", test_clocks },
};

TEST_MAIN(cases)
