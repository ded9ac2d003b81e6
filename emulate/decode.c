// SPDX-License-Identifier: GPL-2.0-only
/*
 * The decoder: prefixes, opcode, ModRM, SIB, displacement, immediate.
 *
 * It reads no byte past the n it was given, evaluates no register and touches
 * nothing but emu.insn and emu.next_rip (and emu.fault when it refuses).  What
 * an instruction does is not its business: the rows of opcodes.c say which
 * parts follow an opcode, and the executors find the row in the result.
 *
 * The order of checks is the CPU's: a byte that cannot be had comes first, then
 * the limit of 15 bytes, then #UD.
 */
#include "internal.h"

/* Default operand and address sizes by enum emu_mode. */
static const u8 default_sizes[][2] = {
	[EMU_MODE_REAL] = { 2, 2 },
	[EMU_MODE_VM86] = { 2, 2 },
	[EMU_MODE_PROT16] = { 2, 2 },
	[EMU_MODE_PROT32] = { 4, 4 },
	[EMU_MODE_COMPAT16] = { 2, 2 },
	[EMU_MODE_COMPAT32] = { 4, 4 },
	[EMU_MODE_LONG] = { 4, 8 },
};

static const struct emu_opcode row_map_3a = {
	EMU_OP_LENGTH_ONLY, CLASS_LENGTH, 0, 0, F_MODRM | I_8
};
static const struct emu_opcode row_vex = { EMU_OP_LENGTH_ONLY, CLASS_LENGTH, 0, 0, F_MODRM };

#define LOAD(type, p)	({ type val_; memcpy(&val_, p, sizeof(val_)); val_; })

/* @size bytes at @p, sign-extended; the caller has checked that they are there. */
static inline u64 load(const u8 *p, unsigned int size)
{
	switch (size) {
	case 1:
		return (u64)(s64)(s8)*p;
	case 4:
		return (u64)(s64)LOAD(s32, p);
	case 2:
		return (u64)(s64)LOAD(s16, p);
	default:
		return LOAD(u64, p);
	}
}

/* A legacy prefix: the last of the F2 and F3 prefixes and of the segments wins. */
static void decode_prefix(const struct emu *e, struct emu_insn *in, const struct emu_opcode *row)
{
	in->rex = 0;
	if (row->dst) {
		u8 seg = row->dst - 1;

		if (!emu_is_long(e) || seg >= SEG_FS)
			in->seg = seg;
		return;
	}
	if (row->op & (EMU_PFX_REP | EMU_PFX_REPNE))
		in->prefix &= (u8)~(EMU_PFX_REP | EMU_PFX_REPNE);
	in->prefix |= row->op;
}

/* SIB and displacement of a 32- or 64-bit address. */
static inline const u8 *decode_address(const struct emu *e, struct emu_insn *in, const u8 *p,
				       const u8 *end)
{
	unsigned int mod = in->modrm >> 6, disp_size = mod == 1 ? 1 : mod == 2 ? 4 : 0;
	u8 base = in->modrm & 7, rex = in->rex;
	bool is_base = true;

	if (unlikely(base == 4)) {
		u8 sib, index;

		if (p == end)
			return NULL;
		sib = *p++;
		base = sib & 7;
		index = ((sib >> 3) & 7) | ((rex & 2) << 2);
		if (index != 4) {
			in->index = index;
			in->scale = sib >> 6;
		}
		if (base == 5 && !mod) {
			is_base = false;
			disp_size = 4;
		}
	} else if (unlikely(base == 5 && !mod)) {
		if (emu_is_long(e))
			in->base = BASE_RIP;
		is_base = false;
		disp_size = 4;
	}
	if (likely(is_base)) {
		base |= (rex & 1) << 3;
		in->base = base;
		if ((base & 0xfe) == GPR_RSP && in->seg == SEG_NONE)
			in->seg = SEG_SS;
	}
	if (!disp_size)
		return p;
	if (unlikely(end - p < (long)disp_size))
		return NULL;
	in->disp = disp_size == 1 ? (s8)*p : (s64)load(p, 4);
	return p + disp_size;
}

