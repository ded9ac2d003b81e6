// SPDX-License-Identifier: GPL-2.0-only
/*
 * Instructions that the emulator hands to its owner, and system and segment instructions that user mode cannot compare with the
 * CPU: who gets them at which level and in which mode, and what real mode makes of segment loads.
 */
#include "test.h"
#include "unit_machine.h"

#define R EMU_MODE_REAL
#define V EMU_MODE_VM86
#define P EMU_MODE_PROT32
#define L EMU_MODE_LONG
#define UD 6
#define GP 13

struct row {
	const char *name;
	enum emu_mode mode;
	u8 cpl;
	u8 bytes[6];
	u8 result;	/* of emu_result */
	u8 vector;	/* of EMU_FAULT */
};

#define OWNED(name, mode, cpl, ...)	{ name, mode, cpl, { __VA_ARGS__ }, EMU_OWNER, 0 }
#define FAULTS(name, mode, cpl, vector, ...) { name, mode, cpl, { __VA_ARGS__ }, EMU_FAULT, vector }
/* Everywhere in protected mode the owner's, whatever the level; #UD in real mode. */
#define PROTECTED(name, ...) \
	OWNED(name, L, 0, __VA_ARGS__), OWNED(name ", CPL 3", P, 3, __VA_ARGS__), FAULTS(name ", real", R, 0, UD, __VA_ARGS__)
#define ANYWHERE(name, ...) \
	OWNED(name, L, 0, __VA_ARGS__), OWNED(name ", CPL 3", L, 3, __VA_ARGS__), OWNED(name ", real", R, 0, __VA_ARGS__)
#define PRIVILEGED(name, ...) \
	OWNED(name, L, 0, __VA_ARGS__), FAULTS(name ", CPL 3", L, 3, GP, __VA_ARGS__), OWNED(name ", real", R, 0, __VA_ARGS__)

