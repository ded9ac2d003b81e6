/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Buffers in several parts.
 */
#ifndef KEEL_IOVEC_H
#define KEEL_IOVEC_H

#include <stdint.h>
#include <sys/uio.h>

/** iovec_skip() - drop the first @count bytes of @parts, which hold that many; parts of none that are first then go too */
static inline void iovec_skip(struct iovec **parts, unsigned int *number, uint64_t count)
{
	while (*number && count >= (*parts)->iov_len) {
		count -= (*parts)->iov_len;
		(*parts)++;
		(*number)--;
	}
	if (*number) {
		(*parts)->iov_base = (char *)(*parts)->iov_base + count;
		(*parts)->iov_len -= count;
	}
}

#endif
