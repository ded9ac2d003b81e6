// SPDX-License-Identifier: GPL-2.0-only
/*
 * x87, MMX, SSE, BMI and CRC32 with a memory operand give the same registers, flags, memory and exceptions in the emulator as on the CPU
 * that runs this test, for random registers and operands; an instruction whose access is answered late or faults changes nothing before.
 */
#include <cpuid.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "test.h"
#include "unit_machine.h"

#define ROUNDS	300
#define OPERAND	0x2000		/* of the machine; the CPU's has an address of its own in RDI */
#define CRC	"crc32"

/* RDI: operand, RSI: image, RDX: RAX, RBX, RCX and flags */
extern const u8 fx_stub[], fx_patch[], fx_end[];
asm(".pushsection .rodata\n"
    "fx_stub:\n"
    "	push %rbx; push %r12\n"
    "	mov %rdx, %r12\n"
    "	fxrstor64 (%rsi)\n"
    "	mov 0(%r12), %rax; mov 8(%r12), %rbx; mov 16(%r12), %rcx; mov 32(%r12), %rdx; pushq 24(%r12)\n"
    "	popfq\n"
    "fx_patch:\n"
    "	.fill 12, 1, 0x90\n"
    "	pushfq\n"
    "	popq 24(%r12)\n"
    "	mov %rax, 0(%r12); mov %rbx, 8(%r12); mov %rcx, 16(%r12)\n"
    "	fxsave64 (%rsi)\n"
    "	fninit\n"
    "	pop %r12; pop %rbx\n"
    "	ret\n"
    "fx_end:\n"
    ".popsection\n");

struct gprs {
	u64 rax, rbx, rcx, flags, rdx;
};

