/* SPDX-License-Identifier: GPL-2.0-only */
/* What hot paths ask of an instruction without decoding it in full: a plain move, a length. */
#ifndef KEEL_EMULATE_FAST_H
#define KEEL_EMULATE_FAST_H

#include <keel/emulate_op.h>
#include <keel/emulate_types.h>

/**
 * struct emu_mov - a plain move between a register or immediate and memory
 * @length: of the instruction
 * @size: bytes in memory, 1, 2, 4 or 8
 * @store: to memory (else a load)
 * @is_imm: the value stored is @imm (else register)
 * @high: the register is AH, CH, DH or BH
 * @reg_size: bytes of the register that a load writes: 1, 2, 4, 8 (4 clears the upper half)
 * @sign: a load sign-extends from @size to @reg_size (else zero-extends)
 * @reg: index into gpr
 */
struct emu_mov {
	u8 length;
	u8 size;
	bool store;
	bool is_imm;
	bool high;
	u8 reg_size;
	bool sign;
	u8 reg;
	u64 imm;
};

/**
 * emu_decode_mov() - the fast classifier for device accesses
 * @bytes: instruction bytes, never read past @n
 * @n: how many
 * @mode: decoding mode
 * @mov: the move
 *
 * Knows MOV r/m,r; MOV r,r/m; MOV r/m,imm; MOVZX, MOVSX, MOVSXD with a memory
 * operand in EMU_MODE_LONG, PROT32 and COMPAT32, with at most a 66 and a REX
 * prefix.  The address is not computed: the caller has it from the exit.
 * Context: any. Return: true and @mov filled; false means use emu_decode()
 */
bool emu_decode_mov(const u8 *bytes, unsigned int n, enum emu_mode mode, struct emu_mov *mov);

/**
 * emu_mov_base() - the register that alone is the address of a move that emu_decode_mov() has known in EMU_MODE_LONG
 * @bytes: the instruction
 *
 * The segments it can name have base 0 there. Context: any. Return: index into gpr, -1 when there is more to the address
 */
int emu_mov_base(const u8 *bytes);

/**
 * emu_mov_load() - commit the value read: what the load does to the register
 * @mov: a load
 * @gpr: 16 registers
 * @value: what memory held, in the low bytes
 *
 * Context: any.
 */
void emu_mov_load(const struct emu_mov *mov, u64 *gpr, u64 value);

/**
 * emu_mov_value() - the value that the store puts into memory
 * @mov: a store
 * @gpr: 16 registers
 *
 * Context: any. Return: the value; its low @mov->size bytes count
 */
u64 emu_mov_value(const struct emu_mov *mov, const u64 *gpr);

/* struct emu_plain - the bytes of an opcode without ModRM operands; all zero for any other operation */
struct emu_plain {
	u32 code;
	u32 mask;
	u32 length;
};

extern const struct emu_plain emu_plain[EMU_OP_COUNT];

/**
 * emu_skip_prefixes() - emu_skip_length() where the first bytes do not match exactly
 * @mode: decoding mode
 * @bytes: at RIP
 * @n: how many
 * @op: what the intercept says it is
 *
 * Context: any. Return: length, or 0 when the bytes are another instruction
 */
unsigned int emu_skip_prefixes(enum emu_mode mode, const u8 *bytes, unsigned int n,
			       enum emu_op op);

/**
 * emu_skip_length() - length of an intercepted instruction of known kind
 * @mode: decoding mode
 * @bytes: at RIP
 * @n: how many
 * @op: what the intercept says it is: EMU_OP_CPUID, EMU_OP_RDMSR, EMU_OP_HLT, ...
 *
 * A few instructions when the first bytes match exactly; else prefixes are
 * walked.  Works for operations without ModRM operands (register forms of
 * 0F 01 included).  Return: length, or 0 when the bytes are another instruction
 */
static inline unsigned int emu_skip_length(enum emu_mode mode, const u8 *bytes, unsigned int n,
					   enum emu_op op)
{
	const struct emu_plain *want = &emu_plain[op];
	u32 word;

	if (n >= sizeof(word)) {
		__builtin_memcpy(&word, bytes, sizeof(word));
		if ((word & want->mask) == want->code)
			return want->length;
	}
	return emu_skip_prefixes(mode, bytes, n, op);
}

#endif
