/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The virtual machine as the launcher's parts share it: file descriptors,
 * memory, the two buses, interrupt lines, and the one way to end a run.
 */
#ifndef KEEL_VM_H
#define KEEL_VM_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "bus.h"
#include "memory.h"
#include "status.h"

#define VM_GSI_COUNT	24

/* Who keeps the vCPUs out of the guest: bits of vm->holds. */
#define VM_HOLD_SETUP	(1u << 0)	/* the machine is not whole yet */
#define VM_HOLD_PAUSE	(1u << 1)	/* whoever has paused it */
#define VM_HOLD_NMI	(1u << 2)	/* a look at their local APICs */
#define VM_HOLD_DEBUG	(1u << 3)	/* the debugger */
#define VM_HOLD_RESET	(1u << 4)	/* it is on its way back to power-on */
#define VM_HOLD_FORK	(1u << 5)	/* another machine is made of it */
#define VM_HOLD_MARK	(1u << 6)	/* it is marked, or on its way back to its mark */
#define VM_HOLD_SAVE	(1u << 8)	/* the machine is written into a file */
#define VM_HOLD_MIGRATE	(1u << 9)	/* it is on its way to another launcher, or its */
#define VM_HOLD_SLOW	(1u << 10)	/* for a moment, as it writes faster than it can be copied */

/*
 * Who drives a shared interrupt line, a bit each in vm->line_sources: a PCI
 * device by its slot, 1 to 31; the board's devices as slot 0, which is the
 * host bridge and has no interrupt.
 */
#define IRQ_SOURCE_BOARD	0

struct gate_place;
struct gdb;

/* What has been asked for, by the first who did. */
struct vm_reset {
	bool is_asked;
	enum status status;		/* the end that it would be */
	char reason[512];
};

struct vm {
	int node;			/* the device node */
	int fd;				/* the VM */
	uint32_t run_size;		/* bytes of a vCPU's shared page(s) */
	bool explains;			/* KEEL_GET_LAST_ERROR is there */
	struct memory memory;
	struct bus ports;
	struct bus mmio;

	pthread_mutex_t line_lock;	/* guards line_sources; held over the ioctl */
	uint32_t line_sources[VM_GSI_COUNT];
	atomic_bool is_mute;		/* vm_mute(); changed under line_lock */

	/* vCPU threads wait here while any VM_HOLD_* is set: until all is set up, and while the guest stands still. */
	pthread_mutex_t gate_lock;	/* guards changes of what follows */
	pthread_cond_t gate;		/* told of each */
	atomic_uint holds;
	unsigned int waiting;		/* vCPU threads at the gate */
	bool is_attached;		/* a debugger may change what stands */

	/* A reset in place (reset.h), where the guest's resets do not end the run. */
	bool reboots;			/* constant once the guest runs */
	int reset_event;		/* eventfd, readable once somebody has asked */
	struct vm_reset reset;		/* changes together with it, under gate_lock */

	/* How the run ends: the first vm_stop() wins and fills these. */
	atomic_bool is_stopping;	/* set last, read by everybody */
	pthread_mutex_t stop_lock;
	int stop_event;			/* eventfd, readable once stopping */
	enum status status;
	char reason[1024];
	struct gdb *gdb;		/* the debugger; NULL: none */
	struct timespec end_by;		/* the main thread's: when threads are given up */
};

/**
 * vm_open() - open @device and create a VM with in-kernel irqchip and PIT
 * Return: 0, or STATUS_DEVICE or STATUS_CREATE after a line on stderr.
 */
int vm_open(struct vm *vm, const char *device);

/**
 * vm_renew() - make the VM of a process that fork() has made: in the state of the one it inherits, whose vCPUs stand
 *
 * Its vCPUs are held for VM_HOLD_SETUP alone, nobody waits, no end is in sight. Doorbells are to be set anew.
 * Return: 0, or STATUS_HOST or STATUS_CREATE after a line on stderr.
 */
int vm_renew(struct vm *vm);

/**
 * vm_set_dma_policy() - ask for @policy (KEEL_DMA_POLICY_*) on devices that reach all memory
 * Return: 0, or STATUS_CREATE after a line on stderr.
 */
int vm_set_dma_policy(const struct vm *vm, unsigned int policy);

/**
 * vm_add_memory() - map @size bytes of guest memory into the VM, and @pluggable more that its memory device has
 * Return: 0, or STATUS_MEMORY after a line on stderr.
 */
int vm_add_memory(struct vm *vm, uint64_t size, uint64_t pluggable);

/* Slots behind those of memory; devices of the host have theirs from VM_SLOT_OTHERS on. */
#define VM_SLOT_FIRMWARE	MEMORY_REGIONS_MAX
#define VM_SLOT_GENERATION	(MEMORY_REGIONS_MAX + 1)
#define VM_SLOT_FLASH		(MEMORY_REGIONS_MAX + 2)
#define VM_SLOT_OTHERS		8

struct vm_rom {
	unsigned int slot;
	uint64_t address;
	void *host;			/* whole pages */
	uint64_t size;
};

