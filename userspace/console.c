// SPDX-License-Identifier: GPL-2.0-only
/*
 * The terminal side of the serial port, and of a virtio console.
 *
 * Out: vCPUs append to a buffer; the writer thread takes all of it at once.
 * It lets a burst gather for half a millisecond, so that a line of text costs
 * a vCPU one wake-up and the host one write, not one of each per character.
 * In: the reader thread looks at every key as it comes, so that the escape key
 * works whatever the guest does, and queues what is for the guest; the serial
 * port says by its event when it takes more. Input that is no terminal is
 * read only as far as the queue has room. End of input ends nothing else.
 * With a virtio console, keys are its own; those of a terminal are the serial
 * port's until a driver is there, for whoever boots the machine.
 *
 * The terminal belongs to one process group at a time. While it is another's,
 * nothing is read from it and its mode is left alone; output goes on.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "console.h"
#include "sandbox.h"
#include "serial.h"
#include "thread.h"
#include "virtio_console.h"
#include "vm.h"

#define KEY_ESCAPE	0x01	/* Ctrl-A */
#define KEY_BELL	0x07
#define GATHER_NS	500000L
#define BACKGROUND_MS	200	/* between two looks whether the terminal is ours again */
#define HURRIED_MS	500	/* what output may take when the user wants an end */
#define TAKING_MS	200	/* what a crash waits for a thread that takes the terminal */
#define PATIENT_MS	5000	/* without a byte taken, when the guest ended by itself */

/* Output. */

static void write_all(struct console *console, const uint8_t *bytes, size_t count)
{
	static bool is_told;

	while (count && !atomic_load(&console->is_abandoned)) {
		ssize_t done = write(console->out, bytes, count);

		if (done > 0) {
			bytes += done;
			count -= (size_t)done;
			atomic_fetch_add(&console->taken, (unsigned long)done);
		} else if (done < 0 && errno == EAGAIN) {
			struct pollfd wait = { .fd = console->out, .events = POLLOUT };

			poll(&wait, 1, 100);
		} else if (done == 0 || errno != EINTR) {
			/* The guest need not care. */
			if (!is_told)
				status_warn("standard output: %s; the guest runs on, what it "
					    "prints is lost",
					    strerror(errno));
			is_told = true;
			return;
		}
	}
	atomic_fetch_add(&console->lost, count);
}

static void *writer_main(void *argument)
{
	struct console *console = argument;
	const struct timespec gather = { .tv_nsec = GATHER_NS };
	uint8_t bytes[CONSOLE_BUFFER];

	sigset_t stop;

	thread_unblock_kicks();		/* out of a write() that nobody takes */
	/* `stty tostop` stops those who write from the background, as its user wants. */
	sigemptyset(&stop);
	sigaddset(&stop, SIGTTOU);
	pthread_sigmask(SIG_UNBLOCK, &stop, NULL);
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
		bool must_ring = console->is_offer_waiting;

		console->is_offer_waiting = false;
		pthread_cond_broadcast(&console->drained);
		pthread_mutex_unlock(&console->lock);
		if (must_ring)
			virtio_ring(&console->virtio->device);
		write_all(console, bytes, count);
		if (is_closing)
			return NULL;
	}
}

/* Return: false if the buffer is full and @is_waiting does not allow to wait. */
static bool put(struct console *console, uint8_t byte, bool is_waiting)
{
	pthread_mutex_lock(&console->lock);
	while (is_waiting && console->used == CONSOLE_BUFFER && !console->is_closing &&
	       !vm_is_stopping(console->vm)) {
		/* Bounded, so that the end of the run is seen without a signal. */
		struct timespec until = thread_time_in(100);

		pthread_cond_clockwait(&console->drained, &console->lock, CLOCK_MONOTONIC, &until);
	}
	bool has_room = console->used < CONSOLE_BUFFER;

	if (has_room)
		console->buffer[console->used++] = byte;
	bool must_wake = console->is_writer_idle;

	console->is_writer_idle = false;
	pthread_mutex_unlock(&console->lock);
	if (must_wake)
		pthread_cond_signal(&console->filled);
	return has_room;
}

void console_put(struct console *console, uint8_t byte)
{
	atomic_store_explicit(&console->has_printed, true, memory_order_relaxed);
	if (!put(console, byte, true))
		atomic_fetch_add(&console->lost, 1);
}

size_t console_offer(struct console *console, const uint8_t *bytes, size_t count)
{
	atomic_store_explicit(&console->has_printed, true, memory_order_relaxed);
	pthread_mutex_lock(&console->lock);
	size_t room = CONSOLE_BUFFER - console->used, taken = count < room ? count : room;
	bool must_wake = console->is_writer_idle && taken;

	memcpy(console->buffer + console->used, bytes, taken);
	console->used += (uint32_t)taken;
	console->is_offer_waiting |= taken < count;
	if (must_wake)
		console->is_writer_idle = false;
	pthread_mutex_unlock(&console->lock);
	if (must_wake)
		pthread_cond_signal(&console->filled);
	return taken;
}

/* Input. */

