// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hardware task switches of 32-bit guests, which VMX leaves to software: by CALL, JMP, IRET, INT
 * n, exceptions, interrupts and NMIs, between 16- and 32-bit TSSs; and what else hangs on a
 * switch: CR3, virtual-8086 mode, debug registers, NMIs, single steps, and state that moves to
 * another vCPU.
 */
#include "tasks.h"
#include <uapi/linux/keel.h>

static struct vcpu *vcpu;

static bool is_keel(void)
{
	return has_cap(KEEL_CAP_LAST_ERROR) > 0;
}

/* It loses bits of DR6, and fills the upper half of ESP with ones where a 16-bit TSS is loaded. */
static bool is_bochs_svm(void)
{
	return host_is_bochs() && guest_is_amd();
}

/* ---- switches that succeed ---- */

enum how { BY_CODE, BY_IRET, BY_IRQ, BY_NMI };

/**
 * struct way - one way from task A to B
 * @code: what A executes
 * @eip: saved: this far behind CODE_A
 * @vector: of the task gate to B, 0 for none
 * @error: pushed, or NO_ERROR
 */
struct way {
	const char *name;
	enum how how;
	bool nested;
	u8 vector;
	u8 eip;
	u32 error;
	u8 n;
	u8 code[10];
};

#define NO_ERROR 0xffffffff
#define BYTES(...) sizeof((const u8[]){ __VA_ARGS__ }), { __VA_ARGS__ }

static const struct way ways[] = {
	{ "jmp to a TSS", BY_CODE, false, 0, 7, NO_ERROR, BYTES(0xea, 0, 0, 0, 0, S_B, 0) },
	{ "jmp to a task gate", BY_CODE, false, 0, 7, NO_ERROR, BYTES(0xea, 0, 0, 0, 0, S_GATE, 0) },
	{ "call of a TSS", BY_CODE, true, 0, 7, NO_ERROR, BYTES(0x9a, 0, 0, 0, 0, S_B, 0) },
	{ "call of a task gate", BY_CODE, true, 0, 7, NO_ERROR, BYTES(0x9a, 0, 0, 0, 0, S_GATE, 0) },
	{ "16-bit call, prefixes", BY_CODE, true, 0, 7, NO_ERROR, BYTES(0x2e, 0x66, 0x9a, 0, 0, S_B, 0) },
	{ "iret with NT", BY_IRET, false, 0, 1, NO_ERROR, BYTES(0xcf) },
	{ "int n", BY_CODE, true, 0x40, 2, NO_ERROR, BYTES(0xcd, 0x40) },
	{ "int3", BY_CODE, true, 3, 1, NO_ERROR, BYTES(0xcc) },
	{ "exception", BY_CODE, true, 6, 0, NO_ERROR, BYTES(0x0f, 0x0b) },
	{ "exception, error code", BY_CODE, true, 13, 4, 0x1238,
	  BYTES(0x66, 0xb8, 0x38, 0x12, 0x8e, 0xd8) },
	{ "double fault", BY_CODE, true, 8, 0, 0, BYTES(0x8e, 0xd0) },
	{ "interrupt", BY_IRQ, true, 0x41, 0, NO_ERROR, BYTES(0x90) },
	{ "NMI", BY_NMI, true, 2, 0, NO_ERROR, BYTES(0x90) },
};

static void start_way(const struct way *w, bool from_16)
{
	struct kvm_interrupt irq = { w->vector };

	tasks_put_code(CODE_A, w->code, w->n);
	if (w->vector)
		tasks_put_task_gate(w->vector, S_B, 0x85);
	if (w->vector == 8)
		tasks_put_task_gate(13, S_FAULT(13), 0x05);	/* not present: in the delivery of #GP */
	switch (w->how) {
	case BY_IRET:
		tasks_poke(TSS_A, S_B, 2);
		tasks_poke(ACCESS(S_B), tasks_peek(ACCESS(S_B), 1) | 2, 1);
		tasks_set_rflags(vcpu, 2 | FL_NT);
		break;
	case BY_IRQ:
		tasks_set_rflags(vcpu, 2 | FL_IF);
		vcpu_ioctl(vcpu, KVM_INTERRUPT, &irq);
		break;
	case BY_NMI:
		vcpu_ioctl(vcpu, KVM_NMI, NULL);
		break;
	default:
		break;
	}
}

