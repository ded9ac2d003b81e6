// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs in a Linux guest: reads a disk past the page cache, so many requests at once, and says how many instructions each took. The
 * guest's TSC counts those of guest, host and launcher together, in an emulated host whose TSC does.
 *
 * usage: disk_load DISK BYTES DEPTH REQUESTS
 */
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "guest.h"

#define MOST_DEPTH	64
#define WARM_UP		64	/* requests, not counted */

static struct iocb requests[MOST_DEPTH];
static aio_context_t context;
static u64 size, disk_size, at;

static void submit(struct iocb *request)
{
	request->aio_offset = at;
	at = at + 2 * size <= disk_size ? at + size : 0;
	ASSERT_EQ(syscall(SYS_io_submit, context, 1, &request), 1);
}

/* @count requests, @depth of them at a time. As many are asked for again at once as have come back. */
static void read_all(u64 count, u64 depth)
{
	struct io_event events[MOST_DEPTH];
	u64 begun, done = 0;
	long n, i;

	for (begun = 0; begun < depth && begun < count; begun++)
		submit(&requests[begun]);
	while (done < count) {
		n = syscall(SYS_io_getevents, context, 1, depth, events, NULL);
		ASSERT(n > 0, "io_getevents: %s", strerror(errno));
		for (i = 0; i < n; i++) {
			ASSERT_EQ(events[i].res, (s64)size);
			done++;
			if (begun < count) {
				begun++;
				submit((struct iocb *)(uintptr_t)events[i].obj);
			}
		}
	}
}

int main(int argc, char **argv)
{
	u64 depth, count, i, start;
	u8 *memory;
	int fd;

	if (argc != 5) {
		fprintf(stderr, "usage: disk_load DISK BYTES DEPTH REQUESTS\n");
		return 2;
	}
	size = strtoull(argv[2], NULL, 0);
	depth = strtoull(argv[3], NULL, 0);
	count = strtoull(argv[4], NULL, 0);
	ASSERT(depth && depth <= MOST_DEPTH && size, "1 to %u requests of some bytes", MOST_DEPTH);
	fd = open(argv[1], O_RDONLY | O_DIRECT);
	ASSERT(fd >= 0, "%s: %s", argv[1], strerror(errno));
	disk_size = lseek(fd, 0, SEEK_END);
	memory = mmap(NULL, size * depth, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	ASSERT(memory != MAP_FAILED, "mmap: %s", strerror(errno));
	ASSERT_EQ(syscall(SYS_io_setup, depth, &context), 0);
	for (i = 0; i < depth; i++)
		requests[i] = (struct iocb){ .aio_lio_opcode = IOCB_CMD_PREAD, .aio_fildes = fd, .aio_buf = (uintptr_t)(memory + i * size),
					     .aio_nbytes = size, .aio_data = i };
	read_all(WARM_UP, depth);
	start = rdtsc();
	read_all(count, depth);
	printf("guest: read %llu %llu %llu\n", (unsigned long long)size, (unsigned long long)depth, (unsigned long long)((rdtsc() - start) / count));
	return 0;
}
