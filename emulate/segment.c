// SPDX-License-Identifier: GPL-2.0-only
/*
 * Loading segment registers, and the instructions that look at descriptors.
 * In real and virtual-8086 mode a selector is a paragraph number; elsewhere it
 * names a descriptor, checked in the order of the SDM's descriptions of MOV,
 * LLDT, LTR, LAR, LSL, VERR and VERW, and marked accessed before the load.
 */
#include "segment.h"

#define RPL(sel)	((sel) & 3)
#define DESC_RETRIES	8

/* The table that holds @selector: its base and last offset. */
static void descriptor_table(struct emu *e, u16 selector, struct desc_table *t)
{
	struct segment ldt;

	if (!(selector & 4)) {
		e->ops->get_table(e, EMU_GDTR, t);
		return;
	}
	e->ops->get_segment(e, SEG_LDTR, &ldt);
	t->base = ldt.base;
	t->limit = ldt.limit > 0xffff ? 0xffff : (u16)ldt.limit;
	if (ldt.ar & SEG_UNUSABLE)
		t->limit = 0;
}

/* Has a system descriptor 16 bytes? In compatibility mode those that LLDT and LTR load have not (SDM, APM, "LLDT", "LTR": "in 64-bit mode"). */
static bool is_wide(const struct emu *e)
{
	return e->mode >= EMU_MODE_COMPAT16 && (emu_is_long(e) || e->insn.row.class != CLASS_SYSTEM);
}

/* Read the descriptor of @selector; beyond its table, @vector with the selector as error code. */
int emu_read_descriptor(struct emu *e, u16 selector, u8 vector, struct descriptor *d)
{
	struct desc_table t;
	u64 raw = 0;
	int ret;

	descriptor_table(e, selector, &t);
	if ((selector | 7) > t.limit)
		return emu_raise_error(e, vector, selector & ~3u);
	d->selector = selector;
	d->la = t.base + (selector & ~7u);
	if (e->mode < EMU_MODE_COMPAT16)
		d->la = (u32)d->la;
	ret = emu_read_linear(e, d->la, &raw, 8, EMU_ACC_READ | EMU_ACC_SYSTEM);
	if (ret)
		return ret;
	d->low = (u32)raw;
	d->high = (u32)(raw >> 32);
	d->base_high = 0;
	if (DESC_IS_SEGMENT(d) || !is_wide(e))
		return EMU_CONTINUE;
	if ((selector | 7) + 8 > t.limit)
		return emu_raise_error(e, vector, selector & ~3u);
	ret = emu_read_linear(e, d->la + 8, &raw, 8, EMU_ACC_READ | EMU_ACC_SYSTEM);
	d->base_high = (u32)raw;
	return ret;
}

/*
 * Set type @bits (accessed, busy) in the table, unless they are there already.  This is one access to the log in any case: an
 * instruction that starts again finds them set, and its later accesses must keep their numbers.
 */
int emu_mark_descriptor(struct emu *e, struct descriptor *d, u8 bits)
{
	unsigned int i, nr = e->log.next;

	for (i = 0; i < DESC_RETRIES; i++) {
		u32 old = d->high, new = old | (u32)bits << 8, found = old;
		int ret;

		e->log.next = nr + 1;
		if (new == old)
			return EMU_CONTINUE;
		e->log.next = nr;
		ret = emu_cmpxchg_linear(e, d->la + 4, &found, &new, 4, EMU_ACC_WRITE | EMU_ACC_SYSTEM);
		if (ret)
			return ret;
		d->high = found == old ? new : found;
	}
	return EMU_FAILED;
}

void emu_unpack_descriptor(const struct descriptor *d, struct segment *s)
{
	s->selector = d->selector;
	s->base = (d->low >> 16) | (d->high & 0xff) << 16 | (d->high & 0xff000000u) |
		  (u64)d->base_high << 32;
	s->limit = (d->low & 0xffff) | (d->high & 0xf0000);
	if (d->high & ((u32)SEG_G << 8))
		s->limit = s->limit << 12 | 0xfff;
	s->ar = (d->high >> 8) & 0xf0ff;
}