static void print_keys(struct console *console)
{
	static const char text[] =
		"\r\nkeel: Ctrl-A x  end the guest\r\n"
		"      Ctrl-A b  send a break\r\n"
		"      Ctrl-A a  send Ctrl-A\r\n";

	for (const char *c = text; *c; c++)
		put(console, (uint8_t)*c, false);
}

static bool pass(struct console *console, uint8_t key)
{
	if (console->virtio && (!console->is_terminal || virtio_console_is_open(console->virtio)))
		return virtio_console_receive(console->virtio, key);
	return serial_receive(console->serial, key);
}

static void deliver(struct console *console)
{
	while (console->key_count && pass(console, console->keys[console->key_head])) {
		console->key_head = (console->key_head + 1) % CONSOLE_KEYS;
		console->key_count--;
	}
}

static void queue_key(struct console *console, uint8_t byte)
{
	if (console->key_count == CONSOLE_KEYS) {
		put(console, KEY_BELL, false);
		return;
	}
	console->keys[(console->key_head + console->key_count++) % CONSOLE_KEYS] = byte;
}

void console_key(struct console *console, uint8_t byte)
{
	if (!console->is_escaped) {
		if (byte == KEY_ESCAPE)
			console->is_escaped = true;
		else
			queue_key(console, byte);
		return;
	}
	console->is_escaped = false;
	switch (byte) {
	case 'x':
	case 'X':
		vm_stop(console->vm, STATUS_ESCAPE, "ended from the console");
		break;
	case 'b':
		/* In its place among the keys, as far as the port has room for them. */
		deliver(console);
		serial_break(console->serial);
		break;
	case 'h':
	case '?':
		print_keys(console);
		break;
	case 'a':
	case KEY_ESCAPE:
		queue_key(console, KEY_ESCAPE);
		break;
	default:
		break;
	}
}

/* A terminal that is nobody's controlling one is whoever's opens it. */
static bool is_ours(const struct console *console)
{
	pid_t group = tcgetpgrp(console->in);

	return group == getpgrp() || (group < 0 && errno == ENOTTY);
}

/* May standard input be read now? */
static bool wants_input(const struct console *console)
{
	if (console->is_input_closed)
		return false;
	return console->is_terminal ? is_ours(console) : console->key_count < CONSOLE_KEYS;
}

