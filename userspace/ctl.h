/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Clients of the control socket: `keel ctl` and `keel list`.
 */
#ifndef KEEL_CTL_H
#define KEEL_CTL_H

struct options;

/**
 * ctl_run() - send one command to a machine and print its answer
 *
 * Return: 0; STATUS_REFUSED if the machine said no, STATUS_NOBODY if there is none, after a line on stderr.
 */
int ctl_run(const struct options *options);

/**
 * ctl_migrate() - have the machine whose socket is @path move, or ask how far it is
 * Return: as ctl_run(); STATUS_HOST if nobody can be reached at the address.
 */
int ctl_migrate(const struct options *options, const char *path);

/**
 * ctl_list() - print the running machines of this user that have a name
 * Return: 0, or STATUS_HOST after a line on stderr.
 */
int ctl_list(const struct options *options);

#endif