/**
 * vm_add_rom() - map @rom into the guest, which may only read it: its writes are dropped
 * Return: 0, or STATUS_MEMORY after a line on stderr.
 */
int vm_add_rom(const struct vm *vm, const struct vm_rom *rom);

/**
 * vm_remove_rom() - the end of vm_add_rom() for @slot: reads leave the guest, as writes do
 * Return: 0, or STATUS_MEMORY after a line on stderr.
 */
int vm_remove_rom(const struct vm *vm, unsigned int slot);

/**
 * vm_close() - release everything; harmless on a half-built VM
 */
void vm_close(struct vm *vm);

/**
 * vm_explain() - what the module says of the latest failure, in words
 * @text: gets ": WORDS", or nothing where the module keeps silent (stock KVM)
 */
void vm_explain(const struct vm *vm, char *text, size_t size);

/**
 * vm_has() - value of capability @cap of this VM, 0 if absent
 */
int vm_has(const struct vm *vm, unsigned int cap);

/**
 * vm_set_line() - let @source drive interrupt line @gsi high or low
 *
 * The line is the OR of its sources; the kernel is told only of changes.
 * Takes line_lock, sleeps. Callers may hold their device's lock.
 */
void vm_set_line(struct vm *vm, unsigned int gsi, unsigned int source, bool is_high);

/**
 * vm_send_msi() - deliver a message-signalled interrupt
 */
void vm_send_msi(struct vm *vm, uint64_t address, uint32_t data);

/**
 * vm_mute() - send no interrupt, by line or message, from now on
 */
void vm_mute(struct vm *vm);

/**
 * vm_unmute() - the end of vm_mute(); the kernel has the lines as @lines, of line_sources, say
 */
void vm_unmute(struct vm *vm, const uint32_t *lines);

/**
 * struct doorbell - guest writes that signal an eventfd
 * @address: guest-physical address, or port if @is_port.
 * @len: bytes of the write; 0 for any, where the kernel can.
 * @event: the eventfd.
 */
struct doorbell {
	uint64_t address;
	unsigned int len;
	int event;
	bool is_port;
};

/**
 * vm_set_doorbell() - signal the eventfd on such writes from now on
 *
 * Return: false if the kernel refused; the write then leaves as a plain exit.
 */
bool vm_set_doorbell(struct vm *vm, const struct doorbell *doorbell);

/**
 * vm_clear_doorbell() - undo vm_set_doorbell(), given the same doorbell
 */
void vm_clear_doorbell(struct vm *vm, const struct doorbell *doorbell);

/* gate.c */

/**
 * vm_hold() - keep vCPU threads at the gate, for @why (VM_HOLD_*)
 *
 * Those in the guest have to be kicked out of it: pause.h.
 */
void vm_hold(struct vm *vm, unsigned int why);

/**
 * vm_release() - the end of vm_hold() for @why; they go if nobody else holds them
 */
void vm_release(struct vm *vm, unsigned int why);

/**
 * vm_wait_gate() - wait until nobody holds the vCPU of @place, alone or with all others, or the run ends
 *
 * By its thread, with no instruction half done.
 */
void vm_wait_gate(struct vm *vm, struct gate_place *place);

/**
 * vm_ask_reset() - the guest, or somebody else, wants the machine reset, for the reason given
 * @status: STATUS_RESET: the guest; STATUS_QUIT: a client of the control socket; else what befell the guest.
 *
 * It ends the run with @status, or the machine starts again: soon, and the calling vCPU first goes to the gate.
 */
void vm_ask_reset(struct vm *vm, enum status status, const char *reason);

/**
 * vm_take_reset() - take what has been asked for since it was last called; vm->reset_event is not readable then
 * @reset: gets it.
 *
 * Return: false if nothing has.
 */
bool vm_take_reset(struct vm *vm, struct vm_reset *reset);

/**
 * vm_attach() - let a debugger change vCPUs and memory, but not of a machine that is being saved, moved, forked, marked or on its way back
 *
 * Waits until that is done. Return: false if the run ends meanwhile.
 */
bool vm_attach(struct vm *vm);

/**
 * vm_detach() - the end of vm_attach()
 */
void vm_detach(struct vm *vm);

/**
 * vm_is_attached() - may a debugger change the machine? If not, none does while VM_HOLD_SAVE, VM_HOLD_MIGRATE, VM_HOLD_FORK or VM_HOLD_MARK is set
 */
bool vm_is_attached(struct vm *vm);

static inline bool vm_is_held(const struct vm *vm)
{
	return atomic_load_explicit(&vm->holds, memory_order_relaxed);
}

/**
 * vm_stop() - end the run with @status for the reason given
 *
 * From any thread, any number of times; the first call decides. Returns at
 * once: vCPUs are stopped by the main thread.
 */
void __printf(3, 4) vm_stop(struct vm *vm, enum status status, const char *format, ...);

static inline bool vm_is_stopping(const struct vm *vm)
{
	return atomic_load_explicit(&vm->is_stopping, memory_order_acquire);
}

#endif
