// SPDX-License-Identifier: GPL-2.0-only
/*
 * Exchanges (XCHG, XADD, CMPXCHG, CMPXCHG8B and 16B) and the instructions on
 * single flags.  An exchange with memory is one loop: read, compute, then a
 * plain write or, with LOCK and always for XCHG, compare-and-exchange.
 */
#include "internal.h"

#define EXCHANGE_RETRIES	64

/* What the exchange puts into its destination, and the flags after it. */
static u64 exchange(const struct emu *e, u64 old, u64 *flags)
{
	const struct emu_insn *in = &e->insn;
	u64 src = emu_reg_read(e, in->reg, in->op_size);
	u64 acc = e->gpr[GPR_RAX] & emu_mask(in->op_size);

	switch (in->row.op) {
	case EMU_OP_XADD:
		return emu_add(old, src, 0, in->op_size, flags);
	case EMU_OP_CMPXCHG:
		emu_sub(acc, old, 0, in->op_size, flags);
		return acc == old ? src : old;
	default:
		return src;
	}
}

/* The register side, once memory is done: the old value of the destination goes somewhere. */
static void exchange_commit(struct emu *e, u64 old, u64 flags)
{
	const struct emu_insn *in = &e->insn;

	e->rflags = flags;
	if (in->row.op != EMU_OP_CMPXCHG)
		emu_reg_write(e, in->reg, in->op_size, old);
	else if (!(flags & FL_ZF))
		emu_gpr_write(e, GPR_RAX, in->op_size, old);
}

static int exchange_memory(struct emu *e)
{
	const struct emu_insn *in = &e->insn;
	bool locked = (in->prefix & EMU_PFX_LOCK) || in->row.op == EMU_OP_XCHG;
	unsigned int acc = EMU_ACC_READ | EMU_ACC_WRITE | (locked ? EMU_ACC_LOCKED : 0), i, first;
	u64 la, old = 0, found, new, flags;
	int ret;

	ret = emu_operand_linear(e, in->op_size, acc, &la);
	if (ret)
		return ret;
	ret = emu_read_linear(e, la, &old, in->op_size, acc);
	first = e->log.next;
	for (i = 0; !ret && i < EXCHANGE_RETRIES; i++) {
		flags = e->rflags;
		new = exchange(e, old, &flags);
		found = old;
		e->log.next = first;
		if (locked)
			ret = emu_cmpxchg_linear(e, la, &found, &new, in->op_size, EMU_ACC_WRITE);
		else
			ret = emu_write_linear(e, la, &new, in->op_size, EMU_ACC_WRITE);
		if (ret)
			return ret;
		if (found == old) {
			exchange_commit(e, old, flags);
			return EMU_CONTINUE;
		}
		old = found;
	}
	if (!ret)
		e->repeat = true;
	return ret;
}

static int exchange_registers(struct emu *e)
{
	const struct emu_insn *in = &e->insn;
	unsigned int size = in->op_size;
	u64 old = emu_reg_read(e, in->rm, size), flags = e->rflags, new;

	if (in->row.src == OPR_ACC) {	/* 90+r; 90 alone is NOP */
		if (!in->rm)
			return EMU_CONTINUE;
		emu_reg_write(e, in->rm, size, e->gpr[GPR_RAX] & emu_mask(size));
		emu_gpr_write(e, GPR_RAX, size, old);
		return EMU_CONTINUE;
	}
	new = exchange(e, old, &flags);
	exchange_commit(e, old, flags);
	if (in->row.op != EMU_OP_CMPXCHG || (flags & FL_ZF))
		emu_reg_write(e, in->rm, size, new);
	return EMU_CONTINUE;
}

/* Two registers as the value that CMPXCHG8B or CMPXCHG16B has in memory. */
static void read_halves(const struct emu *e, unsigned int low, unsigned int high,
			unsigned int half, u64 *val)
{
	val[0] = e->gpr[low];
	val[1] = e->gpr[high];
	if (half == 4) {
		val[0] = (u32)val[0] | val[1] << 32;
		val[1] = 0;
	}
}

static bool is_same(const u64 *a, const u64 *b)
{
	return a[0] == b[0] && a[1] == b[1];
}

/*
 * The comparison is made here as well, on what has been read: an owner that
 * cannot exchange atomically (no RAM) may then simply store.
 */
