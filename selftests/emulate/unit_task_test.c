// SPDX-License-Identifier: GPL-2.0-only
/*
 * Task switches: 16- and 32-bit TSSs both ways by CALL, JMP, IRET and an event, and each
 * check of the SDM's table broken alone, with its vector, its error code and the task it
 * belongs to.
 */
#include "test.h"
#include "unit_machine.h"

#define GDT		0x9000
#define OLD		0x4000
#define NEW		0x6000
#define LDT		0x7000
#define NEW_ESP		0x7800
#define NEW_EIP		0x2222
#define NEW_CR3		0xc000
#define OLD_CR3		0xd000
#define FLAG_NT		0x4000
#define FLAG_VM		0x20000

#define SEL_CODE	0x08
#define SEL_DATA	0x10
#define SEL_CODE3	0x1b
#define SEL_DATA3	0x23
#define SEL_ABSENT	0x28
#define SEL_READ_ONLY	0x30
#define SEL_EXEC_ONLY	0x38
#define SEL_OLD		0x40
#define SEL_NEW		0x48
#define SEL_LDT		0x50
#define SEL_GATE	0x58
#define SEL_CONFORMING	0x60
#define SEL_CODE_ABSENT	0x68
#define SEL_LDT_ABSENT	0x70
#define SEL_SHORT	0x78
#define SEL_CONFORMING3	0x80
#define SEL_SMALL	0x88
#define SEL_CODE16	0x90
#define SEL_BEYOND	0x200
#define DESC(sel)	(GDT + ((sel) & ~7))
#define ACCESS(sel)	(DESC(sel) + 5)		/* P, DPL, S, type */
#define LIMIT(sel)	DESC(sel)

/* 32-bit TSS */
enum {
	T_LINK = 0, T_CR3 = 0x1c, T_EIP = 0x20, T_EFLAGS = 0x24, T_EAX = 0x28, T_ESP = 0x38,
	T_ES = 0x48, T_CS = 0x4c, T_SS = 0x50, T_DS = 0x54, T_FS = 0x58, T_GS = 0x5c,
	T_LDT = 0x60, T_TRAP = 0x64,
};

static void put_gdt(struct machine *m, bool from_16, bool to_16, bool is_return)
{
	u16 busy = is_return ? 2 : 0;

	m->table[EMU_GDTR].limit = 0xff;
	machine_descriptor(m, 1, 0, 0xfffff, 0xc09a);
	machine_descriptor(m, 2, 0, 0xfffff, 0xc092);
	machine_descriptor(m, 3, 0, 0xfffff, 0xc0fa);
	machine_descriptor(m, 4, 0, 0xfffff, 0xc0f2);
	machine_descriptor(m, 5, 0, 0xfffff, 0xc012);
	machine_descriptor(m, 6, 0, 0xfffff, 0xc090);
	machine_descriptor(m, 7, 0, 0xfffff, 0xc098);
	machine_descriptor(m, 8, OLD, from_16 ? 0x2b : 0x67, from_16 ? 0x83 : 0x8b);
	machine_descriptor(m, 9, NEW, to_16 ? 0x2b : 0x67, (to_16 ? 0x81 : 0x89) | busy);
	machine_descriptor(m, 10, LDT, 0xff, 0x82);
	machine_descriptor(m, 11, SEL_NEW, 0, 0x85);
	machine_descriptor(m, 12, 0, 0xfffff, 0xc09e);
	machine_descriptor(m, 13, 0, 0xfffff, 0xc01a);
	machine_descriptor(m, 14, LDT, 0xff, 0x02);
	machine_descriptor(m, 15, 0, NEW_EIP - 1, 0x409a);
	machine_descriptor(m, 16, 0, 0xfffff, 0xc0fe);
	machine_descriptor(m, 17, 0, NEW_ESP - 3, 0x4092);
	machine_descriptor(m, 18, 0, 0xffff, 0x009a);
	memcpy(m->ram + LDT, m->ram + GDT, 0x100);	/* the same, with TI set */
}

static void put_tss32(struct machine *m)
{
	static const struct { u8 at; u32 val; } fields[] = {
		{ T_CR3, NEW_CR3 }, { T_EIP, NEW_EIP }, { T_EFLAGS, 2 | FLAG_CF | FLAG_RF }, { T_ESP, NEW_ESP },
		{ T_ES, SEL_DATA }, { T_CS, SEL_CODE }, { T_SS, SEL_DATA }, { T_DS, SEL_DATA },
		{ T_FS, SEL_DATA }, { T_GS, 0 }, { T_LDT, SEL_LDT },
	};
	unsigned int i;

	for (i = 0; i < 8; i++)
		machine_poke(m, NEW + T_EAX + 4 * i, 0xab000000 + i, 4);
	for (i = 0; i < ARRAY_SIZE(fields); i++)
		machine_poke(m, NEW + fields[i].at, fields[i].val, 4);
}

