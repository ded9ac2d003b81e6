/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A virtio device on PCI: what every such device has, and what a particular
 * one adds.
 */
#ifndef KEEL_VIRTIO_H
#define KEEL_VIRTIO_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "msix.h"
#include "pci.h"
#include "rate_limit.h"
#include "sandbox.h"
#include "virtq.h"
#include "vm.h"

#define VIRTIO_QUEUES_MAX	9
#define VIRTIO_CONFIG_MAX	128

struct virtio_device;

/**
 * struct virtio_class - a kind of device
 * @id: virtio device number.
 * @class_code: PCI class, 24 bits.
 * @queue_count: up to VIRTIO_QUEUES_MAX.
 * @thread: what the device's thread may ask of the kernel.
 * @serve: do one request; return the bytes written into it. Called by the
 *         device's thread with device->lock held.
 *
 * A device whose thread does more than that, whose queues the kernel serves, or whose driver writes its
 * configuration, has these too (else NULL):
 * @run: the thread: until vm_is_stopping(), wait for device->doorbell and what else there is.
 * @ready: the driver has set up all and asks for service.
 * @reset: the driver takes it back; queues are still as they were.
 * @vectors_changed: a queue's message may have become another one, or masked, or no longer so.
 * @write_config: the driver writes @len bytes at @offset of the device-specific configuration, all of whose bytes
 *                are read-only otherwise.
 * All but @run are called with device->lock held.
 */
struct virtio_class {
	uint16_t id;
	uint32_t class_code;
	unsigned int queue_count;
	enum sandbox_kind thread;
	uint32_t (*serve)(struct virtio_device *device, struct virtq_chain *chain);
	void (*run)(struct virtio_device *device);
	void (*ready)(struct virtio_device *device);
	void (*reset)(struct virtio_device *device);
	void (*vectors_changed)(struct virtio_device *device);
	void (*write_config)(struct virtio_device *device, uint64_t offset, unsigned int len, uint64_t value);
};

struct virtio_device {
	const struct virtio_class *class;
	struct vm *vm;
	struct pci_device pci;
	unsigned int config_window;	/* offset of the PCI access capability */

	pthread_t thread;
	bool has_thread;
	int doorbell;			/* eventfd the thread sleeps on */
	int queue_doorbells[VIRTIO_QUEUES_MAX];	/* where a queue has its own; 0: it has not */
	bool is_doorbell_set[2 * VIRTIO_QUEUES_MAX];	/* guarded by pci->lock */

	pthread_mutex_t serving;	/* the thread's while it serves; taken before all others */
	pthread_mutex_t next;		/* of who waits for that; taken before it, and not kept */
	atomic_bool is_wanted;		/* somebody waits for it who is not the thread */

	pthread_mutex_t turn;		/* of who waits for the lock: virtio_lock() */

	/* Guards all that follows; taken after pci->lock. */
	pthread_mutex_t lock;
	struct msix msix;
	uint64_t features;		/* offered */
	uint64_t withheld;		/* of what every device would offer */
	uint64_t accepted;
	uint32_t feature_select;
	uint32_t accepted_select;
	uint16_t queue_select;
	uint16_t config_vector;
	uint8_t status;
	uint8_t isr;
	bool is_line_enabled;		/* INTx not disabled in the command register, */
	bool is_master;			/* which lets the device at memory, if its driver has said so */
	struct virtq queues[VIRTIO_QUEUES_MAX];
	uint8_t config_generation;	/* counts changes of config */
	uint8_t config[VIRTIO_CONFIG_MAX];	/* device-specific */
	unsigned int config_size;
	struct rate_limit limit;	/* of what virtio_serve_queue() serves; class->serve takes from it */
	struct virtq_chain chain;	/* the request being served */

	uint64_t wake_at;		/* the thread's: when the limit lets requests through again, by thread_now(); 0: nobody waits */
};

/**
 * virtio_add() - plug a device into the bus
 * @device: zeroed, with class, features and config filled in.
 *
 * Return: 0 or a negative errno. Before the first vCPU runs.
 */
int virtio_add(struct virtio_device *device, struct vm *vm, struct pci *pci);

/**
 * virtio_start() - start the device's thread
 * Return: 0 or a positive errno.
 */
int virtio_start(struct virtio_device *device);

/**
 * virtio_stop() - end the thread, until vm->end_by, and release the doorbell
 *
 * vm_is_stopping() must hold. Harmless if never started.
 * Return: false if the thread is still there.
 */
