// SPDX-License-Identifier: GPL-2.0-only
/*
 * Both ends of a migration's connection. Whoever reaches it has the guest: a file has its owner's mode, and TCP is the loopback's unless an address says otherwise.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "migrate_address.h"
#include "put_off.h"
#include "socket_connect.h"

const char *migrate_address_parse(const char *text, struct gdb_address *address)
{
	static const char unix_prefix[] = "unix:";

	if (!strncmp(text, unix_prefix, sizeof(unix_prefix) - 1)) {
		text += sizeof(unix_prefix) - 1;
		/* A debugger's address without a word before it is a path. */
		return strncmp(text, "tcp:", 4) ? gdb_address_parse(text, address) : "either unix: or tcp: (of a path that begins so: unix:./tcp:...)";
	}
	if (!strncmp(text, "tcp:", 4))
		return gdb_address_parse(text, address);
	return "must be unix:PATH or tcp:ADDRESS:PORT";
}

int migrate_connect(const struct gdb_address *address, int seconds)
{
	return socket_connect(&address->storage, address->length, seconds);
}

int migrate_accept(const struct gdb_address *address)
{
	put_off_end();

	int listener = gdb_listen(address), fd = -1, error = errno;
	struct pollfd wait = { .fd = listener, .events = POLLIN };

	while (listener >= 0 && fd < 0) {
		if (put_off_poll(&wait, 1, NULL) > 0)
			fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		error = errno;
		if (put_off_is_due() || (fd < 0 && error != EAGAIN && error != EINTR && error != ECONNABORTED))
			break;
	}
	if (listener >= 0 && address->storage.ss_family == AF_UNIX)
		unlink(((const struct sockaddr_un *)&address->storage)->sun_path);
	if (listener >= 0)
		close(listener);
	put_off_no_longer();
	errno = error;
	return fd;
}
