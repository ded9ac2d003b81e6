/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A 16550A serial port at 0x3f8, interrupt 4.
 */
#ifndef KEEL_SERIAL_H
#define KEEL_SERIAL_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct console;
struct vm;

#define SERIAL_FIFO	16

struct serial {
	struct vm *vm;
	struct console *console;
	int room_event;			/* eventfd: serial_receive() may work again */

	pthread_mutex_t lock;		/* guards what follows */
	uint8_t ier, fcr, lcr, mcr, scr;
	uint8_t overrun;		/* UART_LSR_OE, not read yet */
	uint8_t modem_deltas;		/* bits 0 to 3 of the modem status, not read yet */
	uint8_t divisor[2];
	bool is_thre_pending;		/* transmitter-empty interrupt not yet seen */
	bool is_patient;		/* hold input until the guest listens */
	bool is_sender_waiting;		/* serial_receive() has failed */
	bool is_line_high;
	uint8_t fifo[SERIAL_FIFO];
	uint8_t errors[SERIAL_FIFO];	/* of each byte: bits of the line status */
	unsigned int head;
	unsigned int used;
};

/**
 * serial_init() - put the port on the VM's port bus
 * Return: 0 or a negative errno.
 */
int serial_init(struct serial *serial, struct vm *vm, struct console *console);

/**
 * serial_renew() - in a process that fork() has made: an event that is its own
 * Return: 0 or a negative errno.
 */
int serial_renew(struct serial *serial);

/**
 * serial_reset() - what the chip's master reset does; divisor and scratch register stay
 */
void serial_reset(struct serial *serial);

/**
 * serial_go_on() - its lock is held, and its registers have been given other values: whoever waits for room may try again
 */
void serial_go_on(struct serial *serial);

/**
 * serial_receive() - a byte arrives on the wire
 *
 * Never blocks. Return: false if the FIFO is full (or the guest not listening,
 * if patient); room_event is signalled when it is worth another try.
 */
bool serial_receive(struct serial *serial, uint8_t byte);

/**
 * serial_break() - a break condition arrives on the wire, FIFO full or not
 */
void serial_break(struct serial *serial);

/**
 * serial_set_patient() - hold input back until the receive interrupt is on
 *
 * For input that is all there at once (a pipe): a driver empties the FIFO as
 * it starts, so bytes delivered earlier would be lost. For the same reason a
 * patient port keeps its bytes when the FIFO is emptied.
 */
void serial_set_patient(struct serial *serial, bool is_patient);

#endif
