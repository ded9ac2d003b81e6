/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Text that may be any bytes, as a file's name may.
 */
#ifndef KEEL_UTF8_H
#define KEEL_UTF8_H

#include <stddef.h>

/**
 * utf8_character() - how many bytes the character at @text has, which a zero ends; 0: it is none of UTF-8
 */
static inline size_t utf8_character(const char *text)
{
	const unsigned char *at = (const unsigned char *)text;
	size_t length = at[0] < 0x80 ? 1 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;

	/* Nor one that is longer than need be, half of a pair, or beyond the last. */
	if ((at[0] >= 0x80 && at[0] < 0xc2) || at[0] > 0xf4 || (at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] > 0x9f) ||
	    (at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] > 0x8f))
		return 0;
	for (size_t i = 1; i < length; i++)
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	return length;
}

#endif