static int exec_cmpxchg8b(struct emu *e)
{
	unsigned int half = e->insn.op_size == 8 ? 8 : 4, acc = EMU_ACC_READ | EMU_ACC_WRITE;
	u64 la, old[2] = { 0 }, new[2], expected[2];
	int ret;

	ret = emu_operand_linear(e, 2 * half, acc, &la);
	if (ret)
		return ret;
	if (half == 8 && (la & 15))
		return emu_raise_error(e, VEC_GP, 0);
	read_halves(e, GPR_RAX, GPR_RDX, half, expected);
	read_halves(e, GPR_RBX, GPR_RCX, half, new);
	ret = emu_read_linear(e, la, old, 2 * half, acc | EMU_ACC_LOCKED);
	if (!ret && is_same(old, expected))
		ret = emu_cmpxchg_linear(e, la, old, new, 2 * half, EMU_ACC_WRITE);
	if (ret)
		return ret;
	if (is_same(old, expected)) {
		e->rflags |= FL_ZF;
		return EMU_CONTINUE;
	}
	e->rflags &= ~(u64)FL_ZF;
	emu_gpr_write(e, GPR_RAX, half, old[0]);
	emu_gpr_write(e, GPR_RDX, half, half == 4 ? old[0] >> 32 : old[1]);
	return EMU_CONTINUE;
}

int emu_exec_xchg(struct emu *e)
{
	if (e->insn.row.op == EMU_OP_CMPXCHG8B)
		return exec_cmpxchg8b(e);
	if (emu_is_memory(&e->insn))
		return exchange_memory(e);
	return exchange_registers(e);
}

/* CLI and STI, with the virtual interrupt flag of CR4.VME and CR4.PVI. */
static int exec_interrupt_flag(struct emu *e)
{
	bool is_sti = e->insn.row.op == EMU_OP_STI, is_vm86 = e->mode == EMU_MODE_VM86;
	unsigned int iopl = (e->rflags & FL_IOPL) >> FL_IOPL_SHIFT;
	u64 cr4, flag = FL_IF;

	if (e->mode != EMU_MODE_REAL && (is_vm86 ? 3 : e->cpl) > iopl) {
		cr4 = e->ops->get_cr(e, 4);
		if (!(cr4 & (is_vm86 ? CR4_VME : CR4_PVI)) || (!is_vm86 && e->cpl != 3) ||
		    (is_sti && (e->rflags & FL_VIP)))
			return emu_raise_error(e, VEC_GP, 0);
		flag = FL_VIF;
	}
	if (!is_sti) {
		e->rflags &= ~flag;
		return EMU_CONTINUE;
	}
	if (flag == FL_IF && !(e->rflags & FL_IF))
		e->shadow = SHADOW_STI;
	e->rflags |= flag;
	return EMU_CONTINUE;
}

int emu_exec_flag(struct emu *e)
{
	const u64 low = FL_CF | FL_PF | FL_AF | FL_ZF | FL_SF;

	switch (e->insn.row.op) {
	case EMU_OP_CLC:
		e->rflags &= ~(u64)FL_CF;
		break;
	case EMU_OP_STC:
		e->rflags |= FL_CF;
		break;
	case EMU_OP_CMC:
		e->rflags ^= FL_CF;
		break;
	case EMU_OP_CLD:
		e->rflags &= ~(u64)FL_DF;
		break;
	case EMU_OP_STD:
		e->rflags |= FL_DF;
		break;
	case EMU_OP_CLAC:
	case EMU_OP_STAC:
		if (e->cpl)
			return emu_raise(e, VEC_UD);
		e->rflags &= ~(u64)FL_AC;
		if (e->insn.row.op == EMU_OP_STAC)
			e->rflags |= FL_AC;
		break;
	case EMU_OP_LAHF:
		e->gpr[GPR_RAX] = (e->gpr[GPR_RAX] & ~0xff00ULL) |
				  ((e->rflags & low) | FL_ONE) << 8;
		break;
	case EMU_OP_SAHF:
		e->rflags = (e->rflags & ~low) | ((e->gpr[GPR_RAX] >> 8) & low);
		break;
	case EMU_OP_SALC:
		emu_gpr_write(e, GPR_RAX, 1, e->rflags & FL_CF ? 0xff : 0);
		break;
	default:
		return exec_interrupt_flag(e);
	}
	return EMU_CONTINUE;
}