static const struct row rows[] = {
	ANYWHERE("cpuid", 0x0f, 0xa2), ANYWHERE("rdtsc", 0x0f, 0x31), ANYWHERE("rdtscp", 0x0f, 0x01, 0xf9),
	ANYWHERE("rdpmc", 0x0f, 0x33), ANYWHERE("vmcall", 0x0f, 0x01, 0xc1), ANYWHERE("vmmcall", 0x0f, 0x01, 0xd9),
	ANYWHERE("monitor", 0x0f, 0x01, 0xc8), ANYWHERE("mwait", 0x0f, 0x01, 0xc9), ANYWHERE("rsm", 0x0f, 0xaa),
	ANYWHERE("xgetbv", 0x0f, 0x01, 0xd0), ANYWHERE("xsetbv", 0x0f, 0x01, 0xd1), ANYWHERE("vmfunc", 0x0f, 0x01, 0xd4),
	ANYWHERE("rdrand", 0x0f, 0xc7, 0xf0), ANYWHERE("rdrand word", 0x66, 0x0f, 0xc7, 0xf1),
	ANYWHERE("rdseed", 0x0f, 0xc7, 0xf8), ANYWHERE("rdseed word", 0x66, 0x0f, 0xc7, 0xf9),
	ANYWHERE("rdpid", 0xf3, 0x0f, 0xc7, 0xf8), ANYWHERE("pause", 0xf3, 0x90),
	ANYWHERE("syscall of AMD", 0x0f, 0x05),
	PRIVILEGED("hlt", 0xf4), PRIVILEGED("rdmsr", 0x0f, 0x32), PRIVILEGED("wrmsr", 0x0f, 0x30),
	PRIVILEGED("invd", 0x0f, 0x08), PRIVILEGED("wbinvd", 0x0f, 0x09),
	PRIVILEGED("invpcid", 0x66, 0x0f, 0x38, 0x82, 0x03),
	PROTECTED("vmlaunch", 0x0f, 0x01, 0xc2), PROTECTED("vmresume", 0x0f, 0x01, 0xc3),
	PROTECTED("vmxoff", 0x0f, 0x01, 0xc4), PROTECTED("vmread", 0x0f, 0x78, 0xc8),
	PROTECTED("vmwrite", 0x0f, 0x79, 0xc8), PROTECTED("vmptrld", 0x0f, 0xc7, 0x33),
	PROTECTED("vmclear", 0x66, 0x0f, 0xc7, 0x33), PROTECTED("vmxon", 0xf3, 0x0f, 0xc7, 0x33),
	PROTECTED("vmptrst", 0x0f, 0xc7, 0x3b), PROTECTED("invept", 0x66, 0x0f, 0x38, 0x80, 0x03),
	PROTECTED("invvpid", 0x66, 0x0f, 0x38, 0x81, 0x03),
	/* #UD without EFER.SVME comes before #GP: the owner's to say */
	PROTECTED("vmrun", 0x0f, 0x01, 0xd8), PROTECTED("vmload", 0x0f, 0x01, 0xda), PROTECTED("vmsave", 0x0f, 0x01, 0xdb),
	PROTECTED("stgi", 0x0f, 0x01, 0xdc), PROTECTED("clgi", 0x0f, 0x01, 0xdd), PROTECTED("skinit", 0x0f, 0x01, 0xde),
	PROTECTED("invlpga", 0x0f, 0x01, 0xdf),
	/* SDM, "SYSENTER", "SYSEXIT": virtual-8086 mode may enter, real mode may neither */
	OWNED("sysenter", P, 0, 0x0f, 0x34), OWNED("sysenter, CPL 3", P, 3, 0x0f, 0x34), OWNED("sysenter, virtual-8086", V, 3, 0x0f, 0x34),
	OWNED("sysexit", P, 0, 0x0f, 0x35), FAULTS("sysexit, CPL 3", P, 3, GP, 0x0f, 0x35),
	FAULTS("sysexit, virtual-8086", V, 3, GP, 0x0f, 0x35),
	FAULTS("sysenter, real", R, 0, GP, 0x0f, 0x34), FAULTS("sysexit, real", R, 0, GP, 0x0f, 0x35),
	/* APM, "SYSENTER", "SYSEXIT": in legacy mode only; "SYSRET": in protected mode only */
	FAULTS("sysenter of AMD, long", L, 3, UD, 0x0f, 0x34), FAULTS("sysenter of AMD, compatibility", EMU_MODE_COMPAT32, 3, UD, 0x0f, 0x34),
	FAULTS("sysexit of AMD, long", L, 0, UD, 0x0f, 0x35), FAULTS("sysexit of AMD, compatibility", EMU_MODE_COMPAT16, 3, UD, 0x0f, 0x35),
	OWNED("sysret of AMD", L, 0, 0x0f, 0x07), FAULTS("sysret of AMD, CPL 3", L, 3, GP, 0x0f, 0x07),
	FAULTS("sysret of AMD, virtual-8086", V, 3, GP, 0x0f, 0x07), FAULTS("sysret of AMD, real", R, 0, GP, 0x0f, 0x07),
	OWNED("swapgs", L, 0, 0x0f, 0x01, 0xf8), FAULTS("swapgs, CPL 3", L, 3, GP, 0x0f, 0x01, 0xf8),
	FAULTS("swapgs, 32-bit", P, 0, UD, 0x0f, 0x01, 0xf8),
	FAULTS("clac, CPL 3", L, 3, UD, 0x0f, 0x01, 0xca), FAULTS("stac, CPL 3", P, 3, UD, 0x0f, 0x01, 0xcb),
	FAULTS("mov from cr1, CPL 3", L, 3, UD, 0x0f, 0x20, 0xc8), FAULTS("mov to cr5, CPL 3", L, 3, UD, 0x0f, 0x22, 0xe8),
	FAULTS("mov from cr0, CPL 3", L, 3, GP, 0x0f, 0x20, 0xc0), FAULTS("mov to dr8", L, 3, UD, 0x44, 0x0f, 0x23, 0xc0),
	FAULTS("rdfsbase without CR4.FSGSBASE", L, 0, UD, 0xf3, 0x0f, 0xae, 0xc0),
};

static void test_rows(void)
{
	static struct machine m;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *r = &rows[i];
		int ret;

		machine_init(&m, r->mode);
		m.emu.cpl = r->cpl;
		m.gpr[GPR_RBX] = 0x2000;
		ret = machine_run(&m, r->bytes, sizeof(r->bytes));
		CHECK_EQ(r->name, r->result, ret);
		CHECK_EQ(r->name, CODE, m.emu.rip);
		if (ret == EMU_FAULT)
			CHECK_EQ(r->name, r->vector, m.emu.fault.vector);
	}
}

