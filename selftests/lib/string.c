// SPDX-License-Identifier: GPL-2.0-only
/*
 * memcpy and its kin as plain loops, in place of libc's: those are chosen at
 * start-up for the host's CPU and may use registers the guest has not enabled,
 * and the compiler may call them from guest code.
 */
#include <stddef.h>

void *memcpy(void *dst, const void *src, size_t n);
void *memcpy(void *dst, const void *src, size_t n)
{
	void *ret = dst;

	asm volatile("rep movsb" : "+D" (dst), "+S" (src), "+c" (n) : : "memory");
	return ret;
}

void *memset(void *dst, int c, size_t n);
void *memset(void *dst, int c, size_t n)
{
	void *ret = dst;

	asm volatile("rep stosb" : "+D" (dst), "+c" (n) : "a" (c) : "memory");
	return ret;
}

void *memmove(void *dst, const void *src, size_t n);
void *memmove(void *dst, const void *src, size_t n)
{
	char *d = (char *)dst + n;
	const char *s = (const char *)src + n;

	if (dst <= src || (const char *)dst >= s)
		return memcpy(dst, src, n);
	while (n--)
		*--d = *--s;
	return dst;
}

int memcmp(const void *a, const void *b, size_t n);
int memcmp(const void *a, const void *b, size_t n)
{
	const unsigned char *x = a, *y = b;

	for (; n; n--, x++, y++)
		if (*x != *y)
			return *x - *y;
	return 0;
}
