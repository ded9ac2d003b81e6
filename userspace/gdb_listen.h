/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The socket that a debugger connects to.
 */
#ifndef KEEL_GDB_LISTEN_H
#define KEEL_GDB_LISTEN_H

#include <stdbool.h>
#include <sys/socket.h>

struct gdb_address {
	struct sockaddr_storage storage;
	socklen_t length;
	bool is_open;		/* others than this machine's users reach it */
};

/**
 * gdb_address_parse() - read PATH, tcp:PORT, tcp:ADDRESS:PORT or tcp:[ADDRESS]:PORT
 *
 * Addresses are numbers. Without one it is 127.0.0.1.
 *
 * Return: NULL, or what is wrong with @text.
 */
const char *gdb_address_parse(const char *text, struct gdb_address *address);

/**
 * gdb_listen() - listen at @text
 *
 * The file of a socket is for its owner alone. One that nobody listens at any more is replaced.
 *
 * Return: a file descriptor, or -1 with errno.
 */
int gdb_listen(const struct gdb_address *address);

#endif
