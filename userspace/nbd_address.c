// SPDX-License-Identifier: GPL-2.0-only
/*
 * The NBD URI specification (doc/uri.md of the NBD project), and the older words "nbd:".
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "nbd_address.h"
#include "socket_address.h"
#include "util.h"

#define PORT_DEFAULT	"10809"
#define SOCKET_MAX	sizeof(((struct sockaddr_un *)0)->sun_path)

static const char export_word[] = ":exportname=";

/* Does @text begin with @word? Then it is behind it. */
static bool skip(const char **text, const char *word)
{
	size_t length = strlen(word);

	if (strncmp(*text, word, length))
		return false;
	*text += length;
	return true;
}

static int hex_digit(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	digit |= 'a' - 'A';
	return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

/* Copy @length bytes of a URI's part. Return: NULL, or what is wrong. */
static const char *decode(const char *from, size_t length, char *to, size_t size)
{
	size_t done = 0;

	for (size_t i = 0; i < length; i++) {
		char byte = from[i];

		if (byte == '%') {
			int high = i + 2 < length ? hex_digit(from[i + 1]) : -1, low = high < 0 ? -1 : hex_digit(from[i + 2]);

			if (high < 0 || low < 0)
				return "% is not followed by two hexadecimal digits (of itself: %25)";
			byte = (char)(high << 4 | low);
			i += 2;
		}
		if (!byte)
			return "a byte 0 in a name";
		if (done + 1 >= size)
			return "too long a name";
		to[done++] = byte;
	}
	to[done] = 0;
	return NULL;
}

static const char *set_unix(struct nbd_address *address, const char *path, size_t length, bool is_encoded)
{
	struct sockaddr_un *to = (struct sockaddr_un *)&address->storage;

	if (!length)
		return "no socket named";
	if (!is_encoded && length >= SOCKET_MAX)
		return "too long a name for a socket: 107 bytes at most";
	to->sun_family = AF_UNIX;
	address->length = sizeof(*to);
	if (is_encoded)
		return decode(path, length, to->sun_path, SOCKET_MAX);
	memcpy(to->sun_path, path, length);
	to->sun_path[length] = 0;
	return NULL;
}

static const char *set_host(struct nbd_address *address, const char *host, size_t length, in_port_t port)
{
	static const char localhost[] = "localhost", loopback[] = "127.0.0.1";

	if (!length || (length == strlen(localhost) && !memcmp(host, localhost, length))) {
		host = loopback;
		length = strlen(loopback);
	}
	address->length = socket_address_host(host, length, port, &address->storage);
	return address->length ? NULL : "the host is no numeric address, nor localhost (getent hosts NAME tells the address)";
}

/* HOST, HOST:PORT, [IPV6] or [IPV6]:PORT, @length bytes; nothing at all is this host. */
static const char *set_authority(struct nbd_address *address, const char *text, size_t length)
{
	const char *end = text + length, *colon, *host = text, *host_end;
	in_port_t port;

	if (memchr(text, '@', length))
		return "there are no users here (that is for TLS)";
	if (length && *text == '[') {
		host_end = memchr(text, ']', length);
		host = text + 1;
		if (!host_end || (host_end + 1 < end && host_end[1] != ':'))
			return "not [ADDRESS] or [ADDRESS]:PORT";
		colon = host_end + 1 < end ? host_end + 1 : NULL;
	} else {
		colon = memchr(text, ':', length);
		host_end = colon ? colon : end;
	}
	if (!socket_address_port(colon ? colon + 1 : PORT_DEFAULT, colon ? (size_t)(end - colon - 1) : strlen(PORT_DEFAULT), &port))
		return "not a port number, 1 to 65535";
	return set_host(address, host, (size_t)(host_end - host), port);
}

/* "/EXPORT" or nothing. Return: NULL, or what is wrong. */
static const char *set_path(struct nbd_address *address, const char *path, size_t length)
{
	return length ? decode(path + 1, length - 1, address->export, sizeof(address->export)) : NULL;
}

/* Behind "nbd://". */
static const char *parse_tcp(const char *text, struct nbd_address *address)
{
	size_t authority = strcspn(text, "/?#"), length = strcspn(text, "?#");

	if (text[length])
		return "nothing can be behind the export's name (? and # in it: %3F and %23)";
	const char *wrong = set_authority(address, text, authority);

	return wrong ? wrong : set_path(address, text + authority, length - authority);
}

/* Behind "nbd+unix://". */
static const char *parse_unix(const char *text, struct nbd_address *address)
{
	size_t length = strcspn(text, "?#");
	const char *query = text + length;

	if (length && *text != '/')
		return "nbd+unix has no host: nbd+unix:///EXPORT?socket=PATH";
	if (!skip(&query, "?socket="))
		return "must end in ?socket=PATH";
	if (query[strcspn(query, "&#")])
		return "nothing can be behind the socket's path (& and # in it: %26 and %23)";
	const char *wrong = set_path(address, text, length);

	return wrong ? wrong : set_unix(address, query, strlen(query), true);
}

/* Behind "nbd:". */
static const char *parse_words(const char *text, struct nbd_address *address)
{
	const char *name = strstr(text, export_word);
	size_t length = name ? (size_t)(name - text) : strlen(text);

	if (name && strlen(name + strlen(export_word)) > NBD_NAME_MAX)
		return "too long a name";
	if (name)
		strcpy(address->export, name + strlen(export_word));
	if (skip(&text, "unix:"))
		return set_unix(address, text, length - strlen("unix:"), false);
	if (!memchr(text, ':', length))
		return "must be nbd:unix:PATH, nbd:HOST:PORT or nbd://HOST/EXPORT (a file of such a name: ./nbd:...)";
	return set_authority(address, text, length);
}

bool nbd_address_is_one(const char *text)
{
	static const char *const words[] = { "nbd:", "nbds:", "nbd+unix:", "nbds+unix:", "nbd+vsock:", "nbds+vsock:", "nbd+ssh:" };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (!strncmp(text, words[i], strlen(words[i])))
			return true;
	return false;
}

const char *nbd_address_parse(const char *text, struct nbd_address *address)
{
	memset(address, 0, sizeof(*address));
	if (skip(&text, "nbd://"))
		return parse_tcp(text, address);
	if (skip(&text, "nbd+unix://"))
		return parse_unix(text, address);
	if (skip(&text, "nbd:"))
		return parse_words(text, address);
	if (skip(&text, "nbds"))
		return "TLS is not spoken here: let the server listen on this host alone, or have a tunnel (ssh -L)";
	return "no kind of address that is known: nbd://HOST/EXPORT, or nbd+unix:///EXPORT?socket=PATH";
}
