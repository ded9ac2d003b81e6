// SPDX-License-Identifier: GPL-2.0-only
/*
 * x87, MMX and SSE instructions with a memory operand, FWAIT, FNINIT, FNCLEX, FNSTSW, MXCSR, FXSAVE and FXRSTOR: on the registers' image, which
 * becomes the guest's registers when the access to memory has succeeded. What computes is done by native.c.
 *
 * Each makes one access, however long, so the restart log is not needed: ops->read() and ops->write() go on where they were.
 */
#include "internal.h"

#define CR4_OSXMMEXCPT	0x00000400u
#define FSW_ES		0x0080u
#define FSW_KEPT	0x7f00u		/* by FNCLEX: conditions and top of stack */
#define FCW_INIT	0x037fu
#define X87_FNCLEX	0xdbe2u		/* opcode and ModRM */
#define X87_FNINIT	0xdbe3u
#define X87_FNSTSW_AX	0xdfe0u
#define MXCSR_FLAGS	0x003fu
#define MXCSR_MASKS	0x1f80u
#define MXCSR_BEFORE	0x0007u		/* invalid, denormal, divide by zero: found before anything is computed */
#define EFER_FFXSR_BIT	0x00004000u
#define MXCSR_UM	0x0800u
#define ALIGNED		__attribute__((aligned(16)))
#define STORE		0x80		/* a size is at most 108 */

/* [opcode & 7][ModRM.reg]: bytes, and is it a store; 0 is #UD (SDM volume 2, "Escape Opcode Instructions"). */
static const u8 x87_size[8][8] = {
	{ 4, 4, 4, 4, 4, 4, 4, 4 },
	{ 4, 0, 4 | STORE, 4 | STORE, 28, 2, 28 | STORE, 2 | STORE },
	{ 4, 4, 4, 4, 4, 4, 4, 4 },
	{ 4, 4 | STORE, 4 | STORE, 4 | STORE, 0, 10, 0, 10 | STORE },
	{ 8, 8, 8, 8, 8, 8, 8, 8 },
	{ 8, 8 | STORE, 8 | STORE, 8 | STORE, 108, 0, 108 | STORE, 2 | STORE },
	{ 2, 2, 2, 2, 2, 2, 2, 2 },
	{ 2, 2 | STORE, 2 | STORE, 2 | STORE, 10, 8, 10 | STORE, 8 | STORE },
};

/* Bytes by mandatory prefix: none, 66, F3, F2. What is not here is not executed. */
static const struct simd_form {
	u8 first, last, size[4];
} simd_forms[] = {
	{ 0x14, 0x15, { 16, 16 } },
	{ 0x2a, 0x2a, { 8, 8, 4, 4 } },
	{ 0x51, 0x51, { 16, 16, 4, 8 } },
	{ 0x52, 0x53, { 16, 0, 4 } },
	{ 0x54, 0x57, { 16, 16 } },
	{ 0x58, 0x59, { 16, 16, 4, 8 } },
	{ 0x5a, 0x5a, { 8, 16, 4, 8 } },
	{ 0x5b, 0x5b, { 16, 16, 16 } },
	{ 0x5c, 0x5f, { 16, 16, 4, 8 } },
	{ 0x60, 0x62, { 4, 16 } },
	{ 0x63, 0x6b, { 8, 16 } },
	{ 0x6c, 0x6d, { 0, 16 } },
	{ 0x6e, 0x6e, { 4 } },
	{ 0x6f, 0x6f, { 8 } },
	{ 0x74, 0x76, { 8, 16 } },
	{ 0x7c, 0x7d, { 0, 16, 0, 16 } },
	{ 0x7e, 0x7e, { 4 | STORE } },
	{ 0x7f, 0x7f, { 8 | STORE } },
	{ 0xd0, 0xd0, { 0, 16, 0, 16 } },
	{ 0xd1, 0xd5, { 8, 16 } },
	{ 0xd8, 0xe5, { 8, 16 } },
	{ 0xe6, 0xe6, { 0, 16, 8, 16 } },
	{ 0xe7, 0xe7, { 8 | STORE } },
	{ 0xe8, 0xef, { 8, 16 } },
	{ 0xf1, 0xf6, { 8, 16 } },
	{ 0xf8, 0xfe, { 8, 16 } },
};

