// SPDX-License-Identifier: GPL-2.0-only
/*
 * Printing a decoded instruction for messages: mnemonic, operands, bytes and
 * address, in the manuals' notation.  For people to read, not an assembler's
 * input: what the emulator does not execute is printed as "(other)".
 */
#include "internal.h"

struct text {
	char *buf;
	size_t size;
	size_t used;
};

static void put_char(struct text *t, char c)
{
	if (t->used + 1 < t->size)
		t->buf[t->used++] = c;
}

static void put(struct text *t, const char *s)
{
	while (*s)
		put_char(t, *s++);
}

static void put_digits(struct text *t, u64 val, unsigned int digits)
{
	while (digits--)
		put_char(t, "0123456789abcdef"[(val >> (4 * digits)) & 15]);
}

static void put_hex(struct text *t, u64 val)
{
	unsigned int digits = 1;

	while (digits < 16 && val >> (4 * digits))
		digits++;
	put(t, "0x");
	put_digits(t, val, digits);
}

#define EMU_OP_NAME(id, name) [EMU_OP_##id] = name,
static const char *const op_names[EMU_OP_COUNT] = { EMU_OP_LIST(EMU_OP_NAME) };

static const char *const condition_names[16] = {
	"o", "no", "b", "ae", "e", "ne", "be", "a", "s", "ns", "p", "np", "l", "ge", "le", "g",
};

static const char *const size_names[9] = { [1] = "byte ", [2] = "word ", [4] = "dword ", [8] = "qword " };

static const char *const segment_names[8] = { "es", "cs", "ss", "ds", "fs", "gs", "?", "?" };

static void put_numbered(struct text *t, const char *prefix, unsigned int nr)
{
	put(t, prefix);
	if (nr >= 10)
		put_char(t, '1');
	put_char(t, (char)('0' + nr % 10));
}

static void put_register(struct text *t, unsigned int nr, unsigned int size, bool has_rex)
{
	static const char names[8][3] = { "ax", "cx", "dx", "bx", "sp", "bp", "si", "di" };
	static const char bytes[8][3] = { "al", "cl", "dl", "bl", "ah", "ch", "dh", "bh" };

	if (nr >= 8) {
		put_numbered(t, "r", nr);
		put(t, size == 1 ? "b" : size == 2 ? "w" : size == 4 ? "d" : "");
	} else if (size == 1 && (nr < 4 || !has_rex)) {
		put(t, bytes[nr & 7]);
	} else {
		put(t, size == 8 ? "r" : size == 4 ? "e" : "");
		put(t, names[nr & 7]);
		put(t, size == 1 ? "l" : "");
	}
}

static void put_memory(struct text *t, const struct emu_insn *in, unsigned int size)
{
	bool has_register = in->base != BASE_NONE || in->index != BASE_NONE;

	if (size <= 8 && size_names[size])
		put(t, size_names[size]);
	put_char(t, '[');
	if (in->seg != SEG_DS) {
		put(t, segment_names[in->seg & 7]);
		put_char(t, ':');
	}
	if (in->base == BASE_RIP)
		put(t, "rip");
	else if (in->base != BASE_NONE)
		put_register(t, in->base & 15, in->addr_size, true);
	if (in->index != BASE_NONE) {
		put(t, in->base != BASE_NONE ? "+" : "");
		put_register(t, in->index & 15, in->addr_size, true);
		put_char(t, '*');
		put_char(t, (char)('0' + (1 << in->scale)));
	}
	if (has_register && in->disp < 0) {
		put_char(t, '-');
		put_hex(t, -(u64)in->disp);
	} else if (!has_register || in->disp) {
		put(t, has_register ? "+" : "");
		put_hex(t, (u64)in->disp & emu_mask(in->addr_size));
	}
	put_char(t, ']');
}

static void put_rm(struct text *t, const struct emu_insn *in, unsigned int size)
{
	if (emu_is_memory(in))
		put_memory(t, in, size);
	else
		put_register(t, in->rm, size, in->rex);
}

/* Branch targets are printed as addresses. */
static void put_immediate(struct text *t, const struct emu *e)
{
	const struct emu_insn *in = &e->insn;

	if (in->row.class == CLASS_BRANCH && (in->row.flags & F_NEAR) && in->row.op != EMU_OP_RET) {
		put_hex(t, (e->rip + in->length + in->imm) & emu_mask(in->op_size));
	} else if (in->row.class == CLASS_FAR && in->row.op != EMU_OP_RETF) {
		put_hex(t, (u64)in->disp);
		put_char(t, ':');
		put_hex(t, in->imm);
	} else {
		put_hex(t, in->imm & emu_mask(in->row.class == CLASS_PORT ? 1 : in->op_size));
	}
}

