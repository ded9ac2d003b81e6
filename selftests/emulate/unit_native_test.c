// SPDX-License-Identifier: GPL-2.0-only
/*
 * Instructions with random operands give the same registers, flags, memory and faults in the emulator as on the CPU that runs
 * this test, in 64-, 32- and 16-bit code at privilege level 3.
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

static u64 seed = 0x9e3779b97f4a7c15;

static u64 rnd(void)
{
	return xorshift(&seed) >> 3;
}

/* Values near the edges are as likely as any. */
static u64 rnd_value(void)
{
	static const u64 edge[] = { 0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff,
				    0x80000000, 0xffffffff, ~0ULL >> 1, 1ULL << 63, ~0ULL };
	u64 r = rnd();

	switch (r & 3) {
	case 0:
		return edge[(r >> 8) % ARRAY_SIZE(edge)];
	case 1:
		return (u64)((s64)(rnd() << 3) >> (r >> 8 & 63));
	default:
		return rnd() << 3 | (r >> 60);
	}
}

/* Flags that the manual leaves undefined, by operation (SDM volume 2, "Flags Affected" of each). */
static const struct undefined {
	u8 op;
	u32 flags;
} undefined[] = {
	{ EMU_OP_AND, FLAG_AF }, { EMU_OP_OR, FLAG_AF }, { EMU_OP_XOR, FLAG_AF }, { EMU_OP_TEST, FLAG_AF },
	{ EMU_OP_MUL, FLAG_SF | FLAG_ZF | FLAG_AF | FLAG_PF }, { EMU_OP_IMUL1, FLAG_SF | FLAG_ZF | FLAG_AF | FLAG_PF },
	{ EMU_OP_IMUL2, FLAG_SF | FLAG_ZF | FLAG_AF | FLAG_PF }, { EMU_OP_IMUL3, FLAG_SF | FLAG_ZF | FLAG_AF | FLAG_PF },
	{ EMU_OP_DIV, FLAG_ARITH }, { EMU_OP_IDIV, FLAG_ARITH },
	{ EMU_OP_BT, FLAG_OF | FLAG_SF | FLAG_AF | FLAG_PF }, { EMU_OP_BTS, FLAG_OF | FLAG_SF | FLAG_AF | FLAG_PF },
	{ EMU_OP_BTR, FLAG_OF | FLAG_SF | FLAG_AF | FLAG_PF }, { EMU_OP_BTC, FLAG_OF | FLAG_SF | FLAG_AF | FLAG_PF },
	{ EMU_OP_BSF, FLAG_ARITH & ~FLAG_ZF }, { EMU_OP_BSR, FLAG_ARITH & ~FLAG_ZF },
	{ EMU_OP_TZCNT, FLAG_OF | FLAG_SF | FLAG_AF | FLAG_PF }, { EMU_OP_LZCNT, FLAG_OF | FLAG_SF | FLAG_AF | FLAG_PF },
	{ EMU_OP_DAA, FLAG_OF }, { EMU_OP_DAS, FLAG_OF }, { EMU_OP_AAA, FLAG_OF | FLAG_SF | FLAG_ZF | FLAG_PF },
	{ EMU_OP_AAS, FLAG_OF | FLAG_SF | FLAG_ZF | FLAG_PF }, { EMU_OP_AAM, FLAG_OF | FLAG_AF | FLAG_CF },
	{ EMU_OP_AAD, FLAG_OF | FLAG_AF | FLAG_CF },
	{ EMU_OP_ANDN, FLAG_AF | FLAG_PF }, { EMU_OP_BLSR, FLAG_AF | FLAG_PF }, { EMU_OP_BLSMSK, FLAG_AF | FLAG_PF },
	{ EMU_OP_BLSI, FLAG_AF | FLAG_PF }, { EMU_OP_BZHI, FLAG_AF | FLAG_PF },
	{ EMU_OP_BEXTR, FLAG_AF | FLAG_SF | FLAG_PF },
};