/* The whole access, at an address that is a multiple of @align. */
static int access_operand(struct emu *e, void *mem, unsigned int size, unsigned int align, unsigned int acc)
{
	u64 la;
	int ret;

	ret = emu_operand_linear(e, size, acc, &la);
	if (!ret && (la & (align - 1)))
		ret = emu_raise_error(e, VEC_GP, 0);
	if (ret)
		return ret;
	if (acc & EMU_ACC_WRITE)
		return e->ops->write(e, la, mem, size, acc | EMU_ACC_FINAL);
	return e->ops->read(e, la, mem, size, acc);
}

static int check_x87(struct emu *e)
{
	return e->ops->get_cr(e, 0) & (CR0_EM | CR0_TS) ? emu_raise(e, VEC_NM) : EMU_CONTINUE;
}

static int check_mmx(struct emu *e)
{
	return e->ops->get_cr(e, 0) & CR0_EM ? emu_raise(e, VEC_UD) : check_x87(e);
}

struct pointers {
	u64 fip, fdp;
	u16 fop;
};

/* The pointers that the instruction has left are the guest's, not those of native.c. */
static void set_pointers(const struct emu *e, struct emu_fx *fx, const struct pointers *old)
{
	const struct emu_insn *in = &e->insn;

	if (fx->fip != old->fip)
		fx->fip = e->rip;
	if (fx->fdp != old->fdp)
		fx->fdp = emu_address(e);
	if (fx->fop != old->fop)
		fx->fop = (u16)((in->opcode & 7) << 8 | in->modrm);
}

/* With an unmasked invalid operation, overflow or underflow nothing is stored (SDM, "x87 FPU Floating-Point Exception Conditions"). */
static bool is_stored(const struct emu_fx *fx)
{
	return !(fx->fsw & ~fx->fcw & 0x19);
}

static int exec_x87(struct emu *e)
{
	const struct emu_insn *in = &e->insn;
	unsigned int op = in->opcode & 7, reg = in->reg & 7, size = x87_size[op][reg] & ~STORE;
	/* environment, control and status word */
	bool is_control = (op == 1 && reg >= 4) || (op == 5 && reg >= 4);
	bool is_store = x87_size[op][reg] & STORE;
	u8 mem[112] ALIGNED = { 0 };
	struct pointers old;
	struct emu_fx fx;
	int ret;

	if (!size)
		return emu_raise(e, VEC_UD);
	/* of the four formats of an environment the one of 32-bit protected mode */
	if (size > 10 && (in->op_size < 4 || emu_is_real(e)))
		return EMU_FAILED;
	ret = check_x87(e);
	if (ret)
		return ret;
	e->ops->fx_get(e, &fx);
	if ((fx.fsw & FSW_ES) && !(is_control && reg >= 6))
		return emu_raise(e, VEC_MF);
	if (!is_store)
		ret = access_operand(e, mem, size, 1, EMU_ACC_READ);
	if (ret)
		return ret;
	old = (struct pointers){ fx.fip, fx.fdp, fx.fop };
	e->ops->fx_run(e, EMU_FX_X87 | op << 3 | reg, &fx, mem);
	if (!is_control)
		set_pointers(e, &fx, &old);
	if (is_store && (is_control || is_stored(&fx)))
		ret = access_operand(e, mem, size, 1, EMU_ACC_WRITE);
	if (!ret)
		e->ops->fx_set(e, &fx);
	return ret;
}

/* Of the forms without memory those that boot code looks for an FPU with: FNINIT, FNCLEX, FNSTSW AX. They wait for no exception. */
static int exec_x87_register(struct emu *e)
{
	unsigned int insn = e->insn.opcode << 8 | e->insn.modrm;
	struct emu_fx fx;
	int ret;

	if (insn != X87_FNINIT && insn != X87_FNCLEX && insn != X87_FNSTSW_AX)
		return EMU_FAILED;
	ret = check_x87(e);
	if (ret)
		return ret;
	e->ops->fx_get(e, &fx);
	switch (insn) {
	case X87_FNSTSW_AX:
		emu_gpr_write(e, GPR_RAX, 2, fx.fsw);
		return EMU_CONTINUE;
	case X87_FNCLEX:
		fx.fsw &= FSW_KEPT;
		break;
	default:
		fx.fcw = FCW_INIT;
		fx.fsw = 0;
		fx.ftw = 0;	/* all empty, as FXSAVE tells it */
		fx.fop = 0;
		fx.fip = 0;
		fx.fdp = 0;
		break;
	}
	e->ops->fx_set(e, &fx);
	return EMU_CONTINUE;
}