/* SYSCALL and SYSRET are Intel's in 64-bit mode only, SYSENTER and SYSEXIT also there. */
static void test_intel(void)
{
	static const enum emu_mode modes[] = { R, P, EMU_MODE_COMPAT32 };
	static struct machine m;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(modes); i++) {
		machine_init(&m, modes[i]);
		m.emu.intel = true;
		CHECK_EQ("syscall", EMU_FAULT, RUN(&m, 0x0f, 0x05));
		CHECK_EQ("syscall", UD, m.emu.fault.vector);
		CHECK_EQ("sysret", EMU_FAULT, RUN(&m, 0x0f, 0x07));
		CHECK_EQ("sysret", UD, m.emu.fault.vector);
	}
	for (i = EMU_MODE_COMPAT16; i <= EMU_MODE_LONG; i++) {
		machine_init(&m, i);
		m.emu.intel = true;
		CHECK_EQ("sysenter", EMU_OWNER, RUN(&m, 0x0f, 0x34));
		CHECK_EQ("sysexit", EMU_OWNER, RUN(&m, 0x0f, 0x35));
	}
}

/* What real mode makes of each load of a segment register: base is 16 times the selector. */
static const struct load {
	const char *name;
	u8 n;
	u8 bytes[4];
	u8 seg;
	u16 wanted;		/* selector */
	s16 sp;			/* moved by */
	u16 ax;			/* afterwards */
} loads[] = {
	{ "pop es", 1, { 0x07 }, SEG_ES, 0x1111, 2, 0x55 }, { "pop ss", 1, { 0x17 }, SEG_SS, 0x1111, 2, 0x55 },
	{ "pop ds", 1, { 0x1f }, SEG_DS, 0x1111, 2, 0x55 }, { "pop fs", 2, { 0x0f, 0xa1 }, SEG_FS, 0x1111, 2, 0x55 },
	{ "pop gs", 2, { 0x0f, 0xa9 }, SEG_GS, 0x1111, 2, 0x55 },
	{ "les ax, [bx]", 2, { 0xc4, 0x07 }, SEG_ES, 0x4444, 0, 0x3333 },
	{ "lds ax, [bx]", 2, { 0xc5, 0x07 }, SEG_DS, 0x4444, 0, 0x3333 },
	{ "lss ax, [bx]", 3, { 0x0f, 0xb2, 0x07 }, SEG_SS, 0x4444, 0, 0x3333 },
	{ "lfs ax, [bx]", 3, { 0x0f, 0xb4, 0x07 }, SEG_FS, 0x4444, 0, 0x3333 },
	{ "lgs ax, [bx]", 3, { 0x0f, 0xb5, 0x07 }, SEG_GS, 0x4444, 0, 0x3333 },
	{ "call far [bx]", 2, { 0xff, 0x1f }, SEG_CS, 0x4444, -4, 0x55 },
	{ "jmp far [bx]", 2, { 0xff, 0x2f }, SEG_CS, 0x4444, 0, 0x55 },
	{ "retf 8", 3, { 0xca, 8, 0 }, SEG_CS, 0x2222, 12, 0x55 },
	{ "retf", 1, { 0xcb }, SEG_CS, 0x2222, 4, 0x55 },
};

static void test_loads(void)
{
	static struct machine m;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(loads); i++) {
		const struct load *l = &loads[i];

		machine_init(&m, R);
		m.gpr[GPR_RAX] = 0x55;
		m.gpr[GPR_RBX] = 0x2000;
		machine_poke(&m, 0x2000, 0x44443333, 4);
		machine_poke(&m, STACK, 0x22221111, 4);
		CHECK_EQ(l->name, EMU_CONTINUE, machine_run(&m, l->bytes, l->n));
		CHECK_EQ(l->name, l->wanted, m.seg[l->seg].selector);
		CHECK_EQ(l->name, l->wanted * 16, m.seg[l->seg].base);
		CHECK_EQ(l->name, STACK + l->sp, m.gpr[GPR_RSP]);
		CHECK_EQ(l->name, l->ax, m.gpr[GPR_RAX]);
		if (l->seg == SEG_CS)
			CHECK_EQ(l->name, l->bytes[0] == 0xff ? 0x3333 : 0x1111, m.emu.rip);
	}
}

