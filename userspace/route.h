/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Interrupts that reach the guest without this process: the kernel's routing
 * table, and eventfds that raise what it routes.
 */
#ifndef KEEL_ROUTE_H
#define KEEL_ROUTE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct vm;
struct kvm_irq_routing;

/* The lines as the kernel routes them by default, then the messages. */
struct route_table {
	struct vm *vm;
	pthread_mutex_t lock;		/* guards @kernel; held over the ioctl */
	struct kvm_irq_routing *kernel;	/* allocated; @room entries */
	unsigned int room;
	unsigned int first_message;	/* GSI of the first */
};

/**
 * route_init() - a table with @messages messages, none of which is routed yet
 * Return: 0 or a negative errno.
 */
int route_init(struct route_table *table, struct vm *vm, unsigned int messages);

/**
 * route_free() - release the table; harmless on a zeroed one
 */
void route_free(struct route_table *table);

/**
 * route_set_message() - message @index is @data, written to @address
 * Return: 0 or a negative errno (a guest may choose what the kernel refuses).
 */
int route_set_message(struct route_table *table, unsigned int index, uint64_t address, uint32_t data);

/**
 * struct route_event - an eventfd that raises an interrupt
 * @gsi: the interrupt: a line, or route_table.first_message + index
 * @event: the eventfd
 * @resample: eventfd signalled when the guest has served a line; -1 for a message
 */
struct route_event {
	unsigned int gsi;
	int event;
	int resample;
};

/**
 * route_attach() - let the eventfd raise it, and what it counted before at once
 * Return: 0 or a negative errno.
 */
int route_attach(struct vm *vm, const struct route_event *route);

/**
 * route_detach() - from now on the eventfd counts only
 */
void route_detach(struct vm *vm, const struct route_event *route);

#endif
