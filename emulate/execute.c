// SPDX-License-Identifier: GPL-2.0-only
/*
 * The executor's frame: checks common to all instructions, dispatch by class,
 * and the commonest classes: moves, read-modify-write with or without LOCK,
 * exchanges.
 *
 * Every executor keeps the restart rule: first all reads, then all writes, then
 * registers and RFLAGS; RIP is moved here, once, at the end.
 */
#include "internal.h"

/* A locked update that loses its race this often goes back to the guest and is tried anew. */
#define LOCK_RETRIES	64

static int exec_cmov(struct emu *e)
{
	const struct emu_insn *in = &e->insn;
	u64 val;
	int ret;

	ret = emu_read_operand(e, in->row.src, &val);
	if (ret)
		return ret;
	if (!emu_condition(e->rflags, in->opcode))
		val = emu_reg_read(e, in->reg, in->op_size);
	emu_reg_write(e, in->reg, in->op_size, val);
	return EMU_CONTINUE;
}

static int exec_xlat(struct emu *e)
{
	u64 ea = (e->gpr[GPR_RBX] + (u8)e->gpr[GPR_RAX]) & emu_mask(e->insn.addr_size), val;
	int ret;

	ret = emu_read_seg(e, e->insn.seg, ea, &val, 1);
	if (!ret)
		emu_gpr_write(e, GPR_RAX, 1, val);
	return ret;
}

static u64 swap_bytes(u64 val, unsigned int size)
{
	return __builtin_bswap64(val) >> (64 - 8 * size);
}

/* Double the accumulator's width (CBW and kin), or spread its sign into RDX (CWD and kin). */
static void exec_widen(struct emu *e)
{
	unsigned int size = e->insn.op_size;
	u64 acc = e->gpr[GPR_RAX];

	if (e->insn.row.op == EMU_OP_CBW)
		emu_gpr_write(e, GPR_RAX, size, emu_sign_extend(acc, size / 2));
	else
		emu_gpr_write(e, GPR_RDX, size, (acc >> (8 * size - 1)) & 1 ? ~0ULL : 0);
}

/* The moves whose source is not simply copied. */
static int exec_mov_other(struct emu *e)
{
	const struct emu_insn *in = &e->insn;
	u64 val;

	switch (in->row.op) {
	case EMU_OP_LEA:
		emu_reg_write(e, in->reg, in->op_size, emu_address(e));
		return EMU_CONTINUE;
	case EMU_OP_BSWAP:
		val = emu_reg_read(e, in->rm, in->op_size);
		emu_reg_write(e, in->rm, in->op_size,
			      in->op_size == 2 ? 0 : swap_bytes(val, in->op_size));
		return EMU_CONTINUE;
	case EMU_OP_MOVNTI:	/* no form of two bytes */
		e->insn.op_size = in->op_size == 8 ? 8 : 4;
		return emu_write_operand(e, OPR_RM, emu_reg_read(e, in->reg, in->op_size));
	case EMU_OP_SETCC:
		return emu_write_operand(e, OPR_RM, emu_condition(e->rflags, in->opcode));
	case EMU_OP_CMOVCC:
		return exec_cmov(e);
	case EMU_OP_XLAT:
		return exec_xlat(e);
	default:
		exec_widen(e);
		return EMU_CONTINUE;
	}
}

static int exec_mov(struct emu *e)
{
	const struct emu_insn *in = &e->insn;
	unsigned int size;
	u64 val;
	int ret;

	if (unlikely(!(in->row.flags & F_WRITE) || in->row.op == EMU_OP_LEA))
		return exec_mov_other(e);
	ret = emu_read_operand(e, in->row.src, &val);
	if (unlikely(ret))
		return ret;
	switch (in->row.op) {
	case EMU_OP_MOVSX:
	case EMU_OP_MOVSXD:
		size = in->row.src == OPR_RM8 ? 1 : in->row.src == OPR_RM16 ? 2 : 4;
		if (size > in->op_size)
			size = in->op_size;
		val = emu_sign_extend(val, size);
		break;
	case EMU_OP_MOVBE:
		val = swap_bytes(val, in->op_size);
		break;
	default:
		break;
	}
	return emu_write_operand(e, in->row.dst, val & emu_mask(in->op_size));
}