/* TCG sets no RF where a fault is saved; Keel does that for an exception that it injects, #UD. */
static u64 saved_flags(const struct way *w)
{
	u64 flags = w->how == BY_IRQ ? 2 | FL_IF : 2;

	if (w->vector == 6 || (w->vector == 13 && !host_is_tcg()))
		flags |= FL_RF;
	return flags;
}

static void check_old(const struct way *w, bool from_16)
{
	unsigned int width = from_16 ? 2 : 4, at = TSS_A + (from_16 ? 0x0e : 0x20), i;
	u64 mask = from_16 ? 0xffff : 0xffffffff, flags;

	CHECK_EQ("A: EIP", CODE_A + w->eip, tasks_peek(at, width));
	flags = tasks_peek(at + width, width);
	/* #DF is an abort, of which nothing says what RF is */
	if (w->vector == 8)
		flags &= ~(u64)FL_RF;
	CHECK_EQ("A: EFLAGS", saved_flags(w) & mask, flags);
	for (i = 0; i < 8; i++) {
		u64 wanted = i == 4 ? STACK_A : i == 0 && w->vector == 13 ? 0xcd001238 : 0xcd000000 + i;

		CHECK_EQ("A: register", wanted & mask, tasks_peek(at + (2 + i) * width, width));
	}
	for (i = 0; i < (from_16 ? 4 : 6); i++)
		CHECK_EQ("A: selector", i == 1 ? S_CODE : S_DATA, tasks_peek(at + (10 + i) * width, 2));
}

static void check_new(const struct way *w, bool to_16)
{
	u32 width = to_16 ? 2 : 4, esp = STACK_B - (w->error == NO_ERROR ? 0 : width);
	struct kvm_regs r = vcpu_regs(vcpu);
	struct kvm_sregs s = vcpu_sregs(vcpu);
	/* what a 16-bit TSS leaves in the upper half is not written anywhere */
	u64 mask = to_16 ? 0xffff : 0xffffffff, base = to_16 ? 0xab00 : 0xab000000;

	CHECK_EQ("B: EIP", CODE_B + 1, r.rip);
	/* TCG keeps the upper half */
	if (to_16 && host_is_tcg())
		r.rflags &= 0xffff;
	CHECK_EQ("B: EFLAGS", w->nested ? 2 | FL_NT : 2, r.rflags);
	CHECK_EQ("B: EAX", base, r.rax & mask);
	CHECK_EQ("B: EDI", base + 7, r.rdi & mask);
	CHECK_EQ("B: ESP", esp, r.rsp & mask);
	if (w->error != NO_ERROR)
		CHECK_EQ("B: error code", w->error & mask, tasks_peek(esp, width));
	CHECK_EQ("B: CS", to_16 ? S_CODE16 : S_CODE, s.cs.selector);
	CHECK_EQ("B: CS.D", !to_16, s.cs.db);
	CHECK_EQ("B: SS", S_DATA, s.ss.selector);
	CHECK_EQ("B: DS limit", 0xffffffff, s.ds.limit);
	CHECK_EQ("B: TR", S_B, s.tr.selector);
	CHECK_EQ("B: TR base", TSS_B, s.tr.base);
	CHECK_EQ("B: CR0.TS", 8, s.cr0 & 8);
	CHECK_EQ("B: link", w->nested ? S_A : 0, tasks_peek(TSS_B, 2));
	CHECK_EQ("A's TSS busy", w->nested ? 2 : 0, tasks_peek(ACCESS(S_A), 1) & 2);
	CHECK_EQ("B's TSS busy", 2, tasks_peek(ACCESS(S_B), 1) & 2);
}