static const struct row {
	const char *name;
	u8 n;
	u8 insn[10];		/* with [RDI] for memory */
	u8 reg;			/* shift of ModRM.reg, +1, to be chosen at random; the byte's index in bits 7:4 */
	u32 need;
	u32 undefined;
} rows[] = {
#define X87(op, reg)	{ "x87 " #op "/" #reg, 2, { op, (reg) << 3 | 7 } }
#define X87S(op)	X87(op, 0), X87(op, 1), X87(op, 2), X87(op, 3), X87(op, 4), X87(op, 5), X87(op, 6), X87(op, 7)
	X87S(0xd8), X87S(0xda), X87S(0xdc), X87S(0xde),
	X87(0xd9, 0), X87(0xd9, 2), X87(0xd9, 3), X87(0xd9, 5), X87(0xd9, 7),
	X87(0xdb, 0), X87(0xdb, 1), X87(0xdb, 2), X87(0xdb, 3), X87(0xdb, 5), X87(0xdb, 7),
	X87(0xdd, 0), X87(0xdd, 1), X87(0xdd, 2), X87(0xdd, 3), X87(0xdd, 7), X87S(0xdf),
#define MMX(op)		{ "mmx " #op, 3, { 0x0f, op, 0x07 }, 0x21 }
#define SSE(op)		{ "66 " #op, 4, { 0x66, 0x0f, op, 0x07 }, 0x31 }
#define SF3(op)		{ "f3 " #op, 4, { 0xf3, 0x0f, op, 0x07 }, 0x31 }
#define SF2(op)		{ "f2 " #op, 4, { 0xf2, 0x0f, op, 0x07 }, 0x31 }
#define BOTH(op)	MMX(op), SSE(op)
#define ALL(op)		MMX(op), SSE(op), SF3(op), SF2(op)
	ALL(0x51), ALL(0x58), ALL(0x59), ALL(0x5a), ALL(0x5c), ALL(0x5d), ALL(0x5e), ALL(0x5f), ALL(0x2a),
	{ "cvtsi2ss q", 5, { 0xf3, 0x48, 0x0f, 0x2a, 0x07 }, 0x41 }, { "cvtsi2sd q", 5, { 0xf2, 0x48, 0x0f, 0x2a, 0x07 }, 0x41 },
	{ "movq q", 4, { 0x48, 0x0f, 0x6e, 0x07 }, 0x31 }, { "movq store q", 4, { 0x48, 0x0f, 0x7e, 0x07 }, 0x31 },
	MMX(0x52), SF3(0x52), MMX(0x53), SF3(0x53), BOTH(0x5b), SF3(0x5b), BOTH(0x14), BOTH(0x15),
	BOTH(0x54), BOTH(0x55), BOTH(0x56), BOTH(0x57), SSE(0x7c), SF2(0x7c), SSE(0x7d), SF2(0x7d),
	SSE(0xd0), SF2(0xd0), SSE(0xe6), SF3(0xe6), SF2(0xe6), BOTH(0x60), BOTH(0x61), BOTH(0x62),
	BOTH(0x63), BOTH(0x64), BOTH(0x65), BOTH(0x66), BOTH(0x67), BOTH(0x68), BOTH(0x69), BOTH(0x6a),
	BOTH(0x6b), SSE(0x6c), SSE(0x6d), MMX(0x6e), MMX(0x6f), BOTH(0x74), BOTH(0x75), BOTH(0x76),
	MMX(0x7e), MMX(0x7f), MMX(0xe7), BOTH(0xd1), BOTH(0xd2), BOTH(0xd3), BOTH(0xd4), BOTH(0xd5),
	BOTH(0xd8), BOTH(0xd9), BOTH(0xda), BOTH(0xdb), BOTH(0xdc), BOTH(0xdd), BOTH(0xde), BOTH(0xdf),
	BOTH(0xe0), BOTH(0xe1), BOTH(0xe2), BOTH(0xe3), BOTH(0xe4), BOTH(0xe5), BOTH(0xe8), BOTH(0xe9),
	BOTH(0xea), BOTH(0xeb), BOTH(0xec), BOTH(0xed), BOTH(0xee), BOTH(0xef), BOTH(0xf1), BOTH(0xf2),
	BOTH(0xf3), BOTH(0xf4), BOTH(0xf5), BOTH(0xf6), BOTH(0xf8), BOTH(0xf9), BOTH(0xfa), BOTH(0xfb),
	BOTH(0xfc), BOTH(0xfd), BOTH(0xfe),
	/* RAX or RBX from RCX and memory */
#define BMI		1
#define ADX		2
#define PFAF		(FLAG_PF | FLAG_AF)
	{ "andn d", 5, { 0xc4, 0xe2, 0x70, 0xf2, 0x07 }, 0, BMI, PFAF }, { "andn q", 5, { 0xc4, 0xe2, 0xf0, 0xf2, 0x07 }, 0, BMI, PFAF },
	{ "blsr d", 5, { 0xc4, 0xe2, 0x70, 0xf3, 0x0f }, 0, BMI, PFAF }, { "blsr q", 5, { 0xc4, 0xe2, 0xf0, 0xf3, 0x0f }, 0, BMI, PFAF },
	{ "blsmsk d", 5, { 0xc4, 0xe2, 0x70, 0xf3, 0x17 }, 0, BMI, PFAF }, { "blsmsk q", 5, { 0xc4, 0xe2, 0xf0, 0xf3, 0x17 }, 0, BMI, PFAF },
	{ "blsi d", 5, { 0xc4, 0xe2, 0x70, 0xf3, 0x1f }, 0, BMI, PFAF }, { "blsi q", 5, { 0xc4, 0xe2, 0xf0, 0xf3, 0x1f }, 0, BMI, PFAF },
	{ "bzhi d", 5, { 0xc4, 0xe2, 0x70, 0xf5, 0x07 }, 0, BMI, PFAF }, { "bzhi q", 5, { 0xc4, 0xe2, 0xf0, 0xf5, 0x07 }, 0, BMI, PFAF },
	{ "bextr d", 5, { 0xc4, 0xe2, 0x70, 0xf7, 0x07 }, 0, BMI, PFAF | FLAG_SF },
	{ "bextr q", 5, { 0xc4, 0xe2, 0xf0, 0xf7, 0x07 }, 0, BMI, PFAF | FLAG_SF },
	{ "pext d", 5, { 0xc4, 0xe2, 0x72, 0xf5, 0x07 }, 0, BMI }, { "pext q", 5, { 0xc4, 0xe2, 0xf2, 0xf5, 0x07 }, 0, BMI },
	{ "pdep d", 5, { 0xc4, 0xe2, 0x73, 0xf5, 0x07 }, 0, BMI }, { "pdep q", 5, { 0xc4, 0xe2, 0xf3, 0xf5, 0x07 }, 0, BMI },
	{ "mulx d", 5, { 0xc4, 0xe2, 0x73, 0xf6, 0x07 }, 0, BMI }, { "mulx q", 5, { 0xc4, 0xe2, 0xf3, 0xf6, 0x07 }, 0, BMI },
	{ "mulx same", 5, { 0xc4, 0xe2, 0xf3, 0xf6, 0x0f }, 0, BMI },
	{ "shlx d", 5, { 0xc4, 0xe2, 0x71, 0xf7, 0x07 }, 0, BMI }, { "shlx q", 5, { 0xc4, 0xe2, 0xf1, 0xf7, 0x07 }, 0, BMI },
	{ "sarx d", 5, { 0xc4, 0xe2, 0x72, 0xf7, 0x07 }, 0, BMI }, { "sarx q", 5, { 0xc4, 0xe2, 0xf2, 0xf7, 0x07 }, 0, BMI },
	{ "shrx d", 5, { 0xc4, 0xe2, 0x73, 0xf7, 0x07 }, 0, BMI }, { "shrx q", 5, { 0xc4, 0xe2, 0xf3, 0xf7, 0x07 }, 0, BMI },
	{ "rorx d", 6, { 0xc4, 0xe3, 0x7b, 0xf0, 0x07, 0x27 }, 0, BMI }, { "rorx q", 6, { 0xc4, 0xe3, 0xfb, 0xf0, 0x07, 0x27 }, 0, BMI },
	{ "rorx 0", 6, { 0xc4, 0xe3, 0x7b, 0xf0, 0x07, 0x20 }, 0, BMI },
	{ "adcx d", 5, { 0x66, 0x0f, 0x38, 0xf6, 0x07 }, 0, ADX }, { "adcx q", 6, { 0x66, 0x48, 0x0f, 0x38, 0xf6, 0x07 }, 0, ADX },
	{ "adox d", 5, { 0xf3, 0x0f, 0x38, 0xf6, 0x07 }, 0, ADX }, { "adox q", 6, { 0xf3, 0x48, 0x0f, 0x38, 0xf6, 0x07 }, 0, ADX },
	{ CRC " b", 5, { 0xf2, 0x0f, 0x38, 0xf0, 0x07 } }, { CRC " w", 6, { 0x66, 0xf2, 0x0f, 0x38, 0xf1, 0x07 } },
	{ CRC " d", 5, { 0xf2, 0x0f, 0x38, 0xf1, 0x07 } }, { CRC " q", 6, { 0xf2, 0x48, 0x0f, 0x38, 0xf1, 0x07 } },
};

