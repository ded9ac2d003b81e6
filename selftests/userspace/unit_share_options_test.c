// SPDX-License-Identifier: GPL-2.0-only
/* What can stand behind --share, and what is wrong with the rest. */
#include "test.h"
#include "userspace/share_options.h"
#include "userspace/status.h"

#define TAG36	"123456789012345678901234567890123456"

static struct share_options shares[SHARES_MAX];
static unsigned int count;

static void test_good(void)
{
	static const struct {
		const char *value, *path, *tag;
		bool is_socket, is_readonly;
	} rows[] = {
		{ "/srv/data", "/srv/data", "data" },
		{ "data", "data", "data" },
		{ "../data", "../data", "data" },
		{ "/srv/data/", "/srv/data/", "data" },
		{ "/srv/data///", "/srv/data///", "data" },
		{ "/srv/data,readonly", "/srv/data", "data", false, true },
		{ "/srv/data,tag=src", "/srv/data", "src" },
		{ "/srv/data,tag=src,readonly", "/srv/data", "src", false, true },
		{ "/srv/data,readonly,tag=src", "/srv/data", "src", false, true },
		{ ".,tag=here", ".", "here" },
		{ "/,tag=all,readonly", "/", "all", false, true },
		{ "/srv/" TAG36, "/srv/" TAG36, TAG36 },
		{ "/srv/data,tag=" TAG36, "/srv/data", TAG36 },
		{ "/srv/a,b", "/srv/a,b", "a,b" },
		{ "/srv/a,readonly,b,readonly", "/srv/a,readonly,b", "a,readonly,b", false, true },
		{ "/srv/a,tag=b,c,tag=d", "/srv/a,tag=b,c", "d" },
		{ "/srv/...", "/srv/...", "..." },
		{ "socket=/run/fs,tag=src", "/run/fs", "src", true },
		{ "socket=fs,tag=src", "fs", "src", true },
		{ "./socket=fs", "./socket=fs", "socket=fs" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		CHECK_EQ(rows[i].value, 0, share_options_add(shares, &count, rows[i].value));
		ASSERT_EQ(count, 1);
		CHECK_EQ(shares[0].path, 0, strcmp(rows[i].path, shares[0].path));
		CHECK_EQ(shares[0].tag, 0, strcmp(rows[i].tag, shares[0].tag));
		CHECK_EQ("a socket", rows[i].is_socket, shares[0].is_socket);
		CHECK_EQ("read-only", rows[i].is_readonly, shares[0].is_readonly);
		share_options_free(shares, &count);
	}
}

static void test_refused(void)
{
	static const struct {
		const char *value, *words;
	} rows[] = {
		{ "", "no directory" },
		{ ",readonly", "no directory" },
		{ ",tag=t", "no directory" },
		{ "/", "tag=TAG" },
		{ "//", "tag=TAG" },
		{ ".", "tag=TAG" },
		{ "..", "tag=TAG" },
		{ "/srv/..", "tag=TAG" },
		{ "/srv/.,readonly", "tag=TAG" },
		{ "/srv/" TAG36 "7", "more than 36 bytes" },
		{ "/srv,tag=", "1 to 36 bytes" },
		{ "/srv,tag=" TAG36 "7", "1 to 36 bytes" },
		{ "/srv,tag=a,tag=b", "twice" },
		{ "/srv,readonly,readonly", "twice" },
		{ "socket=/run/fs", "a tag is needed" },
		{ "socket=,tag=t", "1 to 107 bytes" },
		{ "socket=/run/fs,tag=t,readonly", "up to the program" },
		{ "socket=/" TAG36 TAG36 "/" TAG36 ",tag=t", "1 to 107 bytes" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		CHECK_EQ(rows[i].value, STATUS_USAGE, share_options_add(shares, &count, rows[i].value));
		CHECK_EQ(status_last(), 1, !!strstr(status_last(), rows[i].words));
		share_options_free(shares, &count);
	}
}

static void test_several(void)
{
	static const char *const values[SHARES_MAX] = { "/a", "/b", "/c", "/x/d", "/x/a,tag=e", "/a,tag=f", "socket=/s,tag=g", "/h" };

	for (u32 i = 0; i < SHARES_MAX; i++)
		CHECK_EQ(values[i], 0, share_options_add(shares, &count, values[i]));
	CHECK_EQ("shares", SHARES_MAX, count);
	CHECK_EQ("one too many", STATUS_USAGE, share_options_add(shares, &count, "/i"));
	share_options_free(shares, &count);
	CHECK_EQ("the first", 0, share_options_add(shares, &count, "/x/a"));
	CHECK_EQ("the same tag", STATUS_USAGE, share_options_add(shares, &count, "/y/a"));
	CHECK_EQ("the remedy", 1, !!strstr(status_last(), "tag 'a' (tag=TAG)"));
	share_options_free(shares, &count);
}

static const struct test_case cases[] = {
	{ "good", test_good },
	{ "refused", test_refused },
	{ "several", test_several },
};

TEST_MAIN(cases)
