// SPDX-License-Identifier: GPL-2.0-only
/*
 * Execution that cannot be compared with the CPU running the test: other modes,
 * segmentation, privilege, the stack, branches, system registers, XMM moves.
 */
#include "test.h"
#include "unit_machine.h"

#define R EMU_MODE_REAL
#define V EMU_MODE_VM86
#define P16 EMU_MODE_PROT16
#define P EMU_MODE_PROT32
#define L EMU_MODE_LONG
#define FAULT(vector)	(0x100 | (vector))	/* no error code */
#define ERROR(vector)	(0x200 | (vector))	/* error code 0 */
#define FAILED		0x300

/*
 * Before each row: RAX = 0x1122334455667788, RCX = 2, RDX = 0x80, RBX = 0x2000,
 * RBP = 0x7000, RSI = 0x3000, RDI = 0x4000, RSP = STACK; at 0x2000 the words
 * 0xdddd, 0xcccc, 0xbbbb, 0xaaaa; at STACK 0x5678.  @want is RAX unless @where
 * names memory or another place.
 */
enum where { RAX, RCX, RDX, RSP, RBP, RDI, FLAGS, RIP, MEM2000, MEM4000, TOP, XMM0 };

struct row {
	const char *name;
	enum emu_mode mode;
	u8 cpl;
	u32 flags;
	u8 n;
	u8 bytes[11];
	u16 result;
	enum where where;
	u64 want;
};

