// SPDX-License-Identifier: GPL-2.0-only
/*
 * The opcode tables: one row per opcode for the one-byte, 0F and 0F38 maps
 * (0F3A needs none: all of it has ModRM and one immediate byte), and extension
 * tables for opcodes that ModRM, a mandatory prefix or the mode splits further.
 *
 * Rows of an extension table add their flags to those of the row that led
 * there; operand kinds left out are taken from it.  Whatever is a defined
 * instruction but not executed by Keel is a LEN row: its length is right, so
 * that it can be skipped and printed.  An empty row is #UD.
 *
 * Source of the facts: SDM volume 2, appendix "Opcode Map"; APM volume 3,
 * appendix "Opcode and Operand Encodings".
 */
#include "internal.h"

#define R(o, c, d, s, f)	{ EMU_OP_##o, CLASS_##c, OPR_##d, OPR_##s, (f) }
#define OP(o, c, f)		R(o, c, NONE, NONE, f)
#define OWNER(o, f)		R(o, OWNER, NONE, NONE, (f))
#define LEN(f)			R(LENGTH_ONLY, LENGTH, NONE, NONE, f)
#define PFX(bit, seg)		{ EMU_PFX_##bit, CLASS_PREFIX, seg, 0, 0 }
#define SEGPFX(seg)		{ 0, CLASS_PREFIX, 1 + SEG_##seg, 0, 0 }
#define BY(how, table, d, s, f)	{ EXT_##table, CLASS_BY_##how, OPR_##d, OPR_##s, (f) }
#define M			F_MODRM

enum extension {
	EXT_ARITH, EXT_SHIFT, EXT_UNARY, EXT_INCDEC, EXT_GROUP5, EXT_POP, EXT_MOVI, EXT_ARPL,
	EXT_NOP, EXT_GROUP6, EXT_GROUP7, EXT_GROUP7_MEM, EXT_GROUP7_REG, EXT_VMX, EXT_MONITOR,
	EXT_XCR, EXT_SVM, EXT_PKU, EXT_SWAPGS, EXT_BITS, EXT_GROUP9, EXT_GROUP9_MEM,
	EXT_GROUP9_REG, EXT_VMPTR, EXT_RDPID, EXT_GROUP15, EXT_GROUP15_MEM, EXT_GROUP15_REG,
	EXT_RDFSBASE, EXT_POPCNT, EXT_BSF, EXT_BSR, EXT_MOVU_LOAD, EXT_MOVU_STORE,
	EXT_MOVLP_LOAD, EXT_MOVLP_MEM, EXT_MOVHP_LOAD, EXT_MOVHP_MEM, EXT_MOVLP_STORE,
	EXT_MOVHP_STORE, EXT_MOVD_LOAD, EXT_MOVD_STORE, EXT_MOVQ_LOAD, EXT_MOVQ_STORE,
	EXT_MOVQ, EXT_MOVNTDQ, EXT_LDDQU, EXT_MOVNTDQA, EXT_MOVBE_LOAD, EXT_MOVBE_STORE,
	EXT_INVEPT, EXT_INVVPID, EXT_INVPCID, EXT_VMREAD, EXT_CLWB, EXT_ADX, EXT_BLS, EXT_MOVNTPS,
	EXT_VMWRITE, EXT_RDRAND, EXT_LFENCE, EXT_MFENCE,
};

/* The six encodings of each of the eight arithmetic operations. */
#define ALU(base, o, w, l) \
	[base + 0] = R(o, BINARY, RM, REG, M | F_BYTE | F_READ | (w) | (l)), \
	[base + 1] = R(o, BINARY, RM, REG, M | F_READ | (w) | (l)), \
	[base + 2] = R(o, BINARY, REG, RM, M | F_BYTE | F_READ | (w)), \
	[base + 3] = R(o, BINARY, REG, RM, M | F_READ | (w)), \
	[base + 4] = R(o, BINARY, ACC, IMM, I_Z | F_BYTE | F_READ | (w)), \
	[base + 5] = R(o, BINARY, ACC, IMM, I_Z | F_READ | (w))

