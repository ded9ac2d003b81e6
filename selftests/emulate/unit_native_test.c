// SPDX-License-Identifier: GPL-2.0-only
/*
 * Instructions with random operands give the same registers, flags, memory and faults in the emulator as on the CPU that runs
 * this test, in 64-, 32- and 16-bit code at privilege level 3, as far as the kernel lets such code run.
 *
 * Every encoding that the opcode maps have (opcode, mandatory prefix, ModRM.reg, memory or register) is tried.  What the emulator
 * executes, or faults on, within the memory that both sides have, is executed by the CPU from the same state.
 *
 *   KEEL_CASES=1000000 BUILD/selftests/emulate/unit_native_test     # the long form; KEEL_SEED=N gives others
 */
#include <cpuid.h>

#include "test.h"
#include "unit_native.h"

#define CASES		150000	/* by default */
#define TIMEOUT		3600
#define MAX_STEPS	12	/* iterations of REP */
#define MAX_REPORTS	20
#define FLAG_NT		0x4000
#define FLAG_AC		0x40000
#define FLAG_ID		0x200000
#define FLAGS_COMPARED	(FLAG_ARITH | FLAG_DF | FLAG_NT | FLAG_AC | FLAG_ID)

static const enum emu_mode modes[NR_NATIVE_WIDTHS] = { EMU_MODE_LONG, EMU_MODE_COMPAT32, EMU_MODE_COMPAT16 };

struct run {
	struct machine m;
	struct native_state s;
	u8 before[WINDOW_SIZE], after[WINDOW_SIZE];
	u64 cases, steps, faults, left_out, elsewhere, reports;
};

static void machine_begin(struct run *r, enum native_width width)
{
	struct machine *m = &r->m;
	unsigned int i;

	memcpy(m->gpr, r->s.gpr, sizeof(m->gpr));
	m->emu.rflags = r->s.flags;
	m->emu.rip = r->s.rip;
	m->fx = r->s.fx;
	for (i = 0; i < 16; i++) {
		memcpy(m->xmm[i], r->s.fx.xmm[i], 16);
		memset(m->ymm[i], 0, 32);
		memcpy(m->ymm[i], r->s.fx.xmm[i], 16);
	}
	m->nr_ports = m->nr_asked = 0;
	m->emu.mode = modes[width];
}

/* Can the CPU be asked?  A page fault must be that of the page behind the window, or the test's memory would change. */
static bool is_comparable(const struct run *r, int ret)
{
	const struct machine *m = &r->m;
	u64 end = (uintptr_t)native_window() + WINDOW_SIZE;

	if (ret == EMU_CONTINUE)
		return !m->nr_ports;
	if (ret != EMU_FAULT || m->emu.fault.type != EMU_EVENT_EXCEPTION)
		return false;
	return m->emu.fault.vector != 14 || (m->emu.fault.cr2 >= end - 32 && m->emu.fault.cr2 < end + 2048);
}

static void complain(struct run *r, const char *what, u64 wanted, u64 got)
{
	char text[160];

	r->reports++;
	if (r->reports > MAX_REPORTS)
		return;
	emu_format(&r->m.emu, text, sizeof(text));
	test_note("%s", text);
	if (r->s.vector == 14)
		test_note("page fault at window + 0x%llx, error code 0x%llx, operand at window + 0x%llx",
			  (unsigned long long)(r->s.address - (uintptr_t)native_window()), (unsigned long long)r->s.error,
			  (unsigned long long)(emu_address(&r->m.emu) - (uintptr_t)native_window()));
	CHECK_EQ(what, wanted, got);
}

static void compare_vectors(struct run *r)
{
	const struct machine *m = &r->m;
	bool is_fx = m->emu.insn.row.op == EMU_OP_SIMD || m->emu.insn.row.op == EMU_OP_X87;
	const u64 *got;
	unsigned int i;

	for (i = 0; i < 16; i++) {
		got = is_fx ? m->fx.xmm[i] : m->emu.insn.prefix & EMU_PFX_VEX ? m->ymm[i] : m->xmm[i];
		if (got[0] != r->s.fx.xmm[i][0])
			complain(r, "XMM register, low", r->s.fx.xmm[i][0], got[0]);
		if (got[1] != r->s.fx.xmm[i][1])
			complain(r, "XMM register, high", r->s.fx.xmm[i][1], got[1]);
	}
	if (!is_fx)
		return;
	if (m->fx.mxcsr != r->s.fx.mxcsr)
		complain(r, "MXCSR", r->s.fx.mxcsr, m->fx.mxcsr);
	if (m->fx.fcw != r->s.fx.fcw || m->fx.fsw != r->s.fx.fsw)
		complain(r, "control and status word", r->s.fx.fcw << 16 | r->s.fx.fsw, m->fx.fcw << 16 | m->fx.fsw);
	if ((u8)m->fx.ftw != (u8)r->s.fx.ftw)
		complain(r, "tags", (u8)r->s.fx.ftw, (u8)m->fx.ftw);
}