static const struct row rows[] = {
	/* addressing */
	{ "mov ax, [bx]", R, 0, 0, 2, { 0x8b, 0x07 }, 0, RAX, 0x112233445566dddd },
	{ "mov ax, [bx+2]", R, 0, 0, 3, { 0x8b, 0x47, 2 }, 0, RAX, 0x112233445566cccc },
	{ "mov eax, [bx]", R, 0, 0, 3, { 0x66, 0x8b, 0x07 }, 0, RAX, 0xccccdddd },
	{ "mov eax, [ebx]", P, 0, 0, 2, { 0x8b, 0x03 }, 0, RAX, 0xccccdddd },
	{ "mov al, moffs", P, 0, 0, 5, { 0xa0, 2, 0x20, 0, 0 }, 0, RAX, 0x11223344556677cc },
	{ "mov ah, [rbx]", L, 0, 0, 2, { 0x8a, 0x23 }, 0, RAX, 0x112233445566dd88 },
	{ "mov [rdi], rax", L, 0, 0, 3, { 0x48, 0x89, 0x07 }, 0, MEM4000, 0x1122334455667788 },
	{ "mov [rbx+rcx*2], al", L, 0, 0, 3, { 0x88, 0x04, 0x4b }, 0, MEM2000, 0xaaaabb88ccccdddd },
	{ "mov eax, [rip+0xffa]", L, 0, 0, 6, { 0x8b, 5, 0xfa, 0x0f, 0, 0 }, 0, RAX, 0xccccdddd },
	{ "lea ax", L, 0, 0, 5, { 0x66, 0x8d, 0x44, 0x4b, 1 }, 0, RAX, 0x1122334455662005 },
	{ "xlat", L, 0, 0, 1, { 0xd7 }, 0, RAX, 0x1122334455667700 },
	/* segmentation */
	{ "beyond 64 KiB", R, 0, 0, 5, { 0x67, 0x8b, 0x04, 0x24, 0x90 }, 0, RAX, 0x1122334455665678 },
	{ "word at 0xffff", R, 0, 0, 4, { 0x8b, 0x06, 0xff, 0xff }, ERROR(13), RAX, 0 },
	{ "word at 0xffff by bp", R, 0, 0, 4, { 0x8b, 0x86, 0xff, 0x8f }, ERROR(12), RAX, 0 },
	{ "non-canonical", L, 0, 0, 10, { 0x48, 0xa1, 0, 0, 0, 0, 0, 0x80, 0, 0 }, ERROR(13), RAX, 0 },
	{ "write to code", P, 0, 0, 3, { 0x2e, 0x89, 0x03 }, ERROR(13), RAX, 0 },
	{ "page fault, user", L, 3, 0, 6, { 0x8b, 0x83, 0, 0xe0, 1, 0 }, FAULT(14), RAX, 0 },
	/* stack */
	{ "push rax", L, 0, 0, 1, { 0x50 }, 0, RSP, STACK - 8 },
	{ "push rax, stored", L, 0, 0, 1, { 0x50 }, 0, TOP, 0x1122334455667788 },
	{ "push ax", R, 0, 0, 1, { 0x50 }, 0, TOP, 0x7788 },
	{ "push imm8", P, 0, 0, 2, { 0x6a, 0xfe }, 0, TOP, 0xfffffffe },
	{ "push rsp", L, 0, 0, 1, { 0x54 }, 0, TOP, STACK },
	{ "pop rax", L, 0, 0, 1, { 0x58 }, 0, RAX, 0x5678 },
	{ "pop rsp", L, 0, 0, 1, { 0x5c }, 0, RSP, 0x5678 },
	{ "pop [rsp+8]", L, 0, 0, 4, { 0x8f, 0x44, 0x24, 8 }, 0, RSP, STACK + 8 },
	{ "pusha", P, 0, 0, 1, { 0x60 }, 0, TOP, 0x4000 },
	{ "popa", R, 0, 0, 1, { 0x61 }, 0, RDI, 0x5678 },
	{ "enter 16, 0", L, 0, 0, 4, { 0xc8, 16, 0, 0 }, 0, RSP, STACK - 24 },
	{ "enter 16, 0", L, 0, 0, 4, { 0xc8, 16, 0, 0 }, 0, RBP, STACK - 8 },
	{ "enter 0, 2", P, 0, 0, 4, { 0xc8, 0, 0, 2 }, 0, RSP, STACK - 12 },
	{ "leave", L, 0, 0, 1, { 0xc9 }, 0, RSP, 0x7008 },
	{ "pushf", L, 0, FLAG_CF | 0x10000, 1, { 0x9c }, 0, TOP, 3 },
	{ "popf, ring 0", L, 0, 0, 1, { 0x9d }, 0, FLAGS, 0x5652 },
	{ "popf, ring 3", L, 3, 0, 1, { 0x9d }, 0, FLAGS, 0x4452 },
	{ "popf in vm86", V, 3, 0, 1, { 0x9d }, ERROR(13), RAX, 0 },
	{ "pushf in vm86, iopl 3", V, 3, 0x3000, 1, { 0x9c }, 0, TOP, 0x3002 },
	/* branches */
	{ "jmp short", R, 0, 0, 2, { 0xeb, 0x10 }, 0, RIP, CODE + 0x12 },
	{ "jmp back", L, 0, 0, 5, { 0xe9, 0xfb, 0xff, 0xff, 0xff }, 0, RIP, CODE },
	{ "jmp wraps", R, 0, 0, 3, { 0xe9, 0, 0xf0 }, 0, RIP, 3 },
	{ "jz taken", L, 0, FLAG_ZF, 2, { 0x74, 2 }, 0, RIP, CODE + 4 },
	{ "jz not taken", L, 0, 0, 2, { 0x74, 2 }, 0, RIP, CODE + 2 },
	{ "jg near", L, 0, 0, 6, { 0x0f, 0x8f, 0, 1, 0, 0 }, 0, RIP, CODE + 0x106 },
	{ "call", L, 0, 0, 5, { 0xe8, 0, 1, 0, 0 }, 0, TOP, CODE + 5 },
	{ "call rbx", L, 0, 0, 2, { 0xff, 0xd3 }, 0, RIP, 0x2000 },
	{ "jmp [rbx], non-canonical", L, 0, 0, 2, { 0xff, 0x23 }, ERROR(13), RAX, 0 },
	{ "ret", L, 0, 0, 1, { 0xc3 }, 0, RIP, 0x5678 },
	{ "ret 8", L, 0, 0, 3, { 0xc2, 8, 0 }, 0, RSP, STACK + 16 },
	{ "loop", L, 0, 0, 2, { 0xe2, 0x20 }, 0, RIP, CODE + 0x22 },
	{ "loop counts", L, 0, 0, 2, { 0xe2, 0x20 }, 0, RCX, 1 },
	{ "loope ends", L, 0, 0, 2, { 0xe1, 0x20 }, 0, RIP, CODE + 2 },
	{ "jcxz", R, 0, 0, 2, { 0xe3, 0x20 }, 0, RIP, CODE + 2 },
	{ "into without OF", P, 0, 0, 1, { 0xce }, 0, RIP, CODE + 1 },
	{ "int3", P, 0, 0, 1, { 0xcc }, FAULT(3), RAX, 0 },
	{ "int 0x80", L, 3, 0, 2, { 0xcd, 0x80 }, FAULT(0x80), RAX, 0 },
	{ "int 0x80 in vm86", V, 3, 0, 2, { 0xcd, 0x80 }, ERROR(13), RAX, 0 },
	{ "bound", P16, 0, 0, 2, { 0x62, 0x07 }, FAULT(5), RAX, 0 },
	/* decimal; from the manual's examples and by hand */
	{ "daa", P, 0, 0, 1, { 0x27 }, 0, RAX, 0x1122334455667788 },
	{ "daa, AF and CF", P, 0, FLAG_AF | FLAG_CF, 1, { 0x27 }, 0, RAX, 0x11223344556677ee },
	{ "das, AF", P, 0, FLAG_AF, 1, { 0x2f }, 0, RAX, 0x1122334455667782 },
	{ "aam", P, 0, 0, 2, { 0xd4, 10 }, 0, RAX, 0x1122334455660d06 },
	{ "aam 0", P, 0, 0, 2, { 0xd4, 0 }, FAULT(0), RAX, 0 },
	{ "aad", P, 0, 0, 2, { 0xd5, 10 }, 0, RAX, 0x112233445566002e },
	{ "aaa", P, 0, 0, 1, { 0x37 }, 0, RAX, 0x1122334455667708 },
	{ "aaa, AF", P, 0, FLAG_AF, 1, { 0x37 }, 0, RAX, 0x112233445566780e },
	/* privilege */
	{ "hlt, ring 3", L, 3, 0, 1, { 0xf4 }, ERROR(13), RAX, 0 },
	{ "cli, ring 3", L, 3, 0, 1, { 0xfa }, ERROR(13), RAX, 0 },
	{ "cli, iopl 3", L, 3, 0x3200, 1, { 0xfa }, 0, FLAGS, 0x3002 },
	{ "wrmsr, ring 1", L, 1, 0, 2, { 0x0f, 0x30 }, ERROR(13), RAX, 0 },
	{ "mov cr3, ring 3", L, 3, 0, 3, { 0x0f, 0x22, 0xd8 }, ERROR(13), RAX, 0 },
	{ "in, ring 3, no bitmap", L, 3, 0, 1, { 0xec }, ERROR(13), RAX, 0 },
	{ "in, iopl 3", L, 3, 0x3000, 1, { 0xec }, 0, RAX, 0x1122334455667700 },
	{ "out in vm86, iopl 3, no bitmap", V, 3, 0x3000, 1, { 0xee }, ERROR(13), RAX, 0 },
	/* system */
	{ "mov cr1", L, 0, 0, 3, { 0x0f, 0x20, 0xc8 }, FAULT(6), RAX, 0 },
	{ "mov rax, cr0", L, 0, 0, 3, { 0x0f, 0x20, 0xc0 }, 0, RAX, 0x80000011 },
	{ "smsw ax", L, 0, 0, 4, { 0x66, 0x0f, 0x01, 0xe0 }, 0, RAX, 0x1122334455660011 },
	{ "sldt eax", P, 0, 0, 3, { 0x0f, 0x00, 0xc0 }, 0, RAX, 0x38 },
	{ "mov eax, ds", L, 0, 0, 2, { 0x8c, 0xd8 }, 0, RAX, 0x20 },
	{ "sgdt", L, 0, 0, 3, { 0x0f, 0x01, 0x03 }, 0, MEM2000, 0x900000ff },
	{ "in al, 0x80", R, 0, 0, 2, { 0xe4, 0x80 }, 0, RAX, 0x1122334455667700 },
	{ "in eax, dx, 64-bit", L, 0, 0, 2, { 0x48, 0xed }, 0, RAX, 0x03020100 },
	/* exchanges */
	{ "cmpxchg8b, differs", L, 0, 0, 3, { 0x0f, 0xc7, 0x0b }, 0, RAX, 0xccccdddd },
	{ "cmpxchg8b, differs", L, 0, FLAG_ZF, 3, { 0x0f, 0xc7, 0x0b }, 0, FLAGS, 2 },
	{ "cmpxchg16b", L, 0, 0, 4, { 0x48, 0x0f, 0xc7, 0x0b }, 0, RAX, 0xaaaabbbbccccdddd },
	{ "cmpxchg16b, unaligned", L, 0, 0, 5, { 0x48, 0x0f, 0xc7, 0x4b, 8 }, ERROR(13), RAX, 0 },
	{ "nop does not clear", L, 0, 0, 1, { 0x90 }, 0, RAX, 0x1122334455667788 },
	/* XMM */
	{ "movups load", L, 0, 0, 3, { 0x0f, 0x10, 0x03 }, 0, XMM0, 0xaaaabbbbccccdddd },
	{ "movss load", L, 0, 0, 4, { 0xf3, 0x0f, 0x10, 0x03 }, 0, XMM0, 0xccccdddd },
	{ "movd load", L, 0, 0, 4, { 0x66, 0x0f, 0x6e, 0xc0 }, 0, XMM0, 0x55667788 },
	{ "movq store", L, 0, 0, 4, { 0x66, 0x0f, 0xd6, 0x07 }, 0, MEM4000, 0xf0f1f2f3f4f5f6f7 },
	{ "movhps store", L, 0, 0, 3, { 0x0f, 0x17, 0x07 }, 0, MEM4000, 0xe0e1e2e3e4e5e6e7 },
	{ "movd eax, xmm0", L, 0, 0, 4, { 0x66, 0x0f, 0x7e, 0xc0 }, 0, RAX, 0xf4f5f6f7 },
	{ "movaps, unaligned", L, 0, 0, 4, { 0x0f, 0x28, 0x43, 8 }, ERROR(13), RAX, 0 },
	{ "movntdq", L, 0, 0, 4, { 0x66, 0x0f, 0xe7, 0x07 }, 0, MEM4000, 0xf0f1f2f3f4f5f6f7 },
	/* not executed */
	{ "fabs", L, 0, 0, 2, { 0xd9, 0xe1 }, FAILED, RAX, 0 },
	{ "paddb", L, 0, 0, 4, { 0x66, 0x0f, 0xfc, 0xc0 }, FAILED, RAX, 0 },
	{ "vaddps", L, 0, 0, 4, { 0xc5, 0xf8, 0x58, 0x03 }, FAILED, RAX, 0 },
};

