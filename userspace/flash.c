// SPDX-License-Identifier: GPL-2.0-only
/*
 * Commands and answers as in Intel's data sheets of the StrataFlash families ("Command Definitions", "Status Register",
 * "Buffered Program") and JEDEC's JESD68, "Common Flash Interface". An access of several bytes is as many cycles, as it
 * is on a bus to an eight-bit chip. Operations are done when the write that starts them is: there is nothing to suspend.
 *
 * Programming clears bits and erasing sets them. Both end with the status register as the answer to reads, until
 * another answer is asked for.
 *
 * Two things differ from the chips. No block is ever locked. And a status register that is cleared reads zero, where a
 * chip's would say that it is ready: by that OVMF knows flash from read-only memory, as QEMU's flash does so too. The
 * next operation sets the bit again.
 */
#include <string.h>

#include "flash.h"
#include "util.h"

#define CMD_PROGRAM		0x40
#define CMD_PROGRAM_TOO		0x10
#define CMD_ERASE		0x20
#define CMD_CLEAR_STATUS	0x50
#define CMD_READ_STATUS		0x70
#define CMD_READ_IDENTIFIER	0x90
#define CMD_READ_QUERY		0x98
#define CMD_CONFIRM		0xd0
#define CMD_BUFFER		0xe8
#define CMD_READ_ARRAY		0xff

#define SEQUENCE_ERROR	(FLASH_ERASE_ERROR | FLASH_PROGRAM_ERROR)

#define MAKER	0x89	/* Intel */
#define MODEL	0x18

#define QUERY_START	0x10
#define QUERY_PRIMARY	0x31
#define QUERY_END	(QUERY_PRIMARY + 15)

/* Return: the exponent of the power of two that is no less than @value. */
static uint8_t exponent(uint32_t value)
{
	uint8_t bits = 0;

	while (1u << bits < value)
		bits++;
	return bits;
}

/* "CFI Query Structure": signature, voltages and times, geometry, and the command set's own table. */
static uint8_t query(uint32_t size, uint32_t at)
{
	const uint32_t last = size / FLASH_BLOCK - 1, unit = FLASH_BLOCK / 256;
	const uint8_t table[QUERY_END - QUERY_START] = {
		'Q', 'R', 'Y', 0x01, 0x00, QUERY_PRIMARY, 0x00, 0, 0, 0, 0,
		/* supply: 3 V, no other for programming; 2^n us for a byte and a buffer, 2^n ms for a block; at most 2^n times that */
		0x27, 0x36, 0, 0, 7, 7, 10, 0, 4, 4, 4, 0,
		exponent(size), 0x00, 0x00, exponent(FLASH_BUFFER), 0x00, 1,
		(uint8_t)last, (uint8_t)(last >> 8), (uint8_t)unit, (uint8_t)(unit >> 8),
		'P', 'R', 'I', '1', '0', 0, 0, 0, 0, 0, 0, 0, 0x30, 0, 0,
	};

	return at >= QUERY_START && at < QUERY_END ? table[at - QUERY_START] : 0;
}

static uint8_t identifier(uint32_t at)
{
	switch (at % FLASH_BLOCK) {
	case 0:
		return MAKER;
	case 1:
		return MODEL;
	default:
		return 0;	/* the block's lock is open */
	}
}

static uint8_t answer(const struct flash *flash, uint32_t at)
{
	switch (flash->answer) {
	case FLASH_STATUS:
		return flash->status;
	case FLASH_IDENTIFIER:
		return identifier(at);
	case FLASH_QUERY:
		return query(flash->size, at);
	default:
		return flash->bytes[at];
	}
}

static void set_answer(struct flash *flash, enum flash_answer wanted)
{
	bool was_array = flash->answer == FLASH_ARRAY, is_array = wanted == FLASH_ARRAY;

	if (is_array && flash->is_unsettled) {
		flash->ops->settle(flash->owner);
		flash->is_unsettled = false;
	}
	flash->answer = wanted;
	if (was_array != is_array)
		flash->ops->show(flash->owner, is_array);
}

/* An operation is over. @errors: none, or bits of the status register. */
static void finish(struct flash *flash, uint8_t errors)
{
	flash->status |= FLASH_READY | errors;
	flash->expected = FLASH_COMMAND;
	set_answer(flash, FLASH_STATUS);
}

static bool store(struct flash *flash, uint32_t at, const uint8_t *bytes, uint32_t count)
{
	if (!flash->ops->store(flash->owner, at, bytes, count))
		return false;
	memcpy(flash->bytes + at, bytes, count);
	flash->is_unsettled = true;
	return true;
}

static void program(struct flash *flash, uint32_t at, const uint8_t *data, uint32_t count)
{
	uint8_t bytes[FLASH_BUFFER];

	for (uint32_t i = 0; i < count; i++)
		bytes[i] = flash->bytes[at + i] & data[i];
	finish(flash, store(flash, at, bytes, count) ? 0 : FLASH_PROGRAM_ERROR);
}

