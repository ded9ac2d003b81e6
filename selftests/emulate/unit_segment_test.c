// SPDX-License-Identifier: GPL-2.0-only
/*
 * Segment registers and far transfers: descriptor checks with their vectors and
 * error codes, accessed and busy bits, real-mode vectors and IRET.
 */
#include "test.h"
#include "unit_machine.h"

#define R EMU_MODE_REAL
#define P EMU_MODE_PROT32
#define L EMU_MODE_LONG

/* Attributes, low byte: P 80, DPL 60, S 10, type. */
static void setup(struct machine *m, enum emu_mode mode)
{
	machine_init(m, mode);
	machine_descriptor(m, 1, 0, 0xfffff, 0xc09a);		/* 08 code */
	machine_descriptor(m, 2, 0x5000, 0x0fff, 0x4092);	/* 10 data, small */
	machine_descriptor(m, 3, 0, 0xfffff, 0xc0fa);		/* 18 code, DPL 3 */
	machine_descriptor(m, 4, 0, 0xfffff, 0xc0f2);		/* 20 data, DPL 3 */
	machine_descriptor(m, 5, 0, 0xfffff, 0xc012);		/* 28 data, not present */
	machine_descriptor(m, 6, 0, 0xfffff, 0xc090);		/* 30 data, read-only */
	machine_descriptor(m, 7, 0, 0xfffff, 0xc098);		/* 38 code, execute-only */
	machine_descriptor(m, 8, 0x6000, 0x67, 0x0089);		/* 40 TSS */
	machine_descriptor(m, 9, 0, 0, 0);			/* 48 its upper half in long mode */
	machine_descriptor(m, 10, 0x6800, 0xff, 0x0082);	/* 50 LDT */
	machine_descriptor(m, 11, 0, 0, 0);
	machine_descriptor(m, 12, 0, 0xfffff, 0xa09a);		/* 60 64-bit code */
	machine_descriptor(m, 13, 0, 0xfffff, 0xc09e);		/* 68 conforming code */
	machine_descriptor(m, 14, 0x8, 0, 0x008c);		/* 70 call gate */
	machine_descriptor(m, 15, 0x3000, 0x0fff, 0x4096);	/* 78 expand-down */
}

struct load_row {
	const char *name;
	enum emu_mode mode;
	u8 cpl;
	u8 opcode_reg;	/* 8E /reg: 0 ES, 2 SS, 3 DS */
	u16 selector;
	u8 vector;	/* 0: loads */
	u16 error;
};

static const struct load_row load_rows[] = {
	{ "ds = data", P, 0, 3, 0x10, 0, 0 }, { "es = null", P, 3, 0, 0x03, 0, 0 },
	{ "ss = null", P, 0, 2, 0x00, 13, 0 }, { "ss = null, long, ring 0", L, 0, 2, 0, 0, 0 },
	{ "ss = null, long, ring 3", L, 3, 2, 3, 13, 0 }, { "ss = data", P, 0, 2, 0x10, 0, 0 },
	{ "ss, wrong rpl", P, 0, 2, 0x13, 13, 0x10 }, { "ss, read-only", P, 0, 2, 0x30, 13, 0x30 },
	{ "ss, not present", P, 0, 2, 0x28, 12, 0x28 }, { "ds, not present", P, 0, 3, 0x28, 11, 0x28 },
	{ "ds = execute-only", P, 0, 3, 0x38, 13, 0x38 }, { "ds = readable code", P, 0, 3, 0x08, 0, 0 },
	{ "ds, dpl 0 from ring 3", P, 3, 3, 0x10, 13, 0x10 }, { "ds, dpl 3", P, 3, 3, 0x23, 0, 0 },
	{ "ds, conforming from ring 3", P, 3, 3, 0x6b, 0, 0 },
	{ "ds = TSS", P, 0, 3, 0x40, 13, 0x40 }, { "beyond the GDT", P, 0, 3, 0x100, 13, 0x100 },
	{ "no LDT", P, 0, 3, 0x14, 13, 0x14 },
};

