// SPDX-License-Identifier: GPL-2.0-only
/*
 * Faults that the CPU does not have, and a count of what was done about them. Only in a module made
 * with KEEL_DEBUG=1. The registers that are written then are not there on emulated CPUs, which drop
 * the write; the count is made where it is.
 */
#define pr_fmt(fmt) "keel: " fmt

#include <linux/atomic.h>
#include <linux/kernel.h>
#include <linux/moduleparam.h>
#include <linux/string.h>
#include <linux/sysfs.h>
#include <keel/bugs.h>
#include <keel/test_build.h>

static char *force_bugs = "";
module_param(force_bugs, charp, 0444);
MODULE_PARM_DESC(force_bugs,
		 "take the CPU to have these faults and properties, with commas between (words of include/keel/bugs.h)");

static atomic_long_t counts[NR_BUGS_COUNTS];

static const char * const count_words[NR_BUGS_COUNTS] = {
#define BUGS_COUNT_WORD(name, word) [BUGS_##name] = word,
	BUGS_COUNTS(BUGS_COUNT_WORD)
#undef BUGS_COUNT_WORD
};

void keel_bugs_count(enum bugs_count what)
{
	atomic_long_inc(&counts[what]);
}

static int bugs_done_get(char *buf, const struct kernel_param *param)
{
	int used = 0, i;

	for (i = 0; i < NR_BUGS_COUNTS; i++)
		used += sysfs_emit_at(buf, used, "%s %ld\n", count_words[i],
				      atomic_long_read(&counts[i]));
	return used;
}

static const struct kernel_param_ops bugs_done_ops = {
	.get = bugs_done_get,
};

module_param_cb(bugs_done, &bugs_done_ops, NULL, 0444);
MODULE_PARM_DESC(bugs_done, "what was done about the CPU's faults since the load, counted");

int keel_bugs_force(u64 *facts)
{
	const char *word = force_bugs, *end;
	unsigned int i;

	for (; *word; word = *end ? end + 1 : end) {
		end = strchrnul(word, ',');
		for (i = 0; i < HOST_NR_FACTS; i++)
			if (strlen(host_fact_words[i]) == end - word &&
			    !memcmp(host_fact_words[i], word, end - word))
				break;
		if (i == HOST_NR_FACTS) {
			pr_err("force_bugs=%s: %.*s is unknown\n", force_bugs, (int)(end - word),
			       word);
			return -EINVAL;
		}
		*facts |= 1ull << i;
	}
	return 0;
}
