// SPDX-License-Identifier: GPL-2.0-only
/* The fast classifier and the skip lengths agree with the full decoder and executor. */
#include "test.h"
#include "unit_machine.h"

static u64 seed = 88172645463325252ULL;

static u64 rnd(void)
{
	return xorshift(&seed);
}

/* Random bytes, more often than not a move. */
static void rnd_bytes(u8 *b)
{
	static const u8 ops[] = { 0x88, 0x89, 0x8a, 0x8b, 0xc6, 0xc7, 0x0f, 0x63, 0xa3, 0x8c };
	unsigned int i, pos = 0;

	for (i = 0; i < 15; i++)
		b[i] = (u8)rnd();
	if (rnd() % 4 == 0)
		b[pos++] = 0x66;
	if (rnd() % 2)
		b[pos++] = 0x40 | (u8)(rnd() & 15);
	b[pos] = ops[rnd() % ARRAY_SIZE(ops)];
	if (b[pos++] == 0x0f)
		b[pos++] = 0xb6 | (u8)(rnd() & 9);
	if (b[pos - 1] == 0xc7 && rnd() % 2)
		b[pos] &= 0xc7;
}

static void note_insn(const struct machine *m)
{
	char text[160];

	emu_format(&m->emu, text, sizeof(text));
	test_note("%s", text);
}

/* What the classifier says must be what the executor does. */
static void check_mov(struct machine *m, const struct emu_mov *mov, const u8 *b)
{
	u64 value = rnd(), gpr[16], la = 0x100;
	unsigned int i;

	for (i = 0; i < 16; i++)
		gpr[i] = m->gpr[i] = rnd();
	if (machine_decode(m, b, 15) != EMU_CONTINUE || m->emu.insn.length != mov->length ||
	    m->emu.insn.mod == 3) {
		note_insn(m);
		FAIL("full decoder: length %u, classifier %u", m->emu.insn.length, mov->length);
	}
	/* Put the operand at la, wherever the address is. */
	m->emu.insn.base = 0xff;
	m->emu.insn.index = 0xff;
	m->emu.insn.disp = (s64)la;
	m->emu.insn.seg = SEG_DS;
	machine_poke(m, la, value, 8);
	ASSERT_EQ(emu_execute(&m->emu), EMU_CONTINUE);
	if (!mov->store)
		emu_mov_load(mov, gpr, value);
	else
		memcpy(&value, (u64[]){ emu_mov_value(mov, gpr) }, mov->size);
	if (machine_peek(m, la, 8) != value || memcmp(gpr, m->gpr, sizeof(gpr))) {
		note_insn(m);
		CHECK_EQ("memory", machine_peek(m, la, 8), value);
		for (i = 0; i < 16; i++)
			CHECK_EQ("register", m->gpr[i], gpr[i]);
		FAIL("classifier and executor differ");
	}
}

static void test_mov_random(void)
{
	static const enum emu_mode modes[] = { EMU_MODE_LONG, EMU_MODE_PROT32, EMU_MODE_COMPAT32 };
	static struct machine m;
	unsigned int round, known = 0, n;
	struct emu_mov mov;
	u8 b[15], *exact;

	for (round = 0; round < 200000; round++) {
		enum emu_mode mode = modes[rnd() % 3];

		rnd_bytes(b);
		if (!emu_decode_mov(b, 15, mode, &mov))
			continue;
		if (known++ % 16 == 0)
			machine_init(&m, mode);
		m.emu.mode = mode;
		check_mov(&m, &mov, b);
		for (n = 0; n < mov.length; n++) {	/* a block of exactly n bytes, for ASan */
			struct emu_mov other;

			exact = malloc(n ? n : 1);
			memcpy(exact, b, n);
			if (emu_decode_mov(exact, n, mode, &other))
				FAIL("%u bytes of %u are enough?", n, mov.length);
			free(exact);
		}
	}
	ASSERT_GE(known, 40000);
}