static void put_tss16(struct machine *m)
{
	static const u16 words[] = {
		NEW_EIP, 2 | FLAG_CF, 0xab00, 0xab01, 0xab02, 0xab03, NEW_ESP, 0xab05, 0xab06, 0xab07,
		SEL_DATA, SEL_CODE16, SEL_DATA, SEL_DATA, SEL_LDT,
	};

	memcpy(m->ram + NEW + 0x0e, words, sizeof(words));
}

static void setup(struct machine *m, bool from_16, bool to_16, bool is_return)
{
	unsigned int i;

	machine_init(m, EMU_MODE_PROT32);
	put_gdt(m, from_16, to_16, is_return);
	if (to_16)
		put_tss16(m);
	else
		put_tss32(m);
	m->seg[SEG_TR] = (struct segment){
		OLD, from_16 ? 0x2b : 0x67, from_16 ? 0x83 : 0x8b, SEL_OLD,
	};
	m->seg[SEG_LDTR] = (struct segment){ LDT, 0xff, 0x82, 0xf8 };
	m->cr[3] = OLD_CR3;
	for (i = 0; i < 6; i++)
		m->seg[i].selector = SEL_DATA;
	m->seg[SEG_CS].selector = SEL_CODE;
	for (i = 0; i < 8; i++)
		m->gpr[i] = 0xcd000000 + i;
	m->gpr[GPR_RSP] = STACK;
	m->emu.rflags = 2 | FLAG_ZF | FLAG_RF | (is_return ? FLAG_NT : 0);
	machine_poke(m, OLD, SEL_NEW, 2);
	machine_poke(m, NEW, 0xdead, 2);
}

/* CALL, JMP and IRET go through the decoder, an event does not. */
static int run_switch(struct machine *m, enum emu_task_source source, u16 selector)
{
	struct emu_task_event event = {
		.return_rip = CODE + 0x77, .external = true, .has_error = true, .error = 0x1234,
	};
	u8 lo = (u8)selector, hi = selector >> 8;

	switch (source) {
	case EMU_TASK_CALL:
		return RUN(m, 0x9a, 0, 0, 0, 0, lo, hi);
	case EMU_TASK_JMP:
		return RUN(m, 0xea, 0, 0, 0, 0, lo, hi);
	case EMU_TASK_IRET:
		return RUN(m, 0xcf);
	default:
		return emu_task_event(&m->emu, selector, &event);
	}
}

static const char *const source_name[] = { "call", "iret", "jmp", "event" };
static const u16 saved_eip[] = { CODE + 7, CODE + 1, CODE + 7, CODE + 0x77 };

static void check_saved(const struct machine *m, bool is_16, enum emu_task_source source)
{
	unsigned int width = is_16 ? 2 : 4, at = is_16 ? 0x0e : 0x20, i;
	u64 mask = is_16 ? 0xffff : 0xffffffff, flags = 2 | FLAG_ZF;

	if (source == EMU_TASK_EVENT)
		flags |= FLAG_RF;
	CHECK_EQ("saved EIP", saved_eip[source], machine_peek(m, OLD + at, width));
	CHECK_EQ("saved EFLAGS", flags & mask, machine_peek(m, OLD + at + width, width));
	for (i = 0; i < 8; i++)
		CHECK_EQ("saved register", (i == GPR_RSP ? STACK : 0xcd000000 + i) & mask,
			 machine_peek(m, OLD + at + (2 + i) * width, width));
	for (i = 0; i < (is_16 ? 4 : 6); i++)
		CHECK_EQ("saved selector", i == SEG_CS ? SEL_CODE : SEL_DATA,
			 machine_peek(m, OLD + at + (10 + i) * width, width));
}

