/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Files that are whole or not there.
 */
#ifndef KEEL_WHOLE_H
#define KEEL_WHOLE_H

#include <stdbool.h>

#include "state_format.h"

/**
 * whole_write() - have @fill write a file that gets the name @path if all goes well
 * @fill: writes it, returns false with @error if it cannot
 *
 * It is written under another name beside it and renamed when it is on the disk. What was there before stays if anything
 * fails, or if this process is killed. A device, a pipe or a directory is not replaced, nor what a machine has as
 * its disk.
 */
bool whole_write(const char *path, bool (*fill)(void *argument, int fd, struct state_error *error), void *argument,
		 struct state_error *error);

#endif