/* Register @nr changes places with register 0, which native.c uses. MMX registers lie where x87's do, whatever the top of stack. */
static void swap_first(struct emu_fx *fx, unsigned int nr, bool is_mmx)
{
	unsigned int top = (fx->fsw >> 11) & 7;
	u64 (*first)[2] = is_mmx ? &fx->st[(8 - top) & 7] : &fx->xmm[0];
	u64 (*other)[2] = is_mmx ? &fx->st[(nr - top) & 7] : &fx->xmm[nr & 15];
	u64 held[2];

	memcpy(held, *first, sizeof(held));
	memcpy(*first, *other, sizeof(held));
	memcpy(*other, held, sizeof(held));
}

/* Compute with all exceptions masked, and then look which of them were not to be. */
static int run_simd(struct emu *e, unsigned int nr, struct emu_fx *fx, u8 *mem, bool is_mmx)
{
	u32 mxcsr = fx->mxcsr, raised, unmasked;

	swap_first(fx, e->insn.reg, is_mmx);
	fx->mxcsr = (mxcsr & ~MXCSR_FLAGS) | MXCSR_MASKS;
	e->ops->fx_run(e, nr, fx, mem);
	swap_first(fx, e->insn.reg, is_mmx);
	raised = fx->mxcsr & MXCSR_FLAGS;
	unmasked = raised & ~(mxcsr >> 7);
	if (unmasked & MXCSR_BEFORE)
		raised &= MXCSR_BEFORE;
	fx->mxcsr = mxcsr | raised;
	if (likely(!unmasked))
		return EMU_CONTINUE;
	mxcsr = fx->mxcsr;
	e->ops->fx_get(e, fx);
	fx->mxcsr = mxcsr;
	e->ops->fx_set(e, fx);
	return emu_raise(e, e->ops->get_cr(e, 4) & CR4_OSXMMEXCPT ? VEC_XM : VEC_UD);
}

/*
 * Unmasked, underflow is also found in a tiny result that is exact, which says nothing when masked (SDM, "Numeric Underflow Exception
 * (#U)"): not executed then.
 */
static bool may_underflow(u8 opcode)
{
	return (opcode & 0xf0) == 0x50 || (opcode & 0xfe) == 0x7c || opcode == 0xd0;
}

static const struct simd_form *find_form(u8 opcode)
{
	unsigned int i;

	for (i = 0; i < sizeof(simd_forms) / sizeof(simd_forms[0]); i++)
		if (opcode >= simd_forms[i].first && opcode <= simd_forms[i].last)
			return &simd_forms[i];
	return NULL;
}

static int exec_simd(struct emu *e)
{
	const struct emu_insn *in = &e->insn;
	unsigned int pfx = in->prefix & EMU_PFX_REP ? 2 : in->prefix & EMU_PFX_REPNE ? 3 : !!(in->prefix & EMU_PFX_OPSIZE);
	const struct simd_form *form = find_form(in->opcode);
	unsigned int size = form ? form->size[pfx] & ~STORE : 0, nr = pfx << 8 | in->opcode;
	bool is_store = form && (form->size[pfx] & STORE), is_mmx = !pfx && in->opcode >= 0x60;
	u8 mem[16] ALIGNED = { 0 };
	struct emu_fx fx;
	int ret;

	if (!size)
		return EMU_FAILED;
	/* MOVD of 8 bytes is MOVQ; CVTSI2SS and CVTSI2SD have two forms */
	if ((in->rex & 8) && size == 4 && (in->opcode & 0xef) == 0x6e) {
		size = 8;
		nr |= 1;
	} else if ((in->rex & 8) && in->opcode == 0x2a && pfx >= 2) {
		size = 8;
		nr |= EMU_FX_W;
	}
	ret = is_mmx ? check_mmx(e) : emu_check_sse(e);
	if (ret)
		return ret;
	e->ops->fx_get(e, &fx);
	if (is_mmx && (fx.fsw & FSW_ES))
		return emu_raise(e, VEC_MF);
	if (!(fx.mxcsr & MXCSR_UM) && may_underflow(in->opcode))
		return EMU_FAILED;
	if (!is_store)
		ret = access_operand(e, mem, size, size == 16 ? 16 : 1, EMU_ACC_READ);
	if (!ret)
		ret = run_simd(e, nr, &fx, mem, is_mmx);
	if (!ret && is_store)
		ret = access_operand(e, mem, size, 1, EMU_ACC_WRITE);
	if (!ret)
		e->ops->fx_set(e, &fx);
	return ret;
}