static void setup(struct machine *m, const struct row *r)
{
	static const u64 gpr[] = { 0x1122334455667788, 2, 0x80, 0x2000, STACK, 0x7000, 0x3000, 0x4000 };

	machine_init(m, r->mode);
	memcpy(m->gpr, gpr, sizeof(gpr));
	m->emu.cpl = r->cpl;
	m->emu.rflags = 2 | r->flags;
	m->xmm[0][0] = 0xf0f1f2f3f4f5f6f7;
	m->xmm[0][1] = 0xe0e1e2e3e4e5e6e7;
	machine_poke(m, 0x2000, 0xaaaabbbbccccdddd, 8);
	machine_poke(m, 0x66, 0x68, 2);		/* bitmap offset in the TSS at 0: at its limit */
	machine_poke(m, STACK, 0x5678, 8);
}

static u64 result_at(const struct machine *m, enum where where, unsigned int size)
{
	switch (where) {
	case FLAGS:
		return m->emu.rflags;
	case RIP:
		return m->emu.rip;
	case MEM2000:
		return machine_peek(m, 0x2000, 8);
	case MEM4000:
		return machine_peek(m, 0x4000, 8);
	case TOP:
		return machine_peek(m, m->gpr[GPR_RSP], size);
	case XMM0:
		return m->xmm[0][0];
	default:
		return m->gpr[(const u8[]){ GPR_RAX, GPR_RCX, GPR_RDX, GPR_RSP, GPR_RBP, GPR_RDI }[where]];
	}
}

