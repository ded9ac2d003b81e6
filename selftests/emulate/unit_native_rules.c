// SPDX-License-Identifier: GPL-2.0-only
/*
 * What unit_native_test does not compare, and which section of the manual leaves it open: flags, results, and instructions that
 * depend on the kernel's tables.
 */
#include <cpuid.h>

#include "test.h"
#include "unit_native.h"

/* Flags that the manual leaves undefined, by operation (SDM volume 2, "Flags Affected" of each). */
static const struct undefined {
	u8 op;
	u32 flags;
} undefined[] = {
	{ EMU_OP_AND, FLAG_AF }, { EMU_OP_OR, FLAG_AF }, { EMU_OP_XOR, FLAG_AF }, { EMU_OP_TEST, FLAG_AF },
	{ EMU_OP_MUL, FLAG_SF | FLAG_ZF | FLAG_AF | FLAG_PF }, { EMU_OP_IMUL1, FLAG_SF | FLAG_ZF | FLAG_AF | FLAG_PF },
	{ EMU_OP_IMUL2, FLAG_SF | FLAG_ZF | FLAG_AF | FLAG_PF }, { EMU_OP_IMUL3, FLAG_SF | FLAG_ZF | FLAG_AF | FLAG_PF },
	{ EMU_OP_DIV, FLAG_ARITH }, { EMU_OP_IDIV, FLAG_ARITH },
	{ EMU_OP_BT, FLAG_OF | FLAG_SF | FLAG_AF | FLAG_PF }, { EMU_OP_BTS, FLAG_OF | FLAG_SF | FLAG_AF | FLAG_PF },
	{ EMU_OP_BTR, FLAG_OF | FLAG_SF | FLAG_AF | FLAG_PF }, { EMU_OP_BTC, FLAG_OF | FLAG_SF | FLAG_AF | FLAG_PF },
	{ EMU_OP_BSF, FLAG_ARITH & ~FLAG_ZF }, { EMU_OP_BSR, FLAG_ARITH & ~FLAG_ZF },
	{ EMU_OP_TZCNT, FLAG_OF | FLAG_SF | FLAG_AF | FLAG_PF }, { EMU_OP_LZCNT, FLAG_OF | FLAG_SF | FLAG_AF | FLAG_PF },
	{ EMU_OP_DAA, FLAG_OF }, { EMU_OP_DAS, FLAG_OF }, { EMU_OP_AAA, FLAG_OF | FLAG_SF | FLAG_ZF | FLAG_PF },
	{ EMU_OP_AAS, FLAG_OF | FLAG_SF | FLAG_ZF | FLAG_PF }, { EMU_OP_AAM, FLAG_OF | FLAG_AF | FLAG_CF },
	{ EMU_OP_AAD, FLAG_OF | FLAG_AF | FLAG_CF },
	{ EMU_OP_ANDN, FLAG_AF | FLAG_PF }, { EMU_OP_BLSR, FLAG_AF | FLAG_PF }, { EMU_OP_BLSMSK, FLAG_AF | FLAG_PF },
	{ EMU_OP_BLSI, FLAG_AF | FLAG_PF }, { EMU_OP_BZHI, FLAG_AF | FLAG_PF },
	{ EMU_OP_BEXTR, FLAG_AF | FLAG_SF | FLAG_PF },
};

/* Of shifts and rotates it depends on the count (SDM, "SAL/SAR/SHL/SHR", "RCL/RCR/ROL/ROR", "SHLD", "SHRD"). */
static u32 undefined_by_count(const struct emu_insn *in, u64 rcx)
{
	unsigned int size = in->op_size, count = in->imm_size ? (u8)in->imm : (u8)rcx;
	u32 flags = 0;

	if ((in->opcode & 0xfe) == 0xd0 && !in->map)
		count = 1;
	count &= size == 8 ? 63 : 31;
	if (!count)
		return 0;
	if (count != 1)
		flags |= FLAG_OF;
	if (in->row.op >= EMU_OP_SHL)
		flags |= FLAG_AF;
	if (count >= 8 * size && in->row.op >= EMU_OP_SHL && in->row.op != EMU_OP_SAR)
		flags |= FLAG_CF;
	return flags;
}

static bool is_double_shift(const struct emu_insn *in)
{
	return in->row.op == EMU_OP_SHLD || in->row.op == EMU_OP_SHRD;
}

u32 native_undefined(const struct emu_insn *in, u64 rcx)
{
	unsigned int i;

	if ((in->row.op >= EMU_OP_ROL && in->row.op <= EMU_OP_SAR) || is_double_shift(in))
		return undefined_by_count(in, rcx);
	for (i = 0; i < ARRAY_SIZE(undefined); i++)
		if (undefined[i].op == in->row.op)
			return undefined[i].flags;
	return 0;
}

/* With a count of 0, Intel's CPUs clear the upper half of registers used as 32 bits, or do not; the manual does not say. */
static bool is_empty_string(const struct emu_insn *in, u64 rcx)
{
	return in->row.op >= EMU_OP_MOVS && in->row.op <= EMU_OP_SCAS && (in->prefix & (EMU_PFX_REP | EMU_PFX_REPNE)) &&
	       in->addr_size == 4 && !(u32)rcx;
}