bool virtio_stop(struct virtio_device *device);

/**
 * virtio_retire() - serve nothing any more, for good: the guest's requests are another process's; the device is held, see virtio_hold()
 */
void virtio_retire(struct virtio_device *device);

/**
 * virtio_reset() - take the device back from its driver, as the bus's reset does; pci_restore() is for its configuration
 *
 * Waits half a second at most. Return: false if its thread is in the midst of something; nothing is reset then.
 */
bool virtio_reset(struct virtio_device *device);

/* virtio_turn.c */

/**
 * virtio_init_locks() - make them anew, whoever may have had them
 */
void virtio_init_locks(struct virtio_device *device);

/**
 * virtio_lock() - take device->lock in one's turn
 *
 * A thread that serves gives the lock back and wants it again at once. It gets it behind whoever has waited for it here; a
 * mutex alone would let it have the lock for as long as the driver has requests.
 */
void virtio_lock(struct virtio_device *device);

/**
 * virtio_unlock() - the end of virtio_lock()
 */
void virtio_unlock(struct virtio_device *device);

/**
 * virtio_begin_turn() - serve, with device->lock, unless and until somebody holds the device; by its thread
 *
 * A turn has an end, however much the driver asks for: virtio_serve_queue() sees to that.
 */
void virtio_begin_turn(struct virtio_device *device);

/**
 * virtio_end_turn() - the end of virtio_begin_turn()
 */
void virtio_end_turn(struct virtio_device *device);

/**
 * virtio_hold() - keep the thread from serving, once the request it is at is done
 * @ms: what that may take; it is not to be waited for longer, as a request that a hung host has may never be done.
 *
 * The guest's accesses to the device's registers are not held back.
 * Return: false if the thread is in the midst of a request still; nothing is held then.
 */
bool virtio_hold(struct virtio_device *device, unsigned int ms);

/**
 * virtio_release() - the end of virtio_hold(), by the same thread
 */
void virtio_release(struct virtio_device *device);

/* virtio.c */

/**
 * virtio_renew() - after vm_renew(): a doorbell that is this process's own
 *
 * The device was held as fork() was called, and has no thread yet. One with doorbells of its queues cannot be renewed.
 * Return: 0 or a negative errno.
 */
int virtio_renew(struct virtio_device *device);

/**
 * virtio_restore_queues() - make the queues what @saved were, and have the thread look at them
 *
 * Needs device->lock held, and all else of the device to be as it was.
 * Return: false if the rings of one are not in memory.
 */
bool virtio_restore_queues(struct virtio_device *device, const struct virtq *saved);

/**
 * virtio_ring() - wake the device's thread, from any thread
 */
void virtio_ring(struct virtio_device *device);

/** virtio_ring_event() - ring the doorbell @event, an eventfd; never waits, also if another process has it full */
void virtio_ring_event(int event);

/**
 * virtio_signal_queue() - tell the driver that requests of @queue are done
 *
 * Needs device->lock, as the following do.
 */
void virtio_signal_queue(struct virtio_device *device, struct virtq *queue);

/**
 * virtio_signal_config() - tell the driver that device->config has changed
 */
void virtio_signal_config(struct virtio_device *device);

/**
 * virtio_must_wait() - does @limit let nothing through now? Then device->wake_at is when it does, or earlier
 */
bool virtio_must_wait(struct virtio_device *device, struct rate_limit *limit);

/**
 * virtio_serve_queue() - serve up to @budget requests of a queue by class->serve, and no more once somebody wants to hold the device
 *
 * What its limit does not let through stays in the queue, as if the driver had not come to it yet: device->wake_at says until when.
 *
 * Return: false if there may be more that need not wait.
 */
bool virtio_serve_queue(struct virtio_device *device, struct virtq *queue, unsigned int budget);

/**
 * virtio_set_broken() - the driver broke the rules: no more service until it resets the device
 */
void virtio_set_broken(struct virtio_device *device);

/**
 * virtio_copy_from() - copy the first bytes of a request's readable part
 * Return: false if it has fewer than @count.
 */
bool virtio_copy_from(const struct virtq_chain *chain, void *to, uint64_t count);

/**
 * virtio_copy_to() - copy into the first bytes of a request's writable part
 * Return: bytes copied: @count, or what there is room for.
 */
uint32_t virtio_copy_to(const struct virtq_chain *chain, const void *from, uint32_t count);

#endif