static void test_rows(void)
{
	static struct machine m;
	unsigned int i, got;
	int ret;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *r = &rows[i];

		setup(&m, r);
		ret = machine_run(&m, r->bytes, r->n);
		got = ret == EMU_FAILED ? FAILED : ret != EMU_FAULT ? (unsigned int)ret :
		      m.emu.fault.vector | (m.emu.fault.has_error && m.emu.fault.vector != 14 ?
					    0x200 + m.emu.fault.error : 0x100);
		CHECK_EQ(r->name, r->result, got);
		if (!ret && !r->result)
			CHECK_EQ(r->name, r->want,
				 result_at(&m, r->where, r->mode == L ? 8 : r->mode >= P && r->mode != P16 ? 4 : 2));
		else
			CHECK_EQ(r->name, CODE, m.emu.rip);
	}
}

/* Software events carry the return address and their kind. */
static void test_events(void)
{
	static struct machine m;

	setup(&m, &rows[0]);
	m.emu.mode = P;
	CHECK_EQ("int", EMU_FAULT, RUN(&m, 0xcd, 0x21));
	CHECK_EQ("type", EMU_EVENT_SOFT_INT, m.emu.fault.type);
	CHECK_EQ("return", CODE + 2, m.emu.next_rip);
	m.emu.rflags |= FLAG_OF;
	CHECK_EQ("into", EMU_FAULT, RUN(&m, 0xce));
	CHECK_EQ("vector", 4, m.emu.fault.vector);
	CHECK_EQ("type", EMU_EVENT_SOFT_EXC, m.emu.fault.type);
	CHECK_EQ("int1", EMU_FAULT, RUN(&m, 0xf1));
	CHECK_EQ("type", EMU_EVENT_PRIV_SOFT_EXC, m.emu.fault.type);
}

