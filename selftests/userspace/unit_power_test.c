// SPDX-License-Identifier: GPL-2.0-only
/* Power management: off and reset end the run rightly, the button interrupts. */
#include "fake_vm.h"
#include "test.h"
#include "userspace/power.h"

static struct vm vm;
static struct power power;

static void set_up(void)
{
	fake_vm_init(&vm, 0);
	ASSERT_EQ(power_init(&power, &vm), 0);
}

static void out(u16 port, unsigned int len, u32 value) { bus_write(&vm.ports, port, len, value); }
static u32 in(u16 port, unsigned int len) { return (u32)bus_read(&vm.ports, port, len); }

static void test_off(void)
{
	set_up();
	CHECK_EQ("ACPI mode", 1, in(POWER_CONTROL_PORT, 2));
	out(POWER_CONTROL_PORT, 2, POWER_S5_TYPE << 10 | 1);
	CHECK_EQ("type alone does nothing", 0, vm_is_stopping(&vm));
	CHECK_EQ("type reads back", POWER_S5_TYPE << 10 | 1, in(POWER_CONTROL_PORT, 2));
	out(POWER_CONTROL_PORT, 2, 1 << 13 | 1 << 10);
	CHECK_EQ("another type does nothing", 0, vm_is_stopping(&vm));
	out(POWER_CONTROL_PORT, 2, 1 << 13 | POWER_S5_TYPE << 10);
	CHECK_EQ("off", 1, vm_is_stopping(&vm));
	CHECK_EQ("status", STATUS_OK, vm.status);
}

static void test_off_by_bytes(void)
{
	set_up();
	out(POWER_CONTROL_PORT + 1, 1, 1 << 5 | POWER_S5_TYPE << 2);
	CHECK_EQ("off", 1, vm_is_stopping(&vm));
	CHECK_EQ("status", STATUS_OK, vm.status);
}

static void check_reset(u16 port, u32 value, bool is_reset)
{
	set_up();
	out(port, 1, value);
	CHECK_EQ("stopping", is_reset, vm_is_stopping(&vm));
	if (is_reset)
		CHECK_EQ("status", STATUS_RESET, vm.status);
}

static void test_reset(void)
{
	check_reset(POWER_RESET_PORT, POWER_RESET_VALUE, true);
	check_reset(POWER_RESET_PORT, 2, false);
	check_reset(0x64, 0xfe, true);
	check_reset(0x64, 0xff, false);
	check_reset(0x60, 0xfe, false);
}

/* Who waits until it takes a command does not wait; who looks for one finds none. */
static void test_no_keyboard(void)
{
	set_up();
	CHECK_EQ("no data, not busy", 0, in(0x64, 1) & 3);
	CHECK_EQ("time-out and parity error", 0xc0, in(0x64, 1));
	CHECK_EQ("data", 0, in(0x60, 1));
}

static void test_button(void)
{
	set_up();
	CHECK_EQ("nobody listens", 0, power_press_button(&power));
	CHECK_EQ("no interrupt", 0, fake_line(&vm, POWER_SCI_GSI));
	out(POWER_EVENT_PORT + 2, 2, 1 << 8);
	CHECK_EQ("the press was kept", 1, fake_line(&vm, POWER_SCI_GSI));
	CHECK_EQ("status", 1 << 8, in(POWER_EVENT_PORT, 2));
	out(POWER_EVENT_PORT, 2, 1);
	CHECK_EQ("another bit clears nothing", 1, fake_line(&vm, POWER_SCI_GSI));
	out(POWER_EVENT_PORT, 2, 1 << 8);
	CHECK_EQ("cleared", 0, fake_line(&vm, POWER_SCI_GSI));
	CHECK_EQ("heard", 1, power_press_button(&power));
	CHECK_EQ("interrupt", 1, fake_line(&vm, POWER_SCI_GSI));
	out(POWER_EVENT_PORT + 1, 1, 1);
	CHECK_EQ("cleared by a byte", 0, fake_line(&vm, POWER_SCI_GSI));
	CHECK_EQ("still enabled", 1 << 8, in(POWER_EVENT_PORT + 2, 2));
}

static void test_timer(void)
{
	set_up();
	u32 first = in(POWER_TIMER_PORT, 4), second = first;

	for (u32 i = 0; i < 100000 && second == first; i++)
		second = in(POWER_TIMER_PORT, 4);
	ASSERT(second - first && second - first < 0x80000000u, "the timer goes forward");
}

/* The host's time at which the timer's highest bit changes for the @n-th time: tick @n << 31 of 3579545 a second. */
#define CARRY_NS(n)	((u64)((__uint128_t)(n) * (1ULL << 31) * 1000000000 / 3579545 + 1))

static u64 now_ns;

static u64 fake_now(void)
{
	return now_ns;
}

