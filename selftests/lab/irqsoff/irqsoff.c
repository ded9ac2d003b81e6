// SPDX-License-Identifier: GPL-2.0-only
/*
 * How long are interrupts off? A timer that is due every 20 us and looks how late it is, for
 * tests/irqs_off.sh:
 *
 *   echo 0 >/sys/module/irqsoff/parameters/max_ns
 *   cat /sys/module/irqsoff/parameters/max_ns
 *
 * On one CPU, the one that loads it. Where the emulator counts instructions a nanosecond is one of
 * them.
 */
#include <linux/hrtimer.h>
#include <linux/ktime.h>
#include <linux/module.h>

#define PERIOD_NS	20000

static long max_ns;
module_param(max_ns, long, 0644);
MODULE_PARM_DESC(max_ns, "the latest that the timer has been since this was written");

static struct hrtimer timer;

static enum hrtimer_restart timer_expired(struct hrtimer *t)
{
	long late = ktime_to_ns(ktime_sub(ktime_get(), hrtimer_get_expires(t)));

	if (late > max_ns)
		max_ns = late;
	hrtimer_set_expires(t, ktime_add_ns(ktime_get(), PERIOD_NS));
	return HRTIMER_RESTART;
}

static int __init irqsoff_init(void)
{
	hrtimer_init(&timer, CLOCK_MONOTONIC, HRTIMER_MODE_ABS_PINNED_HARD);
	timer.function = timer_expired;
	hrtimer_start(&timer, ktime_add_ns(ktime_get(), PERIOD_NS), HRTIMER_MODE_ABS_PINNED_HARD);
	return 0;
}

static void __exit irqsoff_exit(void)
{
	hrtimer_cancel(&timer);
}

module_init(irqsoff_init);
module_exit(irqsoff_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("How long interrupts are off, for a test");
