/* SPDX-License-Identifier: GPL-2.0-only */
/* A decoded instruction. */
#ifndef KEEL_EMULATE_INSN_H
#define KEEL_EMULATE_INSN_H

#include <keel/emulate_types.h>

/* emu_insn.prefix */
#define EMU_PFX_OPSIZE		0x01	/* 66 */
#define EMU_PFX_ADSIZE		0x02	/* 67 */
#define EMU_PFX_LOCK		0x04	/* F0 */
#define EMU_PFX_REPNE		0x08	/* F2 */
#define EMU_PFX_REP		0x10	/* F3 */
#define EMU_PFX_VEX		0x20	/* VEX, EVEX or XOP */

/**
 * struct emu_opcode - one row of the opcode table
 * @op: enum emu_op
 * @class: which executor (private to emulate/)
 * @dst: destination operand kind (private)
 * @src: source operand kind (private)
 * @flags: private
 */
struct emu_opcode {
	u8 op;
	u8 class;
	u8 dst;
	u8 src;
	u32 flags;
};

/**
 * struct emu_insn - a decoded instruction
 * @row: copy of the opcode's row; row.op says what it is
 * @length: bytes, 1..15
 * @op_size: operand size in bytes, 1, 2, 4 or 8
 * @addr_size: address size in bytes, 2, 4 or 8
 * @map: 0 one-byte, 1 0F, 2 0F38, 3 0F3A
 * @seg: segment of the memory operand, default or override
 * @mod: mod field of ModRM; 3 means a register
 * @reg: reg field with REX.R
 * @rm: rm field with REX.B; also the register in the opcode byte
 * @base: base register of the memory operand, 0xff none, 0xfe RIP
 * @index: index register, 0xff none
 * @scale: log2
 * @disp: displacement, sign-extended; the address of a moffs operand
 * @imm: immediate, sign-extended to 64 bits
 * @vex: of VEX: W, vvvv (inverted), L, pp from bit 7 down
 */
struct emu_insn {
	struct emu_opcode row;
	u8 length;
	u8 op_size;
	u8 addr_size;
	u8 map;
	u8 opcode;
	u8 prefix;
	u8 rex;
	u8 modrm;
	u8 seg;
	u8 mod;
	u8 reg;
	u8 rm;
	u8 base;
	u8 index;
	u8 scale;
	u8 imm_size;
	u8 vex;
	s64 disp;
	u64 imm;
};

#endif
