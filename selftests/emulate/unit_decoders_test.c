// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random byte strings have the same length and validity for Keel, Zydis and Capstone in real, 16-, 32- and 64-bit mode, or
 * a rule of unit_decoders_rules.c says which manual makes it otherwise.
 *
 * Valid is what does not end in #UD on a CPU that has everything enabled, at privilege level 0: Keel decodes and executes.
 *
 *   KEEL_STRINGS=10000000 BUILD/selftests/emulate/unit_decoders_test     # the long form; KEEL_SEED=N gives others
 */
#include <Zydis/Zydis.h>
#include <capstone/capstone.h>

#include "test.h"
#include "unit_decoders.h"

#define STRINGS		1000000	/* by default, of each case */
#define LONG_FORM	2000000	/* from here on each rule is printed, with how often it was of use */
#define MAX_REPORTS	40

static const char *const lib_names[NR_DECODERS] = { "Zydis", "Capstone" };
static const char *const width_names[NR_WIDTHS] = { "real", "16", "32", "64" };
static const enum emu_mode width_modes[NR_WIDTHS] = {
	EMU_MODE_REAL, EMU_MODE_PROT16, EMU_MODE_PROT32, EMU_MODE_LONG,
};

static u64 seed;

static u64 rnd(void)
{
	return xorshift(&seed) >> 11;
}

/* A quarter is plain noise; the others have prefixes, and the opcode maps, more often than chance would. */
static void rnd_string(u8 *b)
{
	static const u8 prefixes[] = { 0x66, 0x66, 0x67, 0xf0, 0xf2, 0xf3, 0xf2, 0xf3,
				       0x64, 0x2e, 0x3e, 0x65, 0x48, 0x41, 0x4c, 0x40 };
	static const u8 escapes[] = { 0xc4, 0xc5, 0x62, 0x8f };
	unsigned int i, pos = 0;
	u64 r = rnd();

	for (i = 0; i < EMU_MAX_INSN; i++)
		b[i] = (u8)rnd();
	if (!(r & 3))
		return;
	for (i = (r >> 2) & 3; i; i--)
		b[pos++] = prefixes[rnd() % ARRAY_SIZE(prefixes)];
	switch ((r >> 4) & 7) {
	case 0 ... 2:
		b[pos] = 0x0f;
		break;
	case 3:
		b[pos++] = 0x0f;
		b[pos] = r & 0x100 ? 0x38 : 0x3a;
		break;
	case 4:
		b[pos] = escapes[(r >> 8) & 3];
		break;
	default:
		break;
	}
}

static struct machine clean[NR_WIDTHS], now;

static void machines_init(void)
{
	unsigned int i;

	for (i = 0; i < NR_WIDTHS; i++) {
		machine_init(&clean[i], width_modes[i]);
		clean[i].cr[0] = width_modes[i] == EMU_MODE_REAL ? 0x30 : 0x80000031;
		clean[i].cr[4] = 0x3506f0;	/* all but DE, so that DR4 and DR5 are aliases */
		clean[i].cr[EMU_XCR0] = 7;
	}
}

/* Keel's opinion on CPL 0 of a CPU that has all enabled; @now keeps the decoded instruction. */
static struct opinion ask_keel(unsigned int width, bool intel, const u8 *b)
{
	struct opinion o = { VERDICT_VALID };
	int ret;

	memcpy(&now, &clean[width], offsetof(struct machine, ram));
	now.nr_asked = now.nr_ports = 0;
	now.emu.intel = intel;
	ret = machine_decode(&now, b, EMU_MAX_INSN);
	if (ret == EMU_FAULT) {
		o.verdict = now.emu.fault.vector == 6 ? VERDICT_INVALID : VERDICT_TOO_LONG;
		return o;
	}
	o.length = now.emu.insn.length;
	ret = emu_execute(&now.emu);
	if (ret == EMU_FAILED)
		o.verdict = VERDICT_KNOWN;
	else if (ret == EMU_FAULT && now.emu.fault.vector == 6 && now.emu.fault.type == EMU_EVENT_EXCEPTION)
		o.verdict = VERDICT_INVALID;
	emu_forget(&now.emu);
	return o;
}

