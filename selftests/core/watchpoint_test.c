// SPDX-License-Identifier: GPL-2.0-only
/*
 * Data and I/O breakpoints go off behind the instruction that meets them where the module executes it: device accesses, string I/O
 * from and to watched memory, IN and OUT. DR6 tells which. So do the launcher's.
 *
 * Right: SDM vol. 3, "Breakpoint Field Recognition", "Data Memory Breakpoint", "I/O Breakpoint Exception Conditions".
 */
#include "guest.h"

#define DEVICE		VM_MMIO
#define PORT		0x1234
#define R(kind, len)	((kind) | (len) << 2)
#define WRITE		1
#define IO		2
#define ACCESS		3
#define LEN1		0
#define LEN2		1
#define LEN4		3
#define LEN8		2

static volatile u64 traps, first_dr6, trap_dr6, trap_rip;
static u64 ram[2] __attribute__((aligned(16)));

static void on_db(struct guest_regs *regs)
{
	asm volatile("mov %%dr6, %0" : "=r" (trap_dr6));
	trap_rip = regs->rip;
	if (!traps++)
		first_dr6 = trap_dr6;
	asm volatile("mov %0, %%dr6" : : "r" (0xffff0ff0UL));
}

/* What executes, with RAX = 1, RCX = 3, RDX = PORT, RSI = @si, RDI = @di. */
enum what {
	STORE, LOAD, ADD, LOCK_ADD, CMPXCHG, XMM_STORE, MOVS, INS, OUTS, REP_INS, REP_OUTS, REP_STOS,
	IN, OUT, OUTL, IN_IMM,
};

static void execute(enum what what, u64 si, u64 di, u64 *next)
{
	u64 a = 1, c = 3;

#define DO(name, insn)											\
	case name:											\
		asm volatile("lea 1f(%%rip), %[next]\n\t" insn "\n1:"					\
			     : "+a" (a), "+c" (c), "+S" (si), "+D" (di), [next] "=&r" (*next)		\
			     : "d" (PORT) : "memory", "cc");					\
		break
	switch (what) {
	DO(STORE, "movl %%eax, (%%rdi)");
	DO(LOAD, "movl (%%rsi), %%esi");
	DO(ADD, "addl %%eax, (%%rdi)");
	DO(LOCK_ADD, "lock addl %%eax, (%%rdi)");
	DO(CMPXCHG, "lock cmpxchg %%ecx, (%%rdi)");
	DO(XMM_STORE, "movups %%xmm0, (%%rdi)");
	DO(MOVS, "movsl");
	DO(INS, "insl");
	DO(OUTS, "outsl");
	DO(REP_INS, "rep insl");
	DO(REP_OUTS, "rep outsl");
	DO(REP_STOS, "rep stosl");
	DO(IN, "inb %%dx, %%al");
	DO(OUT, "outb %%al, %%dx");
	DO(OUTL, "outl %%eax, %%dx");
	DO(IN_IMM, "inb $0x80, %%al");
	}
#undef DO
}

