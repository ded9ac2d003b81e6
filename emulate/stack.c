// SPDX-License-Identifier: GPL-2.0-only
/*
 * Stack instructions.  The stack pointer is worked on in a struct emu_stack and
 * written back only when every push or pop of the instruction has succeeded.
 */
#include "internal.h"

#define FL_POPF		(FL_ARITH | FL_TF | FL_DF | FL_NT | FL_AC | FL_ID)

void emu_stack_begin(struct emu *e, struct emu_stack *s)
{
	struct segment ss;

	s->mask = ~0ULL;
	if (!emu_is_long(e)) {
		e->ops->get_segment(e, SEG_SS, &ss);
		s->mask = ss.ar & SEG_DB ? 0xffffffffULL : 0xffffULL;
	}
	s->sp = e->gpr[GPR_RSP] & s->mask;
}

void emu_stack_commit(struct emu *e, const struct emu_stack *s)
{
	if (s->mask == 0xffff)
		emu_gpr_write(e, GPR_RSP, 2, s->sp);
	else
		e->gpr[GPR_RSP] = s->sp & s->mask;
}

int emu_push(struct emu *e, struct emu_stack *s, u64 val, unsigned int size)
{
	s->sp = (s->sp - size) & s->mask;
	return emu_write_seg(e, SEG_SS, s->sp, val, size);
}

int emu_pop(struct emu *e, struct emu_stack *s, u64 *val, unsigned int size)
{
	int ret;

	ret = emu_read_seg(e, SEG_SS, s->sp, val, size);
	s->sp = (s->sp + size) & s->mask;
	return ret;
}

/*
 * In virtual-8086 mode with IOPL below 3, VME lets PUSHF, POPF and IRET of 16 bits through with VIF as IF (SDM, "Class 2—Maskable Hardware Interrupt
 * Handling in Virtual-8086 Mode Using the Virtual Interrupt Mechanism").
 */
int emu_check_vm86_flags(struct emu *e, bool *use_vif)
{
	*use_vif = false;
	if (e->mode != EMU_MODE_VM86 || (e->rflags & FL_IOPL) == FL_IOPL)
		return EMU_CONTINUE;
	if (!(e->ops->get_cr(e, 4) & CR4_VME) || e->insn.op_size != 2)
		return emu_raise_error(e, VEC_GP, 0);
	*use_vif = true;
	return EMU_CONTINUE;
}

/* IF of @val, which POPF or IRET has popped, into VIF. */
int emu_set_vif(struct emu *e, u64 val)
{
	if ((val & FL_TF) || ((val & FL_IF) && (e->rflags & FL_VIP)))
		return emu_raise_error(e, VEC_GP, 0);
	e->rflags = (e->rflags & ~(u64)FL_VIF) | (val & FL_IF ? FL_VIF : 0);
	return EMU_CONTINUE;
}

/* FLAGS as that mode shows them. */
u64 emu_vm86_image(u64 rflags)
{
	return (rflags & ~(u64)FL_IF) | FL_IOPL | (rflags & FL_VIF ? FL_IF : 0);
}

/* The bits of @val that POPF or IRET may change at this CPL, for an image of @size bytes. */
void emu_set_flags(struct emu *e, u64 val, unsigned int size)
{
	unsigned int iopl = (e->rflags & FL_IOPL) >> FL_IOPL_SHIFT;
	unsigned int cpl = e->mode == EMU_MODE_VM86 ? 3 : e->mode == EMU_MODE_REAL ? 0 : e->cpl;
	u64 change = FL_POPF;

	if (cpl <= iopl)
		change |= FL_IF;
	if (!cpl)
		change |= FL_IOPL;
	if (size == 2)
		change &= 0xffff;
	e->rflags = (e->rflags & ~change) | (val & change) | FL_ONE;
}

static int exec_pushf(struct emu *e, struct emu_stack *s)
{
	u64 image = e->rflags & ~(u64)(FL_VM | FL_RF);
	bool use_vif;
	int ret;

	ret = emu_check_vm86_flags(e, &use_vif);
	if (ret)
		return ret;
	if (use_vif)
		image = emu_vm86_image(image);
	return emu_push(e, s, image, e->insn.op_size);
}

static int exec_popf(struct emu *e, struct emu_stack *s)
{
	bool use_vif;
	u64 val;
	int ret;

	ret = emu_check_vm86_flags(e, &use_vif);
	if (!ret)
		ret = emu_pop(e, s, &val, e->insn.op_size);
	if (!ret && use_vif)
		ret = emu_set_vif(e, val);
	if (ret)
		return ret;
	emu_set_flags(e, val, e->insn.op_size);
	return EMU_CONTINUE;
}

