// SPDX-License-Identifier: GPL-2.0-only
/*
 * Far jumps, calls and returns, IRET, and interrupts through the real-mode
 * vector table.  In real and virtual-8086 mode all of them; with descriptors,
 * those that stay at one privilege level or switch tasks: call gates and changes
 * of privilege give EMU_FAILED, with nothing changed.
 */
#include "segment.h"

/* A place to go to: code segment and offset in it, or a task. */
struct far_target {
	struct segment cs;
	u64 offset;
	bool is_task;
	u16 tss;
};

/* Is the offset inside the segment that is about to be loaded? */
static int check_offset(struct emu *e, const struct far_target *t)
{
	bool is_long = e->mode >= EMU_MODE_COMPAT16 && (t->cs.ar & SEG_L);

	if (is_long ? !emu_is_canonical(e, t->offset) : t->offset > t->cs.limit)
		return emu_raise_error(e, VEC_GP, 0);
	return EMU_CONTINUE;
}

/* JMP or CALL names a system descriptor: a TSS or a task gate will do. */
static int system_target(struct emu *e, const struct descriptor *d, struct far_target *t)
{
	unsigned int dpl = descriptor_dpl(d), type = DESC_TYPE(d);
	u16 error = d->selector & ~3u;
	bool is_lma = e->mode >= EMU_MODE_COMPAT16;

	if (type == DESC_CALL_GATE32 || (type == DESC_CALL_GATE16 && !is_lma))
		return EMU_FAILED;
	if (is_lma || !(DESC_IS_TSS(d) || type == DESC_TASK_GATE) ||
	    dpl < e->cpl || dpl < (d->selector & 3u))
		return emu_raise_error(e, VEC_GP, error);
	t->is_task = true;
	t->tss = d->selector;
	if (type != DESC_TASK_GATE)
		return EMU_CONTINUE;
	t->tss = d->low >> 16;
	return DESC_IS_PRESENT(d) ? EMU_CONTINUE : emu_raise_error(e, VEC_NP, error);
}

/* Long mode has no code segment of 64 bits with D. */
static bool is_reserved_size(const struct emu *e, const struct descriptor *d)
{
	return e->mode >= EMU_MODE_COMPAT16 && (d->high & 0x600000) == 0x600000;
}

/* Read and check a code descriptor for a transfer that keeps the CPL. */
static int code_segment(struct emu *e, u16 selector, bool is_return, struct far_target *t)
{
	u16 error = selector & ~3u;
	struct descriptor d;
	unsigned int dpl;
	int ret;

	if (!error)
		return emu_raise_error(e, VEC_GP, 0);
	ret = emu_read_descriptor(e, selector, VEC_GP, &d);
	if (ret)
		return ret;
	if (!DESC_IS_SEGMENT(&d) && !is_return)
		return system_target(e, &d, t);
	if (!DESC_IS_SEGMENT(&d) || !DESC_IS_CODE(&d))
		return emu_raise_error(e, VEC_GP, error);
	dpl = descriptor_dpl(&d);
	if (is_return && (selector & 3) != e->cpl)
		return (selector & 3) > e->cpl ? EMU_FAILED : emu_raise_error(e, VEC_GP, error);
	if (DESC_IS_CONFORMING(&d) ? dpl > e->cpl : (selector & 3) > e->cpl || dpl != e->cpl)
		return emu_raise_error(e, VEC_GP, error);
	/* before P for JMP and CALL; of RET and IRET the manual does not say */
	if (is_reserved_size(e, &d))
		return emu_raise_error(e, VEC_GP, error);
	if (!DESC_IS_PRESENT(&d))
		return emu_raise_error(e, VEC_NP, error);
	ret = emu_mark_descriptor(e, &d, 1);
	if (ret)
		return ret;
	d.selector = error | e->cpl;
	emu_unpack_descriptor(&d, &t->cs);
	return EMU_CONTINUE;
}

/* Fill @t for @selector:@offset in any mode. The offset is the caller's to check. */
static int find_target(struct emu *e, u16 selector, u64 offset, bool is_return,
		       struct far_target *t)
{
	t->offset = offset;
	t->is_task = false;
	if (!emu_is_real(e))
		return code_segment(e, selector, is_return, t);
	e->ops->get_segment(e, SEG_CS, &t->cs);
	t->cs.selector = selector;
	t->cs.base = (u64)selector << 4;
	return EMU_CONTINUE;
}

/*
 * Is there room for @n pushes of @size bytes? That comes before the check of the offset (SDM, "CALL", "INT n/INTO/INT3/INT1"). AMD's CPUs push by then, page
 * faults and all (APM, "CALL (Far)", "INT (Interrupt to Vector)").
 */