/* Real mode keeps the hidden limit and rights; virtual-8086 mode has fixed ones. */
static int load_real(struct emu *e, unsigned int seg, u16 selector)
{
	struct segment s;

	e->ops->get_segment(e, seg, &s);
	s.selector = selector;
	s.base = (u64)selector << 4;
	if (e->mode == EMU_MODE_VM86) {
		s.limit = 0xffff;
		s.ar = 0xf3;
	}
	e->ops->set_segment(e, seg, &s);
	return EMU_CONTINUE;
}

static int load_null(struct emu *e, unsigned int seg, u16 selector)
{
	struct segment s = { .selector = selector, .ar = SEG_UNUSABLE };

	if (seg == SEG_SS) {
		if (!emu_is_long(e) || e->cpl == 3 || RPL(selector) != e->cpl)
			return emu_raise_error(e, VEC_GP, 0);
		s.ar |= (u32)e->cpl << SEG_DPL_SHIFT;
	}
	e->ops->set_segment(e, seg, &s);
	return EMU_CONTINUE;
}

/* SS wants writable data of exactly this CPL; the others what can be read. */
static int check_data_descriptor(struct emu *e, unsigned int seg, const struct descriptor *d)
{
	unsigned int dpl = descriptor_dpl(d), rpl = RPL(d->selector);
	u16 error = d->selector & ~3u;
	bool valid;

	if (seg == SEG_SS) {
		valid = DESC_IS_SEGMENT(d) && !DESC_IS_CODE(d) && DESC_IS_READABLE(d) &&
			rpl == e->cpl && dpl == e->cpl;
	} else {
		valid = DESC_IS_SEGMENT(d) && (!DESC_IS_CODE(d) || DESC_IS_READABLE(d));
		if (!DESC_IS_CODE(d) || !DESC_IS_CONFORMING(d))
			valid = valid && rpl <= dpl && e->cpl <= dpl;
	}
	if (!valid)
		return emu_raise_error(e, VEC_GP, error);
	if (!DESC_IS_PRESENT(d))
		return emu_raise_error(e, seg == SEG_SS ? VEC_SS : VEC_NP, error);
	return EMU_CONTINUE;
}

/* Load ES, SS, DS, FS or GS. */
static int load_segment(struct emu *e, unsigned int seg, u16 selector)
{
	struct segment s;
	struct descriptor d;
	int ret;

	if (emu_is_real(e))
		return load_real(e, seg, selector);
	if (!(selector & ~3u))
		return load_null(e, seg, selector);
	ret = emu_read_descriptor(e, selector, VEC_GP, &d);
	if (!ret)
		ret = check_data_descriptor(e, seg, &d);
	if (!ret)
		ret = emu_mark_descriptor(e, &d, 1);
	if (ret)
		return ret;
	emu_unpack_descriptor(&d, &s);
	e->ops->set_segment(e, seg, &s);
	return EMU_CONTINUE;
}

/* Where the I/O permission bitmap of the task in TR, @tr, begins (SDM, "Task-State Segment (TSS)"); #GP if its TSS has no room to say so. */
int emu_io_bitmap(struct emu *e, struct segment *tr, u16 *base)
{
	e->ops->get_segment(e, SEG_TR, tr);
	if ((tr->ar & SEG_UNUSABLE) || !(tr->ar & 0x08) || tr->limit < TSS_IO_BASE + 1)
		return emu_raise_error(e, VEC_GP, 0);
	return emu_read_linear(e, tr->base + TSS_IO_BASE, base, 2, EMU_ACC_READ | EMU_ACC_SYSTEM);
}

