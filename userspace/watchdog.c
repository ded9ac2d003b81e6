// SPDX-License-Identifier: GPL-2.0-only
/*
 * The watchdog timer of Intel's 6300ESB, "Watchdog Timer" in its data sheet: two stages, each with a preload of 20 bits
 * that counts down at about 1 kHz. At the end of the first the real one can raise an interrupt, which Linux turns off
 * and which is not given here; at the end of the second it pulls the reset line, and that ends the
 * run, or, with --reset reboot, starts the machine again.
 *
 * Registers in the BAR take a write after two words to the reload register alone, which are the key to it.
 *
 * The time that a guest cannot use, as it is paused, saved or in a debugger's hand, does not count, to a second: the
 * timer wakes the main thread that often while the watchdog runs.
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "util.h"
#include "vm.h"
#include "watchdog.h"

#define BAR_SIZE	16
#define REG_TIMER1	0x00
#define REG_TIMER2	0x04
#define REG_INTERRUPTS	0x08
#define REG_RELOAD	0x0c
#define RELOAD_FEED	(1u << 8)
#define RELOAD_TIMEOUT	(1u << 9)	/* write 1 to clear */
#define PRELOAD_MASK	0xfffffu

#define CONFIG_SET	0x60		/* 16 bits */
#define SET_NO_OUTPUT	(1u << 5)
#define SET_FAST	(1u << 2)	/* ticks of about 1 us in place of 1 ms */
#define SET_INTERRUPT	0x3u
#define SET_NO_INTERRUPT	0x3u
#define CONFIG_LOCK	0x68		/* 8 bits */
#define LOCK_LOCKED	(1u << 0)	/* what is set stays so */
#define LOCK_ENABLE	(1u << 1)
#define LOCK_FREE	(1u << 2)	/* counts, and nothing comes of it */

#define SLICE_MS	1000u

static const uint8_t key[] = { 0x80, 0x86 };

static void set_timer(struct watchdog *watchdog, uint64_t ms)
{
	const struct itimerspec at = {
		.it_value = { .tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000 },
	};

	watchdog->slice_ms = ms;
	timerfd_settime(watchdog->timer, 0, &at, NULL);
}

/* The PCI clock of 33 MHz divided by 2^15, or by 2^5. At least a millisecond. */
static void begin_stage(struct watchdog *watchdog, unsigned int stage)
{
	bool is_fast = watchdog->settings & SET_FAST;
	uint64_t ticks = watchdog->preload[stage] + 1;

	watchdog->stage = stage;
	watchdog->left_ms = (is_fast ? ticks >> 10 : ticks) * 1000 / 1024 + 1;
	set_timer(watchdog, watchdog->left_ms < SLICE_MS ? watchdog->left_ms : SLICE_MS);
}

void watchdog_tick(struct watchdog *watchdog)
{
	uint64_t count;
	bool is_over = false;

	pthread_mutex_lock(&watchdog->lock);
	/* It has been fed meanwhile, or stopped, if there is nothing to read. */
	if (read(watchdog->timer, &count, sizeof(count)) == sizeof(count) && watchdog->is_running) {
		if (!atomic_load(&watchdog->vm->holds))
			watchdog->left_ms -= watchdog->slice_ms;
		if (watchdog->left_ms) {
			set_timer(watchdog, watchdog->left_ms < SLICE_MS ? watchdog->left_ms : SLICE_MS);
		} else if (!watchdog->stage) {
			if ((watchdog->settings & SET_INTERRUPT) != SET_NO_INTERRUPT)
				watchdog->interrupts = 1;
			begin_stage(watchdog, 1);
		} else {
			watchdog->has_run_out = true;
			is_over = !(watchdog->settings & SET_NO_OUTPUT);
			begin_stage(watchdog, 0);
		}
	}
	pthread_mutex_unlock(&watchdog->lock);
	if (is_over)
		vm_ask_reset(watchdog->vm, STATUS_WATCHDOG, "the guest's watchdog ran out: nobody fed it in time");
}

/* ---- the registers ---- */

static uint64_t registers_read(void *owner, uint64_t offset, unsigned int len)
{
	struct watchdog *watchdog = owner;
	uint64_t value = 0;

	pthread_mutex_lock(&watchdog->lock);
	if (offset == REG_INTERRUPTS)
		value = watchdog->interrupts;
	else if (offset == REG_RELOAD)
		value = watchdog->has_run_out ? RELOAD_TIMEOUT : 0;
	pthread_mutex_unlock(&watchdog->lock);
	return value & bus_mask(len);
}

/* Return: is it a word of the key? Any other write needs it whole, and uses it up. */
static bool take_key(struct watchdog *watchdog, uint64_t offset, uint64_t value)
{
	if (offset != REG_RELOAD || watchdog->unlocking == ARRAY_SIZE(key) || value != key[watchdog->unlocking])
		return false;
	watchdog->unlocking++;
	return true;
}

