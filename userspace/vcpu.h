/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A virtual processor and the thread that runs it.
 */
#ifndef KEEL_VCPU_H
#define KEEL_VCPU_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "gate.h"

struct boot_entry;
struct cpu_board;
struct cpu_model;
struct kvm_run;
struct vm;

struct vcpu {
	struct vm *vm;
	unsigned int index;		/* also the local APIC's identifier */
	int fd;
	struct kvm_run *run;
	bool has_stood;			/* in the machine that this one was forked from */
	struct gate_place place;
	pthread_t thread;
	bool has_thread;
};

/**
 * vcpu_create() - create vCPU @index of @board's, with the CPUID of @model, and MSRs
 * Return: 0, or STATUS_CREATE after a line on stderr.
 */
int vcpu_create(struct vcpu *vcpu, struct vm *vm, unsigned int index, const struct cpu_board *board, const struct cpu_model *model);

/**
 * vcpu_renew() - after vm_renew(): take the vCPU of the new VM in place of the one that this process has inherited
 *
 * It has no thread.
 * Return: 0, or STATUS_CREATE after a line on stderr.
 */
int vcpu_renew(struct vcpu *vcpu);

/**
 * vcpu_set_entry() - set the registers with which the guest begins
 *
 * Only for vCPU 0; the others wait for the guest's start-up interrupt.
 * Return: 0, or STATUS_CREATE after a line on stderr.
 */
int vcpu_set_entry(struct vcpu *vcpu, const struct boot_entry *entry);

/**
 * vcpu_start() - start the thread; it enters the guest once nothing holds it (vm_release())
 * Return: 0, or STATUS_HOST after a line on stderr.
 */
int vcpu_start(struct vcpu *vcpu);

/**
 * vcpu_join() - wait for the thread, until vm->end_by; vm_is_stopping() must hold
 * Return: false if it is still there.
 */
bool vcpu_join(struct vcpu *vcpu);

/**
 * vcpu_destroy() - release the vCPU; harmless on a half-built one
 */
void vcpu_destroy(struct vcpu *vcpu);

#endif