static void check_loaded(struct machine *m, bool is_16, enum emu_task_source source)
{
	u32 esp = source == EMU_TASK_EVENT ? NEW_ESP - (is_16 ? 2 : 4) : NEW_ESP;
	bool is_nested = source == EMU_TASK_CALL || source == EMU_TASK_EVENT;
	unsigned int i;

	CHECK_EQ("EIP", NEW_EIP, m->emu.rip);
	CHECK_EQ("EFLAGS", 2 | FLAG_CF | (is_16 ? 0 : FLAG_RF) | (is_nested ? FLAG_NT : 0), m->emu.rflags);
	for (i = 0; i < 8; i++)
		CHECK_EQ("register", i == GPR_RSP ? esp : (is_16 ? 0xab00 : 0xab000000) + i, m->gpr[i]);
	if (source == EMU_TASK_EVENT)
		CHECK_EQ("error code", 0x1234, machine_peek(m, esp, is_16 ? 2 : 4));
	CHECK_EQ("CS", is_16 ? SEL_CODE16 : SEL_CODE, m->seg[SEG_CS].selector);
	CHECK_EQ("CS rights", is_16 ? 0x9b : 0xc09b, m->seg[SEG_CS].ar);
	CHECK_EQ("mode", is_16 ? EMU_MODE_PROT16 : EMU_MODE_PROT32, m->emu.mode);
	CHECK_EQ("SS rights", 0xc093, m->seg[SEG_SS].ar);
	CHECK_EQ("DS accessed", 1, m->ram[ACCESS(SEL_DATA)] & 1);
	CHECK_EQ("FS", is_16 ? 0 : SEL_DATA, m->seg[SEG_FS].selector);
	CHECK_EQ("GS, null", SEG_UNUSABLE, m->seg[SEG_GS].ar);
	CHECK_EQ("LDTR", SEL_LDT, m->seg[SEG_LDTR].selector);
	CHECK_EQ("LDTR base", LDT, m->seg[SEG_LDTR].base);
	CHECK_EQ("TR", SEL_NEW, m->seg[SEG_TR].selector);
	CHECK_EQ("TR base", NEW, m->seg[SEG_TR].base);
	CHECK_EQ("TR rights", is_16 ? 0x83 : 0x8b, m->seg[SEG_TR].ar);
	CHECK_EQ("CR0.TS", 8, m->cr[0] & 8);
	CHECK_EQ("CR3", is_16 ? OLD_CR3 : NEW_CR3, m->cr[3]);
	CHECK_EQ("switched", EMU_SWITCHED, m->emu.switched);
	CHECK_EQ("old TSS busy", is_nested ? 2 : 0, m->ram[ACCESS(SEL_OLD)] & 2);
	CHECK_EQ("new TSS busy", 2, m->ram[ACCESS(SEL_NEW)] & 2);
	CHECK_EQ("link", is_nested ? SEL_OLD : 0xdead, machine_peek(m, NEW, 2));
}

static void test_switch(void)
{
	static struct machine m;
	unsigned int sizes, source;

	for (source = EMU_TASK_CALL; source <= EMU_TASK_EVENT; source++) {
		for (sizes = 0; sizes < 4; sizes++) {
			bool from_16 = sizes & 1, to_16 = sizes & 2;

			printf("# %s, %u to %u bits\n", source_name[source], from_16 ? 16 : 32, to_16 ? 16 : 32);
			setup(&m, from_16, to_16, source == EMU_TASK_IRET);
			CHECK_EQ("result", EMU_CONTINUE, run_switch(&m, source, SEL_NEW));
			check_saved(&m, from_16, source);
			check_loaded(&m, to_16, source);
		}
	}
}

static void test_gate(void)
{
	static struct machine m;

	setup(&m, false, false, false);
	CHECK_EQ("jmp to a gate", EMU_CONTINUE, run_switch(&m, EMU_TASK_JMP, SEL_GATE));
	check_loaded(&m, false, EMU_TASK_JMP);
	setup(&m, false, false, false);
	/* the gate's DPL counts, not the TSS's */
	m.emu.cpl = 3;
	m.ram[ACCESS(SEL_GATE)] = 0xe5;
	CHECK_EQ("call a gate from ring 3", EMU_CONTINUE, run_switch(&m, EMU_TASK_CALL, SEL_GATE | 3));
	check_loaded(&m, false, EMU_TASK_CALL);
	CHECK_EQ("CPL", 0, m.emu.cpl);
}

/* User mode is interrupted: what the CPU marks in the GDT is no access of the program's. */
static void test_user(void)
{
	static struct machine m;

	setup(&m, false, false, false);
	m.emu.cpl = 3;
	m.supervisor = GDT;
	CHECK_EQ("event", EMU_CONTINUE, run_switch(&m, EMU_TASK_EVENT, SEL_NEW));
	check_loaded(&m, false, EMU_TASK_EVENT);
	setup(&m, false, false, true);
	m.emu.cpl = 3;
	m.supervisor = GDT;
	CHECK_EQ("iret", EMU_CONTINUE, run_switch(&m, EMU_TASK_IRET, SEL_NEW));
	check_loaded(&m, false, EMU_TASK_IRET);
}

/* One thing broken. @size 0: nothing is written. */
struct fault_row {
	const char *name;
	enum emu_task_source source;
	u16 selector;
	u8 cpl;
	u32 at;
	u32 val;
	u8 size;
	u8 vector;
	u16 error;
	bool in_new;
};