struct mov_row {
	const char *name;
	enum emu_mode mode;
	u8 bytes[15];
	struct emu_mov want;	/* length 0: not a plain move */
};

#define L EMU_MODE_LONG
#define P EMU_MODE_PROT32
static const struct mov_row mov_rows[] = {
	{ "mov [rax+16], ecx", L, { 0x89, 0x48, 0x10 }, { 3, 4, 1, 0, 0, 4, 0, 1, 0 } },
	{ "mov r9, [rdi]", L, { 0x4c, 0x8b, 0x0f }, { 3, 8, 0, 0, 0, 8, 0, 9, 0 } },
	{ "mov [abs], 0", L, { 0xc7, 4, 0x25, 0xb0, 0, 0xe0, 0xfe, 1, 0, 0, 0 },
	  { 11, 4, 1, 1, 0, 4, 0, 0, 1 } },
	{ "mov qword [rax], -1", L, { 0x48, 0xc7, 0, 0xff, 0xff, 0xff, 0xff },
	  { 7, 8, 1, 1, 0, 8, 0, 0, ~0ULL } },
	{ "mov [rax], ah", L, { 0x88, 0x20 }, { 2, 1, 1, 0, 1, 1, 0, 0, 0 } },
	{ "mov [rax], spl", L, { 0x40, 0x88, 0x20 }, { 3, 1, 1, 0, 0, 1, 0, 4, 0 } },
	{ "movzx eax, byte [rsi]", L, { 0x0f, 0xb6, 0x06 }, { 3, 1, 0, 0, 0, 4, 0, 0, 0 } },
	{ "movsx rax, word [rsi]", L, { 0x48, 0x0f, 0xbf, 0x06 }, { 4, 2, 0, 0, 0, 8, 1, 0, 0 } },
	{ "movsxd rax, [rsi]", L, { 0x48, 0x63, 0x06 }, { 3, 4, 0, 0, 0, 8, 1, 0, 0 } },
	{ "mov word [ebx+4], 7", P, { 0x66, 0xc7, 0x43, 4, 7, 0 }, { 6, 2, 1, 1, 0, 2, 0, 0, 7 } },
	{ "mov rax, rbx", L, { 0x48, 0x89, 0xd8 }, { 0 } },
	{ "or [rax], ecx", L, { 0x09, 0x08 }, { 0 } },
	{ "lock mov", L, { 0xf0, 0x89, 0x08 }, { 0 } },
	{ "mov [di], ax in real mode", EMU_MODE_REAL, { 0x89, 0x05 }, { 0 } },
	{ "c7 /1", L, { 0xc7, 0x08, 0, 0, 0, 0 }, { 0 } },
	{ "arpl", P, { 0x63, 0x06 }, { 0 } },
};

static void test_mov_table(void)
{
	struct emu_mov mov;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(mov_rows); i++) {
		const struct mov_row *r = &mov_rows[i];
		bool got = emu_decode_mov(r->bytes, 15, r->mode, &mov);

		CHECK_EQ(r->name, r->want.length != 0, got);
		if (!got)
			continue;
		CHECK_EQ(r->name, r->want.length, mov.length);
		CHECK_EQ(r->name, r->want.size, mov.size);
		CHECK_EQ(r->name, r->want.store, mov.store);
		CHECK_EQ(r->name, r->want.is_imm, mov.is_imm);
		CHECK_EQ(r->name, r->want.high, mov.high);
		CHECK_EQ(r->name, r->want.reg_size, mov.reg_size);
		CHECK_EQ(r->name, r->want.sign, mov.sign);
		CHECK_EQ(r->name, r->want.reg, mov.reg);
		CHECK_EQ(r->name, r->want.imm, mov.imm);
	}
}

struct skip_row {
	enum emu_mode mode;
	enum emu_op op;
	u8 bytes[15];
	unsigned int n, want;
};

