// SPDX-License-Identifier: GPL-2.0-only
/*
 * Multiplication, division, and decimal adjustment: results that go to fixed
 * registers, read from one register or memory operand.
 */
#include "internal.h"

/* The register pair that holds a double-width value: AX alone for bytes. */
static void write_pair(struct emu *e, u64 low, u64 high)
{
	unsigned int size = e->insn.op_size;

	if (size == 1) {
		emu_gpr_write(e, GPR_RAX, 2, (u8)low | (u64)(u8)high << 8);
		return;
	}
	emu_gpr_write(e, GPR_RAX, size, low);
	emu_gpr_write(e, GPR_RDX, size, high);
}

static void set_overflow(struct emu *e, bool on)
{
	e->rflags &= ~(u64)(FL_CF | FL_OF);
	if (on)
		e->rflags |= FL_CF | FL_OF;
}

/* Two-operand multiplication: the low half into a register. */
static int exec_imul_reg(struct emu *e, u64 src)
{
	const struct emu_insn *in = &e->insn;
	unsigned int size = in->op_size;
	u64 other = in->row.op == EMU_OP_IMUL3 ? in->imm : emu_reg_read(e, in->reg, size);
	__int128 product = (__int128)(s64)emu_sign_extend(src, size) *
			   (s64)emu_sign_extend(other, size);
	u64 low = (u64)product & emu_mask(size);

	set_overflow(e, product != (s64)emu_sign_extend(low, size));
	emu_reg_write(e, in->reg, size, low);
	return EMU_CONTINUE;
}

/* One-operand multiplication: both halves. */
static int exec_mul(struct emu *e, u64 src)
{
	unsigned int size = e->insn.op_size;
	u64 acc = e->gpr[GPR_RAX] & emu_mask(size), low, high;

	if (e->insn.row.op == EMU_OP_MUL) {
		unsigned __int128 product = (unsigned __int128)acc * src;

		low = (u64)product & emu_mask(size);
		high = (u64)(product >> (4 * size) >> (4 * size)) & emu_mask(size);
		set_overflow(e, high);
	} else {
		__int128 product = (__int128)(s64)emu_sign_extend(acc, size) *
				   (s64)emu_sign_extend(src, size);

		low = (u64)product & emu_mask(size);
		high = (u64)(product >> (4 * size) >> (4 * size)) & emu_mask(size);
		set_overflow(e, product != (s64)emu_sign_extend(low, size));
	}
	write_pair(e, low, high);
	return EMU_CONTINUE;
}

/* 128 by 64 bits; the caller has made sure that @high < @div, so the quotient fits. */
static u64 divide(u64 high, u64 low, u64 div, u64 *rest)
{
	u64 quot;

	asm("divq %4" : "=a" (quot), "=d" (*rest) : "0" (low), "1" (high), "rm" (div) : "cc");
	return quot;
}

/* The dividend AX, DX:AX, EDX:EAX or RDX:RAX, zero-extended to 128 bits. */
static void read_dividend(const struct emu *e, u64 *high, u64 *low)
{
	unsigned int size = e->insn.op_size;
	u64 rax = e->gpr[GPR_RAX], rdx = e->gpr[GPR_RDX];

	*high = 0;
	switch (size) {
	case 1:
		*low = (u16)rax;
		break;
	case 2:
		*low = (u16)rax | (u64)(u16)rdx << 16;
		break;
	case 4:
		*low = (u32)rax | rdx << 32;
		break;
	default:
		*low = rax;
		*high = rdx;
		break;
	}
}

static int exec_div(struct emu *e, u64 src)
{
	u64 high, low, quot, rest;

	read_dividend(e, &high, &low);
	if (high >= src)	/* also division by zero */
		return emu_raise(e, VEC_DE);
	quot = divide(high, low, src, &rest);
	if (quot > emu_mask(e->insn.op_size))
		return emu_raise(e, VEC_DE);
	write_pair(e, quot, rest);
	return EMU_CONTINUE;
}

