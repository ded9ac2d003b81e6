// SPDX-License-Identifier: GPL-2.0-only
/*
 * A fault at every step of a hardware task switch, with its vector, its error code and the task it
 * belongs to (SDM, "Exception Conditions Checked During a Task Switch").
 */
#include "tasks.h"
#include <uapi/linux/keel.h>

static struct vcpu *vcpu;

static bool is_keel(void)
{
	return has_cap(KEEL_CAP_LAST_ERROR) > 0;
}

/* How A starts the switch. EVENT is #UD through a task gate, INT_N and GP the like. */
enum source { CALL, JMP, IRET, EVENT, INT_N, GP };

/**
 * struct fault_row - one thing broken
 * @at, @val, @size: written before A starts; size 0: nothing
 * @tcg: what QEMU's TCG makes of it, NULL: the same
 */
struct fault_row {
	const char *name;
	enum source source;
	u16 selector;
	u32 at;
	u32 val;
	u8 size;
	u8 vector;
	u16 error;
	enum context context;
	const char *tcg;
};

#define TI	"TCG raises #TS for a selector with TI set"
#define SS_NP	"TCG raises #NP for an absent stack"
#define LIMIT	"TCG knows no limits of stacks"

static const struct fault_row rows[] = {
	/* who may go there */
	{ "RPL 3, TSS of DPL 0", JMP, S_B | 3, 0, 0, 0, 13, S_B, IN_OLD },
	{ "RPL 3, gate of DPL 0", CALL, S_GATE | 3, 0, 0, 0, 13, S_GATE, IN_OLD },
	{ "gate not present", JMP, S_GATE, ACCESS(S_GATE), 0x05, 1, 11, S_GATE, IN_OLD },
	{ "gate into the LDT", CALL, S_GATE, DESC(S_GATE) + 2, S_B | 4, 2, 13, S_B | 4, IN_OLD, TI },
	{ "gate to an LDT descriptor", JMP, S_GATE, DESC(S_GATE) + 2, S_LDT, 2, 13, S_LDT, IN_OLD },
	/* the new TSS */
	{ "beyond the GDT", JMP, S_BEYOND, 0, 0, 0, 13, S_BEYOND, IN_OLD },
	{ "beyond the GDT", EVENT, S_BEYOND, 0, 0, 0, 13, S_BEYOND | 1, IN_OLD },
	{ "beyond the GDT", INT_N, S_BEYOND, 0, 0, 0, 13, S_BEYOND, IN_OLD },
	{ "link beyond the GDT", IRET, 0, TSS_A, S_BEYOND, 2, 10, S_BEYOND, IN_OLD },
	{ "in the LDT", EVENT, S_B | 4, 0, 0, 0, 13, S_B | 5, IN_OLD, TI },
	{ "link into the LDT", IRET, 0, TSS_A, S_B | 4, 2, 10, S_B | 4, IN_OLD },
	{ "data, not a TSS", INT_N, S_DATA, 0, 0, 0, 13, S_DATA, IN_OLD },
	{ "link to data", IRET, 0, TSS_A, S_DATA, 2, 10, S_DATA, IN_OLD },
	{ "jmp to itself, busy", JMP, S_A, 0, 0, 0, 13, S_A, IN_OLD },
	{ "busy", CALL, S_B, ACCESS(S_B), 0x8b, 1, 13, S_B, IN_OLD },
	{ "busy", EVENT, S_B, ACCESS(S_B), 0x8b, 1, 13, S_B | 1, IN_OLD },
	{ "iret to an available TSS", IRET, 0, ACCESS(S_B), 0x89, 1, 10, S_B, IN_OLD },
	{ "not present", JMP, S_B, ACCESS(S_B), 0x09, 1, 11, S_B, IN_OLD },
	{ "not present", EVENT, S_B, ACCESS(S_B), 0x09, 1, 11, S_B | 1, IN_OLD },
	{ "not present", IRET, 0, ACCESS(S_B), 0x0b, 1, 11, S_B, IN_OLD },
	{ "too short", CALL, S_B, DESC(S_B), 0x66, 2, 10, S_B, IN_OLD },
	{ "too short", IRET, 0, DESC(S_B), 0x66, 2, 10, S_B, IN_OLD },
	{ "too short", INT_N, S_B, DESC(S_B), 0x66, 2, 10, S_B, IN_OLD },
	/* LDTR */
	{ "LDT in the LDT", JMP, S_B, TSS_B + T_LDT, S_LDT | 4, 2, 10, S_LDT | 4, IN_NEW },
	{ "LDT beyond the GDT", CALL, S_B, TSS_B + T_LDT, S_BEYOND, 2, 10, S_BEYOND, IN_NEW },
	{ "LDT is data", IRET, 0, TSS_B + T_LDT, S_DATA, 2, 10, S_DATA, IN_NEW },
	{ "LDT is a TSS", EVENT, S_B, TSS_B + T_LDT, S_A, 2, 10, S_A | 1, IN_NEW },
	{ "LDT not present", INT_N, S_B, TSS_B + T_LDT, S_LDT_ABSENT, 2, 10, S_LDT_ABSENT, IN_NEW },
	/* SS */
	{ "SS null", JMP, S_B, TSS_B + T_SS, 0, 2, 10, 0, IN_NEW },
	{ "SS beyond the GDT", CALL, S_B, TSS_B + T_SS, S_BEYOND, 2, 10, S_BEYOND, IN_NEW },
	{ "SS is code", IRET, 0, TSS_B + T_SS, S_CODE, 2, 10, S_CODE, IN_NEW },
	{ "SS read-only", JMP, S_B, TSS_B + T_SS, S_READ_ONLY, 2, 10, S_READ_ONLY, IN_NEW },
	{ "SS not present", JMP, S_B, TSS_B + T_SS, S_ABSENT, 2, 12, S_ABSENT, IN_NEW, SS_NP },
	{ "SS not present", EVENT, S_B, TSS_B + T_SS, S_ABSENT, 2, 12, S_ABSENT | 1, IN_NEW, SS_NP },
	{ "SS of another DPL", JMP, S_B, TSS_B + T_SS, S_DATA3, 2, 10, S_DATA3 & ~3, IN_NEW },
	{ "SS of another RPL", JMP, S_B, TSS_B + T_SS, S_DATA | 3, 2, 10, S_DATA, IN_NEW },
	/* CS */
	{ "CS null", JMP, S_B, TSS_B + T_CS, 0, 2, 10, 0, IN_NEW },
	{ "CS beyond the GDT", IRET, 0, TSS_B + T_CS, S_BEYOND, 2, 10, S_BEYOND, IN_NEW },
	{ "CS is data", CALL, S_B, TSS_B + T_CS, S_DATA, 2, 10, S_DATA, IN_NEW },
	{ "CS of another DPL", JMP, S_B, TSS_B + T_CS, S_CODE3 & ~3, 2, 10, S_CODE3 & ~3, IN_NEW },
	{ "CS not present", JMP, S_B, TSS_B + T_CS, S_CODE_ABSENT, 2, 11, S_CODE_ABSENT, IN_NEW },
	{ "CS not present", EVENT, S_B, TSS_B + T_CS, S_CODE_ABSENT, 2, 11, S_CODE_ABSENT | 1, IN_NEW },
	/* data */
	{ "DS beyond the GDT", JMP, S_B, TSS_B + T_DS, S_BEYOND, 2, 10, S_BEYOND, IN_NEW },
	{ "ES is a TSS", CALL, S_B, TSS_B + T_ES, S_A, 2, 10, S_A, IN_NEW },
	{ "FS not readable", JMP, S_B, TSS_B + T_FS, S_EXEC_ONLY, 2, 10, S_EXEC_ONLY, IN_NEW },
	{ "DS, RPL above DPL", JMP, S_B, TSS_B + T_DS, S_DATA | 3, 2, 10, S_DATA, IN_NEW },
	{ "GS not present", IRET, 0, TSS_B + T_GS, S_ABSENT, 2, 11, S_ABSENT, IN_NEW },
	/* what comes last */
	{ "EIP beyond CS", JMP, S_B, TSS_B + T_CS, S_SHORT, 2, 13, 0, IN_NEW },
	{ "EIP beyond CS", EVENT, S_B, TSS_B + T_CS, S_SHORT, 2, 13, 1, IN_NEW },
	{ "SS, ring 0 in a task of ring 3", CALL, S_B, TSS_B + T_CS, S_CODE3, 2, 10, S_DATA, IN_NEW },
	/* with the event that brought it a double fault */
	{ "#GP, TSS busy", GP, S_B, ACCESS(S_B), 0x8b, 1, 8, 0, IN_OLD },
	{ "#GP, SS null", GP, S_B, TSS_B + T_SS, 0, 2, 8, 0, IN_NEW },
	{ "#GP, no room for the error code", GP, S_B, TSS_B + T_SS, S_SMALL, 2, 8, 0, IN_NEW, LIMIT },
};

