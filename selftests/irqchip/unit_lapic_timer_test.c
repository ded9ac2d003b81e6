// SPDX-License-Identifier: GPL-2.0-only
/* The local APIC's timer expires when it should, whatever rate the launcher has given the TSC and however far away a deadline is. */
#include "shim.h"
#include "irqchip.h"
#include "test.h"

s64 shim_clock;
struct hrtimer *shim_timer;
u64 shim_tsc;
struct vendor_caps keel_caps;

static u8 page[PAGE_SIZE];
static struct irqchip irqchip;
static struct vm vm;
static struct vcpu vcpu;
static struct lapic lapic;
static unsigned int delivered;

int lapic_deliver_local(struct lapic *apic, u32 lvt)
{
	delivered++;
	return 1;
}

static void setup(u32 khz)
{
	memset(page, 0, sizeof(page));
	lapic = (struct lapic){ .page = page, .enabled = true, .vcpu = &vcpu, .irq = &irqchip };
	vcpu = (struct vcpu){ .vm = &vm, .lapic = &lapic, .tsc.khz = khz };
	delivered = 0;
	shim_clock = 3600 * NSEC_PER_SEC;
	shim_tsc = 1ull << 40;
	lapic_timer_init(&lapic);
}

/* The timer is set for 34 years at most; with 2^24 kHz and more the ticks of so many do not fit in 64 bits. */
static const struct {
	const char *name;
	u32 khz;
	u64 ticks;
	u64 ns;		/* 0: at once */
} deadlines[] = {
	{ "now", 1000000, 0, 0 },
	{ "a tick of 1 GHz", 1000000, 1, 1 },
	{ "a second of 3 GHz", 3000000, 3000000000, 1000000000 },
	{ "a second of 1 kHz", 1, 1000, 1000000000 },
	{ "far away, 1 kHz", 1, 1ull << 62, (1ull << 40) * NSEC_PER_MSEC },
	{ "far away, 3 GHz", 3000000, 1ull << 63, (1ull << 40) * NSEC_PER_MSEC },
	{ "a second, below 2^24 kHz", (1 << 24) - 1, 16777215000, 1000000000 },
	{ "a second of 2^24 kHz", 1 << 24, 16777216000, 1000000000 },
	{ "a second, above 2^24 kHz", (1 << 24) + 1, 16777217000, 1000000000 },
	{ "an hour of 2^25 kHz", 1 << 25, (1ull << 25) * 3600000, 3600 * NSEC_PER_SEC },
	{ "a second of the fastest", ~0u, ~0u * 1000ull, 1000000000 },
};

static void test_deadline(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(deadlines); i++) {
		setup(deadlines[i].khz);
		lapic_set_reg(&lapic, APIC_LVTT, APIC_LVT_TIMER_TSCDEADLINE);
		keel_lapic_set_deadline(&vcpu, shim_tsc + deadlines[i].ticks);
		CHECK_EQ(deadlines[i].name, !deadlines[i].ns, delivered);
		CHECK_EQ(deadlines[i].name, deadlines[i].ns, lapic.timer.hrtimer.queued ? lapic.timer.hrtimer.expires - shim_clock : 0);
	}
}

/* A count goes on at the new rate. */
static void test_divide(void)
{
	static const struct {
		const char *name;
		u32 tdcr;
		u64 left;
	} rows[] = {
		{ "by 2, as it was", 0x0, 2000 }, { "by 1", 0xb, 1000 }, { "by 4", 0x1, 4000 }, { "by 128", 0xa, 128000 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		setup(1000000);
		lapic_timer_set_count(&lapic, 1500);
		shim_clock += 1000;
		CHECK_EQ(rows[i].name, 1000, lapic_timer_current(&lapic));
		lapic_timer_set_divide(&lapic, rows[i].tdcr);
		CHECK_EQ(rows[i].name, rows[i].left, lapic.timer.hrtimer.expires - shim_clock);
		CHECK_EQ(rows[i].name, 1000, lapic_timer_current(&lapic));
	}
	setup(1000000);
	lapic_timer_set_divide(&lapic, 0xa);
	CHECK_EQ("nothing runs", 0, lapic.timer.hrtimer.queued);
}

static const struct test_case cases[] = {
	{ "deadline", test_deadline },
	{ "divide", test_divide },
};

TEST_MAIN(cases)