/* Base and index of the 16-bit addresses by ModRM.rm. */
static const u8 address16[8][2] = {
	{ GPR_RBX, GPR_RSI }, { GPR_RBX, GPR_RDI }, { GPR_RBP, GPR_RSI }, { GPR_RBP, GPR_RDI },
	{ GPR_RSI, BASE_NONE }, { GPR_RDI, BASE_NONE }, { GPR_RBP, BASE_NONE },
	{ GPR_RBX, BASE_NONE },
};

static const u8 *decode_address16(struct emu_insn *in, const u8 *p, const u8 *end)
{
	unsigned int disp_size = in->mod, rm = in->modrm & 7;

	in->base = address16[rm][0];
	in->index = address16[rm][1];
	if (rm == 6 && !in->mod) {
		in->base = BASE_NONE;
		disp_size = 2;
	}
	if (in->base == GPR_RBP && in->seg == SEG_NONE)
		in->seg = SEG_SS;
	if (end - p < (long)disp_size)
		return NULL;
	if (disp_size)
		in->disp = (s64)load(p, disp_size);
	return p + disp_size;
}

/* ModRM itself has been taken; @in->modrm is set. */
static inline const u8 *decode_memory(const struct emu *e, struct emu_insn *in, const u8 *p,
				      const u8 *end)
{
	u8 modrm = in->modrm, rex = in->rex;

	in->mod = modrm >> 6;
	in->reg = ((modrm >> 3) & 7) | ((rex & 4) << 1);
	if (modrm >= 0xc0) {
		in->rm = (modrm & 7) | ((rex & 1) << 3);
		return p;
	}
	if (unlikely(in->addr_size == 2))
		return decode_address16(in, p, end);
	return decode_address(e, in, p, end);
}

/* The rare kinds of immediate: far pointers, moffs, pairs. */
static const u8 *decode_immediate_pair(struct emu_insn *in, const u8 *p, const u8 *end,
				       unsigned int kind)
{
	unsigned int first, second = 0;

	switch (kind) {
	case IMM_MOFFS:
		first = in->addr_size;
		break;
	case IMM_FAR:
		first = in->op_size == 2 ? 2 : 4;
		second = 2;
		break;
	case IMM_16_8:
		first = 2;
		second = 1;
		break;
	default:
		first = 1;
		second = 1;
		break;
	}
	if (end - p < (long)(first + second))
		return NULL;
	in->imm_size = first;
	in->imm = load(p, first) & emu_mask(first);
	if (second)
		in->disp = (s64)(load(p + first, second) & emu_mask(second));
	if (kind == IMM_MOFFS) {
		in->disp = (s64)in->imm;
		in->mod = 0;
	}
	return p + first + second;
}

static const u8 *decode_immediate(struct emu_insn *in, const u8 *p, const u8 *end)
{
	unsigned int kind = (in->row.flags & F_IMM_MASK) >> F_IMM_SHIFT, size;

	switch (kind) {
	case IMM_Z:
		size = in->op_size > 4 ? 4 : in->op_size;
		break;
	case IMM_8:
		size = 1;
		break;
	case IMM_V:
		size = in->op_size;
		break;
	case IMM_16:
		size = 2;
		break;
	case IMM_32:
		size = 4;
		break;
	default:
		return decode_immediate_pair(in, p, end, kind);
	}
	if (unlikely(end - p < (long)size))
		return NULL;
	in->imm_size = size;
	in->imm = load(p, size);
	return p + size;
}

/* Is the byte after C4, C5, 62 or 8F the start of a VEX, EVEX or XOP prefix? */
static bool is_vex(const struct emu *e, u8 escape, u8 next)
{
	if (escape == 0x8f)
		return (next & 0x1f) >= 8;
	return emu_is_long(e) || next >= 0xc0;
}

/* Does an opcode of VEX map 1 carry an immediate byte? */
static bool has_vex_immediate(u8 opcode)
{
	return (opcode & 0xfc) == 0x70 || opcode == 0xc2 || (opcode >= 0xc4 && opcode <= 0xc6);
}

