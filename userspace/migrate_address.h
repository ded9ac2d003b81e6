/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where a machine on its way arrives.
 */
#ifndef KEEL_MIGRATE_ADDRESS_H
#define KEEL_MIGRATE_ADDRESS_H

#include "gdb_listen.h"

/**
 * migrate_address_parse() - read unix:PATH, tcp:PORT, tcp:ADDRESS:PORT or tcp:[ADDRESS]:PORT
 *
 * Return: NULL, or what is wrong with @text.
 */
const char *migrate_address_parse(const char *text, struct gdb_address *address);

/**
 * migrate_connect() - connect to whoever listens at @address, within @seconds
 * Return: a socket that does not block, or -1 with errno.
 */
int migrate_connect(const struct gdb_address *address, int seconds);

/**
 * migrate_accept() - listen at @address for one that comes, whenever that is, and for nobody else
 *
 * The file of a unix socket is gone then.
 *
 * Return: a socket that does not block, or -1 with errno.
 */
int migrate_accept(const struct gdb_address *address);

#endif
