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
	int out;
	pid_t pid = program_start(argv, open("/dev/null", O_RDWR), &out, true);
	int status = program_end(pid, out, said, sizeof(said), 0);

	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000;
}

#endif