static void erase(struct flash *flash, uint32_t at)
{
	uint8_t bytes[FLASH_BLOCK];

	memset(bytes, 0xff, sizeof(bytes));
	finish(flash, store(flash, at - at % FLASH_BLOCK, bytes, sizeof(bytes)) ? 0 : FLASH_ERASE_ERROR);
}

static void take_command(struct flash *flash, uint8_t command)
{
	switch (command) {
	case CMD_READ_ARRAY:
		set_answer(flash, FLASH_ARRAY);
		break;
	case CMD_READ_STATUS:
		set_answer(flash, FLASH_STATUS);
		break;
	case CMD_READ_IDENTIFIER:
		set_answer(flash, FLASH_IDENTIFIER);
		break;
	case CMD_READ_QUERY:
		set_answer(flash, FLASH_QUERY);
		break;
	case CMD_CLEAR_STATUS:
		flash->status = 0;
		break;
	case CMD_PROGRAM:
	case CMD_PROGRAM_TOO:
		flash->expected = FLASH_BYTE;
		set_answer(flash, FLASH_STATUS);
		break;
	case CMD_ERASE:
		flash->expected = FLASH_ERASE;
		set_answer(flash, FLASH_STATUS);
		break;
	case CMD_BUFFER:	/* the bit says that the buffer is free */
		flash->status |= FLASH_READY;
		flash->expected = FLASH_COUNT;
		set_answer(flash, FLASH_STATUS);
		break;
	default:	/* one that it does not know, or that suspends or resumes what is over */
		break;
	}
}

static void take_count(struct flash *flash, uint8_t value)
{
	if (value >= FLASH_BUFFER) {
		finish(flash, SEQUENCE_ERROR);
		return;
	}
	flash->count = value + 1u;
	flash->filled = 0;
	memset(flash->buffer, 0xff, sizeof(flash->buffer));
	flash->expected = FLASH_FILL;
}

/* The first of them says where they begin: none may lie before that, behind what was announced, or in another block. */
static void take_data(struct flash *flash, uint32_t at, uint8_t value)
{
	if (!flash->filled)
		flash->start = at;
	if (at < flash->start || at - flash->start >= flash->count || at / FLASH_BLOCK != flash->start / FLASH_BLOCK) {
		finish(flash, SEQUENCE_ERROR);
		return;
	}
	flash->buffer[at - flash->start] = value;
	if (++flash->filled == flash->count)
		flash->expected = FLASH_PROGRAM;
}

/* A buffer that was not filled in order may reach into the next block. */
static void program_buffer(struct flash *flash, uint8_t value)
{
	uint32_t room = FLASH_BLOCK - flash->start % FLASH_BLOCK;

	if (value == CMD_CONFIRM)
		program(flash, flash->start, flash->buffer, flash->count < room ? flash->count : room);
	else
		finish(flash, SEQUENCE_ERROR);
}

static void take(struct flash *flash, uint32_t at, uint8_t value)
{
	switch (flash->expected) {
	case FLASH_BYTE:
		program(flash, at, &value, 1);
		break;
	case FLASH_ERASE:
		if (value == CMD_CONFIRM)
			erase(flash, at);
		else
			finish(flash, SEQUENCE_ERROR);
		break;
	case FLASH_COUNT:
		take_count(flash, value);
		break;
	case FLASH_FILL:
		take_data(flash, at, value);
		break;
	case FLASH_PROGRAM:
		program_buffer(flash, value);
		break;
	default:
		take_command(flash, value);
		break;
	}
}

static uint64_t flash_read(void *owner, uint64_t offset, unsigned int len)
{
	struct flash *flash = owner;
	uint64_t value = 0;

	pthread_mutex_lock(&flash->lock);
	for (unsigned int i = 0; i < len; i++)
		value |= (uint64_t)(offset + i < flash->size ? answer(flash, (uint32_t)offset + i) : 0xff) << (8 * i);
	pthread_mutex_unlock(&flash->lock);
	return value;
}

static void flash_write(void *owner, uint64_t offset, unsigned int len, uint64_t value)
{
	struct flash *flash = owner;

	pthread_mutex_lock(&flash->lock);
	for (unsigned int i = 0; i < len && offset + i < flash->size; i++)
		take(flash, (uint32_t)offset + i, (uint8_t)(value >> (8 * i)));
	pthread_mutex_unlock(&flash->lock);
}

const struct bus_ops flash_bus_ops = { flash_read, flash_write };

void flash_init(struct flash *flash, const struct flash_ops *ops, void *owner, uint8_t *bytes, uint32_t size)
{
	*flash = (struct flash){ .ops = ops, .owner = owner, .bytes = bytes, .size = size, .status = FLASH_READY };
	pthread_mutex_init(&flash->lock, NULL);
}

void flash_reset(struct flash *flash)
{
	pthread_mutex_lock(&flash->lock);
	flash->status = FLASH_READY;
	flash->expected = FLASH_COMMAND;
	set_answer(flash, FLASH_ARRAY);
	pthread_mutex_unlock(&flash->lock);
}