static const char *const source_name[] = { "call", "jmp", "iret", "exception", "int n", "#GP" };

static void start_fault_row(const struct fault_row *r)
{
	u8 lo = (u8)r->selector, hi = r->selector >> 8;
	const u8 codes[][7] = {
		{ 0x9a, 0, 0, 0, 0, lo, hi }, { 0xea, 0, 0, 0, 0, lo, hi }, { 0xcf },
		{ 0x0f, 0x0b }, { 0xcd, 0x40 }, { 0x8e, 0xd0 },
	};

	tasks_put_code(CODE_A, codes[r->source], sizeof(codes[0]));
	if (r->source == EVENT)
		tasks_put_task_gate(6, r->selector, 0x85);
	if (r->source == INT_N)
		tasks_put_task_gate(0x40, r->selector, 0x85);
	if (r->source == GP)
		tasks_put_task_gate(13, r->selector, 0x85);
	if (r->source == IRET) {
		tasks_poke(TSS_A, S_B, 2);
		tasks_poke(ACCESS(S_B), 0x8b, 1);
		tasks_set_rflags(vcpu, 2 | FL_NT);
	}
	if (r->size)
		tasks_poke(r->at, r->val, r->size);
}

/* What the emulated CPUs and stock KVM make of a row; Documentation/differences.rst. */
static const char *exempt(const struct fault_row *r)
{
	if (!is_keel() && !guest_is_amd() && r->context != IN_OLD)
		return "stock KVM on Intel loses the exception, and some rows did not end there";
	return host_is_tcg() ? r->tcg : NULL;
}