const struct emu_opcode emu_one_byte[256] = {
	ALU(0x00, ADD, F_WRITE, F_LOCK),
	[0x06] = R(PUSH, STACK, SEG, NONE, F_I64),
	[0x07] = R(POP, SEGMENT, SEG, NONE, F_I64),
	ALU(0x08, OR, F_WRITE, F_LOCK),
	[0x0e] = R(PUSH, STACK, SEG, NONE, F_I64),
	[0x0f] = { 1, CLASS_ESCAPE, 0, 0, 0 },
	ALU(0x10, ADC, F_WRITE, F_LOCK),
	[0x16] = R(PUSH, STACK, SEG, NONE, F_I64),
	[0x17] = R(POP, SEGMENT, SEG, NONE, F_I64),
	ALU(0x18, SBB, F_WRITE, F_LOCK),
	[0x1e] = R(PUSH, STACK, SEG, NONE, F_I64),
	[0x1f] = R(POP, SEGMENT, SEG, NONE, F_I64),
	ALU(0x20, AND, F_WRITE, F_LOCK),
	[0x26] = SEGPFX(ES),
	[0x27] = OP(DAA, BCD, F_I64),
	ALU(0x28, SUB, F_WRITE, F_LOCK),
	[0x2e] = SEGPFX(CS),
	[0x2f] = OP(DAS, BCD, F_I64),
	ALU(0x30, XOR, F_WRITE, F_LOCK),
	[0x36] = SEGPFX(SS),
	[0x37] = OP(AAA, BCD, F_I64),
	ALU(0x38, CMP, 0, 0),
	[0x3e] = SEGPFX(DS),
	[0x3f] = OP(AAS, BCD, F_I64),
	[0x40 ... 0x47] = R(INC, UNARY, RM, NONE, F_RW),	/* REX in long mode */
	[0x48 ... 0x4f] = R(DEC, UNARY, RM, NONE, F_RW),
	[0x50 ... 0x57] = R(PUSH, STACK, RM, NONE, F_D64),
	[0x58 ... 0x5f] = R(POP, STACK, RM, NONE, F_D64),
	[0x60] = OP(PUSHA, STACK, F_I64 | F_MULTI),
	[0x61] = OP(POPA, STACK, F_I64),
	[0x62] = R(BOUND, BRANCH, REG, RM, M | F_I64 | F_MEM | F_MAYBE_VEX),	/* or EVEX */
	[0x63] = BY(MODE, ARPL, NONE, NONE, M),
	[0x64] = SEGPFX(FS),
	[0x65] = SEGPFX(GS),
	[0x66] = PFX(OPSIZE, 0),
	[0x67] = PFX(ADSIZE, 0),
	[0x68] = R(PUSH, STACK, IMM, NONE, I_Z | F_D64),
	[0x69] = R(IMUL3, MULDIV, REG, RM, M | I_Z),
	[0x6a] = R(PUSH, STACK, IMM, NONE, I_8 | F_D64),
	[0x6b] = R(IMUL3, MULDIV, REG, RM, M | I_8),
	[0x6c] = OP(INS, STRING, F_BYTE),
	[0x6d] = OP(INS, STRING, 0),
	[0x6e] = OP(OUTS, STRING, F_BYTE),
	[0x6f] = OP(OUTS, STRING, 0),
	[0x70 ... 0x7f] = R(JCC, BRANCH, IMM, NONE, I_8 | F_NEAR),
	[0x80] = BY(REG, ARITH, RM, IMM, M | I_Z | F_BYTE),
	[0x81] = BY(REG, ARITH, RM, IMM, M | I_Z),
	[0x82] = BY(REG, ARITH, RM, IMM, M | I_Z | F_BYTE | F_I64),
	[0x83] = BY(REG, ARITH, RM, IMM, M | I_8),
	[0x84] = R(TEST, BINARY, RM, REG, M | F_BYTE | F_READ),
	[0x85] = R(TEST, BINARY, RM, REG, M | F_READ),
	[0x86] = R(XCHG, XCHG, RM, REG, M | F_BYTE | F_LOCK | F_RW),
	[0x87] = R(XCHG, XCHG, RM, REG, M | F_LOCK | F_RW),
	[0x88] = R(MOV, MOV, RM, REG, M | F_BYTE | F_WRITE),
	[0x89] = R(MOV, MOV, RM, REG, M | F_WRITE),
	[0x8a] = R(MOV, MOV, REG, RM, M | F_BYTE | F_WRITE),
	[0x8b] = R(MOV, MOV, REG, RM, M | F_WRITE),
	[0x8c] = R(MOV_SREG, SEGMENT, RM, SREG, M),
	[0x8d] = R(LEA, MOV, REG, RM, M | F_MEM | F_WRITE),
	[0x8e] = R(MOV_SREG, SEGMENT, SREG, RM16, M),
	[0x8f] = BY(REG, POP, RM, NONE, M | F_D64 | F_MAYBE_VEX),	/* or XOP */
	[0x90] = BY(PREFIX, NOP, RM, ACC, F_RW),
	[0x91 ... 0x97] = R(XCHG, XCHG, RM, ACC, F_RW),
	[0x98] = OP(CBW, MOV, 0),
	[0x99] = OP(CWD, MOV, 0),
	[0x9a] = R(CALLF, FAR, IMM, NONE, I_FAR | F_I64 | F_MULTI),
	[0x9b] = OP(FWAIT, FX, 0),
	[0x9c] = OP(PUSHF, STACK, F_D64),
	[0x9d] = OP(POPF, STACK, F_D64),
	[0x9e] = OP(SAHF, FLAG, 0),
	[0x9f] = OP(LAHF, FLAG, 0),
	[0xa0] = R(MOV, MOV, ACC, RM, I_MOFFS | F_BYTE | F_WRITE),
	[0xa1] = R(MOV, MOV, ACC, RM, I_MOFFS | F_WRITE),
	[0xa2] = R(MOV, MOV, RM, ACC, I_MOFFS | F_BYTE | F_WRITE),
	[0xa3] = R(MOV, MOV, RM, ACC, I_MOFFS | F_WRITE),
	[0xa4] = OP(MOVS, STRING, F_BYTE),
	[0xa5] = OP(MOVS, STRING, 0),
	[0xa6] = OP(CMPS, STRING, F_BYTE),
	[0xa7] = OP(CMPS, STRING, 0),
	[0xa8] = R(TEST, BINARY, ACC, IMM, I_Z | F_BYTE | F_READ),
	[0xa9] = R(TEST, BINARY, ACC, IMM, I_Z | F_READ),
	[0xaa] = OP(STOS, STRING, F_BYTE),
	[0xab] = OP(STOS, STRING, 0),
	[0xac] = OP(LODS, STRING, F_BYTE),
	[0xad] = OP(LODS, STRING, 0),
	[0xae] = OP(SCAS, STRING, F_BYTE),
	[0xaf] = OP(SCAS, STRING, 0),
	[0xb0 ... 0xb7] = R(MOV, MOV, RM, IMM, I_V | F_BYTE | F_WRITE),
	[0xb8 ... 0xbf] = R(MOV, MOV, RM, IMM, I_V | F_WRITE),
	[0xc0] = BY(REG, SHIFT, RM, IMM, M | I_8 | F_BYTE),
	[0xc1] = BY(REG, SHIFT, RM, IMM, M | I_8),
	[0xc2] = R(RET, BRANCH, IMM, NONE, I_16 | F_NEAR),
	[0xc3] = OP(RET, BRANCH, F_NEAR),
	[0xc4] = R(LOAD_FAR, SEGMENT, REG, RM, M | F_MEM | F_I64 | F_MAYBE_VEX),	/* or VEX */
	[0xc5] = R(LOAD_FAR, SEGMENT, REG, RM, M | F_MEM | F_I64 | F_MAYBE_VEX),
	[0xc6] = BY(REG, MOVI, RM, IMM, M | I_Z | F_BYTE),
	[0xc7] = BY(REG, MOVI, RM, IMM, M | I_Z),
	[0xc8] = R(ENTER, STACK, IMM, NONE, I_16_8 | F_D64 | F_MULTI),
	[0xc9] = OP(LEAVE, STACK, F_D64),
	[0xca] = R(RETF, FAR, IMM, NONE, I_16),
	[0xcb] = OP(RETF, FAR, 0),
	[0xcc] = OP(INT3, BRANCH, 0),
	[0xcd] = R(INT, BRANCH, IMM, NONE, I_8),
	[0xce] = OP(INTO, BRANCH, F_I64),
	[0xcf] = OP(IRET, FAR, 0),
	[0xd0] = BY(REG, SHIFT, RM, ONE, M | F_BYTE),
	[0xd1] = BY(REG, SHIFT, RM, ONE, M),
	[0xd2] = BY(REG, SHIFT, RM, CL, M | F_BYTE),
	[0xd3] = BY(REG, SHIFT, RM, CL, M),
	[0xd4] = R(AAM, BCD, IMM, NONE, I_8 | F_I64),
	[0xd5] = R(AAD, BCD, IMM, NONE, I_8 | F_I64),
	[0xd6] = OP(SALC, FLAG, F_I64),
	[0xd7] = OP(XLAT, MOV, F_BYTE),
	[0xd8 ... 0xdf] = OP(X87, FX, M),
	[0xe0] = R(LOOPNE, BRANCH, IMM, NONE, I_8 | F_NEAR),
	[0xe1] = R(LOOPE, BRANCH, IMM, NONE, I_8 | F_NEAR),
	[0xe2] = R(LOOP, BRANCH, IMM, NONE, I_8 | F_NEAR),
	[0xe3] = R(JCXZ, BRANCH, IMM, NONE, I_8 | F_NEAR),
	[0xe4] = R(IN, PORT, ACC, IMM, I_8 | F_BYTE),
	[0xe5] = R(IN, PORT, ACC, IMM, I_8),
	[0xe6] = R(OUT, PORT, IMM, ACC, I_8 | F_BYTE),
	[0xe7] = R(OUT, PORT, IMM, ACC, I_8),
	[0xe8] = R(CALL, BRANCH, IMM, NONE, I_Z | F_NEAR),
	[0xe9] = R(JMP, BRANCH, IMM, NONE, I_Z | F_NEAR),
	[0xea] = R(JMPF, FAR, IMM, NONE, I_FAR | F_I64),
	[0xeb] = R(JMP, BRANCH, IMM, NONE, I_8 | F_NEAR),
	[0xec] = R(IN, PORT, ACC, DX, F_BYTE),
	[0xed] = R(IN, PORT, ACC, DX, 0),
	[0xee] = R(OUT, PORT, DX, ACC, F_BYTE),
	[0xef] = R(OUT, PORT, DX, ACC, 0),
	[0xf0] = PFX(LOCK, 0),
	[0xf1] = OP(INT1, BRANCH, 0),
	[0xf2] = PFX(REPNE, 0),
	[0xf3] = PFX(REP, 0),
	[0xf4] = OWNER(HLT, F_PRIV),
	[0xf5] = OP(CMC, FLAG, 0),
	[0xf6] = BY(REG, UNARY, RM, NONE, M | F_BYTE),
	[0xf7] = BY(REG, UNARY, RM, NONE, M),
	[0xf8] = OP(CLC, FLAG, 0),
	[0xf9] = OP(STC, FLAG, 0),
	[0xfa] = OP(CLI, FLAG, 0),
	[0xfb] = OP(STI, FLAG, 0),
	[0xfc] = OP(CLD, FLAG, 0),
	[0xfd] = OP(STD, FLAG, 0),
	[0xfe] = BY(REG, INCDEC, RM, NONE, M | F_BYTE),
	[0xff] = BY(REG, GROUP5, RM, NONE, M),
};

