// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random bytes and random state in every mode: no result outside the contract, no
 * read past the bytes given, nothing committed by an instruction that faults or
 * fails, and always an end.  ASan and UBSan watch.
 *
 *   KEEL_FUZZ_BYTES=100000000 BUILD/selftests/emulate/unit_fuzz_test random     # the long form; KEEL_SEED=N gives others
 */
#include <unistd.h>

#include "test.h"
#include "unit_machine.h"

#define BYTES	1500000		/* of instructions, by default */
#define FETCHES	100000
#define TIMEOUT	7200

static u64 seed = 0x123456789abcdef;

static u64 rnd(void)
{
	return xorshift(&seed);
}

static void rnd_machine(struct machine *m, u8 *io_buf)
{
	static const u64 places[] = { 0x2000, 0x7ff8, 0xfff8, FAULT_PAGE, READ_ONLY_PAGE, DEVICE,
				      DEVICE_POSTED, 0x800000000000, ~0ULL };
	unsigned int i;

	m->emu.mode = rnd() % 7;
	m->emu.cpl = m->emu.mode == EMU_MODE_REAL ? 0 : m->emu.mode == EMU_MODE_VM86 ? 3 : rnd() & 3;
	m->emu.intel = rnd() & 1;
	m->emu.va_bits = rnd() & 1 ? 48 : 57;
	m->emu.io_buf = rnd() & 1 ? io_buf : NULL;
	m->emu.io_buf_size = 100;
	m->emu.rip = rnd() & 3 ? CODE : rnd();
	m->emu.rflags = 2 | (rnd() & 0x3f7fd5);
	for (i = 0; i < 16; i++)
		m->gpr[i] = rnd() & 3 ? places[rnd() % ARRAY_SIZE(places)] + (rnd() & 15) : rnd();
	for (i = 0; i < 8; i++)
		m->seg[i] = (struct segment){ rnd() & 1 ? 0 : rnd() & 0xffff,
						  rnd() & 1 ? 0xffffffff : (u32)rnd() & 0xffff,
						  (u32)(rnd() & 0x1f0ff), (u16)rnd() };
	m->cr[0] = rnd();
	m->cr[4] = rnd();
	m->table[0].base = rnd() & 1 ? 0x9000 : rnd();
	m->table[0].limit = (u16)rnd();
	m->table[1].base = rnd() & 1 ? 0 : rnd();
	m->nr_asked = 0;
	m->nr_ports = 0;
	m->answered = false;
	m->port_asks = rnd() & 1;
	m->lose_races = rnd() & 7 ? 0 : rnd() & 127;
}

static void rnd_insn(u8 *b)
{
	unsigned int i, pos = 0;

	for (i = 0; i < 16; i++)
		b[i] = (u8)rnd();
	switch (rnd() & 7) {
	case 0:
		b[pos++] = (u8[]){ 0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x64, 0x2e, 0x48 }[rnd() & 7];
		break;
	case 1:
		b[pos++] = 0x48;
		break;
	default:
		break;
	}
	if (rnd() & 1)
		b[pos] = 0x0f;
}

/* Things that hold whatever the instruction. */
static void check_result(const struct machine *m, const struct machine *old, int ret)
{
	bool is_rep = m->emu.insn.prefix & (EMU_PFX_REP | EMU_PFX_REPNE);

	ASSERT(ret >= EMU_CONTINUE && ret <= EMU_OWNER, "result %d", ret);
	ASSERT(m->emu.insn.length >= 1 && m->emu.insn.length <= 15, "length %u", m->emu.insn.length);
	if (ret == EMU_CONTINUE)
		ASSERT(m->emu.rflags & 2, "flags 0x%lx", m->emu.rflags);
	if (ret == EMU_FAULT)
		ASSERT(m->emu.fault.vector < 32 || m->emu.fault.type == EMU_EVENT_SOFT_INT,
		       "vector %u", m->emu.fault.vector);
	/* a fault behind a switch of tasks finds the new task's state */
	if (ret != EMU_CONTINUE && !(ret == EMU_FAULT && m->emu.switched)) {
		ASSERT_EQ(m->emu.rip, old->emu.rip);
		ASSERT(is_rep || !memcmp(m->gpr, old->gpr, sizeof(m->gpr)), "registers changed");
	}
	if (ret != EMU_IO)
		ASSERT(!m->emu.log.nr && !m->emu.log.pending && !m->emu.batch, "log kept");
}

