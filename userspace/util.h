/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The few macros that every part needs.
 */
#ifndef KEEL_UTIL_H
#define KEEL_UTIL_H

#ifndef ARRAY_SIZE
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#endif

#ifndef __printf
#define __printf(string, first)	__attribute__((format(printf, string, first)))
#endif

#endif
