// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whoever can connect owns the guest: a file has its owner's mode, and TCP is the loopback's unless
 * an address says otherwise.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "gdb_listen.h"
#include "socket_address.h"
#include "socket_file.h"

/* Do others than this host's users reach it? */
static bool is_open(const struct sockaddr_storage *address)
{
	if (address->ss_family == AF_INET6)
		return !IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)address)->sin6_addr);
	return ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr) >> 24 != IN_LOOPBACKNET;
}

static const char *parse_tcp(const char *text, struct gdb_address *address)
{
	const char *colon = strrchr(text, ':'), *host = colon ? text : "127.0.0.1", *port_text = colon ? colon + 1 : text;
	size_t length = colon ? (size_t)(colon - text) : strlen(host);
	in_port_t port;

	if (!socket_address_port(port_text, strlen(port_text), &port))
		return "not a port number, 1 to 65535";
	if (length >= 2 && *host == '[' && host[length - 1] == ']') {
		host++;
		length -= 2;
	}
	address->length = socket_address_host(host, length, port, &address->storage);
	if (!address->length)
		return "not a numeric address";
	address->is_open = is_open(&address->storage);
	return NULL;
}

const char *gdb_address_parse(const char *text, struct gdb_address *address)
{
	struct sockaddr_un *to = (struct sockaddr_un *)&address->storage;

	memset(address, 0, sizeof(*address));
	if (!strncmp(text, "tcp:", 4))
		return parse_tcp(text + 4, address);
	if (!*text)
		return "no socket named";
	if (strlen(text) >= sizeof(to->sun_path))
		return "too long a name for a socket: 107 bytes at most";
	to->sun_family = AF_UNIX;
	strcpy(to->sun_path, text);
	address->length = sizeof(*to);
	return NULL;
}

static int bind_socket(int fd, const struct gdb_address *address)
{
	const struct sockaddr *to = (const struct sockaddr *)&address->storage;
	mode_t mask = umask(0177);
	int ret = bind(fd, to, address->length);

	if (ret < 0 && errno == EADDRINUSE) {
		const char *path = address->storage.ss_family == AF_UNIX ? ((const struct sockaddr_un *)to)->sun_path : NULL;

		if (path && socket_file_is_left(path) && !unlink(path))
			ret = bind(fd, to, address->length);
		else
			errno = EADDRINUSE;
	}
	int error = errno;

	umask(mask);
	errno = error;
	return ret;
}

int gdb_listen(const struct gdb_address *address)
{
	int fd = socket(address->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int one = 1;

	if (fd < 0)
		return -1;
	if (address->storage.ss_family != AF_UNIX) {
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
		/* What is accepted here inherits these. */
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	}
	if (bind_socket(fd, address) < 0 || listen(fd, 1) < 0) {
		int error = errno;

		close(fd);
		errno = error;
		return -1;
	}
	return fd;
}