/* Operations of the owner arrive as such. */
static void test_owner(void)
{
	static const struct { u8 bytes[4]; u8 n; enum emu_op op; } ops[] = {
		{ { 0x0f, 0xa2 }, 2, EMU_OP_CPUID }, { { 0xf4 }, 1, EMU_OP_HLT },
		{ { 0x0f, 0x01, 0xd9 }, 3, EMU_OP_VMMCALL }, { { 0x0f, 0x01, 0xc1 }, 3, EMU_OP_VMCALL },
		{ { 0x0f, 0x31 }, 2, EMU_OP_RDTSC }, { { 0x0f, 0x01, 0xf9 }, 3, EMU_OP_RDTSCP },
		{ { 0x0f, 0x33 }, 2, EMU_OP_RDPMC }, { { 0x0f, 0x01, 0xd1 }, 3, EMU_OP_XSETBV },
		{ { 0x0f, 0x09 }, 2, EMU_OP_WBINVD }, { { 0x0f, 0x08 }, 2, EMU_OP_INVD },
		{ { 0xf3, 0x90 }, 2, EMU_OP_PAUSE }, { { 0x0f, 0x01, 0xc8 }, 3, EMU_OP_MONITOR },
		{ { 0x0f, 0x01, 0xc9 }, 3, EMU_OP_MWAIT }, { { 0x0f, 0xaa }, 2, EMU_OP_RSM },
		{ { 0x0f, 0x32 }, 2, EMU_OP_RDMSR }, { { 0x0f, 0x30 }, 2, EMU_OP_WRMSR },
		{ { 0xf3, 0x0f, 0xc7, 0xf8 }, 4, EMU_OP_RDPID },
		{ { 0x0f, 0x05 }, 2, EMU_OP_SYSCALL }, { { 0x0f, 0x01, 0xf8 }, 3, EMU_OP_SWAPGS },
	};
	static struct machine m;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		setup(&m, &rows[0]);
		m.emu.mode = L;
		CHECK_EQ("result", EMU_OWNER, machine_run(&m, ops[i].bytes, ops[i].n));
		CHECK_EQ("operation", ops[i].op, m.emu.insn.row.op);
		CHECK_EQ("length", ops[i].n, m.emu.insn.length);
		CHECK_EQ("rip", CODE, m.emu.rip);
	}
}

