/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a vCPU does when it leaves the guest.
 */
#ifndef KEEL_EXIT_H
#define KEEL_EXIT_H

struct vcpu;

/**
 * exit_handle() - serve the exit in vcpu->run, or end the run because of it
 */
void exit_handle(struct vcpu *vcpu);

/**
 * exit_run_failed() - KVM_RUN itself failed with @error (positive errno)
 */
void exit_run_failed(struct vcpu *vcpu, int error);

#endif
