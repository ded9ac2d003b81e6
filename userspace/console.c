// SPDX-License-Identifier: GPL-2.0-only
/*
 * The terminal side of the serial port.
 *
 * Out: vCPUs append to a buffer; the writer thread takes all of it at once.
 * It lets a burst gather for half a millisecond, so that a line of text costs
 * a vCPU one wake-up and the host one write, not one of each per character.
 * In: the reader thread sleeps in poll() on the terminal and the stop event,
 * and feeds the serial port, which makes it wait while the guest is not
 * reading. End of input ends the reader only: the guest runs on.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "console.h"
#include "serial.h"
#include "vm.h"

#define KEY_ESCAPE	0x01	/* Ctrl-A */
#define GATHER_NS	500000L

static void write_all(int fd, const uint8_t *bytes, size_t count)
{
	while (count) {
		ssize_t done = write(fd, bytes, count);

		if (done > 0) {
			bytes += done;
			count -= (size_t)done;
		} else if (done < 0 && errno == EAGAIN) {
			struct pollfd wait = { .fd = fd, .events = POLLOUT };

			poll(&wait, 1, 100);
		} else if (done == 0 || errno != EINTR) {
			return;		/* nobody reads any more: the guest need not care */
		}
	}
}

static void *writer_main(void *argument)
{
	struct console *console = argument;
	const struct timespec gather = { .tv_nsec = GATHER_NS };
	uint8_t bytes[CONSOLE_BUFFER];

	for (;;) {
		pthread_mutex_lock(&console->lock);
		while (!console->used && !console->is_closing) {
			console->is_writer_idle = true;
			pthread_cond_wait(&console->filled, &console->lock);
		}
		console->is_writer_idle = false;
		bool is_closing = console->is_closing;

		pthread_mutex_unlock(&console->lock);
		if (!is_closing)
			clock_nanosleep(CLOCK_MONOTONIC, 0, &gather, NULL);

		pthread_mutex_lock(&console->lock);
		uint32_t count = console->used;

		memcpy(bytes, console->buffer, count);
		console->used = 0;
		pthread_cond_broadcast(&console->drained);
		pthread_mutex_unlock(&console->lock);
		write_all(console->out, bytes, count);
		if (is_closing)
			return NULL;
	}
}

void console_put(struct console *console, uint8_t byte)
{
	pthread_mutex_lock(&console->lock);
	while (console->used == CONSOLE_BUFFER && !console->is_closing &&
	       !vm_is_stopping(console->vm)) {
		struct timespec until;

		/* Bounded, so that the end of the run is seen without a signal. */
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec += 1;
		pthread_cond_timedwait(&console->drained, &console->lock, &until);
	}
	if (console->used < CONSOLE_BUFFER)
		console->buffer[console->used++] = byte;
	bool must_wake = console->is_writer_idle;

	console->is_writer_idle = false;
	pthread_mutex_unlock(&console->lock);
	if (must_wake)
		pthread_cond_signal(&console->filled);
}

static void print_keys(struct console *console)
{
	static const char text[] =
		"\r\nkeel: Ctrl-A x  end the guest\r\n"
		"      Ctrl-A b  send a break\r\n"
		"      Ctrl-A a  send Ctrl-A\r\n";

	for (const char *c = text; *c; c++)
		console_put(console, (uint8_t)*c);
}

void console_key(struct console *console, uint8_t byte)
{
	if (!console->is_escaped) {
		if (byte == KEY_ESCAPE)
			console->is_escaped = true;
		else
			serial_receive(console->serial, byte);
		return;
	}
	console->is_escaped = false;
	switch (byte) {
	case 'x':
	case 'X':
		vm_stop(console->vm, STATUS_ESCAPE, "ended from the console");
		break;
	case 'b':
		serial_break(console->serial);
		break;
	case 'h':
	case '?':
		print_keys(console);
		break;
	case 'a':
	case KEY_ESCAPE:
		serial_receive(console->serial, KEY_ESCAPE);
		break;
	default:
		break;
	}
}

static void *reader_main(void *argument)
{
	struct console *console = argument;
	struct pollfd waits[] = {
		{ .fd = console->in, .events = POLLIN },
		{ .fd = console->vm->stop_event, .events = POLLIN },
	};
	uint8_t bytes[256];

	while (!vm_is_stopping(console->vm)) {
		if (poll(waits, 2, -1) < 0) {
			if (errno == EINTR)
				continue;
			break;
		}
		if (!(waits[0].revents & (POLLIN | POLLHUP | POLLERR | POLLNVAL)))
			continue;
		ssize_t count = read(console->in, bytes, sizeof(bytes));

		if (count < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (count <= 0)
			break;
		for (ssize_t i = 0; i < count && !vm_is_stopping(console->vm); i++)
			console_key(console, bytes[i]);
	}
	return NULL;
}

static void make_raw(struct console *console)
{
	struct termios raw;

	if (!isatty(console->in) || tcgetattr(console->in, &console->saved))
		return;
	raw = console->saved;
	cfmakeraw(&raw);
	console->is_raw = !tcsetattr(console->in, TCSANOW, &raw);
}

int console_start(struct console *console, struct vm *vm, struct serial *serial)
{
	console->vm = vm;
	console->serial = serial;
	console->in = STDIN_FILENO;
	console->out = STDOUT_FILENO;
	pthread_mutex_init(&console->lock, NULL);
	pthread_cond_init(&console->filled, NULL);
	pthread_cond_init(&console->drained, NULL);
	make_raw(console);
	serial_set_patient(serial, !console->is_raw);

	int ret = pthread_create(&console->writer, NULL, writer_main, console);

	console->has_writer = !ret;
	if (!ret)
		ret = pthread_create(&console->reader, NULL, reader_main, console);
	console->has_reader = !ret;
	if (ret)
		return status_fail(STATUS_HOST, "cannot start a console thread: %s", strerror(ret));
	return 0;
}

void console_stop(struct console *console)
{
	if (console->has_reader)
		pthread_join(console->reader, NULL);
	if (console->has_writer) {
		pthread_mutex_lock(&console->lock);
		console->is_closing = true;
		pthread_cond_broadcast(&console->filled);
		pthread_cond_broadcast(&console->drained);
		pthread_mutex_unlock(&console->lock);
		pthread_join(console->writer, NULL);
	}
	if (console->is_raw)
		tcsetattr(console->in, TCSANOW, &console->saved);
}
