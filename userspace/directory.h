/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a directory needs beside the file that gets a name in it.
 */
#ifndef KEEL_DIRECTORY_H
#define KEEL_DIRECTORY_H

/**
 * directory_sync() - have the name @path, which a file has just been given, outlive a power cut
 *
 * As well as the host can: a directory that cannot be opened is left alone.
 */
void directory_sync(const char *path);

#endif
