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

/* Size, direction and extension from the opcode at @p; returns what follows it, or NULL. */
static inline const u8 *classify_mov(const u8 *p, u8 b, bool is_long, struct emu_mov *mov)
{
	if (likely((b & 0xfc) == 0x88)) {	/* 88 to 8B */
		mov->store = !(b & 2);
		if (!(b & 1))
			mov->size = 1;
		mov->reg_size = mov->size;
		return p;
	}
	if ((b & 0xfe) == 0xc6) {
		mov->store = true;
		mov->is_imm = true;
		if (!(b & 1))
			mov->size = 1;
		return p;
	}
	mov->reg_size = mov->size;
	if (b == 0x0f && (*p & 0xf6) == 0xb6) {	/* B6, B7, BE, BF */
		mov->sign = *p & 8;
		mov->size = *p & 1 ? 2 : 1;
		return p + 1;
	}
	if (b == 0x63 && is_long && mov->size == 8) {
		mov->sign = true;
		mov->size = 4;
		return p;
	}
	return NULL;
}

/* The byte after ModRM's memory operand: SIB and displacement are skipped. */
static inline const u8 *skip_memory(const u8 *p, u8 modrm)
{
	unsigned int mod = modrm >> 6, base = modrm & 7;

	if (base == 4)
		base = *p++ & 7;
	if (mod == 1)
		return p + 1;
	if (mod == 2 || base == 5)	/* mod 0: base 5 means a bare displacement */
		return p + 4;
	return p;
}

/* @mov->imm: @size bytes at @p, an 8-byte operand has a sign-extended dword. */
static inline const u8 *take_imm(const u8 *p, struct emu_mov *mov)
{
	unsigned int size = mov->size > 4 ? 4 : mov->size;
	u32 raw;

	memcpy(&raw, p, sizeof(raw));
	mov->imm = mov->size == 8 ? (u64)(s64)(s32)raw : raw & emu_mask(size);
	return p + size;
}