/* Control, debug and table registers: the value that reaches the owner. */
static void test_system_registers(void)
{
	static struct machine m;

	setup(&m, &rows[0]);
	m.emu.mode = L;
	CHECK_EQ("mov cr3, rax", EMU_CONTINUE, RUN(&m, 0x0f, 0x22, 0xd8));
	CHECK_EQ("cr3", 0x1122334455667788, m.cr[3]);
	CHECK_EQ("lock mov cr0", EMU_CONTINUE, RUN(&m, 0xf0, 0x0f, 0x22, 0xc0));
	CHECK_EQ("cr8", 0x1122334455667788, m.cr[8]);
	CHECK_EQ("mov dr4, rax", EMU_CONTINUE, RUN(&m, 0x0f, 0x23, 0xe0));
	CHECK_EQ("dr6", 0x1122334455667788, m.dr[6]);
	m.cr[4] |= 8;
	CHECK_EQ("mov dr4 with DE", EMU_FAULT, RUN(&m, 0x0f, 0x23, 0xe0));
	CHECK_EQ("vector", 6, m.emu.fault.vector);
	m.cr[0] = 0x80000019;
	CHECK_EQ("clts", EMU_CONTINUE, RUN(&m, 0x0f, 0x06));
	CHECK_EQ("cr0", 0x80000011, m.cr[0]);
	CHECK_EQ("lmsw cannot clear PE", EMU_CONTINUE, RUN(&m, 0x0f, 0x01, 0xf1));
	CHECK_EQ("cr0", 0x80000013, m.cr[0]);
	CHECK_EQ("invlpg", EMU_CONTINUE, RUN(&m, 0x0f, 0x01, 0x7b, 0x10));
	CHECK_EQ("address", 0x2010, m.invlpg);
	CHECK_EQ("lgdt, non-canonical", EMU_FAULT, RUN(&m, 0x0f, 0x01, 0x13));
	machine_poke(&m, 0x2000, 0x1234567800ffULL, 8);
	machine_poke(&m, 0x2008, 0, 2);
	CHECK_EQ("lgdt", EMU_CONTINUE, RUN(&m, 0x0f, 0x01, 0x13));
	CHECK_EQ("base", 0x12345678, m.table[0].base);
	CHECK_EQ("limit", 0xff, m.table[0].limit);
}

static void test_umip_and_ts(void)
{
	static struct machine m;

	setup(&m, &rows[0]);
	m.emu.mode = L;
	m.emu.cpl = 3;
	CHECK_EQ("sgdt, ring 3", EMU_CONTINUE, RUN(&m, 0x0f, 0x01, 0x03));
	m.cr[4] |= 0x800;
	CHECK_EQ("sgdt, UMIP", EMU_FAULT, RUN(&m, 0x0f, 0x01, 0x03));
	CHECK_EQ("vector", 13, m.emu.fault.vector);
	m.cr[0] |= 8;
	CHECK_EQ("movups, TS", EMU_FAULT, RUN(&m, 0x0f, 0x10, 0x03));
	CHECK_EQ("vector", 7, m.emu.fault.vector);
	m.cr[4] &= ~0x200ULL;
	CHECK_EQ("movups, no OSFXSR", EMU_FAULT, RUN(&m, 0x0f, 0x10, 0x03));
	CHECK_EQ("vector", 6, m.emu.fault.vector);
}