const struct emu_opcode emu_two_byte[256] = {
	[0x00] = BY(REG, GROUP6, RM, RM16, M),
	[0x01] = BY(MOD, GROUP7, RM, RM16, M),
	[0x02] = R(LAR, SEGMENT, REG, RM16, M | F_PROT),
	[0x03] = R(LSL, SEGMENT, REG, RM16, M | F_PROT),
	[0x05] = OWNER(SYSCALL, F_INTEL64),
	[0x06] = OP(CLTS, SYSTEM, F_PRIV),
	[0x07] = OWNER(SYSRET, F_PRIV | F_PE | F_INTEL64),
	[0x08] = OWNER(INVD, F_PRIV),
	[0x09] = OWNER(WBINVD, F_PRIV),
	[0x0b] = OP(UD, UD, 0),
	[0x0d] = R(PREFETCH, NOP, RM, NONE, M | F_AMD_MEM),
	[0x0e] = LEN(0),					/* FEMMS */
	[0x0f] = LEN(M | I_8),					/* 3DNow! */
	[0x10] = BY(PREFIX, MOVU_LOAD, XMM, XMMRM, M),
	[0x11] = BY(PREFIX, MOVU_STORE, XMMRM, XMM, M),
	[0x12] = BY(MOD, MOVLP_LOAD, XMM, XMMRM, M),
	[0x13] = BY(PREFIX, MOVLP_STORE, XMMRM, XMM, M | F_MEM),
	[0x14 ... 0x15] = OP(SIMD, FX, M),
	[0x16] = BY(MOD, MOVHP_LOAD, XMM, XMMRM, M),
	[0x17] = BY(PREFIX, MOVHP_STORE, XMMRM, XMM, M | F_MEM),
	[0x18] = R(PREFETCH, NOP, RM, NONE, M),
	[0x19 ... 0x1f] = R(NOP, NOP, RM, NONE, M),
	[0x20] = R(MOV_FROM_CR, SYSTEM, RM, CR, M | F_NOMOD | F_PRIV),
	[0x21] = R(MOV_FROM_DR, SYSTEM, RM, DR, M | F_NOMOD | F_PRIV),
	[0x22] = R(MOV_TO_CR, SYSTEM, CR, RM, M | F_NOMOD | F_PRIV),
	[0x23] = R(MOV_TO_DR, SYSTEM, DR, RM, M | F_NOMOD | F_PRIV),
	[0x28] = R(MOVX, VECTOR, XMM, XMMRM, M | F_ALIGN | F_NFX),
	[0x29] = R(MOVX, VECTOR, XMMRM, XMM, M | F_ALIGN | F_NFX),
	[0x2a] = OP(SIMD, FX, M),
	[0x2b] = BY(PREFIX, MOVNTPS, XMMRM, XMM, M | F_MEM),
	[0x2c ... 0x2f] = LEN(M),
	[0x30] = OWNER(WRMSR, F_PRIV),
	[0x31] = OWNER(RDTSC, 0),
	[0x32] = OWNER(RDMSR, F_PRIV),
	[0x33] = OWNER(RDPMC, 0),
	[0x34] = OWNER(SYSENTER, F_PE | F_LEGACY_AMD),
	[0x35] = OWNER(SYSEXIT, F_PRIV | F_PE | F_LEGACY_AMD),
	[0x37] = LEN(0),					/* GETSEC */
	[0x38] = { 2, CLASS_ESCAPE, 0, 0, 0 },
	[0x3a] = { 3, CLASS_ESCAPE, 0, 0, 0 },
	[0x40 ... 0x4f] = R(CMOVCC, MOV, REG, RM, M),
	[0x50] = LEN(M),
	[0x51 ... 0x6d] = OP(SIMD, FX, M),
	[0x6e] = BY(PREFIX, MOVD_LOAD, XMM, RM, M),
	[0x6f] = BY(PREFIX, MOVQ_LOAD, XMM, XMMRM, M),
	[0x70 ... 0x73] = LEN(M | I_8),
	[0x74 ... 0x76] = OP(SIMD, FX, M),
	[0x77] = LEN(0),					/* EMMS */
	[0x78] = BY(PREFIX, VMREAD, RM, REG, M),
	[0x79] = BY(PREFIX, VMWRITE, REG, RM, M),
	[0x7c ... 0x7d] = OP(SIMD, FX, M),
	[0x7e] = BY(PREFIX, MOVD_STORE, RM, XMM, M),
	[0x7f] = BY(PREFIX, MOVQ_STORE, XMMRM, XMM, M),
	[0x80 ... 0x8f] = R(JCC, BRANCH, IMM, NONE, I_Z | F_NEAR),
	[0x90 ... 0x9f] = R(SETCC, MOV, RM, NONE, M | F_BYTE),
	[0xa0] = R(PUSH, STACK, SEG, NONE, F_D64),
	[0xa1] = R(POP, SEGMENT, SEG, NONE, F_D64),
	[0xa2] = OWNER(CPUID, 0),
	[0xa3] = R(BT, BIT, RM, REG, M | F_READ),
	[0xa4] = R(SHLD, DSHIFT, RM, REG, M | I_8 | F_RW),
	[0xa5] = R(SHLD, DSHIFT, RM, REG, M | F_RW),
	[0xa8] = R(PUSH, STACK, SEG, NONE, F_D64),
	[0xa9] = R(POP, SEGMENT, SEG, NONE, F_D64),
	[0xaa] = OWNER(RSM, 0),
	[0xab] = R(BTS, BIT, RM, REG, M | F_RW | F_LOCK),
	[0xac] = R(SHRD, DSHIFT, RM, REG, M | I_8 | F_RW),
	[0xad] = R(SHRD, DSHIFT, RM, REG, M | F_RW),
	[0xae] = BY(MOD, GROUP15, RM, NONE, M),
	[0xaf] = R(IMUL2, MULDIV, REG, RM, M),
	[0xb0] = R(CMPXCHG, XCHG, RM, REG, M | F_BYTE | F_RW | F_LOCK),
	[0xb1] = R(CMPXCHG, XCHG, RM, REG, M | F_RW | F_LOCK),
	[0xb2] = R(LOAD_FAR, SEGMENT, REG, RM, M | F_MEM),
	[0xb3] = R(BTR, BIT, RM, REG, M | F_RW | F_LOCK),
	[0xb4] = R(LOAD_FAR, SEGMENT, REG, RM, M | F_MEM),
	[0xb5] = R(LOAD_FAR, SEGMENT, REG, RM, M | F_MEM),
	[0xb6] = R(MOVZX, MOV, REG, RM8, M | F_WRITE),
	[0xb7] = R(MOVZX, MOV, REG, RM16, M | F_WRITE),
	[0xb8] = BY(PREFIX, POPCNT, REG, RM, M),
	[0xb9] = OP(UD, UD, M),
	[0xba] = BY(REG, BITS, RM, IMM, M | I_8),
	[0xbb] = R(BTC, BIT, RM, REG, M | F_RW | F_LOCK),
	[0xbc] = BY(PREFIX, BSF, REG, RM, M),
	[0xbd] = BY(PREFIX, BSR, REG, RM, M),
	[0xbe] = R(MOVSX, MOV, REG, RM8, M | F_WRITE),
	[0xbf] = R(MOVSX, MOV, REG, RM16, M | F_WRITE),
	[0xc0] = R(XADD, XCHG, RM, REG, M | F_BYTE | F_RW | F_LOCK),
	[0xc1] = R(XADD, XCHG, RM, REG, M | F_RW | F_LOCK),
	[0xc2] = LEN(M | I_8),
	[0xc3] = R(MOVNTI, MOV, RM, REG, M | F_MEM | F_NP),
	[0xc4 ... 0xc6] = LEN(M | I_8),
	[0xc7] = BY(MOD, GROUP9, RM, NONE, M),
	[0xc8 ... 0xcf] = R(BSWAP, MOV, RM, NONE, 0),
	[0xd0 ... 0xd5] = OP(SIMD, FX, M),
	[0xd6] = BY(PREFIX, MOVQ, XMMRM, XMM, M),
	[0xd7] = LEN(M),
	[0xd8 ... 0xe6] = OP(SIMD, FX, M),
	[0xe7] = BY(PREFIX, MOVNTDQ, XMMRM, XMM, M | F_MEM),
	[0xe8 ... 0xef] = OP(SIMD, FX, M),
	[0xf0] = BY(PREFIX, LDDQU, XMM, XMMRM, M | F_MEM),
	[0xf1 ... 0xf6] = OP(SIMD, FX, M),
	[0xf7] = LEN(M),
	[0xf8 ... 0xfe] = OP(SIMD, FX, M),
	[0xff] = OP(UD, UD, M),
};