/* The GDT is the supervisor's, as guests have it. */
static void test_load(void)
{
	static struct machine m;
	unsigned int i;
	int ret;

	for (i = 0; i < ARRAY_SIZE(load_rows); i++) {
		const struct load_row *r = &load_rows[i];

		setup(&m, r->mode);
		m.emu.cpl = r->cpl;
		m.supervisor = m.table[EMU_GDTR].base;
		m.gpr[GPR_RAX] = r->selector;
		ret = RUN(&m, 0x8e, 0xc0 | r->opcode_reg << 3);
		CHECK_EQ(r->name, r->vector ? EMU_FAULT : EMU_CONTINUE, ret);
		if (ret == EMU_FAULT) {
			CHECK_EQ(r->name, r->vector, m.emu.fault.vector);
			CHECK_EQ(r->name, r->error, m.emu.fault.error);
			CHECK_EQ(r->name, 8 * (r->opcode_reg + 1), m.seg[r->opcode_reg].selector);
			continue;
		}
		CHECK_EQ(r->name, r->selector, m.seg[r->opcode_reg].selector);
		if (!(r->selector & ~3)) {
			CHECK_EQ(r->name, SEG_UNUSABLE,
				 m.seg[r->opcode_reg].ar & SEG_UNUSABLE);
			continue;
		}
		CHECK_EQ(r->name, 1, m.ram[0x9000 + (r->selector & ~7) + 5] & 1);	/* accessed */
		CHECK_EQ(r->name, 1, m.seg[r->opcode_reg].ar & 1);
	}
}

static void test_hidden_part(void)
{
	static struct machine m;

	setup(&m, P);
	m.gpr[GPR_RAX] = 0x10;
	CHECK_EQ("mov ds", EMU_CONTINUE, RUN(&m, 0x8e, 0xd8));
	CHECK_EQ("base", 0x5000, m.seg[SEG_DS].base);
	CHECK_EQ("limit", 0xfff, m.seg[SEG_DS].limit);
	CHECK_EQ("attr", 0x4093, m.seg[SEG_DS].ar);
	m.gpr[GPR_RBX] = 0xffc;
	CHECK_EQ("last dword", EMU_CONTINUE, RUN(&m, 0x8b, 0x03));
	m.gpr[GPR_RBX] = 0xffd;
	CHECK_EQ("beyond", EMU_FAULT, RUN(&m, 0x8b, 0x03));
	CHECK_EQ("vector", 13, m.emu.fault.vector);
	m.gpr[GPR_RAX] = 0x78;
	CHECK_EQ("expand-down", EMU_CONTINUE, RUN(&m, 0x8e, 0xd8));
	CHECK_EQ("below", EMU_FAULT, RUN(&m, 0x8b, 0x03));
	m.gpr[GPR_RBX] = 0x1000;
	CHECK_EQ("above", EMU_CONTINUE, RUN(&m, 0x8b, 0x03));
	m.gpr[GPR_RAX] = 0;
	CHECK_EQ("null", EMU_CONTINUE, RUN(&m, 0x8e, 0xd8));
	CHECK_EQ("use of null", EMU_FAULT, RUN(&m, 0x8b, 0x03));
}

static void test_system_segments(void)
{
	static struct machine m;
	enum emu_mode modes[] = { P, L };
	unsigned int i;

	for (i = 0; i < 2; i++) {
		setup(&m, modes[i]);
		m.gpr[GPR_RAX] = 0x50;
		CHECK_EQ("lldt", EMU_CONTINUE, RUN(&m, 0x0f, 0x00, 0xd0));
		CHECK_EQ("base", 0x6800, m.seg[SEG_LDTR].base);
		m.gpr[GPR_RAX] = 0x40;
		CHECK_EQ("lldt of a TSS", EMU_FAULT, RUN(&m, 0x0f, 0x00, 0xd0));
		CHECK_EQ("error", 0x40, m.emu.fault.error);
		CHECK_EQ("ltr", EMU_CONTINUE, RUN(&m, 0x0f, 0x00, 0xd8));
		CHECK_EQ("busy in the table", 0x8b, m.ram[0x9000 + 0x45]);
		CHECK_EQ("busy in TR", 0x8b, m.seg[SEG_TR].ar);
		CHECK_EQ("ltr again", EMU_FAULT, RUN(&m, 0x0f, 0x00, 0xd8));
		m.gpr[GPR_RAX] = 0;
		CHECK_EQ("ltr null", EMU_FAULT, RUN(&m, 0x0f, 0x00, 0xd8));
		CHECK_EQ("lldt null", EMU_CONTINUE, RUN(&m, 0x0f, 0x00, 0xd0));
		CHECK_EQ("unusable", SEG_UNUSABLE, m.seg[SEG_LDTR].ar);
	}
}