static u64 seed = 0x9e3779b97f4a7c15;

/* Numbers of all kinds: small integers, near one, extremes, any bits. */
static u64 rnd_word(void)
{
	static const u64 some[] = { 0, 1, 0x3ff0000000000000, 0x3f8000003f800000, 0x7ff0000000000000, 0x7f800000ff800000,
				    0x7ff0000000000001, 1ULL << 63, ~0ULL, 0x000000010000ffff, 0x0010000000000000, 0xc000000000000000 };
	u64 r = xorshift(&seed);

	return r & 1 ? some[(r >> 8) % ARRAY_SIZE(some)] : r & 2 ? 0x3fe0000000000000 + (r >> 12) : xorshift(&seed);
}

static void rnd_image(struct emu_fx *fx)
{
	unsigned int i;
	u64 r = xorshift(&seed);

	memset(fx, 0, sizeof(*fx));
	fx->fcw = 0x340 | (r & 0xc3f) | (r & 0x10000 ? 0x3f : 0);
	fx->fsw = (r >> 16) & 0x7f00 & ~0x8000;
	fx->ftw = (r >> 32) & 0xff;
	fx->mxcsr = r & 0x20000 ? 0x1f80 : ((r >> 40) & 0xe000) | 0x1f80;
	if ((r & 0x1c0000) == 0)
		fx->mxcsr &= ~(u32)(1 << (7 + (r >> 50) % 6)) | 0x800;
	for (i = 0; i < 8; i++) {
		fx->st[i][0] = rnd_word() | (r & 0x200000 ? 1ULL << 63 : 0);
		fx->st[i][1] = r & 0x400000 ? 0x3ffe + (rnd_word() & 3) : rnd_word() & 0xffff;
	}
	for (i = 0; i < 32; i++)
		fx->xmm[i / 2][i & 1] = rnd_word();
}

