// SPDX-License-Identifier: GPL-2.0-only
/*
 * Task switches of protected mode: the SDM's "Task Switching" and "Exception
 * Conditions Checked During a Task Switch".
 *
 * What the new TSS's descriptor is asked for, and that both TSSs are mapped,
 * comes first: a fault there leaves everything as it was and belongs to the old
 * task.  Then the old state is saved and the new one loaded.  From there on
 * (commit(), emu.switched) a fault belongs to the new task, whose selectors are
 * in the segment registers already.  The hidden part of a register is loaded
 * when its checks are passed, in the order LDTR, SS, CS, DS, ES, FS, GS; until
 * then it is unusable, or for CS one that VM entry and VMRUN take.
 *
 * TSSs and descriptors that user space would have to answer for give EMU_FAILED.
 */
#include "segment.h"

#define CLAIM_RETRIES	8
#define BUSY		0x200u		/* of a descriptor's second dword */

/* In struct segment.ar: of a TSS, and what CS has until its descriptor is loaded. */
#define ATTR_TSS32	0x08u
#define ATTR_BUSY	0x02u
#define ATTR_NEW_CS	0x9bu

#define FL_DEFINED	(FL_ARITH | FL_TF | FL_IF | FL_DF | FL_IOPL | FL_NT | FL_RF | FL_VM | FL_AC | \
			 FL_VIF | FL_VIP | FL_ID)

/* Fields of a TSS from (E)IP on, in both formats; a 16-bit one has neither FS nor GS. */
enum {
	FIELD_IP,
	FIELD_FLAGS,
	FIELD_GPR,
	FIELD_SEG	= FIELD_GPR + 8,
	NR_SEG_FIELDS	= 6,
};

/**
 * struct tss_format - where a TSS has what
 * @width: bytes of a field
 * @first: offset of (E)IP
 * @nr_segs: selectors from ES on
 * @limit: least limit of a TSS that is switched to
 */
struct tss_format {
	u8 width;
	u8 first;
	u8 nr_segs;
	u8 limit;
};

static const struct tss_format format_16 = { 2, 0x0e, 4, 0x2b };
static const struct tss_format format_32 = { 4, 0x20, 6, 0x67 };

#define TSS32_CR3	0x1c
#define TSS32_TRAP	0x64
#define MAX_FIELDS	(FIELD_SEG + NR_SEG_FIELDS + 1)

/* One switch on its way. */
struct task_switch {
	enum emu_task_source source;
	const struct emu_task_event *event;
	u16 selector;
	struct descriptor desc;		/* of the new TSS */
	struct segment old;		/* TR */
	struct segment new;
	const struct tss_format *from;
	const struct tss_format *to;
	u32 field[FIELD_SEG + NR_SEG_FIELDS];
	u16 ldt;
	u16 trap;
	u32 cr3;
};

static bool is_nested(const struct task_switch *s)
{
	return s->source == EMU_TASK_CALL || s->source == EMU_TASK_EVENT;
}

static const struct tss_format *format_of(const struct segment *tss)
{
	return tss->ar & ATTR_TSS32 ? &format_32 : &format_16;
}

static u64 offset_in(const struct segment *tss, unsigned int offset)
{
	return (u32)(tss->base + offset);
}

/* ---- the old task's context ---- */

/* Descriptor of the new TSS: in the GDT, available (busy for IRET), present, long enough. */
static int find_tss(struct emu *e, struct task_switch *s)
{
	bool is_return = s->source == EMU_TASK_IRET;
	u8 vector = is_return ? VEC_TS : VEC_GP;
	u16 error = s->selector & ~3u;
	int ret;

	if (s->selector & 4)
		return emu_raise_error(e, vector, error);
	ret = emu_read_descriptor(e, s->selector, vector, &s->desc);
	if (ret)
		return ret;
	if (!DESC_IS_TSS(&s->desc) || !(s->desc.high & BUSY) == is_return)
		return emu_raise_error(e, vector, error);
	if (!DESC_IS_PRESENT(&s->desc))
		return emu_raise_error(e, VEC_NP, error);
	emu_unpack_descriptor(&s->desc, &s->new);
	s->to = format_of(&s->new);
	return s->new.limit < s->to->limit ? emu_raise_error(e, VEC_TS, error) : EMU_CONTINUE;
}

static unsigned int nr_fields(const struct tss_format *f)
{
	return FIELD_SEG + f->nr_segs;
}

static unsigned int saved_size(const struct tss_format *f)
{
	return nr_fields(f) * f->width;
}

/* Descriptor of the TSS that TR has. */
static u64 old_descriptor(struct emu *e, const struct task_switch *s)
{
	struct desc_table gdt;

	e->ops->get_table(e, EMU_GDTR, &gdt);
	return (u32)(gdt.base + (s->old.selector & ~7u));
}

