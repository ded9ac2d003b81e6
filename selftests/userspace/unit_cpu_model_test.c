// SPDX-License-Identifier: GPL-2.0-only
/* CPU models: what a guest is told depends on the model and the machine alone, and no host is said to have what it lacks. */
#include <stdbool.h>
#include <unistd.h>

#include "fake_cpu.h"
#include "userspace/cpu_model.h"
#include "userspace/cpu_models.h"

static struct fake_cpu intel, amd, old;

static void set_up(void)
{
	fake_cpu(&intel, "GenuineIntel", 0x50654, 46, FAKE_INTEL);
	fake_cpu(&amd, "AuthenticAMD", 0xa10f11, 48, FAKE_AMD);
	fake_cpu(&old, "AuthenticAMD", 0x500f10, 36, FAKE_V2);
}

static struct cpu_model parse(const char *text)
{
	struct cpu_model model;
	char why[512];

	ASSERT(cpu_model_parse(&model, text, why, sizeof(why)), "%s: %s", text, why);
	return model;
}

static struct kvm_cpuid2 *make(const char *text, const struct fake_cpu *host, u32 cpus, u64 memory)
{
	const struct cpu_board board = { .cpus = cpus, .memory = memory };
	const struct cpu_model model = parse(text);
	char why[CPU_MODEL_LACKS_MAX + 64];
	struct kvm_cpuid2 *table = cpu_model_cpuid(&model, &host->head, &board, why, sizeof(why));

	ASSERT(table, "%s: %s", text, why);
	return table;
}

/* ---- words ---- */

static void test_words(void)
{
	static const struct {
		const char *text, *wanted;	/* what is wrong; NULL: nothing */
	} rows[] = {
		{ "host", NULL },
		{ "x86-64", NULL },
		{ "x86-64-v4", NULL },
		{ "x86-64-v2,+aes,-sse4.2,vendor=host", NULL },
		{ "x86-64-v2,vendor=neutral", NULL },
		{ "host,-avx512f", NULL },
		{ "x86-64-v2,+xsave,+avx", NULL },
		{ "", "no model is named" },
		{ "x86-64-v5", "no such model" },
		{ "x86-64-v", "no such model" },
		{ "Host", "no such model" },
		{ "x86-64,aes", "'aes': behind the model" },
		{ "x86-64,+", "no such feature" },
		{ "x86-64,+nothing", "'+nothing': no such feature" },
		{ "x86-64,+aes#", "no such feature" },
		{ "host,vendor=host", "goes with x86-64" },
		{ "x86-64,vendor=amd", "can be host or neutral" },
		{ "x86-64,vendor=host2", "can be host or neutral" },
		{ "x86-64,+avx", "avx is of no use without xsave" },
		{ "x86-64-v3,-avx,+avx2", "avx2 is of no use without avx" },
		{ "x86-64-v3,+aes,-pcid,-aes", "both added and taken away: aes" },
		{ "/nowhere/model", "cannot read it: No such file" },
		{ "/tmp/", "cannot read it: Is a directory" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct cpu_model model;
		char why[512] = "";

		CHECK_EQ(rows[i].text, !rows[i].wanted, cpu_model_parse(&model, rows[i].text, why, sizeof(why)));
		if (rows[i].wanted && !strstr(why, rows[i].wanted))
			FAIL("%s: wanted '%s', got '%s'", rows[i].text, rows[i].wanted, why);
	}
}

static void test_files(void)
{
	static const char words[] = "# our hosts, since summer\n\nx86-64-v3 # all of them\n+aes +pclmulqdq,-movbe\r\n\tvendor=host\n";
	static char blanks[4200];
	static const struct {
		const char *name, *text;
		size_t length;
		const char *wanted;
	} rows[] = {
		{ "words", words, sizeof(words) - 1, NULL },
		{ "nothing", "", 0, "no model is named" },
		{ "a comment alone", "# x86-64", 8, "no model is named" },
		{ "a zero byte", "host\0", 5, "a zero byte" },
		{ "too much", blanks, sizeof(blanks), "more than 4096 bytes" },
		{ "as much as there can be", blanks, 4096, "no model is named" },
	};

	memset(blanks, ' ', sizeof(blanks));
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char path[] = "/tmp/keel-cpu.XXXXXX", why[512] = "";
		int fd = mkstemp(path);
		struct cpu_model model;

		ASSERT_EQ(write(fd, rows[i].text, rows[i].length), (ssize_t)rows[i].length);
		close(fd);
		CHECK_EQ(rows[i].name, !rows[i].wanted, cpu_model_parse(&model, path, why, sizeof(why)));
		unlink(path);
		if (rows[i].wanted && !strstr(why, rows[i].wanted))
			FAIL("%s: wanted '%s', got '%s'", rows[i].name, rows[i].wanted, why);
		if (rows[i].wanted)
			continue;
		CHECK_EQ("the model", 0, strcmp(cpu_model_name(model.level), "x86-64-v3"));
		CHECK_EQ("the vendor", 1, model.has_host_vendor);
		CHECK_EQ("added", 1, cpu_features_has(&model.added, "pclmulqdq") && cpu_features_has(&model.added, "aes"));
		CHECK_EQ("taken away", 1, cpu_features_has(&model.removed, "movbe"));
	}
}