static sigjmp_buf trapped;
static u32 trap_mxcsr;

static void on_sigfpe(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)info;
	trap_mxcsr = ((ucontext_t *)context)->uc_mcontext.fpregs->mxcsr;
	siglongjmp(trapped, 1);
}

static u8 *stub;

static void stub_init(void)
{
	struct sigaction action = { .sa_sigaction = on_sigfpe, .sa_flags = SA_SIGINFO };

	stub = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT(stub != MAP_FAILED, "mmap");
	memcpy(stub, fx_stub, (size_t)(fx_end - fx_stub));
	sigaction(SIGFPE, &action, NULL);
}

static bool run_native(const u8 *insn, unsigned int n, void *memory, struct emu_fx *fx, struct gprs *gpr)
{
	u32 mxcsr = 0x1f80;
	u8 *patch = stub + (fx_patch - fx_stub);
	bool ok = false;

	memset(patch, 0x90, 12);
	memcpy(patch, insn, n);
	if (!sigsetjmp(trapped, 1)) {
		((void (*)(void *, void *, void *))stub)(memory, fx, gpr);
		ok = true;
	}
	asm volatile("fninit; ldmxcsr %0" : : "m" (mxcsr));
	return ok;
}

static void compare_images(const char *name, const struct emu_fx *want, const struct emu_fx *got)
{
	unsigned int i;

	if (want->fcw == got->fcw && want->fsw == got->fsw && want->ftw == got->ftw && want->mxcsr == got->mxcsr &&
	    !memcmp(want->st, got->st, sizeof(want->st)) && !memcmp(want->xmm, got->xmm, sizeof(want->xmm)))
		return;
	test_note("%s", name);
	CHECK_EQ("control word", want->fcw, got->fcw);
	CHECK_EQ("status word", want->fsw, got->fsw);
	CHECK_EQ("tags", want->ftw, got->ftw);
	CHECK_EQ("MXCSR", want->mxcsr, got->mxcsr);
	for (i = 0; i < 16; i++)
		CHECK_EQ("ST or MM", want->st[i / 2][i & 1], got->st[i / 2][i & 1]);
	for (i = 0; i < 32; i++)
		CHECK_EQ("XMM", want->xmm[i / 2][i & 1], got->xmm[i / 2][i & 1]);
}

static void one_round(const struct row *r, struct machine *m)
{
	static u64 memory[2] __attribute__((aligned(16)));
	struct gprs gpr = { rnd_word(), rnd_word(), rnd_word(), 2 | (xorshift(&seed) & FLAG_ARITH), rnd_word() };
	struct emu_fx fx __attribute__((aligned(16)));
	u8 insn[10];
	bool ok;
	int ret;

	memcpy(insn, r->insn, sizeof(insn));
	if (r->reg)
		insn[r->reg >> 4] |= (xorshift(&seed) & 7) << 3;
	rnd_image(&fx);
	memory[0] = rnd_word();
	memory[1] = rnd_word();
	/* a control word has reserved bits */
	if (insn[0] == 0xd9 && insn[1] == 0x2f)
		memory[0] &= 0xf3f;
	m->fx = fx;
	m->gpr[GPR_RAX] = gpr.rax;
	m->gpr[GPR_RBX] = gpr.rbx;
	m->gpr[GPR_RCX] = gpr.rcx;
	m->gpr[GPR_RDX] = gpr.rdx;
	m->gpr[GPR_RDI] = OPERAND;
	m->emu.rflags = gpr.flags;
	m->emu.rip = CODE;
	memcpy(m->ram + OPERAND, memory, 16);
	ret = machine_run(m, insn, r->n);
	ok = run_native(insn, r->n, memory, &fx, &gpr);
	if (!ok) {
		/* only SSE's come at once */
		CHECK_EQ("exception", EMU_FAULT, ret);
		CHECK_EQ("vector", 19, m->emu.fault.vector);
		CHECK_EQ("MXCSR", trap_mxcsr, m->fx.mxcsr);
		return;
	}
	if (ret != EMU_CONTINUE || m->emu.insn.length != r->n)
		FAIL("%s: result %d, vector %u, length %u", r->name, ret, m->emu.fault.vector, m->emu.insn.length);
	compare_images(r->name, &fx, &m->fx);
	if (memcmp(memory, m->ram + OPERAND, 16) || gpr.rax != m->gpr[GPR_RAX] || gpr.rcx != m->gpr[GPR_RCX] ||
	    ((gpr.flags ^ m->emu.rflags) & FLAG_ARITH & ~r->undefined)) {
		test_note("%s", r->name);
		CHECK_EQ("memory", memory[0], machine_peek(m, OPERAND, 8));
		CHECK_EQ("memory + 8", memory[1], machine_peek(m, OPERAND + 8, 8));
		CHECK_EQ("RAX", gpr.rax, m->gpr[GPR_RAX]);
		CHECK_EQ("RCX", gpr.rcx, m->gpr[GPR_RCX]);
		CHECK_EQ("flags", gpr.flags & FLAG_ARITH & ~r->undefined, m->emu.rflags & FLAG_ARITH & ~r->undefined);
	}
}