/* B's IRET; A goes on where its TSS says. */
static void check_back(const struct way *w, bool from_16)
{
	unsigned int width = from_16 ? 2 : 4, at = TSS_A + (from_16 ? 0x0e : 0x20);
	struct kvm_regs r;

	/* behind the instruction, also of a fault */
	tasks_poke(at, CODE_A + w->n, width);
	tasks_halt(vcpu, "A again");
	r = vcpu_regs(vcpu);
	CHECK_EQ("A again: EIP", CODE_A + w->n + 1, r.rip);
	CHECK_EQ("A again: NT", 0, r.rflags & FL_NT);
	CHECK_EQ("A again: EBX", from_16 ? 3 : 0xcd000003, r.rbx & (from_16 ? 0xffff : 0xffffffff));
	CHECK_EQ("A again: TR", S_A, vcpu_sregs(vcpu).tr.selector);
	CHECK_EQ("A's TSS busy", 2, tasks_peek(ACCESS(S_A), 1) & 2);
	CHECK_EQ("B's TSS busy", 0, tasks_peek(ACCESS(S_B), 1) & 2);
}

static void run_ways(bool from_16, bool to_16)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ways); i++) {
		const struct way *w = &ways[i];

		if (to_16 && w->error != NO_ERROR && is_bochs_svm())
			continue;
		printf("# %s\n", w->name);
		vcpu = tasks_prepare((from_16 ? TASKS_A_16 : 0) | (to_16 ? TASKS_B_16 : 0));
		start_way(w, from_16);
		tasks_halt(vcpu, w->name);
		check_old(w, from_16);
		check_new(w, to_16);
		if (w->nested)
			check_back(w, from_16);
	}
}

static void test_32_to_32(void) { run_ways(false, false); }

static void run_mixed_ways(bool from_16)
{
	REQUIRE(is_keel() || guest_is_amd(), "stock KVM on Intel saves in the format of the new TSS");
	run_ways(from_16, !from_16);
}

static void test_32_to_16(void) { run_mixed_ways(false); }
static void test_16_to_32(void) { run_mixed_ways(true); }
static void test_16_to_16(void) { run_ways(true, true); }


/* B reads a word at BIG_PAGE, which its own page tables have elsewhere. */
static void check_space(const char *name, u32 cr3)
{
	static const u8 code[] = { 0xa1, 0, 0, BIG_PAGE >> 16, 0 };

	tasks_put_jump(0xea);
	tasks_put_code(CODE_B, code, sizeof(code));
	tasks_poke(BIG_PAGE, 0x1111, 4);
	tasks_poke(0xc00000, 0x2222, 4);
	tasks_poke(TSS_B + T_CR3, cr3, 4);
	tasks_halt(vcpu, name);
	CHECK_EQ(name, 0x2222, vcpu_regs(vcpu).rax);
	CHECK_EQ("CR3", cr3, vcpu_sregs(vcpu).cr3);
}

static void test_address_space(void)
{
	u32 dir = PAGE_DIR + 0x1000, i;
	struct kvm_sregs s;

	vcpu = tasks_prepare(TASKS_PAGING);
	memcpy(vm_hva(vcpu->vm, dir), vm_hva(vcpu->vm, PAGE_DIR), 0x1000);
	tasks_poke(dir + 4 * 2, 0xc00083, 4);
	check_space("32-bit paging", dir);

	vcpu = tasks_prepare(TASKS_PAGING);
	for (i = 0; i < 512; i++)
		tasks_poke(dir + 8 * i, (i == 4 ? 6 : i) << 21 | 0x83, 8);
	memset(vm_hva(vcpu->vm, dir + 0x1000), 0, 0x40);
	tasks_poke(dir + 0x1020, dir | 1, 8);
	s = vcpu_sregs(vcpu);
	s.cr3 = VM_PAE_PDPT;
	s.cr4 |= BIT(5);
	vcpu_set_sregs(vcpu, &s);
	check_space("PAE paging", dir + 0x1020);
}