#define C EMU_TASK_CALL
#define I EMU_TASK_IRET
#define J EMU_TASK_JMP
#define E EMU_TASK_EVENT

static const struct fault_row rows[] = {
	/* who may go there */
	{ "ring 3, TSS of DPL 0", C, SEL_NEW, 3, 0, 0, 0, 13, SEL_NEW },
	{ "RPL 3, TSS of DPL 0", J, SEL_NEW | 3, 0, 0, 0, 0, 13, SEL_NEW },
	{ "ring 3, gate of DPL 0", J, SEL_GATE, 3, 0, 0, 0, 13, SEL_GATE },
	{ "RPL 3, gate of DPL 0", C, SEL_GATE | 3, 0, 0, 0, 0, 13, SEL_GATE },
	{ "gate not present", J, SEL_GATE, 0, ACCESS(SEL_GATE), 0x05, 1, 11, SEL_GATE },
	{ "gate to nothing", J, SEL_GATE, 0, DESC(SEL_GATE) + 2, 0, 2, 13, 0 },
	{ "gate into the LDT", C, SEL_GATE, 0, DESC(SEL_GATE) + 2, SEL_NEW | 4, 2, 13, SEL_NEW | 4 },
	{ "gate to an LDT descriptor", C, SEL_GATE, 0, DESC(SEL_GATE) + 2, SEL_LDT, 2, 13, SEL_LDT },
	/* the new TSS */
	{ "beyond the GDT", J, SEL_BEYOND, 0, 0, 0, 0, 13, SEL_BEYOND },
	{ "beyond the GDT", E, SEL_BEYOND, 0, 0, 0, 0, 13, SEL_BEYOND | 1 },
	{ "link beyond the GDT", I, 0, 0, OLD, SEL_BEYOND, 2, 10, SEL_BEYOND },
	{ "event, TI set", E, SEL_NEW | 4, 0, 0, 0, 0, 13, SEL_NEW | 5 },
	{ "link, TI set", I, 0, 0, OLD, SEL_NEW | 4, 2, 10, SEL_NEW | 4 },
	{ "event, no TSS", E, SEL_DATA, 0, 0, 0, 0, 13, SEL_DATA | 1 },
	{ "link to no TSS", I, 0, 0, OLD, SEL_DATA, 2, 10, SEL_DATA },
	{ "link to a gate", I, 0, 0, OLD, SEL_GATE, 2, 10, SEL_GATE },
	{ "link is null", I, 0, 0, OLD, 0, 2, 10, 0 },
	{ "jmp to a busy TSS", J, SEL_OLD, 0, 0, 0, 0, 13, SEL_OLD },
	{ "call of a busy TSS", C, SEL_NEW, 0, ACCESS(SEL_NEW), 0x8b, 1, 13, SEL_NEW },
	{ "event, busy TSS", E, SEL_NEW, 0, ACCESS(SEL_NEW), 0x8b, 1, 13, SEL_NEW | 1 },
	{ "iret to an available TSS", I, 0, 0, ACCESS(SEL_NEW), 0x89, 1, 10, SEL_NEW },
	{ "TSS not present", J, SEL_NEW, 0, ACCESS(SEL_NEW), 0x09, 1, 11, SEL_NEW },
	{ "TSS not present", E, SEL_NEW, 0, ACCESS(SEL_NEW), 0x09, 1, 11, SEL_NEW | 1 },
	{ "TSS not present", I, 0, 0, ACCESS(SEL_NEW), 0x0b, 1, 11, SEL_NEW },
	{ "32-bit TSS too short", C, SEL_NEW, 0, LIMIT(SEL_NEW), 0x66, 2, 10, SEL_NEW },
	{ "32-bit TSS too short", I, 0, 0, LIMIT(SEL_NEW), 0x66, 2, 10, SEL_NEW },
	{ "32-bit TSS too short", E, SEL_NEW, 0, LIMIT(SEL_NEW), 0x66, 2, 10, SEL_NEW | 1 },
	{ "new TSS not mapped", C, SEL_NEW, 0, DESC(SEL_NEW) + 4, 0x02, 1, 14, 0 },
	/* LDTR */
	{ "LDT in the LDT", J, SEL_NEW, 0, NEW + T_LDT, SEL_LDT | 4, 2, 10, SEL_LDT | 4, true },
	{ "LDT beyond the GDT", C, SEL_NEW, 0, NEW + T_LDT, SEL_BEYOND, 2, 10, SEL_BEYOND, true },
	{ "LDT is data", I, 0, 0, NEW + T_LDT, SEL_DATA, 2, 10, SEL_DATA, true },
	{ "LDT is a TSS", E, SEL_NEW, 0, NEW + T_LDT, SEL_OLD, 2, 10, SEL_OLD | 1, true },
	{ "LDT not present", J, SEL_NEW, 0, NEW + T_LDT, SEL_LDT_ABSENT, 2, 10, SEL_LDT_ABSENT, true },
	/* CR3 */
	{ "CR3", J, SEL_NEW, 0, NEW + T_CR3, BAD_CR3, 4, 13, 0, true },
	/* SS */
	{ "SS null", J, SEL_NEW, 0, NEW + T_SS, 0, 2, 10, 0, true },
	{ "SS beyond the GDT", C, SEL_NEW, 0, NEW + T_SS, SEL_BEYOND, 2, 10, SEL_BEYOND, true },
	{ "SS is code", J, SEL_NEW, 0, NEW + T_SS, SEL_CODE, 2, 10, SEL_CODE, true },
	{ "SS read-only", J, SEL_NEW, 0, NEW + T_SS, SEL_READ_ONLY, 2, 10, SEL_READ_ONLY, true },
	{ "SS is an LDT", J, SEL_NEW, 0, NEW + T_SS, SEL_LDT, 2, 10, SEL_LDT, true },
	{ "SS is a TSS", J, SEL_NEW, 0, NEW + T_SS, SEL_OLD, 2, 10, SEL_OLD, true },
	{ "SS not present", J, SEL_NEW, 0, NEW + T_SS, SEL_ABSENT, 2, 12, SEL_ABSENT, true },
	{ "SS not present", E, SEL_NEW, 0, NEW + T_SS, SEL_ABSENT, 2, 12, SEL_ABSENT | 1, true },
	{ "SS of another DPL", J, SEL_NEW, 0, NEW + T_SS, SEL_DATA3, 2, 10, SEL_DATA3 & ~3, true },
	{ "SS of another RPL", J, SEL_NEW, 0, NEW + T_SS, SEL_DATA | 3, 2, 10, SEL_DATA, true },
	/* CS */
	{ "CS null", J, SEL_NEW, 0, NEW + T_CS, 0, 2, 10, 0, true },
	{ "CS beyond the GDT", I, 0, 0, NEW + T_CS, SEL_BEYOND, 2, 10, SEL_BEYOND, true },
	{ "CS beyond the LDT", J, SEL_NEW, 0, NEW + T_CS, SEL_BEYOND | 4, 2, 10, SEL_BEYOND | 4, true },
	{ "CS is data", C, SEL_NEW, 0, NEW + T_CS, SEL_DATA, 2, 10, SEL_DATA, true },
	{ "CS of another DPL", J, SEL_NEW, 0, NEW + T_CS, SEL_CODE3 & ~3, 2, 10, SEL_CODE3 & ~3, true },
	{ "conforming CS, DPL above", J, SEL_NEW, 0, NEW + T_CS, SEL_CONFORMING3, 2,
	  10, SEL_CONFORMING3, true },
	{ "CS not present", J, SEL_NEW, 0, NEW + T_CS, SEL_CODE_ABSENT, 2, 11, SEL_CODE_ABSENT, true },
	{ "CS not present", E, SEL_NEW, 0, NEW + T_CS, SEL_CODE_ABSENT, 2, 11, SEL_CODE_ABSENT | 1, true },
	/* data */
	{ "DS beyond the GDT", J, SEL_NEW, 0, NEW + T_DS, SEL_BEYOND, 2, 10, SEL_BEYOND, true },
	{ "DS is an LDT", J, SEL_NEW, 0, NEW + T_DS, SEL_LDT, 2, 10, SEL_LDT, true },
	{ "ES is a TSS", J, SEL_NEW, 0, NEW + T_ES, SEL_OLD, 2, 10, SEL_OLD, true },
	{ "FS not readable", C, SEL_NEW, 0, NEW + T_FS, SEL_EXEC_ONLY, 2, 10, SEL_EXEC_ONLY, true },
	{ "DS, RPL above DPL", J, SEL_NEW, 0, NEW + T_DS, SEL_DATA | 3, 2, 10, SEL_DATA, true },
	{ "GS not present", I, 0, 0, NEW + T_GS, SEL_ABSENT, 2, 11, SEL_ABSENT, true },
	{ "DS not present", E, SEL_NEW, 0, NEW + T_DS, SEL_ABSENT, 2, 11, SEL_ABSENT | 1, true },
	/* what comes last */
	{ "EIP beyond CS", J, SEL_NEW, 0, NEW + T_CS, SEL_SHORT, 2, 13, 0, true },
	{ "EIP beyond CS", E, SEL_NEW, 0, NEW + T_CS, SEL_SHORT, 2, 13, 1, true },
	{ "no room for the error code", E, SEL_NEW, 0, NEW + T_SS, SEL_SMALL, 2, 12, 1, true },
	{ "stack not mapped", E, SEL_NEW, 0, NEW + T_ESP, FAULT_PAGE + 8, 4, 14, 2, true },
};