/* Read @size bytes at @la, compute, and store with compare-and-exchange until nobody interferes. */
static int rmw_locked(struct emu *e, u64 la, u64 src)
{
	unsigned int size = e->insn.op_size, first = e->log.next, i;
	u64 old = 0, found, new, flags;
	int ret;

	ret = emu_read_linear(e, la, &old, size, EMU_ACC_READ | EMU_ACC_WRITE | EMU_ACC_LOCKED);
	if (ret)
		return ret;
	for (i = 0; i < LOCK_RETRIES; i++) {
		flags = e->rflags;
		new = emu_compute(&e->insn, old, src, 0, &flags);
		found = old;
		e->log.next = first + 1;
		ret = emu_cmpxchg_linear(e, la, &found, &new, size, EMU_ACC_WRITE);
		if (ret)
			return ret;
		if (found == old) {
			e->rflags = flags;
			return EMU_CONTINUE;
		}
		old = found;
	}
	e->repeat = true;
	return EMU_CONTINUE;
}

static int rmw_memory(struct emu *e, u64 src, u64 third)
{
	const struct emu_insn *in = &e->insn;
	unsigned int acc = in->row.flags & F_WRITE ? EMU_ACC_READ | EMU_ACC_WRITE : EMU_ACC_READ;
	u64 la, dst = 0, flags = e->rflags;
	int ret;

	ret = emu_operand_linear(e, in->op_size, acc, &la);
	if (ret)
		return ret;
	if (in->prefix & EMU_PFX_LOCK)
		return rmw_locked(e, la, src);
	ret = emu_read_linear(e, la, &dst, in->op_size, acc);
	if (ret)
		return ret;
	dst = emu_compute(in, dst, src, third, &flags);
	if (in->row.flags & F_WRITE)
		ret = emu_write_linear(e, la, &dst, in->op_size, EMU_ACC_WRITE);
	if (!ret)
		e->rflags = flags;
	return ret;
}

/* Binary, unary, shifts and bit operations. */
static int exec_rmw(struct emu *e)
{
	const struct emu_insn *in = &e->insn;
	u64 src, dst, third = 0;
	int ret;

	ret = emu_read_operand(e, in->row.src, &src);
	if (unlikely(ret))
		return ret;
	if (in->row.class == CLASS_DSHIFT)
		third = in->imm_size ? in->imm : e->gpr[GPR_RCX] & 0xff;
	if (in->row.dst == OPR_RM && emu_is_memory(in))
		return rmw_memory(e, src, third);

	emu_read_operand(e, in->row.dst, &dst);
	dst = emu_compute(in, dst, src, third, &e->rflags);
	if (in->row.flags & F_WRITE)
		return emu_write_operand(e, in->row.dst, dst);
	return EMU_CONTINUE;
}

/* BSF, BSR, TZCNT, LZCNT, POPCNT: a register from a register or memory. */
static int exec_scan(struct emu *e)
{
	const struct emu_insn *in = &e->insn;
	unsigned int bits = 8 * in->op_size;
	u64 src, res;
	int ret;

	ret = emu_read_operand(e, OPR_RM, &src);
	if (ret)
		return ret;
	switch (in->row.op) {
	case EMU_OP_BSF:
	case EMU_OP_BSR:
		e->rflags = (e->rflags & ~(u64)FL_ZF) | (src ? 0 : FL_ZF);
		if (!src)
			return EMU_CONTINUE;
		res = in->row.op == EMU_OP_BSF ? __builtin_ctzll(src) : 63 - __builtin_clzll(src);
		break;
	case EMU_OP_TZCNT:
	case EMU_OP_LZCNT:
		res = bits;
		if (src)
			res = in->row.op == EMU_OP_TZCNT ? (unsigned int)__builtin_ctzll(src) : bits - 64 + __builtin_clzll(src);
		e->rflags = (e->rflags & ~(u64)(FL_ZF | FL_CF)) | (src ? 0 : FL_CF) | (res ? 0 : FL_ZF);
		break;
	default:	/* POPCNT */
		for (res = 0; src; res++)
			src &= src - 1;
		e->rflags = (e->rflags & ~(u64)FL_ARITH) | (res ? 0 : FL_ZF);
		break;
	}
	emu_reg_write(e, in->reg, in->op_size, res);
	return EMU_CONTINUE;
}