/* TCG leaves EIP at the instruction that brought the switch, and knows no EXT. */
static void check_fault(u8 vector, u32 error, enum context context, enum source source)
{
	u32 eip = context == IN_NEW ? CODE_B : CODE_A;

	if (host_is_tcg() && source <= IRET)
		eip = CODE_A;
	if (host_is_tcg() && vector != 14)
		error &= ~1;
	tasks_check_fault(vcpu, vector, error, context);
	CHECK_EQ("  its EIP", eip, tasks_peek((context == IN_NEW ? TSS_B : TSS_A) + T_EIP, 4));
}

static void test_faults(void)
{
	const char *reason;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct fault_row *r = &rows[i];

		reason = exempt(r);
		printf("# %s: %s%s%s\n", source_name[r->source], r->name, reason ? ": left out, " : "",
		       reason ? reason : "");
		if (reason)
			continue;
		vcpu = tasks_prepare(0);
		start_fault_row(r);
		tasks_halt(vcpu, r->name);
		check_fault(r->vector, r->error, r->context, r->source);
	}
}

/* ---- pages ---- */

static void put_big_page(u32 flags)
{
	tasks_poke(PAGE_DIR + 4 * (BIG_PAGE >> 22), BIG_PAGE | 0x80 | flags, 4);
}

static void require_page_faults(void)
{
	REQUIRE(is_keel() || guest_is_amd(),
		"stock KVM on Intel loses the exception, and some rows did not end there");
}

static void check_page(void)
{
	CHECK_EQ("  CR2's page", BIG_PAGE, vcpu_sregs(vcpu).cr2 & ~0xfffULL);
}