/* Of shifts and rotates it depends on the count (SDM, "SAL/SAR/SHL/SHR", "RCL/RCR/ROL/ROR", "SHLD", "SHRD"). */
static u32 undefined_by_count(const struct emu_insn *in, u64 rcx)
{
	unsigned int size = in->op_size, count = in->imm_size ? (u8)in->imm : (u8)rcx;
	u32 flags = 0;

	if ((in->opcode & 0xfe) == 0xd0 && !in->map)
		count = 1;
	count &= size == 8 ? 63 : 31;
	if (!count)
		return 0;
	if (count != 1)
		flags |= FLAG_OF;
	if (in->row.op >= EMU_OP_SHL)
		flags |= FLAG_AF;
	if (count >= 8 * size && in->row.op >= EMU_OP_SHL && in->row.op != EMU_OP_SAR)
		flags |= FLAG_CF;
	return flags;
}

static bool is_double_shift(const struct emu_insn *in)
{
	return in->row.op == EMU_OP_SHLD || in->row.op == EMU_OP_SHRD;
}

static u32 undefined_flags(const struct emu_insn *in, u64 rcx)
{
	unsigned int i;

	if ((in->row.op >= EMU_OP_ROL && in->row.op <= EMU_OP_SAR) || is_double_shift(in))
		return undefined_by_count(in, rcx);
	for (i = 0; i < ARRAY_SIZE(undefined); i++)
		if (undefined[i].op == in->row.op)
			return undefined[i].flags;
	return 0;
}

/* With a count of 0, Intel's CPUs clear the upper half of registers used as 32 bits, or do not; the manual does not say. */
static bool is_empty_string(const struct emu_insn *in, u64 rcx)
{
	return in->row.op >= EMU_OP_MOVS && in->row.op <= EMU_OP_SCAS && (in->prefix & (EMU_PFX_REP | EMU_PFX_REPNE)) &&
	       in->addr_size == 4 && !(u32)rcx;
}

/*
 * What is not compared: undefined results (SDM, "BSWAP": a word; "SHLD": a count above the operand), and what depends on the
 * kernel's tables and bases, on its emulation (UMIP), or would take the test's own segments away.
 */
static bool is_left_out(const struct emu_insn *in, u64 rcx)
{
	switch (in->row.op) {
	case EMU_OP_BSWAP:
		return in->op_size == 2;
	case EMU_OP_SHLD:
	case EMU_OP_SHRD:
		return ((in->imm_size ? in->imm : rcx) & 31) > 8u * in->op_size;
	case EMU_OP_LAR: case EMU_OP_LSL: case EMU_OP_VERR: case EMU_OP_VERW: case EMU_OP_LOAD_FAR:
	case EMU_OP_JMPF: case EMU_OP_CALLF: case EMU_OP_RETF: case EMU_OP_IRET:
	case EMU_OP_SGDT: case EMU_OP_SIDT: case EMU_OP_SLDT: case EMU_OP_STR: case EMU_OP_SMSW:
	case EMU_OP_FSGSBASE: case EMU_OP_INT: case EMU_OP_FXRSTOR: case EMU_OP_LDMXCSR: case EMU_OP_FXSAVE:
		return true;
	case EMU_OP_PUSH:	/* of a segment: Intel's CPUs write two bytes, AMD's all (SDM, "PUSH") */
		return in->op_size > 2 && (in->map || in->opcode < 0x40);
	case EMU_OP_MOV_SREG:	/* a load */
		return in->opcode == 0x8e;
	case EMU_OP_POP:	/* of a segment */
		return in->opcode != 0x8f && (in->map || in->opcode < 0x40);
	case EMU_OP_INS: case EMU_OP_OUTS:	/* with a count of 0 CPUs look at the permission or do not (SDM, "REP/REPE/REPZ") */
		return (in->prefix & (EMU_PFX_REP | EMU_PFX_REPNE)) &&
		       !(rcx & (in->addr_size == 2 ? 0xffff : in->addr_size == 4 ? 0xffffffff : ~0ULL));
	case EMU_OP_X87:	/* with memory: unit_fx_test */
		return in->mod != 3;
	default:
		return in->seg == SEG_FS || in->seg == SEG_GS || is_empty_string(in, rcx);
	}
}