static void write_unlocked(struct watchdog *watchdog, uint64_t offset, uint64_t value)
{
	switch (offset) {
	case REG_TIMER1:
	case REG_TIMER2:
		watchdog->preload[offset == REG_TIMER2] = (uint32_t)value & PRELOAD_MASK;
		break;
	case REG_INTERRUPTS:
		watchdog->interrupts &= ~(uint32_t)value;
		break;
	case REG_RELOAD:
		if (value & RELOAD_TIMEOUT)
			watchdog->has_run_out = false;
		if (value & RELOAD_FEED && watchdog->is_running)
			begin_stage(watchdog, 0);
		break;
	default:
		break;
	}
}

static void registers_write(void *owner, uint64_t offset, unsigned int len, uint64_t value)
{
	struct watchdog *watchdog = owner;

	(void)len;
	pthread_mutex_lock(&watchdog->lock);
	if (!take_key(watchdog, offset, value)) {
		if (watchdog->unlocking == ARRAY_SIZE(key))
			write_unlocked(watchdog, offset, value);
		watchdog->unlocking = 0;
	}
	pthread_mutex_unlock(&watchdog->lock);
}

static const struct bus_ops registers_ops = { registers_read, registers_write };

/* ---- configuration space: on and off ---- */

static void config_written(struct pci_device *pci, unsigned int offset, unsigned int len)
{
	struct watchdog *watchdog = pci->owner;
	uint32_t lock = pci_get(pci, CONFIG_LOCK, 1);
	bool is_running = (lock & (LOCK_ENABLE | LOCK_FREE)) == LOCK_ENABLE;

	if (!pci_touches(offset, len, CONFIG_SET, CONFIG_LOCK + 1 - CONFIG_SET))
		return;
	if (lock & LOCK_LOCKED) {
		memset(&pci->writable[CONFIG_SET], 0, 2);
		pci->writable[CONFIG_LOCK] = 0;
	}
	pthread_mutex_lock(&watchdog->lock);
	watchdog->settings = pci_get(pci, CONFIG_SET, 2);
	if (is_running && !watchdog->is_running)
		begin_stage(watchdog, 0);
	else if (!is_running && watchdog->is_running)
		set_timer(watchdog, 0);
	watchdog->is_running = is_running;
	pthread_mutex_unlock(&watchdog->lock);
}

static const struct pci_device_ops pci_ops = { .config_written = config_written };

/* Until the guest locks them. */
static void open_settings(struct watchdog *watchdog)
{
	watchdog->pci.writable[CONFIG_SET] = SET_NO_OUTPUT | SET_FAST | SET_INTERRUPT;
	watchdog->pci.writable[CONFIG_LOCK] = LOCK_LOCKED | LOCK_ENABLE | LOCK_FREE;
}

void watchdog_reset(struct watchdog *watchdog)
{
	pthread_mutex_lock(&watchdog->lock);
	set_timer(watchdog, 0);
	watchdog->preload[0] = PRELOAD_MASK;
	watchdog->preload[1] = PRELOAD_MASK;
	watchdog->settings = 0;
	watchdog->interrupts = 0;
	watchdog->unlocking = 0;
	watchdog->is_running = false;
	watchdog->stage = 0;
	pthread_mutex_unlock(&watchdog->lock);
	open_settings(watchdog);
}

int watchdog_add(struct watchdog *watchdog, struct vm *vm, struct pci *pci)
{
	const struct pci_identity identity = {
		.vendor = 0x8086, .device = 0x25ab, .subsystem = 0x25ab, .class_code = 0x088000, .revision = 2,
	};

	watchdog->vm = vm;
	pthread_mutex_init(&watchdog->lock, NULL);
	watchdog->preload[0] = PRELOAD_MASK;
	watchdog->preload[1] = PRELOAD_MASK;
	watchdog->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (watchdog->timer < 0)
		return -errno;
	pci_device_init(&watchdog->pci, &identity);
	watchdog->pci.ops = &pci_ops;
	watchdog->pci.owner = watchdog;
	pci_add_bar(&watchdog->pci, 0, BAR_SIZE, false, &registers_ops);
	open_settings(watchdog);
	return pci_add(pci, &watchdog->pci);
}

int watchdog_renew(struct watchdog *watchdog)
{
	pthread_mutex_init(&watchdog->lock, NULL);
	close(watchdog->timer);
	watchdog->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (watchdog->timer < 0)
		return -errno;
	if (watchdog->is_running)
		set_timer(watchdog, watchdog->left_ms < SLICE_MS ? watchdog->left_ms : SLICE_MS);
	return 0;
}

void watchdog_close(struct watchdog *watchdog)
{
	if (watchdog->timer > 0)
		close(watchdog->timer);
	watchdog->timer = 0;
}