static void test_page_faults(void)
{
	static const u8 gp[] = { 0x8e, 0xd0 };	/* SS = null */
	struct kvm_sregs s;

	require_page_faults();
	printf("# new TSS not mapped\n");
	vcpu = tasks_prepare(TASKS_PAGING);
	tasks_put_jump(0xea);
	tasks_put_descriptor(S_B, BIG_PAGE, 0x67, 0x89);
	put_big_page(0);
	tasks_halt(vcpu, "new TSS");
	check_fault(14, 0, IN_OLD, JMP);
	check_page();
	CHECK_EQ("  new TSS available", 0, tasks_peek(ACCESS(S_B), 1) & 2);

	printf("# link not writable\n");
	vcpu = tasks_prepare(TASKS_PAGING);
	tasks_put_jump(0x9a);
	tasks_put_descriptor(S_B, BIG_PAGE, 0x67, 0x89);
	put_big_page(1);
	tasks_halt(vcpu, "link");
	check_fault(14, 3, IN_OLD, CALL);
	check_page();

	printf("# old TSS not writable\n");
	vcpu = tasks_prepare(TASKS_PAGING);
	tasks_put_jump(0xea);
	put_big_page(1);
	/* a task gate would have to save there as well */
	tasks_poke(IDT + 8 * 14, CODE_FAULT | (u64)S_CODE << 16 | 0x8e0000000000, 8);
	s = vcpu_sregs(vcpu);
	s.tr.base = BIG_PAGE;
	vcpu_set_sregs(vcpu, &s);
	tasks_halt(vcpu, "old TSS");
	CHECK_EQ("  TR", S_A, vcpu_sregs(vcpu).tr.selector);
	CHECK_EQ("  ESP", STACK_A - 16, vcpu_regs(vcpu).rsp);
	CHECK_EQ("  error code", 3, tasks_peek(STACK_A - 16, 4));
	CHECK_EQ("  EIP", CODE_A, tasks_peek(STACK_A - 12, 4));
	check_page();

	printf("# stack for the error code not mapped\n");
	vcpu = tasks_prepare(TASKS_PAGING);
	tasks_put_code(CODE_A, gp, sizeof(gp));
	tasks_put_task_gate(13, S_B, 0x85);
	tasks_poke(TSS_B + T_ESP, BIG_PAGE + 0x100, 4);
	put_big_page(0);
	tasks_halt(vcpu, "stack");
	CHECK_EQ("  vector, by TR", S_FAULT(14), vcpu_sregs(vcpu).tr.selector);
	CHECK_EQ("  error code", 2, tasks_peek(STACK_FAULT - 4, 4));
	CHECK_EQ("  the task it belongs to", S_B, tasks_peek(TSS_FAULT + 0x100 * 14, 2));
	CHECK_EQ("  its ESP", BIG_PAGE + 0x100, tasks_peek(TSS_B + T_ESP, 4));
	check_page();
}

/* The launcher is told, and may put memory there: nothing is lost. */
static void run_no_memory(const char *name, const u8 *code, unsigned int n, u32 eip)
{
	printf("# %s, new TSS without memory\n", name);
	vcpu = tasks_prepare(0);
	tasks_put_code(CODE_A, code, n);
	tasks_put_task_gate(6, S_B, 0x85);
	tasks_put_task_gate(0x40, S_B, 0x85);
	tasks_put_descriptor(S_B, VM_MMIO, 0x67, 0x89);
	vcpu_run(vcpu);
	ASSERT_EXIT(vcpu, KVM_EXIT_INTERNAL_ERROR);
	tasks_put_descriptor(S_B, TSS_B, 0x67, 0x89);
	tasks_halt(vcpu, name);
	CHECK_EQ("  TR", S_B, vcpu_sregs(vcpu).tr.selector);
	CHECK_EQ("  A's EIP", eip, tasks_peek(TSS_A + T_EIP, 4));
}

static void test_no_memory(void)
{
	static const u8 jmp[] = { 0xea, 0, 0, 0, 0, S_B, 0 }, ud2[] = { 0x0f, 0x0b }, int_n[] = { 0xcd, 0x40 };

	REQUIRE(is_keel(), "stock KVM loses the event");
	run_no_memory("jmp", jmp, sizeof(jmp), CODE_A + 7);
	run_no_memory("exception", ud2, sizeof(ud2), CODE_A);
	run_no_memory("int n", int_n, sizeof(int_n), CODE_A + 2);
}

static const struct test_case cases[] = {
	{ "faults", test_faults },
	{ "page_faults", test_page_faults },
	{ "no_memory", test_no_memory },
};

TEST_MAIN(cases)
