// SPDX-License-Identifier: GPL-2.0-only
/*
 * Instructions with random operands give the same registers, flags, memory and
 * divide errors in the emulator as on the CPU that runs this test.
 *
 * The instruction is patched into a copy of native_stub, run on a buffer, and
 * then emulated on a second copy of the buffer at the same addresses.
 */
#include <cpuid.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>

#include "test.h"
#include "unit_machine.h"

#define BUFFER_SIZE	512
#define ROUNDS		1500	/* per row */

/* Loads gpr[] (not RSP, R15) and flags from *RDI, runs the patch, stores them again. */
extern const u8 native_stub[], native_patch[], native_end[];
asm(".pushsection .rodata\n"
    "native_stub:\n"
    "	push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
    "	mov %rdi, %r15\n"
    "	pushq 128(%r15)\n"
    "	mov 0(%r15), %rax; mov 8(%r15), %rcx; mov 16(%r15), %rdx; mov 24(%r15), %rbx\n"
    "	mov 40(%r15), %rbp; mov 48(%r15), %rsi; mov 56(%r15), %rdi; mov 64(%r15), %r8\n"
    "	mov 72(%r15), %r9; mov 80(%r15), %r10; mov 88(%r15), %r11; mov 96(%r15), %r12\n"
    "	mov 104(%r15), %r13; mov 112(%r15), %r14\n"
    "	popfq\n"
    "native_patch:\n"
    "	.fill 16, 1, 0x90\n"
    "	pushfq\n"
    "	popq 128(%r15)\n"
    "	mov %rax, 0(%r15); mov %rcx, 8(%r15); mov %rdx, 16(%r15); mov %rbx, 24(%r15)\n"
    "	mov %rbp, 40(%r15); mov %rsi, 48(%r15); mov %rdi, 56(%r15); mov %r8, 64(%r15)\n"
    "	mov %r9, 72(%r15); mov %r10, 80(%r15); mov %r11, 88(%r15); mov %r12, 96(%r15)\n"
    "	mov %r13, 104(%r15); mov %r14, 112(%r15)\n"
    "	pushq $2\n"
    "	popfq\n"
    "	pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
    "	ret\n"
    "native_end:\n"
    ".popsection\n");

struct native_state {
	u64 gpr[16];
	u64 flags;
};

/* How a row is made into instructions. */
enum form {
	FORM_RM = 1,	/* ModRM with a random register or memory operand, random reg */
	FORM_GROUP = 2,	/* ModRM.reg is row.reg */
	FORM_BYTE = 4,	/* byte operands; else 16, 32, 64 at random */
	FORM_IMM8 = 8,
	FORM_IMMZ = 16,	/* immediate of operand size, at most 4 */
	FORM_LOCK = 32,	/* LOCK with memory, now and then */
	FORM_SHIFT = 64,	/* OF only for a count of 1; none for a count of 0 */
	FORM_DOUBLE = 128,	/* SHLD, SHRD: counts up to the operand size */
	FORM_REP = 256,	/* strings: a prefix from row.reg, small RCX, RSI and RDI in the buffer */
	FORM_NO16 = 512,
	FORM_OPREG = 1024,	/* register in the opcode */
	FORM_BITS = 2048,	/* a bit number in a register: small for memory */
	FORM_MEM = 4096,	/* memory operand only */
	FORM_DIV = 16384,	/* small RDX, so that not every division overflows */
	FORM_LZCNT = 32768,/* needs these CPU features */
	FORM_MOVBE = 65536,
	FORM_PAIR = 131072,	/* CMPXCHG8B and 16B: aligned for the latter, equal now and then */
};

struct row {
	const char *name;
	u8 map;		/* 0, 1, 2; or a mandatory F3 prefix: 0x81 */
	u8 opcode;
	u8 reg;
	u32 form;
	u32 undefined;	/* flags not compared */
};

