/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A unix socket's name in the file system.
 */
#ifndef KEEL_SOCKET_FILE_H
#define KEEL_SOCKET_FILE_H

#include <stdbool.h>

/**
 * socket_file_is_left() - is @path a socket that no process has any more?
 *
 * Does not wait, and whoever has it does not notice, whether he listens already or not yet.
 *
 * Return: if not, false with errno: EADDRINUSE if somebody has it.
 */
bool socket_file_is_left(const char *path);

#endif
