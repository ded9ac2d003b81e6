/* SPDX-License-Identifier: GPL-2.0-only */
/* The clock in a VM that stands in, at a time that the test says, and its registers by their ports. */
#ifndef SELFTESTS_FAKE_RTC_H
#define SELFTESTS_FAKE_RTC_H

#include "fake_vm.h"
#include "test.h"
#include "userspace/rtc.h"

static struct vm vm;
static struct rtc rtc;
static u64 now_ns;

static u64 fake_now(void)
{
	return __atomic_load_n(&now_ns, __ATOMIC_RELAXED);
}

/* At @seconds since 1970. */
static void set_up_at(u64 seconds)
{
	fake_vm_init(&vm, 0);
	ASSERT_EQ(rtc_init(&rtc, &vm), 0);
	rtc.now = fake_now;
	now_ns = seconds * 1000000000;
	rtc.ticked = now_ns;
}

static u8 get(u8 reg)
{
	bus_write(&vm.ports, 0x70, 1, reg);
	return (u8)bus_read(&vm.ports, 0x71, 1);
}

static void set(u8 reg, u8 value)
{
	bus_write(&vm.ports, 0x70, 1, reg);
	bus_write(&vm.ports, 0x71, 1, value);
}

#endif