const struct emu_opcode emu_map_38[256] = {
	[0x00 ... 0x29] = LEN(M),
	[0x2a] = BY(PREFIX, MOVNTDQA, XMM, XMMRM, M | F_MEM),
	[0x2b ... 0x7f] = LEN(M),
	[0x80] = BY(PREFIX, INVEPT, REG, RM, M | F_MEM | F_PROT),
	[0x81] = BY(PREFIX, INVVPID, REG, RM, M | F_MEM | F_PROT),
	[0x82] = BY(PREFIX, INVPCID, REG, RM, M | F_MEM),
	[0xc8 ... 0xcf] = LEN(M),
	[0xd8] = LEN(M),					/* AESENCWIDE and kin */
	[0xdb ... 0xdf] = LEN(M),
	[0xf0] = BY(PREFIX, MOVBE_LOAD, REG, RM, M),
	[0xf1] = BY(PREFIX, MOVBE_STORE, RM, REG, M),
	[0xf5] = LEN(M),
	[0xf6] = BY(PREFIX, ADX, REG, RM, M),
	[0xf8] = LEN(M),
	[0xf9] = R(MOVNTI, MOV, RM, REG, M | F_MEM | F_NP),	/* MOVDIRI */
	[0xfa ... 0xfb] = LEN(M),				/* ENCODEKEY */
};