/* What lies behind an LDT's or TSS's descriptor belongs to it in 64-bit mode alone (SDM, APM, "LLDT", "LTR"). */
static void test_descriptor_width(void)
{
	static const struct { const char *name; enum emu_mode mode; u64 base; } t[] = {
		{ "protected", P, 0x6800 }, { "compatibility", EMU_MODE_COMPAT32, 0x6800 }, { "64-bit", L, 0x123400006800 },
	};
	static struct machine m;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		setup(&m, t[i].mode);
		machine_poke(&m, 0x9058, 0x1234, 8);
		m.gpr[GPR_RAX] = 0x50;
		CHECK_EQ(t[i].name, EMU_CONTINUE, RUN(&m, 0x0f, 0x00, 0xd0));
		CHECK_EQ("  base", t[i].base, m.seg[SEG_LDTR].base);
		machine_descriptor(&m, 8, 0x6800, 0x67, 0x0089);
		machine_poke(&m, 0x9048, 0x1234, 8);
		m.gpr[GPR_RAX] = 0x40;
		CHECK_EQ(t[i].name, EMU_CONTINUE, RUN(&m, 0x0f, 0x00, 0xd8));
		CHECK_EQ("  base", t[i].base, m.seg[SEG_TR].base);
	}
}

static void test_far(void)
{
	static struct machine m;

	setup(&m, P);
	CHECK_EQ("jmp 8:2000", EMU_CONTINUE, RUN(&m, 0xea, 0, 0x20, 0, 0, 8, 0));
	CHECK_EQ("eip", 0x2000, m.emu.rip);
	CHECK_EQ("cs", 8, m.seg[SEG_CS].selector);
	CHECK_EQ("jmp to dpl 3", EMU_FAULT, RUN(&m, 0xea, 0, 0x20, 0, 0, 0x18, 0));
	CHECK_EQ("error", 0x18, m.emu.fault.error);
	CHECK_EQ("jmp to data", EMU_FAULT, RUN(&m, 0xea, 0, 0x20, 0, 0, 0x10, 0));
	CHECK_EQ("jmp to null", EMU_FAULT, RUN(&m, 0xea, 0, 0x20, 0, 0, 0, 0));
	CHECK_EQ("jmp to a gate", EMU_FAILED, RUN(&m, 0xea, 0, 0x20, 0, 0, 0x70, 0));
	CHECK_EQ("call 8:3000", EMU_CONTINUE, RUN(&m, 0x9a, 0, 0x30, 0, 0, 8, 0));
	CHECK_EQ("return eip", 0x2007, machine_peek(&m, m.gpr[GPR_RSP], 4));
	CHECK_EQ("return cs", 8, machine_peek(&m, m.gpr[GPR_RSP] + 4, 4));
	CHECK_EQ("retf", EMU_CONTINUE, RUN(&m, 0xcb));
	CHECK_EQ("eip", 0x2007, m.emu.rip);
	CHECK_EQ("esp", STACK, m.gpr[GPR_RSP]);
	machine_poke(&m, STACK, 0x2345, 4);
	machine_poke(&m, STACK + 4, 8, 4);
	machine_poke(&m, STACK + 8, 0xed7, 4);
	CHECK_EQ("iret", EMU_CONTINUE, RUN(&m, 0xcf));
	CHECK_EQ("eip", 0x2345, m.emu.rip);
	CHECK_EQ("eflags", 0xed7, m.emu.rflags);
	m.gpr[GPR_RSP] = STACK;
	machine_poke(&m, STACK + 4, 0x1b, 4);
	CHECK_EQ("iret to ring 3", EMU_FAILED, RUN(&m, 0xcf));
	CHECK_EQ("eip", 0x2345, m.emu.rip);
}

static void test_long_far(void)
{
	static struct machine m;

	setup(&m, L);
	m.gpr[GPR_RBX] = 0x2000;
	machine_poke(&m, 0x2000, 0x0000006000001234ULL, 8);
	CHECK_EQ("jmp far [rbx]", EMU_CONTINUE, RUN(&m, 0xff, 0x2b));
	CHECK_EQ("rip", 0x1234, m.emu.rip);
	CHECK_EQ("cs", 0x60, m.seg[SEG_CS].selector);
	CHECK_EQ("attr", 0xa09b, m.seg[SEG_CS].ar);
	CHECK_EQ("iretq", EMU_FAILED, RUN(&m, 0x48, 0xcf));
	/* two things wrong: L and D both set is #GP, and comes before not present (SDM, "JMP", "CALL") */
	machine_descriptor(&m, 12, 0, 0xfffff, 0xe01a);
	CHECK_EQ("jmp far, L and D, not present", EMU_FAULT, RUN(&m, 0xff, 0x2b));
	CHECK_EQ("vector", 13, m.emu.fault.vector);
	CHECK_EQ("error", 0x60, m.emu.fault.error);
}

