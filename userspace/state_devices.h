/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The launcher's own devices in a saved VM.
 */
#ifndef KEEL_STATE_DEVICES_H
#define KEEL_STATE_DEVICES_H

#include "pci.h"
#include "power.h"
#include "rtc.h"
#include "serial.h"
#include "virtio.h"
#include "virtio_balloon.h"
#include "virtio_console.h"
#include "virtio_mem.h"
#include "vm.h"

struct state_error;
struct state_layout;

/* A virtio device, of which @device is a mere copy of values. */
struct state_virtio {
	struct virtio_device device;
	uint32_t queue_count;
	uint32_t slot;
	uint64_t size;			/* a disk's, in bytes; else 0 */
	bool is_readonly;		/* a disk's */
	uint64_t target;		/* a balloon's, in bytes; and of its configuration, */
	uint32_t asked;			/* num_pages, */
	uint32_t actual;
	uint32_t poison;		/* poison_val */
	struct console_size told;	/* a console's: what its configuration says, */
	uint64_t sent;			/* bytes of its next request that are out, */
	uint32_t input_count;		/* and input that the guest has not got */
	uint8_t input[VIRTIO_CONSOLE_INPUT];
};

/* A memory device. */
struct state_mem {
	struct state_virtio virtio;	/* what all have */
	uint64_t requested;		/* bytes, and as its configuration says */
	uint64_t asked;
	uint32_t plugged_bytes;		/* of the next */
	uint8_t plugged[VIRTIO_MEM_BLOCKS_MAX / 8];	/* a bit a block, the lowest first */
};

/* Copies of values too: no lock, no thread, no pointer in them means anything. */
struct state_board {
	struct serial serial;
	struct rtc rtc;
	struct power power;
	struct pci pci;
	uint32_t lines[VM_GSI_COUNT];	/* vm->line_sources */
};

extern const struct state_layout state_serial_layout;
extern const struct state_layout state_rtc_layout;
extern const struct state_layout state_power_layout;
extern const struct state_layout state_pci_layout;
extern const struct state_layout state_lines_layout;
extern const struct state_layout state_disk_layout;
extern const struct state_layout state_rng_layout;
extern const struct state_layout state_balloon_layout;
extern const struct state_layout state_console_layout;
extern const struct state_layout state_mem_layout;

struct state_board_devices {
	struct vm *vm;
	struct serial *serial;
	struct rtc *rtc;
	struct power *power;
	struct pci *pci;
};

/**
 * state_board_hold() - keep the board's devices as they are, and so their interrupt lines; no vCPU may need them
 */
void state_board_hold(const struct state_board_devices *devices);

/**
 * state_board_release() - the end of state_board_hold()
 */
void state_board_release(const struct state_board_devices *devices);

/**
 * state_board_take() - read the board's devices, which are held
 */
void state_board_take(const struct state_board_devices *from, struct state_board *board);

/**
 * state_board_give() - make new ones what was saved; before the first vCPU and device thread runs
 */
bool state_board_give(const struct state_board_devices *to, const struct state_board *board,
		      struct state_error *error);

/**
 * state_board_put() - state_board_give() to those that are held
 */
bool state_board_put(const struct state_board_devices *to, const struct state_board *board, struct state_error *error);

/**
 * state_lines_give() - drive the interrupt lines as they were; after the interrupt controllers are theirs
 */
void state_lines_give(struct vm *vm, const struct state_board *board);

/**
 * state_virtio_take() - read a virtio device between two of its requests
 */
void state_virtio_take(struct virtio_device *device, struct pci *pci, struct state_virtio *state);

/**
 * state_virtio_give() - make a new device what was saved
 *
 * The guest's memory must be what it was. The device looks at its queues when its thread starts.
 */
bool state_virtio_give(struct virtio_device *device, struct pci *pci, const struct state_virtio *state,
		       struct state_error *error);

/**
 * state_balloon_take() - state_virtio_take() of a balloon
 */
void state_balloon_take(struct virtio_balloon *balloon, struct pci *pci, struct state_virtio *state);

/**
 * state_balloon_give() - state_virtio_give() of a balloon that offers all there is; it offers what the saved one did then
 */
bool state_balloon_give(struct virtio_balloon *balloon, struct pci *pci, const struct state_virtio *state,
			struct state_error *error);

/**
 * state_mem_take() - state_virtio_take() of a memory device
 */
void state_mem_take(struct virtio_mem *mem, struct pci *pci, struct state_mem *state);

/**
 * state_mem_give() - state_virtio_give() of a memory device, with the blocks that the saved guest had plugged
 */
bool state_mem_give(struct virtio_mem *mem, struct pci *pci, const struct state_mem *state, struct state_error *error);

/**
 * state_console_take() - state_virtio_take() of a virtio console
 */
void state_console_take(struct virtio_console *vc, struct pci *pci, struct state_virtio *state);

/**
 * state_console_give() - state_virtio_give() of a virtio console, which tells the guest the size of its new terminal
 */
bool state_console_give(struct virtio_console *vc, struct pci *pci, const struct state_virtio *state,
			struct state_error *error);

#endif
