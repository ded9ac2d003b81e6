// SPDX-License-Identifier: GPL-2.0-only
/*
 * Instructions from exec() of the launcher to its guest's first instruction, in an emulated host whose TSC counts them. The guest is a
 * kernel of Multiboot's that says one letter on the serial port at once and powers off: the letter's way here is in the figure, so
 * that it is no less than what is asked for. The lowest of some.
 *
 * usage: bench_start KEEL DEVICE
 */
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest.h"

#define RUNS		5
#define ADDRESS		0x100000u
#define MULTIBOOT	0x1badb002u
#define FLAGS		0x10000u	/* addresses are in the header */
#define KERNEL		"/tmp/bench_start.kernel"

struct kernel {
	u32 magic, flags, checksum, header, load, load_end, bss_end, entry;
	u8 code[20];
};

static const struct kernel kernel = {
	MULTIBOOT, FLAGS, -(MULTIBOOT + FLAGS), ADDRESS, ADDRESS, 0, 0, ADDRESS + offsetof(struct kernel, code),
	{
		0x66, 0xba, 0xf8, 0x03,		/* mov $0x3f8, %dx */
		0xb0, '!',			/* mov $'!', %al */
		0xee,				/* out %al, %dx */
		0x66, 0xba, 0x04, 0x06,		/* mov $0x604, %dx */
		0x66, 0xb8, 0x00, 0x34,		/* mov $0x3400, %ax: power off */
		0x66, 0xef,			/* out %ax, %dx */
		0xf4,				/* hlt */
	},
};

static u64 start_once(char *keel, char *device)
{
	char *argv[] = { keel, "run", "--device", device, "--memory", "128M", "--kernel", KERNEL, NULL };
	int out[2], status;
	u64 start, end = 0;
	pid_t pid;
	char c = 0;

	ASSERT_EQ(pipe2(out, O_CLOEXEC), 0);
	start = rdtsc();
	pid = fork();
	ASSERT(pid >= 0, "fork: %s", strerror(errno));
	if (!pid) {
		dup2(open("/dev/null", O_RDONLY), 0);
		dup2(out[1], 1);
		execv(keel, argv);
		_exit(127);
	}
	close(out[1]);
	while (read(out[0], &c, 1) == 1)
		if (c == '!' && !end)
			end = rdtsc();
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	ASSERT(end && !status, "%s ended with %#x", keel, status);
	close(out[0]);
	return end - start;
}

int main(int argc, char **argv)
{
	u64 lowest = ~0ULL, now;
	unsigned int i;
	FILE *f;

	if (argc != 3) {
		fprintf(stderr, "usage: bench_start KEEL DEVICE\n");
		return 2;
	}
	f = fopen(KERNEL, "w");
	ASSERT(f && fwrite(&kernel, sizeof(kernel), 1, f) == 1 && !fclose(f), "%s: %s", KERNEL, strerror(errno));
	for (i = 0; i < RUNS; i++) {
		now = start_once(argv[1], argv[2]);
		lowest = now < lowest ? now : lowest;
	}
	unlink(KERNEL);
	printf("%llu\n", (unsigned long long)lowest);
	return 0;
}
