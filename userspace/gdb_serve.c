// SPDX-License-Identifier: GPL-2.0-only
/*
 * The thread: clients come and go, packets are taken and answered, stops of vCPUs are told.
 *
 * Reading never waits. Writing does, for five seconds at most: a client that does not read is let go.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gdb_server.h"
#include "status.h"
#include "thread.h"
#include "util.h"
#include "vm.h"

#define PATIENCE_MS	5000
#define NAP_MS		50	/* before a client that could not be taken is tried again */
#define RESENT_MAX	8	/* times that one reply is sent again in a row */

/* The client is gone, or will be: what it had asked for goes with it. */
static void let_go(struct gdb *gdb)
{
	close(gdb->client.fd);
	gdb->client.fd = -1;
	if (gdb_world_stop(gdb))
		gdb_world_free(gdb);
	vm_detach(gdb->vm);
	gdb->client.is_running = true;
}

static bool send_all(struct gdb *gdb, const char *data, size_t length)
{
	struct pollfd waits[] = {
		{ .fd = gdb->client.fd, .events = POLLOUT },
		{ .fd = gdb->vm->stop_event, .events = POLLIN },
	};

	while (length) {
		ssize_t done = write(gdb->client.fd, data, length);

		if (done > 0) {
			data += done;
			length -= (size_t)done;
		} else if (done < 0 && errno == EAGAIN) {
			/* At the end of the machine nobody is waited for. */
			if (poll(waits, ARRAY_SIZE(waits), PATIENCE_MS) <= 0 || waits[1].revents)
				return false;
		} else if (done == 0 || errno != EINTR) {
			return false;
		}
	}
	return true;
}

static bool send_reply(struct gdb *gdb)
{
	gdb_reply_end(&gdb->client.reply);
	gdb->client.resent = 0;
	return send_all(gdb, gdb->client.reply.data, gdb->client.reply.length);
}

/* The machine stands: because of a vCPU that met something, or because it was asked to. */
static bool tell_stop(struct gdb *gdb)
{
	struct gdb_client *client = &gdb->client;

	if (!gdb_world_stop(gdb))
		return true;
	if (!gdb_world_event(gdb, &client->stopped, &client->stop))
		client->stop = (struct gdb_stop){ .why = GDB_WHY_INTERRUPT };
	client->general = client->stopped;
	client->is_running = false;
	gdb_reply_begin(&client->reply);
	gdb_tell_stop(gdb);
	return send_reply(gdb);
}

/* Return: false to let the client go. */
static bool do_command(struct gdb *gdb)
{
	/* The packet that ends acknowledgements is acknowledged. */
	if (gdb->client.is_acked && !send_all(gdb, "+", 1))
		return false;
	switch (gdb_command(gdb)) {
	case GDB_SILENT:
		return true;
	case GDB_ANSWER:
		return send_reply(gdb);
	case GDB_KILL:
		vm_stop(gdb->vm, STATUS_SIGNAL, "ended by the debugger");
		return true;
	default:
		send_reply(gdb);
		return false;
	}
}

/* Without acknowledgements a packet that does not arrive is told as an error. */
static bool do_broken(struct gdb *gdb, enum gdb_event event)
{
	if (gdb->client.is_acked && !send_all(gdb, event == GDB_CORRUPT ? "-" : "+", 1))
		return false;
	if (gdb->client.is_acked && event == GDB_CORRUPT)
		return true;
	gdb_reply_begin(&gdb->client.reply);
	gdb_put_text(&gdb->client.reply, "E22");
	return send_reply(gdb);
}

static bool send_again(struct gdb *gdb)
{
	struct gdb_client *client = &gdb->client;

	if (!client->is_acked || client->reply.length < 4)
		return true;
	return client->resent++ < RESENT_MAX && send_all(gdb, client->reply.data, client->reply.length);
}

static bool take_byte(struct gdb *gdb, uint8_t byte)
{
	enum gdb_event event = gdb_take(&gdb->client.input, byte);

	switch (event) {
	case GDB_PACKET:
		return do_command(gdb);
	case GDB_CORRUPT:
	case GDB_TOO_LONG:
		return do_broken(gdb, event);
	case GDB_NAK:
		return send_again(gdb);
	case GDB_INTERRUPT:
		return !gdb->client.is_running || tell_stop(gdb);
	default:
		return true;
	}
}

static void take_input(struct gdb *gdb)
{
	uint8_t bytes[4096];
	ssize_t count = read(gdb->client.fd, bytes, sizeof(bytes));

	if (count < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	for (ssize_t i = 0; i < count; i++) {
		if (vm_is_stopping(gdb->vm))
			return;
		if (!take_byte(gdb, bytes[i])) {
			let_go(gdb);
			return;
		}
	}
	if (count <= 0)
		let_go(gdb);
}

/* One client at a time: another is sent away. */
static void take_client(struct gdb *gdb)
{
	int fd = accept4(gdb->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	/* It stays in the queue, or there is none: not at full speed. */
	if (fd < 0) {
		poll(NULL, 0, NAP_MS);
		return;
	}
	if (gdb->client.fd >= 0 || !vm_attach(gdb->vm) || !gdb_world_stop(gdb))
		close(fd);
	else
		gdb_client_begin(gdb, fd);
}

static void take_event(struct gdb *gdb)
{
	uint64_t count;

	if (read(gdb->wake, &count, sizeof(count)) == sizeof(count) && gdb->client.fd >= 0 && gdb->client.is_running &&
	    !tell_stop(gdb))
		let_go(gdb);
}

/* "Wxx": the machine has ended, with that status */
static void tell_end(struct gdb *gdb)
{
	uint8_t status = (uint8_t)gdb->vm->status;

	gdb_reply_begin(&gdb->client.reply);
	gdb_put_text(&gdb->client.reply, "W");
	gdb_put_bytes(&gdb->client.reply, &status, 1);
	gdb_reply_end(&gdb->client.reply);
	/* What fits at once: nobody is waited for. */
	if (write(gdb->client.fd, gdb->client.reply.data, gdb->client.reply.length) < 0)
		return;
}

static void serve(struct gdb *gdb)
{
	while (!vm_is_stopping(gdb->vm)) {
		struct pollfd waits[] = {
			{ .fd = gdb->vm->stop_event, .events = POLLIN },
			{ .fd = gdb->wake, .events = POLLIN },
			{ .fd = gdb->listener, .events = POLLIN },
			{ .fd = gdb->client.fd, .events = POLLIN },	/* -1 is left out */
		};

		if (poll(waits, ARRAY_SIZE(waits), -1) < 0 && errno != EINTR)
			vm_stop(gdb->vm, STATUS_HOST, "--gdb: poll failed: %s", strerror(errno));
		if (waits[1].revents)
			take_event(gdb);
		if (waits[3].revents && gdb->client.fd >= 0)
			take_input(gdb);
		if (waits[2].revents)
			take_client(gdb);
	}
}

void *gdb_serve(void *argument)
{
	struct gdb *gdb = argument;

	serve(gdb);
	if (gdb->client.fd >= 0) {
		if (gdb->client.is_running)
			tell_end(gdb);
		close(gdb->client.fd);
	}
	return NULL;
}