static void test_real(void)
{
	static struct machine m;

	setup(&m, R);
	machine_poke(&m, 0x21 * 4, 0x12340100, 4);
	m.emu.rflags = 2 | FLAG_IF | FLAG_CF;
	CHECK_EQ("int 21", EMU_CONTINUE, RUN(&m, 0xcd, 0x21));
	CHECK_EQ("ip", 0x100, m.emu.rip);
	CHECK_EQ("cs", 0x1234, m.seg[SEG_CS].selector);
	CHECK_EQ("cs base", 0x12340, m.seg[SEG_CS].base);
	CHECK_EQ("flags", 2 | FLAG_CF, m.emu.rflags);
	CHECK_EQ("sp", STACK - 6, m.gpr[GPR_RSP]);
	CHECK_EQ("pushed ip", CODE + 2, machine_peek(&m, STACK - 6, 2));
	CHECK_EQ("pushed flags", 2 | FLAG_IF | FLAG_CF, machine_peek(&m, STACK - 2, 2));
	CHECK_EQ("iret", EMU_CONTINUE, RUN(&m, 0xcf));
	CHECK_EQ("ip", CODE + 2, m.emu.rip);
	CHECK_EQ("sp", STACK, m.gpr[GPR_RSP]);
	CHECK_EQ("flags", 2 | FLAG_IF | FLAG_CF, m.emu.rflags);
	CHECK_EQ("from outside", EMU_CONTINUE, emu_real_interrupt(&m.emu, 0x21, 0x4444));
	CHECK_EQ("ip", 0x100, m.emu.rip);
	CHECK_EQ("pushed ip", 0x4444, machine_peek(&m, STACK - 6, 2));
	m.table[EMU_IDTR].limit = 0x20;
	CHECK_EQ("beyond the table", EMU_FAULT, emu_real_interrupt(&m.emu, 0x21, 0));
	m.seg[SEG_SS].limit = 0x10;
	m.table[EMU_IDTR].limit = 0x3ff;
	CHECK_EQ("no stack", EMU_FAULT, emu_real_interrupt(&m.emu, 0x21, 0));
	CHECK_EQ("vector", 12, m.emu.fault.vector);
}

/*
 * Of two things wrong with a CALL or an interrupt the stack comes before the offset (SDM, "CALL", "INT n/INTO/INT3/INT1"; APM, "CALL (Far)"); of page
 * faults, which come at the pushes, on AMD's CPUs alone. Nothing is stored.
 */
static void test_call_order(void)
{
	static const struct {
		const char *name;
		enum emu_mode mode;
		u8 bytes[8], size;
		bool intel;
		u32 sp, limit;		/* of the stack */
		u8 vector;
	} t[] = {
		{ "call, no room", P, { 0x9a, 0, 0x20, 0, 0, 0x80, 0 }, 7, true, 4, 0xffff, 12 },
		{ "call, room for one of two", P, { 0x9a, 0, 0x20, 0, 0, 0x80, 0 }, 7, true, 6, 0xffff, 12 },
		{ "call, room", P, { 0x9a, 0, 0x20, 0, 0, 0x80, 0 }, 7, true, STACK, 0xffff, 13 },
		{ "call, page fault on Intel's", P, { 0x9a, 0, 0x20, 0, 0, 0x80, 0 }, 7, true, FAULT_PAGE + 0x100, ~0u, 13 },
		{ "call, page fault on AMD's", P, { 0x9a, 0, 0x20, 0, 0, 0x80, 0 }, 7, false, FAULT_PAGE + 0x100, ~0u, 14 },
		{ "call, real mode, no room", R, { 0x9a, 0, 0x20, 0, 0x12 }, 5, true, 3, 0xffff, 12 },
		{ "call, real mode, room", R, { 0x9a, 0, 0x20, 0, 0x12 }, 5, true, STACK, 0xffff, 13 },
		{ "int, real mode, no room", R, { 0xcd, 0x21 }, 2, true, 3, 0xffff, 12 },
		{ "int, real mode, room", R, { 0xcd, 0x21 }, 2, true, STACK, 0xffff, 13 },
		{ "jmp", P, { 0xea, 0, 0x20, 0, 0, 0x80, 0 }, 7, true, 4, 0xffff, 13 },
	};
	static struct machine m;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		setup(&m, t[i].mode);
		m.emu.intel = t[i].intel;
		machine_descriptor(&m, 16, 0, 0x0fff, 0x409a);	/* 80 code, small */
		machine_poke(&m, 0x21 * 4, 0x12342000, 4);
		m.seg[SEG_CS].limit = 0x1fff;
		m.seg[SEG_SS].limit = t[i].limit;
		m.gpr[GPR_RSP] = t[i].sp;
		CHECK_EQ(t[i].name, EMU_FAULT, machine_run(&m, t[i].bytes, t[i].size));
		CHECK_EQ("  vector", t[i].vector, m.emu.fault.vector);
		CHECK_EQ("  sp", t[i].sp, m.gpr[GPR_RSP]);
		CHECK_EQ("  stored", 0, machine_peek(&m, STACK - 8, 8) | machine_peek(&m, 0, 8));
	}
}

