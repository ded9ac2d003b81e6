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

static const struct test_case cases[] = {
	{ "off", test_off },
	{ "off_by_bytes", test_off_by_bytes },
	{ "reset", test_reset },
	{ "button", test_button },
	{ "timer", test_timer },
};

TEST_MAIN(cases)