/*
 * What is not compared: undefined results (SDM, "BSWAP": a word; "SHLD": a count above the operand), and what depends on the
 * kernel's tables and bases, on its emulation (UMIP), or would take the test's own segments away.
 */
bool native_is_left_out(const struct emu_insn *in, u64 rcx)
{
	switch (in->row.op) {
	case EMU_OP_BSWAP:
		return in->op_size == 2;
	case EMU_OP_SHLD:
	case EMU_OP_SHRD:
		return ((in->imm_size ? in->imm : rcx) & 31) > 8u * in->op_size;
	case EMU_OP_LAR: case EMU_OP_LSL: case EMU_OP_VERR: case EMU_OP_VERW: case EMU_OP_LOAD_FAR:
	case EMU_OP_JMPF: case EMU_OP_CALLF: case EMU_OP_RETF: case EMU_OP_IRET:
	case EMU_OP_SGDT: case EMU_OP_SIDT: case EMU_OP_SLDT: case EMU_OP_STR: case EMU_OP_SMSW:
	case EMU_OP_FSGSBASE: case EMU_OP_INT: case EMU_OP_FXRSTOR: case EMU_OP_LDMXCSR: case EMU_OP_FXSAVE:
		return true;
	case EMU_OP_PUSH:	/* of a segment: Intel's CPUs write two bytes, AMD's all (SDM, "PUSH") */
		return in->op_size > 2 && (in->map || in->opcode < 0x40);
	case EMU_OP_MOV_SREG:	/* a load */
		return in->opcode == 0x8e;
	case EMU_OP_POP:	/* of a segment */
		return in->opcode != 0x8f && (in->map || in->opcode < 0x40);
	case EMU_OP_INS: case EMU_OP_OUTS:	/* with a count of 0 CPUs look at the permission or do not (SDM, "REP/REPE/REPZ") */
		return (in->prefix & (EMU_PFX_REP | EMU_PFX_REPNE)) &&
		       !(rcx & (in->addr_size == 2 ? 0xffff : in->addr_size == 4 ? 0xffffffff : ~0ULL));
	case EMU_OP_LOOPE: case EMU_OP_LOOPNE:	/* an AMD CPU of family 1Ah takes the prefix's condition, not the opcode's (SDM, "REP/REPE/REPZ": undefined) */
		return in->prefix & (EMU_PFX_REP | EMU_PFX_REPNE);
	case EMU_OP_X87:	/* with memory: unit_fx_test */
		return in->mod != 3;
	default:
		return in->seg == SEG_FS || in->seg == SEG_GS || is_empty_string(in, rcx);
	}
}

/* A locked access over two cache lines makes a kernel that looks for them wait. */
bool native_is_split(const struct machine *m)
{
	const struct emu_insn *in = &m->emu.insn;
	u64 address = emu_address(&m->emu) + m->seg[in->seg & 7].base;

	if (in->mod == 3 || (!(in->prefix & EMU_PFX_LOCK) && in->row.op != EMU_OP_XCHG))
		return false;
	if (in->row.op >= EMU_OP_BT && in->row.op <= EMU_OP_BTC && !in->imm_size)
		return true;	/* it may go anywhere */
	return (address & 63) + 2 * in->op_size > 64;
}

/* Does this CPU lack it? */
bool native_is_missing(const struct emu_insn *in)
{
	unsigned int a, b = 0, c, d, b1, c1 = 0, c7 = 0;

	__get_cpuid(1, &a, &b1, &c1, &d);
	if (__get_cpuid_count(7, 0, &a, &b, &c, &d))
		c7 = c;
	switch (in->row.op) {
	case EMU_OP_MOVBE:
		return !(c1 & bit_MOVBE);
	case EMU_OP_POPCNT:
		return !(c1 & bit_POPCNT);
	case EMU_OP_CRC32:
		return !(c1 & bit_SSE4_2);
	case EMU_OP_TZCNT: case EMU_OP_LZCNT: case EMU_OP_ANDN: case EMU_OP_BLSR: case EMU_OP_BLSMSK: case EMU_OP_BLSI:
	case EMU_OP_BEXTR:
		return !(b & bit_BMI);
	case EMU_OP_BZHI: case EMU_OP_PDEP: case EMU_OP_PEXT: case EMU_OP_SHLX: case EMU_OP_SARX: case EMU_OP_SHRX:
	case EMU_OP_RORX: case EMU_OP_MULX:
		return !(b & bit_BMI2);
	case EMU_OP_ADCX: case EMU_OP_ADOX:
		return !(b & bit_ADX);
	case EMU_OP_MOVNTI:
		return in->map == 2 && !(c7 & bit_MOVDIRI);
	case EMU_OP_MOVX: case EMU_OP_MOVX_LOW: case EMU_OP_MOVX_HIGH:
		return (in->prefix & EMU_PFX_VEX) && !(c1 & bit_AVX);
	default:
		return false;
	}
}