/* Which instructions are followed by the trap of TF. */
static void test_single_step(void)
{
	static const struct {
		const char *name;
		u8 bytes[3];
		u8 size;
		u32 before, popped;
		bool wanted;
	} t[] = {
		{ "nop", { 0x90 }, 1, FLAG_TF, 0, true },
		{ "nop, without TF", { 0x90 }, 1, 0, 0, false },
		{ "mov ss, ax", { 0x8e, 0xd0 }, 2, FLAG_TF, 0, false },
		{ "pop ss", { 0x17 }, 1, FLAG_TF, 0, false },
		{ "mov ds, ax", { 0x8e, 0xd8 }, 2, FLAG_TF, 0, true },
		{ "sti", { 0xfb }, 1, FLAG_TF, 0, true },
		{ "int 21", { 0xcd, 0x21 }, 2, FLAG_TF, 0, false },
		{ "int3", { 0xcc }, 1, FLAG_TF, 0, false },
		{ "int1", { 0xf1 }, 1, FLAG_TF, 0, false },
		{ "into, taken", { 0xce }, 1, FLAG_TF | FLAG_OF, 0, false },
		{ "into, not taken", { 0xce }, 1, FLAG_TF, 0, true },
		{ "popf that clears TF", { 0x9d }, 1, FLAG_TF, 0, true },
		{ "popf that sets TF", { 0x9d }, 1, 0, FLAG_TF, false },
		{ "iret that sets TF", { 0xcf }, 1, 0, FLAG_TF, false },
	};
	static struct machine m;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		bool is_iret = t[i].bytes[0] == 0xcf;

		setup(&m, R);
		machine_poke(&m, STACK, is_iret ? 0x2000 : 2 | t[i].popped, 2);
		machine_poke(&m, STACK + 2, 0, 2);
		machine_poke(&m, STACK + 4, 2 | t[i].popped, 2);
		m.emu.rflags = 2 | t[i].before;
		CHECK_EQ(t[i].name, EMU_CONTINUE, machine_run(&m, t[i].bytes, t[i].size));
		CHECK_EQ("  traps", t[i].wanted, emu_single_step(&m.emu, 2 | t[i].before));
	}
}

/* RF is in what IRETD pops, whose next instruction then meets no breakpoint; all other instructions end it (SDM, "IRET", "Instruction-Breakpoint"). */
static void test_resume(void)
{
	static const struct {
		const char *name;
		enum emu_mode mode;
		u8 bytes[2];
		u8 size;		/* of what is popped */
		u32 before, popped, after;
	} t[] = {
		{ "real, iretd with RF", R, { 0x66, 0xcf }, 4, 0, FLAG_RF, FLAG_RF },
		{ "real, iretd without", R, { 0x66, 0xcf }, 4, FLAG_RF, 0, 0 },
		{ "real, iret", R, { 0x90, 0xcf }, 2, FLAG_RF, 0, 0 },
		{ "protected, iretd with RF", P, { 0x90, 0xcf }, 4, 0, FLAG_RF, FLAG_RF },
		{ "protected, iret", P, { 0x66, 0xcf }, 2, FLAG_RF, 0, 0 },
		{ "real, popfd with RF", R, { 0x66, 0x9d }, 4, 0, FLAG_RF, 0 },
	};
	static struct machine m;
	unsigned int i, skip;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		bool is_popf = t[i].bytes[1] == 0x9d;

		setup(&m, t[i].mode);
		skip = t[i].bytes[0] == 0x90;
		machine_poke(&m, STACK, is_popf ? 2 | t[i].popped : 0x2000, t[i].size);
		machine_poke(&m, STACK + t[i].size, 8, t[i].size);
		machine_poke(&m, STACK + 2 * t[i].size, 2 | t[i].popped, t[i].size);
		m.emu.rflags = 2 | t[i].before;
		CHECK_EQ(t[i].name, EMU_CONTINUE, machine_run(&m, t[i].bytes + skip, 2 - skip));
		CHECK_EQ("  eflags", 2 | t[i].after, m.emu.rflags);
	}
}

