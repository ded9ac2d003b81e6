/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The launcher's other commands, which come and go while a machine runs, and guests for that.
 */
#ifndef SELFTESTS_LAUNCH_KEEL_H
#define SELFTESTS_LAUNCH_KEEL_H

#include "launch.h"

static const u8 sleeping[] = { OUT_SERIAL('R'), HALT };
/* Listens to the power button, says R, and powers off when it is pressed. */
static const u8 obedient[] = {
	0x66, 0xba, 0x02, 0x06, 0x66, 0xb8, 0x00, 0x01, 0x66, 0xef,	/* PM1_EN = power button */
	OUT_SERIAL('R'),
	0x66, 0xba, 0x00, 0x06,		/* PM1_STS */
	0x66, 0xed, 0xf6, 0xc4, 0x01,	/* until the button's bit */
	0x74, 0xf9,
	POWER_OFF, STOP_HERE,
};

static char said[65536];

/* Run keel with @argv; what it prints goes to said[]. Return: exit status, 1000 for none. */
static int keel(const char *const *argv)
{
	int ends[2], status;
	size_t used = 0;
	ssize_t got;

	ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
	pid_t pid = fork();

	ASSERT_GE(pid, 0);
	if (!pid) {
		dup2(open("/dev/null", O_RDWR), 0);
		dup2(ends[1], 1);
		dup2(ends[1], 2);
		execv(launch_program(), (char *const *)argv);
		_exit(127);
	}
	close(ends[1]);
	while (used < sizeof(said) - 1 && (got = read(ends[0], said + used, sizeof(said) - 1 - used)) > 0)
		used += got;
	said[used] = 0;
	close(ends[0]);
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000;
}

#endif
