// SPDX-License-Identifier: GPL-2.0-only
/* Where a debugger may connect: what is read as which address, who can reach it, and a socket that was left over. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "test.h"
#include "userspace/gdb_listen.h"

static void describe(const struct gdb_address *address, char *text, size_t size)
{
	const struct sockaddr_in6 *ipv6 = (const void *)&address->storage;
	const struct sockaddr_in *ipv4 = (const void *)&address->storage;
	char host[INET6_ADDRSTRLEN] = "";

	if (address->storage.ss_family == AF_UNIX)
		snprintf(text, size, "unix %.90s", ((const struct sockaddr_un *)&address->storage)->sun_path);
	else if (address->storage.ss_family == AF_INET)
		snprintf(text, size, "%s %u", inet_ntop(AF_INET, &ipv4->sin_addr, host, sizeof(host)), ntohs(ipv4->sin_port));
	else
		snprintf(text, size, "%s %u", inet_ntop(AF_INET6, &ipv6->sin6_addr, host, sizeof(host)), ntohs(ipv6->sin6_port));
}

static void test_addresses(void)
{
	static const struct {
		const char *text, *wanted;	/* NULL: refused */
		bool is_open;
	} rows[] = {
		{ "/run/guest.gdb", "unix /run/guest.gdb", false },
		{ "tcp", "unix tcp", false },
		{ "tcp:1234", "127.0.0.1 1234", false },
		{ "tcp:127.0.0.2:65535", "127.0.0.2 65535", false },
		{ "tcp:0.0.0.0:1", "0.0.0.0 1", true },
		{ "tcp:192.0.2.1:1234", "192.0.2.1 1234", true },
		{ "tcp:[::1]:1234", "::1 1234", false },
		{ "tcp:[::]:1234", ":: 1234", true },
		{ "tcp:2001:db8::1:1234", "2001:db8::1 1234", true },
		{ "", NULL, false },
		{ "tcp:", NULL, false },
		{ "tcp:0", NULL, false },
		{ "tcp:65536", NULL, false },
		{ "tcp:12x", NULL, false },
		{ "tcp:-1", NULL, false },
		{ "tcp:localhost:1234", NULL, false },
		{ "tcp::1234", NULL, false },
		{ "tcp:[:1234", NULL, false },
		{ "tcp:]:1234", NULL, false },
		{ "tcp:1.2.3.4:", NULL, false },
		{ "tcp:1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc:1", NULL, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct gdb_address address;
		char text[128] = "";
		const char *wrong = gdb_address_parse(rows[i].text, &address);

		CHECK_EQ(rows[i].text, !rows[i].wanted, wrong != NULL);
		if (wrong || !rows[i].wanted)
			continue;
		describe(&address, text, sizeof(text));
		if (strcmp(text, rows[i].wanted))
			test_note("wanted %s, got %s", rows[i].wanted, text);
		CHECK_EQ(rows[i].text, 0, strcmp(text, rows[i].wanted));
		CHECK_EQ(rows[i].text, rows[i].is_open, address.is_open);
	}
	static char name[200];
	struct gdb_address address;

	memset(name, 'x', 107);
	CHECK_EQ("107 bytes", true, !gdb_address_parse(name, &address));
	name[107] = 'x';
	CHECK_EQ("108", false, !gdb_address_parse(name, &address));
}

static void test_left_over(void)
{
	struct gdb_address address;
	struct stat stat_buffer;
	char path[64];

	snprintf(path, sizeof(path), "/tmp/keel-listen.%d", getpid());
	ASSERT(!gdb_address_parse(path, &address), "a path");

	int first = gdb_listen(&address);

	ASSERT_GE(first, 0);
	ASSERT_EQ(stat(path, &stat_buffer), 0);
	CHECK_EQ("its owner's alone", 0600, stat_buffer.st_mode & 0777);
	CHECK_EQ("in use", -1, gdb_listen(&address));
	CHECK_EQ("that is why", EADDRINUSE, errno);
	close(first);
	int second = gdb_listen(&address);

	ASSERT_GE(second, 0);
	close(second);
	unlink(path);
	/* No socket: somebody's file stays. */
	int file = creat(path, 0600);

	ASSERT_GE(file, 0);
	CHECK_EQ("a file", -1, gdb_listen(&address));
	CHECK_EQ("it stays", 0, access(path, F_OK));
	close(file);
	unlink(path);
}

/* Whoever listens is not to notice: a client stops the guest, and lets it go that waits for one. */
static void test_unnoticed(void)
{
	struct gdb_address address;
	char path[64];
	int crowd[8];
	int count = 0;

	snprintf(path, sizeof(path), "/tmp/keel-unnoticed.%d", getpid());
	ASSERT(!gdb_address_parse(path, &address), "a path");

	int first = gdb_listen(&address);

	ASSERT_GE(first, 0);
	CHECK_EQ("in use", -1, gdb_listen(&address));
	CHECK_EQ("that is why", EADDRINUSE, errno);
	CHECK_EQ("no client came", -1, accept(first, NULL, NULL));
	CHECK_EQ("none at all", EAGAIN, errno);
	/* More clients wait than are looked at: nobody waits behind them. */
	do
		crowd[count] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	while (!connect(crowd[count], (const struct sockaddr *)&address.storage, address.length) && ++count < 8);
	CHECK_EQ("some wait", true, count > 0 && count < 8);
	CHECK_EQ("still in use", -1, gdb_listen(&address));
	CHECK_EQ("that is why", EADDRINUSE, errno);
	for (int i = 0; i <= count && i < 8; i++)
		close(crowd[i]);
	close(first);
	/* Bound, and about to listen. */
	unlink(path);
	first = socket(AF_UNIX, SOCK_STREAM, 0);
	ASSERT_EQ(bind(first, (const struct sockaddr *)&address.storage, address.length), 0);
	CHECK_EQ("somebody's already", -1, gdb_listen(&address));
	close(first);
	unlink(path);
}

/* A client's connection has no delay of its own: each packet waits for the one before. */
static void test_tcp(void)
{
	struct gdb_address address;
	socklen_t size = sizeof(int);
	int listener = -1, no_delay = 0;
	char text[32];

	for (unsigned int i = 0; i < 20 && listener < 0; i++) {
		snprintf(text, sizeof(text), "tcp:%u", 20000 + ((unsigned int)getpid() + 977 * i) % 30000);
		ASSERT(!gdb_address_parse(text, &address), "%s", text);
		listener = gdb_listen(&address);
	}
	ASSERT_GE(listener, 0);
	int client = socket(AF_INET, SOCK_STREAM, 0);

	ASSERT_EQ(connect(client, (const struct sockaddr *)&address.storage, address.length), 0);
	int server = accept4(listener, NULL, NULL, SOCK_NONBLOCK);

	ASSERT_GE(server, 0);
	ASSERT_EQ(getsockopt(server, IPPROTO_TCP, TCP_NODELAY, &no_delay, &size), 0);
	CHECK_EQ("no delay", true, no_delay != 0);
	CHECK_EQ("in use", -1, gdb_listen(&address));
	close(server);
	close(client);
	close(listener);
}

static const struct test_case cases[] = {
	{ "addresses", test_addresses },
	{ "left_over", test_left_over },
	{ "unnoticed", test_unnoticed },
	{ "tcp", test_tcp },
};

TEST_MAIN(cases)