/* ---- levels ---- */

/* From the psABI's table and the manuals' numbers of bits. */
static void test_levels(void)
{
	static const struct {
		const char *name;
		u32 ecx1, ebx7, xcr0, xsave, ecx, edx, bits;
	} rows[] = {
		{ "x86-64", 0x00200000, 0, 0, 0, 0, 0x20100800, 36 },
		{ "x86-64-v2", 0x00b82201, 0, 0, 0, 1, 0x28100800, 36 },
		{ "x86-64-v3", 0x34f83201, 0x000001a9, 7, 832, 0x21, 0x28100800, 39 },
		{ "x86-64-v4", 0x34fa3201, 0xd01305a9, 0xe7, 2688, 0x21, 0x28100800, 39 },
	};

	set_up();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct kvm_cpuid2 *table = make(rows[i].name, &intel, 1, 256 << 20);
		const struct kvm_cpuid_entry2 *xsave = cpuid_find(table->entries, table->nent, 0xd, 0);
		char brand[13] = "";

		CHECK_EQ("leaf 1 EDX", 0x078bfbfd, fake_leaf(table, 1, 0)->edx);
		CHECK_EQ(rows[i].name, rows[i].ecx1, fake_leaf(table, 1, 0)->ecx);
		CHECK_EQ(rows[i].name, rows[i].ebx7, fake_leaf(table, 7, 0)->ebx);
		CHECK_EQ(rows[i].name, 0, fake_leaf(table, 7, 0)->ecx | fake_leaf(table, 7, 0)->edx | fake_leaf(table, 7, 0)->eax);
		CHECK_EQ(rows[i].name, rows[i].ecx, fake_leaf(table, 0x80000001, 0)->ecx);
		CHECK_EQ(rows[i].name, rows[i].edx, fake_leaf(table, 0x80000001, 0)->edx);
		CHECK_EQ(rows[i].name, rows[i].bits | 48 << 8, fake_leaf(table, 0x80000008, 0)->eax);
		CHECK_EQ("XCR0", rows[i].xcr0, xsave ? xsave->eax : 0);
		CHECK_EQ("size of all of it", rows[i].xsave, xsave ? xsave->ecx : 0);
		CHECK_EQ("family 15, model 6, stepping 1", 0xf61, fake_leaf(table, 1, 0)->eax);
		memcpy(brand, &fake_leaf(table, 0, 0)->ebx, 4);
		memcpy(brand + 4, &fake_leaf(table, 0, 0)->edx, 4);
		memcpy(brand + 8, &fake_leaf(table, 0, 0)->ecx, 4);
		CHECK_EQ("the vendor", 0, strcmp(brand, "Keel neutral"));
		memcpy(brand, &fake_leaf(table, 0x80000002, 0)->eax, 4);
		CHECK_EQ("the name", 0, memcmp(brand, "Keel", 4));
		CHECK_EQ("the kernel's", 0x0100082b, fake_leaf(table, 0x40000001, 0)->eax);
		CHECK_EQ("no cache", 1, !cpuid_find(table->entries, table->nent, 4, 0));
		CHECK_EQ("highest leaf", 0xd, fake_leaf(table, 0, 0)->eax);
		CHECK_EQ("highest leaf", 0x80000008, fake_leaf(table, 0x80000000, 0)->eax);
		free(table);
	}
}

static void test_same_everywhere(void)
{
	static const char *const rows[] = { "x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v3,+aes,-bmi2", "x86-64-v2,+xsave,+xsavec,+avx" };

	set_up();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		for (u32 cpus = 1; cpus <= 4; cpus += 3) {
			struct kvm_cpuid2 *a = make(rows[i], &intel, cpus, 1 << 30), *b = make(rows[i], &amd, cpus, 1 << 30);

			CHECK_EQ(rows[i], a->nent, b->nent);
			CHECK_EQ(rows[i], 0, memcmp(a->entries, b->entries, a->nent * sizeof(a->entries[0])));
			CHECK_EQ("several CPUs are cores", cpus > 1, fake_leaf(a, 0x80000001, 0)->ecx >> 1 & 1);
			free(a);
			free(b);
		}
	}
}

