// SPDX-License-Identifier: GPL-2.0-only
/*
 * The watchdog by a driver of its own: when it runs out, and when not.
 *
 * Intel 6300ESB data sheet, "Watchdog Timer".
 */
#include <linux/pci_regs.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "fake_config.h"
#include "fake_vm.h"
#include "test.h"
#include "userspace/watchdog.h"

#define SLOT	1
#define SET	0x60
#define LOCK	0x68
#define TIMER1	0x00
#define TIMER2	0x04
#define GINTSR	0x08
#define RELOAD	0x0c
#define FEED	0x100

static struct vm vm;
static struct pci pci;
static struct watchdog watchdog;

static u64 get(u32 at, u32 len) { return bus_read(&vm.mmio, watchdog.pci.bars[0].base + at, len); }
static void put(u32 at, u32 len, u64 value) { bus_write(&vm.mmio, watchdog.pci.bars[0].base + at, len, value); }

static void put_unlocked(u32 at, u32 len, u64 value)
{
	put(RELOAD, 2, 0x80);
	put(RELOAD, 2, 0x86);
	put(at, len, value);
}

/* Stages of @ticks each, about a millisecond; @set as in configuration space. */
static void set_up(u32 first, u32 second, u32 set)
{
	fake_vm_init(&vm, 0);
	memset(&watchdog, 0, sizeof(watchdog));
	ASSERT_EQ(pci_init(&pci, &vm), 0);
	ASSERT_EQ(watchdog_add(&watchdog, &vm, &pci), 0);
	fake_config_put(&vm, SLOT, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	put_unlocked(TIMER1, 4, first);
	put_unlocked(TIMER2, 4, second);
	fake_config_put(&vm, SLOT, SET, 2, set);
}

static void finish(void)
{
	watchdog_close(&watchdog);
	CHECK_EQ("closed", 0, watchdog.timer);
}

/* As the main thread does. Return: did it run out within @ms? */
static bool runs_out(int ms)
{
	struct pollfd wait = { .fd = watchdog.timer, .events = POLLIN };
	struct timespec now, start;

	clock_gettime(CLOCK_MONOTONIC, &start);
	for (int left = ms; left > 0 && !vm_is_stopping(&vm);) {
		if (poll(&wait, 1, left) == 1)
			watchdog_tick(&watchdog);
		clock_gettime(CLOCK_MONOTONIC, &now);
		left = ms - (int)((now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000);
	}
	return vm_is_stopping(&vm);
}

static void test_runs_out(void)
{
	static const struct {
		const char *name;
		u32 first, second, set, lock;
		bool wanted;
		u64 interrupts, reload;
	} rows[] = {
		{ "off", 10, 10, 3, 0, false, 0, 0 },
		{ "on", 10, 10, 3, 2, true, 0, 0x200 },
		{ "on for good", 10, 10, 3, 3, true, 0, 0x200 },
		{ "a long first stage", 100000, 10, 3, 2, false, 0, 0 },
		{ "a long second stage", 10, 100000, 3, 2, false, 0, 0 },
		{ "with an interrupt, which is not given", 10, 100000, 0, 2, false, 1, 0 },
		{ "its output is off", 10, 10, 0x23, 2, false, 0, 0x200 },
		{ "it counts freely", 10, 10, 3, 6, false, 0, 0 },
		{ "the fast clock", 0xfffff, 0xfffff, 7, 2, false, 0, 0 },
		{ "the fast clock, shorter", 20480, 20480, 7, 2, true, 0, 0x200 },
		{ "no time at all", 0, 0, 3, 2, true, 0, 0x200 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		set_up(rows[i].first, rows[i].second, rows[i].set);
		fake_config_put(&vm, SLOT, LOCK, 1, rows[i].lock);
		CHECK_EQ(rows[i].name, rows[i].wanted, runs_out(200));
		CHECK_EQ("status", rows[i].wanted ? STATUS_WATCHDOG : 0, vm.status);
		CHECK_EQ("the first stage's end", rows[i].interrupts, get(GINTSR, 4));
		CHECK_EQ("the timeout", rows[i].reload, get(RELOAD, 2));
		CHECK_EQ("no line", 0, fake_record.line_changes);
		put_unlocked(GINTSR, 4, 1);
		put_unlocked(RELOAD, 2, 0x200);
		CHECK_EQ("both cleared", 0, get(GINTSR, 4) + get(RELOAD, 2));
		finish();
	}
}

/* The machine goes on, its vCPUs held until the main thread has served the reset. */
static void test_reboots(void)
{
	u64 count = 0;

	set_up(10, 10, 3);
	vm.reset_event = eventfd(0, EFD_NONBLOCK);
	vm.reboots = true;
	fake_config_put(&vm, SLOT, LOCK, 1, 2);
	CHECK_EQ("does not end", 0, runs_out(200));
	CHECK_EQ("a reset is asked for", (s64)sizeof(count), read(vm.reset_event, &count, sizeof(count)));
	CHECK_EQ("vCPUs are held", 1, vm_is_held(&vm));
	finish();
	close(vm.reset_event);
}

static void test_fed(void)
{
	set_up(60, 60, 3);
	fake_config_put(&vm, SLOT, LOCK, 1, 2);
	for (u32 i = 0; i < 10; i++) {
		CHECK_EQ("fed in time", 0, runs_out(30));
		put_unlocked(RELOAD, 2, FEED);
	}
	fake_config_put(&vm, SLOT, LOCK, 1, 0);
	CHECK_EQ("stopped", 0, runs_out(200));
	fake_config_put(&vm, SLOT, LOCK, 1, 2);
	CHECK_EQ("and left alone", 1, runs_out(1000));
	finish();
}

/* Without the key nothing is written; it is good for one write. */
static void test_key(void)
{
	static const struct {
		const char *name;
		u16 words[4];	/* to the reload register; the last is what counts, 0: none */
		bool is_fed;
	} rows[] = {
		{ "the key", { 0x80, 0x86, FEED }, true },
		{ "none", { FEED }, false },
		{ "half of it", { 0x80, FEED }, false },
		{ "the other half", { 0x86, FEED }, false },
		{ "the wrong way round", { 0x86, 0x80, FEED }, false },
		{ "a word between", { 0x80, 0x81, 0x86, FEED }, false },
		{ "another word before", { 0x80, 0x80, 0x86, FEED }, false },
		{ "another behind it", { 0x80, 0x86, 0x86, FEED }, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		set_up(100000, 100000, 3);
		fake_config_put(&vm, SLOT, LOCK, 1, 2);
		watchdog.left_ms = 7;
		for (u32 w = 0; w < 4 && rows[i].words[w]; w++)
			put(RELOAD, 2, rows[i].words[w]);
		CHECK_EQ(rows[i].name, rows[i].is_fed, watchdog.left_ms > 7);
		watchdog.left_ms = 7;
		put(RELOAD, 2, FEED);
		CHECK_EQ("a second time", 0, watchdog.left_ms > 7);
		put(TIMER1, 4, 1);
		CHECK_EQ("preload", 100000, watchdog.preload[0]);
		finish();
	}
	set_up(0xffffffff, 5, 3);
	CHECK_EQ("a preload has 20 bits", 0xfffff, watchdog.preload[0]);
	finish();
}

/* In a forked machine: what was left of the stage is left there, by another timer, and the first one's is nobody's business. */
static void test_renewed(void)
{
	set_up(100, 100, 3);
	fake_config_put(&vm, SLOT, LOCK, 1, 2);

	int other = dup(watchdog.timer);
	struct itimerspec left;

	CHECK_EQ("renewed", 0, watchdog_renew(&watchdog));
	ASSERT_EQ(timerfd_settime(other, 0, &(struct itimerspec){ .it_value = { 0 } }, NULL), 0);
	ASSERT_EQ(timerfd_gettime(watchdog.timer, &left), 0);
	CHECK_EQ("it runs", 1, left.it_value.tv_nsec > 0 && left.it_value.tv_nsec <= 200000000);
	CHECK_EQ("and runs out", 1, runs_out(2000));
	close(other);
	finish();

	set_up(100, 100, 3);
	CHECK_EQ("renewed", 0, watchdog_renew(&watchdog));
	CHECK_EQ("one that stands goes on standing", 0, runs_out(300));
	finish();
}

static void test_locked(void)
{
	set_up(100000, 100000, 3);
	fake_config_put(&vm, SLOT, LOCK, 1, 3);
	fake_config_put(&vm, SLOT, LOCK, 1, 0);
	CHECK_EQ("it stays on", 3, fake_config_get(&vm, SLOT, LOCK, 1));
	fake_config_put(&vm, SLOT, SET, 2, 0x20);
	CHECK_EQ("and as it is", 3, fake_config_get(&vm, SLOT, SET, 2));
	CHECK_EQ("running", 1, watchdog.is_running);
	finish();
}

/* Nobody can feed it then. */
static void test_held(void)
{
	set_up(10, 10, 3);
	vm_hold(&vm, VM_HOLD_PAUSE);
	fake_config_put(&vm, SLOT, LOCK, 1, 2);
	CHECK_EQ("while the guest stands", 0, runs_out(200));
	vm_release(&vm, VM_HOLD_PAUSE);
	CHECK_EQ("afterwards", 1, runs_out(1000));
	finish();
}

/* Whatever is written wherever: it answers, and the end is its own. */
static void test_random(void)
{
	u64 random = 99;

	set_up(10, 10, 3);
	for (u32 i = 0; i < 100000; i++) {
		u32 at = (u32)(xorshift(&random) % 16), len = 1u << xorshift(&random) % 3;

		if (i % 4)
			put_unlocked(at, len, xorshift(&random) >> xorshift(&random) % 60);
		else
			fake_config_put(&vm, SLOT, SET + (u32)(xorshift(&random) % 3) * 4, 1, (u32)xorshift(&random) & 0xfe);
		get(at, len);
		watchdog_tick(&watchdog);
	}
	CHECK_EQ("a preload has 20 bits", 0, (watchdog.preload[0] | watchdog.preload[1]) & ~0xfffffu);
	CHECK_EQ("status", vm_is_stopping(&vm) ? STATUS_WATCHDOG : 0, vm.status);
	finish();
}

static const struct test_case cases[] = {
	{ "runs_out", test_runs_out },
	{ "reboots", test_reboots },
	{ "fed", test_fed },
	{ "renewed", test_renewed },
	{ "key", test_key },
	{ "locked", test_locked },
	{ "held", test_held },
	{ "random", test_random },
};

TEST_MAIN(cases)