#define LOGIC	FLAG_AF
#define SHIFTS	FLAG_AF
#define MULS	(FLAG_SF | FLAG_ZF | FLAG_AF | FLAG_PF)
#define BITS	(FLAG_OF | FLAG_SF | FLAG_AF | FLAG_PF)
#define ALU_ROWS(name, base, undef, lock) \
	{ name, 0, base + 0, 0, FORM_RM | FORM_BYTE | lock, undef }, \
	{ name, 0, base + 1, 0, FORM_RM | lock, undef }, \
	{ name, 0, base + 2, 0, FORM_RM | FORM_BYTE, undef }, \
	{ name, 0, base + 3, 0, FORM_RM, undef }, \
	{ name, 0, base + 4, 0, FORM_BYTE | FORM_IMM8, undef }, \
	{ name, 0, base + 5, 0, FORM_IMMZ, undef }, \
	{ name, 0, 0x80, (base) >> 3, FORM_RM | FORM_GROUP | FORM_BYTE | FORM_IMM8 | lock, undef }, \
	{ name, 0, 0x81, (base) >> 3, FORM_RM | FORM_GROUP | FORM_IMMZ | lock, undef }, \
	{ name, 0, 0x83, (base) >> 3, FORM_RM | FORM_GROUP | FORM_IMM8 | lock, undef }
#define SHIFT_ROWS(name, reg) \
	{ name, 0, 0xc0, reg, FORM_RM | FORM_GROUP | FORM_BYTE | FORM_IMM8 | FORM_SHIFT, SHIFTS }, \
	{ name, 0, 0xc1, reg, FORM_RM | FORM_GROUP | FORM_IMM8 | FORM_SHIFT, SHIFTS }, \
	{ name, 0, 0xd0, reg, FORM_RM | FORM_GROUP | FORM_BYTE | FORM_SHIFT, SHIFTS }, \
	{ name, 0, 0xd1, reg, FORM_RM | FORM_GROUP | FORM_SHIFT, SHIFTS }, \
	{ name, 0, 0xd2, reg, FORM_RM | FORM_GROUP | FORM_BYTE | FORM_SHIFT, SHIFTS }, \
	{ name, 0, 0xd3, reg, FORM_RM | FORM_GROUP | FORM_SHIFT, SHIFTS }
#define BYTE_OR_NOT(name, map, op, reg, form, undef) \
	{ name, map, op, reg, (form) | FORM_BYTE, undef }, \
	{ name, map, (op) + 1, reg, form, undef }
#define STRING(name, op) \
	BYTE_OR_NOT(name, 0, op, 0, FORM_REP, 0), BYTE_OR_NOT("rep " name, 0, op, 0xf3, FORM_REP, 0)

