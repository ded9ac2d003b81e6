// SPDX-License-Identifier: GPL-2.0-only
/*
 * Debugging from both sides. The guest's own debug registers and single step
 * reach its handler; KVM_SET_GUEST_DEBUG stops at each instruction, at
 * breakpoint instructions and at addresses, holds interrupts back if asked, and
 * the guest does not notice; debug registers cross KVM_GET/SET_DEBUGREGS.
 */
#include <sched.h>

#include "apic.h"
#include "guest.h"
#include "thread.h"
#include <uapi/linux/keel.h>

static volatile u64 db_count, db_dr6, db_rip, watched;

static void on_db(struct guest_regs *regs)
{
	u64 dr6;

	asm volatile("mov %%dr6, %0" : "=r" (dr6));
	db_dr6 = dr6;
	db_rip = regs->rip;
	db_count++;
	regs->rflags |= BIT(16);
	if (db_count == 5)
		regs->rflags &= ~BIT(8);
	asm volatile("mov %0, %%dr6" : : "r" (0xffff0ff0UL));
}

extern const char break_here[];

static void set_dr(u64 a, u64 dr7)
{
	asm volatile("mov %0, %%dr0; mov %1, %%dr7" : : "r" (a), "r" (dr7));
}

static void guest_own(void)
{
	guest_handlers[VEC_DB] = on_db;
	set_dr((u64)break_here, 0x402);
	asm volatile(".globl break_here\nbreak_here: nop" : : : "memory");
	GUEST_ROW("execution breakpoint taken", 1, db_count);
	GUEST_ROW("DR6", 1, db_dr6 & 0xf);
	GUEST_ROW("RIP", (u64)break_here, db_rip);
	set_dr((u64)&watched, 0x402 | 0xd0000);	/* write, 4 bytes */
	watched = 1;
	GUEST_ROW("write watchpoint taken", 2, db_count);
	set_dr(0, 0x400);
	asm volatile("pushf; orl $0x100, (%%rsp); popf; nop; nop; nop; nop" : : : "memory", "cc");
	GUEST_ROW("single step taken until cleared", 5, db_count);
	GUEST_ROW("DR6.BS", BIT(14), db_dr6 & BIT(14));
	GUEST_ROW("DR4 with CR4.DE", VEC_UD,
		  (write_cr4(read_cr4() | BIT(3)), GUEST_TRY("mov %%dr4, %%rax", "a" (0))));
}

/* QEMU's TCG does not keep a guest's debug registers apart from the host's when the guest moves to another CPU. */
static void stay_on_this_cpu(void)
{
	ASSERT_EQ(host_pin(0, sched_getcpu()), 0);
}

/* Its SVM knows no bits of DR6, and the machine ended in this test, on stock KVM too. */
static void require_debug_exceptions(void)
{
	REQUIRE(!(host_is_bochs() && guest_is_amd()), "Bochs's SVM loses debug exceptions");
}

static void test_own(void)
{
	require_debug_exceptions();
	stay_on_this_cpu();
	run_guest(VM_GUEST, guest_own);
}

static void debug(struct vcpu *vcpu, u32 control, u64 addr)
{
	struct kvm_guest_debug d = { .control = control, .arch.debugreg = { addr } };

	d.arch.debugreg[7] = addr ? 0x402 : 0x400;
	vcpu_ioctl(vcpu, KVM_SET_GUEST_DEBUG, &d);
}

static volatile u64 sum;

static void guest_plain(void)
{
	u64 i;

	for (i = 0; i < 10; i++)
		sum += i;
	asm volatile("cpuid" : : "a" (0) : "ebx", "ecx", "edx");
	GUEST_EQ(sum, 45);
}