/* Reserved bits of MXCSR; a mask of zero is the first CPUs' (SDM, "Guidelines for Writing to the MXCSR Register"). */
static bool is_mxcsr_valid(const struct emu_fx *fx, u32 val)
{
	return !(val & ~(fx->mxcsr_mask ? fx->mxcsr_mask : 0xffbf));
}

static int exec_mxcsr(struct emu *e)
{
	struct emu_fx fx;
	u64 val;
	int ret;

	ret = emu_check_sse(e);
	if (ret)
		return ret;
	e->insn.op_size = 4;
	e->ops->fx_get(e, &fx);
	if (e->insn.row.op == EMU_OP_STMXCSR)
		return emu_write_operand(e, OPR_RM, fx.mxcsr);
	ret = emu_read_operand(e, OPR_RM, &val);
	if (ret)
		return ret;
	if (!is_mxcsr_valid(&fx, (u32)val))
		return emu_raise_error(e, VEC_GP, 0);
	fx.mxcsr = (u32)val;
	e->ops->fx_set(e, &fx);
	return EMU_CONTINUE;
}

/* Bytes that belong to registers: eight of XMM outside 64-bit code, none by AMD's fast FXSAVE (APM, "FXSAVE and FXRSTOR Instructions"). */
static unsigned int fxsave_size(struct emu *e)
{
	if (!emu_is_long(e))
		return offsetof(struct emu_fx, xmm[8]);
	if (!e->cpl && (e->ops->get_cr(e, EMU_EFER) & EFER_FFXSR_BIT))
		return offsetof(struct emu_fx, xmm);
	return offsetof(struct emu_fx, unused);
}

/* The pointers have 32 bits without REX.W. */
static int exec_fxsave(struct emu *e)
{
	unsigned int size = fxsave_size(e);
	bool is_wide = e->insn.rex & 8;
	struct emu_fx fx, mem;
	int ret;

	ret = check_x87(e);
	if (ret)
		return ret;
	e->ops->fx_get(e, &fx);
	mem = fx;
	if (e->insn.row.op == EMU_OP_FXRSTOR) {
		ret = access_operand(e, &mem, size, 16, EMU_ACC_READ);
		if (ret)
			return ret;
		if (!is_mxcsr_valid(&fx, mem.mxcsr))
			return emu_raise_error(e, VEC_GP, 0);
	}
	if (!is_wide) {
		mem.fip = (u32)mem.fip;
		mem.fdp = (u32)mem.fdp;
	}
	if (e->insn.row.op == EMU_OP_FXSAVE)
		return access_operand(e, &mem, size, 16, EMU_ACC_WRITE);
	e->ops->fx_set(e, &mem);
	return EMU_CONTINUE;
}

/* Waits for nothing but the exceptions of what was before (SDM, "WAIT/FWAIT"). */
static int exec_wait(struct emu *e)
{
	struct emu_fx fx;

	if (!(~e->ops->get_cr(e, 0) & (CR0_MP | CR0_TS)))
		return emu_raise(e, VEC_NM);
	e->ops->fx_get(e, &fx);
	return fx.fsw & FSW_ES ? emu_raise(e, VEC_MF) : EMU_CONTINUE;
}

int emu_exec_fx(struct emu *e)
{
	if (e->insn.row.op == EMU_OP_FWAIT)
		return exec_wait(e);
	if (!emu_is_memory(&e->insn))
		return e->insn.row.op == EMU_OP_X87 ? exec_x87_register(e) : EMU_FAILED;
	switch (e->insn.row.op) {
	case EMU_OP_X87:
		return exec_x87(e);
	case EMU_OP_SIMD:
		return exec_simd(e);
	case EMU_OP_LDMXCSR:
	case EMU_OP_STMXCSR:
		return exec_mxcsr(e);
	default:
		return exec_fxsave(e);
	}
}