static int exec_pusha(struct emu *e, struct emu_stack *s)
{
	unsigned int i;
	int ret = EMU_CONTINUE;

	for (i = 0; i < 8 && !ret; i++)
		ret = emu_push(e, s, e->gpr[i], e->insn.op_size);
	return ret;
}

static int exec_popa(struct emu *e, struct emu_stack *s)
{
	u64 val[8];
	int i, ret = EMU_CONTINUE;

	for (i = 7; i >= 0 && !ret; i--)
		ret = emu_pop(e, s, &val[i], e->insn.op_size);
	for (i = 0; i < 8 && !ret; i++)
		if (i != GPR_RSP)
			emu_gpr_write(e, i, e->insn.op_size, val[i]);
	return ret;
}

/* The frame pointers of @level - 1 outer procedures, then the new one. */
static int enter_display(struct emu *e, struct emu_stack *s, unsigned int level, u64 frame)
{
	unsigned int size = e->insn.op_size, i;
	u64 bp = e->gpr[GPR_RBP], val;
	int ret;

	for (i = 1; i < level; i++) {
		bp -= size;
		ret = emu_read_seg(e, SEG_SS, bp & s->mask, &val, size);
		if (!ret)
			ret = emu_push(e, s, val, size);
		if (ret)
			return ret;
	}
	return level ? emu_push(e, s, frame, size) : EMU_CONTINUE;
}

static int exec_enter(struct emu *e, struct emu_stack *s)
{
	unsigned int size = e->insn.op_size;
	u64 frame, la;
	int ret;

	ret = emu_push(e, s, e->gpr[GPR_RBP], size);
	if (ret)
		return ret;
	frame = s->sp;
	ret = enter_display(e, s, (unsigned int)e->insn.disp & 31, frame);
	if (ret)
		return ret;
	s->sp = (s->sp - (u16)e->insn.imm) & s->mask;
	/* a write there would have to succeed (SDM, "ENTER": #PF) */
	ret = emu_linear(e, SEG_SS, s->sp, size, EMU_ACC_WRITE, &la);
	if (!ret)
		ret = e->ops->probe(e, la, size, EMU_ACC_WRITE);
	if (!ret)
		emu_gpr_write(e, GPR_RBP, size, frame);
	return ret;
}

static int exec_leave(struct emu *e, struct emu_stack *s)
{
	u64 val;
	int ret;

	s->sp = e->gpr[GPR_RBP] & s->mask;
	ret = emu_pop(e, s, &val, e->insn.op_size);
	if (!ret)
		emu_gpr_write(e, GPR_RBP, e->insn.op_size, val);
	return ret;
}

static int exec_push(struct emu *e, struct emu_stack *s)
{
	const struct emu_insn *in = &e->insn;
	struct segment seg;
	u64 val;
	int ret;

	if (in->row.dst == OPR_SEG) {
		e->ops->get_segment(e, (in->opcode >> 3) & 7, &seg);
		return emu_push(e, s, seg.selector, in->op_size);
	}
	ret = emu_read_operand(e, in->row.dst, &val);
	return ret ? ret : emu_push(e, s, val, in->op_size);
}

/* An address based on the stack pointer uses its value after the pop. */
static int exec_pop(struct emu *e, struct emu_stack *s)
{
	u64 val, rsp = e->gpr[GPR_RSP];
	int ret;

	ret = emu_pop(e, s, &val, e->insn.op_size);
	if (ret)
		return ret;
	emu_stack_commit(e, s);
	ret = emu_write_operand(e, OPR_RM, val);
	if (ret)
		e->gpr[GPR_RSP] = rsp;
	return ret;
}

int emu_exec_stack(struct emu *e)
{
	struct emu_stack s;
	int ret;

	emu_stack_begin(e, &s);
	switch (e->insn.row.op) {
	case EMU_OP_PUSH:
		ret = exec_push(e, &s);
		break;
	case EMU_OP_POP:
		return exec_pop(e, &s);
	case EMU_OP_PUSHA:
		ret = exec_pusha(e, &s);
		break;
	case EMU_OP_POPA:
		ret = exec_popa(e, &s);
		break;
	case EMU_OP_PUSHF:
		ret = exec_pushf(e, &s);
		break;
	case EMU_OP_POPF:
		ret = exec_popf(e, &s);
		break;
	case EMU_OP_ENTER:
		ret = exec_enter(e, &s);
		break;
	default:
		ret = exec_leave(e, &s);
		break;
	}
	if (!ret)
		emu_stack_commit(e, &s);
	return ret;
}
