/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where the control sockets of a user's named machines are, and what a running
 * machine leaves in the file system until it ends.
 */
#ifndef KEEL_RUNTIME_H
#define KEEL_RUNTIME_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#define RUNTIME_NAME_MAX	64	/* bytes of a machine's name */
#define RUNTIME_SUFFIX		".sock"

/**
 * runtime_is_name() - can @name name a machine: letters, digits, '-', '_' and '.', the last not first
 */
bool runtime_is_name(const char *name);

/**
 * runtime_directory() - root's /run/keel, others' $XDG_RUNTIME_DIR/keel, or /run/user/UID/keel without that variable
 * @path: gets it.
 *
 * Return: false if there is no such place, or its path is too long.
 */
bool runtime_directory(char path[PATH_MAX]);

/**
 * runtime_socket() - the path of the socket of machine @name
 * Return: false as runtime_directory().
 */
bool runtime_socket(const char *name, char path[PATH_MAX]);

/**
 * runtime_make_socket() - the same, for a machine that is about to listen there: makes the directory
 *
 * One that others could write to is refused.
 *
 * Return: 0, or STATUS_HOST after a line on stderr.
 */
int runtime_make_socket(const char *name, char path[PATH_MAX]);

/**
 * struct runtime_files - what is removed in the end; "" for none
 *
 * Not writable once runtime_keep() is called: the sandbox allows to remove what is at these very addresses.
 */
struct runtime_files {
	char socket[PATH_MAX];
	char pid_file[PATH_MAX];
	char debugger[PATH_MAX];	/* its socket */
} __attribute__((aligned(4096)));

/**
 * runtime_files() - to be filled in
 */
struct runtime_files *runtime_files(void);

/**
 * runtime_keep() - what runtime_files() says stands from now on
 */
void runtime_keep(void);

/**
 * runtime_drop_early() - have a signal that ends this process call runtime_drop() first, until signals are read from a file
 *
 * Names are to be written while it cannot: put_off_end().
 */
void runtime_drop_early(void);

/**
 * runtime_drop_sockets() - remove the sockets, while somebody listens at them still
 *
 * Once nobody does, the next machine of that name may have put its own there.
 */
void runtime_drop_sockets(void);

/**
 * runtime_drop() - remove what is left of them; safe in a signal handler
 */
void runtime_drop(void);

/**
 * runtime_leave() - in a process that fork() has made: what runtime_files() says is the other's, and its pid file's lock
 */
void runtime_leave(void);

/**
 * runtime_hand_over() - as runtime_leave(), but the files are to be removed by whoever gets the descriptor
 * Return: that of the pid file, whose lock it has, and which stays open; -1 if there is none.
 */
int runtime_hand_over(void);

/** runtime_set_pid() - others see this process as @pid */
void runtime_set_pid(pid_t pid);

/** runtime_pid() - the number that others see of this process */
pid_t runtime_pid(void);

/**
 * runtime_write_pid() - write this process's number to @path, for as long as it runs
 *
 * Refuses if a living process has done so, as the file stays locked, and a file that holds something else.
 *
 * Return: 0, or STATUS_USAGE after a line on stderr.
 */
int runtime_write_pid(const char *path);

#endif
