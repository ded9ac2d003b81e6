// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interrupts between two vCPUs: by physical ID, logical (flat), broadcast with
 * and without self, NMI, ping-pong through HLT, in xAPIC and x2APIC mode.
 */
#include "apic.h"
#include "thread.h"

#define PING	0x41
#define PONG	0x51
#define ROUNDS	200

static volatile u32 ready, nmis;

static void wait_for(volatile u32 *word, u32 value)
{
	u32 i;

	for (i = 0; i < 20000000 && *word != value; i++)
		pause_insn();
	GUEST_EQ(*word, value);
}

static void on_nmi(struct guest_regs *regs)
{
	nmis++;
}

static void setup(u64 mode)
{
	apic_enable(mode);
	guest_handlers[PING] = irq_count_handler;
	guest_handlers[PONG] = irq_count_handler;
	guest_handlers[VEC_NMI] = on_nmi;
}

/* vCPU 1: take interrupts until told to stop. */
static void guest_target(u64 mode)
{
	setup(mode);
	if (mode == APIC_X1)
		apic_write(APIC_LDR, 2 << 24);
	ready = 1;
	sti();
	while (ready)
		pause_insn();
}

static void send(u32 dest, u32 icr, u32 wanted)
{
	apic_icr(dest, icr);
	wait_for(&irq_count[PING], wanted);
}

static void guest_source(u64 mode)
{
	setup(mode);
	if (mode == APIC_X1)
		apic_write(APIC_LDR, 1 << 24);
	wait_for(&ready, 1);
	send(1, APIC_DM_FIXED | PING, 1);
	send(2, APIC_DEST_LOGICAL | PING, 2);
	send(0, APIC_DEST_ALLBUT | PING, 3);
	send(2, APIC_DEST_LOGICAL | APIC_DM_LOWEST | PING, 4);
	apic_icr(1, APIC_DM_NMI);
	wait_for(&nmis, 1);
	apic_icr(0, APIC_DEST_ALLINC | PONG);
	sti();
	wait_for(&irq_count[PONG], 2);
	cli();
	apic_icr(7, APIC_DM_FIXED | PING);
	GUEST_ROW("to an ID nobody has: nothing happens", 4, irq_count[PING]);
	ready = 0;
}

static u64 spin;	/* wait without HLT; set by the host before the guest runs */

static void run_two(void *fn0, void *fn1, enum apic_mode mode)
{
	struct vm *vm = vm_create(VM_GUEST | VM_IRQCHIP);
	struct vcpu *v0 = vcpu_create_guest(vm, 0, fn0), *v1 = vcpu_create_guest(vm, 1, fn1);
	pthread_t t;

	*GUEST_VAR(vm, spin) = host_is_tcg();
	vcpu_args(v0, mode, 0, 0);
	vcpu_args(v1, mode, 0, 0);
	vcpu_let_host_in(v0);
	vcpu_let_host_in(v1);
	t = vcpu_thread(v1);
	vcpu_run_done(v0);
	host_join(t);
}

static void test_kinds_x1(void) { run_two(guest_source, guest_target, APIC_X1); }
static void test_kinds_x2(void) { run_two(guest_source, guest_target, APIC_X2); }

/* Each side halts until the other's interrupt comes. */
static void bounce(u64 mode, u8 mine, u8 other, u32 dest, int first)
{
	u32 i;

	setup(mode);
	__atomic_add_fetch(&ready, 1, __ATOMIC_SEQ_CST);
	wait_for(&ready, 2);
	for (i = 1; i <= ROUNDS; i++) {
		if (first)
			apic_icr(dest, other);
		cli();
		while (irq_count[mine] < i) {
			/* TCG's VMRUN drops the shadow of an STI: an interrupt before the HLT would then be slept through */
			if (spin)
				asm volatile("sti; pause; cli" : : : "memory");
			else
				sti_hlt();
			cli();
		}
		if (!first)
			apic_icr(dest, other);
	}
	GUEST_EQ(irq_count[mine], ROUNDS);
}

static void guest_ping(u64 mode) { bounce(mode, PONG, PING, 1, 1); }
static void guest_pong(u64 mode) { bounce(mode, PING, PONG, 0, 0); }

static void test_bounce_x1(void) { run_two(guest_ping, guest_pong, APIC_X1); }
static void test_bounce_x2(void) { run_two(guest_ping, guest_pong, APIC_X2); }

static const struct test_case cases[] = {
	{ "kinds_xapic", test_kinds_x1 },
	{ "kinds_x2apic", test_kinds_x2 },
	{ "bounce_xapic", test_bounce_x1 },
	{ "bounce_x2apic", test_bounce_x2 },
};

TEST_MAIN(cases)