const struct emu_opcode emu_extension[][8] = {
	[EXT_ARITH] = {
		OP(ADD, BINARY, F_RW | F_LOCK), OP(OR, BINARY, F_RW | F_LOCK),
		OP(ADC, BINARY, F_RW | F_LOCK), OP(SBB, BINARY, F_RW | F_LOCK),
		OP(AND, BINARY, F_RW | F_LOCK), OP(SUB, BINARY, F_RW | F_LOCK),
		OP(XOR, BINARY, F_RW | F_LOCK), OP(CMP, BINARY, F_READ),
	},
	[EXT_SHIFT] = {
		OP(ROL, SHIFT, F_RW), OP(ROR, SHIFT, F_RW), OP(RCL, SHIFT, F_RW),
		OP(RCR, SHIFT, F_RW), OP(SHL, SHIFT, F_RW), OP(SHR, SHIFT, F_RW),
		OP(SAL, SHIFT, F_RW), OP(SAR, SHIFT, F_RW),
	},
	[EXT_UNARY] = {
		R(TEST, BINARY, RM, IMM, I_Z | F_READ), R(TEST, BINARY, RM, IMM, I_Z | F_READ),
		OP(NOT, UNARY, F_RW | F_LOCK), OP(NEG, UNARY, F_RW | F_LOCK),
		OP(MUL, MULDIV, 0), OP(IMUL1, MULDIV, 0), OP(DIV, MULDIV, 0), OP(IDIV, MULDIV, 0),
	},
	[EXT_INCDEC] = { OP(INC, UNARY, F_RW | F_LOCK), OP(DEC, UNARY, F_RW | F_LOCK) },
	[EXT_GROUP5] = {
		OP(INC, UNARY, F_RW | F_LOCK), OP(DEC, UNARY, F_RW | F_LOCK),
		OP(CALL, BRANCH, F_NEAR), OP(CALLF, FAR, F_MEM | F_MULTI), OP(JMP, BRANCH, F_NEAR),
		OP(JMPF, FAR, F_MEM), OP(PUSH, STACK, F_D64),
	},
	[EXT_POP] = { OP(POP, STACK, 0) },
	[EXT_MOVI] = {
		[0] = OP(MOV, MOV, F_WRITE),
		[7] = LEN(0),					/* XABORT, XBEGIN */
	},
	[EXT_ARPL] = {
		R(ARPL, SEGMENT, RM16, REG, F_PROT), R(MOVSXD, MOV, REG, RM32, F_WRITE),
	},
	[EXT_NOP] = {
		OP(XCHG, XCHG, 0), OP(XCHG, XCHG, 0), OWNER(PAUSE, 0), OP(XCHG, XCHG, 0),
	},
	[EXT_GROUP6] = {
		OP(SLDT, SYSTEM, F_PROT | F_UMIP),
		OP(STR, SYSTEM, F_PROT | F_UMIP),
		OP(LLDT, SYSTEM, F_PROT | F_PRIV),
		OP(LTR, SYSTEM, F_PROT | F_PRIV),
		OP(VERR, SEGMENT, F_PROT), OP(VERW, SEGMENT, F_PROT),
	},
	[EXT_GROUP7] = {
		BY(REG, GROUP7_MEM, NONE, NONE, 0), BY(REG, GROUP7_REG, NONE, NONE, 0),
	},
	[EXT_GROUP7_MEM] = {
		OP(SGDT, SYSTEM, F_UMIP | F_MULTI),
		OP(SIDT, SYSTEM, F_UMIP | F_MULTI),
		OP(LGDT, SYSTEM, F_PRIV), OP(LIDT, SYSTEM, F_PRIV),
		R(SMSW, SYSTEM, RM16, NONE, F_UMIP), LEN(0),	/* RSTORSSP */
		OP(LMSW, SYSTEM, F_PRIV), OP(INVLPG, SYSTEM, F_PRIV),
	},
	[EXT_GROUP7_REG] = {
		BY(RM, VMX, NONE, NONE, 0), BY(RM, MONITOR, NONE, NONE, 0),
		BY(RM, XCR, NONE, NONE, 0), BY(RM, SVM, NONE, NONE, 0),
		OP(SMSW, SYSTEM, F_UMIP), BY(RM, PKU, NONE, NONE, 0),
		OP(LMSW, SYSTEM, F_PRIV), BY(RM, SWAPGS, NONE, NONE, 0),
	},
	[EXT_VMX] = {
		LEN(0), OWNER(VMCALL, 0), OWNER(VMLAUNCH, F_PROT), OWNER(VMRESUME, F_PROT),
		OWNER(VMXOFF, F_PROT), LEN(0), LEN(0), LEN(0),
	},
	[EXT_MONITOR] = {
		OWNER(MONITOR, 0), OWNER(MWAIT, 0), OP(CLAC, FLAG, F_NP), OP(STAC, FLAG, F_NP),
		LEN(0), LEN(0), LEN(0), LEN(0),
	},
	[EXT_XCR] = {
		OWNER(XGETBV, F_NP), OWNER(XSETBV, F_NP), LEN(0), LEN(0),
		OWNER(VMFUNC, F_NP), LEN(0), LEN(0), LEN(0),
	},
	[EXT_SVM] = {
		OWNER(VMRUN, F_PROT), OWNER(VMMCALL, 0), OWNER(VMLOAD, F_PROT),
		OWNER(VMSAVE, F_PROT), OWNER(STGI, F_PROT),
		OWNER(CLGI, F_PROT), OWNER(SKINIT, F_PROT),
		OWNER(INVLPGA, F_PROT),
	},
	[EXT_PKU] = {
		LEN(0), LEN(0), LEN(0), LEN(0), LEN(0), LEN(0), LEN(0), LEN(0),
	},
	[EXT_SWAPGS] = {
		OWNER(SWAPGS, F_O64 | F_PRIV), OWNER(RDTSCP, 0), LEN(0), LEN(0),
		LEN(0), LEN(0), LEN(0), LEN(0),
	},
	[EXT_BITS] = {
		[4] = OP(BT, BIT, F_READ), [5] = OP(BTS, BIT, F_RW | F_LOCK),
		[6] = OP(BTR, BIT, F_RW | F_LOCK), [7] = OP(BTC, BIT, F_RW | F_LOCK),
	},
	[EXT_GROUP9] = {
		BY(REG, GROUP9_MEM, NONE, NONE, 0), BY(REG, GROUP9_REG, NONE, NONE, 0),
	},
	[EXT_GROUP9_MEM] = {
		[1] = OP(CMPXCHG8B, XCHG, F_RW | F_LOCK),
		[3] = OP(XRSTOR, LENGTH, 0),			/* XRSTORS */
		[4] = OP(XSAVE, LENGTH, 0), [5] = OP(XSAVE, LENGTH, 0),	/* XSAVEC, XSAVES */
		[6] = BY(PREFIX, VMPTR, NONE, NONE, 0),
		[7] = R(VMPTRST, OWNER, RM, NONE, F_PROT | F_NP),
	},
	[EXT_GROUP9_REG] = {
		[6] = BY(PREFIX, RDRAND, RM, NONE, 0),
		[7] = BY(PREFIX, RDPID, NONE, NONE, 0),
	},
	[EXT_VMPTR] = {
		OWNER(VMPTRLD, F_PROT), OWNER(VMCLEAR, F_PROT), OWNER(VMXON, F_PROT),
	},
	[EXT_RDRAND] = { OWNER(RDRAND, 0), OWNER(RDRAND, 0), LEN(F_O64) },	/* SENDUIPI */
	[EXT_RDPID] = {
		OWNER(RDSEED, 0), OWNER(RDSEED, 0), OWNER(RDPID, 0),
	},
	[EXT_GROUP15] = {
		BY(REG, GROUP15_MEM, NONE, NONE, 0), BY(REG, GROUP15_REG, NONE, NONE, 0),
	},
	[EXT_GROUP15_MEM] = {
		OP(FXSAVE, FX, F_NP), OP(FXRSTOR, FX, F_NP), OP(LDMXCSR, FX, F_NP), OP(STMXCSR, FX, F_NP),
		OP(XSAVE, LENGTH, 0), OP(XRSTOR, LENGTH, F_NP), BY(PREFIX, CLWB, NONE, NONE, 0),
		OP(CLFLUSH, NOP, F_NFX),			/* also CLFLUSHOPT */
	},
	[EXT_GROUP15_REG] = {
		BY(PREFIX, RDFSBASE, NONE, NONE, 0), BY(PREFIX, RDFSBASE, NONE, NONE, 0),
		BY(PREFIX, RDFSBASE, NONE, NONE, 0), BY(PREFIX, RDFSBASE, NONE, NONE, 0),
		LEN(0), BY(PREFIX, LFENCE, NONE, NONE, 0), BY(PREFIX, MFENCE, NONE, NONE, 0), OP(FENCE, NOP, F_NP),
	},
	[EXT_CLWB] = { OP(XSAVE, LENGTH, 0), OP(CLFLUSH, NOP, 0), LEN(0), LEN(0) },	/* XSAVEOPT */
	[EXT_LFENCE] = { OP(FENCE, NOP, 0), { 0 }, LEN(0) },	/* INCSSP */
	[EXT_MFENCE] = { OP(FENCE, NOP, 0), LEN(0), LEN(0), LEN(0) },	/* TPAUSE, UMONITOR, UMWAIT */
	[EXT_RDFSBASE] = { [2] = OP(FSGSBASE, SYSTEM, F_O64) },
	[EXT_POPCNT] = { [2] = OP(POPCNT, SCAN, 0) },
	[EXT_BSF] = { OP(BSF, SCAN, 0), OP(BSF, SCAN, 0), OP(TZCNT, SCAN, 0), OP(BSF, SCAN, 0) },
	[EXT_BSR] = { OP(BSR, SCAN, 0), OP(BSR, SCAN, 0), OP(LZCNT, SCAN, 0), OP(BSR, SCAN, 0) },
	[EXT_MOVU_LOAD] = {
		OP(MOVX, VECTOR, 0), OP(MOVX, VECTOR, 0),
		OP(MOVX, VECTOR, F_VEC4), OP(MOVX, VECTOR, F_VEC8),
	},
	[EXT_MOVU_STORE] = {
		OP(MOVX, VECTOR, 0), OP(MOVX, VECTOR, 0),
		OP(MOVX, VECTOR, F_VEC4), OP(MOVX, VECTOR, F_VEC8),
	},
	[EXT_MOVLP_LOAD] = { BY(PREFIX, MOVLP_MEM, NONE, NONE, 0), LEN(0) },
	[EXT_MOVLP_MEM] = {
		OP(MOVX_LOW, VECTOR, F_VEC8), OP(MOVX_LOW, VECTOR, F_VEC8), LEN(0), LEN(0),
	},
	[EXT_MOVHP_LOAD] = { BY(PREFIX, MOVHP_MEM, NONE, NONE, 0), LEN(0) },
	[EXT_MOVHP_MEM] = {
		OP(MOVX_HIGH, VECTOR, F_VEC8), OP(MOVX_HIGH, VECTOR, F_VEC8), LEN(0),
	},
	[EXT_MOVLP_STORE] = { OP(MOVX_LOW, VECTOR, F_VEC8), OP(MOVX_LOW, VECTOR, F_VEC8) },
	[EXT_MOVHP_STORE] = { OP(MOVX_HIGH, VECTOR, F_VEC8), OP(MOVX_HIGH, VECTOR, F_VEC8) },
	[EXT_MOVD_LOAD] = { OP(SIMD, FX, 0), OP(MOVX_GPR, VECTOR, 0) },
	[EXT_MOVD_STORE] = {
		OP(SIMD, FX, 0), OP(MOVX_GPR, VECTOR, 0), R(MOVX, VECTOR, XMM, XMMRM, F_VEC8),
	},
	[EXT_MOVQ_LOAD] = { OP(SIMD, FX, 0), OP(MOVX, VECTOR, F_ALIGN), OP(MOVX, VECTOR, 0) },
	[EXT_MOVQ_STORE] = { OP(SIMD, FX, 0), OP(MOVX, VECTOR, F_ALIGN), OP(MOVX, VECTOR, 0) },
	[EXT_MOVQ] = { { 0 }, OP(MOVX, VECTOR, F_VEC8), LEN(F_REG), LEN(F_REG) },
	[EXT_MOVNTDQ] = { OP(SIMD, FX, 0), OP(MOVX, VECTOR, F_ALIGN) },
	[EXT_LDDQU] = { [3] = OP(MOVX, VECTOR, 0) },
	[EXT_MOVNTDQA] = { [1] = OP(MOVX, VECTOR, F_ALIGN) },
	[EXT_MOVBE_LOAD] = {
		OP(MOVBE, MOV, F_MEM | F_WRITE), OP(MOVBE, MOV, F_MEM | F_WRITE), { 0 },
		R(CRC32, BITS, REG, RM, F_BYTE),
	},
	[EXT_MOVBE_STORE] = {
		OP(MOVBE, MOV, F_MEM | F_WRITE), OP(MOVBE, MOV, F_MEM | F_WRITE), { 0 },
		R(CRC32, BITS, REG, RM, 0),
	},
	[EXT_ADX] = { LEN(0), OP(ADCX, BITS, 0), OP(ADOX, BITS, 0), LEN(0) },
	[EXT_INVEPT] = { [1] = OP(INVEPT, OWNER, 0) },
	[EXT_INVVPID] = { [1] = OP(INVVPID, OWNER, 0) },
	[EXT_INVPCID] = { [1] = OP(INVPCID, OWNER, F_PRIV) },
	[EXT_VMREAD] = {
		OP(VMREAD, OWNER, F_PROT), LEN(F_REG | I_8_8), { 0 }, LEN(F_REG | I_8_8),
	},
	[EXT_VMWRITE] = {
		OP(VMWRITE, OWNER, F_PROT), LEN(F_REG), { 0 }, LEN(F_REG),	/* EXTRQ, INSERTQ */
	},
	[EXT_MOVNTPS] = {
		OP(MOVX, VECTOR, F_ALIGN), OP(MOVX, VECTOR, F_ALIGN), LEN(0), LEN(0),	/* MOVNTSS, MOVNTSD */
	},
	[EXT_BLS] = {
		[1] = OP(BLSR, BITS, 0), [2] = OP(BLSMSK, BITS, 0), [3] = OP(BLSI, BITS, 0),
	},
};