static int check_room(struct emu *e, unsigned int n, unsigned int size)
{
	int ret = EMU_CONTINUE;
	struct emu_stack s;
	u64 la;

	emu_stack_begin(e, &s);
	while (n-- && !ret) {
		s.sp = (s.sp - size) & s.mask;
		ret = emu_linear(e, SEG_SS, s.sp, size, EMU_ACC_WRITE, &la);
		if (!ret && !e->intel)
			ret = e->ops->probe(e, la, size, EMU_ACC_WRITE);
	}
	return ret;
}

static void go(struct emu *e, const struct far_target *t)
{
	e->ops->set_segment(e, SEG_CS, &t->cs);
	e->next_rip = t->offset;
}

int emu_far_pointer(struct emu *e, u16 *selector, u64 *offset)
{
	const struct emu_insn *in = &e->insn;
	u64 ea = emu_address(e), sel;
	int ret;

	if (in->row.dst == OPR_IMM) {
		*selector = (u16)in->disp;
		*offset = in->imm;
		return EMU_CONTINUE;
	}
	ret = emu_read_seg(e, in->seg, ea, offset, in->op_size);
	if (!ret)
		ret = emu_read_seg(e, in->seg, (ea + in->op_size) & emu_mask(in->addr_size), &sel, 2);
	if (!ret)
		*selector = (u16)sel;
	return ret;
}

static int exec_jump(struct emu *e)
{
	bool is_call = e->insn.row.op == EMU_OP_CALLF;
	struct segment cs;
	struct far_target t;
	struct emu_stack s;
	u16 selector;
	u64 offset;
	int ret;

	ret = emu_far_pointer(e, &selector, &offset);
	if (!ret)
		ret = find_target(e, selector, offset, false, &t);
	if (!ret && t.is_task)
		return emu_task_switch(e, is_call ? EMU_TASK_CALL : EMU_TASK_JMP, t.tss);
	if (!ret && is_call)
		ret = check_room(e, 2, e->insn.op_size);
	if (!ret)
		ret = check_offset(e, &t);
	if (!ret && is_call) {
		e->ops->get_segment(e, SEG_CS, &cs);
		emu_stack_begin(e, &s);
		ret = emu_push(e, &s, cs.selector, e->insn.op_size);
		if (!ret)
			ret = emu_push(e, &s, e->next_rip, e->insn.op_size);
		if (!ret)
			emu_stack_commit(e, &s);
	}
	if (!ret)
		go(e, &t);
	return ret;
}

static int exec_return(struct emu *e)
{
	struct far_target t;
	struct emu_stack s;
	u64 offset, sel;
	int ret;

	emu_stack_begin(e, &s);
	ret = emu_pop(e, &s, &offset, e->insn.op_size);
	if (!ret)
		ret = emu_pop(e, &s, &sel, e->insn.op_size);
	if (!ret)
		ret = find_target(e, (u16)sel, offset, true, &t);
	if (!ret)
		ret = check_offset(e, &t);
	if (ret)
		return ret;
	go(e, &t);
	s.sp = (s.sp + (u16)e->insn.imm) & s.mask;
	emu_stack_commit(e, &s);
	return EMU_CONTINUE;
}

/* What IRET brings along beyond POPF: RF, which emu_execute() leaves to it, and at CPL 0 of protected mode VIF and VIP (SDM, "IRET/IRETD/IRETQ"). */
static void set_flags(struct emu *e, u64 val, unsigned int size)
{
	u64 change = FL_RF;

	if (size == 4 && !emu_is_real(e) && !e->cpl)
		change |= FL_VIF | FL_VIP;
	emu_set_flags(e, val, size);
	e->rflags = (e->rflags & ~change) | (size == 4 ? val & change : 0);
}

static int exec_iret(struct emu *e)
{
	unsigned int size = e->insn.op_size;
	struct far_target t;
	struct emu_stack s;
	u64 offset, sel, flags;
	bool use_vif;
	int ret;

	ret = emu_check_vm86_flags(e, &use_vif);
	if (ret)
		return ret;
	if (!emu_is_real(e) && (e->rflags & FL_NT))
		return e->mode < EMU_MODE_COMPAT16 ? emu_task_return(e) :
						     emu_raise_error(e, VEC_GP, 0);
	if (e->mode >= EMU_MODE_COMPAT16)
		return EMU_FAILED;
	emu_stack_begin(e, &s);
	ret = emu_pop(e, &s, &offset, size);
	if (!ret)
		ret = emu_pop(e, &s, &sel, size);
	if (!ret)
		ret = emu_pop(e, &s, &flags, size);
	if (ret)
		return ret;
	if (!emu_is_real(e) && (flags & FL_VM) && size == 4 && !e->cpl)
		return EMU_FAILED;
	ret = find_target(e, (u16)sel, offset, true, &t);
	if (!ret)
		ret = check_offset(e, &t);
	if (!ret && use_vif)
		ret = emu_set_vif(e, flags);
	if (ret)
		return ret;
	go(e, &t);
	set_flags(e, flags, size);
	emu_stack_commit(e, &s);
	return EMU_CONTINUE;
}