static bool has_feature(u32 need)
{
	unsigned int a, b = 0, c, d;

	__get_cpuid_count(7, 0, &a, &b, &c, &d);
	return need == BMI ? (b & bit_BMI) && (b & bit_BMI2) : need != ADX || (b & bit_ADX);
}

static void test_native(void)
{
	static struct machine m;
	unsigned int i, round;

	stub_init();
	machine_init(&m, EMU_MODE_LONG);
	m.cr[4] |= 0x400;
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		if (!has_feature(rows[i].need)) {
			test_note("%s: not on this CPU", rows[i].name);
			continue;
		}
		for (round = 0; round < ROUNDS && !test_has_failed(); round++)
			one_round(&rows[i], &m);
	}
}

#define L	EMU_MODE_LONG
#define P	EMU_MODE_PROT32
#define R	EMU_MODE_REAL
#define MP	2
#define EM	4
#define TS	8
#define ES	0x8083		/* a pending exception */
#define GP	(EMU_FAULT << 8 | 13)
#define UD	(EMU_FAULT << 8 | 6)
#define NM	(EMU_FAULT << 8 | 7)
#define MF	(EMU_FAULT << 8 | 16)
#define OK	(EMU_CONTINUE << 8)
#define FAILED	(EMU_FAILED << 8)

