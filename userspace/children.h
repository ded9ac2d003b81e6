/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KEEL_CHILDREN_H
#define KEEL_CHILDREN_H

#include <signal.h>
#include <stddef.h>

/**
 * children_let_go() - children are nobody's to wait for: of one that ends nothing is left, and waitpid() finds none
 *
 * Unlike ignoring SIGCHLD, that is nothing that they inherit, who may wait for children of their own.
 */
static inline void children_let_go(void)
{
	const struct sigaction action = { .sa_handler = SIG_DFL, .sa_flags = SA_NOCLDWAIT };

	sigaction(SIGCHLD, &action, NULL);
}

#endif
