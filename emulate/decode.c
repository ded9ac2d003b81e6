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

/* The bytes not yet decoded. */
struct cursor {
	const u8 *start;
	const u8 *pos;
	const u8 *end;
};

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

static inline bool has(const struct cursor *c, unsigned int n)
{
	return likely((size_t)(c->end - c->pos) >= n);
}

/* The bytes are used up: are there none, or may there be no more? */
static int out_of_bytes(struct emu *e, const struct cursor *c)
{
	if (c->end - c->start < EMU_MAX_INSN)
		return EMU_MORE;
	return emu_raise_error(e, VEC_GP, 0);
}

static inline u64 load16(const u8 *p)
{
	u16 v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline u64 load32(const u8 *p)
{
	u32 v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline u64 load64(const u8 *p)
{
	u64 v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* Take @size bytes, sign-extended; the caller has checked that they are there. */
static inline u64 take(struct cursor *c, unsigned int size)
{
	const u8 *p = c->pos;

	c->pos += size;
	switch (size) {
	case 1:
		return (u64)(s64)(s8)*p;
	case 2:
		return (u64)(s64)(s16)load16(p);
	case 4:
		return (u64)(s64)(s32)load32(p);
	default:
		return load64(p);
	}
}

/* A legacy prefix: the last of the F2 and F3 prefixes and of the segments wins. */
static void decode_prefix(const struct emu *e, struct emu_insn *in, const struct emu_opcode *row)
{
	in->rex = 0;
	if (row->dst) {
		u8 seg = row->dst - 1;

		if (!emu_is_long(e) || seg >= EMU_FS)
			in->seg = seg;
		return;
	}
	if (row->op & (EMU_PFX_REP | EMU_PFX_REPNE))
		in->prefix &= (u8)~(EMU_PFX_REP | EMU_PFX_REPNE);
	in->prefix |= row->op;
}

/* SIB and displacement of a 32- or 64-bit address. */
static int decode_address(struct emu *e, struct emu_insn *in, struct cursor *c)
{
	unsigned int disp_size = in->mod == 1 ? 1 : in->mod == 2 ? 4 : 0;
	u8 base = in->modrm & 7;

	if (base == 4) {
		u8 sib;

		if (!has(c, 1))
			return out_of_bytes(e, c);
		sib = *c->pos++;
		base = sib & 7;
		in->scale = sib >> 6;
		in->index = ((sib >> 3) & 7) | ((in->rex & 2) << 2);
		if (in->index == 4)
			in->index = BASE_NONE;
		if (base == 5 && !in->mod) {
			in->base = BASE_NONE;
			disp_size = 4;
		}
	} else if (base == 5 && !in->mod) {
		in->base = emu_is_long(e) ? BASE_RIP : BASE_NONE;
		disp_size = 4;
	}
	if (in->base == 0) {
		in->base = base | ((in->rex & 1) << 3);
		if ((in->base & 0xfe) == EMU_RSP && in->seg == EMU_SEG_NONE)
			in->seg = EMU_SS;
	}
	if (disp_size) {
		if (!has(c, disp_size))
			return out_of_bytes(e, c);
		in->disp = (s64)take(c, disp_size);
	}
	return EMU_CONTINUE;
}

/* Base and index of the 16-bit addresses by ModRM.rm. */
static const u8 address16[8][2] = {
	{ EMU_RBX, EMU_RSI }, { EMU_RBX, EMU_RDI }, { EMU_RBP, EMU_RSI }, { EMU_RBP, EMU_RDI },
	{ EMU_RSI, BASE_NONE }, { EMU_RDI, BASE_NONE }, { EMU_RBP, BASE_NONE },
	{ EMU_RBX, BASE_NONE },
};

static int decode_address16(struct emu *e, struct emu_insn *in, struct cursor *c)
{
	unsigned int disp_size = in->mod, rm = in->modrm & 7;

	in->base = address16[rm][0];
	in->index = address16[rm][1];
	if (rm == 6 && !in->mod) {
		in->base = BASE_NONE;
		disp_size = 2;
	}
	if (in->base == EMU_RBP && in->seg == EMU_SEG_NONE)
		in->seg = EMU_SS;
	if (disp_size) {
		if (!has(c, disp_size))
			return out_of_bytes(e, c);
		in->disp = (s64)take(c, disp_size);
	}
	return EMU_CONTINUE;
}

/* ModRM itself has been taken; @in->modrm is set. */
static inline int decode_memory(struct emu *e, struct emu_insn *in, struct cursor *c)
{
	in->mod = in->modrm >> 6;
	in->reg = ((in->modrm >> 3) & 7) | ((in->rex & 4) << 1);
	if (in->mod == 3) {
		in->rm = (in->modrm & 7) | ((in->rex & 1) << 3);
		return EMU_CONTINUE;
	}
	in->base = 0;
	if (in->addr_size == 2)
		return decode_address16(e, in, c);
	return decode_address(e, in, c);
}

/* The rare kinds of immediate: far pointers, moffs, pairs. */
static int decode_immediate_pair(struct emu *e, struct emu_insn *in, struct cursor *c,
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
	if (!has(c, first + second))
		return out_of_bytes(e, c);
	in->imm_size = first;
	in->imm = take(c, first) & emu_mask(first);
	if (second)
		in->disp = (s64)(take(c, second) & emu_mask(second));
	if (kind == IMM_MOFFS) {
		in->disp = (s64)in->imm;
		in->mod = 0;
	}
	return EMU_CONTINUE;
}

static inline int decode_immediate(struct emu *e, struct emu_insn *in, struct cursor *c)
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
		return decode_immediate_pair(e, in, c, kind);
	}
	if (!has(c, size))
		return out_of_bytes(e, c);
	in->imm_size = size;
	in->imm = take(c, size);
	return EMU_CONTINUE;
}

/* Is the byte after C4, C5, 62 or 8F the start of a VEX, EVEX or XOP prefix? */
static bool is_vex(const struct emu *e, u8 escape, u8 next)
{
	if (escape == 0x8f)
		return (next & 0x1f) >= 8;
	return emu_is_long(e) || next >= 0xc0;
}

/*
 * VEX, EVEX and XOP: for the length, and to tell #UD from not executable.
 * @map becomes the opcode map; the register fields are not kept.
 */
static int decode_vex(struct emu *e, struct emu_insn *in, struct cursor *c, u8 escape)
{
	static const u8 payload[4] = { 2, 1, 3, 2 };	/* bytes after C4, C5, 62, 8F */
	unsigned int which = escape == 0xc4 ? 0 : escape == 0xc5 ? 1 : escape == 0x62 ? 2 : 3;
	u8 map = 1;

	if (!has(c, payload[which] + 1))
		return out_of_bytes(e, c);
	if (in->prefix & ~(EMU_PFX_ADSIZE) || in->rex || emu_is_real(e))
		return emu_raise(e, VEC_UD);
	if (escape != 0xc5)
		map = *c->pos & (escape == 0x62 ? 0x07 : 0x1f);
	if (emu_is_long(e) && escape != 0x62)
		in->rex = (~*c->pos >> 5) & (escape == 0xc5 ? 4 : 7);
	c->pos += payload[which];
	in->prefix |= EMU_PFX_VEX;
	in->opcode = *c->pos++;
	in->map = map;
	in->row = row_vex;
	switch (map) {
	case 1:
		if ((in->opcode & 0xfc) == 0x70 || in->opcode == 0xc2 ||
		    (in->opcode >= 0xc4 && in->opcode <= 0xc6))
			in->row.flags |= I_8;
		if (in->opcode == 0x77) {
			in->row.flags &= ~(F_MODRM | F_IMM_MASK);
			in->mod = 3;
		}
		return EMU_CONTINUE;
	case 3:
	case 8:
		in->row.flags |= I_8;
		return EMU_CONTINUE;
	case 10:
		in->row.flags |= I_32;
		return EMU_CONTINUE;
	case 2:
	case 5:
	case 6:
	case 9:
		return EMU_CONTINUE;
	default:
		return emu_raise(e, VEC_UD);
	}
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
static int decode_escape(struct emu *e, struct emu_insn *in, struct cursor *c)
{
	const struct emu_opcode *row;

	if (!has(c, 1))
		return out_of_bytes(e, c);
	in->map = 1;
	in->opcode = *c->pos++;
	row = &emu_two_byte[in->opcode];
	if (row->class == CLASS_ESCAPE) {
		if (!has(c, 1))
			return out_of_bytes(e, c);
		in->map = row->op;
		in->opcode = *c->pos++;
		row = in->map == 2 ? &emu_map_38[in->opcode] : &row_map_3a;
	}
	in->row = *row;
	return EMU_CONTINUE;
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

/* LOCK wants a memory operand that is written; AMD also has LOCK MOV CR0 for MOV CR8. */
static bool is_lockable(const struct emu *e, const struct emu_insn *in)
{
	if (in->row.op == EMU_OP_MOV_FROM_CR || in->row.op == EMU_OP_MOV_TO_CR)
		return !e->intel && (in->reg & 7) == 0;
	return (in->row.flags & F_LOCK) && emu_is_memory(in);
}

/* What makes a complete instruction invalid. */
static bool is_invalid(const struct emu *e, const struct emu_insn *in)
{
	u32 flags = in->row.flags;

	if (in->row.class == CLASS_UD)
		return true;
	if ((in->prefix & EMU_PFX_LOCK) && !is_lockable(e, in))
		return true;
	if (in->row.op == EMU_OP_MOV_SREG &&
	    ((in->reg & 7) > EMU_GS || (in->row.dst == OPR_SREG && (in->reg & 7) == EMU_CS)))
		return true;
	return ((flags & F_I64) && emu_is_long(e)) || ((flags & F_O64) && !emu_is_long(e)) ||
	       ((flags & F_MEM) && !emu_is_memory(in)) || ((flags & F_REG) && emu_is_memory(in)) ||
	       ((flags & F_PROT) && emu_is_real(e));
}

/* Prefixes and opcode; leaves the row in @in. */
static inline int decode_opcode(struct emu *e, struct emu_insn *in, struct cursor *c)
{
	const struct emu_opcode *row;
	u8 b;

	for (;;) {
		if (!has(c, 1))
			return out_of_bytes(e, c);
		b = *c->pos++;
		if ((b & 0xf0) == 0x40 && emu_is_long(e)) {
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
		return decode_escape(e, in, c);
	if (unlikely(b == 0xc4 || b == 0xc5 || b == 0x62 || b == 0x8f)) {
		if (!has(c, 1))
			return out_of_bytes(e, c);
		if (is_vex(e, b, *c->pos))
			return decode_vex(e, in, c, b);
	}
	return EMU_CONTINUE;
}

/* ModRM, extensions, sizes, memory operand. */
static inline int decode_operands(struct emu *e, struct emu_insn *in, struct cursor *c)
{
	int ret;

	if (likely(in->row.flags & F_MODRM)) {
		if (!has(c, 1))
			return out_of_bytes(e, c);
		in->modrm = *c->pos++;
	}
	while (unlikely(in->row.class > CLASS_ESCAPE))
		extend(e, in);
	decode_sizes(e, in);
	if (likely(in->row.flags & F_MODRM)) {
		if (unlikely(in->row.flags & F_NOMOD))
			in->modrm |= 0xc0;
		ret = decode_memory(e, in, c);
		if (unlikely(ret))
			return ret;
	} else {
		in->mod = 3;
		in->rm = (in->opcode & 7) | ((in->rex & 1) << 3);
	}
	return EMU_CONTINUE;
}

int emu_decode(struct emu *e, const u8 *bytes, unsigned int n)
{
	struct emu_insn *in = &e->insn;
	struct cursor c = { bytes, bytes, bytes + (n > EMU_MAX_INSN ? EMU_MAX_INSN : n) };
	int ret;

	memset(in, 0, sizeof(*in));
	in->seg = EMU_SEG_NONE;
	in->base = BASE_NONE;
	in->index = BASE_NONE;
	in->op_size = default_sizes[e->mode][0];
	in->addr_size = default_sizes[e->mode][1];

	ret = decode_opcode(e, in, &c);
	if (unlikely(ret))
		return ret;
	ret = decode_operands(e, in, &c);
	if (unlikely(ret))
		return ret;
	if (in->row.flags & F_IMM_MASK) {
		ret = decode_immediate(e, in, &c);
		if (unlikely(ret))
			return ret;
	}
	if (in->seg == EMU_SEG_NONE)
		in->seg = EMU_DS;
	in->length = (u8)(c.pos - bytes);
	e->next_rip = e->rip + in->length;
	if (unlikely(!emu_is_long(e)))
		e->next_rip = (u32)e->next_rip;
	if (unlikely((in->row.flags & F_DECODE) || (in->prefix & EMU_PFX_LOCK) ||
		     in->row.class == CLASS_UD || in->row.class == CLASS_SEGMENT) &&
	    is_invalid(e, in))
		return emu_raise(e, VEC_UD);
	return EMU_CONTINUE;
}

/* Linear address of the byte at rip + @offset, and how many may follow. */
static int fetch_linear(struct emu *e, unsigned int offset, u64 *la, unsigned int *room)
{
	unsigned int left = EMU_MAX_INSN - offset;
	struct emu_segment cs;
	u64 ip = e->rip + offset;
	int ret;

	*room = 0;
	*la = ip;
	if (emu_is_long(e)) {
		if (!emu_is_canonical(e, ip))
			return emu_raise_error(e, VEC_GP, 0);
	} else {
		ret = e->ops->get_segment(e, EMU_CS, &cs);
		if (ret)
			return ret;
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
