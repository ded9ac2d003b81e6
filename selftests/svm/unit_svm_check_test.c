// SPDX-License-Identifier: GPL-2.0-only
/*
 * svm/check.c: every rule of the APM's "Canonicalization and Consistency Checks", "Event Injection" and
 * "Nested Paging" is broken alone in an otherwise valid VMCB, and must be found and named; what no
 * rule forbids must pass.
 */
#include <asm/processor-flags.h>
#include <asm/msr-index.h>
#include <asm/svm.h>
#include <keel/groups.h>
#include "check.h"
#include "rule_count.h"
#include "test.h"

#define PE		X86_CR0_PE
#define ET		X86_CR0_ET
#define WP		X86_CR0_WP
#define NW		X86_CR0_NW
#define CD		X86_CR0_CD
#define PG		X86_CR0_PG
#define PAE		X86_CR4_PAE
#define CET		BIT(23)
#define LONG_CR0	(PE | ET | WP | PG)
#define LONG_EFER	(EFER_SVME | EFER_LME | EFER_LMA | EFER_SCE | EFER_NX)
#define CS64		0xa9b
#define CS32		0xc9b
#define CS16		0x09b
#define WIDTH		40
#define TOP		(1ULL << WIDTH)
#define VALID		((u64)SVM_EVTINJ_VALID)
#define EXCEPTION(v)	(VALID | SVM_EVTINJ_TYPE_EXEPT | (v))
#define EXCEPTION_EV(v)	(EXCEPTION(v) | SVM_EVTINJ_VALID_ERR)

/* A CPU with shadow stacks and LA57, and all of EFER but LMSLE and what is reserved. */
static const struct svm_check_env this_cpu = {
	.maxphyaddr = WIDTH, .nr_asids = 16, .long_mode = true,
	.cr4 = 0x00f71fff, .efer = 0x0036dd01,
};

static const struct svm_check_env old_cpu = {
	.maxphyaddr = WIDTH, .nr_asids = 16, .long_mode = true,
	.cr4 = 0x000007ff, .efer = LONG_EFER,
};

static const struct svm_check_env cpu_32bit = {
	.maxphyaddr = 36, .nr_asids = 16, .cr4 = 0x7ff, .efer = EFER_SVME | EFER_NX,
};

static const struct svm_check_env cpu_52bit = {
	.maxphyaddr = 52, .nr_asids = 32768, .long_mode = true, .cr4 = 0x00f71fff, .efer = LONG_EFER,
};

enum base { LONG, COMPAT, PAE32, PROTECTED, REAL };

static struct vmcb base_vmcb(enum base base)
{
	static const struct {
		u64 cr0, cr4, efer;
		u16 cs;
	} modes[] = {
		[LONG]		= { LONG_CR0, PAE, LONG_EFER, CS64 },
		[COMPAT]	= { LONG_CR0, PAE, LONG_EFER, CS32 },
		[PAE32]		= { LONG_CR0, PAE, EFER_SVME | EFER_NX, CS32 },
		[PROTECTED]	= { PE | ET, 0, EFER_SVME, CS32 },
		[REAL]		= { ET, 0, EFER_SVME, CS16 },
	};
	struct vmcb vmcb = {
		.control = {
			.iopm_base_pa = 0x10000, .msrpm_base_pa = 0x20000, .asid = 1, .nested_ctl = 1,
			.nested_cr3 = 0x30000,
		},
		.save = {
			.cr0 = modes[base].cr0, .cr3 = 0x1000, .cr4 = modes[base].cr4,
			.efer = modes[base].efer, .cs.attrib = modes[base].cs, .dr6 = 0xffff0ff0,
			.dr7 = 0x400, .rflags = 2, .g_pat = 0x0007040600070406,
		},
	};

	vmcb.control.intercepts[INTERCEPT_WORD4] = 1;
	return vmcb;
}

struct store {
	u16 at;
	u8 size;
	u64 value;
};

#define STORE(part, field, value)					\
	{ offsetof(struct vmcb, part.field), sizeof(((struct vmcb *)0)->part.field), value }
#define SAVE(field, value)	STORE(save, field, value)
#define CONTROL(field, value)	STORE(control, field, value)

