/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which rules of a backend's check.c were broken. Forced into its compilation (-include): every RULE() leaves a record in a section of
 * its own, which the test walks.
 */
#ifndef RULE_COUNT_H
#define RULE_COUNT_H

struct rule_site {
	const char *condition;
	unsigned long broken;
};

#define RULE_BROKEN(text)								\
	do {										\
		static struct rule_site site __attribute__((section("rule_sites"), used)) = { text, 0 }; \
											\
		site.broken++;								\
	} while (0)

/* Made by the linker. */
extern struct rule_site __start_rule_sites[], __stop_rule_sites[];

#endif
