// SPDX-License-Identifier: GPL-2.0-only
/* In-kernel devices on a bus: who is asked and in which order, and that several come all together or not at all. */
#include <keel/bus.h>

#include "test.h"

#define NOBODY	0u

int shim_irqs_off;
long shim_allocated;
void (*shim_published)(void);

struct device {
	struct bus_device dev;
	u8 id;
	bool silent;	/* lets whoever comes next answer */
};

static int device_read(struct vcpu *vcpu, struct bus_device *dev, gpa_t addr, unsigned int len, void *data)
{
	struct device *d = (struct device *)dev;

	if (d->silent)
		return -EOPNOTSUPP;
	*(u8 *)data = d->id;
	return 0;
}

static const struct bus_ops ops = { .read = device_read };
static struct bus bus;
static struct device devices[8];

static struct bus_device *device(unsigned int at, u8 id, gpa_t base, u32 len)
{
	devices[at] = (struct device) { .dev = { .ops = &ops, .base = base, .len = len }, .id = id };
	return &devices[at].dev;
}

static u8 asked(gpa_t addr)
{
	u8 id = NOBODY;

	keel_bus_read(NULL, &bus, addr, 1, &id);
	return id;
}

static void setup(void)
{
	memset(&bus, 0, sizeof(bus));
	keel_bus_init(&bus);
}

static void tear_down(void)
{
	keel_bus_destroy(&bus);
	CHECK_EQ("nothing is left in memory", 0, shim_allocated);
}

/* In no order of their addresses, beside one that is there. */
static void test_several(void)
{
	struct bus_device *const devs[] = { device(0, 1, 0x4d0, 2), device(1, 2, 0x20, 2), device(2, 3, 0xa0, 2) };
	static const struct {
		gpa_t addr;
		u8 wanted;
	} rows[] = {
		{ 0x1f, NOBODY }, { 0x20, 2 }, { 0x21, 2 }, { 0x22, NOBODY }, { 0x70, 4 }, { 0x9f, NOBODY }, { 0xa0, 3 }, { 0xa1, 3 },
		{ 0xa2, NOBODY }, { 0x4cf, NOBODY }, { 0x4d0, 1 }, { 0x4d1, 1 }, { 0x4d2, NOBODY },
	};
	unsigned int i;
	u64 generation;

	setup();
	CHECK_RET("the one", 0, keel_bus_register(&bus, device(3, 4, 0x70, 1)));
	generation = bus.generation;
	CHECK_RET("three", 0, keel_bus_register_all(&bus, devs, 3));
	CHECK_EQ("one change", generation + 1, bus.generation);
	for (i = 0; i < ARRAY_SIZE(rows); i++)
		CHECK_EQ("asked", rows[i].wanted, asked(rows[i].addr));
	keel_bus_remove(&bus, devs[1]);
	CHECK_EQ("one of them gone", NOBODY, asked(0x20));
	CHECK_EQ("the others not", 3, asked(0xa0));
	tear_down();
}

static void test_order(void)
{
	struct bus_device *const devs[] = { device(0, 1, 0x10, 8), device(1, 2, 0x10, 4) };

	setup();
	CHECK_RET("before", 0, keel_bus_register(&bus, device(2, 3, 0x10, 8)));
	CHECK_RET("two", 0, keel_bus_register_all(&bus, devs, 2));
	CHECK_EQ("the last of all", 2, asked(0x10));
	devices[1].silent = true;
	CHECK_EQ("then the first of the two", 1, asked(0x10));
	devices[0].silent = true;
	CHECK_EQ("then the one before", 3, asked(0x10));
	devices[0].silent = false;
	CHECK_EQ("behind the short one", 1, asked(0x14));
	tear_down();
}

/* Entries that one look-up would ask: 1,024 at most. */
static void test_refusals(void)
{
	static struct device crowd[1023];
	struct bus_device *const wraps[] = { device(0, 1, 0x20, 2), device(1, 2, ~0ull, 2) };
	struct bus_device *const many[] = { device(2, 3, 0x30, 1), device(3, 4, 0x40, 4), device(4, 5, 0x40, 4) };
	unsigned int i;
	u64 generation;

	setup();
	CHECK_RET("to an empty bus: one wraps", -EINVAL, keel_bus_register_all(&bus, wraps, 2));
	CHECK_EQ("nor the other", NOBODY, asked(0x20));
	for (i = 0; i < ARRAY_SIZE(crowd); i++) {
		crowd[i] = (struct device) { .dev = { .ops = &ops, .base = 0x40, .len = 4 }, .id = 9 };
		ASSERT_EQ(keel_bus_register(&bus, &crowd[i].dev), 0);
	}
	generation = bus.generation;
	CHECK_RET("one wraps", -EINVAL, keel_bus_register_all(&bus, wraps, 2));
	CHECK_RET("one too many at an address", -ENOSPC, keel_bus_register_all(&bus, many, 3));
	CHECK_EQ("nothing changed", generation, bus.generation);
	CHECK_EQ("none of the first", NOBODY, asked(0x20));
	CHECK_EQ("none of the second", NOBODY, asked(0x30));
	CHECK_EQ("who was there", 9, asked(0x40));
	CHECK_RET("without that one", 0, keel_bus_register_all(&bus, many, 2));
	CHECK_EQ("the last is asked", 4, asked(0x43));
	tear_down();
}

static const struct test_case cases[] = {
	{ "several", test_several },
	{ "order", test_order },
	{ "refusals", test_refusals },
};

TEST_MAIN(cases)