/* Nothing of the switch may fault between the first store and the commit. */
static int check_mapped(struct emu *e, const struct task_switch *s)
{
	unsigned int size = saved_size(s->from), access = EMU_ACC_READ | EMU_ACC_SYSTEM;
	int ret;

	if (s->old.limit < s->from->first + size - 1)
		return emu_raise_error(e, VEC_TS, s->old.selector & ~3u);
	ret = e->ops->probe(e, offset_in(&s->new, 0), s->to->limit + 1, access);
	access |= EMU_ACC_WRITE;
	if (!ret && is_nested(s))
		ret = e->ops->probe(e, offset_in(&s->new, 0), 2, access);
	if (!ret && !is_nested(s))
		ret = e->ops->probe(e, old_descriptor(e, s), 8, access);
	if (!ret)
		ret = e->ops->probe(e, offset_in(&s->old, s->from->first), size, access);
	return ret;
}

/* Find the new TSS, and mark it busy before another CPU does. */
static int claim(struct emu *e, struct task_switch *s)
{
	unsigned int i;

	for (i = 0; i < CLAIM_RETRIES; i++) {
		u32 found, busy;
		int ret = find_tss(e, s);

		if (!ret)
			ret = check_mapped(e, s);
		if (ret || s->source == EMU_TASK_IRET)
			return ret;
		found = s->desc.high;
		busy = found | BUSY;
		ret = emu_cmpxchg_linear(e, s->desc.la + 4, &found, &busy, 4, EMU_ACC_WRITE | EMU_ACC_SYSTEM);
		if (ret || found == s->desc.high)
			return ret;
	}
	return EMU_FAILED;
}

/* Make the old TSS available again. */
static int release(struct emu *e, const struct task_switch *s)
{
	u64 la = old_descriptor(e, s) + 4;
	u32 found = 0, high, available;
	unsigned int i;
	int ret;

	ret = emu_read_linear(e, la, &found, 4, EMU_ACC_READ | EMU_ACC_SYSTEM);
	for (i = 0; i < CLAIM_RETRIES && !ret && (found & BUSY); i++) {
		high = found;
		available = high & ~BUSY;
		ret = emu_cmpxchg_linear(e, la, &found, &available, 4, EMU_ACC_WRITE | EMU_ACC_SYSTEM);
		if (ret || found == high)
			return ret;
	}
	return ret || !(found & BUSY) ? ret : EMU_FAILED;
}

/* @size bytes of a TSS, in pieces that the callbacks take. */
static int copy_in(struct emu *e, u64 la, u8 *to, unsigned int size)
{
	unsigned int i;
	int ret = EMU_CONTINUE;

	for (i = 0; i < size && !ret; i += 16)
		ret = emu_read_linear(e, la + i, to + i, size - i < 16 ? size - i : 16,
				      EMU_ACC_READ | EMU_ACC_SYSTEM);
	return ret;
}

static int copy_out(struct emu *e, u64 la, const u8 *from, unsigned int size)
{
	unsigned int i;
	int ret = EMU_CONTINUE;

	for (i = 0; i < size && !ret; i += 16)
		ret = emu_write_linear(e, la + i, from + i, size - i < 16 ? size - i : 16,
				       EMU_ACC_WRITE | EMU_ACC_SYSTEM);
	return ret;
}

/* RFLAGS of the old task: an instruction has ended RF, and IRET its nesting. */
static u32 flags_to_save(const struct emu *e, const struct task_switch *s)
{
	u32 flags = (u32)e->rflags;

	if (!s->event || !s->event->external)
		flags &= ~FL_RF;
	return s->source == EMU_TASK_IRET ? flags & ~FL_NT : flags;
}

static int save(struct emu *e, const struct task_switch *s)
{
	const struct tss_format *f = s->from;
	u32 field[FIELD_SEG + NR_SEG_FIELDS];
	u8 image[sizeof(field)];
	struct segment seg;
	unsigned int i;

	field[FIELD_IP] = (u32)(s->event ? s->event->return_rip : e->next_rip);
	field[FIELD_FLAGS] = flags_to_save(e, s);
	for (i = 0; i < 8; i++)
		field[FIELD_GPR + i] = (u32)e->gpr[i];
	for (i = 0; i < f->nr_segs; i++) {
		e->ops->get_segment(e, SEG_ES + i, &seg);
		field[FIELD_SEG + i] = seg.selector;
	}
	for (i = 0; i < nr_fields(f); i++)
		memcpy(image + i * f->width, &field[i], f->width);
	return copy_out(e, offset_in(&s->old, f->first), image, saved_size(f));
}

