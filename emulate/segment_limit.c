// SPDX-License-Identifier: GPL-2.0-only
/*
 * From an offset in a segment to a linear address: limits, rights, canonical addresses, alignment.
 *
 * Limits and bases are those that the segment register holds, in real mode too: what a guest has loaded in protected mode stays in
 * force there (big real mode).
 */
#include "internal.h"

/* Offset within the limit?  Expand-down segments begin above it. */
static bool is_within_limit(const struct segment *s, u64 ea, unsigned int size, bool is_real)
{
	u64 last = ea + size - 1;

	if (!is_real && (s->ar & (SEG_S | 0x0c)) == (SEG_S | 0x04)) {
		u64 top = s->ar & SEG_DB ? 0xffffffffu : 0xffffu;

		return ea > s->limit && last <= top;
	}
	return last <= s->limit;
}

/* May the segment be used for this kind of access at all? */
static bool is_permitted(const struct segment *s, unsigned int acc)
{
	bool is_code = s->ar & 0x08, readable_or_writable = s->ar & 0x02;

	if (s->ar & SEG_UNUSABLE)
		return false;
	if (is_code)
		return !(acc & EMU_ACC_WRITE) && (readable_or_writable || acc & EMU_ACC_FETCH);
	return !(acc & EMU_ACC_WRITE) || readable_or_writable;
}

/* Bytes that an access of @size is aligned to (SDM, "Alignment Requirements by Data Type"). Of SSE and FXSAVE the instructions say what is to be. */
static unsigned int alignment_of(unsigned int size)
{
	switch (size) {
	case 10:	/* of x87 */
		return 8;
	case 28:	/* its environment */
	case 108:
		return 4;
	default:
		return size <= 8 ? size : 1;
	}
}

/* Alignment checking: CPL 3, EFLAGS.AC and CR0.AM. */
static int check_alignment(struct emu *e, u64 la, unsigned int size)
{
	if (likely(!(e->rflags & FL_AC) || e->cpl != 3 || !(la & (alignment_of(size) - 1))))
		return EMU_CONTINUE;
	return e->ops->get_cr(e, 0) & CR0_AM ? emu_raise_error(e, VEC_AC, 0) : EMU_CONTINUE;
}

static int linear_long(struct emu *e, unsigned int seg, u64 ea, unsigned int size, u64 *la)
{
	struct segment s;

	if (seg == SEG_FS || seg == SEG_GS) {
		e->ops->get_segment(e, seg, &s);
		ea += s.base;
	}
	if (unlikely(!emu_is_canonical(e, ea) || !emu_is_canonical(e, ea + size - 1)))
		return emu_raise_error(e, seg == SEG_SS ? VEC_SS : VEC_GP, 0);
	*la = ea;
	return check_alignment(e, ea, size);
}

int emu_linear(struct emu *e, unsigned int seg, u64 ea, unsigned int size, unsigned int acc,
	       u64 *la)
{
	struct segment s;

	if (likely(emu_is_long(e)))
		return linear_long(e, seg, ea, size, la);
	e->ops->get_segment(e, seg, &s);
	ea = (u32)ea;
	if ((!emu_is_real(e) && !is_permitted(&s, acc)) ||
	    !is_within_limit(&s, ea, size, emu_is_real(e)))
		return emu_raise_error(e, seg == SEG_SS ? VEC_SS : VEC_GP, 0);
	*la = (u32)(s.base + ea);
	return check_alignment(e, *la, size);
}
