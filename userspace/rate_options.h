/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Words that limit how much a device moves, behind --disk and --net.
 */
#ifndef KEEL_RATE_OPTIONS_H
#define KEEL_RATE_OPTIONS_H

#include <stdbool.h>

#include "rate_limit.h"

enum rate_word {
	RATE_BYTES,
	RATE_BYTES_MAX,
	RATE_REQUESTS,
	RATE_REQUESTS_MAX,
};

/**
 * rate_options_set() - read what stands behind such a word's "="
 * Return: NULL, or what is wrong with it, to be said behind the word.
 */
const char *rate_options_set(struct rate_options *rate, enum rate_word word, const char *value);

/**
 * rate_options_are_whole() - once all words are read
 * @lone: gets the word that is there without the one that it belongs to, RATE_BYTES_MAX or RATE_REQUESTS_MAX, if there is one.
 *
 * Return: false if there is one.
 */
bool rate_options_are_whole(const struct rate_options *rate, enum rate_word *lone);

/** rate_options_is_on() - was any limit asked for? */
static inline bool rate_options_is_on(const struct rate_options *rate)
{
	return rate->bytes || rate->requests;
}

#endif
