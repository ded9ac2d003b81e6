/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Power management: ACPI fixed hardware, the PM timer and the ways to reset.
 */
#ifndef KEEL_POWER_H
#define KEEL_POWER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct vm;

/* Ports and values that the ACPI tables announce. */
#define POWER_EVENT_PORT	0x600
#define POWER_CONTROL_PORT	0x604
#define POWER_TIMER_PORT	0x608
#define POWER_GPE_PORT		0x60c	/* general-purpose events: a byte of status, one of what is enabled */
#define POWER_GPE_PORTS		2
#define POWER_PORTS		0x10
#define POWER_RESET_PORT	0xcf9
#define POWER_RESET_VALUE	0x06
#define POWER_SCI_GSI		9
#define POWER_S5_TYPE		5
#define POWER_GENERATION_METHOD	"_E00"	/* of the event that power_tell_generation() raises */

struct power {
	struct vm *vm;
	pthread_mutex_t lock;	/* guards the registers */
	uint16_t status;
	uint16_t enable;
	uint16_t control;
	uint8_t gpe_status;
	uint8_t gpe_enable;
	uint64_t halves;	/* how often the timer's highest bit has changed, as far as looked */
	uint64_t shift;		/* ns by which the timer is ahead of now(): it goes on where a saved one stood */
	uint64_t (*now)(void);	/* host time, ns; replaced by tests */
};

/**
 * power_init() - put the registers on the VM's port bus
 * Return: 0 or a negative errno.
 */
int power_init(struct power *power, struct vm *vm);

/**
 * power_tick() - set TMR_STS if the PM timer's highest bit has changed since the last call
 *
 * Takes power->lock. Source: ACPI specification, "PM1 Status Registers".
 * Return: milliseconds, at most ten minutes, after which it wants to be called again.
 */
int power_tick(struct power *power);

/**
 * power_reset() - the registers as at power-on; the timer goes on
 */
void power_reset(struct power *power);

/**
 * power_tell_generation() - the guest has another generation ID; takes power->lock
 *
 * Who does not listen yet, and does so later, is told then.
 */
void power_tell_generation(struct power *power);

/**
 * power_press_button() - press the guest's power button
 * Return: false if the guest does not listen to it.
 */
bool power_press_button(struct power *power);

#endif
