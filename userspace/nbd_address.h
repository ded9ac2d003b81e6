/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where a remote disk is: the server, and which of its exports.
 */
#ifndef KEEL_NBD_ADDRESS_H
#define KEEL_NBD_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

#define NBD_NAME_MAX	4096	/* bytes of an export's name, by the protocol */

struct nbd_address {
	struct sockaddr_storage storage;
	socklen_t length;
	char export[NBD_NAME_MAX + 1];	/* "": the server's default one */
};

/**
 * nbd_address_is_one() - does @text name a remote disk, and no file?
 */
bool nbd_address_is_one(const char *text);

/**
 * nbd_address_parse() - read an NBD URI, or what QEMU had before there were any
 * @text: nbd://HOST[:PORT][/EXPORT], nbd+unix:///[EXPORT]?socket=PATH, nbd:unix:PATH[:exportname=EXPORT] or
 *	nbd:HOST:PORT[:exportname=EXPORT]. In URIs, %XX stands for a byte.
 *
 * Hosts are numbers, or localhost. Return: NULL, or what is wrong with @text.
 */
const char *nbd_address_parse(const char *text, struct nbd_address *address);

#endif