static void check_fault(struct machine *m, const struct fault_row *r, int ret)
{
	bool is_busy = r->source == I || r->in_new;

	CHECK_EQ(r->name, EMU_FAULT, ret);
	CHECK_EQ(r->name, r->vector, m->emu.fault.vector);
	CHECK_EQ(r->name, r->error, m->emu.fault.error);
	CHECK_EQ(r->name, r->in_new ? EMU_SWITCHED : 0, m->emu.switched);
	CHECK_EQ(r->name, r->in_new ? SEL_NEW : SEL_OLD, m->seg[SEG_TR].selector);
	CHECK_EQ(r->name, r->in_new ? NEW_EIP : CODE, m->emu.rip);
	CHECK_EQ(r->name, r->in_new ? 8 : 0, m->cr[0] & 8);
	if (r->in_new) {
		CHECK_EQ(r->name, machine_peek(m, NEW + T_CS, 2), m->seg[SEG_CS].selector);
		CHECK_EQ(r->name, machine_peek(m, NEW + T_SS, 2), m->seg[SEG_SS].selector);
		CHECK_EQ(r->name, machine_peek(m, NEW + T_GS, 2), m->seg[SEG_GS].selector);
		CHECK_EQ(r->name, machine_peek(m, NEW + T_LDT, 2), m->seg[SEG_LDTR].selector);
		/* VM entry wants a CS that is code, and SS and CS of one level */
		CHECK_EQ(r->name, 0x9a, m->seg[SEG_CS].ar & 0x9a);
		CHECK_EQ(r->name, m->seg[SEG_CS].ar >> 5 & 3, m->seg[SEG_SS].ar >> 5 & 3);
		CHECK_EQ(r->name, 2, m->ram[ACCESS(SEL_NEW)] & 2);
		return;
	}
	CHECK_EQ(r->name, STACK, m->gpr[GPR_RSP]);
	CHECK_EQ(r->name, 0, machine_peek(m, OLD + T_EIP, 4));
	CHECK_EQ(r->name, 2, m->ram[ACCESS(SEL_OLD)] & 2);
	if (r->at != ACCESS(SEL_NEW))
		CHECK_EQ(r->name, is_busy ? 2 : 0, m->ram[ACCESS(SEL_NEW)] & 2);
}