/* One encoding to be tried. */
struct key {
	enum native_width width;
	bool vex;
	u8 map, opcode, prefix, reg;
	bool is_memory;
};

static const u8 prefix_bytes[] = { 0, 0x66, 0xf3, 0xf2 };
static const enum emu_mode modes[NR_NATIVE_WIDTHS] = { EMU_MODE_LONG, EMU_MODE_COMPAT32, EMU_MODE_COMPAT16 };

#define PREFIX_OPCODES	"\x26\x2e\x36\x3e\x64\x65\x66\x67\xf0\xf2\xf3"

static bool is_tried(const struct key *k)
{
	if (k->vex)
		return k->map && k->width != NATIVE_16;
	if (k->map == 2)
		return k->opcode >= 0xf0 || k->opcode == 0x2a;
	if (k->map)
		return k->map == 1 && k->opcode != 0x38 && k->opcode != 0x3a;
	return k->opcode != 0x0f && !memchr(PREFIX_OPCODES, k->opcode, 11) && (k->width != NATIVE_64 || (k->opcode & 0xf0) != 0x40);
}

/* The next encoding, in an order that comes round after some 100,000. */
static void next_key(struct key *k, u64 *counter)
{
	u64 n;

	do {
		/* an odd multiple of the counter meets each number once, in no order */
		n = (*counter)++ * 0x9e3779b97f4a7c15ULL >> 20;
		k->width = n % NR_NATIVE_WIDTHS;
		n /= NR_NATIVE_WIDTHS;
		k->opcode = (u8)n;
		k->is_memory = n >> 8 & 1;
		k->reg = n >> 9 & 7;
		k->prefix = n >> 12 & 3;
		k->map = (n >> 14) % 3;
		k->vex = (n >> 16) % 4 == 0;
		if (k->vex)
			k->map = 1 + (n >> 20) % 3;
	} while (!is_tried(k));
}

static u8 *put_vex(const struct key *k, u8 *p)
{
	*p++ = 0xc4;
	*p++ = (u8)((k->width == NATIVE_64 ? rnd() & 0xe0 : 0xe0) | k->map);
	*p++ = (u8)((rnd() & 0xfc) | (rnd() & 3 ? 0x78 : 0) |
		    (k->prefix == 1 ? 1 : k->prefix == 2 ? 2 : k->prefix == 3 ? 3 : 0));
	return p;
}

static u8 *put_prefixes(const struct key *k, u8 *p)
{
	u64 r = rnd();

	if (!(r & 7))
		*p++ = 0x67;
	if (!(r & 0x38))
		*p++ = 0xf0;
	if (k->vex)
		return put_vex(k, p);
	if (!(r & 0x1c0))
		*p++ = 0x66;
	if (k->prefix)
		*p++ = prefix_bytes[k->prefix];
	if (k->width == NATIVE_64 && (r & 0x200))
		*p++ = 0x40 | (r >> 12 & 15);
	if (k->map)
		*p++ = 0x0f;
	if (k->map == 2)
		*p++ = 0x38;
	return p;
}

/* Registers that point into the window: RBX, RSI, RDI, and R14 of REX; RBP in flat code. */
static u8 *put_modrm(const struct key *k, u8 *p)
{
	static const u8 bases[] = { GPR_RBX, GPR_RSI, GPR_RDI, GPR_RBP };
	u64 r = rnd();

	if (!k->is_memory) {
		*p++ = 0xc0 | k->reg << 3 | (r & 7);
		return p;
	}
	if (k->width == NATIVE_16) {
		*p++ = (r & 1 ? 0x40 : 0) | k->reg << 3 | (r >> 1 & 7);
	} else if (r & 0x30) {
		*p++ = 0x40 | k->reg << 3 | bases[r & 3];
	} else {	/* with an index */
		*p++ = 0x44 | k->reg << 3;
		*p++ = (r >> 8 & 0x40) | GPR_RDX << 3 | bases[r & 3];
	}
	if (k->width != NATIVE_16 || (r & 1))
		*p++ = (u8)((r >> 16) & 63);
	return p;
}