/* VIF and VIP, which IRETD brings along at CPL 0 of protected mode and nowhere else (SDM, "IRET/IRETD/IRETQ"). */
static void test_virtual_flags(void)
{
	static const struct {
		const char *name;
		enum emu_mode mode;
		u8 cpl, bytes[2], n, size;
		u32 before, popped, after;
	} t[] = {
		{ "iretd, ring 0", P, 0, { 0xcf }, 1, 4, 0, FLAG_VIF | FLAG_VIP, FLAG_VIF | FLAG_VIP },
		{ "iretd, ring 0, clears", P, 0, { 0xcf }, 1, 4, FLAG_VIF | FLAG_VIP, 0, 0 },
		{ "iret, ring 0", P, 0, { 0x66, 0xcf }, 2, 2, FLAG_VIF | FLAG_VIP, 0, FLAG_VIF | FLAG_VIP },
		{ "iretd, ring 3", P, 3, { 0xcf }, 1, 4, FLAG_VIP, FLAG_VIF, FLAG_VIP },
		{ "iretd, real mode", R, 0, { 0x66, 0xcf }, 2, 4, FLAG_VIP, FLAG_VIF, FLAG_VIP },
		{ "popfd, ring 0", P, 0, { 0x9d }, 1, 4, FLAG_VIP, FLAG_VIF, FLAG_VIP },
	};
	static struct machine m;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		bool is_popf = t[i].bytes[0] == 0x9d;

		setup(&m, t[i].mode);
		m.emu.cpl = t[i].cpl;
		m.emu.rflags |= t[i].before;
		machine_poke(&m, STACK, is_popf ? 2 | t[i].popped : 0x2000, t[i].size);
		machine_poke(&m, STACK + t[i].size, t[i].cpl ? 0x1b : 8, t[i].size);
		machine_poke(&m, STACK + 2 * t[i].size, 2 | t[i].popped, t[i].size);
		CHECK_EQ(t[i].name, EMU_CONTINUE, machine_run(&m, t[i].bytes, t[i].n));
		CHECK_EQ("  eflags", 2 | t[i].after, m.emu.rflags);
	}
}

#define IOPL	0x3000u
#define CR4_VME	1u

/*
 * IRET and INT n in virtual-8086 mode with CR4.VME (SDM, "Class 2—Maskable Hardware Interrupt Handling in Virtual-8086 Mode Using the Virtual Interrupt
 * Mechanism", "Class 3—Software Interrupt Handling in Virtual-8086 Mode"). The redirection bit map is at the TSS's end.
 */
static void test_vm86(void)
{
	static const struct {
		const char *name;
		u32 cr4;
		u8 bytes[2], n, bitmap;	/* bits of the vectors 20 to 27 */
		u32 before, popped;
		u16 result;		/* 0x100: #GP(0), 0x200: the protected mode's */
		u32 after, pushed;
	} t[] = {
		{ "iret, no VME", 0, { 0xcf }, 1, 0, 0, FLAG_IF, 0x100, 0, 0 },
		{ "iret, IOPL 3", 0, { 0xcf }, 1, 0, IOPL, FLAG_IF, 0, IOPL | FLAG_IF, 0 },
		{ "iret sets VIF", CR4_VME, { 0xcf }, 1, 0, 0, FLAG_IF | IOPL | FLAG_CF, 0, FLAG_VIF | FLAG_CF, 0 },
		{ "iret clears VIF", CR4_VME, { 0xcf }, 1, 0, FLAG_VIF | FLAG_IF, 0, 0, FLAG_IF, 0 },
		{ "iret, VIP", CR4_VME, { 0xcf }, 1, 0, FLAG_VIP, FLAG_IF, 0x100, FLAG_VIP, 0 },
		{ "iret, VIP, IF clear", CR4_VME, { 0xcf }, 1, 0, FLAG_VIP, 0, 0, FLAG_VIP, 0 },
		{ "iret, TF", CR4_VME, { 0xcf }, 1, 0, 0, FLAG_TF, 0x100, 0, 0 },
		{ "iretd", CR4_VME, { 0x66, 0xcf }, 2, 0, 0, 0, 0x100, 0, 0 },
		{ "int, method 1", 0, { 0xcd, 0x21 }, 2, 0, IOPL, 0, 0x200, IOPL, 0 },
		{ "int, method 2", 0, { 0xcd, 0x21 }, 2, 0, 0, 0, 0x100, 0, 0 },
		{ "int, method 3", CR4_VME, { 0xcd, 0x21 }, 2, 0xff, FLAG_VIF, 0, 0x100, FLAG_VIF, 0 },
		{ "int, method 4", CR4_VME, { 0xcd, 0x21 }, 2, 0x02, IOPL, 0, 0x200, IOPL, 0 },
		{ "int, method 5", CR4_VME, { 0xcd, 0x21 }, 2, 0xfd, IOPL | FLAG_IF | FLAG_TF, 0, 0, IOPL, 2 | IOPL | FLAG_IF | FLAG_TF },
		{ "int, method 6", CR4_VME, { 0xcd, 0x21 }, 2, 0xfd, FLAG_VIF | FLAG_TF, 0, 0, 0, 2 | IOPL | FLAG_IF | FLAG_TF },
		{ "int, method 6, VIF clear", CR4_VME, { 0xcd, 0x21 }, 2, 0xfd, FLAG_IF, 0, 0, FLAG_IF, 2 | IOPL },
	};
	static struct machine m;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		setup(&m, EMU_MODE_VM86);
		m.cr[4] = t[i].cr4;
		m.emu.rflags |= t[i].before;
		m.seg[SEG_TR] = (struct segment){ 0x6000, 0x68 + 32 - 1, 0x8b, 0x40 };
		machine_poke(&m, 0x6066, 0x68 + 32, 2);
		machine_poke(&m, 0x6068 + 4, t[i].bitmap, 1);
		machine_poke(&m, 0x21 * 4, 0x02340100, 4);
		machine_poke(&m, STACK, 0x2000 | 0x0234ull << 16 | (u64)(2 | t[i].popped) << 32, 6);
		test_note("%s", t[i].name);
		CHECK_EQ("  result", t[i].result ? EMU_FAULT : EMU_CONTINUE, machine_run(&m, t[i].bytes, t[i].n));
		CHECK_EQ("  flags", 2 | t[i].after, m.emu.rflags);
		if (t[i].result) {
			CHECK_EQ("  vector", t[i].result == 0x100 ? 13 : 0x21, m.emu.fault.vector);
			continue;
		}
		CHECK_EQ("  cs", 0x2340, m.seg[SEG_CS].base);
		CHECK_EQ("  ip", t[i].pushed ? 0x100 : 0x2000, m.emu.rip);
		CHECK_EQ("  sp", t[i].pushed ? STACK - 6 : STACK + 6, m.gpr[GPR_RSP]);
		if (t[i].pushed)
			CHECK_EQ("  pushed", t[i].pushed, machine_peek(&m, STACK - 2, 2));
	}
}