static void test_faults(void)
{
	static struct machine m;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct fault_row *r = &rows[i];

		printf("# %s: %s\n", source_name[r->source], r->name);
		setup(&m, false, false, r->source == I);
		m.emu.cpl = r->cpl;
		if (r->size)
			machine_poke(&m, r->at, r->val, r->size);
		check_fault(&m, r, run_switch(&m, r->source, r->selector));
	}
}

/* The old TSS: its limit, and pages that it and the new one lie in. */
static void test_old(void)
{
	static struct machine m;

	setup(&m, false, false, false);
	m.seg[SEG_TR].limit = 0x5e;
	CHECK_EQ("too short to save in", EMU_FAULT, run_switch(&m, J, SEL_NEW));
	CHECK_EQ("vector", 10, m.emu.fault.vector);
	CHECK_EQ("error", SEL_OLD, m.emu.fault.error);
	m.seg[SEG_TR].limit = 0x5f;
	CHECK_EQ("just long enough", EMU_CONTINUE, run_switch(&m, J, SEL_NEW));
	setup(&m, true, false, false);
	m.seg[SEG_TR].limit = 0x28;
	CHECK_EQ("16 bits, too short", EMU_FAULT, run_switch(&m, J, SEL_NEW));
	m.seg[SEG_TR].limit = 0x29;
	CHECK_EQ("16 bits, just long enough", EMU_CONTINUE, run_switch(&m, J, SEL_NEW));

	setup(&m, false, false, false);
	m.seg[SEG_TR].base = READ_ONLY_PAGE;
	CHECK_EQ("not writable", EMU_FAULT, run_switch(&m, C, SEL_NEW));
	CHECK_EQ("vector", 14, m.emu.fault.vector);
	CHECK_EQ("address", READ_ONLY_PAGE + 0x20, m.emu.fault.cr2);
	CHECK_EQ("new TSS still available", 0, m.ram[ACCESS(SEL_NEW)] & 2);

	setup(&m, false, false, false);
	memcpy(m.ram, m.ram + NEW, 0x68);
	machine_descriptor(&m, 9, READ_ONLY_PAGE, 0x67, 0x89);
	CHECK_EQ("link not writable", EMU_FAULT, run_switch(&m, C, SEL_NEW));
	CHECK_EQ("address", READ_ONLY_PAGE, m.emu.fault.cr2);
	CHECK_EQ("without a link", EMU_CONTINUE, run_switch(&m, J, SEL_NEW));

	setup(&m, false, false, false);
	memcpy(m.ram, m.ram + GDT, 0x100);
	m.table[EMU_GDTR].base = READ_ONLY_PAGE;
	CHECK_EQ("descriptors not writable", EMU_FAULT, run_switch(&m, C, SEL_NEW));
	CHECK_EQ("vector", 14, m.emu.fault.vector);
	CHECK_EQ("nothing saved", 0, machine_peek(&m, OLD + T_EIP, 4));
}