static const struct row rows[] = {
	ALU_ROWS("add", 0x00, 0, FORM_LOCK), ALU_ROWS("or", 0x08, LOGIC, FORM_LOCK),
	ALU_ROWS("adc", 0x10, 0, FORM_LOCK), ALU_ROWS("sbb", 0x18, 0, FORM_LOCK),
	ALU_ROWS("and", 0x20, LOGIC, FORM_LOCK), ALU_ROWS("sub", 0x28, 0, FORM_LOCK),
	ALU_ROWS("xor", 0x30, LOGIC, FORM_LOCK), ALU_ROWS("cmp", 0x38, 0, 0),
	BYTE_OR_NOT("test", 0, 0x84, 0, FORM_RM, LOGIC),
	{ "test", 0, 0xa8, 0, FORM_BYTE | FORM_IMM8, LOGIC }, { "test", 0, 0xa9, 0, FORM_IMMZ, LOGIC },
	{ "test", 0, 0xf6, 0, FORM_RM | FORM_GROUP | FORM_BYTE | FORM_IMM8, LOGIC },
	{ "test", 0, 0xf7, 0, FORM_RM | FORM_GROUP | FORM_IMMZ, LOGIC },
	BYTE_OR_NOT("inc", 0, 0xfe, 0, FORM_RM | FORM_GROUP | FORM_LOCK, 0),
	BYTE_OR_NOT("dec", 0, 0xfe, 1, FORM_RM | FORM_GROUP | FORM_LOCK, 0),
	BYTE_OR_NOT("not", 0, 0xf6, 2, FORM_RM | FORM_GROUP | FORM_LOCK, 0),
	BYTE_OR_NOT("neg", 0, 0xf6, 3, FORM_RM | FORM_GROUP | FORM_LOCK, 0),
	BYTE_OR_NOT("mul", 0, 0xf6, 4, FORM_RM | FORM_GROUP, MULS),
	BYTE_OR_NOT("imul", 0, 0xf6, 5, FORM_RM | FORM_GROUP, MULS),
	BYTE_OR_NOT("div", 0, 0xf6, 6, FORM_RM | FORM_GROUP | FORM_DIV, FLAG_ARITH),
	BYTE_OR_NOT("idiv", 0, 0xf6, 7, FORM_RM | FORM_GROUP | FORM_DIV, FLAG_ARITH),
	{ "imul", 1, 0xaf, 0, FORM_RM, MULS }, { "imul", 0, 0x69, 0, FORM_RM | FORM_IMMZ, MULS },
	{ "imul", 0, 0x6b, 0, FORM_RM | FORM_IMM8, MULS },
	SHIFT_ROWS("rol", 0), SHIFT_ROWS("ror", 1), SHIFT_ROWS("rcl", 2), SHIFT_ROWS("rcr", 3),
	SHIFT_ROWS("shl", 4), SHIFT_ROWS("shr", 5), SHIFT_ROWS("sal", 6), SHIFT_ROWS("sar", 7),
	{ "shld", 1, 0xa4, 0, FORM_RM | FORM_IMM8 | FORM_SHIFT | FORM_DOUBLE, SHIFTS },
	{ "shrd", 1, 0xac, 0, FORM_RM | FORM_IMM8 | FORM_SHIFT | FORM_DOUBLE, SHIFTS },
	{ "shld", 1, 0xa5, 0, FORM_RM | FORM_SHIFT | FORM_DOUBLE, SHIFTS },
	{ "shrd", 1, 0xad, 0, FORM_RM | FORM_SHIFT | FORM_DOUBLE, SHIFTS },
	{ "bt", 1, 0xa3, 0, FORM_RM | FORM_BITS, BITS }, { "bts", 1, 0xab, 0, FORM_RM | FORM_BITS | FORM_LOCK, BITS },
	{ "btr", 1, 0xb3, 0, FORM_RM | FORM_BITS | FORM_LOCK, BITS },
	{ "btc", 1, 0xbb, 0, FORM_RM | FORM_BITS | FORM_LOCK, BITS },
	{ "bt", 1, 0xba, 4, FORM_RM | FORM_GROUP | FORM_IMM8, BITS },
	{ "bts", 1, 0xba, 5, FORM_RM | FORM_GROUP | FORM_IMM8 | FORM_LOCK, BITS },
	{ "btr", 1, 0xba, 6, FORM_RM | FORM_GROUP | FORM_IMM8 | FORM_LOCK, BITS },
	{ "btc", 1, 0xba, 7, FORM_RM | FORM_GROUP | FORM_IMM8 | FORM_LOCK, BITS },
	{ "bsf", 1, 0xbc, 0, FORM_RM, FLAG_ARITH & ~FLAG_ZF },
	{ "bsr", 1, 0xbd, 0, FORM_RM, FLAG_ARITH & ~FLAG_ZF },
	{ "tzcnt", 0x81, 0xbc, 0, FORM_RM | FORM_LZCNT, BITS },
	{ "lzcnt", 0x81, 0xbd, 0, FORM_RM | FORM_LZCNT, BITS },
	{ "popcnt", 0x81, 0xb8, 0, FORM_RM | FORM_LZCNT, 0 },
	BYTE_OR_NOT("xchg", 0, 0x86, 0, FORM_RM | FORM_LOCK, 0), { "xchg", 0, 0x90, 0, FORM_OPREG, 0 },
	BYTE_OR_NOT("xadd", 1, 0xc0, 0, FORM_RM | FORM_LOCK, 0),
	BYTE_OR_NOT("cmpxchg", 1, 0xb0, 0, FORM_RM | FORM_LOCK, 0),
	{ "cmpxchg8b", 1, 0xc7, 1, FORM_RM | FORM_GROUP | FORM_MEM | FORM_LOCK | FORM_PAIR, 0 },
	BYTE_OR_NOT("mov store", 0, 0x88, 0, FORM_RM, 0), BYTE_OR_NOT("mov load", 0, 0x8a, 0, FORM_RM, 0),
	{ "mov imm", 0, 0xc6, 0, FORM_RM | FORM_GROUP | FORM_BYTE | FORM_IMM8, 0 },
	{ "mov imm", 0, 0xc7, 0, FORM_RM | FORM_GROUP | FORM_IMMZ, 0 },
	{ "movzx", 1, 0xb6, 0, FORM_RM, 0 }, { "movzx", 1, 0xb7, 0, FORM_RM, 0 },
	{ "movsx", 1, 0xbe, 0, FORM_RM, 0 }, { "movsx", 1, 0xbf, 0, FORM_RM, 0 },
	{ "movsxd", 0, 0x63, 0, FORM_RM, 0 },
	{ "movbe", 2, 0xf0, 0, FORM_RM | FORM_MEM | FORM_MOVBE, 0 },
	{ "movbe", 2, 0xf1, 0, FORM_RM | FORM_MEM | FORM_MOVBE, 0 },
	{ "movnti", 1, 0xc3, 0, FORM_RM | FORM_MEM | FORM_NO16, 0 },
	{ "lea", 0, 0x8d, 0, FORM_RM | FORM_MEM, 0 }, { "bswap", 1, 0xc8, 0, FORM_OPREG | FORM_NO16, 0 },
	{ "seto", 1, 0x90, 0, FORM_RM | FORM_BYTE, 0 }, { "setnb", 1, 0x93, 0, FORM_RM | FORM_BYTE, 0 },
	{ "sete", 1, 0x94, 0, FORM_RM | FORM_BYTE, 0 }, { "setbe", 1, 0x96, 0, FORM_RM | FORM_BYTE, 0 },
	{ "sets", 1, 0x98, 0, FORM_RM | FORM_BYTE, 0 }, { "setp", 1, 0x9a, 0, FORM_RM | FORM_BYTE, 0 },
	{ "setl", 1, 0x9c, 0, FORM_RM | FORM_BYTE, 0 }, { "setg", 1, 0x9f, 0, FORM_RM | FORM_BYTE, 0 },
	{ "cmovb", 1, 0x42, 0, FORM_RM, 0 }, { "cmovne", 1, 0x45, 0, FORM_RM, 0 },
	{ "cmovge", 1, 0x4d, 0, FORM_RM, 0 }, { "cmovle", 1, 0x4e, 0, FORM_RM, 0 },
	{ "cbw", 0, 0x98, 0, 0, 0 }, { "cwd", 0, 0x99, 0, 0, 0 },
	{ "lahf", 0, 0x9f, 0, FORM_NO16, 0 }, { "sahf", 0, 0x9e, 0, FORM_NO16, 0 },
	{ "clc", 0, 0xf8, 0, FORM_NO16, 0 }, { "stc", 0, 0xf9, 0, FORM_NO16, 0 },
	{ "cmc", 0, 0xf5, 0, FORM_NO16, 0 },
	STRING("movs", 0xa4), STRING("stos", 0xaa), STRING("lods", 0xac), STRING("cmps", 0xa6),
	STRING("scas", 0xae), BYTE_OR_NOT("repne cmps", 0, 0xa6, 0xf2, FORM_REP, 0),
	BYTE_OR_NOT("repne scas", 0, 0xae, 0xf2, FORM_REP, 0),
};