static void read_input(struct console *console)
{
	uint8_t bytes[256];
	size_t room = CONSOLE_KEYS - console->key_count;

	if (console->is_terminal || room > sizeof(bytes))
		room = sizeof(bytes);
	ssize_t count = read(console->in, bytes, room);

	if (count < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	/* EIO is also what a terminal says that has just become another's. */
	if (count < 0 && errno == EIO && console->is_terminal && !is_ours(console))
		return;
	console->is_input_closed = count <= 0;
	for (ssize_t i = 0; i < count && !vm_is_stopping(console->vm); i++)
		console_key(console, bytes[i]);
}

static void *reader_main(void *argument)
{
	struct console *console = argument;
	struct pollfd waits[] = {
		{ .fd = -1, .events = POLLIN },		/* none of it, if -1 */
		{ .fd = console->vm->stop_event, .events = POLLIN },
		{ .fd = console->serial->room_event, .events = POLLIN },
		{ .fd = console->virtio ? console->virtio->room_event : -1, .events = POLLIN },
	};
	bool is_waiting = false;
	uint64_t count;

	while (!vm_is_stopping(console->vm)) {
		deliver(console);
		bool wants = wants_input(console);

		if (wants && is_waiting)	/* the terminal is ours again */
			console_resume(console);
		is_waiting = console->is_terminal && !wants && !console->is_input_closed;
		waits[0].fd = wants ? console->in : -1;
		if (poll(waits, 4, is_waiting ? BACKGROUND_MS : -1) < 0) {
			if (errno == EINTR)
				continue;
			break;
		}
		if (waits[2].revents && read(waits[2].fd, &count, sizeof(count)) < 0)
			continue;
		if (waits[3].revents && read(waits[3].fd, &count, sizeof(count)) < 0)
			continue;
		if (wants && waits[0].revents && wants_input(console))
			read_input(console);
	}
	return NULL;
}

/* The terminal's mode. */

static struct console *crashing;	/* whose terminal a crash restores */
static atomic_bool has_crashed;		/* the terminal is not taken any more */
static atomic_ulong taker;		/* the thread that is taking it, or 0 */

static bool is_same_mode(const struct termios *a, const struct termios *b)
{
	return a->c_iflag == b->c_iflag && a->c_oflag == b->c_oflag && a->c_cflag == b->c_cflag &&
	       a->c_lflag == b->c_lflag;
}

static void set_raw(struct console *console, bool is_raw)
{
	console->is_raw = is_raw;
	status_set_raw(is_raw);
}

/*
 * Of this and console_crash() in another thread one sees the other: either the
 * terminal is left alone here, or the crash waits and then gives it back.
 */
static void make_raw(struct console *console)
{
	atomic_store(&taker, pthread_self());
	/* first, for a crash of this thread in between */
	set_raw(console, true);
	if (!atomic_load(&has_crashed))
		tcsetattr(console->in, TCSANOW, &console->raw);
	atomic_store(&taker, 0);
}

/*
 * Whoever had the terminal meanwhile may have changed its mode: that is what is
 * restored then, unless it is still the one set here.
 */
void console_resume(struct console *console)
{
	struct termios now;

	if (!console->is_terminal || !is_ours(console))
		return;
	pthread_mutex_lock(&console->mode_lock);
	if (!console->has_raw || (!tcgetattr(console->in, &now) &&
				  !is_same_mode(&now, &console->raw))) {
		if (console->has_raw)
			console->saved = now;
		else
			console->has_raw = !tcgetattr(console->in, &console->saved);
		console->raw = console->saved;
		cfmakeraw(&console->raw);
		if (console->has_raw)
			make_raw(console);
	}
	set_raw(console, console->has_raw);
	pthread_mutex_unlock(&console->mode_lock);
}

void console_suspend(struct console *console)
{
	pthread_mutex_lock(&console->mode_lock);
	if (console->is_raw && is_ours(console))
		tcsetattr(console->in, TCSANOW, &console->saved);
	set_raw(console, false);
	pthread_mutex_unlock(&console->mode_lock);
}

void console_crash(void)
{
	const struct timespec slice = { .tv_nsec = 1000000 };
	struct console *console = crashing;
	unsigned long other;

	atomic_store(&has_crashed, true);
	for (int i = 0; i < TAKING_MS && (other = atomic_load(&taker)); i++) {
		if (other == pthread_self())
			break;
		clock_nanosleep(CLOCK_MONOTONIC, 0, &slice, NULL);
	}
	if (console && console->is_raw && is_ours(console))
		tcsetattr(console->in, TCSANOW, &console->saved);
}

struct console_size console_size(void)
{
	static const int files[] = { STDOUT_FILENO, STDIN_FILENO };
	struct winsize size;

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (!ioctl(files[i], TIOCGWINSZ, &size))
			return (struct console_size){ size.ws_col, size.ws_row };
	return (struct console_size){ 0, 0 };
}

/* Life cycle. */

void console_renew(struct console *console)
{
	struct virtio_console *virtio = console->virtio;

	memset(console, 0, sizeof(*console));
	console->virtio = virtio;
	console->is_input_closed = !isatty(STDIN_FILENO);
	atomic_store(&taker, 0);
}

int console_start(struct console *console, struct vm *vm, struct serial *serial)
{
	console->vm = vm;
	console->serial = serial;
	console->in = STDIN_FILENO;
	console->out = STDOUT_FILENO;
	console->is_terminal = isatty(console->in);
	pthread_mutex_init(&console->mode_lock, NULL);
	pthread_mutex_init(&console->lock, NULL);
	pthread_cond_init(&console->filled, NULL);
	pthread_cond_init(&console->drained, NULL);
	crashing = console;
	console_resume(console);
	serial_set_patient(serial, !console->is_terminal);

	int ret = sandbox_start_thread(&console->writer, SANDBOX_CONSOLE, writer_main, console);

	console->has_writer = !ret;
	if (!ret)
		ret = sandbox_start_thread(&console->reader, SANDBOX_CONSOLE, reader_main, console);
	console->has_reader = !ret;
	if (ret)
		return status_fail(STATUS_HOST, "cannot start a console thread: %s", strerror(ret));
	return 0;
}

/* Wait for the writer. Return: false if it is still there. */
static bool drain(struct console *console, bool (*is_hurried)(void *argument), void *argument)
{
	unsigned long taken = atomic_load(&console->taken);
	bool was_hurried = is_hurried(argument);
	int left = was_hurried ? HURRIED_MS : PATIENT_MS;
	struct timespec until;

	for (; left > 0; left -= JOIN_SLICE_MS) {
		until = thread_time_in(JOIN_SLICE_MS);
		if (!pthread_clockjoin_np(console->writer, NULL, CLOCK_MONOTONIC, &until))
			return true;
		if (!was_hurried && is_hurried(argument)) {
			was_hurried = true;
			left = HURRIED_MS;
		}
		if (!was_hurried && taken != atomic_load(&console->taken))
			left = PATIENT_MS;
		taken = atomic_load(&console->taken);
	}
	atomic_store(&console->is_abandoned, true);
	until = thread_time_in(200);
	return thread_join(console->writer, &until, KICK_SIGNAL);
}

bool console_stop(struct console *console, bool (*is_hurried)(void *argument), void *argument)
{
	bool is_ended = true;

	if (console->has_reader)
		is_ended = thread_join(console->reader, &console->vm->end_by, 0);
	if (console->has_writer) {
		pthread_mutex_lock(&console->lock);
		console->is_closing = true;
		pthread_cond_broadcast(&console->filled);
		pthread_cond_broadcast(&console->drained);
		pthread_mutex_unlock(&console->lock);
		is_ended &= drain(console, is_hurried, argument);
	}
	if (console->vm)
		console_suspend(console);
	if (atomic_load(&console->lost))
		status_warn("standard output did not take the guest's last %lu bytes",
			    atomic_load(&console->lost));
	return is_ended;
}
