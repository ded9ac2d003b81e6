/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What only a module made with KEEL_DEBUG=1 does: faults that the CPU does not have (host/bugs_force.c), so that what is done about
 * them can be watched on an emulated CPU, and tables of a wrong depth (ept/memslot.c). In the normal module all of it is nothing.
 *
 * KEEL_DEBUG is 0 or 1 for the objects that Kbuild names, and no others, so that little is built twice for both modules.
 */
#ifndef KEEL_TEST_BUILD_H
#define KEEL_TEST_BUILD_H

#include <linux/types.h>

struct vcpu;

#ifndef KEEL_DEBUG
#error "this object is not named in Kbuild, test-build-users"
#endif

/* What was done, counted since the load; words of the module parameter bugs_done. */
#define BUGS_COUNTS(X) \
	X(REDUCED, "reduced")		/* CPUs whose BP_CFG[BpSpecReduce] was set */ \
	X(UNREDUCED, "unreduced")	/* and cleared again */ \
	X(DC_CFG, "dc_cfg")		/* CPUs whose DC_CFG[47] was set */ \
	X(DIVIDED, "divided")		/* divisions before an entry */ \
	X(PAGES, "pages")		/* pages for VMRUN that avoid multiples of 2 MB */ \
	X(PAGES_AT_2M, "pages_at_2m")	/* those that do not */

enum bugs_count {
#define BUGS_COUNT_NUMBER(name, word) BUGS_##name,
	BUGS_COUNTS(BUGS_COUNT_NUMBER)
	NR_BUGS_COUNTS,
#undef BUGS_COUNT_NUMBER
};

#if KEEL_DEBUG
/**
 * keel_bugs_force() - add what the parameter force_bugs names
 * @facts: HOST_FACT() bits
 *
 * Context: module init. Return: 0; -EINVAL for a name that is unknown.
 */
int keel_bugs_force(u64 *facts);
/**
 * keel_bugs_count() - count something that was done about a fault
 * @what: which counter
 *
 * Context: any.
 */
void keel_bugs_count(enum bugs_count what);
/**
 * keel_memory_root_check() - is the second-level root as deep as this CPU walks it?
 * @vcpu: on its own thread
 *
 * Context: preemption off. Return: 0; -EIO, with the reason told.
 */
int keel_memory_root_check(struct vcpu *vcpu);
#else
static inline int keel_bugs_force(u64 *facts) { return 0; }
static __always_inline void keel_bugs_count(enum bugs_count what) { }
static inline int keel_memory_root_check(struct vcpu *vcpu) { return 0; }
#endif

#endif
