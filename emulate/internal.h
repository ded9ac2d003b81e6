/* SPDX-License-Identifier: GPL-2.0-only */
/* Shared by the files of emulate/ only: the opcode rows' vocabulary and the helpers. */
#ifndef EMULATE_INTERNAL_H
#define EMULATE_INTERNAL_H

#include <keel/emulate.h>

#ifdef __KERNEL__
#include <linux/compiler.h>
#include <linux/string.h>
#else
#include <string.h>
#define likely(x)	__builtin_expect(!!(x), 1)
#define unlikely(x)	__builtin_expect(!!(x), 0)
#endif

/* RFLAGS */
#define FL_CF		0x00000001u
#define FL_ONE		0x00000002u
#define FL_PF		0x00000004u
#define FL_AF		0x00000010u
#define FL_ZF		0x00000040u
#define FL_SF		0x00000080u
#define FL_TF		0x00000100u
#define FL_IF		0x00000200u
#define FL_DF		0x00000400u
#define FL_OF		0x00000800u
#define FL_IOPL		0x00003000u
#define FL_IOPL_SHIFT	12
#define FL_NT		0x00004000u
#define FL_RF		0x00010000u
#define FL_VM		0x00020000u
#define FL_AC		0x00040000u
#define FL_VIF		0x00080000u
#define FL_VIP		0x00100000u
#define FL_ID		0x00200000u
#define FL_ARITH	(FL_CF | FL_PF | FL_AF | FL_ZF | FL_SF | FL_OF)

/* Vectors */
#define VEC_DE		0
#define VEC_DB		1
#define VEC_BP		3
#define VEC_OF		4
#define VEC_BR		5
#define VEC_UD		6
#define VEC_NM		7
#define VEC_TS		10
#define VEC_NP		11
#define VEC_SS		12
#define VEC_GP		13
#define VEC_MF		16
#define VEC_AC		17
#define VEC_XM		19

/* Control register bits that the emulator itself consults */
#define CR0_MP		0x00000002u
#define CR0_EM		0x00000004u
#define CR0_TS		0x00000008u
#define CR0_AM		0x00040000u
#define CR0_PG		0x80000000u
#define CR4_VME		0x00000001u
#define CR4_PVI		0x00000002u
#define CR4_UMIP	0x00000800u

#define TSS_IO_BASE	102	/* in a 32-bit TSS or a 64-bit one: offset of the I/O permission bitmap's offset */

/* emu_insn.base */
#define BASE_NONE	0xff
#define BASE_RIP	0xfe

/* Operand kinds; zero in an extension row means "as the parent row says". */
enum operand {
	OPR_NONE,
	OPR_RM,		/* ModRM.rm, or the register in the opcode, or moffs */
	OPR_REG,	/* ModRM.reg */
	OPR_ACC,	/* AL, AX, EAX, RAX */
	OPR_IMM,
	OPR_ONE,
	OPR_CL,
	OPR_DX,
	OPR_RM8,	/* rm with a size of its own */
	OPR_RM16,
	OPR_RM32,
	OPR_SREG,	/* segment register in ModRM.reg */
	OPR_SEG,	/* segment register in opcode bits 5:3 */
	OPR_CR,
	OPR_DR,
	OPR_XMM,	/* XMM register in ModRM.reg */
	OPR_XMMRM,	/* XMM register or memory */
	OPR_VEX,	/* VEX.vvvv */
};

/* Which function executes; from CLASS_PREFIX on, what the decoder does next. */
enum op_class {
	CLASS_UD,
	CLASS_LENGTH,	/* known, not executed */
	CLASS_NOP,
	CLASS_MOV,
	CLASS_BINARY,	/* read-modify-write with flags: these five share one path */
	CLASS_UNARY,
	CLASS_SHIFT,
	CLASS_DSHIFT,
	CLASS_BIT,
	CLASS_SCAN,
	CLASS_MULDIV,
	CLASS_BCD,
	CLASS_XCHG,
	CLASS_FLAG,
	CLASS_STACK,
	CLASS_BRANCH,
	CLASS_STRING,
	CLASS_PORT,
	CLASS_SEGMENT,
	CLASS_FAR,
	CLASS_SYSTEM,
	CLASS_OWNER,	/* EMU_OWNER */
	CLASS_VECTOR,
	CLASS_FX,
	CLASS_BITS,
	CLASS_PREFIX,	/* row.op: emu_insn.prefix bit; row.dst: 1 + segment */
	CLASS_ESCAPE,	/* row.op: map */
	CLASS_BY_REG,	/* row.op: extension table, indexed by ModRM.reg */
	CLASS_BY_RM,
	CLASS_BY_MOD,	/* [0] memory, [1] register */
	CLASS_BY_PREFIX,/* [0] none, [1] 66, [2] F3, [3] F2 */
	CLASS_BY_MODE,	/* [0] other modes, [1] long mode */
};

