// SPDX-License-Identifier: GPL-2.0-only
/*
 * Broken entries: turn them on, let a guest exit often enough, read the counts, and look every deviation up.
 */
#include "mutate.h"

#define PARAMETER	"/sys/module/keel/parameters/mutate"
#define DEVIATIONS	"/sys/module/keel/parameters/mutate_deviations"
#define PER_ENTRY	32
#define ENTRIES		10000
#define MAX_RUNS	(2 * ENTRIES / PER_ENTRY)
#define COLUMNS		7

/* In any mode: out %al, $0x80; jmp back */
static const u8 code[] = { 0xe6, 0x80, 0xeb, 0xfc };

static const struct mutate_host *host;

static void write_parameter(unsigned int n)
{
	FILE *f = fopen(PARAMETER, "w");

	REQUIRE(f, "the module was not made with KEEL_DEBUG=1, or this is not root");
	ASSERT(fprintf(f, "%u", n) > 0 && fclose(f) == 0, "cannot write to " PARAMETER);
}

/* Columns are parted by tabs. Return: their number. */
static unsigned int split(char *line, char *column[COLUMNS])
{
	unsigned int n = 0;

	line[strcspn(line, "\n")] = 0;
	for (line = strtok(line, "\t"); line && n < COLUMNS; line = strtok(NULL, "\t"))
		column[n++] = line;
	return n;
}

static void for_lines(const char *path, unsigned int (*each)(char *column[COLUMNS], unsigned int n, void *arg), void *arg,
		      unsigned int *sum)
{
	char *column[COLUMNS], line[256];
	FILE *f = fopen(path, "r");

	ASSERT(f, "cannot read %s", path);
	while (fgets(line, sizeof(line), f))
		*sum += each(column, split(line, column), arg);
	fclose(f);
}

/* "field NAME ENTRIES FORETOLD REFUSED AGREED", "answer NAME COUNT" */
static unsigned int count_entries(char *column[COLUMNS], unsigned int n, void *arg)
{
	return n == 6 && !strcmp(column[0], "field") ? strtoul(column[2], NULL, 0) : 0;
}

static unsigned int show_entries(char *column[COLUMNS], unsigned int n, void *arg)
{
	unsigned int *agreed = arg;

	if (n == 6 && !strcmp(column[0], "field")) {
		test_note("%-14s %5s entries: %5s foretold refused, %5s refused, %5s agreed", column[1], column[2], column[3], column[4],
			  column[5]);
		*agreed += strtoul(column[5], NULL, 0);
	} else if (n == 3) {
		test_note("%s: %s", column[1], column[2]);
	}
	return count_entries(column, n, NULL);
}

static unsigned int entries_so_far(void)
{
	unsigned int sum = 0;

	for_lines(PARAMETER, count_entries, NULL, &sum);
	return sum;
}

struct list {
	const struct mutate_known *known;
	size_t n;
};

static int begins(const char *text, const char *with)
{
	return !strncmp(text, with, strlen(with));
}

static const struct mutate_known *find_known(const struct list *list, char *column[COLUMNS], u64 common)
{
	size_t i;

	for (i = 0; i < list->n; i++) {
		const struct mutate_known *k = &list->known[i];

		if (strstr(column[1], k->field) && begins(column[6], k->rule) && begins(column[5], k->answer) &&
		    (common & k->bits) == k->bits)
			return k;
	}
	return NULL;
}

/* "deviation FIELD COUNT VALUE COMMON ANSWER RULE", "unlisted COUNT" */
static unsigned int show_deviation(char *column[COLUMNS], unsigned int n, void *arg)
{
	const struct mutate_known *known;

	if (n == 2) {
		CHECK_EQ("deviations beyond the list", 0, strtoul(column[1], NULL, 0));
		return 0;
	}
	ASSERT_EQ(n, COLUMNS);
	known = find_known(arg, column, strtoull(column[4], NULL, 0));
	test_note("%s x %s, the last %s, all with %s: %s, though: %s (%s)", column[2], column[1], column[3], column[4], column[5],
		  column[6], known ? known->why : "not known");
	CHECK_EQ(column[1], 1, known != NULL);
	return strtoul(column[2], NULL, 0);
}

static void report(void)
{
	struct list list = { host->known, host->is_emulated() ? host->n : 0 };
	unsigned int entries = 0, agreed = 0, deviations = 0;

	for_lines(PARAMETER, show_entries, &agreed, &entries);
	for_lines(DEVIATIONS, show_deviation, &list, &deviations);
	test_note("%u entries in all, %u as foretold, %u not", entries, agreed, deviations);
	CHECK_EQ("every entry is accounted for", entries, agreed + deviations);
	ASSERT_GE(entries, ENTRIES);
}

static void run_mode(void (*start)(struct vcpu *vcpu, u64 gpa))
{
	struct vm *vm;
	struct vcpu *vcpu;
	int i;

	REQUIRE(cpuid_row(supported_cpuid(), 0, 0)->ebx == host->cpuid_ebx, "no %s host", host->vendor);
	REQUIRE(!strcmp(dev_path(), "/dev/keel"), "not Keel");
	vm = vm_create(VM_GUEST);
	vcpu = vcpu_create(vm, 0);
	vcpu_set_supported_cpuid(vcpu);
	memcpy(vm_hva(vm, 0x8000), code, sizeof(code));
	start(vcpu, 0x8000);
	write_parameter(PER_ENTRY);
	for (i = 0; i < MAX_RUNS && (i % 16 || entries_so_far() < ENTRIES); i++)
		RUN_TO(vcpu, KVM_EXIT_IO);
	write_parameter(0);
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

#define MODE(name, start)		\
	static void test_##name(void)	\
	{				\
		run_mode(start);	\
	}

MODE(long_mode, start_long)
MODE(pae, vcpu_start_pae)
MODE(protected, vcpu_start_prot32)
MODE(real, start_real)

static const struct test_case cases[] = {
	{ "long_mode", test_long_mode },
	{ "pae", test_pae },
	{ "protected", test_protected },
	{ "real", test_real },
};

int mutate_main(int argc, char **argv, const struct mutate_host *this)
{
	host = this;
	return test_main(argc, argv, cases, ARRAY_SIZE(cases));
}