/* ACPI specification, "PM1 Status Registers": set when the bit changes, from clear to set or set to clear. */
static void test_carry(void)
{
	static const struct {
		const char *name;
		u64 at, write;
		u32 enable, status, line;
	} rows[] = {
		{ "before the bit changes", CARRY_NS(1) - 1000, 0, 0, 0, 0 },
		{ "it becomes set", CARRY_NS(1), 0, 0, 1, 0 },
		{ "the write of another bit", CARRY_NS(1), 1 << 8, 0, 1, 0 },
		{ "enabled", CARRY_NS(1), 0, 1, 1, 1 },
		{ "cleared", CARRY_NS(1), 1, 1, 0, 0 },
		{ "does not come back", CARRY_NS(1) + 1000, 0, 1, 0, 0 },
		{ "still not", CARRY_NS(2) - 1000, 0, 1, 0, 0 },
		{ "it becomes clear", CARRY_NS(2), 0, 1, 1, 1 },
		{ "disabled", CARRY_NS(2), 0, 0, 1, 0 },
		{ "kept over more changes", CARRY_NS(5), 0, 0, 1, 0 },
		{ "which one write clears", CARRY_NS(5), 1, 0, 0, 0 },
		{ "late, and cleared at once", CARRY_NS(6), 1, 1, 0, 0 },
		{ "after years", CARRY_NS(1000000), 0, 1, 1, 1 },
	};

	set_up();
	power.now = fake_now;
	power.halves = 0;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		now_ns = rows[i].at;
		out(POWER_EVENT_PORT + 2, 2, rows[i].enable);
		if (rows[i].write)
			out(POWER_EVENT_PORT, 2, (u32)rows[i].write);
		CHECK_EQ(rows[i].name, rows[i].status, in(POWER_EVENT_PORT, 2));
		CHECK_EQ("  interrupt", rows[i].line, fake_line(&vm, POWER_SCI_GSI));
	}
}

/* Another generation ID: an event that is kept until somebody listens, and until he clears it. */
static void test_generation(void)
{
	static const struct {
		const char *name;
		u16 port;
		u32 len, value, status, enable, line;
	} rows[] = {
		{ "an event that is not there", POWER_GPE_PORT + 1, 1, 0xfe, 1, 0, 0 },
		{ "listening", POWER_GPE_PORT + 1, 1, 0x01, 1, 1, 1 },
		{ "clearing another", POWER_GPE_PORT, 1, 0xfe, 1, 1, 1 },
		{ "no longer", POWER_GPE_PORT, 2, 0x0000, 1, 0, 0 },
		{ "listening, by a word", POWER_GPE_PORT, 2, 0x0100, 1, 1, 1 },
		{ "another register", POWER_EVENT_PORT, 4, 0x4721ffff, 1, 1, 1 },
		{ "cleared", POWER_GPE_PORT, 1, 0x01, 0, 1, 0 },
	};

	set_up();
	power_tell_generation(&power);
	CHECK_EQ("nobody listens", 0, fake_line(&vm, POWER_SCI_GSI));
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		out(rows[i].port, rows[i].len, rows[i].value);
		CHECK_EQ(rows[i].name, rows[i].status, in(POWER_GPE_PORT, 1));
		CHECK_EQ("  enabled", rows[i].enable, in(POWER_GPE_PORT + 1, 1));
		CHECK_EQ("  interrupt", rows[i].line, fake_line(&vm, POWER_SCI_GSI));
	}
	power_tell_generation(&power);
	CHECK_EQ("another", 1, fake_line(&vm, POWER_SCI_GSI));
	power_press_button(&power);
	out(POWER_GPE_PORT, 1, 1);
	CHECK_EQ("the button's is there", 1, fake_line(&vm, POWER_SCI_GSI));
	out(POWER_EVENT_PORT, 2, 1 << 8);
	CHECK_EQ("none", 0, fake_line(&vm, POWER_SCI_GSI));
	power_tell_generation(&power);
	power_reset(&power);
	CHECK_EQ("gone with a reset", 0, in(POWER_GPE_PORT, 2));
	CHECK_EQ("  interrupt", 0, fake_line(&vm, POWER_SCI_GSI));
}

/* Nobody reads: the launcher's loop calls when it was told to. */
static void test_carry_wakes(void)
{
	set_up();
	power.now = fake_now;
	power.halves = 0;
	now_ns = 0;
	out(POWER_EVENT_PORT + 2, 2, 1);
	/* 599932.016 ms */
	CHECK_EQ("ten minutes to the first", 599933, power_tick(&power));
	now_ns = 599932ULL * 1000000;
	CHECK_EQ("woken early", 1, power_tick(&power));
	CHECK_EQ("  no interrupt", 0, fake_line(&vm, POWER_SCI_GSI));
	now_ns = 599933ULL * 1000000;
	CHECK_EQ("as told", 599932, power_tick(&power));
	CHECK_EQ("  interrupt", 1, fake_line(&vm, POWER_SCI_GSI));
}

static const struct test_case cases[] = {
	{ "off", test_off },
	{ "off_by_bytes", test_off_by_bytes },
	{ "reset", test_reset },
	{ "no-keyboard", test_no_keyboard },
	{ "button", test_button },
	{ "timer", test_timer },
	{ "generation", test_generation },
	{ "carry", test_carry },
	{ "carry_wakes", test_carry_wakes },
};

TEST_MAIN(cases)
