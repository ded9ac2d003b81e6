// SPDX-License-Identifier: GPL-2.0-only
/*
 * Do the entry checks know what the CPU refuses? The common part of svm.c and vmx.c: random values, counts, and the module
 * parameter mutate, which says how many broken entries go before each real one (root may write it; reading gives the counts).
 * Only in a module made with KEEL_DEBUG=1.
 */
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include "mutate.h"

#define MUTATE_MAX	64		/* with interrupts off */
#define NR_ROWS		96
#define NR_ANSWERS	8
#define NR_DEVIATIONS	48

struct counts {
	u32 entries;
	u32 foretold;
	u32 refused;
	u32 agreed;
};

/* CPU and prediction disagree: the last value, and the bits that all of them have. */
struct deviation {
	const char *field;
	const char *rule;
	const char *also;	/* if no rule is broken */
	u64 value;
	u64 common;
	u32 count;
	u8 answered;
};

static DEFINE_RAW_SPINLOCK(mutate_lock);	/* leaf, interrupts off; guards what follows */
static u64 state = 1;
static const struct mutate_table *table;
static struct counts counts[NR_ROWS];
static u32 answers[NR_ANSWERS];
static struct deviation deviations[NR_DEVIATIONS];
static u32 unlisted;
static unsigned int mutate;

unsigned int keel_mutate_wanted(void)
{
	return READ_ONCE(mutate);
}

/* A repeatable sequence is worth more here than a good one. */
static u64 next_random(void)
{
	unsigned long flags;
	u64 next;

	raw_spin_lock_irqsave(&mutate_lock, flags);
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	next = state;
	raw_spin_unlock_irqrestore(&mutate_lock, flags);
	return next;
}

unsigned int keel_mutate_random(unsigned int n)
{
	return (next_random() >> 8) % n;
}

u64 keel_mutate_value(const struct mutation *m, u64 old, u8 width)
{
	u64 mask = m->mask | (m->high ? GENMASK_ULL(63, width) : 0);
	unsigned int n;
	u64 flip = 0;

	if (m->random)
		return (old & ~mask) | (next_random() & mask);
	for (n = 1 + keel_mutate_random(4); n; ) {
		u64 bit = BIT_ULL(keel_mutate_random(64));

		if (!(bit & mask))
			continue;
		flip |= bit;
		n--;
	}
	return old ^ flip;
}

static void note_deviation(const struct mutate_result *r)
{
	const char *also = r->rule ? NULL : r->also;
	unsigned int i;

	for (i = 0; i < NR_DEVIATIONS; i++) {
		struct deviation *d = &deviations[i];

		if (d->count && (d->field != r->field || d->rule != r->rule || d->also != also || d->answered != r->answered))
			continue;
		*d = (struct deviation){
			.field = r->field, .rule = r->rule, .also = also, .value = r->value, .answered = r->answered,
			.common = d->count ? d->common & r->value : r->value, .count = d->count + 1,
		};
		return;
	}
	unlisted++;
}

void keel_mutate_count(const struct mutate_table *t, unsigned int row, const struct mutate_result *r)
{
	unsigned long flags;

	if (WARN_ON_ONCE(t->count > NR_ROWS || t->nr_answers > NR_ANSWERS))
		return;
	raw_spin_lock_irqsave(&mutate_lock, flags);
	table = t;
	counts[row].entries++;
	counts[row].foretold += !!r->foretold;
	counts[row].refused += !!r->answered;
	counts[row].agreed += r->foretold == r->answered;
	answers[r->answered]++;
	if (r->foretold != r->answered)
		note_deviation(r);
	raw_spin_unlock_irqrestore(&mutate_lock, flags);
}

/* ---- /sys/module/keel/parameters/mutate, mutate_deviations ---- */

static int mutate_set(const char *text, const struct kernel_param *param)
{
	unsigned long flags;
	unsigned int n;
	int ret = kstrtouint(text, 0, &n);

	if (ret)
		return ret;
	if (n > MUTATE_MAX)
		return -ERANGE;
	WRITE_ONCE(mutate, n);
	/* turning it off keeps the counts */
	if (!n)
		return 0;
	raw_spin_lock_irqsave(&mutate_lock, flags);
	state = 1;
	unlisted = 0;
	memset(counts, 0, sizeof(counts));
	memset(answers, 0, sizeof(answers));
	memset(deviations, 0, sizeof(deviations));
	raw_spin_unlock_irqrestore(&mutate_lock, flags);
	return 0;
}

/* One line an answer and a field; tabs between the columns. */
static int mutate_get(char *buf, const struct kernel_param *param)
{
	unsigned long flags;
	unsigned int i;
	int len = 0;

	raw_spin_lock_irqsave(&mutate_lock, flags);
	for (i = 0; table && i < table->nr_answers; i++)
		len += scnprintf(buf + len, PAGE_SIZE - len, "answer\t%s\t%u\n", table->answers[i], answers[i]);
	for (i = 0; table && i < table->count; i++)
		if (counts[i].entries)
			len += scnprintf(buf + len, PAGE_SIZE - len, "field\t%s\t%u\t%u\t%u\t%u\n", table->rows[i].name,
					 counts[i].entries, counts[i].foretold, counts[i].refused, counts[i].agreed);
	raw_spin_unlock_irqrestore(&mutate_lock, flags);
	return len;
}

#define LINE_ROOM	200

/* What does not fit is counted, so that nothing is lost silently. */
static int deviations_get(char *buf, const struct kernel_param *param)
{
	unsigned long flags;
	unsigned int i;
	int len = 0;
	u32 rest;

	raw_spin_lock_irqsave(&mutate_lock, flags);
	rest = unlisted;
	for (i = 0; i < NR_DEVIATIONS && deviations[i].count; i++) {
		const struct deviation *d = &deviations[i];

		if (len + 2 * LINE_ROOM > PAGE_SIZE) {
			rest += d->count;
			continue;
		}
		len += scnprintf(buf + len, LINE_ROOM, "deviation\t%s%s%s\t%u\t%#llx\t%#llx\t%s\t%s\n", d->field, d->also ? " + " : "",
				 d->also ?: "", d->count, d->value, d->common, table->answers[d->answered], d->rule ?: "no rule is broken");
	}
	len += scnprintf(buf + len, PAGE_SIZE - len, "unlisted\t%u\n", rest);
	raw_spin_unlock_irqrestore(&mutate_lock, flags);
	return len;
}

static const struct kernel_param_ops mutate_ops = {
	.set = mutate_set,
	.get = mutate_get,
};

static const struct kernel_param_ops deviations_ops = {
	.get = deviations_get,
};

module_param_cb(mutate, &mutate_ops, NULL, 0600);
MODULE_PARM_DESC(mutate, "broken entries before each real one, 0 to 64");
module_param_cb(mutate_deviations, &deviations_ops, NULL, 0400);
MODULE_PARM_DESC(mutate_deviations, "where the CPU's answers differ from what was foretold");