static void test_step(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_plain);
	u64 rip = vcpu_regs(vcpu).rip, steps = 0;
	struct ucall uc;

	require_debug_exceptions();
	debug(vcpu, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP, 0);
	for (vcpu_run(vcpu); vcpu->run->exit_reason == KVM_EXIT_DEBUG; vcpu_run(vcpu)) {
		ASSERT_EQ(vcpu->run->debug.arch.exception, VEC_DB);
		ASSERT_EQ(vcpu->run->debug.arch.pc, vcpu_regs(vcpu).rip);
		ASSERT_EQ(vcpu_regs(vcpu).rflags & BIT(8), 0);
		steps += vcpu->run->debug.arch.pc != rip;
		rip = vcpu->run->debug.arch.pc;
		ASSERT_LE(steps, 1000);
	}
	ASSERT_EXIT(vcpu, KVM_EXIT_IO);
	ASSERT_EQ(vcpu_get_ucall(vcpu, &uc), UCALL_DONE);
	test_note("%llu steps", (unsigned long long)steps);
	ASSERT_GE(steps, 30);
}

static void guest_unaware(void)
{
	u64 v;

	asm volatile("nop; nop; nop; nop; nop; nop; nop; nop; mov %%dr6, %0" : "=r" (v));
	GUEST_ROW("DR6", 0xffff0ff0, v);
}

/* What stops for the launcher is not in the guest's DR6. */
static void test_step_unseen(void)
{
	struct vcpu *vcpu = vcpu_create_guest(vm_create(VM_GUEST), 0, guest_unaware);
	unsigned int i;

	require_debug_exceptions();
	debug(vcpu, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP, 0);
	for (i = 0; i < 5; i++) {
		RUN_TO(vcpu, KVM_EXIT_DEBUG);
		CHECK_EQ("DR6.BS for the launcher", BIT(14), vcpu->run->debug.arch.dr6 & BIT(14));
	}
	debug(vcpu, 0, 0);
	vcpu_run_done(vcpu);
}

asm(".pushsection .rodata\n"
    "wrapped_start:\n"
    "	nop\n"
    "	nop\n"
    "wrapped_end:\n"
    ".popsection\n");
extern const char wrapped_start[], wrapped_end[];

/* Where a stop is, is a linear address: 32 bits, whatever the base of CS and EIP add up to. */
static void test_step_wrapped(void)
{
	struct vcpu *vcpu = vcpu_create_code(0x8000, wrapped_start, wrapped_end);
	struct kvm_sregs s;

	REQUIRE(has_cap(KEEL_CAP_LAST_ERROR) > 0, "stock KVM tells the sum on SVM");
	require_debug_exceptions();
	vcpu_start_prot32(vcpu, 0x9000);
	s = vcpu_sregs(vcpu);
	s.cs.base = 0xfffff000;
	vcpu_set_sregs(vcpu, &s);
	debug(vcpu, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP, 0);
	RUN_TO(vcpu, KVM_EXIT_DEBUG);
	/* Bochs has a single step pending after an exit within an instruction, as that of the first fetch */
	if (host_is_bochs() && vcpu->run->debug.arch.pc == 0x8000)
		RUN_TO(vcpu, KVM_EXIT_DEBUG);
	CHECK_EQ("stop", 0x8001, vcpu->run->debug.arch.pc);
}

static void guest_store(void)
{
	mmio_write32(VM_MMIO, 1);
	asm volatile("cpuid" : : "a" (0) : "ebx", "ecx", "edx");
}

/* A launcher that has stopped to step gets no more stops, in the middle of an instruction's exit as elsewhere. */
static void test_step_ends(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_store);

	require_debug_exceptions();
	REQUIRE(!host_is_bochs(), "Bochs has a single step pending after an exit within an instruction");
	debug(vcpu, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP, 0);
	while (vcpu_run(vcpu) == KVM_EXIT_DEBUG)
		;
	ASSERT_EXIT(vcpu, KVM_EXIT_MMIO);
	debug(vcpu, 0, 0);
	vcpu_run_done(vcpu);
}

static volatile u64 string_traps, string_rf;
extern const char string_at[], launcher_string_at[];

static void on_string_db(struct guest_regs *regs)
{
	if (regs->rip == (u64)string_at) {
		string_traps++;
		string_rf += !!(regs->rflags & BIT(16));
	}
}

