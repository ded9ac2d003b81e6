// SPDX-License-Identifier: GPL-2.0-only
/*
 * Near branches, and the instructions that end in an event (INT n, INT3, INTO,
 * BOUND).  A target is checked before anything is pushed or counted.
 */
#include "internal.h"

/* Go to @target, an offset in the code segment already truncated to the operand size. */
static int go_to(struct emu *e, u64 target)
{
	struct segment cs;

	if (emu_is_long(e)) {
		if (!emu_is_canonical(e, target))
			return emu_raise_error(e, VEC_GP, 0);
	} else {
		e->ops->get_segment(e, SEG_CS, &cs);
		if (target > cs.limit)
			return emu_raise_error(e, VEC_GP, 0);
	}
	e->next_rip = target;
	return EMU_CONTINUE;
}

static int branch_relative(struct emu *e)
{
	return go_to(e, (e->next_rip + e->insn.imm) & emu_mask(e->insn.op_size));
}

/* Target of JMP and CALL: relative, or from a register or memory. */
static int branch_target(struct emu *e, u64 *target)
{
	const struct emu_insn *in = &e->insn;

	if (in->row.dst == OPR_RM)
		return emu_read_operand(e, OPR_RM, target);
	*target = (e->next_rip + in->imm) & emu_mask(in->op_size);
	return EMU_CONTINUE;
}

static int exec_call(struct emu *e)
{
	u64 target, back = e->next_rip;
	struct emu_stack s;
	int ret;

	ret = branch_target(e, &target);
	if (!ret)
		ret = go_to(e, target);
	if (ret)
		return ret;
	emu_stack_begin(e, &s);
	ret = emu_push(e, &s, back, e->insn.op_size);
	if (!ret)
		emu_stack_commit(e, &s);
	return ret;
}

static int exec_ret(struct emu *e)
{
	struct emu_stack s;
	u64 target;
	int ret;

	emu_stack_begin(e, &s);
	ret = emu_pop(e, &s, &target, e->insn.op_size);
	if (!ret)
		ret = go_to(e, target);
	if (ret)
		return ret;
	s.sp = (s.sp + (u16)e->insn.imm) & s.mask;
	emu_stack_commit(e, &s);
	return EMU_CONTINUE;
}

/* LOOP, LOOPE, LOOPNE count RCX in the address size. */
static int exec_loop(struct emu *e)
{
	const struct emu_insn *in = &e->insn;
	u64 count = (e->gpr[GPR_RCX] - 1) & emu_mask(in->addr_size);
	bool taken = count;
	int ret;

	if (in->row.op == EMU_OP_LOOPE)
		taken = taken && (e->rflags & FL_ZF);
	else if (in->row.op == EMU_OP_LOOPNE)
		taken = taken && !(e->rflags & FL_ZF);
	if (taken) {
		ret = branch_relative(e);
		if (ret)
			return ret;
	}
	emu_gpr_write(e, GPR_RCX, in->addr_size, count);
	return EMU_CONTINUE;
}

static int software_event(struct emu *e, u8 vector, enum emu_event_type type)
{
	bool done;
	int ret;

	if (e->mode == EMU_MODE_REAL)
		return emu_real_interrupt(e, vector, e->next_rip);
	if (type == EMU_EVENT_SOFT_INT && e->mode == EMU_MODE_VM86) {
		ret = emu_vm86_interrupt(e, vector, &done);
		if (ret || done)
			return ret;
	}
	emu_raise(e, vector);
	e->fault.type = type;
	return EMU_FAULT;
}

static int exec_bound(struct emu *e)
{
	const struct emu_insn *in = &e->insn;
	unsigned int size = in->op_size;
	s64 index = (s64)emu_sign_extend(emu_reg_read(e, in->reg, size), size);
	u64 low, high, ea = emu_address(e);
	int ret;

	ret = emu_read_seg(e, in->seg, ea, &low, size);
	if (ret)
		return ret;
	/* found before the upper bound is read, as CPUs do */
	if (index < (s64)emu_sign_extend(low, size))
		return emu_raise(e, VEC_BR);
	ret = emu_read_seg(e, in->seg, (ea + size) & emu_mask(in->addr_size), &high, size);
	if (ret)
		return ret;
	if (index > (s64)emu_sign_extend(high, size))
		return emu_raise(e, VEC_BR);
	return EMU_CONTINUE;
}

int emu_exec_branch(struct emu *e)
{
	const struct emu_insn *in = &e->insn;
	u64 target;
	int ret;

	switch (in->row.op) {
	case EMU_OP_JCC:
		return emu_condition(e->rflags, in->opcode) ? branch_relative(e) : EMU_CONTINUE;
	case EMU_OP_JMP:
		ret = branch_target(e, &target);
		return ret ? ret : go_to(e, target);
	case EMU_OP_JCXZ:
		if (e->gpr[GPR_RCX] & emu_mask(in->addr_size))
			return EMU_CONTINUE;
		return branch_relative(e);
	case EMU_OP_CALL:
		return exec_call(e);
	case EMU_OP_RET:
		return exec_ret(e);
	case EMU_OP_LOOP:
	case EMU_OP_LOOPE:
	case EMU_OP_LOOPNE:
		return exec_loop(e);
	case EMU_OP_INT:
		return software_event(e, (u8)in->imm, EMU_EVENT_SOFT_INT);
	case EMU_OP_INT1:
		return software_event(e, VEC_DB, EMU_EVENT_PRIV_SOFT_EXC);
	case EMU_OP_INT3:
		return software_event(e, VEC_BP, EMU_EVENT_SOFT_EXC);
	case EMU_OP_INTO:
		if (!(e->rflags & FL_OF))
			return EMU_CONTINUE;
		return software_event(e, VEC_OF, EMU_EVENT_SOFT_EXC);
	default:
		return exec_bound(e);
	}
}