/* Stores of system registers, and the bases of FS and GS. */
static void test_stores(void)
{
	static struct machine m;

	machine_init(&m, L);
	m.gpr[GPR_RBX] = 0x2000;
	m.table[EMU_IDTR] = (struct desc_table){ 0x123456789abc, 0x321 };
	CHECK_EQ("sidt", EMU_CONTINUE, RUN(&m, 0x0f, 0x01, 0x0b));
	CHECK_EQ("sidt limit", 0x321, machine_peek(&m, 0x2000, 2));
	CHECK_EQ("sidt base", 0x123456789abc, machine_peek(&m, 0x2002, 8));
	CHECK_EQ("str", EMU_CONTINUE, RUN(&m, 0x0f, 0x00, 0xc8));
	CHECK_EQ("str", 0x40, m.gpr[GPR_RAX]);
	CHECK_EQ("smsw", EMU_CONTINUE, RUN(&m, 0x0f, 0x01, 0xe0));
	CHECK_EQ("smsw", m.cr[0], m.gpr[GPR_RAX]);
	CHECK_EQ("smsw word", EMU_CONTINUE, RUN(&m, 0x0f, 0x01, 0x23));
	CHECK_EQ("smsw word", (u16)m.cr[0], machine_peek(&m, 0x2000, 2));
	m.cr[4] |= 1 << 16;
	m.gpr[GPR_RAX] = 0x7fff12345678;
	CHECK_EQ("wrgsbase", EMU_CONTINUE, RUN(&m, 0xf3, 0x48, 0x0f, 0xae, 0xd8));
	CHECK_EQ("wrgsbase", 0x7fff12345678, m.seg[SEG_GS].base);
	CHECK_EQ("rdgsbase", EMU_CONTINUE, RUN(&m, 0xf3, 0x48, 0x0f, 0xae, 0xcb));
	CHECK_EQ("rdgsbase", 0x7fff12345678, m.gpr[GPR_RBX]);
	CHECK_EQ("rdfsbase", EMU_CONTINUE, RUN(&m, 0xf3, 0x0f, 0xae, 0xc0));
	CHECK_EQ("rdfsbase", 0, m.gpr[GPR_RAX]);
	m.gpr[GPR_RAX] = 1ULL << 47;
	CHECK_EQ("wrfsbase", EMU_FAULT, RUN(&m, 0xf3, 0x48, 0x0f, 0xae, 0xd0));
	CHECK_EQ("wrfsbase", GP, m.emu.fault.vector);
}

/* What boot code finds an FPU by. */
static void test_x87(void)
{
	static struct machine m;

	machine_init(&m, R);
	m.fx.fcw = 0x40;
	m.fx.fsw = 0xb8ff;
	m.fx.ftw = 0xff;
	m.gpr[GPR_RAX] = 0x55555555;
	CHECK_EQ("fnstsw ax", EMU_CONTINUE, RUN(&m, 0xdf, 0xe0));
	CHECK_EQ("fnstsw ax", 0x5555b8ff, m.gpr[GPR_RAX]);
	CHECK_EQ("fnclex", EMU_CONTINUE, RUN(&m, 0xdb, 0xe2));
	CHECK_EQ("fnclex", 0x3800, m.fx.fsw);
	CHECK_EQ("fninit", EMU_CONTINUE, RUN(&m, 0xdb, 0xe3));
	CHECK_EQ("fninit, control", 0x37f, m.fx.fcw);
	CHECK_EQ("fninit, status", 0, m.fx.fsw);
	CHECK_EQ("fninit, tags", 0, m.fx.ftw);
	m.cr[0] |= 8;
	CHECK_EQ("fninit, CR0.TS", EMU_FAULT, RUN(&m, 0xdb, 0xe3));
	CHECK_EQ("fninit, CR0.TS", 7, m.emu.fault.vector);
	m.cr[0] ^= 8 | 4;
	CHECK_EQ("fnstsw ax, CR0.EM", EMU_FAULT, RUN(&m, 0xdf, 0xe0));
	CHECK_EQ("fnstsw ax, CR0.EM", 7, m.emu.fault.vector);
}

static const struct test_case cases[] = {
	{ "rows", test_rows },
	{ "intel", test_intel },
	{ "loads", test_loads },
	{ "stores", test_stores },
	{ "x87", test_x87 },
};

TEST_MAIN(cases)