static void compose(const struct key *k, u8 *insn)
{
	u64 pointer = (uintptr_t)native_window() + 100;
	unsigned int i;
	u8 *p = insn;

	for (i = 0; i < EMU_MAX_INSN; i++)
		insn[i] = (u8)rnd();
	p = put_prefixes(k, p);
	*p++ = k->opcode;
	if (!k->map && (k->opcode & 0xfc) == 0xa0)
		memcpy(p, k->width == NATIVE_16 ? &(u64){ rnd() % 900 } : &pointer, 8 > insn + 15 - p ? insn + 15 - p : 8);
	else
		put_modrm(k, p);
}

static u64 rnd_pointer(enum native_width width)
{
	u64 offset = 128 + rnd() % 512;

	if (!(rnd() & 15))
		offset = WINDOW_SIZE - 80 + rnd() % 72;	/* up to the page that faults */
	if (!(rnd() & 3))
		offset &= ~31ULL;
	return width == NATIVE_16 ? offset : (uintptr_t)native_window() + offset;
}

static void rnd_state(enum native_width width, struct native_state *s)
{
	u8 *window = native_window();
	unsigned int i;

	for (i = 0; i < 16; i++)
		s->gpr[i] = rnd_value();
	s->gpr[GPR_RBX] = rnd_pointer(width);
	s->gpr[GPR_RSI] = rnd_pointer(width);
	s->gpr[GPR_RDI] = rnd_pointer(width);
	s->gpr[GPR_RBP] = rnd_pointer(NATIVE_32);	/* SS is flat in each width */
	s->gpr[GPR_R14] = rnd_pointer(width);
	s->gpr[GPR_RSP] = (uintptr_t)window + 512 + rnd() % 64 * 4;
	if (rnd() & 1)		/* an index, and a dividend that does not overflow at once */
		s->gpr[GPR_RDX] = rnd() & 1 ? rnd() & 0xff : (u64)-(s64)(rnd() & 0xff);
	if (rnd() & 1)		/* a count */
		s->gpr[GPR_RCX] = (s->gpr[GPR_RCX] & ~0xffULL) | rnd() % 66;
	for (i = 0; i < WINDOW_SIZE; i += 8)
		memcpy(window + i, &(u64){ rnd() & 1 ? rnd() << 3 : rnd_value() }, 8);
	if (!(rnd() & 3))	/* repetitions, for comparing strings */
		memset(window + 64, 0x55, 400);
	if (width != NATIVE_64)
		for (i = 0; i < 16; i++)
			s->gpr[i] = i < 8 ? (u32)s->gpr[i] : 0;
	s->flags = 0x302 | (rnd() & (FLAG_ARITH | FLAG_DF));
	for (i = 0; i < 32; i++)
		((u64 *)s->fx.xmm)[i] = rnd_value();
	s->fx.fsw = rnd() & 0x7f7f;	/* all exceptions are masked */
	s->fx.ftw = rnd() & 0xff;
}

/* CMPXCHG finds what it expects now and then; SCAS too. */
static void match_memory(const struct machine *m, struct native_state *s)
{
	u64 address = emu_address(&m->emu), offset;

	if (m->emu.insn.row.op != EMU_OP_CMPXCHG && m->emu.insn.row.op != EMU_OP_CMPXCHG8B)
		return;
	offset = address + m->seg[m->emu.insn.seg & 7].base - (uintptr_t)native_window();
	if ((rnd() & 1) || m->emu.insn.mod == 3 || offset > WINDOW_SIZE - 16)
		return;
	memcpy(&s->gpr[GPR_RAX], native_window() + offset, 8);
	memcpy(&s->gpr[GPR_RDX], native_window() + offset + (m->emu.insn.op_size == 8 ? 8 : 4), 8);
	if (m->emu.mode != EMU_MODE_LONG) {
		s->gpr[GPR_RAX] = (u32)s->gpr[GPR_RAX];
		s->gpr[GPR_RDX] = (u32)s->gpr[GPR_RDX];
	}
}