/* What follows the opcode of a VEX, EVEX or XOP map; false if there is no such map. */
static bool set_vex_row(struct emu_insn *in)
{
	in->row = row_vex;
	switch (in->map) {
	case 1:
		if (has_vex_immediate(in->opcode))
			in->row.flags |= I_8;
		if (in->opcode == 0x77)		/* VZEROUPPER */
			in->row.flags &= ~F_MODRM;
		return true;
	case 3:
	case 8:
		in->row.flags |= I_8;
		return true;
	case 10:
		in->row.flags |= I_32;
		return true;
	default:
		return in->map == 2 || in->map == 5 || in->map == 6 || in->map == 9;
	}
}

/* The last byte of a VEX prefix. A dword is the smallest operand; W is ignored outside 64-bit code. */
static void decode_vex_fields(const struct emu *e, struct emu_insn *in, u8 last, u8 escape)
{
	const struct emu_opcode *row;

	in->vex = escape == 0xc5 ? last & 0x7f : last;
	in->op_size = 4;
	if ((in->vex & 0x80) && emu_is_long(e))
		in->rex |= 8;
	row = emu_vex_row(in->map, in->opcode, last & 3);
	if (row)
		in->row = *row;
}

/*
 * VEX; EVEX and XOP for the length, and to tell #UD from not executable.  An
 * invalid use leaves the #UD row.
 */
static const u8 *decode_vex(const struct emu *e, struct emu_insn *in, const u8 *p, const u8 *end,
			    u8 escape)
{
	unsigned int payload = escape == 0xc5 ? 1 : escape == 0x62 ? 3 : 2;
	bool is_valid = !(in->prefix & ~EMU_PFX_ADSIZE) && !in->rex && !emu_is_real(e);

	if (end - p < (long)payload + 1)
		return NULL;
	in->map = escape == 0xc5 ? 1 : *p & (escape == 0x62 ? 0x07 : 0x1f);
	if (emu_is_long(e) && escape != 0x62)
		in->rex = (~*p >> 5) & (escape == 0xc5 ? 4 : 7);
	in->prefix |= EMU_PFX_VEX;
	in->escape = escape;
	in->opcode = p[payload];
	if (!set_vex_row(in) || !is_valid)
		in->row = (struct emu_opcode){ EMU_OP_UD, CLASS_UD, 0, 0, 0 };
	else if (escape == 0xc4 || escape == 0xc5)
		decode_vex_fields(e, in, p[payload - 1], escape);
	return p + payload + 1;
}

/* One step of an extension table: in->row is an extension row, ModRM is known. */
static void extend(const struct emu *e, struct emu_insn *in)
{
	const struct emu_opcode *row;
	unsigned int i;

	switch (in->row.class) {
	case CLASS_BY_REG:
		i = (in->modrm >> 3) & 7;
		break;
	case CLASS_BY_RM:
		i = in->modrm & 7;
		break;
	case CLASS_BY_MOD:
		i = in->modrm >= 0xc0;
		break;
	case CLASS_BY_PREFIX:
		if (in->prefix & EMU_PFX_REP)
			i = 2;
		else if (in->prefix & EMU_PFX_REPNE)
			i = 3;
		else
			i = !!(in->prefix & EMU_PFX_OPSIZE);
		break;
	default:
		i = emu_is_long(e);
		break;
	}
	row = &emu_extension[in->row.op][i];
	in->row.op = row->op;
	in->row.class = row->class;
	if (row->dst)
		in->row.dst = row->dst;
	if (row->src)
		in->row.src = row->src;
	if (row->flags & F_IMM_MASK)
		in->row.flags &= ~F_IMM_MASK;
	in->row.flags |= row->flags;
}

/* The opcode after 0F. */
static const u8 *decode_escape(struct emu_insn *in, const u8 *p, const u8 *end)
{
	const struct emu_opcode *row;

	if (p == end)
		return NULL;
	in->map = 1;
	in->opcode = *p++;
	row = &emu_two_byte[in->opcode];
	if (row->class == CLASS_ESCAPE) {
		if (p == end)
			return NULL;
		in->map = row->op;
		in->opcode = *p++;
		row = in->map == 2 ? &emu_map_38[in->opcode] : &row_map_3a;
	}
	in->row = *row;
	return p;
}