/* ---- the rest ---- */

static void test_ring3(void)
{
	unsigned int i;

	vcpu = tasks_prepare(0);
	tasks_put_jump(0x9a);
	for (i = T_ES; i <= T_GS; i += 4)
		tasks_poke(TSS_B + i, i == T_CS ? S_CODE3 : S_DATA3, 4);
	tasks_halt(vcpu, "to ring 3 and out by the #GP of HLT");
	tasks_check_fault(vcpu, 13, 0, IN_NEW);
	CHECK_EQ("CS was", S_CODE3, tasks_peek(TSS_B + T_CS, 2));
}

static void test_vm86(void)
{
	unsigned int i;

	vcpu = tasks_prepare(0);
	tasks_put_jump(0xea);
	tasks_poke(TSS_B + T_EFLAGS, 2 | FL_VM | FL_CF, 4);
	tasks_poke(TSS_B + T_EIP, 0, 4);
	for (i = T_ES; i <= T_GS; i += 4)
		tasks_poke(TSS_B + i, i == T_CS ? CODE_B >> 4 : 0x1001 + i, 4);
	tasks_halt(vcpu, "to virtual-8086 mode and out by the #GP of HLT");
	CHECK_EQ("vector, by TR", S_FAULT(13), vcpu_sregs(vcpu).tr.selector);
	CHECK_EQ("EIP was", 0, tasks_peek(TSS_B + T_EIP, 4));
	CHECK_EQ("CS was", CODE_B >> 4, tasks_peek(TSS_B + T_CS, 2));
	CHECK_EQ("GS was", 0x1001 + T_GS, tasks_peek(TSS_B + T_GS, 2));
	CHECK_EQ("EFLAGS was", 2 | FL_VM | FL_CF, tasks_peek(TSS_B + T_EFLAGS, 4) & ~(u64)FL_RF);
	CHECK_EQ("VM now", 0, vcpu_regs(vcpu).rflags & FL_VM);
}

static void test_debug_registers(void)
{
	/* TCG leaves LE set */
	struct kvm_debugregs d = { .db = { 0xdead0000 }, .dr6 = 0xffff0ff0, .dr7 = 0x757 };

	REQUIRE(is_keel() || !guest_is_amd(), "stock KVM on AMD tells the DR7 it was given");
	d.dr7 &= host_is_tcg() ? ~0x100ULL : ~0ULL;
	vcpu = tasks_prepare(0);
	tasks_put_jump(0xea);
	vcpu_ioctl(vcpu, KVM_SET_DEBUGREGS, &d);
	tasks_halt(vcpu, "breakpoints");
	vcpu_ioctl(vcpu, KVM_GET_DEBUGREGS, &d);
	CHECK_EQ("DR7: local enables are gone", 0x602, d.dr7);
}

/* A task of its own for #DB. */
static void put_debug_task(void)
{
	tasks_put_descriptor(S_FAULT(1), TSS_FAULT + 0x100, 0x67, 0x89);
	tasks_put_task_gate(1, S_FAULT(1), 0x85);
	tasks_put_tss32(TSS_FAULT + 0x100, CODE_FAULT, STACK_FAULT);
}