/* What must hold before memory is looked at: the operand is at 0x2008, so one of 16 bytes is out of its place. */
static const struct rule {
	const char *name;
	u8 mode;
	u32 cr0, cr4, xcr0;	/* CR4.OSFXSR is set if cr4 is 0 */
	u16 fsw;
	u8 n;
	u8 insn[8];
	int want;
	u32 mxcsr;		/* if not 0x1f80 */
} rules[] = {
	{ "x87", L, 0, 0, 0, 0, 2, { 0xd9, 0x07 }, OK },
	{ "x87, EM", L, EM, 0, 0, 0, 2, { 0xd9, 0x07 }, NM },
	{ "x87, TS", L, TS, 0, 0, 0, 2, { 0xd9, 0x07 }, NM },
	{ "x87, pending", L, 0, 0, 0, ES, 2, { 0xd9, 0x07 }, MF },
	{ "x87, no CR4.OSFXSR", L, 0, 1, 0, 0, 2, { 0xd9, 0x07 }, OK },
	{ "FLDCW, pending", L, 0, 0, 0, ES, 2, { 0xd9, 0x2f }, MF },
	{ "FNSTCW, pending", L, 0, 0, 0, ES, 2, { 0xd9, 0x3f }, OK },
	{ "FNSTCW, TS", L, TS, 0, 0, 0, 2, { 0xd9, 0x3f }, NM },
	{ "FNSTSW, pending", L, 0, 0, 0, ES, 2, { 0xdd, 0x3f }, OK },
	{ "FNSAVE, pending", L, 0, 0, 0, ES, 2, { 0xdd, 0x37 }, OK },
	{ "FRSTOR, pending", L, 0, 0, 0, ES, 2, { 0xdd, 0x27 }, MF },
	{ "FWAIT", L, 0, 0, 0, 0, 1, { 0x9b }, OK },
	{ "FWAIT, pending", L, 0, 0, 0, ES, 1, { 0x9b }, MF },
	{ "FWAIT, pending, EM", L, EM, 0, 0, ES, 1, { 0x9b }, MF },
	{ "FWAIT, pending, TS", L, TS, 0, 0, ES, 1, { 0x9b }, MF },
	{ "FWAIT, pending, TS and MP", L, TS | MP, 0, 0, ES, 1, { 0x9b }, NM },
	{ "FLDENV of 14 bytes", P, 0, 0, 0, 0, 3, { 0x66, 0xd9, 0x27 }, FAILED },
	{ "FNSTENV, real mode", R, 0, 0, 0, 0, 3, { 0x66, 0xd9, 0x35 }, FAILED },
	{ "D9 /1", L, 0, 0, 0, 0, 2, { 0xd9, 0x0f }, UD },
	{ "DB /4", L, 0, 0, 0, 0, 2, { 0xdb, 0x27 }, UD },
	{ "DD /5", L, 0, 0, 0, 0, 2, { 0xdd, 0x2f }, UD },
	{ "x87 with LOCK", L, 0, 0, 0, 0, 3, { 0xf0, 0xd9, 0x07 }, UD },
	{ "x87, registers", L, 0, 0, 0, 0, 2, { 0xd8, 0xc1 }, FAILED },
	{ "MMX", L, 0, 1, 0, 0, 3, { 0x0f, 0x6f, 0x07 }, OK },
	{ "MMX, EM", L, EM, 0, 0, 0, 3, { 0x0f, 0x6f, 0x07 }, UD },
	{ "MMX, TS", L, TS, 0, 0, 0, 3, { 0x0f, 0x6f, 0x07 }, NM },
	{ "MMX, EM and TS", L, EM | TS, 0, 0, 0, 3, { 0x0f, 0x6f, 0x07 }, UD },
	{ "MMX, pending", L, 0, 0, 0, ES, 3, { 0x0f, 0xfe, 0x07 }, MF },
	{ "SSE, unaligned", L, 0, 0, 0, 0, 3, { 0x0f, 0x58, 0x07 }, GP },
	{ "SSE, scalar, pending", L, 0, 0, 0, ES, 4, { 0xf3, 0x0f, 0x58, 0x07 }, OK },
	{ "SSE, EM", L, EM, 0, 0, 0, 3, { 0x0f, 0x58, 0x07 }, UD },
	{ "SSE, TS", L, TS, 0, 0, 0, 3, { 0x0f, 0x58, 0x07 }, NM },
	{ "SSE, no OSFXSR", L, 0, 1, 0, 0, 3, { 0x0f, 0x58, 0x07 }, UD },
	{ "SSE, underflow unmasked", L, 0, 0, 0, 0, 4, { 0xf3, 0x0f, 0x58, 0x07 }, FAILED, 0x1780 },
	{ "MOVSS, the same", L, 0, 0, 0, 0, 4, { 0xf3, 0x0f, 0x10, 0x07 }, OK, 0x1780 },
	{ "66 RSQRTPS", L, 0, 0, 0, 0, 4, { 0x66, 0x0f, 0x52, 0x07 }, FAILED },
	{ "PSHUFD", L, 0, 0, 0, 0, 5, { 0x66, 0x0f, 0x70, 0x07, 0 }, FAILED },
	{ "LDMXCSR", L, 0, 0, 0, 0, 3, { 0x0f, 0xae, 0x17 }, OK },
	{ "LDMXCSR, reserved bit", L, 0, 0, 0, 0, 4, { 0x0f, 0xae, 0x57, 8 }, GP },
	{ "LDMXCSR, TS", L, TS, 0, 0, 0, 3, { 0x0f, 0xae, 0x17 }, NM },
	{ "STMXCSR, no OSFXSR", L, 0, 1, 0, 0, 3, { 0x0f, 0xae, 0x1f }, UD },
	{ "FXSAVE, unaligned", L, 0, 0, 0, 0, 3, { 0x0f, 0xae, 0x07 }, GP },
	{ "FXSAVE, EM", L, EM, 0, 0, 0, 4, { 0x0f, 0xae, 0x47, 8 }, NM },
	{ "FXSAVE, pending", L, 0, 0, 0, ES, 4, { 0x0f, 0xae, 0x47, 8 }, OK },
	{ "FXRSTOR, MXCSR with a reserved bit", L, 0, 0, 0, 0, 4, { 0x0f, 0xae, 0x4f, 0xf8 }, GP },
	{ "XSAVE", L, 0, 0, 0, 0, 3, { 0x0f, 0xae, 0x27 }, FAILED },
	{ "CLWB", L, 0, 0, 0, 0, 4, { 0x66, 0x0f, 0xae, 0x37 }, OK },
	{ "MOVDIRI", L, 0, 0, 0, 0, 4, { 0x0f, 0x38, 0xf9, 0x07 }, OK },
	{ "VMOVUPS", L, 0, 0, 7, 0, 4, { 0xc5, 0xfc, 0x10, 0x07 }, OK },
	{ "VMOVUPS, EM", L, EM, 0, 7, 0, 4, { 0xc5, 0xfc, 0x10, 0x07 }, OK },
	{ "VMOVUPS, TS", L, TS, 0, 7, 0, 4, { 0xc5, 0xfc, 0x10, 0x07 }, NM },
	{ "VMOVUPS, no AVX", L, 0, 0, 3, 0, 4, { 0xc5, 0xfc, 0x10, 0x07 }, UD },
	{ "VMOVUPS, vvvv", L, 0, 0, 7, 0, 4, { 0xc5, 0xf4, 0x10, 0x07 }, UD },
	{ "VMOVQ ymm", L, 0, 0, 7, 0, 4, { 0xc5, 0xfe, 0x7e, 0x07 }, UD },
	{ "VMOVSS, registers", L, 0, 0, 7, 0, 4, { 0xc5, 0xf2, 0x10, 0xc1 }, FAILED },
	{ "VMOVAPS, unaligned", L, 0, 0, 7, 0, 4, { 0xc5, 0xfc, 0x28, 0x07 }, GP },
	{ "VMOVAPS ymm, aligned to 16", L, 0, 0, 7, 0, 5, { 0xc5, 0xfc, 0x28, 0x47, 8 }, GP },
	{ "VMOVAPS xmm, aligned to 16", L, 0, 0, 7, 0, 5, { 0xc5, 0xf8, 0x28, 0x47, 8 }, OK },
	{ "VADDPS", L, 0, 0, 7, 0, 4, { 0xc5, 0xfc, 0x58, 0x07 }, FAILED },
	{ "ANDN, no AVX", L, 0, 0, 0, 0, 5, { 0xc4, 0xe2, 0x70, 0xf2, 0x07 }, OK },
	{ "ANDN, L", L, 0, 0, 0, 0, 5, { 0xc4, 0xe2, 0x74, 0xf2, 0x07 }, UD },
	{ "RORX, vvvv", L, 0, 0, 0, 0, 6, { 0xc4, 0xe3, 0x73, 0xf0, 0x07, 1 }, UD },
};