/* LLDT and LTR. */
int emu_load_system_segment(struct emu *e, unsigned int seg, u16 selector)
{
	bool is_ldt = seg == SEG_LDTR, is_lma = e->mode >= EMU_MODE_COMPAT16;
	struct segment s = { .selector = selector, .ar = SEG_UNUSABLE };
	struct descriptor d;
	unsigned int type;
	int ret;

	if (!(selector & ~3u)) {
		if (!is_ldt)
			return emu_raise_error(e, VEC_GP, 0);
		e->ops->set_segment(e, seg, &s);
		return EMU_CONTINUE;
	}
	if (selector & 4)
		return emu_raise_error(e, VEC_GP, selector & ~3u);
	ret = emu_read_descriptor(e, selector, VEC_GP, &d);
	if (ret)
		return ret;
	type = DESC_TYPE(&d);
	if (DESC_IS_SEGMENT(&d) || (is_ldt ? type != 2 : type != 9 && (is_lma || type != 1)))
		return emu_raise_error(e, VEC_GP, selector & ~3u);
	if (!DESC_IS_PRESENT(&d))
		return emu_raise_error(e, VEC_NP, selector & ~3u);
	emu_unpack_descriptor(&d, &s);
	if (is_lma && !emu_is_canonical(e, s.base))
		return emu_raise_error(e, VEC_GP, selector & ~3u);
	if (!is_ldt) {
		ret = emu_mark_descriptor(e, &d, 2);
		s.ar |= 2;
	}
	if (!ret)
		e->ops->set_segment(e, seg, &s);
	return ret;
}

static int exec_mov_sreg(struct emu *e)
{
	const struct emu_insn *in = &e->insn;
	struct segment s;
	u64 sel;
	int ret;

	if (in->row.dst != OPR_SREG) {
		e->ops->get_segment(e, in->reg & 7, &s);
		return emu_write_operand(e, emu_is_memory(in) ? OPR_RM16 : OPR_RM, s.selector);
	}
	ret = emu_read_operand(e, OPR_RM16, &sel);
	if (!ret)
		ret = load_segment(e, in->reg & 7, (u16)sel);
	if (!ret && (in->reg & 7) == SEG_SS)
		e->shadow = SHADOW_MOVSS;
	return ret;
}

static int exec_pop_sreg(struct emu *e)
{
	unsigned int seg = (e->insn.opcode >> 3) & 7;
	struct emu_stack s;
	u64 sel;
	int ret;

	emu_stack_begin(e, &s);
	ret = emu_pop(e, &s, &sel, e->insn.op_size);
	if (!ret)
		ret = load_segment(e, seg, (u16)sel);
	if (ret)
		return ret;
	emu_stack_commit(e, &s);
	if (seg == SEG_SS)
		e->shadow = SHADOW_MOVSS;
	return EMU_CONTINUE;
}

/* LES, LDS (C4, C5), LSS, LFS, LGS (0F B2, B4, B5). */
static int exec_load_far(struct emu *e)
{
	const struct emu_insn *in = &e->insn;
	unsigned int seg = in->map ? in->opcode & 7 : in->opcode == 0xc4 ? SEG_ES : SEG_DS;
	u16 selector;
	u64 offset;
	int ret;

	ret = emu_far_pointer(e, &selector, &offset);
	if (!ret)
		ret = load_segment(e, seg, selector);
	if (!ret)
		emu_reg_write(e, in->reg, in->op_size, offset);
	return ret;
}

/* May LAR or LSL see a system descriptor of this type? */
static bool is_visible_type(const struct emu *e, unsigned int type, bool is_lsl)
{
	u16 mask;

	if (e->mode >= EMU_MODE_COMPAT16)
		mask = is_lsl ? 0x0a04 : 0x1a04;		/* 2, 9, B, and gate C */
	else
		mask = is_lsl ? 0x0a0e : 0x1a3e;		/* and 1, 3, gates 4, 5 */
	return mask >> type & 1;
}

/*
 * The descriptor that LAR, LSL, VERR and VERW look at.  @valid is false where
 * the instruction only clears ZF.
 */