static __attribute__((noinline)) void step_string(u64 at)
{
	u64 n = 4;

	string_traps = string_rf = 0;
	asm volatile("pushf; orl $0x100, (%%rsp); popf\n"
		     ".globl string_at\nstring_at: rep stosb\n\t"
		     "pushf; andl $~0x100, (%%rsp); popf" : "+D" (at), "+c" (n) : "a" (0x5a) : "memory", "cc");
	GUEST_EQ(n, 0);
}

/* Traps at the instruction: one behind each iteration but the last. @extra: Bochs may have one more, before the first. */
static void check_string_traps(const char *name, u64 extra)
{
	if (extra && string_traps == 4)
		return;
	GUEST_ROW(name, 3, string_traps);
}

static void guest_step_string(u64 strict, u64 extra)
{
	guest_handlers[VEC_DB] = on_string_db;
	step_string(VM_SCRATCH);
	check_string_traps("in memory: traps at the instruction", extra);
	step_string(VM_MMIO);
	if (strict) {
		check_string_traps("to a device: traps at the instruction", extra);
		GUEST_ROW("  with RF", 3, string_rf);
	}
}

static void guest_launcher_string(void)
{
	u64 n = 4, at = VM_MMIO;

	asm volatile(".globl launcher_string_at\nlauncher_string_at: rep stosb" : "+D" (at), "+c" (n) : "a" (0x5a) : "memory");
	GUEST_EQ(n, 0);
}

/* A single step of a repeated string instruction is one iteration, also where it is emulated. */
static void test_step_string(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_step_string);
	u32 stores = 0, steps = 0;

	require_debug_exceptions();
	/* KVM steps over the whole */
	vcpu_args(vcpu, has_cap(KEEL_CAP_LAST_ERROR) > 0, host_is_bochs(), 0);
	do {
		while (vcpu_run(vcpu) == KVM_EXIT_MMIO)
			stores++;
		ASSERT_EXIT(vcpu, KVM_EXIT_IO);
	} while (vcpu_finish(vcpu) != UCALL_DONE);
	CHECK_EQ("stores", 4, stores);

	/* and for the launcher; Bochs has a single step pending after an exit within an instruction */
	if (host_is_bochs())
		return;
	vcpu = vcpu_create_guest(vm, 1, guest_launcher_string);
	debug(vcpu, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP, 0);
	for (stores = 0; stores < 4;) {
		u32 reason = vcpu_run(vcpu);

		stores += reason == KVM_EXIT_MMIO;
		steps += reason == KVM_EXIT_DEBUG && stores && vcpu_regs(vcpu).rip == (u64)launcher_string_at;
	}
	if (has_cap(KEEL_CAP_LAST_ERROR) > 0)
		CHECK_EQ("steps between iterations", 3, steps);
}

extern const char block_start[], block_end[];

static void guest_pending(void)
{
	guest_handlers[0x40] = irq_count_handler;
	apic_enable(APIC_X2);
	apic_icr(0, 0x40000 | 0x40);	/* to itself */
	GUEST_SYNC(1);
	asm volatile(".globl block_start, block_end\n"
		     "block_start: sti; nop; nop; nop; nop\n"
		     "block_end: nop" : : : "memory");
	GUEST_ROW("taken when it may be", 1, irq_count[0x40]);
}

/* Through code that a pending interrupt would leave. */
static void test_block_irq(void)
{
	struct vm *vm = vm_create(VM_GUEST | VM_IRQCHIP);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_pending);
	u64 pc = 0, before, steps;

	require_debug_exceptions();
	vcpu_run_sync(vcpu, 1);
	debug(vcpu, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP | KVM_GUESTDBG_BLOCKIRQ, 0);
	for (steps = 0; pc != (u64)block_start; steps++) {
		RUN_TO(vcpu, KVM_EXIT_DEBUG);
		pc = vcpu->run->debug.arch.pc;
		ASSERT_LE(steps, 200);
	}
	/* STI and its shadow may count as one step */
	while (pc != (u64)block_end) {
		before = pc;
		RUN_TO(vcpu, KVM_EXIT_DEBUG);
		pc = vcpu->run->debug.arch.pc;
		ASSERT_LE(before + 1, pc);
		ASSERT_LE(pc, (u64)block_end);
	}
	debug(vcpu, 0, 0);
	vcpu_run_done(vcpu);
}