/* Returns the bytes that have been decoded. */
static unsigned int one_round(struct machine *m, struct machine *old)
{
	unsigned int n = rnd() & 7 ? 15 : rnd() & 15, i;
	char text[64];
	u8 insn[16], *exact;
	int ret;

	rnd_insn(insn);
	exact = malloc(n ? n : 1);
	memcpy(exact, insn, n);
	ret = emu_decode(&m->emu, exact, n);
	emu_decode_mov(exact, n, m->emu.mode, &(struct emu_mov){ 0 });
	emu_skip_length(m->emu.mode, exact, n, rnd() % EMU_OP_COUNT);
	free(exact);
	if (ret != EMU_CONTINUE) {
		ASSERT(ret == EMU_FAULT || ret == EMU_MORE, "decode gives %d", ret);
		return m->emu.insn.length ? m->emu.insn.length : n;
	}
	memcpy(m->emu.bytes, insn, 15);
	m->emu.nr_bytes = 15;
	old->emu.rip = m->emu.rip;
	memcpy(old->gpr, m->gpr, sizeof(m->gpr));
	for (i = 0; i < 60; i++) {
		ret = emu_execute(&m->emu);
		check_result(m, old, ret);
		if (ret != EMU_IO)
			break;
		m->answered = ret == EMU_IO;
	}
	emu_forget(&m->emu);
	ASSERT_GE(sizeof(text) - 1, emu_format(&m->emu, text, sizeof(text)));
	ASSERT_EQ(emu_format(&m->emu, text, 1 + rnd() % 20), (int)strlen(text));
	return m->emu.insn.length;
}

static u64 number(const char *name, u64 otherwise)
{
	const char *s = getenv(name);

	return s ? strtoull(s, NULL, 0) : otherwise;
}

static void test_random(void)
{
	static struct machine m, old;
	u64 limit = number("KEEL_FUZZ_BYTES", BYTES), bytes = 0, rounds;
	u8 io_buf[100];
	unsigned int i;

	seed += 2 * number("KEEL_SEED", 0);
	machine_init(&m, EMU_MODE_LONG);
	for (i = 0; i < RAM_SIZE; i++)
		m.ram[i] = (u8)rnd();
	for (rounds = 0; bytes < limit; rounds++) {
		rnd_machine(&m, io_buf);
		bytes += one_round(&m, &old);
	}
	test_note("%llu bytes in %llu instructions", (unsigned long long)bytes, (unsigned long long)rounds);
}

/* Random code run from memory: fetch, segmentation of CS, page ends. */
static void test_fetch(void)
{
	static struct machine m;
	unsigned int i;
	u8 io_buf[100];
	int ret;

	machine_init(&m, EMU_MODE_LONG);
	for (i = 0; i < RAM_SIZE; i++)
		m.ram[i] = (u8)rnd();
	for (i = 0; i < FETCHES; i++) {
		rnd_machine(&m, io_buf);
		if (rnd() & 1)
			m.emu.rip = RAM_SIZE - (rnd() & 15);
		ret = emu_fetch_decode(&m.emu);
		ASSERT(ret == EMU_CONTINUE || ret == EMU_FAULT, "result %d", ret);
		if (ret == EMU_CONTINUE)
			ASSERT(m.emu.insn.length <= m.emu.nr_bytes, "length");
	}
}

static const struct test_case cases[] = {
	{ "random", test_random, TIMEOUT },
	{ "fetch", test_fetch },
};

TEST_MAIN(cases)
