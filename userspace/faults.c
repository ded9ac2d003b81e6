// SPDX-License-Identifier: GPL-2.0-only
/*
 * One that serves faults of user mode alone is given to everybody, and is of no use: vCPUs, and the launcher's system calls, touch memory in the kernel.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "faults.h"
#include "util.h"

#define NODE	"/dev/userfaultfd"
#define TAKEN	16u		/* at once */
#define PAGE	4096ULL

static int open_any(void)
{
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK), node;

	if (fd >= 0)
		return fd;
	/* Who may open the node needs no privilege, since Linux 6.1. */
	node = open(NODE, O_RDWR | O_CLOEXEC);
	if (node < 0)
		return -1;
	fd = ioctl(node, USERFAULTFD_IOC_NEW, O_CLOEXEC | O_NONBLOCK);
	close(node);
	return fd;
}

int faults_open(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	int fd = open_any();

	if (fd < 0 || !ioctl(fd, UFFDIO_API, &api))
		return fd;
	close(fd);
	return -1;
}

const char *faults_why_not(char *text, size_t size)
{
	int fd = faults_open();

	if (fd < 0) {
		snprintf(text, size, "the host gives this user no userfaultfd for the kernel's faults (%s: %s; or vm.unprivileged_userfaultfd=1)",
			 NODE, strerror(errno));
		return text;
	}
	close(fd);
	return NULL;
}

int faults_watch(int fd, uint8_t *host, uint64_t len)
{
	struct uffdio_register range = { .range = { (uintptr_t)host, len }, .mode = UFFDIO_REGISTER_MODE_MISSING };

	return ioctl(fd, UFFDIO_REGISTER, &range) ? -errno : 0;
}

void faults_forget(int fd, uint8_t *host, uint64_t len)
{
	struct uffdio_range range = { (uintptr_t)host, len };

	ioctl(fd, UFFDIO_UNREGISTER, &range);
}

unsigned int faults_take(int fd, uint8_t **pages, unsigned int room)
{
	struct uffd_msg messages[TAKEN];
	ssize_t got = read(fd, messages, (room < TAKEN ? room : TAKEN) * sizeof(messages[0]));
	unsigned int count = 0;

	for (ssize_t i = 0; i < got / (ssize_t)sizeof(messages[0]); i++)
		if (messages[i].event == UFFD_EVENT_PAGEFAULT)
			pages[count++] = (uint8_t *)(uintptr_t)(messages[i].arg.pagefault.address & ~(PAGE - 1));
	return count;
}

int faults_copy(int fd, uint8_t *host, const uint8_t *pages, uint64_t len)
{
	while (len) {
		struct uffdio_copy copy = {
			.dst = (uintptr_t)host, .src = (uintptr_t)pages, .len = len, .mode = UFFDIO_COPY_MODE_DONTWAKE,
		};

		if (!ioctl(fd, UFFDIO_COPY, &copy))
			return 0;
		if (errno != EAGAIN)
			return -errno;
		if (copy.copy > 0) {
			host += copy.copy;
			pages += copy.copy;
			len -= (uint64_t)copy.copy;
		}
	}
	return 0;
}

int faults_zero(int fd, uint8_t *host, uint64_t len)
{
	struct uffdio_zeropage zeros = { .range = { (uintptr_t)host, len } };

	while (ioctl(fd, UFFDIO_ZEROPAGE, &zeros))
		if (errno != EAGAIN)
			return -errno;
	return 0;
}

void faults_wake(int fd, uint8_t *host, uint64_t len)
{
	struct uffdio_range range = { (uintptr_t)host, len };

	ioctl(fd, UFFDIO_WAKE, &range);
}