static ZydisDecoder zydis[NR_WIDTHS][2];

static void zydis_init(void)
{
	static const ZydisMachineMode modes[NR_WIDTHS] = {
		ZYDIS_MACHINE_MODE_REAL_16, ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_MACHINE_MODE_LEGACY_32,
		ZYDIS_MACHINE_MODE_LONG_64,
	};
	static const ZydisStackWidth stacks[NR_WIDTHS] = {
		ZYDIS_STACK_WIDTH_16, ZYDIS_STACK_WIDTH_16, ZYDIS_STACK_WIDTH_32, ZYDIS_STACK_WIDTH_64,
	};
	unsigned int i, intel;

	for (i = 0; i < NR_WIDTHS; i++)
		for (intel = 0; intel < 2; intel++) {
			ZydisDecoder *d = &zydis[i][intel];

			ASSERT(ZYAN_SUCCESS(ZydisDecoderInit(d, modes[i], stacks[i])), "ZydisDecoderInit");
			ZydisDecoderEnableMode(d, ZYDIS_DECODER_MODE_MPX, 0);
			ZydisDecoderEnableMode(d, ZYDIS_DECODER_MODE_AMD_BRANCHES, !intel);
		}
}

static struct opinion ask_zydis(unsigned int width, bool intel, const u8 *b)
{
	struct opinion o = { VERDICT_INVALID };
	ZydisDecodedInstruction insn;
	ZyanStatus status = ZydisDecoderDecodeInstruction(&zydis[width][intel], NULL, b, EMU_MAX_INSN, &insn);

	if (ZYAN_SUCCESS(status)) {
		o.verdict = VERDICT_VALID;
		o.length = insn.length;
	} else if (status == ZYDIS_STATUS_NO_MORE_DATA || status == ZYDIS_STATUS_INSTRUCTION_TOO_LONG) {
		o.verdict = VERDICT_TOO_LONG;
	}
	return o;
}

static csh capstone[NR_WIDTHS];
static cs_insn *capstone_insn;

static void capstone_init(void)
{
	static const cs_mode modes[NR_WIDTHS] = { CS_MODE_16, CS_MODE_16, CS_MODE_32, CS_MODE_64 };
	unsigned int i;

	for (i = 0; i < NR_WIDTHS; i++)
		ASSERT_EQ(CS_ERR_OK, cs_open(CS_ARCH_X86, modes[i], &capstone[i]));
	capstone_insn = cs_malloc(capstone[0]);
	ASSERT(capstone_insn, "cs_malloc");
}

static struct opinion ask_capstone(unsigned int width, bool intel, const u8 *b)
{
	struct opinion o = { VERDICT_INVALID };
	size_t size = EMU_MAX_INSN;
	u64 address = CODE;

	(void)intel;
	if (cs_disasm_iter(capstone[width], &b, &size, &address, capstone_insn)) {
		o.verdict = VERDICT_VALID;
		o.length = capstone_insn->size;
	}
	return o;
}

/* Where Keel knows a length only, a library may refuse. */
static enum difference_kind compare(enum decoder lib, struct opinion keel, struct opinion other)
{
	bool is_accepted = other.verdict == VERDICT_VALID;

	if (keel.verdict == VERDICT_TOO_LONG) {
		if (lib == DECODER_CAPSTONE)
			return is_accepted ? KIND_LIMIT : KIND_NONE;
		return other.verdict == VERDICT_TOO_LONG ? KIND_NONE : KIND_LIMIT;
	}
	if (other.verdict == VERDICT_TOO_LONG)
		return KIND_LIMIT;
	if (keel.verdict == VERDICT_INVALID)
		return is_accepted ? KIND_ACCEPTS : KIND_NONE;
	if (!is_accepted)
		return keel.verdict == VERDICT_VALID ? KIND_REFUSES : KIND_NONE;
	return keel.length == other.length ? KIND_NONE : KIND_LENGTH;
}

struct counts {
	u64 strings, verdicts[4], unproved, lengths, unexplained;
	u64 *by_rule;
};