static void put_operand(struct text *t, const struct emu *e, unsigned int kind)
{
	const struct emu_insn *in = &e->insn;
	bool is_wide = in->row.flags & F_NOMOD;

	switch (kind) {
	case OPR_RM:
		put_rm(t, in, !is_wide ? in->op_size : emu_is_long(e) ? 8 : 4);
		break;
	case OPR_RM8:
		put_rm(t, in, 1);
		break;
	case OPR_RM16:
		put_rm(t, in, 2);
		break;
	case OPR_RM32:
		put_rm(t, in, 4);
		break;
	case OPR_REG:
		put_register(t, in->reg, in->row.op == EMU_OP_ARPL ? 2 : in->op_size, in->rex);
		break;
	case OPR_ACC:
		put_register(t, GPR_RAX, in->op_size, true);
		break;
	case OPR_IMM:
		put_immediate(t, e);
		break;
	case OPR_ONE:
		put_char(t, '1');
		break;
	case OPR_CL:
		put(t, "cl");
		break;
	case OPR_DX:
		put(t, "dx");
		break;
	case OPR_SREG:
		put(t, segment_names[in->reg & 7]);
		break;
	case OPR_SEG:
		put(t, segment_names[(in->opcode >> 3) & 7]);
		break;
	case OPR_CR:
		put_numbered(t, "cr", in->reg);
		break;
	case OPR_DR:
		put_numbered(t, "dr", in->reg);
		break;
	case OPR_XMM:
		put_numbered(t, "xmm", in->reg);
		break;
	default:	/* OPR_XMMRM */
		if (emu_is_memory(in))
			put_memory(t, in, in->row.flags & F_VEC4 ? 4 :
				   in->row.flags & F_VEC8 ? 8 : 16);
		else
			put_numbered(t, "xmm", in->rm);
		break;
	}
}

/* The byte that SHLD, SHRD and IMUL carry besides two operands. */
static bool has_third_operand(const struct emu_insn *in)
{
	return in->imm_size && (in->row.class == CLASS_DSHIFT || in->row.op == EMU_OP_IMUL3);
}

/* How many of the row's operands are real: groups hand theirs down to members that have fewer. */
static unsigned int operand_count(const struct emu_insn *in)
{
	if (in->row.class == CLASS_LENGTH || in->row.class == CLASS_UD ||
	    in->row.op == EMU_OP_PAUSE)
		return 0;
	if (in->map == 1 && in->opcode <= 0x01)
		return in->row.class == CLASS_SYSTEM || in->row.class == CLASS_SEGMENT;
	return !in->row.dst ? 0 : !in->row.src ? 1 : 2;
}

static void put_operands(struct text *t, const struct emu *e)
{
	const struct emu_insn *in = &e->insn;
	unsigned int count = operand_count(in);

	if (count) {
		put_char(t, ' ');
		put_operand(t, e, in->row.dst);
	}
	if (count > 1) {
		put(t, ", ");
		put_operand(t, e, in->row.src);
	}
	if (has_third_operand(in)) {
		put(t, ", ");
		put_hex(t, in->imm & emu_mask(in->op_size));
	}
}

#define IMMEDIATE	"(MMX or SSE with an immediate)"
#define TO_GPR		"(SSE with a result in a general register)"

/* What is not executed, by map and opcodes: the first row that fits. */
static const struct {
	u8 map, first, last;
	const char *name;
} classes[] = {
	{ 1, 0x0e, 0x0f, "(3DNow!)" },
	{ 1, 0x2c, 0x2d, TO_GPR },
	{ 1, 0x2e, 0x2f, "(SSE with a result in RFLAGS)" },
	{ 1, 0x50, 0x50, TO_GPR },
	{ 1, 0x70, 0x73, IMMEDIATE },
	{ 1, 0xc2, 0xc6, IMMEDIATE },
	{ 1, 0xd7, 0xd7, TO_GPR },
	{ 1, 0xf7, 0xf7, "(MASKMOVQ or MASKMOVDQU)" },
	{ 2, 0x00, 0x0b, "(SSSE3)" },
	{ 2, 0x1c, 0x1e, "(SSSE3)" },
	{ 2, 0x37, 0x37, "(SSE4.2)" },
	{ 2, 0x10, 0x41, "(SSE4.1)" },
	{ 2, 0xc8, 0xcd, "(SHA)" },
	{ 2, 0xcf, 0xcf, "(GFNI)" },
	{ 2, 0xdb, 0xdf, "(AES)" },
	{ 3, 0x0f, 0x0f, "(SSSE3)" },
	{ 3, 0x08, 0x42, "(SSE4.1)" },
	{ 3, 0x44, 0x44, "(PCLMULQDQ)" },
	{ 3, 0x60, 0x63, "(SSE4.2)" },
	{ 3, 0xcc, 0xcc, "(SHA)" },
	{ 3, 0xce, 0xcf, "(GFNI)" },
	{ 3, 0xdf, 0xdf, "(AES)" },
};