/* Signed division by magnitudes, so that no quotient can trap in the host. */
static int exec_idiv(struct emu *e, u64 src)
{
	unsigned int size = e->insn.op_size;
	u64 high, low, quot, rest, limit = 1ULL << (8 * size - 1);
	bool minus, minus_src;

	read_dividend(e, &high, &low);
	if (size < 8) {
		low = emu_sign_extend(low, 2 * size);
		high = low >> 63 ? ~0ULL : 0;
	}
	src = emu_sign_extend(src, size);
	minus = high >> 63;
	minus_src = src >> 63;
	if (minus) {
		high = ~high + !low;
		low = -low;
	}
	if (minus_src)
		src = -src;
	if (high >= src)
		return emu_raise(e, VEC_DE);
	quot = divide(high, low, src, &rest);
	if (quot > limit - (minus == minus_src))
		return emu_raise(e, VEC_DE);
	write_pair(e, minus == minus_src ? quot : -quot, minus ? -rest : rest);
	return EMU_CONTINUE;
}

int emu_exec_muldiv(struct emu *e)
{
	u64 src;
	int ret;

	ret = emu_read_operand(e, OPR_RM, &src);
	if (ret)
		return ret;
	switch (e->insn.row.op) {
	case EMU_OP_IMUL2:
	case EMU_OP_IMUL3:
		return exec_imul_reg(e, src);
	case EMU_OP_DIV:
		return exec_div(e, src);
	case EMU_OP_IDIV:
		return exec_idiv(e, src);
	default:
		return exec_mul(e, src);
	}
}

/* DAA and DAS: adjust AL after packed decimal addition or subtraction. */
static void exec_packed(struct emu *e)
{
	bool is_sub = e->insn.row.op == EMU_OP_DAS, carry = e->rflags & FL_CF;
	u8 al = (u8)e->gpr[GPR_RAX], old = al;
	u64 flags = e->rflags & ~(u64)(FL_CF | FL_AF);

	if ((old & 0x0f) > 9 || (e->rflags & FL_AF)) {
		flags |= FL_AF;
		if (is_sub && old < 6)
			flags |= FL_CF;
		al = is_sub ? al - 6 : al + 6;
	}
	if (old > 0x99 || carry) {
		al = is_sub ? al - 0x60 : al + 0x60;
		flags |= FL_CF;
	} else if (!is_sub) {
		flags &= ~(u64)FL_CF;
	}
	emu_flags_result(al, 1, &flags);
	e->rflags = flags;
	emu_gpr_write(e, GPR_RAX, 1, al);
}

/* AAA and AAS: the same for one unpacked digit, with AH as the next. */
static void exec_unpacked(struct emu *e)
{
	u16 ax = (u16)e->gpr[GPR_RAX];
	u64 flags = e->rflags & ~(u64)(FL_CF | FL_AF);

	if ((ax & 0x0f) > 9 || (e->rflags & FL_AF)) {
		ax = e->insn.row.op == EMU_OP_AAA ? ax + 0x106 : ax - 0x106;
		flags |= FL_CF | FL_AF;
	}
	ax &= 0xff0f;
	e->rflags = flags;
	emu_gpr_write(e, GPR_RAX, 2, ax);
}

int emu_exec_bcd(struct emu *e)
{
	u8 imm = (u8)e->insn.imm, al = (u8)e->gpr[GPR_RAX], ah = (u8)(e->gpr[GPR_RAX] >> 8);

	switch (e->insn.row.op) {
	case EMU_OP_DAA:
	case EMU_OP_DAS:
		exec_packed(e);
		return EMU_CONTINUE;
	case EMU_OP_AAA:
	case EMU_OP_AAS:
		exec_unpacked(e);
		return EMU_CONTINUE;
	case EMU_OP_AAM:
		if (!imm)
			return emu_raise(e, VEC_DE);
		ah = al / imm;
		al = al % imm;
		break;
	default:	/* AAD */
		al = (u8)(al + ah * imm);
		ah = 0;
		break;
	}
	emu_gpr_write(e, GPR_RAX, 2, al | (u64)ah << 8);
	emu_flags_result(al, 1, &e->rflags);
	return EMU_CONTINUE;
}
