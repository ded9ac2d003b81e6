// SPDX-License-Identifier: GPL-2.0-only
/*
 * The arithmetic of read-modify-write instructions: two or three values and
 * RFLAGS in, a value and RFLAGS out.  Pure computing in C: no state, no access,
 * nothing to restart, the same in kernel and user space.
 *
 * Operands come zero-extended to 64 bits and masked to the operand size; results
 * leave masked.  Flags that the manuals call undefined are left as they were or
 * take the value that falls out.
 */
#include "internal.h"

static inline u64 sign_bit(unsigned int size)
{
	return 1ULL << (8 * size - 1);
}

static inline void put_flag(u64 *flags, u64 flag, bool on)
{
	*flags = (*flags & ~flag) | (on ? flag : 0);
}

/* SF, ZF and PF of a result. */
static inline u64 result_flags(u64 res, unsigned int size)
{
	unsigned int nibbles = (res ^ (res >> 4)) & 0x0f;

	return (res ? 0 : FL_ZF) | (res & sign_bit(size) ? FL_SF : 0) |
	       ((0x9669u >> nibbles) & 1 ? FL_PF : 0);
}

void emu_flags_result(u64 res, unsigned int size, u64 *flags)
{
	*flags &= ~(u64)(FL_SF | FL_ZF | FL_PF);
	*flags |= result_flags(res & emu_mask(size), size);
}

u64 emu_add(u64 dst, u64 src, u64 carry, unsigned int size, u64 *flags)
{
	u64 res = (dst + src + carry) & emu_mask(size);
	u64 carries = (dst & src) | ((dst | src) & ~res);
	u64 overflow = (dst ^ res) & (src ^ res);

	*flags = (*flags & ~(u64)FL_ARITH) | result_flags(res, size) |
		 (carries & sign_bit(size) ? FL_CF : 0) | ((dst ^ src ^ res) & FL_AF) |
		 (overflow & sign_bit(size) ? FL_OF : 0);
	return res;
}

u64 emu_sub(u64 dst, u64 src, u64 borrow, unsigned int size, u64 *flags)
{
	u64 res = (dst - src - borrow) & emu_mask(size);
	u64 borrows = (~dst & src) | ((~dst | src) & res);
	u64 overflow = (dst ^ src) & (dst ^ res);

	*flags = (*flags & ~(u64)FL_ARITH) | result_flags(res, size) |
		 (borrows & sign_bit(size) ? FL_CF : 0) | ((dst ^ src ^ res) & FL_AF) |
		 (overflow & sign_bit(size) ? FL_OF : 0);
	return res;
}

static u64 logic(u64 res, unsigned int size, u64 *flags)
{
	*flags = (*flags & ~(u64)FL_ARITH) | result_flags(res, size);
	return res;
}

static u64 binary(enum emu_op op, u64 dst, u64 src, unsigned int size, u64 *flags)
{
	switch (op) {
	case EMU_OP_ADD:
		return emu_add(dst, src, 0, size, flags);
	case EMU_OP_OR:
		return logic(dst | src, size, flags);
	case EMU_OP_ADC:
		return emu_add(dst, src, *flags & FL_CF, size, flags);
	case EMU_OP_SBB:
		return emu_sub(dst, src, *flags & FL_CF, size, flags);
	case EMU_OP_AND:
	case EMU_OP_TEST:
		return logic(dst & src, size, flags);
	case EMU_OP_XOR:
		return logic(dst ^ src, size, flags);
	default:	/* SUB, CMP */
		return emu_sub(dst, src, 0, size, flags);
	}
}

static u64 unary(enum emu_op op, u64 dst, unsigned int size, u64 *flags)
{
	u64 carry = *flags & FL_CF, res;

	switch (op) {
	case EMU_OP_INC:
		res = emu_add(dst, 1, 0, size, flags);
		break;
	case EMU_OP_DEC:
		res = emu_sub(dst, 1, 0, size, flags);
		break;
	case EMU_OP_NEG:
		return emu_sub(0, dst, 0, size, flags);
	default:	/* NOT */
		return ~dst & emu_mask(size);
	}
	*flags = (*flags & ~(u64)FL_CF) | carry;
	return res;
}

/* ROL and ROR; @count is masked and not zero. */
static u64 rotate(enum emu_op op, u64 dst, unsigned int count, unsigned int size, u64 *flags)
{
	unsigned int bits = 8 * size;
	u64 res = dst, top = sign_bit(size);

	count &= bits - 1;
	if (op == EMU_OP_ROR)
		count = (bits - count) & (bits - 1);
	if (count)
		res = ((dst << count) | (dst >> (bits - count))) & emu_mask(size);
	if (op == EMU_OP_ROL) {
		put_flag(flags, FL_CF, res & 1);
		put_flag(flags, FL_OF, !!(res & top) != (res & 1));
	} else {
		put_flag(flags, FL_CF, res & top);
		put_flag(flags, FL_OF, (res ^ (res << 1)) & top);
	}
	return res;
}