static void test_trap(void)
{
	struct kvm_debugregs d;

	REQUIRE(is_keel(), "stock KVM on Intel knows no T flag");
	REQUIRE(!host_is_tcg(), "QEMU's TCG knows no T flag");
	vcpu = tasks_prepare(0);
	tasks_put_jump(0xea);
	tasks_poke(TSS_B + T_TRAP, 1, 2);
	put_debug_task();
	tasks_halt(vcpu, "T flag");
	CHECK_EQ("vector, by TR", S_FAULT(1), vcpu_sregs(vcpu).tr.selector);
	CHECK_EQ("EIP was", CODE_B, tasks_peek(TSS_B + T_EIP, 4));
	vcpu_ioctl(vcpu, KVM_GET_DEBUGREGS, &d);
	if (!is_bochs_svm())
		CHECK_EQ("DR6: BT", BIT(15), d.dr6 & (BIT(15) | BIT(14)));
}

/**
 * struct tf_row - a switch with RFLAGS.TF in the task that is left (A), in the one that is entered (B)
 * @how: BY_CODE or BY_IRET
 * @traps_in: whose the #DB is, by its TSS's selector
 * @eip: saved for that task
 * @tf: of the flags saved for it
 */
static const struct tf_row {
	const char *name;
	enum how how;
	u32 tf_a, tf_b;
	u16 traps_in;
	u32 eip;
	u32 tf;
	u8 n;
	u8 code[10];
} tf_rows[] = {
	{ "jmp, TF in the new task", BY_CODE, 0, FL_TF, S_B, CODE_B + 1, FL_TF, BYTES(0xea, 0, 0, 0, 0, S_B, 0) },
	{ "call, TF in the new task", BY_CODE, 0, FL_TF, S_B, CODE_B + 1, FL_TF, BYTES(0x9a, 0, 0, 0, 0, S_B, 0) },
	{ "iret, TF in the new task", BY_IRET, 0, FL_TF, S_B, CODE_B + 1, FL_TF, BYTES(0xcf) },
	{ "int n, TF in the new task", BY_CODE, 0, FL_TF, S_B, CODE_B + 1, FL_TF, BYTES(0xcd, 0x40) },
	{ "int n, TF in the old task: back there", BY_CODE, FL_TF, 0, S_A, CODE_A + 3, FL_TF, BYTES(0xcd, 0x40, 0x90) },
};

/*
 * SDM, "Single-Step Exception Condition": a task that begins with TF traps behind its first instruction. Nothing says whether the
 * switch itself, begun with TF, traps in the new task: Bochs does not, TCG does.
 */
static void test_trap_flag(void)
{
	static const u8 nop_iret[] = { 0x90, 0xcf };
	struct kvm_debugregs d;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(tf_rows); i++) {
		const struct tf_row *row = &tf_rows[i];
		const struct way way = { .name = row->name, .how = row->how, .n = row->n,
					 .vector = row->code[0] == 0xcd ? row->code[1] : 0 };
		u32 tss = row->traps_in == S_A ? TSS_A : TSS_B;

		vcpu = tasks_prepare(0);
		start_way(&way, false);
		tasks_put_code(CODE_A, row->code, row->n);
		tasks_put_code(CODE_B, nop_iret, sizeof(nop_iret));
		put_debug_task();
		tasks_poke(TSS_B + T_EFLAGS, 2 | row->tf_b, 4);
		tasks_set_rflags(vcpu, vcpu_regs(vcpu).rflags | row->tf_a);
		tasks_halt(vcpu, row->name);
		printf("# %s\n", row->name);
		CHECK_EQ("vector, by TR", S_FAULT(1), vcpu_sregs(vcpu).tr.selector);
		CHECK_EQ("the task it belongs to", row->traps_in, tasks_peek(TSS_FAULT + 0x100, 2));
		CHECK_EQ("EIP was", row->eip, tasks_peek(tss + T_EIP, 4));
		CHECK_EQ("TF was", row->tf, tasks_peek(tss + T_EFLAGS, 4) & FL_TF);
		CHECK_EQ("TF of A", row->tf_a, tasks_peek(TSS_A + T_EFLAGS, 4) & FL_TF);
		vcpu_ioctl(vcpu, KVM_GET_DEBUGREGS, &d);
		if (!is_bochs_svm())
			CHECK_EQ("DR6: BS", BIT(14), d.dr6 & (BIT(15) | BIT(14)));
	}
}