/* The I/O permission bitmap: at 0x5000, base 0x68, port 0x80 allowed, 0x81 not. */
static void test_bitmap(void)
{
	static struct machine m;

	setup(&m, &rows[0]);
	m.emu.mode = P;
	m.emu.cpl = 3;
	m.seg[SEG_TR] = (struct segment){ 0x5000, 0x67 + 0x20, 0x8b, 0x40 };
	machine_poke(&m, 0x5066, 0x68, 2);
	machine_poke(&m, 0x5068 + 0x10, 0x02, 1);
	CHECK_EQ("in al, 0x80", EMU_CONTINUE, RUN(&m, 0xe4, 0x80));
	CHECK_EQ("in ax, 0x80", EMU_FAULT, RUN(&m, 0x66, 0xe5, 0x80));
	CHECK_EQ("in al, 0x81", EMU_FAULT, RUN(&m, 0xe4, 0x81));
	m.gpr[GPR_RDX] = 0x3f8;
	CHECK_EQ("beyond the limit", EMU_FAULT, RUN(&m, 0xec));
}

/* STI and MOV SS begin a shadow; the next instruction ends it. */
static void test_shadow(void)
{
	static struct machine m;

	setup(&m, &rows[0]);
	CHECK_EQ("sti", EMU_CONTINUE, RUN(&m, 0xfb));
	CHECK_EQ("shadow", SHADOW_STI, m.emu.shadow);
	CHECK_EQ("sti again", EMU_CONTINUE, RUN(&m, 0xfb));
	CHECK_EQ("shadow", 0, m.emu.shadow);
	CHECK_EQ("mov ss, ax", EMU_CONTINUE, RUN(&m, 0x8e, 0xd0));
	CHECK_EQ("shadow", SHADOW_MOVSS, m.emu.shadow);
	CHECK_EQ("ss", 0x77880, m.seg[SEG_SS].base);
	CHECK_EQ("nop", EMU_CONTINUE, RUN(&m, 0x90));
	CHECK_EQ("shadow", 0, m.emu.shadow);
}

static void test_alignment(void)
{
	static const struct { const char *name; u8 n, bytes[5]; bool wanted; } t[] = {
		{ "mov of 4 bytes at 1", 3, { 0x8b, 0x43, 1 }, true }, { "at 4", 3, { 0x8b, 0x43, 4 }, false },
		{ "mov of 2 bytes at 1", 4, { 0x66, 0x8b, 0x43, 1 }, true }, { "mov of 8 bytes at 4", 4, { 0x48, 0x8b, 0x43, 4 }, true },
		{ "fld of 10 bytes at 4", 3, { 0xdb, 0x6b, 4 }, true }, { "at 8", 3, { 0xdb, 0x6b, 8 }, false },
		{ "fnstenv at 2", 3, { 0xd9, 0x73, 2 }, true }, { "at 4", 3, { 0xd9, 0x73, 4 }, false },
		{ "fnsave at 2", 3, { 0xdd, 0x73, 2 }, true }, { "movups at 1", 4, { 0x0f, 0x10, 0x43, 1 }, false },
	};
	static struct machine m;
	unsigned int i;

	setup(&m, &rows[0]);
	m.emu.mode = L;
	m.emu.cpl = 3;
	m.emu.rflags |= 0x40000;
	CHECK_EQ("no AM", EMU_CONTINUE, RUN(&m, 0x8b, 0x43, 1));
	m.cr[0] |= 0x40000;
	for (i = 0; i < ARRAY_SIZE(t); i++) {
		CHECK_EQ(t[i].name, t[i].wanted ? EMU_FAULT : EMU_CONTINUE, machine_run(&m, t[i].bytes, t[i].n));
		if (t[i].wanted)
			CHECK_EQ("vector", 17, m.emu.fault.vector);
	}
	m.emu.cpl = 0;
	CHECK_EQ("ring 0", EMU_CONTINUE, RUN(&m, 0x8b, 0x43, 1));
}

