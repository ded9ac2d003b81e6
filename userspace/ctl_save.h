/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * keel ctl NAME save.
 */
#ifndef KEEL_CTL_SAVE_H
#define KEEL_CTL_SAVE_H

struct options;

#define CTL_SAVE_S	3600	/* that writing a machine may take, or waiting until its memory has come from a file */

/**
 * ctl_save() - have the machine whose socket is @path written into options->files[0]
 * Return: a status, after a line on stderr unless it is done.
 */
int ctl_save(const struct options *options, const char *path);

#endif
