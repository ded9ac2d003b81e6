/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A guest that stands still: its vCPUs wait outside of it.
 */
#ifndef KEEL_PAUSE_H
#define KEEL_PAUSE_H

#include <stdbool.h>

struct vcpu;
struct vm;

/**
 * pause_vcpus() - have all vCPUs wait outside the guest, for @why (VM_HOLD_*)
 *
 * Waits at most two seconds. vm_release() lets them go.
 *
 * Return: false if one of them could not leave what it does for the guest, a byte that standard output does not take;
 * nothing holds them for @why then.
 */
bool pause_vcpus(struct vm *vm, const struct vcpu *vcpus, unsigned int count, unsigned int why);

/**
 * pause_wait() - have all vCPUs wait outside the guest, which somebody holds already: vm_hold()
 *
 * Waits at most two seconds. Return: false if one could not leave it; those that did stay held.
 */
bool pause_wait(struct vm *vm, const struct vcpu *vcpus, unsigned int count);

/**
 * enum pause_nmi - what became of an NMI
 */
enum pause_nmi {
	PAUSE_NMI_SENT,
	PAUSE_NMI_MASKED,	/* no vCPU's local APIC lets it in */
	PAUSE_NMI_BUSY,		/* the vCPUs could not be looked at: pause_vcpus() */
	PAUSE_NMI_FAILED,	/* the kernel refused, errno says why */
};

/**
 * pause_nmi() - press the machine's NMI button: the pin LINT1 of each local APIC
 *
 * A vCPU takes it if the guest has programmed that pin so. The guest is out for a moment meanwhile.
 */
enum pause_nmi pause_nmi(struct vm *vm, const struct vcpu *vcpus, unsigned int count);

#endif
