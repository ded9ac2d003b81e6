/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Address types and limits shared by every room. The typedefs repeat those of <linux/kvm_types.h> to the letter, so that
 * a kernel header that pulls that one in does no harm.
 */
#ifndef KEEL_TYPES_H
#define KEEL_TYPES_H

#include <linux/bits.h>
#include <linux/types.h>

typedef unsigned long gva_t;	/* guest virtual (linear) address */
typedef u64 gpa_t;		/* guest physical address */
typedef u64 gfn_t;		/* guest page frame number, gpa >> 12 */
typedef unsigned long hva_t;	/* host virtual address in the launcher */
typedef u64 hpa_t;		/* host physical address */

struct vm;
struct vcpu;
struct lapic;
struct irqchip;
struct memslot;
struct bus;

#define KEEL_INVALID_GPA	(~(gpa_t)0)

/* What KVM_CHECK_EXTENSION announces for NR_VCPUS / MAX_VCPUS / MAX_VCPU_ID / NR_MEMSLOTS. */
#define KEEL_MAX_VCPUS		1024
#define KEEL_MAX_VCPU_ID	4096
#define KEEL_MAX_SLOTS		32764
#define KEEL_MAX_ROUTES		4096	/* KVM_CAP_IRQ_ROUTING; also the number of GSIs */

#define gpa_to_gfn(gpa)		((gfn_t)((gpa) >> PAGE_SHIFT))
#define gfn_to_gpa(gfn)		((gpa_t)(gfn) << PAGE_SHIFT)

/**
 * struct lapic_levels - what the CPU must know besides the local APIC's register page
 * @requested: highest vector in IRR, 0 for none
 * @in_service: highest vector in ISR, 0 for none
 */
struct lapic_levels {
	u8 requested;
	u8 in_service;
};

#endif
