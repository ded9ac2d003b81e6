/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How a run of the launcher can end, and how it says so.
 *
 * Set-up functions return 0 or one of these statuses after having printed
 * their own line; the process exits with the status of the first event that
 * ended the run. The numbers are an interface: scripts and the man page name
 * them, so they are never renumbered.
 */
#ifndef KEEL_STATUS_H
#define KEEL_STATUS_H

#include <stdbool.h>
#include <stdio.h>

#include "util.h"

enum status {
	STATUS_OK = 0,		/* the guest powered off */
	STATUS_REFUSED = 1,	/* keel ctl: the machine said no; keel inspect --diff: there is a difference */
	STATUS_USAGE = 2,	/* wrong command line */
	STATUS_DEVICE = 3,	/* node missing, forbidden or not KVM's ABI */
	STATUS_CREATE = 4,	/* no VM, vCPU or irqchip: hardware or capability */
	STATUS_KERNEL = 5,	/* kernel, initrd or firmware unreadable or not bootable */
	STATUS_MEMORY = 6,	/* guest memory not available */
	STATUS_DISK = 7,	/* disk image unusable */
	STATUS_RESET = 8,	/* the guest asked for a reset (reboot) */
	STATUS_CRASH = 9,	/* triple fault, or a crash the guest announced */
	STATUS_HALT = 10,	/* the guest halted where nothing can wake it */
	STATUS_ENTRY = 11,	/* the CPU refused to enter the guest */
	STATUS_INTERNAL = 12,	/* KVM_EXIT_INTERNAL_ERROR */
	STATUS_HOST = 13,	/* the host failed: an ioctl, a thread, a file */
	STATUS_ESCAPE = 14,	/* ended from the console by Ctrl-A x */
	STATUS_SIGNAL = 15,	/* ended by a signal, or by a debugger */
	STATUS_SANDBOX = 16,	/* the system-call filter or the jail was refused */
	STATUS_ASSIGN = 17,	/* a device of the host cannot be the guest's */
	STATUS_NET = 18,	/* the network cannot be had as asked for */
	STATUS_QUIT = 20,	/* ended by a client of the control socket */
	STATUS_NOBODY = 21,	/* keel ctl: no machine is there */
	STATUS_STATE = 22,	/* a saved machine cannot be used */
	STATUS_WATCHDOG = 23,	/* the guest did not feed its watchdog */
	STATUS_LOOP = 24,	/* it was reset again and again, and came to nothing in between */
	STATUS_SHARE = 25,	/* a directory cannot be shared as asked for */
	STATUS_MOVED = 26,	/* another launcher runs the guest now */
};

/**
 * status_name() - the short word for @status, as in the JSON report
 */
const char *status_name(enum status status);

/**
 * status_list() - print the table of exit statuses to @out
 */
void status_list(FILE *out);

/**
 * status_set_raw() - tell whether the terminal is in raw mode now
 *
 * A line on it then ends in a carriage return as well. From any thread.
 */
void status_set_raw(bool raw);

/**
 * status_renew() - in a process that fork() has made: lines begin with "keel[PID]: " from now on
 */
void status_renew(void);

/**
 * status_fail() - print "keel: message" on stderr
 *
 * Waits at most 0.3 s for a reader who takes nothing, and drops the rest then.
 * Return: @status, so that a caller can return what it reports.
 */
int __printf(2, 3) status_fail(enum status status, const char *format, ...);

/**
 * status_last() - the message of the latest status_fail(), "" if none
 *
 * For the main thread, which is the one that sets up and fails.
 */
const char *status_last(void);

/**
 * status_warn() - print "keel: warning: message" on stderr, from any thread
 */
void __printf(1, 2) status_warn(const char *format, ...);

/**
 * status_line_end() - what ends a line on standard error now
 */
const char *status_line_end(void);

/**
 * status_print() - print lines that end as status_line_end() says, on stderr
 *
 * Gives up like status_fail(): the rest is dropped if nothing of it is taken
 * for 0.3 s. From any thread.
 */
void status_print(const char *lines);

/**
 * status_write_json() - write one line of JSON for @status and @reason
 * @reason: free text; quoted as JSON demands.
 * @stats: JSON itself, for the key "stats"; NULL: no such key.
 */
void status_write_json(FILE *out, enum status status, const char *reason, const char *stats);

#endif