/* Fetching stops at the page's end when the instruction does. */
static void test_fetch(void)
{
	static struct machine m;

	setup(&m, &rows[0]);
	m.emu.mode = L;
	m.emu.rip = RAM_SIZE - 2;
	machine_poke(&m, RAM_SIZE - 2, 0x078b, 2);
	CHECK_EQ("last in page", EMU_CONTINUE, emu_fetch_decode(&m.emu));
	CHECK_EQ("bytes", 2, m.emu.nr_bytes);
	machine_poke(&m, RAM_SIZE - 2, 0x478b, 2);
	CHECK_EQ("one byte short", EMU_FAULT, emu_fetch_decode(&m.emu));
	CHECK_EQ("vector", 14, m.emu.fault.vector);
	CHECK_EQ("cr2", RAM_SIZE, m.emu.fault.cr2);
	m.emu.mode = P;
	m.seg[SEG_CS].limit = RAM_SIZE - 1;
	CHECK_EQ("beyond the limit", EMU_FAULT, emu_fetch_decode(&m.emu));
	CHECK_EQ("vector", 13, m.emu.fault.vector);
}

/* What a trap between two iterations, or a page fault in the third, finds in the flags: on Intel's CPUs those from before the instruction. */
static void test_rep_flags(void)
{
	static const struct rep {
		const char *name;
		bool intel, is_fault;
		u64 rcx, flags;
	} reps[] = {
		{ "Intel, stepped", true, false, 4, FLAG_ZF | FLAG_OF },
		{ "AMD, stepped", false, false, 4, FLAG_CF | FLAG_SF | FLAG_AF },
		{ "Intel, page fault", true, true, 3, FLAG_ZF | FLAG_OF },
		{ "AMD, page fault", false, true, 3, FLAG_CF | FLAG_AF | FLAG_PF },
	};
	static struct machine m;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(reps); i++) {
		machine_init(&m, EMU_MODE_LONG);
		m.emu.intel = reps[i].intel;
		m.emu.step = !reps[i].is_fault;
		m.emu.rflags = FLAG_ZF | FLAG_OF | 2;
		m.gpr[GPR_RAX] = 1;
		m.gpr[GPR_RCX] = 5;
		m.emu.cpl = 3;
		m.supervisor = 0x3000;
		m.gpr[GPR_RDI] = m.supervisor - 2;
		machine_poke(&m, m.supervisor - 2, 0xfe03, 2);
		CHECK_EQ(reps[i].name, reps[i].is_fault ? EMU_FAULT : EMU_CONTINUE, machine_step(&m, (const u8[]){ 0xf2, 0xae }, 2));
		CHECK_EQ(reps[i].name, reps[i].rcx, m.gpr[GPR_RCX]);
		CHECK_EQ(reps[i].name, reps[i].flags, m.emu.rflags & FLAG_ARITH);
	}
}

/* MOVSXD to a 16-bit register: what it reads of a device. */
static void test_movsxd(void)
{
	static struct machine m;
	unsigned int intel;

	for (intel = 0; intel < 2; intel++) {
		machine_init(&m, EMU_MODE_LONG);
		m.emu.intel = intel;
		m.gpr[GPR_RCX] = 0x11111111;
		m.gpr[GPR_RDI] = DEVICE;
		m.device_value = 0x88888765;
		CHECK_EQ("done", EMU_CONTINUE, machine_run(&m, (const u8[]){ 0x66, 0x63, 0x0f }, 3));
		CHECK_EQ("bytes read", intel ? 2 : 4, m.asked[0].size);
		CHECK_EQ("ECX", 0x11118765, m.gpr[GPR_RCX]);
	}
}

static const struct test_case cases[] = {
	{ "rows", test_rows },
	{ "events", test_events },
	{ "owner", test_owner },
	{ "system_registers", test_system_registers },
	{ "umip_and_ts", test_umip_and_ts },
	{ "bitmap", test_bitmap },
	{ "shadow", test_shadow },
	{ "alignment", test_alignment },
	{ "fetch", test_fetch },
	{ "rep_flags", test_rep_flags },
	{ "movsxd", test_movsxd },
};

TEST_MAIN(cases)