static void compare(struct run *r, enum native_width width, int ret, u64 rcx, u64 old_rip)
{
	struct machine *m = &r->m;
	u32 mask = FLAGS_COMPARED & ~native_undefined(&m->emu.insn, rcx);
	unsigned int i, nr = width == NATIVE_64 ? 16 : 8;
	u64 rip = ret == EMU_FAULT ? old_rip : m->emu.rip;

	/* an operand at an address that is neither aligned nor canonical: no order is given (SDM, "SSE Instruction Exceptions") */
	if (ret == EMU_FAULT && m->emu.fault.vector == 12 && r->s.vector == 13)
		return;
	if (r->s.vector != (ret == EMU_FAULT ? m->emu.fault.vector : VECTOR_STEP)) {
		complain(r, "vector", r->s.vector, ret == EMU_FAULT ? m->emu.fault.vector : VECTOR_STEP);
		return;
	}
	for (i = 0; i < nr; i++)
		if (m->gpr[i] != r->s.gpr[i])
			complain(r, "register", r->s.gpr[i], m->gpr[i]);
	if (rip != r->s.rip)
		complain(r, "RIP", r->s.rip, rip);
	if (ret == EMU_FAULT)
		return;
	if ((r->s.flags ^ m->emu.rflags) & mask)
		complain(r, "flags", r->s.flags & mask, m->emu.rflags & mask);
	if (memcmp(r->after, native_window(), WINDOW_SIZE))
		complain(r, "memory as the CPU leaves it", 1, 0);
	compare_vectors(r);
}

/* One instruction, with all iterations of REP up to a limit. */
static void run_both(struct run *r, enum native_width width, const u8 *insn)
{
	u8 *window = native_window();
	unsigned int i;
	u64 rcx, rip;
	int ret;

	for (i = 0; i < MAX_STEPS; i++) {
		rcx = r->s.gpr[GPR_RCX];
		rip = r->s.rip;
		memcpy(r->before, window, WINDOW_SIZE);
		machine_begin(r, width);
		ret = machine_decode(&r->m, insn, EMU_MAX_INSN);
		if (!ret)
			ret = emu_execute(&r->m.emu);
		emu_forget(&r->m.emu);
		memcpy(r->after, window, WINDOW_SIZE);
		memcpy(window, r->before, WINDOW_SIZE);
		if (!is_comparable(r, ret)) {
			r->left_out++;
			return;
		}
		if (!native_has(width)) {
			machine_seen(&r->m, MACHINE_OTHER_CPU);
			r->elsewhere++;
			return;
		}
		native_step(width, &r->s);
		compare(r, width, ret, rcx, rip);
		machine_seen(&r->m, MACHINE_CPU);
		r->steps++;
		r->faults += ret == EMU_FAULT;
		if (ret || !r->m.emu.repeat)
			break;
	}
	r->cases++;
}

static void one_case(struct run *r, const struct native_key *k)
{
	u64 start = CODE_OFFSET + (k->width == NATIVE_16 ? 0 : (uintptr_t)native_code());
	u8 insn[EMU_MAX_INSN];

	native_compose(k, insn);
	r->s.fx = *native_fx();
	native_rnd_state(k->width, &r->s);
	r->s.rip = start;
	r->m.emu.rip = start;
	native_segments(&r->m, k->width);
	machine_begin(r, k->width);
	if (machine_decode(&r->m, insn, EMU_MAX_INSN) == EMU_CONTINUE) {
		if (native_is_left_out(&r->m.emu.insn, r->s.gpr[GPR_RCX]) || native_is_missing(&r->m.emu.insn) || native_is_split(&r->m))
			return;
		native_match_memory(&r->m, &r->s);
	} else if (r->m.emu.fault.vector == 6) {
		return;		/* another CPU may have an instruction there: unit_decoders_test */
	}
	memcpy(native_code() + CODE_OFFSET, insn, EMU_MAX_INSN);
	run_both(r, k->width, insn);
}

static u64 number(const char *name, u64 otherwise)
{
	const char *s = getenv(name);

	return s ? strtoull(s, NULL, 0) : otherwise;
}

static void test_native(void)
{
	static struct run r;
	u64 cases = number("KEEL_CASES", CASES), counter = number("KEEL_SEED", 0) << 32, tried;
	unsigned int a, b, c, d;
	struct native_key k;

	native_init();
	native_seed(number("KEEL_SEED", 0));
	machine_init(&r.m, EMU_MODE_LONG);
	r.m.host_base = native_window();
	r.m.host_size = WINDOW_SIZE;
	r.m.host_only = true;
	r.m.seg[SEG_TR].limit = 0x60;	/* without a map of ports */
	r.m.emu.cpl = 3;
	r.m.emu.step = true;
	r.m.emu.intel = __get_cpuid(0, &a, &b, &c, &d) && b == signature_INTEL_ebx;
	r.m.cr[0] = 0x80050033;
	r.m.cr[4] = 0x3506f8;
	r.m.cr[EMU_XCR0] = 7;
	for (tried = 0; r.cases < cases && r.reports <= MAX_REPORTS && tried < 100 * cases; tried++) {
		native_next_key(&k, &counter);
		one_case(&r, &k);
	}
	test_note("%llu cases (%llu steps, %llu faults) of %llu encodings tried; %llu outside the common memory, or not the emulator's",
		  (unsigned long long)r.cases, (unsigned long long)r.steps, (unsigned long long)r.faults,
		  (unsigned long long)tried, (unsigned long long)r.left_out);
	if (r.elsewhere)
		test_note("%llu of code that does not run here", (unsigned long long)r.elsewhere);
	ASSERT_GE(r.cases, cases);
	CHECK_EQ("differences", 0, r.reports);
}

static const struct test_case cases[] = {
	{ "same_as_cpu", test_native, TIMEOUT },
};

TEST_MAIN(cases)