static const struct row {
	const char *name;
	enum what what;
	u64 at, kind;		/* breakpoint 0, or the one of @nr */
	u64 si, di;
	u64 nr;
	u64 traps;
	u64 left;		/* iterations before the end at which the only trap comes: the handler's RIP is the instruction's */
	u64 cr4;
} rows[] = {
	{ "device, store", STORE, DEVICE + 8, R(WRITE, LEN4), 0, DEVICE + 8, 0, 1 },
	{ "device, store; breakpoint 3", STORE, DEVICE + 8, R(WRITE, LEN4), 0, DEVICE + 8, 3, 1 },
	{ "device, load", LOAD, DEVICE + 8, R(ACCESS, LEN4), DEVICE + 8, 0, 1, 1 },
	{ "device, load; waits for writes", LOAD, DEVICE + 8, R(WRITE, LEN4), DEVICE + 8, 0, 0, 0 },
	{ "device, store; its last byte", STORE, DEVICE + 11, R(WRITE, LEN1), 0, DEVICE + 8, 0, 1 },
	{ "device, store; the byte behind", STORE, DEVICE + 12, R(WRITE, LEN1), 0, DEVICE + 8, 0, 0 },
	{ "device, store; the byte before", STORE, DEVICE + 7, R(WRITE, LEN1), 0, DEVICE + 8, 0, 0 },
	{ "device, store; in the eight bytes", STORE, DEVICE + 8, R(WRITE, LEN8), 0, DEVICE + 12, 0, 1 },
	{ "device, store; LEN aligns the address", STORE, DEVICE + 15, R(WRITE, LEN8), 0, DEVICE + 8, 0, 1 },
	{ "device, store; two bytes, not four", STORE, DEVICE + 4, R(WRITE, LEN2), 0, DEVICE + 6, 0, 0 },
	{ "device, store; waits for a port of that number", STORE, DEVICE + 8, R(IO, LEN4), 0, DEVICE + 8, 0, 0 },
	{ "device, ADD; one trap for both accesses", ADD, DEVICE + 8, R(ACCESS, LEN4), 0, DEVICE + 8, 0, 1 },
	{ "device, LOCK ADD", LOCK_ADD, DEVICE + 8, R(WRITE, LEN4), 0, DEVICE + 8, 0, 1 },
	{ "device, CMPXCHG", CMPXCHG, DEVICE + 8, R(WRITE, LEN4), 0, DEVICE + 8, 0, 1 },
	{ "device, second half of 16 bytes", XMM_STORE, DEVICE + 24, R(WRITE, LEN8), 0, DEVICE + 16, 0, 1 },
	{ "device to RAM, MOVS; the destination", MOVS, (u64)ram, R(WRITE, LEN4), DEVICE, (u64)ram, 0, 1 },
	{ "device to RAM, MOVS; the source", MOVS, DEVICE, R(ACCESS, LEN4), DEVICE, (u64)ram, 0, 1 },
	{ "RAM, INS", INS, (u64)ram, R(WRITE, LEN4), 0, (u64)ram, 0, 1 },
	{ "RAM, OUTS", OUTS, (u64)ram, R(ACCESS, LEN4), (u64)ram, 0, 0, 1 },
	{ "RAM, REP INS; the second of three", REP_INS, (u64)ram + 4, R(WRITE, LEN4), 0, (u64)ram, 0, 1, 1 },
	{ "RAM, REP OUTS; the second of three", REP_OUTS, (u64)ram + 4, R(ACCESS, LEN4), (u64)ram, 0, 0, 1, 1 },
	{ "device, REP STOS; the last of three", REP_STOS, DEVICE + 8, R(WRITE, LEN4), 0, DEVICE, 0, 1 },
	{ "port, REP OUTS; each of three", REP_OUTS, PORT, R(IO, LEN1), (u64)ram, 0, 0, 3, 0, BIT(3) },
	{ "port, REP INS; each of three", REP_INS, PORT, R(IO, LEN1), 0, (u64)ram, 0, 3, 0, BIT(3) },
	{ "port, OUT", OUT, PORT, R(IO, LEN1), 0, 0, 0, 1, 0, BIT(3) },
	{ "port, IN", IN, PORT, R(IO, LEN1), 0, 0, 2, 1, 0, BIT(3) },
	{ "port, IN by number", IN_IMM, 0x80, R(IO, LEN1), 0, 0, 0, 1, 0, BIT(3) },
	{ "port, OUT that covers it", OUTL, PORT + 2, R(IO, LEN1), 0, 0, 0, 1, 0, BIT(3) },
	{ "port, OUT within it", OUT, PORT, R(IO, LEN4), 0, 0, 0, 1, 0, BIT(3) },
	{ "port, OUT beside it", OUT, PORT + 1, R(IO, LEN1), 0, 0, 0, 0, 0, BIT(3) },
	{ "port, OUT; waits for data of that address", OUT, PORT, R(ACCESS, LEN1), 0, 0, 0, 0, 0, BIT(3) },
};

