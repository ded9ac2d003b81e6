/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The launcher's terminal: raw mode, keys to a serial port, bytes from it.
 */
#ifndef KEEL_CONSOLE_H
#define KEEL_CONSOLE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <termios.h>

struct serial;
struct vm;

#define CONSOLE_BUFFER	4096	/* bytes on their way out */

struct console {
	struct vm *vm;
	struct serial *serial;		/* where keys go */
	int in;
	int out;
	pthread_t reader;
	pthread_t writer;
	bool has_reader;
	bool has_writer;

	bool is_raw;			/* saved holds what to restore */
	struct termios saved;
	bool is_escaped;		/* reader only: the last key was Ctrl-A */

	pthread_mutex_t lock;		/* guards what follows */
	pthread_cond_t filled;		/* the writer sleeps here */
	pthread_cond_t drained;		/* a vCPU with a full buffer sleeps here */
	bool is_writer_idle;
	bool is_closing;
	uint32_t used;
	uint8_t buffer[CONSOLE_BUFFER];
};

/**
 * console_start() - put the terminal into raw mode and start both threads
 * Return: 0, or STATUS_HOST after a line on stderr.
 */
int console_start(struct console *console, struct vm *vm, struct serial *serial);

/**
 * console_stop() - write what is left, end the threads, restore the terminal
 *
 * vm_is_stopping() must hold. Harmless if never started.
 */
void console_stop(struct console *console);

/**
 * console_put() - queue one byte for the terminal
 *
 * Blocks while the buffer is full, unless the run is ending.
 */
void console_put(struct console *console, uint8_t byte);

/**
 * console_key() - take one byte typed by the user, escape keys included
 */
void console_key(struct console *console, uint8_t byte);

#endif