/* Real mode keeps the limit that protected mode has left behind. */
static void test_big_real(void)
{
	static struct machine m;

	setup(&m, R);
	m.seg[SEG_DS].limit = 0xffffffff;
	m.gpr[GPR_RBX] = DEVICE;
	CHECK_EQ("mov eax, [ebx]", EMU_CONTINUE, RUN(&m, 0x66, 0x67, 0x8b, 0x03));
	CHECK_EQ("asked", 1, m.nr_asked);
	m.gpr[GPR_RAX] = 0;
	CHECK_EQ("mov ds, ax", EMU_CONTINUE, RUN(&m, 0x8e, 0xd8));
	CHECK_EQ("limit", 0xffffffff, m.seg[SEG_DS].limit);
	machine_poke(&m, 0x2000, 0x9999000055554444ULL, 8);
	m.gpr[GPR_RBX] = 0x2000;
	CHECK_EQ("les ax, [bx]", EMU_CONTINUE, RUN(&m, 0xc4, 0x07));
	CHECK_EQ("ax", 0x4444, m.gpr[GPR_RAX]);
	CHECK_EQ("es", 0x55550, m.seg[SEG_ES].base);
}

static void test_probes(void)
{
	static const struct { const char *name; u8 op, modrm; u16 sel; bool zf; u32 eax; } rows[] = {
		{ "lar", 0x02, 0xc1, 0x10, true, 0x00409200 }, { "lsl", 0x03, 0xc1, 0x10, true, 0xfff },
		{ "lsl, granular", 0x03, 0xc1, 0x08, true, 0xffffffff },
		{ "lar of a gate", 0x02, 0xc1, 0x70, true, 0x00008c00 },
		{ "lsl of a gate", 0x03, 0xc1, 0x70, false, 7 }, { "lar null", 0x02, 0xc1, 0, false, 7 },
		{ "lar beyond", 0x02, 0xc1, 0x100, false, 7 },
		{ "verr data", 0x00, 0xe1, 0x10, true, 7 }, { "verw data", 0x00, 0xe9, 0x10, true, 7 },
		{ "verw read-only", 0x00, 0xe9, 0x30, false, 7 },
		{ "verr execute-only", 0x00, 0xe1, 0x38, false, 7 },
		{ "verr, rpl 3", 0x00, 0xe1, 0x13, false, 7 },
	};
	static struct machine m;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		setup(&m, P);
		m.gpr[GPR_RCX] = rows[i].sel;
		m.gpr[GPR_RAX] = 7;
		CHECK_EQ(rows[i].name, EMU_CONTINUE, RUN(&m, 0x0f, rows[i].op, rows[i].modrm));
		CHECK_EQ(rows[i].name, rows[i].zf, !!(m.emu.rflags & FLAG_ZF));
		CHECK_EQ(rows[i].name, rows[i].eax, m.gpr[GPR_RAX]);
	}
}

