/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A watchdog: Intel's 6300ESB, as Linux has it (i6300esb). Ends the run if the guest does not feed it in time.
 */
#ifndef KEEL_WATCHDOG_H
#define KEEL_WATCHDOG_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "pci.h"

struct vm;

struct watchdog {
	struct vm *vm;
	struct pci_device pci;
	int timer;			/* timerfd that the main thread waits for; 0: there is no watchdog */

	pthread_mutex_t lock;		/* guards what follows; taken after pci->lock */
	uint32_t preload[2];		/* of each stage, in ticks */
	uint32_t settings;		/* as in configuration space */
	uint32_t interrupts;		/* register: the first stage has ended */
	bool has_run_out;
	unsigned int unlocking;		/* words of the key that have come */
	bool is_running;
	unsigned int stage;		/* 0 or 1 */
	uint64_t left_ms;		/* of the stage; time in which the guest stands does not count */
	uint64_t slice_ms;		/* what the timer is set to */
};

/**
 * watchdog_add() - plug the device into the bus
 * @watchdog: zeroed.
 *
 * Return: 0 or a negative errno. Before the first vCPU runs.
 */
int watchdog_add(struct watchdog *watchdog, struct vm *vm, struct pci *pci);

/**
 * watchdog_tick() - look how late it is, as watchdog->timer is readable; stops the VM if it is too late
 */
void watchdog_tick(struct watchdog *watchdog);

/**
 * watchdog_reset() - stop it and let its settings be written again; no vCPU is in the guest, and pci_restore() follows
 */
void watchdog_reset(struct watchdog *watchdog);

/**
 * watchdog_renew() - in a process that fork() has made: a timer that is its own, and goes on where the other was last looked at
 * Return: 0 or a negative errno.
 */
int watchdog_renew(struct watchdog *watchdog);

/**
 * watchdog_close() - release the timer; harmless if never added
 */
void watchdog_close(struct watchdog *watchdog);

#endif