int emu_exec_far(struct emu *e)
{
	switch (e->insn.row.op) {
	case EMU_OP_JMPF:
	case EMU_OP_CALLF:
		return exec_jump(e);
	case EMU_OP_RETF:
		return exec_return(e);
	default:
		return exec_iret(e);
	}
}

/* Push FLAGS, which are @image, CS and IP for a return to @return_rip. */
static int push_frame(struct emu *e, struct emu_stack *s, u64 image, u64 return_rip)
{
	struct segment cs;
	int ret;

	e->ops->get_segment(e, SEG_CS, &cs);
	emu_stack_begin(e, s);
	ret = emu_push(e, s, image, 2);
	if (!ret)
		ret = emu_push(e, s, cs.selector, 2);
	if (!ret)
		ret = emu_push(e, s, return_rip, 2);
	return ret;
}

/* Through an entry of a vector table, at @la, which is read as @acc. */
static int call_vector(struct emu *e, u64 la, unsigned int acc, u64 image, u64 return_rip)
{
	struct far_target t;
	struct emu_stack s;
	u32 entry = 0;
	int ret;

	e->insn.row.flags |= F_MULTI;
	ret = emu_read_linear(e, la, &entry, 4, acc);
	if (!ret)
		ret = find_target(e, (u16)(entry >> 16), (u16)entry, false, &t);
	if (!ret)
		ret = check_room(e, 3, 2);
	if (!ret)
		ret = check_offset(e, &t);
	if (!ret)
		ret = push_frame(e, &s, image, return_rip);
	if (ret)
		return ret;
	go(e, &t);
	emu_stack_commit(e, &s);
	return EMU_CONTINUE;
}

/* Runs inside INT n, or by itself: then RIP is moved here. */
static int real_interrupt(struct emu *e, u8 vector, u64 return_rip)
{
	struct desc_table idt;
	int ret;

	e->log.next = 0;
	e->ops->get_table(e, EMU_IDTR, &idt);
	if (vector * 4u + 3 > idt.limit)
		return emu_raise(e, VEC_GP);
	ret = call_vector(e, (u32)(idt.base + vector * 4u), EMU_ACC_READ | EMU_ACC_SYSTEM, e->rflags, return_rip);
	if (!ret)
		e->rflags &= ~(u64)(FL_IF | FL_TF | FL_AC | FL_RF);
	return ret;
}

int emu_real_interrupt(struct emu *e, u8 vector, u64 return_rip)
{
	int ret;

	ret = real_interrupt(e, vector, return_rip);
	if (ret == EMU_IO)
		return ret;
	emu_forget(e);
	if (!ret)
		e->rip = e->next_rip;
	return ret;
}

/* The software interrupt redirection bit map lies below the I/O permission bitmap. */
static int is_redirected(struct emu *e, u8 vector, bool *redirected)
{
	struct segment tr;
	u16 base = 0;
	u8 bits = 0;
	int ret = emu_io_bitmap(e, &tr, &base);

	if (ret)
		return ret;
	if (base < 32 || base - 32u + vector / 8 > tr.limit)
		return emu_raise_error(e, VEC_GP, 0);
	ret = emu_read_linear(e, tr.base + base - 32 + vector / 8, &bits, 1, EMU_ACC_READ | EMU_ACC_SYSTEM);
	*redirected = !(bits >> (vector & 7) & 1);
	return ret;
}

/* INT n in virtual-8086 mode (SDM, "Class 3—Software Interrupt Handling in Virtual-8086 Mode"). @done: it was the 8086 program's own. */
int emu_vm86_interrupt(struct emu *e, u8 vector, bool *done)
{
	bool is_iopl_3 = (e->rflags & FL_IOPL) == FL_IOPL;
	int ret = EMU_CONTINUE;

	*done = false;
	if (e->ops->get_cr(e, 4) & CR4_VME)
		ret = is_redirected(e, vector, done);
	if (ret)
		return ret;
	if (!*done)
		return is_iopl_3 ? EMU_CONTINUE : emu_raise_error(e, VEC_GP, 0);
	ret = call_vector(e, vector * 4u, EMU_ACC_READ, is_iopl_3 ? e->rflags : emu_vm86_image(e->rflags), e->next_rip);
	if (!ret)
		e->rflags &= ~(u64)(FL_TF | (is_iopl_3 ? FL_IF : FL_VIF));
	return ret;
}
