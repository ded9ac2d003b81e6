/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A parallel flash chip, eight bits wide, with the command set that the Common Flash Interface numbers 1.
 */
#ifndef KEEL_FLASH_H
#define KEEL_FLASH_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "bus.h"

#define FLASH_BLOCK	4096u	/* what is erased at once */
#define FLASH_BUFFER	64u	/* what is programmed at once, at most */

/* The status register. */
#define FLASH_READY	0x80u
#define FLASH_ERASE_ERROR	0x20u
#define FLASH_PROGRAM_ERROR	0x10u

/**
 * struct flash_ops - what the chip's owner does
 * @store: bytes [@at, @at + @count) are to be @bytes; before the chip has them.
 *         Return: false if that fails, which the guest is told.
 * @settle: what was stored is to outlive the host's power.
 * @show: reads give the chip's contents from now on, or no longer: registers.
 *
 * All are called with flash->lock held.
 */
struct flash_ops {
	bool (*store)(void *owner, uint32_t at, const uint8_t *bytes, uint32_t count);
	void (*settle)(void *owner);
	void (*show)(void *owner, bool is_array);
};

enum flash_answer { FLASH_ARRAY, FLASH_STATUS, FLASH_IDENTIFIER, FLASH_QUERY };

enum flash_cycle {
	FLASH_COMMAND,		/* a command's first */
	FLASH_BYTE,		/* the byte to program */
	FLASH_ERASE,		/* the word that a block may be erased */
	FLASH_COUNT,		/* how many bytes the buffer gets, less one */
	FLASH_FILL,		/* those bytes */
	FLASH_PROGRAM,		/* the word that they may be programmed */
};

struct flash {
	const struct flash_ops *ops;
	void *owner;
	uint8_t *bytes;			/* the contents; whoever reads them without the lock sees them change */
	uint32_t size;			/* whole blocks */

	pthread_mutex_t lock;		/* guards what follows, and changes of bytes */
	enum flash_answer answer;	/* to reads */
	enum flash_cycle expected;	/* by the next write */
	uint8_t status;
	bool is_unsettled;
	uint32_t start;			/* of the buffer's bytes */
	uint32_t count, filled;		/* how many there will be, and are */
	uint8_t buffer[FLASH_BUFFER];
};

/** The chip's registers and contents, for bus_add(); its owner is the struct flash. */
extern const struct bus_ops flash_bus_ops;

/**
 * flash_init() - a chip as at power-on
 * @bytes: its contents, @size bytes, at most 16 MB
 */
void flash_init(struct flash *flash, const struct flash_ops *ops, void *owner, uint8_t *bytes, uint32_t size);

/**
 * flash_reset() - the registers as at power-on; the contents stay
 */
void flash_reset(struct flash *flash);

#endif