static void test_changes(void)
{
	static const struct {
		const char *text;
		u32 function, index, ebx, ecx, edx, eax;
	} rows[] = {
		{ "x86-64-v2,+aes", 1, 0, 0x800, 0x02b82201, 0x078bfbfd, 0xf61 },
		{ "x86-64-v2,-popcnt,-sse4_2", 1, 0, 0x800, 0x00282201, 0x078bfbfd, 0xf61 },
		/* all that needs AVX goes with it */
		{ "x86-64-v4,-avx", 1, 0, 0x800, 0x04fa2201, 0x078bfbfd, 0xf61 },
		{ "x86-64-v4,-avx", 7, 0, 0x00100589, 0, 0, 0 },
		{ "x86-64-v4,-avx", 0xd, 0, 576, 576, 0, 3 },
		{ "x86-64-v3,+umip", 7, 0, 0x1a9, 4, 0, 0 },
		{ "x86-64-v2,-kvm_pv_ipi", 0x40000001, 0, 0, 0, 0, 0x0100002b },
		{ "x86-64-v2,+kvm_asyncpf", 0x40000001, 0, 0, 0, 0, 0x0100083b },
		{ "x86-64-v2,vendor=host", 1, 0, 0x800, 0x00b82201, 0x078bfbfd, 0x50654 },
		{ "x86-64-v2,vendor=host", 2, 0, 0, 0, 0, 0x102 },
		{ "x86-64-v2,vendor=host", 4, 0, 0, 0, 0, 0x121 },
		{ "x86-64-v2,vendor=host", 0, 0, 0x756e6547, 0x6c65746e, 0x49656e69, 0xd },
		{ "host,-pku", 7, 0, 0xd01307a9, 4, 0x24000000, 2 },
		{ "host,-pku", 0xd, 0, 2688, 2688, 0, 0xe7 },
		{ "host,-pku", 0xd, 9, 0, 0, 0, 0 },
		{ "host,-avx512f", 0xd, 0, 2696, 2696, 0, 0x207 },
		{ "host,-xsave", 0xd, 0, 0, 0, 0, 0 },
		{ "host,-xsave", 0xd, 1, 0, 0, 0, 0 },
		{ "host,-aes", 4, 0, 0, 0, 0, 0x121 },
	};

	set_up();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct kvm_cpuid2 *table = make(rows[i].text, &intel, 1, 256 << 20);
		const struct kvm_cpuid_entry2 *leaf = fake_leaf(table, rows[i].function, rows[i].index);

		CHECK_EQ(rows[i].text, rows[i].eax, leaf->eax);
		CHECK_EQ(rows[i].text, rows[i].ebx, leaf->ebx);
		CHECK_EQ(rows[i].text, rows[i].ecx, leaf->ecx);
		CHECK_EQ(rows[i].text, rows[i].edx, leaf->edx);
		free(table);
	}
	/* a leaf that no level has by itself */
	struct kvm_cpuid2 *table = make("x86-64-v3,+null_sel_clr_base", &amd, 1, 1 << 30);

	CHECK_EQ("highest leaf", 0x80000021, fake_leaf(table, 0x80000000, 0)->eax);
	CHECK_EQ("what was added", 1 << 6, fake_leaf(table, 0x80000021, 0)->eax);
	free(table);
}

static void test_host(void)
{
	set_up();
	struct kvm_cpuid2 *table = make("host", &intel, 4, 1 << 30);

	CHECK_EQ("as it is", intel.head.nent, table->nent);
	CHECK_EQ("as it is", 0, memcmp(table->entries, intel.entries, table->nent * sizeof(table->entries[0])));
	free(table);
}

static void test_addresses(void)
{
	static const struct {
		const char *name;
		u64 memory;
		u32 wanted;
	} rows[] = {
		{ "x86-64-v2", 256ULL << 20, 36 },
		{ "x86-64-v2", 63ULL << 30, 36 },
		{ "x86-64-v2", (63ULL << 30) + 4096, 37 },
		{ "x86-64-v2", 1ULL << 40, 41 },
		{ "x86-64-v3", 100ULL << 30, 39 },
	};

	set_up();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct kvm_cpuid2 *table = make(rows[i].name, &intel, 1, rows[i].memory);

		CHECK_EQ(rows[i].name, rows[i].wanted, fake_leaf(table, 0x80000008, 0)->eax & 0xff);
		free(table);
	}
}