static int load(struct emu *e, struct task_switch *s)
{
	const struct tss_format *f = s->to;
	u8 image[MAX_FIELDS * 4] = { };
	unsigned int i, size = saved_size(f);
	int ret;

	ret = copy_in(e, offset_in(&s->new, f->first), image, size + 2);
	if (!ret && f == &format_32)
		ret = copy_in(e, offset_in(&s->new, TSS32_CR3), (u8 *)&s->cr3, 4);
	if (!ret && f == &format_32)
		ret = copy_in(e, offset_in(&s->new, TSS32_TRAP), (u8 *)&s->trap, 2);
	if (ret)
		return ret;
	for (i = 0; i < nr_fields(f); i++)
		memcpy(&s->field[i], image + i * f->width, f->width);
	memcpy(&s->ldt, image + size, 2);
	return EMU_CONTINUE;
}

/* ---- the new task's ---- */

static void set_vm86_segment(struct emu *e, unsigned int seg, u16 selector)
{
	struct segment s = { (u64)selector << 4, 0xffff, 0xf3, selector };

	e->ops->set_segment(e, seg, &s);
}

/* A selector whose descriptor is not loaded. SS tells the privilege level all the same. */
static void set_selector(struct emu *e, unsigned int seg, u16 selector)
{
	struct segment s = { .selector = selector, .ar = SEG_UNUSABLE };

	if (seg == SEG_CS)
		s.ar = ATTR_NEW_CS;
	if (seg == SEG_CS || seg == SEG_SS)
		s.ar |= (u32)e->cpl << SEG_DPL_SHIFT;
	e->ops->set_segment(e, seg, &s);
}

/* All that can be loaded without a look at a descriptor. */
static void commit(struct emu *e, struct task_switch *s)
{
	bool is_vm86;
	unsigned int i;

	s->new.ar |= ATTR_BUSY;
	e->ops->set_segment(e, SEG_TR, &s->new);
	e->switched = EMU_SWITCHED;
	e->next_rip = s->field[FIELD_IP];
	e->rip = e->next_rip;
	e->rflags = (s->field[FIELD_FLAGS] & FL_DEFINED) | FL_ONE;
	if (is_nested(s))
		e->rflags |= FL_NT;
	for (i = 0; i < 8; i++)
		e->gpr[i] = s->field[FIELD_GPR + i];
	is_vm86 = e->rflags & FL_VM;
	e->mode = is_vm86 ? EMU_MODE_VM86 : EMU_MODE_PROT32;
	e->cpl = is_vm86 ? 3 : s->field[FIELD_SEG + SEG_CS] & 3;
	for (i = 0; i < NR_SEG_FIELDS; i++) {
		u16 selector = (u16)s->field[FIELD_SEG + i];

		if (is_vm86)
			set_vm86_segment(e, SEG_ES + i, selector);
		else
			set_selector(e, SEG_ES + i, selector);
	}
	set_selector(e, SEG_LDTR, s->ldt);
}

static int load_ldt(struct emu *e, u16 selector)
{
	u16 error = selector & ~3u;
	struct segment seg;
	struct descriptor d;
	int ret;

	if (!error)
		return EMU_CONTINUE;
	/* with TI set beyond its table, as there is no LDT yet */
	ret = emu_read_descriptor(e, selector, VEC_TS, &d);
	if (ret)
		return ret;
	if (DESC_IS_SEGMENT(&d) || DESC_TYPE(&d) != 2 || !DESC_IS_PRESENT(&d))
		return emu_raise_error(e, VEC_TS, error);
	emu_unpack_descriptor(&d, &seg);
	e->ops->set_segment(e, SEG_LDTR, &seg);
	return EMU_CONTINUE;
}

/* Type and privilege; the RPL of CS is the new CPL. */
static bool is_valid_for(const struct emu *e, unsigned int seg, const struct descriptor *d)
{
	unsigned int dpl = descriptor_dpl(d), rpl = d->selector & 3;
	bool is_code = DESC_IS_CODE(d), is_conforming = is_code && DESC_IS_CONFORMING(d);

	if (!DESC_IS_SEGMENT(d))
		return false;
	switch (seg) {
	case SEG_CS:
		return is_code && (is_conforming ? dpl <= rpl : dpl == rpl);
	case SEG_SS:
		return !is_code && DESC_IS_READABLE(d) && dpl == e->cpl && dpl == rpl;
	default:
		if (is_code && !DESC_IS_READABLE(d))
			return false;
		return is_conforming || (rpl <= dpl && e->cpl <= dpl);
	}
}

