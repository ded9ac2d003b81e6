/* SPDX-License-Identifier: GPL-2.0-only */
/* The paravirtual clock: the guest's page, and what the host says of it. */
#ifndef SELFTESTS_PVCLOCK_H
#define SELFTESTS_PVCLOCK_H

#include <linux/kvm_para.h>

#include "guest.h"

/* MSR_KVM_SYSTEM_TIME_NEW (Documentation/virt/kvm/x86/msr.rst) */
struct pvclock {
	u32 version, pad0;
	u64 tsc, ns;
	u32 mul;
	signed char shift;
	u8 flags, pad[2];
} __attribute__((packed));

/* Nanoseconds; in the guest. */
static inline u64 pv_read(volatile struct pvclock *c)
{
	u64 delta, ns;
	u32 version;

	do {
		version = c->version;
		asm volatile("" : : : "memory");
		delta = rdtsc() - c->tsc;
		delta = c->shift < 0 ? delta >> -c->shift : delta << c->shift;
		ns = c->ns + (u64)((unsigned __int128)delta * c->mul >> 32);
		asm volatile("" : : : "memory");
	} while ((version & 1) || version != c->version);
	return ns;
}

static inline u64 vm_clock(struct vm *vm)
{
	struct kvm_clock_data d = { 0 };

	vm_ioctl(vm, KVM_GET_CLOCK, &d);
	return d.clock;
}

#endif
