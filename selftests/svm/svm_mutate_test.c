// SPDX-License-Identifier: GPL-2.0-only
/*
 * A module made with KEEL_DEBUG=1 enters VMCBs changed at random, and compares what the CPU does with
 * what svm/check.c foretells: over 10,000 entries in each of four modes, no
 * deviation but those known of the emulator.
 */
#include "guest.h"

#define PARAMETER	"/sys/module/keel/parameters/mutate"
#define PER_ENTRY	32
#define ENTRIES		10000

/* In any mode: out %al, $0x80; jmp back */
static const u8 code[] = { 0xe6, 0x80, 0xeb, 0xfc };

/*
 * Where QEMU 7.2's TCG is known to deviate: what it takes, and why. @bits: all values it took have these, and would
 * be valid without them. The one row with another rule is what it refuses besides.
 */
static const struct deviation {
	const char *field;
	const char *rule;
	u64 bits;
	const char *why;
} known[] = {
	{ "CR3.high", "refused, and no rule", 0, "TCG judges CR3 by the EFER.LMA of the host, so outside long mode too" },
	{ "CR4", "bits that this CPU has not", BIT(17), "TCG checks CR4 against CPUID, but for PCIDE" },
	{ "EFER", "bits that this CPU has not", BIT(14), "TCG checks EFER against CPUID, but for FFXSR" },
	{ "ASID", "must be below", 0, "TCG does not check ASIDs but for 0; the manual says no more, either" },
	{ "N_CR3", "bits above", 0, "TCG masks the nested CR3 when it walks" },
	{ "G_PAT", "each byte", 0, "TCG loads G_PAT unchecked, and never looks at it" },
	{ "EVENTINJ", "the vector", 0, "TCG takes all vectors up to 31 for exceptions, but 2" },
	{ "EVENTINJ", "this exception", 0, "TCG does not check whether the exception has an error code; nor does the manual" },
	{ "EVENTINJ", "#BR", 0, "TCG does not check the mode for #BR; nor does the manual" },
};

static void write_parameter(const char *text)
{
	FILE *f = fopen(PARAMETER, "w");

	REQUIRE(f, "the module was not made with KEEL_DEBUG=1, or this is not root");
	ASSERT(fputs(text, f) >= 0 && fclose(f) == 0, "cannot write to " PARAMETER);
}

static const struct deviation *find_known(const char *field, const char *rule, u64 common)
{
	size_t i;

	for (i = 0; host_is_tcg() && i < ARRAY_SIZE(known); i++)
		if (!strcmp(field, known[i].field) && !strncmp(rule, known[i].rule, strlen(known[i].rule)) &&
		    (common & known[i].bits) == known[i].bits)
			return &known[i];
	return NULL;
}

static unsigned int read_field(const char *line)
{
	unsigned int entries, predicted, refused, agreed;
	char field[32];

	if (sscanf(line, "field %31s %u %u %u %u", field, &entries, &predicted, &refused, &agreed) != 5)
		return 0;
	test_note("%-11s %5u entries: %5u foretold refused, %5u refused, %5u agreed, %5u not", field, entries, predicted,
		  refused, agreed, entries - agreed);
	return entries;
}

static void read_deviation(const char *line)
{
	unsigned long long value, common;
	char field[32], rule[128];
	const struct deviation *d;
	unsigned int count;

	if (sscanf(line, "deviation %31s %u %llx %llx %127[^\n]", field, &count, &value, &common, rule) != 5)
		return;
	d = find_known(field, rule, common);
	test_note("%u x %s, the last %#llx, all with %#llx: %s (%s)", count, field, value, common, rule, d ? d->why : "not known");
	CHECK_EQ(field, 1, d != NULL);
}

static void report(void)
{
	FILE *f = fopen(PARAMETER, "r");
	unsigned int entries = 0;
	char line[256];

	ASSERT(f, "cannot read " PARAMETER);
	while (fgets(line, sizeof(line), f)) {
		entries += read_field(line);
		read_deviation(line);
	}
	fclose(f);
	test_note("%u entries in all", entries);
	ASSERT_GE(entries, ENTRIES);
}

static void run_mode(void (*start)(struct vcpu *vcpu, u64 gpa))
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create(vm, 0);
	char text[16];
	int i;

	REQUIRE(!strcmp(dev_path(), "/dev/keel"), "not Keel");
	vcpu_set_supported_cpuid(vcpu);
	memcpy(vm_hva(vm, 0x8000), code, sizeof(code));
	start(vcpu, 0x8000);
	snprintf(text, sizeof(text), "%d", PER_ENTRY);
	write_parameter(text);
	for (i = 0; i <= ENTRIES / PER_ENTRY; i++)
		RUN_TO(vcpu, KVM_EXIT_IO);
	write_parameter("0");
	report();
}

static void start_long(struct vcpu *vcpu, u64 gpa)
{
	vcpu_start64(vcpu, (void *)gpa);
}

static void start_real(struct vcpu *vcpu, u64 gpa)
{
	vcpu_start_real(vcpu, gpa >> 4, 0);
}

static void test_long(void)
{
	run_mode(start_long);
}

static void test_pae(void)
{
	run_mode(vcpu_start_pae);
}

static void test_protected(void)
{
	run_mode(vcpu_start_prot32);
}

static void test_real(void)
{
	run_mode(start_real);
}

static const struct test_case cases[] = {
	{ "long_mode", test_long },
	{ "pae", test_pae },
	{ "protected", test_protected },
	{ "real", test_real },
};

TEST_MAIN(cases)
