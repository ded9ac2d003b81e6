/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The lock of a disk's image.
 */
#ifndef KEEL_DISK_LOCK_H
#define KEEL_DISK_LOCK_H

#include <stdbool.h>

/**
 * disk_lock() - lock an image that is open, as long as it is
 * @path: for what is told.
 *
 * Return: 0, or STATUS_DISK after a line on stderr. Where there are no locks, that is told.
 */
int disk_lock(int fd, bool is_readonly, const char *path);

/**
 * disk_lock_as() - the same of a file that @option names, in place of --disk
 */
int disk_lock_as(int fd, bool is_readonly, const char *option, const char *path);

/**
 * disk_leave_to_qemu() - keep disk_lock()'s lock for Keel's launchers alone, so that a process of QEMU's can take its own
 */
void disk_leave_to_qemu(int fd);

/**
 * disk_unlock() - give the lock of an image up that stays open; nothing of it may be read or written then
 */
void disk_unlock(int fd);

/**
 * disk_is_used() - does a machine have the file @path as its disk, one of Keel's or QEMU's, also to read it alone?
 */
bool disk_is_used(const char *path);

#endif