static void test_rules(void)
{
	struct machine m;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rules); i++) {
		const struct rule *r = &rules[i];
		int ret;

		machine_init(&m, r->mode);
		m.cr[0] |= r->cr0;
		m.cr[4] = r->cr4 ? 0 : 0x600;
		m.cr[EMU_XCR0] = r->xcr0;
		m.fx.fcw = r->fsw ? 0x37b : 0x37f;
		m.fx.fsw = r->fsw;
		m.fx.mxcsr = r->mxcsr ? r->mxcsr : 0x1f80;
		m.gpr[GPR_RDI] = 0x2008;
		m.gpr[GPR_RBX] = 0x2000;
		machine_poke(&m, 0x2010, ~0ULL, 8);
		machine_poke(&m, 0x2018, ~0ULL, 8);
		ret = machine_run(&m, r->insn, r->n);
		CHECK_EQ(r->name, r->want, ret << 8 | (ret == EMU_FAULT ? m.emu.fault.vector : 0));
		if (ret && m.nr_fx_sets)
			FAIL("%s: registers changed", r->name);
	}
}

/* On a device that user space answers, and on a page that faults: one access, and registers change once, at its end, or never. */
static const struct restart {
	const char *name;
	u8 n;
	u8 insn[6];
	u32 size;
	bool is_write;
	u32 efer;
} restarts[] = {
	{ "fld", 2, { 0xdd, 0x07 }, 8, false },
	{ "fstp", 2, { 0xdd, 0x1f }, 8, true },
	{ "fstp m80", 2, { 0xdb, 0x3f }, 10, true },
	{ "fnsave", 2, { 0xdd, 0x37 }, 108, true },
	{ "movq", 3, { 0x0f, 0x7f, 0x07 }, 8, true },
	{ "addsd", 4, { 0xf2, 0x0f, 0x58, 0x07 }, 8, false },
	{ "fxsave", 3, { 0x0f, 0xae, 0x07 }, 416, true },
	{ "fxsave, EFER.FFXSR", 3, { 0x0f, 0xae, 0x07 }, 160, true, 0x4000 },
	{ "vmovdqu", 4, { 0xc5, 0xfe, 0x6f, 0x07 }, 32, false },
	{ "vmovdqu store", 4, { 0xc5, 0xfe, 0x7f, 0x07 }, 32, true },
};