#define V(map, op, pps, row)	{ map, op, pps, row }
#define NO_PP	1	/* mandatory prefixes: bit n for VEX.pp = n */
#define PP_66	2
#define PP_F3	4
#define PP_F2	8

/* Of VEX the moves of 16 and 32 bytes, of scalars, and BMI. */
static const struct vex_row {
	u8 map, opcode, pps;
	struct emu_opcode row;
} vex_rows[] = {
	V(1, 0x10, NO_PP | PP_66, R(MOVX, VECTOR, XMM, XMMRM, M)),
	V(1, 0x10, PP_F3, R(MOVX, VECTOR, XMM, XMMRM, M | F_VEC4)),
	V(1, 0x10, PP_F2, R(MOVX, VECTOR, XMM, XMMRM, M | F_VEC8)),
	V(1, 0x11, NO_PP | PP_66, R(MOVX, VECTOR, XMMRM, XMM, M)),
	V(1, 0x11, PP_F3, R(MOVX, VECTOR, XMMRM, XMM, M | F_VEC4)),
	V(1, 0x11, PP_F2, R(MOVX, VECTOR, XMMRM, XMM, M | F_VEC8)),
	V(1, 0x28, NO_PP | PP_66, R(MOVX, VECTOR, XMM, XMMRM, M | F_ALIGN)),
	V(1, 0x29, NO_PP | PP_66, R(MOVX, VECTOR, XMMRM, XMM, M | F_ALIGN)),
	V(1, 0x2b, NO_PP | PP_66, R(MOVX, VECTOR, XMMRM, XMM, M | F_ALIGN | F_MEM)),
	V(1, 0x6f, PP_66, R(MOVX, VECTOR, XMM, XMMRM, M | F_ALIGN)),
	V(1, 0x6f, PP_F3, R(MOVX, VECTOR, XMM, XMMRM, M)),
	V(1, 0x7f, PP_66, R(MOVX, VECTOR, XMMRM, XMM, M | F_ALIGN)),
	V(1, 0x7f, PP_F3, R(MOVX, VECTOR, XMMRM, XMM, M)),
	V(1, 0x7e, PP_F3, R(MOVX, VECTOR, XMM, XMMRM, M | F_VEC8)),
	V(1, 0xd6, PP_66, R(MOVX, VECTOR, XMMRM, XMM, M | F_VEC8)),
	V(1, 0xe7, PP_66, R(MOVX, VECTOR, XMMRM, XMM, M | F_ALIGN | F_MEM)),
	V(1, 0xf0, PP_F2, R(MOVX, VECTOR, XMM, XMMRM, M | F_MEM)),
	V(2, 0x2a, PP_66, R(MOVX, VECTOR, XMM, XMMRM, M | F_ALIGN | F_MEM)),
	V(2, 0xf2, NO_PP, R(ANDN, BITS, REG, RM, M)),
	V(2, 0xf3, NO_PP, BY(REG, BLS, VEX, RM, M)),
	V(2, 0xf5, NO_PP, R(BZHI, BITS, REG, RM, M)),
	V(2, 0xf5, PP_F3, R(PEXT, BITS, REG, RM, M)),
	V(2, 0xf5, PP_F2, R(PDEP, BITS, REG, RM, M)),
	V(2, 0xf6, PP_F2, R(MULX, BITS, REG, RM, M)),
	V(2, 0xf7, NO_PP, R(BEXTR, BITS, REG, RM, M)),
	V(2, 0xf7, PP_66, R(SHLX, BITS, REG, RM, M)),
	V(2, 0xf7, PP_F3, R(SARX, BITS, REG, RM, M)),
	V(2, 0xf7, PP_F2, R(SHRX, BITS, REG, RM, M)),
	V(3, 0xf0, PP_F2, R(RORX, BITS, REG, RM, M | I_8)),
};

/* The row of a VEX opcode with mandatory prefix @pp, NULL where only the length is known. */
const struct emu_opcode *emu_vex_row(unsigned int map, u8 opcode, unsigned int pp)
{
	unsigned int i;

	for (i = 0; i < sizeof(vex_rows) / sizeof(vex_rows[0]); i++)
		if (vex_rows[i].map == map && vex_rows[i].opcode == opcode && (vex_rows[i].pps >> pp & 1))
			return &vex_rows[i].row;
	return NULL;
}
