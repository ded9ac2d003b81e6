/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Taking away from this process what it no longer needs.
 */
#ifndef KEEL_SANDBOX_H
#define KEEL_SANDBOX_H

#include <pthread.h>

struct report;

/* Kinds of threads: each has a list of its own of what it may ask of the kernel. */
enum sandbox_kind {
	SANDBOX_MAIN,
	SANDBOX_VCPU,
	SANDBOX_CONSOLE,
	SANDBOX_DEVICE,		/* a disk's, the clock's, ... */
	SANDBOX_NET,		/* a network device's */
	SANDBOX_BALLOON,	/* gives the guest's memory back: a balloon's, a memory device's */
	SANDBOX_CONTROL,	/* serves the control socket */
	SANDBOX_GDB,		/* serves the debugger */
	SANDBOX_FILL,		/* reads the guest's memory from a file */
	SANDBOX_NBD,		/* a disk's that another process serves */
	SANDBOX_KINDS
};

/* What a machine may have beyond what every machine has: bits of sandbox_wants.uses. */
#define SANDBOX_ASSIGNED	(1u << 0)	/* devices of the host, whose BARs and interrupts move as the guest wants */
#define SANDBOX_TAP		(1u << 1)	/* a TAP interface's frames, its queues and offloads */
#define SANDBOX_PASST		(1u << 2)	/* frames through a socket */
#define SANDBOX_VHOST		(1u << 3)	/* what starts and stops vhost-net, and its interrupts */
#define SANDBOX_VHOST_USER	(1u << 4)	/* its messages, descriptors among them, and its interrupts */
#define SANDBOX_GIVES_BACK	(1u << 5)	/* a balloon or a memory device */
#define SANDBOX_WATCHDOG	(1u << 6)	/* a timer that the guest sets */

#define SANDBOX_RESET		(1u << 7)	/* the main thread puts vCPUs and devices back to power-on */
#define SANDBOX_FORK		(1u << 13)	/* the main thread makes another process of this one, with threads of all kinds */
#define SANDBOX_MARK		(1u << 14)	/* the control thread has the machine marked, and put back */
#define SANDBOX_SHARE		(1u << 15)	/* messages of vhost-user that start and stop a share, and its interrupts */
#define SANDBOX_ARRIVE		(1u << 16)	/* the main thread takes the machine over from another launcher */
#define SANDBOX_LAZY		(1u << 17)	/* memory that is read as it is touched */
#define SANDBOX_FLASH		(1u << 18)	/* of firmware: a slot that comes and goes, and a file that is written */
#define SANDBOX_REMOTE		(1u << 19)	/* disks that other processes serve, through sockets that are there */
#define SANDBOX_RESET_OF(devices) ((devices) << 8)	/* and takes these from their drivers: SANDBOX_NETWORK's, bits 9 to 12, and a share, bit 23 */

/* Each of these comes with a network device. */
#define SANDBOX_NETWORK		(SANDBOX_TAP | SANDBOX_PASST | SANDBOX_VHOST | SANDBOX_VHOST_USER)

/**
 * struct sandbox_wants - what is allowed beyond what every machine needs
 * @report: the one file that may still be renamed or removed; NULL for none.
 * @listener: the socket on which clients are accepted, by the control thread; -1 for none.
 * @debugger: the socket on which debuggers are accepted, by their thread; -1 for none.
 * @files: more files that may be removed, by a path that stays where it is and cannot be written; NULL for none.
 * @null_file: what may take the place of other files, by dup3(); -1 for none.
 * @children: pidfds of processes that may be killed, by whoever resets a device, and in the end; @child_count of them.
 * @uses: SANDBOX_ASSIGNED, ...
 */
struct sandbox_wants {
	const struct report *report;
	int listener;
	int debugger;
	const char *files[3];
	int null_file;
	const int *children;
	unsigned int child_count;
	unsigned int uses;
};

/**
 * sandbox_prepare() - make the filters of all kinds of threads
 *
 * Call before the first thread starts, when all files that @wants names are open.
 * Without it threads start unfiltered.
 *
 * Return: 0, or STATUS_SANDBOX after a line on stderr.
 */
int sandbox_prepare(const struct sandbox_wants *wants);

/**
 * sandbox_start_thread() - pthread_create() of a thread of kind @kind
 *
 * After sandbox_prepare() the thread puts its filter on before it calls @main; if @kind has none, as nothing in
 * sandbox_wants asks for it, sandbox_enter() fails. By the main thread alone.
 * Return: 0 or a positive errno.
 */
int sandbox_start_thread(pthread_t *thread, enum sandbox_kind kind, void *(*main)(void *argument), void *argument);

/**
 * sandbox_renew() - in a process that fork() has made, before its first thread: it has the main thread's filter, and no other thread
 */
void sandbox_renew(void);

/**
 * sandbox_wait() - wait until all threads that were started have their filter
 * Return: 0, or STATUS_SANDBOX after a line on stderr.
 */
int sandbox_wait(void);

/**
 * sandbox_enter() - filter the main thread's system calls, for good
 *
 * After sandbox_prepare(), when every file is open, every mapping made and every thread started. Waits until each of
 * them has its filter. A call outside a thread's list raises SIGSYS (crash.h tells of it).
 *
 * Return: 0, or STATUS_SANDBOX after a line on stderr.
 */
int sandbox_enter(void);

/**
 * sandbox_call_name() - the name of system call @number; after sandbox_prepare()
 *
 * Safe in a signal handler. Return: "unknown" if the library knows none.
 */
const char *sandbox_call_name(int number);

#endif