static u64 seed = 0x9e3779b97f4a7c15;

static u64 rnd(void)
{
	return xorshift(&seed);
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
		return (u64)((s64)rnd() >> (r >> 8 & 63));
	default:
		return rnd();
	}
}

static sigjmp_buf trapped;

static void on_sigfpe(int sig)
{
	(void)sig;
	siglongjmp(trapped, 1);
}

static u8 *stub;

static void stub_init(void)
{
	size_t size = native_end - native_stub;

	stub = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
		    -1, 0);
	ASSERT(stub != MAP_FAILED, "mmap");
	memcpy(stub, native_stub, size);
	signal(SIGFPE, on_sigfpe);
}

/* Run @insn on the CPU; false means divide error. */
static bool run_native(const u8 *insn, unsigned int n, struct native_state *s)
{
	u8 *patch = stub + (native_patch - native_stub);

	memset(patch, 0x90, 16);
	memcpy(patch, insn, n);
	if (sigsetjmp(trapped, 1))
		return false;
	((void (*)(struct native_state *))stub)(s);
	return true;
}

/* Registers an operand may name: not RSP, not R15. */
static unsigned int rnd_reg(bool is_byte, bool has_rex)
{
	unsigned int nr;

	do {
		nr = rnd() & (has_rex ? 15 : 7);
	} while ((nr == 4 && !(is_byte && !has_rex)) || nr == 15);
	return nr;
}

/* Operand fields of an instruction in the making. */
struct fields {
	u8 rex;
	u8 mod_rm;	/* or the low bits of the opcode */
	bool is_mem;
};

static struct fields rnd_fields(const struct row *row, unsigned int size)
{
	bool is_byte = size == 1, byte_source = row->map == 1 && (row->opcode & 0xf7) == 0xb6;
	struct fields f = { 0 };
	unsigned int reg;

