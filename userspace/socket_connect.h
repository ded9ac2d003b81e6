/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Connecting to whoever listens, and not for ever.
 */
#ifndef KEEL_SOCKET_CONNECT_H
#define KEEL_SOCKET_CONNECT_H

#include <sys/socket.h>

/**
 * socket_connect() - connect to whoever listens at @address, within @seconds
 * Return: a socket that does not block, or -1 with errno.
 */
int socket_connect(const struct sockaddr_storage *address, socklen_t length, int seconds);

#endif