static const struct skip_row skip_rows[] = {
	{ L, EMU_OP_CPUID, { 0x0f, 0xa2 }, 15, 2 }, { L, EMU_OP_CPUID, { 0x0f, 0xa2 }, 2, 2 },
	{ L, EMU_OP_CPUID, { 0x0f, 0xa2 }, 1, 0 }, { L, EMU_OP_CPUID, { 0x0f, 0x32 }, 15, 0 },
	{ L, EMU_OP_CPUID, { 0x66, 0x48, 0x0f, 0xa2 }, 15, 4 },
	{ P, EMU_OP_CPUID, { 0x48, 0x0f, 0xa2 }, 15, 0 },
	{ L, EMU_OP_CPUID, { 0xf0, 0x0f, 0xa2 }, 15, 0 },
	{ L, EMU_OP_HLT, { 0xf4 }, 1, 1 }, { L, EMU_OP_HLT, { 0xf3, 0xf4 }, 15, 2 },
	{ L, EMU_OP_VMMCALL, { 0x0f, 0x01, 0xd9 }, 3, 3 },
	{ L, EMU_OP_VMMCALL, { 0x0f, 0x01, 0xc1 }, 15, 0 },
	{ L, EMU_OP_VMCALL, { 0x2e, 0x0f, 0x01, 0xc1 }, 4, 4 },
	{ L, EMU_OP_PAUSE, { 0xf3, 0x90 }, 15, 2 }, { L, EMU_OP_PAUSE, { 0x90 }, 15, 0 },
	{ L, EMU_OP_PAUSE, { 0x66, 0xf3, 0x90 }, 3, 3 },
	{ L, EMU_OP_RDMSR, { 0x0f, 0x32 }, 15, 2 }, { L, EMU_OP_WRMSR, { 0x0f, 0x30 }, 15, 2 },
	{ L, EMU_OP_RDTSCP, { 0x0f, 0x01, 0xf9 }, 15, 3 },
	{ EMU_MODE_REAL, EMU_OP_WBINVD, { 0x66, 0x0f, 0x09 }, 15, 3 },
	{ P, EMU_OP_INT, { 0xcd, 0x40 }, 15, 2 }, { P, EMU_OP_INT, { 0x66, 0x2e, 0xcd, 0x40 }, 4, 4 },
	{ P, EMU_OP_INT, { 0xcd, 0x40 }, 1, 0 }, { P, EMU_OP_INT, { 0xcc, 0xcd }, 15, 0 },
	{ P, EMU_OP_INT3, { 0xcc }, 1, 1 }, { P, EMU_OP_INTO, { 0xce }, 15, 1 },
	{ L, EMU_OP_MOV, { 0x89, 0x08 }, 15, 0 }, { L, EMU_OP_ADD, { 0x00, 0x00 }, 15, 0 },
	{ L, EMU_OP_HLT, { 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
			   0x66, 0x66, 0x66 }, 15, 0 },
};

static void test_skip_length(void)
{
	static struct machine m;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(skip_rows); i++) {
		const struct skip_row *r = &skip_rows[i];
		u8 *exact = malloc(r->n);
		char name[32];

		memcpy(exact, r->bytes, r->n);
		snprintf(name, sizeof(name), "row %u", i);
		CHECK_EQ(name, r->want, emu_skip_length(r->mode, exact, r->n, r->op));
		free(exact);
		if (!r->want)
			continue;
		machine_init(&m, r->mode);
		ASSERT_EQ(machine_decode(&m, r->bytes, 15), EMU_CONTINUE);
		CHECK_EQ(name, r->op, m.emu.insn.row.op);
		CHECK_EQ(name, r->want, m.emu.insn.length);
	}
}

static const struct test_case cases[] = {
	{ "mov_table", test_mov_table },
	{ "mov_random", test_mov_random },
	{ "skip_length", test_skip_length },
};

TEST_MAIN(cases)
