// SPDX-License-Identifier: GPL-2.0-only
/* The generation ID: each machine has its own, a change of it is another one, and is told; it is written as GUIDs are. */
#include <sys/wait.h>
#include <unistd.h>

#include "fake_vm.h"
#include "test.h"
#include "userspace/generation.h"
#include "userspace/power.h"

static struct vm vm;
static struct power power;
static struct generation generation;

static void set_up(void)
{
	fake_vm_init(&vm, 0);
	ASSERT_EQ(power_init(&power, &vm), 0);
	memset(&generation, 0, sizeof(generation));
	ASSERT_EQ(generation_add(&generation, &vm, &power), 0);
}

static void test_place(void)
{
	static const u8 none[GENERATION_BYTES];

	set_up();
	CHECK_EQ("where the tables say", MAP_GENERATION, fake_record.rom.address);
	CHECK_EQ("a page", 4096, fake_record.rom.size);
	CHECK_EQ("of its own", 1, fake_record.rom.slot >= MEMORY_REGIONS_MAX && fake_record.rom.slot != VM_SLOT_FIRMWARE &&
		 fake_record.rom.slot < VM_SLOT_OTHERS);
	CHECK_EQ("in no other's place", 1, MAP_GENERATION + 4096 <= MAP_IDENTITY && MAP_GENERATION >= MAP_LAPIC + 4096);
	CHECK_EQ("a number", 1, !!memcmp(fake_record.rom.host, none, sizeof(none)));
	CHECK_EQ("a new machine's guest is told nothing", 0, power.gpe_status);
	generation_free(&generation);
}

static void test_change(void)
{
	u8 numbers[64][GENERATION_BYTES];

	set_up();
	bus_write(&vm.ports, POWER_GPE_PORT + 1, 1, 1);
	memcpy(numbers[0], fake_record.rom.host, GENERATION_BYTES);
	for (size_t i = 1; i < ARRAY_SIZE(numbers); i++) {
		ASSERT_EQ(generation_change(&generation), 0);
		memcpy(numbers[i], fake_record.rom.host, GENERATION_BYTES);
		for (size_t k = 0; k < i; k++)
			ASSERT(memcmp(numbers[i], numbers[k], GENERATION_BYTES), "%zu is %zu again", i, k);
		CHECK_EQ("told", 1, fake_line(&vm, POWER_SCI_GSI));
		bus_write(&vm.ports, POWER_GPE_PORT, 1, 1);
		CHECK_EQ("heard", 0, fake_line(&vm, POWER_SCI_GSI));
	}
	generation_free(&generation);
	ASSERT_EQ(generation_change(&generation), 0);
	CHECK_EQ("without a number nothing is told", 0, power.gpe_status);
}

/* What fork() copies are two: neither sees the other change. */
static void test_forked(void)
{
	u8 number[GENERATION_BYTES];
	int status;

	set_up();
	memcpy(number, generation.page, sizeof(number));
	pid_t child = fork();

	ASSERT_GE(child, 0);
	if (!child)
		_exit(generation_change(&generation) || !memcmp(number, generation.page, sizeof(number)));
	ASSERT_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ("the child has another", 0, status);
	CHECK_EQ("the parent has its own", 0, memcmp(number, generation.page, sizeof(number)));
	CHECK_EQ("and is told nothing", 0, power.gpe_status);
	generation_free(&generation);
}

static void test_name(void)
{
	static const char *const names[] = { "warm", "a", NULL, "0123456789012345678901234567890123456789012345678901234567890123", "" };
	u8 number[GENERATION_BYTES];

	set_up();
	memcpy(number, generation.page, sizeof(number));
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const char *wanted = names[i] ? names[i] : "", *got = (const char *)generation.page + GENERATION_NAME;

		generation_set_name(&generation, names[i]);
		ASSERT(!strcmp(wanted, got), "wanted '%s', got '%s'", wanted, got);
		for (size_t k = strlen(wanted); k < 4096 - GENERATION_NAME; k++)
			ASSERT(!got[k], "'%s': %#x behind it, at %zu", wanted, got[k], k);
	}
	CHECK_EQ("the number stays", 0, memcmp(number, generation.page, sizeof(number)));
	generation_free(&generation);
	generation_set_name(&generation, "nobody");
}

static void test_text(void)
{
	static u8 page[GENERATION_BYTES] = { 0xaf, 0x6e, 0x4e, 0x32, 0xd1, 0xd1, 0xf6, 0x4b, 0xbf, 0x41, 0xb9, 0xbb, 0x6c, 0x91, 0xfb, 0x87 };
	struct generation known = { NULL, page };
	char text[GENERATION_TEXT];

	generation_text(&known, text);
	ASSERT(!strcmp(text, "324e6eaf-d1d1-4bf6-bf41-b9bb6c91fb87"), "got %s", text);
	known.page = NULL;
	generation_text(&known, text);
	ASSERT(!*text, "got %s", text);
}

static const struct test_case cases[] = {
	{ "place", test_place },
	{ "change", test_change },
	{ "forked", test_forked },
	{ "name", test_name },
	{ "text", test_text },
};

TEST_MAIN(cases)
