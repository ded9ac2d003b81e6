// SPDX-License-Identifier: GPL-2.0-only
/*
 * BMI1, BMI2, ADX and CRC32: on general registers, with at most one operand in memory, which is read.
 */
#include "internal.h"

#define CRC32C_POLYNOMIAL	0x82f63b78u	/* bits reflected */

static u64 crc32c(u32 crc, u64 data, unsigned int size)
{
	unsigned int i;

	for (crc ^= (u32)data, i = 0; i < 8 * size; i++) {
		/* the upper half of eight bytes comes in behind the lower */
		if (i == 32)
			crc ^= (u32)(data >> 32);
		crc = (crc >> 1) ^ (crc & 1 ? CRC32C_POLYNOMIAL : 0);
	}
	return crc;
}

/* Bits of @src, from the lowest on, to where @mask has ones. */
static u64 deposit(u64 src, u64 mask)
{
	u64 res = 0;

	for (; mask; mask &= mask - 1, src >>= 1)
		if (src & 1)
			res |= mask & -mask;
	return res;
}

static u64 extract(u64 src, u64 mask)
{
	u64 res = 0, bit = 1;

	for (; mask; mask &= mask - 1, bit <<= 1)
		if (src & mask & -mask)
			res |= bit;
	return res;
}

static u64 low_bits(u64 val, unsigned int n)
{
	return n < 64 ? val & ((1ULL << n) - 1) : val;
}

static u64 flag(u32 bit, bool on)
{
	return on ? bit : 0;
}

/* With SF and ZF of the result, and OF clear. */
static u64 logic(struct emu *e, u64 res, bool carry)
{
	unsigned int size = e->insn.op_size;

	res &= emu_mask(size);
	e->rflags &= ~(u64)(FL_CF | FL_ZF | FL_SF | FL_OF);
	e->rflags |= flag(FL_CF, carry) | flag(FL_ZF, !res) | flag(FL_SF, res >> (8 * size - 1));
	return res;
}

static u64 add_with(struct emu *e, u64 dst, u64 src, u32 carry)
{
	unsigned int size = e->insn.op_size;
	u64 flags = 0, res = emu_add(dst, src, !!(e->rflags & carry), size, &flags);

	e->rflags = (e->rflags & ~(u64)carry) | flag(carry, flags & FL_CF);
	return res;
}

/* EDX or RDX by @src: the high half for ModRM.reg, the low one for VEX.vvvv, which is written first. */
static u64 multiply(struct emu *e, u64 src, unsigned int low)
{
	unsigned int size = e->insn.op_size;
	u64 a = e->gpr[GPR_RDX] & emu_mask(size);
	unsigned __int128 res = (unsigned __int128)a * src;

	emu_gpr_write(e, low, size, (u64)res & emu_mask(size));
	return (u64)(res >> (8 * size));
}

/* The prefix of 16 bits is a size only to CRC32. */
static unsigned int operand_size(struct emu_insn *in)
{
	if (in->row.op != EMU_OP_CRC32)
		in->op_size = in->rex & 8 ? 8 : 4;
	return in->op_size;
}

/* @src is the operand that may be in memory, @other the one that VEX.vvvv names, with number @vvvv. */
static int compute(struct emu *e, u64 src, u64 other, unsigned int vvvv, unsigned int dst, u64 *res)
{
	struct emu_insn *in = &e->insn;
	unsigned int size = in->op_size, bits = 8 * size, count = (unsigned int)other & (bits - 1);

	switch (in->row.op) {
	case EMU_OP_ANDN:
		*res = logic(e, ~other & src, false);
		break;
	case EMU_OP_BLSR:
		*res = logic(e, src & (src - 1), !src);
		break;
	case EMU_OP_BLSMSK:
		*res = logic(e, src ^ (src - 1), !src);
		break;
	case EMU_OP_BLSI:
		*res = logic(e, src & -src, src);
		break;
	case EMU_OP_BZHI:
		*res = logic(e, low_bits(src, other & 0xff), (other & 0xff) >= bits);
		break;
	case EMU_OP_BEXTR:
		*res = (other & 0xff) < bits ? src >> (other & 0xff) : 0;
		*res = logic(e, low_bits(*res, (other >> 8) & 0xff), false);
		break;
	case EMU_OP_PDEP:
		*res = deposit(other, src);
		break;
	case EMU_OP_PEXT:
		*res = extract(other, src);
		break;
	case EMU_OP_SHLX:
		*res = src << count;
		break;
	case EMU_OP_SHRX:
		*res = src >> count;
		break;
	case EMU_OP_SARX:
		*res = (u64)((s64)emu_sign_extend(src, size) >> count);
		break;
	case EMU_OP_RORX:
		count = (unsigned int)in->imm & (bits - 1);
		*res = count ? src >> count | src << (bits - count) : src;
		break;
	case EMU_OP_MULX:
		*res = multiply(e, src, vvvv);
		break;
	case EMU_OP_ADCX:
		*res = add_with(e, emu_reg_read(e, dst, size), src, FL_CF);
		break;
	case EMU_OP_ADOX:
		*res = add_with(e, emu_reg_read(e, dst, size), src, FL_OF);
		break;
	default:	/* CRC32: the destination has 4 or 8 bytes, the source any number */
		*res = crc32c((u32)e->gpr[dst & 15], src, size);
		break;
	}
	return EMU_CONTINUE;
}

int emu_exec_bits(struct emu *e)
{
	struct emu_insn *in = &e->insn;
	unsigned int vvvv = (~in->vex >> 3) & (emu_is_long(e) ? 15 : 7), size = operand_size(in);
	unsigned int dst = in->row.dst == OPR_REG ? in->reg : vvvv;
	u64 src, res;
	int ret;

	if ((in->prefix & EMU_PFX_VEX) && ((in->vex & 4) || (in->row.op == EMU_OP_RORX && (in->vex & 0x78) != 0x78)))
		return emu_raise(e, VEC_UD);
	ret = emu_read_operand(e, OPR_RM, &src);
	if (!ret)
		ret = compute(e, src, emu_reg_read(e, vvvv, size), vvvv, dst, &res);
	if (ret)
		return ret;
	/* CRC32 clears the upper half, whatever the size of its source */
	if (in->row.op == EMU_OP_CRC32)
		size = 8;
	emu_gpr_write(e, dst, size, res & emu_mask(size));
	return EMU_CONTINUE;
}