static struct kvm_vcpu_events get_events(void)
{
	struct kvm_vcpu_events ev;

	vcpu_ioctl(vcpu, KVM_GET_VCPU_EVENTS, &ev);
	return ev;
}

/* Blocked from the switch to the IRET of the task; the next one comes right behind it. */
static void test_nmi(void)
{
	static const u8 nops[] = { 0x90, 0x90, 0x90, 0x90 };

	REQUIRE(is_keel() || !guest_is_amd(), "stock KVM on AMD leaves its TF in the old TSS");
	vcpu = tasks_prepare(0);
	tasks_put_code(CODE_A, nops, sizeof(nops));
	tasks_put_task_gate(2, S_B, 0x85);
	vcpu_ioctl(vcpu, KVM_NMI, NULL);
	tasks_halt(vcpu, "NMI");
	CHECK_EQ("TR", S_B, vcpu_sregs(vcpu).tr.selector);
	CHECK_EQ("A's EIP", CODE_A, tasks_peek(TSS_A + T_EIP, 4));
	CHECK_EQ("masked", 1, get_events().nmi.masked);
	vcpu_ioctl(vcpu, KVM_NMI, NULL);
	tasks_halt(vcpu, "the second NMI");
	CHECK_EQ("TR", S_B, vcpu_sregs(vcpu).tr.selector);
	CHECK_EQ("A's EIP, as it went on", CODE_A, tasks_peek(TSS_A + T_EIP, 4));
	CHECK_EQ("B's EIP", CODE_B + 1, vcpu_regs(vcpu).rip);
	tasks_halt(vcpu, "A");
	CHECK_EQ("TR", S_A, vcpu_sregs(vcpu).tr.selector);
	CHECK_EQ("masked", 0, get_events().nmi.masked);
	CHECK_EQ("pending", 0, get_events().nmi.pending);
}

/* The launcher restores an event that was on its way. */
static void restore_event(struct kvm_vcpu_events *ev)
{
	ev->flags = KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW;
	vcpu_ioctl(vcpu, KVM_SET_VCPU_EVENTS, ev);
}

static void test_restored_event(void)
{
	struct kvm_vcpu_events exception = { .exception = { .injected = 1, .nr = 13, .has_error_code = 1,
							    .error_code = 0x5678 } };
	struct kvm_vcpu_events nmi = { .nmi = { .injected = 1, .masked = 1 } };
	struct kvm_vcpu_events irq = { .interrupt = { .injected = 1, .nr = 0x41 } };

	vcpu = tasks_prepare(0);
	tasks_put_task_gate(13, S_B, 0x85);
	restore_event(&exception);
	tasks_halt(vcpu, "exception");
	CHECK_EQ("exception: TR", S_B, vcpu_sregs(vcpu).tr.selector);
	CHECK_EQ("exception: error code", 0x5678, tasks_peek(STACK_B - 4, 4));
	CHECK_EQ("exception: A's EIP", CODE_A, tasks_peek(TSS_A + T_EIP, 4));
	CHECK_EQ("exception: in flight", 0, get_events().exception.injected);

	vcpu = tasks_prepare(0);
	tasks_put_task_gate(2, S_B, 0x85);
	restore_event(&nmi);
	tasks_halt(vcpu, "NMI");
	CHECK_EQ("NMI: TR", S_B, vcpu_sregs(vcpu).tr.selector);
	CHECK_EQ("NMI: masked", 1, get_events().nmi.masked);
	CHECK_EQ("NMI: in flight", 0, get_events().nmi.injected);

	vcpu = tasks_prepare(0);
	tasks_put_task_gate(0x41, S_B, 0x85);
	tasks_set_rflags(vcpu, 2 | FL_IF);
	restore_event(&irq);
	tasks_halt(vcpu, "interrupt");
	CHECK_EQ("interrupt: TR", S_B, vcpu_sregs(vcpu).tr.selector);
	CHECK_EQ("interrupt: A's EIP", CODE_A, tasks_peek(TSS_A + T_EIP, 4));
	CHECK_EQ("interrupt: in flight", 0, get_events().interrupt.injected);
}

