// SPDX-License-Identifier: GPL-2.0-only
/*
 * Moves between XMM registers, memory and general registers, and between YMM
 * registers and memory.  No floating point is computed, so nothing here touches
 * the host's FPU: the registers are read and written by the owner's callbacks.
 */
#include "internal.h"

#define CR4_OSFXSR	0x00000200u
#define XCR0_AVX	0x00000006u	/* with that of SSE */

/* SSE instructions need CR4.OSFXSR, no CR0.EM and no CR0.TS. */
int emu_check_sse(struct emu *e)
{
	u64 cr0 = e->ops->get_cr(e, 0);

	if ((cr0 & CR0_EM) || !(e->ops->get_cr(e, 4) & CR4_OSFXSR))
		return emu_raise(e, VEC_UD);
	return cr0 & CR0_TS ? emu_raise(e, VEC_NM) : EMU_CONTINUE;
}

/* Moves with VEX need the operating system's consent to AVX and name no second register; VMOVQ has no long form. */
static int check_vex(struct emu *e)
{
	const struct emu_insn *in = &e->insn;

	if (~e->ops->get_cr(e, EMU_XCR0) & XCR0_AVX)
		return emu_raise(e, VEC_UD);
	if (!emu_is_memory(in))
		return EMU_FAILED;
	if ((in->vex & 0x78) != 0x78 || ((in->opcode == 0x7e || in->opcode == 0xd6) && (in->vex & 4)))
		return emu_raise(e, VEC_UD);
	return e->ops->get_cr(e, 0) & CR0_TS ? emu_raise(e, VEC_NM) : EMU_CONTINUE;
}

static unsigned int memory_size(const struct emu_insn *in)
{
	if (in->row.flags & (F_VEC4 | F_VEC8))
		return in->row.flags & F_VEC4 ? 4 : 8;
	return in->vex & 4 ? 32 : 16;
}

static int memory_linear(struct emu *e, unsigned int size, unsigned int acc, u64 *la)
{
	int ret = emu_operand_linear(e, size, acc, la);

	if (!ret && (e->insn.row.flags & F_ALIGN) && (*la & (size - 1)))
		ret = emu_raise_error(e, VEC_GP, 0);
	return ret;
}

static int vector_load(struct emu *e)
{
	const struct emu_insn *in = &e->insn;
	unsigned int size = memory_size(in);
	u64 la, val[2] = { 0, 0 }, data[2] = { 0, 0 };
	int ret;

	ret = memory_linear(e, size, EMU_ACC_READ, &la);
	if (!ret)
		ret = emu_read_linear(e, la, data, size, EMU_ACC_READ);
	if (ret)
		return ret;
	if (in->row.op == EMU_OP_MOVX) {
		e->ops->write_vector(e, in->reg, data, 16);
		return EMU_CONTINUE;
	}
	e->ops->read_vector(e, in->reg, val, 16);
	val[in->row.op == EMU_OP_MOVX_HIGH] = data[0];
	e->ops->write_vector(e, in->reg, val, 16);
	return EMU_CONTINUE;
}

static int vector_store(struct emu *e)
{
	const struct emu_insn *in = &e->insn;
	unsigned int size = memory_size(in);
	u64 la, val[2];
	int ret;

	ret = memory_linear(e, size, EMU_ACC_WRITE, &la);
	if (ret)
		return ret;
	e->ops->read_vector(e, in->reg, val, 16);
	return emu_write_linear(e, la, in->row.op == EMU_OP_MOVX_HIGH ? &val[1] : val, size,
				EMU_ACC_WRITE);
}

/* Between registers: whole, or MOVQ (upper half cleared), or MOVSS and MOVSD (rest kept). */
static void vector_register(struct emu *e)
{
	const struct emu_insn *in = &e->insn;
	bool is_load = in->row.dst == OPR_XMM;
	unsigned int from = is_load ? in->rm : in->reg, to = is_load ? in->reg : in->rm;
	unsigned int size = memory_size(in);
	u64 src[2], dst[2] = { 0, 0 };

	e->ops->read_vector(e, from, src, 16);
	if (in->opcode == 0x10 || in->opcode == 0x11)
		e->ops->read_vector(e, to, dst, 16);
	memcpy(dst, src, size);
	e->ops->write_vector(e, to, dst, 16);
}

/* MOVD and MOVQ between an XMM register and a general register or memory. */
static int vector_gpr(struct emu *e)
{
	struct emu_insn *in = &e->insn;
	u64 val[2] = { 0, 0 };
	int ret;

	in->op_size = in->rex & 8 ? 8 : 4;
	if (in->row.dst == OPR_XMM) {
		ret = emu_read_operand(e, OPR_RM, val);
		if (!ret)
			e->ops->write_vector(e, in->reg, val, 16);
		return ret;
	}
	e->ops->read_vector(e, in->reg, val, 16);
	return emu_write_operand(e, OPR_RM, val[0] & emu_mask(in->op_size));
}

/* A load clears the rest of the register. The one access may have 32 bytes, so it is not logged. */
static int vector_vex(struct emu *e)
{
	const struct emu_insn *in = &e->insn;
	unsigned int size = memory_size(in);
	u64 la, data[4] = { 0, 0, 0, 0 };
	int ret;

	ret = check_vex(e);
	if (ret)
		return ret;
	ret = memory_linear(e, size, in->row.dst == OPR_XMM ? EMU_ACC_READ : EMU_ACC_WRITE, &la);
	if (ret)
		return ret;
	if (in->row.dst == OPR_XMM) {
		ret = e->ops->read(e, la, data, size, EMU_ACC_READ);
		if (!ret)
			e->ops->write_vector(e, in->reg, data, 32);
		return ret;
	}
	e->ops->read_vector(e, in->reg, data, 32);
	return e->ops->write(e, la, data, size, EMU_ACC_WRITE | EMU_ACC_FINAL);
}

int emu_exec_vector(struct emu *e)
{
	const struct emu_insn *in = &e->insn;
	int ret;

	if (in->prefix & EMU_PFX_VEX)
		return vector_vex(e);
	ret = emu_check_sse(e);
	if (ret)
		return ret;
	if (in->row.op == EMU_OP_MOVX_GPR)
		return vector_gpr(e);
	if (!emu_is_memory(in)) {
		vector_register(e);
		return EMU_CONTINUE;
	}
	return in->row.dst == OPR_XMM ? vector_load(e) : vector_store(e);
}