/* Of a cache line faults like the read of a byte, but in a segment that may only be executed (SDM, "CLFLUSH", "CLFLUSHOPT", "CLWB"). */
static int check_line(struct emu *e)
{
	u64 la;
	int ret;

	ret = emu_linear(e, e->insn.seg, emu_address(e), 1, EMU_ACC_FETCH, &la);
	return ret ? ret : e->ops->probe(e, la, 1, EMU_ACC_READ);
}

/* PAUSE and the like are the owner's; what remains to be done here is nothing. */
static int check_nop(struct emu *e)
{
	if (e->insn.row.op == EMU_OP_CLFLUSH)
		return check_line(e);
	return EMU_CONTINUE;
}

/* Checks that only marked rows need. */
static int check_privilege(struct emu *e)
{
	u32 flags = e->insn.row.flags;

	if (((flags & F_PRIV) && e->cpl) || ((flags & F_PE) && e->mode == EMU_MODE_REAL))
		return emu_raise_error(e, VEC_GP, 0);
	if ((flags & F_UMIP) && e->cpl && (e->ops->get_cr(e, 4) & CR4_UMIP))
		return emu_raise_error(e, VEC_GP, 0);
	return EMU_CONTINUE;
}

/* Compares, not a table: with retpolines an indirect call costs more. */
static int dispatch(struct emu *e)
{
	switch (e->insn.row.class) {
	case CLASS_MOV:
		return exec_mov(e);
	case CLASS_BINARY:
	case CLASS_UNARY:
	case CLASS_SHIFT:
	case CLASS_DSHIFT:
	case CLASS_BIT:
		return exec_rmw(e);
	case CLASS_STRING:
		return emu_exec_string(e);
	case CLASS_PORT:
		return emu_exec_port(e);
	case CLASS_XCHG:
		return emu_exec_xchg(e);
	case CLASS_STACK:
		return emu_exec_stack(e);
	case CLASS_BRANCH:
		return emu_exec_branch(e);
	case CLASS_SCAN:
		return exec_scan(e);
	case CLASS_MULDIV:
		return emu_exec_muldiv(e);
	case CLASS_FLAG:
		return emu_exec_flag(e);
	case CLASS_NOP:
		return check_nop(e);
	case CLASS_SYSTEM:
		return emu_exec_system(e);
	case CLASS_OWNER:
		return EMU_OWNER;
	case CLASS_VECTOR:
		return emu_exec_vector(e);
	case CLASS_FX:
		return emu_exec_fx(e);
	case CLASS_BITS:
		return emu_exec_bits(e);
	case CLASS_SEGMENT:
		return emu_exec_segment(e);
	case CLASS_FAR:
		return emu_exec_far(e);
	case CLASS_BCD:
		return emu_exec_bcd(e);
	case CLASS_UD:
		return emu_raise(e, VEC_UD);
	default:
		return EMU_FAILED;
	}
}

int emu_execute(struct emu *e)
{
	int ret = EMU_CONTINUE;

	e->stop = false;
	e->repeat = false;
	e->shadow = 0;
	e->switched = 0;
	e->log.next = 0;
	e->next_rip = e->rip + e->insn.length;
	if (unlikely(!emu_is_long(e)))
		e->next_rip = (u32)e->next_rip;
	if (unlikely(e->insn.row.flags & (F_PRIV | F_UMIP | F_PE)))
		ret = check_privilege(e);
	if (likely(!ret))
		ret = dispatch(e);
	if (ret == EMU_IO)
		return ret;
	emu_forget(e);
	if (likely(!ret) && !e->repeat) {
		e->rip = e->next_rip;
		/* a task brings its own, and so does IRET */
		if (likely(!e->switched && e->insn.row.op != EMU_OP_IRET))
			e->rflags &= ~(u64)FL_RF;
	}
	return ret;
}

bool emu_single_step(const struct emu *e, u64 rflags)
{
	if (!(rflags & FL_TF) || e->shadow & SHADOW_MOVSS)
		return false;
	switch (e->insn.row.op) {
	case EMU_OP_INT:
	case EMU_OP_INT1:
	case EMU_OP_INT3:
	case EMU_OP_INTO:
		return e->rflags & FL_TF;
	default:
		return true;
	}
}
