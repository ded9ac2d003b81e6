/* SPDX-License-Identifier: GPL-2.0-only */
/* The kernel's scnprintf(), for unit tests in user space. */
#ifndef LIB_SCNPRINTF_H
#define LIB_SCNPRINTF_H

#include <stdarg.h>
#include <stdio.h>

/* Bytes written, without the ending NUL: never more than fit. */
static inline __attribute__((format(printf, 3, 4))) int scnprintf(char *buf, size_t size, const char *format, ...)
{
	va_list args;
	int n;

	if (!size)
		return 0;
	va_start(args, format);
	n = vsnprintf(buf, size, format, args);
	va_end(args);
	return n < (int)size ? n : (int)size - 1;
}

#endif
