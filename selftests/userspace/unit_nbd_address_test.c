// SPDX-License-Identifier: GPL-2.0-only
/* How remote disks are named: the NBD URI specification's forms, QEMU's older words, and what is none of them. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include "test.h"
#include "userspace/nbd_address.h"

static struct nbd_address address;

/* "unix PATH" or "HOST PORT". */
static const char *place(void)
{
	static char text[256];
	char host[INET6_ADDRSTRLEN] = "?";
	const struct sockaddr_in *ipv4 = (const struct sockaddr_in *)&address.storage;
	const struct sockaddr_in6 *ipv6 = (const struct sockaddr_in6 *)&address.storage;

	if (address.storage.ss_family == AF_UNIX) {
		snprintf(text, sizeof(text), "unix %s", ((const struct sockaddr_un *)&address.storage)->sun_path);
	} else if (address.storage.ss_family == AF_INET) {
		inet_ntop(AF_INET, &ipv4->sin_addr, host, sizeof(host));
		snprintf(text, sizeof(text), "%s %u", host, ntohs(ipv4->sin_port));
	} else {
		inet_ntop(AF_INET6, &ipv6->sin6_addr, host, sizeof(host));
		snprintf(text, sizeof(text), "%s %u", host, ntohs(ipv6->sin6_port));
	}
	return text;
}

static void test_good(void)
{
	static const struct {
		const char *text, *place, *export;
	} rows[] = {
		{ "nbd://192.0.2.7:10810/disk", "192.0.2.7 10810", "disk" },
		{ "nbd://192.0.2.7/disk", "192.0.2.7 10809", "disk" },
		{ "nbd://192.0.2.7", "192.0.2.7 10809", "" },
		{ "nbd://192.0.2.7/", "192.0.2.7 10809", "" },
		{ "nbd://192.0.2.7//disk", "192.0.2.7 10809", "/disk" },
		{ "nbd://192.0.2.7/hello%20world", "192.0.2.7 10809", "hello world" },
		{ "nbd://192.0.2.7/a%2fb%2FC", "192.0.2.7 10809", "a/b/C" },
		{ "nbd://localhost/x", "127.0.0.1 10809", "x" },
		{ "nbd:///x", "127.0.0.1 10809", "x" },
		{ "nbd://:99/x", "127.0.0.1 99", "x" },
		{ "nbd://[2001:db8::1]:10810/disk", "2001:db8::1 10810", "disk" },
		{ "nbd://[::1]", "::1 10809", "" },
		{ "nbd+unix:///disk?socket=nbd.sock", "unix nbd.sock", "disk" },
		{ "nbd+unix:///?socket=/run/n%20b%25d", "unix /run/n b%d", "" },
		{ "nbd+unix://?socket=/a", "unix /a", "" },
		{ "nbd+unix:////disk?socket=/a", "unix /a", "/disk" },
		{ "nbd:unix:/run/nbd", "unix /run/nbd", "" },
		{ "nbd:unix:/run/nbd:exportname=disk", "unix /run/nbd", "disk" },
		{ "nbd:unix:/run/a%20b:c:exportname=", "unix /run/a%20b:c", "" },
		{ "nbd:192.0.2.7:99", "192.0.2.7 99", "" },
		{ "nbd:localhost:10809:exportname=a:b", "127.0.0.1 10809", "a:b" },
	};

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *wrong = nbd_address_parse(rows[i].text, &address);

		if (wrong)
			test_note("%s: %s", rows[i].text, wrong);
		CHECK_EQ(rows[i].text, 1, !wrong);
		CHECK_EQ(place(), 0, strcmp(rows[i].place, place()));
		CHECK_EQ(address.export, 0, strcmp(rows[i].export, address.export));
		CHECK_EQ(rows[i].text, 1, nbd_address_is_one(rows[i].text));
	}
}

static void test_bad(void)
{
	static char long_path[300] = "nbd:unix:/", long_uri[300] = "nbd+unix:///?socket=/", long_name[5000] = "nbd://localhost/", long_word[5000] = "nbd:unix:/a:exportname=";
	static const struct {
		const char *text, *want;
	} rows[] = {
		{ "nbd:", "must be nbd:unix:PATH" },
		{ "nbd:disk.img", "must be nbd:unix:PATH" },
		{ "nbd:unix:", "no socket" },
		{ "nbd:unix::exportname=x", "no socket" },
		{ "nbd://example.org/x", "numeric" },
		{ "nbd://999.1.1.1/x", "numeric" },
		{ "nbd://192.0.2.7:0/x", "port" },
		{ "nbd://192.0.2.7:65536/x", "port" },
		{ "nbd://192.0.2.7:/x", "port" },
		{ "nbd://192.0.2.7:1x/x", "port" },
		{ "nbd://192.0.2.7:123456/x", "port" },
		{ "nbd://[::1/x", "[ADDRESS]" },
		{ "nbd://[::1]x/x", "[ADDRESS]" },
		{ "nbd://me@192.0.2.7/x", "users" },
		{ "nbd://192.0.2.7/x?socket=y", "behind the export" },
		{ "nbd://192.0.2.7/x#y", "behind the export" },
		{ "nbd://192.0.2.7/%", "hexadecimal" },
		{ "nbd://192.0.2.7/%2", "hexadecimal" },
		{ "nbd://192.0.2.7/%2g", "hexadecimal" },
		{ "nbd://192.0.2.7/%\x12\x13", "hexadecimal" },
		{ "nbd://192.0.2.7/a%00b", "byte 0" },
		{ "nbd+unix:///?socket=%00abstract", "byte 0" },
		{ "nbd+unix:///disk", "?socket=PATH" },
		{ "nbd+unix:///disk?sock=x", "?socket=PATH" },
		{ "nbd+unix:///disk?socket=", "no socket" },
		{ "nbd+unix:///disk?socket=a&tls-type=psk", "behind the socket" },
		{ "nbd+unix://host/disk?socket=a", "no host" },
		{ "nbds://192.0.2.7/x", "TLS" },
		{ "nbds+unix:///?socket=a", "TLS" },
		{ "nbd+vsock://2/x", "no kind of address" },
		{ "nbd+ssh://host/x", "no kind of address" },
		{ long_path, "too long" },
		{ long_uri, "too long" },
		{ long_name, "too long" },
		{ long_word, "too long" },
	};

	memset(long_path + strlen(long_path), 'x', 107);
	memset(long_uri + strlen(long_uri), 'x', 107);
	memset(long_name + strlen(long_name), 'x', 4097);
	memset(long_word + strlen(long_word), 'x', 4097);
	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *wrong = nbd_address_parse(rows[i].text, &address);

		if (!wrong || !strstr(wrong, rows[i].want))
			test_note("%.60s: wanted '%s', got '%s'", rows[i].text, rows[i].want, wrong ? wrong : "nothing");
		CHECK_EQ(rows[i].text, 1, wrong && strstr(wrong, rows[i].want));
	}
}

/* What is a file. */
static void test_files(void)
{
	static const char *const names[] = { "disk.img", "/dev/nbd0", "./nbd:x", "nbd", "nbd0", "nbdkit:", "NBD:x", "", "a/nbd://x" };

	for (u32 i = 0; i < ARRAY_SIZE(names); i++)
		CHECK_EQ(names[i], 0, nbd_address_is_one(names[i]));
}

static const struct test_case cases[] = {
	{ "good", test_good },
	{ "bad", test_bad },
	{ "files", test_files },
};

TEST_MAIN(cases)