static void test_lacks(void)
{
	static const struct {
		const char *text;
		const struct fake_cpu *host;
		u64 memory, pluggable;
		const char *wanted;
	} rows[] = {
		{ "x86-64-v3", &old, 1 << 30, 0,
		  "this host lacks fma, movbe, xsave, avx, f16c, fsgsbase, bmi1, avx2, smep, bmi2, abm" },
		{ "x86-64-v2,+aes", &old, 1 << 30, 0, "this host lacks aes" },
		{ "host,+aes", &old, 1 << 30, 0, "this host lacks aes" },
		{ "x86-64-v3,+sse4a", &intel, 1 << 30, 0, "this host lacks sse4a" },
		{ "x86-64-v2", &old, 64ULL << 30, 0, "this host has physical addresses of 36 bits, and the model with so much memory of 37" },
		{ "x86-64-v2", &old, 1 << 30, 64ULL << 30, "this host has physical addresses of 36 bits, and the model with so much memory of 37" },
	};

	set_up();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct cpu_board board = { .cpus = 1, .memory = rows[i].memory, .pluggable = rows[i].pluggable };
		const struct cpu_model model = parse(rows[i].text);
		char why[CPU_MODEL_LACKS_MAX + 64] = "";
		struct kvm_cpuid2 *table = cpu_model_cpuid(&model, &rows[i].host->head, &board, why, sizeof(why));

		CHECK_EQ(rows[i].text, 1, !table);
		if (strcmp(why, rows[i].wanted))
			FAIL("%s: wanted '%s', got '%s'", rows[i].text, rows[i].wanted, why);
	}
}

/* ---- names ---- */

static void test_lists(void)
{
	static const struct {
		const char *name;
		size_t room;
		const char *wanted;
	} rows[] = {
		{ "all", 64, "pni, aes, avx2" },
		{ "just enough", 29, "pni, aes, avx2" },
		{ "some", 27, "pni, aes, and 1 more" },
		{ "one", 20, "pni, and 2 more" },
		{ "none", 16, "and 3 more" },
	};
	const struct cpu_features set = fake_features("aes avx2 sse3");
	struct cpu_features odd = { { 0 } };
	char text[64], name[32];
	unsigned int at = 0, count = 0;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cpu_features_list(&set, text, rows[i].room);
		if (strcmp(text, rows[i].wanted))
			FAIL("%s: wanted '%s', got '%s'", rows[i].name, rows[i].wanted, text);
	}
	memset(&odd, 0xff, sizeof(odd));
	while (cpu_features_next(&odd, &at, name, sizeof(name))) {
		CHECK_EQ(name, 1, strlen(name) < sizeof(name) - 1);
		/* a name of its own, or the place */
		CHECK_EQ(name, strncmp(name, "0x", 2) != 0, cpu_features_add(&odd, name, strlen(name)));
		count++;
	}
	CHECK_EQ("all bits of all words", CPU_WORDS * 32, count);
	odd = (struct cpu_features){ { 0 } };
	CHECK_EQ("nothing", 1, cpu_features_is_empty(&odd));
	odd.words[6] = 1u << 31;
	cpu_features_list(&odd, text, sizeof(text));
	CHECK_EQ("one without a name", 0, strcmp(text, "0x7.1 ebx bit 31"));
}

static void test_show(void)
{
	static const char table[] =
		"MODEL      HERE  LACKS\n"
		"host       yes   -\n"
		"x86-64     yes   -\n"
		"x86-64-v2  yes   -\n"
		"x86-64-v3  no    fma, movbe, xsave, avx, f16c, fsgsbase, bmi1, avx2, smep, bmi2, abm\n"
		"x86-64-v4  no    fma, pcid, movbe, xsave, avx, f16c, fsgsbase, bmi1, avx2, smep, bmi2, invpcid, avx512f, avx512dq, smap, "
		"avx512cd, avx512bw, avx512vl, abm\n";
	static const char json[] =
		"{\"models\": [{\"name\": \"host\", \"here\": true, \"lacks\": []}, {\"name\": \"x86-64\", \"here\": false, \"lacks\": [\"sep\"]}, ";
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	set_up();
	cpu_models_print_table(out, &old.head);
	fclose(out);
	if (strcmp(text, table))
		FAIL("wanted\n%sgot\n%s", table, text);
	free(text);
	fake_leaf(&old.head, 1, 0)->edx &= ~(1u << 11);
	out = open_memstream(&text, &size);
	cpu_models_print_json(out, &old.head);
	fclose(out);
	if (strncmp(text, json, strlen(json)) || !strstr(text, "], \"features\": [\"pni\", \"ssse3\", ") || strcmp(text + size - 3, "]}\n"))
		FAIL("got %s", text);
	free(text);
}

static const struct test_case cases[] = {
	{ "words", test_words },
	{ "files", test_files },
	{ "levels", test_levels },
	{ "same_everywhere", test_same_everywhere },
	{ "changes", test_changes },
	{ "host", test_host },
	{ "addresses", test_addresses },
	{ "lacks", test_lacks },
	{ "lists", test_lists },
	{ "show", test_show },
};

TEST_MAIN(cases)
