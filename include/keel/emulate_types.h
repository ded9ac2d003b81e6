/* SPDX-License-Identifier: GPL-2.0-only */
/* Modes, segments, instructions, faults: what the emulator, its owner and its callbacks speak of. */
#ifndef KEEL_EMULATE_TYPES_H
#define KEEL_EMULATE_TYPES_H

#ifdef __KERNEL__
#include <linux/types.h>
#else
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;
#endif

/**
 * enum emu_result - the one rule for callbacks and for the emulator itself
 * @EMU_CONTINUE: done; for emu_execute(): resume the guest
 * @EMU_FAULT: the guest gets an event; emu.fault says which
 * @EMU_IO: user space must answer first; state unchanged, execute again after
 * @EMU_FAILED: cannot be emulated; state unchanged
 * @EMU_OWNER: its whole effect, RIP included, is the owner's: CPUID, HLT, RDMSR, VMCALL, ... by
 *	insn.row.op; state unchanged
 * @EMU_MORE: emu_decode() only: the instruction goes on past the bytes given
 */
enum emu_result {
	EMU_CONTINUE = 0,
	EMU_FAULT,
	EMU_IO,
	EMU_FAILED,
	EMU_OWNER,
	EMU_MORE,
};

/**
 * enum emu_mode - how instructions are decoded and segments are used
 *
 * The values from EMU_MODE_COMPAT16 on mean EFER.LMA = 1.
 */
enum emu_mode {
	EMU_MODE_REAL,		/* CR0.PE = 0; hidden limits are honoured (big real) */
	EMU_MODE_VM86,
	EMU_MODE_PROT16,	/* protected, CS.D = 0 */
	EMU_MODE_PROT32,	/* protected, CS.D = 1 */
	EMU_MODE_COMPAT16,
	EMU_MODE_COMPAT32,
	EMU_MODE_LONG,		/* CS.L = 1 */
};

/* General registers in the order of their encoding in instructions. */
enum gpr {
	GPR_RAX, GPR_RCX, GPR_RDX, GPR_RBX, GPR_RSP, GPR_RBP, GPR_RSI, GPR_RDI,
	GPR_R8, GPR_R9, GPR_R10, GPR_R11, GPR_R12, GPR_R13, GPR_R14, GPR_R15,
	NR_GPRS,
};

/* Segment registers in the order of their encoding in instructions, then the two system segments. */
enum seg {
	SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS, SEG_LDTR, SEG_TR,
	NR_SEGS,
	SEG_NONE = 0xff,
};

/**
 * struct segment - a segment register with its hidden part
 * @base: linear address
 * @limit: in bytes, already scaled by the granularity bit
 * @ar: access rights as in bits 40-55 of a descriptor: type 3:0, S 4, DPL 6:5, P 7, AVL 12, L 13, D/B 14, G 15; and
 *      SEG_UNUSABLE (the layout of the SDM's "Guest Register State")
 * @selector: visible part
 */
struct segment {
	u64 base;
	u32 limit;
	u32 ar;
	u16 selector;
};

#define SEG_TYPE	0x000fu
#define SEG_S		(1u << 4)
#define SEG_DPL_SHIFT	5
#define SEG_P		(1u << 7)
#define SEG_AVL		(1u << 12)
#define SEG_L		(1u << 13)
#define SEG_DB		(1u << 14)
#define SEG_G		(1u << 15)
#define SEG_UNUSABLE	(1u << 16)
#define seg_dpl(s)	(((s)->ar >> SEG_DPL_SHIFT) & 3)

struct desc_table {
	u64 base;
	u16 limit;
};

enum emu_table_nr { EMU_GDTR, EMU_IDTR };

/* The one-instruction block of interrupts after STI and MOV SS */
#define SHADOW_STI	(1u << 0)	/* KVM_X86_SHADOW_INT_STI */
#define SHADOW_MOVSS	(1u << 1)	/* KVM_X86_SHADOW_INT_MOV_SS */

/* Access kinds, or-ed.  A read with EMU_ACC_WRITE is the read half of a read-modify-write. */
#define EMU_ACC_READ		0x01
#define EMU_ACC_WRITE		0x02
#define EMU_ACC_FETCH		0x04
#define EMU_ACC_SYSTEM		0x08	/* descriptor tables, TSS: supervisor whatever the CPL */
#define EMU_ACC_LOCKED		0x10
#define EMU_ACC_FINAL		0x20	/* of a write: no access follows in this transaction */

/* What switches tasks; the values of "Exit Qualification for Task Switches" in the SDM. */
enum emu_task_source {
	EMU_TASK_CALL,
	EMU_TASK_IRET,
	EMU_TASK_JMP,
	EMU_TASK_EVENT,		/* through a task gate in the IDT */
};

/**
 * struct emu_task_event - an event whose vector has a task gate
 * @return_rip: where the interrupted task goes on
 * @external: not from INT n, INT3 or INTO: error codes of faults on the way have EXT set
 * @has_error: push @error onto the stack of the new task
 */
struct emu_task_event {
	u64 return_rip;
	bool external;
	bool has_error;
	u32 error;
};

/* emu.switched */
#define EMU_SWITCHED		0x01
#define EMU_SWITCHED_TRAP	0x02	/* the new TSS has its T flag set */

/* struct emu_fault.type */
enum emu_event_type {
	EMU_EVENT_EXCEPTION,	/* a fault: RIP stays on the instruction */
	EMU_EVENT_SOFT_INT,	/* INT n: return address is emu.next_rip */
	EMU_EVENT_SOFT_EXC,	/* INT3, INTO: trap through a gate with DPL check, next_rip */
	EMU_EVENT_PRIV_SOFT_EXC,/* INT1, next_rip */
};

/* struct emu_fault - the event that EMU_FAULT delivers */
struct emu_fault {
	u8 vector;
	u8 type;
	bool has_error;
	u32 error;
	u64 cr2;		/* linear address, vector 14 only */
};

#define EMU_MAX_INSN	15	/* bytes */

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
	u8 escape;		/* C4 or C5 of VEX, 62 of EVEX, 8F of XOP; 0 without */
	s64 disp;
	u64 imm;
};

/* struct emu_fx - what FXSAVE64 stores (SDM, "FXSAVE Area"): a register of x87 or MMX has 10 of its 16 bytes */
struct emu_fx {
	u16 fcw;
	u16 fsw;
	u16 ftw;
	u16 fop;
	u64 fip;
	u64 fdp;
	u32 mxcsr;
	u32 mxcsr_mask;
	u64 st[8][2];
	u64 xmm[16][2];
	u64 unused[12];
} __attribute__((aligned(16)));

/* For fx_run(): prefix (none, 66, F3, F2) in bits 9:8 and the opcode behind 0F; or that of x87, opcode[2:0] and ModRM.reg. */
#define EMU_FX_X87	0x800
#define EMU_FX_W	0x400	/* REX.W */

#endif