struct row {
	const char *name;
	struct store stores[3];
	const char *field;	/* NULL: nothing is wrong */
	const char *rule;
	u64 value;
	enum base base;
	const struct svm_check_env *env;	/* NULL: this_cpu */
};

/* The rules, in the words of check.c. */
#define R_SVME		"SVME must be set"
#define R_NO_LONG	"LMA and LME must be clear without long mode"
#define R_BITS		"bits that this CPU has not must be zero"
#define R_PAE		"PAE must be set with EFER.LME and CR0.PG"
#define R_PE		"PE must be set with EFER.LME and CR0.PG"
#define R_LD		"L and D must not both be set in long mode"
#define R_NW		"NW must be clear while CD is clear"
#define R_HIGH		"bits 63:32 must be zero"
#define R_WIDTH		"bits above the physical address width must be zero"
#define R_WP		"WP must be set with CR4.CET"
#define R_RESERVED	"reserved bits must be zero"
#define R_VMRUN		"VMRUN must be intercepted"
#define R_MAP		"the map must lie below the physical address limit"
#define R_ZERO		"must not be zero"
#define R_ASIDS		"must be below the number of ASIDs in CPUID"
#define R_PAT		"each byte must be a memory type"
#define R_TYPE		"the type is reserved"
#define R_VECTOR	"the vector is no exception of this CPU"
#define R_ERROR		"this exception has no error code"
#define R_BR		"#BR does not exist in 64-bit mode"

/* One value breaks one rule; the same value is reported. */
#define ONE(name, part, field, value, shown, rule) { name, { STORE(part, field, value) }, shown, rule, value }
#define CR0(name, value, rule)		ONE(name, save, cr0, value, "CR0", rule)
#define CR3(name, value)		ONE(name, save, cr3, value, "CR3", R_WIDTH)
#define CR4(name, value, rule)		ONE(name, save, cr4, value, "CR4", rule)
#define DR6(name, value)		ONE(name, save, dr6, value, "DR6", R_HIGH)
#define DR7(name, value)		ONE(name, save, dr7, value, "DR7", R_HIGH)
#define EFER(name, value, rule)		ONE(name, save, efer, value, "EFER", rule)
#define IOPM(name, value)		ONE(name, control, iopm_base_pa, value, "IOPM_BASE_PA", R_MAP)
#define MSRPM(name, value)		ONE(name, control, msrpm_base_pa, value, "MSRPM_BASE_PA", R_MAP)
#define N_CR3(name, value)		ONE(name, control, nested_cr3, value, "N_CR3", R_WIDTH)
#define PAT(name, value)		ONE(name, save, g_pat, value, "G_PAT", R_PAT)
#define EVENT(name, value, rule)	ONE(name, control, event_inj, value, "EVENTINJ", rule)

