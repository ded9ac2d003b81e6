/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The launcher's terminal: raw mode, keys to a serial port or a virtio console, bytes from both.
 */
#ifndef KEEL_CONSOLE_H
#define KEEL_CONSOLE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <termios.h>

struct serial;
struct virtio_console;
struct vm;

#define CONSOLE_BUFFER	4096	/* bytes on their way out */
#define CONSOLE_KEYS	65536	/* bytes that the guest has not taken yet */

struct console_size {
	uint16_t columns, rows;		/* 0: unknown */
};

struct console {
	struct vm *vm;
	struct serial *serial;		/* where keys go, but with */
	struct virtio_console *virtio;	/* NULL: none; set before console_start() */
	int in;
	int out;
	pthread_t reader;
	pthread_t writer;
	bool has_reader;
	bool has_writer;

	bool is_terminal;		/* standard input; constant */
	pthread_mutex_t mode_lock;	/* guards what follows */
	volatile bool is_raw;		/* saved holds what to restore */
	bool has_raw;			/* raw is what was set last */
	struct termios saved;
	struct termios raw;

	/* The reader's alone. */
	bool is_escaped;		/* the last key was Ctrl-A */
	bool is_input_closed;
	uint32_t key_head;
	uint32_t key_count;
	uint8_t keys[CONSOLE_KEYS];

	pthread_mutex_t lock;		/* guards what follows */
	pthread_cond_t filled;		/* the writer sleeps here */
	pthread_cond_t drained;		/* a vCPU with a full buffer sleeps here */
	bool is_writer_idle;
	bool is_closing;
	bool is_offer_waiting;		/* console_offer() did not take all */
	uint32_t used;
	uint8_t buffer[CONSOLE_BUFFER];

	atomic_bool has_printed;	/* the guest; cleared by whoever wants to know of what comes then */
	atomic_ulong taken;		/* bytes that standard output took */
	atomic_ulong lost;		/* and did not */
	atomic_bool is_abandoned;	/* the writer must not wait any more */
};

/**
 * console_start() - put the terminal into raw mode and start both threads
 *
 * A terminal that is another process group's at the moment is left alone until
 * it is ours.
 * Return: 0, or STATUS_HOST after a line on stderr.
 */
int console_start(struct console *console, struct vm *vm, struct serial *serial);

/**
 * console_renew() - in a process that fork() has made, with other standard streams: nothing is typed, printed or started
 *
 * Standard input is read if it is a terminal. The terminal of the other process is left as it is.
 */
void console_renew(struct console *console);

/**
 * console_suspend() - give the terminal back, for a stop of the process
 */
void console_suspend(struct console *console);

/**
 * console_resume() - take the terminal, if it is ours; after a stop
 */
void console_resume(struct console *console);

/**
 * console_stop() - write what is left, end the threads, restore the terminal
 * @is_hurried: asked again and again; once true, output that is not taken is
 *	given up after half a second, else after five seconds without progress.
 *
 * vm_is_stopping() must hold. Harmless if never started.
 * Return: false if a thread could not be ended.
 */
bool console_stop(struct console *console, bool (*is_hurried)(void *argument), void *argument);

/**
 * console_crash() - restore the terminal; safe in a signal handler
 */
void console_crash(void);

/**
 * console_put() - queue one byte for the terminal
 *
 * Blocks while the buffer is full, unless the run is ending.
 */
void console_put(struct console *console, uint8_t byte);

/**
 * console_offer() - queue bytes of console->virtio for the terminal
 *
 * Never blocks; if there is no room for all of them, its device is rung when there is some.
 * Return: how many were taken.
 */
size_t console_offer(struct console *console, const uint8_t *bytes, size_t count);

/**
 * console_size() - the size of the terminal at standard output, else at standard input, if there is one
 */
struct console_size console_size(void);

/**
 * console_key() - take one byte typed by the user, escape keys included
 *
 * Never blocks: a key for which there is no room is dropped, with a bell.
 */
void console_key(struct console *console, uint8_t byte);

#endif