static void watch(const struct row *r)
{
	switch (r->nr) {
	case 0: asm volatile("mov %0, %%dr0" : : "r" (r->at)); break;
	case 1: asm volatile("mov %0, %%dr1" : : "r" (r->at)); break;
	case 2: asm volatile("mov %0, %%dr2" : : "r" (r->at)); break;
	default: asm volatile("mov %0, %%dr3" : : "r" (r->at)); break;
	}
	asm volatile("mov %0, %%dr7" : : "r" (0x400 | 2UL << 2 * r->nr | r->kind << (16 + 4 * r->nr)));
}

static void guest_rows(void)
{
	u64 next = 0;

	guest_handlers[VEC_DB] = on_db;
	for (u64 i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *r = &rows[i];

		traps = trap_dr6 = 0;
		write_cr4((read_cr4() & ~BIT(3)) | r->cr4);
		watch(r);
		execute(r->what, r->si, r->di, &next);
		asm volatile("mov %0, %%dr7" : : "r" (0x400UL));
		GUEST_ROW(r->name, r->traps, traps);
		if (!traps)
			continue;
		GUEST_ROW("  DR6.B3-B0", BIT(r->nr), trap_dr6 & 0xf);
		GUEST_ROW("  DR6.BS", 0, trap_dr6 & BIT(14));
		GUEST_ROW("  RIP: behind it, or at it before the next iteration", r->left ? next - 2 : next, trap_rip);
	}
}

static void guest_more(void)
{
	static const struct row one = { .at = DEVICE + 8, .kind = R(WRITE, LEN4) };
	static const struct row source = { .at = DEVICE + 8, .kind = R(ACCESS, LEN4) };
	u64 next;

	guest_handlers[VEC_DB] = on_db;
	/* two that overlap, one of them disabled */
	traps = 0;
	asm volatile("mov %0, %%dr1; mov %0, %%dr2; mov %0, %%dr3" : : "r" (DEVICE + 8));
	asm volatile("mov %0, %%dr7" : : "r" (0x400 | 0x8 | 0x40 | 0xddd00000UL));
	execute(STORE, 0, DEVICE + 8, &next);
	asm volatile("mov %0, %%dr7" : : "r" (0x400UL));
	GUEST_ROW("two breakpoints, traps", 1, traps);
	GUEST_ROW("  DR6.B3-B0", 0xa, trap_dr6 & 0xf);

	/* together with the single step of the same instruction */
	traps = 0;
	watch(&one);
	asm volatile("pushf; orl $0x100, (%%rsp); popf; movl %%eax, (%%rdi); pushf; andl $~0x100, (%%rsp); popf"
		     : : "D" (DEVICE + 8), "a" (1) : "memory", "cc");
	asm volatile("mov %0, %%dr7" : : "r" (0x400UL));
	GUEST_ROW("with single step, DR6 of the first trap", BIT(14) | BIT(0), first_dr6 & (BIT(14) | 0xf));
	traps = 0;
	execute(STORE, 0, DEVICE + 8, &next);
	GUEST_ROW("disabled again", 0, traps);

	/* the first access meets the breakpoint, the second faults: the instruction has not been executed */
	traps = 0;
	watch(&source);
	GUEST_ROW("MOVS to no address", VEC_GP, GUEST_TRY("movsl", "S" (DEVICE + 8), "D" (1ULL << 63)));
	asm volatile("cpuid" : : "a" (0) : "ebx", "ecx", "edx");
	GUEST_ROW("  no trap, nor behind the next instruction", 0, traps);
	asm volatile("mov %0, %%dr7" : : "r" (0x400UL));
}

static void run_watched(void *fn)
{
	struct vcpu *vcpu = vcpu_create_guest(vm_create(VM_GUEST), 0, fn);

	REQUIRE(!dev_is_kvm(), "stock KVM looks at no breakpoint where it executes the instruction");
	for (;;) {
		u32 reason = vcpu_run(vcpu);

		if (reason == KVM_EXIT_MMIO)
			continue;
		ASSERT_EXIT(vcpu, KVM_EXIT_IO);
		if (vcpu->run->io.port == PORT || vcpu->run->io.port == 0x80)
			continue;
		if (vcpu_finish(vcpu) == UCALL_DONE)
			return;
	}
}

static void test_rows(void)
{
	run_watched(guest_rows);
}

static void test_more(void)
{
	run_watched(guest_more);
}