static const struct row broken[] = {
	EFER("SVME clear", LONG_EFER & ~(u64)EFER_SVME, R_SVME),
	{ "SVME clear, real mode", { SAVE(efer, 0) }, "EFER", R_SVME, 0, REAL },
	EFER("reserved bit 1", LONG_EFER | BIT(1), R_BITS),
	EFER("reserved bit 7", LONG_EFER | BIT(7), R_BITS),
	EFER("reserved bit 9", LONG_EFER | BIT(9), R_BITS),
	EFER("LMSLE where it is not", LONG_EFER | BIT(13), R_BITS),
	EFER("reserved bit 16", LONG_EFER | BIT(16), R_BITS),
	EFER("reserved bit 19", LONG_EFER | BIT(19), R_BITS),
	EFER("reserved bit 22", LONG_EFER | BIT(22), R_BITS),
	EFER("reserved bit 63", LONG_EFER | BIT(63), R_BITS),
	{ "FFXSR where it is not", { SAVE(efer, LONG_EFER | EFER_FFXSR) }, "EFER", R_BITS, LONG_EFER | EFER_FFXSR,
	  LONG, &old_cpu },
	{ "LME on a 32-bit CPU", { SAVE(efer, EFER_SVME | EFER_LME) }, "EFER", R_NO_LONG, EFER_SVME | EFER_LME, PROTECTED,
	  &cpu_32bit },
	{ "LMA on a 32-bit CPU", { SAVE(efer, EFER_SVME | EFER_LMA) }, "EFER", R_NO_LONG, EFER_SVME | EFER_LMA, PROTECTED,
	  &cpu_32bit },
	CR4("LME and PG without PAE", 0, R_PAE),
	{ "the same without LMA", { SAVE(cr4, 0), SAVE(efer, EFER_SVME | EFER_LME) }, "CR4", R_PAE, 0 },
	CR0("LME and PG without PE", LONG_CR0 & ~(u64)PE, R_PE),
	{ "the same without LMA", { SAVE(cr0, ET | PG), SAVE(efer, EFER_SVME | EFER_LME) }, "CR0", R_PE, ET | PG },
	ONE("CS.L and CS.D", save, cs.attrib, CS64 | 0x400, "CS.attrib", R_LD),

	CR0("NW without CD", LONG_CR0 | NW, R_NW),
	{ "NW without CD, real mode", { SAVE(cr0, ET | NW) }, "CR0", R_NW, ET | NW, REAL },
	CR0("bit 32", LONG_CR0 | BIT(32), R_HIGH),
	CR0("bit 47", LONG_CR0 | BIT(47), R_HIGH),
	CR0("bit 63", LONG_CR0 | BIT(63), R_HIGH),
	{ "bit 63, real mode", { SAVE(cr0, ET | BIT(63)) }, "CR0", R_HIGH, ET | BIT(63), REAL },
	CR3("first bit too many", 0x1000 | TOP),
	CR3("bit 51", 0x1000 | BIT(51)),
	CR3("bit 52", 0x1000 | BIT(52)),
	CR3("bit 62", 0x1000 | BIT(62)),
	CR3("bit 63", 0x1000 | BIT(63)),
	{ "CR3 bit 52 of 52", { SAVE(cr3, BIT(52)) }, "CR3", R_WIDTH, BIT(52), LONG, &cpu_52bit },
	{ "CR3 too wide, compatibility mode", { SAVE(cr3, BIT(41)) }, "CR3", R_WIDTH, BIT(41), COMPAT },
	CR4("VMXE", PAE | BIT(13), R_BITS),
	CR4("SMXE", PAE | BIT(14), R_BITS),
	CR4("reserved bit 15", PAE | BIT(15), R_BITS),
	CR4("KL", PAE | BIT(19), R_BITS),
	CR4("PKS", PAE | BIT(24), R_BITS),
	CR4("UINTR", PAE | BIT(25), R_BITS),
	CR4("bit 32", PAE | BIT(32), R_BITS),
	CR4("bit 63", PAE | BIT(63), R_BITS),
	{ "CR4 bit 15, real mode", { SAVE(cr4, BIT(15)) }, "CR4", R_BITS, BIT(15), REAL },
	{ "LA57 where it is not", { SAVE(cr4, PAE | BIT(12)) }, "CR4", R_BITS, PAE | BIT(12), LONG, &old_cpu },
	{ "SMEP where it is not", { SAVE(cr4, PAE | BIT(20)) }, "CR4", R_BITS, PAE | BIT(20), LONG, &old_cpu },
	{ "PCIDE where it is not", { SAVE(cr4, PAE | BIT(17)) }, "CR4", R_BITS, PAE | BIT(17), LONG, &old_cpu },
	DR6("bit 32", 0xffff0ff0 | BIT(32)),
	DR6("bit 63", 0xffff0ff0 | BIT(63)),
	DR7("bit 32", 0x400 | BIT(32)),
	DR7("bit 63", 0x400 | BIT(63)),

	{ "CET without WP", { SAVE(cr4, PAE | CET), SAVE(cr0, LONG_CR0 & ~(u64)WP) }, "CR0", R_WP, LONG_CR0 & ~(u64)WP },
	ONE("S_CET bit 2", save, s_cet, BIT(2), "S_CET", R_RESERVED),
	ONE("S_CET bit 9", save, s_cet, 3 | BIT(9), "S_CET", R_RESERVED),
	ONE("S_CET bit 63", save, s_cet, BIT(63), "S_CET", R_RESERVED),

	ONE("VMRUN not intercepted", control, intercepts[INTERCEPT_WORD4], 0, "intercepts[4]", R_VMRUN),
	ONE("others instead of it", control, intercepts[INTERCEPT_WORD4], 0xfffffffe, "intercepts[4]", R_VMRUN),
	IOPM("one page too high", TOP - 0x2000),
	IOPM("at the limit", TOP),
	IOPM("all ones", ~0ULL),
	{ "IOPM above 2^52", { CONTROL(iopm_base_pa, BIT(52)) }, "IOPM_BASE_PA", R_MAP, BIT(52), LONG, &cpu_52bit },
	MSRPM("one page too high", TOP - 0x1000),
	MSRPM("at the limit", TOP),
	MSRPM("bit 63", BIT(63)),
	ONE("ASID 0", control, asid, 0, "ASID", R_ZERO),
	ONE("the first ASID too many", control, asid, 16, "ASID", R_ASIDS),
	ONE("the last", control, asid, 0xffffffff, "ASID", R_ASIDS),

	N_CR3("first bit too many", 0x30000 | TOP),
	N_CR3("bit 63", 0x30000 | BIT(63)),
	{ "N_CR3 bit 52 of 52", { CONTROL(nested_cr3, BIT(52)) }, "N_CR3", R_WIDTH, BIT(52), LONG, &cpu_52bit },
	PAT("type 2", 0x0007040600070402),
	PAT("type 3", 0x0007040600070306),
	PAT("type 8", 0x0007040600080406),
	PAT("reserved bit 63", 0x8007040600070406),
	PAT("last byte 0xff", 0xff07040600070406),

	EVENT("type 1", VALID | 1 << 8 | 0x20, R_TYPE),
	EVENT("type 5", VALID | 5 << 8 | 0x20, R_TYPE),
	EVENT("type 6", VALID | 6 << 8, R_TYPE),
	EVENT("type 7", VALID | 7 << 8 | 0xff, R_TYPE),
	EVENT("NMI as an exception", EXCEPTION(2), R_VECTOR),
	EVENT("exception 9", EXCEPTION(9), R_VECTOR),
	EVENT("exception 15", EXCEPTION(15), R_VECTOR),
	EVENT("exception 20", EXCEPTION(20), R_VECTOR),
	EVENT("exception 22", EXCEPTION(22), R_VECTOR),
	EVENT("exception 27", EXCEPTION(27), R_VECTOR),
	EVENT("exception 31", EXCEPTION(31), R_VECTOR),
	EVENT("exception 32", EXCEPTION(32), R_VECTOR),
	EVENT("exception 255", EXCEPTION(255), R_VECTOR),
	{ "#CP without shadow stacks", { CONTROL(event_inj, EXCEPTION_EV(21)) }, "EVENTINJ", R_VECTOR, EXCEPTION_EV(21), LONG,
	  &old_cpu },
	EVENT("#DE with an error code", EXCEPTION_EV(0), R_ERROR),
	EVENT("#UD with an error code", EXCEPTION_EV(6), R_ERROR),
	EVENT("#MC with an error code", EXCEPTION_EV(18), R_ERROR),
	EVENT("#BR in 64-bit mode", EXCEPTION(5), R_BR),
};

