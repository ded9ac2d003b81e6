// SPDX-License-Identifier: GPL-2.0-only
/* Each rule on the host's mode, broken alone in a mode that is good otherwise; and what CPUs must share. */
#include <keel/host_mode.h>
#include "test.h"

#define LINUX_PAT	0x0407050600070106ull	/* WB WC UC- UC WB WP UC- WT */
#define RESET_PAT	0x0007040600070406ull	/* WB WT UC- UC, twice */
#define PAE		BIT_ULL(5)
#define LMA		BIT_ULL(10)

#define GOOD	.cr4 = PAE, .efer = LMA | HOST_MODE_NXE, .pat = LINUX_PAT, .xcr0 = 7, .phys_bits = 46

static const struct row {
	const char *name;
	struct host_mode mode;
	const char *svm, *vmx;	/* a word of the refusal, NULL where it is good */
} rows[] = {
	{ "4 levels", { GOOD } },
	{ "5 levels", { GOOD, .cr4 = PAE | HOST_MODE_LA57 } },
	{ "no NX", { GOOD, .efer = LMA } },
	{ "no XSAVE", { GOOD, .xcr0 = 1 } },
	{ "PAT as at reset", { GOOD, .pat = RESET_PAT } },
	{ "PAT: write-through at index 0", { GOOD, .pat = LINUX_PAT - 2 }, "PAT", NULL },
	{ "PAT: uncacheable minus at index 3", { GOOD, .pat = LINUX_PAT | 7ull << 24 }, "PAT", NULL },
	{ "PAT: write-combining at index 3", { GOOD, .pat = LINUX_PAT | 1ull << 24 }, "PAT", NULL },
	{ "PAT: the upper half does not matter", { GOOD, .pat = LINUX_PAT & 0xffffffff } },
	{ "SME, bit 47, 43 bits left", { GOOD, .encryption = BIT_ULL(47), .phys_bits = 43 } },
	{ "two encryption bits", { GOOD, .encryption = BIT_ULL(47) | BIT_ULL(46) }, "mem_encrypt=off", "mem_encrypt=off" },
	{ "52 bits", { GOOD, .phys_bits = 52 } },
	{ "53 bits", { GOOD, .phys_bits = 53 }, "width", "width" },
	{ "no width", { GOOD, .phys_bits = 0 }, "width", "width" },
	{ "FRED", { GOOD, .fred = true }, NULL, "fred=off" },
	{ "no long mode", { GOOD, .efer = HOST_MODE_NXE }, "64-bit", "64-bit" },
	{ "no PAE", { GOOD, .cr4 = 0 }, "64-bit", "64-bit" },
};

static void expect(const struct row *row, enum host_virt virt, const char *wanted)
{
	const char *got = host_mode_refusal(&row->mode, virt);

	test_note("%s, %s: wanted %s, got %s", row->name, virt == HOST_SVM ? "SVM" : "VMX", wanted ?: "none", got ?: "none");
	CHECK_EQ(row->name, !wanted, !got);
	if (wanted && got)
		CHECK_EQ(row->name, 1, !!strstr(got, wanted));
}

static void test_refusals(void)
{
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		expect(&rows[i], HOST_SVM, rows[i].svm);
		expect(&rows[i], HOST_VMX, rows[i].vmx);
	}
}

static void test_levels(void)
{
	CHECK_EQ("without LA57", 4, host_mode_levels(&rows[0].mode));
	CHECK_EQ("with LA57", 5, host_mode_levels(&rows[1].mode));
}

static const struct {
	const char *name;
	struct host_mode other;
	const char *wanted;
} pairs[] = {
	{ "the same", { GOOD }, NULL },
	{ "LA57", { GOOD, .cr4 = PAE | HOST_MODE_LA57 }, "LA57" },
	{ "NXE", { GOOD, .efer = LMA }, "NXE" },
	{ "PAT", { GOOD, .pat = RESET_PAT }, "PAT" },
	{ "XCR0", { GOOD, .xcr0 = 3 }, "XCR0" },
	{ "XSS", { GOOD, .xss = BIT_ULL(11) }, "XSS" },
};

static void test_differs(void)
{
	const struct host_mode first = { GOOD };
	size_t i;

	for (i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		const char *got = host_mode_differs(&first, &pairs[i].other);

		test_note("%s: got %s", pairs[i].name, got ?: "none");
		CHECK_EQ(pairs[i].name, !pairs[i].wanted, !got);
		if (got && pairs[i].wanted)
			CHECK_EQ(pairs[i].name, 1, !!strstr(got, pairs[i].wanted));
	}
}

static const struct test_case cases[] = {
	{ "refusals", test_refusals },
	{ "levels", test_levels },
	{ "differs", test_differs },
};

TEST_MAIN(cases)