/* The RPL of CS is the new CPL, which the other segments are measured by. */
static void test_privilege(void)
{
	static const struct { const char *name; u16 cs, ss, ds; u16 error; } combos[] = {
		{ "ring 3", SEL_CODE3, SEL_DATA3, SEL_DATA3, 0 },
		{ "conforming code", SEL_CONFORMING | 3, SEL_DATA3, SEL_DATA3, 0 },
		{ "RPL 3 of code of DPL 0", SEL_CODE | 3, SEL_DATA3, SEL_DATA3, SEL_CODE },
		{ "data of DPL 0 in ring 3", SEL_CODE3, SEL_DATA3, SEL_DATA, SEL_DATA },
		{ "stack of DPL 0 in ring 3", SEL_CODE3, SEL_DATA, SEL_DATA3, SEL_DATA },
		{ "conforming code as data, RPL 3", SEL_CODE, SEL_DATA, SEL_CONFORMING | 3, 0 },
	};
	static struct machine m;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(combos); i++) {
		setup(&m, false, false, false);
		machine_poke(&m, NEW + T_CS, combos[i].cs, 2);
		machine_poke(&m, NEW + T_SS, combos[i].ss, 2);
		machine_poke(&m, NEW + T_DS, combos[i].ds, 2);
		machine_poke(&m, NEW + T_ES, 0, 2);
		machine_poke(&m, NEW + T_FS, 0, 2);
		CHECK_EQ(combos[i].name, combos[i].error ? EMU_FAULT : EMU_CONTINUE, run_switch(&m, J, SEL_NEW));
		CHECK_EQ(combos[i].name, combos[i].cs & 3, m.emu.cpl);
		if (combos[i].error)
			CHECK_EQ(combos[i].name, combos[i].error, m.emu.fault.error);
	}
}

static void test_vm86(void)
{
	static struct machine m;

	setup(&m, false, false, false);
	machine_poke(&m, NEW + T_EFLAGS, 2 | FLAG_VM | FLAG_IF, 4);
	machine_poke(&m, NEW + T_CS, 0x1235, 2);
	machine_poke(&m, NEW + T_GS, 0xffff, 2);
	CHECK_EQ("to virtual-8086 mode", EMU_CONTINUE, run_switch(&m, J, SEL_NEW));
	CHECK_EQ("mode", EMU_MODE_VM86, m.emu.mode);
	CHECK_EQ("CPL", 3, m.emu.cpl);
	CHECK_EQ("CS base", 0x12350, m.seg[SEG_CS].base);
	CHECK_EQ("GS base", 0xffff0, m.seg[SEG_GS].base);
	CHECK_EQ("SS rights", 0xf3, m.seg[SEG_SS].ar);
	CHECK_EQ("SS limit", 0xffff, m.seg[SEG_SS].limit);
	setup(&m, false, false, false);
	m.emu.mode = EMU_MODE_VM86;
	m.emu.cpl = 3;
	m.emu.rflags |= FLAG_VM;
	CHECK_EQ("from virtual-8086 mode", EMU_CONTINUE, run_switch(&m, E, SEL_NEW));
	CHECK_EQ("saved VM", FLAG_VM, machine_peek(&m, OLD + T_EFLAGS, 4) & FLAG_VM);
	check_loaded(&m, false, E);
}