/* Row flags */
#define F_MODRM		0x00000001u
#define F_BYTE		0x00000002u	/* operand size 1 */
#define F_D64		0x00000004u	/* operand size 8 by default in long mode */
#define F_NEAR		0x00000008u	/* near branch: D64, 66 is ignored by Intel */
#define F_I64		0x00000010u	/* #UD in long mode */
#define F_O64		0x00000020u	/* #UD elsewhere */
#define F_PRIV		0x00000040u	/* #GP(0) unless CPL is 0 */
#define F_LOCK		0x00000080u	/* LOCK is allowed with a memory operand */
#define F_READ		0x00000100u	/* destination is read */
#define F_WRITE		0x00000200u	/* destination is written */
#define F_RW		(F_READ | F_WRITE)
#define F_MEM		0x00000400u	/* #UD with a register operand */
#define F_REG		0x00000800u	/* #UD with a memory operand */
#define F_PROT		0x00001000u	/* #UD in real and virtual-8086 mode */
#define F_NOMOD		0x00002000u	/* mod is ignored: always registers */
#define F_NFX		0x00004000u	/* #UD with F2 or F3 */
#define F_VEC8		0x00008000u	/* vector memory operand of 8 bytes (else 16) */
#define F_VEC4		0x00010000u
#define F_ALIGN		0x00020000u	/* vector memory operand must be aligned */
#define F_UMIP		0x00040000u	/* #GP(0) if CR4.UMIP and CPL > 0 */
#define F_MULTI		0x00080000u	/* more than one write to memory */
#define F_MAYBE_VEX	0x01000000u	/* C4, C5, 62, 8F */
#define F_N66		0x02000000u	/* #UD with 66 */
#define F_NP		(F_N66 | F_NFX)	/* the manual's NP: no 66, F2 or F3 */
#define F_INTEL64	0x04000000u	/* #UD outside 64-bit mode on Intel's CPUs */
#define F_LEGACY_AMD	0x08000000u	/* #UD in 64-bit and compatibility mode on other CPUs than Intel's */
#define F_AMD_MEM	0x20000000u	/* #UD with a register operand on other CPUs than Intel's */
#define F_PE		0x10000000u	/* #GP(0) in real mode */
#define F_IMM_SHIFT	20
#define F_IMM_MASK	(0xfu << F_IMM_SHIFT)
#define F_DECODE	(F_I64 | F_O64 | F_MEM | F_REG | F_PROT | F_NP | F_INTEL64 | F_LEGACY_AMD | F_AMD_MEM)	/* checks left to the decoder's end */

enum imm_kind {
	IMM_NONE,
	IMM_Z,		/* operand size, at most 4, sign-extended */
	IMM_8,		/* one byte, sign-extended */
	IMM_16,	/* two bytes, zero-extended */
	IMM_V,		/* operand size */
	IMM_MOFFS,	/* address size, into disp */
	IMM_FAR,	/* offset into imm, selector into disp */
	IMM_16_8,	/* ENTER: word into imm, byte into disp */
	IMM_8_8,
	IMM_32,
};
#define I_Z		((u32)IMM_Z << F_IMM_SHIFT)
#define I_8		((u32)IMM_8 << F_IMM_SHIFT)
#define I_16		((u32)IMM_16 << F_IMM_SHIFT)
#define I_V		((u32)IMM_V << F_IMM_SHIFT)
#define I_MOFFS		((u32)IMM_MOFFS << F_IMM_SHIFT)
#define I_FAR		((u32)IMM_FAR << F_IMM_SHIFT)
#define I_16_8		((u32)IMM_16_8 << F_IMM_SHIFT)
#define I_8_8		((u32)IMM_8_8 << F_IMM_SHIFT)
#define I_32		((u32)IMM_32 << F_IMM_SHIFT)

/* opcodes.c */
extern const struct emu_opcode emu_one_byte[256];
extern const struct emu_opcode emu_two_byte[256];
extern const struct emu_opcode emu_map_38[256];
extern const struct emu_opcode emu_extension[][8];
const struct emu_opcode *emu_vex_row(unsigned int map, u8 opcode, unsigned int pp);

/* operand.c: masks by size, cheaper than shifts */
extern const u64 emu_size_mask[16];

static inline bool emu_is_long(const struct emu *e)
{
	return e->mode == EMU_MODE_LONG;
}

/* Selectors are paragraph numbers: no descriptor tables. */
static inline bool emu_is_real(const struct emu *e)
{
	return e->mode <= EMU_MODE_VM86;
}

static inline bool emu_is_memory(const struct emu_insn *in)
{
	return in->mod != 3;
}

/* The low @size (1 to 8) bytes. */
static inline u64 emu_mask(unsigned int size)
{
	return emu_size_mask[size & 15];
}

static inline u64 emu_sign_extend(u64 val, unsigned int size)
{
	unsigned int shift = 64 - 8 * size;

	return (u64)((s64)(val << shift) >> shift);
}