static void guest_in_kernel(void)
{
	static const struct row pic = { .at = 0x21, .kind = R(IO, LEN1) };
	static const struct row apic = { .at = 0xfee00080, .kind = R(ACCESS, LEN4) };
	u64 next;

	guest_handlers[VEC_DB] = on_db;
	write_cr4(read_cr4() | BIT(3));
	watch(&pic);
	outb(0x21, 0xff);
	asm volatile("mov %0, %%dr7" : : "r" (0x400UL));
	GUEST_ROW("port of the 8259", 1, traps);
	traps = 0;
	watch(&apic);
	execute(LOAD, 0xfee00080, 0, &next);
	asm volatile("mov %0, %%dr7" : : "r" (0x400UL));
	GUEST_ROW("register of the local APIC", 1, traps);
	outb(0x21, 0xff);
	execute(LOAD, 0xfee00080, 0, &next);
	GUEST_ROW("none behind that", 1, traps);
}

/* Devices in the module answer in the inner loop. */
static void test_in_kernel(void)
{
	REQUIRE(!dev_is_kvm(), "stock KVM looks at no breakpoint where it executes the instruction");
	vcpu_run_done(vcpu_create_guest(vm_create(VM_GUEST | VM_IRQCHIP), 0, guest_in_kernel));
}

static void guest_launcher(void)
{
	u64 next;

	guest_handlers[VEC_DB] = on_db;
	execute(STORE, 0, DEVICE + 8, &next);
	GUEST_SYNC(next);
	execute(LOAD, DEVICE + 8, 0, &next);
	GUEST_SYNC(next);
	execute(OUT, 0, 0, &next);
	GUEST_SYNC(next);
	GUEST_ROW("traps that the guest sees", 0, traps);
}

/* The launcher's breakpoint @nr stops behind the instruction, and the guest knows nothing of it. */
static void launcher_stop(struct vcpu *vcpu, const char *name, u64 at, u64 kind, u32 exit)
{
	struct kvm_guest_debug d = { .control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP, .arch.debugreg = { 0, 0, at } };
	struct ucall uc;
	u64 pc;

	test_note("%s", name);
	d.arch.debugreg[7] = 0x400 | 2 << 4 | kind << 24;
	vcpu_ioctl(vcpu, KVM_SET_GUEST_DEBUG, &d);
	RUN_TO(vcpu, exit);
	RUN_TO(vcpu, KVM_EXIT_DEBUG);
	pc = vcpu->run->debug.arch.pc;
	CHECK_EQ("exception", VEC_DB, vcpu->run->debug.arch.exception);
	CHECK_EQ("DR6", BIT(2), vcpu->run->debug.arch.dr6 & (0xf | BIT(14)));
	CHECK_EQ("DR7", d.arch.debugreg[7], vcpu->run->debug.arch.dr7);
	d = (struct kvm_guest_debug){ };
	vcpu_ioctl(vcpu, KVM_SET_GUEST_DEBUG, &d);
	RUN_TO(vcpu, KVM_EXIT_IO);
	ASSERT_EQ(vcpu_get_ucall(vcpu, &uc), UCALL_SYNC);
	CHECK_EQ("behind it", uc.args[0], pc);
}

static void test_launcher(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_launcher);
	struct kvm_sregs sregs = vcpu_sregs(vcpu);

	REQUIRE(!dev_is_kvm(), "stock KVM looks at no breakpoint where it executes the instruction");
	sregs.cr4 |= BIT(3);
	vcpu_set_sregs(vcpu, &sregs);
	launcher_stop(vcpu, "store", DEVICE + 8, R(WRITE, LEN4), KVM_EXIT_MMIO);
	launcher_stop(vcpu, "load", DEVICE + 8, R(ACCESS, LEN4), KVM_EXIT_MMIO);
	launcher_stop(vcpu, "OUT", PORT, R(IO, LEN1), KVM_EXIT_IO);
	vcpu_run_done(vcpu);
}

static const struct test_case cases[] = {
	{ "rows", test_rows },
	{ "more", test_more },
	{ "in_kernel", test_in_kernel },
	{ "launcher", test_launcher },
};

TEST_MAIN(cases)