static void test_rest(void)
{
	struct emu_task_event soft = { .return_rip = CODE + 2 };
	static struct machine m;

	setup(&m, false, false, false);
	machine_poke(&m, NEW + T_TRAP, 1, 2);
	CHECK_EQ("T flag", EMU_CONTINUE, run_switch(&m, J, SEL_NEW));
	CHECK_EQ("trap", EMU_SWITCHED | EMU_SWITCHED_TRAP, m.emu.switched);

	setup(&m, false, false, false);
	m.cr[0] &= ~0x80000000ULL;
	CHECK_EQ("no paging", EMU_CONTINUE, run_switch(&m, J, SEL_NEW));
	CHECK_EQ("CR3 left alone", OLD_CR3, m.cr[3]);

	setup(&m, false, false, false);
	machine_poke(&m, NEW + T_CS, SEL_CODE | 4, 2);
	machine_poke(&m, NEW + T_SS, SEL_DATA | 4, 2);
	CHECK_EQ("segments of the new LDT", EMU_CONTINUE, run_switch(&m, J, SEL_NEW));
	CHECK_EQ("accessed", 0x9b, m.ram[LDT + SEL_CODE + 5]);

	setup(&m, false, false, false);
	machine_poke(&m, NEW + T_EFLAGS, 0xffc0ffff & ~FLAG_VM, 4);
	CHECK_EQ("reserved flags", EMU_CONTINUE, run_switch(&m, J, SEL_NEW));
	CHECK_EQ("EFLAGS", 0x7fd7, m.emu.rflags);

	setup(&m, false, false, false);
	CHECK_EQ("INT n", EMU_CONTINUE, emu_task_event(&m.emu, SEL_NEW, &soft));
	CHECK_EQ("nothing pushed", NEW_ESP, m.gpr[GPR_RSP]);
	CHECK_EQ("saved RF", 0, machine_peek(&m, OLD + T_EFLAGS, 4) & FLAG_RF);
	setup(&m, false, false, false);
	CHECK_EQ("INT n, bad TSS", EMU_FAULT, emu_task_event(&m.emu, SEL_DATA, &soft));
	CHECK_EQ("no EXT", SEL_DATA, m.emu.fault.error);

	setup(&m, false, false, false);
	m.seg[SEG_TR].base = DEVICE;
	CHECK_EQ("TSS in a device", EMU_FAILED, run_switch(&m, J, SEL_NEW));
	setup(&m, false, false, false);
	m.seg[SEG_TR].base = DEVICE_POSTED;
	CHECK_EQ("TSS in a device that takes stores", EMU_FAILED, run_switch(&m, J, SEL_NEW));
	CHECK_EQ("none taken", false, m.emu.stop);

	/* the end of the GDT, where TR's descriptor is, has no memory */
	setup(&m, false, false, false);
	memcpy(m.ram + RAM_SIZE - 0x80, m.ram + GDT, 0x80);
	m.table[EMU_GDTR].base = RAM_SIZE - 0x80;
	m.seg[SEG_TR].selector = 0x80;
	CHECK_EQ("old descriptor not mapped", EMU_FAULT, run_switch(&m, J, SEL_NEW));
	CHECK_EQ("vector", 14, m.emu.fault.vector);
	CHECK_EQ("new TSS still available", 0, m.ram[RAM_SIZE - 0x80 + SEL_NEW + 5] & 2);

	/* another CPU writes to the descriptor: it is looked at again */
	setup(&m, false, false, false);
	m.lose_races = 1;
	CHECK_EQ("lost race", EMU_FAULT, run_switch(&m, J, SEL_NEW));
	CHECK_EQ("the other CPU's base", NEW + 0x10000, m.emu.fault.cr2);
	setup(&m, false, false, false);
	m.lose_races = 1000;
	machine_poke(&m, DESC(SEL_NEW) + 4, 0, 1);
	CHECK_EQ("lost races end", EMU_FAULT, run_switch(&m, J, SEL_NEW));
}

static void test_long(void)
{
	static struct machine m;

	setup(&m, false, false, false);
	m.emu.mode = EMU_MODE_COMPAT32;
	CHECK_EQ("jmp to a TSS", EMU_FAULT, run_switch(&m, J, SEL_NEW));
	CHECK_EQ("vector", 13, m.emu.fault.vector);
	CHECK_EQ("error", SEL_NEW, m.emu.fault.error);
	CHECK_EQ("call a task gate", EMU_FAULT, run_switch(&m, C, SEL_GATE));
	CHECK_EQ("error", SEL_GATE, m.emu.fault.error);
	m.emu.rflags |= FLAG_NT;
	CHECK_EQ("iret with NT", EMU_FAULT, run_switch(&m, I, 0));
	CHECK_EQ("vector", 13, m.emu.fault.vector);
	CHECK_EQ("error", 0, m.emu.fault.error);
}

static const struct test_case cases[] = {
	{ "switch", test_switch },
	{ "gate", test_gate },
	{ "user", test_user },
	{ "faults", test_faults },
	{ "old_task", test_old },
	{ "privilege", test_privilege },
	{ "vm86", test_vm86 },
	{ "rest", test_rest },
	{ "long_mode", test_long },
};

TEST_MAIN(cases)