static inline bool emu_is_canonical(const struct emu *e, u64 la)
{
	unsigned int shift = 64 - e->va_bits;

	return (u64)((s64)(la << shift) >> shift) == la;
}

/* AH, CH, DH, BH: byte registers 4 to 7 of an instruction without REX. */
static inline bool is_high_byte(const struct emu *e, unsigned int nr, unsigned int size)
{
	return size == 1 && nr >= 4 && nr < 8 && !e->insn.rex;
}

/* A general register by its encoding, as an operand of the decoded instruction. */
static inline u64 emu_reg_read(const struct emu *e, unsigned int nr, unsigned int size)
{
	if (unlikely(is_high_byte(e, nr, size)))
		return (e->gpr[nr & 3] >> 8) & 0xff;
	return e->gpr[nr & 15] & emu_mask(size);
}

/* Effective address of the memory operand: emu_address() for the rooms outside. */
static inline u64 effective_address(const struct emu *e)
{
	const struct emu_insn *in = &e->insn;
	u64 ea = (u64)in->disp;

	if (in->base == BASE_RIP)
		ea += e->next_rip;
	else if (in->base != BASE_NONE)
		ea += e->gpr[in->base & 15];
	if (in->index != BASE_NONE)
		ea += e->gpr[in->index & 15] << in->scale;
	return ea & emu_mask(in->addr_size);
}

/* operand.c: registers */
void emu_reg_write(struct emu *e, unsigned int nr, unsigned int size, u64 val);
void emu_gpr_write(struct emu *e, unsigned int nr, unsigned int size, u64 val);

/* operand.c: memory, through the log */
int emu_read_linear(struct emu *e, u64 la, void *data, unsigned int size, unsigned int acc);
int emu_write_linear(struct emu *e, u64 la, const void *data, unsigned int size,
		     unsigned int acc);
/* @acc: EMU_ACC_WRITE, with EMU_ACC_SYSTEM for what the CPU marks by itself */
int emu_cmpxchg_linear(struct emu *e, u64 la, void *old, const void *new, unsigned int size, unsigned int acc);
int emu_port_in(struct emu *e, u16 port, void *data, unsigned int size);
int emu_port_out(struct emu *e, u16 port, const void *data, unsigned int size);
int emu_read_seg(struct emu *e, unsigned int seg, u64 ea, u64 *val, unsigned int size);
int emu_write_seg(struct emu *e, unsigned int seg, u64 ea, u64 val, unsigned int size);

/* operand.c: operands of the decoded instruction */
int emu_operand_linear(struct emu *e, unsigned int size, unsigned int acc, u64 *la);
int emu_read_operand(struct emu *e, unsigned int kind, u64 *val);
int emu_write_operand(struct emu *e, unsigned int kind, u64 val);

/* arith.c: pure computing, no access to memory */
u64 emu_compute(const struct emu_insn *in, u64 dst, u64 src, u64 third, u64 *flags);
bool emu_condition(u64 flags, unsigned int cc);
u64 emu_add(u64 dst, u64 src, u64 carry, unsigned int size, u64 *flags);
u64 emu_sub(u64 dst, u64 src, u64 borrow, unsigned int size, u64 *flags);
void emu_flags_result(u64 res, unsigned int size, u64 *flags);

/* stack.c: sp is a working copy, written back by emu_stack_commit() */
struct emu_stack {
	u64 sp;
	u64 mask;
};
void emu_stack_begin(struct emu *e, struct emu_stack *s);
void emu_stack_commit(struct emu *e, const struct emu_stack *s);
int emu_push(struct emu *e, struct emu_stack *s, u64 val, unsigned int size);
int emu_pop(struct emu *e, struct emu_stack *s, u64 *val, unsigned int size);
void emu_set_flags(struct emu *e, u64 val, unsigned int size);
int emu_check_vm86_flags(struct emu *e, bool *use_vif);
int emu_set_vif(struct emu *e, u64 val);
u64 emu_vm86_image(u64 rflags);

/* segment.c */
int emu_io_bitmap(struct emu *e, struct segment *tr, u16 *base);

/* far.c */
int emu_vm86_interrupt(struct emu *e, u8 vector, bool *done);

/* Executors, one or two classes each. */
int emu_exec_muldiv(struct emu *e);
int emu_exec_bcd(struct emu *e);
int emu_exec_xchg(struct emu *e);
int emu_exec_flag(struct emu *e);
int emu_exec_stack(struct emu *e);
int emu_exec_branch(struct emu *e);
int emu_exec_string(struct emu *e);
int emu_exec_port(struct emu *e);
int emu_exec_segment(struct emu *e);
int emu_exec_far(struct emu *e);
int emu_exec_system(struct emu *e);
int emu_exec_vector(struct emu *e);
int emu_exec_fx(struct emu *e);
int emu_exec_bits(struct emu *e);

/* vector.c: may SSE be used? */
int emu_check_sse(struct emu *e);

#endif /* EMULATE_INTERNAL_H */