#define PASS(name, ...)	{ name, { __VA_ARGS__ } }

static const struct row valid[] = {
	{ "long mode", .base = LONG },
	{ "compatibility mode", .base = COMPAT },
	{ "PAE paging", .base = PAE32 },
	{ "protected mode without paging", .base = PROTECTED },
	{ "real mode", .base = REAL },
	{ "virtual-8086 mode", { SAVE(rflags, 0x20002) }, .base = PROTECTED },
	{ "a 32-bit CPU", .base = PROTECTED, .env = &cpu_32bit },
	{ "an old CPU", .env = &old_cpu },
	PASS("CD and NW", SAVE(cr0, LONG_CR0 | CD | NW)),
	PASS("CD alone", SAVE(cr0, LONG_CR0 | CD)),
	PASS("unknown bits of CR0 below 32", SAVE(cr0, LONG_CR0 | 0x0000ffc0)),
	{ "PG without PE outside long mode", { SAVE(cr0, ET | PG) }, .base = REAL },
	{ "LME without PG", { SAVE(efer, EFER_SVME | EFER_LME) }, .base = PROTECTED },
	{ "LMA alone", { SAVE(efer, EFER_SVME | EFER_LMA) }, .base = PROTECTED },
	{ "L and D without long mode", { SAVE(cs.attrib, CS64 | 0x400) }, .base = PROTECTED },
	PASS("CR3 to the last bit", SAVE(cr3, TOP - 1)),
	{ "CR3 high bits outside long mode", { SAVE(cr3, BIT(63)) }, .base = PAE32 },
	PASS("all of CR4", SAVE(cr4, 0x00f71fff)),
	PASS("LA57", SAVE(cr4, PAE | BIT(12))),
	PASS("all of EFER", SAVE(efer, 0x0036dd01)),
	PASS("DR6 and DR7 32 bits wide", SAVE(dr6, 0xffffffff), SAVE(dr7, 0xffffffff)),
	PASS("CET with WP", SAVE(cr4, PAE | CET), SAVE(s_cet, 3)),
	{ "S_CET without CET", { SAVE(s_cet, ~0ULL) }, .env = &old_cpu },
	PASS("maps as high as can be", CONTROL(iopm_base_pa, TOP - 0x3000), CONTROL(msrpm_base_pa, TOP - 0x2000)),
	PASS("low bits of a map's address", CONTROL(iopm_base_pa, TOP - 0x3000 + 0xfff)),
	PASS("the last ASID", CONTROL(asid, 15)),
	PASS("reserved TLB_CONTROL", CONTROL(tlb_ctl, 2)),
	PASS("another reserved TLB_CONTROL", CONTROL(tlb_ctl, 0xff)),
	PASS("N_CR3 to the last bit", CONTROL(nested_cr3, TOP - 1)),
	PASS("no nested paging, whatever N_CR3 and PAT", CONTROL(nested_ctl, 0), CONTROL(nested_cr3, ~0ULL), SAVE(g_pat, ~0ULL)),
	PASS("all types of PAT", SAVE(g_pat, 0x0706050401000706)),
	PASS("non-canonical bases", SAVE(fs.base, BIT(62)), SAVE(gdtr.base, BIT(55)), SAVE(tr.base, BIT(48))),
	PASS("non-canonical RIP and RSP", SAVE(rip, BIT(62)), SAVE(rsp, BIT(62))),
	PASS("RFLAGS all zero", SAVE(rflags, 0)),
	PASS("no event, whatever the rest", CONTROL(event_inj, 0x7fffffff)),
	PASS("interrupt 0", CONTROL(event_inj, VALID)),
	PASS("interrupt 255", CONTROL(event_inj, VALID | 255)),
	PASS("NMI", CONTROL(event_inj, VALID | SVM_EVTINJ_TYPE_NMI | 2)),
	PASS("NMI with any vector", CONTROL(event_inj, VALID | SVM_EVTINJ_TYPE_NMI | 77)),
	PASS("INT 0x80", CONTROL(event_inj, VALID | SVM_EVTINJ_TYPE_SOFT | 0x80)),
	PASS("#PF", CONTROL(event_inj, EXCEPTION_EV(14))),
	PASS("#GP without its error code", CONTROL(event_inj, EXCEPTION(13))),
	PASS("#CP", CONTROL(event_inj, EXCEPTION_EV(21))),
	PASS("#VC", CONTROL(event_inj, EXCEPTION_EV(29))),
	PASS("#SX", CONTROL(event_inj, EXCEPTION_EV(30))),
	{ "#BR in compatibility mode", { CONTROL(event_inj, EXCEPTION(5)) }, .base = COMPAT },
};

