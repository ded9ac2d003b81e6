/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A program of others' that serves us through one socket, and is gone when we are.
 */
#ifndef KEEL_CHILDREN_START_H
#define KEEL_CHILDREN_START_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct child {
	int socket;		/* of ours, connected to it */
	int words;		/* a pipe with what it says; does not block */
	pid_t pid;
};

/**
 * struct child_request - what is to be started, and how
 * @program: its path.
 * @arguments: from its name on to NULL.
 * @listener: the socket on which it is connected to; the only file that it inherits but for the three streams.
 * @prepare: called in its process before it begins, with @argument; NULL: nothing is to be done. What it writes to standard error
 *	is among the program's words.
 */
struct child_request {
	const char *program;
	char *const *arguments;
	int listener;
	void (*prepare)(int listener, const void *argument);
	const void *argument;
};

/**
 * child_sockets() - a socket that listens, for a child, and its only connection
 *
 * The name is one that the kernel chooses, of no file; whoever guesses it before us makes our connection fail, and after us
 * nobody is listened to. Return: 0, or an errno; there is neither then.
 */
int child_sockets(int *ours, int *listener);

/**
 * child_start() - start it, in a process group of its own: Ctrl-C at the terminal is for us, whose end is its own
 * @child: gets the process and its words, which whoever asked closes; and @ours.
 *
 * The listener is closed in any case, and @ours if it cannot be started. Return: 0 or an errno.
 */
int child_start(struct child *child, const struct child_request *request, int ours);

/**
 * child_find() - look for the program @name as a shell would, by $PATH
 * @path: gets where it is.
 *
 * Return: false if it is not there.
 */
bool child_find(const char *name, char *path, size_t size);

/**
 * child_die() - in the child, from child_request.prepare(): say what went wrong, by errno, and end
 * @remedy: behind it.
 */
void __attribute__((noreturn)) child_die(const char *what, const char *remedy);

/**
 * child_words() - the last line that it has said, fit for a terminal
 * @words: child.words
 * @line: gets it, "" if there is none.
 *
 * What was said before is gone then.
 */
void child_words(int words, char *line, size_t size);

#endif
