// SPDX-License-Identifier: GPL-2.0-only
/*
 * System instructions that the emulator itself carries out: control and debug
 * registers, descriptor-table registers, INVLPG.  What a register may
 * hold is for the owner's callbacks to check; here are only the rules of the
 * instructions.  CPL 0 has been checked by emu_execute().
 */
#include "internal.h"
#include "segment.h"

#define CR4_DE		0x00000008u
#define CR4_FSGSBASE	0x00010000u

static unsigned int natural_size(const struct emu *e)
{
	return emu_is_long(e) ? 8 : 4;
}

static int exec_mov_cr(struct emu *e)
{
	const struct emu_insn *in = &e->insn;
	unsigned int nr = in->prefix & EMU_PFX_LOCK ? 8 : in->reg, size = natural_size(e);

	if (in->row.op == EMU_OP_MOV_TO_CR)
		return e->ops->set_cr(e, nr, emu_reg_read(e, in->rm, size));
	emu_gpr_write(e, in->rm, size, e->ops->get_cr(e, nr));
	return EMU_CONTINUE;
}

static int exec_mov_dr(struct emu *e)
{
	const struct emu_insn *in = &e->insn;
	unsigned int nr = in->reg, size = natural_size(e);
	u64 val;
	int ret;

	if (nr == 4 || nr == 5) {
		if (e->ops->get_cr(e, 4) & CR4_DE)
			return emu_raise(e, VEC_UD);
		nr += 2;
	}
	if (in->row.op == EMU_OP_MOV_TO_DR)
		return e->ops->set_dr(e, nr, emu_reg_read(e, in->rm, size));
	ret = e->ops->get_dr(e, nr, &val);
	if (!ret)
		emu_gpr_write(e, in->rm, size, val);
	return ret;
}

/* CLTS, LMSW, SMSW: parts of CR0. */
static int exec_msw(struct emu *e)
{
	const struct emu_insn *in = &e->insn;
	u64 cr0, val;
	int ret;

	if (in->row.op == EMU_OP_LMSW) {
		ret = emu_read_operand(e, OPR_RM16, &val);
		if (ret)
			return ret;
	}
	cr0 = e->ops->get_cr(e, 0);
	switch (in->row.op) {
	case EMU_OP_CLTS:
		return e->ops->set_cr(e, 0, cr0 & ~(u64)CR0_TS);
	case EMU_OP_LMSW:	/* can set PE, never clear it */
		return e->ops->set_cr(e, 0, (cr0 & ~0xeULL) | (val & 0xf));
	default:
		return emu_write_operand(e, emu_is_memory(in) ? OPR_RM16 : OPR_RM, cr0);
	}
}

/* INVLPG makes no access: no limit, no type, no canonical check. */
static void exec_invlpg(struct emu *e)
{
	struct segment s;
	u64 la = emu_address(e);

	if (!emu_is_long(e) || e->insn.seg == SEG_FS || e->insn.seg == SEG_GS) {
		e->ops->get_segment(e, e->insn.seg, &s);
		la += s.base;
		if (!emu_is_long(e))
			la = (u32)la;
	}
	e->ops->invlpg(e, la);
}

/* SGDT, SIDT, LGDT, LIDT: a word of limit, then the base. */
static int exec_table(struct emu *e)
{
	const struct emu_insn *in = &e->insn;
	bool is_store = in->row.op == EMU_OP_SGDT || in->row.op == EMU_OP_SIDT;
	enum emu_table_nr which = in->row.op == EMU_OP_SGDT || in->row.op == EMU_OP_LGDT ?
				  EMU_GDTR : EMU_IDTR;
	unsigned int size = natural_size(e);
	u64 ea = emu_address(e), second = (ea + 2) & emu_mask(in->addr_size), limit;
	struct desc_table t;
	int ret;

	if (is_store) {
		e->ops->get_table(e, which, &t);
		ret = emu_write_seg(e, in->seg, ea, t.limit, 2);
		if (!ret)
			ret = emu_write_seg(e, in->seg, second, t.base, size);
		return ret;
	}
	ret = emu_read_seg(e, in->seg, ea, &limit, 2);
	if (!ret)
		ret = emu_read_seg(e, in->seg, second, &t.base, size);
	if (ret)
		return ret;
	t.limit = (u16)limit;
	if (in->op_size == 2 && size == 4)
		t.base &= 0xffffff;
	if (size == 8 && !emu_is_canonical(e, t.base))
		return emu_raise_error(e, VEC_GP, 0);
	e->ops->set_table(e, which, &t);
	return EMU_CONTINUE;
}

static int exec_system_segment(struct emu *e)
{
	const struct emu_insn *in = &e->insn;
	unsigned int seg = in->row.op == EMU_OP_SLDT || in->row.op == EMU_OP_LLDT ?
			   SEG_LDTR : SEG_TR;
	struct segment s;
	u64 sel;
	int ret;

	if (in->row.op == EMU_OP_SLDT || in->row.op == EMU_OP_STR) {
		e->ops->get_segment(e, seg, &s);
		return emu_write_operand(e, emu_is_memory(in) ? OPR_RM16 : OPR_RM, s.selector);
	}
	ret = emu_read_operand(e, OPR_RM16, &sel);
	if (ret)
		return ret;
	return emu_load_system_segment(e, seg, (u16)sel);
}

/* RDFSBASE, RDGSBASE, WRFSBASE, WRGSBASE by ModRM.reg. */
static int exec_fsgsbase(struct emu *e)
{
	const struct emu_insn *in = &e->insn;
	unsigned int seg = in->reg & 1 ? SEG_GS : SEG_FS;
	struct segment s;

	if (!(e->ops->get_cr(e, 4) & CR4_FSGSBASE))
		return emu_raise(e, VEC_UD);
	e->ops->get_segment(e, seg, &s);
	if (!(in->reg & 2)) {
		emu_reg_write(e, in->rm, in->op_size, s.base);
		return EMU_CONTINUE;
	}
	s.base = emu_reg_read(e, in->rm, in->op_size);
	if (!emu_is_canonical(e, s.base))
		return emu_raise_error(e, VEC_GP, 0);
	e->ops->set_segment(e, seg, &s);
	return EMU_CONTINUE;
}

int emu_exec_system(struct emu *e)
{
	switch (e->insn.row.op) {
	case EMU_OP_MOV_FROM_CR:
	case EMU_OP_MOV_TO_CR:
		return exec_mov_cr(e);
	case EMU_OP_MOV_FROM_DR:
	case EMU_OP_MOV_TO_DR:
		return exec_mov_dr(e);
	case EMU_OP_CLTS:
	case EMU_OP_LMSW:
	case EMU_OP_SMSW:
		return exec_msw(e);
	case EMU_OP_INVLPG:
		exec_invlpg(e);
		return EMU_CONTINUE;
	case EMU_OP_SGDT:
	case EMU_OP_SIDT:
	case EMU_OP_LGDT:
	case EMU_OP_LIDT:
		return exec_table(e);
	case EMU_OP_FSGSBASE:
		return exec_fsgsbase(e);
	default:
		return exec_system_segment(e);
	}
}