static int load_segment(struct emu *e, unsigned int seg, u16 selector)
{
	u8 absent = seg == SEG_SS ? VEC_SS : VEC_NP;
	u16 error = selector & ~3u;
	struct segment s;
	struct descriptor d;
	int ret;

	if (!error)
		return seg == SEG_CS || seg == SEG_SS ? emu_raise_error(e, VEC_TS, 0) : EMU_CONTINUE;
	ret = emu_read_descriptor(e, selector, VEC_TS, &d);
	if (ret)
		return ret;
	if (!is_valid_for(e, seg, &d))
		return emu_raise_error(e, VEC_TS, error);
	if (!DESC_IS_PRESENT(&d))
		return emu_raise_error(e, absent, error);
	ret = emu_mark_descriptor(e, &d, 1);
	if (ret)
		return ret;
	emu_unpack_descriptor(&d, &s);
	e->ops->set_segment(e, seg, &s);
	if (seg == SEG_CS && !(s.ar & SEG_DB))
		e->mode = EMU_MODE_PROT16;
	return EMU_CONTINUE;
}

static int load_segments(struct emu *e, const struct task_switch *s)
{
	static const u8 order[] = { SEG_SS, SEG_CS, SEG_DS, SEG_ES, SEG_FS, SEG_GS };
	unsigned int i;
	int ret;

	ret = load_ldt(e, s->ldt);
	if (e->mode == EMU_MODE_VM86)
		return ret;
	for (i = 0; i < sizeof(order) && !ret; i++)
		ret = load_segment(e, order[i], (u16)s->field[FIELD_SEG + order[i]]);
	return ret;
}

static int push_error_code(struct emu *e, const struct task_switch *s)
{
	struct emu_stack stack;
	int ret;

	emu_stack_begin(e, &stack);
	ret = emu_push(e, &stack, s->event->error, s->to->width);
	if (!ret)
		emu_stack_commit(e, &stack);
	return ret;
}

/* Behind the commit. */
static int enter(struct emu *e, const struct task_switch *s)
{
	u64 cr0 = e->ops->get_cr(e, 0);
	struct segment cs;
	int ret;

	ret = e->ops->set_cr(e, 0, cr0 | CR0_TS);
	if (!ret && s->to == &format_32 && (cr0 & CR0_PG))
		ret = e->ops->set_cr(e, 3, s->cr3);
	if (!ret)
		ret = load_segments(e, s);
	if (!ret && s->event && s->event->has_error)
		ret = push_error_code(e, s);
	if (ret)
		return ret;
	e->ops->get_segment(e, SEG_CS, &cs);
	if (e->rip > cs.limit)
		return emu_raise_error(e, VEC_GP, 0);
	if (s->trap & 1)
		e->switched |= EMU_SWITCHED_TRAP;
	return EMU_CONTINUE;
}

static int run(struct emu *e, struct task_switch *s)
{
	u16 link;
	int ret;

	/* a store to user space does not end it */
	e->insn.row.flags |= F_MULTI;
	e->ops->get_segment(e, SEG_TR, &s->old);
	s->from = format_of(&s->old);
	ret = claim(e, s);
	if (!ret && !is_nested(s))
		ret = release(e, s);
	if (!ret)
		ret = save(e, s);
	link = s->old.selector;
	if (!ret && is_nested(s))
		ret = copy_out(e, offset_in(&s->new, 0), (const u8 *)&link, 2);
	if (!ret)
		ret = load(e, s);
	if (!ret) {
		commit(e, s);
		ret = enter(e, s);
	}
	return ret == EMU_IO ? EMU_FAILED : ret;
}

int emu_task_switch(struct emu *e, enum emu_task_source source, u16 selector)
{
	struct task_switch s = { .source = source, .selector = selector };

	return run(e, &s);
}

/* IRET with NT set: to the task in the back link. */
int emu_task_return(struct emu *e)
{
	struct segment tr;
	u16 link = 0;
	int ret;

	e->ops->get_segment(e, SEG_TR, &tr);
	ret = copy_in(e, offset_in(&tr, 0), (u8 *)&link, 2);
	return ret ? ret : emu_task_switch(e, EMU_TASK_IRET, link);
}

int emu_task_event(struct emu *e, u16 selector, const struct emu_task_event *event)
{
	struct task_switch s = { .source = EMU_TASK_EVENT, .selector = selector, .event = event };
	int ret;

	e->switched = 0;
	e->shadow = 0;
	emu_forget(e);
	e->log.next = 0;
	ret = run(e, &s);
	emu_forget(e);
	if (ret == EMU_FAULT && event->external && e->fault.vector >= VEC_TS &&
	    e->fault.vector <= VEC_GP)
		e->fault.error |= 1;
	return ret;
}
