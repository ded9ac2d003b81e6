/* SPDX-License-Identifier: GPL-2.0-only */
/* What entries must keep to (svm/check.c, vmx/check.c): a rule a line, and the first that was broken. Also built in user space. */
#ifndef KEEL_RULE_H
#define KEEL_RULE_H

#include <linux/types.h>

/**
 * struct violation - a rule that a VMCB or VMCS breaks
 * @field: name as in the manual
 * @value: what it holds
 * @rule: what the manual asks for
 * @section: where, by title
 * @groups: registers that an ioctl may have put there (RG_*), 0 for what Keel alone writes
 * @kind: of the field, in the backend's terms
 */
struct violation {
	const char *field;
	__u64 value;
	const char *rule;
	const char *section;
	__u32 groups;
	__u32 kind;
};

/* The unit test counts how often each rule was broken. */
#ifndef RULE_BROKEN
#define RULE_BROKEN(condition)	do { } while (0)
#endif

/*
 * Each line of a check is one rule: when it is BROKEN; then the field with its group, its value, and what the manual asks for. The
 * function around it returns _Bool and has a @c that points to the violation, c->v, and says section and kind.
 */
#define RULE(broken, ...)	RULE_TEXT(broken, #broken, __VA_ARGS__)
#define RULE_TEXT(broken, text, ...)									\
	do {												\
		if (broken) {										\
			RULE_BROKEN(text);								\
			return report_violation(c->v, c->section, c->kind, __VA_ARGS__);		\
		}											\
	} while (0)

static inline _Bool report_violation(struct violation *v, const char *section, __u32 kind, const char *field, __u32 groups,
				     __u64 value, const char *rule)
{
	*v = (struct violation){
		.field = field, .value = value, .rule = rule, .section = section, .groups = groups, .kind = kind,
	};
	return 1;
}

/* Each byte of a PAT is a type of memory. */
static inline _Bool is_pat_broken(__u64 pat)
{
	for (; pat; pat >>= 8)
		if ((pat & 0xf8) || (pat & 0xff) == 2 || (pat & 0xff) == 3)
			return 1;
	return 0;
}

#endif
