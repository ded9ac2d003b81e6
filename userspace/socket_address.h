/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Ports and numeric hosts, as people write them.
 */
#ifndef KEEL_SOCKET_ADDRESS_H
#define KEEL_SOCKET_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

/**
 * socket_address_port() - read a port of TCP: the @length bytes of @text
 * @port: gets it, as it is in an address.
 *
 * Return: false if it is none of 1 to 65535.
 */
bool socket_address_port(const char *text, size_t length, in_port_t *port);

/**
 * socket_address_host() - make an address of a port and a host: the @length bytes of @text, of IPv4 or IPv6, without brackets
 * @address: gets it.
 *
 * Return: its length, or 0 if the host is not numeric.
 */
socklen_t socket_address_host(const char *text, size_t length, in_port_t port, struct sockaddr_storage *address);

#endif
