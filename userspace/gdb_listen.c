// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whoever can connect owns the guest: a file has its owner's mode, and TCP is the loopback's unless
 * an address says otherwise.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "gdb_listen.h"
#include "socket_file.h"

#define HOST_MAX	INET6_ADDRSTRLEN

static bool parse_port(const char *text, in_port_t *port)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	unsigned long value = strtoul(text, &end, 10);

	*port = htons((uint16_t)value);
	return !*end && value >= 1 && value <= 65535;
}

static void set_ipv4(struct gdb_address *address, struct in_addr host, in_port_t port)
{
	struct sockaddr_in *to = (struct sockaddr_in *)&address->storage;

	*to = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = port, .sin_addr = host };
	address->length = sizeof(*to);
	address->is_open = ntohl(host.s_addr) >> 24 != 127;
}

static void set_ipv6(struct gdb_address *address, struct in6_addr host, in_port_t port)
{
	struct sockaddr_in6 *to = (struct sockaddr_in6 *)&address->storage;

	*to = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = port, .sin6_addr = host };
	address->length = sizeof(*to);
	address->is_open = !IN6_IS_ADDR_LOOPBACK(&host);
}

static const char *parse_tcp(const char *text, struct gdb_address *address)
{
	const char *colon = strrchr(text, ':');
	char host[HOST_MAX] = "127.0.0.1";
	struct in6_addr ipv6;
	struct in_addr ipv4;
	in_port_t port;

	if (!parse_port(colon ? colon + 1 : text, &port))
		return "not a port number, 1 to 65535";
	if (colon) {
		bool is_bracketed = *text == '[' && colon[-1] == ']';
		size_t length = (size_t)(colon - text) - (is_bracketed ? 2 : 0);

		if (length >= sizeof(host))
			return "not a numeric address";
		memcpy(host, text + is_bracketed, length);
		host[length] = 0;
	}
	if (inet_pton(AF_INET, host, &ipv4) == 1)
		set_ipv4(address, ipv4, port);
	else if (inet_pton(AF_INET6, host, &ipv6) == 1)
		set_ipv6(address, ipv6, port);
	else
		return "not a numeric address";
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