static void report(enum decoder lib, unsigned int width, bool intel, const u8 *b, struct opinion keel,
		   struct opinion other)
{
	static const char *const verdicts[] = { "valid", "length only", "#UD", "more than 15 bytes" };
	char text[160];

	memcpy(now.emu.bytes, b, EMU_MAX_INSN);
	now.emu.nr_bytes = EMU_MAX_INSN;
	emu_format(&now.emu, text, sizeof(text));
	test_note("%s %s-bit, %s: wanted %s, length %u; got %s, length %u: map %u, %02x /%u: %s", lib_names[lib],
		  width_names[width], intel ? "Intel" : "AMD", verdicts[other.verdict], other.length,
		  verdicts[keel.verdict], keel.length, now.emu.insn.map, now.emu.insn.opcode,
		  (now.emu.insn.modrm >> 3) & 7, text);
}

static void one_string(enum decoder lib, unsigned int width, bool intel, const u8 *b, struct counts *c)
{
	struct opinion keel = ask_keel(width, intel, b);
	struct opinion other = lib == DECODER_ZYDIS ? ask_zydis(width, intel, b) : ask_capstone(width, intel, b);
	enum difference_kind kind = compare(lib, keel, other);
	int rule;

	c->strings++;
	c->verdicts[keel.verdict]++;
	if (keel.length && other.length)
		c->lengths++;
	if (keel.verdict == VERDICT_KNOWN && other.verdict != VERDICT_VALID)
		c->unproved++;
	if (kind == KIND_NONE)
		return;
	rule = difference_find(lib, kind, width, &now.emu);
	if (rule >= 0) {
		c->by_rule[rule]++;
		return;
	}
	if (c->unexplained++ < MAX_REPORTS)
		report(lib, width, intel, b, keel, other);
}

static u64 number(const char *name, u64 otherwise)
{
	const char *s = getenv(name);

	return s ? strtoull(s, NULL, 0) : otherwise;
}

static void print_counts(enum decoder lib, const struct counts *c)
{
	u64 by_rule = 0;
	unsigned int i;

	for (i = 0; i < nr_differences; i++) {
		if (differences[i].lib != lib)
			continue;
		by_rule += c->by_rule[i];
		if (c->strings >= LONG_FORM)
			test_note("%8llu %s", (unsigned long long)c->by_rule[i], differences[i].why);
	}
	test_note("%s: %llu strings: %llu valid, %llu #UD, %llu above 15 bytes, %llu of which Keel knows the length alone (%llu of them refused by %s); %llu lengths compared; %llu differences by a rule, %llu without",
		  lib_names[lib], (unsigned long long)c->strings, (unsigned long long)c->verdicts[VERDICT_VALID],
		  (unsigned long long)c->verdicts[VERDICT_INVALID], (unsigned long long)c->verdicts[VERDICT_TOO_LONG],
		  (unsigned long long)c->verdicts[VERDICT_KNOWN], (unsigned long long)c->unproved, lib_names[lib],
		  (unsigned long long)c->lengths, (unsigned long long)by_rule, (unsigned long long)c->unexplained);
}

static void compare_all(enum decoder lib)
{
	u64 strings = number("KEEL_STRINGS", STRINGS), i;
	struct counts c = { .by_rule = calloc(nr_differences, sizeof(u64)) };
	u8 b[EMU_MAX_INSN];

	ASSERT(c.by_rule, "no memory");
	seed = number("KEEL_SEED", 0) * 2 + 0x9e3779b97f4a7c15;
	machines_init();
	for (i = 0; i < strings; i++) {
		rnd_string(b);
		one_string(lib, i % NR_WIDTHS, (i / NR_WIDTHS) & 1, b, &c);
	}
	print_counts(lib, &c);
	CHECK_EQ("differences that no rule explains", 0, c.unexplained);
	free(c.by_rule);
}

static void test_zydis(void)
{
	zydis_init();
	compare_all(DECODER_ZYDIS);
}

static void test_capstone(void)
{
	capstone_init();
	compare_all(DECODER_CAPSTONE);
	cs_free(capstone_insn, 1);
}

static const struct test_case cases[] = {
	{ "zydis", test_zydis, 3600 },
	{ "capstone", test_capstone, 3600 },
};

TEST_MAIN(cases)
