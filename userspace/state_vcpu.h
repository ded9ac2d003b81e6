/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * All that the kernel knows of a vCPU, as one structure.
 */
#ifndef KEEL_STATE_VCPU_H
#define KEEL_STATE_VCPU_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stdint.h>

struct state_error;
struct state_layout;
struct vcpu;

#define STATE_MSRS_MAX	1024
#define STATE_CPUID_MAX	256
#define STATE_XSAVE_MAX	16384

struct state_msr {
	uint32_t index;
	uint64_t value;
};

struct state_vcpu {
	uint32_t cpuid_count;
	struct kvm_cpuid_entry2 cpuid[STATE_CPUID_MAX];
	uint64_t tsc_khz;		/* 0: the node does not tell */
	uint64_t tsc_offset;		/* guest's less host's; matters by its distance from other vCPUs' alone */
	bool has_tsc_offset;
	struct kvm_sregs2 sregs;
	struct kvm_regs regs;
	struct kvm_xcrs xcrs;		/* none where the CPU has no XSAVE */
	uint32_t xsave_size;
	uint8_t xsave[STATE_XSAVE_MAX];
	struct kvm_debugregs debugregs;
	uint32_t msr_count;
	struct state_msr msrs[STATE_MSRS_MAX];
	struct kvm_lapic_state lapic;
	struct kvm_vcpu_events events;
	uint32_t mp_state;
};

extern const struct state_layout state_vcpu_layout;

/**
 * state_vcpu_take() - read all of a vCPU that stands outside the guest
 */
bool state_vcpu_take(struct vcpu *vcpu, struct state_vcpu *state, struct state_error *error);

/**
 * state_vcpu_give() - make a new vCPU what was saved
 * @first: vCPU 0 as it was saved, and given before; this one's if this is vCPU 0. The distance of their TSCs is kept.
 */
bool state_vcpu_give(struct vcpu *vcpu, const struct state_vcpu *state, const struct state_vcpu *first,
		     struct state_error *error);

/**
 * state_vcpu_reset() - make a vCPU that stands outside the guest what it was once, but for its TSC, which goes on
 */
bool state_vcpu_reset(struct vcpu *vcpu, const struct state_vcpu *state, struct state_error *error);

/**
 * state_cpu_check() - does this host have what the guest was told that its CPU has?
 * @supported: what the node says
 * @arch_capabilities: what it says of that MSR
 */
bool state_cpu_check(const struct state_vcpu *state, const struct kvm_cpuid2 *supported, uint64_t arch_capabilities,
		     struct state_error *error);

#endif
