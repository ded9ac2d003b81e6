/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Processes that this one has started: nobody's to wait for, and sometimes to be ended.
 */
#ifndef KEEL_CHILDREN_H
#define KEEL_CHILDREN_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define CHILDREN_MAX	4

/* A child and those that it has started itself, by their pidfds. */
struct children {
	int fds[CHILDREN_MAX];
	unsigned int count;
};

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

/**
 * children_find() - the child @pid and its children of now, in the place of what @children had
 */
void children_find(struct children *children, pid_t pid);

/**
 * children_are_gone() - wait for all of them to have ended by themselves, @ms in all
 * Return: false if one is still there.
 */
bool children_are_gone(const struct children *children, int ms);

/**
 * children_end() - have all of them gone, whatever they are at, stopped ones too
 * @patience_ms: what they may take to end by themselves.
 * @ms: and what that of a killed one may: longer, if it is in the midst of a request of a hung host.
 *
 * Return: false if one is still there, or none is known.
 */
bool children_end(const struct children *children, int patience_ms, int ms);

/**
 * children_forget() - close what children_find() has opened; harmless on a zeroed structure
 */
void children_forget(struct children *children);

#endif