static void test_restart(void)
{
	struct machine m;
	unsigned int i, place;

	for (i = 0; i < ARRAY_SIZE(restarts); i++) {
		const struct restart *r = &restarts[i];

		for (place = 0; place < 2; place++) {
			struct emu_fx before;

			machine_init(&m, L);
			m.cr[4] = 0x600;
			m.cr[EMU_XCR0] = 7;
			asm volatile("fninit; fld1; fxsave64 %0; fninit" : "=m" (m.fx));
			before = m.fx;
			m.cr[EMU_EFER] = r->efer;
			m.gpr[GPR_RDI] = place ? FAULT_PAGE : DEVICE;
			test_note("%s, %s", r->name, place ? "fault" : "device");
			CHECK_EQ("first run", place ? EMU_FAULT : EMU_IO, machine_step(&m, r->insn, r->n));
			CHECK_EQ("registers changed", 0, !!memcmp(&before, &m.fx, sizeof(before)) || m.nr_fx_sets);
			CHECK_EQ("RIP", CODE, m.emu.rip);
			if (place)
				continue;
			m.answered = true;
			CHECK_EQ("second run", EMU_CONTINUE, emu_execute(&m.emu));
			CHECK_EQ("accesses", 1, m.nr_asked);
			CHECK_EQ("size", r->size, m.asked[0].size);
			CHECK_EQ("is a write", r->is_write, m.asked[0].is_write);
			CHECK_EQ("RIP", CODE + r->n, m.emu.rip);
		}
	}
}

/* The pointers to instruction and operand are the guest's. */
static void test_pointers(void)
{
	struct machine m;
	bool has_fip;

	machine_init(&m, L);
	asm volatile("fninit; fxsave64 %0" : "=m" (m.fx));
	m.gpr[GPR_RDI] = OPERAND;
	CHECK_EQ("fld", EMU_CONTINUE, RUN(&m, 0xdd, 0x47, 0x08));
	/* some CPUs store them only with an exception pending, and some FDP alone */
	has_fip = m.fx.fip;
	CHECK_EQ("FIP", has_fip ? CODE : 0, m.fx.fip);
	CHECK_EQ("FDP", m.fx.fdp ? OPERAND + 8 : 0, m.fx.fdp);
	m.emu.rip = CODE;
	CHECK_EQ("fnstenv", EMU_CONTINUE, RUN(&m, 0xd9, 0x37));
	CHECK_EQ("  its FIP", has_fip ? CODE : 0, machine_peek(&m, OPERAND + 12, 4));
	CHECK_EQ("  its FDP", m.fx.fdp, machine_peek(&m, OPERAND + 20, 4));
	CHECK_EQ("FIP is kept", has_fip ? CODE : 0, m.fx.fip);
}

static const struct test_case cases[] = {
	{ "same_as_cpu", test_native },
	{ "rules", test_rules },
	{ "restart", test_restart },
	{ "pointers", test_pointers },
};

TEST_MAIN(cases)
