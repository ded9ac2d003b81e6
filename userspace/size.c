// SPDX-License-Identifier: GPL-2.0-only
/*
 * Decimal numbers with a letter behind them: powers of 1024.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "size.h"

bool size_parse(const char *text, uint64_t *size)
{
	static const char units[] = "KMGT";
	unsigned int shift = 0;
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	unsigned long long value = strtoull(text, &end, 10);

	if (errno)
		return false;
	if (*end) {
		char upper = *end >= 'a' && *end <= 'z' ? *end - 'a' + 'A' : *end;
		const char *unit = strchr(units, upper);

		if (!unit || end[1])
			return false;
		shift = 10 * (unsigned int)(unit - units + 1);
	}
	if (shift && value >> (64 - shift))
		return false;
	*size = value << shift;
	return true;
}