static const char *class_name(const struct emu_insn *in)
{
	unsigned int i;

	if (in->escape)
		return in->escape == 0x62 ? "(EVEX)" : in->escape == 0x8f ? "(XOP)" : "(AVX)";
	for (i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
		if (in->map == classes[i].map && in->opcode >= classes[i].first && in->opcode <= classes[i].last)
			return classes[i].name;
	return op_names[EMU_OP_LENGTH_ONLY];
}

/* One of the XSAVE family, by the SDM's names. */
static const char *xsave_name(const struct emu_insn *in)
{
	static const char *const group9[] = { "xrstors", "xsavec", "xsaves" };
	static const char *const group15[] = { "xsave", "xrstor", "xsaveopt" };

	return in->opcode == 0xc7 ? group9[((in->modrm >> 3) & 7) - 3] : group15[((in->modrm >> 3) & 7) - 4];
}

/* The environment and the whole state have other formats in 16-bit code and in real mode. */
static const char *x87_name(const struct emu *e)
{
	static const char *const names[2][2] = {
		{ "(FLDENV of 16 bits or real mode)", "(FNSTENV of 16 bits or real mode)" },
		{ "(FRSTOR of 16 bits or real mode)", "(FNSAVE of 16 bits or real mode)" },
	};
	const struct emu_insn *in = &e->insn;
	unsigned int op = in->opcode & 7, reg = (in->modrm >> 3) & 7;

	if (!emu_is_memory(in) || (op != 1 && op != 5) || (reg != 4 && reg != 6) || (in->op_size >= 4 && !emu_is_real(e)))
		return op_names[EMU_OP_X87];
	return names[op == 5][reg == 6];
}

/* Of what has one operation for many instructions. */
static const char *op_name(const struct emu *e)
{
	const struct emu_insn *in = &e->insn;

	switch (in->row.op) {
	case EMU_OP_LENGTH_ONLY:
		return class_name(in);
	case EMU_OP_SIMD:
		return in->opcode < 0x60 || (in->prefix & (EMU_PFX_OPSIZE | EMU_PFX_REP | EMU_PFX_REPNE)) ? "(SSE)" : "(MMX)";
	case EMU_OP_XSAVE:
	case EMU_OP_XRSTOR:
		return xsave_name(in);
	case EMU_OP_X87:
		return x87_name(e);
	default:
		return in->row.op < EMU_OP_COUNT ? op_names[in->row.op] : "?";
	}
}

static void put_mnemonic(struct text *t, const struct emu *e)
{
	const struct emu_insn *in = &e->insn;
	enum emu_op op = in->row.op;

	if (in->prefix & EMU_PFX_LOCK)
		put(t, "lock ");
	if (in->row.class == CLASS_STRING && (in->prefix & (EMU_PFX_REP | EMU_PFX_REPNE)))
		put(t, in->prefix & EMU_PFX_REP ? "rep " : "repne ");
	if (in->row.class == CLASS_UD)
		put(t, "(invalid)");
	else
		put(t, op_name(e));
	if (op == EMU_OP_JCC || op == EMU_OP_SETCC || op == EMU_OP_CMOVCC)
		put(t, condition_names[in->opcode & 15]);
	if (in->row.class == CLASS_STRING)
		put_char(t, in->op_size == 1 ? 'b' : in->op_size == 2 ? 'w' :
			 in->op_size == 4 ? 'd' : 'q');
}

int emu_format(const struct emu *e, char *buf, size_t n)
{
	struct text t = { buf, n, 0 };
	unsigned int length = e->insn.length, i;

	if (!n)
		return 0;
	if (length) {
		put_mnemonic(&t, e);
		put_operands(&t, e);
		put(&t, " ;");
	} else {
		length = e->nr_bytes;
		put(&t, "(undecoded) ;");
	}
	for (i = 0; i < length && i < e->nr_bytes && i < EMU_MAX_INSN; i++) {
		put_char(&t, ' ');
		put_digits(&t, e->bytes[i], 2);
	}
	put(&t, " @ ");
	put_hex(&t, e->rip);
	buf[t.used] = '\0';
	return (int)t.used;
}