bool emu_decode_mov(const u8 *bytes, unsigned int n, enum emu_mode mode, struct emu_mov *mov)
{
	bool is_long = mode == EMU_MODE_LONG;
	u8 padded[EMU_MAX_INSN + 1], b, modrm, rex = 0;
	const u8 *start = bytes, *p;

	if (unlikely(!is_long && !is_32bit(mode)))
		return false;
	if (unlikely(n < EMU_MAX_INSN)) {	/* nothing past n is read, only compared */
		memset(padded, 0, sizeof(padded));
		memcpy(padded, bytes, n);
		start = padded;
	}
	*mov = (struct emu_mov){ .size = 4 };
	p = start;
	b = *p++;
	if (b == 0x66) {
		mov->size = 2;
		b = *p++;
	}
	if (is_long && (b & 0xf0) == 0x40) {
		rex = b;
		if (rex & 8)
			mov->size = 8;
		b = *p++;
	}
	p = classify_mov(p, b, is_long, mov);
	if (unlikely(!p))
		return false;
	modrm = *p++;
	if (unlikely(modrm >= 0xc0 || (mov->is_imm && (modrm & 0x38))))
		return false;
	p = skip_memory(p, modrm);
	if (mov->is_imm) {
		p = take_imm(p, mov);
	} else {
		mov->reg = ((modrm >> 3) & 7) | ((rex & 4) << 1);
		if (mov->reg_size == 1 && !rex && mov->reg >= 4) {
			mov->reg -= 4;
			mov->high = true;
		}
	}
	mov->length = (u8)(p - start);
	return mov->length <= n && mov->length <= EMU_MAX_INSN;
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

/* Opcodes without operands, by operation. */
struct plain {
	u8 length;
	u8 bytes[3];
};

static const struct plain plain[EMU_OP_COUNT] = {
	[EMU_OP_CPUID] = { 2, { 0x0f, 0xa2 } },
	[EMU_OP_RDMSR] = { 2, { 0x0f, 0x32 } },
	[EMU_OP_WRMSR] = { 2, { 0x0f, 0x30 } },
	[EMU_OP_RDTSC] = { 2, { 0x0f, 0x31 } },
	[EMU_OP_RDPMC] = { 2, { 0x0f, 0x33 } },
	[EMU_OP_HLT] = { 1, { 0xf4 } },
	[EMU_OP_PAUSE] = { 1, { 0x90 } },
	[EMU_OP_CLTS] = { 2, { 0x0f, 0x06 } },
	[EMU_OP_INVD] = { 2, { 0x0f, 0x08 } },
	[EMU_OP_WBINVD] = { 2, { 0x0f, 0x09 } },
	[EMU_OP_RSM] = { 2, { 0x0f, 0xaa } },
	[EMU_OP_INT1] = { 1, { 0xf1 } },
	[EMU_OP_INT3] = { 1, { 0xcc } },
	[EMU_OP_INTO] = { 1, { 0xce } },
	[EMU_OP_IRET] = { 1, { 0xcf } },
	[EMU_OP_PUSHF] = { 1, { 0x9c } },
	[EMU_OP_POPF] = { 1, { 0x9d } },
	[EMU_OP_VMCALL] = { 3, { 0x0f, 0x01, 0xc1 } },
	[EMU_OP_VMLAUNCH] = { 3, { 0x0f, 0x01, 0xc2 } },
	[EMU_OP_VMRESUME] = { 3, { 0x0f, 0x01, 0xc3 } },
	[EMU_OP_VMXOFF] = { 3, { 0x0f, 0x01, 0xc4 } },
	[EMU_OP_MONITOR] = { 3, { 0x0f, 0x01, 0xc8 } },
	[EMU_OP_MWAIT] = { 3, { 0x0f, 0x01, 0xc9 } },
	[EMU_OP_XGETBV] = { 3, { 0x0f, 0x01, 0xd0 } },
	[EMU_OP_XSETBV] = { 3, { 0x0f, 0x01, 0xd1 } },
	[EMU_OP_VMFUNC] = { 3, { 0x0f, 0x01, 0xd4 } },
	[EMU_OP_VMRUN] = { 3, { 0x0f, 0x01, 0xd8 } },
	[EMU_OP_VMMCALL] = { 3, { 0x0f, 0x01, 0xd9 } },
	[EMU_OP_VMLOAD] = { 3, { 0x0f, 0x01, 0xda } },
	[EMU_OP_VMSAVE] = { 3, { 0x0f, 0x01, 0xdb } },
	[EMU_OP_STGI] = { 3, { 0x0f, 0x01, 0xdc } },
	[EMU_OP_CLGI] = { 3, { 0x0f, 0x01, 0xdd } },
	[EMU_OP_SKINIT] = { 3, { 0x0f, 0x01, 0xde } },
	[EMU_OP_INVLPGA] = { 3, { 0x0f, 0x01, 0xdf } },
	[EMU_OP_RDTSCP] = { 3, { 0x0f, 0x01, 0xf9 } },
};

static inline bool matches(const struct plain *want, const u8 *p, unsigned int n)
{
	return n >= want->length && p[0] == want->bytes[0] &&
	       (want->length < 2 || p[1] == want->bytes[1]) &&
	       (want->length < 3 || p[2] == want->bytes[2]);
}

unsigned int emu_skip_length(enum emu_mode mode, const u8 *bytes, unsigned int n, enum emu_op op)
{
	const struct plain *want = &plain[op < EMU_OP_COUNT ? op : 0];
	bool is_rep = op != EMU_OP_PAUSE;
	unsigned int i;

	if (unlikely(!want->length))
		return 0;
	if (n > EMU_MAX_INSN)
		n = EMU_MAX_INSN;
	for (i = 0; i < n; i++) {
		const struct emu_opcode *row = &emu_one_byte[bytes[i]];

		if (is_rep && matches(want, bytes + i, n - i))
			return i + want->length;
		if (mode == EMU_MODE_LONG && (bytes[i] & 0xf0) == 0x40)
			continue;
		if (row->class != CLASS_PREFIX || row->op == EMU_PFX_LOCK)
			return 0;
		is_rep = is_rep || row->op == EMU_PFX_REP;
	}
	return 0;
}