/* Sizes that are not the mode's default. */
static inline void decode_sizes(const struct emu *e, struct emu_insn *in)
{
	u32 flags = in->row.flags;

	if (flags & F_BYTE) {
		in->op_size = 1;
	} else if (in->rex & 8) {
		in->op_size = 8;
	} else if (in->prefix & EMU_PFX_OPSIZE) {
		if (!(flags & F_NEAR) || !e->intel || !emu_is_long(e))
			in->op_size ^= 6;
		else
			in->op_size = 8;
	} else if ((flags & (F_D64 | F_NEAR)) && emu_is_long(e)) {
		in->op_size = 8;
	}
	if (in->prefix & EMU_PFX_ADSIZE)
		in->addr_size = in->addr_size == 4 ? 2 : 4;
}

/* LOCK wants a memory operand that is written; AMD also has LOCK MOV CR0 for MOV CR8, but not with a REX prefix that names CR8. */
static bool is_lockable(const struct emu *e, const struct emu_insn *in)
{
	if (in->row.op == EMU_OP_MOV_FROM_CR || in->row.op == EMU_OP_MOV_TO_CR)
		return !e->intel && in->reg == 0;
	return (in->row.flags & F_LOCK) && emu_is_memory(in);
}

/* Is there such a control or debug register? Comes before the check of the privilege level. */
static bool has_register(const struct emu_insn *in)
{
	switch (in->row.op) {
	case EMU_OP_MOV_FROM_CR:
	case EMU_OP_MOV_TO_CR:
		return in->reg == 0 || (in->reg >= 2 && in->reg <= 4) || in->reg == 8;
	case EMU_OP_MOV_FROM_DR:
	case EMU_OP_MOV_TO_DR:
		return in->reg < 8;
	default:
		return true;
	}
}

/* What makes a complete instruction invalid. */
static bool is_invalid(const struct emu *e, const struct emu_insn *in)
{
	u32 flags = in->row.flags;

	if (in->row.class == CLASS_UD)
		return true;
	if ((in->prefix & EMU_PFX_LOCK) && !is_lockable(e, in))
		return true;
	if (in->row.class == CLASS_SYSTEM && !has_register(in))
		return true;
	if (in->row.op == EMU_OP_MOV_SREG &&
	    ((in->reg & 7) > SEG_GS || (in->row.dst == OPR_SREG && (in->reg & 7) == SEG_CS)))
		return true;
	if (((flags & F_N66) && (in->prefix & EMU_PFX_OPSIZE)) ||
	    ((flags & F_NFX) && (in->prefix & (EMU_PFX_REP | EMU_PFX_REPNE))))
		return true;
	if ((flags & F_INTEL64) && e->intel && !emu_is_long(e))
		return true;
	if ((flags & F_LEGACY_AMD) && !e->intel && e->mode >= EMU_MODE_COMPAT16)
		return true;
	if ((flags & F_AMD_MEM) && !e->intel && !emu_is_memory(in))
		return true;
	return ((flags & F_I64) && emu_is_long(e)) || ((flags & F_O64) && !emu_is_long(e)) ||
	       ((flags & F_MEM) && !emu_is_memory(in)) || ((flags & F_REG) && emu_is_memory(in)) ||
	       ((flags & F_PROT) && emu_is_real(e));
}

/* Prefixes and opcode; leaves the row in @in. */
static inline const u8 *decode_opcode(const struct emu *e, struct emu_insn *in, const u8 *p,
				      const u8 *end)
{
	const struct emu_opcode *row;
	bool is_long = emu_is_long(e);
	u8 b;

	for (;;) {
		if (unlikely(p == end))
			return NULL;
		b = *p++;
		if ((b & 0xf0) == 0x40 && is_long) {
			in->rex = b;
			continue;
		}
		row = &emu_one_byte[b];
		if (likely(row->class != CLASS_PREFIX))
			break;
		decode_prefix(e, in, row);
	}
	in->opcode = b;
	in->row = *row;
	if (unlikely(row->class == CLASS_ESCAPE))
		return decode_escape(in, p, end);
	if (unlikely(row->flags & F_MAYBE_VEX)) {
		if (p == end)
			return NULL;
		if (is_vex(e, b, *p))
			return decode_vex(e, in, p, end, b);
	}
	return p;
}

