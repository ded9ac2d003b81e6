/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Numbers that the kernel gives as reasons, in words.
 *
 * Each function has an answer for any number, so that none is ever the whole message.
 */
#ifndef KEEL_REASON_H
#define KEEL_REASON_H

#include <stdint.h>

/**
 * reason_of_entry() - why the CPU refused to enter the guest
 * @hardware: kvm_run's hardware_entry_failure_reason: a failed-entry exit or a VM-instruction error of VMX, or SVM's
 *	VMEXIT_INVALID. No two of them share a number.
 */
const char *reason_of_entry(uint64_t hardware);

/**
 * reason_of_exit() - the name of a KVM_EXIT_*
 */
const char *reason_of_exit(uint32_t exit_reason);

/**
 * reason_of_internal() - what a KVM_INTERNAL_ERROR_* is about
 */
const char *reason_of_internal(uint32_t suberror);

#endif
