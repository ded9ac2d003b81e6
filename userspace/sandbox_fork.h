/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a main thread may do that forks its machine.
 */
#ifndef KEEL_SANDBOX_FORK_H
#define KEEL_SANDBOX_FORK_H

#include <seccomp.h>
#include <stdint.h>

/**
 * sandbox_allow_fork() - let @filter have what fork() takes, and making a machine of the child
 * @filter: of the main thread, which has what threads of all kinds have besides
 * @floor: below it nothing changes its protection
 *
 * Return: 0 or a negative errno.
 */
int sandbox_allow_fork(scmp_filter_ctx filter, uintptr_t floor);

#endif