	if (size == 8 || (rnd() & 1))
		f.rex = 0x40 | (size == 8 ? 8 : 0);
	if (row->form & FORM_RM) {
		f.is_mem = (row->form & FORM_MEM) || (rnd() & 1);
		reg = row->form & FORM_GROUP ? row->reg : rnd_reg(is_byte, f.rex);
		if ((row->form & FORM_BITS) && reg == GPR_RSI)	/* a pointer is no bit number */
			reg = GPR_RDX;
		f.mod_rm = (reg & 7) << 3;
		if (!(row->form & FORM_GROUP) && reg > 7)
			f.rex |= 4;
		reg = f.is_mem ? GPR_RSI : rnd_reg(is_byte || byte_source, f.rex);
		f.rex |= reg >> 3;
		f.mod_rm |= (reg & 7) | (f.is_mem ? 0x40 : 0xc0);
	} else if (row->form & FORM_OPREG) {
		reg = rnd_reg(false, f.rex);
		f.rex |= reg >> 3;
		f.mod_rm = reg & 7;
	}
	return f;
}

static u8 *put_immediate(const struct row *row, unsigned int size, u8 *p)
{
	u64 imm = rnd_value();

	if (row->form & FORM_IMM8)
		*p++ = (u8)(row->form & FORM_DOUBLE ? rnd() % (size * 8 + 1) : rnd());
	if (row->form & FORM_IMMZ) {
		memcpy(p, &imm, 4);
		p += size == 2 ? 2 : 4;
	}
	return p;
}

static unsigned int rnd_size(const struct row *row)
{
	if (row->form & FORM_BYTE)
		return 1;
	return row->form & FORM_NO16 ? 4u << (rnd() & 1) : 2u << rnd() % 3;
}

/* Compose an instruction; RSI points into the buffer. */
static unsigned int compose(const struct row *row, u8 *p, unsigned int *op_size)
{
	unsigned int size = rnd_size(row);
	struct fields f = rnd_fields(row, size);
	u8 *start = p;

	if ((row->form & FORM_REP) && row->reg)
		*p++ = row->reg;
	if ((row->form & FORM_LOCK) && f.is_mem && !(row->form & FORM_BITS) && (rnd() & 1))
		*p++ = 0xf0;
	if (size == 2)
		*p++ = 0x66;
	if (row->map & 0x80)
		*p++ = 0xf3;
	if (f.rex)
		*p++ = f.rex;
	if (row->map)
		*p++ = 0x0f;
	if (row->map == 2)
		*p++ = 0x38;
	*p++ = row->opcode + (row->form & FORM_OPREG ? f.mod_rm : 0);
	if (row->form & FORM_RM)
		*p++ = f.mod_rm;
	if (f.is_mem)
		*p++ = (u8)(row->form & FORM_PAIR ? 0 : rnd() & 31);
	p = put_immediate(row, size, p);
	*op_size = size;
	return (unsigned int)(p - start);
}

static void rnd_state(const struct row *row, unsigned int size, u8 *buffer, struct native_state *s)
{
	unsigned int i;

	for (i = 0; i < 16; i++)
		s->gpr[i] = rnd_value();
	for (i = 0; i < BUFFER_SIZE; i++)
		buffer[i] = row->form & FORM_REP ? (rnd() & 15 ? 0x55 : (u8)rnd()) : (u8)rnd();
	if (row->form & FORM_BITS) {
		for (i = 0; i < 16; i++)
			s->gpr[i] = (u64)((s64)(rnd() % 1024) - 512);
	}
	if ((row->form & FORM_DIV) && rnd() % 8)
		s->gpr[GPR_RDX] = rnd() & 1 ? (rnd() & 0xff) : (u64)-(s64)(rnd() & 0xff);
	if (row->form & FORM_DOUBLE)
		s->gpr[GPR_RCX] = (s->gpr[GPR_RCX] & ~0xffULL) | rnd() % (size * 8 + 1);
	if (row->form & FORM_REP) {
		s->gpr[GPR_RCX] = rnd() % 9;
		s->gpr[GPR_RDI] = (u64)(uintptr_t)buffer + 128 + rnd() % 256;
		if (rnd() & 1)
			s->gpr[GPR_RAX] = 0x5555555555555555;
	}
	s->gpr[GPR_RSI] = (u64)(uintptr_t)buffer + 128 + (row->form & FORM_REP ? rnd() % 256 : rnd() % 64);
	if (row->form & FORM_PAIR)
		s->gpr[GPR_RSI] &= ~15ULL;
	if (!strncmp(row->name, "cmpxchg", 7) && (rnd() & 1)) {
		const u8 *p = (const u8 *)(uintptr_t)s->gpr[GPR_RSI];

		memcpy(&s->gpr[GPR_RAX], p, 8);
		memcpy(&s->gpr[GPR_RDX], p + (size == 8 ? 8 : 4), 8);
	}
	s->flags = 2 | (rnd() & FLAG_ARITH) | (row->form & FORM_REP ? rnd() & FLAG_DF : 0);
}

