// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hosts have no names here: what looks names up belongs to the C library's shared part, and this program is static.
 */
#include <arpa/inet.h>
#include <stdint.h>
#include <string.h>

#include "socket_address.h"

#define PORT_DIGITS	5

bool socket_address_port(const char *text, size_t length, in_port_t *port)
{
	unsigned long value = 0;

	if (!length || length > PORT_DIGITS || strspn(text, "0123456789") < length)
		return false;
	for (size_t i = 0; i < length; i++)
		value = value * 10 + (unsigned long)(text[i] - '0');
	*port = htons((uint16_t)value);
	return value >= 1 && value <= UINT16_MAX;
}

socklen_t socket_address_host(const char *text, size_t length, in_port_t port, struct sockaddr_storage *address)
{
	struct sockaddr_in *ipv4 = (struct sockaddr_in *)address;
	struct sockaddr_in6 *ipv6 = (struct sockaddr_in6 *)address;
	char host[INET6_ADDRSTRLEN];
	struct in6_addr six;
	struct in_addr four;

	if (length >= sizeof(host))
		return 0;
	memcpy(host, text, length);
	host[length] = 0;
	if (inet_pton(AF_INET, host, &four) == 1) {
		*ipv4 = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = port, .sin_addr = four };
		return sizeof(*ipv4);
	}
	if (inet_pton(AF_INET6, host, &six) != 1)
		return 0;
	*ipv6 = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = port, .sin6_addr = six };
	return sizeof(*ipv6);
}
