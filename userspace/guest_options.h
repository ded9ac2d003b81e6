/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the guest is and how it starts: options of keel run.
 */
#ifndef KEEL_GUEST_OPTIONS_H
#define KEEL_GUEST_OPTIONS_H

struct options;

/** guest_append - the kernel's command line if nothing is said */
extern const char guest_append[];

/**
 * guest_options_check() - is there a kernel, or firmware that finds one, and does the rest go with it?
 * Return: 0, or STATUS_USAGE after a line on stderr.
 */
int guest_options_check(const struct options *options);

/**
 * guest_options_finish() - what was left to be derived from other options
 */
void guest_options_finish(struct options *options);

#endif