/* A line of code that may only be executed can be flushed (SDM, "CLFLUSH", "CLFLUSHOPT", "CLWB"), but not read, nor behind its limit. */
static void test_flush_of_code(void)
{
	static struct machine m;

	machine_init(&m, EMU_MODE_PROT32);
	m.gpr[GPR_RBX] = 0x2000;
	m.seg[SEG_CS].ar &= (u16)~2;
	CHECK_EQ("clflush", EMU_CONTINUE, RUN(&m, 0x2e, 0x0f, 0xae, 0x3b));
	CHECK_EQ("clflushopt", EMU_CONTINUE, RUN(&m, 0x2e, 0x66, 0x0f, 0xae, 0x3b));
	CHECK_EQ("clwb", EMU_CONTINUE, RUN(&m, 0x2e, 0x66, 0x0f, 0xae, 0x33));
	CHECK_EQ("read", EMU_FAULT, RUN(&m, 0x2e, 0x8a, 0x03));
	CHECK_EQ("vector", 13, m.emu.fault.vector);
	m.seg[SEG_CS].limit = 0x1fff;
	CHECK_EQ("behind the limit", EMU_FAULT, RUN(&m, 0x2e, 0x0f, 0xae, 0x3b));
	CHECK_EQ("vector", 13, m.emu.fault.vector);
}

/* SDM, "ARPL": #GP(0) if the destination is in a segment that is not writable, whether or not there is something to adjust. */
static void test_arpl(void)
{
	static const struct { const char *name; u64 at, ar, selector; enum emu_result result; u8 vector, error, now; } rows[] = {
		{ "adjusts", 0x2000, 3, 3, EMU_CONTINUE, 0, 0, 0xb }, { "has nothing to adjust", 0x2000, 3, 0, EMU_CONTINUE, 0, 0, 8 },
		{ "read-only segment", 0x2000, 1, 3, EMU_FAULT, 13, 0, 8 },
		{ "read-only segment, nothing to adjust", 0x2000, 1, 0, EMU_FAULT, 13, 0, 8 },
		{ "read-only page", READ_ONLY_PAGE, 3, 3, EMU_FAULT, 14, 2, 8 },
		{ "read-only page, nothing to adjust", READ_ONLY_PAGE, 3, 0, EMU_FAULT, 14, 2, 8 },
	};
	static struct machine m;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		machine_init(&m, EMU_MODE_PROT32);
		m.seg[SEG_DS].ar = (u16)((m.seg[SEG_DS].ar & ~15) | rows[i].ar);
		m.gpr[GPR_RBX] = rows[i].at;
		m.gpr[GPR_RAX] = rows[i].selector;
		*(u16 *)(m.ram + (rows[i].at == READ_ONLY_PAGE ? 0 : rows[i].at)) = 8;
		m.emu.rflags = 2;
		CHECK_EQ(rows[i].name, rows[i].result, RUN(&m, 0x63, 0x03));
		if (rows[i].result == EMU_FAULT) {
			CHECK_EQ("vector", rows[i].vector, m.emu.fault.vector);
			CHECK_EQ("error code", rows[i].error, m.emu.fault.error);
		} else {
			CHECK_EQ("ZF", rows[i].now == 8 ? 0 : FLAG_ZF, m.emu.rflags & FLAG_ZF);
		}
		CHECK_EQ("selector", rows[i].now, *(u16 *)(m.ram + (rows[i].at == READ_ONLY_PAGE ? 0 : rows[i].at)));
	}
}

static const struct test_case cases[] = {
	{ "load", test_load },
	{ "hidden_part", test_hidden_part },
	{ "system_segments", test_system_segments },
	{ "descriptor_width", test_descriptor_width },
	{ "far", test_far },
	{ "long_far", test_long_far },
	{ "real", test_real },
	{ "call_order", test_call_order },
	{ "single_step", test_single_step },
	{ "resume", test_resume },
	{ "virtual_flags", test_virtual_flags },
	{ "vm86", test_vm86 },
	{ "big_real", test_big_real },
	{ "probes", test_probes },
	{ "flush_of_code", test_flush_of_code },
	{ "arpl", test_arpl },
};

TEST_MAIN(cases)