/* All parts from @p on; returns the end of the instruction, or NULL when the bytes run out. */
static inline const u8 *decode_parts(struct emu *e, struct emu_insn *in, const u8 *p,
				     const u8 *end)
{
	p = decode_opcode(e, in, p, end);
	if (unlikely(!p))
		return NULL;
	if (likely(in->row.flags & F_MODRM)) {
		if (unlikely(p == end))
			return NULL;
		in->modrm = *p++;
	}
	while (unlikely(in->row.class > CLASS_ESCAPE))
		extend(e, in);
	if (in->rex || in->prefix || (in->row.flags & (F_BYTE | F_D64 | F_NEAR)))
		decode_sizes(e, in);
	if (likely(in->row.flags & F_MODRM)) {
		if (unlikely(in->row.flags & F_NOMOD))
			in->modrm |= 0xc0;
		p = decode_memory(e, in, p, end);
	} else {
		in->mod = 3;
		in->rm = (in->opcode & 7) | ((in->rex & 1) << 3);
	}
	if (unlikely(in->row.flags & F_IMM_MASK) && p)
		p = decode_immediate(in, p, end);
	return p;
}

/* The bytes are used up: are there none, or may there be no more? */
static int out_of_bytes(struct emu *e, unsigned int n)
{
	return n < EMU_MAX_INSN ? EMU_MORE : emu_raise_error(e, VEC_GP, 0);
}

int emu_decode(struct emu *e, const u8 *bytes, unsigned int n)
{
	struct emu_insn *in = &e->insn;
	const u8 *end;

	*in = (struct emu_insn){
		.seg = SEG_NONE, .base = BASE_NONE, .index = BASE_NONE,
	};
	in->op_size = default_sizes[e->mode][0];
	in->addr_size = default_sizes[e->mode][1];

	end = decode_parts(e, in, bytes, bytes + (n > EMU_MAX_INSN ? EMU_MAX_INSN : n));
	if (unlikely(!end))
		return out_of_bytes(e, n);
	in->length = (u8)(end - bytes);
	if (in->seg == SEG_NONE)
		in->seg = SEG_DS;
	e->next_rip = e->rip + in->length;
	if (unlikely(!emu_is_long(e)))
		e->next_rip = (u32)e->next_rip;
	if (unlikely((in->row.flags & F_DECODE) || (in->prefix & EMU_PFX_LOCK) ||
		     in->row.class == CLASS_UD || in->row.class == CLASS_SEGMENT || in->row.class == CLASS_SYSTEM) &&
	    is_invalid(e, in))
		return emu_raise(e, VEC_UD);
	return EMU_CONTINUE;
}

/* Linear address of the byte at rip + @offset, and how many may follow. */
static int fetch_linear(struct emu *e, unsigned int offset, u64 *la, unsigned int *room)
{
	unsigned int left = EMU_MAX_INSN - offset;
	struct segment cs;
	u64 ip = e->rip + offset;

	*room = 0;
	*la = ip;
	if (emu_is_long(e)) {
		if (!emu_is_canonical(e, ip))
			return emu_raise_error(e, VEC_GP, 0);
	} else {
		e->ops->get_segment(e, SEG_CS, &cs);
		ip = (u32)ip;
		if (ip > cs.limit)
			return emu_raise_error(e, VEC_GP, 0);
		if (cs.limit - ip < left - 1)
			left = (unsigned int)(cs.limit - ip) + 1;
		*la = (u32)(cs.base + ip);
	}
	if (left > 4096 - (*la & 4095))
		left = 4096 - (unsigned int)(*la & 4095);
	*room = left;
	return EMU_CONTINUE;
}

int emu_fetch_decode(struct emu *e)
{
	unsigned int room;
	u64 la;
	int ret;

	e->nr_bytes = 0;
	do {
		ret = fetch_linear(e, e->nr_bytes, &la, &room);
		if (ret)
			return ret;
		ret = e->ops->fetch(e, la, e->bytes + e->nr_bytes, room);
		if (ret)
			return ret;
		e->nr_bytes += room;
		ret = emu_decode(e, e->bytes, e->nr_bytes);
	} while (ret == EMU_MORE);
	return ret;
}
