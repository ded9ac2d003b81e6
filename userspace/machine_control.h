/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A machine's control socket and pid file.
 */
#ifndef KEEL_MACHINE_CONTROL_H
#define KEEL_MACHINE_CONTROL_H

struct machine;
struct options;

/**
 * machine_open_control() - write the process's number and listen for clients, as far as @options want it
 *
 * What is left in the file system is in runtime_files() then.
 *
 * Return: 0, or a status after a line on stderr.
 */
int machine_open_control(struct machine *machine, const struct options *options);

/**
 * machine_start_control() - start the control socket's thread, if there is a socket
 * Return: 0, or STATUS_HOST after a line on stderr.
 */
int machine_start_control(struct machine *machine, const struct options *options);

#endif