extern const char sw_break[], sw_break_next[];

static void guest_break(void)
{
	asm volatile(".globl sw_break, sw_break_next\nsw_break: int3\nsw_break_next: nop");
}

static void test_int3(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_break);
	struct kvm_regs regs;

	REQUIRE(!host_is_tcg(), "TCG does not intercept INT3 as an exception");
	debug(vcpu, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP, 0);
	RUN_TO(vcpu, KVM_EXIT_DEBUG);
	CHECK_EQ("exception", VEC_BP, vcpu->run->debug.arch.exception);
	CHECK_EQ("at it", (u64)sw_break, vcpu->run->debug.arch.pc);
	regs = vcpu_regs(vcpu);
	regs.rip = (u64)sw_break_next;
	vcpu_set_regs(vcpu, &regs);
	vcpu_run_done(vcpu);
}

static volatile u64 bp_count, bp_rip;

static void on_bp(struct guest_regs *regs)
{
	bp_count++;
	bp_rip = regs->rip;
}

extern const char own_break_next[], own_step_next[];

static void guest_own_break(void)
{
	guest_handlers[VEC_BP] = on_bp;
	asm volatile(".globl own_break_next\nint3\nown_break_next: nop" : : : "memory");
	GUEST_ROW("its handler ran", 1, bp_count);
	GUEST_ROW("with RIP behind INT3", (u64)own_break_next, bp_rip);
}

/* A debugger's node stops at every INT3; what is the guest's own it gives back. */
static void test_int3_back(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_own_break);

	REQUIRE(!host_is_tcg(), "TCG does not intercept INT3 as an exception");
	require_debug_exceptions();
	debug(vcpu, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP, 0);
	RUN_TO(vcpu, KVM_EXIT_DEBUG);
	CHECK_EQ("exception", VEC_BP, vcpu->run->debug.arch.exception);
	debug(vcpu, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP | KVM_GUESTDBG_INJECT_BP, 0);
	vcpu_run_done(vcpu);
}

static void on_step(struct guest_regs *regs)
{
	on_db(regs);
	regs->rflags &= ~BIT(8);
}

static void guest_own_step(void)
{
	guest_handlers[VEC_DB] = on_step;
	asm volatile(".globl own_step_next\npushf; orl $0x100, (%%rsp); popf; nop\nown_step_next: nop" : : : "memory", "cc");
	GUEST_ROW("its handler ran", 1, db_count);
	GUEST_ROW("DR6.BS", BIT(14), db_dr6 & BIT(14));
	GUEST_ROW("behind the step", (u64)own_step_next, db_rip);
}

/* The same for its own single step, while the launcher has the debug registers. */
static void test_step_back(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_own_step);
	u32 control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP;
	struct kvm_debugregs d;

	require_debug_exceptions();
	debug(vcpu, control, (u64)guest_plain);
	RUN_TO(vcpu, KVM_EXIT_DEBUG);
	CHECK_EQ("exception", VEC_DB, vcpu->run->debug.arch.exception);
	CHECK_EQ("DR6.BS", BIT(14), vcpu->run->debug.arch.dr6 & (BIT(14) | 0xf));
	vcpu_ioctl(vcpu, KVM_GET_DEBUGREGS, &d);
	d.dr6 |= BIT(14);
	vcpu_ioctl(vcpu, KVM_SET_DEBUGREGS, &d);
	debug(vcpu, control | KVM_GUESTDBG_INJECT_DB, (u64)guest_plain);
	vcpu_run_done(vcpu);
}