/* A locked access over two cache lines makes a kernel that looks for them wait. */
static bool is_split(const struct machine *m)
{
	const struct emu_insn *in = &m->emu.insn;
	u64 address = emu_address(&m->emu) + m->seg[in->seg & 7].base;

	if (in->mod == 3 || (!(in->prefix & EMU_PFX_LOCK) && in->row.op != EMU_OP_XCHG))
		return false;
	if (in->row.op >= EMU_OP_BT && in->row.op <= EMU_OP_BTC && !in->imm_size)
		return true;	/* it may go anywhere */
	return (address & 63) + 2 * in->op_size > 64;
}

static bool is_missing(const struct emu_insn *in)
{
	unsigned int a, b = 0, c, d, b1, c1 = 0, c7 = 0;

	__get_cpuid(1, &a, &b1, &c1, &d);
	if (__get_cpuid_count(7, 0, &a, &b, &c, &d))
		c7 = c;
	switch (in->row.op) {
	case EMU_OP_MOVBE:
		return !(c1 & bit_MOVBE);
	case EMU_OP_POPCNT:
		return !(c1 & bit_POPCNT);
	case EMU_OP_CRC32:
		return !(c1 & bit_SSE4_2);
	case EMU_OP_TZCNT: case EMU_OP_LZCNT: case EMU_OP_ANDN: case EMU_OP_BLSR: case EMU_OP_BLSMSK: case EMU_OP_BLSI:
	case EMU_OP_BEXTR:
		return !(b & bit_BMI);
	case EMU_OP_BZHI: case EMU_OP_PDEP: case EMU_OP_PEXT: case EMU_OP_SHLX: case EMU_OP_SARX: case EMU_OP_SHRX:
	case EMU_OP_RORX: case EMU_OP_MULX:
		return !(b & bit_BMI2);
	case EMU_OP_ADCX: case EMU_OP_ADOX:
		return !(b & bit_ADX);
	case EMU_OP_MOVNTI:
		return in->map == 2 && !(c7 & bit_MOVDIRI);
	case EMU_OP_MOVX: case EMU_OP_MOVX_LOW: case EMU_OP_MOVX_HIGH:
		return (in->prefix & EMU_PFX_VEX) && !(c1 & bit_AVX);
	default:
		return false;
	}
}

struct run {
	struct machine m;
	struct native_state s;
	u8 before[WINDOW_SIZE], after[WINDOW_SIZE];
	u64 cases, steps, faults, left_out, reports;
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
	u32 mask = FLAGS_COMPARED & ~undefined_flags(&m->emu.insn, rcx);
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

static void one_case(struct run *r, const struct key *k)
{
	u64 start = CODE_OFFSET + (k->width == NATIVE_16 ? 0 : (uintptr_t)native_code());
	u8 insn[EMU_MAX_INSN];

	compose(k, insn);
	r->s.fx = *native_fx();
	rnd_state(k->width, &r->s);
	r->s.rip = start;
	r->m.emu.rip = start;
	native_segments(&r->m, k->width);
	machine_begin(r, k->width);
	if (machine_decode(&r->m, insn, EMU_MAX_INSN) == EMU_CONTINUE) {
		if (is_left_out(&r->m.emu.insn, r->s.gpr[GPR_RCX]) || is_missing(&r->m.emu.insn) || is_split(&r->m))
			return;
		match_memory(&r->m, &r->s);
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
	struct key k;

	native_init();
	seed += 2 * number("KEEL_SEED", 0);
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
		next_key(&k, &counter);
		one_case(&r, &k);
	}
	test_note("%llu cases (%llu steps, %llu faults) of %llu encodings tried; %llu outside the common memory, or not the emulator's",
		  (unsigned long long)r.cases, (unsigned long long)r.steps, (unsigned long long)r.faults,
		  (unsigned long long)tried, (unsigned long long)r.left_out);
	ASSERT_GE(r.cases, cases);
	CHECK_EQ("differences", 0, r.reports);
}

static const struct test_case cases[] = {
	{ "same_as_cpu", test_native, TIMEOUT },
};

TEST_MAIN(cases)
