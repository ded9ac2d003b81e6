/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Entries with broken VMCSs and VMCBs, for a module made with KEEL_DEBUG=1: what svm.c and vmx.c need for it (mutate.c). Each
 * has a table of fields, changes one or two of them before an entry, asks the backend's check.c what will come of it, enters, and
 * hands both answers in.
 *
 * They come in between a backend and its entry.S: the linker turns svm_run() into __wrap_svm_run(), and __real_svm_run() into
 * svm_run() (Kbuild, ld --wrap). All is ready for an entry there, interrupts are off, RCU does not watch.
 */
#ifndef SELFTESTS_MUTATE_H
#define SELFTESTS_MUTATE_H

#include <linux/types.h>

/**
 * struct mutation - a field that is changed
 * @name: for the report
 * @at: where it is, in the backend's terms
 * @size: bytes
 * @random: the masked bits are replaced at random; otherwise one to four of them flip
 * @only_refused: values that the prediction lets pass are not tried: they would change the host
 * @high: bits above the physical address width may change as well as those of @mask
 * @mask: bits that may change
 * @spread: it is one of so many fields, two of @at apart; 0: the one
 * @free: of controls: bits that may become what the CPU allows; others only what it refuses
 * @prepare, @prepared: a field that gets a value first, so that the row's own is looked at; 0: none
 *
 * The last four are for VMX.
 */
struct mutation {
	const char *name;
	u32 at;
	u8 size;
	bool random;
	bool only_refused;
	bool high;
	u8 spread;
	u64 mask;
	u32 free;
	u32 prepare;
	u32 prepared;
};

/**
 * struct mutate_table - a backend's fields, and the words for the CPU's answers; answer 0 is that the guest was entered
 */
struct mutate_table {
	const struct mutation *rows;
	unsigned int count;
	const char * const *answers;
	unsigned int nr_answers;
};

/**
 * struct mutate_result - what became of one entry
 * @field, @rule, @value: what was to be refused, and why; the changed field and NULL if nothing was
 * @also: another field that was changed, NULL for none
 * @foretold, @answered: answers of the table
 */
struct mutate_result {
	const char *field;
	const char *rule;
	const char *also;
	u64 value;
	u8 foretold;
	u8 answered;
};

/* Broken entries before each real one, as the module parameter says. */
unsigned int keel_mutate_wanted(void);
/* Any of @n. Repeatable from the moment that the parameter was written. */
unsigned int keel_mutate_random(unsigned int n);
/* Another value for a field that holds @old, on a CPU whose physical addresses have @width bits. */
u64 keel_mutate_value(const struct mutation *m, u64 old, u8 width);
/* Count an entry for a row of the table. */
void keel_mutate_count(const struct mutate_table *table, unsigned int row, const struct mutate_result *result);

#endif