static int probe_descriptor(struct emu *e, u16 selector, struct descriptor *d, bool *valid)
{
	enum emu_op op = e->insn.row.op;
	unsigned int dpl;
	int ret;

	*valid = false;
	if (!(selector & ~3u))
		return EMU_CONTINUE;
	ret = emu_read_descriptor(e, selector, VEC_GP, d);
	if (ret == EMU_FAULT && e->fault.vector == VEC_GP)
		return EMU_CONTINUE;
	if (ret)
		return ret;
	dpl = descriptor_dpl(d);
	if (!DESC_IS_SEGMENT(d))
		*valid = (op == EMU_OP_LAR || op == EMU_OP_LSL) &&
			 is_visible_type(e, DESC_TYPE(d), op == EMU_OP_LSL);
	else if (op == EMU_OP_VERR)
		*valid = !DESC_IS_CODE(d) || DESC_IS_READABLE(d);
	else if (op == EMU_OP_VERW)
		*valid = !DESC_IS_CODE(d) && DESC_IS_READABLE(d);
	else
		*valid = true;
	if (DESC_IS_SEGMENT(d) && DESC_IS_CODE(d) && DESC_IS_CONFORMING(d))
		return EMU_CONTINUE;
	*valid = *valid && RPL(selector) <= dpl && e->cpl <= dpl;
	return EMU_CONTINUE;
}

static int exec_probe(struct emu *e)
{
	const struct emu_insn *in = &e->insn;
	struct segment s;
	struct descriptor d;
	bool valid;
	u64 sel;
	int ret;

	ret = emu_read_operand(e, OPR_RM16, &sel);
	if (!ret)
		ret = probe_descriptor(e, (u16)sel, &d, &valid);
	if (ret)
		return ret;
	e->rflags &= ~(u64)FL_ZF;
	if (!valid)
		return EMU_CONTINUE;
	e->rflags |= FL_ZF;
	emu_unpack_descriptor(&d, &s);
	if (in->row.op == EMU_OP_LAR)
		emu_reg_write(e, in->reg, in->op_size, d.high & 0x00f0ff00u);
	else if (in->row.op == EMU_OP_LSL)
		emu_reg_write(e, in->reg, in->op_size, s.limit);
	return EMU_CONTINUE;
}

/* Raise the RPL of the destination to that of the source. Memory must be writable also where there is nothing to adjust (SDM, "ARPL"). */
static int exec_arpl(struct emu *e)
{
	unsigned int acc = EMU_ACC_READ | EMU_ACC_WRITE;
	u64 la = 0, dst = 0, rpl = RPL(emu_reg_read(e, e->insn.reg, 2));
	bool is_memory = emu_is_memory(&e->insn);
	int ret;

	if (is_memory) {
		ret = emu_operand_linear(e, 2, acc, &la);
		if (!ret)
			ret = emu_read_linear(e, la, &dst, 2, acc);
	} else {
		ret = emu_read_operand(e, OPR_RM16, &dst);
	}
	if (ret)
		return ret;
	if (RPL(dst) >= rpl) {
		e->rflags &= ~(u64)FL_ZF;
		return EMU_CONTINUE;
	}
	dst = (dst & ~3ULL) | rpl;
	ret = is_memory ? emu_write_linear(e, la, &dst, 2, EMU_ACC_WRITE) : emu_write_operand(e, OPR_RM16, dst);
	if (!ret)
		e->rflags |= FL_ZF;
	return ret;
}

int emu_exec_segment(struct emu *e)
{
	switch (e->insn.row.op) {
	case EMU_OP_MOV_SREG:
		return exec_mov_sreg(e);
	case EMU_OP_POP:
		return exec_pop_sreg(e);
	case EMU_OP_LOAD_FAR:
		return exec_load_far(e);
	case EMU_OP_ARPL:
		return exec_arpl(e);
	default:
		return exec_probe(e);
	}
}
