/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * By what a guest sees that it is another one than it was: a number that each of those has for itself who go on from the same
 * moment. As in Microsoft's "Virtual Machine Generation ID", which the drivers of guests' systems follow.
 */
#ifndef KEEL_GENERATION_H
#define KEEL_GENERATION_H

#include <stdint.h>

struct power;
struct vm;

#define GENERATION_BYTES	16
#define GENERATION_TEXT		37	/* as GUIDs are written, and a zero */
#define GENERATION_NAME		64	/* where in the page the machine's name is, which a zero ends */

struct generation {
	struct power *power;
	uint8_t *page;			/* what the guest reads at MAP_GENERATION; NULL: there is none */
};

/**
 * generation_add() - give the machine a number of its own
 * @generation: zeroed
 * @power: interrupts the guest when there is another
 *
 * Return: 0, or STATUS_HOST or STATUS_MEMORY after a line on stderr.
 */
int generation_add(struct generation *generation, struct vm *vm, struct power *power);

/**
 * generation_set_name() - have the guest read @name as its machine's, NULL or "" for none; harmless without a number
 */
void generation_set_name(struct generation *generation, const char *name);

/**
 * generation_change() - another number, and tell the guest
 *
 * While its vCPUs stand; takes power->lock. Harmless if it has none.
 * Return: 0 or a negative errno, and nothing has changed.
 */
int generation_change(struct generation *generation);

/**
 * generation_keep() - the number that the machine had in another launcher, which it has left; harmless if it has none
 */
void generation_keep(struct generation *generation, const uint8_t number[GENERATION_BYTES]);

/**
 * generation_text() - the number in words, "" if there is none
 */
void generation_text(const struct generation *generation, char text[GENERATION_TEXT]);

/**
 * generation_free() - release it; harmless on a zeroed structure; the VM is closed
 */
void generation_free(struct generation *generation);

#endif