static void apply(struct vmcb *vmcb, const struct store *s)
{
	/* little endian: the low bytes come first */
	memcpy((u8 *)vmcb + s->at, &s->value, s->size);
}

static const char *section_of(const char *field)
{
	if (!field)
		return "nowhere";
	if (!strcmp(field, "EVENTINJ"))
		return "Event Injection";
	if (!strcmp(field, "N_CR3") || !strcmp(field, "G_PAT"))
		return "VMRUN and Nested Paging";
	return "Canonicalization and Consistency Checks";
}

static void check_row(const struct row *row)
{
	struct violation v = { "nothing", 0, "nothing", "nowhere" };
	struct vmcb vmcb = base_vmcb(row->base);
	struct vmcb before;
	char name[128];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(row->stores) && row->stores[i].size; i++)
		apply(&vmcb, &row->stores[i]);
	before = vmcb;
	snprintf(name, sizeof(name), "%s: %s", row->field ?: "valid", row->name);
	CHECK_EQ(name, !!row->field, svm_check(&vmcb, row->env ?: &this_cpu, &v));
	ASSERT(!memcmp(&before, &vmcb, sizeof(vmcb)), "%s: the VMCB was changed", name);
	CHECK_EQ("section", 0, strcmp(v.section, section_of(row->field)));
	if (!strcmp(v.field, row->field ?: "nothing") && !strcmp(v.rule, row->rule ?: "nothing") && v.value == row->value)
		return;
	test_note("%s: wanted %s = %#llx: %s", name, row->field ?: "nothing", (unsigned long long)row->value,
		  row->rule ?: "nothing");
	test_note("%s: got %s = %#llx: %s", name, v.field, (unsigned long long)v.value, v.rule);
	CHECK_EQ("named as wanted", 1, 0);
}