/* What may differ: the row's undefined flags, and more of them for counts other than 1. */
static u64 undefined_flags(const struct row *row, const struct machine *m, unsigned int size, u64 rcx)
{
	u64 undefined = row->undefined;
	unsigned int count;

	if (!(row->form & FORM_SHIFT))
		return undefined;
	if (row->form & FORM_IMM8)
		count = (u8)m->emu.insn.imm;
	else
		count = (row->opcode & 0xfe) == 0xd0 ? 1 : (u8)rcx;
	count &= size == 8 ? 63 : 31;
	if (!count)
		return 0;
	if (count != 1)
		undefined |= FLAG_OF;
	if (count >= 8 * size && row->reg >= 4)	/* SHL, SHR: CF beyond the operand */
		undefined |= FLAG_CF;
	return undefined;
}

static void report(const struct row *row, const struct machine *m)
{
	char text[160];

	emu_format(&m->emu, text, sizeof(text));
	test_note("%s: %s", row->name, text);
}

static void compare(const struct row *row, const struct machine *m, const struct native_state *s,
		    u64 undefined)
{
	u64 mask = (FLAG_ARITH | FLAG_DF) & ~undefined;
	unsigned int i;

	for (i = 0; i < 15; i++) {
		if (i == GPR_RSP || m->gpr[i] == s->gpr[i])
			continue;
		report(row, m);
		CHECK_EQ("register", s->gpr[i], m->gpr[i]);
	}
	if ((s->flags ^ m->emu.rflags) & mask) {
		report(row, m);
		CHECK_EQ("flags", s->flags & mask, m->emu.rflags & mask);
	}
}

static void one_round(const struct row *row, u8 *buffer, struct machine *m)
{
	u8 before[BUFFER_SIZE], native[BUFFER_SIZE], insn[16];
	struct native_state s;
	unsigned int n, size;
	u64 rcx;
	bool ok;
	int ret;

	n = compose(row, insn, &size);
	rnd_state(row, size, buffer, &s);
	memcpy(before, buffer, BUFFER_SIZE);
	memcpy(m->gpr, s.gpr, sizeof(m->gpr));
	m->emu.rflags = s.flags;
	m->emu.rip = CODE;
	rcx = s.gpr[GPR_RCX];

	ok = run_native(insn, n, &s);
	memcpy(native, buffer, BUFFER_SIZE);
	memcpy(buffer, before, BUFFER_SIZE);
	ret = machine_run(m, insn, n);
	if (!ok) {
		if (ret != EMU_FAULT || m->emu.fault.vector != 0) {
			report(row, m);
			FAIL("wanted a divide error, got result %d", ret);
		}
		return;
	}
	if (ret != EMU_CONTINUE || m->emu.insn.length != n || m->emu.rip != CODE + n) {
		report(row, m);
		FAIL("result %d, length %u, wanted %u", ret, m->emu.insn.length, n);
	}
	compare(row, m, &s, undefined_flags(row, m, size, rcx));
	if (memcmp(native, buffer, BUFFER_SIZE)) {
		report(row, m);
		FAIL("memory differs");
	}
}

static bool has_feature(const struct row *row)
{
	unsigned int a, b, c = 0, d, bmi = 0;

	if (__get_cpuid_count(7, 0, &a, &b, &c, &d))
		bmi = b & (1 << 3);
	__get_cpuid(1, &a, &b, &c, &d);
	if (row->form & FORM_MOVBE)
		return c & bit_MOVBE;
	return !(row->form & FORM_LZCNT) || (bmi && (c & bit_POPCNT));
}

static void test_native(void)
{
	static struct machine m;
	unsigned int i, round;
	u8 *buffer;

	stub_init();
	buffer = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT(buffer != MAP_FAILED, "mmap");
	machine_init(&m, EMU_MODE_LONG);
	m.host_base = buffer;
	m.host_size = BUFFER_SIZE;
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		if (!has_feature(&rows[i])) {
			test_note("%s: not on this CPU", rows[i].name);
			continue;
		}
		for (round = 0; round < ROUNDS && !test_has_failed(); round++)
			one_round(&rows[i], buffer, &m);
	}
}

static const struct test_case cases[] = {
	{ "same_as_cpu", test_native },
};

TEST_MAIN(cases)