static void test_address(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_plain);

	require_debug_exceptions();
	REQUIRE(!host_is_tcg(), "TCG does not arm the breakpoints that VMRUN loads");
	debug(vcpu, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP, (u64)guest_plain);
	RUN_TO(vcpu, KVM_EXIT_DEBUG);
	CHECK_EQ("exception", VEC_DB, vcpu->run->debug.arch.exception);
	CHECK_EQ("at it", (u64)guest_plain, vcpu->run->debug.arch.pc);
	CHECK_EQ("DR6", 1, vcpu->run->debug.arch.dr6 & 0xf);
	debug(vcpu, 0, 0);
	vcpu_run_done(vcpu);
}

static void guest_read(void)
{
	u64 v;

	asm volatile("mov %%dr1, %0" : "=r" (v));
	GUEST_ROW("DR1 from user space", 0x1111, v);
	asm volatile("mov %0, %%dr2" : : "r" (0x2222UL));
	GUEST_SYNC(1);
	asm volatile("mov %%dr2, %0" : "=r" (v));
	GUEST_ROW("DR2 across the exit", 0x2222, v);
	asm volatile("mov %%dr7, %0" : "=r" (v));
	GUEST_ROW("DR7", 0x400, v);
}

static void test_registers(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_read);
	struct kvm_debugregs d;

	vcpu_ioctl(vcpu, KVM_GET_DEBUGREGS, &d);
	d.db[1] = 0x1111;
	vcpu_ioctl(vcpu, KVM_SET_DEBUGREGS, &d);
	vcpu_run_sync(vcpu, 1);
	vcpu_ioctl(vcpu, KVM_GET_DEBUGREGS, &d);
	CHECK_EQ("DR1", 0x1111, d.db[1]);
	CHECK_EQ("DR2", 0x2222, d.db[2]);
	vcpu_run_done(vcpu);
}

static void guest_payload(void)
{
	guest_handlers[VEC_DB] = on_db;
	GUEST_SYNC(1);
	GUEST_ROW("its handler ran", 1, db_count);
	GUEST_ROW("DR6", 0xffff4ff1, db_dr6);
}

/*
 * The payload of a debug exception has more bits than DR6: those of the launcher's that a MOV to DR6 refuses, or that DR6 does not keep, go
 * nowhere. A breakpoint is enabled, so that the CPU has the guest's DR6 where it does not switch it by itself.
 */
static void test_payload(void)
{
	struct kvm_vcpu_events events = { .flags = KVM_VCPUEVENT_VALID_PAYLOAD, .exception = { .pending = 1, .nr = VEC_DB },
					  .exception_has_payload = 1, .exception_payload = 0xdeadbeef00005001 };
	struct kvm_debugregs d = { .db = { 0, 0x123450 }, .dr6 = 0xffff0ff0, .dr7 = 0xf00404 };
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu;

	REQUIRE_CAP(KVM_CAP_EXCEPTION_PAYLOAD);
	REQUIRE(has_cap(KEEL_CAP_LAST_ERROR) > 0, "stock KVM hands all bits to the CPU");
	require_debug_exceptions();
	vm_enable_cap(vm, KVM_CAP_EXCEPTION_PAYLOAD, 1);
	vcpu = vcpu_create_guest(vm, 0, guest_payload);
	vcpu_run_sync(vcpu, 1);
	vcpu_complete(vcpu);
	vcpu_ioctl(vcpu, KVM_SET_DEBUGREGS, &d);
	vcpu_ioctl(vcpu, KVM_SET_VCPU_EVENTS, &events);
	vcpu_run_done(vcpu);
	vcpu_ioctl(vcpu, KVM_GET_DEBUGREGS, &d);
	CHECK_EQ("bits 63:32 of DR6", 0, d.dr6 >> 32);
}

static const struct test_case cases[] = {
	{ "guest", test_own },
	{ "single_step", test_step },
	{ "step_ends", test_step_ends },
	{ "step_unseen", test_step_unseen },
	{ "step_wrapped", test_step_wrapped },
	{ "step_string", test_step_string },
	{ "block_irq", test_block_irq },
	{ "int3", test_int3 },
	{ "int3_back", test_int3_back },
	{ "step_back", test_step_back },
	{ "address", test_address },
	{ "registers", test_registers },
	{ "payload", test_payload },
};

TEST_MAIN(cases)