static void break_all(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(broken); i++)
		check_row(&broken[i]);
}

static void test_broken(void)
{
	size_t i, j;

	for (i = 0; i < ARRAY_SIZE(broken); i++)
		for (j = 0; j < i; j++)
			ASSERT(strcmp(broken[i].name, broken[j].name) || strcmp(broken[i].field, broken[j].field),
			       "two cases are called %s: %s", broken[i].field, broken[i].name);
	break_all();
	test_note("%zu violations, each alone", ARRAY_SIZE(broken));
}

static void test_coverage(void)
{
	const struct rule_site *site;
	unsigned int n = 0;

	break_all();
	for (site = __start_rule_sites; site < __stop_rule_sites; site++, n++)
		CHECK_EQ(site->condition, 1, !!site->broken);
	test_note("%u rules, all broken at least once", n);
	ASSERT_GE(n, 20);
}

/* The groups of registers that ioctls write, by the field that is named. */
static const struct {
	struct store store;
	u32 groups;
} written[] = {
	{ SAVE(cr0, NW), RG_CR0 },
	{ SAVE(cr3, TOP), RG_CR3 },
	{ SAVE(cr4, PAE | BIT(15)), RG_CR4 },
	{ SAVE(efer, LONG_EFER | BIT(9)), RG_EFER },
	{ SAVE(dr7, TOP), RG_DR },
	{ SAVE(cs.attrib, CS64 | 0x400), RG_SEG },
	{ SAVE(g_pat, 2), RG_PAT },
	{ CONTROL(event_inj, EXCEPTION(31)), RG_EVENT },
	{ CONTROL(asid, 0), 0 },
};

static void test_groups(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(written); i++) {
		struct vmcb vmcb = base_vmcb(LONG);
		struct violation v = { };

		apply(&vmcb, &written[i].store);
		CHECK_EQ("broken", 1, svm_check(&vmcb, &this_cpu, &v));
		CHECK_EQ(v.field, written[i].groups, v.groups);
	}
}

static void test_valid(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(valid); i++)
		check_row(&valid[i]);
	test_note("%zu valid variants", ARRAY_SIZE(valid));
}

/* Any bits: no undefined behaviour, and what is reported is really there. */
static void test_random(void)
{
	struct vmcb vmcb;
	u64 seed = 1;
	unsigned int i, found = 0;
	size_t at;

	for (i = 0; i < 200000; i++) {
		struct violation v = { };

		vmcb = base_vmcb(i % 5);
		for (at = 0; at < 3; at++) {
			seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
			((u8 *)&vmcb)[(seed >> 33) % sizeof(vmcb)] ^= 1 << (seed >> 61);
		}
		if (!svm_check(&vmcb, &this_cpu, &v))
			continue;
		found++;
		ASSERT(v.field && v.rule, "a violation without its name");
	}
	test_note("%u of %u random VMCBs break a rule", found, i);
	ASSERT_GE(found, 1000);
}

static const struct test_case cases[] = {
	{ "broken", test_broken },
	{ "coverage", test_coverage },
	{ "valid", test_valid },
	{ "groups", test_groups },
	{ "random", test_random },
};

TEST_MAIN(cases)