/* A nested task goes on on another vCPU, and returns there. */
static void test_moved(void)
{
	struct kvm_vcpu_events ev;
	struct kvm_sregs s;
	struct kvm_regs r;

	vcpu = tasks_prepare(0);
	tasks_put_jump(0x9a);
	tasks_halt(vcpu, "B");
	r = vcpu_regs(vcpu);
	s = vcpu_sregs(vcpu);
	ev = get_events();
	vcpu = vcpu_create(vcpu->vm, 1);
	vcpu_set_supported_cpuid(vcpu);
	vcpu_set_sregs(vcpu, &s);
	vcpu_set_regs(vcpu, &r);
	vcpu_ioctl(vcpu, KVM_SET_VCPU_EVENTS, &ev);
	tasks_halt(vcpu, "A again");
	CHECK_EQ("EIP", CODE_A + 8, vcpu_regs(vcpu).rip);
	CHECK_EQ("EBX", 0xcd000003, vcpu_regs(vcpu).rbx);
	CHECK_EQ("TR", S_A, vcpu_sregs(vcpu).tr.selector);
	CHECK_EQ("B's TSS busy", 0, tasks_peek(ACCESS(S_B), 1) & 2);
}

static void step(const char *name, u64 pc)
{
	vcpu_run(vcpu);
	ASSERT_EXIT(vcpu, KVM_EXIT_DEBUG);
	CHECK_EQ(name, pc, vcpu->run->debug.arch.pc);
}

/* Over each way into B: the next stop is B's first instruction, and the flags of both are their own. */
static void step_ways(u32 tf_b)
{
	struct kvm_guest_debug d = { .control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP }, off = { };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ways); i++) {
		const struct way *w = &ways[i];

		/* these begin with a MOV */
		if (w->vector == 13)
			continue;
		vcpu = tasks_prepare(0);
		start_way(w, false);
		tasks_poke(TSS_B + T_EFLAGS, 2 | tf_b, 4);
		vcpu_ioctl(vcpu, KVM_SET_GUEST_DEBUG, &d);
		step(w->name, CODE_B);
		CHECK_EQ("A's TF", 0, tasks_peek(TSS_A + T_EFLAGS, 4) & FL_TF);
		CHECK_EQ("B's TF", tf_b, vcpu_regs(vcpu).rflags & FL_TF);
		vcpu_ioctl(vcpu, KVM_SET_GUEST_DEBUG, &off);
		if (tf_b)
			continue;
		tasks_halt(vcpu, w->name);
		check_new(w, false);
	}
}

static void test_step(void)
{
	REQUIRE(!host_is_tcg(), "QEMU's TCG does not intercept task switches, and a step is a TF, which goes into the old TSS");
	REQUIRE(is_keel(), "stock KVM does not stop at a new task");
	step_ways(0);
	step_ways(FL_TF);
}

static const struct test_case cases[] = {
	{ "from_32_to_32", test_32_to_32 },
	{ "from_32_to_16", test_32_to_16 },
	{ "from_16_to_32", test_16_to_32 },
	{ "from_16_to_16", test_16_to_16 },
	{ "address_space", test_address_space },
	{ "ring_3", test_ring3 },
	{ "virtual_8086", test_vm86 },
	{ "debug_registers", test_debug_registers },
	{ "trap", test_trap },
	{ "trap_flag", test_trap_flag },
	{ "nmi", test_nmi },
	{ "restored_event", test_restored_event },
	{ "moved", test_moved },
	{ "single_step", test_step },
};

TEST_MAIN(cases)
