// SPDX-License-Identifier: GPL-2.0-only
/*
 * Cut-off arguments. One mapping with a hole behind it serves all; the result
 * of a whole sweep is one line, the first wrong answer is named.
 */
#include <sys/mman.h>

#include "refuse.h"

void check_efault(const char *name, int fd, unsigned long nr, const void *arg, size_t size)
{
	static void *const bad[] = {
		NULL, (void *)8, (void *)0x7ffffffff000, (void *)0x8000000000000000,
		(void *)-1L, (void *)-4096L, (void *)0xffff888000000000,
	};
	size_t room = (size + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1), k;
	u8 *p = host_pages(room + PAGE_SIZE), *end = p + room;
	long got = -EFAULT;

	munmap(end, PAGE_SIZE);
	for (k = 0; k < size && got == -EFAULT; k++) {
		memcpy(end - k, arg, k);
		got = __fd_ioctl(fd, nr, end - k);
	}
	if (got != -EFAULT)
		test_note("%s: with %zu of %zu bytes", name, k - 1, size);
	CHECK_RET(name, -EFAULT, got);
	for (k = 0; k < ARRAY_SIZE(bad); k++) {
		got = __fd_ioctl(fd, nr, bad[k]);
		if (got != -EFAULT) {
			test_note("%s: at %p", name, bad[k]);
			CHECK_RET(name, -EFAULT, got);
		}
	}
	munmap(p, room);
}

void check_read_only(const char *name, int fd, unsigned long nr, const void *arg, size_t size)
{
	size_t room = (size + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);
	u8 *p = host_pages(room);

	memcpy(p, arg, size);
	mprotect(p, room, PROT_READ);
	CHECK_RET(name, -EFAULT, __fd_ioctl(fd, nr, p));
	munmap(p, room);
}
