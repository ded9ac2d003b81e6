// SPDX-License-Identifier: GPL-2.0-only
/*
 * Shortcuts around the full decoder for paths that must cost next to nothing:
 * a plain move to or from a device register, and the length of an intercepted
 * instruction that is known already.  Both give up on anything unusual; the
 * caller then takes the full decoder.
 */
#include "internal.h"

static inline bool is_32bit(enum emu_mode mode)
{
	return mode == EMU_MODE_PROT32 || mode == EMU_MODE_COMPAT32;
}

/* Bytes of ModRM, SIB and displacement. */
static inline unsigned int memory_length(u8 modrm, u8 sib)
{
	unsigned int mod = modrm >> 6, base = modrm & 7, length = 1;

	if (base == 4) {
		base = sib & 7;
		length = 2;
	}
	if (mod == 1)
		return length + 1;
	if (mod == 2 || base == 5)	/* mod 0: base 5 means a bare displacement */
		return length + 4;
	return length;
}

/* MOVZX, MOVSX, MOVSXD: @p is after the first opcode byte; NULL if it is none of them. */
static const u8 *classify_extension(const u8 *p, u8 b, bool is_long, struct emu_mov *mov)
{
	if (b == 0x0f && (*p & 0xf6) == 0xb6) {	/* B6, B7, BE, BF */
		mov->sign = *p & 8;
		mov->size = *p & 1 ? 2 : 1;
		return p + 1;
	}
	if (b == 0x63 && is_long && mov->reg_size == 8) {
		mov->sign = true;
		mov->size = 4;
		return p;
	}
	return NULL;
}

/* The immediate of @mov->size bytes at @p; an 8-byte operand has a sign-extended dword. */
static const u8 *take_imm(const u8 *p, struct emu_mov *mov)
{
	unsigned int size = mov->size > 4 ? 4 : mov->size;
	u32 raw;

	memcpy(&raw, p, sizeof(raw));
	mov->imm = mov->size == 8 ? (u64)(s64)(s32)raw : raw & emu_mask(size);
	return p + size;
}

/*
 * @start has at least 15 readable bytes, more than any form takes: prefix, REX, two of
 * opcode, ModRM, SIB, displacement 4, or without the second opcode byte an immediate 4.
 */
static inline unsigned int classify(const u8 *start, bool is_long, struct emu_mov *mov)
{
	unsigned int size = 4;
	const u8 *p = start;
	u8 b = *p++, rex = 0, modrm;

	if (unlikely(b == 0x66)) {
		size = 2;
		b = *p++;
	}
	if (is_long && (b & 0xf0) == 0x40) {
		rex = b;
		if (rex & 8)
			size = 8;
		b = *p++;
	}
	*mov = (struct emu_mov){ 0 };
	mov->reg_size = size;
	if (likely((b & 0xfc) == 0x88 || (b & 0xfe) == 0xc6)) {
		mov->store = !(b & 2) || (b & 0x40);
		mov->is_imm = b & 0x40;
		if (!(b & 1))
			mov->reg_size = 1;
		mov->size = mov->reg_size;
	} else {
		p = classify_extension(p, b, is_long, mov);
		if (!p)
			return 0;
	}
	modrm = *p;
	if (unlikely(modrm >= 0xc0))
		return 0;
	p += memory_length(modrm, p[1]);
	if (mov->is_imm)
		return modrm & 0x38 ? 0 : (unsigned int)(take_imm(p, mov) - start);
	mov->reg = ((modrm >> 3) & 7) | ((rex & 4) << 1);
	if (unlikely(mov->reg_size == 1 && !rex && mov->reg >= 4)) {
		mov->reg -= 4;
		mov->high = true;
	}
	return (unsigned int)(p - start);
}

bool emu_decode_mov(const u8 *bytes, unsigned int n, enum emu_mode mode, struct emu_mov *mov)
{
	u8 padded[EMU_MAX_INSN + 1];
	unsigned int length;

	if (unlikely(mode != EMU_MODE_LONG && !is_32bit(mode)))
		return false;
	if (unlikely(n < EMU_MAX_INSN)) {	/* nothing past n is read, only compared */
		memset(padded, 0, sizeof(padded));
		memcpy(padded, bytes, n);
		bytes = padded;
	}
	length = classify(bytes, mode == EMU_MODE_LONG, mov);
	mov->length = (u8)length;
	return length && length <= n;
}

int emu_mov_base(const u8 *bytes)
{
	const u8 *p = bytes;
	u8 rex = 0, modrm;

	if (*p == 0x66)
		p++;
	if ((*p & 0xf0) == 0x40)
		rex = *p++;
	p += *p == 0x0f ? 2 : 1;
	modrm = *p;
	if (modrm >= 0x40 || (modrm & 7) == 4 || (modrm & 7) == 5)
		return -1;
	return (modrm & 7) | (rex & 1) << 3;
}