/* RCL and RCR, bit by bit: at most 63 steps, and rare. */
static u64 rotate_carry(enum emu_op op, u64 dst, unsigned int count, unsigned int size, u64 *flags)
{
	u64 top = sign_bit(size), carry = *flags & FL_CF, out;
	unsigned int i;

	count %= 8 * size + 1;
	for (i = 0; i < count; i++) {
		if (op == EMU_OP_RCL) {
			out = !!(dst & top);
			dst = ((dst << 1) | carry) & emu_mask(size);
		} else {
			out = dst & 1;
			dst = (dst >> 1) | (carry ? top : 0);
		}
		carry = out;
	}
	put_flag(flags, FL_CF, carry);
	if (op == EMU_OP_RCL)
		put_flag(flags, FL_OF, !!(dst & top) != carry);
	else
		put_flag(flags, FL_OF, (dst ^ (dst << 1)) & top);
	return dst;
}

static u64 shift_left(u64 dst, unsigned int count, unsigned int size, u64 *flags)
{
	unsigned int bits = 8 * size;
	u64 res = 0;
	bool carry = false;

	if (count <= bits) {
		carry = (dst >> (bits - count)) & 1;
		res = count < 64 ? (dst << count) & emu_mask(size) : 0;
	}
	*flags = (*flags & ~(u64)FL_ARITH) | result_flags(res, size) | (carry ? FL_CF : 0);
	put_flag(flags, FL_OF, !!(res & sign_bit(size)) != carry);
	return res;
}

/* SHR and SAR; @dst comes extended by zeros or by its sign. */
static u64 shift_right(enum emu_op op, u64 dst, unsigned int count, unsigned int size, u64 *flags)
{
	u64 wide = op == EMU_OP_SAR ? emu_sign_extend(dst, size) : dst;
	bool carry = (wide >> (count - 1)) & 1;
	u64 res = (op == EMU_OP_SAR ? (u64)((s64)wide >> count) : wide >> count) & emu_mask(size);

	*flags = (*flags & ~(u64)FL_ARITH) | result_flags(res, size) | (carry ? FL_CF : 0);
	put_flag(flags, FL_OF, op == EMU_OP_SHR && (dst & sign_bit(size)));
	return res;
}

static u64 shift(enum emu_op op, u64 dst, u64 src, unsigned int size, u64 *flags)
{
	unsigned int count = src & (size == 8 ? 63 : 31);

	if (!count)
		return dst;
	switch (op) {
	case EMU_OP_ROL:
	case EMU_OP_ROR:
		return rotate(op, dst, count, size, flags);
	case EMU_OP_RCL:
	case EMU_OP_RCR:
		return rotate_carry(op, dst, count, size, flags);
	case EMU_OP_SHL:
	case EMU_OP_SAL:
		return shift_left(dst, count, size, flags);
	default:
		return shift_right(op, dst, count, size, flags);
	}
}

/* SHLD and SHRD; a count beyond a word operand is undefined and taken modulo 16. */
static u64 double_shift(enum emu_op op, u64 dst, u64 src, u64 third, unsigned int size, u64 *flags)
{
	unsigned int bits = 8 * size, count = third & (size == 8 ? 63 : 31);
	u64 res;
	bool carry;

	if (!count)
		return dst;
	if (count > bits)
		count &= bits - 1;
	if (count == bits) {
		res = src;
		carry = op == EMU_OP_SHLD ? dst & 1 : !!(dst & sign_bit(size));
	} else if (op == EMU_OP_SHLD) {
		res = ((dst << count) | (src >> (bits - count))) & emu_mask(size);
		carry = (dst >> (bits - count)) & 1;
	} else {
		res = ((dst >> count) | (src << (bits - count))) & emu_mask(size);
		carry = (dst >> (count - 1)) & 1;
	}
	*flags = (*flags & ~(u64)FL_ARITH) | result_flags(res, size) | (carry ? FL_CF : 0);
	put_flag(flags, FL_OF, (dst ^ res) & sign_bit(size));
	return res;
}

static u64 bit(enum emu_op op, u64 dst, u64 src, unsigned int size, u64 *flags)
{
	u64 mask = 1ULL << (src & (8 * size - 1));

	put_flag(flags, FL_CF, dst & mask);
	switch (op) {
	case EMU_OP_BTS:
		return dst | mask;
	case EMU_OP_BTR:
		return dst & ~mask;
	case EMU_OP_BTC:
		return dst ^ mask;
	default:
		return dst;
	}
}

/* The result of a read-modify-write instruction; @third is the count of SHLD and SHRD. */
u64 emu_compute(const struct emu_insn *in, u64 dst, u64 src, u64 third, u64 *flags)
{
	switch (in->row.class) {
	case CLASS_BINARY:
		return binary(in->row.op, dst, src, in->op_size, flags);
	case CLASS_UNARY:
		return unary(in->row.op, dst, in->op_size, flags);
	case CLASS_SHIFT:
		return shift(in->row.op, dst, src, in->op_size, flags);
	case CLASS_DSHIFT:
		return double_shift(in->row.op, dst, src, third, in->op_size, flags);
	default:
		return bit(in->row.op, dst, src, in->op_size, flags);
	}
}

/* Condition code as encoded in the low four bits of Jcc, SETcc and CMOVcc. */
bool emu_condition(u64 flags, unsigned int cc)
{
	static const u16 any_of[] = { FL_OF, FL_CF, FL_ZF, FL_CF | FL_ZF, FL_SF, FL_PF, 0, FL_ZF };
	unsigned int pair = (cc >> 1) & 7;
	bool is_less = !(flags & FL_SF) != !(flags & FL_OF);

	return ((flags & any_of[pair]) || (pair >= 6 && is_less)) != (cc & 1);
}