void emu_mov_load(const struct emu_mov *mov, u64 *gpr, u64 value)
{
	u64 *reg = &gpr[mov->reg & 15];

	value &= emu_mask(mov->size);
	if (mov->sign)
		value = emu_sign_extend(value, mov->size);
	switch (mov->reg_size) {
	case 8:
		*reg = value;
		break;
	case 4:
		*reg = (u32)value;
		break;
	case 2:
		*reg = (*reg & ~0xffffULL) | (u16)value;
		break;
	default:
		if (mov->high)
			*reg = (*reg & ~0xff00ULL) | (value & 0xff) << 8;
		else
			*reg = (*reg & ~0xffULL) | (value & 0xff);
		break;
	}
}

u64 emu_mov_value(const struct emu_mov *mov, const u64 *gpr)
{
	if (mov->is_imm)
		return mov->imm;
	return (gpr[mov->reg & 15] >> (mov->high ? 8 : 0)) & emu_mask(mov->size);
}

#define ONE(a)		{ (a), 0xff, 1 }
#define TWO(a, b)	{ (a) | (b) << 8, 0xffff, 2 }
#define THREE(a, b, c)	{ (a) | (b) << 8 | (c) << 16, 0xffffff, 3 }

/* Opcodes without ModRM operands, by operation.  What has no row matches anything, with length 0. */
const struct emu_plain emu_plain[EMU_OP_COUNT] = {
	[EMU_OP_CPUID] = TWO(0x0f, 0xa2),
	[EMU_OP_RDMSR] = TWO(0x0f, 0x32),
	[EMU_OP_WRMSR] = TWO(0x0f, 0x30),
	[EMU_OP_RDTSC] = TWO(0x0f, 0x31),
	[EMU_OP_RDPMC] = TWO(0x0f, 0x33),
	[EMU_OP_HLT] = ONE(0xf4),
	[EMU_OP_PAUSE] = TWO(0xf3, 0x90),
	[EMU_OP_CLTS] = TWO(0x0f, 0x06),
	[EMU_OP_INVD] = TWO(0x0f, 0x08),
	[EMU_OP_WBINVD] = TWO(0x0f, 0x09),
	[EMU_OP_RSM] = TWO(0x0f, 0xaa),
	[EMU_OP_INT] = { 0xcd, 0xff, 2 },		/* and its vector */
	[EMU_OP_INT1] = ONE(0xf1),
	[EMU_OP_INT3] = ONE(0xcc),
	[EMU_OP_INTO] = ONE(0xce),
	[EMU_OP_IRET] = ONE(0xcf),
	[EMU_OP_PUSHF] = ONE(0x9c),
	[EMU_OP_POPF] = ONE(0x9d),
	[EMU_OP_VMCALL] = THREE(0x0f, 0x01, 0xc1),
	[EMU_OP_VMLAUNCH] = THREE(0x0f, 0x01, 0xc2),
	[EMU_OP_VMRESUME] = THREE(0x0f, 0x01, 0xc3),
	[EMU_OP_VMXOFF] = THREE(0x0f, 0x01, 0xc4),
	[EMU_OP_MONITOR] = THREE(0x0f, 0x01, 0xc8),
	[EMU_OP_MWAIT] = THREE(0x0f, 0x01, 0xc9),
	[EMU_OP_XGETBV] = THREE(0x0f, 0x01, 0xd0),
	[EMU_OP_XSETBV] = THREE(0x0f, 0x01, 0xd1),
	[EMU_OP_VMFUNC] = THREE(0x0f, 0x01, 0xd4),
	[EMU_OP_VMRUN] = THREE(0x0f, 0x01, 0xd8),
	[EMU_OP_VMMCALL] = THREE(0x0f, 0x01, 0xd9),
	[EMU_OP_VMLOAD] = THREE(0x0f, 0x01, 0xda),
	[EMU_OP_VMSAVE] = THREE(0x0f, 0x01, 0xdb),
	[EMU_OP_STGI] = THREE(0x0f, 0x01, 0xdc),
	[EMU_OP_CLGI] = THREE(0x0f, 0x01, 0xdd),
	[EMU_OP_SKINIT] = THREE(0x0f, 0x01, 0xde),
	[EMU_OP_INVLPGA] = THREE(0x0f, 0x01, 0xdf),
	[EMU_OP_RDTSCP] = THREE(0x0f, 0x01, 0xf9),
};

/* Prefixes before the opcode: any, in any order, but LOCK.  PAUSE has one as part of its opcode. */
unsigned int emu_skip_prefixes(enum emu_mode mode, const u8 *bytes, unsigned int n, enum emu_op op)
{
	const struct emu_plain *want = &emu_plain[op];
	unsigned int i, j;
	u32 word;

	if (n > EMU_MAX_INSN)
		n = EMU_MAX_INSN;
	for (i = 0; i < n; i++) {
		const struct emu_opcode *row = &emu_one_byte[bytes[i]];

		word = 0;
		for (j = 0; j < 3 && i + j < n; j++)
			word |= (u32)bytes[i + j] << (8 * j);
		if ((word & want->mask) == want->code && i + want->length <= n)
			return i + want->length;
		if (mode == EMU_MODE_LONG && (bytes[i] & 0xf0) == 0x40)
			continue;
		if (row->class != CLASS_PREFIX || row->op == EMU_PFX_LOCK)
			return 0;
	}
	return 0;
}
